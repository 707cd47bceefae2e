"""The desk: everything that the screens see and ask for, put together from the parts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import cast

from cockpit import sweep
from cockpit.config import Config
from cockpit.connect.aws.codes import CODES
from cockpit.connect.open import Connections
from cockpit.connect.role import Role
from cockpit.connect.session import AwsReads
from cockpit.desk.objectives import ObjectiveKeeper
from cockpit.desk.own import own_acts
from cockpit.desk.promises import PromiseKeeper
from cockpit.desk.recorder import Recorder, taken_away
from cockpit.desk.recoveries import recoveries
from cockpit.desk.relation import ChangeKeeper
from cockpit.desk.status import DeskStatus, only_watches
from cockpit.desk.suspicion import SuspicionKeeper
from cockpit.errors import BlindError, Refused
from cockpit.incident.lines import IncidentLine
from cockpit.incident.newest import NewestRows
from cockpit.incident.objectives import RecoveryClock
from cockpit.incident.record import Incident
from cockpit.incident.severity import next_update
from cockpit.incident.state import IncidentStatus
from cockpit.incident.timeline import TimelineRow
from cockpit.runbooks import earlier, unfinished
from cockpit.runbooks.earlier import DoneBefore, RunKey
from cockpit.runbooks.known import known
from cockpit.runbooks.library import Library
from cockpit.runbooks.offer import runbook_of
from cockpit.runbooks.plan import Outcome
from cockpit.runbooks.ports import Ports
from cockpit.runbooks.run import Run
from cockpit.runbooks.sessions import RunSessions
from cockpit.runbooks.step import NOTHING, Runbook
from cockpit.runbooks.stop_loss import Signals
from cockpit.runbooks.unfinished import Unfinished
from cockpit.text import visible
from cockpit.triage.board import Board, BoardChange, FindingId, LookId, OpenFinding
from cockpit.triage.explain import explain, lines
from cockpit.triage.had import LookMemory
from cockpit.triage.own import OwnAct
from cockpit.triage.probe import AnyProbe, Seen
from cockpit.triage.registry import catalog
from cockpit.triage.related import RELATED, RankedChanges
from cockpit.triage.store import Store
from cockpit.triage.suspects import Judgement
from cockpit.triage.target import Target
from cockpit.triage.target_logs import TargetLogs, logs_probe
from cockpit.triage.topology import DependencyGraph
from cockpit.triage.view import Offer

PROMISES = "runbook.promises"
"""The probe of what steps promised."""
_SETTLE_AFTER = 20.0
_CLOSING = 0.5
_ASK_AGAIN = 30.0
"""Seconds until a place that did not say whose account it is is asked again."""

Callback = Callable[[], None]


class Desk:
    """Implements `screens.port.DeskPort`. Lives on one event loop."""

    def __init__(
        self,
        config: Config,
        incident: Incident,
        *,
        role: Role,
        actor: str,
        probes: Mapping[str, AnyProbe],
        library: Library,
        coming: Callable[[], str] = lambda: "",
        memory: LookMemory | None = None,
    ) -> None:
        """`coming` says what the demo's shop still waits for; looking begins when it is empty.
        `memory`: what looks of earlier processes had, besides what the record tells of it.
        """
        self.config = config
        self.incident = incident
        self.role = role
        self.actor = actor
        self.library = library
        self.store = Store()
        self.store.remember(recoveries(incident.recovered))
        self.graph = DependencyGraph(config.targets)
        self._signals = Signals(self.store, self.graph)
        self.connections: Connections = sweep.connections(config, role)
        self._memory = memory or LookMemory()
        self._memory.had(taken_away(incident.standing))
        self.engine = sweep.engine(
            sweep.looks(config, probes),
            self.connections,
            store=self.store,
            debug=sweep.debug_log(config.path.parent),
            acts=self._own_acts,
            memory=self._memory,
            never_older_than=config.never_older_than,
        )
        self._probes = probes
        self._unwatched = sweep.unwatched(config, probes)
        self._recorder = Recorder(incident, best=library.best)
        self._promises = PromiseKeeper(incident, self.store, probes[PROMISES])
        self._objectives = ObjectiveKeeper(config, incident, probes)
        self._changes = ChangeKeeper(
            config, store=self.store, graph=self.graph, probe=probes[RELATED]
        )
        self._coming = coming
        self._waits_for = ""
        self._callbacks: list[Callback] = []
        self._runs: dict[tuple[str, FindingId], Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._accounts: dict[str, str] = {}
        self._own: tuple[int, tuple[OwnAct, ...]] = (-1, ())
        self._timeline = NewestRows(incident)
        self._unfinished: tuple[int, tuple[Unfinished, ...]] = (-1, ())
        self._done_before = earlier.done_before(incident.done_earlier)
        self._left = {} if incident.watching else earlier.runs_left(incident.done_earlier)
        self._taken_up: dict[RunKey, Run] = {}
        """Interrupted ones of earlier sessions, whose finding is not on the board (yet)."""
        self.suspicion = SuspicionKeeper(
            self.graph, incident, self._changes, spawn=self._spawn, tell=self._tell
        )
        self._stops = [
            self.store.subscribe(self._board_changed),
            self._promises.stop,
            self._changes.stop,
            incident.subscribe(lambda _: self._tell()),
        ]

    @property
    def board(self) -> Board:
        """The newest truth."""
        return self.store.board

    @property
    def targets(self) -> Mapping[str, Target]:
        """Name → target, grouped by service, users before what they need."""
        members = (target for group in self.graph.services.values() for target in group)
        return MappingProxyType({target.name: target for target in members})

    @property
    def headline(self) -> IncidentLine:
        """The incident as the header tells it."""
        incident = self.incident
        return IncidentLine(
            id=incident.id,
            title=incident.title,
            severity=incident.severity,
            status=incident.status,
            opened_at=incident.opened_at,
            entries=len(incident.entries),
            live=bool(incident.holder),
        )

    @property
    def status(self) -> DeskStatus:
        """The header's facts."""
        spent = sweep.cost(self.connections)
        progress = self.engine.progress
        running = progress.took is None
        return DeskStatus(
            environment=self.config.environment,
            account="+".join(sorted(set(self._accounts.values()))),
            region="+".join(sorted({p.region for p in self.config.places.values()})),
            role=self.role,
            actor=self.actor,
            probes=progress.total,
            calls=spent.api_calls,
            usd=spent.usd,
            throttled=spent.throttled,
            usd_per_hour=spent.usd_per_hour,
            budget=spent.budget,
            metrics_every=spent.metrics_every,
            spent_on=spent.spent_on,
            places=sweep.places(self.connections, self._accounts),
            sweep_took=progress.took,
            sweep_progress=(progress.done, progress.total) if running else None,
            degraded=self._waits_for or self.incident.degraded,
            only_watches=only_watches(self.incident),
            redirected=", ".join(sorted(set(sweep.redirected(self.connections).values()))),
        )

    @property
    def codes_wanted(self) -> Sequence[str]:
        """Serials of MFA devices whose code somebody must type before AWS can be asked."""
        return sorted(CODES.wanted)

    def give_code(self, serial: str, code: str) -> str:
        """Take a code and look again at everything; the reason why not, or empty."""
        problem = CODES.give(serial, code)
        if not problem:
            self.look_now()
        return problem

    @property
    def next_update(self) -> datetime | None:
        """When the next status update is due; None when none is."""
        state = self.incident.state
        if not state.open:
            return None
        return next_update(
            self.incident.severity,
            self.incident.opened_at,
            last_update=state.last_update,
        )

    @property
    def recovery(self) -> RecoveryClock | None:
        """The clocks of the recovery objectives; None: none is configured."""
        return self._objectives.clock(self.board)

    @property
    def judgement(self) -> Judgement:
        """Suspects and what was ruled out, worked out once a board."""
        return self.suspicion.of(self.board)

    @property
    def changes(self) -> RankedChanges:
        """Every change that is known, the most suspected first."""
        return self._changes.ranked

    def timeline(self, after: int = 0) -> Sequence[TimelineRow]:
        """The lines whose `seq` is greater than `after`, oldest first; see `NewestRows`."""
        rows = self._timeline.rows()
        return [row for row in rows if row.seq > after] if after else rows

    def subscribe(self, callback: Callback) -> Callback:
        """Call back when findings, timeline, incident or status changed; not for every look."""
        self._callbacks.append(callback)

        def stop() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return stop

    async def start(self) -> None:
        """Begin to look."""
        self._promises.tell()
        self._objectives.tell(self.board)
        self._changes.begin()
        self._spawn(self._look())

    def look_now(self, target: str = "") -> int:
        """Look again at a target, or at everything; how many looks were asked for."""
        return self.engine.look_now(target or None)

    def runbooks_for(self, finding: OpenFinding) -> Sequence[Runbook]:
        """Those that are for its code, the best first."""
        return self.library.for_code(finding.finding.code, finding.kind)

    def explain(self, code: str) -> Sequence[str]:
        """What a code means, by the settings that hold here. Reads sources: not on the loop."""
        known = catalog()
        found = explain(code, known, self.config.settings)
        named = self.library.named(code, (known.probes[each.probe].kind for each in found))
        return [visible(each, 2000) for each in lines(found, named)]

    def logs_of(self, target: str) -> TargetLogs:
        """The logs of a target, held against the onset. Raises `BlindError` for one without."""
        there = self.targets[target]
        below = (self.targets[name] for name in self.graph.below(target) if name in self.targets)
        probe = logs_probe(there, self._probes, below)
        reading = self.board.readings.get(LookId(target, probe.id))
        outcome = reading.outcome if reading is not None else None
        began = self.changes.began

        async def session() -> AwsReads:
            return cast("AwsReads", await self.connections.session(there.name, there.settings))

        return TargetLogs(
            there,
            probe,
            session=session,
            seen=outcome.snapshot if isinstance(outcome, Seen) else None,
            onset=began.at - began.slack if began is not None and not began.vague else None,
        )

    def best(self, finding: OpenFinding) -> str:
        """The id of the runbook that is offered first for it; empty when there is none."""
        return self.library.best(finding.finding.code, finding.kind)

    def run_for(self, runbook_id: str, finding: FindingId) -> Run | None:
        """The run that was started for this finding, here or before, if any."""
        if (runbook_id, finding) not in self._runs and self._was_left(runbook_id, finding):
            known = (*self.board.open.values(), *self.board.cleared)
            found = next((each for each in known if each.id == finding), None)
            if found is not None:
                return self.start_run(runbook_id, found)
        return self._runs.get((runbook_id, finding))

    def start_run(self, runbook_id: str, finding: OpenFinding) -> Run:
        """The run for this finding, started when there is none yet."""
        key = (runbook_id, finding.id)
        if key not in self._runs:
            self._runs[key] = self._begin(self.library.get(runbook_id), finding, key)
        return self._runs[key]

    def done_before(self, runbook_id: str, finding: FindingId) -> DoneBefore | None:
        """What earlier sessions did of a runbook, which no run here knows; None: nothing."""
        if self._was_left(runbook_id, finding):
            return None
        return self._done_before.get(runbook_id)

    def _was_left(self, runbook_id: str, finding: FindingId) -> bool:
        """Whether an earlier session followed it for this finding, as the document is now."""
        left = self._left.get((runbook_id, finding))
        known = self.library.find(runbook_id)
        return left is not None and known is not None and left.digest == known.digest

    @property
    def interrupted(self) -> Run | None:
        """The newest run since a step of which something else got worse; None: there is none."""
        for key, left in self._left.items():
            if left.interrupted and key not in self._runs and self._was_left(*key):
                found = self.board.open.get(key[1])
                if found is not None:
                    self.start_run(key[0], found)
                elif key not in self._taken_up:
                    self._taken_up[key] = self._begin(self.library.get(key[0]), None, key)
        runs = {**self._taken_up, **self._runs}
        return next((r for r in reversed(runs.values()) if r.interrupt is not None), None)

    def offer_run(self, target: str, offer: Offer) -> Run:
        """An offer of a drill-down as a run of one step, gated like any other: on the target that
        was looked at, unless the offer names another.
        """
        there = self.targets[offer.target or target]
        return self._begin(runbook_of(there, offer, seen_at=target), None)

    @property
    def unfinished(self) -> Sequence[Unfinished]:
        """Steps that nobody knows the end of, oldest first; not those that run here now.

        None while another cockpit holds the incident: it may be running them.
        """
        if self.incident.watching:
            return ()
        count, found = self._unfinished
        if count != len(self.incident.done):
            count = len(self.incident.done)
            found = unfinished.all_of(self.incident.unfinished, self.incident.done)
            self._unfinished = (count, found)
        return found

    async def verify_unfinished(self, one: Unfinished) -> Outcome:
        """Look what became of it, and write that down. Raises `Refused` when that is not known."""
        outcome = await unfinished.verified(one, self._ports(), self.incident)
        self._learned(one, outcome)
        return outcome

    async def tell_unfinished(self, one: Unfinished, word: str, reason: str) -> None:
        """A person says how it ended, `ok` or `failed`. Raises `Refused` without a reason."""
        self._learned(one, await unfinished.told(one, word, reason, self.incident))

    async def note(self, text: str) -> None:
        """Write a note; it is durable when this returns."""
        await self.incident.note(text)

    async def say_of(self, suspect: str, word: str) -> None:
        """`GUILTY`, `INNOCENT` or `OPEN`, journalled."""
        await self.suspicion.say(suspect, word)

    async def set_severity(self, severity: str) -> None:
        """`P0` to `P3`, journalled."""
        await self.incident.set_severity(severity)

    async def set_status(self, status: str, reason: str = "") -> None:
        """Journalled; the metrics take when it was mitigated, resolved and closed from it. Raises
        `Refused` in triage for an end: it ends updates and watching for everybody.
        """
        wanted = IncidentStatus.read(status)
        if self.role is not Role.COMMANDER and wanted.rank > IncidentStatus.MITIGATED.rank:
            raise Refused(
                f"triage sets no incident to {wanted}: a commander does",
                hint="note that it is over (n), or restart with --role commander",
            )
        await self.incident.set_status(wanted, reason)

    async def close(self) -> None:
        """Give everything up within half a second. Never raises."""
        for stop in self._stops:
            stop()
        self._callbacks.clear()
        self._recorder.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CLOSING)
        # together: a hung connection must not take the journal's part of the time to close
        written = (asyncio.to_thread(each) for each in (self.incident.close, self._memory.keep))
        await asyncio.gather(self.connections.close(), *written)

    def _learned(self, one: Unfinished, outcome: Outcome) -> None:
        for run in (*self._runs.values(), *self._taken_up.values()):
            run.learn(one.seq, outcome)
        self._tell()

    def _begin(
        self, runbook: Runbook, finding: OpenFinding | None, key: RunKey | None = None
    ) -> Run:
        """A run; `key` names what earlier sessions may have begun: read now, with what was done
        about it in this one.
        """
        left = None
        if key is not None and self._was_left(*key):
            left = earlier.runs_left(self.incident.done).get(key)
        run = Run(
            runbook,
            finding,
            role=self.role,
            actor=self.actor,
            environment=self.config.environment,
            ports=self._ports(),
            targets=self.targets,
            known=known(),
            params=left.params if left is not None and finding is None else NOTHING,
            left=left,
        )
        run.subscribe(self._tell)
        return run

    def _ports(self) -> Ports:
        sessions = RunSessions(self.connections, self.config.places, self.actor)
        return Ports(
            looks=self.engine,
            reads=sessions,
            actors=sessions,
            journal=self.incident,
            targets=self.targets,
            signals=self._signals,
        )

    def _own_acts(self) -> tuple[OwnAct, ...]:
        """What steps of this incident did; read again only when there is more in the record."""
        count, acts = self._own
        if count != len(self.incident.done):
            acts = own_acts(self.incident.done)
            self._own = (len(self.incident.done), acts)
        return acts

    def _board_changed(self, board: Board, changes: Sequence[BoardChange]) -> None:
        self._recorder.board_changed(board, changes)
        self._objectives.tell(board)
        self._changes.board_changed()
        if changes or self.engine.progress.took is None:
            self._tell()  # else all is as it was, and screens take newer numbers each second

    def _tell(self) -> None:
        for callback in tuple(self._callbacks):
            callback()

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look(self) -> None:
        while (waits_for := self._coming()) != "":
            if waits_for != self._waits_for:
                self._waits_for = waits_for
                self._tell()
            await asyncio.sleep(0.1)
        self._waits_for = ""
        self._spawn(self._learn_accounts())
        self._spawn(self._settle())
        self._spawn(self._memory.keep_on())
        for reading in self._unwatched:
            self.store.add(reading)
        await self.engine.run()

    async def _learn_accounts(self) -> None:
        """Whose the places are; those that do not say are asked again until they do."""
        while unknown := [name for name in self.config.places if name not in self._accounts]:
            for name in unknown:
                with contextlib.suppress(BlindError):
                    session = await self.connections.aws(name)
                    self._accounts[name], _ = await session.identity()
            self._tell()
            if len(self._accounts) < len(self.config.places):
                await asyncio.sleep(_ASK_AGAIN)

    async def _settle(self) -> None:
        await asyncio.sleep(_SETTLE_AFTER)
        self._recorder.settle(self.board)
        self.store.remember(recoveries(self.incident.recovered))
        self._tell()
