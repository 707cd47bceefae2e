"""Under the rows of a table: what would help, or the selected row in full."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from textual.content import Content

from cockpit.connect.role import Role
from cockpit.triage.view import Offer, Row, Table
from screens.present import sheets as present_sheets
from screens.present import table as present
from screens.present.lines import cells, fit, line, safe, wrap
from screens.present.sheets import NUMBERS, Sheet
from screens.shown import Shown
from screens.widgets.lineview import Paper
from screens.widgets.panes import set_title

_LEAST = 3


@dataclass(frozen=True, slots=True)
class Offered:
    """What is offered for a row of a table, by key."""

    row: str
    by_key: Mapping[str, Offer]


class HelpPane(Paper):
    """As high as what is to be read; while the table stays it never shrinks under the cursor."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._lines_high = _LEAST
        self._offers = Offered("", {})

    @property
    def about(self) -> Offered:
        """What the keys plan."""
        return self._offers

    def take(self, table: Table, chosen: Row | None) -> None:
        """What the keys plan from now on."""
        self._offers = Offered(chosen.key if chosen else "", dict(present.offers(table, chosen)))

    def offered(self, key: str, when: float) -> Offer | None:
        """What a key of that moment plans: what was drawn then, unless the person has gone to
        another row since.
        """
        drawn = self.drawn_at(when)
        same = isinstance(drawn, Offered) and drawn.row == self._offers.row
        return (drawn if same and isinstance(drawn, Offered) else self._offers).by_key.get(key)

    def start_low(self) -> None:
        """Another table or text: begin from the least height."""
        self._lines_high = _LEAST

    def reveal(self, table: Table, row: Row, *, most: int) -> None:
        """A row in full, a statement with its values; at most `most` lines high."""
        private = " · with its values, never recorded" if row.secret is not None else ""
        set_title(self, line("In full", (private, "dim")))
        self._fill(_in_full(table, row, max(10, self.columns)), most)

    def offer(self, shown: Shown, sheet: Sheet, chosen: Row | None, *, most: int) -> bool:
        """What would help; where nothing would, how the table's numbers went. False: nothing."""
        name, lines = _helpful(shown, sheet, chosen, width=max(10, self.columns))
        set_title(self, line(name))
        self._fill(lines, most)
        return bool(lines)

    def _fill(self, lines: list[Content], most: int) -> None:
        self._lines_high = max(self._lines_high, min(most, len(lines) + 2))
        height = self.styles.height
        if height is None or height.value != self._lines_high:
            self.styles.height = self._lines_high
        self.show(lines)


def _helpful(
    shown: Shown, sheet: Sheet, chosen: Row | None, *, width: int
) -> tuple[str, list[Content]]:
    """The pane's title and its lines."""
    table = sheet.table
    runs = shown.status.role is Role.COMMANDER
    blind = present_sheets.blind_lines(sheet, width)
    offered = present.help_lines(table, chosen, width, runs=runs)
    if blind or offered:
        return ("What would help", [*blind, *offered])
    notes = present.note_lines(table, width)
    if any(row.offers for row in table.rows):
        nothing = line(("Nothing to offer for this row.", "dim"))
        return ("What would help", [nothing, *notes])
    trends: list[Content] = []
    if table.title != NUMBERS:
        trends = present_sheets.trend_lines(sheet, shown.board, width)
    return ("Trends" if trends else "Note", [*notes, *trends])


def _in_full(table: Table, row: Row, width: int) -> list[Content]:
    lines: list[Content] = []
    told = list(row.cells)
    if row.secret is not None and told:
        told[-1] = row.secret.reveal()
    names = [fit(safe(column.title), 22).rstrip() for column in table.columns]
    room = max((cells(name) for name in names), default=0) + 2
    for name, cell in zip(names, told, strict=False):
        if cell:
            named = line((fit(name, room), "dim"), safe(cell, 8000))
            lines += wrap(named, width, indent=room)
    return lines
