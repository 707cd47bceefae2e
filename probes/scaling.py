"""Application Auto Scaling, as the probes of what it scales read it.

Source: Application Auto Scaling API reference (`DescribeScalableTargets`,
`DescribeScalingPolicies`, `DescribeScalingActivities`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cockpit.connect.aws.answer import Answer, GivenText, answer_into, answers_into
from cockpit.connect.session import AwsReads
from cockpit.text import SafeText

_SERVICE = "application-autoscaling"
_NEVER = datetime.min.replace(tzinfo=UTC)


class SuspendedState(Answer, frozen=True):
    """What a person stopped auto scaling from doing."""

    dynamic_scaling_in_suspended: bool = False
    dynamic_scaling_out_suspended: bool = False
    scheduled_scaling_suspended: bool = False


class TargetRow(Answer, frozen=True):
    """One row of `DescribeScalableTargets`."""

    of = "application-autoscaling.ScalableTarget"

    resource_id: GivenText
    scalable_dimension: GivenText
    min_capacity: int
    max_capacity: int
    suspended_state: SuspendedState = SuspendedState()


class MetricSpecification(Answer, frozen=True):
    """The metric that is tracked; empty for a custom one."""

    predefined_metric_type: SafeText = ""


class TargetTracking(Answer, frozen=True):
    """The goal of a target tracking policy, in percent; empty for step scaling."""

    target_value: float | None = None
    predefined_metric_specification: MetricSpecification = MetricSpecification()


class PolicyRow(Answer, frozen=True):
    """One row of `DescribeScalingPolicies`."""

    of = "application-autoscaling.ScalingPolicy"

    resource_id: GivenText
    scalable_dimension: SafeText = ""
    target_tracking_scaling_policy_configuration: TargetTracking = TargetTracking()


class NotScaled(Answer, frozen=True):
    """Why an activity did not scale."""

    code: SafeText = ""


class ActivityRow(Answer, frozen=True):
    """One row of `DescribeScalingActivities`."""

    of = "application-autoscaling.ScalingActivity"

    start_time: datetime | None = None
    status_code: SafeText = ""
    description: SafeText = ""
    status_message: SafeText = ""
    not_scaled_reasons: tuple[NotScaled, ...] = ()


class Activities(Answer, frozen=True):
    """The answer of `DescribeScalingActivities`."""

    of = "application-autoscaling.DescribeScalingActivitiesResponse"

    scaling_activities: tuple[ActivityRow, ...] = ()


async def scaled(
    aws: AwsReads, namespace: str, is_ours: Callable[[str], bool]
) -> tuple[tuple[TargetRow, ...], tuple[PolicyRow, ...]]:
    """The scalable targets and policies of the resources that are ours; no policies without one.

    The two lists are the same for every resource of the namespace, so they are shared.
    """
    targets = await aws.pages(
        _SERVICE, "DescribeScalableTargets", key="ScalableTargets", ServiceNamespace=namespace
    )
    ours = answers_into(_own(targets, is_ours), TargetRow)
    if not ours:
        return (), ()
    policies = await aws.pages(
        _SERVICE, "DescribeScalingPolicies", key="ScalingPolicies", ServiceNamespace=namespace
    )
    return ours, answers_into(_own(policies, is_ours), PolicyRow)


async def activities(
    aws: AwsReads, namespace: str, resource: str, **asked: object
) -> tuple[ActivityRow, ...]:
    """What was done last for a resource, newest first; what tells no time is last."""
    answer = await aws.read(
        _SERVICE,
        "DescribeScalingActivities",
        expect="ScalingActivities",
        ServiceNamespace=namespace,
        ResourceId=resource,
        **asked,
    )
    found = answer_into(answer, Activities).scaling_activities
    return tuple(sorted(found, key=lambda row: row.start_time or _NEVER, reverse=True))


def _own(rows: Sequence[Any], is_ours: Callable[[str], bool]) -> list[Any]:
    """Our rows, so that no other's can spoil the look; and what cannot be told from ours."""
    return [
        row
        for row in rows
        if not isinstance(row, Mapping)
        or not isinstance(name := row.get("ResourceId"), str)
        or is_ours(name)
    ]
