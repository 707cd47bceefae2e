"""The commands about the record: `incidents`, `timeline`, `note`, `verify`, `export`.

Data goes to stdout, talk to stderr. Nothing here looks at a system.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

import click

from cockpit import clock, text, units
from cockpit.connect.role import Role
from cockpit.errors import CockpitError, Misconfigured
from cockpit.incident import chain
from cockpit.incident import note_line as told
from cockpit.incident.entry import BadEntry, Kind
from cockpit.incident.incident import Incidents, Summary, data_folder
from cockpit.incident.note_line import Told
from cockpit.incident.record import Incident, unfinished
from cockpit.incident.sqlite import Damaged, lines_after, reading
from cockpit.incident.state import MILESTONES
from cockpit.incident.timeline import Group, TimelineRow
from cockpit.incident.timeline import timeline as rows_of

BROKEN = 2
"""Exit code of `verify` for a journal that does not hold; also of what had to be left undone."""

_LETTER_PATIENCE = 3.0
_FILES = {".sqlite", ".jsonl", ".json"}
_COLOURS: Mapping[str, str] = MappingProxyType(
    {"critical": "red", "high": "red", "warning": "yellow", "P0": "red", "P1": "red"}
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the record is, and who types."""

    store: Incidents
    actor: str


def place(ctx: click.Context) -> Place:
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
    return Place(Incidents(data_folder(table.get("folder", ""))), actor or _login())


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
@click.option("--open", "only_open", is_flag=True, help="Only those that are not closed.")
@click.pass_context
def incidents(ctx: click.Context, *, as_json: bool, only_open: bool) -> int:
    """List the incidents, the newest first."""
    store = place(ctx).store
    found = [one for one in store.list() if one.open or not only_open]
    if as_json:
        click.echo(json.dumps([_summary_json(one) for one in found], indent=2, ensure_ascii=False))
        return 0
    if not found:
        click.echo("no incident; cockpit open TITLE makes one", err=True)
    for summary in found:
        _say(_summary_line(summary))
    return 0


@click.command()
@click.argument("name", metavar="[ID]", default="")
@click.option("--kind", "-k", "kinds", multiple=True, help="Only this kind or group; repeatable.")
@click.option("--pinned", is_flag=True, help="Only what was pinned.")
@click.option("--all", "everything", is_flag=True, help="Also pins, corrections, outputs, sweeps.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def timeline(
    ctx: click.Context,
    name: str,
    *,
    kinds: Sequence[str],
    pinned: bool,
    everything: bool,
    as_json: bool,
) -> int:
    """Print the timeline of an incident."""
    wanted, groups = _chosen(kinds)
    incident = place(ctx).store.read(name)
    rows = rows_of(
        incident.entries, kinds=wanted, groups=groups, pinned=pinned, everything=everything
    )
    if as_json:
        for row in rows:
            click.echo(json.dumps(_row_json(row), ensure_ascii=False))
        return 0
    click.echo(_heading(incident), err=True)
    for row in rows:
        _say(_row_line(row))
    for intent in () if incident.holder else unfinished(incident.entries):
        words = text.visible(intent.text, 120)
        click.echo(f"unknown: step {intent.seq} ({words}) has no outcome; verify it", err=True)
    return 0


@click.command()
@click.argument("name", metavar="ID")
@click.argument("words", metavar="TEXT", nargs=-1)
@click.option("--at", "when", default="", help="When it happened: 02:40 (UTC) or RFC 3339.")
@click.option("--milestone", default="", help=f"Sets one of {', '.join(MILESTONES)}.")
@click.pass_context
def note(ctx: click.Context, name: str, words: Sequence[str], *, when: str, milestone: str) -> int:
    """Add a note to an incident, also to one that a cockpit has open.

    `TODO …` makes an action item. With --milestone it says when something was reached, at a time or
    within a range (`--at 02:30..02:40`). Without an ID, the only incident that is open is meant.
    """
    here = place(ctx)
    store = here.store
    now = clock.now()
    name, line = _addressed(store, name, words, bare=bool(milestone))
    span = told.span(when, now) if when else None
    if milestone:
        wanted = told.milestone(milestone, span or told.Span(now), line)
    else:
        wanted = told.told(line, now, span)
    incident = store.resume(name, role=Role.TRIAGE, actor=here.actor, silently=True)
    try:
        if incident.watching:
            return _leave(store, incident, wanted)
        entry = asyncio.run(incident.tell(wanted))
        reason = incident.degraded
    finally:
        incident.close()
    click.echo(f"{incident.id} entry {entry.seq}")
    if reason:
        click.echo(f"cockpit: {reason}", err=True)
    return BROKEN if reason else 0


