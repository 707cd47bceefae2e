"""Steps that an earlier session was cut off from: shown first, until somebody knows their end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from cockpit.errors import CockpitError
from screens.present.lines import line, safe, short_clock, wrap
from screens.shown import Shown
from screens.widgets.header import Bar

if TYPE_CHECKING:
    from cockpit.runbooks.unfinished import Unfinished
    from screens.main import MainScreen
    from screens.port import DeskPort

_ROOMY = 16
"""Terminal lines from which the bar may take more than one."""


class UnfinishedBar(Bar):
    """Under the header: the oldest step whose outcome is unknown, and the key that settles it."""

    def refresh_from(self, shown: Shown) -> None:
        """Draw this moment; hidden when every step has an end."""
        waiting = shown.unfinished
        self.set_class(bool(waiting), "-up")
        if waiting:
            columns, lines = self.app.size
            told = bar_lines(waiting[0], len(waiting), columns)
            self.show(told if lines >= _ROOMY else told[:1])


def bar_lines(one: Unfinished, count: int, width: int) -> list[Content]:
    """`UNKNOWN 'Terminate …' on orders-db, sent 02:41 by ana: its end … · U verifies: …`."""
    more = f" (1 of {count})" if count > 1 else ""
    on = f" on {safe(one.target, 60)}" if one.target else ""
    does = f"U verifies: {safe(one.verification, 120)}" if one.verification else "U says its end"
    told = line(
        (f" UNKNOWN{more} ", "blind bold"),
        (f" '{safe(one.title, 120)}'{on}", "strong"),
        f", cut off at {short_clock(one.at)} UTC ({safe(one.actor, 30)}) · ",
        (does, "accent bold"),
    )
    return wrap(told, max(10, width), indent=2)


async def settle(screen: MainScreen) -> None:
    """Verify the oldest one, or have a person say how it ended."""
    from screens.incidents import Choice, PickScreen

    app, desk = screen.cockpit, screen.cockpit.desk
    if desk is None or not desk.unfinished:
        app.say("No step is cut off: every one has an outcome")
        return
    one = desk.unfinished[0]
    choices = [
        Choice("ok", "it happened", "I know that it was done: ask me how"),
        Choice("failed", "it did not", "I know that it was not done: ask me how"),
    ]
    if one.verification:
        choices.insert(0, Choice("verify", "verify", f"look: {safe(one.verification)}", "accent"))
    picked = await app.push_screen_wait(PickScreen(f"What became of '{safe(one.title)}'?", choices))
    if picked is None:
        return
    if picked == "verify":
        await _verify(screen, desk, one)
        return

    def answer(text: str) -> None:
        screen.run_worker(_tell(screen, desk, one, picked, text), exit_on_error=False)

    screen.ask("reason", "how do you know? it goes into the record", answer)


async def _verify(screen: MainScreen, desk: DeskPort, one: Unfinished) -> None:
    app = screen.cockpit
    app.say(f"Verifying '{safe(one.title)}' …")
    try:
        outcome = await desk.verify_unfinished(one)
    except CockpitError as error:
        app.say(f"Still unknown: {error.message}", "warning")
        return
    severity = "information" if outcome.kind == "ok" else "error"
    app.say(f"{safe(one.title)}: {outcome.kind} · {safe(outcome.text)}", severity)
    app.nudge()


async def _tell(
    screen: MainScreen, desk: DeskPort, one: Unfinished, word: str, reason: str
) -> None:
    try:
        await desk.tell_unfinished(one, word, reason)
    except CockpitError as error:
        screen.cockpit.say_error(error)
        return
    screen.cockpit.nudge()
