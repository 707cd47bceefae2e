"""The commands about runbooks: `list`, `show`, `lint`, `coverage`. They look at no system.

Data goes to stdout, talk to stderr.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cockpit.text import lines, visible

if TYPE_CHECKING:
    from cockpit.runbooks.format import Parsed
    from cockpit.runbooks.library import Library
    from cockpit.runbooks.step import Problem, Runbook, Step

SECTION, PLACE = "Runbooks", 1
BROKEN = 2
"""Exit code of `lint` when a file has an error, of `coverage` when a code has no runbook."""
_RISKS = {"read": "green", "low": "yellow", "high": "red", "destructive": "red"}


@click.group()
def runbook() -> None:
    """List, show and check the runbooks."""


@runbook.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.pass_context
def list_(ctx: click.Context, *, as_json: bool) -> None:
    """List the runbooks: those that are shipped and those of the configuration's folders."""
    found = _library(ctx)
    if as_json:
        told = [_as_json(each) for each in found.runbooks]
        click.echo(json.dumps({"schema": "cockpit.runbooks/1", "runbooks": told}, indent=1))
    else:
        for each in found.runbooks:
            _list_one(each)
    _tell(found.problems)


@runbook.command()
@click.argument("name")
@click.option("--raw", is_flag=True, help="The file itself.")
@click.pass_context
def show(ctx: click.Context, name: str, *, raw: bool) -> None:
    """Print a runbook as a person reads it: why, each step, what it would run."""
    chosen = _library(ctx).get(name)
    if raw:
        click.echo(lines(chosen.source, 1_000_000))
        return
    click.secho(visible(chosen.title), bold=True)
    click.echo(f"for {', '.join(chosen.codes) or 'any finding'}")
    if chosen.intro:
        click.echo(f"\n{_wrapped(chosen.intro)}")
    for number, step in enumerate(chosen.steps, 1):
        click.echo()
        _show_step(number, step)


@runbook.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.pass_context
def lint(ctx: click.Context, paths: tuple[Path, ...]) -> int:
    """Check runbooks against the probes, the statements and AWS' service models.

    Without PATHS: all that there are. Ends with 2 when one has an error or none is found.
    """
    from cockpit.runbooks.known import known
    from cockpit.runbooks.lint import lint as check
    from cockpit.triage.registry import catalog

    parsed = _parsed(paths) if paths else _all(ctx)
    if not parsed:
        where = ", ".join(visible(str(path), 200) for path in paths)
        click.echo(f"cockpit: no runbook found: there is no .md file in {where}", err=True)
        return BROKEN
    truth = known()
    broken = catalog().broken
    for plug_in in broken:
        click.echo(f"cockpit: {plug_in.title}: {plug_in.why}", err=True)
    errors, count = 0, 0
    for each in parsed:
        count += 1
        found = list(each.problems)
        if each.runbook is not None:
            found += check(each.runbook, truth)
        errors += sum(problem.error for problem in found)
        for problem in sorted(found, key=lambda problem: problem.line):
            click.echo(visible(str(problem), 2000))
    advice = "no error" if not errors else f"{errors} error{'s' if errors > 1 else ''}"
    click.echo(f"{count} runbook{'s' if count != 1 else ''}, {advice}", err=True)
    return BROKEN if errors or broken else 0


@runbook.command()
@click.pass_context
def coverage(ctx: click.Context) -> int:
    """List the finding codes that no runbook is for. Ends with 2 when there are any.

    Codes that are only ever information need none; those whose severity cannot be told do.
    """
    from cockpit.runbooks.lint import coverage as uncovered
    from cockpit.triage.explain import serious
    from cockpit.triage.registry import catalog

    probes = catalog().probes.values()
    known = {code: probe.id for probe in probes for code in probe.codes}
    codes = {code: probe for code, probe in known.items() if serious(code, catalog())}
    found = _library(ctx)
    left = uncovered(codes, found.for_code)
    for code, probe in left:
        click.echo(f"{code:32} {probe}")
    click.echo(
        f"{len(codes) - len(left)} of {len(codes)} codes of warning or worse have a runbook",
        err=True,
    )
    return BROKEN if left else 0


def _library(ctx: click.Context) -> Library:
    from cockpit.runbooks.library import library

    return library(_folders(ctx))


def _folders(ctx: click.Context) -> list[Path]:
    """The configuration's `runbooks`; the rest of it is not read and may be broken.

    Raises `Misconfigured` for a named file that is not there or is not TOML.
    """
    from cockpit.config import glance

    path, document = glance((ctx.find_root().obj or {}).get("config")) or (Path(), {})
    told = document.get("runbooks", [])
    names = [name for name in told if isinstance(name, str)] if isinstance(told, list) else []
    return [path.parent / Path(name).expanduser() for name in names]


def _all(ctx: click.Context) -> list[Parsed]:
    from cockpit.runbooks.library import brought, shipped

    return [*shipped(), *brought(), *_parsed(_folders(ctx))]


def _parsed(paths: Iterable[Path]) -> list[Parsed]:
    from cockpit.runbooks.format import parse_file

    found = []
    for path in paths:
        inner = sorted(path.glob("*.md")) if path.is_dir() else [path]
        found += [parse_file(each) for each in inner]
    return found


def _list_one(each: Runbook) -> None:
    origin = "" if each.shipped else f"  ({each.path})"
    click.echo(f"{click.style(each.id, bold=True)}  {visible(each.title)}{visible(origin)}")
    shown = ", ".join(each.codes[:6]) + (", …" if len(each.codes) > 6 else "")
    click.echo(f"  {len(each.steps)} steps, for {shown or 'any finding'}")


def _show_step(number: int, step: Step) -> None:
    risk = click.style(step.risk, fg=_RISKS[step.risk])
    click.echo(f"{click.style(f'{number} {visible(step.title)}', bold=True)}  [{risk}]")
    if step.prose:
        click.echo(_wrapped(step.prose))
    facts = [("does", step.call), ("effect", step.effect)]
    facts += [("requires", check.text) for check in step.require]
    facts += [("verify", step.verification), ("undo", step.undo.says if step.undo else "")]
    for label, value in facts:
        if value:
            click.echo(f"    {label:9} {visible(value, 2000)}")


def _as_json(each: Runbook) -> dict[str, Any]:
    return {
        "id": each.id,
        "title": each.title,
        "for": list(each.codes),
        "reviewed": each.reviewed.isoformat() if each.reviewed else None,
        "digest": each.digest,
        "shipped": each.shipped,
        "steps": [
            {"id": step.id, "title": step.title, "kind": step.kind, "risk": step.risk}
            for step in each.steps
        ],
    }


def _wrapped(prose: str) -> str:
    plain = lines(prose, 20_000)
    return click.wrap_text(plain, 96, "  ", "  ", preserve_paragraphs=True)


def _tell(problems: Iterable[Problem]) -> None:
    for problem in problems:
        click.echo(f"cockpit: {visible(str(problem), 2000)}", err=True)


COMMAND = runbook
