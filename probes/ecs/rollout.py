"""Findings about deployments, events, scaling and load of a service."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.connect.session import Series
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.units import duration
from probes.ecs import stops
from probes.ecs.model import Deployment, Snapshot, name_of
from probes.ecs.settings import Settings
from probes.ecs.tasks import deploying, since_steady, within_seconds
from probes.metrics import held, history, mean, peak, settled

_ROLLING_BACK = ("rolling back", "rolled back", "rollback")


def service_gone(snapshot: Snapshot) -> Iterator[Finding]:
    """The service is being deleted, or is gone: nothing keeps its tasks running.

    Nothing else is judged then. CloudTrail names the caller of DeleteService.
    """
    status = snapshot.service.status
    if status != "ACTIVE":
        yield Finding(
            "ECS_SERVICE_DRAINING_OR_GONE",
            Severity.CRITICAL,
            f"the service is {status}",
            evidence=(Evidence("status", status), Evidence("running", snapshot.running)),
            likely=("it was deleted",),
            next="find the caller of DeleteService in CloudTrail",
        )


def deployments(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """What the roll-outs of an ECS-controlled service say of themselves."""
    primary = snapshot.primary
    failed = [each for each in snapshot.deployments if each.rollout_state == "FAILED"]
    for each in failed:
        yield _failed(snapshot, each)
    if primary is None:
        return
    if not failed and any(mark in primary.reason.lower() for mark in _ROLLING_BACK):
        yield _rolled_back(snapshot, primary)
    yield from _stuck(snapshot, primary, settings)
    yield from _recent(snapshot, primary, settings)


def _failed(snapshot: Snapshot, failed: Deployment) -> Finding:
    """A deployment failed, and nothing has rolled it back yet.

    The new revision does not come up. What is left of the old tasks serves.
    """
    name = name_of(failed.task_definition)
    return Finding(
        "ECS_DEPLOYMENT_FAILED",
        Severity.CRITICAL,
        f"the deployment of {name} failed: {failed.reason or 'no reason given'}",
        subject=name,
        evidence=(
            Evidence("rollout state", failed.rollout_state),
            Evidence("reason", failed.reason or None),
            Evidence("failed tasks", failed.failed_tasks),
            Evidence("running", f"{failed.running} of {failed.desired}"),
            *_from_to(snapshot),
        ),
        likely=("the new revision crashes or fails its checks",),
        next="roll back to the revision before",
    )


def _rolled_back(snapshot: Snapshot, primary: Deployment) -> Finding:
    """A deployment failed and ECS goes back to the revision before.

    That is the breaker at work: the service should recover by itself. The failed revision must not
    be deployed again as it is.
    """
    return Finding(
        "ECS_DEPLOYMENT_FAILED",
        Severity.WARNING,
        f"a deployment failed and is rolled back to {name_of(primary.task_definition)}",
        subject=name_of(primary.task_definition),
        evidence=(
            Evidence("rollout state", primary.rollout_state),
            Evidence("reason", primary.reason),
            Evidence("running", f"{primary.running} of {primary.desired}"),
        ),
        likely=("the new revision crashed or failed its checks",),
        next="keep the failed revision from being deployed again",
    )


def _stuck(snapshot: Snapshot, primary: Deployment, settings: Settings) -> Iterator[Finding]:
    """A deployment is in progress for too long, or its tasks keep failing.

    Without a circuit breaker it goes on for ever. Read why its tasks stopped: they cannot start, or
    do not become healthy.
    """
    if primary.rollout_state != "IN_PROGRESS" or snapshot.desired == 0:
        return
    age = _age(snapshot, primary)
    severity = settings.stuck.grade(age)
    unguarded = not snapshot.service.breaker
    if unguarded and primary.failed_tasks >= settings.stuck_failures:
        severity = Severity.CRITICAL
    if severity is None:
        return
    name = name_of(primary.task_definition)
    service = snapshot.service
    failing = primary.failed_tasks > 0
    started = "" if age is None else f" for {duration(age)}"
    yield Finding(
        "ECS_DEPLOYMENT_STUCK",
        severity,
        f"the deployment of {name} is in progress{started}: "
        f"{primary.running} of {primary.desired} run, {primary.failed_tasks} failed",
        subject=name,
        evidence=(
            Evidence("in progress", age, "s", limit=settings.stuck.first),
            Evidence("failed tasks", primary.failed_tasks, limit=settings.stuck_failures),
            Evidence("circuit breaker", _breaker(service.breaker)),
            Evidence("healthy percent", f"{service.minimum_percent} to {service.maximum_percent}"),
            *_from_to(snapshot),
        ),
        likely=_stuck_causes(snapshot, failing),
        next="read why its tasks stopped; without a breaker it never ends by itself"
        if unguarded
        else "read why its tasks stopped",
    )


def _stuck_causes(snapshot: Snapshot, failing: bool) -> tuple[str, ...]:
    service = snapshot.service
    if failing:
        return ("the new revision crashes or fails its checks", "its image cannot be pulled")
    if service.minimum_percent >= 100 and service.maximum_percent <= 100:
        return ("minimum 100% and maximum 100% leave no room to replace a task",)
    return ("tasks cannot be placed", "old targets drain slowly", "health checks never pass")


def _breaker(on: bool | None) -> str | None:
    return None if on is None else "on" if on else "off"


def _recent(snapshot: Snapshot, primary: Deployment, settings: Settings) -> Iterator[Finding]:
    """The service was deployed within the last hour: no trouble by itself.

    It is the first suspect when findings began right after it.
    """
    if not within_seconds(primary, snapshot, settings.recent):
        return
    name = name_of(primary.task_definition)
    began = duration(_age(snapshot, primary) or 0)
    yield Finding(
        "ECS_DEPLOYMENT_RECENT",
        Severity.INFO,
        f"{name} was deployed {began} ago",
        subject=name,
        evidence=(
            Evidence("age", _age(snapshot, primary), "s"),
            Evidence("rollout state", primary.rollout_state or None),
            *_from_to(snapshot),
        ),
        next="compare its start with the onset of the findings",
    )


def _from_to(snapshot: Snapshot) -> Iterator[Evidence]:
    if snapshot.previous_task_definition and snapshot.primary:
        was = name_of(snapshot.previous_task_definition)
        yield Evidence("revision", f"{was} → {name_of(snapshot.primary.task_definition)}")
    if snapshot.definition and snapshot.previous:
        told = stops.difference_text(stops.differences(snapshot.previous, snapshot.definition))
        yield Evidence("changed", told or "nothing that can be seen")


def _age(snapshot: Snapshot, deployment: Deployment) -> float | None:
    created = deployment.created_at
    return None if created is None else (snapshot.at - created).total_seconds()


def unsteady(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Events keep coming and none says that the service came to rest.

    Identical events are hidden for six hours, so silence proves nothing and is not judged.
    """
    newer = since_steady(snapshot)
    if not newer or snapshot.desired == 0:
        return
    lasted = (snapshot.at - newer[-1].at).total_seconds()
    quiet = (snapshot.at - newer[0].at).total_seconds()
    if lasted < settings.unsteady or quiet > settings.unsteady / 2 or len(newer) < 3:
        return
    yield Finding(
        "ECS_NO_STEADY_STATE",
        Severity.WARNING,
        f"no steady state for {duration(lasted)}: {newer[0].message}",
        evidence=(
            Evidence("unsteady for", lasted, "s", limit=settings.unsteady),
            Evidence("events", len(newer)),
            *(
                Evidence(f"event {number}", event.message)
                for number, event in enumerate(newer[:3], start=1)
            ),
        ),
        likely=("tasks start and stop again", "tasks cannot be placed"),
        next="read the events in order",
    )


