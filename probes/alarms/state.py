"""CloudWatch alarms of a place: which fire, which cannot tell, which fire without telling anybody.

Source: CloudWatch `DescribeAlarms` (metric alarms only, unless the types are named) and
`DescribeAlarmHistory` without a name: one call for all alarms (catalogue B §4.1). A target's id is
a name prefix; empty: every alarm.

Traps: `StateUpdatedTimestamp` moves without a change of state, `StateTransitionedTimestamp` does
not; alarms on `AWS/DynamoDB` ignore missing data, so one may stay in ALARM after the trouble ended;
alarms of target tracking are the machinery of auto scaling, not a page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatch
from typing import TypeVar

from cockpit import clock
from cockpit.connect.aws.answer import answers_into
from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.session import AwsReads, MetricQuery, Series
from cockpit.triage.changes import Change
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.triage.view import Column, Row, Table
from cockpit.units import age, count, duration
from probes.alarms.answers import AnyAlarm, CompositeAlarm, HistoryItem, MetricAlarm
from probes.answers import Gap, attempt, partly_blind
from probes.metrics import NO_DATA, history, is_blind, latest

AlarmRow = TypeVar("AlarmRow", bound=AnyAlarm)
_HISTORY = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Times are seconds. `critical` holds name patterns (`checkout-*`) of alarms that page."""

    critical: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    """Name patterns of alarms that never give a finding; they stay in the table."""
    stale: float = 7 * 86400
    """In ALARM for longer: it is furniture, and told as information."""
    flaps: int = 4
    """Changes of state in half an hour."""
    blind_periods: float = 3
    """Evaluation windows without enough data until an alarm is called blind."""
    idle: float = 86400
    """Without data for longer: the resource is idle or gone, and the alarm is told as such."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One alarm. `window` is period times evaluation periods in seconds; None for composites."""

    name: str
    composite: bool = False
    state: str
    since: datetime | None = None
    reason: str = ""
    evaluation: str = ""
    """`PARTIAL_DATA`, `EVALUATION_ERROR`, `EVALUATION_FAILURE`, or empty: all is well."""
    namespace: str = ""
    metric: str = ""
    dimensions: tuple[tuple[str, str], ...] = ()
    statistic: str = ""
    window: float | None = None
    period: int = 60
    actions: tuple[str, ...] = ()
    actions_enabled: bool = True
    suppressed_by: str = ""
    changed_at: datetime | None = None

    @property
    def scaling(self) -> bool:
        """Whether it only drives auto scaling: context, never a page."""
        driven = bool(self.actions) and all(
            ":autoscaling:" in action or ":application-autoscaling:" in action
            for action in self.actions
        )
        return self.name.startswith("TargetTracking-") or driven


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One entry of the alarms' history of the last half hour."""

    at: datetime
    alarm: str
    kind: str
    """`StateUpdate`, `ConfigurationUpdate` or `Action`."""
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look. `past` None: the history could not be read, which is not a quiet history."""

    at: datetime
    prefix: str
    alarms: tuple[Alarm, ...]
    past: tuple[Past, ...] | None = None
    metrics: tuple[tuple[str, Series], ...] = ()
    """The metric itself, for alarms on DynamoDB that are in ALARM, by the alarm's name."""
    gaps: tuple[Gap, ...] = ()


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Read every alarm with the prefix; the history is a help, not a must."""
    settings = target.settings
    assert isinstance(settings, AwsResource)
    gaps: list[Gap] = []
    at = clock.now()
    nothing: tuple[Past, ...] | None = None
    metric, composite, past = await asyncio.gather(
        _alarms(aws, settings.id, MetricAlarm),
        _alarms(aws, settings.id, CompositeAlarm),
        attempt(gaps, "alarm history", _past(aws, at), otherwise=nothing),
    )
    alarms = (*map(_metric_alarm, metric), *map(_composite_alarm, composite))
    snapshot = Snapshot(at=at, prefix=settings.id, alarms=alarms, past=past)
    doubted = {a.name: _query(a) for a in snapshot.alarms if _doubtful(a)}
    if doubted:
        found = await attempt(gaps, "metrics", aws.metrics(tuple(doubted.values())), otherwise={})
        series = tuple((name, found.get(each, NO_DATA)) for name, each in doubted.items())
        snapshot = replace(snapshot, metrics=series)
    return replace(snapshot, gaps=tuple(gaps))


async def _alarms(aws: AwsReads, prefix: str, kind: type[AlarmRow]) -> tuple[AlarmRow, ...]:
    """The rows of one type of alarm; the records are called as AWS calls the types."""
    named = {"AlarmNamePrefix": prefix} if prefix else {}
    rows = await aws.pages(
        "cloudwatch",
        "DescribeAlarms",
        key=f"{kind.__name__}s",
        most=5000,
        AlarmTypes=[kind.__name__],
        MaxRecords=100,
        **named,
    )
    return answers_into(rows, kind)


async def _past(aws: AwsReads, at: datetime) -> tuple[Past, ...]:
    rows = await aws.pages(
        "cloudwatch",
        "DescribeAlarmHistory",
        key="AlarmHistoryItems",
        AlarmTypes=["MetricAlarm", "CompositeAlarm"],
        StartDate=_minute(at - _HISTORY),
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


def _minute(at: datetime) -> datetime:
    """A whole minute, so that several targets of a place ask the same question."""
    return at.replace(second=0, microsecond=0)


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
        namespace=row.namespace,
        metric=row.metric_name,
        dimensions=tuple(sorted((each.name, each.value) for each in row.dimensions)),
        statistic=row.statistic or row.extended_statistic,
        window=float(period * (row.evaluation_periods or 1)),
        period=period,
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


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Judge each alarm by itself; alarms of auto scaling are context only."""
    metrics = dict(snapshot.metrics)
    for alarm in snapshot.alarms:
        if alarm.scaling or _matches(alarm.name, settings.ignore):
            continue
        if alarm.state == "ALARM":
            yield _firing(snapshot, alarm, settings=settings, series=metrics.get(alarm.name))
            yield from _silent(snapshot, alarm)
        yield from _blind(snapshot, alarm, settings=settings)
    yield from _flapping(snapshot, settings)
    yield from partly_blind("ALARM_OBS_BLIND", snapshot.gaps)


