"""CloudWatch alarms of a place: which fire, which cannot tell, which fire without telling anybody.

Source: CloudWatch `DescribeAlarms` and `DescribeAlarmHistory` without a name: one call for all
alarms (catalogue B §4.1); `ListAlarmMuteRules`. A target's id is a name prefix; empty: every alarm.

Traps: `StateUpdatedTimestamp` moves without a change of state, `StateTransitionedTimestamp` does
not; alarms on `AWS/DynamoDB` ignore missing data, so one may stay in ALARM after the trouble ended;
alarms of target tracking are the machinery of auto scaling, not a page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.session import AwsReads, Series
from cockpit.triage.changes import Change
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.triage.nature import codes
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.triage.view import Column, Row, Table
from cockpit.units import age, count, duration
from probes.alarms.absent import absent
from probes.alarms.model import Alarm, Settings, Snapshot, held, matches, metric_of
from probes.alarms.quiet import blind, cannot_page, missing, muted, silent, why_quiet
from probes.alarms.read import HISTORY, alarms_of
from probes.answers import partly_blind
from probes.began import TOLD, told
from probes.metrics import history, is_blind, latest


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Read every alarm with the prefix; the history and the mutes are a help, not a must."""
    return await alarms_of(aws, target)


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Judge each alarm by itself; alarms of auto scaling are context only."""
    metrics = dict(snapshot.metrics)
    for alarm in snapshot.alarms:
        if alarm.scaling or matches(alarm.name, settings.ignore):
            continue
        if alarm.state == "ALARM":
            yield _firing(snapshot, alarm, settings=settings, series=metrics.get(alarm.name))
            yield from silent(snapshot, alarm)
        yield from blind(snapshot, alarm, settings=settings)
        yield from absent(snapshot, alarm, settings)
    yield from _flapping(snapshot, settings)
    yield from muted(snapshot, settings)
    yield from missing(snapshot, settings)
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
    since = held(snapshot, alarm)
    silent = series is not None and not series.values and not is_blind(series)
    paging = alarm.composite or matches(alarm.name, settings.critical)
    severity = Severity.CRITICAL if paging else Severity.WARNING
    code = "ALARM_FIRING"
    if since is not None and since > settings.stale:
        code, severity = "ALARM_STALE", Severity.INFO
    elif silent:
        severity = Severity.INFO
    for_ = f" for {duration(since)}" if since is not None else ""
    return Finding(
        code,
        severity,
        f"{alarm.name} is in ALARM{for_}",
        subject=alarm.name,
        evidence=(
            Evidence("in ALARM for", since, "s"),
            Evidence("reason", alarm.reason or "not told"),
            Evidence("metric", metric_of(alarm)),
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
        began=told(alarm.since, snapshot.at),
        resolution=TOLD,
    )


def _flapping(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """An alarm turns to and fro, and its word of this minute says little.

    The value swings around the threshold, or the alarm judges one point alone. People who are paged
    by it stop believing it, so judge the metric yourself.
    """
    turns: dict[str, list[datetime]] = {}
    for past in snapshot.past or ():
        if past.kind == "StateUpdate" and snapshot.at - past.at <= HISTORY:
            turns.setdefault(past.alarm, []).append(past.at)
    names = {alarm.name: alarm for alarm in snapshot.alarms}
    for name, times in sorted(turns.items()):
        alarm = names.get(name)
        if alarm is None or alarm.scaling or matches(name, settings.ignore):
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
                began=told(min(times), snapshot.at),
                resolution=TOLD,
            )


def facts(snapshot: Snapshot, _: Settings) -> Iterable[Fact]:
    """Firing alarms of all first: `2/41`; alarms of auto scaling are not counted. `0/41+?`: of some
    kind of them nothing could be read, so it is not known that none rings.
    """
    counted = [alarm for alarm in snapshot.alarms if not alarm.scaling]
    firing = [alarm for alarm in counted if alarm.state == "ALARM"]
    severity = Severity.WARNING if firing else None
    number = None if snapshot.unseen and not firing else float(len(firing))
    more = "+?" if snapshot.unseen else ""
    yield Fact("firing", f"{len(firing)}/{len(counted)}{more}", number, "", severity)
    blind = [a for a in counted if a.state == "INSUFFICIENT_DATA" or a.evaluation]
    if blind:
        yield Fact("cannot tell", str(len(blind)), float(len(blind)))
    quiet = [a for a in counted if why_quiet(snapshot, a)]
    if quiet:
        yield Fact("cannot page", str(len(quiet)), float(len(quiet)))


def tables(snapshot: Snapshot, settings: Settings) -> Iterable[Table]:
    """Every alarm, the firing ones first, the machinery of auto scaling last."""
    ranked = sorted(snapshot.alarms, key=lambda a: (a.scaling, _rank(a), a.name.lower()))
    firing = sum(alarm.state == "ALARM" and not alarm.scaling for alarm in snapshot.alarms)
    quiet = cannot_page(snapshot, settings)
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
        headline=f"{count(firing, 'alarm')} of {len(snapshot.alarms)} in ALARM"
        + (f" · {quiet}" if quiet else ""),
    )


def _row(snapshot: Snapshot, alarm: Alarm, settings: Settings) -> Row:
    since = held(snapshot, alarm)
    severity, mute = None, snapshot.muted(alarm.name)
    if alarm.state == "ALARM" and not alarm.scaling:
        paging = alarm.composite or matches(alarm.name, settings.critical)
        severity = Severity.CRITICAL if paging else Severity.WARNING
    return Row(
        key=f"{alarm.composite}:{alarm.name}",
        cells=(
            alarm.name,
            f"{alarm.state} {alarm.evaluation}{' muted' * bool(mute)}".strip(),
            "" if since is None else age(since),
            metric_of(alarm),
            alarm.reason,
        ),
        severity=severity,
        dim=alarm.scaling or alarm.state == "OK",
        sort=(alarm.name, _rank(alarm), since, None, None),
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


_SPACES = {
    "alb": ("AWS/ApplicationELB", "AWS/NetworkELB", "AWS/GatewayELB"),
    "target_group": ("AWS/ApplicationELB", "AWS/NetworkELB", "AWS/GatewayELB"),
    "ecs_service": ("AWS/ECS", "ECS/ContainerInsights"),
    "rds": ("AWS/RDS",),
    "elasticache": ("AWS/ElastiCache",),
    "dynamodb_table": ("AWS/DynamoDB",),
    "lambda_function": ("AWS/Lambda",),
    "api_gateway": ("AWS/ApiGateway",),
    "s3_bucket": ("AWS/S3",),
    "autoscaling_group": ("AWS/EC2", "AWS/AutoScaling"),
    "ec2_instance": ("AWS/EC2",),
    "sns_topic": ("AWS/SNS",),
}
"""Kind → where its metrics are. Of other kinds it is not known what an alarm on them looks like."""


def among(snapshot: Snapshot, targets: Sequence[Target]) -> Snapshot:
    """The snapshot with the targets of the place that none of its alarms watches."""
    watched = {
        (space, value.lower())
        for alarm in snapshot.alarms
        for space, dimensions in (
            (alarm.namespace, alarm.dimensions),
            *alarm.dimensions_besides,
        )
        for _, value in dimensions
    }
    unwatched = tuple(
        target.name
        for target in targets
        if isinstance(target.settings, AwsResource) and target.kind in _SPACES
        if not any(
            (space, name) in watched
            for space in _SPACES[target.kind]
            for name in _names(target.settings.id.lower())
        )
    )
    return replace(snapshot, unwatched=unwatched)


def _names(id_: str) -> Iterator[str]:
    """How a dimension may name what a target's id or ARN names."""
    tail = id_.split(":", 5)[-1] if id_.startswith("arn:") else id_
    yield tail
    yield tail.removeprefix("loadbalancer/")
    yield tail.rpartition("/")[2]
    yield tail.rpartition(":")[2]


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
    steady=True,
    facts=facts,
    tables=tables,
    changes=changes,
    among=among,
    needs=(
        "cloudwatch:DescribeAlarms",
        "cloudwatch:ListAlarmMuteRules",
        "cloudwatch:GetAlarmMuteRule",
        "cloudwatch:DescribeAlarmHistory",
        "cloudwatch:GetMetricData",
    ),
    codes=codes(
        eye=(
            "ALARM_FIRING",
            "ALARM_STALE",
            "ALARM_SILENT",
            "ALARM_BLIND",
            "ALARM_FLAPPING",
            "ALARM_MISSING",
            "ALARM_OBS_BLIND",
        )
    ),
)
