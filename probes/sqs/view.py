"""What the screens show of a queue."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Severity
from cockpit.triage.probe import Fact
from cockpit.triage.view import Column, Row, Table
from cockpit.units import duration, number
from probes.metrics import age, held, latest, read_at, settled, total
from probes.sqs.model import Snapshot
from probes.sqs.settings import Settings


def facts(snapshot: Snapshot, settings: Settings) -> Iterator[Fact]:
    """How many wait, and for how long."""
    series = settled(snapshot.oldest, snapshot.at)
    severity = None if snapshot.is_dead_letter else held(series, settings.oldest)
    if snapshot.is_dead_letter and snapshot.visible:
        severity = Severity.INFO
    waits = snapshot.visible
    shown = "unknown" if waits is None else f"{number(waits)} wait"
    yield Fact("waiting", shown, waits, "", severity)
    oldest = latest(series)
    if oldest is not None:
        seen = read_at(snapshot.oldest)
        yield Fact("oldest", duration(oldest), oldest, "s", severity, seen)
    elif waits:
        yield Fact("oldest", "unknown")
    if snapshot.in_flight is not None:
        yield Fact("in flight", number(snapshot.in_flight), snapshot.in_flight)
    if snapshot.dead_messages is not None:
        yield Fact("dead letters", number(snapshot.dead_messages), snapshot.dead_messages)
    for label, flow in (("sent", snapshot.sent), ("deleted", snapshot.deleted)):
        told = total(settled(flow, snapshot.at))
        if told is not None:
            shown = number(round(told / 5, 1))
            yield Fact(f"{label} a minute", shown, told / 5, as_of=read_at(flow))


def tables(snapshot: Snapshot, settings: Settings) -> Iterator[Table]:
    """What waits, and moves of dead letters."""
    late = age(snapshot.waiting, snapshot.at)
    queue = snapshot.dead_letter
    yield Table(
        title="Queue",
        columns=(Column("what", 24), Column("messages", 10, right=True), Column("how long")),
        rows=(
            _row("waiting", snapshot.visible, _duration(latest(snapshot.oldest))),
            _row("in flight", snapshot.in_flight, f"hidden for {duration(snapshot.visibility)}"),
            _row("delayed", snapshot.delayed, ""),
            *(
                (
                    _row(
                        f"dead: {queue.arn.rpartition(':')[2]}",
                        queue.messages,
                        f"after {queue.received} receives" if queue.received else "",
                    ),
                )
                if queue
                else ()
            ),
        ),
        headline=f"{snapshot.name} keeps messages for {duration(snapshot.retention)}",
        note=(
            f"newest metric is {duration(late)} old"
            if late is not None
            else "no metrics: not used for six hours, or not readable; numbers are its own",
        ),
    )
    if snapshot.moves:
        yield Table(
            title="Moves of dead letters",
            columns=(Column("state", 12), Column("moved", 10, right=True), Column("reason")),
            rows=tuple(
                Row(
                    key=f"{place} {each.handle}",
                    cells=(each.status, number(each.moved), each.reason),
                    severity=Severity.WARNING if each.status == "FAILED" else None,
                )
                for place, each in enumerate(snapshot.moves)
            ),
        )


def _row(what: str, messages: int | None, long: str) -> Row:
    shown = "unknown" if messages is None else number(messages)
    return Row(key=what, cells=(what, shown, long), dim=messages is None)


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else f"oldest {duration(seconds)}"