@click.command()
@click.argument("name", metavar="[ID|FILE]", default="")
@click.option("--head", default="", help="A head digest that left this machine earlier.")
@click.pass_context
def verify(ctx: click.Context, name: str, *, head: str) -> int:
    """Check a journal's hash chain, offline; says the first bad entry.

    FILE is a journal (.sqlite), or an export (.jsonl, .json). Ends with 2 when it does not hold,
    and when there is nothing to verify.
    """
    if head and len(head.strip()) < chain.SHORTEST_HEAD:
        raise Misconfigured(
            f"--head {head} is too short", hint=f"give at least {chain.SHORTEST_HEAD} digits"
        )
    title, lines = _lines(ctx, name)
    verdict = chain.verify(lines, head)
    if verdict.fault is None and not verdict.entries:
        click.echo(f"{title}: nothing to verify: there is no entry in it")
    elif verdict.fault is None:
        click.echo(f"{title}: holds, {units.count(verdict.entries, 'entry', 'entries')}")
    else:
        fault = verdict.fault
        click.echo(f"{title}: does NOT hold from entry {fault.place} on: {fault.why}")
        click.echo(f"entries before it that hold: {verdict.entries}")
    click.echo(f"head: {verdict.head or 'none'}")
    if verdict.anchor is not None:
        click.echo(f"anchor: the first {verdict.anchor} are as they were when that digest left")
    for words in chain.LIMITS:
        click.echo(f"  {words}", err=True)
    return 0 if verdict.holds and verdict.entries else BROKEN


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

    store = place(ctx).store
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


COMMANDS = (incidents, timeline, note, verify, export)


def _addressed(store: Incidents, name: str, words: Sequence[str], *, bare: bool) -> tuple[str, str]:
    """The incident and the text: the first word is an ID when it looks like one.

    `bare`: there need be no text.
    """
    line = " ".join(words).strip()
    if line:
        return store.find(name), line
    if name.strip() and not store.knows(name):
        return store.find(""), name
    if not bare:
        hint = f'cockpit note {name or "42"} "what I saw"'
        raise Misconfigured("a note needs a text", hint=hint)
    return store.find(name), ""


def _leave(store: Incidents, incident: Incident, wanted: Told) -> int:
    """Hand the note to the cockpit that holds the incident, and wait until it took it."""
    letter = store.leave(incident.id, wanted, author=incident.author)
    patience = clock.monotonic() + _LETTER_PATIENCE
    while clock.monotonic() < patience:
        for entry in store.read(incident.id).entries[::-1]:
            if entry.data.get("letter") == letter:
                click.echo(f"{incident.id} entry {entry.seq}")
                return 0
        time.sleep(0.1)
    holder = store.read(incident.id).holder or "the cockpit that holds it"
    click.echo(f"cockpit: left for {holder}, which has not taken it yet", err=True)
    return BROKEN


def _chosen(words: Sequence[str]) -> tuple[list[Kind], list[Group]]:
    kinds = [Kind(word) for word in words if word in set(Kind)]
    groups = [Group(word) for word in words if word in set(Group)]
    for word in words:
        if word not in set(Kind) | set(Group):
            hint = f"groups: {', '.join(Group)}; kinds: {', '.join(Kind)}"
            raise Misconfigured(f"unknown kind {word!r}", hint=hint)
    return kinds, groups


def _lines(ctx: click.Context, name: str) -> tuple[str, tuple[str, ...]]:
    """What to call it, and the stored lines of an incident or of a file."""
    path = Path(name)
    is_file = bool(name) and ("/" in name or path.suffix in _FILES)
    if not is_file:
        store = place(ctx).store
        if not (path.is_file() and name and not store.knows(name)):
            found = store.find(name)
            return found, store.lines(found)
    if not path.is_file():
        raise Misconfigured(f"{name} is a folder" if path.is_dir() else f"there is no file {name}")
    title = text.visible(path.name, 200)
    if path.suffix not in _FILES:
        raise Misconfigured(
            f"{title}: neither a journal (.sqlite) nor an export (.jsonl, .json)",
            hint="a copy with another name is read when it ends so: cp FILE copy.sqlite",
        )
    try:
        if path.suffix == ".sqlite":
            with reading(path) as connection:
                return title, tuple(lines_after(connection))
        content = path.read_text("utf-8")
        return title, _exported(content) if path.suffix == ".json" else tuple(content.splitlines())
    except UnicodeDecodeError as problem:
        why = f"is not UTF-8 text (byte {problem.start})"
    except json.JSONDecodeError as problem:
        why = f"is not JSON (line {problem.lineno}, column {problem.colno})"
    except Damaged as problem:
        why = f"cannot be read: {problem}"
    raise BadEntry(f"{title}: {why}")


