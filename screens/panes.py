"""Six panes, or as many as there is room for."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from screens.base import CockpitScreen, bottom
from screens.widgets.better import BetterBar
from screens.widgets.evidence import EvidencePane
from screens.widgets.findings import Findings
from screens.widgets.header import Bar, Header
from screens.widgets.interrupt import InterruptBar
from screens.widgets.rowlist import RowList
from screens.widgets.runbook import VIEW as RUNBOOK_VIEW
from screens.widgets.runbook import RunbookPane
from screens.widgets.suspects import Suspects
from screens.widgets.systems import VIEW as SYSTEMS_VIEW
from screens.widgets.systems import Systems
from screens.widgets.timeline import VIEW as TIMELINE_VIEW
from screens.widgets.timeline import Timeline
from screens.widgets.unfinished import UnfinishedBar

PANES = ("suspects", "systems", "findings", "evidence", "runbook", "timeline")
_LOWER = ("evidence", "systems", "runbook", "timeline")
"""Panes of which a small terminal shows one, below the findings."""
_HOLDS = {
    "centre": ("findings", "evidence"),
    "middle": ("systems", "findings", "evidence", "runbook"),
}
"""What stands in it: without a shown pane it would still take its share of the screen."""


class PanesScreen(CockpitScreen[None]):
    """Which panes are shown, and how a person gets from one to the other."""

    def __init__(self) -> None:
        super().__init__()
        self._lower = "evidence"
        self._only = "findings"
        self._zoomed = False

    def compose(self) -> ComposeResult:
        """Header, suspects, three columns, timeline, note line, keys."""
        yield Header(id="header")
        yield Bar(id="recovery")
        yield Bar(id="banner")
        yield UnfinishedBar(id="unfinished")
        yield InterruptBar(id="interrupt")
        yield BetterBar(id="better")
        yield Suspects(id="suspects").add_class("pane")
        with Horizontal(id="middle"):
            yield Systems(SYSTEMS_VIEW, id="systems", classes="pane")
            with Vertical(id="centre"):
                yield Findings(id="findings").add_class("pane")
                yield EvidencePane(id="evidence", classes="pane")
            yield RunbookPane(RUNBOOK_VIEW, id="runbook", classes="pane")
        yield Timeline(TIMELINE_VIEW, id="timeline", classes="pane")
        yield from bottom()

    def on_mount(self) -> None:
        """The keys go to the findings."""
        super().on_mount()
        for findings in self.query(Findings):  # none, where somebody left while it opened
            findings.focus()

    def laid_out(self) -> None:
        """Decide which panes there is room for."""
        if not self.query("#findings"):
            return
        small = self.layout_class != "-full"
        one = self.layout_class == "-tiny" or self._zoomed
        self.query_one(Suspects).small = small and not one
        self.set_class(one, "-one")
        for name in PANES:
            pane = self.query_one(f"#{name}")
            if one:
                hidden = name != self._only
            else:
                hidden = small and name in _LOWER and name != self._lower
            pane.set_class(hidden, "-other")
        for name, holds in _HOLDS.items():
            self.query_one(f"#{name}").set_class(one and self._only not in holds, "-emptied")
        suspects = self.query_one("#suspects")
        suspects.display = not one or self._only == "suspects"

    def _pane(self, name: str) -> Widget:
        return self.query_one(f"#{name}")

    def action_jump(self, key: str) -> None:
        """Go to a pane, which shows itself when there was no room for it."""
        name = PANES[int(key) - 1]
        self._only = name
        if name in _LOWER:
            self._lower = name
        self.laid_out()
        self._pane(name).focus()
        self.call_after_refresh(self._draw_again)

    def action_next_pane(self, by: str) -> None:
        """The next pane, in the order of their numbers."""
        at = PANES.index(self.pane_name) if self.pane_name in PANES else 2
        self.action_jump(str((at + int(by)) % len(PANES) + 1))

    def action_zoom(self) -> None:
        """One pane on the whole screen, and back."""
        self._zoomed = not self._zoomed
        self._only = self.pane_name or "findings"
        self.laid_out()
        self.call_after_refresh(self._draw_again)

    def action_clear(self) -> None:
        """Esc: the filter, then the zoom."""
        if isinstance(self.pane, RowList) and self.pane.filter:
            self.pane.set_filter("")
            self._tell_filter(self.pane)
        elif self._zoomed:
            self.action_zoom()
