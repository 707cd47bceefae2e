"""What a look at one ECS service holds.

Source: Amazon ECS API reference (`DescribeServices`, `DescribeTasks`, `DescribeTaskDefinition`).
Runbook steps capture from these records by name, so the names are public.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cockpit.connect.session import Series
from cockpit.triage.together import InZone
from probes.answers import Gap
from probes.ecs.deployment import (
    ROLLING,
    CodeDeployment,
    DeploymentStrategy,
    HookRun,
    ServiceDeployment,
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
    breaker_set: str = ""
    """How it is set besides; empty: as AWS sets it, or off."""
    strategy: DeploymentStrategy = ROLLING
    """How the next deployment goes out; one that is under way may have begun by another."""
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
    external_id: str = ""
    """Of a task set: what made it. With the controller CODE_DEPLOY the id of its deployment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EcsEvent:
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
    in_suspended: bool = False
    schedule_suspended: bool = False
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
    """The revision to go back to, as AWS tells it; empty when nobody does, when there is none, when
    nothing called for a look, or when it was deregistered."""
    previous_known_by: str = ""
    """How it is known: `what its deployment replaced`; empty with it."""
    history: tuple[ServiceDeployment, ...] | None = None
    """Newest first. None: not looked at, since nothing called for it, or not to be read."""
    under_way: ServiceDeployment | None = None
    """The newest one of the history that has not ended."""
    paused: HookRun | None = None
    """The pause at which it waits for a person."""
    code_deployments: tuple[CodeDeployment, ...] | None = None
    """Those of CodeDeploy that the task sets name, newest first. None: not looked at, since nothing
    called for it, or not to be read."""
    code_deploy: CodeDeployment | None = None
    """The newest of them that has not ended."""
    stage_since: datetime | None = None
    """When the stage of what is under way was first seen to be another one; None: not seen."""
    events: tuple[EcsEvent, ...] = ()
    """Newest first."""
    stopped: tuple[Stop, ...] = ()
    """Newest first."""
    tasks: tuple[RunningTask, ...] | None = None
    """None: not looked at."""
    subnet_zones: tuple[str, ...] | None = None
    """Zones of the service's subnets; None: not looked up, since its tasks are in several."""
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

    def in_zones(self) -> tuple[InZone, ...]:
        """Its tasks whose zone is told; sick are those that fail their check, and those that a
        dead zone ended: their replacements run elsewhere by now.
        """
        live = [
            InZone(task.arn, task.zone, task.health == "UNHEALTHY")
            for task in self.tasks or ()
            if task.zone and task.health in _CHECKED
        ]
        ended = [
            InZone(stop.arn, stop.zone, sick=True)
            for stop in self.stopped
            if stop.zone and stop.stop_code not in _MEANT and self.at - stop.stopped_at < _LATELY
        ]
        return (*live, *ended)


_LATELY = timedelta(minutes=10)
_CHECKED = frozenset({"HEALTHY", "UNHEALTHY"})
"""Of a task without a check of its own nothing is known: it runs on in a zone without network."""
_MEANT = frozenset({"UserInitiated", "ServiceSchedulerInitiated"})
"""Stops by a person or a deployment, which say nothing of a zone."""


def name_of(arn: str) -> str:
    """`checkout:42` of a task definition's ARN, or the last part of any other."""
    return arn.rpartition("/")[2]
