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
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cockpit.errors import CockpitError
from cockpit.incident import chain
from cockpit.incident.entry import Entry, EntryKind, names

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
_BUSY = 2.0
"""Seconds to wait for a reader or a co-responder that holds a lock of SQLite."""


class Unwritable(Exception):
    """The file did not take the entries; the text says why, in plain words."""


class Damaged(Exception):
    """The file is not a database, or is one no longer."""


class Unreadable(CockpitError):
    """The file cannot be read now, which says nothing about what is in it."""


class SqliteFile:
    """The one connection that writes. Belongs to one thread."""

    def __init__(self, path: Path) -> None:
        """Nothing is opened before the first write."""
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._version = 0

    def write(self, entries: Sequence[Entry], blobs: Sequence[tuple[str, bytes]]) -> None:
        """Bring the file up to the last of these entries, which are all there are.

        What it lacks is found by looking, so a file that was lost or fell behind is completed.
        Raises `Unwritable`, `Damaged`.
        """
        try:
            self._check_identity()
            connection = self._connection or self._open()
            missing = entries[self._landed(connection, entries) :]
            with _transaction(connection):
                connection.executemany(
                    "INSERT INTO entry (seq, kind, digest, line, body) VALUES (?, ?, ?, ?, ?)",
                    [
                        (e.seq, e.kind.value, e.digest, chain.head(e), chain.body(e))
                        for e in missing
                    ],
                )
                connection.executemany(
                    "UPDATE entry SET body = NULL WHERE seq = ?",
                    [(names(e, "redacts"),) for e in missing if e.kind is EntryKind.REDACTION],
                )
                connection.executemany(
                    "INSERT OR IGNORE INTO blob (name, content) VALUES (?, ?)", blobs
                )
                answered = [(str(e.data["letter"]),) for e in missing if "letter" in e.data]
                connection.executemany("DELETE FROM inbox WHERE id = ?", answered)
        except (sqlite3.Error, OSError, Unwritable) as problem:
            self.close()
            if _is_damage(problem):
                raise Damaged(str(problem)) from problem
            raise Unwritable(plain_reason(problem)) from problem

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
            self.path, timeout=_BUSY, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA secure_delete=ON")
            connection.execute(f"PRAGMA wal_autocheckpoint={_LOG_PAGES}")
            connection.executescript(_SCHEMA)
            if not _has_bodies(connection):
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

    def _landed(self, connection: sqlite3.Connection, entries: Sequence[Entry]) -> int:
        row = connection.execute(
            "SELECT seq, digest FROM entry ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        if row is None:
            return 0
        place = _place(entries, row[0])
        if place < 0 or entries[place].digest != row[1]:
            raise Unwritable("the file holds another journal")
        return place + 1


def _row(entry: Entry) -> tuple[int, str, str, str, str | None]:
    return entry.seq, entry.kind.value, entry.digest, chain.head(entry), chain.body(entry)


def _place(entries: Sequence[Entry], seq: int) -> int:
    for place in range(len(entries) - 1, -1, -1):
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
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write. Raises `Damaged`, `Unreadable`, `OSError`.

    SQLite needs to write the shared-memory file even for reading a WAL database. Where the folder
    does not allow that, a copy is read.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there")
    if path.stat().st_size == 0 and _size(path.with_name(path.name + "-wal")):
        # SQLite would delete the log of an empty file, and with it all that is left.
        raise Damaged("the file is empty, but its log is not")
    with contextlib.ExitStack() as stack:
        try:
            connection = _read_only(path)
        except sqlite3.Error as problem:
            if not _needs_copy(problem):
                raise as_read(problem) from problem
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cockpit-")))
            connection = _copied(path, folder)
        stack.callback(connection.close)
        yield connection


def as_read(problem: sqlite3.Error) -> Exception:
    """The error to raise for a failed read: `Damaged` only when the file itself says so."""
    if _is_damage(problem):
        return Damaged(str(problem))
    return Unreadable(plain_reason(problem), hint="try again in a moment")


def _needs_copy(problem: sqlite3.Error) -> bool:
    name = getattr(problem, "sqlite_errorname", "") or ""
    return name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM"))


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _read_only(path: Path) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(
        uri, uri=True, timeout=_BUSY, isolation_level=None, check_same_thread=False
    )
    try:
        connection.text_factory = _text
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")


def _copied(path: Path, folder: Path) -> sqlite3.Connection:
    for suffix in ("", "-wal"):
        source = path.with_name(path.name + suffix)
        if source.is_file():
            shutil.copyfile(source, folder / source.name)
    try:
        connection = sqlite3.connect(folder / path.name, isolation_level=None)
        connection.text_factory = _text
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as problem:
        raise as_read(problem) from problem
    return connection


def rows_after(connection: sqlite3.Connection, seq: int = 0) -> Iterator[tuple[int, str]]:
    """The stored (seq, line) after `seq`, in order; ends where the file can be read no further.

    Octets that are no text come as U+FFFD. Raises `Damaged` or `Unreadable` at that place.
    """
    try:
        if not _has_entries(connection):
            return
        query = f"{_selected(connection)} WHERE seq > ? ORDER BY seq"
        for number, head, body in connection.execute(query, (seq,)):
            yield int(number), _joined(head, body)
    except sqlite3.Error as problem:
        raise as_read(problem) from problem


def lines_after(connection: sqlite3.Connection, seq: int = 0) -> Iterator[str]:
    """The lines of `rows_after`."""
    for _, text in rows_after(connection, seq):
        yield text


@dataclass(frozen=True, slots=True)
class Outline:
    """Enough of a journal for one line about it: how many entries, and those of some kinds."""

    entries: int
    lines: tuple[str, ...]


def lines_of_kinds(connection: sqlite3.Connection, kinds: Sequence[str]) -> Outline:
    """The lines of these kinds and the last line, in order. Raises `Damaged`, `Unreadable`."""
    try:
        if not _has_entries(connection):
            return Outline(0, ())
        (count,) = connection.execute("SELECT count(*) FROM entry").fetchone()
        marks = ", ".join("?" for _ in kinds)
        rows = connection.execute(
            f"{_selected(connection)} WHERE kind IN ({marks}) "  # noqa: S608  (question marks only)
            "OR seq = (SELECT max(seq) FROM entry) ORDER BY seq",
            tuple(kinds),
        )
        return Outline(int(count), tuple(_joined(head, body) for _, head, body in rows))
    except sqlite3.Error as problem:
        raise as_read(problem) from problem


def _has_entries(connection: sqlite3.Connection) -> bool:
    query = "SELECT count(*) FROM sqlite_master WHERE name = 'entry'"
    return bool(connection.execute(query).fetchone()[0])


def _has_bodies(connection: sqlite3.Connection) -> bool:
    """False for a file of 0.1, whose lines are whole."""
    return any(row[1] == "body" for row in connection.execute("PRAGMA table_info(entry)"))


def _joined(head: object, body: object) -> str:
    """As text, whatever a changed file has there."""
    return chain.joined(str(head), None if body is None else str(body))


def _selected(connection: sqlite3.Connection) -> str:
    """The query for (seq, head, body) of the entries."""
    if _has_bodies(connection):
        return "SELECT seq, line, body FROM entry"
    return "SELECT seq, line, NULL FROM entry"


def read_blob(path: Path, name: str) -> bytes | None:
    """A large output by its name; None when the file has none or cannot be read."""
    try:
        with reading(path) as connection:
            row = connection.execute("SELECT content FROM blob WHERE name = ?", (name,)).fetchone()
    except (Damaged, Unreadable, OSError, sqlite3.Error):
        return None
    return None if row is None else bytes(row[0])


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[sqlite3.Connection]:
    """A short-lived connection of its own. Raises `Unwritable`."""
    try:
        connection = sqlite3.connect(path, timeout=_BUSY, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous=FULL")
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as problem:
        raise Unwritable(plain_reason(problem)) from problem


def leave_letter(path: Path, name: str, letter: str) -> None:
    """Hand a letter to the cockpit that holds the journal. Raises `Unwritable`."""
    with _writing(path) as connection:
        connection.execute("INSERT INTO inbox (id, letter) VALUES (?, ?)", (name, letter))


def remove_rows(path: Path, seqs: Sequence[int]) -> None:
    """Take rows out that are no entries, after they were set aside. Raises `Unwritable`."""
    with _writing(path) as connection, _transaction(connection):
        connection.executemany("DELETE FROM entry WHERE seq = ?", [(seq,) for seq in seqs])


def plain_reason(problem: Exception) -> str:
    """What a person calls the failure."""
    if isinstance(problem, Unwritable):
        return str(problem)
    if isinstance(problem, OSError):
        return (problem.strerror or str(problem)).lower()
    name = getattr(problem, "sqlite_errorname", "") or ""
    for start, words in _REASONS:
        if name.startswith(start):
            return words
    return str(problem)


_REASONS = (
    ("SQLITE_FULL", "disk full"),
    ("SQLITE_READONLY", "the journal is read-only"),
    ("SQLITE_CANTOPEN", "the journal cannot be opened"),
    ("SQLITE_PERM", "permission denied"),
    ("SQLITE_BUSY", "the journal is locked by another program"),
    ("SQLITE_IOERR", "input/output error"),
)


def _is_damage(problem: Exception) -> bool:
    name = getattr(problem, "sqlite_errorname", "") or ""
    return name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))
