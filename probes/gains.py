"""What counters gained between looks, added up over a window; never a lifetime average."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from cockpit.triage.finding import Severity

Number = TypeVar("Number", int, Decimal)
WINDOW = 300.0
"""Seconds of pairs that are kept: what the slowest threshold looks back on."""
MINUTE = 60.0
LONGEST_GAP = 300.0
"""Seconds between two looks above which their difference says nothing of now."""
_TOLD = timedelta(minutes=10)
"""How long a restart or a change of role stays a finding."""
_OUTAGE = timedelta(seconds=30)
"""How long it may still be what clients suffer from; after that it is history, and worth a line. A
severity falls on three looks running, so that the board says so within a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What was gained between two looks that belong together, by the server's own names."""

    at: datetime
    seconds: float
    gained: dict[str, int]


@dataclass(frozen=True, slots=True)
class Window:
    """The gains of the last seconds together. A name that one of the looks lacks is absent."""

    seconds: float
    gained: Mapping[str, int] = field(default_factory=dict)

    def per_s(self, name: str) -> float | None:
        """A counter's rate; None: not counted here."""
        gained = self.gained.get(name)
        return None if gained is None or self.seconds <= 0 else gained / self.seconds

    def share(self, part: str, whole: str) -> float | None:
        """One counter's gain as a share of another's; None without any, or when not counted."""
        some, every = self.gained.get(part), self.gained.get(whole)
        return some / every if some is not None and every else None


def gain_of(before: Number | None, now: Number | None) -> Number | None:
    """What one counter gained; None: not counted, or it fell since it was reset."""
    return None if before is None or now is None or now < before else now - before


def gains(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    """By name; a counter that is new, or fell because it was reset, is not known here."""
    both = {name: value - before[name] for name, value in now.items() if name in before}
    return {name: gain for name, gain in both.items() if gain >= 0}


def kept(pairs: Iterable[Pair], at: datetime) -> tuple[Pair, ...]:
    """The pairs that are not older than a window."""
    oldest = at - timedelta(seconds=WINDOW)
    return tuple(pair for pair in pairs if pair.at > oldest)


def window(pairs: Sequence[Pair], span: float) -> Window | None:
    """What the last `span` seconds gained; None: there is no earlier look to compare with.

    A pair that is longer than the span counts whole, with its own seconds.
    """
    chosen: list[Pair] = []
    covered = 0.0
    for pair in reversed(pairs):
        if chosen and covered + pair.seconds > span * 1.1:
            break
        chosen.append(pair)
        covered += pair.seconds
    return Window(covered, _summed([pair.gained for pair in chosen])) if chosen else None


def _summed(listed: list[dict[str, int]]) -> dict[str, int]:
    names = set.intersection(*(set(each) for each in listed))
    return {name: sum(each[name] for each in listed) for name in sorted(names)}


def severity_of(moment: datetime, at: datetime) -> Severity:
    """Of a restart or a change of role: high at first, then a word on what was."""
    return Severity.HIGH if at - moment < _OUTAGE else Severity.INFO


def still_told(moment: datetime | None, at: datetime) -> datetime | None:
    """When a restart or a change of role was seen; None once that is ten minutes ago, or never."""
    return moment if moment is not None and at - moment < _TOLD else None
