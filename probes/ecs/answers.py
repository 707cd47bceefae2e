"""What is read of the answers of the ECS API."""

from __future__ import annotations

from datetime import datetime

from cockpit.connect.aws.answer import Answer, GivenText
from cockpit.text import SafeText


class BreakerThreshold(Answer, frozen=True, rename="camel"):
    """How many failed tasks are too many: a COUNT, or percent of the desired count."""

    type: SafeText = ""
    value: int | None = None


class CircuitBreaker(Answer, frozen=True, rename="camel"):
    """Whether a deployment that fails is given up, when, and whether it is taken back then."""

    enable: bool | None = None
    rollback: bool | None = None
    reset_on_healthy_task: bool | None = None
    threshold_configuration: BreakerThreshold = BreakerThreshold()


class DeploymentHookRow(Answer, frozen=True, rename="camel"):
    """One of `lifecycleHooks[]`: what is asked before a stage is left."""

    target_type: SafeText = ""
    hook_target_arn: SafeText = ""
    lifecycle_stages: tuple[SafeText, ...] = ()


class CanarySteps(Answer, frozen=True, rename="camel"):
    """How much traffic the canary gets, and for how long."""

    canary_percent: float | None = None
    canary_bake_time_in_minutes: int | None = None


class LinearSteps(Answer, frozen=True, rename="camel"):
    """How much traffic each step shifts, and how long it waits after each."""

    step_percent: float | None = None
    step_bake_time_in_minutes: int | None = None


class DeploymentAlarmsRow(Answer, frozen=True, rename="camel"):
    """Alarms that are watched while a deployment runs."""

    alarm_names: tuple[SafeText, ...] = ()
    enable: bool = False


class DeploymentConfiguration(Answer, frozen=True, rename="camel"):
    """Percentages of the desired count; None: the default of the scheduling strategy."""

    minimum_healthy_percent: int | None = None
    maximum_percent: int | None = None
    deployment_circuit_breaker: CircuitBreaker = CircuitBreaker()
    strategy: SafeText = ""
    bake_time_in_minutes: int | None = None
    canary_configuration: CanarySteps = CanarySteps()
    linear_configuration: LinearSteps = LinearSteps()
    lifecycle_hooks: tuple[DeploymentHookRow, ...] = ()
    alarms: DeploymentAlarmsRow = DeploymentAlarmsRow()


class DeploymentController(Answer, frozen=True, rename="camel"):
    """Who deploys; absent with ECS itself."""

    type: SafeText = ""


class VpcConfiguration(Answer, frozen=True, rename="camel"):
    """Where tasks with an interface of their own are put."""

    subnets: tuple[SafeText, ...] = ()


class NetworkConfiguration(Answer, frozen=True, rename="camel"):
    """Empty for tasks on the host's network."""

    awsvpc_configuration: VpcConfiguration = VpcConfiguration()


class LoadBalancing(Answer, frozen=True, rename="camel"):
    """Where tasks are registered; a classic load balancer has no group."""

    target_group_arn: SafeText = ""


class EcsEventRow(Answer, frozen=True, rename="camel"):
    """One of `events[]`."""

    id: SafeText = ""
    created_at: datetime | None = None
    message: SafeText = ""


class DeploymentRow(Answer, frozen=True, rename="camel"):
    """One of `deployments[]`."""

    status: GivenText
    desired_count: int
    running_count: int
    id: SafeText = ""
    task_definition: SafeText = ""
    pending_count: int = 0
    failed_tasks: int = 0
    rollout_state: SafeText = ""
    rollout_state_reason: SafeText = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class TaskSetRow(Answer, frozen=True, rename="camel"):
    """One of `taskSets[]`: what CODE_DEPLOY and EXTERNAL services have for deployments."""

    status: GivenText
    id: SafeText = ""
    task_definition: SafeText = ""
    computed_desired_count: int = 0
    running_count: int = 0
    pending_count: int = 0
    stability_status: SafeText = ""
    external_id: SafeText = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class ServiceRow(Answer, frozen=True, rename="camel"):
    """One row of `DescribeServices`."""

    of = "ecs.Service"

    service_name: GivenText
    status: GivenText
    desired_count: int
    running_count: int
    pending_count: int
    service_arn: SafeText = ""
    cluster_arn: SafeText = ""
    task_definition: SafeText = ""
    scheduling_strategy: SafeText = ""
    launch_type: SafeText = ""
    deployment_controller: DeploymentController = DeploymentController()
    deployment_configuration: DeploymentConfiguration = DeploymentConfiguration()
    network_configuration: NetworkConfiguration = NetworkConfiguration()
    load_balancers: tuple[LoadBalancing, ...] = ()
    health_check_grace_period_seconds: int | None = None
    created_at: datetime | None = None
    deployments: tuple[DeploymentRow, ...] = ()
    task_sets: tuple[TaskSetRow, ...] = ()
    events: tuple[EcsEventRow, ...] = ()


class ContainerRow(Answer, frozen=True, rename="camel"):
    """One container of a task. No exit code: it never started."""

    name: SafeText = ""
    exit_code: int | None = None
    reason: SafeText = ""
    image: SafeText = ""


class TaskRow(Answer, frozen=True, rename="camel"):
    """What is read of a live task, one row of `DescribeTasks`."""

    of = "ecs.Task"

    task_arn: GivenText
    availability_zone: SafeText = ""
    health_status: SafeText = ""
    started_at: datetime | None = None


class StoppedTaskRow(TaskRow, frozen=True, rename="camel"):
    """And what is read of one that has stopped, or is about to."""

    task_definition_arn: SafeText = ""
    stop_code: SafeText = ""
    stopped_reason: SafeText = ""
    stopped_at: datetime | None = None
    stopping_at: datetime | None = None
    pull_stopped_at: datetime | None = None
    containers: tuple[ContainerRow, ...] = ()


class Named(Answer, frozen=True, rename="camel"):
    """A variable or a secret: its name only, whatever else the answer holds."""

    name: SafeText = ""


class HealthCheck(Answer, frozen=True, rename="camel"):
    """The command inside a container that tells whether it is well."""

    command: tuple[SafeText, ...] = ()


class ContainerDefinitionRow(Answer, frozen=True, rename="camel"):
    """One of `containerDefinitions[]`."""

    name: SafeText = ""
    image: SafeText = ""
    cpu: int | None = None
    memory: int | None = None
    essential: bool = True
    environment: tuple[Named, ...] = ()
    secrets: tuple[Named, ...] = ()
    health_check: HealthCheck = HealthCheck()


class TaskDefinitionRow(Answer, frozen=True, rename="camel"):
    """The `taskDefinition` of `DescribeTaskDefinition`."""

    of = "ecs.TaskDefinition"

    task_definition_arn: GivenText
    status: SafeText = ""
    cpu: SafeText = ""
    memory: SafeText = ""
    task_role_arn: SafeText = ""
    execution_role_arn: SafeText = ""
    container_definitions: tuple[ContainerDefinitionRow, ...] = ()


class SubnetZoneRow(Answer, frozen=True):
    """Where a subnet of the service is."""

    of = "ec2.Subnet"

    availability_zone: SafeText = ""
