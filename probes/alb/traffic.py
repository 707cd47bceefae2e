"""One load balancer: its state, its answers by code, its latency, its traffic against last week.

Source: ELBv2 `DescribeLoadBalancers`, `DescribeTargetGroups`; CloudWatch `AWS/ApplicationELB` and
`AWS/NetworkELB`. Counters come per minute for a quarter of an hour; percentiles come as five-minute
buckets, since they cannot be averaged. Kind `alb` is every load balancer, network ones included.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from cockpit import clock
from cockpit.connect.aws.answer import answer_into, answers_into
from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.session import AwsReads, MetricQuery, Series
from cockpit.errors import BlindError, Reason
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.triage.view import Column, Row, Table
from cockpit.units import duration, number
from probes.alb.arriving import silence
from probes.alb.findings import APPLICATION, NETWORK
from probes.alb.model import (
    ALWAYS,
    COUNTERS,
    ELB_5XX,
    FLOWS,
    GROUP_COUNTERS,
    KEPT,
    REQUESTS,
    REST_COUNTERS,
    AlbGroup,
    GroupName,
    LoadBalancer,
    Snapshot,
    group_rate,
    last_bucket,
    lately,
    same_minutes,
)
from probes.alb.settings import Settings
from probes.answers import Gap, at_two_paces, attempt, blind_series, partly_blind
from probes.metrics import NO_DATA, history, is_blind, latest, query, read_at, settled, total
from probes.target_group.model import balancer_dimension, group_dimension, namespace_of

_LATENCY = "TargetResponseTime"
_DAY = 24 * 60
"""Minutes."""
_ELB_ERRORS = "HTTPCode_ELB_5XX_Count"
_GROUPS = "elbv2", "DescribeTargetGroups"
_Listed: TypeAlias = Sequence[object] | BlindError
_MOST_GROUPS = 40
"""Groups of a balancer whose own counters are asked for."""


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Read the balancer; groups and metrics are a help, not a must."""
    settings = target.settings
    assert isinstance(settings, AwsResource)
    gaps: list[Gap] = []
    early = ":loadbalancer/app/" in settings.id
    row, listed = await asyncio.gather(
        aws.item("elbv2", "DescribeLoadBalancers", key=settings.id),
        _listed(aws) if early else asyncio.sleep(0, None),
    )
    balancer = answer_into(row, LoadBalancer)
    arn = balancer.load_balancer_arn
    snapshot = Snapshot(
        at=clock.now(),
        name=balancer.load_balancer_name,
        arn=arn,
        type=balancer.type or "application",
        scheme=balancer.scheme,
        state=balancer.state.code or "unknown",
        reason=balancer.state.reason,
        created_at=balancer.created_time,
    )
    if snapshot.network:
        full = await _network(aws, snapshot, gaps)
    else:
        full = await _application(aws, snapshot, gaps, listed=listed)
    gaps.extend(blind_series(full.series))
    return replace(full, gaps=tuple(gaps))


async def _application(
    aws: AwsReads, snapshot: Snapshot, gaps: list[Gap], *, listed: _Listed | None
) -> Snapshot:
    nothing: tuple[AlbGroup, ...] = ()
    arn = snapshot.arn
    series, groups, latencies, day, week = await asyncio.gather(
        attempt(gaps, "metrics", _counters(aws, arn), otherwise={}),
        attempt(gaps, "target groups", _groups(aws, arn, listed), otherwise=nothing),
        attempt(gaps, "latency", _latencies(aws, snapshot.arn), otherwise={}),
        attempt(gaps, "metrics of a day ago", _earlier(aws, snapshot.arn, 1), otherwise={}),
        attempt(gaps, "metrics of a week ago", _earlier(aws, snapshot.arn, 7), otherwise={}),
    )
    at = snapshot.at
    groups = await attempt(gaps, "target groups", _measured(aws, arn, groups, series), otherwise=())
    return replace(
        snapshot,
        series=series,
        groups=groups,
        latency_p50=last_bucket(latencies.get("p50", NO_DATA), at),
        latency_p95=last_bucket(latencies.get("p95", NO_DATA), at),
        p95_buckets=settled(latencies.get("p95", NO_DATA), at, minutes=KEPT, period=300),
        latency_p99=last_bucket(latencies.get("p99", NO_DATA), at),
        latency_p95_day=latest(latencies.get("p95 a day ago", NO_DATA)),
        requests_day=same_minutes(day.get(REQUESTS, NO_DATA), at, days=1),
        requests_week=same_minutes(week.get(REQUESTS, NO_DATA), at, days=7),
    )


