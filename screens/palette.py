"""What `ctrl+p` finds: the screen's actions, targets by name, themes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from textual.app import SystemCommand
from textual.screen import Screen

from cockpit.triage.registry import short
from screens import theme
from screens.base import CockpitScreen
from screens.bindings import Where, actions
from screens.present.lines import safe

if TYPE_CHECKING:
    from screens.app import CockpitApp


def commands(app: CockpitApp, screen: Screen[object]) -> Iterable[SystemCommand]:
    """Every action of the screen that is no mere movement, then targets, then themes."""
    if isinstance(screen, CockpitScreen):
        named: set[str] = set()
        for action in actions(screen.PART, Where.ANYWHERE):
            if action.palette and action.label not in named:
                named.add(action.label)
                title = f"{action.label} ({action.first})"
                call = action.call()
                yield SystemCommand(title, _plain(action.help), partial(screen.do, call))
        for name, told, run in screen.own_commands():
            yield SystemCommand(_plain(name), _plain(told), partial(app.call_later, run))
    if app.shown is not None:
        for name, target in app.shown.targets.items():
            title = _plain(safe(f"Open {name} ({short(target.kind)})", 80))
            yield SystemCommand(title, "The target's detail", partial(app.open_target, name))
    for each in theme.THEMES:
        yield SystemCommand(f"Theme {each.name}", "Change colours", partial(_wear, app, each.name))


def _wear(app: CockpitApp, name: str) -> None:
    app.theme = name


def _plain(text: str) -> str:
    """The palette reads its texts as markup: brackets are taken out of what is not ours."""
    return text.replace("[", "(").replace("]", ")")
