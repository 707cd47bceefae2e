"""The tables of one target, in an order that stays, and its numbers with their trends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import NamedTuple

from textual.content import Content

from cockpit.triage.board import Board, LookId
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Blind, Fact, Reading, Seen
from cockpit.triage.view import Column, Row, Table
from cockpit.units import age, count, quantity
from screens.present.lines import (
    Part,
    capital,
    cells,
    clip,
    fit,
    line,
    safe,
    since,
    spark,
    tone,
    wrap,
)
from screens.shown import Shown

NUMBERS = "Numbers and trends"
_FIRST = ("sessions", "locks", "health", "path")
"""What a person asks for first, by the last word of the probe's name."""
_SPARK = 30
_NARROW = (
    Column("number", 26),
    Column("now", 16, right=True),
    Column("trend"),
    Column("sampled", 8, right=True),
)
_WIDE = (
    Column("number", 26),
    Column("now", 16, right=True),
    Column("trend", _SPARK),
    Column("sampled", 8, right=True),
    Column("lowest", 12, right=True),
    Column("highest", 12, right=True),
    Column("look"),
)


class SheetId(NamedTuple):
    """The same from look to look, whatever other tables come and go."""

    probe: str
    title: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table with the look that it came from; `reading` is the newest, `table` the last seen."""

    reading: Reading
    table: Table
    at: datetime
    """When the table was seen: older than the reading when that is blind."""

    @property
    def id(self) -> SheetId:
        """Its identity among the target's tables; the numbers are of all looks."""
        if self.table.title == NUMBERS:
            return SheetId("", NUMBERS)
        return SheetId(self.reading.probe, self.table.title)

    @property
    def blind(self) -> Blind | None:
        """Why the newest look saw nothing; None when it saw."""
        return self.reading.outcome if isinstance(self.reading.outcome, Blind) else None


def sheets(target: str, shown: Shown, *, wide: bool = True) -> list[Sheet]:
    """Every table of the target, the last one seen when the newest look was blind.

    First what a person asks for first, then by the probes' names: looks that end in another
    order move nothing. At the end the numbers of all looks with their trends.
    """
    board = shown.board
    looks = [(LookId(target, each.probe), each) for each in board.readings_at(target)]
    looks.sort(key=lambda look: (_place(look[0].probe), look[0].probe))
    found: list[Sheet] = []
    seen: list[Reading] = []
    for id_, reading in looks:
        blind = isinstance(reading.outcome, Blind)
        last = shown.last_seen.get(id_, reading) if blind else reading
        if isinstance(last.outcome, Seen):
            seen.append(last)
            found += [Sheet(reading, table, last.at) for table in last.outcome.tables]
        else:
            found.append(Sheet(reading, unseen(reading), reading.at))
    numbers = _numbers(seen, shown, wide=wide)
    if numbers is not None:
        newest = max(seen, key=lambda reading: reading.at)
        found.append(Sheet(newest, numbers, newest.at))
    return found


def _place(probe: str) -> int:
    word = probe.rpartition(".")[2]
    return _FIRST.index(word) if word in _FIRST else len(_FIRST)


def unseen(reading: Reading) -> Table:
    """In place of the tables of a look that never saw anything, under the look's name."""
    return Table(title=reading.probe, columns=(), rows=())


def first(found: Sequence[Sheet], probe: str = "") -> SheetId | None:
    """The table to open: one with something wrong in it, else with something in it.

    `probe`: of this look, when it has tables; empty: of any.
    """
    own = [sheet for sheet in found if sheet.reading.probe == probe] if probe else []
    of = own or [sheet for sheet in found if sheet.table.title != NUMBERS]
    for wanted in (_alarming, _filled, _any):
        for sheet in of:
            if wanted(sheet):
                return sheet.id
    return found[0].id if found else None


def _alarming(sheet: Sheet) -> bool:
    worst = worst_of(sheet.table)
    return bool(sheet.table.best) or (worst is not None and worst > Severity.INFO)


def _filled(sheet: Sheet) -> bool:
    return bool(sheet.table.rows)


def _any(_sheet: Sheet) -> bool:
    return True


def worst_of(table: Table) -> Severity | None:
    """The worst severity among the rows; None when none has one."""
    return max((row.severity for row in table.rows if row.severity is not None), default=None)


# -- the strip of tables ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tab:
    """One table's name in the strip, from this cell to that."""

    id: SheetId
    start: int
    stop: int


def strip(
    found: Sequence[Sheet], chosen: SheetId | None, width: int
) -> tuple[Content, tuple[Tab, ...]]:
    """The tables' names in one line around the chosen one, and where each of them stands."""
    if not found or width < 8:
        return line(""), ()
    names = [_name(sheet, chosen) for sheet in found]
    at = next((place for place, sheet in enumerate(found) if sheet.id == chosen), 0)
    start, stop = _window([name.cell_length + 3 for name in names], at, width - 4)
    parts: list[Part] = [(" ‹ " if start else "   ", "faint")]
    tabs: list[Tab] = []
    used = 3
    for place in range(start, stop):
        if place > start:
            parts.append((" │ ", "faint"))
            used += 3
        tabs.append(Tab(found[place].id, used, used + names[place].cell_length))
        parts.append(names[place])
        used += names[place].cell_length
    if stop < len(found):
        parts.append((" ›", "faint"))
    return clip(line(*parts), width), tuple(tabs)


