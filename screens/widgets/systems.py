"""Systems and changes."""

from __future__ import annotations

from functools import cached_property

from screens.present import systems as present
from screens.shown import Shown
from screens.widgets.panes import set_title
from screens.widgets.rowlist import RowList, RowView

VIEW: RowView[present.SystemRow] = RowView(
    key=present.key,
    draw=present.draw,
    fields=present.fields,
    columns=present.COLUMNS,
    selectable=present.selectable,
    empty="No target is configured.",
)


class Systems(RowList[present.SystemRow]):
    """Targets grouped by service, or by account and region; changes below."""

    by_place = False

    @cached_property
    def _kept(self) -> present.Kept:
        return {}

    def refresh_from(self, shown: Shown) -> None:
        """Draw this moment."""
        rows = present.rows(shown, by_place=self.by_place, kept=self._kept)
        self.show(rows, shown.moment)
        set_title(self, present.title(shown, by_place=self.by_place))
