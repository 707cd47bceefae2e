"""Which series of CloudWatch a look asks for: each sort of API has names and dimensions of its own.

Percentiles come as five-minute buckets, since they cannot be averaged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from cockpit.connect.session import AwsReads, MetricQuery, Series
from probes.api_gateway.model import REST, WEBSOCKET, Snapshot
from probes.metrics import NO_DATA, latest, query, settled, together, total

_SPACE = "AWS/ApiGateway"
_DAY = 24 * 60
_WINDOW = 185
_BUCKET = 300
_COUNTED = {
    REST: (("Count",), ("5XXError",), ("4XXError",)),
    WEBSOCKET: (
        ("ConnectCount", "MessageCount"),
        ("IntegrationError", "ExecutionError"),
        ("ClientError",),
    ),
}
_HTTP = (("Count",), ("5xx",), ("4xx",))
_MOST_FUNCTIONS = 10


def _query(look: Snapshot, name: str, stat: str = "Sum", *, period: int = 60) -> MetricQuery:
    """A REST API is counted by its name, in which CloudWatch has no letters beyond ASCII."""
    if look.protocol == REST:
        ascii_ = look.name.encode("ascii", "ignore").decode()
        return query(_SPACE, name, stat, period=period, ApiName=ascii_, Stage=look.stage)
    return query(_SPACE, name, stat, period=period, ApiId=look.id, Stage=look.stage)


async def measured(aws: AwsReads, look: Snapshot) -> Snapshot:
    """The look with three hours of its counters, its latencies, and its traffic earlier."""
    names = _COUNTED.get(look.protocol, _HTTP)
    counters = [[_query(look, name) for name in each] for each in names]
    overall = "IntegrationLatency" if look.protocol == WEBSOCKET else "Latency"
    p95 = _query(look, overall, "p95", period=_BUCKET)
    p99 = _query(look, overall, "p99", period=_BUCKET)
    behind = _query(look, "IntegrationLatency", "p95", period=_BUCKET)
    most = _query(look, overall, "Maximum")
    day, week, found, slow = await asyncio.gather(
        aws.metrics((*counters[0], p95), minutes=20, ago=_DAY),
        aws.metrics(counters[0], minutes=20, ago=7 * _DAY),
        aws.metrics([each for some in counters for each in some], minutes=_WINDOW),
        aws.metrics((p95, p99, behind, most), minutes=20),
    )
    sums = [together(*(found.get(one, NO_DATA) for one in some)) for some in counters]
    return replace(
        look,
        requests=sums[0],
        errors=sums[1],
        client_errors=sums[2],
        latency_most=slow.get(most, NO_DATA),
        latency_p95=_seconds(slow.get(p95, NO_DATA), look.at),
        p95_buckets=_buckets(slow.get(p95, NO_DATA), look.at),
        latency_p99=_seconds(slow.get(p99, NO_DATA), look.at),
        integration_p95=_seconds(slow.get(behind, NO_DATA), look.at),
        latency_p95_day=_seconds(day.get(p95, NO_DATA), look.at - timedelta(minutes=_DAY)),
        requests_day=_same_minutes(look, day, counters[0], days=1),
        requests_week=_same_minutes(look, week, counters[0], days=7),
    )


def _seconds(series: Series, at: datetime) -> float | None:
    """The newest whole bucket, of milliseconds; of an earlier day it was asked for just now."""
    return latest(_buckets(series, at))


def _buckets(series: Series, at: datetime) -> Series:
    """Its whole buckets of a quarter of an hour, in seconds."""
    whole = settled(replace(series, asked_at=None), at, minutes=15, period=_BUCKET)
    return replace(whole, values=tuple(value / 1000 for value in whole.values))


def _same_minutes(
    look: Snapshot, found: Mapping[MetricQuery, Series], asked: list[MetricQuery], *, days: int
) -> float | None:
    series = together(*(found.get(each, NO_DATA) for each in asked))
    return total(settled(replace(series, asked_at=None), look.at - timedelta(days=days)))


async def of_functions(aws: AwsReads, look: Snapshot) -> Snapshot:
    """The look with what the functions behind it tell, when nothing else answers."""
    names = [arn.split(":")[6] for arn in look.functions]
    if not names or len(names) > _MOST_FUNCTIONS:
        return look
    runs = [query("AWS/Lambda", "Invocations", "Sum", FunctionName=name) for name in names]
    bad = [query("AWS/Lambda", "Errors", "Sum", FunctionName=name) for name in names]
    held = [query("AWS/Lambda", "Throttles", "Sum", FunctionName=name) for name in names]
    found = await aws.metrics([*runs, *bad, *held], minutes=20)
    return replace(
        look,
        function_invocations=together(*(found.get(each, NO_DATA) for each in runs)),
        function_errors=together(*(found.get(each, NO_DATA) for each in bad)),
        function_throttles=together(*(found.get(each, NO_DATA) for each in held)),
    )
