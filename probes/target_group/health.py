"""One target group: which targets may serve, which may not and why, and who sends to it anyway.

Source: ELBv2 `DescribeTargetGroups`, `DescribeTargetHealth` (one group a call, not paged),
CloudWatch `AWS/ApplicationELB`, `AWS/NetworkELB`, `AWS/GatewayELB`. Rules, listeners and attributes
are read in trouble only: all reads of ELBv2 share one small bucket an account and region.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from cockpit import clock
from cockpit.connect.aws.answer import answer_into, answers_into
from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.session import AwsReads, MetricQuery, Series
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.triage.view import Column, Row, Table
from cockpit.units import age as short_age
from cockpit.units import number
from probes.answers import Gap, attempt, blind_series, partly_blind
from probes.metrics import NO_DATA, latest, query, read_at, total
from probes.silence import silence
from probes.target_group.answers import (
    Attribute,
    ForwardRow,
    Listener,
    ListenerRule,
    TargetGroup,
    TargetHealthDescription,
)
from probes.target_group.findings import RULES, TURNS_KEPT, Settings, used_by
from probes.target_group.model import (
    LISTED,
    SICK,
    Snapshot,
    TargetState,
    Use,
    balancer_dimension,
    check_of,
    group_dimension,
    namespace_of,
    target_of,
)
from probes.target_group.uneven import anomalous, shifted

_HEALTH = "TargetHealthDescriptions"
_TROUBLE = {*SICK, "draining", "initial", "unused", "unknown"}
_WORST = {
    "unhealthy": Severity.CRITICAL,
    "unhealthy.draining": Severity.CRITICAL,
    "unused": Severity.WARNING,
    "unavailable": Severity.INFO,
    "initial": Severity.INFO,
    "draining": Severity.INFO,
}


_Names = Mapping[str, tuple[str, str, str]]
"""Field of the snapshot → its metric at an application, a network and a gateway balancer."""
_KINDS = ("app", "net", "gwy")
_PULSE: _Names = MappingProxyType(
    {
        "requests": ("RequestCount", "NewFlowCount", "NewFlowCount"),
        "fail_open": ("UnhealthyRoutingRequestCount", "UnhealthyRoutingFlowCount", ""),
    }
)
_ANSWERS: _Names = MappingProxyType(
    {
        "ok": ("HTTPCode_Target_2XX_Count", "", ""),
        "errors": ("HTTPCode_Target_5XX_Count", "", ""),
    }
)
_WATCHED: _Names = MappingProxyType({"watched": ("HealthyHostCount",) * 3})
"""Elastic Load Balancing guides: "Reported if there are registered targets"."""


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Read the group and its targets; metrics, and in trouble listeners, are a help, not a must."""
    settings = target.settings
    assert isinstance(settings, AwsResource)
    gaps: list[Gap] = []
    row = await aws.item("elbv2", "DescribeTargetGroups", key=settings.id)
    group = answer_into(row, TargetGroup)
    arn, balancers = group.target_group_arn, group.load_balancer_arns
    health, series, watched = await asyncio.gather(
        _health(aws, arn),
        attempt(gaps, "metrics", _metrics(aws, arn, balancers, _PULSE), otherwise={}),
        attempt(gaps, "metrics", _metrics(aws, arn, balancers, _WATCHED, rest=True), otherwise={}),
    )
    gaps.extend(blind_series({**series, **watched}))
    snapshot = Snapshot(
        at=clock.now(),
        arn=arn,
        name=group.target_group_name,
        protocol=group.protocol,
        target_type=group.target_type,
        balancers=balancers,
        check=check_of(group),
        control_port=group.target_control_port,
        targets=tuple(map(target_of, answers_into(health, TargetHealthDescription))),
        requests=series.get("requests", NO_DATA),
        fail_open=series.get("fail_open", NO_DATA),
        watched=watched.get("watched", NO_DATA),
    )
    if not snapshot.targets or snapshot.of(*_TROUBLE):
        snapshot = await _in_trouble(aws, snapshot, gaps)
    return replace(snapshot, gaps=tuple(gaps))


async def _health(aws: AwsReads, arn: str) -> Any:
    """The targets; without `Include` zonal shifts and anomaly detection are left out."""
    answer = await aws.read(
        "elbv2", "DescribeTargetHealth", expect=_HEALTH, TargetGroupArn=arn, Include=["All"]
    )
    return answer[_HEALTH]


async def _metrics(
    aws: AwsReads,
    arn: str,
    balancers: tuple[str, ...],
    names: _Names,
    *,
    rest: bool = False,
) -> Mapping[str, Series]:
    """Series by field of the snapshot, of its (first) balancer; none without a balancer.

    With `rest` gauges, of what is well every five minutes only, and of hours: what stopped is told
    for as long as it is seen that it came before.
    """
    asked = {
        field: _query(name, arn, balancer, stat="Maximum" if rest else "Sum")
        for balancer in map(balancer_dimension, balancers[:1])
        for field, by_kind in names.items()
        if (name := by_kind[_kind(balancer)])
    }
    if not asked:
        return {}
    found = await aws.metrics(tuple(asked.values()), minutes=185 if rest else 15, rest=rest)
    return {field: found.get(each, NO_DATA) for field, each in asked.items()}


