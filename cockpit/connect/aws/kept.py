"""One series as far as it was bought: which points are known, and when it is worth asking again.

Points do not change once their period is whole, so only the newest minutes are asked for again and
put to the others. Now and then a series is read in full: what came hours late is not lost for good.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cockpit.connect.aws.budget import MetricPace, Rhythm
from cockpit.connect.aws.lateness import lateness
from cockpit.connect.session import MetricQuery, Series
from cockpit.connect.shared import AnswerToCome

REFUSED = frozenset({"Forbidden", "InternalError", "Unanswered"})
"""Statuses of a series of which nothing is known. `Unanswered` is ours: the answer left it out."""

TAIL = 15
"""Minutes that are asked for again at least."""
_IN_FULL_EVERY = 3600.0
_DAY = 24 * 60
_HOUR = timedelta(hours=1)
_NOTHING = Series()
_NEVER = datetime.min.replace(tzinfo=UTC)
_SELDOM = 90.0
"""Seconds between two looks from which on nothing is bought before it is asked for."""
_ALMOST = 0.8
"""Of the seconds for which a series is kept, from which on it is bought again: looks come by a
beat, and what was bought a moment after one must not be kept over the next.
"""


@dataclass(frozen=True, slots=True, order=True)
class MetricWindow:
    """From `start` to `end`, both on borders of the period: CloudWatch aligns to them anyway."""

    start: datetime
    end: datetime


def window(moment: datetime, minutes: int, *, ago: int, period: int) -> MetricWindow:
    """The last `minutes`, ending `ago` minutes before; the running period is in it."""
    end = aligned(moment, moment - timedelta(minutes=ago), period).end
    return aligned(end - timedelta(minutes=minutes), end, period)


def aligned(start: datetime, end: datetime, period: int) -> MetricWindow:
    """The window widened to whole periods."""
    first = int(start.timestamp()) // period * period
    last = -(-int(end.timestamp()) // period) * period
    return MetricWindow(datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC))


@dataclass(slots=True)
class KeptSeries:
    """`ago`: minutes before now at which its windows end; each distance is a record of its own."""

    query: MetricQuery
    ago: int = 0
    minutes: int = 0
    """The longest window that was asked for."""
    points: Series = _NOTHING
    known: MetricWindow | None = None
    """What was bought; None: nothing yet, or it was refused."""
    bought_at: datetime = _NEVER
    in_full_at: datetime = _NEVER
    asked_at: datetime = _NEVER
    every: float = 1e9
    """Seconds between the last two looks that asked."""
    sick: bool = False
    rest: bool = False
    coming: AnswerToCome[None] | None = None
    apart: bool = False
    """It spoiled a call: it is asked alone until it is good again."""

    @property
    def rhythm(self) -> Rhythm:
        """How it is asked for."""
        asked, every = self.query, round(self.every, -1)
        return Rhythm(asked.period, every, self.sick, self.rest, asked.namespace)

    @property
    def late(self) -> float:
        """Seconds until a period of it is whole."""
        return lateness(self.query.namespace, self.query.period)

    def note(self, moment: datetime, minutes: int, *, sick: bool, rest: bool) -> None:
        """Somebody asks for it."""
        since = (moment - self.asked_at).total_seconds()
        if since >= 1:  # two looks that share it and ask together are one
            self.every, self.asked_at, self.sick = since, moment, sick
            self.rest = rest
        self.sick |= sick
        self.rest &= rest
        self.minutes = max(self.minutes, minutes)

    def wanted(self, moment: datetime) -> bool:
        """Whether a look will ask for it soon, as far as one can tell."""
        since = (moment - self.asked_at).total_seconds()
        return self.every <= _SELDOM and since <= 1.5 * self.every

    def due(self, moment: datetime, pace: MetricPace) -> bool:
        """Whether asking again may tell more than is known."""
        if self.bought_at is _NEVER:
            return True
        if self.ago and self.known is not None:
            return not self.holds(self.asked_window(moment))
        rhythm = self.rhythm
        kept = pace.kept(rhythm)
        if kept < self.query.period:  # within a period only the clock tells
            return abs((moment - self.bought_at).total_seconds()) >= kept * _ALMOST
        return self._slot(moment, kept) != self._slot(self.bought_at, kept)

    def asked_window(self, moment: datetime) -> MetricWindow:
        """The longest window that is asked for, as of now."""
        return self.window(self.minutes, moment)

    def window(self, minutes: int, moment: datetime) -> MetricWindow:
        """A window of this record, as of a moment."""
        return window(moment, minutes, ago=self.ago, period=self.query.period)

    def holds(self, span: MetricWindow) -> bool:
        """Whether the window was bought, as far as it reached when it was."""
        known = self.known
        if known is None:
            return self.bought_at is not _NEVER and self.points.status in REFUSED
        return known.start <= span.start and (not self.ago or span.end <= known.end)

    def needs(self, moment: datetime) -> MetricWindow:
        """What to ask CloudWatch for."""
        span = self.asked_window(moment)
        if self.ago >= _DAY:
            # what lies a day back is whole: an hour of it is bought at once
            start = span.start.replace(minute=0)
            return MetricWindow(start, max(span.end, start + (span.end - span.start) + _HOUR))
        if self.ago or self.known is None or self.known.start > span.start:
            return span
        behind = (moment - self.bought_at).total_seconds()
        tail = max(TAIL * 60, 3 * self.late, 3 * self.query.period)
        old = (moment - self.in_full_at).total_seconds() >= _IN_FULL_EVERY
        if old or not 0 <= behind <= tail - 2 * self.late:
            return span
        return window(moment, round(tail / 60), ago=0, period=self.query.period)

    def take(self, found: Series, span: MetricWindow, moment: datetime) -> None:
        """What was bought for a window, put to what is known."""
        self.bought_at = moment
        if found.status in REFUSED:
            self.points, self.known = replace(found, asked_at=moment), None
            return
        known = self.known
        if known is None or self.ago or span.start <= known.start:
            self.points, self.known = replace(found, asked_at=moment), span
            self.in_full_at = moment
            return
        oldest = max(known.start, self.asked_window(moment).start)
        first = bisect_left(self.points.times, oldest)
        last = bisect_left(self.points.times, span.start)
        self.points = Series(
            self.points.times[first:last] + found.times,
            self.points.values[first:last] + found.values,
            found.status,
            moment,
        )
        self.known = MetricWindow(oldest, span.end)

    def cut(self, span: MetricWindow) -> Series:
        """The points of a window."""
        times = self.points.times
        first, last = bisect_left(times, span.start), bisect_left(times, span.end)
        if (first, last) == (0, len(times)):
            return self.points
        return Series(
            times[first:last],
            self.points.values[first:last],
            self.points.status,
            self.points.asked_at,
        )

    def _slot(self, moment: datetime, kept: int) -> float:
        """Moves when a period becomes whole, for all series of one lateness together."""
        return (moment.timestamp() - self.late) // kept
