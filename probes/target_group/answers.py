"""What is read of ELBv2's answers on target groups, and on the listeners that send to them."""

from __future__ import annotations

from cockpit.connect.aws.answer import Answer, GivenText
from cockpit.text import SafeText


class Matcher(Answer, frozen=True):
    """The codes that count as healthy; one of the two, by the group's protocol version."""

    http_code: SafeText = ""
    grpc_code: SafeText = ""


class TargetGroup(Answer, frozen=True):
    """One row of `DescribeTargetGroups`. Zero seconds or checks: not told."""

    of = "elbv2.TargetGroup"

    target_group_arn: GivenText
    target_group_name: SafeText = ""
    protocol: SafeText = ""
    target_type: SafeText = ""
    load_balancer_arns: tuple[SafeText, ...] = ()
    """Empty: no listener forwards to it."""
    health_check_enabled: bool = True
    health_check_protocol: SafeText = ""
    health_check_port: SafeText = ""
    health_check_path: SafeText = ""
    health_check_interval_seconds: int = 0
    health_check_timeout_seconds: int = 0
    healthy_threshold_count: int = 0
    unhealthy_threshold_count: int = 0
    matcher: Matcher = Matcher()
    target_control_port: int | None = None


class TargetDescription(Answer, frozen=True):
    """Which target. The zone is `all` for addresses outside of the VPC."""

    id: SafeText = ""
    port: int | None = None
    availability_zone: SafeText = ""


class TargetHealth(Answer, frozen=True):
    """How it is. Reason and description come with every state but healthy."""

    state: SafeText = ""
    reason: SafeText = ""
    description: SafeText = ""


class AnomalyDetection(Answer, frozen=True):
    """Whether it answers worse than its neighbours, of groups behind an application balancer."""

    result: SafeText = ""
    mitigation_in_effect: SafeText = ""


class AdministrativeOverride(Answer, frozen=True):
    """What takes traffic away from it whatever its health: a zonal shift."""

    state: SafeText = ""
    description: SafeText = ""


class TargetHealthDescription(Answer, frozen=True):
    """One row of `DescribeTargetHealth`; the last two are told to `Include=All` only."""

    of = "elbv2.TargetHealthDescription"

    target: TargetDescription = TargetDescription()
    target_health: TargetHealth = TargetHealth()
    anomaly_detection: AnomalyDetection = AnomalyDetection()
    administrative_override: AdministrativeOverride = AdministrativeOverride()


class Attribute(Answer, frozen=True):
    """One row of `DescribeTargetGroupAttributes`; numbers are text."""

    of = "elbv2.TargetGroupAttribute"

    key: SafeText = ""
    value: SafeText = ""


class WeightedGroup(Answer, frozen=True):
    """One of the groups that a rule spreads its requests over. A weight of 0 sends nothing."""

    target_group_arn: SafeText = ""
    weight: int = 1


class ForwardConfig(Answer, frozen=True):
    """Empty for an action that names one group by itself."""

    target_groups: tuple[WeightedGroup, ...] = ()


class ForwardRow(Answer, frozen=True):
    """What a listener or a rule does; only forwarding names a group."""

    target_group_arn: SafeText = ""
    forward_config: ForwardConfig = ForwardConfig()


class Listener(Answer, frozen=True):
    """One row of `DescribeListeners`."""

    of = "elbv2.Listener"

    listener_arn: SafeText = ""
    protocol: SafeText = ""
    port: int = 0
    default_actions: tuple[ForwardRow, ...] = ()


class ListenerRule(Answer, frozen=True):
    """One row of `DescribeRules`, the listener's default actions among them."""

    of = "elbv2.Rule"

    priority: SafeText = ""
    is_default: bool = False
    actions: tuple[ForwardRow, ...] = ()
