"""`cockpit incidents`."""

from __future__ import annotations

import json

import click

from cockpit import clock, text, units
from cockpit.cli.record import BROKEN, COLOURS, minute, record_access, say, tell_store
from cockpit.incident.incident import Summary

SECTION, PLACE = "The record", 1


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
@click.option("--open", "only_open", is_flag=True, help="Only those that are not closed.")
@click.pass_context
def incidents(ctx: click.Context, *, as_json: bool, only_open: bool) -> int:
    """List the incidents, the newest first."""
    store = record_access(ctx).store
    found = [one for one in store.list() if one.open or not only_open]
    if as_json:
        click.echo(json.dumps([_summary_json(one) for one in found], indent=2, ensure_ascii=False))
    elif not found:
        click.echo("no incident; cockpit open TITLE makes one", err=True)
    for summary in () if as_json else found:
        say(_summary_line(summary))
    return max((_told(one) for one in found), default=0)


def _told(one: Summary) -> int:
    left = units.count(one.waiting, "note")
    waiting = [f"{one.id}: {left} that nobody took"] if one.waiting and not one.holder else []
    code = tell_store(one.id, [one.torn] if one.torn else [], waiting)
    return BROKEN if one.damage else code


def _summary_line(one: Summary) -> list[tuple[str, str]]:
    opened = minute(one.state.opened_at)
    holder = f"  open at {one.holder}" if one.holder else ""
    title = text.visible(one.title, 120) if not one.damage else text.visible(one.damage, 120)
    return [
        (f"{one.id}  ", ""),
        (f"{one.severity}", COLOURS.get(one.severity, "")),
        (f"  {one.status:<13}  {opened:<16}  {title}{holder}", ""),
    ]


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
        "torn": one.torn,
        "waiting": one.waiting,
    }


COMMAND = incidents
