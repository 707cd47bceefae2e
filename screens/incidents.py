"""Before a desk: which incident."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from datetime import UTC, datetime

from textual.app import ComposeResult
from textual.content import Content

from cockpit import clock
from cockpit.errors import CockpitError
from cockpit.incident.lines import IncidentLine
from screens.base import CockpitScreen, bottom
from screens.bindings import Where
from screens.messages import Typed
from screens.pick import Choice, PickScreen
from screens.port import OpeningPort
from screens.present.header import badge
from screens.present.lines import ago, fit, line, safe, sides
from screens.widgets.header import Header
from screens.widgets.panes import set_title
from screens.widgets.rowlist import RowList, RowView

_NEW = IncidentLine(
    id="",
    title="A new incident",
    severity="",
    status="",
    opened_at=datetime.max.replace(tzinfo=UTC),
)


def _draw_incident(row: IncidentLine, width: int, moment: datetime) -> Content:
    if not row.id:
        return line(
            ("+ ", "accent bold"), ("A new incident", "strong"), ("  type its title", "dim")
        )
    left = line(
        (fit(row.id, 15), "strong"),
        (f" {fit(row.severity, 3)}", "high bold"),
        (f" {fit(row.status, 14)}", "dim"),
        safe(row.title),
    )
    live = "open elsewhere · " if row.live else ""
    return sides(left, line((f"{live}{ago(moment, row.opened_at)} ago ", "dim")), width)


def _incident_key(row: IncidentLine) -> Hashable:
    return row.id


def _incident_fields(row: IncidentLine) -> Mapping[str, str]:
    return {"id": row.id, "title": row.title, "severity": row.severity, "status": row.status}


INCIDENTS: RowView[IncidentLine] = RowView(
    key=_incident_key,
    draw=_draw_incident,
    fields=_incident_fields,
    columns=frozenset({"id", "title", "severity", "status"}),
)

LEVELS = (
    Choice("P0", "P0", "everything is down, or data is being lost", "critical"),
    Choice("P1", "P1", "a main function is down for many", "critical"),
    Choice("P2", "P2", "degraded, or down for some", "high"),
    Choice("P3", "P3", "small, can wait for the day", "warning"),
)
STATES = (
    Choice("investigating", "investigating", "the cause is not known"),
    Choice("identified", "identified", "the cause is known"),
    Choice("mitigated", "mitigated", "the harm has ended, being watched"),
    Choice("resolved", "resolved", "over"),
    Choice("closed", "closed", "nothing is left to do; ends the incident"),
)
ENDINGS = frozenset({"resolved", "closed"})
"""States that a commander sets: what is said to be over is not watched any more."""


class IncidentsScreen(CockpitScreen[None], part=Where.CHOOSING):
    """Open incidents to go on with, or a new one."""

    def __init__(self, opening: OpeningPort) -> None:
        super().__init__()
        self._opening = opening
        self._begun = False

    def compose(self) -> ComposeResult:
        """Header, list, the line for a title, keys."""
        yield Header(id="header")
        yield RowList(INCIDENTS, id="incidents", classes="pane")
        yield from bottom()

    def on_mount(self) -> None:
        """Show what is open."""
        super().on_mount()
        rows: RowList[IncidentLine] = self.query_one("#incidents", RowList)
        rows.focus()
        set_title(rows, line("Go on with"))
        self.call_after_refresh(self._draw)

    def laid_out(self) -> None:
        """Draw for the new size."""
        if self.is_mounted:
            self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        head = line((" cockpit", "strong"), f"  {safe(self._opening.environment)}  ")
        told = line(head, badge(self._opening.role))
        self.query_one("#header", Header).show([told, line((" Which incident?", "dim"))])
        rows: RowList[IncidentLine] = self.query_one("#incidents", RowList)
        rows.show([*self._opening.incidents, _NEW], clock.now())

    def on_row_list_opened(self, message: RowList.Opened) -> None:
        """A double click is Enter."""
        message.stop()
        self.action_take()

    def action_take(self) -> None:
        """Go on with the row under the cursor, or ask for a title."""
        rows: RowList[IncidentLine] = self.query_one("#incidents", RowList)
        row = rows.chosen
        if row is None or self._begun:
            return
        if row.id:
            self.run_worker(self._resume(row.id), exit_on_error=False)
        else:
            self.ask(
                "title", "title: what people see, such as 'checkout returns 5xx'", self._titled
            )

    def _titled(self, text: str) -> None:
        if text.strip():
            self.run_worker(self._create(text.strip()), exit_on_error=False)

    def on_typed(self, message: Typed) -> None:
        """There is no timeline yet: only a title is taken."""
        if message.purpose == "note":
            message.stop()
            self._return_focus()
            return
        super().on_typed(message)

    async def _resume(self, incident: str) -> None:
        self._begun = True
        try:
            self.host.begin(await self._opening.resume(incident))
        except CockpitError as error:
            self.host.say_error(error)
            self._begun = False

    async def _create(self, title: str) -> None:
        level = await self.app.push_screen_wait(PickScreen("How severe?", LEVELS))
        if level is None:
            return
        self._begun = True
        try:
            self.host.begin(await self._opening.create(title, level))
        except CockpitError as error:
            self.host.say_error(error)
            self._begun = False

    def action_back(self) -> None:
        """There is nothing behind this screen: esc ends the cockpit."""
        self.app.exit(0)
