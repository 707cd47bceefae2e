"""Auto Scaling groups: what is asked, and how answers are read."""

from __future__ import annotations

from typing import Any

import pytest

from cockpit import clock
from cockpit.errors import BlindError, Reason
from probes.autoscaling_group import capacity, view
from probes.autoscaling_group.model import Snapshot
from probes.autoscaling_group.settings import Settings
from tests.probes.asg_looks import NO_CAPACITY, WEB, fives, found
from tests.probes.fake_aws import AT, FakeAws, ago, denied, minutes, target

ARN = (
    "arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:"
    "930d940e-891e-4781-a11a-7b0acd480f03:autoScalingGroupName/web"
)
BALANCER = (
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/shop/50dc6c495c0c9188"
)
TEMPLATE = {"LaunchTemplateId": "lt-1", "LaunchTemplateName": "web", "Version": "7"}


def instance(id_: str, zone: str = "us-east-1a", **changes: Any) -> dict[str, Any]:
    base = {
        "InstanceId": id_,
        "InstanceType": "m5.large",
        "AvailabilityZone": zone,
        "LifecycleState": "InService",
        "HealthStatus": "Healthy",
        "LaunchTemplate": TEMPLATE,
        "ProtectedFromScaleIn": False,
    }
    return {**base, **changes}


GROUP = {
    "AutoScalingGroupName": "web",
    "AutoScalingGroupARN": ARN,
    "LaunchTemplate": TEMPLATE,
    "MinSize": 2,
    "MaxSize": 6,
    "DesiredCapacity": 2,
    "DefaultCooldown": 300,
    "AvailabilityZones": ["us-east-1a", "us-east-1b"],
    "LoadBalancerNames": [],
    "TargetGroupARNs": [WEB],
    "HealthCheckType": "ELB",
    "HealthCheckGracePeriod": 300,
    "Instances": [instance("i-0a"), instance("i-0b", "us-east-1b")],
    "CreatedTime": ago(days=30),
    "SuspendedProcesses": [],
    "Tags": [{"Key": "token", "Value": "s3cret"}],
}
FAILED = {
    "ActivityId": "a-1",
    "AutoScalingGroupName": "web",
    "Description": "Launching a new EC2 instance.  Status Reason: " + NO_CAPACITY,
    "Cause": "At 2026-11-21T02:58:00Z an instance was started in response to a difference between desired and actual capacity, increasing the capacity from 1 to 2.",
    "StartTime": ago(minutes=2),
    "EndTime": ago(minutes=2),
    "StatusCode": "Failed",
    "StatusMessage": NO_CAPACITY,
    "Progress": 100,
    "Details": '{"Subnet ID":"subnet-1","Availability Zone":"us-east-1a"}',
}
POLICY = {
    "AutoScalingGroupName": "web",
    "PolicyName": "cpu",
    "PolicyType": "TargetTrackingScaling",
    "EstimatedInstanceWarmup": 60,
    "Enabled": True,
    "Alarms": [{"AlarmName": "TargetTracking-web-AlarmHigh-1", "AlarmARN": "arn:aws:…"}],
    "TargetTrackingConfiguration": {
        "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
        "TargetValue": 50.0,
    },
}
ALARM = {
    "AlarmName": "TargetTracking-web-AlarmHigh-1",
    "StateValue": "OK",
    "StateReason": "Threshold Crossed: no datapoints",
    "StateUpdatedTimestamp": ago(hours=1),
    "ActionsEnabled": True,
    "Period": 60,
    "EvaluationPeriods": 3,
}
WELL = {"CPUUtilization": fives(40, 40, 40)}


