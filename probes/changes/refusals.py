"""What is refused: writes of one principal, launches of a group."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count, duration
from probes.began import TOLD, told
from probes.changes.model import Snapshot
from probes.changes.settings import Settings
from probes.trail import ApiEvent, is_denied

_LAUNCHES_WITHIN = timedelta(minutes=15)


def events_of(snapshot: Snapshot) -> tuple[ApiEvent, ...]:
    """The calls that were read; none when CloudTrail was not."""
    return snapshot.trail.events if snapshot.trail is not None else ()


def refused(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """One principal's writes are refused again and again.

    A right was taken away, a deployment runs with the wrong role, or somebody tries what a key can
    do. Only writes are read here; refused reads are not counted.
    """
    span = timedelta(seconds=settings.denied_within)
    by: dict[str, list[ApiEvent]] = {}
    for event in events_of(snapshot):
        if is_denied(event) and event.actor not in settings.own_principals:
            by.setdefault(event.actor or "unknown", []).append(event)
    for actor, events in sorted(by.items()):
        times = sorted(event.at for event in events)
        most = max(sum(1 for t in times if start <= t <= start + span) for start in times)
        severity = settings.denied.grade(most)
        if severity:
            calls = sorted({event.call for event in events})
            yield Finding(
                "CHANGE_DENIED_BURST",
                severity,
                f"{actor}: {count(most, 'write')} refused within "
                f"{duration(settings.denied_within)}",
                subject=actor,
                evidence=(
                    Evidence("refused", most, "", settings.denied.first),
                    Evidence("calls", ", ".join(calls[:6])),
                    Evidence("from", ", ".join(sorted({e.address for e in events})[:4])),
                ),
                likely=("a right that was taken away", "a scanner", "a stolen key"),
                next="ask its owner; a principal that nobody knows is an incident of its own",
                began=told(times[0], snapshot.at),
                resolution=TOLD,
            )


def launches(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Auto Scaling cannot launch instances for a group.

    The text of AWS says why: no Spot capacity, a quota, a bad image, no addresses in the subnet.
    Critical from `launches` on, or when fewer are in service than the group's minimum.
    """
    for group in snapshot.groups:
        recent = [text for at, text in group.failed if snapshot.at - at <= _LAUNCHES_WITHIN]
        severity = settings.launches.grade(float(len(recent)))
        if severity is None:
            continue
        if group.in_service < group.least:
            severity = Severity.CRITICAL
        yield Finding(
            "ASG_LAUNCH_FAILED",
            severity,
            f"{group.name} cannot launch: {recent[0]}",
            subject=group.name,
            evidence=(
                Evidence("failed launches in 15 minutes", len(recent), "", settings.launches.first),
                Evidence("in service", group.in_service, "", float(group.least)),
                Evidence("AWS says", recent[0]),
            ),
            likely=("no Spot capacity", "a quota", "a bad image", "no addresses in the subnet"),
            next="read the text of the failed activity: it names which of them it is",
            began=told(min(at for at, _ in group.failed), snapshot.at),
            resolution=TOLD,
        )
