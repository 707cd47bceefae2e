"""Targets by service in the order of the dependency graph, each with the number that matters."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import is_

from textual.content import Content

from cockpit.errors import Reason
from cockpit.sweep import PlaceStatus
from cockpit.triage.board import FindingId, OpenFinding
from cockpit.triage.by_target import ByTarget
from cockpit.triage.changes import Change
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Blind, Fact, Reading, Seen
from cockpit.triage.registry import place_of, short
from cockpit.triage.target import Target
from cockpit.units import number
from screens.present.lines import (
    BLANK,
    GLYPHS,
    ago,
    cells,
    clip,
    clock,
    fit,
    line,
    middle,
    safe,
    short_clock,
    since,
    wrap,
)
from screens.shown import Shown

COLUMNS = frozenset({"target", "kind", "service", "place", "state", "text"})
_FRESH = 90.0
"""Seconds until the newest look at a target counts as old and its age is shown."""
_CUT = frozenset({Reason.UNREACHABLE, Reason.TIMEOUT, Reason.THROTTLED, Reason.EXPIRED})
"""Reasons that hold for whatever is asked there: a number from before is shown with its age."""
_BAD = frozenset({"critical", "high", "warning"})
_ORDER = ("ok", "waiting", "blind", "warning", "high", "critical")
"""Of what a target's state can be; the worst last."""
_CHANGES = 8
_HOT = 3600
"""Seconds before now in which a change is drawn as recent."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: a service, a place, or the changes."""

    name: str
    about: str = ""
    """What is said of a place."""
    state: str = ""
    """Of the worst that stands under it; empty: it is not told."""


@dataclass(frozen=True, slots=True)
class System:
    """One target with what is known of it."""

    target: Target
    state: str
    """A severity, `ok`, `blind`, or `waiting`: before the first look ended, and while trouble that
    was seen once waits for its second look.
    """
    number: str
    """The fact that matters, or why there is none."""
    newest: datetime | None
    """When the number was read; without one, the newest look. None: there was none."""
    stale: bool = False
    """Whether a newer look at it did not get through: the number may be of before that."""


SystemRow = Heading | System | Change


Kept = dict[str, tuple[tuple[object, ...], System]]
"""Target → what its row was made of, and the row."""


def rows(shown: Shown, *, by_place: bool = False, kept: Kept | None = None) -> list[SystemRow]:
    """Services (or accounts and regions) with their targets, then the newest changes. `kept` is
    what an earlier call left there: the row of a target of which nothing is new is not made again.
    """
    board = shown.board
    looks = dict(ByTarget.of_mapping(board.readings).groups())
    opened = dict(ByTarget.of_mapping(board.open).groups())
    once = dict(ByTarget.of_mapping(board.pending).groups())
    kept = {} if kept is None else kept
    groups: dict[str, list[System]] = {}
    for name, target in shown.targets.items():
        made_of = target, looks.get(name), opened.get(name), once.get(name)
        known = kept.get(name)
        if known is None or not all(map(is_, known[0], made_of)):
            found = [*looks.get(name, {}).values()]
            worst, waits = _worst(opened.get(name, {})), _worst(once.get(name, {}))
            known = kept[name] = (made_of, _graded(target, found, worst, waits=waits))
        group = target.service or shown.status.environment or "targets"
        if by_place:
            group = place_of(target)
        groups.setdefault(group, []).append(known[1])
    listed: list[SystemRow] = []
    for name, members in groups.items():
        place = shown.status.places.get(name)
        listed += [_of_place(name, place, members) if by_place else Heading(name), *members]
    changes = board.changes[:_CHANGES]
    if changes:
        listed += [Heading("changes"), *changes]
    return listed


def _of_place(name: str, place: PlaceStatus | None, members: Sequence[System]) -> Heading:
    """`prod-eu  12, 2 bad, 3 blind · ecs 14 wait · 123456789012 eu-west-1`."""
    states = [each.state for each in members]
    blind = states.count("blind")
    bad = sum(state in _BAD for state in states)
    parts = [f"{number(len(members))}"]
    parts += [f"{number(bad)} bad"] if bad else []
    parts += ["all blind" if blind == len(members) else f"{number(blind)} blind"] if blind else []
    told = [", ".join(parts)]
    if place is not None:
        services = sorted({*place.waiting, *place.slowed})
        told += [f"{service} {_held_up(place, service)}" for service in services]
        told.append(f"{place.account} {place.region}".strip())
    worst = max(states, key=_ORDER.index, default="ok")
    return Heading(name or "not in AWS", " · ".join(told), worst)


def _held_up(place: PlaceStatus, service: str) -> str:
    waits, rate = place.waiting.get(service, 0), place.slowed.get(service)
    slowed = f"throttled to {rate:.2g}/s" if rate is not None else ""
    return ", ".join(filter(None, (f"{number(waits)} wait" if waits else "", slowed)))


def _worst(findings: Mapping[FindingId, OpenFinding]) -> Severity | None:
    return max((each.finding.severity for each in findings.values()), default=None)


def _graded(
    target: Target, found: list[Reading], worst: Severity | None, *, waits: Severity | None
) -> System:
    """`waits`: the worst of what was seen once."""
    system = _system(target, found, worst)
    if system.state == "ok" and waits is not None and waits > Severity.INFO:
        return replace(system, state="waiting")
    return system


