"""`cockpit scenarios`."""

from __future__ import annotations

import click

from cockpit.world import scenario

SECTION, PLACE = "Practice", 2


@click.command()
def scenarios() -> None:
    """List what can be wrong in the embedded shop."""
    width = max(len(name) for name in scenario.names())
    for name in scenario.names():
        mark = " (default)" if name == scenario.DEFAULT else ""
        click.echo(f"{name:<{width}}  {scenario.load(name).title}{mark}")


COMMAND = scenarios
