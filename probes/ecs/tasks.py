"""Findings about the tasks of a service: how many run, and why the others stopped."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count, duration
from probes.began import TOLD
from probes.ecs import stops
from probes.ecs.begun import BETWEEN_LOOKS, STEADY, first_stop
from probes.ecs.model import Deployment, EcsEvent, Snapshot, Stop, name_of
from probes.ecs.settings import Settings


def since_steady(snapshot: Snapshot) -> list[EcsEvent]:
    """Events after the newest steady state, newest first."""
    newer = []
    for event in snapshot.events:
        if STEADY in event.message:
            break
        newer.append(event)
    return newer


def deploying(snapshot: Snapshot) -> bool:
    """A roll-out is under way: a second deployment still has tasks, or the first is not done."""
    primary = snapshot.primary
    others = any(each.status == "ACTIVE" for each in snapshot.deployments)
    return others or (primary is not None and primary.rollout_state == "IN_PROGRESS")


def floor(snapshot: Snapshot) -> int:
    """The tasks that have to run now: in a roll-out, what minimumHealthyPercent leaves of them."""
    if not deploying(snapshot):
        return snapshot.desired
    return math.ceil(snapshot.desired * min(snapshot.service.minimum_percent, 100) / 100)


def counts(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The service is made of one single task: every replacement of it is an outage.

    It is how it was built, so information only.
    """
    if snapshot.desired == 0:
        return
    if snapshot.running == 0:
        yield _down(snapshot, settings)
    elif snapshot.running < floor(snapshot):
        yield from _below(snapshot, settings)
    if snapshot.desired == 1 and snapshot.service.scheduling != "DAEMON":
        yield Finding(
            "ECS_SINGLE_TASK",
            Severity.INFO,
            "one task is all there is: every replacement of it is an outage",
            evidence=(Evidence("desired", 1),),
        )


def _down(snapshot: Snapshot, settings: Settings) -> Finding:
    """No task of the service runs: it serves nobody.

    Judged at once, and more mildly while it has only just been started. A service that was scaled
    to zero is not told.
    """
    newest = snapshot.events[0].message if snapshot.events else "no event"
    last = ", ".join(dict.fromkeys(stops.reason(stop) for stop in snapshot.stopped[:3]))
    finding = Finding(
        "ECS_SERVICE_DOWN",
        Severity.CRITICAL,
        f"none of {count(snapshot.desired, 'task')} runs, {snapshot.pending} pending",
        evidence=(
            Evidence("running", 0, limit=snapshot.desired),
            Evidence("pending", snapshot.pending),
            Evidence("newest event", newest),
            Evidence("last stops", last or "none in the last hour"),
        ),
        likely=(
            "the release crashes or fails its health checks",
            "the image or a secret cannot be read",
            "no capacity to place tasks",
        ),
        next="read why the last tasks stopped",
        began=snapshot.below_since,
        resolution=BETWEEN_LOOKS,
    )
    return _starting(snapshot, finding, settings.below_for)


def _starting(snapshot: Snapshot, finding: Finding, seconds: float) -> Finding:
    created = snapshot.service.created_at
    if created is None or not snapshot.pending:
        return finding
    age = (snapshot.at - created).total_seconds()
    if age >= seconds:
        return finding
    against = f"the service was created {duration(age)} ago and is still starting"
    return replace(finding, severity=Severity.WARNING, against=(against,))


