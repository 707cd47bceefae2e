"""`cockpit export`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from cockpit.cli.record import record_access
from cockpit.errors import CockpitError

SECTION, PLACE = "The record", 4


@click.command()
@click.argument("name", metavar="[ID]", default="")
@click.option("--format", "-f", "form", default="md", show_default=True, help="md, json or jsonl.")
@click.option("--blameless", is_flag=True, help="Roles for names.")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="A file; else stdout.")
@click.pass_context
def export(
    ctx: click.Context, name: str, *, form: str, blameless: bool, output: Path | None
) -> int:
    """Write the postmortem draft (md), the whole record (json), or the journal (jsonl)."""
    from cockpit.report.postmortem import render

    store = record_access(ctx).store
    name = store.find(name)
    lines = store.lines(name)
    incident = store.read(name)
    report = render(incident, format=form, blameless=blameless, lines=lines)
    if output is None:
        click.echo(report, nl=False)
    else:
        _write(output, report)
        click.echo(f"{name}: written to {output}", err=True)
    click.echo(f"head: {incident.head}", err=True)
    return 0


def _write(path: Path, report: str) -> None:
    """Only this user may read it: it tells of production. Raises `CockpitError`."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(report)
    except OSError as problem:
        raise CockpitError(f"{path}: {problem.strerror}") from problem


COMMAND = export
