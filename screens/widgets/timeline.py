"""The timeline, live at its end."""

from __future__ import annotations

from collections.abc import Sequence

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

    _of: Sequence[TimelineRow] = ()
    _folded: Sequence[TimelineRow] = ()

    def refresh_from(self, shown: Shown) -> None:
        """Draw this moment."""
        if shown.entries is not self._of:  # the same object until there is another entry
            self._of, self._folded = shown.entries, present.folded(shown.entries)
        self.show(self._folded, shown.moment)
        set_title(self, line(f"Timeline {len(shown.entries)}"))
