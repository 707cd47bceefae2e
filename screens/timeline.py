"""The whole timeline, with filter; the selected entry in full below."""

from __future__ import annotations

from collections.abc import Hashable

from textual.app import ComposeResult

from screens.base import CockpitScreen, bottom
from screens.bindings import Where
from screens.present.header import header
from screens.present.lines import line, safe, wrap
from screens.present.timeline import whole
from screens.shown import Shown
from screens.widgets.header import Header
from screens.widgets.lineview import Paper
from screens.widgets.panes import set_title
from screens.widgets.rowlist import RowList
from screens.widgets.timeline import VIEW, Timeline


class TimelineScreen(CockpitScreen[None], part=Where.TIMELINE):
    """Every line of the record that is no noise, live."""

    def __init__(self, at: Hashable = None) -> None:
        super().__init__()
        self._at = at

    def compose(self) -> ComposeResult:
        """Header, list, the entry, the note line, keys."""
        yield Header(id="header")
        yield Timeline(VIEW, id="rows", classes="pane")
        yield Paper(id="entry", classes="pane")
        yield from bottom()

    def on_mount(self) -> None:
        """The keys go to the list."""
        super().on_mount()
        self.query_one("#rows").focus()

    def refresh_from(self, shown: Shown) -> None:
        """Draw a moment."""
        bar = self.query_one("#header", Header)
        bar.show(header(shown, bar.columns, rows=1 if self.layout_class == "-tiny" else 2))
        rows = self.query_one("#rows", Timeline)
        rows.refresh_from(shown)
        if self._at is not None:
            at, self._at = self._at, None
            rows.choose(at)
        self._draw_entry()

    def on_row_list_moved(self, message: RowList.Moved) -> None:
        """Another entry is selected."""
        message.stop()
        self._draw_entry()

    def _draw_entry(self) -> None:
        paper = self.query_one("#entry", Paper)
        row = self.query_one("#rows", Timeline).chosen
        set_title(paper, line("Entry", (f" {row.seq}" if row else "", "dim")))
        text = line(safe(whole(row), 8000)) if row is not None else line("")
        paper.show(wrap(text, max(10, paper.columns)))

    def copied(self) -> str:
        """The selected entry."""
        row = self.query_one("#rows", Timeline).chosen
        return whole(row) if row is not None else ""