def _firing(
    snapshot: Snapshot, alarm: Alarm, *, settings: Settings, series: Series | None
) -> Finding:
    """An alarm of CloudWatch is in ALARM: the finding is the alarm, not its cause.

    Look at what it watches: when that is a target here too, its own findings say more. Critical for
    a composite alarm and for names that `critical` matches, since those page people; else a
    warning. Info when the metric has no data any more: an alarm on DynamoDB keeps its state then.

    ALARM_STALE: It has been in ALARM for longer than `stale` (information): nobody acts on it, so
    it says nothing of this incident. Mend or delete it afterwards; until then it hides new trouble
    of its resource.
    """
    held = _held(snapshot, alarm)
    silent = series is not None and not series.values and not is_blind(series)
    paging = alarm.composite or _matches(alarm.name, settings.critical)
    severity = Severity.CRITICAL if paging else Severity.WARNING
    code = "ALARM_FIRING"
    if held is not None and held > settings.stale:
        code, severity = "ALARM_STALE", Severity.INFO
    elif silent:
        severity = Severity.INFO
    since = f" for {duration(held)}" if held is not None else ""
    return Finding(
        code,
        severity,
        f"{alarm.name} is in ALARM{since}",
        subject=alarm.name,
        evidence=(
            Evidence("in ALARM for", held, "s"),
            Evidence("reason", alarm.reason or "not told"),
            Evidence("metric", _metric(alarm)),
            *(
                [Evidence("newest value", latest(series), history=history(series))]
                if series is not None
                else []
            ),
        ),
        against=(
            "the metric has had no data for 15 minutes, and alarms on DynamoDB ignore missing data",
        )
        if silent
        else (),
        next="look at the target that the alarm watches",
    )


