"""Runs looks: one in flight a (target, probe), each with a deadline, none able to stop another.

A look is: a place in the queue → deadline → collect → diagnose → reading. There is no retry in a
look; the next look is the retry. The one broad `except` of the product is here: a bug in a probe
is one blind row.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import traceback
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol

from cockpit import clock
from cockpit.connect.hurry import HURRIED, SWEPT, UNTIL
from cockpit.connect.pace import Pace
from cockpit.connect.workshop import ended
from cockpit.errors import BlindError, Misconfigured, Reason, Refused
from cockpit.redact import MASKER
from cockpit.text import visible
from cockpit.triage.awake import awake
from cockpit.triage.board import LookId
from cockpit.triage.changes import Change
from cockpit.triage.feed import ResourceNames
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.had import PART, LookMemory, not_given, part_missed
from cockpit.triage.members import only
from cockpit.triage.names_found import with_its_name
from cockpit.triage.own import OwnAct, marked
from cockpit.triage.pacing import Pacing
from cockpit.triage.probe import (
    IN_FORCE,
    NEVER_OLDER_THAN,
    AnyProbe,
    Blind,
    Fact,
    Neighbour,
    Reading,
    RecoveryPoint,
    Seen,
)
from cockpit.triage.sanitised import blind_of, sanitise
from cockpit.triage.schedule import Schedule, second_look
from cockpit.triage.store import Store
from cockpit.triage.target import Target
from cockpit.triage.view import Table

IN_FLIGHT = 64
"""Looks at once in a lane that has no size of its own; more wait without their deadline running."""
_BEGIN = 25
"""Looks that begin in one turn of the loop: a thousand at once would hold it for seconds."""
SECOND_LOOK_AFTER = 1.0
"""Seconds between the two looks of a sweep at what only differences can tell."""
_ASKED_WITHIN = 0.8
"""Share of a look's time in which a call must leave, so that its answer is still of use."""
_GIVE_UP_ON_HUNG = 60.0
_EXIT_GRACE = 0.3


class SessionSource(Protocol):
    """Where the engine gets sessions from; `cockpit.connect.open` and the tests have one."""

    async def session(self, target: Target) -> object:
        """The target's session, opened when needed. Raises `BlindError`."""

    async def discard(self, target: Target) -> None:
        """Give up a session from under a hung look, so that the next look opens a new one."""


