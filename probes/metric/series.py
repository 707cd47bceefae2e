"""One CloudWatch series by itself: does it still come, is it as usual, may we read it.

Source: CloudWatch `GetMetricData`; the usual is the median of the last hours without the newest
twenty minutes, and its spread the median deviation from that (catalogue B §4.3). Zero, no points,
late points and denied points are four things, and told as such.

Traps: a wrong dimension is no error, it is an empty series; a daily peak or a sale is unusual and
right; nothing is said of a cause: what changed, and what it needs, are looked at next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from cockpit import clock
from cockpit.connect.aws.lateness import lateness
from cockpit.connect.aws.settings import MetricSettings
from cockpit.connect.session import AwsReads, MetricQuery, Series
from cockpit.errors import BlindError, Reason
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.units import duration, number
from probes.began import bad_since, resolution
from probes.metrics import NO_DATA, age, history, is_blind, latest, query, read_at, settled

_POINTS = 185
_NEWEST, _USUAL = 20, 180
"""Periods before the look between which points tell what is usual."""
_LEAST = 10
_SIGMA = 1.48
"""Of a normal spread, the standard deviation over the median deviation."""
_COUNTERS = frozenset({"Sum", "SampleCount"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`floor` is in the unit of the metric, counts of traffic are a minute."""

    floor: float = 0
    """A deviation that does not matter however unusual it is; 0: a tenth of the usual."""
    spreads: float = 4
    points: int = 3
    """Points running beyond it that make it unusual."""
    sparse: bool = False
    """It is published only when there is something to count, so silence is no trouble."""
    late_periods: int = 5
    """Periods without a point, besides the service's own lateness."""
    traffic: float = 100
    """A counter that is usually below is not judged for stopping."""
    traffic_share: Thresholds = Thresholds(warning=0.1, below=True)
    """Of the usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look: three hours of a series of minutes, as many periods of a longer one."""

    at: datetime
    query: MetricQuery
    series: Series = NO_DATA

    @property
    def name(self) -> str:
        """`Shop OrdersPlaced Stage=prod, Sum of 60 s`."""
        asked = self.query
        where = " ".join(f"{name}={value}" for name, value in asked.dimensions)
        words = " ".join(word for word in (asked.namespace, asked.name, where) if word)
        return f"{words}, {asked.stat} of {asked.period} s"

    @property
    def late(self) -> float:
        """Seconds until a period of it is whole."""
        return lateness(self.query.namespace, self.query.period)

    def cut(self, points: int) -> Series:
        """Its newest whole periods."""
        minutes = points * self.query.period / 60
        return settled(
            self.series, self.at, minutes=minutes, period=self.query.period, late=self.late
        )


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Read the series. Raises `BlindError` also where CloudWatch refuses just this one."""
    settings = target.settings
    assert isinstance(settings, MetricSettings)
    asked = query(
        settings.namespace,
        settings.metric,
        settings.stat,
        period=settings.period,
        **settings.dimensions,
    )
    try:
        found = await aws.metrics((asked,), minutes=_POINTS * settings.period // 60)
    except BlindError as error:
        raise _denied(error) if error.reason is Reason.DENIED else error from None
    series = found.get(asked, NO_DATA)
    look = Snapshot(at=clock.now(), query=asked, series=series)
    if is_blind(series):
        reason = Reason.DENIED if series.status == "Forbidden" else Reason.UNREACHABLE
        untold = BlindError(reason, f"CloudWatch does not tell {look.name}: {series.status}")
        raise _denied(untold) if reason is Reason.DENIED else untold
    return look


def _denied(error: BlindError) -> BlindError:
    """We may not read the metric: nothing is known of it, neither that it is well nor that it is
    not. Its emptiness would say nothing.
    """
    return BlindError(
        error.reason,
        error.message,
        hint=error.hint or "allow cloudwatch:GetMetricData to the role that looks",
        code="METRIC_DENIED",
        severity=Severity.WARNING.value,
    )


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Silence first: of what does not come nothing else is said."""
    silent = [*stale(snapshot, settings)]
    yield from silent
    if not silent:
        stopped = [*traffic(snapshot, settings)]
        yield from stopped or anomaly(snapshot, settings)


