"""`cockpit resume`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from cockpit.cli.tui import opening, show_stored

if TYPE_CHECKING:
    from cockpit.desk import Desk

SECTION, PLACE = "An incident", 2


@click.command()
@click.argument("incident", default="")
@click.option(
    "--role", type=click.Choice(["triage", "commander"]), help="Overrides the configuration's role."
)
@click.pass_context
def resume(ctx: click.Context, incident: str, role: str | None) -> int:
    """Go on with INCIDENT (`42` is enough), or with the only one that is open."""
    read = opening(ctx, role)

    async def make() -> Desk:
        return await (await asyncio.to_thread(read)).resume(incident)

    return show_stored(make)


COMMAND = resume
