"""At most three suspects, one line each."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from datetime import datetime

from textual.content import Content

from cockpit.triage.suspects import Suspect
from screens.present import suspects as present
from screens.present.lines import line
from screens.shown import Shown
from screens.widgets.panes import set_title
from screens.widgets.rowlist import RowList, RowView

_MOST = 3


def _key(row: Suspect) -> Hashable:
    return (row.kind, row.name)


def _fields(row: Suspect) -> Mapping[str, str]:
    return {"name": row.name, "kind": row.kind, "text": row.summary}


class Suspects(RowList[Suspect]):
    """What probably caused it, and how sure that is."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        self.small = False
        self._shown: Shown | None = None
        view: RowView[Suspect] = RowView(
            key=_key, draw=self._draw, fields=_fields, columns=frozenset({"name", "kind", "text"})
        )
        super().__init__(view, id=id)

    def _draw(self, row: Suspect, width: int, moment: datetime) -> Content:
        if self._shown is None:
            return line("")
        if self.small:
            return present.one_line(self._shown, width)
        return present.draw(row, self._shown, width)

    def line_at(self, y: int, width: int) -> tuple[Content, str]:
        """A suspect; without any, why there is none."""
        if self._shown is not None and not self.rows:
            drawn = present.one_line if self.small else present.nobody
            return (drawn(self._shown, width) if y == 0 else line("")), ""
        content, look = super().line_at(y, width)
        return content, look or ("suspect" if self.small and self.shown else "")

    def refresh_from(self, shown: Shown) -> None:
        """Draw this moment; the pane is as high as it has suspects, and never above three lines:
        where it cannot tell, that is the first of them, and the list scrolls.
        """
        self._shown = shown
        rows = list(shown.suspects[:1] if self.small else shown.suspects[:_MOST])
        head = None if self.small else present.cannot_tell(shown)
        self.set_head([head] if head is not None else [])
        high = min(_MOST, max(1, len(rows)) + (head is not None))
        height = 1 if self.small else high + 2
        if self.styles.height is None or self.styles.height.value != height:
            self.styles.height = height
        self.show(rows, shown.moment)
        set_title(self, present.title(shown))

    @property
    def to_read(self) -> Suspect | None:
        """The one whose reasoning is read: the selected one; on one line, whoever stands there."""
        there = self.shown[0] if self.small and self.shown else None
        return self.chosen or there

    def named_at(self, when: float) -> str:
        """The name of the selected suspect as the screen showed it at a moment; empty: none."""
        drawn = self.drawn_at(when)
        return str(drawn[1]) if isinstance(drawn, tuple) else ""