@dataclass(frozen=True, slots=True)
class Look:
    """One probe at one target, with the thresholds that hold there."""

    target: Target
    probe: AnyProbe
    settings: object
    place: str = ""
    """The AWS place whose session and limits it shares; empty: its target has its own."""
    lanes: tuple[str, ...] = ()
    """What it queues for, in this order; none: for its own target."""

    @property
    def id(self) -> LookId:
        """(target, probe)."""
        return LookId(self.target.name, self.probe.id)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the first sweep is. `took` is None until every look has ended once."""

    done: int
    total: int
    took: float | None


DebugLog = Callable[[str], str]
"""Takes a traceback, gives the name of the file it went to (empty: nowhere)."""


class Engine:
    """Looks at everything, for as long as it runs; readings go to the store."""

    def __init__(
        self,
        looks: Iterable[Look],
        *,
        sessions: SessionSource,
        store: Store,
        debug: DebugLog = lambda _: "",
        lanes: Mapping[str, int] = MappingProxyType({}),
        chance: random.Random | None = None,
        acts: Callable[[], Sequence[OwnAct]] = tuple,
        memory: LookMemory | None = None,
        never_older_than: float = NEVER_OLDER_THAN,
    ) -> None:
        """`lanes`: lane → how many of its looks run at once. `acts`: what steps have done.

        `memory`: what looks of earlier processes had; None: nothing is known of any.
        `never_older_than`: seconds, of what is calm (`cockpit.triage.pacing`).
        """
        self.looks: Mapping[LookId, Look] = {look.id: look for look in looks}
        self.store = store
        self._names = ResourceNames(look.target for look in self.looks.values())
        self._sessions = sessions
        self._debug = debug
        self._acts = acts
        self._schedule = Schedule()
        self._lanes = {lane: asyncio.Semaphore(size) for lane, size in lanes.items()}
        self._before: dict[LookId, object] = {}
        self._newest: dict[LookId, tuple[object, float]] = {}
        self._asked: dict[LookId, float] = {}  # when its newest look had a session
        self._swept_looks: dict[LookId, int] = {}  # of a sweep → which of the two it is
        self._running: dict[LookId, asyncio.Task[Reading]] = {}
        self._hung: dict[LookId, tuple[asyncio.Task[Any], float]] = {}
        self._bugs: dict[LookId, tuple[str, str]] = {}
        self._by_hand: set[LookId] = set()
        """Looks that somebody waits for: their next one is in a hurry."""
        self._memory = memory or LookMemory()
        self._wake = asyncio.Event()
        self._first = set(self.looks)
        self._started = clock.monotonic()
        self._took: float | None = None
        self._pacing = Pacing(
            self.looks,
            self._started,
            never_older_than=never_older_than,
            chance=chance or random.Random(),
        )

    @property
    def progress(self) -> Progress:
        """The state of the first sweep."""
        return Progress(len(self.looks) - len(self._first), len(self.looks), self._took)

    async def run(self) -> None:
        """Look at everything at once, then each on its own schedule, until cancelled."""
        self._started = clock.monotonic()
        self._pacing.begin(self._started)
        for id_ in self.looks:
            self._schedule.set(id_, self._started)
        try:
            while True:
                for number, id_ in enumerate(self._schedule.take(clock.monotonic()), 1):
                    self._task(id_)
                    if not number % _BEGIN:
                        await asyncio.sleep(0)
                await self._nap()
        finally:
            await self.stop()

    def look_now(self, target: str | None = None) -> int:
        """Make everything (or everything of one target) due at once; returns how many looks."""
        chosen = [id_ for id_ in self.looks if target is None or id_.target == target]
        self._pacing.asked_for(chosen, clock.monotonic())
        for id_ in chosen:
            self._pacing.forgive(id_)
            if id_ not in self._running:
                self._schedule.set(id_, clock.monotonic())
        self._by_hand.update(chosen)
        self._wake.set()
        return len(chosen)

    async def look(self, target: str, probe: str) -> Reading:
        """Look once, now, and give the reading: for runbook steps and verifications.

        Joins a look that is in flight only to wait for it; what it gives began after the call.
        Raises `Misconfigured` for a (target, probe) that is not configured.
        """
        id_ = LookId(target, probe)
        if id_ not in self.looks:
            raise Misconfigured(f"no probe {probe} looks at {target}")
        if (running := self._running.get(id_)) is not None:
            await asyncio.wait({running})
        self._by_hand.add(id_)
        self._pacing.asked_for([id_], clock.monotonic())
        return await asyncio.shield(self._task(id_))  # others may wait for the same look

    def proved(self, reading: Reading) -> None:
        """A look verified a repair: the board believes it at once, and its target is looked at
        by all its probes now.
        """
        self.store.prove(reading)
        self.look_now(reading.target)

    async def sweep(self, only: Collection[LookId] | None = None) -> list[Reading]:
        """Look at everything once and give the readings in the order of the looks.

        Probes that judge differences look twice, a second apart; their second reading counts.
        """
        chosen = [id_ for id_ in self.looks if only is None or id_ in only]
        sweeps: list[asyncio.Task[Reading]] = []
        async with asyncio.TaskGroup() as group:
            for number, id_ in enumerate(chosen, 1):
                sweeps.append(group.create_task(self._swept(id_)))
                if not number % _BEGIN:
                    await asyncio.sleep(0)
        return [each.result() for each in sweeps]

    async def stop(self) -> None:
        """End every look. Never waits longer than a moment for those that hang."""
        tasks = {*self._running.values(), *(task for task, _ in self._hung.values())}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_EXIT_GRACE)

    async def _swept(self, id_: LookId) -> Reading:
        if not self._tells_more_twice(id_):
            return await self._task(id_)
        try:
            self._swept_looks[id_] = 1
            reading = await self._task(id_)
            if isinstance(reading.outcome, Blind):
                return reading
            read = clock.monotonic() - self.looks[id_].probe.samples_for
            again = second_look(self._asked.get(id_, read), read, SECOND_LOOK_AFTER)
            await asyncio.sleep(again - clock.monotonic())
            self._swept_looks[id_] = 2
            return await self._task(id_)
        finally:
            del self._swept_looks[id_]

    def _tells_more_twice(self, id_: LookId) -> bool:
        """What only differences tell, or only the first looks at its neighbours."""
        probe = self.looks[id_].probe
        if probe.since is not None and probe.twice:
            return True
        others = (other for other in self.looks if other.probe == id_.probe and other != id_)
        return probe.beside is not None and any(others)

    async def _nap(self) -> None:
        due = self._schedule.next_due()
        wait = None if due is None else max(0.0, due - clock.monotonic())
        self._wake.clear()
        try:
            async with asyncio.timeout(wait):  # wait_for of 3.11 may swallow a cancellation
                await self._wake.wait()
        except TimeoutError:
            return

    def _task(self, id_: LookId) -> asyncio.Task[Reading]:
        running = self._running.get(id_)
        if running is not None:
            return running
        task = asyncio.create_task(self._queued(self.looks[id_]), name=f"{id_.target}/{id_.probe}")
        self._running[id_] = task
        task.add_done_callback(lambda _: self._ended(id_))
        return task

    def _ended(self, id_: LookId) -> None:
        self._running.pop(id_, None)
        self._by_hand.discard(id_)
        now = clock.monotonic()
        self._schedule.set(id_, now + self._pacing.next(id_, now))
        self._first.discard(id_)
        if not self._first and self._took is None:
            self._took = clock.monotonic() - self._started
        self._wake.set()

    async def _queued(self, look: Look) -> Reading:
        async with contextlib.AsyncExitStack() as seats:
            for name in look.lanes or (f"target:{look.target.name}",):
                lane = self._lanes.setdefault(name, asyncio.Semaphore(IN_FLIGHT))
                await seats.enter_async_context(lane)
            # waiting for the lane is not the server's slowness
            outcome, took = await awake(partial(self._outcome, look), limit=look.probe.timeout)
        if isinstance(outcome, Seen):
            self._tell_missed(look, outcome)
        reading = Reading(
            target=look.target.name,
            kind=look.target.kind,
            probe=look.probe.id,
            at=clock.now(),
            took=took,
            outcome=outcome,
            leads=look.probe.leads,
        )
        if isinstance(outcome, Blind):
            self._newest.pop(look.id, None)
        self.store.add(reading)
        now = clock.monotonic()
        for id_, at in self._pacing.read(reading, self.store.board, self._running, now=now):
            self._schedule.sooner(id_, at)
        return reading

    async def _outcome(self, look: Look) -> Seen | Blind:
        """The result of one look; every way to fail becomes a blind reading here."""
        try:
            return await self._looked(look)
        except Exception as error:  # noqa: BLE001  a bug in one probe costs one row
            return self._bug(look, error)

    async def _looked(self, look: Look) -> Seen | Blind:
        try:
            if self._still_hangs(look.id):
                return Blind(Reason.TIMEOUT, "the look before this one still hangs")
            snapshot = await self._collected(look)
            self._must_not_lack(look, snapshot)
            if look.probe.among is not None:
                snapshot = look.probe.among(snapshot, self._of_place(look))
            if look.probe.since is not None:
                before = self._before.get(look.id)
                self._before[look.id] = snapshot
                if before is not None:
                    snapshot = look.probe.since(before, snapshot)
                    self._before[look.id] = snapshot  # with what it carries on from before
            if look.probe.beside is not None:
                self._newest[look.id] = (snapshot, clock.monotonic())
                snapshot = look.probe.beside(snapshot, self._neighbours(look))
            seen = judged(look, snapshot, self._acts(), names=self._names)
            return with_its_name(seen, look.target) if look.probe.leads else seen
        except BlindError as error:
            return blind_of(error)
        except (Misconfigured, Refused) as error:
            return Blind(Reason.MISCONFIGURED, visible(error.message), visible(error.hint))

    async def _collected(self, look: Look) -> object:
        work: asyncio.Task[object] = asyncio.create_task(self._collect(look))
        try:
            # `timeout` and `wait_for` wait for the end of what they cancel, and a probe may hang
            done = await ended(work, look.probe.timeout)
        except asyncio.CancelledError:
            work.cancel()
            work.add_done_callback(_forget)
            raise
        if work.cancelled():
            raise BlindError(Reason.UNREACHABLE, "the session was given up during the look")
        if done:
            return work.result()
        work.cancel()
        work.add_done_callback(_forget)
        self._hung[look.id] = (work, clock.monotonic())
        await self._sessions.discard(look.target)
        raise BlindError(Reason.TIMEOUT, f"no answer within {look.probe.timeout:g} s")

    def _must_not_lack(self, look: Look, snapshot: object) -> None:
        """Raise `BlindError` when an earlier look had what this one was not given."""
        if look.probe.lacks is not None and (
            blind := not_given(look.probe.lacks(snapshot), self._memory, look.id, at=clock.now())
        ):
            raise blind

    def _tell_missed(self, look: Look, seen: Seen) -> None:
        """A reading of its own for a part that earlier looks had: the rest of the look stands."""
        id_, at = LookId(look.target.name, look.probe.id + PART), clock.now()
        missed = part_missed(seen.findings, self._memory, id_, at=at)
        before = self.store.board.readings.get(id_)
        if missed is not None or (before is not None and isinstance(before.outcome, Blind)):
            reading = Reading(
                id_.target, look.target.kind, id_.probe, at=at, took=0.0, outcome=missed or Seen()
            )
            self.store.add(reading)

    async def _collect(self, look: Look) -> object:
        HURRIED.set(look.id in self._by_hand or self._sick(look.target.name))
        UNTIL.set(clock.monotonic() + look.probe.timeout * _ASKED_WITHIN)
        SWEPT.set(self._swept_looks.get(look.id, 0))
        IN_FORCE.set(look.settings)
        session = await self._sessions.session(look.target)
        self._asked[look.id] = clock.monotonic()
        collecting: Awaitable[object] = look.probe.collect(session, look.target)
        try:
            return await collecting
        finally:  # a server that is slow for us is looked at less often
            pace = getattr(session, "pace", None)
            self._pacing.server_is(look.id, pace.factor if isinstance(pace, Pace) else 1.0)

    def _of_place(self, look: Look) -> list[Target]:
        """The targets at the look's place, itself left out."""
        there = (each.target for each in self.looks.values() if each.place == look.place)
        return [*{each.name: each for each in there if each.name != look.target.name}.values()]

    def _sick(self, target: str) -> bool:
        """Whether something is wrong there that calls for newer numbers than the well needs."""
        board = self.store.board
        return any(
            held.finding.severity >= Severity.WARNING
            for held in (*board.open_at(target), *board.pending_at(target))
        )

    def _neighbours(self, look: Look) -> list[Neighbour[Any]]:
        """What was seen of the others lately enough: three looks may be missed, no more."""
        now = clock.monotonic()
        return [
            Neighbour(id_.target, id_.target in look.target.needs, now - at, snapshot)
            for id_, (snapshot, at) in self._newest.items()
            if id_.probe == look.probe.id
            and id_ != look.id
            and now - at <= self._pacing.fresh_for(id_, now)
        ]

    def _still_hangs(self, id_: LookId) -> bool:
        task, since = self._hung.get(id_, (None, 0.0))
        if task is None:
            return False
        if task.done() or clock.monotonic() - since > _GIVE_UP_ON_HUNG:
            del self._hung[id_]
            return False
        return True

    def _bug(self, look: Look, error: Exception) -> Blind:
        """Written down when it is new: the same bug every few seconds would fill the disk."""
        place = f"{type(error).__name__} {traceback.extract_tb(error.__traceback__)[-1]}"
        known, file = self._bugs.get(look.id, ("", ""))
        if place != known or not file:
            report = MASKER.mask("".join(traceback.format_exception(error)))
            file = self._debug(f"{look.target.name} / {look.probe.id}\n{report}")
            self._bugs[look.id] = (place, file)
        where = f"; see {file}" if file else ""
        said = MASKER.mask(visible(MASKER.mask(str(error)), 200))
        return Blind(
            Reason.BUG,
            f"{type(error).__name__} in {look.probe.id}: {said}{where}",
            "please report it with this line; the other probes are not affected",
        )


