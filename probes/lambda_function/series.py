"""Which series of CloudWatch a look asks for.

Companions first: the series of each function that say whether there is trouble. What explains it
is asked for only then. An alias has series of its own, with the resource `NAME:ALIAS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cockpit.connect.session import AwsReads, MetricQuery, Series
from probes.lambda_function.model import Snapshot, VersionTraffic, now, window
from probes.metrics import NO_DATA, query, total

_SPACE = "AWS/Lambda"
_OF_TARGET = {
    "invocations": ("Invocations", "Sum"),
    "errors": ("Errors", "Sum"),
    "throttles": ("Throttles", "Sum"),
    "duration_p95": ("Duration", "p95"),
    "duration_most": ("Duration", "Maximum"),
}
_OF_FUNCTION = {
    "concurrency": ("ConcurrentExecutions", "Maximum"),
    "async_age": ("AsyncEventAge", "Maximum"),
    "async_dropped": ("AsyncEventsDropped", "Sum"),
    "iterator_age": ("IteratorAge", "Maximum"),
    "recursion_stopped": ("RecursiveInvocationsDropped", "Sum"),
}
_CLAIMED = query(_SPACE, "ClaimedAccountConcurrency", "Maximum")
_LOST = {
    "dead_letter_errors": ("DeadLetterErrors", "Sum"),
    "destination_failures": ("DestinationDeliveryFailures", "Sum"),
}


def _of_target(snapshot: Snapshot, name: str, stat: str, *, period: int = 60) -> MetricQuery:
    if not snapshot.qualifier:
        return query(_SPACE, name, stat, period=period, FunctionName=snapshot.name)
    resource = f"{snapshot.name}:{snapshot.qualifier}"
    return query(_SPACE, name, stat, period=period, FunctionName=snapshot.name, Resource=resource)


def _of_function(snapshot: Snapshot, name: str, stat: str) -> MetricQuery:
    return query(_SPACE, name, stat, FunctionName=snapshot.name)


async def measured(aws: AwsReads, snapshot: Snapshot) -> Snapshot:
    """The snapshot with three hours of what says whether there is trouble."""
    wanted = {field: _of_target(snapshot, *each) for field, each in _OF_TARGET.items()}
    wanted |= {field: _of_function(snapshot, *each) for field, each in _OF_FUNCTION.items()}
    wanted["claimed"] = _CLAIMED
    return await _with(aws, snapshot, wanted, minutes=180 + int(window(snapshot)))


async def explained(aws: AwsReads, snapshot: Snapshot) -> Snapshot:
    """The snapshot with what explains trouble that its first series show."""
    wanted: dict[str, MetricQuery] = {}
    if snapshot.async_age.values or total(now(snapshot, snapshot.errors)):
        wanted |= {field: _of_function(snapshot, *each) for field, each in _LOST.items()}
    if wanted:
        snapshot = await _with(aws, snapshot, wanted, minutes=30)
    if is_silent(snapshot):
        hourly = {"hourly": _of_target(snapshot, "Invocations", "Sum", period=3600)}
        snapshot = await _with(aws, snapshot, hourly, minutes=3 * 24 * 60)
    alias = snapshot.alias
    if alias is not None and alias.weights:
        snapshot = await _by_version(aws, snapshot)
    return snapshot


def is_silent(snapshot: Snapshot) -> bool:
    """Whether nothing invoked it in the last minutes that are known."""
    done = total(now(snapshot, snapshot.invocations))
    return not done and not total(now(snapshot, snapshot.throttles))


async def _with(
    aws: AwsReads, snapshot: Snapshot, wanted: Mapping[str, MetricQuery], *, minutes: int
) -> Snapshot:
    series = await aws.metrics(tuple(wanted.values()), minutes=minutes)
    found: dict[str, Series] = {
        field: series.get(asked, NO_DATA) for field, asked in wanted.items()
    }
    return replace(snapshot, **found)  # type: ignore[arg-type]


async def _by_version(aws: AwsReads, snapshot: Snapshot) -> Snapshot:
    """What each version of a weighted alias does."""
    alias = snapshot.alias
    assert alias is not None
    names = (alias.version, *(each.version for each in alias.weights))
    resource = f"{snapshot.name}:{alias.name}"
    asked = {
        version: tuple(
            query(
                _SPACE,
                name,
                "Sum",
                FunctionName=snapshot.name,
                Resource=resource,
                ExecutedVersion=version,
            )
            for name in ("Invocations", "Errors")
        )
        for version in names
    }
    series = await aws.metrics([each for pair in asked.values() for each in pair], minutes=30)
    traffic = tuple(
        VersionTraffic(
            version=version,
            invocations=series.get(pair[0], NO_DATA),
            errors=series.get(pair[1], NO_DATA),
        )
        for version, pair in asked.items()
    )
    return replace(snapshot, versions=traffic)
