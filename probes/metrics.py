"""CloudWatch series turned into facts: which points count, and what no points mean.

Pure: no clock (`at` is the moment of the look, from the snapshot), no client. For every AWS probe.

- The newest two minutes are incomplete: services publish one to three minutes late (CloudWatch
  User Guide; catalogue A §0.1). Nothing is judged by them: cut first, with `settled`.
- A point's time is the *start* of its period.
- No points is not zero. A *sparse* metric (error counters) is published only when it is not zero:
  it is 0 in the minutes in which a companion that is always published has a point, and unknown
  where the companion is silent too. `filled` and `counted` say which.
- Rates are `sum(part) / sum(whole)` over a window, judged from a least volume on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from cockpit.connect.aws.answer import Answer
from cockpit.connect.session import MetricQuery, Series
from cockpit.text import SafeText
from cockpit.triage.finding import Severity, Thresholds
from cockpit.units import percent

LATE = 120.0
"""Seconds before the look in which points are incomplete."""

NO_DATA = Series()
"""No points: unknown, neither zero nor healthy."""

_ANSWERED = frozenset({"Complete", "PartialData"})
"""CloudWatch's words for a series that it gives; under any other one its points say nothing."""


class MetricDimension(Answer, frozen=True):
    """A part of a metric's name."""

    name: SafeText = ""
    value: SafeText = ""


class PublishedMetric(Answer, frozen=True):
    """A row of `ListMetrics`: a metric whose dimensions its publisher decides."""

    of = "cloudwatch.Metric"
    metric_name: SafeText = ""
    dimensions: tuple[MetricDimension, ...] = ()

    @property
    def named(self) -> dict[str, str]:
        """Its dimensions."""
        return {each.name: each.value for each in self.dimensions}

    def query(self, namespace: str, stat: str) -> MetricQuery:
        """Its series, asked for by exactly its dimensions."""
        return MetricQuery(namespace, self.metric_name, tuple(sorted(self.named.items())), stat)


def query(namespace: str, name: str, stat: str, *, period: int = 60, **dims: str) -> MetricQuery:
    """One series. Dimension sets must match exactly what AWS publishes."""
    return MetricQuery(namespace, name, tuple(sorted(dims.items())), stat, period)


def settled(
    series: Series, at: datetime, *, minutes: float = 5, period: int = 60, late: float = LATE
) -> Series:
    """The points of the last `minutes` that will not change any more.

    The window ends at the last whole period border at or before `at - late` seconds, so it holds
    `minutes * 60 / period` points of a series without gaps. A blind series stays blind, empty.
    A series that was asked for before the look is judged as of then: the minutes since are not
    missing in it.
    """
    if series.asked_at is not None:
        at = min(at, series.asked_at)
    end = _border(at - timedelta(seconds=late), period)
    start = end - timedelta(minutes=minutes)
    length = timedelta(seconds=period)
    kept = [
        (moment, value)
        for moment, value in zip(series.times, series.values, strict=False)
        if moment >= start and moment + length <= end
    ]
    return _series(kept, series.status, series.asked_at)


def is_blind(series: Series) -> bool:
    """CloudWatch could not or would not answer for this series: its emptiness says nothing."""
    return series.status not in _ANSWERED


def filled(sparse: Series, companion: Series) -> Series:
    """The sparse series with 0 in every period in which the companion has a point and it has none.

    Both must be of the same period. Without any point of the companion nothing is added.
    """
    if is_blind(sparse) or is_blind(companion):
        return Series(status=sparse.status if is_blind(sparse) else companion.status)
    points = dict.fromkeys(companion.times, 0.0)
    points.update(zip(sparse.times, sparse.values, strict=False))
    return _series(sorted(points.items()), sparse.status, read_at(sparse, companion))


def total(series: Series) -> float | None:
    """The sum of the points; None without points, never 0."""
    return sum(series.values) if series.values else None


def counted(sparse: Series, companion: Series) -> float | None:
    """The sum of a sparse counter: 0 when only the companion has points, None when none has."""
    return total(filled(sparse, companion))


def latest(series: Series) -> float | None:
    """The newest value; None without points."""
    return series.values[-1] if series.values else None


def mean(series: Series) -> float | None:
    """The plain average of the points: for gauges, never for percentiles; None without points."""
    return sum(series.values) / len(series.values) if series.values else None


def peak(series: Series) -> float | None:
    """The largest value; None without points."""
    return max(series.values, default=None)


