"""What a look at one ECS service holds, and how it is read out of the answers of the ECS API.

Source: Amazon ECS API reference (`DescribeServices`, `DescribeTasks`, `DescribeTaskDefinition`).
Runbook steps capture from these records by name, so the names are public.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cockpit.connect.session import Series
from probes.answers import (
    Answer,
    Gap,
    flag,
    items,
    moment,
    need_text,
    need_whole,
    number,
    section,
    text,
    whole,
    words,
)
from probes.metrics import NO_DATA


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What the service is told to be."""

    name: str
    cluster: str
    """The cluster's name, as `ecs.UpdateService` takes it."""
    arn: str
    status: str
    """ACTIVE, DRAINING or INACTIVE."""
    task_definition: str
    """The ARN of the PRIMARY's task definition; empty with an external controller."""
    scheduling: str = "REPLICA"
    """REPLICA or DAEMON, whose desired count follows the hosts."""
    controller: str = "ECS"
    """ECS, CODE_DEPLOY or EXTERNAL; only ECS gives rollout states."""
    launch_type: str = ""
    minimum_percent: int = 100
    maximum_percent: int = 200
    breaker: bool | None = None
    """Whether the deployment circuit breaker is on; None: the answer does not say."""
    grace: int | None = None
    """Seconds in which load balancer checks do not count; None: not set, which is zero."""
    target_groups: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One of the deployments that share the service's tasks."""

    id: str
    status: str
    """PRIMARY, ACTIVE (being replaced) or INACTIVE."""
    task_definition: str
    desired: int
    running: int
    pending: int
    failed_tasks: int
    """Consecutive failures; back to zero on the first success."""
    rollout_state: str = ""
    """COMPLETED, IN_PROGRESS or FAILED; empty when the controller is not ECS."""
    reason: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the service's own history, without the `(service …)` in front."""

    id: str
    at: datetime
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container of a stopped task. `exit_code` None: it never started."""

    name: str
    exit_code: int | None = None
    reason: str = ""
    image: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """One stopped task of the service. ECS keeps them for about an hour."""

    arn: str
    task_definition: str
    stop_code: str
    reason: str
    stopped_at: datetime
    """When it stopped, or began to when it has not ended yet."""
    started_at: datetime | None = None
    pulled_at: datetime | None = None
    zone: str = ""
    containers: tuple[Container, ...] = ()

    @property
    def id(self) -> str:
        """The short id that people know the task by."""
        return self.arn.rpartition("/")[2]

    @property
    def lived(self) -> float | None:
        """Seconds from running to the stop; None when it never ran."""
        if self.started_at is None:
            return None
        return max(0.0, (self.stopped_at - self.started_at).total_seconds())

    @property
    def booted(self) -> float | None:
        """Seconds from the image being there to running; None when unknown."""
        if self.started_at is None or self.pulled_at is None:
            return None
        return max(0.0, (self.started_at - self.pulled_at).total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningTask:
    """A live task of the service."""

    arn: str
    zone: str = ""
    health: str = ""
    """HEALTHY, UNHEALTHY, or UNKNOWN (no container check, which is not sick)."""
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerDefinition:
    """What a revision says of one container. Environment and secrets by name only."""

    name: str
    image: str
    cpu: int | None = None
    memory: int | None = None
    """Hard limit in MiB; None: only the task's."""
    essential: bool = True
    environment: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    health_check: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDefinition:
    """One immutable revision. `status` INACTIVE: deregistered, no rollback to it."""

    arn: str
    status: str
    cpu: str = ""
    memory: str = ""
    task_role: str = ""
    execution_role: str = ""
    containers: tuple[ContainerDefinition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """The service's scalable target at Application Auto Scaling."""

    minimum: int
    maximum: int
    out_suspended: bool = False
    cpu_target: float | None = None
    memory_target: float | None = None
    failed_activity: str = ""
    """Status message of the newest activity when it failed; empty otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at a service."""

    at: datetime
    """Our clock, when the look began."""
    service: Service
    desired: int
    running: int
    pending: int
    deployments: tuple[Deployment, ...] = ()
    primary: Deployment | None = None
    """None with an external controller."""
    previous_task_definition: str = ""
    """The revision to go back to: of the deployment that is being replaced, else the revision
    before the PRIMARY's; empty when there is none, or when it was deregistered."""
    events: tuple[Event, ...] = ()
    """Newest first."""
    stopped: tuple[Stop, ...] = ()
    """Newest first."""
    tasks: tuple[RunningTask, ...] | None = None
    """None: not looked at."""
    definition: TaskDefinition | None = None
    """Of the PRIMARY; None: not looked at, since nothing called for it."""
    previous: TaskDefinition | None = None
    scaling: Scaling | None = None
    """None: no scalable target, or not looked at (then there is a gap)."""
    cpu: Series = NO_DATA
    """CPUUtilization, percent of the reservation, average."""
    memory: Series = NO_DATA
    """MemoryUtilization, percent of the reservation, maximum."""
    below_since: datetime | None = None
    """Since when fewer tasks run than desired; None: not below, or since before the first look."""
    gaps: tuple[Gap, ...] = ()


def name_of(arn: str) -> str:
    """`checkout:42` of a task definition's ARN, or the last part of any other."""
    return arn.rpartition("/")[2]


def service_of(item: Answer, cluster: str) -> Service:
    """The service's own part of one `DescribeServices` row."""
    configuration = section(item, "deploymentConfiguration")
    scheduling = text(item, "schedulingStrategy") or "REPLICA"
    minimum = whole(configuration, "minimumHealthyPercent")
    maximum = whole(configuration, "maximumPercent")
    vpc = section(section(item, "networkConfiguration"), "awsvpcConfiguration")
    groups = (text(each, "targetGroupArn") for each in items(item, "loadBalancers"))
    return Service(
        name=need_text(item, "serviceName"),
        cluster=name_of(text(item, "clusterArn")) or name_of(cluster),
        arn=text(item, "serviceArn"),
        status=need_text(item, "status"),
        task_definition=text(item, "taskDefinition"),
        scheduling=scheduling,
        controller=text(section(item, "deploymentController"), "type") or "ECS",
        launch_type=text(item, "launchType"),
        minimum_percent=_percent(minimum, 0 if scheduling == "DAEMON" else 100),
        maximum_percent=_percent(maximum, 100 if scheduling == "DAEMON" else 200),
        breaker=flag(section(configuration, "deploymentCircuitBreaker"), "enable"),
        grace=whole(item, "healthCheckGracePeriodSeconds"),
        target_groups=tuple(group for group in groups if group),
        subnets=words(vpc, "subnets"),
        created_at=moment(item, "createdAt"),
    )


def _percent(given: int | None, default: int) -> int:
    return default if given is None else given


def deployment_of(item: Answer) -> Deployment:
    """One of `deployments[]`."""
    return Deployment(
        id=text(item, "id"),
        status=need_text(item, "status"),
        task_definition=text(item, "taskDefinition"),
        desired=need_whole(item, "desiredCount"),
        running=need_whole(item, "runningCount"),
        pending=whole(item, "pendingCount") or 0,
        failed_tasks=whole(item, "failedTasks") or 0,
        rollout_state=text(item, "rolloutState"),
        reason=text(item, "rolloutStateReason"),
        created_at=moment(item, "createdAt"),
        updated_at=moment(item, "updatedAt"),
    )


def task_set_of(item: Answer) -> Deployment:
    """A task set of a CODE_DEPLOY or EXTERNAL service, as a deployment without rollout state."""
    return Deployment(
        id=text(item, "id"),
        status=need_text(item, "status"),
        task_definition=text(item, "taskDefinition"),
        desired=whole(item, "computedDesiredCount") or 0,
        running=whole(item, "runningCount") or 0,
        pending=whole(item, "pendingCount") or 0,
        failed_tasks=0,
        reason=text(item, "stabilityStatus"),
        created_at=moment(item, "createdAt"),
        updated_at=moment(item, "updatedAt"),
    )


def events_of(item: Answer) -> tuple[Event, ...]:
    """The service's events, newest first; those without a time are left out."""
    found = []
    for each in items(item, "events"):
        at = moment(each, "createdAt")
        if at is not None:
            message = _bare(text(each, "message"))
            found.append(Event(id=text(each, "id"), at=at, message=message))
    return tuple(sorted(found, key=lambda event: event.at, reverse=True))


def _bare(message: str) -> str:
    """The message without `(service checkout)` in front."""
    if message.startswith("(service "):
        return message.partition(")")[2].strip(" ,:")
    return message


def stop_of(item: Answer) -> Stop | None:
    """One row of `DescribeTasks` as a stop; None while nothing says when it stopped."""
    stopped_at = moment(item, "stoppedAt") or moment(item, "stoppingAt")
    if stopped_at is None:
        return None
    return Stop(
        arn=need_text(item, "taskArn"),
        task_definition=text(item, "taskDefinitionArn"),
        stop_code=text(item, "stopCode"),
        reason=text(item, "stoppedReason"),
        stopped_at=stopped_at,
        started_at=moment(item, "startedAt"),
        pulled_at=moment(item, "pullStoppedAt"),
        zone=text(item, "availabilityZone"),
        containers=tuple(
            Container(
                name=text(each, "name"),
                exit_code=whole(each, "exitCode"),
                reason=text(each, "reason"),
                image=text(each, "image"),
            )
            for each in items(item, "containers")
        ),
    )


def running_task_of(item: Answer) -> RunningTask:
    """One row of `DescribeTasks` as a live task."""
    return RunningTask(
        arn=need_text(item, "taskArn"),
        zone=text(item, "availabilityZone"),
        health=text(item, "healthStatus"),
        started_at=moment(item, "startedAt"),
    )


def definition_of(item: Answer) -> TaskDefinition:
    """The `taskDefinition` of `DescribeTaskDefinition`."""
    return TaskDefinition(
        arn=need_text(item, "taskDefinitionArn"),
        status=text(item, "status") or "ACTIVE",
        cpu=text(item, "cpu"),
        memory=text(item, "memory"),
        task_role=text(item, "taskRoleArn"),
        execution_role=text(item, "executionRoleArn"),
        containers=tuple(_container_of(each) for each in items(item, "containerDefinitions")),
    )


def _container_of(item: Answer) -> ContainerDefinition:
    essential = flag(item, "essential")
    return ContainerDefinition(
        name=text(item, "name"),
        image=text(item, "image"),
        cpu=whole(item, "cpu"),
        memory=whole(item, "memory"),
        essential=essential is None or essential,
        environment=_names(items(item, "environment")),
        secrets=_names(items(item, "secrets")),
        health_check=" ".join(words(section(item, "healthCheck"), "command")),
    )


def _names(entries: Iterable[Answer]) -> tuple[str, ...]:
    return tuple(sorted(text(entry, "name") for entry in entries))


def scaling_of(target: Answer, policies: Iterable[Answer]) -> Scaling:
    """The scalable target with the goals of its target tracking policies."""
    goals: dict[str, float] = {}
    for policy in policies:
        tracking = section(policy, "TargetTrackingScalingPolicyConfiguration")
        metric = text(section(tracking, "PredefinedMetricSpecification"), "PredefinedMetricType")
        goal = number(tracking, "TargetValue")
        if metric and goal is not None:
            goals[metric] = goal
    suspended = section(target, "SuspendedState")
    return Scaling(
        minimum=need_whole(target, "MinCapacity"),
        maximum=need_whole(target, "MaxCapacity"),
        out_suspended=bool(flag(suspended, "DynamicScalingOutSuspended")),
        cpu_target=goals.get("ECSServiceAverageCPUUtilization"),
        memory_target=goals.get("ECSServiceAverageMemoryUtilization"),
    )


def previous_of(primary: Deployment, deployments: Iterable[Deployment]) -> str:
    """The task definition to go back to; empty for a first revision."""
    others = [
        each
        for each in deployments
        if each.id != primary.id and each.task_definition not in {"", primary.task_definition}
    ]
    if others:
        return max(others, key=lambda each: (each.status == "ACTIVE", each.running)).task_definition
    family, _, revision = primary.task_definition.rpartition(":")
    if not revision.isdigit() or int(revision) < 2:
        return ""
    return f"{family}:{int(revision) - 1}"
