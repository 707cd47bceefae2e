"""`cockpit schema`."""

from __future__ import annotations

import json

import click

SECTION, PLACE = "Looking", 9


@click.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors.

    With the kinds of the plug-ins that are installed here. An editor that knows `#:schema` reads it
    from the file's first line: `#:schema ./cockpit.schema.json`.
    """
    from cockpit.config.schema import schema as made
    from cockpit.triage.registry import catalog

    click.echo(json.dumps(made(catalog()), indent=1, ensure_ascii=False))


COMMAND = schema
