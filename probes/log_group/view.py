"""What the screens show of a log group."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Severity
from cockpit.triage.probe import Fact
from cockpit.triage.view import Column, Row, Table
from cockpit.units import duration, number, size
from probes.log_group.flow import counted
from probes.log_group.model import Snapshot
from probes.log_group.settings import Settings
from probes.metrics import age, latest, settled


def facts(snapshot: Snapshot, settings: Settings) -> Iterator[Fact]:
    """How many lines of errors, and how many lines at all."""
    young = any(each.new_since for each in snapshot.patterns)
    worst = Severity.WARNING if young else None
    value = float(snapshot.read) if snapshot.lines_read else None
    yield Fact("errors", counted(snapshot), value, "", worst)
    flow = latest(settled(snapshot.events, snapshot.at))
    if flow is not None:
        yield Fact("lines a minute", number(flow), flow)
    late = age(snapshot.events, snapshot.at)
    if late is not None:
        yield Fact("newest metric", f"{duration(late)} ago", late, "s")
    kept = "for ever" if snapshot.retention_days is None else f"{snapshot.retention_days} days"
    yield Fact("kept", kept, snapshot.retention_days)
    if snapshot.stored_bytes is not None:
        yield Fact("stored", size(snapshot.stored_bytes), snapshot.stored_bytes, "bytes")
    if snapshot.log_class:
        yield Fact("class", snapshot.log_class)


def tables(snapshot: Snapshot, settings: Settings) -> Iterator[Table]:
    """The shapes of the lines of errors, those that are new first, and what was refused."""
    note = () if snapshot.compared else ("not held against the hour before: there are too few",)
    yield Table(
        title="Patterns",
        columns=(
            Column("new", 5),
            Column("lines", 7, right=True),
            Column("before", 7, right=True),
            Column("last", 8),
            Column("tells of", 9),
            Column("shape"),
        ),
        rows=tuple(
            Row(
                key=f"{each.kind} {each.shape}",
                cells=(
                    f"{each.new_since:%H:%M}" if each.new_since else "",
                    number(each.count),
                    number(each.before) if snapshot.compared else "?",
                    f"{each.last:%H:%M:%S}",
                    each.kind,
                    each.shape,
                ),
                severity=Severity.WARNING if each.new_since else None,
            )
            for each in snapshot.patterns
        ),
        headline=f"{snapshot.name}: {counted(snapshot)}",
        note=note if snapshot.lines_read else ("lines could not be read",),
    )
    if snapshot.denials:
        yield Table(
            title="Refused",
            columns=(Column("times", 6, right=True), Column("action", 28), Column("on, to, why")),
            rows=tuple(
                Row(
                    key=f"{each.action} {each.resource}",
                    cells=(
                        number(each.count),
                        each.action,
                        f"{each.resource} {each.principal} {each.why}".strip(),
                    ),
                )
                for each in snapshot.denials
            ),
        )
