"""`cockpit check`: one sweep, no screen."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cockpit.check_text import Style

SECTION, PLACE = "Looking", 1


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The public format cockpit.check/1.")
@click.option("--target", "-t", "targets", multiple=True, help="Only this target; may be repeated.")
@click.option("--probe", "-p", "probes", multiple=True, help="Only this probe; may be repeated.")
@click.option(
    "--record",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write what was collected into this folder, without literals and secrets.",
)
@click.option(
    "--stateless",
    is_flag=True,
    help="Neither read nor write what earlier looks had, in the data folder.",
)
@click.option(
    "--forget",
    is_flag=True,
    help="Forget first what earlier looks had, of the chosen targets: what is gone was meant to.",
)
@click.pass_context
def check(
    ctx: click.Context,
    as_json: bool,
    targets: tuple[str, ...],
    probes: tuple[str, ...],
    record: Path | None,
    stateless: bool,
    forget: bool,
) -> int:
    """Look at everything once, read-only, and say what is wrong.

    Exit codes: 0 nothing wrong, 1 warning, 2 high or critical, 3 something could not be examined
    and nothing worse was found, 64 usage or configuration.
    """
    from cockpit.cli.start import starting

    with starting():
        return _checked(
            (ctx.obj or {}).get("config"),
            targets,
            probes,
            as_json=as_json,
            record=record,
            stateless=stateless,
            forget=forget,
        )


def _checked(
    named: Path | None,
    targets: tuple[str, ...],
    probes: tuple[str, ...],
    *,
    as_json: bool,
    record: Path | None,
    stateless: bool,
    forget: bool,
) -> int:
    """Look, print, and give the exit code."""
    import asyncio

    from cockpit import check as checking
    from cockpit import config
    from cockpit.had import KeptMemory
    from cockpit.incident.incident import data_folder
    from cockpit.text import visible
    from cockpit.triage.registry import catalog

    known = catalog().probes
    settings = config.load(config.find(named), catalog())
    memory = None if stateless else KeptMemory(settings, data_folder(settings.incident.folder))
    if memory is not None and forget:
        memory.forget(targets)
    reports = []

    async def look() -> None:
        """Gives nothing: asyncio.run shows what it was given to `signal`, all of it as text."""
        reports.append(
            await checking.look_once(
                settings, known, targets=targets, only=probes, record=record, memory=memory
            )
        )

    asyncio.run(look())
    (report,) = reports
    if as_json:
        click.echo(checking.to_json(report))
    else:
        from cockpit.check_text import to_text

        click.echo(to_text(report, style()), nl=False)
    if report.unrecorded:
        click.echo(f"cockpit: --record: {visible(report.unrecorded)}", err=True)
    if memory is not None and (why := memory.keep()):
        told = f"what was seen is not remembered: {visible(why)}; or use --stateless"
        click.echo(f"cockpit: {told}", err=True)
    return int(report.exit_code)


def style() -> Style:
    """How this terminal is drawn to."""
    from cockpit.check_text import Style

    terminal = sys.stdout.isatty()
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return Style(
        colour=terminal and not os.environ.get("NO_COLOR"),
        ascii=not encoding.startswith("utf"),
        width=max(60, shutil.get_terminal_size((120, 24)).columns),
    )


COMMAND = check
