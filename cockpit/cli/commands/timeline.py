"""`cockpit timeline`."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from cockpit import clock, text, units
from cockpit.cli.record import COLOURS, minute, record_access, say, tell_store
from cockpit.cli.start import starting
from cockpit.errors import Misconfigured
from cockpit.incident.entry import EntryKind
from cockpit.incident.record import Incident
from cockpit.incident.state import unfinished
from cockpit.incident.timeline import EntryGroup, TimelineRow
from cockpit.incident.timeline import timeline as rows_of

SECTION, PLACE = "The record", 2


@click.command()
@click.argument("name", metavar="[ID]", default="")
@click.option("--kind", "-k", "kinds", multiple=True, help="Only this kind or group; repeatable.")
@click.option("--pinned", is_flag=True, help="Only what was pinned.")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Also pins, corrections, predictions, outputs, sweeps.",
)
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
    with starting():
        incident = record_access(ctx).store.read(name)
    rows = rows_of(
        incident.entries, kinds=wanted, groups=groups, pinned=pinned, everything=everything
    )
    if as_json:
        for row in rows:
            click.echo(json.dumps(_row_json(row), ensure_ascii=False))
        return tell_store(incident.id, incident.troubles, incident.waiting)
    click.echo(_heading(incident), err=True)
    for row in rows:
        say(_row_line(row))
    for intent in () if incident.holder else unfinished(incident.done):
        words = text.visible(intent.text, 120)
        click.echo(f"unknown: how step {intent.seq} ({words}) ended; verify it", err=True)
    return tell_store(incident.id, incident.troubles, incident.waiting)


def _chosen(words: Sequence[str]) -> tuple[list[EntryKind], list[EntryGroup]]:
    kinds = [EntryKind(word) for word in words if word in set(EntryKind)]
    groups = [EntryGroup(word) for word in words if word in set(EntryGroup)]
    for word in words:
        if word not in set(EntryKind) | set(EntryGroup):
            hint = f"groups: {', '.join(EntryGroup)}; kinds: {', '.join(EntryKind)}"
            raise Misconfigured(f"unknown kind {word!r}", hint=hint)
    return kinds, groups


def _heading(incident: Incident) -> str:
    title = text.visible(incident.title, 200)
    opened = minute(incident.opened_at)
    return f"{incident.id} {title}: {incident.severity}, {incident.status}, opened {opened} UTC"


def _row_line(row: TimelineRow) -> list[tuple[str, str]]:
    when = clock.stamp(row.at)[:19].replace("T", " ")
    target = f"{row.target}: " if row.target else ""
    who = f" ({row.actor})" if row.actor and row.group is not EntryGroup.FINDINGS else ""
    marks = "".join(
        mark
        for mark, shown in [
            (f" → {row.outcome}", bool(row.outcome)),
            (" ★", row.pinned),
            (" [corrected]", row.corrected),
            (" [added later]", row.late),
            (f" [clock set back by {units.duration(row.clock_back)}]", bool(row.clock_back)),
        ]
        if shown
    )
    words = text.visible(f"{target}{row.text}", 2_000)
    return [
        (f"{when}  {row.seq:>5}  ", ""),
        (f"{row.word:<10}", COLOURS.get(row.severity, "")),
        (f"  {words}{marks}{who}", ""),
    ]


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
        "clock_back": row.clock_back,
        "redacted": row.redacted,
    }


COMMAND = timeline