def _query(name: str, arn: str, stat: str = "Sum", *, period: int = 60) -> MetricQuery:
    balancer = balancer_dimension(arn)
    return query(namespace_of(balancer), name, stat, period=period, LoadBalancer=balancer)


async def _named(
    aws: AwsReads, asked: Mapping[str, MetricQuery], *, minutes: int = KEPT, ago: int = 0
) -> dict[str, Series]:
    found = await aws.metrics(tuple(asked.values()), minutes=minutes, ago=ago)
    return {name: found.get(each, NO_DATA) for name, each in asked.items()}


async def _network(aws: AwsReads, snapshot: Snapshot, gaps: list[Gap]) -> Snapshot:
    arn, at = snapshot.arn, snapshot.at
    series, day, week = await asyncio.gather(
        attempt(gaps, "metrics", _flows(aws, snapshot), otherwise={}),
        attempt(gaps, "metrics of a day ago", _earlier(aws, arn, 1, of=FLOWS), otherwise={}),
        attempt(gaps, "metrics of a week ago", _earlier(aws, arn, 7, of=FLOWS), otherwise={}),
    )
    return replace(
        snapshot,
        series=series,
        requests_day=same_minutes(day.get(FLOWS, NO_DATA), at, days=1),
        requests_week=same_minutes(week.get(FLOWS, NO_DATA), at, days=7),
    )


async def _flows(aws: AwsReads, snapshot: Snapshot) -> dict[str, Series]:
    asked = {name: _query(name, snapshot.arn) for name in snapshot.counters}
    found = await at_two_paces(aws, tuple(asked.values()), REST_COUNTERS, minutes=KEPT)
    return {name: found.get(each, NO_DATA) for name, each in asked.items()}


async def _counters(aws: AwsReads, arn: str) -> dict[str, Series]:
    """What the balancer counts; which of its own errors they are only where there are any, and what
    comes always only where no request does.
    """
    asked = {name: _query(name, arn) for name in COUNTERS if name not in ELB_5XX}
    wanted = tuple(asked.values())
    found = await at_two_paces(aws, wanted, REST_COUNTERS, minutes=KEPT)
    series = {name: found.get(each, NO_DATA) for name, each in asked.items()}
    if not is_blind(series[REQUESTS]) and not settled(series[REQUESTS], clock.now()).values:
        series |= await _named(aws, {ALWAYS: _query(ALWAYS, arn)})
    if _counts(series[_ELB_ERRORS]):
        series |= await _named(aws, {name: _query(name, arn) for name in ELB_5XX})
    return series


def _counts(series: Series | None) -> bool:
    """Whether there is anything of late to be told apart, or that cannot be told."""
    return series is None or is_blind(series) or any(lately(series, clock.now()).values)


async def _listed(aws: AwsReads) -> _Listed:
    """The groups of the whole place, or why they are not known. Asked for beside the balancer: what
    looks at groups meanwhile is answered out of the same list.
    """
    try:
        return await aws.pages(*_GROUPS, key="TargetGroups")
    except BlindError as error:
        return error


async def _groups(aws: AwsReads, arn: str, listed: _Listed | None) -> tuple[AlbGroup, ...]:
    """The groups behind the balancer, out of one list for all balancers of the place; out of its
    own where the place has more than can be listed.
    """
    rows = await _listed(aws) if listed is None else listed
    if isinstance(rows, BlindError):
        if rows.reason is not Reason.UNREADABLE:
            raise rows
        rows = await aws.pages(*_GROUPS, key="TargetGroups", LoadBalancerArn=arn)
    return tuple(
        AlbGroup(name=row.target_group_name, arn=row.target_group_arn)
        for row in answers_into(rows, GroupName)
        if arn in row.load_balancer_arns
    )


