"""`cockpit note`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import click

from cockpit import clock
from cockpit.cli.record import BROKEN, record_access
from cockpit.connect.role import Role
from cockpit.errors import Misconfigured
from cockpit.incident import note_line
from cockpit.incident.incident import Incidents
from cockpit.incident.note_line import NoteLine
from cockpit.incident.record import Incident
from cockpit.incident.state import MILESTONES

SECTION, PLACE = "The record", 3
_LETTER_PATIENCE = 3.0


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
    here = record_access(ctx)
    store = here.store
    now = clock.now()
    name, line = _addressed(store, name, words, bare=bool(milestone))
    span = note_line.span(when, now) if when else None
    if milestone:
        wanted = note_line.milestone(milestone, span or note_line.Span(now), line)
    else:
        wanted = note_line.parse(line, now, span)
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


def _leave(store: Incidents, incident: Incident, wanted: NoteLine) -> int:
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


COMMAND = note