def _silent(snapshot: Snapshot, alarm: Alarm) -> Iterator[Finding]:
    """The alarm is in ALARM and nobody is told of it.

    Its actions are disabled, suppressed, failed, or it has none. Whoever relies on being paged does
    not know yet.
    """
    failed = [
        past.summary
        for past in snapshot.past or ()
        if past.alarm == alarm.name and past.kind == "Action" and "ailed" in past.summary
    ]
    why = (
        "its actions are disabled"
        if not alarm.actions_enabled
        else f"its actions are suppressed by {alarm.suppressed_by}"
        if alarm.suppressed_by
        else "it has no action"
        if not alarm.actions
        else f"its action failed: {failed[0]}"
        if failed
        else ""
    )
    if why:
        yield Finding(
            "ALARM_SILENT",
            Severity.WARNING,
            f"{alarm.name} fires, and nobody is told: {why}",
            subject=alarm.name,
            evidence=(Evidence("actions", len(alarm.actions)), Evidence("why", why)),
            likely=("a planned mute", "a topic or permission that was deleted"),
            next="ask whether it was muted on purpose",
        )


def _blind(snapshot: Snapshot, alarm: Alarm, *, settings: Settings) -> Iterator[Finding]:
    """The alarm cannot tell whether all is well.

    Its metric brings no data, or its evaluation fails behind an OK that is an old one. It would not
    fire now, so look at the resource itself. Without data for longer than `idle` the resource is
    most likely gone (information).
    """
    held = _held(snapshot, alarm)
    if alarm.evaluation:
        why, severity = f"its evaluation says {alarm.evaluation}", Severity.WARNING
    elif alarm.state == "INSUFFICIENT_DATA":
        enough = settings.blind_periods * (alarm.window or 60)
        new = alarm.changed_at and (snapshot.at - alarm.changed_at).total_seconds() < enough
        if held is None or held < enough or new:
            return
        why = f"no data for {duration(held)}"
        severity = Severity.INFO if held > settings.idle else Severity.WARNING
    else:
        return
    yield Finding(
        "ALARM_BLIND",
        severity,
        f"{alarm.name} cannot tell: {why}",
        subject=alarm.name,
        evidence=(
            Evidence("state", alarm.state),
            Evidence("in this state for", held, "s"),
            Evidence("metric", _metric(alarm)),
        ),
        likely=("the resource is gone or idle", "the metric's agent or permission is gone"),
        next="look whether the metric still has points",
        fact=False,
    )


