"""`cockpit scenarios`."""

from __future__ import annotations

import click

from cockpit.errors import Misconfigured
from cockpit.text import visible
from cockpit.world import scenario

SECTION, PLACE = "Practice", 2


@click.command()
def scenarios() -> None:
    """List what can be wrong in the embedded shop."""
    width = max(len(name) for name in scenario.names())
    for name in scenario.names():
        mark = " (default)" if name == scenario.DEFAULT else ""
        try:
            title = visible(scenario.load(name).title, 200)
        except Misconfigured as error:  # a plug-in's; the others are there all the same
            title = visible(f"cannot be used: {error.message}", 300)
        click.echo(f"{name:<{width}}  {title}{mark}")


COMMAND = scenarios
