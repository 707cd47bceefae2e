"""What is read of the answers of EC2 Auto Scaling, and as which value of the model."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

import msgspec

from cockpit.connect.aws.answer import Answer, GivenText
from cockpit.text import SafeText, visible
from probes.autoscaling_group.model import (
    SERVING,
    Hook,
    Member,
    Refresh,
    ScalingActivity,
    ScalingAlarm,
    ScalingPolicy,
    Snapshot,
    Suspended,
)


class Template(Answer, frozen=True):
    """The launch template that instances come from."""

    launch_template_name: SafeText = ""
    version: SafeText = ""


class MixedTemplate(Answer, frozen=True):
    """The template of a mixed policy."""

    launch_template_specification: Template = Template()


class Mixed(Answer, frozen=True):
    """Several instance types, On-Demand and Spot."""

    launch_template: MixedTemplate = MixedTemplate()


class MemberRow(Answer, frozen=True):
    """An instance."""

    instance_id: GivenText
    availability_zone: SafeText = ""
    lifecycle_state: SafeText = ""
    health_status: SafeText = ""
    instance_type: SafeText = ""
    weighted_capacity: SafeText = ""
    launch_template: Template = Template()


class SuspendedRow(Answer, frozen=True):
    """A process that does not run."""

    process_name: SafeText = ""
    suspension_reason: SafeText = ""


class TrafficSource(Answer, frozen=True):
    """What sends traffic to the instances: a target group, a group of VPC Lattice."""

    identifier: SafeText = ""


class GroupRow(Answer, frozen=True):
    """A group."""

    of = "autoscaling.AutoScalingGroup"
    auto_scaling_group_name: GivenText
    min_size: int
    max_size: int
    desired_capacity: int
    auto_scaling_group_arn: SafeText = msgspec.field(name="AutoScalingGroupARN", default="")
    desired_capacity_type: SafeText = ""
    status: SafeText = ""
    created_time: datetime | None = None
    availability_zones: tuple[SafeText, ...] = ()
    load_balancer_names: tuple[SafeText, ...] = ()
    target_group_arns: tuple[SafeText, ...] = msgspec.field(name="TargetGroupARNs", default=())
    traffic_sources: tuple[TrafficSource, ...] = ()
    health_check_type: SafeText = ""
    health_check_grace_period: int = 0
    default_cooldown: int = 300
    launch_template: Template = Template()
    mixed_instances_policy: Mixed = Mixed()
    launch_configuration_name: SafeText = ""
    suspended_processes: tuple[SuspendedRow, ...] = ()
    instances: tuple[MemberRow, ...] = ()


class GroupActivityRow(Answer, frozen=True):
    """What the group did."""

    of = "autoscaling.Activity"
    start_time: datetime | None = None
    end_time: datetime | None = None
    status_code: SafeText = ""
    status_message: SafeText = ""
    description: SafeText = ""
    cause: SafeText = ""
    details: SafeText = ""


class AlarmName(Answer, frozen=True):
    """An alarm that a policy made or was tied to."""

    alarm_name: SafeText = ""


class StepAdjustment(Answer, frozen=True):
    """How far one step goes."""

    scaling_adjustment: int = 0


class Predefined(Answer, frozen=True):
    """A metric by AWS' name."""

    predefined_metric_type: SafeText = ""


class Customized(Answer, frozen=True):
    """A metric of one's own, such as one that an agent publishes."""

    metric_name: SafeText = ""
    namespace: SafeText = ""


class Tracking(Answer, frozen=True):
    """The goal of target tracking."""

    target_value: float | None = None
    predefined_metric_specification: Predefined = Predefined()
    customized_metric_specification: Customized = Customized()


class ScalingPolicyRow(Answer, frozen=True):
    """A scaling policy."""

    of = "autoscaling.ScalingPolicy"
    policy_name: GivenText
    policy_type: SafeText = ""
    enabled: bool = True
    adjustment_type: SafeText = ""
    scaling_adjustment: int | None = None
    step_adjustments: tuple[StepAdjustment, ...] = ()
    cooldown: int | None = None
    estimated_instance_warmup: int | None = None
    alarms: tuple[AlarmName, ...] = ()
    target_tracking_configuration: Tracking = Tracking()


class AlarmRow(Answer, frozen=True):
    """An alarm."""

    of = "cloudwatch.MetricAlarm"
    alarm_name: GivenText
    state_value: SafeText = ""
    state_reason: SafeText = ""
    state_updated_timestamp: datetime | None = None
    state_transitioned_timestamp: datetime | None = None
    actions_enabled: bool = True
    period: int | None = None
    evaluation_periods: int | None = None


class RefreshRow(Answer, frozen=True):
    """An instance refresh."""

    of = "autoscaling.InstanceRefresh"
    instance_refresh_id: GivenText
    status: SafeText = ""
    status_reason: SafeText = ""
    start_time: datetime | None = None
    end_time: datetime | None = None
    percentage_complete: int | None = None
    instances_to_update: int | None = None


class HookRow(Answer, frozen=True):
    """A lifecycle hook."""

    of = "autoscaling.LifecycleHook"
    lifecycle_hook_name: GivenText
    lifecycle_transition: SafeText = ""
    heartbeat_timeout: int = 3600
    default_result: SafeText = ""


class BalancedRow(Answer, frozen=True):
    """A target group, for the balancers that send to it."""

    of = "elbv2.TargetGroup"
    target_group_arn: GivenText
    load_balancer_arns: tuple[SafeText, ...] = ()


