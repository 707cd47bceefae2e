"""How grave an incident is, and what that obliges to: answer, updates, escalation.

Source of the defaults: the record contract (respond 15 min, 1 h, 4 h, 24 h; updates for P0 and
P1 every 20 min during the first two hours, then hourly; P0 escalates at 30 min, 1 h, 2 h, 4 h).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from cockpit.errors import Misconfigured

MINUTE = 60.0
HOUR = 3600.0


class Level(StrEnum):
    """P0 is the gravest; sorts gravest first."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"

    @classmethod
    def read(cls, word: str) -> Level:
        """`p1`, `P1` or `1`. Raises `Misconfigured`."""
        name = word.strip().upper()
        name = name if name.startswith("P") else f"P{name}"
        if name not in set(cls):
            raise Misconfigured(f"unknown severity {word!r}", hint="one of P0, P1, P2, P3")
        return cls(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """What a level obliges to; all spans in seconds from the opening of the incident."""

    meaning: str
    respond: float
    """Somebody has to answer within this."""
    early: float | None = None
    """The time between updates during `early_for`; None: no updates are due."""
    early_for: float = 2 * HOUR
    late: float | None = None
    """The time between updates afterwards."""
    escalate: tuple[float, ...] = ()
    """When to go one step up the ladder, each step once."""


DUTIES: Mapping[Level, Duty] = MappingProxyType(
    {
        Level.P0: Duty(
            meaning="all or most customers cannot use the product, or data is being lost",
            respond=15 * MINUTE,
            early=20 * MINUTE,
            late=60 * MINUTE,
            escalate=(30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR),
        ),
        Level.P1: Duty(
            meaning="a main function fails or is slow for many customers",
            respond=HOUR,
            early=20 * MINUTE,
            late=60 * MINUTE,
        ),
        Level.P2: Duty(meaning="part of a function fails, a way around exists", respond=4 * HOUR),
        Level.P3: Duty(meaning="hardly anybody notices", respond=24 * HOUR),
    }
)


def next_update(
    level: Level,
    opened_at: datetime,
    *,
    last_update: datetime | None,
    duties: Mapping[Level, Duty] = DUTIES,
) -> datetime | None:
    """When the next status update is due; None when the level asks for none.

    The first one is due one cadence after the opening. May lie in the past: then it is late.
    """
    duty = duties[level]
    if duty.early is None:
        return None
    since = last_update or opened_at
    early = since - opened_at < timedelta(seconds=duty.early_for)
    cadence = duty.early if early else duty.late or duty.early
    return since + timedelta(seconds=cadence)


def next_escalation(
    level: Level,
    opened_at: datetime,
    *,
    now: datetime,
    duties: Mapping[Level, Duty] = DUTIES,
) -> tuple[int, datetime] | None:
    """The next step of the ladder (1 is the first) and its time; None when none is left."""
    for step, after in enumerate(duties[level].escalate, start=1):
        due = opened_at + timedelta(seconds=after)
        if due > now:
            return step, due
    return None
