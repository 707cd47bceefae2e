"""From ECS's answers to the values of the model."""

from __future__ import annotations

from collections.abc import Iterable

from probes.ecs.answers import (
    CircuitBreaker,
    ContainerDefinitionRow,
    DeploymentConfiguration,
    DeploymentRow,
    Named,
    ServiceRow,
    StoppedTaskRow,
    TaskDefinitionRow,
    TaskRow,
    TaskSetRow,
)
from probes.ecs.deployment import DeploymentStrategy, LifecycleHook
from probes.ecs.model import (
    Container,
    ContainerDefinition,
    Deployment,
    EcsEvent,
    RunningTask,
    Scaling,
    Service,
    Stop,
    TaskDefinition,
    name_of,
)
from probes.scaling import PolicyRow, TargetRow


def service_of(row: ServiceRow, cluster: str) -> Service:
    """The service's own part of one `DescribeServices` row."""
    configuration = row.deployment_configuration
    scheduling = row.scheduling_strategy or "REPLICA"
    daemon = scheduling == "DAEMON"
    groups = (each.target_group_arn for each in row.load_balancers)
    return Service(
        name=row.service_name,
        cluster=name_of(row.cluster_arn) or name_of(cluster),
        arn=row.service_arn,
        status=row.status,
        task_definition=row.task_definition,
        scheduling=scheduling,
        controller=row.deployment_controller.type or "ECS",
        launch_type=row.launch_type,
        minimum_percent=_percent(configuration.minimum_healthy_percent, 0 if daemon else 100),
        maximum_percent=_percent(configuration.maximum_percent, 100 if daemon else 200),
        breaker=configuration.deployment_circuit_breaker.enable,
        breaker_set=_breaker_set(configuration.deployment_circuit_breaker),
        strategy=strategy_of(configuration),
        grace=row.health_check_grace_period_seconds,
        target_groups=tuple(group for group in groups if group),
        subnets=row.network_configuration.awsvpc_configuration.subnets,
        created_at=row.created_at,
    )


def _breaker_set(row: CircuitBreaker) -> str:
    """What is set of the breaker and decides whether it ever acts, in words."""
    if not row.enable:
        return ""
    limit = row.threshold_configuration
    unit = " failed tasks" if limit.type == "COUNT" else " % of the desired count"
    return "; ".join(
        (
            *(("without a rollback",) if row.rollback is False else ()),
            *((f"at {limit.value}{unit}",) if limit.value is not None else ()),
            *(("one healthy task sets its count back",) if row.reset_on_healthy_task else ()),
        )
    )


def strategy_of(row: DeploymentConfiguration) -> DeploymentStrategy:
    """How releases go out; ROLLING where the answer names no strategy."""
    canary, linear = row.canary_configuration, row.linear_configuration
    step = (canary.canary_percent, canary.canary_bake_time_in_minutes)
    if row.strategy == "LINEAR":
        step = (linear.step_percent, linear.step_bake_time_in_minutes)
    percent, minutes = step
    return DeploymentStrategy(
        name=row.strategy or "ROLLING",
        bake=60.0 * (row.bake_time_in_minutes or 0),
        step_percent=percent,
        step_bake=None if minutes is None else 60.0 * minutes,
        hooks=tuple(
            LifecycleHook(target=each.hook_target_arn, stages=each.lifecycle_stages)
            for each in row.lifecycle_hooks
        ),
        alarms=row.alarms.alarm_names if row.alarms.enable else (),
    )


def _percent(given: int | None, default: int) -> int:
    return default if given is None else given


