"""The alarms of a place out of CloudWatch's answers.

Source: CloudWatch `DescribeAlarms`: metric alarms only, unless the types are named. All types are
one call where they fit; else each is asked for by itself, so that a region that does not know the
newest still tells the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeAlias, TypeVar

from cockpit import clock
from cockpit.connect.aws.answer import answers_into
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.session import AwsReads, MetricQuery
from cockpit.errors import BlindError
from cockpit.triage.target import Target
from probes.alarms.absent import judged_metrics
from probes.alarms.answers import (
    AnyAlarm,
    CompositeAlarm,
    Dimension,
    HistoryItem,
    LogAlarm,
    MetricAlarm,
)
from probes.alarms.model import LOG_ALARMS, MUTE_RULES, Alarm, Past, Snapshot
from probes.alarms.mutes import mutes
from probes.answers import Gap, attempt, whole_minute
from probes.metrics import NO_DATA

AlarmRow = TypeVar("AlarmRow", bound=AnyAlarm)
HISTORY = timedelta(minutes=30)
_PAGE = 100
_TYPES: tuple[type[AnyAlarm], ...] = (MetricAlarm, CompositeAlarm, LogAlarm)
_MEMBERS = tuple(f"{kind.__name__}s" for kind in _TYPES)
_Rows: TypeAlias = tuple[tuple[MetricAlarm, ...], tuple[CompositeAlarm, ...], tuple[LogAlarm, ...]]


async def alarms_of(aws: AwsReads, target: Target) -> Snapshot:
    """Read every alarm with the prefix; the history is a help, not a must."""
    settings = target.settings
    assert isinstance(settings, AwsResource)
    gaps: list[Gap] = []
    at = clock.now()
    nothing: tuple[Past, ...] | None = None
    (metric, composite, log), past = await asyncio.gather(
        _of_all_types(aws, settings.id, gaps),
        attempt(gaps, "alarm history", _past(aws, at), otherwise=nothing),
    )
    alarms = (
        *map(_metric_alarm, metric),
        *map(_composite_alarm, composite),
        *map(_log_alarm, log),
    )
    muted = await attempt(gaps, MUTE_RULES, mutes(aws), otherwise=()) if alarms else ()
    snapshot = Snapshot(at=at, prefix=settings.id, alarms=alarms, past=past, mutes=muted)
    doubted = {a.name: _query(a) for a in snapshot.alarms if _doubtful(a)}
    if doubted:
        found = await attempt(gaps, "metrics", aws.metrics(tuple(doubted.values())), otherwise={})
        series = tuple((name, found.get(each, NO_DATA)) for name, each in doubted.items())
        snapshot = replace(snapshot, metrics=series)
    watched = await attempt(gaps, "metrics", judged_metrics(aws, alarms), otherwise=())
    return replace(snapshot, watched=watched, gaps=tuple(gaps))


async def _of_all_types(aws: AwsReads, prefix: str, gaps: list[Gap]) -> _Rows:
    """Out of one answer, when that has every type to its end."""
    try:
        answer = await aws.read(
            "cloudwatch",
            "DescribeAlarms",
            expect=_MEMBERS[0],
            AlarmTypes=[kind.__name__ for kind in _TYPES],
            MaxRecords=_PAGE,
            **_named(prefix),
        )
    except BlindError:  # by type it is told whether all are refused or only the newest
        answer = {}
    if answer.keys() >= set(_MEMBERS) and not answer.get("NextToken"):
        metric, composite, log = (answer[member] for member in _MEMBERS)
        return (
            answers_into(metric, MetricAlarm),
            answers_into(composite, CompositeAlarm),
            answers_into(log, LogAlarm),
        )
    return await asyncio.gather(
        _alarms(aws, prefix, MetricAlarm),
        _alarms(aws, prefix, CompositeAlarm),
        attempt(gaps, LOG_ALARMS, _alarms(aws, prefix, LogAlarm), otherwise=()),
    )


async def _alarms(aws: AwsReads, prefix: str, kind: type[AlarmRow]) -> tuple[AlarmRow, ...]:
    """The rows of one type of alarm; the records are called as AWS calls the types."""
    rows = await aws.pages(
        "cloudwatch",
        "DescribeAlarms",
        key=f"{kind.__name__}s",
        most=5000,
        AlarmTypes=[kind.__name__],
        MaxRecords=_PAGE,
        **_named(prefix),
    )
    return answers_into(rows, kind)


def _named(prefix: str) -> dict[str, str]:
    return {"AlarmNamePrefix": prefix} if prefix else {}


async def _past(aws: AwsReads, at: datetime) -> tuple[Past, ...]:
    rows = await aws.pages(
        "cloudwatch",
        "DescribeAlarmHistory",
        key="AlarmHistoryItems",
        AlarmTypes=["MetricAlarm", "CompositeAlarm"],
        StartDate=whole_minute(at - HISTORY),
        MaxRecords=100,
    )
    return tuple(
        Past(
            at=item.timestamp,
            alarm=item.alarm_name,
            kind=item.history_item_type,
            summary=item.history_summary,
        )
        for item in answers_into(rows, HistoryItem)
        if item.timestamp
    )


def _alarm(row: AnyAlarm) -> Alarm:
    return Alarm(
        name=row.alarm_name,
        state=row.state_value,
        since=row.state_transitioned_timestamp or row.state_updated_timestamp,
        reason=row.state_reason,
        actions=row.alarm_actions,
        actions_enabled=row.actions_enabled,
        changed_at=row.alarm_configuration_updated_timestamp,
    )


def _metric_alarm(row: MetricAlarm) -> Alarm:
    period = row.period or 60
    return replace(
        _alarm(row),
        evaluation=row.evaluation_state,
        warm_up=row.warm_up_configuration.seconds,
        judges=row.judges,
        unread=row.unread,
        dimensions_besides=tuple((stat.namespace, _pairs(stat.dimensions)) for stat in row.judged),
        namespace=row.namespace,
        metric=row.metric_name,
        dimensions=_pairs(row.dimensions),
        statistic=row.statistic or row.extended_statistic,
        window=float(period * (row.evaluation_periods or 1)),
        period=period,
        missing=row.treat_missing_data,
    )


def _pairs(dimensions: Iterable[Dimension]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((each.name, each.value) for each in dimensions))


def _log_alarm(row: LogAlarm) -> Alarm:
    return replace(
        _alarm(row),
        log=True,
        judges="a query over logs",
        evaluation=row.evaluation_state,
        warm_up=row.warm_up_configuration.seconds,
    )


def _composite_alarm(row: CompositeAlarm) -> Alarm:
    return replace(_alarm(row), composite=True, suppressed_by=row.actions_suppressed_by)


def _doubtful(alarm: Alarm) -> bool:
    return alarm.namespace == "AWS/DynamoDB" and alarm.state == "ALARM" and bool(alarm.metric)


def _query(alarm: Alarm) -> MetricQuery:
    period = max(60, alarm.period)
    return MetricQuery(
        alarm.namespace, alarm.metric, alarm.dimensions, alarm.statistic or "Sum", period
    )