def judged(
    look: Look, snapshot: object, acts: Sequence[OwnAct] = (), *, names: ResourceNames | None = None
) -> Seen:
    """What the probe's pure functions say of a snapshot, own acts left out.

    `names`: what resources of a place are which targets, for a feed that tells of many.
    """
    probe, own = look.probe, [act for act in acts if act.target == look.target.name]
    if probe.own is not None and own:
        snapshot = probe.own(snapshot, own)
    if probe.derive is not None:
        snapshot = probe.derive(snapshot, look.settings)
    return Seen(
        findings=tuple(map(sanitise, only(Finding, probe.diagnose(snapshot, look.settings)))),
        facts=only(Fact, probe.facts(snapshot, look.settings)) if probe.facts else (),
        tables=only(Table, probe.tables(snapshot, look.settings)) if probe.tables else (),
        changes=_changes(look, snapshot, acts, names=names),
        snapshot=snapshot,
        points=only(RecoveryPoint, probe.points(snapshot)) if probe.points else (),
        again=_seconds(probe.again(snapshot, look.settings)) if probe.again else None,
        wakes=tuple(map(str, probe.wakes(snapshot))) if probe.wakes else (),
    )


def _seconds(told: float | None) -> float | None:
    """What a plug-in gives may be anything, and the schedule must not break by it."""
    return None if told is None else float(told)


def _changes(
    look: Look, snapshot: object, acts: Sequence[OwnAct], *, names: ResourceNames | None
) -> tuple[Change, ...]:
    """Joined before they are marked: a feed tells of targets whose names it does not know."""
    if look.probe.changes is None:
        return ()
    told = only(Change, look.probe.changes(snapshot, look.target.name))
    if names is not None:
        told = tuple(names.join(change, look.target) for change in told)
    return marked(told, acts)


def _forget(task: asyncio.Task[object]) -> None:
    """Take the late result of a look that was given up, so that no warning is printed."""
    if not task.cancelled():
        task.exception()