def _flapping(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """An alarm turns to and fro, and its word of this minute says little.

    The value swings around the threshold, or the alarm judges one point alone. People who are paged
    by it stop believing it, so judge the metric yourself.
    """
    turns: dict[str, list[datetime]] = {}
    for past in snapshot.past or ():
        if past.kind == "StateUpdate" and snapshot.at - past.at <= _HISTORY:
            turns.setdefault(past.alarm, []).append(past.at)
    names = {alarm.name: alarm for alarm in snapshot.alarms}
    for name, times in sorted(turns.items()):
        alarm = names.get(name)
        if alarm is None or alarm.scaling or _matches(name, settings.ignore):
            continue
        if len(times) >= settings.flaps:
            yield Finding(
                "ALARM_FLAPPING",
                Severity.WARNING,
                f"{name} changed its state {len(times)} times in 30 minutes",
                subject=name,
                evidence=(
                    Evidence("changes of state", len(times), limit=float(settings.flaps)),
                    Evidence("window", alarm.window, "s"),
                ),
                likely=("a value near its threshold", "a short period that needs one point only"),
                next="look at the metric itself rather than at the alarm",
            )


def _held(snapshot: Snapshot, alarm: Alarm) -> float | None:
    if alarm.since is None:
        return None
    return max(0.0, (snapshot.at - alarm.since).total_seconds())  # AWS's clock may be ahead of ours


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _metric(alarm: Alarm) -> str:
    if alarm.composite:
        return "other alarms"
    where = ", ".join(f"{name}={value}" for name, value in alarm.dimensions)
    return f"{alarm.namespace} {alarm.metric} {where}".strip() or "an expression"


def facts(snapshot: Snapshot, _: Settings) -> Iterable[Fact]:
    """Firing alarms of all first: `2/41`; alarms of auto scaling are not counted."""
    counted = [alarm for alarm in snapshot.alarms if not alarm.scaling]
    firing = [alarm for alarm in counted if alarm.state == "ALARM"]
    severity = Severity.WARNING if firing else None
    yield Fact("firing", f"{len(firing)}/{len(counted)}", float(len(firing)), "", severity)
    blind = [a for a in counted if a.state == "INSUFFICIENT_DATA" or a.evaluation]
    if blind:
        yield Fact("cannot tell", str(len(blind)), float(len(blind)))


def tables(snapshot: Snapshot, settings: Settings) -> Iterable[Table]:
    """Every alarm, the firing ones first, the machinery of auto scaling last."""
    ranked = sorted(snapshot.alarms, key=lambda a: (a.scaling, _rank(a), a.name.lower()))
    firing = sum(alarm.state == "ALARM" and not alarm.scaling for alarm in snapshot.alarms)
    yield Table(
        title="Alarms",
        columns=(
            Column("alarm", 40),
            Column("state", 18),
            Column("for", 5, right=True),
            Column("metric", 40),
            Column("reason"),
        ),
        rows=tuple(_row(snapshot, alarm, settings) for alarm in ranked),
        headline=f"{count(firing, 'alarm')} of {len(snapshot.alarms)} in ALARM",
    )


def _row(snapshot: Snapshot, alarm: Alarm, settings: Settings) -> Row:
    held = _held(snapshot, alarm)
    severity = None
    if alarm.state == "ALARM" and not alarm.scaling:
        paging = alarm.composite or _matches(alarm.name, settings.critical)
        severity = Severity.CRITICAL if paging else Severity.WARNING
    return Row(
        key=f"{alarm.composite}:{alarm.name}",
        cells=(
            alarm.name,
            f"{alarm.state} {alarm.evaluation}".strip(),
            "" if held is None else age(held),
            _metric(alarm),
            alarm.reason,
        ),
        severity=severity,
        dim=alarm.scaling or alarm.state == "OK",
        sort=(alarm.name, _rank(alarm), held, None, None),
    )


def _rank(alarm: Alarm) -> int:
    return {"ALARM": 0, "INSUFFICIENT_DATA": 1}.get(alarm.state, 2)


def changes(snapshot: Snapshot, target: str) -> Iterable[Change]:
    """Alarms that were edited in the last half hour: a moved threshold changes what is seen."""
    for past in snapshot.past or ():
        if past.kind == "ConfigurationUpdate" and past.alarm.startswith(snapshot.prefix):
            yield Change(
                at=past.at,
                kind="cloudwatch.alarm",
                target=target,
                summary=f"{past.alarm}: {past.summary}",
                source="cloudwatch.DescribeAlarmHistory",
            )


KIND = aws_kind("alarms", "alarm", named=False)

PROBE = Probe(
    id="alarms.state",
    kind="alarms",
    collect=collect,
    diagnose=diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=30,
    timeout=12,
    facts=facts,
    tables=tables,
    changes=changes,
    needs=(
        "cloudwatch:DescribeAlarms",
        "cloudwatch:DescribeAlarmHistory",
        "cloudwatch:GetMetricData",
    ),
    codes=(
        "ALARM_FIRING",
        "ALARM_STALE",
        "ALARM_SILENT",
        "ALARM_BLIND",
        "ALARM_FLAPPING",
        "ALARM_OBS_BLIND",
    ),
)