def name_of(id_: str) -> str:
    """The name out of an ARN (`…:autoScalingGroupName/web`), or a name as it is."""
    return id_.rpartition("autoScalingGroupName/")[2] if id_.startswith("arn:") else id_


def snapshot_of(row: GroupRow, at: datetime) -> Snapshot:
    """The group, without what other calls tell."""
    members = tuple(map(_member_of, row.instances))
    own = tuple(each for each in members if not each.state.startswith("Warmed:"))
    mixed = row.mixed_instances_policy.launch_template.launch_template_specification
    template = row.launch_template if row.launch_template.launch_template_name else mixed
    unit = row.desired_capacity_type or "units"
    serve = sum(each.weight for each in own if each.state == SERVING)
    return Snapshot(
        at=at,
        name=row.auto_scaling_group_name,
        arn=row.auto_scaling_group_arn,
        status=row.status,
        minimum=row.min_size,
        maximum=row.max_size,
        desired=row.desired_capacity,
        unit=unit,
        in_service=serve if unit == "units" else None,
        created=row.created_time,
        members=own,
        warm=tuple(each for each in members if each.state.startswith("Warmed:")),
        zones=row.availability_zones,
        target_groups=row.target_group_arns,
        balanced=bool(row.target_group_arns or row.load_balancer_names or row.traffic_sources),
        check=row.health_check_type,
        grace=row.health_check_grace_period,
        cooldown=row.default_cooldown,
        template=_template(template) or row.launch_configuration_name,
        template_name=row.launch_template.launch_template_name,
        template_version=row.launch_template.version,
        served_version=_served(row.launch_template.version, own),
        refresh_template=bool(_template(template)),
        suspended=tuple(
            Suspended(process=each.process_name, reason=each.suspension_reason)
            for each in row.suspended_processes
        ),
        suspended_names=tuple(each.process_name for each in row.suspended_processes),
    )


def _template(row: Template) -> str:
    version = f" version {row.version}" if row.version else ""
    return f"{row.launch_template_name}{version}" if row.launch_template_name else ""


def _served(version: str, members: Iterable[Member]) -> str:
    """The one version that everything in service came from, when it is another than the group's."""
    found = {each.template for each in members if each.state == SERVING}
    one = found.pop() if len(found) == 1 else ""
    return one if one.isdecimal() and version.isdecimal() and one != version else ""


def _member_of(row: MemberRow) -> Member:
    weight = row.weighted_capacity
    return Member(
        id=row.instance_id,
        zone=row.availability_zone,
        state=row.lifecycle_state,
        health=row.health_status.upper(),
        type=row.instance_type,
        weight=int(weight) if weight.isdecimal() and len(weight) <= 6 else 1,
        template=row.launch_template.version,
    )


def activities_of(rows: Iterable[GroupActivityRow]) -> tuple[ScalingActivity, ...]:
    """Newest first; those without a time are left out."""
    found = (
        ScalingActivity(
            at=row.start_time,
            ended=row.end_time,
            status=row.status_code,
            what=row.description,
            cause=row.cause,
            message=row.status_message,
            zone=_zone(row.details),
        )
        for row in rows
        if row.start_time is not None
    )
    return tuple(sorted(found, key=lambda each: each.at, reverse=True))


def _zone(details: str) -> str:
    """`{"Subnet ID":"subnet-1","Availability Zone":"us-east-1a"}`; empty when it is not there."""
    try:
        told = json.loads(details)
    except (ValueError, RecursionError):
        return ""
    return visible(str(told.get("Availability Zone", ""))) if isinstance(told, dict) else ""


def policy_of(row: ScalingPolicyRow) -> ScalingPolicy:
    """The policy."""
    tracking = row.target_tracking_configuration
    custom = tracking.customized_metric_specification
    metric = tracking.predefined_metric_specification.predefined_metric_type
    return ScalingPolicy(
        name=row.policy_name,
        type=row.policy_type,
        enabled=row.enabled,
        goal=tracking.target_value,
        metric=metric or f"{custom.namespace} {custom.metric_name}".strip(),
        warmup=row.estimated_instance_warmup or row.cooldown or 0,
        widens=_widens(row),
        alarms=tuple(each.alarm_name for each in row.alarms if each.alarm_name),
    )


def _widens(row: ScalingPolicyRow) -> bool | None:
    steps = [each.scaling_adjustment for each in row.step_adjustments]
    if row.scaling_adjustment is not None:
        steps.append(row.scaling_adjustment)
    if row.adjustment_type == "ExactCapacity" or not steps:
        return None
    return max(steps) > 0


def alarm_of(row: AlarmRow) -> ScalingAlarm:
    """The alarm."""
    return ScalingAlarm(
        name=row.alarm_name,
        state=row.state_value,
        reason=row.state_reason,
        since=row.state_transitioned_timestamp or row.state_updated_timestamp,
        acts=row.actions_enabled,
        spans=float((row.period or 60) * (row.evaluation_periods or 1)),
    )


def refresh_of(row: RefreshRow) -> Refresh:
    """The refresh."""
    return Refresh(
        id=row.instance_refresh_id,
        status=row.status,
        reason=row.status_reason,
        percent=row.percentage_complete,
        left=row.instances_to_update,
        started=row.start_time,
        ended=row.end_time,
    )


def hook_of(row: HookRow) -> Hook:
    """The hook."""
    return Hook(
        name=row.lifecycle_hook_name,
        transition=row.lifecycle_transition,
        heartbeat=row.heartbeat_timeout,
        result=row.default_result,
    )
