"""The commands that open the screens: an incident, new or resumed, or the demo's."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cockpit.errors import Misconfigured

if TYPE_CHECKING:
    from cockpit.config import Config
    from cockpit.desk import Desk, Opening


@click.command("open")
@click.argument("title")
@click.option("-s", "--severity", default="", help="P0 to P3; else the configuration's.")
@click.option(
    "--role", type=click.Choice(["triage", "commander"]), help="Overrides the configuration's role."
)
@click.pass_context
def open_(ctx: click.Context, title: str, severity: str, role: str | None) -> int:
    """Open an incident with TITLE and handle it."""
    opening = _opening(ctx, role)
    return _show(opening, lambda: opening.create(title, severity))


@click.command()
@click.argument("incident", default="")
@click.option(
    "--role", type=click.Choice(["triage", "commander"]), help="Overrides the configuration's role."
)
@click.pass_context
def resume(ctx: click.Context, incident: str, role: str | None) -> int:
    """Go on with INCIDENT (`42` is enough), or with the only one that is open."""
    opening = _opening(ctx, role)
    return _show(opening, lambda: opening.resume(incident))


@click.command()
@click.argument("incident", default="")
@click.pass_context
def watch(ctx: click.Context, incident: str) -> int:
    """Follow INCIDENT in triage mode, without writing anything to it."""
    opening = _opening(ctx, "triage")
    return _show(opening, lambda: opening.watch(incident))


@click.command()
@click.pass_context
def start(ctx: click.Context) -> int:
    """The incidents that are open, or a new one."""
    return _show(_opening(ctx, None), None)


def run_demo(
    config_path: Path, *, title: str, coming: Callable[[], str], role: str | None = None
) -> int:
    """Open the screens on the embedded shop; gives the exit code.

    `coming` says what the shop still waits for, an empty text when it is ready.

    The demo's records are kept apart from real ones, in the folder `demo` beside them.
    """
    from cockpit.desk import Opening
    from cockpit.incident.incident import data_folder

    folder = Path(os.environ.get("COCKPIT_DATA") or data_folder() / "demo")
    config = _load(config_path)
    kept = dataclasses.replace(config.incident, folder=str(folder))
    config = dataclasses.replace(config, incident=kept)
    opening = _made(config, role, of=Opening, coming=coming)
    incident: list[str] = []

    async def create() -> Desk:
        desk = await opening.create(title, "P1")
        incident.append(desk.incident.id)
        return desk

    code = _show(opening, create, hard=False)
    if incident:
        place = f"COCKPIT_DATA={folder} "
        click.echo(f"the record of this demo: {place}cockpit export {incident[0]}", err=True)
    return code


def _opening(ctx: click.Context, role: str | None) -> Opening:
    from cockpit.config import find
    from cockpit.desk import Opening

    named = ctx.obj or {}
    _needs_terminal()
    return _made(_load(find(named.get("config"))), role or named.get("role"), of=Opening)


def _load(path: Path) -> Config:
    from cockpit.config import load
    from cockpit.triage.registry import registry

    return load(path, registry())


def _made(
    config: Config,
    role: str | None,
    *,
    of: type[Opening],
    coming: Callable[[], str] = lambda: "",
) -> Opening:
    from cockpit.connect.role import Role
    from cockpit.runbooks.library import library
    from cockpit.triage.registry import registry

    os.environ.setdefault("COCKPIT_THEME", config.screen.theme)
    if config.screen.ascii:
        os.environ.setdefault("COCKPIT_ASCII", "1")
    return of(
        config,
        probes=registry(),
        library=library(config.runbooks),
        role=Role(role) if role else None,
        coming=coming,
    )


def _needs_terminal() -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Misconfigured(
            "the cockpit needs a terminal", hint="without one: cockpit check, or --json"
        )


def _show(
    opening: Opening, make: Callable[[], Awaitable[Desk]] | None, *, hard: bool = True
) -> int:
    """Run the screens. `hard` ends the process afterwards, whatever a driver's thread still does:
    a hung look must never hold a person who pressed `q`.
    """

    async def shown() -> int:
        from screens.app import run_async

        if make is None:
            return await run_async(opening=opening)
        return await run_async(await make())

    code = _run(shown)
    if hard:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _run(work: Callable[[], Awaitable[int]]) -> int:
    """`asyncio.run`, without waiting for threads that hang in a driver."""
    loop = asyncio.new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        task: asyncio.Task[Any] = loop.create_task(work())  # type: ignore[arg-type]
        return int(loop.run_until_complete(task))
    finally:
        asyncio.set_event_loop(None)
