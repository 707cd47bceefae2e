"""Writes incidents as pure data in the product's own types: targets, timed readings, the truth.

Nothing here looks at how suspects are found. A case is a stream of readings as the engine would
give them (each probe at its own pace, AWS probes slower than data-plane ones, gauges need two
looks), folded by the product's own `reduce`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

from cockpit.connect.net.settings import EndpointSettings
from cockpit.errors import Reason
from cockpit.triage.board import Board, reduce
from cockpit.triage.changes import Change
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.triage.probe import Blind, Fact, Reading, Seen
from cockpit.triage.registry import registry
from cockpit.triage.target import Target
from cockpit.triage.topology import DependencyGraph
from probes.changes.calls import CALLS
from tests.stories import dated
from tests.stories.shown import AGES, GAUGES, HALF, HISTORIES

C, H, W, INFO = Severity.CRITICAL, Severity.HIGH, Severity.WARNING, Severity.INFO
SLOW = {
    "alb.traffic": 1.6,
    "alarms.state": 1.1,
    "rds.status": 1.9,
    "elasticache.status": 1.4,
    "dynamodb.table": 1.2,
    "ecs.service": 0.9,
    "target_group.health": 0.7,
    "vpc_path.config": 1.5,
    "changes.trail": 2.4,
}


@dataclass(frozen=True)
class Truth:
    """What is right. `accept`: names of targets, or `kind@target` of changes; any is right.
    `all_of`: for independent incidents, groups that must all be named. `abstain`: nothing can be
    named honestly (naming something of `accept` as not examined is right too)."""

    accept: frozenset[str]
    all_of: tuple[frozenset[str], ...] = ()
    trigger: str = ""
    abstain: bool = False
    wrong_change: str = ""
    note: str = ""


HORIZON = 150.0


@dataclass
class Case:
    id: str
    family: str
    split: str
    targets: tuple[Target, ...]
    readings: tuple[Reading, ...]
    """In the order of their time."""
    opened: datetime
    truth: Truth
    horizon: float

    @property
    def graph(self) -> DependencyGraph:
        return DependencyGraph(self.targets)

    def boards(self, seconds: Iterable[float]) -> list[Board]:
        board, out, queue = Board(), [], list(self.readings)
        for limit in seconds:
            end = self.opened + timedelta(seconds=limit)
            while queue and queue[0].at <= end:
                board, _ = reduce(board, queue.pop(0))
            out.append(board)
        return out

    @property
    def board(self) -> Board:
        return self.boards([self.horizon])[0]


@dataclass
class _Ill:
    target: str
    code: str
    severity: Severity
    onset: float
    until: float | None
    subject: str
    evidence: tuple[Evidence, ...]
    summary: str

    def holds(self, moment: float) -> bool:
        return self.onset <= moment and (self.until is None or moment < self.until)


_RISKS = {call.kind: call.risk for call in sorted(CALLS.values(), key=lambda each: each.risk)}
"""Kind of change → the risk that the trail gives it: the greatest of its calls."""


@cache
def _probes_of(kind: str) -> list[str]:
    return [p.id for p in registry().values() if p.kind == kind]


@dataclass
class World:
    """One incident being written. Times are seconds after the cause began."""

    rng: random.Random
    id: str
    family: str
    split: str
    opened: float = 300.0
    start: datetime = datetime(2026, 11, 21, 2, 41, 13, tzinfo=UTC)
    targets: dict[str, Target] = field(default_factory=dict)
    ills: list[_Ill] = field(default_factory=list)
    blinds: dict[tuple[str, str], tuple[Reason, str, Finding | None]] = field(default_factory=dict)
    events: list[tuple[str, str, Change, float]] = field(default_factory=list)
    horizon: float = HORIZON

    def at(self, seconds: float) -> datetime:
        return self.start + timedelta(seconds=seconds)

    def add(self, name: str, kind: str, *needs: str, service: str = "") -> str:
        self.targets[name] = Target(
            name=name,
            kind=kind,
            needs=needs,
            service=service,
            settings=EndpointSettings(url="http://127.0.0.1/"),
        )
        return name

    def need(self, name: str, *needs: str) -> None:
        old = self.targets[name]
        self.targets[name] = Target(
            name=name,
            kind=old.kind,
            needs=(*old.needs, *needs),
            service=old.service,
            settings=old.settings,
        )

    def unneed(self, name: str, *gone: str) -> None:
        old = self.targets[name]
        self.targets[name] = Target(
            name=name,
            kind=old.kind,
            service=old.service,
            needs=tuple(n for n in old.needs if n not in gone),
            settings=old.settings,
        )

    def ill(
        self,
        target: str,
        code: str,
        severity: Severity,
        onset: float = 30,
        *,
        until: float | None = None,
        subject: str = "",
        text: str = "",
        evidence: tuple[Evidence, ...] = (),
    ) -> None:
        self.ills.append(_Ill(target, code, severity, onset, until, subject, evidence, text))

    def blind(
        self,
        target: str,
        reason: Reason = Reason.DENIED,
        *,
        code: str = "",
        severity: Severity = C,
        detail: str = "not permitted",
    ) -> None:
        for probe in self.probes(target):
            finding = Finding(code, severity, f"{target}: {code}") if code else None
            self.blinds[(target, probe)] = (reason, detail, finding)
            code = ""

    def change(
        self,
        kind: str,
        target: str,
        at: float,
        summary: str = "",
        *,
        actor: str = "ci",
        via: str = "",
        skew: float = 0.0,
    ) -> str:
        """`via`: the target whose probe tells it; empty: the target itself. `skew`: how far its
        clock is ahead."""
        change = Change(
            at=self.at(at + skew),
            kind=kind,
            target=target,
            actor=actor,
            summary=summary or f"{kind} of {target}",
            source=kind.split(".")[0],
            risk=_RISKS.get(kind) if via else None,
        )
        teller = via or target
        if teller not in self.targets:
            self.add(teller, "changes")
        self.events.append((teller, self.probes(teller)[0], change, at))
        if kind == "ecs.deployment" and target in self.targets and not via:
            self.ills.append(
                _Ill(
                    target,
                    "ECS_DEPLOYMENT_RECENT",
                    INFO,
                    at + skew,
                    at + 3600,
                    summary.split()[-1] if summary else f"{target}:42",
                    (),
                    "",
                )
            )
        return f"{kind}@{target}"

    def probes(self, target: str) -> list[str]:
        """The probes that look at it; where nothing of ours does, one that tells its changes."""
        kind = self.targets[target].kind
        return _probes_of(kind) or [f"{kind}.trail"]

    def probe_of(self, ill: _Ill) -> str:
        for pid in self.probes(ill.target):
            if pid in registry() and ill.code in registry()[pid].codes:
                return pid
        raise ValueError(f"{ill.code} cannot come from {self.targets[ill.target].kind}")

    def done(self, truth: Truth) -> Case:
        every = registry()
        by_look: dict[tuple[str, str], list[_Ill]] = {}
        for ill in self.ills:
            by_look.setdefault((ill.target, self.probe_of(ill)), []).append(ill)
        readings: list[Reading] = []
        for name in self.targets:
            for pid in self.probes(name):
                pace = every[pid].every if pid in every else 30.0
                took = SLOW.get(pid, 0.04) * self.rng.uniform(0.7, 1.5)
                moment = self.opened + took
                while moment <= self.opened + self.horizon:
                    ills = by_look.get((name, pid), [])
                    readings.append(self._look(name, pid, moment, took=took, ills=ills))
                    moment += pace * self.rng.uniform(0.92, 1.08)
        readings.sort(key=lambda r: r.at)
        return Case(
            self.id,
            self.family,
            self.split,
            targets=tuple(self.targets.values()),
            readings=tuple(readings),
            opened=self.at(self.opened),
            truth=truth,
            horizon=self.horizon,
        )

    def _look(
        self, name: str, pid: str, moment: float, *, took: float, ills: list[_Ill]
    ) -> Reading:
        leads = pid in registry() and registry()[pid].leads
        outcome: Seen | Blind
        if (name, pid) in self.blinds:
            reason, detail, finding = self.blinds[(name, pid)]
            outcome = Blind(reason, detail, "", finding)
        else:
            found = (self._finding(ill, moment) for ill in ills if ill.holds(moment))
            told = (c for t, p, c, seen in self.events if (t, p) == (name, pid) and seen <= moment)
            outcome = Seen(tuple(found), (Fact("state", "ok"),), (), tuple(told))
        kind = self.targets[name].kind
        return Reading(name, kind, pid, self.at(moment), took, outcome, leads)

    def _finding(self, ill: _Ill, moment: float) -> Finding:
        evidence = list(ill.evidence)
        age = moment - ill.onset
        if ill.code in AGES:
            evidence.append(Evidence(AGES[ill.code], round(age, 1), "s"))
        if ill.code in HISTORIES:
            label, points = HISTORIES[ill.code]
            steps = []
            for back in range(points, 0, -1):  # a metric settles a minute or two late
                when = moment - back * 60 - 60
                steps.append(100.0 if when + 60 > ill.onset else 10.0)
            if ill.code in {"ALB_TRAFFIC_DROP", "RDS_CONNECTIONS_COLLAPSED"}:
                steps = [110.0 - v for v in steps]
            if all(v == steps[0] for v in steps) and age < points * 60:
                steps[-1] = 110.0 - steps[-1]
            noise = random.Random(f"{self.id}{ill.code}{ill.target}{int(moment)}")
            evidence.append(
                Evidence(
                    label, steps[-1], "", None, tuple(v * noise.uniform(0.96, 1.04) for v in steps)
                )
            )
        fact = ill.code not in GAUGES and (ill.code not in HALF or ill.severity is C)
        text = ill.summary or f"{ill.code.replace('_', ' ').lower()} {ill.subject}".strip()
        known = dated.resolution(ill.code, age)
        began = None
        if known is not None:
            off = dated.told(f"{self.id}{ill.code}{ill.target}", known)
            began = self.at(min(moment, ill.onset + off))
        return Finding(
            ill.code,
            ill.severity,
            text,
            ill.subject,
            tuple(evidence),
            fact=fact,
            began=began,
            resolution=known or 0.0,
        )


Template = Callable[[World], Truth]
SPLITS = ("design", "ours", "aside")
"""What a rule may be made on: the shared design set; our own, of which half is set aside before any
rule is looked at."""
TEMPLATES: list[tuple[str, str, Template]] = []


def template(family: str, split: str) -> Callable[[Template], Template]:
    def add(function: Template) -> Template:
        TEMPLATES.append((family, split, function))
        return function

    return add


def ok(*names: str, **more: object) -> Truth:
    return Truth(frozenset(n for n in names if n), **more)  # type: ignore[arg-type]


def build(split: str, seeds: Iterable[int], *, salt: str = "", level: int = 0) -> list[Case]:
    """Every template of a split with every seed. `split` empty: all templates. `level`: 0 is the
    bare story, 1 to 3 as `harden` makes it.
    """
    from tests.stories.harden import harden

    cases = []
    for family, where, function in TEMPLATES:
        if split and where != split:
            continue
        for seed in seeds:
            id_ = f"{family}/{function.__name__}/{seed}{salt}"
            rng = random.Random(id_)
            world = World(rng, id_, family, where)
            world.start += timedelta(seconds=rng.uniform(0, 86_400))
            world.opened = rng.choice([120, 240, 420, 900, 1800, 2700]) + rng.uniform(0, 60)
            truth = function(world)
            if level:
                truth = harden(world, truth, level)
            cases.append(world.done(truth))
    return cases