def _exported(content: str) -> tuple[str, ...]:
    """The journal inside a JSON export, line by line. Raises `ValueError`."""
    document = json.loads(content)
    journal = document.get("journal") if isinstance(document, dict) else None
    if not isinstance(journal, dict) or not isinstance(journal.get("entries"), list):
        raise BadEntry("this JSON file is not an export of an incident")
    if document.get("blameless"):
        raise BadEntry("a blameless export cannot be verified", hint="export it as jsonl")
    return tuple(json.dumps(entry) for entry in journal["entries"])


def _write(path: Path, report: str) -> None:
    """Only this user may read it: it tells of production. Raises `CockpitError`."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(report)
    except OSError as problem:
        raise CockpitError(f"{path}: {problem.strerror}") from problem


def _summary_line(one: Summary) -> list[tuple[str, str]]:
    opened = _minute(one.state.opened_at)
    holder = f"  open at {one.holder}" if one.holder else ""
    title = text.visible(one.title, 120) if not one.damage else text.visible(one.damage, 120)
    return [
        (f"{one.id}  ", ""),
        (f"{one.severity}", _COLOURS.get(one.severity, "")),
        (f"  {one.status:<13}  {opened:<16}  {title}{holder}", ""),
    ]


def _row_line(row: TimelineRow) -> list[tuple[str, str]]:
    when = clock.stamp(row.at)[:19].replace("T", " ")
    target = f"{row.target}: " if row.target else ""
    who = f" ({row.actor})" if row.actor and row.group is not Group.FINDINGS else ""
    marks = "".join(
        mark
        for mark, shown in [
            (f" → {row.outcome}", bool(row.outcome)),
            (" ★", row.pinned),
            (" [corrected]", row.corrected),
            (" [added later]", row.late),
        ]
        if shown
    )
    words = text.visible(f"{target}{row.text}", 2_000)
    return [
        (f"{when}  {row.seq:>5}  ", ""),
        (f"{row.word:<10}", _COLOURS.get(row.severity, "")),
        (f"  {words}{marks}{who}", ""),
    ]


def _heading(incident: Incident) -> str:
    title = text.visible(incident.title, 200)
    opened = _minute(incident.opened_at)
    return f"{incident.id} {title}: {incident.severity}, {incident.status}, opened {opened} UTC"


def _minute(moment: datetime | None) -> str:
    return "" if moment is None else clock.stamp(moment)[:16].replace("T", " ")


def _summary_json(one: Summary) -> dict[str, object]:
    state = one.state
    return {
        "id": one.id,
        "title": one.title,
        "severity": one.severity,
        "status": one.status,
        "environment": state.environment,
        "opened_at": clock.stamp(state.opened_at) if state.opened_at else None,
        "closed_at": clock.stamp(state.closed_at) if state.closed_at else None,
        "entries": one.entries,
        "holder": one.holder,
        "damage": one.damage,
    }


def _row_json(row: TimelineRow) -> dict[str, object]:
    return {
        "seq": row.seq,
        "at": clock.stamp(row.at),
        "kind": row.kind,
        "actor": row.actor,
        "role": row.role,
        "target": row.target,
        "severity": row.severity,
        "text": row.text,
        "outcome": row.outcome,
        "pinned": row.pinned,
        "late": row.late,
        "original": row.original,
    }


def _say(parts: Sequence[tuple[str, str]]) -> None:
    """One line, coloured only for a person: `NO_COLOR` and pipes get plain text."""
    plain = bool(os.environ.get("NO_COLOR")) or not sys.stdout.isatty()
    shown = (
        words if plain or not colour else click.style(words, fg=colour) for words, colour in parts
    )
    click.echo("".join(shown).rstrip())
