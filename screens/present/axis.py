"""Changes and symptoms on one axis of time: where they stand says more than their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from textual.content import Content

from cockpit.triage.board import Board, OpenFinding
from cockpit.triage.finding import Severity
from cockpit.triage.onset import Onset, began_at, is_dated
from cockpit.triage.ranking import Ranked
from screens.present.lines import Part, cells, fit, line, safe, short_clock, tone

_STEPS = (2, 5, 10, 15, 20, 30, 60, 120, 240, 480, 1440, 2880, 10080)
"""Minutes between two marks."""
_LABEL = 26
_MARKS = 7
_LEAST = timedelta(minutes=30)
_MOST = timedelta(hours=6)
_ROOM = timedelta(minutes=2)
_SUSPECTED = 0.3


@dataclass(frozen=True, slots=True)
class Axis:
    """A span of time over some cells."""

    start: datetime
    end: datetime
    width: int

    def at(self, moment: datetime) -> int | None:
        """The cell of a moment; None: it is outside."""
        if not self.start <= moment <= self.end:
            return None
        return min(
            self.width - 1, int((moment - self.start) / (self.end - self.start) * self.width)
        )


def axis_of(changes: Sequence[Ranked], began: Onset | None, moment: datetime, width: int) -> Axis:
    """From the first change, at most six hours back, to now; half an hour at least."""
    times = [each.change.at for each in changes if moment - each.change.at <= _MOST]
    times += [began.at] if began is not None else []
    first = min([*times, moment - _LEAST])
    return Axis(first - _ROOM, moment, max(10, width))


def axis_lines(
    changes: Sequence[Ranked],
    board: Board,
    began: Onset | None,
    *,
    moment: datetime,
    width: int,
    rows: int,
    first_look: datetime | None = None,
) -> list[Content]:
    """Clocks, marks, the changes, then the gravest symptoms, the earliest first."""
    axis = axis_of(changes, began, moment, width - _LABEL)
    drawn = [_clocks(axis), _ruler(axis, began), _changes(axis, changes)]
    felt = sorted(
        (each for each in board.open.values() if _is_felt(each)),
        key=lambda each: (-each.finding.severity.rank, each.since, each.target),
    )
    gravest = sorted(felt[: max(0, rows - len(drawn))], key=lambda each: each.since)
    return [*drawn, *(_symptom(axis, each, _dark(each, began, first_look)) for each in gravest)]


def _is_felt(found: OpenFinding) -> bool:
    return found.finding.severity >= Severity.HIGH and found.kind not in {"changes", "runbook"}


def _marks(axis: Axis) -> list[datetime]:
    """Whole steps of the clock, at most seven."""
    span = (axis.end - axis.start).total_seconds() / 60
    step = next((each for each in _STEPS if span / each <= _MARKS), _STEPS[-1]) * 60
    first = (int(axis.start.timestamp()) // step + 1) * step
    last = int(axis.end.timestamp())
    return [datetime.fromtimestamp(each, UTC) for each in range(first, last + 1, step)]


def _clocks(axis: Axis) -> Content:
    told = [" "] * axis.width
    for mark in _marks(axis):
        at = axis.at(mark)
        if at is not None and at + 5 <= axis.width:
            told[at : at + 5] = short_clock(mark)
    return line(" " * _LABEL, ("".join(told), "dim"))


def _ruler(axis: Axis, began: Onset | None) -> Content:
    drawn = ["─"] * axis.width
    for mark in _marks(axis):
        at = axis.at(mark)
        if at is not None:
            drawn[at] = "├"
    where = axis.at(began.at) if began is not None else None
    if where is None:
        return line(" " * _LABEL, ("".join(drawn), "faint"))
    words = "onset" if began is not None and not began.vague else "onset unknown: first look"
    return line(
        (fit(words, _LABEL), "critical"),
        ("".join(drawn[:where]), "faint"),
        ("▼", "critical"),
        ("".join(drawn[where + 1 :]), "faint"),
    )


def _changes(axis: Axis, changes: Sequence[Ranked]) -> Content:
    """A mark a change; the suspected ones over the others, ours apart."""
    found: dict[int, tuple[str, str]] = {}
    for each in sorted(changes, key=lambda one: one.score):
        at = axis.at(each.change.at)
        if at is not None:
            if each.change.own:
                found[at] = ("✎", "info")
            elif each.score >= _SUSPECTED:
                found[at] = ("▲", "high")
            else:
                found[at] = ("•", "dim")
    parts: list[Part] = [(fit("changes", _LABEL), "bold")]
    parts += [found.get(at, " ") for at in range(axis.width)]
    return line(*parts)


def _dark(found: OpenFinding, began: Onset | None, first_look: datetime | None) -> datetime | None:
    """From when on it may have been so, unseen; None: its beginning is known."""
    if began is None or first_look is None or is_dated(found, first_look):
        return None
    return began.at


def _symptom(axis: Axis, found: OpenFinding, unseen: datetime | None) -> Content:
    """A bar since it is known to be so; dots from the onset on, where nobody looked yet."""
    name = safe(f"{found.target} {found.finding.code}", _LABEL * 2)
    start = axis.at(max(began_at(found), axis.start))
    bar = axis.width - start if start is not None else 0
    label = fit(name, _LABEL - 1) if cells(name) >= _LABEL else fit(name, _LABEL)
    dark = axis.at(unseen) if unseen is not None else None
    free = axis.width - bar
    dots = max(0, free - dark) if dark is not None else 0
    return line(
        fit(label, _LABEL),
        " " * (free - dots),
        ("·" * dots, "faint"),
        ("▇" * bar, tone(found.finding.severity)),
    )
