"""When what a finding says became so, from what its source tells. Pure; None is *not known*.

Trap: a run of bad points that fills the series began before it, nobody knows when. The time of the
look, or of the oldest point, is no substitute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from cockpit.connect.session import Series
from cockpit.triage.finding import Finding, Thresholds
from probes.metrics import filled, is_blind

TOLD = 1.0
"""Resolution, in seconds, of a time that a service tells of an event."""
COUNTED = 1.0
"""Of a start that a server tells in whole seconds of its uptime."""
MEASURED = 15.0
"""Of a duration that a server measured, and we count back from our own clock."""
LOOKS = 90.0
"""Of what turned between two looks, one after another, at a service that does not tell when. Looks
that are further apart date nothing: it may have turned long before the second."""
_SETTLING = 30.0
"""Beside the period of a point: a minute that was only half bad may pass for a good one."""
POINTS = 60.0 + _SETTLING
"""Of points of a minute."""
_LONGEST = 100 * 366 * 86_400.0
"""Seconds: a number beyond is none of a duration, and none that a date can be counted back by."""
_APART = 60.0
"""Seconds by which a source's clock may be ahead of ours."""
_LATE = 5
"""So many of the newest points may be good again: rules judge five minutes together."""
_BETWEEN = 2
"""Good points between bad ones that end no run: a gauge is judged by three of five."""


def ago(at: datetime, seconds: float | None) -> datetime | None:
    """So many seconds before the look; None for what no service can have lasted."""
    if seconds is None or not 0 <= seconds <= _LONGEST:
        return None
    return at - timedelta(seconds=seconds)


def told(moment: datetime | None, at: datetime) -> datetime | None:
    """A source's time, never later than the look; None: its clock is wrong, or it told none."""
    if moment is None or (moment - at).total_seconds() > _APART:
        return None
    return min(moment, at)


def seen_to_turn(before: datetime, now: datetime) -> datetime | None:
    """When the second of two looks saw it turned; None: nobody looked for long in between."""
    return now if (now - before).total_seconds() <= LOOKS else None


def dated(
    findings: Iterable[Finding], began: datetime | None, resolution: float
) -> Iterator[Finding]:
    """The same findings, with one beginning for all of them that have none of their own."""
    for each in findings:
        if each.began is None and began is not None:
            yield replace(each, began=began, resolution=resolution)
        else:
            yield each


def earliest(moments: Iterable[datetime | None]) -> datetime | None:
    """The first of those that are known; None: one is not known, and may be the first."""
    known = list(moments)
    return None if not known or None in known else min(each for each in known if each is not None)


def resolution(period: float) -> float:
    """Seconds by which the start of a first bad point of that period may be off."""
    return period + _SETTLING


def bad_since(series: Series, bad: Callable[[float], bool], *, period: int = 60) -> datetime | None:
    """The start of the newest run of bad points. None: it fills the series, or follows a gap."""
    if is_blind(series):
        return None
    points = list(zip(series.times, series.values, strict=False))
    first: int | None = None
    good = 0
    for place in reversed(range(len(points))):
        if bad(points[place][1]):
            first, good = place, 0
        else:
            good += 1
            if good > (_LATE if first is None else _BETWEEN):
                break
    if not first:  # none is bad, or the oldest is
        return None
    began = points[first][0]
    return began if (began - points[first - 1][0]).total_seconds() <= 2 * period else None


def ended_since(series: Series, *, period: int = 60) -> datetime | None:
    """Since when nothing is counted any more: the end of the newest point that counts anything."""
    newest = [m for m, value in zip(series.times, series.values, strict=False) if value > 0]
    return newest[-1] + timedelta(seconds=period) if newest and not is_blind(series) else None


def reached_since(series: Series, limits: Thresholds, *, period: int = 60) -> datetime | None:
    """Since when the points reach the mildest limit."""
    limit = limits.first
    if limit is None:
        return None
    if limits.below:
        return bad_since(series, lambda value: value <= limit, period=period)
    return bad_since(series, lambda value: value >= limit, period=period)


def counted_since(sparse: Series, companion: Series, *, period: int = 60) -> datetime | None:
    """Since when a counter that is silent at zero counts anything."""
    return bad_since(filled(sparse, companion), lambda value: value > 0, period=period)


def share_since(
    part: Series, whole: Series, limits: Thresholds, *, period: int = 60
) -> datetime | None:
    """Since when the sparse part reaches the mildest limit as a share of the whole."""
    return reached_since(shares(part, whole), limits, period=period)


def shares(part: Series, whole: Series) -> Series:
    """The sparse part as a share of the whole, point by point; nothing of nothing is none."""
    parts = filled(part, whole)
    some = dict(zip(parts.times, parts.values, strict=False))
    pairs = [
        (moment, some.get(moment, 0.0) / value if value else 0.0)
        for moment, value in zip(whole.times, whole.values, strict=False)
    ]
    if is_blind(parts):
        return Series(status=parts.status)
    return Series(tuple(moment for moment, _ in pairs), tuple(value for _, value in pairs))