def deployment_of(row: DeploymentRow) -> Deployment:
    """One of `deployments[]`."""
    return Deployment(
        id=row.id,
        status=row.status,
        task_definition=row.task_definition,
        desired=row.desired_count,
        running=row.running_count,
        pending=row.pending_count,
        failed_tasks=row.failed_tasks,
        rollout_state=row.rollout_state,
        reason=row.rollout_state_reason,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def task_set_of(row: TaskSetRow) -> Deployment:
    """A task set of a CODE_DEPLOY or EXTERNAL service, as a deployment without rollout state."""
    return Deployment(
        id=row.id,
        status=row.status,
        task_definition=row.task_definition,
        desired=row.computed_desired_count,
        running=row.running_count,
        pending=row.pending_count,
        failed_tasks=0,
        reason=row.stability_status,
        created_at=row.created_at,
        updated_at=row.updated_at,
        external_id=row.external_id,
    )


def events_of(row: ServiceRow) -> tuple[EcsEvent, ...]:
    """The service's events, newest first; those without a time are left out."""
    found = (
        EcsEvent(id=each.id, at=each.created_at, message=_bare(each.message))
        for each in row.events
        if each.created_at is not None
    )
    return tuple(sorted(found, key=lambda event: event.at, reverse=True))


def _bare(message: str) -> str:
    """The message without `(service checkout)` in front."""
    if message.startswith("(service "):
        return message.partition(")")[2].strip(" ,:")
    return message


def stop_of(row: StoppedTaskRow) -> Stop | None:
    """A task as a stop; None while nothing says when it stopped."""
    stopped_at = row.stopped_at or row.stopping_at
    if stopped_at is None:
        return None
    return Stop(
        arn=row.task_arn,
        task_definition=row.task_definition_arn,
        stop_code=row.stop_code,
        reason=row.stopped_reason,
        stopped_at=stopped_at,
        started_at=row.started_at,
        pulled_at=row.pull_stopped_at,
        zone=row.availability_zone,
        containers=tuple(
            Container(
                name=each.name, exit_code=each.exit_code, reason=each.reason, image=each.image
            )
            for each in row.containers
        ),
    )


def running_task_of(row: TaskRow) -> RunningTask:
    """A task as a live one."""
    return RunningTask(
        arn=row.task_arn,
        zone=row.availability_zone,
        health=row.health_status,
        started_at=row.started_at,
    )


def definition_of(row: TaskDefinitionRow) -> TaskDefinition:
    """One revision of a task definition."""
    return TaskDefinition(
        arn=row.task_definition_arn,
        status=row.status or "ACTIVE",
        cpu=row.cpu,
        memory=row.memory,
        task_role=row.task_role_arn,
        execution_role=row.execution_role_arn,
        containers=tuple(map(_container_of, row.container_definitions)),
    )


def _container_of(row: ContainerDefinitionRow) -> ContainerDefinition:
    return ContainerDefinition(
        name=row.name,
        image=row.image,
        cpu=row.cpu,
        memory=row.memory,
        essential=row.essential,
        environment=_names(row.environment),
        secrets=_names(row.secrets),
        health_check=" ".join(row.health_check.command),
    )


def _names(entries: Iterable[Named]) -> tuple[str, ...]:
    return tuple(sorted(entry.name for entry in entries))


def scaling_of(target: TargetRow, policies: Iterable[PolicyRow]) -> Scaling:
    """The scalable target with the goals of its target tracking policies."""
    goals: dict[str, float] = {}
    for policy in policies:
        tracking = policy.target_tracking_scaling_policy_configuration
        metric = tracking.predefined_metric_specification.predefined_metric_type
        if metric and tracking.target_value is not None:
            goals[metric] = tracking.target_value
    return Scaling(
        minimum=target.min_capacity,
        maximum=target.max_capacity,
        out_suspended=target.suspended_state.dynamic_scaling_out_suspended,
        in_suspended=target.suspended_state.dynamic_scaling_in_suspended,
        schedule_suspended=target.suspended_state.scheduled_scaling_suspended,
        cpu_target=goals.get("ECSServiceAverageCPUUtilization"),
        memory_target=goals.get("ECSServiceAverageMemoryUtilization"),
    )
