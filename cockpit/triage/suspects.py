"""What probably caused it: the deepest unhealthy target, and the change that came before it.

A simple rule that says what it does. A target is suspected when it has findings of its own and
nothing that it needs explains them; a change is suspected when it came shortly before the first
symptom of what it touched or of what depends on that. The score is the share of all open findings
that the suspect explains, so it ranks; it is not a probability.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from cockpit.triage.board import Board, OpenFinding
from cockpit.triage.changes import Change
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Blind, Seen
from cockpit.triage.target import Target
from cockpit.triage.topology import Graph
from cockpit.units import count, duration

MOST = 3
_WITNESSES = frozenset({"alarms", "changes", "slo", "log_group"})
"""Kinds that tell of other targets and are never the cause themselves."""
_BEFORE = timedelta(minutes=60)
"""How long before the first symptom a change may have been to be suspected."""
_LAG = timedelta(minutes=2)
"""Symptoms are seen this much before our own first look at most: looks and metrics lag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A target or a change that could have caused what is open."""

    rank: int
    kind: str
    """`target` or `change`."""
    name: str
    score: float
    """Share of the open findings that it explains, 0 to 1, halved for changes."""
    summary: str
    explains: tuple[str, ...] = ()
    """`CODE@target` of what it explains."""
    for_: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    not_examined: tuple[str, ...] = ()
    next_probe: str = ""
    """What would separate it from the next suspect; empty when nothing open would."""


def suspects(board: Board, graph: Graph) -> tuple[Suspect, ...]:
    """At most three, the strongest first; empty when nothing worse than info is open."""
    symptoms = [f for f in board.open.values() if f.finding.severity > Severity.INFO]
    if not symptoms:
        return ()
    sick = {finding.target for finding in symptoms}
    ranked = [
        _target(board, graph, target, symptoms)
        for target in graph.targets
        if target.name in sick
        and target.kind not in _WITNESSES
        and not graph.below(target.name) & sick
    ]
    ranked += [
        suspect
        for change in board.changes
        if (suspect := _change(board, graph, change, symptoms)) is not None
    ][:MOST]
    ranked.sort(key=lambda suspect: suspect.score, reverse=True)
    return tuple(replace(s, rank=place) for place, s in enumerate(ranked[:MOST], 1))


def _target(board: Board, graph: Graph, target: Target, symptoms: list[OpenFinding]) -> Suspect:
    users = graph.above(target.name)
    own = [f for f in symptoms if f.target == target.name]
    theirs = [f for f in symptoms if f.target in users]
    head = max(own, key=lambda f: (f.finding.severity.rank, len(f.finding.evidence)))
    unseen = _unseen(board, (target.name, *graph.below(target.name)))
    reasons = [f"{count(len(own), 'finding')} of its own, the worst {head.finding.severity}"]
    if theirs:
        reasons.append(f"{count(len({f.target for f in theirs}), 'sick target')} need it")
    elif target.needs:
        reasons.append("nothing that it needs is unhealthy")
    return Suspect(
        rank=0,
        kind="target",
        name=target.name,
        score=_score([*own, *theirs], symptoms) + 0.001 * graph.depth[target.name],
        summary=head.finding.summary,
        explains=_names([*own, *theirs]),
        for_=tuple(reasons),
        against=_others(symptoms, {target.name, *users}),
        not_examined=unseen,
        next_probe=_next_probe(board, target, unseen),
    )


def _change(
    board: Board, graph: Graph, change: Change, symptoms: list[OpenFinding]
) -> Suspect | None:
    touched = {change.target, *graph.above(change.target)}
    explained = [f for f in symptoms if f.target in touched]
    if not change.target or not explained:
        return None
    first = min(f.since for f in explained)
    before = first - change.at
    if not -_LAG <= before <= _BEFORE:
        return None
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
        score=_score(explained, symptoms) / 2,
        summary=f"{change.kind} on {change.target}{by}, {lead}",
        explains=_names(explained),
        for_=(lead,),
        against=_others(symptoms, touched),
        not_examined=_unseen(board, touched),
        next_probe="",
    )


def _score(explained: list[OpenFinding], symptoms: list[OpenFinding]) -> float:
    total = sum(1 + f.finding.severity.rank for f in symptoms)
    return min(1.0, sum(1 + f.finding.severity.rank for f in explained) / total)


def _names(findings: Iterable[OpenFinding]) -> tuple[str, ...]:
    return tuple(sorted({f"{f.finding.code}@{f.target}" for f in findings}))


def _others(symptoms: list[OpenFinding], explained: set[str]) -> tuple[str, ...]:
    rest = [f for f in symptoms if f.target not in explained]
    return (f"does not explain {count(len(rest), 'finding')}",) if rest else ()


def _unseen(board: Board, names: Iterable[str]) -> tuple[str, ...]:
    wanted = set(names)
    return tuple(
        f"{reading.target} ({reading.outcome.reason})"
        for reading in board.readings.values()
        if reading.target in wanted and isinstance(reading.outcome, Blind)
    )


def _next_probe(board: Board, target: Target, unseen: tuple[str, ...]) -> str:
    if unseen:
        return f"make {unseen[0]} visible"
    quiet = [
        reading.probe
        for reading in board.readings.values()
        if reading.target == target.name
        and isinstance(reading.outcome, Seen)
        and not reading.outcome.findings
    ]
    return quiet[0] if quiet else ""
