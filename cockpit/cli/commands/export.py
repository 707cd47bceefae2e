"""`cockpit export`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from cockpit.cli.record import outputs_folder, record_access, tell_store
from cockpit.errors import CockpitError
from cockpit.incident import chain
from cockpit.incident.record import Incident
from cockpit.incident.stored import Around

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
    """Write the postmortem draft (md), the whole record (json), or the journal (jsonl).

    Ends with 2 when the journal does not hold, is torn or lacks an output: what can be read is
    written all the same. Beside a jsonl file its large outputs go into FILE.outputs.
    """
    from cockpit.cli.start import starting
    from cockpit.report.postmortem import pieces

    with starting():
        examined = record_access(ctx).store.examined(name)
    incident, verdict, outputs = examined.incident, examined.verdict, examined.outputs
    contents = {one.name: incident.output(one.name) or "" for one in outputs}
    around = Around(outputs, contents, incident.troubles, incident.waiting)
    report = pieces(
        incident,
        format=form,
        blameless=blameless,
        lines=examined.lines,
        verdict=verdict,
        around=around,
    )
    if output is None:
        for piece in report:
            click.echo(piece, nl=False)
    else:
        _write(output, report)
        if form == "jsonl":
            _write_outputs(outputs_folder(output), contents)
        click.echo(f"{incident.id}: written to {output}", err=True)
    click.echo(f"head: {incident.head}", err=True)
    return _told(verdict.fault, incident)


def _told(fault: chain.ChainFault | None, incident: Incident) -> int:
    wrong = [] if fault is None else [f"does NOT hold from entry {fault.place} on: {fault.why}"]
    return tell_store(incident.id, [*wrong, *incident.troubles], incident.waiting)


def _write_outputs(folder: Path, contents: Mapping[str, str]) -> None:
    for name, content in contents.items():
        if content:
            folder.mkdir(mode=0o700, exist_ok=True)
            _write(folder / name, (content,))


def _write(path: Path, report: Iterable[str]) -> None:
    """Only this user may read it: it tells of production. What was there before stays until the
    whole report is written. Raises `CockpitError`.
    """
    try:
        if path.exists() and not path.is_file():  # /dev/stdout, a pipe
            with path.open("w", encoding="utf-8", newline="") as file:
                file.writelines(report)
            return
        whole = path.resolve()
        descriptor, beside = tempfile.mkstemp(dir=whole.parent, prefix=f".{whole.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                file.writelines(report)
            Path(beside).replace(whole)
        finally:
            Path(beside).unlink(missing_ok=True)
    except OSError as problem:
        raise CockpitError(f"{path}: {problem.strerror}") from problem


COMMAND = export
