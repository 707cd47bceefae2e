"""Findings about tasks that do not start: the image, what they need before, or a place to run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count
from probes.began import TOLD
from probes.ecs import stops
from probes.ecs.begun import first_event, first_stop
from probes.ecs.failure import failure_of
from probes.ecs.model import EcsEvent, Snapshot, Stop, name_of
from probes.ecs.phrases import Cause
from probes.ecs.settings import Settings
from probes.ecs.tasks import changed, deploying, of_today, since_steady

_ACCOUNT_LIMIT = "the limit on the number of"
"""Of tasks or of vCPUs, that run at once: all services of the account and region share it."""

NOT_STARTED = ("unable to place a task", "failed to launch a task")


def pull_failures(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """New tasks cannot pull their image, so they never start.

    Those that run go on; nothing can be replaced or added. Critical during a deployment. One
    finding for each cause.
    """
    failed = _by_kind(snapshot, settings.pull_window, stops.pull_failure)
    for kind, group in failed.items():
        definition = group[0].task_definition
        images = dict.fromkeys(c.image for s in group for c in s.containers if c.image)
        yield Finding(
            "ECS_IMAGE_PULL_FAILED",
            Severity.CRITICAL if holds_up(snapshot, definition) else Severity.WARNING,
            f"{count(len(group), 'task')} of {name_of(definition)} could not pull the image "
            f"({kind}): {stops.reason(group[0])}",
            subject=kind,
            evidence=(
                Evidence("failures", len(group)),
                Evidence("cause", stops.failure(group[0]).cause.value),
                Evidence("image", ", ".join(images) or None),
                Evidence("reason", stops.reason(group[0])),
                Evidence("running", snapshot.running, limit=snapshot.desired),
                Evidence("subnets", ", ".join(snapshot.service.subnets) or None),
                *changed(snapshot, definition),
            ),
            likely=_PULL_CAUSES.get(kind, ("see the reason",)),
            next=_PULL_NEXT.get(kind, "read the reason"),
            began=_first(snapshot, kind, stops.pull_failure),
            resolution=TOLD,
        )


def holds_up(snapshot: Snapshot, definition: str) -> bool:
    """Whether it keeps a release from going out, or the service from running at all."""
    primary = snapshot.primary
    rolling = primary is not None and primary.task_definition == definition
    return snapshot.running == 0 or (rolling and deploying(snapshot))


_PULL_CAUSES = {
    "image missing": ("the tag was deleted or never pushed", "the image name is misspelled"),
    "image missing or access": (
        "the image name is misspelled, or the repository does not exist",
        "the registry wants credentials that the task has not",
    ),
    "access": ("the execution role lost its rights", "the repository policy changed"),
    "rate limit": (
        "the public registry's limit for anonymous pulls",
        "many tasks start at once",
    ),
    "network": ("the NAT gateway or the endpoint is gone", "a security group blocks 443"),
    "disk": ("images fill the host's disk",),
    "architecture": ("the image was built for another processor",),
    "service error": ("the registry is in trouble",),
}
_PULL_NEXT = {
    "image missing": "roll back to the revision whose image exists",
    "image missing or access": "look whether the image exists, then who may pull it",
    "network": "look at the path from the tasks' subnets to the registry",
    "access": "compare the execution role's policy with an hour ago",
    "rate limit": "wait for the limit, or pull from a registry of your own",
}


def init_failures(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """New tasks could not get a secret, a log group, a file system or an interface.

    They never start. The reason names the resource: it is gone, its rights were taken away, or the
    way to its endpoint is closed.
    """
    failed = _by_kind(snapshot, settings.init_window, stops.init_failure)
    for kind, group in failed.items():
        severity = settings.init_failures.grade(len(group))
        if severity is None and not _event(group[0]):
            continue
        definition = group[0].task_definition
        known = snapshot.definition
        role = known.execution_role if known and known.arn == definition else ""
        causes = Counter(stops.failure(stop).cause for stop in group).most_common()
        yield Finding(
            "ECS_RESOURCE_INIT_FAILED",
            severity or Severity.WARNING,
            f"{count(len(group), 'task')} of {name_of(definition)} could not set up {kind}: "
            f"{stops.reason(group[0])}",
            subject=kind,
            evidence=(
                Evidence("failures", len(group), limit=settings.init_failures.first),
                Evidence("cause", ", ".join(f"{each.value} ×{times}" for each, times in causes)),
                Evidence("resource", stops.failure(group[0]).resource.value or None),
                Evidence("reason", stops.reason(group[0])),
                Evidence("execution role", role or None),
                *changed(snapshot, definition),
            ),
            likely=_SET_UP_CAUSES.get(causes[0][0], _ANY_SET_UP_CAUSE),
            next=_SET_UP_NEXT.get(causes[0][0], _ANY_SET_UP_NEXT),
            began=_first(snapshot, kind, stops.init_failure),
            resolution=TOLD,
        )


_ANY_SET_UP_CAUSE = (
    "it was deleted or its rights were taken away",
    "its endpoint is unreachable",
)
_SET_UP_CAUSES = {
    Cause.DENIED: (
        "the execution role lost its rights",
        "a policy or a key's policy denies it",
    ),
    Cause.MISSING: ("it was deleted or renamed", "the task definition misspells it"),
    Cause.NETWORK: (
        "the NAT gateway or the endpoint is gone",
        "a security group blocks 443",
    ),
    Cause.THROTTLED: (
        "many tasks start at once and read the same",
        "another job uses up the rate",
    ),
    Cause.INVALID: ("the task definition names it wrongly",),
    Cause.SERVICE_ERROR: ("the AWS service is in trouble",),
}
_ANY_SET_UP_NEXT = "check that what the reason names exists and that the execution role may use it"
_SET_UP_NEXT = {
    Cause.NETWORK: "look at the path from the tasks' subnets to the endpoint that the reason names",
    Cause.THROTTLED: "wait: the scheduler tries again; start fewer tasks at once",
}


def _by_kind(
    snapshot: Snapshot, seconds: float, kind_of: Callable[[Stop], str]
) -> dict[str, list[Stop]]:
    """The tasks by why they did not start; an event tells it where no stopped task does."""
    groups: dict[str, list[Stop]] = {}
    for stop in of_today(snapshot, seconds):
        kind = kind_of(stop)
        if kind:
            groups.setdefault(kind, []).append(stop)
    for event in _not_started(snapshot, seconds):
        told = _as_stop(snapshot, event)
        kind = kind_of(told)
        if kind and kind not in groups:
            groups[kind] = [told]
    return groups


def _first(snapshot: Snapshot, kind: str, kind_of: Callable[[Stop], str]) -> datetime | None:
    """When the first task of that kind did not start, as the stops tell it, else the events."""
    if any(kind_of(stop) == kind for stop in snapshot.stopped):
        return first_stop(snapshot, lambda stop: kind_of(stop) == kind)
    events = [each for each in since_steady(snapshot) if kind_of(_as_stop(snapshot, each)) == kind]
    return first_event(snapshot, events)


def _not_started(snapshot: Snapshot, seconds: float) -> list[EcsEvent]:
    start = snapshot.at - timedelta(seconds=seconds)
    recent = (each for each in since_steady(snapshot) if each.at >= start)
    return [each for each in recent if any(mark in each.message for mark in NOT_STARTED)]


def _as_stop(snapshot: Snapshot, event: EcsEvent) -> Stop:
    definition = snapshot.primary.task_definition if snapshot.primary else ""
    return Stop(
        arn=event.id,
        task_definition=definition,
        stop_code="TaskFailedToStart",
        reason=event.message,
        stopped_at=event.at,
    )


def _event(stop: Stop) -> bool:
    return any(mark in stop.reason for mark in NOT_STARTED)


def placement(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """New tasks find no place: no host with room, no address, or a quota.

    Critical while fewer tasks run than wanted; else what runs goes on, and nothing can be replaced.
    """
    told = [
        each
        for each in _not_started(snapshot, settings.placement_window)
        if not (failure_of(each.message).pulling or failure_of(each.message).setting_up)
    ]
    recent = stops.within(snapshot.stopped, snapshot.at, settings.placement_window)
    kinds = [(stop, stops.placement_failure(stop)) for stop in recent]
    failed = [(stop, kind) for stop, kind in kinds if kind]
    if not told and not failed:
        return
    message = told[0].message if told else failed[0][0].reason
    short = snapshot.running < snapshot.desired
    limited = _ACCOUNT_LIMIT in message.lower()
    yield Finding(
        "ECS_PLACEMENT_FAILED",
        Severity.CRITICAL if short else Severity.WARNING,
        f"a task finds no place: {message}",
        evidence=(
            Evidence("event", message),
            Evidence("lacking", failed[0][1] if failed else _lacking(message)),
            Evidence("running", snapshot.running, limit=snapshot.desired),
            Evidence("subnets", ", ".join(snapshot.service.subnets) or None),
        ),
        likely=("the account's limit is used up, by this service or by another",)
        if limited
        else ("no host has room", "the subnets have no free address", "a quota is used up"),
        next="scale in what is not needed: an increase takes hours to days"
        if limited
        else "look at the cluster's hosts and the subnets' free addresses",
        account_limit="Fargate's tasks or vCPUs" if limited else "",
        began=first_event(snapshot, told)
        if told
        else first_stop(snapshot, stops.placement_failure),
        resolution=TOLD,
    )


def _lacking(message: str) -> str | None:
    told = failure_of(message)
    return told.resource.value or (told.cause.value if told.telling else None)
