"""The timeline, live at its end."""

from __future__ import annotations

from functools import cached_property

from cockpit.incident.timeline import TimelineRow
from screens.present import timeline as present
from screens.present.lines import line
from screens.shown import Shown
from screens.widgets.panes import set_title
from screens.widgets.rowlist import RowList, RowView

VIEW: RowView[TimelineRow] = RowView(
    key=present.key,
    draw=present.draw,
    fields=present.fields,
    columns=present.COLUMNS,
    empty="Nothing is recorded yet.",
    follow_end=True,
)


class Timeline(RowList[TimelineRow]):
    """What happened, the newest at the end; it follows until the person moves up."""

    @cached_property
    def _folding(self) -> present.Folding:
        return present.Folding()

    def refresh_from(self, shown: Shown) -> None:
        """Draw this moment."""
        self.show(self._folding.of(shown.entries), shown.moment)
        set_title(self, line(f"Timeline {len(shown.entries)}"))
