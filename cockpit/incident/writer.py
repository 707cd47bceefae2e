"""The one thread that writes a journal, and what it does when the disk does not."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

from cockpit import clock
from cockpit.incident import chain
from cockpit.incident.entry import Entry
from cockpit.incident.journal import commit_in
from cockpit.incident.reader import Damaged, Unwritable, read_blob
from cockpit.incident.recovery import set_file_aside
from cockpit.incident.spill_file import SpillFile
from cockpit.incident.sqlite import SqliteFile

RETRY = (1.0, 2.0, 5.0)
"""Seconds between attempts while the disk fails; the last one repeats."""
POLL = 0.5
"""Seconds between looks for letters of co-responders."""

_Letters = Callable[[list[tuple[str, str]]], None]


class SqliteJournal:
    """A `Journal` over one SQLite file.

    `entries` is the incident's own list: what of it the file lacks is what must be written, so
    nothing can be forgotten or land in another order.
    """

    def __init__(
        self,
        path: Path,
        entries: Sequence[Entry],
        *,
        spill: SpillFile,
        stored: int = 0,
        lettered: int = 0,
        on_letters: _Letters = lambda letters: None,
        on_recovery: Callable[[str], None] = lambda remark: None,
    ) -> None:
        """Start the thread. The callbacks are called from it.

        `stored` entries, from the first on, are in the file or in the spill file already; the
        letters of the first `lettered` are not in the spare folder any more.
        """
        self.path = path
        self._entries = entries
        self._file = SqliteFile(path)
        self._spill = spill
        self._spilled = stored
        self._spill_used = True
        self._lettered = lettered
        self._on_letters = on_letters
        self._on_recovery = on_recovery
        self._news = threading.Condition()
        self._waiting: list[tuple[int, Future[bool]]] = []
        self._blobs: dict[str, bytes] = dict(spill.blobs())
        self._oldest: float | None = clock.monotonic() if entries else None
        self._urgent = False
        self._stopping = False
        self._reason = ""
        self._failures = 0
        self._retry_at = 0.0
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    @property
    def degraded(self) -> str:
        """Why entries are not durable in the file, and where they are; empty when they are."""
        return self._reason

    def put(self, entry: Entry, *, urgent: bool) -> Future[bool]:
        """Take the next entry, which must be the last of `entries`."""
        written: Future[bool] = Future()
        written.set_running_or_notify_cancel()  # from here on nobody can cancel it
        with self._news:
            self._waiting.append((len(self._entries), written))
            self._oldest = self._oldest or clock.monotonic()
            self._urgent = self._urgent or urgent
            if urgent or len(self._waiting) == 1:
                self._news.notify()
        return written

    def put_blob(self, name: str, content: bytes) -> None:
        """Take a large output; it is written with the next entry."""
        with self._news:
            self._blobs[name] = content

    def blob(self, name: str) -> bytes | None:
        """A large output by its name, also one that is not written yet."""
        with self._news:
            waiting = self._blobs.get(name)
        return waiting if waiting is not None else read_blob(self.path, name)

    def close(self, patience: float = 2.0) -> None:
        """Commit what waits and end the thread; after `patience` seconds it is left behind."""
        with self._news:
            self._stopping = True
            self._news.notify()
        self._thread.join(patience)

    def _run(self) -> None:
        while True:
            stopping = self._pause()
            self._commit()
            if stopping:
                self._file.close()
                return
            letters = [*self._file.letters(), *self._spill.letters()]
            if letters:
                self._on_letters(letters)

    def _pause(self) -> bool:
        """Sleep until there is something to do; True when that is the last thing."""
        with self._news:
            while not self._stopping:
                now = clock.monotonic()
                wait = commit_in(now, oldest=self._oldest, urgent=self._urgent)
                if self._reason and not self._urgent:
                    wait = self._retry_at - now
                if wait is not None and wait <= 0:
                    break
                if not self._news.wait(min(POLL, wait if wait is not None else POLL)):
                    break
            return self._stopping

    def _commit(self) -> None:
        with self._news:
            now = clock.monotonic()
            due = commit_in(now, oldest=self._oldest, urgent=self._urgent)
            again = bool(self._reason) and now >= self._retry_at
            if not (self._stopping or again or (due is not None and due <= 0)):
                return
            upto, blobs = len(self._entries), list(self._blobs.items())
            self._oldest, self._urgent = None, False
        try:
            self._write(upto, blobs)
        except Unwritable as problem:
            self._degrade(upto, blobs, str(problem))
            self._answer(upto, durable=False)
        else:
            self._landed(upto, blobs)
            self._answer(upto, durable=True)

    def _write(self, upto: int, blobs: list[tuple[str, bytes]]) -> None:
        try:
            self._file.write(self._entries, blobs, upto=upto)
        except Damaged as damage:
            moved = set_file_aside(self.path, "damaged")
            try:
                self._file.write(self._entries, blobs, upto=upto)
            except Damaged as again:
                raise Unwritable(f"the file is damaged: {again}") from again
            told = f"the journal's file was damaged ({damage}); it is kept as {moved}, "
            self._on_recovery(told + "and was written again from memory")

    def _degrade(self, upto: int, blobs: list[tuple[str, bytes]], reason: str) -> None:
        fresh = self._entries[self._spilled : upto]
        self._spill_used = True
        if self._spill.write([chain.line(entry) for entry in fresh], blobs):
            self._spilled = upto
            self._take_letters(fresh)
            where = f"in {self._spill.path}"
        else:
            where = f"only in memory ({self._spill.refused or 'no spare folder'})"
        delay = RETRY[min(self._failures, len(RETRY) - 1)]
        self._failures += 1
        self._retry_at = clock.monotonic() + delay
        self._reason = f"journal: {reason}; new entries are {where}"

    def _landed(self, upto: int, blobs: list[tuple[str, bytes]]) -> None:
        with self._news:
            for name, _ in blobs:
                self._blobs.pop(name, None)
        self._failures = 0
        self._take_letters(self._entries[self._lettered : upto])
        self._lettered = upto
        self._spilled = upto
        if self._spill_used:
            self._spill_used = False
            with contextlib.suppress(OSError):
                self._spill.clear()
        if self._reason:  # told first: who sees that the banner is gone can rely on the entry
            self._on_recovery(f"the journal can be written again; before: {self._reason}")
        self._reason = ""

    def _take_letters(self, entries: Sequence[Entry]) -> None:
        """Remove the letters of the spare folder whose entries are kept now."""
        with contextlib.suppress(OSError):
            for entry in entries:
                if "letter" in entry.data:
                    self._spill.taken(str(entry.data["letter"]))

    def _answer(self, upto: int, *, durable: bool) -> None:
        with self._news:
            ready = [item for item in self._waiting if item[0] <= upto]
            self._waiting = [item for item in self._waiting if item[0] > upto]
        for _, written in ready:
            written.set_result(durable)
