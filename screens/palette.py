"""What `ctrl+p` finds: the screen's actions, targets by name, themes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from textual.app import SystemCommand
from textual.screen import Screen

from cockpit.triage.registry import short
from screens import theme
from screens.base import CockpitScreen
from screens.bindings import Where, actions
from screens.host import Host
from screens.present.lines import safe


def commands(host: Host, screen: Screen[object]) -> Iterable[SystemCommand]:
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
            yield SystemCommand(_plain(name), _plain(told), partial(screen.app.call_later, run))
    if host.shown is not None:
        for name, target in host.shown.targets.items():
            title = _plain(safe(f"Open {name} ({short(target.kind)})", 80))
            yield SystemCommand(title, "The target's detail", partial(host.open_target, name))
    for each in theme.THEMES:
        wear = partial(_wear, screen, each.name)
        yield SystemCommand(f"Theme {each.name}", "Change colours", wear)


def _wear(screen: Screen[object], name: str) -> None:
    screen.app.theme = name


def _plain(text: str) -> str:
    """The palette reads its texts as markup: brackets are taken out of what is not ours."""
    return text.replace("[", "(").replace("]", ")")
