"""Preferred windows as AWS writes them, in UTC."""

from __future__ import annotations

import re
from datetime import datetime

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAILY = re.compile(r"^(\d\d):(\d\d)-(\d\d):(\d\d)$")
_WEEKLY = re.compile(r"^([a-z]{3}):(\d\d):(\d\d)-([a-z]{3}):(\d\d):(\d\d)$")
_WEEK = 7 * 1440


def in_daily(window: str, at: datetime) -> bool:
    """Whether the moment lies in `05:00-09:00`; False when the window cannot be read."""
    found = _DAILY.match(window)
    if found is None:
        return False
    first, last = _minutes(found, 1), _minutes(found, 3)
    return _between(at.hour * 60 + at.minute, first, last)


def in_weekly(window: str, at: datetime) -> bool:
    """Whether the moment lies in `sun:05:00-sun:06:00`; False when it cannot be read."""
    found = _WEEKLY.match(window.lower())
    if found is None or found[1] not in _DAYS or found[4] not in _DAYS:
        return False
    first = _DAYS.index(found[1]) * 1440 + _minutes(found, 2)
    last = _DAYS.index(found[4]) * 1440 + _minutes(found, 5)
    return _between(at.weekday() * 1440 + at.hour * 60 + at.minute, first, last % _WEEK)


def _minutes(found: re.Match[str], group: int) -> int:
    return int(found[group]) * 60 + int(found[group + 1])


def _between(now: int, first: int, last: int) -> bool:
    return first <= now < last if first <= last else now >= first or now < last
