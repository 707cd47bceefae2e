"""While a plan is looked up: a dialog, so that what is typed meanwhile goes nowhere else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical

from cockpit import clock
from screens.base import CockpitModal
from screens.bindings import Where
from screens.present.lines import line, safe
from screens.widgets.header import Bar

if TYPE_CHECKING:
    from cockpit.runbooks.plan import Plan

_QUIET = 0.3
"""Seconds for which nothing is drawn: most plans are made by then, and a flash tells nobody."""


class PlanningScreen(CockpitModal[None], part=Where.CONFIRM):
    """Takes every key from the press that asked until the plan is there. Esc gives it up."""

    def __init__(self, title: str, work: asyncio.Task[Plan]) -> None:
        super().__init__()
        self._title = title
        self._work = work
        self._since = clock.monotonic()
        self._over = False

    def compose(self) -> ComposeResult:
        """One line."""
        with Vertical(id="dialog", classes="-read"):
            yield Bar(id="ask")

    def on_mount(self) -> None:
        """Draw it only when it takes a while."""
        super().on_mount()
        self.add_class("-quiet")
        self.set_timer(_QUIET, self._draw)
        self.set_interval(1.0, self._draw)

    def _draw(self) -> None:
        if not self.is_current:
            return
        self.remove_class("-quiet")
        took = int(clock.monotonic() - self._since)
        told = line(
            ("Esc", "strong"), f" gives up. Looking up '{safe(self._title, 60)}' …  {took}s"
        )
        self.query_one("#ask", Bar).show([told])

    def action_yes(self) -> None:
        """There is nothing to say yes to yet."""

    def action_no(self) -> None:
        """Esc: no plan, and nothing runs."""
        self._work.cancel()

    def leave(self) -> None:
        """Give the keys back: at once, or as soon as what a person opened over it is closed."""
        self._over = True
        self.on_screen_resume()

    def on_screen_resume(self) -> None:
        """Nothing lies over it any more. The event may come when it is closed already."""
        # `is_current` holds below a dialog too, and `dismiss` then closes that dialog instead
        if self._over and self.app.screen is self:
            self.dismiss()
