"""At most three suspects, one line each."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from datetime import datetime

from textual.content import Content

from cockpit.triage.board import Board
from cockpit.triage.finding import Severity
from cockpit.triage.suspects import Suspect
from screens.present.evidence import suspects
from screens.present.header import suspect_line
from screens.present.lines import line
from screens.shown import Shown
from screens.widgets.panes import set_title
from screens.widgets.rowlist import RowList, RowView


def _key(row: Suspect) -> Hashable:
    return (row.kind, row.name)


def _fields(row: Suspect) -> Mapping[str, str]:
    return {"name": row.name, "kind": row.kind, "text": row.summary}


class Suspects(RowList[Suspect]):
    """What probably caused it, and how that was found."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        self._lines: list[Content] = []
        self.small = False
        self._shown: Shown | None = None
        self._counted: tuple[Board, int] | None = None
        view: RowView[Suspect] = RowView(
            key=_key, draw=self._draw, fields=_fields, columns=frozenset({"name", "kind", "text"})
        )
        super().__init__(view, id=id)

    def _draw(self, row: Suspect, width: int, moment: datetime) -> Content:
        if self._shown is None:
            return line("")
        if self.small:
            return suspect_line(self._shown, width)
        found = self._shown.suspects
        return suspects(found, self._shown.suspects_by, self._total(), width)[found.index(row)]

    def _total(self) -> int:
        if self._shown is None:
            return 0
        board = self._shown.board
        if self._counted is None or self._counted[0] is not board:
            found = board.open.values()
            mild = sum(1 for f in found if f.finding.severity is Severity.INFO)
            self._counted = (board, len(found) - mild)
        return self._counted[1]

    def line_at(self, y: int, width: int) -> tuple[Content, str]:
        """A suspect; without any, how they would be found."""
        if self._shown is not None and not self.shown:
            drawn = suspects((), self._shown.suspects_by, 0, width)
            return (drawn[0] if y == 0 else line("")), ""
        content, look = super().line_at(y, width)
        return content, look or ("suspect" if self.small and self.shown else "")

    def refresh_from(self, shown: Shown) -> None:
        """Draw this moment; the pane is as high as it has suspects."""
        self._shown = shown
        rows = list(shown.suspects[:1] if self.small else shown.suspects[:3])
        height = 1 if self.small else max(1, len(rows)) + 2
        if self.styles.height is None or self.styles.height.value != height:
            self.styles.height = height
        self.show(rows, shown.moment)
        set_title(self, line("Prime suspects"))