def _window(sizes: Sequence[int], at: int, room: int) -> tuple[int, int]:
    """The neighbours of `at` that fit, one more on each side in turn."""
    start, stop, used = at, at + 1, sizes[at]
    grown = True
    while grown:
        grown = False
        if stop < len(sizes) and used + sizes[stop] <= room:
            used, stop, grown = used + sizes[stop], stop + 1, True
        if start > 0 and used + sizes[start - 1] <= room:
            used, start, grown = used + sizes[start - 1], start - 1, True
    return start, stop


def _name(sheet: Sheet, chosen: SheetId | None) -> Content:
    here = sheet.id == chosen
    name = capital(safe(sheet.table.title, 40))
    if sheet.blind is not None:
        return line(("? ", "blind"), (name, "accent bold" if here else "dim"))
    worst = worst_of(sheet.table)
    shade = tone(worst) if worst is not None and worst > Severity.INFO else "dim"
    number = "" if sheet.table.title == NUMBERS else f" {len(sheet.table.rows):,}"
    return line((name, "accent bold" if here else ""), (number, shade))


# -- numbers ---------------------------------------------------------------------------------------


def _numbers(seen: Iterable[Reading], shown: Shown, *, wide: bool) -> Table | None:
    rows: list[Row] = []
    for reading in seen:
        assert isinstance(reading.outcome, Seen)
        rows += [
            _number(fact, reading, shown, wide=wide) for fact in reading.outcome.facts if fact.text
        ]
    if not rows:
        return None
    return Table(
        title=NUMBERS,
        columns=_WIDE if wide else _NARROW,
        rows=tuple(rows),
        headline="rates, not totals · a restart leaves a gap",
    )


def history(board: Board, reading: Reading, fact: Fact) -> tuple[float, ...]:
    """The fact's values at the last looks, oldest first; none for a fact that is no number: what
    the board keeps under its name is then another number, of a finding.
    """
    if fact.value is None:
        return ()
    values = board.trends.get((reading.target, reading.probe, fact.label), ())
    return tuple(value for value in values if isfinite(value))


def _number(fact: Fact, reading: Reading, shown: Shown, *, wide: bool) -> Row:
    values = history(shown.board, reading, fact)
    old = since(shown.moment, fact.as_of or reading.at)
    trend = spark(values, _SPARK) if len(values) > 1 else ""
    low, high = (min(values), max(values)) if len(values) > 1 else (None, None)
    cells: tuple[str, ...] = (fact.label, fact.text, trend, age(old))
    sort: tuple[float | str | None, ...] = (fact.label, fact.value, None, old)
    if wide:
        known = ("" if each is None else quantity(each, fact.unit) for each in (low, high))
        cells, sort = (*cells, *known, reading.probe), (*sort, low, high, reading.probe)
    key = f"{reading.probe} {fact.label}"
    return Row(key=key, cells=cells, sort=sort, severity=fact.severity)


def trend_lines(sheet: Sheet, board: Board, width: int) -> list[Content]:
    """The numbers of the table's own look with what they were at the last looks."""
    outcome = sheet.reading.outcome
    facts = outcome.facts if isinstance(outcome, Seen) else ()
    shown = [(fact, history(board, sheet.reading, fact)) for fact in facts]
    known = [(fact, values) for fact, values in shown if len(values) > 1 and fact.text]
    names = min(24, max((cells(safe(fact.label)) for fact, _ in known), default=0))
    texts = min(16, max((cells(safe(fact.text)) for fact, _ in known), default=0))
    lines: list[Content] = []
    for fact, values in known:
        bars = spark(values, min(60, max(0, width - names - texts - 34)))
        lines.append(
            clip(
                line(
                    (fit(safe(fact.label), names), "dim"),
                    "  ",
                    (fit(safe(fact.text), texts, right=True), "strong"),
                    "  ",
                    (bars, tone(fact.severity) if fact.severity is not None else "accent"),
                    (f"  {_range(values, fact.unit)}", "faint"),
                ),
                width,
            )
        )
    return lines


def _range(values: Sequence[float], unit: str) -> str:
    low, high = (quantity(each, unit) for each in (min(values), max(values)))
    told = f"stays at {low}" if low == high else f"{low} to {high}"
    return f"{told} · {count(len(values), 'look')}"


def blind_lines(sheet: Sheet, width: int) -> list[Content]:
    """Why nothing newer can be seen, in full, with the line that would let us see."""
    blind = sheet.blind
    if blind is None:
        return []
    told = line(
        ("? not examined: ", "blind bold"),
        (f"{safe(blind.reason, 40)} ", "blind"),
        (safe(blind.detail, 2000), ""),
    )
    lines = wrap(told, width, indent=2)
    if blind.hint:
        lines += wrap(line(("to see it  ", "dim"), (safe(blind.hint, 2000), "strong")), width)
    return lines
