"""When the trouble began, as an interval: what a look tells of it, never when we began to look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from cockpit.triage.board import Board, OpenFinding
from cockpit.triage.finding import Severity

_WITNESSES = frozenset({"changes", "runbook"})
_BY_LOOKS = timedelta(seconds=60)
_BEGAN_BEFORE_OUR_EYES = timedelta(seconds=70)
_ALARM = "ALARM_FIRING"
_BY_ALARM = timedelta(seconds=180)
_ALONE = timedelta(minutes=30)
_OLD = timedelta(hours=3)
"""What has been so for longer is not how this incident began."""


@dataclass(frozen=True, slots=True)
class Onset:
    """When it began: between `at - slack` and `at + slack`."""

    at: datetime
    slack: timedelta
    vague: bool = False
    """It was so already at our first look: it began at `at` or before."""
    told: bool = False
    """A person said it."""


def onset(board: Board, first_look: datetime | None) -> Onset | None:
    """The earliest known beginning of what is high or critical; None: nothing is.

    `first_look`: when we began to look; None: not known, then what the looks do not date is vague.
    """
    felt = [
        each
        for each in board.open.values()
        if each.finding.severity >= Severity.HIGH and each.kind not in _WITNESSES
    ]
    if not felt:
        return None
    known = [began for each in felt for began in _began(each, first_look)]
    rang = [began for each in board.open.values() for began in _rang(each)]
    if not known and first_look is not None:
        # alone, an alarm that rang for hours before anybody looked is noise as likely as not
        rang = [each for each in rang if each.at >= first_look - _ALONE]
    if known or rang:
        return _earliest(known, rang)
    earliest = min(each.since for each in felt)
    return Onset(first_look or earliest, _BY_LOOKS, vague=True)


def _earliest(known: list[Onset], rang: list[Onset]) -> Onset:
    """The earliest of what is felt, and of the alarms that rang one after another before it.

    An alarm that rang alone long before is another story: it would date everything to itself.
    """
    first = min(known or [max(rang, key=lambda each: each.at)], key=lambda each: each.at)
    for alarm in sorted(rang, key=lambda each: each.at, reverse=True):
        if first.at - _ALONE <= alarm.at < first.at:
            first = alarm
    return first


def _rang(found: OpenFinding) -> Iterator[Onset]:
    """An alarm says to the second since when; what it watches began some periods before."""
    if found.finding.code == _ALARM:
        for began in _began(found, None):
            yield Onset(began.at, _BY_ALARM)


def began_at(found: OpenFinding) -> datetime:
    """Since when a finding is so, as its source tells it; without that since we saw it."""
    return found.finding.began or found.since


def told_onset(found: OpenFinding) -> Onset | None:
    """When a finding began, as its source tells; None: it does not tell."""
    told = found.finding
    if told.began is None:
        return None
    return Onset(told.began, timedelta(seconds=told.resolution))


def is_dated(found: OpenFinding, first_look: datetime | None) -> bool:
    """Whether its beginning is known: its source tells it, or we saw it begin."""
    return found.finding.began is not None or _seen_to_begin(found, first_look)


def _seen_to_begin(found: OpenFinding, first_look: datetime | None) -> bool:
    return first_look is not None and found.since > first_look + _BEGAN_BEFORE_OUR_EYES


def _began(found: OpenFinding, first_look: datetime | None) -> Iterator[Onset]:
    began = found.finding.began
    if began is not None and found.seen - began <= _OLD:
        yield Onset(began, timedelta(seconds=found.finding.resolution))
    elif _seen_to_begin(found, first_look):
        yield Onset(found.since, _BY_LOOKS)