def _system(target: Target, found: list[Reading], worst: Severity | None) -> System:
    newest = max((reading.at for reading in found), default=None)
    blind = [reading for reading in found if isinstance(reading.outcome, Blind)]
    state = "ok"
    if worst is not None and worst > Severity.INFO:
        state = worst.value
    elif blind:
        state = "blind"
    elif not found:
        state = "waiting"
    head = _headline(found)
    if head is not None:
        seen, fact = head
        cut = any(each.at > seen.at and _cut_off(each) for each in blind)
        return System(target, state, fact.text, fact.as_of or seen.at, cut)
    leader = next((reading for reading in blind if reading.leads), None)
    for reading in (leader, *blind):
        if reading is not None and isinstance(reading.outcome, Blind):
            return System(target, state, str(reading.outcome.reason), newest)
    return System(target, state, "" if found else "…", newest)


def _cut_off(reading: Reading) -> bool:
    return isinstance(reading.outcome, Blind) and reading.outcome.reason in _CUT


def _headline(found: list[Reading]) -> tuple[Reading, Fact] | None:
    """The first fact of the probe that leads, else the worst first fact among the readings; of
    several the shortest, which fits the column. None while the probe that leads is blind: what
    another one saw is not the number that matters.
    """
    heads: list[tuple[Reading, Fact]] = []
    for reading in found:
        if isinstance(outcome := reading.outcome, Seen) and outcome.facts:
            if reading.leads:
                return reading, outcome.facts[0]
            heads.append((reading, outcome.facts[0]))
        elif reading.leads and isinstance(outcome, Blind):
            return None
    return max(
        (head for head in heads if head[1].text),
        key=lambda head: (head[1].severity.rank if head[1].severity else -1, -cells(head[1].text)),
        default=None,
    )


def selectable(row: SystemRow) -> bool:
    """Headings are passed over."""
    return not isinstance(row, Heading)


def key(row: SystemRow) -> Hashable:
    """Identity from look to look."""
    if isinstance(row, System):
        return ("target", row.target.name)
    if isinstance(row, Heading):
        return ("group", row.name)
    return ("change", row.at, row.kind, row.target, row.summary)


def fields(row: SystemRow) -> Mapping[str, str]:
    """The columns that a filter can name."""
    if isinstance(row, System):
        return {
            "target": row.target.name,
            "kind": f"{short(row.target.kind)} {row.target.kind}",
            "service": row.target.service,
            "place": place_of(row.target),
            "state": row.state,
            "text": row.number,
        }
    if isinstance(row, Heading):
        return {"service": row.name}
    return {"target": row.target, "kind": row.kind, "text": f"{row.summary} {row.actor}"}


def draw(row: SystemRow, width: int, moment: datetime) -> Content:
    """A heading, a target or a change."""
    if isinstance(row, Heading):
        mark = (f"{GLYPHS[row.state]} ", row.state) if row.state else ""
        return clip(line(mark, (safe(row.name), "bold"), (f"  {safe(row.about)}", "dim")), width)
    if isinstance(row, Change):
        return _draw_change(row, width, moment)
    old = ""
    if row.newest is not None and (row.stale or since(moment, row.newest) >= _FRESH):
        old = f" {ago(moment, row.newest)}"
    shade = {"waiting": "dim"}.get(row.state, row.state)
    number = safe(row.number, max(6, width - 20))
    name = middle(safe(row.target.name), max(1, width - 10 - cells(number) - len(old)))
    return line(
        (f" {GLYPHS[row.state]} ", shade),
        (fit(safe(short(row.target.kind), 40), 5) + " ", "dim"),
        (f"{name} ", "bold" if row.state in {"critical", "high"} else ""),
        (number, shade),
        (old, "faint"),
    )


def _draw_change(row: Change, width: int, moment: datetime) -> Content:
    actor = safe(row.actor, 12)
    hot = "high" if since(moment, row.at) < _HOT else "dim"
    what = f"{row.target} {row.summary}" if row.target else row.summary
    return line(
        (f" {short_clock(row.at)} ", hot),
        fit(safe(what), max(1, width - 8 - cells(actor))),
        (f" {actor}", "dim"),
    )


def title(shown: Shown, *, by_place: bool = False) -> Content:
    """`Systems 11`, and what they are grouped by when it is not the service."""
    return line(f"Systems {len(shown.targets)}", (" by place", "dim") if by_place else "")


def change_lines(change: Change, width: int) -> list[Content]:
    """A change in full."""
    rows = (
        ("at", f"{change.at:%Y-%m-%d} {clock(change.at)} UTC"),
        ("what", change.kind),
        ("target", change.target or "not joined to a target"),
        ("who", f"ours: {change.own}" if change.own else change.actor or "unknown"),
        ("change", change.summary),
        *(("" if place else "exactly", text) for place, text in enumerate(change.details)),
        *((("refused", change.failed),) if change.failed else ()),
        ("read from", change.source or "unknown"),
    )
    lines: list[Content] = []
    for label, text in rows:
        lines += wrap(line((label.ljust(11), "dim"), safe(text, 4000)), width, indent=11)
    return [*lines, BLANK]
