"""What changed, on one axis with the symptoms, the most suspected first."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.content import Content

from cockpit.triage.ranking import Ranked
from cockpit.triage.related import RankedChanges
from cockpit.triage.unseen import complete_until, unseen
from screens.base import CockpitScreen, bottom
from screens.bindings import Where
from screens.present import changes as present
from screens.present.axis import axis_lines
from screens.present.header import header
from screens.present.lines import line, safe, wrap
from screens.shown import Shown
from screens.widgets.header import Header
from screens.widgets.lineview import Paper
from screens.widgets.panes import set_title
from screens.widgets.rowlist import RowList, RowView

VIEW: RowView[Ranked] = RowView(
    key=present.key,
    draw=present.draw,
    fields=present.fields,
    columns=present.COLUMNS,
    empty="No change was read. That is not the same as nothing changed.",
)


class Changes(RowList[Ranked]):
    """The changes, under the words of their columns."""

    def refresh_from(self, found: RankedChanges, shown: Shown) -> None:
        """Draw them."""
        self.set_head([present.heads(self.columns)])
        self.show(found.ranked, shown.moment)
        set_title(self, present.title(found))


class ChangesScreen(CockpitScreen[None], part=Where.CHANGES):
    """The axis, the list, and what the selected change did exactly."""

    def __init__(self) -> None:
        super().__init__()
        self._found: RankedChanges | None = None

    def compose(self) -> ComposeResult:
        """Header, axis, list, the change in full, the note line, keys."""
        yield Header(id="header")
        yield Paper(id="axis", classes="pane")
        yield Changes(VIEW, id="rows", classes="pane")
        yield Paper(id="change", classes="pane")
        yield from bottom()

    def on_mount(self) -> None:
        """The keys go to the list."""
        super().on_mount()
        self.query_one("#rows").focus()

    def refresh_from(self, shown: Shown) -> None:
        """Draw a moment. A frozen one keeps its list: nobody else remembers it."""
        desk = self.host.desk
        if desk is not None and (shown.frozen is None or self._found is None):
            self._found = desk.changes
        bar = self.query_one("#header", Header)
        bar.show(header(shown, bar.columns, rows=1 if self.layout_class == "-tiny" else 2))
        if self._found is not None:
            self._draw_axis(self._found, shown)
            self.query_one("#rows", Changes).refresh_from(self._found, shown)
        self._draw_change()

    def _draw_axis(self, found: RankedChanges, shown: Shown) -> None:
        paper = self.query_one("#axis", Paper)
        width = max(20, paper.columns)
        dark = present.unseen_lines(
            unseen(shown.board, shown.targets.values()), complete_until(shown.board), width
        )
        rows = max(3, paper.size.height - len(dark))
        drawn = axis_lines(
            found.ranked,
            shown.board,
            found.began,
            moment=shown.moment,
            width=width,
            rows=rows,
            first_look=found.first_look,
        )
        onset = present.onset_words(found.began, len(shown.board.blind()))
        set_title(paper, line("What changed  ", (onset, "strong")))
        paper.show([*dark, *drawn])

    def on_row_list_moved(self, message: RowList.Moved) -> None:
        """Another change is selected."""
        message.stop()
        self._draw_change()

    def on_row_list_opened(self, message: RowList.Opened) -> None:
        """A double click reads it."""
        message.stop()
        self.action_open()

    def _draw_change(self) -> None:
        paper = self.query_one("#change", Paper)
        row = self.query_one("#rows", Changes).chosen
        set_title(paper, line("Change"))
        paper.show(present.whole(row, max(10, paper.columns)) if row is not None else [])

    def action_open(self) -> None:
        """The whole change, and everything that was not seen."""
        row = self.query_one("#rows", Changes).chosen
        shown = self.host.shown
        if shown is None:
            return
        dark = unseen(shown.board, shown.targets.values())
        self.host.read(
            line("Change"),
            lambda width: [
                *(present.whole(row, width) if row is not None else []),
                *(part for text in dark for part in wrap(_dark(text), width, indent=10)),
            ],
        )

    def action_look(self) -> None:
        """Look at the feeds again."""
        shown = self.host.shown
        for target in shown.targets.values() if shown is not None else ():
            if target.kind == "changes":
                self.host.look_now(target.name, quiet=True)
        self.host.say("Looking again at what changed")

    def copied(self) -> str:
        """The selected change in full."""
        row = self.query_one("#rows", Changes).chosen
        return present.as_text(row) if row is not None else ""


def _dark(text: str) -> Content:
    return line(("not seen  ", "blind"), safe(text, 1000))
