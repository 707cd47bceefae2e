"""What ECS says in its events that does not work, in its own words.

Source: ECS Developer Guide, "Service event messages". The list grows, so what is not known is told
as itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import duration
from probes.began import TOLD
from probes.ecs import stops
from probes.ecs.begun import first_event
from probes.ecs.failure import failure_of
from probes.ecs.model import EcsEvent, Snapshot
from probes.ecs.settings import Settings
from probes.ecs.starts import NOT_STARTED
from probes.ecs.tasks import floor, since_steady

_ROUTINE = (
    "has reached a steady state",
    "has started ",
    "has stopped ",
    "has begun draining",
    "deployment completed",
    "updated computedDesiredCount",
    "updated state to",
    "rolling back to deployment",
)
"""Events of a service that does what it is told."""
_TOLD = (
    *NOT_STARTED,
    "unhealthy in (",
    "failed container health checks",
    "due to an unhealthy status",
    "because of the service deployment configuration",
    "deployment failed",
)
"""Events of what other findings tell with more: starts, health checks, stuck deployments."""
_BY_BALANCER = "failed ELB health checks"
"""It says no more than the tasks that were stopped for it do, where there are any."""
_CHANGED_TARGETS = re.compile(r"\b(?:de)?registered \d+ (?:targets?|instances?)\b")
_FAILING = re.compile(
    r"(?i)\b(?:unable|fail\w*|error\w*|throttl\w*|denied|cannot|could not|not authorized|invalid"
    r"|timed out|timeout|exceed\w*|impaired|unhealthy|rejected|violat\w*)\b"
)
_STARTS = "starts"
"""It says no more than stopped tasks do, where there are any."""
_KINDS = (
    ("targets", ("register targets", "register instances", "register target")),
    ("service discovery", ("service discovery", "cloud map", "servicediscovery")),
    ("throttled", ("throttled", "throttling", "rate exceeded")),
    ("capacity provider", ("capacity provider",)),
    (_STARTS, ("unable to consistently start tasks",)),
)
_CAUSES = {
    "targets": (
        "the service's role lost its rights at the load balancer",
        "the target group is gone, or full",
    ),
    "throttled": ("many services deploy or scale at once", "another job uses up the rate"),
    "capacity provider": ("its Auto Scaling group starts no host",),
    _STARTS: ("tasks end soon after their start",),
    "service discovery": ("the namespace or its service is gone, or its rights",),
}
_NEXT = {
    "targets": "look at the target group: new tasks run and get no traffic",
    "throttled": "wait: ECS tries again; start fewer deployments at once",
    "capacity provider": "look at the cluster's hosts and their Auto Scaling group",
    _STARTS: "read why the last tasks stopped",
}


def failing_events(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """ECS tells in its events that something does not work, and nothing since that it came to rest.

    Tasks that are there run on, so counts and checks may look well. Told in ECS's own words, also
    where they are known nowhere; an unknown text without a word of failure is information.
    Identical events are hidden by ECS for hours, so an old one may still hold.
    """
    start = snapshot.at - timedelta(seconds=settings.event_window)
    explained = any(not stops.normal(stop) for stop in snapshot.stopped)
    killed = any(stops.killed_by_checks(stop) for stop in snapshot.stopped)
    groups: dict[str, list[EcsEvent]] = {}
    for event in since_steady(snapshot):
        kind = _kind(event.message)
        if event.at < start or _known(event.message) or (kind == _STARTS and explained):
            continue
        if killed and _BY_BALANCER in event.message:
            continue
        groups.setdefault(kind, []).append(event)
    short = snapshot.running < floor(snapshot)
    for kind, group in groups.items():
        message = group[0].message
        lasted = (snapshot.at - group[-1].at).total_seconds()
        quiet = (snapshot.at - group[0].at).total_seconds()
        yield Finding(
            "ECS_EVENT_FAILING",
            _event_severity(kind, message, short=short),
            f"ECS says{'' if kind == 'other' else f' ({kind})'}: {message}",
            subject=kind,
            evidence=(
                Evidence("event", message),
                Evidence("events", len(group)),
                Evidence("for", lasted, "s"),
                Evidence("running", snapshot.running, limit=snapshot.desired),
            ),
            likely=_CAUSES.get(kind, ()),
            against=(f"the last one came {_since(snapshot, group[0])}",) if quiet >= 1800 else (),
            next=_NEXT.get(kind, "read the events in order"),
            began=first_event(snapshot, group),
            resolution=TOLD,
        )


def _known(message: str) -> bool:
    return any(mark in message for mark in _ROUTINE + _TOLD) or (
        bool(_CHANGED_TARGETS.search(message)) and not _FAILING.search(message)
    )


def _kind(message: str) -> str:
    lower = message.lower()
    for kind, marks in _KINDS:
        if any(mark in lower for mark in marks):
            return kind
    meaning = failure_of(message)
    return meaning.resource.value or (meaning.cause.value if meaning.telling else "other")


def _event_severity(kind: str, message: str, *, short: bool) -> Severity:
    if not _FAILING.search(message):
        return Severity.INFO
    if short:
        return Severity.CRITICAL
    return Severity.HIGH if kind == "targets" else Severity.WARNING


def _since(snapshot: Snapshot, event: EcsEvent) -> str:
    return f"{duration((snapshot.at - event.at).total_seconds())} ago"
