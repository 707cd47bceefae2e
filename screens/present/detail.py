"""The head of a target's detail: what it is, its headline, how fresh the rows are."""

from __future__ import annotations

from datetime import datetime

from textual.content import Content

from cockpit.triage.probe import Blind, Reading
from cockpit.triage.view import Table
from cockpit.units import count, duration
from screens.present.header import short_badge
from screens.present.lines import Part, ago, capital, clip, clock, line, safe, sides, since
from screens.shown import Shown

_WIDE = 100
OLD = 120.0
"""Seconds after which a look counts as old: the slowest probes look every minute or so."""


def head(
    target: str,
    service: str,
    *,
    shown: Shown,
    reading: Reading | None,
    table: Table,
    seen_at: datetime | None,
    width: int,
) -> list[Content]:
    """Two lines: the target with its headline; where we are, the badge, how old it is."""
    top = sides(
        line(
            (f" {safe(target)}", "strong"),
            (f"  {safe(reading.kind, 40)}" if reading else "", "dim"),
        ),
        line(safe(table.headline), " "),
        width,
    )
    probe = reading.probe if reading is not None else "not looked at yet"
    way = (service, target, probe) if width >= _WIDE else (probe,)
    crumbs = [safe(part) for part in way if part]
    mark = short_badge(shown.status.role, width)
    rest = sides(
        line((" " + " › ".join(crumbs), "dim")),
        _freshness(shown, reading, seen_at),
        max(0, width - mark.cell_length),
    )
    return [top, clip(line(mark, rest), width)]


def _freshness(shown: Shown, reading: Reading | None, seen_at: datetime | None) -> Content:
    parts: list[Part] = []
    if shown.frozen is not None:
        parts += [(f"■ frozen at {clock(shown.frozen)}", "info bold"), " · "]
    if reading is None or seen_at is None:
        return line(*parts, ("waiting for the first look ", "dim"))
    outcome = reading.outcome
    if isinstance(outcome, Blind):
        parts.append((f"? {safe(outcome.reason, 20)}: {safe(outcome.detail, 60)}", "blind"))
        if seen_at < reading.at:
            parts.append((f" · rows are {ago(shown.moment, seen_at)} old ", "warning"))
        return line(*parts, " ")
    told = f"sampled {ago(shown.moment, seen_at)} ago"
    old = since(shown.moment, seen_at) > OLD
    parts += [(told, "warning" if old else "dim"), (f" · took {duration(reading.took)} ", "dim")]
    return line(*parts, (" ● live " if shown.frozen is None and not old else "", "ok"))


def title(table: Table, where: str) -> Content:
    """`Who waits for whom · 103 rows · 1 of 3`."""
    parts: list[Part] = [capital(safe(table.title, 60))]
    if table.rows:
        parts.append((f" · {count(len(table.rows), 'row')}", "dim"))
    if where:
        parts.append((f" · table {where}", "dim"))
    return line(*parts)