async def _measured(
    aws: AwsReads, arn: str, groups: tuple[AlbGroup, ...], series: Mapping[str, Series]
) -> tuple[AlbGroup, ...]:
    """The groups with their counters. As long as no target of the balancer fails, only how many
    requests each gets, every five minutes.
    """
    fail = any(_counts(series.get(name)) for name in GROUP_COUNTERS[1:])
    names = GROUP_COUNTERS if fail else GROUP_COUNTERS[:1]
    asked = {
        (group.arn, name): query(
            "AWS/ApplicationELB",
            name,
            "Sum",
            LoadBalancer=balancer_dimension(arn),
            TargetGroup=group_dimension(group.arn),
        )
        for group in groups[:_MOST_GROUPS]
        for name in names
    }
    found = await aws.metrics(tuple(asked.values()), minutes=KEPT, rest=not fail) if asked else {}
    return tuple(replace(group, series=_of_group(group, asked, found)) for group in groups)


def _of_group(
    group: AlbGroup,
    asked: Mapping[tuple[str, str], MetricQuery],
    found: Mapping[MetricQuery, Series],
) -> dict[str, Series]:
    return {
        name: found.get(asked[group.arn, name], NO_DATA)
        for name in GROUP_COUNTERS
        if (group.arn, name) in asked
    }


async def _latencies(aws: AwsReads, arn: str) -> dict[str, Series]:
    """Five-minute percentiles now, and the one of the same time a day earlier."""
    asked = {stat: _query(_LATENCY, arn, stat, period=300) for stat in ("p50", "p95", "p99")}
    day = {"p95 a day ago": asked["p95"]}
    now, earlier = await asyncio.gather(_named(aws, asked), _named(aws, day, minutes=10, ago=_DAY))
    return {**now, **earlier}


