"""What the commands about the record share: where it is, who types, how a line is said.

Data goes to stdout, talk to stderr. Nothing here looks at a system.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

import click

from cockpit import clock, text
from cockpit.incident.incident import Incidents, data_folder

BROKEN = 2
"""Exit code for a journal that does not hold, is torn or lacks an output; also of what had to be
left undone."""
FAILED = 70
"""Exit code of what was not done at all."""
COLOURS: Mapping[str, str] = MappingProxyType(
    {"critical": "red", "high": "red", "warning": "yellow", "P0": "red", "P1": "red"}
)


@dataclass(frozen=True, slots=True)
class RecordAccess:
    """Where the record is, and who types."""

    store: Incidents
    actor: str


def record_access(ctx: click.Context) -> RecordAccess:
    """From `COCKPIT_DATA` and `COCKPIT_ACTOR`, else from `[incident]` of the configuration.

    The rest of the configuration is not read: the record must be there when that is broken.
    Raises `Misconfigured` for a named file that is not there or is not TOML, and for an
    `[incident]` that does not say where: the wrong folder would read as “no incident”.
    """
    from cockpit.config import ConfigProblems, glance

    path, told = glance((ctx.find_root().obj or {}).get("config")) or (Path(), {})
    table = told.get("incident", {})
    if not isinstance(table, dict):
        raise ConfigProblems(path, ["incident: must be a table: [incident]"])
    for key in ("folder", "actor"):
        if not isinstance(table.get(key, ""), str):
            raise ConfigProblems(path, [f"incident.{key}: must be a text"])
    actor = os.environ.get("COCKPIT_ACTOR") or table.get("actor")
    return RecordAccess(Incidents(data_folder(table.get("folder", ""))), actor or _login())


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def tell_store(name: str, troubles: Iterable[str], waiting: Iterable[str] = ()) -> int:
    """What is wrong with how an incident is stored; the exit code of who could only read it."""
    wrong = tuple(troubles)
    for words in wrong:
        click.echo(f"cockpit: {name}: {text.visible(words, 400)}", err=True)
    if any(words.endswith("cannot be read") for words in wrong):  # not mended yet
        click.echo(f"  cockpit resume {name}", err=True)
    for words in waiting:
        click.echo(f"waiting, not in the journal yet: {text.visible(words, 400)}", err=True)
    return BROKEN if wrong else 0


def outputs_folder(export: Path) -> Path:
    """Where the large outputs of a jsonl export are, a file each, named by its SHA-256."""
    return export.with_name(export.name + ".outputs")


def minute(moment: datetime | None) -> str:
    """`2026-11-21 02:41`, UTC; empty when it is not known."""
    return "" if moment is None else clock.stamp(moment)[:16].replace("T", " ")


def say(parts: Sequence[tuple[str, str]]) -> None:
    """One line, coloured only for a person: `NO_COLOR` and pipes get plain text."""
    plain = bool(os.environ.get("NO_COLOR")) or not sys.stdout.isatty()
    shown = (
        words if plain or not colour else click.style(words, fg=colour) for words, colour in parts
    )
    click.echo("".join(shown).rstrip())
