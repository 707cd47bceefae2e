"""Following a journal that another cockpit writes."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from cockpit.incident import chain
from cockpit.incident.entry import BadEntry, Entry
from cockpit.incident.reader import Damaged, Unreadable, lines_after, read_blob, reading

EVERY = 0.5
"""Seconds between looks at the file."""


class Follower:
    """A read-only `Journal` that brings what the other cockpit writes."""

    def __init__(self, path: Path, *, last: int, bring: Callable[[list[Entry]], None]) -> None:
        """`last` is the seq of the last entry that is known already. `start` begins to look."""
        self.path = path
        self._last = last
        self._bring = bring
        self._reason = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follow", daemon=True)

    def start(self) -> None:
        """Begin to follow; `bring` is called from the thread."""
        self._thread.start()

    @property
    def degraded(self) -> str:
        """Why the other's entries cannot be read now; empty when they can."""
        return self._reason

    def put(self, entry: Entry, *, urgent: bool) -> Future[bool]:
        """Nothing is written here; a watching incident refuses before it comes to this."""
        refused: Future[bool] = Future()
        refused.set_result(False)
        return refused

    def put_blob(self, name: str, content: bytes) -> None:
        """Nothing is written here."""

    def blob(self, name: str) -> bytes | None:
        """A large output by its name."""
        return read_blob(self.path, name)

    def close(self, patience: float = 2.0) -> None:
        """Stop following."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(patience)

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            try:
                with reading(self.path) as connection:
                    self._look(connection)
            except (Damaged, Unreadable, OSError) as problem:
                self._reason = f"the journal cannot be read: {problem}"
            else:
                self._reason = ""

    def _look(self, connection: sqlite3.Connection) -> None:
        fresh: list[Entry] = []
        for text in lines_after(connection, self._last):
            try:
                fresh.append(chain.parse_line(text))
            except BadEntry:
                break
        if fresh:
            self._last = fresh[-1].seq
            self._bring(fresh)