def stale(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The metric does not come any more, or never did.

    What it measures may be gone, and so may only its agent, its permission, or the spelling of its
    dimensions: of a wrong set there are no points, and no error. Alarms and auto scaling that watch
    it are as blind as we are.
    """
    if settings.sparse:
        return
    limit = settings.late_periods * snapshot.query.period + snapshot.late
    silence = age(snapshot.series, snapshot.series.asked_at or snapshot.at)
    if silence is not None and silence <= limit + snapshot.query.period:
        return
    span = _POINTS * snapshot.query.period
    told = f"no point for {duration(silence)}" if silence else f"no point in {duration(span)}"
    yield Finding(
        "METRIC_STALE",
        Severity.WARNING,
        f"{snapshot.name}: {told}",
        evidence=(
            Evidence(
                "newest point", silence, "s ago", limit=limit, history=history(snapshot.series)
            ),
            Evidence("series", snapshot.name),
            Evidence("CloudWatch's status", snapshot.series.status),
        ),
        likely=(
            "who publishes it is down, or its agent is",
            "the resource is gone",
            "its dimensions are others" if silence is None else "its dimensions changed",
        ),
        next="look at what publishes it; alarms on it cannot ring",
        fact=False,
        began=snapshot.series.times[-1] + timedelta(seconds=snapshot.query.period)
        if snapshot.series.times
        else None,
        resolution=resolution(snapshot.query.period),
    )


def traffic(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """What is usually counted is counted no more: the trouble is upstream of it.

    Zero in each of five periods is critical. Compared with the last hours only: a night, a release
    that moved the traffic, or a metric that comes late may look the same.
    """
    usual = _usual(snapshot)
    if usual is None or snapshot.query.stat not in _COUNTERS:
        return
    a_minute = 60 / snapshot.query.period
    ordinary, _ = usual
    now = snapshot.cut(5)
    if ordinary * a_minute < settings.traffic or len(now.values) < 5:
        return
    most = max(now.values)
    severity = Severity.CRITICAL if most == 0 else settings.traffic_share.grade(most / ordinary)
    if severity is None:
        return
    yield Finding(
        "TRAFFIC_STOPPED",
        severity,
        f"{snapshot.name}: {number(round(most * a_minute, 1))} a minute at most, usually "
        f"{number(round(ordinary * a_minute))}",
        evidence=(
            Evidence("now", most * a_minute, "/min", history=history(snapshot.series)),
            Evidence("usually", ordinary * a_minute, "/min"),
            Evidence("series", snapshot.name),
        ),
        likely=("who sends it is down or cannot reach it", "it was moved to another place"),
        against=("compared with the last hours only, not with the time of day",),
        next="look at what calls it first",
        fact=False,
        began=_stopped_since(snapshot, ordinary, settings),
        resolution=resolution(snapshot.query.period),
    )


def _stopped_since(snapshot: Snapshot, ordinary: float, settings: Settings) -> datetime | None:
    most = (settings.traffic_share.first or 0) * ordinary
    series, period = snapshot.cut(_POINTS), snapshot.query.period
    return bad_since(series, lambda value: value <= most, period=period)


def anomaly(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The metric is far from what it was in the last hours.

    Unusual is not wrong: a daily peak, a sale or a scaling does it too, so it is never more than a
    warning. Its onset is an interval, since CloudWatch is late.
    """
    usual = _usual(snapshot)
    if usual is None:
        return
    ordinary, spread = usual
    floor = settings.floor or abs(ordinary) / 10
    limit = max(settings.spreads * spread, floor)
    now = snapshot.cut(_NEWEST)
    run = _run(now, ordinary, limit)
    if not limit or len(run) < settings.points:
        return
    value = latest(now) or 0.0
    onset = run[0]
    known = onset + timedelta(seconds=snapshot.query.period)
    yield Finding(
        "METRIC_ANOMALY",
        Severity.WARNING,
        f"{snapshot.name}: {number(round(value, 2))}, usually {number(round(ordinary, 2))}",
        evidence=(
            Evidence("now", value, limit=ordinary + limit if value > ordinary else ordinary - limit,
                     history=history(snapshot.series)),
            Evidence("usually", ordinary),
            Evidence("usual spread", spread),
            Evidence("onset", f"between {onset:%H:%M} and {known:%H:%M} UTC"),
            Evidence("series", snapshot.name),
            Evidence("CloudWatch's status", snapshot.series.status),
        ),
        against=("compared with the last hours only: a daily peak is unusual too",),
        next="what changed before the onset, here and in what it needs?",
        fact=False,
        began=onset if onset > now.times[0] else None,
        resolution=resolution(snapshot.query.period),
)  # fmt: skip


def _usual(snapshot: Snapshot) -> tuple[float, float] | None:
    """The median and the spread of the hours before; None: too few points, which is not zero."""
    period = timedelta(seconds=snapshot.query.period)
    at = snapshot.series.asked_at or snapshot.at
    start, end = at - _USUAL * period, at - _NEWEST * period
    pairs = zip(snapshot.series.times, snapshot.series.values, strict=False)
    before = [value for moment, value in pairs if start <= moment <= end]
    if len(before) < _LEAST:
        return None
    middle = median(before)
    return middle, _SIGMA * median(abs(value - middle) for value in before)


def _run(now: Series, ordinary: float, limit: float) -> list[datetime]:
    """When the newest points began that are all beyond the limit on one side."""
    run: list[datetime] = []
    side = 0.0
    pairs = [*zip(now.times, now.values, strict=True)]
    for moment, value in reversed(pairs):
        away = value - ordinary
        if abs(away) <= limit or away * side < 0:
            break
        side = away
        run.insert(0, moment)
    return run


def facts(snapshot: Snapshot, _: Settings) -> Iterable[Fact]:
    """The newest whole period."""
    value = latest(snapshot.cut(_NEWEST))
    text = "no data" if value is None else number(round(value, 2))
    yield Fact(snapshot.query.name, text, value, as_of=read_at(snapshot.series))


PROBE = Probe(
    id="metric.series",
    kind="metric",
    collect=collect,
    diagnose=diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=30,
    timeout=12,
    facts=facts,
    needs=("cloudwatch:GetMetricData",),
    codes=codes(
        symptom=("METRIC_ANOMALY", "TRAFFIC_STOPPED"),
        eye=("METRIC_STALE", "METRIC_DENIED"),
        traits={Trait.SAYS_DROP: ("TRAFFIC_STOPPED",), Trait.HANGS: ("METRIC_STALE",)},
    ),
)
