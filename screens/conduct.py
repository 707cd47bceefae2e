"""Status and severity of the incident: what this role may set, and a question before the end."""

from __future__ import annotations

from cockpit.connect.role import Role
from cockpit.errors import CockpitError
from cockpit.triage.board import Board
from cockpit.triage.finding import Severity
from cockpit.units import count
from screens.base import CockpitScreen
from screens.incidents import ENDINGS, LEVELS, STATES
from screens.pick import Choice, PickScreen
from screens.shown import Shown


async def set_status(screen: CockpitScreen[None]) -> None:
    """Have one picked, set it, say so. Closing asks once more."""
    host, desk = screen.host, screen.host.desk
    if desk is None:
        return
    commands = desk.status.role is Role.COMMANDER
    states = [each for each in STATES if commands or each.key not in ENDINGS]
    title = "Status, severity" if commands else "Status, severity (a commander resolves and closes)"
    picked = await screen.app.push_screen_wait(PickScreen(title, [*states, *LEVELS]))
    if picked is None:
        return
    reason = ""
    if picked == "closed":
        if not await _sure(screen, host.live):
            host.say("The incident stays open")
            return
        reason = _left(host.live.board) if host.live is not None else ""
    try:
        if picked.startswith("P"):
            await desk.set_severity(picked)
        else:
            await desk.set_status(picked, reason)
    except CockpitError as error:
        host.say_error(error)
        return
    host.say(_SAYS.get(picked, f"The incident is {picked} from here on"))
    host.nudge()


_SAYS = {"closed": "The incident is closed: recorded, and no update is due any more"}


async def _sure(screen: CockpitScreen[None], live: Shown | None) -> bool:
    left = (_left(live.board) if live is not None else "") or "nothing critical is open"
    choices = [
        Choice("no", "stay open", "nothing is changed"),
        Choice("yes", "close it", f"ends the incident; {left}", "critical"),
    ]
    picked = await screen.app.push_screen_wait(PickScreen("Close the incident?", choices))
    return picked == "yes"


def _left(board: Board) -> str:
    """`with 2 criticals open`, for the question and the record; empty when there is none."""
    found = sum(f.finding.severity is Severity.CRITICAL for f in board.open.values())
    return f"with {count(found, 'critical')} open" if found else ""