def load(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """CPU or memory is nearly all used, against what the service reserved.

    ECS_CPU_SATURATED: Requests wait for the processor and become slow; health checks may time out
    next. Above 100% is possible: it is of the reservation, not of the host.

    ECS_MEMORY_HIGH: A container that reaches its limit is killed (ECS_TASK_OOM). A rise that never
    falls is a leak.
    """
    cpu = settled(snapshot.cpu, snapshot.at)
    yield from _gauge("ECS_CPU_SATURATED", "CPU", cpu, settings.cpu, mean(cpu))
    memory = settled(snapshot.memory, snapshot.at)
    yield from _gauge("ECS_MEMORY_HIGH", "memory", memory, settings.memory, peak(memory))


def _gauge(
    code: str, label: str, series: Series, limits: Thresholds, value: float | None
) -> Iterator[Finding]:
    severity = held(series, limits)
    if severity is None or value is None:
        return
    yield Finding(
        code,
        severity,
        f"{label} at {value:.0f}% of the reservation for 5 minutes",
        evidence=(Evidence(label, value, "%", limit=limits.first, history=history(series)),),
        likely=("more load", "too few tasks", "a leak" if label == "memory" else "a slow release"),
        next="compare with the request rate, then scale out",
        fact=False,
    )


def scaling(snapshot: Snapshot) -> Iterator[Finding]:
    """Auto scaling may not, or cannot, follow the load.

    ECS_AUTOSCALING_SUSPENDED: Scaling out is switched off: with more load the service stays as it
    is.

    ECS_AUTOSCALING_FAILED: The last attempt to scale failed; the activity says why.
    """
    target = snapshot.scaling
    if target is None:
        return
    bounds = (
        Evidence("desired", snapshot.desired, limit=target.maximum),
        Evidence("bounds", f"{target.minimum} to {target.maximum}"),
    )
    if target.out_suspended:
        yield Finding(
            "ECS_AUTOSCALING_SUSPENDED",
            Severity.WARNING,
            "scaling out is suspended",
            evidence=bounds,
            likely=("somebody froze it in an earlier incident",),
            next="find who suspended it, and resume it",
        )
    if target.failed_activity:
        yield Finding(
            "ECS_AUTOSCALING_FAILED",
            Severity.CRITICAL,
            f"the last scaling failed: {target.failed_activity}",
            evidence=bounds,
            likely=("a quota", "the service is being deployed or deleted"),
            next="read the scaling activities",
        )
    yield from _at_maximum(snapshot, bounds)


def _at_maximum(snapshot: Snapshot, bounds: tuple[Evidence, ...]) -> Iterator[Finding]:
    """Scaling has started all tasks that it may, and the load is still above its goal.

    More tasks open more connections to the database, so look there before raising the maximum.
    """
    target = snapshot.scaling
    if target is None or snapshot.running < target.maximum:
        return
    goals = (
        ("CPU", snapshot.cpu, target.cpu_target),
        ("memory", snapshot.memory, target.memory_target),
    )
    for label, series, goal in goals:
        if goal is None:
            continue
        seen = settled(series, snapshot.at)
        if held(seen, Thresholds(warning=goal)) is None:
            continue
        yield Finding(
            "ECS_AUTOSCALING_AT_MAX",
            Severity.WARNING,
            f"all {target.maximum} tasks that scaling may start run, "
            f"and {label} stays above its goal of {goal:.0f}%",
            evidence=(
                *bounds,
                Evidence(label, mean(seen), "%", limit=goal, history=history(seen)),
            ),
            likely=("the ceiling is too low",),
            next="raise the maximum, after a look at the database's connections",
            fact=False,
        )
        return


def in_progress(snapshot: Snapshot) -> bool:
    """Whether the definitions are worth reading: something is new, or not as it should be."""
    primary = snapshot.primary
    if primary is None:
        return False
    fresh = within_seconds(primary, snapshot, 3600)
    bad = any(not stops.normal(stop) for stop in snapshot.stopped)
    return fresh or bad or deploying(snapshot) or snapshot.running < snapshot.desired
