"""Findings about the load of a service, and about auto scaling that cannot follow it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from cockpit.connect.session import Series
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from probes.began import POINTS, dated, reached_since
from probes.ecs.model import Snapshot
from probes.ecs.settings import Settings
from probes.metrics import held, history, mean, peak, settled

_MEASURED = timedelta(minutes=10)
_KEPT = 185.0
"""Minutes of the series that are read."""


def load(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """CPU or memory is nearly all used, against what the service reserved.

    ECS_CPU_SATURATED: Requests wait for the processor and become slow; health checks may time out
    next. Above 100% is possible: it is of the reservation, not of the host.

    ECS_MEMORY_HIGH: A container that reaches its limit is killed (ECS_TASK_OOM). A rise that never
    falls is a leak.
    """
    cpu = settled(snapshot.cpu, snapshot.at)
    yield from dated(
        _gauge("ECS_CPU_SATURATED", "CPU", cpu, settings.cpu, mean(cpu)),
        reached_since(_long(snapshot, snapshot.cpu), settings.cpu),
        POINTS,
    )
    memory = settled(snapshot.memory, snapshot.at)
    yield from dated(
        _gauge("ECS_MEMORY_HIGH", "memory", memory, settings.memory, peak(memory)),
        reached_since(_long(snapshot, snapshot.memory), settings.memory),
        POINTS,
    )


def _long(snapshot: Snapshot, series: Series) -> Series:
    """All of it that will not change any more."""
    return settled(series, snapshot.at, minutes=_KEPT)


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
            began=reached_since(_long(snapshot, series), Thresholds(warning=goal)),
            resolution=POINTS,
        )
        return


def established(snapshot: Snapshot) -> bool:
    """Whether a task has run for long enough to be measured."""
    return any(
        task.started_at is not None and snapshot.at - task.started_at >= _MEASURED
        for task in snapshot.tasks or ()
    )
