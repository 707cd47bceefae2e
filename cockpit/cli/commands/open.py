"""`cockpit open`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from cockpit.cli.tui import opening, show

if TYPE_CHECKING:
    from cockpit.desk import Desk

SECTION, PLACE = "An incident", 1


@click.command("open")
@click.argument("title")
@click.option("-s", "--severity", default="", help="P0 to P3; else the configuration's.")
@click.option(
    "--role", type=click.Choice(["triage", "commander"]), help="Overrides the configuration's role."
)
@click.pass_context
def open_(ctx: click.Context, title: str, severity: str, role: str | None) -> int:
    """Open an incident with TITLE and handle it."""
    read = opening(ctx, role)

    async def make() -> Desk:
        return await (await asyncio.to_thread(read)).create(title, severity)

    return show(make)


COMMAND = open_
