"""The incidents of a folder: list, create, resume, watch."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cockpit import clock
from cockpit.connect.role import Role
from cockpit.errors import CockpitError, Misconfigured
from cockpit.incident import chain, lock, sanitise
from cockpit.incident.author import Author, Letter
from cockpit.incident.entry import BadEntry, Entry, EntryKind
from cockpit.incident.follow import Follower
from cockpit.incident.home import home
from cockpit.incident.note_line import NoteLine
from cockpit.incident.reader import (
    Damaged,
    Unreadable,
    Unwritable,
    letters,
    lines_of_kinds,
    reading,
    torn,
)
from cockpit.incident.record import Incident
from cockpit.incident.recovery import Mended, mend
from cockpit.incident.severity import Level
from cockpit.incident.sound import sound
from cockpit.incident.spill_file import SpillFile, is_private, spare_folders
from cockpit.incident.sqlite import leave_letter, reserve
from cockpit.incident.state import FOLDED, IncidentState, IncidentStatus, fold
from cockpit.incident.stored import (
    Output,
    StoredJournal,
    output_troubles,
    stored_in,
    torn_after,
    with_spilled,
)
from cockpit.incident.writer import SqliteJournal

__all__ = ["Incident", "Incidents", "Summary", "data_folder"]

_ID = re.compile(r"INC-(\d{4})-(\d{4,})")
_SUFFIXES = {".sqlite", ".sqlite-wal", ".jsonl"}
_ATTEMPTS = 10_000
_TOLD = {"when", "until", "milestone"}
"""What a letter may say beside its text."""


def data_folder(configured: str = "") -> Path:
    """Where journals are: `COCKPIT_DATA`, else what is configured, else the platform's folder."""
    named = os.environ.get("COCKPIT_DATA", "") or configured
    if named:
        return Path(named).expanduser()
    return home().folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One line of the list of incidents."""

    id: str
    state: IncidentState
    entries: int
    last_at: datetime | None
    """When the last entry was written; None for an empty journal."""
    holder: str = ""
    """Who has it open now; empty when nobody does."""
    damage: str = ""
    """Why the journal cannot be read; empty when it can."""
    torn: str = ""
    """That its end cannot be read, and after which entry; empty for a whole one."""
    waiting: int = 0
    """Letters of co-responders that nobody took into it yet."""

    @property
    def title(self) -> str:
        """The newest title."""
        return self.state.title

    @property
    def severity(self) -> Level:
        """P0 to P3."""
        return self.state.severity

    @property
    def status(self) -> IncidentStatus:
        """How far the handling is."""
        return self.state.status

    @property
    def open(self) -> bool:
        """True for an incident that is handled still, or could be."""
        return self.state.open and not self.damage


@dataclass(frozen=True, slots=True)
class Examined:
    """An incident that is only read, and how it is stored. The lines may be read once."""

    incident: Incident
    lines: Iterable[str]
    verdict: chain.Verdict
    outputs: tuple[Output, ...]


class Incidents:
    """The journals of one folder, one file an incident."""

    def __init__(self, folder: Path | None = None, *, spares: Sequence[Path] | None = None) -> None:
        """`folder` None: `data_folder()`. Nothing is made before an incident is created.

        `spares`: where entries go while the folder cannot be written; None: `spare_folders`.
        """
        self.folder = folder or data_folder()
        self._spares = tuple(spare_folders(self.folder) if spares is None else spares)

    def list(self) -> tuple[Summary, ...]:
        """Every incident, the newest first. Journals that cannot be read are in it, and say so."""
        found = (self.summary(name) for name in sorted(self._names(), key=_order, reverse=True))
        return tuple(summary for summary in found if summary.entries or summary.damage)

    def create(
        self,
        title: str,
        severity: Level | str,
        *,
        environment: str,
        role: Role,
        actor: str,
    ) -> Incident:
        """Open a new incident with the next free id.

        Works without a disk too: then `degraded` says where the entries are. Raises
        `Misconfigured` for an unknown severity or an empty title.
        """
        level = Level.read(severity)
        if not title.strip():
            raise Misconfigured("an incident needs a title", hint='cockpit open "checkout is slow"')
        name, hold = self._allocate(actor)
        incident = self._live(name, Mended([], 0, ()), hold=hold, author=Author.here(actor, role))
        data = {"id": name, "title": title, "severity": level, "environment": environment}
        incident.record(EntryKind.OPENED, title, data=data)
        incident.settle()
        return incident

    def resume(self, name: str = "", *, role: Role, actor: str, silently: bool = False) -> Incident:
        """Go on with an incident; a watcher when another cockpit holds it.

        `name` may be shortened (`42`), or empty when exactly one is open. What a crash left
        behind is mended and reported in the journal. Raises `Misconfigured` when there is no such
        incident. `silently`: without an entry about it, for a command that adds one thing.
        """
        name = self.find(name)
        author = Author.here(actor, role)
        hold = lock.take(self._locks(name), actor=author.actor, host=author.host)
        if hold is None:
            return self._watcher(name, author)
        try:
            mended = mend(self.path(name), self._spill(name))
        except Unreadable:
            hold.release()
            raise
        incident = self._live(name, mended, hold=hold, author=author)
        if not silently:
            incident.record(EntryKind.RESUMED, f"{author.actor} resumed as {role}")
        said = {entry.text for entry in incident.done if entry.kind is EntryKind.RECOVERY}
        incident.troubles = mended.remarks
        for remark in (*mended.remarks, *mended.news):
            if remark not in said:
                incident.record(EntryKind.RECOVERY, remark)
        incident.answer([*_letters(mended.letters)])
        incident.settle()
        return incident

    def watch(self, name: str = "") -> Incident:
        """Follow an incident without taking part. Raises `Misconfigured` as `resume` does."""
        return self._watcher(self.find(name), Author.here("", Role.TRIAGE))

    def read(self, name: str = "") -> Incident:
        """An incident as it is stored now, without following it. Raises as `resume` does."""
        return self.examined(name).incident

    def examined(self, name: str = "") -> Examined:
        """The same with its stored lines and whether they hold. Raises as `resume`."""
        name = self.find(name)
        author = Author.here("", Role.TRIAGE)
        follower = Follower(self.path(name), last=0, bring=lambda entries: None)
        if found := sound(self.path(name), self._spill(name)):
            incident = Incident(
                name,
                author,
                entries=found.history,
                scan=found.scan,
                journal=follower,
                watching=True,
                holder=self.holder(name),
                release=found.lines.close,
            )
            incident.troubles = tuple(output_troubles(found.outputs))
            incident.waiting = waiting(found.letters)
            return Examined(incident, found.history.lines(), found.scan.verdict(), found.outputs)
        stored = self.stored(name)
        examined = chain.Examination(quickly=True)
        entries = _in_order(entry for line in stored.lines if (entry := examined.take(line)))
        incident = Incident(
            name,
            author,
            entries=entries,
            journal=follower,
            watching=True,
            holder=self.holder(name),
        )
        incident.troubles = stored.troubles(incident.entries)
        incident.waiting = waiting(stored.letters)
        outputs = stored.outputs(incident.entries)
        return Examined(incident, stored.lines, examined.verdict(), outputs)

    def lines(self, name: str) -> tuple[str, ...]:
        """The stored lines of an incident, also those that are no entries.

        What only the spare folder has follows. Raises `BadEntry` for a file that cannot be read.
        """
        return self.stored(name).lines

    def stored(self, name: str) -> StoredJournal:
        """An incident as it is stored, with what is wrong around its entries. Raises as `lines`."""
        found = StoredJournal(lines=())
        path = self.path(name)
        if path.exists():
            try:
                found = stored_in(path)
            except Unreadable as problem:
                raise Unreadable(f"{name}: {problem.message}", hint=problem.hint) from problem
            except (Damaged, OSError) as problem:
                hint = f"cockpit resume {name} sets it aside and keeps what can be read"
                raise BadEntry(f"{name}: cannot be read: {problem}", hint=hint) from problem
        return with_spilled(found, self._spill(name))

    def holder(self, name: str) -> str:
        """Who has the incident open now, as a person reads it; empty when nobody does."""
        return lock.holder(self._locks(name))

    def waits(self, name: str, letter: str) -> bool:
        """Whether a letter that was left was not taken yet. True when that cannot be read."""
        try:
            with reading(self.path(name)) as connection:
                left = letters(connection)
        except FileNotFoundError:
            left = []
        except (Damaged, Unreadable, OSError):
            return True
        return letter in dict([*left, *self._spill(name).letters()])

    def path(self, name: str) -> Path:
        """Where the journal of an incident is, or would be."""
        return self.folder / f"{name}.sqlite"

    def files(self, name: str) -> tuple[Path, ...]:
        """Every file of an incident, those set aside among them."""
        places = (self.folder, *filter(is_private, self._spares))
        found = (path for place in places if place.is_dir() for path in place.glob(f"{name}.*"))
        return tuple(sorted(path for path in found if path.is_file()))

    def leave(self, name: str, told: NoteLine, *, author: Author) -> str:
        """Hand an entry to the cockpit that holds the incident; returns the letter's id.

        It takes it within a second. What the file does not take goes to the spare folder. Raises
        `CockpitError` when nothing takes it.
        """
        letter = {
            "at": clock.stamp(clock.now()),
            "kind": told.kind,
            "text": sanitise.plain(told.text),
            "data": sanitise.plain_data(told.data),
            "actor": author.actor,
            "role": author.role,
            "host": author.host,
            "boot": author.boot,
        }
        number = secrets.token_hex(8)
        try:
            leave_letter(self.path(name), number, json.dumps(letter))
        except Unwritable as problem:
            if not self._spill(name).leave(number, json.dumps(letter)):
                raise CockpitError(f"{name}: {problem}; it is kept nowhere") from problem
        return number

    def find(self, name: str = "") -> str:
        """The full id of a shortened one; of the only open incident for an empty one.

        Raises `Misconfigured` with what there is.
        """
        names = sorted(self._names(), key=_order)
        if not name:
            return self._only_open()
        wanted = name.strip().upper()
        if wanted in names:
            return wanted
        ends = wanted.removeprefix("INC-")
        fits = [one for one in names if _is_short_for(ends, one)]
        if len(fits) == 1:
            return fits[0]
        if fits:
            raise Misconfigured(f"{name!r} may be {' or '.join(fits)}", hint="give the whole id")
        hint = f"there is {', '.join(names[-5:])}" if names else "cockpit open TITLE makes one"
        raise Misconfigured(f"there is no incident {name!r} in {self.folder}", hint=hint)

    def knows(self, name: str) -> bool:
        """Whether `find` would find something for the name."""
        try:
            self.find(name)
        except Misconfigured:
            return False
        return bool(name)

    def summary(self, name: str) -> Summary:
        """One line about an incident, without reading all of it."""
        holder = self.holder(name)
        damage, count, octets = "", 0, 0
        spill = self._spill(name)
        lines, left = tuple(spill.lines()), dict(spill.letters())
        try:
            octets = torn(self.path(name))
            with reading(self.path(name)) as connection:
                left.update(letters(connection))
                kinds = [kind.value for kind in FOLDED]
                told = lines_of_kinds(connection, kinds)
                count, lines = told.entries, (*told.lines, *lines)
        except FileNotFoundError:
            pass
        except (Damaged, Unreadable, OSError) as problem:
            damage = f"cannot be read: {problem}"
        entries = readable(lines)
        if not entries and not damage and self._is_filled(name):
            damage = "no entry in it can be read"
        spared = sum(1 for entry in entries if entry.seq > count)
        return Summary(
            id=name,
            state=fold(entries),
            entries=count + spared,
            last_at=max((entry.at for entry in entries), default=None),
            holder=holder,
            damage=damage,
            torn=torn_after(count, octets) if octets and not damage else "",
            waiting=len(left),
        )

    def _is_filled(self, name: str) -> bool:
        path = self.path(name)
        files = (path, path.with_name(path.name + "-wal"))
        return any(file.is_file() and file.stat().st_size for file in files)

    def _only_open(self) -> str:
        open_ones = [summary for summary in self.list() if summary.open]
        if len(open_ones) == 1:
            return open_ones[0].id
        if not open_ones:
            raise Misconfigured("no incident is open", hint="name one: cockpit incidents")
        names = ", ".join(summary.id for summary in open_ones)
        raise Misconfigured("more than one incident is open", hint=f"name one of {names}")

    def _live(self, name: str, mended: Mended, *, hold: lock.Hold, author: Author) -> Incident:
        keeper = mended.keeper

        def release() -> None:
            if keeper is not None:
                keeper.close()
            hold.release()

        incident = Incident(name, author, entries=mended.entries, scan=mended.scan, release=release)
        journal = SqliteJournal(
            self.path(name),
            incident.entries,
            spill=self._spill(name),
            stored=mended.stored,
            lettered=mended.stored if mended.scan else 0,
            on_letters=lambda letters: incident.answer([*_letters(letters)]),
            on_recovery=incident.remark,
        )
        incident.connect(journal)
        if keeper is not None:
            keeper.start()
        return incident

    def _watcher(self, name: str, author: Author) -> Incident:
        stored = self.stored(name)
        entries = readable(stored.lines)
        holder = self.holder(name)
        incident = Incident(name, author, entries=entries, watching=True, holder=holder)
        incident.troubles = stored.troubles(entries)
        incident.waiting = waiting(stored.letters) if not holder else ()
        last = entries[-1].seq if entries else 0
        follower = Follower(self.path(name), last=last, bring=incident.bring)
        incident.connect(follower)
        follower.start()
        return incident

    def _allocate(self, actor: str) -> tuple[str, lock.Hold]:
        """The next free id, taken by making its file: two processes cannot make the same one."""
        author = Author.here(actor, Role.TRIAGE)
        year = clock.now().year
        numbers = [number for of, number in map(_order, self._names()) if of == year]
        first = max(numbers, default=0) + 1
        for number in range(first, first + _ATTEMPTS):
            name = f"INC-{year}-{number:04d}"
            try:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                fresh = reserve(self.path(name))
            except OSError:
                fresh = True  # no disk: the lock alone decides
            if not fresh:
                continue
            hold = lock.take(self._locks(name), actor=author.actor, host=author.host)
            if hold is not None:
                return name, hold
        raise CockpitError(f"no free id in {self.folder}")

    def _names(self) -> set[str]:
        """Every id that some file is named for, also a log whose journal is gone."""
        found: set[str] = set()
        for folder in (self.folder, *self._spares):
            try:
                kept = folder == self.folder or is_private(folder)
                files = [path for path in folder.iterdir() if kept and path.suffix in _SUFFIXES]
            except OSError:
                continue
            found |= {path.stem for path in files if _ID.fullmatch(path.stem)}
        return found

    def _spill(self, name: str) -> SpillFile:
        return SpillFile(self._spares, name)

    def _locks(self, name: str) -> tuple[Path, ...]:
        return tuple(folder / f"{name}.lock" for folder in (self.folder, *self._spares))


def _order(name: str) -> tuple[int, int]:
    found = _ID.fullmatch(name)
    assert found is not None
    return int(found[1]), int(found[2])


def _is_short_for(ends: str, name: str) -> bool:
    year, number = _order(name)
    if re.fullmatch(r"\d{1,6}", ends):
        return int(ends) == number
    found = re.fullmatch(r"(\d{4})-(\d{1,6})", ends)
    return found is not None and (int(found[1]), int(found[2])) == (year, number)


def readable(lines: Iterable[str]) -> list[Entry]:
    """The entries among the lines, each seq once; lines that are none are for `verify` to tell."""
    examined = chain.Examination(quickly=True)
    return _in_order(entry for line in lines if (entry := examined.take(line)))


def _in_order(entries: Iterable[Entry]) -> list[Entry]:
    found: dict[int, Entry] = {}
    for entry in entries:
        found.setdefault(entry.seq, entry)
    return [found[seq] for seq in sorted(found)]


def waiting(raw: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """What waits to be taken into the journal, a line each."""
    left = tuple(raw)
    told = {one.id: f"{one.author.actor} at {one.at}: {one.text}" for one in _letters(left)}
    return tuple(told.get(name, "a letter that cannot be read") for name, _ in left)


def _letters(raw: Iterable[tuple[str, str]]) -> Iterator[Letter]:
    for name, text in raw:
        try:
            told: dict[str, Any] = json.loads(text)
            author = Author(
                actor=str(told["actor"]),
                role=Role(told["role"]),
                host=str(told["host"]),
                boot=str(told["boot"]),
            )
            yield Letter(
                id=name,
                at=str(told["at"]),
                kind=EntryKind(told["kind"]),
                text=str(told["text"]),
                author=author,
                data={key: str(told["data"][key]) for key in _TOLD & told.get("data", {}).keys()},
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
