"""Findings about deployments: stuck, or just new; `rollbacks` has those that went wrong.

What a deployment waits for because it was told to (a bake, the steps of a canary) is no trouble.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import duration
from probes.began import TOLD, ago, told
from probes.ecs import rollbacks, stops
from probes.ecs.deployment import DeploymentStrategy, ServiceDeployment
from probes.ecs.evidence import by_code_deploy, from_to, standing
from probes.ecs.failure import failure_of
from probes.ecs.model import Deployment, Service, Snapshot, name_of
from probes.ecs.phrases import Cause
from probes.ecs.settings import Settings
from probes.ecs.tasks import deploying, seconds_since, since_steady, within_seconds

_BEFORE_TRAFFIC = frozenset(
    {
        "RECONCILE_SERVICE",
        "PRE_SCALE_UP",
        "SCALE_UP",
        "POST_SCALE_UP",
        "TEST_TRAFFIC_SHIFT",
        "POST_TEST_TRAFFIC_SHIFT",
    }
)
"""Stages in which nothing waits by plan, but for hooks."""


def deployments(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """What the roll-outs of a service say of themselves."""
    yield from rollbacks.gone_wrong(snapshot, settings)
    primary = snapshot.primary
    if primary is None:
        return
    yield from _stuck(snapshot, primary, settings)
    yield from _stabilizing(snapshot, primary, settings)
    yield from _recent(snapshot, primary, settings)


def _stuck(snapshot: Snapshot, primary: Deployment, settings: Settings) -> Iterator[Finding]:
    """A deployment is in progress for longer than it was told to wait, or its tasks keep failing.

    Without a circuit breaker it goes on for ever; with one, tasks that keep failing are a warning.
    The stage says where it stands: before the traffic moves it is the tasks (read why they stopped)
    or a hook, after that an alarm or the old targets. Percentages that allow no task more and none
    less let it never end.
    """
    if primary.rollout_state != "IN_PROGRESS" or snapshot.desired == 0:
        return
    way, service = snapshot.under_way, snapshot.service
    strategy = (way and way.strategy) or service.strategy
    age, planned = _age(snapshot, primary, way), _planned(primary, way, strategy)
    severity = None if age is None or snapshot.paused else settings.stuck.grade(age - planned)
    unguarded = not service.breaker
    failing = primary.failed_tasks >= settings.stuck_failures
    if failing:
        # a breaker waits for half of the tasks to fail, three at least: told before it acts
        severity = Severity.CRITICAL if unguarded else severity or Severity.WARNING
    no_room = _no_room(snapshot, primary, strategy, settings)
    if no_room and severity is None and age is not None and age >= settings.below_for:
        severity = Severity.WARNING
    if severity is None:
        return
    name = name_of(primary.task_definition)
    hooks = way.asked if way else ()
    yield Finding(
        "ECS_DEPLOYMENT_STUCK",
        severity,
        f"the deployment of {name} is in progress{_where(age, way, hooks)}: "
        f"{primary.running} of {primary.desired} run, {primary.failed_tasks} failed",
        subject=name,
        evidence=(
            Evidence("in progress", age, "s", limit=settings.stuck.first),
            *((Evidence("planned waiting", planned, "s"),) if planned else ()),
            Evidence("strategy", strategy.name),
            *(standing(way) if way else ()),
            Evidence("failed tasks", primary.failed_tasks, limit=settings.stuck_failures),
            Evidence("circuit breaker", _breaker(service)),
            Evidence("healthy percent", f"{service.minimum_percent} to {service.maximum_percent}"),
            *from_to(snapshot),
        ),
        likely=_stuck_causes(primary, strategy, no_room=no_room, hooks=bool(hooks)),
        next=_stuck_next(unguarded=unguarded, no_room=no_room, hooks=bool(hooks)),
        began=ago(snapshot.at, age),
        resolution=TOLD,
    )


def _where(age: float | None, way: ServiceDeployment | None, hooks: tuple[str, ...]) -> str:
    lasted = "" if age is None else f" for {duration(age)}"
    if way is None or not way.stage:
        return lasted
    asked = f", which asks the hook {', '.join(hooks)}" if hooks else ""
    return f"{lasted} at {way.stage}{asked}"


def _planned(
    primary: Deployment, way: ServiceDeployment | None, strategy: DeploymentStrategy
) -> float:
    """Seconds that it may wait by plan: not before the traffic moves, nor on the way back."""
    if way is not None and (way.rolling_back or way.stage in _BEFORE_TRAFFIC):
        return 0
    told = way is not None and bool(way.stage)
    return strategy.planned if told or primary.running >= primary.desired else 0


def _no_room(
    snapshot: Snapshot, primary: Deployment, strategy: DeploymentStrategy, settings: Settings
) -> bool:
    """The percentages let no task be stopped and none be started: it can never end."""
    service, desired = snapshot.service, snapshot.desired
    if strategy.name != "ROLLING" or service.scheduling == "DAEMON":
        return False
    if primary.running >= desired:
        return False
    start = snapshot.at - timedelta(seconds=settings.placement_window)
    recent = (each for each in since_steady(snapshot) if each.at >= start)
    told = any(failure_of(each.message).cause is Cause.PERCENTAGES for each in recent)
    old = any(each.running for each in snapshot.deployments if each.id != primary.id)
    least = math.ceil(desired * service.minimum_percent / 100)
    most = math.floor(desired * service.maximum_percent / 100)
    return told or (old and least >= desired >= most)


def _stuck_causes(
    primary: Deployment, strategy: DeploymentStrategy, *, no_room: bool, hooks: bool
) -> tuple[str, ...]:
    if no_room:
        return ("the minimum and maximum percent of the desired count leave no room for a task",)
    if hooks:
        return ("the hook waits for a person or for a test", "the hook does not answer")
    if primary.failed_tasks > 0:
        return ("the new revision crashes or fails its checks", "its image cannot be pulled")
    if strategy.alarms and primary.running >= primary.desired:
        return ("it watches its alarms for a while", "old targets drain slowly")
    return ("tasks cannot be placed", "old targets drain slowly", "health checks never pass")


def _stuck_next(*, unguarded: bool, no_room: bool, hooks: bool) -> str:
    if no_room:
        return (
            "raise the maximum percent or lower the minimum, so that one task more or less may run"
        )
    if hooks:
        return "read the hook's log; without its answer, stop the deployment, which takes it back"
    if unguarded:
        return "read why its tasks stopped; without a breaker it never ends by itself"
    return "read why its tasks stopped"


def _breaker(service: Service) -> str | None:
    if service.breaker is None:
        return None
    return (
        f"on{', ' * bool(service.breaker_set)}{service.breaker_set}" if service.breaker else "off"
    )


def _stabilizing(snapshot: Snapshot, primary: Deployment, settings: Settings) -> Iterator[Finding]:
    """A task set of another controller does not come to rest, since tasks of it are missing.

    ECS tells no rollout state of those. As long as all its tasks run, its waiting is not judged.
    While a deployment of CodeDeploy runs, the task set that it brings is meant, which serves nobody
    before the traffic moves.
    """
    way = snapshot.code_deploy
    brought = way.brings_set if way else ""
    primary = next((each for each in snapshot.deployments if each.id == brought), primary)
    controller, age = snapshot.service.controller, seconds_since(snapshot, primary.created_at)
    if controller == "ECS" or primary.reason != "STABILIZING" or age is None:
        return
    if primary.running >= primary.desired or age < (settings.stuck.first or 0):
        return
    name = name_of(primary.task_definition)
    yield Finding(
        "ECS_DEPLOYMENT_STUCK",
        Severity.WARNING,
        f"the task set of {name} is stabilizing for {duration(age)}: "
        f"{primary.running} of {primary.desired} run",
        subject=name,
        evidence=(
            Evidence("stabilizing", age, "s", limit=settings.stuck.first),
            Evidence("controller", controller),
            *(by_code_deploy(way) if way else ()),
            *from_to(snapshot),
        ),
        likely=("the new revision crashes or fails its checks", "tasks cannot be placed"),
        next="stop the deployment of CodeDeploy, which takes it back"
        if way
        else "look at the deployment in CodeDeploy, or in its own controller, and roll back there",
        began=ago(snapshot.at, age),
        resolution=TOLD,
    )


def _recent(snapshot: Snapshot, primary: Deployment, settings: Settings) -> Iterator[Finding]:
    """The service was deployed within the last hour: no trouble by itself.

    It is the first suspect when findings began right after it.
    """
    if not within_seconds(primary, snapshot, settings.recent):
        return
    name = name_of(primary.task_definition)
    age = seconds_since(snapshot, primary.created_at)
    way = snapshot.under_way
    yield Finding(
        "ECS_DEPLOYMENT_RECENT",
        Severity.INFO,
        f"{name} was deployed {duration(age or 0)} ago",
        subject=name,
        evidence=(
            Evidence("age", age, "s"),
            Evidence("rollout state", primary.rollout_state or None),
            *(standing(way) if way else ()),
            *(by_code_deploy(snapshot.code_deploy) if snapshot.code_deploy else ()),
            *from_to(snapshot),
        ),
        next="compare its start with the onset of the findings",
        began=told(primary.created_at, snapshot.at),
        resolution=TOLD,
    )


def _age(snapshot: Snapshot, primary: Deployment, way: ServiceDeployment | None) -> float | None:
    """Seconds since the deployment began, or since it began to go back."""
    if way is None:
        return seconds_since(snapshot, primary.created_at)
    if way.rolling_back:
        return seconds_since(snapshot, way.rollback_at or way.started_at)
    if way.strategy is not None and way.strategy.pauses:  # a person may have taken hours
        return seconds_since(snapshot, snapshot.stage_since)
    return seconds_since(snapshot, way.started_at or way.created_at)


def in_progress(snapshot: Snapshot) -> bool:
    """Whether the definitions are worth reading: something is new, or not as it should be."""
    primary = snapshot.primary
    if primary is None:
        return False
    updated = seconds_since(snapshot, primary.updated_at)
    fresh = within_seconds(primary, snapshot, 3600) or (updated is not None and updated < 3600)
    bad = any(not stops.normal(stop) for stop in snapshot.stopped)
    return (
        fresh
        or rollbacks.mentioned(primary)
        or bad
        or deploying(snapshot)
        or any(each.external_id for each in snapshot.deployments if each is not primary)
        or snapshot.running < snapshot.desired
    )
