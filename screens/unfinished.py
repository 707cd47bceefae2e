"""What became of a step whose end nobody knows: verify it, or say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cockpit.errors import CockpitError
from screens.base import CockpitScreen
from screens.pick import Choice, PickScreen
from screens.port import DeskPort
from screens.present.lines import safe

if TYPE_CHECKING:
    from cockpit.runbooks.unfinished import Unfinished


async def settle(screen: CockpitScreen[None]) -> None:
    """Verify the oldest one, or have a person say how it ended."""
    host, desk = screen.host, screen.host.desk
    if desk is None or not desk.unfinished:
        host.say("No step is unknown: of every one it is written how it ended")
        return
    one = desk.unfinished[0]
    choices = [
        Choice("ok", "it happened", "I know that it was done: ask me how"),
        Choice("failed", "it did not", "I know that it was not done: ask me how"),
    ]
    if one.verification:
        choices.insert(0, Choice("verify", "verify", f"look: {safe(one.verification)}", "accent"))
    picked = await screen.app.push_screen_wait(
        PickScreen(f"What became of '{safe(one.title)}'?", choices)
    )
    if picked is None:
        return
    if picked == "verify":
        await _verify(screen, desk, one)
        return

    def answer(text: str) -> None:
        screen.run_worker(_tell(screen, desk, one, picked, text), exit_on_error=False)

    screen.ask("reason", "how do you know? it goes into the record", answer)


async def _verify(screen: CockpitScreen[None], desk: DeskPort, one: Unfinished) -> None:
    host = screen.host
    host.say(f"Verifying '{safe(one.title)}' …")
    try:
        outcome = await desk.verify_unfinished(one)
    except CockpitError as error:
        host.say(f"Still unknown: {error.message}", "warning")
        return
    severity = "information" if outcome.kind == "ok" else "error"
    host.say(f"{safe(one.title)}: {outcome.kind} · {safe(outcome.text)}", severity)
    host.nudge()


async def _tell(
    screen: CockpitScreen[None], desk: DeskPort, one: Unfinished, word: str, reason: str
) -> None:
    try:
        await desk.tell_unfinished(one, word, reason)
    except CockpitError as error:
        screen.host.say_error(error)
        return
    screen.host.nudge()
