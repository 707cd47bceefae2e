"""What the commands that open the screens share: an incident, new or resumed, or the demo's."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import os
import shlex
import shutil
import sys
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cockpit.cli.start import YOUNG, FullSearches, starting
from cockpit.errors import Misconfigured

if TYPE_CHECKING:
    from cockpit.desk import Desk, Opening


_FIRST_SWEEP = 20.0
"""Seconds after which the first sweep is over for most: till then garbage is collected seldom."""


@click.command()
@click.pass_context
def start(ctx: click.Context) -> int:
    """The incidents that are open, or a new one."""
    read = opening(ctx, None)

    async def make() -> Opening:
        return await asyncio.to_thread(read)

    return show(make)


def run_demo(
    config_path: Path,
    *,
    title: str,
    coming: Callable[[], str],
    role: str | None = None,
    notes: Sequence[str] = (),
) -> int:
    """Open the screens on the embedded shop; gives the exit code.

    `coming` says what the shop still waits for, an empty text when it is ready. `notes`, what this
    machine's shop lacks, begin the timeline. The demo's records are kept apart from real ones, in
    the folder `demo` beside them.
    """
    from cockpit.incident.incident import data_folder

    folder = Path(os.environ.get("COCKPIT_DATA") or data_folder() / "demo")
    incident: list[str] = []

    def read() -> Opening:
        return _read(config_path, role, folder=folder, coming=coming)

    async def make() -> Desk:
        desk = await (await asyncio.to_thread(read)).create(title, "P1")
        incident.append(desk.incident.id)
        for note in notes:
            await desk.note(note)
        return desk

    code = show(make, hard=False)
    if incident:
        reads = f"COCKPIT_DATA={shlex.quote(str(folder))} {called_as()}"
        with contextlib.suppress(OSError):  # the terminal may be what ended it
            click.echo(f"the record of this demo: {reads} export {incident[0]}", err=True)
            click.echo("timeline and verify read it too; its shop is gone: no resume", err=True)
    return code


def show_stored(make: Callable[[], Awaitable[Desk]]) -> int:
    """Run the screens on an incident that was there, and say in the end what was wrong with it."""
    from cockpit.cli.record import tell_store

    desks: list[Desk] = []

    async def made() -> Desk:
        desks.append(await make())
        return desks[0]

    def told() -> int:
        incident = desks[0].incident if desks else None
        return tell_store(incident.id, incident.troubles, incident.waiting) if incident else 0

    return show(made, after=told)


def needs_terminal(instead: str) -> None:
    """Raise `Misconfigured` without a terminal to show the screens on; `instead`: what to type."""
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise Misconfigured("the cockpit needs a terminal", hint=f"without one: {instead}")


def called_as() -> str:
    """The program as it was called, for a line to be typed: it may not be on the PATH."""
    called = sys.argv[0]
    if Path(called).name == "__main__.py":
        return shlex.join([sys.executable, "-m", "cockpit.cli"])
    found = shutil.which(Path(called).name)
    on_path = found is not None and Path(found).resolve() == Path(called).resolve()
    return Path(called).name if on_path else shlex.quote(called)


def opening(ctx: click.Context, role: str | None) -> Callable[[], Opening]:
    """What reads the configuration that the command line names. Needs a terminal to show it on."""
    needs_terminal("cockpit check, or --json")
    named = ctx.obj or {}

    def read() -> Opening:
        from cockpit.config import find

        return _read(find(named.get("config")), role or named.get("role"))

    return read


def _read(
    path: Path,
    role: str | None,
    *,
    folder: Path | None = None,
    coming: Callable[[], str] = lambda: "",
) -> Opening:
    """Load everything that is slow to load. Runs in a thread, after the first paint."""
    from cockpit.config import load
    from cockpit.connect.role import Role
    from cockpit.desk import Opening
    from cockpit.runbooks.library import library
    from cockpit.triage.families import looking_at
    from cockpit.triage.registry import catalog

    config = load(path, catalog())
    kinds = dict.fromkeys(target.kind for target in config.targets)
    # imported here, and not on the screens' loop
    list(looking_at(catalog().probes, *kinds, "changes", "runbook"))
    if theme := config.screen.theme:
        os.environ.setdefault("COCKPIT_THEME", "16" if theme == "ansi" else theme)
    if config.screen.ascii:
        os.environ.setdefault("COCKPIT_ASCII", "1")
    if folder is not None:
        kept = dataclasses.replace(config.incident, folder=str(folder))
        config = dataclasses.replace(config, incident=kept)
    return Opening(
        config,
        probes=catalog().probes,
        library=library(config.runbooks, whole=False),
        role=Role(role) if role else None,
        coming=coming,
        remembers=folder is None,  # each demo's shop is another one
    )


def show(
    make: Callable[[], Awaitable[Desk | Opening]],
    *,
    hard: bool = True,
    after: Callable[[], int] = lambda: 0,
) -> int:
    """Run the screens. `hard` ends the process afterwards, whatever a driver's thread still does:
    a hung look must never hold a person who pressed `q`. `after`: what is left to say when the
    terminal is free again, and the exit code if all else went well.
    """
    start, end = contextlib.ExitStack(), contextlib.ExitStack()
    end.callback(gc.set_threshold, *gc.get_threshold())
    start.enter_context(starting(YOUNG))

    async def made() -> Desk | Opening:
        opened = await make()
        loop.call_later(_FIRST_SWEEP, start.close)  # it makes most of what stays
        # steps are read when a runbook is shown, which must not wait for the parser's import
        loop.run_in_executor(None, import_module, "markdown_it")
        return opened

    async def shown() -> int:
        from screens.app import run_async

        return await run_async(made, FullSearches().at_ease)

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with end, start:
        code = loop.run_until_complete(shown())
    asyncio.set_event_loop(None)
    with contextlib.suppress(OSError):  # the terminal may be what ended it
        code = after() or code
    if hard:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code
