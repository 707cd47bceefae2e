"""One target in depth: the tables that its probes give, live, and what would help.

Knows no kind: sessions with their lock tree, targets of a group, deployments and hops are all
`cockpit.triage.view.Table`s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.content import Content

from cockpit.connect.role import Role
from cockpit.errors import CockpitError
from cockpit.triage.probe import Blind, Reading, Seen
from cockpit.triage.view import Offer, Row, Table
from screens import acting
from screens.base import CockpitScreen, bottom
from screens.bindings import Where
from screens.present import table as present
from screens.present.detail import head, title
from screens.present.lines import line, safe, wrap
from screens.shown import Shown
from screens.widgets.header import Header
from screens.widgets.lineview import Paper
from screens.widgets.panes import set_subtitle, set_title
from screens.widgets.rowlist import RowList, RowView

_NONE = Table(title="Nothing to list", columns=(), rows=())


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table with the look that it came from; `reading` is the newest, `table` the last seen."""

    reading: Reading
    table: Table
    at: datetime
    """When the table was seen: older than the reading when that is blind."""


class DetailScreen(CockpitScreen[None], part=Where.DETAIL):
    """Tables of a target, one at a time."""

    NO_ROWS: ClassVar[str] = "This table is empty."

    def __init__(self, target: str, probe: str = "") -> None:
        super().__init__()
        self._target = target
        self._probe = probe
        self._at = 0
        self._sort: int | None = None
        self._down = True
        self._revealed = False
        self._table = _NONE
        self._shape: tuple[int, ...] = ()
        self._shown: Shown | None = None

    def compose(self) -> ComposeResult:
        """Header, rows, what would help, the note line, keys."""
        yield Header(id="header")
        view: RowView[Row] = RowView(
            key=present.key,
            draw=self._draw_row,
            fields=self._fields,
            columns=frozenset(),
            empty=self.NO_ROWS,
        )
        yield RowList(view, id="rows", classes="pane")
        yield Paper(id="help", classes="pane")
        yield from bottom()

    def on_mount(self) -> None:
        """The keys go to the rows."""
        super().on_mount()
        self._rows.focus()

    @property
    def _rows(self) -> RowList[Row]:
        found: RowList[Row] = self.query_one("#rows", RowList)
        return found

    def _draw_row(self, row: Row, width: int, moment: datetime) -> Content:
        return present.draw(row, self._table, width, shape=self._shape)

    def _fields(self, row: Row) -> dict[str, str]:
        return dict(present.fields(self._table)(row))

    # -- drawing -------------------------------------------------------------------------------

    def sheets(self, shown: Shown) -> list[Sheet]:
        """Every table of the target, the last one seen when the newest look was blind."""
        found: list[Sheet] = []
        for look, reading in shown.board.readings.items():
            if look.target != self._target:
                continue
            seen = reading
            if isinstance(reading.outcome, Blind):
                seen = self.cockpit.last_seen.get(look, reading)
            if isinstance(seen.outcome, Seen):
                found += [Sheet(reading, table, seen.at) for table in seen.outcome.tables]
            else:
                found.append(Sheet(reading, _NONE, reading.at))
        return found

    def refresh_from(self, shown: Shown) -> None:
        """Draw a moment."""
        self._shown = shown
        sheets = self.sheets(shown)
        if self._probe:
            self._at = next(
                (at for at, sheet in enumerate(sheets) if sheet.reading.probe == self._probe), 0
            )
            self._probe = ""
        sheet = sheets[self._at % len(sheets)] if sheets else None
        self._table = sheet.table if sheet is not None else _NONE
        self._draw_header(shown, sheet)
        rows = self._rows
        self._shape = present.widths(self._table, rows.columns)
        rows.view = _renamed(rows.view, self._table)
        if self._table.columns:
            rows.set_head(
                [present.heading(self._table, rows.columns, sort=self._sort, down=self._down)]
            )
        else:
            rows.set_head([])
        rows.show(present.ordered(self._table.rows, self._sort, down=self._down), shown.moment)
        where = f"{self._at % len(sheets) + 1} of {len(sheets)}" if len(sheets) > 1 else ""
        set_title(rows, title(self._table, where))
        if len(sheets) > 1:
            after = sheets[(self._at + 1) % len(sheets)]
            if not rows.filter:
                set_subtitle(rows, f" tab: {safe(after.table.title, 40)} ")
        self._draw_help()

    def tick(self, shown: Shown) -> None:
        """Ages in the header."""
        self._shown = shown
        sheets = self.sheets(shown)
        self._draw_header(shown, sheets[self._at % len(sheets)] if sheets else None)

    def _draw_header(self, shown: Shown, sheet: Sheet | None) -> None:
        bar = self.query_one("#header", Header)
        target = shown.targets.get(self._target)
        lines = head(
            self._target,
            target.service if target is not None else "",
            shown=shown,
            reading=sheet.reading if sheet is not None else None,
            table=self._table,
            seen_at=sheet.at if sheet is not None else None,
            width=bar.columns,
        )
        bar.show(lines[-1:] if self.layout_class == "-tiny" else lines)

    def _draw_help(self) -> None:
        paper = self.query_one("#help", Paper)
        width = max(10, paper.columns)
        chosen = self._rows.chosen
        if self._revealed and chosen is not None:
            set_title(paper, line("In full, never recorded"))
            paper.show(self._in_full(chosen, width))
            return
        set_title(paper, line("What would help"))
        runs = self._shown is not None and self._shown.status.role is Role.COMMANDER
        paper.show(present.help_lines(self._table, chosen, width, runs=runs))

    def _in_full(self, row: Row, width: int) -> list[Content]:
        lines: list[Content] = []
        cells = list(row.cells)
        if row.secret is not None and cells:
            cells[-1] = row.secret.reveal()
        for column, cell in zip(self._table.columns, cells, strict=False):
            if cell:
                name = safe(column.title, 20).ljust(14)
                lines += wrap(line((name, "dim"), safe(cell, 8000)), width, indent=14)
        return lines

    def on_row_list_moved(self, message: RowList.Moved) -> None:
        """Another row: its text is hidden again, its offers are shown."""
        message.stop()
        self._revealed = False
        self._draw_help()

    def on_row_list_opened(self, message: RowList.Opened) -> None:
        """A double click shows the row in full."""
        message.stop()
        self.action_view_text()

    def copied(self) -> str:
        """The selected row, statements without their values."""
        row = self._rows.chosen
        return present.as_text(row, self._table) if row is not None else ""

    # -- actions -------------------------------------------------------------------------------

    def action_view_text(self) -> None:
        """Show the row in full in the lower pane, or stop."""
        self._revealed = not self._revealed
        self._draw_help()
        if self.layout_class == "-tiny" and self._revealed:
            self.cockpit.say("Too small to show it: make the terminal larger", "warning")

    def action_sort(self) -> None:
        """The next column; then the probe's own order."""
        columns = len(self._table.columns)
        if not columns:
            return
        self._sort = 0 if self._sort is None else self._sort + 1
        if self._sort >= columns:
            self._sort = None
        self._redraw()

    def action_reverse(self) -> None:
        """Turn the order around."""
        self._down = not self._down
        self._redraw()

    def action_table(self, by: str) -> None:
        """Another table of this target."""
        if self._shown is None:
            return
        count = len(self.sheets(self._shown))
        if count > 1:
            self._at = (self._at + int(by)) % count
            self._sort, self._revealed = None, False
            self._rows.moved = False
            self._rows.set_filter("")
            self._redraw()

    def action_look(self) -> None:
        """Look at this target again."""
        self.cockpit.look_now(self._target)

    def action_offer(self, key: str) -> None:
        """Plan what is offered under a key; in triage, propose it."""
        offers = dict(present.offers(self._table, self._rows.chosen))
        offer = offers.get(key)
        if offer is None:
            self.cockpit.say(f"Nothing is offered under {key} for this row")
            return
        if self._shown is not None and self._shown.status.role is Role.TRIAGE:
            self.ask("reason", f"why propose '{safe(offer.label, 60)}'?", self._proposer(offer))
            return
        self.run_worker(self._carry_out(offer), exit_on_error=False)

    def _proposer(self, offer: Offer) -> _Proposal:
        return _Proposal(self, offer)

    async def _carry_out(self, offer: Offer) -> None:
        desk = self.cockpit.desk
        if desk is None:
            return
        try:
            course = desk.offer_course(self._target, offer)
        except CockpitError as error:
            self.cockpit.say_error(error)
            return
        outcome = await acting.carry_out(self.cockpit, course, course.steps[0].step.id)
        if outcome is not None:
            self.cockpit.look_now(self._target, quiet=True)

    async def propose(self, offer: Offer, reason: str) -> None:
        """Put an offer before a commander."""
        desk = self.cockpit.desk
        if desk is None:
            return
        try:
            course = desk.offer_course(self._target, offer)
        except CockpitError as error:
            self.cockpit.say_error(error)
            return
        await acting.propose(self.cockpit, course, course.steps[0].step.id, reason=reason)

    def _redraw(self) -> None:
        if self._shown is not None:
            self.refresh_from(self._shown)


@dataclass(frozen=True, slots=True)
class _Proposal:
    """Waits for the reason of a proposal."""

    screen: DetailScreen
    offer: Offer

    def __call__(self, text: str) -> None:
        self.screen.run_worker(self.screen.propose(self.offer, text), exit_on_error=False)


def _renamed(view: RowView[Row], table: Table) -> RowView[Row]:
    """The same view, whose filter knows this table's columns."""
    names = frozenset(_names(table.columns))
    if view.columns == names:
        return view
    from dataclasses import replace

    return replace(view, columns=names)


def _names(columns: Sequence[object]) -> list[str]:
    from cockpit.triage.view import Column

    return [present.name_of(column) for column in columns if isinstance(column, Column)]
