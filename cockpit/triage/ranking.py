"""Which change most likely did it: risk × time × relation × actor × outcome (catalogue B §6.3).

A correlation, and told as one, with what speaks against it. Pure: no clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import exp

from cockpit.triage.board import Board
from cockpit.triage.changes import PERSON, PIPELINE, ROOT, SERVICE, Change
from cockpit.triage.finding import Severity
from cockpit.triage.onset import Onset
from cockpit.triage.topology import DependencyGraph
from cockpit.units import duration

_NOTHING: frozenset[str] = frozenset()
_WITNESSES = frozenset({"alarms", "changes", "slo", "log_group", "runbook"})
_RISKS: Mapping[str, float] = {
    "ecs.deployment": 1.0,
    "ecs.deployment_failed": 0.5,
    "ecs.scaling": 0.3,
    "ecs.stop_task": 0.8,
    "lambda.code": 1.0,
    "lambda.version": 1.0,
    "lambda.mapping": 0.8,
    "lambda.alias": 1.0,
    "lambda.configuration": 1.0,
    "apigateway.stage": 1.0,
    "ec2.security_group": 1.0,
    "ec2.network_acl": 1.0,
    "ec2.route": 1.0,
    "route53.record": 1.0,
    "dynamodb.capacity": 0.5,
    "dynamodb.scaling": 0.3,
    "dynamodb.billing": 0.5,
    "rds.storage": 0.3,
    "rds.maintenance": 0.8,
    "rds.configuration": 0.8,
    "cloudwatch.alarm": 0.05,
    "cloudformation.stack": 0.8,
    "codedeploy.deployment": 1.0,
    "autoscaling.scaling": 0.3,
    "autoscaling.refresh": 0.8,
    "asg.refresh": 0.8,
    "asg.failed": 0.5,
}
_RISK_OF_WORDS: Mapping[str, float] = {
    "parameter_group": 1.0,
    "failover": 0.8,
    "flush": 1.0,
    "restart": 0.8,
    "role": 0.8,
    "event": 0.3,
    "deployment": 1.0,
}
_UNKNOWN_RISK = 0.3
_ACTORS: Mapping[str, float] = {PERSON: 1.0, ROOT: 1.0, PIPELINE: 0.9, SERVICE: 0.4}
_UNKNOWN_ACTOR = 0.9
_SOON = timedelta(minutes=5)
_FADES = timedelta(minutes=15)
_LONG = timedelta(hours=24)
_LONG_WORDS = ("deployment", "code", "alias", "iam.", "secret", "kms", "acm", "certificate")
_LONG_FLOOR = 0.15
_VAGUE = ((timedelta(minutes=20), 0.8), (timedelta(minutes=75), 0.5))
"""Where nobody knows when it began (suspects.md §6)."""
_RESPONSE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A change with why it stands where it stands."""

    change: Change
    score: float
    """0 to 1; 0 for our own steps, and for everything while there is no onset."""
    parts: tuple[tuple[str, float], ...] = ()
    """What the score is made of."""
    before: timedelta | None = None
    """How long before the onset; negative: after it. None: there is no onset."""
    where: str = ""
    """Its distance in words: `on the path`, `1 hop`, `other branch`, …"""
    near: bool = False
    """It touched what fails, or what that needs directly."""
    against: tuple[str, ...] = ()


def failing(board: Board) -> frozenset[str]:
    """The targets with something worse than a warning; those that only tell of others not."""
    return frozenset(
        each.target
        for each in board.open.values()
        if each.finding.severity >= Severity.HIGH and each.kind not in _WITNESSES
    )


def ranked(
    changes: Iterable[Change],
    graph: DependencyGraph,
    *,
    sick: frozenset[str],
    began: Onset | None,
    uses: Mapping[str, frozenset[str]],
) -> tuple[Ranked, ...]:
    """The most suspected first, then newest first; without an onset newest first.

    `sick`: the failing targets; `uses`: resource → targets whose looks name it.
    """
    hops = _hops(graph, sick)
    found = [_rank(each, graph, sick=sick, hops=hops, began=began, uses=uses) for each in changes]
    return tuple(sorted(found, key=lambda one: (-round(one.score, 4), -one.change.at.timestamp())))


