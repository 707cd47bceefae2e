"""How long things took, with the definition beside every number (pure).

What the journal does not tell stays blank. Nothing is averaged over incidents, nothing repaired:
times in an impossible order are shown as violations.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from cockpit import clock, units
from cockpit.incident.entry import Entry, EntryKind, moment
from cockpit.incident.severity import Level, next_update
from cockpit.incident.state import MILESTONES, IncidentStatus, fold, level_of, status_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """When something was reached, and where that is known from. `at` None: not known.

    `until` is the later end of a range, equal to `at` for a point in time.
    """

    name: str
    at: datetime | None
    until: datetime | None
    source: str

    @property
    def text(self) -> str:
        """The time or range as RFC 3339, empty when unknown."""
        if self.at is None or self.until is None:
            return ""
        first, last = clock.stamp(self.at), clock.stamp(self.until)
        return first if first == last else f"{first} … {last}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One span in seconds. `seconds` None: not known; `why` then says what is missing.

    `longest` differs from `seconds` when one of the times is a range.
    """

    name: str
    title: str
    definition: str
    seconds: float | None
    longest: float | None = None
    why: str = ""
    count: str = ""
    """For what is not a span: the value as text, such as `3 of 4`."""

    @property
    def text(self) -> str:
        """The value as people read it; empty when unknown."""
        if self.count or self.seconds is None:
            return self.count
        first = units.duration(self.seconds)
        last = first if self.longest is None else units.duration(self.longest)
        return first if first == last else f"{first} to {last}"


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentMetrics:
    """All numbers of one incident. `violations` are sentences; empty is good."""

    milestones: tuple[Milestone, ...]
    metrics: tuple[Metric, ...]
    violations: tuple[str, ...]

    def get(self, name: str) -> Metric:
        """The metric of that name. Raises `KeyError`."""
        return {metric.name: metric for metric in self.metrics}[name]


_SPANS = (
    ("ttd", "time to detect", "impact_start", "detected"),
    ("tta", "time to acknowledge", "detected", "acknowledged"),
    ("ttm", "time to mitigate", "impact_start", "mitigated"),
    ("ttr", "time to resolve", "impact_start", "resolved"),
)


def measure(entries: Sequence[Entry], *, until: datetime | None = None) -> IncidentMetrics:
    """The numbers that follow from the entries.

    `until` ends what is still running; None: the time of the last entry.
    """
    end = until or (entries[-1].at if entries else None)
    milestones = tuple(_milestone(name, entries) for name in MILESTONES)
    reached = {milestone.name: milestone for milestone in milestones}
    spans = [
        _span(name, title, start=reached[first], end=reached[last])
        for name, title, first, last in _SPANS
    ]
    return IncidentMetrics(
        milestones=milestones,
        metrics=(
            *spans,
            *_in_severity(entries, end),
            _first_update(entries),
            _on_time(entries, end),
        ),
        violations=(*_out_of_order(milestones), *_clock_set(entries)),
    )


def _milestone(name: str, entries: Sequence[Entry]) -> Milestone:
    """What a person said last wins; then what the status tells; else it is not known."""
    for entry in reversed(entries):
        if entry.kind is EntryKind.MILESTONE and entry.data.get("milestone") == name:
            last = moment(entry.data.get("until")) or entry.when
            source = f"entry {entry.seq}"
            return Milestone(name=name, at=entry.when, until=last, source=source)
    implied = _implied(name, entries)
    if implied is None:
        return Milestone(name=name, at=None, until=None, source="")
    source = f"entry {implied.seq} ({implied.kind.value})"
    return Milestone(name=name, at=implied.when, until=implied.when, source=source)


def _implied(name: str, entries: Sequence[Entry]) -> Entry | None:
    if name == "acknowledged":
        return next((entry for entry in entries if entry.kind is EntryKind.OPENED), None)
    if name not in {"mitigated", "resolved", "closed"}:
        return None
    wanted, found, rank = IncidentStatus(name).rank, None, 0
    for entry in entries:
        status = status_of(entry)
        if status is None:
            continue
        if status.rank < wanted:
            found = None
        elif rank < wanted:
            found = entry
        rank = status.rank
    return found