def _below(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Fewer tasks run than the service may do without, for longer than `below_for`.

    The rest carries the load of all. Critical below half. A deployment in progress is told with it,
    and is no excuse.
    """
    since = snapshot.below_since
    lasted = None if since is None else (snapshot.at - since).total_seconds()
    if lasted is not None and lasted < settings.below_for:
        return
    if lasted is None and _just_updated(snapshot, settings.below_for):
        return
    share = snapshot.running / snapshot.desired
    severity = settings.running_share.grade(share) or Severity.WARNING
    wanted = floor(snapshot)
    against = ["a deployment is in progress"] if deploying(snapshot) else []
    if lasted is None:
        against.append("for how long is not known: it began before the first look")
    yield Finding(
        "ECS_TASKS_BELOW_DESIRED",
        severity,
        f"{snapshot.running} of {count(snapshot.desired, 'task')} run, {snapshot.pending} pending",
        evidence=(
            Evidence("running", snapshot.running, limit=wanted),
            Evidence("desired", snapshot.desired),
            Evidence("pending", snapshot.pending),
            Evidence("for", lasted, "s", limit=settings.below_for),
            *(_deployment_evidence(each) for each in snapshot.deployments),
        ),
        likely=("tasks cannot be placed", "tasks crash after their start", "health checks fail"),
        against=tuple(against),
        next="read why the last tasks stopped, and the newest event",
        fact=False,
        began=snapshot.below_since,
        resolution=BETWEEN_LOOKS,
    )


def _just_updated(snapshot: Snapshot, seconds: float) -> bool:
    updated = snapshot.primary.updated_at if snapshot.primary else None
    return updated is not None and (snapshot.at - updated).total_seconds() < seconds


def _deployment_evidence(deployment: Deployment) -> Evidence:
    shown = f"{deployment.running} of {deployment.desired} run, {deployment.failed_tasks} failed"
    return Evidence(f"{deployment.status} {name_of(deployment.task_definition)}", shown)


def span(seconds: float) -> str:
    """`10 minutes`: a window, as a sentence names it."""
    return count(round(seconds / 60), "minute")


def by_definition(found: Sequence[Stop]) -> dict[str, list[Stop]]:
    """The stops by their task definition, in the order of the newest."""
    groups: dict[str, list[Stop]] = {}
    for stop in found:
        groups.setdefault(stop.task_definition, []).append(stop)
    return groups


def of_today(snapshot: Snapshot, seconds: float) -> tuple[Stop, ...]:
    """The stops of the last `seconds` that belong to a revision which is still deployed.

    What a revision did that was rolled back is history: the tables show it, no finding keeps it.
    """
    deployed = {each.task_definition for each in snapshot.deployments}
    recent = stops.within(snapshot.stopped, snapshot.at, seconds)
    return tuple(stop for stop in recent if not deployed or stop.task_definition in deployed)


def crashes(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Tasks of one revision end by themselves, again and again.

    Each start costs time without serving. A new revision, or something that all of them need at
    their start and that is gone: the container's last log lines say which.
    """
    recent = of_today(snapshot, settings.crash_window)
    crashed = [stop for stop in recent if stops.crashed(stop)]
    for definition, group in by_definition(crashed).items():
        severity = _crash_severity(snapshot, settings, len(group))
        if severity is None:
            continue
        lived = sorted(stop.lived for stop in group if stop.lived is not None)
        image = next((c.image for stop in group for c in stop.containers if c.image), "")
        name = name_of(definition)
        window = span(settings.crash_window)
        yield Finding(
            "ECS_CRASH_LOOP",
            severity,
            f"{count(len(group), 'task')} of {name} ended by themselves in {window}: "
            f"{stops.reason(group[0])}",
            subject=name,
            evidence=(
                Evidence("crashes", len(group), limit=settings.crashes.first),
                Evidence("exit codes", stops.exit_codes(group) or "none: never started"),
                Evidence("typical life", lived[len(lived) // 2] if lived else None, "s"),
                Evidence("last reason", stops.reason(group[0])),
                Evidence("image", stops.short_image(image) or None),
                *changed(snapshot, definition),
            ),
            likely=_crash_causes(snapshot, definition),
            against=_of_primary(snapshot, definition),
            next="read the container's last log lines, then roll back if the revision is new",
            began=first_stop(snapshot, stops.crashed, definition=definition),
            resolution=TOLD,
        )


def _crash_severity(snapshot: Snapshot, settings: Settings, crashed: int) -> Severity | None:
    severity = settings.crashes.grade(crashed)
    live = [task for task in snapshot.tasks or () if task.started_at is not None]
    if not crashed or not live or deploying(snapshot):
        return severity
    ages = [(snapshot.at - task.started_at).total_seconds() for task in live if task.started_at]
    young = settings.young_share.grade(sum(age < settings.young for age in ages) / len(ages))
    if young is None or crashed < 2:
        return severity
    return young if severity is None else max(severity, young)


def _new(snapshot: Snapshot, definition: str) -> bool:
    """The revision is the PRIMARY's, there is one to go back to, and it is not proven."""
    primary = snapshot.primary
    if primary is None or primary.task_definition != definition:
        return False
    proven = primary.rollout_state == "COMPLETED" and not within_seconds(primary, snapshot, 86_400)
    return bool(snapshot.previous_task_definition) and not proven


def within_seconds(deployment: Deployment, snapshot: Snapshot, seconds: float) -> bool:
    """Whether the deployment began less than `seconds` before the look."""
    created = deployment.created_at
    return created is not None and (snapshot.at - created).total_seconds() < seconds


def seconds_since(snapshot: Snapshot, moment: datetime | None) -> float | None:
    """Seconds from a moment to the look; None when there is no such moment."""
    return None if moment is None else (snapshot.at - moment).total_seconds()


def _crash_causes(snapshot: Snapshot, definition: str) -> tuple[str, ...]:
    causes = (
        "a dependency is down at the start",
        "a setting or a secret is missing",
        "the release is bad",
    )
    return tuple(reversed(causes)) if _new(snapshot, definition) else causes


def _of_primary(snapshot: Snapshot, definition: str) -> tuple[str, ...]:
    primary = snapshot.primary
    if primary is None or primary.task_definition == definition:
        return ()
    return (f"{name_of(definition)} is being replaced by {name_of(primary.task_definition)}",)


def changed(snapshot: Snapshot, definition: str) -> Iterator[Evidence]:
    """What the revision changed against the previous one, when both were looked at."""
    after, before = snapshot.definition, snapshot.previous
    if after is None or before is None or after.arn != definition:
        return
    told = stops.difference_text(stops.differences(before, after))
    yield Evidence(f"changed since {name_of(before.arn)}", told or "nothing that can be seen")


def memory_kills(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Containers were killed because they reached their memory limit.

    Requests in flight were lost. The metric is sampled, so it may show 70% shortly before. Compare
    the limit with the revision before: it may have been lowered.
    """
    recent = of_today(snapshot, settings.oom_window)
    killed = [stop for stop in recent if stops.out_of_memory(stop)]
    for definition, group in by_definition(killed).items():
        severity = settings.oom.grade(len(group))
        if severity is None:
            continue
        limits = _limits(snapshot, definition)
        name = name_of(definition)
        yield Finding(
            "ECS_TASK_OOM",
            severity,
            f"{count(len(group), 'task')} of {name} killed for memory in "
            f"{span(settings.oom_window)}",
            subject=name,
            evidence=(
                Evidence("killed", len(group), limit=settings.oom.first),
                Evidence("exit codes", stops.exit_codes(group)),
                Evidence("memory limit", limits or None),
                Evidence("last reason", stops.reason(group[0])),
                *changed(snapshot, definition),
            ),
            likely=("a leak", "the limit was lowered", "one big request"),
            against=("memory is sampled: a kill may show 70% in the metric",),
            next="compare the memory limit with the revision before",
            began=first_stop(snapshot, stops.out_of_memory, definition=definition),
            resolution=TOLD,
        )


def _limits(snapshot: Snapshot, definition: str) -> str:
    known = snapshot.definition
    if known is None or known.arn != definition:
        return ""
    told = [f"{each.name} {each.memory} MiB" for each in known.containers if each.memory]
    return ", ".join(told) or (f"task {known.memory} MiB" if known.memory else "")


def health_kills(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Health checks ended tasks that were running.

    The tasks may be fine and the check wrong, or too early: compare how long they lived with the
    grace period. An overloaded service loses capacity this way when it needs it most.
    """
    recent = of_today(snapshot, settings.health_window)
    killed = [stop for stop in recent if stops.killed_by_checks(stop)]
    severity = settings.health_kills.grade(len(killed))
    if severity is None:
        return
    grace = snapshot.service.grace or 0
    lived = sorted(stop.lived for stop in killed if stop.lived is not None)
    booted = [stop.booted for stop in killed if stop.booted is not None]
    typical = lived[len(lived) // 2] if lived else None
    early = typical is not None and typical < grace + 120
    causes = ("the check's path or port changed", "the application is overloaded or hangs")
    slow = "it boots slower than the grace period"
    yield Finding(
        "ECS_HEALTH_CHECK_KILLS",
        severity,
        f"health checks ended {count(len(killed), 'task')} in {span(settings.health_window)}",
        evidence=(
            Evidence("killed", len(killed), limit=settings.health_kills.first),
            Evidence("grace period", grace, "s"),
            Evidence("typical life", typical, "s"),
            Evidence("longest boot", max(booted, default=None), "s"),
            Evidence("last reason", stops.reason(killed[0])),
        ),
        likely=(slow, *causes) if early else (*causes, slow),
        next="look at the target group: which answer fails the check",
        began=first_stop(snapshot, stops.killed_by_checks),
        resolution=TOLD,
    )


def stops_by_user(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Somebody, or an experiment, stops tasks.

    The service replaces them. CloudTrail names the caller; when it is on purpose, it explains the
    other findings here.
    """
    recent = stops.within(snapshot.stopped, snapshot.at, settings.user_window)
    found = [stop for stop in recent if stops.stopped_by_user(stop)]
    severity = settings.stops_by_user.grade(len(found))
    if severity is None:
        return
    yield Finding(
        "ECS_TASKS_STOPPED_BY_USER",
        severity,
        f"{count(len(found), 'task')} stopped by a person or an experiment in "
        f"{span(settings.user_window)}: {stops.reason(found[0])}",
        evidence=(
            Evidence("stopped", len(found), limit=settings.stops_by_user.warning),
            Evidence("reason", stops.reason(found[0])),
        ),
        likely=("a chaos experiment", "an operator"),
        next="find the caller of StopTask in CloudTrail",
        began=first_stop(snapshot, stops.stopped_by_user),
        resolution=TOLD,
    )


def spot_interruptions(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """AWS took Spot capacity back: tasks got two minutes and were stopped.

    It matters when no replacements are placed, or when it is a large share of the service.
    """
    recent = stops.within(snapshot.stopped, snapshot.at, settings.spot_window)
    found = [stop for stop in recent if stops.interrupted(stop)]
    if not found:
        return
    severity = settings.spot_share.grade(len(found) / max(snapshot.desired, 1))
    if severity is not None:
        yield Finding(
            "ECS_SPOT_INTERRUPTED",
            severity,
            f"AWS took back {count(len(found), 'Spot task')} in {span(settings.spot_window)}",
            evidence=(
                Evidence("interrupted", len(found)),
                Evidence("desired", snapshot.desired),
            ),
            next="watch whether replacements are placed",
            began=first_stop(snapshot, stops.interrupted),
            resolution=TOLD,
        )


def zones(snapshot: Snapshot) -> Iterator[Finding]:
    """All tasks are in one zone, and the service's subnets are in several: when that zone goes, all
    of it goes. Information only where its subnets are all of that zone, or could not be read.
    """
    if not in_one_zone(snapshot) or deploying(snapshot):
        return
    live = snapshot.tasks or ()
    used = {task.zone for task in live if task.zone}
    others = sorted(set(snapshot.subnet_zones or ()) - used - {""})
    yield Finding(
        "ECS_ONE_AZ",
        Severity.WARNING if others else Severity.INFO,
        f"all {len(live)} tasks run in {next(iter(used))}"
        + (f", none in {', '.join(others)}" if others else ""),
        evidence=(
            Evidence("zones", 1),
            Evidence("subnets", len(snapshot.service.subnets)),
            Evidence("zones of the subnets", _zone_text(snapshot)),
        ),
        likely=("another zone has no capacity, or no free address",)
        if others
        else ("the subnets are of one zone",),
        next="check free addresses and capacity in the other subnets",
        fact=False,
    )


def _zone_text(snapshot: Snapshot) -> str | None:
    return None if snapshot.subnet_zones is None else ", ".join(sorted(set(snapshot.subnet_zones)))


def in_one_zone(snapshot: Snapshot) -> bool:
    """Whether several tasks are all in one zone, and the service has subnets to choose from."""
    live = snapshot.tasks or ()
    used = {task.zone for task in live if task.zone}
    return len(live) >= 2 and len(used) == 1 and len(snapshot.service.subnets) >= 2