def lowest(series: Series) -> float | None:
    """The smallest value; None without points."""
    return min(series.values, default=None)


def age(series: Series, at: datetime) -> float | None:
    """Seconds from the newest point to the look; None without points."""
    return (at - series.times[-1]).total_seconds() if series.times else None


def quiet_for(counter: Series, at: datetime, *, period: int = 60) -> float | None:
    """Seconds since the end of the newest period that counted anything; None: none of them did."""
    points = zip(counter.times, counter.values, strict=False)
    newest = max((moment for moment, value in points if value), default=None)
    return None if newest is None else max(0.0, (at - newest).total_seconds() - period)


def sustained(
    series: Series, reached: Callable[[float], bool], *, need: int = 3, of: int = 5
) -> bool:
    """Whether at least `need` of the newest `of` points are reached: a gauge's rule.

    Cut with `settled` first. Fewer than `need` points are never enough.
    """
    return sum(1 for value in series.values[-of:] if reached(value)) >= need


def held(series: Series, limits: Thresholds, *, need: int = 3, of: int = 5) -> Severity | None:
    """The worst severity that at least `need` of the newest `of` points reach."""
    for severity in sorted(Severity, reverse=True):
        limit = limits.limit(severity)
        if limit is None:
            continue
        newest = series.values[-of:]
        reached = [v <= limit if limits.below else v >= limit for v in newest]
        if sum(reached) >= need:
            return severity
    return None


def running(series: Series, reached: Callable[[float], bool]) -> int:
    """How many of the newest points, without a gap between them in the answer, are reached."""
    return sum(1 for _ in takewhile(reached, reversed(series.values)))


def history(series: Series, most: int = 60) -> tuple[float, ...]:
    """The newest values, oldest first, for `Evidence.history`."""
    return series.values[-most:]


@dataclass(frozen=True, slots=True)
class Rate:
    """A part of a whole over one window. `None` is unknown."""

    part: float | None
    whole: float | None

    @property
    def share(self) -> float | None:
        """Of one; None when either is unknown or nothing happened: 0 of 0 is not 0 %."""
        if self.part is None or not self.whole:
            return None
        return self.part / self.whole

    def enough(self, minimum: float) -> bool:
        """Whether the whole is large enough to judge the share."""
        return self.whole is not None and self.whole >= minimum

    def grade(
        self, limits: Thresholds, *, minimum: float = 100, few: float = 20
    ) -> Severity | None:
        """The severity of the share.

        None under `few`; from `few` to `minimum` at most a warning; unknown gives None.
        """
        severity = limits.grade(self.share) if self.enough(few) else None
        if severity is None or self.enough(minimum):
            return severity
        return min(severity, Severity.WARNING)

    def text(self, noun: str = "requests", minimum: float = 100) -> str:
        """`5.2% of 1,204 requests`; few of them as `3 of 7 requests`; `no requests`; `unknown`."""
        if self.part is None or self.whole is None:
            return "unknown"
        if not self.whole:
            return f"no {noun}"
        if not self.enough(minimum):
            return f"{self.part:,.0f} of {self.whole:,.0f} {noun}"
        return f"{percent(self.part / self.whole)} of {self.whole:,.0f} {noun}"


def rate(part: Series, whole: Series) -> Rate:
    """The rate of a sparse counter against the always published total, both already `settled`."""
    return Rate(counted(part, whole), total(whole))


def together(*series: Series) -> Series:
    """The sum of several series, period by period; a period counts when any of them has it.

    One blind series makes the sum blind.
    """
    points: dict[datetime, float] = {}
    for each in series:
        if is_blind(each):
            return Series(status=each.status)
        for moment, value in zip(each.times, each.values, strict=False):
            points[moment] = points.get(moment, 0.0) + value
    return _series(sorted(points.items()), "Complete", read_at(*series))


def read_at(*series: Series) -> datetime | None:
    """When the oldest of them was asked for: what is made of several is as old as that. None: they
    do not tell.
    """
    return min((each.asked_at for each in series if each.asked_at is not None), default=None)


def _border(moment: datetime, period: int) -> datetime:
    whole = int(moment.timestamp()) // period * period
    return datetime.fromtimestamp(whole, tz=moment.tzinfo)


def _series(points: list[tuple[datetime, float]], status: str, asked_at: datetime | None) -> Series:
    return Series(
        times=tuple(moment for moment, _ in points),
        values=tuple(value for _, value in points),
        status=status,
        asked_at=asked_at,
    )
