"""Findings about what no list has: starts that failed and events, with AWS's own words.

Source: ECS Developer Guide, "Stopped tasks error messages" and "Service event messages". Both lists
grow, so what is not known is told as itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count, duration
from probes.ecs import stops
from probes.ecs.failure import failure_of
from probes.ecs.model import EcsEvent, Snapshot, Stop, name_of
from probes.ecs.settings import Settings
from probes.ecs.starts import NOT_STARTED, holds_up
from probes.ecs.tasks import by_definition, changed, floor, of_today, since_steady, span


def not_started(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Tasks did not start, for a reason that is none of the known ones.

    AWS's words stand in the summary. What runs goes on; nothing can be replaced or added while
    every start fails. Critical when a deployment waits for it, or too few tasks run.
    """
    recent = of_today(snapshot, settings.start_window)
    failed = [stop for stop in recent if stops.start_failure(stop)]
    for definition, group in by_definition(failed).items():
        severity = settings.not_started.grade(len(group))
        if severity is None:
            continue
        if not (holds_up(snapshot, definition) or snapshot.running < floor(snapshot)):
            severity = min(severity, Severity.WARNING)
        name = name_of(definition)
        yield Finding(
            "ECS_TASK_NOT_STARTED",
            severity,
            f"{count(len(group), 'task')} of {name} did not start: {stops.reason(group[0])}",
            subject=name,
            evidence=(
                Evidence("did not start", len(group), limit=settings.not_started.first),
                *_reasons(group),
                Evidence("running", snapshot.running, limit=snapshot.desired),
                *changed(snapshot, definition),
            ),
            likely=("what the reason names: its words are AWS's own",),
            next="read the reason; look for it at AWS Health and in the newest events",
        )


def _reasons(group: list[Stop]) -> Iterator[Evidence]:
    """The three most frequent texts."""
    for number, (text, times) in enumerate(Counter(map(stops.reason, group)).most_common(3), 1):
        yield Evidence(f"reason {number}", f"{text} ×{times}")


def retired(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """AWS ended tasks: it retires them, or their host was not well.

    The service replaces them. It matters when the replacements do not run, or when it is a large
    share of the service. AWS Health tells such retirements days before.
    """
    recent = stops.within(snapshot.stopped, snapshot.at, settings.retired_window)
    found = [stop for stop in recent if stops.retired(stop)]
    severity = settings.retired_share.grade(len(found) / max(snapshot.desired, 1))
    if not found or severity is None:
        return
    if snapshot.running < floor(snapshot):
        severity = max(severity, Severity.WARNING)
    yield Finding(
        "ECS_TASKS_RETIRED",
        severity,
        f"AWS ended {count(len(found), 'task')} in {span(settings.retired_window)}: "
        f"{stops.reason(found[0])}",
        evidence=(
            Evidence("ended", len(found)),
            Evidence("desired", snapshot.desired),
            Evidence("running", snapshot.running),
            Evidence("stop code", ", ".join(dict.fromkeys(stop.stop_code for stop in found))),
        ),
        likely=("AWS retires tasks of an old platform version", "the host beneath was not well"),
        next="look at AWS Health, and whether the replacements run",
    )


def ended_otherwise(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Tasks were stopped with a code that is not known here.

    It is told as AWS spells it; whether it does harm, the count of running tasks tells.
    """
    recent = stops.within(snapshot.stopped, snapshot.at, settings.start_window)
    groups: dict[str, list[Stop]] = {}
    for stop in recent:
        if stops.unlisted(stop):
            groups.setdefault(stop.stop_code, []).append(stop)
    for code, group in groups.items():
        yield Finding(
            "ECS_TASKS_ENDED_OTHERWISE",
            Severity.WARNING,
            f"{count(len(group), 'task')} stopped with the code {code}: {stops.reason(group[0])}",
            subject=code,
            evidence=(
                Evidence("stopped", len(group)),
                *_reasons(group),
                Evidence("running", snapshot.running, limit=snapshot.desired),
            ),
            next="read the reason; the code is newer than this list",
        )


def unhealthy(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Running tasks fail the health check of their own container.

    ECS ends and replaces them, unless the deployment's percentages forbid it: then they stay.
    UNKNOWN (no check, or not yet judged) is not counted.
    """
    live = snapshot.tasks or ()
    sick = [task for task in live if task.health == "UNHEALTHY"]
    severity = settings.unhealthy_share.grade(len(sick) / len(live)) if sick else None
    if severity is None:
        return
    yield Finding(
        "ECS_TASKS_UNHEALTHY",
        severity,
        f"{len(sick)} of {count(len(live), 'running task')} are UNHEALTHY",
        evidence=(
            Evidence("UNHEALTHY", len(sick)),
            Evidence("running", len(live)),
            Evidence("share", len(sick) / len(live), "share", settings.unhealthy_share.first),
            Evidence("tasks", ", ".join(sorted(name_of(task.arn) for task in sick[:5]))),
        ),
        likely=(
            "the application hangs, or waits for what it needs",
            "the health check is wrong, or its time too short",
        ),
        next="read the log of one of them, then what its health check calls",
        fact=False,
    )


_ROUTINE = (
    "has reached a steady state",
    "has started ",
    "has stopped ",
    "has begun draining",
    "deployment completed",
    "updated computedDesiredCount",
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
_CHANGED_TARGETS = re.compile(r"\b(?:de)?registered \d+ (?:targets?|instances?)\b")
_FAILING = re.compile(
    r"(?i)\b(?:unable|fail\w*|error\w*|throttl\w*|denied|cannot|could not|not authorized|invalid"
    r"|timed out|timeout|exceed\w*|impaired|unhealthy|rejected|violat\w*)\b"
)
_KINDS = (
    ("targets", ("register targets", "register instances", "register target")),
    ("service discovery", ("service discovery", "cloud map", "servicediscovery")),
    ("throttled", ("throttled", "throttling", "rate exceeded")),
    ("capacity provider", ("capacity provider",)),
    ("starts", ("unable to consistently start tasks",)),
)
_CAUSES = {
    "targets": (
        "the service's role lost its rights at the load balancer",
        "the target group is gone, or full",
    ),
    "throttled": ("many services deploy or scale at once", "another job uses up the rate"),
    "capacity provider": ("its Auto Scaling group starts no host",),
    "starts": ("tasks end soon after their start",),
    "service discovery": ("the namespace or its service is gone, or its rights",),
}
_NEXT = {
    "targets": "look at the target group: new tasks run and get no traffic",
    "throttled": "wait: ECS tries again; start fewer deployments at once",
    "capacity provider": "look at the cluster's hosts and their Auto Scaling group",
    "starts": "read why the last tasks stopped",
}


def failing_events(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """ECS tells in its events that something does not work, and nothing since that it came to rest.

    Tasks that are there run on, so counts and checks may look well. Told in ECS's own words, also
    where they are known nowhere; an unknown text without a word of failure is information.
    Identical events are hidden by ECS for hours, so an old one may still hold.
    """
    start = snapshot.at - timedelta(seconds=settings.event_window)
    groups: dict[str, list[EcsEvent]] = {}
    for event in since_steady(snapshot):
        if event.at >= start and not _known(event.message):
            groups.setdefault(_kind(event.message), []).append(event)
    short = snapshot.running < floor(snapshot)
    for kind, group in groups.items():
        message = group[0].message
        lasted = (snapshot.at - group[-1].at).total_seconds()
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
            against=() if lasted < 1800 else (f"the last one came {_since(snapshot, group[0])}",),
            next=_NEXT.get(kind, "read the events in order"),
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
