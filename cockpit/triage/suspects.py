"""What probably caused it: the deepest unhealthy target, and the change that came before it.

A simple rule that says what it does. A target is suspected when it has findings of its own and
nothing that it needs is ill enough to explain them; a change is suspected when it came shortly
before the first symptom of what it touched or of what depends on that. The score is the share of
all open findings that the suspect explains, so it ranks; it is not a probability.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain

from cockpit.triage.board import Board, FindingId, OpenFinding
from cockpit.triage.by_target import ByTarget
from cockpit.triage.changes import Change
from cockpit.triage.feed import merged
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Blind, Seen
from cockpit.triage.resolution import NOT_FOUND, no_names
from cockpit.triage.shared import Shared, of_names, of_region, of_zone
from cockpit.triage.target import Target
from cockpit.triage.together import regions_in_trouble, sick_zones, zones_of
from cockpit.triage.topology import DependencyGraph
from cockpit.units import count, duration

MOST = 3
_WITNESSES = frozenset({"alarms", "changes", "slo", "log_group"})
"""Kinds that tell of other targets and are never the cause themselves."""
_OUR_STEPS = "runbook"
"""The kind of what is told of our own steps: it says nothing about what ails a target."""
_NO_SYMPTOMS = frozenset({_OUR_STEPS, "changes"})
"""Kinds whose findings are nothing that is to be explained."""
_SILENCE = frozenset(
    {
        "LAMBDA_NOT_INVOKED",
        "RDS_CONNECTIONS_COLLAPSED",
        "DDB_TRAFFIC_STOPPED",
        "SQS_TRAFFIC_STOPPED",
        "APIGW_TRAFFIC_DROP",
        "ALB_TRAFFIC_DROP",
        "TRAFFIC_STOPPED",
    }
)
"""Nobody asks it any more: explained by what should ask, where that is ill, and not the other way
round (suspects.md §5).
"""
_ANSWERED = frozenset({"ALB_5XX_TARGET_RATE", "APIGW_5XX_RATE", "NET_HTTP_5XX", "NET_HTTP_FAILING"})
"""What stands behind it answers wrongly: whose finding it is, is not where it comes from."""
_METRICS_STOPPED = "METRIC_STALE"
_NO_ANSWER = (
    "_CONN_MUTE",
    "_CONN_DROPPED",
    "NET_TCP_TIMEOUT",
    "NET_TCP_UNREACH",
    "NET_TCP_REFUSED",
)
"""How codes end that say that who is asked does not answer at all."""
_RELEASES = frozenset({"ecs.deployment", "lambda.alias", "lambda.code", "codedeploy.deployment"})
_JUST_BEFORE = timedelta(minutes=30)
_RISKY = 0.5
"""Risk of a change from which on it is suspected, where its source tells one."""
_BEFORE = timedelta(minutes=60)
"""How long before the first symptom a change may have been to be suspected."""
_LAG = timedelta(minutes=2)
"""Symptoms are seen this much before our own first look at most: looks and metrics lag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A target or a change that could have caused what is open."""

    rank: int
    kind: str
    """`target` or `change`; what several share (their resolver, zone, region) is a `target` too.
    """
    name: str
    score: float
    """Share of the open findings that it explains, 0 to 1, halved for changes."""
    summary: str
    target: str = ""
    """The one target that it is, or that it touched; empty: there is no single one."""
    explains: tuple[str, ...] = ()
    """`CODE@target` of what it explains."""
    for_: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    not_examined: tuple[str, ...] = ()
    next_probe: str = ""
    """What would separate it from the next suspect; empty when nothing open would."""


@dataclass(frozen=True, slots=True)
class Illness:
    """What is open at one target and worse than info, weighed."""

    found: tuple[OpenFinding, ...]
    weight: int
    worst: Severity
    first: datetime
    codes: frozenset[str]

    @property
    def is_silent(self) -> bool:
        """Nothing is said of it but that nobody asks."""
        return self.codes <= _SILENCE

    @property
    def passes_on(self) -> bool:
        """Nothing is said of it but that what stands behind it answers wrongly."""
        return self.codes <= _ANSWERED


_Weighed = dict[str, tuple[Mapping[FindingId, OpenFinding], Illness | None]]
"""Target → what was open there and how it was weighed; None: nothing that is to be explained."""


def suspects(
    board: Board, graph: DependencyGraph, weighed: _Weighed | None = None
) -> tuple[Suspect, ...]:
    """At most three, the strongest first; empty when nothing worse than info is open.

    In a circle of needs every sick member is suspected, since none is below the others. `weighed`
    is what an earlier board left there.
    """
    symptoms = _Symptoms(board, {} if weighed is None else weighed)
    if not symptoms.total:
        return ()
    lost = no_names(board, graph.targets, symptoms.of) if symptoms.has(NOT_FOUND) else None
    changes = merged(board.changes)
    released = _released(graph, changes, symptoms)
    graded: list[tuple[float, int, Target | Change | Shared]] = [
        (
            symptoms.share(_explained_by(graph, target.name, symptoms))
            * symptoms.own_part(target.name, graph.below(target.name), released),
            graph.depth[target.name],
            target,
        )
        for target in graph.targets
        if target.name in symptoms.of
        and target.kind not in _WITNESSES
        and not symptoms.explained(target.name, graph.below_alone(target.name))
        and not symptoms.silenced(target.name, graph.above(target.name))
        and not (lost and lost.explains(target.name, symptoms.of[target.name]))
    ]
    several = [of_names(lost)] if lost else []
    several += map(of_zone, sick_zones(zones_of(board, graph)))
    several += (of_region(*each) for each in regions_in_trouble(board, graph))
    graded += [(symptoms.share(_reach(graph, e)), len(graph.targets), e) for e in several]
    graded += [
        (symptoms.share({change.target, *graph.above(change.target)}) / 2, -1, change)
        for change in changes
        if _may_break(change) and _lead(graph, change, symptoms) is not None
    ]
    graded.sort(key=lambda one: one[:2], reverse=True)
    found = (
        _target(board, graph, thing, symptoms=symptoms, score=score)
        if isinstance(thing, Target)
        else _shared(board, graph, thing, symptoms=symptoms, score=score)
        if isinstance(thing, Shared)
        else _change(board, graph, thing, symptoms=symptoms, score=score)
        for score, _, thing in graded[:MOST]
    )
    return tuple(replace(s, rank=place) for place, s in enumerate(found, 1))


class Suspicion:
    """The suspects of one board after the other: what did not change is not weighed anew."""

    def __init__(self, graph: DependencyGraph) -> None:
        self._graph = graph
        self._weighed: _Weighed = {}
        self._newest: tuple[Board | None, tuple[Suspect, ...]] = (None, ())

    def of(self, board: Board) -> tuple[Suspect, ...]:
        """Worked out once a board."""
        if self._newest[0] is not board:
            self._newest = (board, suspects(board, self._graph, self._weighed))
        return self._newest[1]


class _Symptoms:
    """What is open and worse than info, by target: weighed once, since there may be thousands."""

    def __init__(self, board: Board, weighed: _Weighed) -> None:
        self._ill: dict[str, Illness] = {}
        for target, group in ByTarget.of_mapping(board.open).groups():
            known = weighed.get(target)
            if known is None or known[0] is not group:
                known = weighed[target] = (group, _weighed(group.values()))
            if known[1] is not None:
                self._ill[target] = known[1]
        self.of = {target: ill.found for target, ill in self._ill.items()}
        high = Severity.HIGH.rank
        self._grave = {name for name, ill in self._ill.items() if ill.worst.rank >= high}
        self._stopped = {name for name, ill in self._ill.items() if _METRICS_STOPPED in ill.codes}
        self.total = sum(ill.weight for ill in self._ill.values())

    def has(self, codes: frozenset[str]) -> bool:
        """Whether one of the codes is among them."""
        return not codes.isdisjoint(chain.from_iterable(ill.codes for ill in self._ill.values()))

    def among(self, names: Iterable[str]) -> list[OpenFinding]:
        """Those of these targets."""
        return [finding for name in names for finding in self.of.get(name, ())]

    def first(self, names: Iterable[str]) -> datetime | None:
        """When the first of these targets fell ill; None when none did."""
        ill = (self._ill[name] for name in names if name in self._ill)
        return min((each.first for each in ill), default=None)

    def explained(self, name: str, below: Iterable[str]) -> bool:
        """Whether something that it needs is ill enough to be its cause: gravely, or no less than
        itself. A warning below says nothing about an outage above.
        """
        enough = self._grave if name in self._grave else self._ill.keys()
        if not enough.isdisjoint(below):
            return True
        return any(self.hang(need, (name,)) for need in self._stopped.intersection(below))

    def hang(self, name: str, above: Iterable[str]) -> list[str]:
        """Which of those that need it do not answer, where its metrics have stopped: its host hangs
        then, though AWS's word for its state is as ever.
        """
        if name not in self._stopped:
            return []
        silent = {
            found.target
            for found in self.among(above)
            if found.finding.code.endswith(_NO_ANSWER) and found.finding.severity >= Severity.HIGH
        }
        return sorted(silent)

    def silenced(self, name: str, above: Iterable[str]) -> bool:
        """Whether nothing is said of it but that nobody asks, and who should is ill by itself."""
        return self._ill[name].is_silent and any(
            self._ill[user].worst >= Severity.HIGH and not self._ill[user].is_silent
            for user in above
            if user in self._ill
        )

    def own_part(self, name: str, below: Iterable[str], released: frozenset[str]) -> float:
        """How much of its share is its own: less than a change's, where nothing is said of it but
        that what stands behind it answers wrongly, and that has other code since just before.
        """
        passes_on = self._ill[name].passes_on
        return 0.4 if passes_on and not released.isdisjoint(below) else 1.0

    def share(self, names: Iterable[str]) -> float:
        """The share of all symptoms, weighed by severity, that these targets have: 0 to 1."""
        return sum(self._ill[name].weight for name in names if name in self._ill) / self.total

    def others(self, explained: Iterable[str]) -> tuple[str, ...]:
        """What speaks against explaining only these targets."""
        known = set(explained)
        rest = sum(len(found) for name, found in self.of.items() if name not in known)
        return (f"does not explain {count(rest, 'finding')}",) if rest else ()


def _weighed(opened: Iterable[OpenFinding]) -> Illness | None:
    found = tuple(
        each
        for each in opened
        if each.finding.severity > Severity.INFO and each.kind not in _NO_SYMPTOMS
    )
    if not found:
        return None
    return Illness(
        found=found,
        weight=sum(1 + each.finding.severity.rank for each in found),
        worst=max(each.finding.severity for each in found),
        first=min(each.since for each in found),
        codes=frozenset(each.finding.code for each in found),
    )


def _explained_by(graph: DependencyGraph, name: str, symptoms: _Symptoms) -> set[str]:
    """Itself, what needs it, and what it needs and asks no more."""
    silent = {below for below in graph.below(name) if below in symptoms.of}
    asked_no_more = {below for below in silent if symptoms.silenced(below, (name,))}
    return {name, *graph.above(name), *asked_no_more}


def _target(
    board: Board, graph: DependencyGraph, target: Target, *, symptoms: _Symptoms, score: float
) -> Suspect:
    users = _explained_by(graph, target.name, symptoms) - {target.name}
    own = symptoms.of[target.name]
    theirs = symptoms.among(users)
    head = max(own, key=lambda f: (f.finding.severity.rank, len(f.finding.evidence)))
    unseen = _unseen(board, (target.name, *graph.below(target.name)))
    reasons = [f"{count(len(own), 'finding')} of its own, the worst {head.finding.severity}"]
    if silent := symptoms.hang(target.name, graph.above(target.name)):
        reasons.append(
            f"its metrics have stopped and {', '.join(silent)} does not answer: it hangs"
        )
    if needing := {found.target for found in symptoms.among(graph.above(target.name))}:
        verb = "needs" if len(needing) == 1 else "need"
        reasons.append(f"{count(len(needing), 'sick target')} {verb} it")
    elif target.needs:
        reasons.append("nothing that it needs is unhealthy")
    return Suspect(
        rank=0,
        kind="target",
        name=target.name,
        score=score,
        summary=head.finding.summary,
        target=target.name,
        explains=_names([*own, *theirs]),
        for_=tuple(reasons),
        against=symptoms.others({target.name, *users}),
        not_examined=unseen,
        next_probe=_next_probe(board, target, unseen),
    )


def _may_break(change: Change) -> bool:
    """Somebody else's, that went through. A feed tells many that break nothing, and says which."""
    mild = change.risk is not None and change.risk < _RISKY
    return not change.own and not change.failed and not mild


