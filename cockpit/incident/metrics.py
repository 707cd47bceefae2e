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
from cockpit.incident.entry import Entry, EntryKind
from cockpit.incident.milestones import Milestone, milestone
from cockpit.incident.objectives import Attainment, Objective, recorded, recovery_time
from cockpit.incident.severity import Level, next_update
from cockpit.incident.state import MILESTONES, IncidentStatus, fold, level_of, status_of


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
    milestones = tuple(milestone(name, entries) for name in MILESTONES)
    reached = {each.name: each for each in milestones}
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
            *_against_rto(entries, end),
            *_against_rpo(entries),
        ),
        violations=(*_out_of_order(milestones), *_clock_set(entries)),
    )


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


def _against_rto(entries: Sequence[Entry], end: datetime | None) -> list[Metric]:
    """The recovery against the objective that held last; nothing where there was none."""
    last = next(reversed(recorded(entries, "rto")), None)
    limit = _seconds(last, "seconds")
    run = recovery_time(Objective(seconds=limit), entries) if limit else None
    if last is None or not limit or run is None or end is None:
        return []
    of = str(last.data.get("of") or "")
    whose = f" of {of}" if of else ""
    spent, left = units.duration(run.spent(end)), units.duration(abs(run.left(end)))
    verdict, told, why = run.verdict(end), "", ""
    if verdict is Attainment.MET:
        told = f"met: {spent}, {left} left"
    elif verdict is Attainment.MISSED:
        told = f"missed by {left}: {spent}"
    elif run.recovered.at is None:
        told = f"not recovered after {'' if run.known else 'at least '}{spent}, "
        told += f"{left} over" if verdict is Attainment.OVER else f"{left} left"
    elif run.known:
        why = "not known: it may have been met or not within the ranges of the times"
    else:
        why = "not known whether it was met: impact start"
    return [
        Metric(
            name="rto",
            title=f"recovery time objective{whose}, {units.brief(limit)}",
            definition="mitigated (or else resolved) − impact start, not longer than the objective",
            seconds=run.spent(end) if verdict in {Attainment.MET, Attainment.MISSED} else None,
            count=told,
            why=why,
        )
    ]


def _against_rpo(entries: Sequence[Entry]) -> list[Metric]:
    """The worst that was known of the newest recovery points; nothing without an objective."""
    told = [entry for entry in recorded(entries, "rpo") if _seconds(entry, "seconds") is not None]
    if not told:
        return []
    by = {verdict: [e for e in told if e.data.get("verdict") == verdict] for verdict in Attainment}
    over, unknown = by[Attainment.OVER], by[Attainment.UNKNOWN]
    worst = max(over or told, key=lambda e: _seconds(e, "behind") or 0.0)
    limit, behind = _seconds(worst, "seconds") or 0.0, _seconds(worst, "behind")
    lacked = f"the newest copy of {worst.target} was up to {units.duration(behind or 0)} behind"
    text, why = "", ""
    if over:
        text = f"exceeded by {units.duration((behind or 0) - limit)} at least: {lacked}"
        text += f" at {clock.stamp(worst.at)[11:19]} UTC"
    elif unknown:
        names = ", ".join(dict.fromkeys(entry.target for entry in unknown))
        why = f"not known: {names} had no recovery point that is known, at least for a time"
    else:
        text = f"within it at every look: {lacked} when it was looked at first"
    return [
        Metric(
            name="rpo",
            title=f"recovery point objective, {units.brief(limit)}",
            definition="what the newest known recovery point lacked at most, until mitigated; "
            "whether a recovery used it is not known",
            seconds=None if why else behind,
            count=text,
            why=why,
        )
    ]


def _seconds(entry: Entry | None, name: str) -> float | None:
    value = entry.data.get(name) if entry is not None else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


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