def answers(row: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    base = {
        "autoscaling.DescribeAutoScalingGroups": [row or GROUP],
        "autoscaling.DescribeScalingActivities": {"Activities": []},
        "autoscaling.DescribePolicies": [POLICY],
        "autoscaling.DescribeInstanceRefreshes": {"InstanceRefreshes": []},
        "cloudwatch.DescribeAlarms": {"MetricAlarms": [ALARM]},
        "elbv2.DescribeTargetGroups": [{"TargetGroupArn": WEB, "LoadBalancerArns": [BALANCER]}],
    }
    return {**base, **{name.replace("__", "."): each for name, each in changes.items()}}


async def look(aws: FakeAws, id_: str = "web") -> Snapshot:
    return await capacity.collect(aws, target("autoscaling_group", id_))


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


async def test_a_healthy_group_costs_few_calls() -> None:
    aws = FakeAws(answers(), WELL)
    seen = await look(aws, ARN)
    assert [name for name, _ in aws.calls] == [
        "autoscaling.DescribeAutoScalingGroups",
        "autoscaling.DescribeScalingActivities",
        "autoscaling.DescribePolicies",
        "autoscaling.DescribeInstanceRefreshes",
        "cloudwatch.DescribeAlarms",
    ]
    assert len(aws.queries) == 2
    assert (seen.in_service, seen.desired, seen.template) == (2, 2, "web version 7")
    assert [each.health for each in seen.members] == ["HEALTHY", "HEALTHY"]
    assert seen.policies is not None
    assert (seen.policies[0].metric, seen.policies[0].goal) == ("ASGAverageCPUUtilization", 50)
    assert seen.alarms[0].spans == 180
    assert found(seen) == []
    assert seen.gaps == ()


async def test_activities_are_asked_for_by_the_group_s_name() -> None:
    aws = FakeAws(answers(), WELL)
    await look(aws)
    asked = dict(aws.calls)["autoscaling.DescribeScalingActivities"]
    assert asked == {"AutoScalingGroupName": "web", "MaxRecords": 100}


async def test_a_failed_launch_says_where_and_since_when() -> None:
    short = {**GROUP, "Instances": [instance("i-0b", "us-east-1b")]}
    older = {**FAILED, "StartTime": ago(minutes=9), "ActivityId": "a-0"}
    aws = FakeAws(
        answers(short, autoscaling__DescribeScalingActivities={"Activities": [FAILED, older]}), WELL
    )
    seen = await look(aws)
    assert seen.activities is not None
    assert seen.activities[0].zone == "us-east-1a"
    assert seen.below_since == ago(minutes=9)
    assert [code for code, _ in found(seen)] == ["ASG_LAUNCH_FAILING", "ASG_BELOW_DESIRED"]


async def test_weights_are_capacity_and_the_warm_pool_is_none() -> None:
    heavy = [
        instance("i-0a", WeightedCapacity="4"),
        instance("i-0b", "us-east-1b", WeightedCapacity="4"),
        instance("i-0c", LifecycleState="Warmed:Stopped"),
        instance("i-0d", LifecycleState="Pending", WeightedCapacity="4"),
    ]
    mixed = {"LaunchTemplate": {"LaunchTemplateSpecification": TEMPLATE}}
    row = {k: v for k, v in GROUP.items() if k != "LaunchTemplate"}
    row |= {"Instances": heavy, "DesiredCapacity": 12, "MixedInstancesPolicy": mixed}
    seen = await look(FakeAws(answers(row), WELL))
    assert (seen.in_service, seen.desired) == (8, 12)
    assert [each.id for each in seen.warm] == ["i-0c"]
    assert seen.template == "web version 7"


async def test_capacity_in_processors_is_not_counted_in_instances() -> None:
    seen = await look(FakeAws(answers({**GROUP, "DesiredCapacityType": "vcpu"}), WELL))
    assert (seen.in_service, seen.unit) == (None, "vcpu")
    assert found(seen) == []


async def test_hooks_are_read_where_an_instance_waits() -> None:
    waits = [*GROUP["Instances"], instance("i-0c", LifecycleState="Pending:Wait")]  # type: ignore[misc]
    began = {
        **FAILED,
        "StatusCode": "MidLifecycleAction",
        "Description": "Launching a new EC2 instance: i-0c",
        "StartTime": ago(minutes=20),
    }
    aws = FakeAws(
        answers(
            {**GROUP, "Instances": waits},
            autoscaling__DescribeScalingActivities={"Activities": [began]},
            autoscaling__DescribeLifecycleHooks={
                "LifecycleHooks": [
                    {
                        "LifecycleHookName": "register",
                        "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
                        "HeartbeatTimeout": 1800,
                        "DefaultResult": "ABANDON",
                    }
                ]
            },
        ),
        WELL,
    )
    seen = await look(aws)
    assert seen.members[2].waiting_since == ago(minutes=20)
    [told] = capacity.diagnose(seen, Settings())
    assert {e.label: e.value for e in told.evidence}["hooks"] == (
        "register (EC2_INSTANCE_LAUNCHING, 30m 00s, ABANDON)"
    )


async def test_a_busy_group_is_asked_for_its_instances() -> None:
    series = {
        "CPUUtilization": fives(85, 85, 85),
        "CPUUtilization/i-0a": fives(99, 99, 99),
        "CPUUtilization/i-0b": fives(71, 71, 71),
    }
    seen = await look(FakeAws(answers(), series))
    assert seen.cpu_of == (("i-0a", 99), ("i-0b", 71))


async def test_an_empty_group_is_asked_for_the_requests_that_it_used_to_get() -> None:
    row = {**GROUP, "DesiredCapacity": 0, "MinSize": 0, "Instances": []}
    aws = FakeAws(answers(row), {"RequestCount": minutes(500, 700)})
    seen = await look(aws)
    [asked] = aws.queries
    assert asked.dimensions == (
        ("LoadBalancer", "app/shop/50dc6c495c0c9188"),
        ("TargetGroup", "targetgroup/web/73e2d6bc24d8a067"),
    )
    assert [code for code, _ in found(seen)] == ["ASG_ZERO"]


async def test_what_is_denied_is_a_gap_and_nothing_is_judged_by_it() -> None:
    refused = denied("not authorized to perform: autoscaling:DescribeScalingActivities")
    aws = FakeAws(
        answers(
            autoscaling__DescribeScalingActivities=refused,
            autoscaling__DescribePolicies=refused,
            autoscaling__DescribeInstanceRefreshes=refused,
        ),
        denied(),
    )
    seen = await look(aws)
    assert {gap.what for gap in seen.gaps} >= {
        "activities",
        "scaling policies",
        "instance refreshes",
        "metrics",
    }
    assert [code for code, _ in found(seen)] == ["ASG_OBS_BLIND"]
    headlines = [table.headline for table in view.tables(seen, Settings())]
    assert headlines.count("could not be read") == 2


async def test_instances_that_serve_and_publish_nothing_are_not_seen() -> None:
    seen = await look(FakeAws(answers(), {}))
    assert [gap.what for gap in seen.gaps] == ["metric CPUUtilization"]
    young = await look(FakeAws(answers({**GROUP, "CreatedTime": ago(minutes=9)}), {}))
    assert young.gaps == ()


async def test_a_group_that_is_not_there_is_a_finding() -> None:
    with pytest.raises(BlindError) as gone:
        await look(FakeAws(answers(), WELL), "nope")
    assert (gone.value.reason, gone.value.code) == (Reason.MISSING, "ASG_DELETING_OR_GONE")


async def test_what_is_shown() -> None:
    aws = FakeAws(
        answers(
            {**GROUP, "SuspendedProcesses": [{"ProcessName": "AZRebalance"}]},
            autoscaling__DescribeScalingActivities={"Activities": [FAILED]},
            autoscaling__DescribeInstanceRefreshes={
                "InstanceRefreshes": [
                    {"InstanceRefreshId": "r-1", "Status": "InProgress", "StartTime": ago(hours=1)}
                ]
            },
        ),
        WELL,
    )
    seen = await look(aws)
    shown = {fact.label: fact.text for fact in view.facts(seen, Settings())}
    assert shown["in service"] == "2/2"
    assert shown["CPU"] == "40%"
    assert shown["suspended"] == "AZRebalance"
    assert [table.title for table in view.tables(seen, Settings())] == [
        "Instances",
        "Activities",
        "Scaling policies",
        "Instance refreshes",
    ]
    changes = list(view.changes(seen, "web"))
    assert [change.kind for change in changes] == ["asg.failed", "asg.refresh"]
    assert [bool(change.failed) for change in changes] == [True, False], "nothing was changed"
    assert seen.refresh is not None