def _released(
    graph: DependencyGraph, changes: Iterable[Change], symptoms: _Symptoms
) -> frozenset[str]:
    """What was given other code shortly before it, or what needs it, fell ill."""
    return frozenset(
        change.target
        for change in changes
        if change.kind in _RELEASES
        and _may_break(change)
        and (lead := _lead(graph, change, symptoms)) is not None
        and lead <= _JUST_BEFORE
    )


def _lead(graph: DependencyGraph, change: Change, symptoms: _Symptoms) -> timedelta | None:
    """How long before the first symptom it came; None when it is not to be suspected."""
    if not change.target:
        return None
    first = symptoms.first((change.target, *graph.above(change.target)))
    if first is None or not -_LAG <= first - change.at <= _BEFORE:
        return None
    return first - change.at


def _change(
    board: Board, graph: DependencyGraph, change: Change, *, symptoms: _Symptoms, score: float
) -> Suspect:
    touched = {change.target, *graph.above(change.target)}
    explained = symptoms.among(touched)
    before = _lead(graph, change, symptoms) or timedelta(0)
    by = f" by {change.actor}" if change.actor else ""
    lead = (
        f"{duration(before.total_seconds())} before the first symptom"
        if before >= timedelta(0)
        else "in the same minutes as the first symptom"
    )
    return Suspect(
        rank=0,
        kind="change",
        name=change.summary,
        score=score,
        summary=f"{change.kind} on {change.target}{by}, {lead}",
        target=change.target,
        explains=_names(explained),
        for_=(lead,),
        against=symptoms.others(touched),
        not_examined=_unseen(board, touched),
        next_probe="",
    )


