"""Systems and changes."""

from __future__ import annotations

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

    def refresh_from(self, shown: Shown) -> None:
        """Draw this moment."""
        self.show(present.rows(shown, by_place=self.by_place), shown.moment)
        set_title(self, present.title(shown, by_place=self.by_place))