def _kind(balancer: str) -> int:
    kind = balancer.partition("/")[0]
    return _KINDS.index(kind) if kind in _KINDS else 0


def _query(name: str, arn: str, balancer: str, *, stat: str = "Sum") -> MetricQuery:
    group = group_dimension(arn)
    return query(namespace_of(balancer), name, stat, LoadBalancer=balancer, TargetGroup=group)


async def _in_trouble(aws: AwsReads, snapshot: Snapshot, gaps: list[Gap]) -> Snapshot:
    """What only matters when something is wrong: who sends to it, and with which settings."""
    nothing: tuple[Use, ...] | None = None
    hour: tuple[float | None, float | None] = (None, None)
    empty = not snapshot.counted and bool(snapshot.balancers)
    answers = _metrics(aws, snapshot.arn, snapshot.balancers, _ANSWERS)
    attributes, series, uses, (requests, refused) = await asyncio.gather(
        attempt(gaps, "attributes", _attributes(aws, snapshot.arn), otherwise={}),
        attempt(gaps, "metrics", answers, otherwise={}),
        attempt(gaps, "listeners and rules", _uses(aws, snapshot), otherwise=nothing),
        attempt(gaps, "metrics of the hour", _hour(aws, snapshot), otherwise=hour)
        if empty
        else asyncio.sleep(0, hour),
    )
    gaps.extend(blind_series(series))
    delay = attributes.get("deregistration_delay.timeout_seconds", "")
    start = attributes.get("slow_start.duration_seconds", "")
    return replace(
        snapshot,
        ok=series.get("ok", NO_DATA),
        errors=series.get("errors", NO_DATA),
        uses=uses,
        delay=float(delay) if delay.isdigit() else None,
        slow_start=float(start) if start.isdigit() else 0,
        cross_zone=attributes.get("load_balancing.cross_zone.enabled", ""),
        hour_requests=requests,
        hour_503=refused,
    )


async def _attributes(aws: AwsReads, arn: str) -> dict[str, str]:
    answer = await aws.read(
        "elbv2", "DescribeTargetGroupAttributes", expect="Attributes", TargetGroupArn=arn
    )
    return {each.key: each.value for each in answers_into(answer["Attributes"], Attribute)}


async def _hour(aws: AwsReads, snapshot: Snapshot) -> tuple[float | None, float | None]:
    """Requests (or flows) and the balancer's own 503 of the last hour; None where CloudWatch is
    silent.
    """
    balancer = balancer_dimension(snapshot.balancers[0])
    if _kind(balancer):
        flows = _query("NewFlowCount", snapshot.arn, balancer)
        found = await aws.metrics((flows,), minutes=60)
        return total(found.get(flows, NO_DATA)), None
    requests = _query("RequestCount", snapshot.arn, balancer)
    refused = query("AWS/ApplicationELB", "HTTPCode_ELB_503_Count", "Sum", LoadBalancer=balancer)
    found = await aws.metrics((requests, refused), minutes=60)
    return total(found.get(requests, NO_DATA)), total(found.get(refused, NO_DATA))


async def _uses(aws: AwsReads, snapshot: Snapshot) -> tuple[Use, ...]:
    """Every default action and rule that forwards to the group."""
    uses: list[Use] = []
    for balancer in snapshot.balancers:
        listeners = await aws.pages(
            "elbv2", "DescribeListeners", key="Listeners", LoadBalancerArn=balancer
        )
        for listener in answers_into(listeners, Listener):
            port = f"{listener.protocol}:{listener.port}"
            uses.extend(_forwards(listener.default_actions, snapshot.arn, port, rule="default"))
            rules = await aws.pages(
                "elbv2", "DescribeRules", key="Rules", ListenerArn=listener.listener_arn
            )
            for rule in answers_into(rules, ListenerRule):
                if not rule.is_default:
                    named = rule.priority or "default"
                    uses.extend(_forwards(rule.actions, snapshot.arn, port, rule=named))
    return tuple(uses)


def _forwards(
    actions: Iterable[ForwardRow], arn: str, listener: str, *, rule: str
) -> Iterator[Use]:
    for action in actions:
        groups = action.forward_config.target_groups
        if not groups and action.target_group_arn == arn:
            yield Use(listener=listener, rule=rule, weight=1)
        for group in groups:
            if group.target_group_arn == arn:
                yield Use(listener=listener, rule=rule, weight=group.weight)


def since(before: Snapshot, now: Snapshot) -> Snapshot:
    """Carry over since when each target is in its state, and its turns."""
    known = {target.key: target for target in before.targets}
    gap = (now.at - before.at).total_seconds()
    return replace(
        now,
        targets=tuple(_carried(known.get(each.key), each, now.at, gap=gap) for each in now.targets),
    )


