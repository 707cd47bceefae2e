"""The recovery objectives in one line: RTO and RPO, what is left of them, what is not known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from textual.content import Content

from cockpit.incident.objectives import Attainment, NewestPoint, RecoveryClock, RecoveryTime
from cockpit.units import brief, duration
from screens.present.lines import Part, clip, countdown, joined, line, safe, short_clock

_WIDE = 110
"""Cells from which it is told whose the objective is, and what the clock counts from."""
_SOON = 0.25
"""Share of the RTO that is left when its clock turns yellow."""


def recovery_line(clock: RecoveryClock, now: datetime, width: int) -> Content:
    """`RTO 1h: 41:53 left · RPO 15m: copy of orders-db up to 4s behind`."""
    wide = width >= _WIDE
    parts = [_time(clock.time, now, wide)] if clock.time is not None else []
    if clock.points:
        parts.append(line(*_points(clock.points, wide)))
    return clip(line(" ", joined(parts)), width)


def _time(run: RecoveryTime, now: datetime, wide: bool) -> Content:
    """The objective, then what is left of it."""
    of = f" of {safe(run.objective.of, 60)}" if wide and run.objective.of else ""
    head = f"RTO {brief(run.objective.seconds)}{of}: "
    left, verdict = run.left(now), run.verdict(now)
    most = "" if run.known else "at most "
    match verdict:
        case Attainment.OVER:
            told: Part = (f"over by {'' if run.known else 'at least '}{countdown(-left)}", _LATE)
        case Attainment.MET:
            told = (f"met, {duration(left)} left", "ok")
        case Attainment.MISSED:
            told = (f"missed by {duration(-left)}", _LATE)
        case Attainment.UNKNOWN:
            told = ("recovered, not known whether in time", "blind bold")
        case _:
            soon = left < _SOON * run.objective.seconds
            told = (f"{most}{countdown(left)} left", "warning bold" if soon else "bold")
    return line((head, "strong"), told, (_from(run), "faint") if wide else "")


_LATE = "critical bold"


def _from(run: RecoveryTime) -> str:
    if run.began.at is not None:
        return f", impact since {short_clock(run.began.at)} UTC"
    return ", !impact_start is not told"


def _points(points: tuple[NewestPoint, ...], wide: bool) -> Iterator[Part]:
    """The worst in words, and of the others those of which nothing is known, by name."""
    unknown = [safe(each.target, 60) for each in points if each.lacks is None]
    yield (f"RPO {brief(points[0].objective)}: ", "strong")
    told = next((each for each in points if each.lacks is not None), None)
    if told is not None and told.over > 0:
        yield (f"over by {duration(told.over)}: ", _LATE)
    if told is not None:
        where = f" ({safe(told.name, 60)})" if wide else ""
        yield f"copy of {safe(told.target, 60)}{where} up to {duration(told.lacks or 0)} behind"
    if unknown:
        short = " · ? " if not wide else " · not known: "
        yield (short if told else "not known: ", "blind bold")
        yield ", ".join(unknown)
