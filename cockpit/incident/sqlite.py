"""The journal of one incident as one SQLite file.

WAL and `synchronous=FULL`: a commit that returned survives a power cut (sqlite.org, "PRAGMA
synchronous"). An entry is stored as canonical JSON, so that what is exported is what was hashed,
its head and its body apart: a redaction takes the body out and touches nothing else, and cockpit
0.1 sees heads that prove themselves, calls them a newer cockpit's and leaves them alone. The other
columns only help to find it.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from cockpit.incident import chain
from cockpit.incident.entry import Entry, EntryKind, names
from cockpit.incident.reader import BUSY, Damaged, Unwritable, has_bodies, is_damage, plain_reason

_APPLICATION = 0x434F434B
"""`COCK`: what `file` and `PRAGMA application_id` tell of the file."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, digest TEXT NOT NULL, line TEXT NOT NULL,
    body TEXT);
CREATE TABLE IF NOT EXISTS blob (name TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS inbox (id TEXT PRIMARY KEY, letter TEXT NOT NULL);
"""
_LOG_PAGES = 100
"""Pages that may stand in the log alone: what is folded in does not hang on the log's health."""


class SqliteFile:
    """The one connection that writes. Belongs to one thread."""

    def __init__(self, path: Path) -> None:
        """Nothing is opened before the first write."""
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._version = 0

    def write(
        self,
        entries: Sequence[Entry],
        blobs: Sequence[tuple[str, bytes]],
        *,
        upto: int | None = None,
    ) -> None:
        """Bring the file up to the last of the first `upto` of all entries; None: of all.

        What it lacks is found by looking, so a file that was lost or fell behind is completed.
        Raises `Unwritable`, `Damaged`.
        """
        upto = len(entries) if upto is None else upto
        try:
            self._check_identity()
            connection = self._connection or self._open()
            missing = entries[self._landed(connection, entries, upto) : upto]
            with _transaction(connection):
                connection.executemany(
                    "INSERT INTO entry (seq, kind, digest, line, body) VALUES (?, ?, ?, ?, ?)",
                    [
                        (e.seq, e.kind.value, e.digest, chain.head(e), chain.body(e))
                        for e in missing
                    ],
                )
                connection.executemany(
                    "INSERT OR IGNORE INTO blob (name, content) VALUES (?, ?)", blobs
                )
                for one in missing:
                    if one.kind is EntryKind.REDACTION:
                        _redact(connection, names(one, "redacts"))
                answered = [(str(e.data["letter"]),) for e in missing if "letter" in e.data]
                connection.executemany("DELETE FROM inbox WHERE id = ?", answered)
        except (sqlite3.Error, OSError, Unwritable) as problem:
            self.close()
            if is_damage(problem):
                raise Damaged(str(problem)) from problem
            raise Unwritable(plain_reason(problem, self.path.parent)) from problem

    def letters(self) -> list[tuple[str, str]]:
        """What co-responders left since the last look: (id, JSON). Empty when it cannot be read."""
        if self._connection is None:
            return []
        try:
            version = self._connection.execute("PRAGMA data_version").fetchone()[0]
            if version == self._version:
                return []
            self._version = version
            found = self._connection.execute("SELECT id, letter FROM inbox ORDER BY rowid")
            return [(str(name), str(letter)) for name, letter in found]
        except sqlite3.Error:
            return []

    def close(self) -> None:
        """Close the connection; a later write opens it again."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None
        self._version = 0

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        reserve(self.path, exist_ok=True)
        connection = sqlite3.connect(
            self.path, timeout=BUSY, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA secure_delete=ON")
            connection.execute(f"PRAGMA wal_autocheckpoint={_LOG_PAGES}")
            connection.executescript(_SCHEMA)
            if not has_bodies(connection):
                connection.execute("ALTER TABLE entry ADD COLUMN body TEXT")
            if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
                connection.execute(f"PRAGMA application_id={_APPLICATION}")
        except sqlite3.Error:
            connection.close()
            raise
        facts = self.path.stat()
        self._connection, self._identity = connection, (facts.st_dev, facts.st_ino)
        return connection

    def _check_identity(self) -> None:
        """A file that was deleted or replaced would take entries that nobody finds again."""
        if self._connection is None:
            return
        try:
            facts = self.path.stat()
            same = (facts.st_dev, facts.st_ino) == self._identity
        except FileNotFoundError:
            same = False
        if not same:
            self.close()

    def _landed(self, connection: sqlite3.Connection, entries: Sequence[Entry], upto: int) -> int:
        row = connection.execute(
            "SELECT seq, digest FROM entry ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        if row is None:
            return 0
        place = _place(entries, row[0], upto)
        if place < 0 or entries[place].digest != row[1]:
            raise Unwritable("the file holds another journal")
        return place + 1


def _redact(connection: sqlite3.Connection, seq: int) -> None:
    """Take out a body, and the large output that it names unless another entry names it too."""
    row = connection.execute("SELECT body FROM entry WHERE seq = ?", (seq,)).fetchone()
    connection.execute("UPDATE entry SET body = NULL WHERE seq = ?", (seq,))
    for name in _OUTPUT.findall(str(row[0])) if row else ():
        others = "SELECT count(*) FROM entry WHERE instr(body, ?1) OR instr(line, ?1)"
        if not connection.execute(others, (name,)).fetchone()[0]:
            connection.execute("DELETE FROM blob WHERE name = ?", (name,))


_OUTPUT = re.compile(r'"blob":"([0-9a-f]{64})"')


def _place(entries: Sequence[Entry], seq: int, upto: int) -> int:
    for place in range(upto - 1, -1, -1):
        if entries[place].seq <= seq:
            return place if entries[place].seq == seq else -1
    return -1


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    with contextlib.ExitStack() as undo:
        undo.callback(_rolled_back, connection)
        yield
        connection.execute("COMMIT")
        undo.pop_all()


def _rolled_back(connection: sqlite3.Connection) -> None:
    with contextlib.suppress(sqlite3.Error):
        connection.execute("ROLLBACK")


def reserve(path: Path, *, exist_ok: bool = False) -> bool:
    """Make an empty file that only this user reads; False when it is there already.

    Raises `OSError`. An empty file is a valid database without tables.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (0 if exist_ok else os.O_EXCL)
    if exist_ok and path.exists():
        return False
    try:
        os.close(os.open(path, flags, 0o600))
    except FileExistsError:
        return False
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[sqlite3.Connection]:
    """A short-lived connection of its own. Raises `Unwritable`."""
    try:
        connection = sqlite3.connect(path, timeout=BUSY, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous=FULL")
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as problem:
        raise Unwritable(plain_reason(problem, path.parent)) from problem


def scrub(path: Path) -> None:
    """Leave nothing of what was deleted in the file or its log. Raises `Unwritable`.

    `secure_delete` overwrites what is deleted now, but not what SQLite left behind when it moved
    rows between pages earlier: only a file that is built anew has none of that.
    """
    with _writing(path) as connection:
        connection.execute("PRAGMA secure_delete=ON")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("VACUUM")
        (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise Unwritable("another program reads the journal, so that its log cannot go")


def leave_letter(path: Path, name: str, letter: str) -> None:
    """Hand a letter to the cockpit that holds the journal. Raises `Unwritable`."""
    with _writing(path) as connection:
        connection.execute("INSERT INTO inbox (id, letter) VALUES (?, ?)", (name, letter))


def remove_rows(path: Path, seqs: Sequence[int]) -> None:
    """Take rows out that are no entries, after they were set aside. Raises `Unwritable`."""
    with _writing(path) as connection, _transaction(connection):
        connection.executemany("DELETE FROM entry WHERE seq = ?", [(seq,) for seq in seqs])