def _rank(
    change: Change,
    graph: DependencyGraph,
    *,
    sick: frozenset[str],
    hops: Mapping[str, int],
    began: Onset | None,
    uses: Mapping[str, frozenset[str]],
) -> Ranked:
    relation, where = _relation(change, graph, sick=sick, hops=hops, uses=uses)
    before = began.at - change.at if began is not None else None
    timing, against = _timing(change, began)
    outcome = 0.1 if change.failed else 0.5 if "roll" in change.summary.lower() else 1.0
    parts = (
        ("risk", risk(change)),
        ("time", timing),
        ("relation", relation),
        ("actor", _ACTORS.get(change.by, _UNKNOWN_ACTOR)),
        ("outcome", outcome),
    )
    score = 1.0
    for _, factor in parts:
        score *= factor
    told = [*against, *_against(change, where)]
    return Ranked(
        change=change,
        score=0.0 if change.own or began is None else min(1.0, score),
        parts=parts,
        before=before,
        where=where,
        near=relation >= 0.8,
        against=tuple(told),
    )


def risk(change: Change) -> float:
    """How likely a change of its sort breaks something, 0 to 1."""
    if change.risk is not None:
        return change.risk
    word = change.kind.partition(".")[2]
    return _RISKS.get(change.kind, _RISK_OF_WORDS.get(word, _UNKNOWN_RISK))


def _timing(change: Change, began: Onset | None) -> tuple[float, tuple[str, ...]]:
    """1 just before the onset, less and less before it, nearly nothing after it."""
    if began is None:
        return 0.0, ()
    gap = began.at - change.at
    if gap < -began.slack:
        late = duration(-gap.total_seconds())
        if began.vague:
            return _RESPONSE, (f"{late} after the first look, where it was wrong already",)
        return _RESPONSE, (f"{late} after the onset: a response, or a consequence",)
    if began.vague:
        share = next((share for span, share in _VAGUE if gap <= span), _LONG_FLOOR)
        return share, ("the trouble was there at our first look: when it began is unknown",)
    if gap <= _SOON:
        return 1.0, ()
    faded = exp(-((gap - _SOON) / _FADES))
    against = (f"{duration(gap.total_seconds())} before the onset",) if faded < 0.5 else ()
    late_acting = any(word in change.kind for word in _LONG_WORDS)
    if late_acting and gap <= _LONG:
        return max(faded, _LONG_FLOOR), against
    return faded, against


def _relation(
    change: Change,
    graph: DependencyGraph,
    *,
    sick: frozenset[str],
    hops: Mapping[str, int],
    uses: Mapping[str, frozenset[str]],
) -> tuple[float, str]:
    where = change.target
    if not sick:
        return 0.1, ""
    if where:
        share, words = _in_graph(where, graph, sick, hops)
        if share > 0.1:
            downstream = sick <= {where, *graph.above(where)}
            return (min(1.2, share * 1.2) if downstream else share), words
    using = uses.get(change.resource, _NOTHING) if change.resource else _NOTHING
    if using & sick:
        return 0.6, f"used by {min(using & sick)}"
    if using:
        return 0.3, f"used by {min(using)}"
    return 0.1, "other branch" if where else "not connected"


def _in_graph(
    where: str, graph: DependencyGraph, sick: frozenset[str], hops: Mapping[str, int]
) -> tuple[float, str]:
    if where in sick:
        return 1.0, "on the path"
    if where in hops:
        return (0.8 if hops[where] == 1 else 0.5), f"{hops[where]} hop" + "s" * (hops[where] > 1)
    if sick & graph.below(where):
        return 0.5, "calls what fails"
    return 0.1, ""


def _hops(graph: DependencyGraph, sick: frozenset[str]) -> Mapping[str, int]:
    """What failing targets need → how many needs lie between."""
    needs = {target.name: target.needs for target in graph.targets}
    hops = dict.fromkeys(sick, 0)
    queue = deque(sick)
    while queue:
        name = queue.popleft()
        for need in needs.get(name, ()):
            if need not in hops:
                hops[need] = hops[name] + 1
                queue.append(need)
    return hops


def _against(change: Change, where: str) -> Sequence[str]:
    told = []
    if change.own:
        told.append("a step of this incident")
    if change.failed:
        told.append(f"it failed ({change.failed}): nothing was changed by it")
    if where in {"other branch", "not connected"}:
        told.append("nothing that fails needs it, as far as is known")
    if change.by == SERVICE:
        told.append("done by AWS or auto scaling, not by a person")
    if risk(change) <= _UNKNOWN_RISK:
        told.append("a change of this sort seldom breaks anything")
    return told
