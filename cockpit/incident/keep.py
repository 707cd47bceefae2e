"""Lines of a journal that are read when they are wanted, until memory has them."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from cockpit.incident.history import History
from cockpit.incident.reader import (
    Damaged,
    Unreadable,
    as_read,
    bare_rows,
    blobs,
    letters,
    lines_between,
    reading,
    size_of,
)
from cockpit.incident.stored import StoredJournal, checked

LATER = 3.0
"""Seconds before that begins: the first screen comes first."""


class StoredLines:
    """One connection to a journal, for any thread. It stays: a file that is deleted meanwhile can
    be read through it. It sees one moment, whatever is written, until it is let go.
    """

    def __init__(self, path: Path) -> None:
        """Raises `Damaged`, `Unreadable`, `OSError`."""
        self._lock = threading.Lock()
        self._open = contextlib.ExitStack()
        self._connection = self._open.enter_context(reading(path))
        try:
            self._connection.execute("BEGIN")
        except sqlite3.Error as problem:
            self._open.close()
            raise as_read(problem) from problem

    def __call__(self, first: int, end: int) -> Sequence[str]:
        """The lines from one place up to another. Raises `Damaged` where they are not there."""
        with self._reading() as connection:
            found = lines_between(connection, first, end)
        if len(found) != end - first:
            raise Damaged(f"entries {first + 1} to {end} are not all there any more")
        return found

    def let_go(self) -> None:
        """See what is written from now on: a log cannot be folded in while somebody reads it."""
        with self._lock, contextlib.suppress(sqlite3.Error):
            self._connection.execute("COMMIT")

    def count(self) -> int:
        """How many are stored. Raises `Damaged`."""
        with self._reading() as connection:
            return size_of(connection)

    def rows(self) -> Iterator[tuple[int, str, str | None]]:
        """All of them, as (seq, head, body). Raises `Damaged`."""
        with self._reading() as connection:
            yield from bare_rows(connection)

    def around(self) -> StoredJournal:
        """Large outputs and letters. Raises `Damaged`."""
        with self._reading() as connection:
            left = tuple(letters(connection))
            return StoredJournal(lines=(), letters=left, blobs=checked(blobs(connection)))

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock:
                yield self._connection
        except (Unreadable, sqlite3.Error) as problem:
            raise Damaged(str(problem)) from problem

    def close(self) -> None:
        """Nothing can be read any more."""
        with self._lock:
            self._open.close()


class Keeper:
    """The thread that brings into memory what only the file has."""

    def __init__(self, history: History, lines: StoredLines) -> None:
        """Nothing is read before `start`."""
        self._history = history
        self._lines = lines
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keep", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End it; what is not in memory cannot be read any more."""
        self._stop.set()
        self._thread.join()
        self._lines.close()

    def _run(self) -> None:
        self._stop.wait(LATER)
        with contextlib.suppress(Damaged):  # the writer finds the same, and says it
            self._history.keep(self._lines, lambda: not self._stop.is_set())
