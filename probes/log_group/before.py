"""What the hours before a window hold: which shapes of errors, and how many lines a minute.

Read in trouble only, in seven spans, and kept for five minutes by the place's session: a group in
trouble is looked at each minute, and in a large outage all of them are, at three calls a second.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from weakref import WeakKeyDictionary

from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from cockpit.logs.reading import LinesRead, LogLine, matching
from cockpit.logs.shapes import DENIED, ERROR, WANTED, kind_of, shape_of

_HOUR = (60, 45, 30, 15)
"""Minutes before the window at which the quarters of the hour begin that it is held against."""
_EARLIER = (90, 125, 160)
"""And at which five minutes of the hours before it begin, for what is usual."""
_PAGE = 1000
_SHAPES = 1000
_GOOD_FOR = timedelta(minutes=5)
_PATIENCE = 12.0
"""Seconds: what is new is worth less than what is there, which was read before."""
_OURS = ("assumed-role", "cockpit-")


@dataclass(frozen=True, slots=True, kw_only=True)
class HoursBefore:
    """Numbers and shapes of the time before a window."""

    start: datetime
    """Of the window that it was read for."""
    usual: float
    """Lines of errors a minute, the median of the spans."""
    whole: bool
    """Whether the hour was read to its end."""
    shapes: Counter[tuple[str, str]]
    """Kind and shape → lines in the hour."""


_KEPT: WeakKeyDictionary[AwsReads, dict[tuple[str, str], HoursBefore]] = WeakKeyDictionary()


def sort_of(text: str, pattern: str) -> str:
    """The kind of a line; empty: it is none of an error. What an own pattern finds always is one;
    what AWS refused ourselves is not the group's trouble.
    """
    kind = kind_of(text) or (ERROR if pattern != WANTED else "")
    return "" if kind == DENIED and all(word in text for word in _OURS) else kind


async def read(aws: AwsReads, group: str, pattern: str, *, start: datetime) -> HoursBefore:
    """What the hours before `start` hold. Raises `BlindError`, also when it takes too long."""
    kept = _KEPT.setdefault(aws, {})
    known = kept.get((group, pattern))
    if known is not None and timedelta(0) <= start - known.start < _GOOD_FOR:
        return known
    try:
        async with asyncio.timeout(_PATIENCE):
            found = await _read(aws, group, pattern, start)
    except TimeoutError:
        told = "the hours before could not be read in time: other groups are read too"
        raise BlindError(Reason.TIMEOUT, told) from None
    kept[group, pattern] = found
    return found


async def _read(aws: AwsReads, group: str, pattern: str, start: datetime) -> HoursBefore:
    rates: list[float] = []
    shapes: Counter[tuple[str, str]] = Counter()
    whole = True
    for back, length in [(back, 15) for back in _HOUR] + [(back, 5) for back in _EARLIER]:
        begin = start - timedelta(minutes=back)
        end = begin + timedelta(minutes=length)
        told = await matching(aws, group, pattern, start=begin, end=end, most=_PAGE, pages=2)
        # thousands of lines: beside the loop, which draws meanwhile
        found = await asyncio.to_thread(_shapes, told.lines, pattern)
        rates.append(_rate(told, len(found), begin, length))
        if back <= _HOUR[0]:
            whole = whole and told.complete
            shapes.update(found)
    return HoursBefore(
        start=start,
        usual=median(rates),
        whole=whole,
        shapes=Counter(dict(shapes.most_common(_SHAPES))),
    )


def _shapes(lines: Sequence[LogLine], pattern: str) -> list[tuple[str, str]]:
    return [(kind, shape_of(line.text)) for line in lines if (kind := sort_of(line.text, pattern))]


def _rate(told: LinesRead, count: int, begin: datetime, minutes: float) -> float:
    until = told.until
    span = minutes if until is None else max(1 / 60, (until - begin).total_seconds() / 60)
    return count / span