def _reach(graph: DependencyGraph, shared: Shared) -> set[str]:
    return {*shared.targets, *(user for name in shared.targets for user in graph.above(name))}


def _shared(
    board: Board, graph: DependencyGraph, shared: Shared, *, symptoms: _Symptoms, score: float
) -> Suspect:
    reach = _reach(graph, shared)
    return Suspect(
        rank=0,
        kind="target",
        name=shared.name,
        score=score,
        summary=shared.summary,
        explains=_names(symptoms.among(reach)),
        for_=shared.reasons,
        against=symptoms.others(reach),
        not_examined=_unseen(board, reach),
        next_probe=shared.next,
    )


def _names(findings: Iterable[OpenFinding]) -> tuple[str, ...]:
    return tuple(sorted({f"{f.finding.code}@{f.target}" for f in findings}))


def _unseen(board: Board, names: Iterable[str]) -> tuple[str, ...]:
    wanted = set(names)
    return tuple(
        f"{reading.target} ({reading.outcome.reason})"
        for name in sorted(wanted)
        for reading in board.readings_at(name)
        if isinstance(reading.outcome, Blind)
        and reading.outcome.finding is None  # else why it could not be looked at is the answer
    )


def _next_probe(board: Board, target: Target, unseen: tuple[str, ...]) -> str:
    if unseen:
        return f"make {unseen[0]} visible"
    quiet = [
        reading.probe
        for reading in board.readings_at(target.name)
        if reading.kind != _OUR_STEPS
        and isinstance(reading.outcome, Seen)
        and not reading.outcome.findings
    ]
    return quiet[0] if quiet else ""
