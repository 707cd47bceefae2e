"""Taking a journal up again after a crash: what can be read is not lost, nothing dropped unsaid.

SQLite ignores a write-ahead log from its first bad frame on, and refuses a damaged file. So before
it opens them, what it would not read is copied to a side file; whole entries in there (each proves
itself by its digest) that continue the chain are taken back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cockpit import units
from cockpit.incident import chain, wal
from cockpit.incident.entry import GENESIS, BadEntry, Entry
from cockpit.incident.history import History
from cockpit.incident.keep import Keeper
from cockpit.incident.reader import (
    Damaged,
    Unreadable,
    Unwritable,
    blobs,
    letters,
    log_of,
    plain_reason,
    reading,
    rows_after,
)
from cockpit.incident.scan import Scan
from cockpit.incident.sound import sound
from cockpit.incident.spill_file import SpillFile, file_stamp
from cockpit.incident.sqlite import remove_rows
from cockpit.incident.stored import (
    StoredJournal,
    checked,
    output_troubles,
    torn_after,
    with_spilled,
)
from cockpit.ownership import private

_LENGTHS = (70_000, 250_000)
"""Octets in which a whole entry is looked for: an intent that replaces a policy is a long one."""
_Row = tuple[int, str]
_HEAD, _BODY = b'{"actor":', b'{"data":'


@dataclass(frozen=True, slots=True)
class Mended:
    """What of a journal could be read, and what had to be done for it.

    `stored` entries, from the first on, are in the journal or the spill file; the others must
    be written.
    """

    entries: list[Entry] | History
    stored: int
    remarks: tuple[str, ...]
    """What was wrong."""
    news: tuple[str, ...] = ()
    """What was done of which nothing is wrong any more."""
    letters: tuple[tuple[str, str], ...] = ()
    """What co-responders left and nobody took, as (id, JSON)."""
    scan: Scan | None = None
    """What a long journal came to, of which nothing had to be made; None: of all entries."""
    keeper: Keeper | None = None
    """Brings its entries into memory, once it is started; until then they are in the file."""


def mend(path: Path, spill: SpillFile) -> Mended:
    """Read a journal that nobody else holds, and set aside what cannot be read.

    A file that is not there gives no entries. Raises `Unreadable` for one that is locked, that
    this user may not read, or that a newer cockpit wrote: nothing is touched then.
    """
    if sound := _sound(path, spill):
        return sound
    remarks: list[str] = []
    torn, kept = _torn_log(path, spill)
    rows, around, damage = _read(path)
    _tell_bad(path, rows, remarks)
    entries = rows.entries
    stored = len(entries)
    cut = [f"{torn_after(stored, len(torn))}: the last write was cut off, {kept}"] if torn else []
    if damage:
        torn += _contents(path)
        stored = 0
        moved = set_file_aside(path, "damaged")
        remarks.append(f"the journal's file is damaged ({damage}); it is kept as {moved}")
    taken = _continue(entries, carve(torn)) if torn else 0
    if taken:
        remarks.append(f"{units.count(taken, 'entry', 'entries')} taken back from what was torn")
    around = with_spilled(around, spill)
    spared = _adopt(spill, entries, remarks)
    count = units.count(spared, "entry", "entries")
    news = [f"{count} of an earlier session came from the spare folder"] if spared else []
    if spared and not taken and not damage:
        news, cut = cut + news, []  # a full disk cut off what was kept in the spare folder instead
    remarks = cut + remarks
    entries = chain.redacted(entries)  # what was carved may be older than a redaction
    fault = chain.fault_among(entries, rows.proved)
    if fault is not None:
        remarks.append(f"entry {fault.place} does not hold: {fault.why}")
    remarks += output_troubles(around.outputs(entries))
    if not entries and not remarks:
        remarks.append("there was no entry in the journal: what was in it is lost")
    return Mended(entries, stored, tuple(remarks), tuple(news), around.letters)


def _sound(path: Path, spill: SpillFile) -> Mended | None:
    """A long journal with which nothing is the matter. None: it is to be read with care."""
    found = sound(path, spill)
    if found is None:
        return None
    found.lines.let_go()
    return Mended(
        found.history,
        found.scan.count,
        remarks=tuple(output_troubles(found.outputs)),
        letters=found.letters,
        scan=found.scan,
        keeper=Keeper(found.history, found.lines),
    )


@dataclass(slots=True)
class _Rows:
    """What the stored rows are, one after the other: the lines themselves are not kept."""

    entries: list[Entry] = field(default_factory=list)
    proved: list[bool] = field(default_factory=list)
    """Of each entry, whether its line is what was hashed."""
    bad: list[_Row] = field(default_factory=list)
    """Those at the end that are no entries."""
    middle: int = 0
    """How many are no entries and have one behind them."""

    def take(self, row: _Row) -> None:
        """One more row."""
        try:
            entry, proved = chain.parse_stored(row[1])
        except BadEntry:
            self.bad.append(row)
            return
        self.middle += len(self.bad)
        self.bad.clear()
        self.entries.append(entry)
        self.proved.append(proved)


def _read(path: Path) -> tuple[_Rows, StoredJournal, str]:
    """The stored rows as far as they can be read, what is around them, and what is wrong with the
    file, if anything.
    """
    rows = _Rows()
    around = StoredJournal(lines=())
    try:
        with reading(path) as connection:
            for row in rows_after(connection):
                rows.take(row)
            around = StoredJournal(
                lines=(), letters=tuple(letters(connection)), blobs=checked(blobs(connection))
            )
    except FileNotFoundError:
        gone = "the file is gone, but its log is not" if log_of(path).exists() else ""
        return rows, around, gone
    except Damaged as problem:
        return rows, around, str(problem)
    except OSError as problem:
        raise Unreadable(f"{path.name}: {plain_reason(problem)}") from problem
    return rows, around, ""


def _torn_log(path: Path, spill: SpillFile) -> tuple[bytes, str]:
    """What is torn of the log, after a copy of all of it was made, and where that is; nothing of a
    whole log.
    """
    log = log_of(path)
    try:
        content = log.read_bytes()
    except OSError:
        return b"", ""
    found = wal.tail(content)
    if not found.torn:
        return b"", ""
    name = f"{path.stem}.torn-{file_stamp()}.wal"
    aside = path.with_name(name)
    try:
        with private(aside) as file:
            file.write(content)
        kept = f"set aside in {aside.name}"
    except OSError as problem:
        aside.unlink(missing_ok=True)
        spare = spill.keep(name, content)
        kept = f"could not be set aside: {problem.strerror}"
        kept = f"set aside in {spare}" if spare else kept
    return content[found.whole :], kept


def _contents(path: Path) -> bytes:
    found = b""
    for suffix in ("", "-wal"):
        try:
            found += path.with_name(path.name + suffix).read_bytes()
        except OSError:
            continue
    return found


def set_file_aside(path: Path, word: str) -> str:
    """Rename a journal that cannot be read, with its log; returns the new name.

    A folder that cannot be written keeps it where it is.
    """
    stem = f"{path.stem}.{word}-{file_stamp()}"
    moved = path.name
    for suffix in ("", "-wal", "-shm"):
        try:
            path.with_name(path.name + suffix).rename(path.with_name(f"{stem}.kept{suffix}"))
        except OSError:
            continue
        moved = f"{stem}.kept" if not suffix else moved
    return moved


def carve(octets: bytes) -> list[Entry]:
    """Every whole entry that stands in raw octets, wherever: each proves itself by its digest.

    A head without its body is one too: it keeps what follows in the chain.
    """
    bodies = {chain.seal(text): text for text in _objects(octets, _BODY)}
    found: dict[str, Entry] = {}
    for head in _objects(octets, _HEAD):
        entry = _entry_of(head, bodies)
        if entry is not None:
            found[entry.digest] = entry
    return list(found.values())


def _objects(octets: bytes, start: bytes) -> Iterator[str]:
    """The JSON objects in raw octets that begin so."""
    place = octets.find(start)
    while place >= 0:
        for length in _LENGTHS:
            text = octets[place : place + length].decode("utf-8", "ignore")
            if whole := chain.first_object(text):
                yield whole
                break
            if len(octets) - place <= length:
                break
        place = octets.find(start, place + 1)


def _entry_of(head: str, bodies: Mapping[str, str]) -> Entry | None:
    try:
        entry = chain.parse_line(head)
        body = bodies.get(entry.seal) if entry.redacted else None
        entry = chain.parse_line(chain.joined(head, body)) if body else entry
        return None if chain.fault_of(entry) else entry
    except BadEntry:
        return None


def _tell_bad(path: Path, rows: _Rows, remarks: list[str]) -> None:
    """What of the rows is no entry. Those at the end are moved to a side file."""
    if rows.middle:
        remarks.append(f"{units.count(rows.middle, 'entry', 'entries')} cannot be read")
    if any(chain.proves_itself(text) for _, text in rows.bad):
        hint = "install the version that wrote it"
        raise Unreadable(f"{path.stem} was written by a newer cockpit", hint=hint)
    if rows.bad:
        told = units.count(len(rows.bad), "entry", "entries")
        remarks.append(f"the last {told} cannot be read: {_move_rows(path, rows.bad)}")


def _move_rows(path: Path, rows: list[_Row]) -> str:
    aside = path.with_name(f"{path.stem}.torn-{file_stamp()}.txt")
    try:
        with private(aside) as file:
            file.write("".join(text + "\n" for _, text in rows).encode())
        remove_rows(path, [seq for seq, _ in rows])
    except (OSError, Unwritable) as problem:
        return f"not set aside ({problem})"
    return f"set aside in {aside.name}"


def _continue(entries: list[Entry], found: Iterable[Entry]) -> int:
    """Append those that continue the chain; the number of them.

    A head whose body is lost is taken for what follows it, never as the last.
    """
    following = {entry.previous: entry for entry in found}
    fresh: list[Entry] = []
    last = entries[-1] if entries else None
    while True:
        entry = following.pop(last.digest if last else GENESIS, None)
        if entry is None or entry.seq != (last.seq + 1 if last else 1):
            break
        fresh.append(entry)
        last = entry
    while fresh and fresh[-1].redacted:
        fresh.pop()
    entries += fresh
    return len(fresh)


def _adopt(spill: SpillFile, entries: list[Entry], remarks: list[str]) -> int:
    """Take over what an earlier cockpit could only write to the spare folder; how many entries."""
    known = {entry.digest for entry in entries}
    fresh: list[Entry] = []
    bad = 0
    for text in spill.lines():
        try:
            entry = chain.parse_line(text)
            whole = not chain.fault_of(entry)
        except BadEntry:
            whole = False
        if not whole:
            bad += 1
        elif entry.digest not in known:
            fresh.append(entry)
    taken = _continue(entries, fresh)
    left = len({entry.digest for entry in fresh}) - taken + bad
    if left:
        kept = ", ".join(str(path) for path in spill.set_aside())
        told = units.count(left, "line")
        remarks.append(f"{told} of the spare folder do not continue this journal: kept as {kept}")
    return taken
