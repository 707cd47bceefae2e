"""What a person says about a suspect: not this, this is it, and taking it back."""

from __future__ import annotations

from cockpit.errors import CockpitError
from cockpit.incident.said import OPEN
from screens.base import CockpitScreen
from screens.pick import Choice, PickScreen
from screens.present.lines import safe
from screens.shown import Shown


async def say_of(screen: CockpitScreen[None], name: str, word: str) -> None:
    """Write the word down, and say what takes it back."""
    host = screen.host
    if host.desk is None:
        return
    try:
        await host.desk.say_of(name, word)
    except CockpitError as error:
        host.say_error(error)
        return
    undo = "" if word == OPEN else " · O takes it back"
    host.say(f"{safe(name, 60)}: {word}, in the record{undo}")
    host.nudge()


async def take_back(screen: CockpitScreen[None], name: str) -> None:
    """The word about this suspect; where there is none about it, one that is picked."""
    host = screen.host
    said = _said(host.live) if host.live is not None else {}
    if not said:
        host.say("Nobody has said anything about a suspect")
        return
    if name not in said and len(said) == 1:
        name = next(iter(said))
    if name not in said:
        choices = [Choice(each, each, words) for each, words in said.items()]
        picked = await screen.app.push_screen_wait(PickScreen("Take back", choices))
        if picked is None:
            return
        name = picked
    await say_of(screen, name, OPEN)


def _said(shown: Shown) -> dict[str, str]:
    """Suspect or ruled-out target → what was said about it, by whom."""
    guilty = {each.name: f"this is it, says {each.said}" for each in shown.suspects if each.said}
    innocent = {each.target: f"ruled out by {each.by}" for each in shown.ruled_out if each.by}
    return guilty | innocent
