"""What was asked of the shop's AWS: every request of every client, in memory and as JSON lines."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `who` is the owner of the access key; `outcome` what the client was given:
    `answered`, `error` with the HTTP status, or the name of the fault. `status` 0: no answer.
    """

    at: float
    service: str
    operation: str
    who: str
    region: str
    read: bool
    allowed: bool
    status: int
    outcome: str


class CallLog:
    """Append-only; safe from any thread. Without a file it is only kept in memory."""

    def __init__(self, file: Path | None = None, most: int = 20_000) -> None:
        self._calls: deque[Call] = deque(maxlen=most)
        self._holes: list[str] = []
        self._lock = threading.Lock()
        self._file: TextIO | None = file.open("a", encoding="utf-8", buffering=1) if file else None

    def add(self, call: Call) -> None:
        """Write one call down."""
        with self._lock:
            self._calls.append(call)
            if self._file:
                self._file.write(json.dumps(asdict(call)) + "\n")

    def hole(self, service: str, operation: str) -> None:
        """An answer of moto was a page of HTML: an operation that nobody implements."""
        with self._lock:
            self._holes.append(f"{service}.{operation}")

    @property
    def holes(self) -> tuple[str, ...]:
        """The operations that got HTML. A test of the world has to find none."""
        with self._lock:
            return tuple(self._holes)

    def all(self) -> tuple[Call, ...]:
        """Every call so far, the oldest first."""
        with self._lock:
            return tuple(self._calls)

    def as_json(self) -> list[dict[str, Any]]:
        """Every call as plain data."""
        return [asdict(call) for call in self.all()]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file:
                self._file.close()
                self._file = None


def stamp() -> float:
    """Seconds since the epoch, as calls are dated."""
    return time.time()
