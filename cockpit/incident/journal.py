"""What an incident asks of a store, and when entries are made durable."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from cockpit.incident.entry import Entry

GROUP_WINDOW = 0.25
"""Seconds that findings may wait for a group commit."""

PATIENCE = 5.0
"""Seconds that an append waits for the disk before it goes on and says so."""


class Journal(Protocol):
    """Takes entries in order and makes them durable. Never raises into the caller."""

    @property
    def degraded(self) -> str:
        """Why entries are not durable where they belong; empty when they are."""
        ...

    def put(self, entry: Entry, *, urgent: bool) -> Future[bool]:
        """Take the next entry. The future ends with True once it is durable in its place,
        with False when that failed and it is kept otherwise (see `degraded`).
        """
        ...

    def put_blob(self, name: str, content: bytes) -> None:
        """Take a large output; durable no later than the next entry."""
        ...

    def blob(self, name: str) -> bytes | None:
        """A large output by its SHA-256; None when there is none."""
        ...

    def close(self, patience: float = 2.0) -> None:
        """Commit what waits, for at most `patience` seconds."""
        ...


@dataclass(slots=True)
class MemoryJournal:
    """Keeps nothing: for incidents that are only read, and for tests."""

    degraded: str = ""
    _blobs: dict[str, bytes] = field(default_factory=dict)

    def put(self, entry: Entry, *, urgent: bool) -> Future[bool]:
        """The entry is in the incident's memory already."""
        done: Future[bool] = Future()
        done.set_result(True)
        return done

    def put_blob(self, name: str, content: bytes) -> None:
        """Keep it for the life of the process."""
        self._blobs[name] = content

    def blob(self, name: str) -> bytes | None:
        """What `put_blob` was given."""
        return self._blobs.get(name)

    def close(self, patience: float = 2.0) -> None:
        """Nothing waits."""


def commit_in(now: float, *, oldest: float | None, urgent: bool) -> float | None:
    """Seconds until the writer must commit; 0: at once; None: nothing waits.

    `oldest` is the monotonic time at which the first waiting entry came.
    """
    if urgent:
        return 0.0
    if oldest is None:
        return None
    return max(0.0, oldest + GROUP_WINDOW - now)
