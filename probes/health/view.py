"""What the screens show of AWS Health."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.changes import Change
from cockpit.triage.finding import Severity, worst
from cockpit.triage.probe import Fact
from cockpit.triage.view import Column, Row, Table
from cockpit.units import count
from probes.health import findings
from probes.health.findings import Settings
from probes.health.model import NOTICE, HealthEvent, Snapshot


def _severity(snapshot: Snapshot, settings: Settings) -> Severity | None:
    told = (findings.open_events, findings.upcoming, findings.unknown)
    return worst(finding for rule in told for finding in rule(snapshot, settings))


def facts(snapshot: Snapshot, settings: Settings) -> Iterator[Fact]:
    """How many events are open, and how many will come."""
    events = [each for each in snapshot.events if each.category != NOTICE]
    is_open = sum(each.status == "open" for each in events)
    coming = sum(each.status == "upcoming" for each in events)
    shown = f"{is_open} open" if is_open else "none open"
    yield Fact("events", shown, is_open, "", _severity(snapshot, settings))
    yield Fact("upcoming", str(coming), coming)
    notices = len(snapshot.events) - len(events)
    yield Fact("notices", count(notices, "notice"), notices)


def tables(snapshot: Snapshot, settings: Settings) -> Iterator[Table]:
    """Events, and what of the account they name."""
    yield Table(
        title="Events",
        columns=(
            Column("service", 18),
            Column("state", 10),
            Column("category", 20),
            Column("begins", 16),
            Column("what"),
        ),
        rows=tuple(_row(each) for each in snapshot.events),
        headline=f"open and coming in {snapshot.region} and global",
        note=("AWS tells 15 to 60 minutes late, and closes late",),
    )
    entities = [(event, each) for event in snapshot.events for each in event.entities]
    if entities:
        yield Table(
            title="Named",
            columns=(
                Column("what", 44),
                Column("state", 12),
                Column("target", 20),
                Column("event"),
            ),
            rows=tuple(
                Row(
                    key=f"{event.arn} {each.name}",
                    cells=(each.name, each.status, each.target, event.code),
                    severity=Severity.CRITICAL if each.target in event.hit else None,
                )
                for event, each in entities
            ),
        )


def _row(event: HealthEvent) -> Row:
    begins = f"{event.start:%m-%d %H:%M}" if event.start else "not told"
    return Row(
        key=event.arn,
        cells=(event.service, event.status, event.category, begins, event.code),
        dim=event.category == NOTICE,
    )


def changes(snapshot: Snapshot, target: str) -> Iterator[Change]:
    """The beginning of each event that is open: what AWS did, or what befell it."""
    for event in snapshot.events:
        if event.start is not None and event.start <= snapshot.at and event.category != NOTICE:
            yield Change(
                at=event.start,
                kind="aws.event",
                target=target,
                summary=f"{event.service} in {event.zone or event.region}: {event.code}",
                source="health.DescribeEvents",
                by="service",
                late=3600,
            )
