"""`cockpit watch`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from cockpit.cli.tui import opening, show_stored

if TYPE_CHECKING:
    from cockpit.desk import Desk

SECTION, PLACE = "An incident", 3


@click.command()
@click.argument("incident", default="")
@click.pass_context
def watch(ctx: click.Context, incident: str) -> int:
    """Follow INCIDENT in triage mode, without writing anything to it."""
    read = opening(ctx, "triage")

    async def make() -> Desk:
        return await (await asyncio.to_thread(read)).watch(incident)

    return show_stored(make)


COMMAND = watch
