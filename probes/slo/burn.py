"""The arithmetic of error budgets. Pure: counts in, numbers out.

Source: the Site Reliability Workbook, chapter 5 ("Alerting on SLOs"), multiwindow, multi-burn-rate.
Bad events over all events, as sums; a ratio is never averaged, and 0 of 0 is unknown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cockpit.connect.session import Series

_HOUR = 3600
_SOME = 1e-6
"""Fewer events than this prove nothing, and are no divisor: own metrics may count anything."""
_Z = 1.6449
"""Of the one-sided 95 % bound."""


@dataclass(frozen=True, slots=True)
class EventCounts:
    """Events of one window; `bad` is never more than `total`."""

    bad: float = 0.0
    total: float = 0.0

    @property
    def share(self) -> float | None:
        """Bad of all; None when nothing happened."""
        return self.bad / self.total if self.total > 0 else None

    @property
    def least(self) -> float | None:
        """What the share is at least, with 95 % confidence (Wilson's bound); None: nothing
        happened. One failure of two is no proof of 50 %.
        """
        share, n = self.share, self.total
        if share is None:
            return None
        if n < _SOME:
            return 0.0
        middle = share + _Z * _Z / (2 * n)
        spread = _Z * math.sqrt(share * (1 - share) / n + _Z * _Z / (4 * n * n))
        return max(0.0, (middle - spread) / (1 + _Z * _Z / n))


@dataclass(frozen=True, slots=True)
class Bucket:
    """Events of one period of a series."""

    start: datetime
    seconds: int
    counts: EventCounts

    @property
    def end(self) -> datetime:
        """Its first moment that is not in it."""
        return self.start + timedelta(seconds=self.seconds)


def buckets(
    period: int,
    *,
    total: Iterable[Series],
    bad: Iterable[Series] = (),
    good: Iterable[Series] | None = None,
) -> tuple[Bucket, ...]:
    """One bucket for each period in which anything of the whole has a point, oldest first.

    Error counters are silent at zero, so a period with a whole and without errors has none; one
    without a whole is unknown, and no bucket. With `good`, what is not good is bad.
    """
    whole, part = _summed(total), _summed(bad if good is None else good)
    found = []
    for start in sorted(whole):
        events = max(0.0, whole[start])
        counted = part.get(start, 0.0)
        failed = counted if good is None else events - counted
        found.append(Bucket(start, period, EventCounts(min(max(0.0, failed), events), events)))
    return tuple(found)


def _summed(several: Iterable[Series]) -> Mapping[datetime, float]:
    found: dict[datetime, float] = {}
    for series in several:
        for moment, value in zip(series.times, series.values, strict=False):
            found[moment] = found.get(moment, 0.0) + value
    return found


@dataclass(frozen=True, slots=True)
class SeriesBuckets:
    """Buckets of one length, complete from `since` on."""

    seconds: int
    since: datetime
    buckets: tuple[Bucket, ...]


def spliced(several: Iterable[SeriesBuckets], end: datetime) -> tuple[Bucket, ...]:
    """The finest buckets that there are for each moment before `end`, oldest first, none twice.

    They change from one length to the next at whole hours, where all of them begin.
    """
    found: list[Bucket] = []
    until = end
    for each in sorted(several, key=lambda one: one.seconds):
        since = whole_hour(each.since)
        found += [b for b in each.buckets if b.start >= since and b.end <= until]
        until = min(until, since)
    return tuple(sorted(found, key=lambda bucket: bucket.start))


def whole_hour(moment: datetime) -> datetime:
    """The first whole hour at or after the moment."""
    return datetime.fromtimestamp(-(-moment.timestamp() // _HOUR) * _HOUR, UTC)


def counted(found: Sequence[Bucket], end: datetime, seconds: float) -> EventCounts:
    """What happened in the `seconds` before `end`; a bucket counts where it begins in them."""
    start = end - timedelta(seconds=seconds)
    within = [b.counts for b in found if b.start >= start and b.end <= end]
    return EventCounts(sum(c.bad for c in within), sum(c.total for c in within))


def burn(share: float | None, objective: float) -> float | None:
    """How many times faster than it may the budget is spent; 1 ends it at the period's end."""
    return None if share is None else share / (1 - objective)


def spent(period: EventCounts, objective: float) -> float | None:
    """Of the budget of the period, as a share; above 1 the objective is missed."""
    return burn(period.share, objective)


def exhausted_in(used: float | None, rate: float | None, period: float) -> float | None:
    """Seconds until the budget is gone at this burn; 0 when it is; None: never, or not known."""
    if used is None or rate is None:
        return None
    if used >= 1:
        return 0.0
    left = (1 - used) * period / rate if rate > 0 else math.inf
    return left if math.isfinite(left) else None


def eaten(rate: float | None, window: float, period: float) -> float | None:
    """The share of a period's budget that a window at this burn takes."""
    return None if rate is None else rate * window / period
