"""Reading the journal of one incident from its SQLite file, also where nothing can be written.

SQLite needs to write the shared-memory file even for reading a WAL database. Where the folder does
not allow that, or the disk is full, file and log are put together in memory instead.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cockpit.errors import CockpitError
from cockpit.incident import chain, wal

BUSY = 2.0
"""Seconds to wait for a reader or a co-responder that holds a lock of SQLite."""
_LOOKS, _BETWEEN = 6, 0.05
"""How often a log is looked at, and seconds between: what changes meanwhile is being written."""


class Unwritable(Exception):
    """The file did not take the entries; the text says why, in plain words."""


class Damaged(Exception):
    """The file is not a database, or is one no longer."""


class Unreadable(CockpitError):
    """The file cannot be read now, which says nothing about what is in it."""


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write. Raises `Damaged`, `Unreadable`, `OSError`."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there")
    if path.stat().st_size == 0 and _size(log_of(path)):
        # SQLite would delete the log of an empty file, and with it all that is left.
        raise Damaged("the file is empty, but its log is not")
    try:
        connection = _read_only(path)
    except sqlite3.Error as problem:
        if not _wants_to_write(problem):
            raise as_read(problem) from problem
        connection = _in_memory(path)
    with contextlib.closing(connection):
        yield connection


def log_of(path: Path) -> Path:
    """The write-ahead log of a journal."""
    return path.with_name(path.name + "-wal")


def torn(path: Path) -> int:
    """Octets at the end of the log that SQLite will not read and drops unsaid; 0 for a whole log.

    What another process is writing in this moment is waited for.
    """
    before = b""
    for _ in range(_LOOKS):
        log = _octets(log_of(path))
        found = wal.tail(log)
        if not found.torn or log == before:
            return found.torn
        before = log
        time.sleep(_BETWEEN)
    return 0


def as_read(problem: sqlite3.Error) -> Exception:
    """The error to raise for a failed read: `Damaged` only when the file itself says so."""
    if is_damage(problem):
        return Damaged(str(problem))
    return Unreadable(plain_reason(problem), hint="try again in a moment")


def _wants_to_write(problem: sqlite3.Error) -> bool:
    """Whether reading failed for what SQLite would have written beside the file."""
    name = getattr(problem, "sqlite_errorname", "") or ""
    starts = ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_IOERR", "SQLITE_FULL")
    return name.startswith(starts)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _read_only(path: Path) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(
        uri, uri=True, timeout=BUSY, isolation_level=None, check_same_thread=False
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


def _in_memory(path: Path) -> sqlite3.Connection:
    """The file with what its log commits, as it is between two writes. Raises as `reading`."""
    for _ in range(_LOOKS):
        log = _octets(log_of(path))
        file = path.read_bytes()
        if log == _octets(log_of(path)):
            break
        time.sleep(_BETWEEN)
    else:
        raise Unreadable("the journal is being written", hint="try again in a moment")
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    try:
        connection.text_factory = _text
        if file:
            connection.deserialize(wal.image(file, log))
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as problem:
        connection.close()
        raise as_read(problem) from problem
    return connection


def _octets(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def rows_after(connection: sqlite3.Connection, seq: int = 0) -> Iterator[tuple[int, str]]:
    """The stored (seq, line) after `seq`, in order; ends where the file can be read no further.

    Octets that are no text come as U+FFFD. Raises `Damaged` or `Unreadable` at that place.
    """
    try:
        if not _has_table(connection, "entry"):
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


def bare_rows(connection: sqlite3.Connection) -> Iterator[tuple[int, str, str | None]]:
    """The stored (seq, head, body) in order, empty texts for what is none; none of a file of 0.1.
    Raises as `rows_after`.
    """
    try:
        if _has_table(connection, "entry") and has_bodies(connection):
            for number, head, body in connection.execute(f"{_selected(connection)} ORDER BY seq"):
                texts = isinstance(head, str) and (body is None or isinstance(body, str))
                yield (number, head, body) if texts else (number, "", None)
    except sqlite3.Error as problem:
        raise as_read(problem) from problem


def lines_between(connection: sqlite3.Connection, first: int, end: int) -> list[str]:
    """The lines of the entries after `first`, up to `end`. Raises as `rows_after`."""
    try:
        query = f"{_selected(connection)} WHERE seq > ? AND seq <= ? ORDER BY seq"
        return [_joined(head, body) for _, head, body in connection.execute(query, (first, end))]
    except sqlite3.Error as problem:
        raise as_read(problem) from problem


def size_of(connection: sqlite3.Connection) -> int:
    """How many entries are stored. Raises `Damaged`, `Unreadable`."""
    try:
        if not _has_table(connection, "entry"):
            return 0
        return int(connection.execute("SELECT count(*) FROM entry").fetchone()[0])
    except sqlite3.Error as problem:
        raise as_read(problem) from problem


@dataclass(frozen=True, slots=True)
class Outline:
    """Enough of a journal for one line about it: how many entries, and those of some kinds."""

    entries: int
    lines: tuple[str, ...]


def lines_of_kinds(connection: sqlite3.Connection, kinds: Sequence[str]) -> Outline:
    """The lines of these kinds and the last line, in order. Raises `Damaged`, `Unreadable`."""
    try:
        if not _has_table(connection, "entry"):
            return Outline(0, ())
        (count,) = connection.execute("SELECT count(*) FROM entry").fetchone()
        marks = ", ".join("?" for _ in kinds)
        rows = connection.execute(
            f"{_selected(connection)} WHERE {_KIND} IN ({marks}) "  # noqa: S608  (question marks only)
            "OR seq = (SELECT max(seq) FROM entry) ORDER BY seq",
            tuple(kinds),
        )
        return Outline(int(count), tuple(_joined(head, body) for _, head, body in rows))
    except sqlite3.Error as problem:
        raise as_read(problem) from problem


_KIND = "CASE WHEN json_valid(line) THEN json_extract(line, '$.kind') END"
"""The kind that is hashed: the column beside it proves nothing."""


def _has_table(connection: sqlite3.Connection, name: str) -> bool:
    query = "SELECT count(*) FROM sqlite_master WHERE name = ?"
    return bool(connection.execute(query, (name,)).fetchone()[0])


def has_bodies(connection: sqlite3.Connection) -> bool:
    """False for a file of 0.1, whose lines are whole."""
    return any(row[1] == "body" for row in connection.execute("PRAGMA table_info(entry)"))


def _joined(head: object, body: object) -> str:
    """As text, whatever a changed file has there."""
    return chain.joined(str(head), None if body is None else str(body))


def _selected(connection: sqlite3.Connection) -> str:
    """The query for (seq, head, body) of the entries."""
    if has_bodies(connection):
        return "SELECT seq, line, body FROM entry"
    return "SELECT seq, line, NULL FROM entry"


def read_blob(path: Path, name: str) -> bytes | None:
    """A large output by its name; None when the file has none, another one, or cannot be read."""
    try:
        with reading(path) as connection:
            row = connection.execute("SELECT content FROM blob WHERE name = ?", (name,)).fetchone()
    except (Damaged, Unreadable, OSError, sqlite3.Error):
        return None
    return bytes(row[0]) if row is not None and is_named(bytes(row[0]), name) else None


def is_named(content: bytes, name: str) -> bool:
    """Whether an output is the one of that name, which is its SHA-256."""
    return hashlib.sha256(content).hexdigest() == name


def blobs(connection: sqlite3.Connection) -> Iterator[tuple[str, bytes]]:
    """The large outputs, as (name, content). Raises `Damaged`, `Unreadable`."""
    try:
        if _has_table(connection, "blob"):
            for name, content in connection.execute("SELECT name, content FROM blob"):
                yield str(name), content if isinstance(content, bytes) else str(content).encode()
    except sqlite3.Error as problem:
        raise as_read(problem) from problem


def letters(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """What co-responders left and nobody took, as (id, JSON). Raises `Damaged`, `Unreadable`."""
    try:
        if not _has_table(connection, "inbox"):
            return []
        found = connection.execute("SELECT id, letter FROM inbox ORDER BY rowid")
        return [(str(name), str(letter)) for name, letter in found]
    except sqlite3.Error as problem:
        raise as_read(problem) from problem


def plain_reason(problem: Exception, folder: Path | None = None) -> str:
    """What a person calls the failure. `folder`: where writing failed."""
    if isinstance(problem, Unwritable):
        return str(problem)
    if isinstance(problem, OSError):
        return (problem.strerror or str(problem)).lower()
    name = getattr(problem, "sqlite_errorname", "") or ""
    if name.startswith("SQLITE_IOERR") and folder and _is_full(folder):
        return "disk full"  # where SQLite could not make its shared memory
    for start, words in _REASONS:
        if name.startswith(start):
            return words
    return str(problem)


def _is_full(folder: Path) -> bool:
    try:
        return os.statvfs(folder).f_bavail == 0
    except OSError:
        return False


_REASONS = (
    ("SQLITE_FULL", "disk full"),
    ("SQLITE_READONLY", "the journal is read-only"),
    ("SQLITE_CANTOPEN", "the journal cannot be opened"),
    ("SQLITE_PERM", "permission denied"),
    ("SQLITE_BUSY", "the journal is locked by another program"),
    ("SQLITE_IOERR", "input/output error"),
)


def is_damage(problem: Exception) -> bool:
    """Whether the file itself is broken, and not what is around it."""
    name = getattr(problem, "sqlite_errorname", "") or ""
    return name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))