def _carried(
    before: TargetState | None, now: TargetState, at: datetime, *, gap: float
) -> TargetState:
    if before is None:
        return replace(now, since=at, turned=at, unseen_for=gap)
    turns = tuple(turn for turn in before.turns if at - turn <= TURNS_KEPT)
    if before.state == now.state:
        return replace(
            now,
            since=before.since or at,
            turned=before.turned,
            unseen_for=before.unseen_for,
            turns=turns,
        )
    both = {before.state, now.state}
    if "healthy" in both and not both.isdisjoint(SICK):
        turns = (*turns, at)
    return replace(now, since=at, turned=at, unseen_for=gap, turns=turns)


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Judge capacity, routing, zones, slow targets, flapping and the check itself."""
    for rule in (*RULES, shifted, anomalous):
        yield from rule(snapshot, settings)
    if snapshot.counted:
        yield from silence({"HealthyHostCount": snapshot.watched}, snapshot.at)
    yield from partly_blind("TG_OBS_BLIND", snapshot.gaps)


def facts(snapshot: Snapshot, _: Settings) -> Iterable[Fact]:
    """Healthy of counted targets first: `2/6`."""
    counted = len(snapshot.counted)
    severity = None
    if counted and not snapshot.idle and snapshot.check.enabled and snapshot.of(*SICK):
        severity = Severity.WARNING if snapshot.healthy else Severity.CRITICAL
    yield Fact(
        "healthy targets", f"{snapshot.healthy}/{counted}", float(snapshot.healthy), "", severity
    )
    for state, held in sorted(Counter(each.state for each in snapshot.targets).items()):
        if state in {"unhealthy", "unhealthy.draining", "draining", "initial"}:
            yield Fact(state, str(held), float(held))
        elif state not in LISTED:
            yield Fact(state, str(held), float(held), "", Severity.WARNING)
    requests = latest(snapshot.requests)
    if requests is not None:
        seen = read_at(snapshot.requests)
        yield Fact("requests a minute", number(requests), requests, as_of=seen)


def tables(snapshot: Snapshot, _: Settings) -> Iterable[Table]:
    """The targets, the sick ones first; who uses the group when that was looked up."""
    order = {**dict.fromkeys(SICK, 0), "initial": 1, "unknown": 1, "draining": 2, "unused": 3}
    rows = sorted(snapshot.targets, key=lambda t: (order.get(t.state, 4), t.zone, t.key))
    yield Table(
        title="Targets",
        columns=(
            Column("target", 28),
            Column("zone", 14),
            Column("state", 12),
            Column("for", 5, right=True),
            Column("reason"),
        ),
        rows=tuple(_row(target, snapshot.at) for target in rows),
        headline=f"{snapshot.healthy} of {len(snapshot.counted)} healthy; check"
        f" {snapshot.check.protocol} {snapshot.check.path or snapshot.check.port}"
        f" every {snapshot.check.interval:g} s; behind {used_by(snapshot)}",
    )
    if snapshot.uses is not None:
        yield Table(
            title="Forwarded by",
            columns=(Column("listener", 14), Column("rule", 10), Column("weight", 6, right=True)),
            rows=tuple(
                Row(
                    key=f"{use.listener}/{use.rule}",
                    cells=(use.listener, use.rule, str(use.weight)),
                    dim=not use.weight,
                )
                for use in snapshot.uses
            ),
        )


def _row(target: TargetState, at: datetime) -> Row:
    held = (at - target.since).total_seconds() if target.since else None
    apart = (target.override, "anomalous" * target.anomalous)
    why = " ".join(filter(None, (target.reason, target.description, *apart)))
    return Row(
        key=target.key,
        cells=(
            target.key,
            target.zone,
            target.state,
            "" if held is None else short_age(held),
            why,
        ),
        severity=_WORST.get(target.state),
        dim=target.state in {"draining", "unused"},
    )


KIND = aws_kind("target_group", "tg")

PROBE = Probe(
    id="target_group.health",
    kind="target_group",
    collect=collect,
    diagnose=diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=15,
    timeout=12,
    steady=True,
    facts=facts,
    tables=tables,
    since=since,
    twice=False,
    needs=(
        "elasticloadbalancing:DescribeTargetGroups",
        "elasticloadbalancing:DescribeTargetHealth",
        "elasticloadbalancing:DescribeTargetGroupAttributes",
        "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:DescribeRules",
        "cloudwatch:GetMetricData",
    ),
    codes=codes(
        cause=("TG_TARGETS_ANOMALOUS",),
        event=("TG_ZONAL_SHIFT",),
        either=("TG_EMPTY", "TG_TARGETS_STUCK_INITIAL", "TG_DRAINING_LONG", "TG_TARGETS_UNUSED"),
        symptom=(
            "TG_NO_HEALTHY_TARGETS",
            "TG_UNHEALTHY_TARGETS",
            "TG_FAIL_OPEN",
            "TG_AZ_UNBALANCED",
            "TG_FLAPPING",
        ),
        risk=("TG_HEALTH_CHECK_FRAGILE",),
        eye=("TG_STATUS_UNKNOWN", "METRIC_STALE", "TG_OBS_BLIND"),
        traits={Trait.CAUSE_UNLESS_FELT: ("TG_FAIL_OPEN",), Trait.HANGS: ("METRIC_STALE",)},
    ),
)
