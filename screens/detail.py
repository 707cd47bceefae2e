"""One target in depth: the tables that its probes give, live, and what would help.

Knows no kind: sessions with their lock tree, targets of a group, deployments and hops are all
`cockpit.triage.view.Table`s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from textual.app import ComposeResult
from textual.content import Content

from cockpit.connect.role import Role
from cockpit.errors import CockpitError
from cockpit.triage.view import Offer, Row, Table
from screens import acting
from screens.base import CockpitScreen, bottom
from screens.bindings import Where
from screens.port import RunPort
from screens.present import sheets as present_sheets
from screens.present import table as present
from screens.present.detail import head, title
from screens.present.lines import safe
from screens.present.order import Order
from screens.present.sheets import NUMBERS, Sheet, SheetId
from screens.shown import Shown
from screens.widgets.header import Header
from screens.widgets.helping import HelpPane
from screens.widgets.panes import set_title
from screens.widgets.rowlist import RowList, RowView
from screens.widgets.tables import Tables

_NONE = Table(title="Nothing to list", columns=(), rows=())


class DetailScreen(CockpitScreen[None], part=Where.DETAIL):
    """Tables of a target, one at a time."""

    def __init__(self, target: str, probe: str = "") -> None:
        super().__init__()
        self._target = target
        self._probe = probe
        self._at: SheetId | None = None
        self._chosen = False
        """Whether the person chose the table; until then a better one may take its place."""
        self._order = Order()
        self._revealed: str | None = None
        """The key of the row that is shown in full."""
        self._sheet: Sheet | None = None
        self._table = _NONE
        self._shape: tuple[int, ...] = ()
        self._marked = False
        self._shown: Shown | None = None

    def compose(self) -> ComposeResult:
        """Header, names of the tables, rows, what would help, the note line, keys."""
        yield Header(id="header")
        yield Tables(id="tables")
        view: RowView[Row] = RowView(
            key=present.key,
            draw=self._draw_row,
            fields=present.fields(_NONE),
            columns=frozenset(),
            empty="Nothing yet.",
        )
        yield RowList(view, id="rows", classes="pane")
        yield HelpPane(id="help", classes="pane")
        yield from bottom()

    def on_mount(self) -> None:
        """The keys go to the rows."""
        super().on_mount()
        self._rows.focus()

    @property
    def _rows(self) -> RowList[Row]:
        found: RowList[Row] = self.query_one("#rows", RowList)
        return found

    @property
    def _help(self) -> HelpPane:
        return self.query_one(HelpPane)

    def _draw_row(self, row: Row, width: int, moment: datetime) -> Content:
        return present.draw(row, self._table, width, shape=self._shape, mark=self._marked)

    # -- drawing -------------------------------------------------------------------------------

    def sheets(self, shown: Shown) -> list[Sheet]:
        """Every table of the target, and its numbers."""
        return present_sheets.sheets(self._target, shown, wide=self.layout_class == "-full")

    def refresh_from(self, shown: Shown) -> None:
        """Draw a moment."""
        self._shown = shown
        sheets = self.sheets(shown)
        sheet = self._pick(sheets)
        if sheet is None or self._sheet is None or sheet.id != self._sheet.id:
            self._help.start_low()
        self._sheet = sheet
        self._table = sheet.table if sheet is not None else _NONE
        self._draw_header(shown)
        self.query_one("#tables", Tables).refresh_from(sheets, self._at)
        self._draw_rows(shown, sheets)
        self._draw_help()
        self.show_footer()

    def idle(self) -> frozenset[str]:
        """Plans where the table offers none."""
        offered = self._table.best or any(row.offers for row in self._table.rows)
        return frozenset() if offered else frozenset({"offer"})

    def _pick(self, sheets: Sequence[Sheet]) -> Sheet | None:
        """The table that is looked at. While none was chosen, the first look to end may have
        had nothing to show: the best of those that are there takes its place.
        """
        known = next((sheet for sheet in sheets if sheet.id == self._at), None)
        settled = self._chosen or self._rows.moved or (known is not None and known.table.rows)
        if known is None or not settled:
            self._at = present_sheets.first(sheets, self._probe)
            known = next((sheet for sheet in sheets if sheet.id == self._at), None)
        return known

    def _draw_rows(self, shown: Shown, sheets: Sequence[Sheet]) -> None:
        rows, table = self._rows, self._table
        self._marked = present.marked(table)
        column, down = self._order.column, self._order.down
        self._shape = present.widths(table, rows.columns, sort=column)
        rows.view = replace(
            rows.view,
            fields=present.fields(table),
            columns=frozenset(present.name_of(each) for each in table.columns),
            empty=self._why_empty(),
        )
        heading = present.heading(table, rows.columns, shape=self._shape, sort=column, down=down)
        rows.set_head([heading] if table.columns else [])
        rows.show(self._order.rows(table), shown.moment)
        self._tell_filter(rows)  # type: ignore[arg-type]
        at = next((at for at, sheet in enumerate(sheets, 1) if sheet.id == self._at), 1)
        where = f"{at} of {len(sheets)}" if len(sheets) > 1 else ""
        set_title(rows, title(table, where))

    def _why_empty(self) -> str:
        sheet = self._sheet
        if sheet is None:
            return "Not looked at yet."
        if sheet.blind is not None and not self._table.columns:
            return f"Not examined: {sheet.blind.reason}. This says nothing about its health."
        return "None."

    def tick(self, shown: Shown) -> None:
        """Ages."""
        if self._table.title == NUMBERS or self._sheet is None:
            self.refresh_from(shown)
            return
        self._shown = shown
        self._draw_header(shown)

    def _draw_header(self, shown: Shown) -> None:
        bar = self.query_one("#header", Header)
        target = shown.targets.get(self._target)
        sheet = self._sheet
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
        shown, sheet, chosen = self._shown, self._sheet, self._rows.chosen
        self._help.take(self._table, chosen)
        tiny, full = self.layout_class == "-tiny", self.layout_class == "-full"
        if self._revealed is not None and chosen is not None and chosen.key == self._revealed:
            self._help.display = not tiny
            self._help.reveal(self._table, chosen, most=self.app.size.height // 2)
        elif shown is None or sheet is None:
            self._help.display = False
        else:
            offered = self._help.offer(shown, sheet, chosen, most=11 if full else 8)
            self._help.display = offered and not tiny

    def on_row_list_moved(self, message: RowList.Moved) -> None:
        """Another row: its text is hidden again, its offers are shown.

        A list may tell of a move that a key came after: the row that was opened since stays so.
        """
        message.stop()
        chosen = self._rows.chosen
        if self._revealed is not None and (chosen is None or chosen.key != self._revealed):
            self._revealed = None
            self._help.start_low()
        self._draw_help()

    def on_row_list_opened(self, message: RowList.Opened) -> None:
        """A double click shows the row in full."""
        message.stop()
        self.action_view_text()

    def on_row_list_head_clicked(self, message: RowList.HeadClicked) -> None:
        """A click on a title sorts by that column; another one turns the order around."""
        message.stop()
        x = message.x - (present.MARK if self._marked else 0)
        column = present.column_at(self._shape, x, message.rows.columns) if x >= 0 else None
        if column is not None and self._table.columns:
            self._sort_by(column)

    def on_tables_chosen(self, message: Tables.Chosen) -> None:
        """A click on a table's name."""
        message.stop()
        self._turn_to(message.id)

    def copied(self) -> str:
        """The selected row, statements without their values; of a blind look the line to type."""
        row = self._rows.chosen
        if row is not None:
            return present.as_text(row, self._table)
        blind = self._sheet.blind if self._sheet is not None else None
        return (blind.hint or blind.detail) if blind is not None else ""

    def own_commands(self) -> Iterable[tuple[str, str, Callable[[], None]]]:
        """Every table and every column by its name."""
        for sheet in self.sheets(self._shown) if self._shown is not None else ():
            name = safe(sheet.table.title, 60)
            yield f"Table {name}", "Show this table", partial(self._turn_to, sheet.id)
        for at, column in enumerate(self._table.columns):
            name = safe(column.title, 40)
            yield f"Sort by {name}", "Sort the rows by this column", partial(self._sort_by, at)

    # -- actions -------------------------------------------------------------------------------

    def action_view_text(self) -> None:
        """Show the row in full in the lower pane, or stop."""
        chosen = self._rows.chosen
        self._revealed = None if self._revealed or chosen is None else chosen.key
        self._help.start_low()
        self._draw_help()
        if self.layout_class == "-tiny" and self._revealed:
            self.host.say("Too small to show it: make the terminal larger", "warning")

    def action_sort(self) -> None:
        """The next column; then the probe's own order."""
        self._order.turn(self._table)
        self._redraw()

    def _sort_by(self, column: int) -> None:
        self._order.by(self._table, column)
        self._redraw()

    def action_reverse(self) -> None:
        """Turn the order around."""
        if self._order.column is None:
            self.host.say("The rows are in the order of the look: s sorts them by a column")
            return
        self._order.reverse()
        self._redraw()

    def action_table(self, by: str) -> None:
        """Another table of this target."""
        if self._shown is None:
            return
        ids = [sheet.id for sheet in self.sheets(self._shown)]
        if len(ids) > 1:
            at = ids.index(self._at) if self._at in ids else 0
            self._turn_to(ids[(at + int(by)) % len(ids)])

    def _turn_to(self, id_: SheetId) -> None:
        self._at, self._chosen = id_, True
        self._order.forget()
        self._revealed = None
        self._rows.moved = False
        self._rows.set_filter("")
        self._redraw()

    def action_logs(self) -> None:
        """The lines of this target."""
        from screens.logs import LogsScreen

        self.app.push_screen(LogsScreen(self._target))

    def action_look(self) -> None:
        """Look at this target again."""
        self.host.look_now(self._target)

    def action_offer(self, key: str) -> None:
        """Plan what is offered under a key; in triage, propose it."""
        offer = self._help.offered(key, self.host.presses.at)
        if offer is None:
            self.host.say(f"Nothing is offered under {key} for this row")
            return
        if why := acting.only_watches(self.host):
            self.host.say(why, "warning")
            return
        if self._shown is not None and self._shown.status.role is Role.TRIAGE:

            def answer(text: str) -> None:
                self.run_worker(self._propose(offer, text), exit_on_error=False)

            self.ask("reason", f"why propose '{safe(offer.label, 60)}'?", answer)
            return
        run = self._run_of(offer)
        if run is not None:
            looked_up = acting.look_up(self, run, run.steps[0].step.id)
            self.run_worker(self._carry_out(run, looked_up), exit_on_error=False)

    def _run_of(self, offer: Offer) -> RunPort | None:
        """The offer as a run of one step; says so when it cannot be one."""
        desk = self.host.desk
        try:
            return desk.offer_run(self._target, offer) if desk is not None else None
        except CockpitError as error:
            self.host.say_error(error)
            return None

    async def _carry_out(self, run: RunPort, looked_up: acting.LookedUp) -> None:
        outcome = await acting.carry_out(self, run, run.steps[0].step.id, looked_up)
        if outcome is not None:
            self.host.look_now(self._target, quiet=True)

    async def _propose(self, offer: Offer, reason: str) -> None:
        run = self._run_of(offer)
        if run is not None:
            await acting.propose(self, run, run.steps[0].step.id, reason=reason)

    def _redraw(self) -> None:
        if self._shown is not None:
            self.refresh_from(self._shown)
