"""Findings, blind readings and recoveries."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from datetime import datetime

from textual.content import Content

from cockpit.triage.board import OpenFinding
from screens.present import findings as present
from screens.present.lines import cells
from screens.shown import Shown
from screens.widgets.panes import set_subtitle, set_title
from screens.widgets.rowlist import RowList, RowView

_NAMES_MOST = 22


class Findings(RowList[present.FindingRow]):
    """The list that everything begins with. 10,000 rows cost what is visible of them."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        self._names = 14
        self.start = present.Start(None, "")
        """Where the selection starts, or would go when it is held elsewhere."""
        self._best: Callable[[OpenFinding], str] = lambda _: ""
        view: RowView[present.FindingRow] = RowView(
            key=present.key,
            draw=self._draw,
            fields=self._fields,
            columns=present.COLUMNS,
            marked=True,
            empty="Nothing has been looked at yet.",
        )
        super().__init__(view, id=id)

    def _fields(self, row: present.FindingRow) -> Mapping[str, str]:
        return present.fields(row, self._best)

    def _draw(self, row: present.FindingRow, width: int, moment: datetime) -> Content:
        return present.draw(row, width, moment, names=self._room(width))

    def _room(self, width: int) -> int:
        return min(self._names, _NAMES_MOST if width > 60 else max(7, width // 4))

    def refresh_from(self, shown: Shown) -> None:
        """Draw this moment."""
        self._best = shown.best
        rows = present.rows(shown.board, shown.moment)
        self._names = max(9, max((cells(name) for name in shown.targets), default=9))
        width = self.columns
        roomy = width > 50 and self.size.height >= 8
        self.set_head([present.heading(width, names=self._room(width))] if roomy else [])
        empty = present.nothing(len(shown.board.readings), shown.status.probes)
        if self.view.empty != empty:
            self.view = replace(self.view, empty=empty)
        start = present.start(shown, rows)
        self.home, self.start = start.key, start
        self.show(rows, shown.moment)
        if not self.filter:
            held = self._above() if self.moved else start.why
            set_subtitle(self, held if rows else "")
        blind = present.blind_findings(shown.board)
        once = present.seen_once(shown.board)
        set_title(self, present.title(rows, max(8, self.size.width - 2), blind=blind, once=once))

    def _keep_place(self, at: int) -> None:
        """What is worse comes on top: who sees the top goes on seeing it, while the held row has
        room there too.
        """
        if self.scroll_offset.y or self.cursor >= self.lines_shown:
            super()._keep_place(at)
        else:
            self._resize_document()

    def _above(self) -> str:
        """How many criticals stand above what is visible; empty: none."""
        above = self.shown[: self.scroll_offset.y]
        hidden = sum(present.state(row) == "critical" for row in above)
        return f"{hidden} critical above · g goes there" if hidden else ""

    @property
    def chosen_key(self) -> Hashable:
        """The identity of the selected row; None without one."""
        return present.key(self.chosen) if self.chosen is not None else None
