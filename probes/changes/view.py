"""What the screens show of a feed: its changes, how fresh they are, what is under way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from cockpit.text import visible
from cockpit.triage.changes import SERVICE, Change
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Fact
from cockpit.triage.view import Column, Row, Table
from cockpit.units import age, count
from probes.changes.blindness import not_seen
from probes.changes.calls import MILD, resource_of
from probes.changes.model import Happening, Snapshot
from probes.changes.settings import Settings
from probes.changes.telling import details, kind_and_risk, summary
from probes.trail import LATE

_SERVICES_MATTER = 0.5
"""Risk from which on what AWS does by itself is a change."""


def changes(snapshot: Snapshot, target: str) -> Iterator[Change]:
    """Everything that may have broken something; tags and what AWS does all day stay out."""
    previous, brought = dict(snapshot.previous), dict(snapshot.releases)
    for event in snapshot.trail.events if snapshot.trail is not None else ():
        kind, risk = kind_and_risk(event)
        if risk <= MILD or (event.by == SERVICE and risk < _SERVICES_MATTER):
            continue
        lines = brought.get(event.id) or details(event, previous.get(event.id))
        yield Change(
            at=event.at,
            kind=kind,
            target="",
            summary=visible(summary(event), 300),
            actor=event.actor,
            source="cloudtrail.LookupEvents",
            resource=resource_of(event),
            call=event.call,
            by=event.by,
            failed=event.error,
            late=LATE.total_seconds(),
            risk=risk,
            details=tuple(visible(line, 300) for line in lines),
        )
    for each in snapshot.happenings:
        yield _change(each)


def _change(each: Happening) -> Change:
    return Change(
        at=each.at,
        kind=each.kind,
        target="",
        summary=visible(each.summary, 300),
        actor=each.actor,
        source=each.source,
        resource=each.resource,
        by=each.by,
        failed=visible(each.failed, 300),
        details=tuple(visible(line, 300) for line in each.details),
    )


def facts(snapshot: Snapshot, _: Settings) -> Iterator[Fact]:
    """How many changes; that it is blind comes first, since a small number is no good news then."""
    blind = snapshot.trail is None
    if blind:
        yield Fact("changes", "CloudTrail?", severity=Severity.WARNING)
    told = sum(1 for _ in changes(snapshot, ""))
    yield Fact("changes" if not blind else "seen", str(told), float(told))
    if snapshot.trail is not None:
        yield Fact("complete until", f"{_complete(snapshot):%H:%M}")
    if snapshot.gaps:
        yield Fact("not read", str(len({gap.what for gap in snapshot.gaps})))


def _complete(snapshot: Snapshot) -> datetime:
    return snapshot.at - LATE


def tables(snapshot: Snapshot, _: Settings) -> Iterator[Table]:
    """Newest first, under what was not seen."""
    told = sorted(changes(snapshot, ""), key=lambda each: each.at, reverse=True)
    since = snapshot.trail.start if snapshot.trail is not None else None
    headline = count(len(told), "change") + (f" since {since:%H:%M}" if since else "")
    yield Table(
        title="Changes",
        columns=(
            Column("time", 8),
            Column("who", 24),
            Column("what", 26),
            Column("read from", 26),
            Column("change"),
        ),
        rows=tuple(
            Row(
                key=f"{each.at.isoformat()} {each.source} {each.kind} {each.resource}",
                cells=(
                    f"{each.at:%H:%M:%S}",
                    each.actor or "?",
                    each.kind,
                    each.source,
                    each.summary,
                ),
                dim=bool(each.failed),
            )
            for each in told
        ),
        headline=f"{headline} · CloudTrail complete until {_complete(snapshot):%H:%M}",
        note=not_seen(snapshot),
    )
    if snapshot.rollouts:
        yield _under_way(snapshot)


def _under_way(snapshot: Snapshot) -> Table:
    """Deployments, refreshes and stacks with their state as AWS says it, also one nobody knows."""
    states = sorted(
        enumerate(snapshot.rollouts),
        key=lambda pair: -(pair[1].began.timestamp() if pair[1].began else 0.0),
    )
    return Table(
        title="Deployments",
        columns=(
            Column("name", 36),
            Column("what", 22),
            Column("state", 26),
            Column("since", 6, right=True),
            Column("says"),
        ),
        rows=tuple(
            Row(
                key=f"{each.kind} {each.name} {place}",
                cells=(
                    each.name,
                    each.kind,
                    each.status or "not told",
                    "" if (since := snapshot.age(each.began)) is None else age(since),
                    each.reason,
                ),
            )
            for place, each in states
        ),
    )
