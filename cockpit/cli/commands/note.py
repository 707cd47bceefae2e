"""`cockpit note`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import click

from cockpit import clock
from cockpit.cli.record import BROKEN, FAILED, record_access, tell_store
from cockpit.connect.role import Role
from cockpit.errors import Misconfigured
from cockpit.incident import note_line
from cockpit.incident.author import Author
from cockpit.incident.entry import Entry
from cockpit.incident.incident import Incidents
from cockpit.incident.note_line import NoteLine
from cockpit.incident.record import Incident
from cockpit.incident.state import MILESTONES

SECTION, PLACE = "The record", 3
_PATIENCE, _PAUSE = 3.0, 0.05
"""Seconds that a holder has to take a note, and between looks whether it did."""


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
    return _Written(store, here.actor, name).tell(wanted)


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


class _Written:
    """One thing told to an incident, whoever holds it."""

    def __init__(self, store: Incidents, actor: str, name: str) -> None:
        self.store = store
        self.actor = actor
        self.name = name

    def tell(self, wanted: NoteLine) -> int:
        """Write it when nobody holds the incident, else leave it to the holder; whichever comes
        first takes what was left into the journal.
        """
        letter, holder = "", ""
        patience = clock.monotonic() + _PATIENCE
        while clock.monotonic() < patience:
            incident = self._taken()
            if incident is not None:
                return self._write(incident, wanted, letter)
            if not letter:
                author = Author.here(self.actor, Role.TRIAGE)
                letter = self.store.leave(self.name, wanted, author=author)
            if not self.store.waits(self.name, letter):
                return self._found(letter)
            now = self.store.holder(self.name)
            if now != holder:  # another one writes: it goes on
                holder, patience = now, clock.monotonic() + _PATIENCE
            time.sleep(_PAUSE)
        left = f"left for {holder or 'the cockpit that holds it'}, which has not taken it yet"
        click.echo(f"cockpit: {left}", err=True)
        return BROKEN

    def _taken(self) -> Incident | None:
        if self.store.holder(self.name):
            return None
        incident = self.store.resume(self.name, role=Role.TRIAGE, actor=self.actor, silently=True)
        if not incident.watching:
            return incident
        incident.close()
        return None

    def _write(self, incident: Incident, wanted: NoteLine, letter: str) -> int:
        entry = _of(incident, letter)
        try:
            entry = entry or asyncio.run(incident.tell(wanted))
            incident.settle()
            reason = incident.degraded
        finally:
            incident.close()
        code = tell_store(incident.id, incident.troubles)
        if reason and not any(entry.digest in line for line in self.store.lines(incident.id)):
            click.echo(f"cockpit: {reason}: the note is NOT kept", err=True)
            return FAILED
        click.echo(f"{incident.id} entry {entry.seq}")
        if reason:
            click.echo(f"cockpit: {reason}", err=True)
        return BROKEN if reason else code

    def _found(self, letter: str) -> int:
        incident = self.store.read(self.name)
        entry = _of(incident, letter)
        if entry is None:
            click.echo("cockpit: the note was taken, and is in no entry", err=True)
            return BROKEN
        click.echo(f"{incident.id} entry {entry.seq}")
        return tell_store(incident.id, incident.troubles)


def _of(incident: Incident, letter: str) -> Entry | None:
    """The entry that a letter became; None while it is not there."""
    mine = (e for e in reversed(incident.entries) if letter and e.data.get("letter") == letter)
    return next(mine, None)


COMMAND = note
