"""`cockpit explain`."""

from __future__ import annotations

import difflib
import json
import shutil
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import asdict

import click

from cockpit.errors import Misconfigured
from cockpit.text import visible

SECTION, PLACE = "Looking", 2
_MOST = 5
"""Codes that are offered for one that does not exist."""


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
        near = _near(wanted, codes)
        raise Misconfigured(f"no finding code {code!r}{_like(near)}", hint=_hint(near, codes))
    books, probes = library(), catalog().probes
    kinds = [probes[each.probe].kind for each in found]
    if as_json:
        rows = [
            {**asdict(each), "runbook": books.best(wanted, kind)}
            for each, kind in zip(found, kinds, strict=True)
        ]
        click.echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    for line in lines(found, books.named(wanted, kinds)):
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


def _near(wanted: str, codes: list[str]) -> list[str]:
    """Those that begin with it or hold it, else those that are written like it."""
    near = [each for each in codes if each.startswith(wanted)]
    near += [each for each in codes if wanted in each and each not in near]
    near = near or difflib.get_close_matches(wanted, codes, n=1, cutoff=0.9)
    near = near or difflib.get_close_matches(wanted, codes, n=_MOST, cutoff=0.5)
    return near if wanted else []


def _like(near: list[str]) -> str:
    more = f" and {len(near) - _MOST} more" if len(near) > _MOST else ""
    return f"; did you mean {', '.join(map(repr, near[:_MOST]))}{more}?" if near else ""


def _hint(near: list[str], codes: list[str]) -> str:
    """All that are near, where the line above has no room for them; else how codes begin."""
    if len(near) > _MOST:
        return f"the others: {' '.join(near[_MOST:])}"
    begin = sorted({each.partition("_")[0] for each in codes})
    return f"{len(codes)} codes begin with {' '.join(begin)}; cockpit explain PG_LOCK finds several"


COMMAND = explain
