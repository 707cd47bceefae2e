"""The lines at the top (who, where, how fresh), the banner, and the keys at the bottom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual import events
from textual.content import Content

from screens.bindings import Action
from screens.present.lines import Part, cells, line
from screens.widgets.lineview import Paper


class Bar(Paper, can_focus=False):
    """Lines across the whole width, which take no focus."""


class Header(Bar):
    """Two lines (one in tiny terminals): the badge of the role is always among them."""


class Footer(Bar):
    """The keys of the focused pane. A click on one does it."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._spans: list[tuple[int, int, Action]] = []

    def show_actions(self, actions: Sequence[Action]) -> None:
        """As many as fit; the palette keeps the right end."""
        end = line(("^p ", "accent bold"), "Palette ")
        room = max(0, self.columns - end.cell_length - 1)
        parts: list[Part] = [" "]
        used = 1
        self._spans = []
        for action in actions:
            wide = cells(action.first) + cells(action.label) + 3
            if used + wide > room:
                continue
            self._spans.append((used, used + wide - 2, action))
            parts += [(action.first, "accent bold"), f" {action.label}  "]
            used += wide
        left = line(*parts)
        gap = self.columns - left.cell_length - end.cell_length
        self.show([line(left, " " * max(0, gap), end if gap >= 0 else Content(""))])

    async def on_click(self, event: events.Click) -> None:
        """Do the action under the mouse."""
        for start, stop, action in self._spans:
            if start <= event.x < stop and not action.by_key:
                await self.screen.run_action(action.call())
                return
        if event.x >= self.columns - 11:
            await self.app.run_action("command_palette")
