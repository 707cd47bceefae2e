"""The only place that reads the clock, so that tests can hold it still."""

from __future__ import annotations

import time
from datetime import UTC, datetime

_ELAPSED: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> datetime:
    """The wall clock, aware, in UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds that never go back; only differences mean something."""
    return time.monotonic()


def elapsed() -> float:
    """Like `monotonic`, and it goes on while the machine sleeps, where the system has such a clock
    (Linux: CLOCK_BOOTTIME): a yes does not keep in a closed laptop.
    """
    return time.clock_gettime(_ELAPSED)


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds: `2026-11-21T02:41:03.120Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(text: str) -> datetime:
    """The moment that `stamp` wrote. Raises `ValueError` for anything that is not RFC 3339."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment.astimezone(UTC)