def _span(name: str, title: str, *, start: Milestone, end: Milestone) -> Metric:
    first, last = start.name.replace("_", " "), end.name.replace("_", " ")
    definition = f"{last} − {first}"
    missing = [m.name.replace("_", " ") for m in (start, end) if m.at is None]
    if start.at is None or end.at is None or start.until is None or end.until is None:
        why = f"not known: {' and '.join(missing)}"
        return Metric(name=name, title=title, definition=definition, seconds=None, why=why)
    return Metric(
        name=name,
        title=title,
        definition=definition,
        seconds=(end.at - start.until).total_seconds(),
        longest=(end.until - start.at).total_seconds(),
    )


def _in_severity(entries: Sequence[Entry], end: datetime | None) -> list[Metric]:
    """Seconds in each level from the opening until closed, or until now."""
    spent: dict[Level, float] = {}
    level: Level | None = None
    since: datetime | None = None
    closed = False

    def run_to(moment: datetime) -> None:
        if level is not None and since is not None and moment > since:
            spent[level] = spent.get(level, 0.0) + (moment - since).total_seconds()

    for entry in entries:
        run_to(entry.at)
        level = level_of(entry) or level
        status = status_of(entry)
        closed = closed if status is None else status is IncidentStatus.CLOSED
        since = None if closed else entry.at
    if end is not None:
        run_to(end)
    definition = "from the opening or the change to this severity until the next change or closing"
    return [
        Metric(
            name=f"in_{level.lower()}",
            title=f"time in {level}",
            definition=definition,
            seconds=spent[level],
        )
        for level in Level
        if level in spent
    ]


def _first_update(entries: Sequence[Entry]) -> Metric:
    state = fold(entries)
    first = next((entry.when for entry in entries if entry.kind is EntryKind.UPDATE), None)
    seconds = None
    if first is not None and state.opened_at is not None:
        seconds = (first - state.opened_at).total_seconds()
    return Metric(
        name="first_update",
        title="time to the first update",
        definition="first status update − opening of the incident",
        seconds=seconds,
        why="" if first else "no update was recorded",
    )


def _on_time(entries: Sequence[Entry], end: datetime | None) -> Metric:
    """How many updates came when they were due; one that is overdue at the end counts as late."""
    due = met = 0
    opened = last = None
    level = None
    for entry in entries:
        if entry.kind is EntryKind.OPENED:
            opened = entry.at
        level = level_of(entry) or level
        if entry.kind is not EntryKind.UPDATE or opened is None or level is None:
            continue
        deadline = next_update(level, opened, last_update=last)
        last = entry.when
        if deadline is not None:
            due += 1
            met += entry.when <= deadline
    state = fold(entries)
    if opened is not None and level is not None and end is not None and state.open:
        deadline = next_update(level, opened, last_update=last)
        due += deadline is not None and end > deadline
    return Metric(
        name="updates_on_time",
        title="updates on time",
        definition="updates not later than the cadence of the severity at that time asks for",
        seconds=None,
        count=f"{met} of {due}" if due else "",
        why="" if due else "no update was due",
    )


def _out_of_order(milestones: Iterable[Milestone]) -> list[str]:
    known = [m for m in milestones if m.at is not None]
    found = []
    for place, earlier in enumerate(known):
        for later in known[place + 1 :]:
            if later.until is not None and earlier.at is not None and later.until < earlier.at:
                names = (m.name.replace("_", " ") for m in (later, earlier))
                found.append("{} lies before {}".format(*names) + f": {later.text}, {earlier.text}")
    return found


_JUMP = timedelta(seconds=2)


def _clock_set(entries: Sequence[Entry]) -> list[str]:
    """Places where the wall clock disagrees with the monotonic one of the same boot."""
    found = []
    for before, entry in pairwise(entries):
        if (before.boot, before.host) != (entry.boot, entry.host) or not entry.boot:
            continue
        wall, true = entry.at - before.at, timedelta(seconds=entry.mono - before.mono)
        if abs(wall - true) > _JUMP:
            jump = units.duration((wall - true).total_seconds())
            found.append(
                f"the clock was set (or the machine slept) by {jump} "
                f"between entries {before.seq} and {entry.seq}"
            )
    return found