async def _earlier(aws: AwsReads, arn: str, days: int, *, of: str = REQUESTS) -> dict[str, Series]:
    asked = {of: _query(of, arn)}
    return await _named(aws, asked, minutes=10, ago=days * _DAY)


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Judge the balancer, its errors, latency, connections and traffic."""
    for rule in NETWORK if snapshot.network else APPLICATION:
        yield from rule(snapshot, settings)
    yield from silence(snapshot, settings)
    yield from partly_blind("ALB_OBS_BLIND", snapshot.gaps)


def facts(snapshot: Snapshot, _: Settings) -> Iterable[Fact]:
    """Requests a minute first (the newest complete minute), then latency and errors."""
    if snapshot.state != "active":
        yield Fact("state", snapshot.state, severity=Severity.WARNING)
    counter = snapshot.arriving
    requests = latest(snapshot.cut(counter))
    noun = "flows a minute" if snapshot.network else "requests a minute"
    blind = counter not in snapshot.series or is_blind(snapshot.of(counter))
    silent = "unknown" if blind else "no traffic"
    shown = silent if requests is None else f"{requests:,.0f}/m"
    yield Fact(noun, shown, requests, as_of=read_at(snapshot.of(counter)))
    if snapshot.latency_p95 is not None:  # of five minutes: kept for as long as the slowest series
        seen = read_at(*snapshot.series.values())
        yield Fact("p95", duration(snapshot.latency_p95), snapshot.latency_p95, "s", as_of=seen)
    for label, name in (
        ("5xx of the balancer", "HTTPCode_ELB_5XX_Count"),
        ("5xx of the targets", "HTTPCode_Target_5XX_Count"),
    ):
        share = snapshot.rate(name).share
        if not snapshot.network and share is not None:
            seen = read_at(snapshot.of(counter), snapshot.of(name))
            yield Fact(label, snapshot.rate(name).text(), share, "share", as_of=seen)


def tables(snapshot: Snapshot, _: Settings) -> Iterable[Table]:
    """Answers by code, and the groups behind the balancer."""
    names = snapshot.counters
    yield Table(
        title="Last 5 minutes",
        columns=(
            Column("counter", 34),
            Column("sum", 10, right=True),
            Column("newest minute", 14, right=True),
            Column("a minute"),
        ),
        rows=tuple(_counter_row(snapshot, name) for name in names),
        headline=f"{snapshot.type} balancer, {snapshot.scheme or 'scheme unknown'},"
        f" {snapshot.state}",
    )
    if not snapshot.network:
        yield Table(
            title="Target groups",
            columns=(
                Column("group", 32),
                Column("requests", 10, right=True),
                Column("5xx", 22),
                Column("refused", 8, right=True),
            ),
            rows=tuple(_group_row(group, snapshot) for group in snapshot.groups),
        )


def _counter_row(snapshot: Snapshot, name: str) -> Row:
    held, cut = snapshot.sum(name), snapshot.cut(name)
    return Row(
        key=name,
        cells=(
            name,
            "unknown" if held is None else number(held),
            "" if not cut.values else number(cut.values[-1]),
            _numbers(history(snapshot.of(name), 10)),
        ),
        dim=not held,
        sort=(name, held, cut.values[-1] if cut.values else None, None),
    )


def _group_row(group: AlbGroup, snapshot: Snapshot) -> Row:
    requests = total(settled(group.of(REQUESTS), snapshot.at))
    errors = group_rate(group, "HTTPCode_Target_5XX_Count", snapshot.at)
    refused = group_rate(group, "TargetConnectionErrorCount", snapshot.at)
    return Row(
        key=group.arn,
        cells=(
            group.name,
            "unknown" if requests is None else number(requests),
            errors.text(),
            "unknown" if refused.part is None else number(refused.part),
        ),
        sort=(group.name, requests, errors.share, refused.part),
    )


def _numbers(values: Sequence[float]) -> str:
    return " ".join(number(value) for value in values)


KIND = aws_kind("alb", "alb")

PROBE = Probe(
    id="alb.traffic",
    kind="alb",
    collect=collect,
    diagnose=diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=30,
    timeout=12,
    facts=facts,
    tables=tables,
    leads=True,
    needs=(
        "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:DescribeTargetGroups",
        "cloudwatch:GetMetricData",
        # steps of its runbooks
        "elasticloadbalancing:DescribeListeners",
    ),
    codes=codes(
        cause=(
            "ALB_NOT_ACTIVE",
            "ALB_MAINTENANCE_PAGE_ON",
            "NLB_PORT_ALLOCATION_ERRORS",
            "NLB_SG_BLOCKED",
        ),
        either=("ALB_CONNECTIONS_REJECTED", "ALB_TRAFFIC_SURGE"),
        symptom=(
            "ALB_5XX_ELB_RATE",
            "ALB_5XX_TARGET_RATE",
            "ALB_503_NO_TARGETS",
            "ALB_502_BAD_GATEWAY",
            "ALB_504_TIMEOUT",
            "ALB_LATENCY_HIGH",
            "ALB_TARGET_CONNECTION_ERRORS",
            "ALB_TRAFFIC_DROP",
            "ALB_4XX_SURGE",
            "ALB_TLS_ERRORS",
            "NLB_RESETS",
            "NLB_FLOWS_REJECTED",
        ),
        eye=("METRICS_ABSENT", "ALB_OBS_BLIND"),
        traits={
            Trait.LOAD: ("ALB_LATENCY_HIGH", "ALB_CONNECTIONS_REJECTED"),
            Trait.LOADER: ("ALB_TRAFFIC_SURGE",),
            Trait.SAYS_DROP: ("ALB_TRAFFIC_DROP", "ALB_TLS_ERRORS"),
            Trait.MATTERS_AT_INFO: ("ALB_MAINTENANCE_PAGE_ON",),
        },
    ),
)
