"""Alarms that say OK though their metric does not come: missing data does not breach for them.

Only metrics that are published always are judged: of an error counter no point is the best news
there is, and alarms on it treat it so on purpose.
"""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.connect.session import AwsReads, MetricQuery, Series
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import duration
from probes.alarms.model import Alarm, Settings, Snapshot, held, metric_of
from probes.metrics import NO_DATA, age, history, is_blind

_ALWAYS = {
    "AWS/EC2": {"CPUUtilization", "StatusCheckFailed", "StatusCheckFailed_System"},
    "AWS/RDS": {"CPUUtilization", "FreeableMemory", "FreeStorageSpace", "DatabaseConnections"},
    "AWS/ECS": {"CPUUtilization", "MemoryUtilization"},
    "AWS/ElastiCache": {"CPUUtilization", "EngineCPUUtilization", "CurrConnections"},
    "AWS/ApplicationELB": {"HealthyHostCount", "UnHealthyHostCount"},
    "AWS/NetworkELB": {"HealthyHostCount", "UnHealthyHostCount"},
    "CWAgent": {"mem_used_percent", "disk_used_percent"},
}
"""Of what is there; what is stopped publishes none of them."""
_QUIET = frozenset({"notBreaching", "ignore"})
_MOST = 100
_LONGEST = 300
"""Seconds of a period: with longer ones an hour has too few points to say anything."""
_LOOKED = 60
"""Minutes."""


def hushed(alarm: Alarm) -> bool:
    """Whether the alarm stays OK without data of a metric that should always come."""
    return (
        alarm.state == "OK"
        and alarm.missing in _QUIET
        and alarm.metric in _ALWAYS.get(alarm.namespace, ())
        and alarm.period <= _LONGEST
        and not alarm.scaling
    )


async def judged_metrics(
    aws: AwsReads, alarms: tuple[Alarm, ...]
) -> tuple[tuple[str, Series], ...]:
    """The metrics of such alarms by the alarms' names: an hour of them, every five minutes."""
    asked = {
        each.name: MetricQuery(
            each.namespace, each.metric, each.dimensions, "SampleCount", max(60, each.period)
        )
        for each in [alarm for alarm in alarms if hushed(alarm)][:_MOST]
    }
    if not asked:
        return ()
    found = await aws.metrics(tuple(asked.values()), minutes=_LOOKED, rest=True)
    return tuple((name, found.get(each, NO_DATA)) for name, each in asked.items())


def absent(snapshot: Snapshot, alarm: Alarm, settings: Settings) -> Iterator[Finding]:
    """The alarm says OK, and the metric that it watches does not come: it would not ring.

    It treats missing data as not breaching, or keeps its state. Information where nothing came for
    an hour: the resource is most likely gone or stopped.
    """
    series = dict(snapshot.watched).get(alarm.name)
    if series is None or is_blind(series) or series.asked_at is None:
        return
    silent = age(series, series.asked_at)
    if silent is not None and silent < settings.blind_periods * max(alarm.period, _LONGEST):
        return
    said = f"no data for {duration(silent)}" if silent is not None else "no data for an hour"
    yield Finding(
        "ALARM_BLIND",
        Severity.INFO if silent is None else Severity.WARNING,
        f"{alarm.name} says OK and cannot tell: {said}, which it takes for {alarm.missing}",
        subject=alarm.name,
        evidence=(
            Evidence("state", alarm.state),
            Evidence("in this state for", held(snapshot, alarm), "s"),
            Evidence("treats missing data as", alarm.missing),
            Evidence("metric", metric_of(alarm)),
            Evidence("newest point", silent, "s ago", history=history(series)),
        ),
        likely=("its host hangs or is gone", "the metric's agent or permission is gone"),
        next="look at the resource itself; then let the alarm treat missing data as breaching",
        fact=False,
    )
