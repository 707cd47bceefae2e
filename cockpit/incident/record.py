"""One incident as the rest of the cockpit sees it: append, read, follow."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from datetime import UTC, datetime
from typing import Any

from cockpit import clock
from cockpit.connect.role import Role
from cockpit.errors import Misconfigured, Refused
from cockpit.incident import chain, note_line, sanitise
from cockpit.incident.author import Author, Letter
from cockpit.incident.entry import GENESIS, SEEN, Entry, EntryKind, names, without_body
from cockpit.incident.history import History
from cockpit.incident.journal import PATIENCE, Journal, MemoryJournal
from cockpit.incident.salts import Salts
from cockpit.incident.scan import Scan
from cockpit.incident.severity import Level
from cockpit.incident.standing import Standing
from cockpit.incident.state import IncidentState, IncidentStatus, after, fold, unfinished

Subscriber = Callable[[Entry], None]


class Incident:
    """One incident: its entries so far, and the only way to add one.

    Made by `Incidents`. A full or failing disk never raises here: see `degraded`. An incident
    that another cockpit holds, or that was opened for reading, is `watching`: appending to it
    raises `Refused`.
    """

    def __init__(
        self,
        name: str,
        author: Author,
        *,
        entries: Sequence[Entry],
        scan: Scan | None = None,
        journal: Journal | None = None,
        watching: bool = False,
        holder: str = "",
        release: Callable[[], None] = lambda: None,
    ) -> None:
        """`scan`: what the entries come to where that is known; None: they are all read."""
        self.loop = _running_loop()
        self.id = name
        self.author = author
        self.watching = watching
        """True when this cockpit cannot append: another one holds the incident."""
        self.holder = holder
        """Who holds it, as a person reads it; empty when nobody does or this cockpit."""
        self._journal: Journal = journal or MemoryJournal()
        self._entries = entries if isinstance(entries, History) else History(entries)
        self._done = scan.done if scan else [e for e in entries if e.kind not in SEEN]
        self._standing = scan.standing if scan else None
        self._state = fold(self._done)
        self._before = len(entries)
        self._done_before = len(self._done)
        self._release = release
        self._subscribers: list[Subscriber] = []
        self._lock = threading.RLock()
        self._salts = Salts()
        self._last: Future[bool] | None = None
        self._stuck: Future[bool] | None = None
        self._answered = {str(one.data["letter"]) for one in self._done if "letter" in one.data}
        self._closed = False
        self.troubles: tuple[str, ...] = ()
        """What was wrong with how it is stored when it was read, a sentence each."""
        self.waiting: tuple[str, ...] = ()
        """What co-responders left and nobody took into the journal yet, a line each."""

    @property
    def state(self) -> IncidentState:
        """Title, severity, status and what else has one value at a time."""
        return self._state

    @property
    def title(self) -> str:
        """The newest title."""
        return self._state.title

    @property
    def severity(self) -> Level:
        """P0 to P3."""
        return self._state.severity

    @property
    def status(self) -> IncidentStatus:
        """How far the handling is."""
        return self._state.status

    @property
    def environment(self) -> str:
        """The environment it happened in; empty when unknown."""
        return self._state.environment

    @property
    def opened_at(self) -> datetime:
        """When the cockpit was opened on it, by the wall clock. Impact may have begun before."""
        return self._state.opened_at or datetime.fromtimestamp(0, UTC)

    @property
    def entries(self) -> History:
        """All entries, oldest first. Grows; but for redactions nothing in it changes."""
        return self._entries

    @property
    def standing(self) -> Standing:
        """What of all that looks wrote still means something."""
        if self._standing is None:
            self._standing = Standing.of(self._entries)
        return self._standing

    @property
    def recovered(self) -> list[Entry]:
        """The entries of findings that were told and cleared and did not come again, in order."""
        seqs = sorted(seq for pair in self.standing.recovered.values() for seq in pair)
        return self._entries.some(map(self._entries.find, seqs))

    @property
    def done(self) -> Sequence[Entry]:
        """Those that tell what people and steps did, without what looks wrote (`SEEN`)."""
        return self._done

    @property
    def earlier(self) -> Sequence[Entry]:
        """Those of earlier sessions: what was there when this one began."""
        return self._entries[: self._before]

    @property
    def done_earlier(self) -> Sequence[Entry]:
        """`done` of earlier sessions."""
        return self._done[: self._done_before]

    @property
    def head(self) -> str:
        """The digest of the last entry; empty when there is none."""
        return self._entries[-1].digest if self._entries else ""

    @property
    def actor(self) -> str:
        """Who writes in this session."""
        return self.author.actor

    @property
    def role(self) -> Role:
        """What the session may do."""
        return self.author.role

    @property
    def degraded(self) -> str:
        """Why new entries are not durable in their place, for a red banner; empty when they are.

        Ask after an append: the runner refuses to act while this is not empty.
        """
        if self._journal.degraded or self._stuck is None or self._stuck.done():
            return self._journal.degraded
        return f"journal: the disk has not answered for {PATIENCE:.0f} s"

    @property
    def unfinished(self) -> tuple[Entry, ...]:
        """Intents whose end nobody knows: of earlier sessions without an outcome, and of any whose
        outcome is `unknown`.
        """
        return unfinished(self._done, before=self._done_before)

    def record(
        self,
        kind: EntryKind | str,
        text: str,
        *,
        target: str = "",
        data: Mapping[str, Any] | None = None,
        durable: bool | None = None,
    ) -> Entry:
        """Add an entry without waiting for the disk: for what the machine sees by itself.

        Durable within 250 ms, at once when `durable`. Secrets are masked, escapes are made
        visible, text beyond 16,000 characters goes whole into a blob (`data.blob`). Raises
        `Refused` when watching or closed, `Misconfigured` for a kind that does not exist.
        """
        return self._add(_kind(kind), text, target=target, data=data, durable=durable)[0]

    async def append(
        self,
        kind: EntryKind | str,
        text: str,
        *,
        target: str = "",
        data: Mapping[str, Any] | None = None,
        durable: bool | None = None,
    ) -> Entry:
        """Add an entry; return when it is durable, or when that failed and `degraded` says so.

        `durable` None: people's entries, intents and outcomes wait for the disk, findings and
        changes do not. Raises as `record` does, never for the disk.
        """
        known = _kind(kind)
        entry, written = self._add(known, text, target=target, data=data, durable=durable)
        if _urgent(known, durable):
            await self._wait(written)
        return entry

    async def note(
        self,
        text: str,
        *,
        when: datetime | None = None,
        until: datetime | None = None,
        target: str = "",
    ) -> Entry:
        """Add a note; `when` tells an earlier time. `TODO …` makes an action item, and
        `!impact_start 02:40 …` a milestone, as `told` reads it. Raises `Misconfigured`.
        """
        span = note_line.Span(when, until) if when else None
        return await self.tell(note_line.parse(text, clock.now(), span), target=target)

    async def tell(self, told: note_line.NoteLine, *, target: str = "") -> Entry:
        """Add what a person told."""
        return await self.append(told.kind, told.text, target=target, data=told.data)

    async def set_severity(self, severity: Level | str, reason: str = "") -> Entry:
        """Change the severity. Raises `Misconfigured` for an unknown one."""
        level = Level.read(severity)
        text = f"{self.severity} → {level}" + (f": {reason}" if reason else "")
        data = {"severity": level, "from": self.severity, "reason": reason}
        return await self.append(EntryKind.SEVERITY, text, data=data)

    async def set_status(self, status: IncidentStatus | str, reason: str = "") -> Entry:
        """Change the status; `closed` closes the incident. Raises `Misconfigured`."""
        wanted = IncidentStatus.read(status)
        text = f"{self.status} → {wanted}" + (f": {reason}" if reason else "")
        kind = EntryKind.CLOSED if wanted is IncidentStatus.CLOSED else EntryKind.STATUS
        data = {"status": wanted, "from": self.status, "reason": reason}
        return await self.append(kind, text, data=data)

    async def milestone(
        self,
        name: str,
        when: datetime | None = None,
        *,
        until: datetime | None = None,
        text: str = "",
    ) -> Entry:
        """Say when something of `MILESTONES` was reached.

        `when` None is now; `until` makes it a range, for what is not known better. Raises
        `Misconfigured` for another name.
        """
        return await self.tell(
            note_line.milestone(name, note_line.Span(when or clock.now(), until), text)
        )

    async def correct(self, seq: int, text: str) -> Entry:
        """Tell what entry `seq` should say; the entry itself stays. Raises `Misconfigured`."""
        self._known(seq)
        return await self.append(EntryKind.CORRECTION, text, data={"corrects": seq})

    async def pin(self, seq: int, *, pinned: bool = True) -> Entry:
        """Mark an entry as part of the story, or take the mark away. Raises `Misconfigured`."""
        self._known(seq)
        text = f"{'pinned' if pinned else 'unpinned'} entry {seq}"
        return await self.append(EntryKind.PIN, text, data={"pins": seq, "pinned": pinned})

    async def intent(
        self, text: str, *, target: str = "", data: Mapping[str, Any] | None = None
    ) -> Entry:
        """Say what is about to be done, before it leaves the process."""
        return await self.append(
            EntryKind.STEP_INTENT, text, target=target, data=data, durable=True
        )

    async def outcome(
        self, intent: Entry, word: str, *, text: str, data: Mapping[str, Any] | None = None
    ) -> Entry:
        """Say how an intent ended: `ok`, `failed`, `unknown`, `skipped` or `refused`."""
        told = {**(data or {}), "intent": intent.seq, "outcome": word}
        return await self.append(EntryKind.STEP_OUTCOME, text, target=intent.target, data=told)

    def keep_output(self, content: str) -> str:
        """Store a large output and return its name, the SHA-256 of what was stored.

        It is made harmless and cut at 16 MiB. Durable no later than the next durable entry.
        """
        self._may_write()
        name, octets = sanitise.blob_of(content)
        self._journal.put_blob(name, octets)
        return name

    def output(self, name: str) -> str | None:
        """A large output by its name; None when the journal has none of that name."""
        octets = self._journal.blob(name)
        return None if octets is None else octets.decode()

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Call back with every new entry, in order; returns how to end it.

        Called from the event loop when there was one at the time of subscribing, else from the
        thread that brings the entry.
        """
        self.loop = self.loop or _running_loop()
        self._subscribers.append(callback)

        def unsubscribe() -> None:
            if callback in self._subscribers:
                self._subscribers.remove(callback)

        return unsubscribe

    def settle(self, patience: float = PATIENCE) -> bool:
        """Wait without an event loop until all is durable; False when it is not."""
        if self._last is None:
            return True
        wait([self._last], timeout=patience)
        return self._last.done() and self._last.result()

    def connect(self, journal: Journal) -> None:
        """Give the incident its store; `Incidents` does this once, before anybody appends."""
        self._journal = journal

    def bring(self, entries: Sequence[Entry]) -> None:
        """Take over entries that another cockpit wrote (a watcher's way to learn them)."""
        self._in_loop(lambda: self._follow(entries))

    def remark(self, text: str) -> None:
        """Record what the store had to do to itself; callable from its thread."""
        self._in_loop(lambda: self._own(EntryKind.RECOVERY, text, self.author, {}))

    def answer(self, letters: Sequence[Letter]) -> None:
        """Record what co-responders left; callable from the store's thread."""
        self._in_loop(lambda: self._take_letters(letters))

    def close(self, patience: float = 2.0) -> None:
        """Commit what waits and let another cockpit take the incident.

        Blocks for at most `patience` seconds, and that only when the disk does.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._journal.close(patience)
        self._release()

    def _add(
        self,
        kind: EntryKind,
        text: str,
        *,
        target: str,
        data: Mapping[str, Any] | None,
        durable: bool | None,
        author: Author | None = None,
    ) -> tuple[Entry, Future[bool]]:
        self._may_write()
        who = author or self.author
        body = sanitise.plain_data(data or {})
        if len(text) > sanitise.TEXT_LIMIT:
            body["blob"] = self.keep_output(text)
        with self._lock:
            now = clock.now()
            entry = chain.sealed(
                Entry(
                    seq=self._entries[-1].seq + 1 if self._entries else 1,
                    at=now.replace(microsecond=now.microsecond // 1000 * 1000),
                    mono=round(clock.monotonic(), 3),
                    boot=who.boot,
                    host=who.host,
                    actor=who.actor,
                    role=who.role,
                    kind=kind,
                    target=sanitise.plain(target, 400),
                    text=sanitise.plain(text),
                    data=body,
                    salt=self._salts.next(),
                    previous=self._entries[-1].digest if self._entries else GENESIS,
                )
            )
            self._take(entry)
            written = self._journal.put(entry, urgent=_urgent(kind, durable))
            self._last = written
        self._tell(entry)
        return entry, written

    def _take(self, entry: Entry) -> None:
        self._entries.append(entry)
        if entry.kind not in SEEN:
            self._done.append(entry)
        if entry.kind is EntryKind.REDACTION:
            self._strip(names(entry, "redacts"))
        if self._standing is not None:
            self._standing.take(entry)
        self._state = after(self._state, entry)

    def _strip(self, seq: int) -> None:
        """What was taken out must not come back when a lost file is written from memory."""
        place = self._entries.find(seq)
        if place < 0 or self._entries[place].format == 1:
            return
        bare = without_body(self._entries[place])
        self._entries.replace(place, bare)
        self._done = [bare if entry.seq == seq else entry for entry in self._done]

    def _follow(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if self._entries and entry.seq <= self._entries[-1].seq:
                continue
            self._take(entry)
            self._tell(entry)

    def _own(self, kind: EntryKind, text: str, author: Author, data: Mapping[str, Any]) -> None:
        if not (self.watching or self._closed):
            self._add(kind, text, target="", data=data, durable=True, author=author)

    def _take_letters(self, letters: Sequence[Letter]) -> None:
        for letter in letters:
            if letter.id not in self._answered:
                self._answered.add(letter.id)
                data = {"when": letter.at, **letter.data, "letter": letter.id}
                self._own(letter.kind, letter.text, letter.author, data)

    def _in_loop(self, act: Callable[[], None]) -> None:
        """Act in the event loop that the cockpit runs in, or here and now without one."""
        loop = self.loop
        if loop is None or loop.is_closed():
            act()
            return
        try:
            loop.call_soon_threadsafe(act)
        except RuntimeError:  # closed in this very moment
            act()

    def _tell(self, entry: Entry) -> None:
        """In the event loop, even when another thread recorded the entry."""
        if self.loop is not None and _running_loop() is not self.loop:
            self._in_loop(lambda: self._call(entry))
        else:
            self._call(entry)

    def _call(self, entry: Entry) -> None:
        for subscriber in tuple(self._subscribers):
            subscriber(entry)

    async def _wait(self, written: Future[bool]) -> None:
        done, _ = await asyncio.wait({asyncio.wrap_future(written)}, timeout=PATIENCE)
        self._stuck = None if done else written

    def _may_write(self) -> None:
        if self.watching:
            who = self.holder or "another cockpit"
            hint = f"{who} holds it; a note reaches it by: cockpit note {self.id} TEXT"
            raise Refused(f"{self.id} is only watched here", hint=hint)
        if self._closed:
            raise Refused(f"{self.id} was closed here", hint=f"cockpit resume {self.id}")

    def _known(self, seq: int) -> None:
        if self._entries.find(seq) < 0:
            raise Misconfigured(f"{self.id} has no entry {seq}")


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _urgent(kind: EntryKind, durable: bool | None) -> bool:
    return not kind.waits if durable is None else durable or not kind.waits


def _kind(kind: EntryKind | str) -> EntryKind:
    try:
        return EntryKind(kind)
    except ValueError:
        raise Misconfigured(f"unknown kind of entry {kind!r}") from None
