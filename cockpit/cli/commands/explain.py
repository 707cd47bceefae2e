"""`cockpit explain`."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import asdict

import click

from cockpit.errors import Misconfigured
from cockpit.text import nearest, visible

SECTION, PLACE = "Looking", 2


@click.command()
@click.argument("code")
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
@click.pass_context
def explain(ctx: click.Context, code: str, *, as_json: bool) -> None:
    """Say what the finding CODE means, how it is judged, and what to do.

    With the limits that hold in the configuration, when there is one.
    """
    from cockpit.runbooks.library import library
    from cockpit.triage.explain import explain as explained
    from cockpit.triage.explain import lines
    from cockpit.triage.registry import catalog

    wanted = code.upper()
    found = explained(wanted, catalog(), _held(ctx))
    if not found:
        codes = sorted({each for probe in catalog().probes.values() for each in probe.codes})
        raise Misconfigured(f"no finding code {code!r}{nearest(wanted, codes)}", hint=_hint(codes))
    best = library().best(wanted)
    if as_json:
        rows = [{**asdict(each), "runbook": best} for each in found]
        click.echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    for line in lines(found, best):
        click.echo(_wrapped(visible(line, 2000)))


def _wrapped(line: str) -> str:
    """The line parted at its words for a terminal; as it is for a file or a pipe."""
    if not sys.stdout.isatty():
        return line
    indent = " " * (len(line) - len(line.lstrip()))
    width = max(40, min(100, shutil.get_terminal_size().columns))
    return textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False)


def _held(ctx: click.Context) -> Mapping[str, object]:
    """The settings of the configuration; the defaults when there is none, or a broken one."""
    from cockpit.config import find, load
    from cockpit.triage.registry import catalog

    named = (ctx.find_root().obj or {}).get("config")
    try:
        return load(find(named), catalog()).settings
    except Misconfigured:
        if named is not None:
            raise
        return {}


def _hint(codes: list[str]) -> str:
    return f"there are {len(codes)}; docs/codes/ has them all, and cockpit runbook coverage"


COMMAND = explain
