"""The strip with the names of a target's tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual import events
from textual.message import Message

from screens.present.sheets import Sheet, SheetId, Tab, strip
from screens.widgets.header import Bar


class Tables(Bar):
    """One line; a click chooses a table."""

    class Chosen(Message, bubble=True):
        """The table that is wanted."""

        def __init__(self, id_: SheetId) -> None:
            super().__init__()
            self.id = id_

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._tabs: tuple[Tab, ...] = ()

    def refresh_from(self, sheets: Sequence[Sheet], chosen: SheetId | None) -> None:
        """The names around the chosen one."""
        told, self._tabs = strip(sheets, chosen, self.columns)
        self.show([told])

    def on_click(self, event: events.Click) -> None:
        """Choose the table under the mouse."""
        for tab in self._tabs:
            if tab.start <= event.x < tab.stop:
                self.post_message(self.Chosen(tab.id))
                return
