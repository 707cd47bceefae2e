"""Auto Scaling groups: what fires, what is just below, and the traps that must not fire."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cockpit.triage.finding import Severity
from probes.answers import Gap
from probes.autoscaling_group import capacity
from probes.autoscaling_group.launches import _account_limit, class_of
from probes.autoscaling_group.model import Hook, Refresh, Suspended
from probes.autoscaling_group.settings import Settings
from tests.probes.asg_looks import (
    CRITICAL,
    INFO,
    NO_CAPACITY,
    PAIR,
    SICK,
    WARNING,
    activity,
    alarm,
    ended,
    fives,
    found,
    member,
    policy,
    snapshot,
)
from tests.probes.fake_aws import AT, ago, minutes

SHORT = {"members": PAIR[:1], "in_service": 1, "zones": ("us-east-1a", "us-east-1b")}
EMPTY: dict[str, Any] = {"members": (), "in_service": 0, "cpu": minutes(), "cpu_most": minutes()}
RESIZED = "At 2026-11-21T02:55:00Z a monitor alarm H in state ALARM triggered policy cpu changing the desired capacity from 1 to 2."
ZEROED = "At 2026-11-21T02:55:00Z a user request update of AutoScalingGroup constraints to min: 0, max: 0, desired: 0 changing the desired capacity from 2 to 0."


def suspended(*names: str) -> dict[str, Any]:
    return {
        "suspended": tuple(Suspended(process=n, reason="User suspended at …") for n in names),
        "suspended_names": names,
    }


def refresh(status: str, **changes: Any) -> Refresh:
    return replace(Refresh(id="r-1", status=status, percent=40, started=ago(minutes=30)), **changes)


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(snapshot(), [], id="well"),
        # how much serves
        pytest.param(
            snapshot(desired=3, below_since=ago(minutes=6)),
            [("ASG_BELOW_DESIRED", WARNING)],
            id="two of three for six minutes",
        ),
        pytest.param(snapshot(desired=3, below_since=ago(minutes=4)), [], id="not long yet"),
        pytest.param(snapshot(desired=3), [], id="the first look does not know for how long"),
        pytest.param(
            snapshot(desired=4, below_since=ago(minutes=6)),
            [("ASG_BELOW_DESIRED", CRITICAL)],
            id="half of it",
        ),
        pytest.param(
            snapshot(desired=4, below_since=ago(minutes=6), refresh=refresh("InProgress")),
            [("ASG_BELOW_DESIRED", WARNING)],
            id="half of it, while a refresh replaces",
        ),
        pytest.param(
            snapshot(**EMPTY), [("ASG_BELOW_DESIRED", CRITICAL)], id="nothing serves: told at once"
        ),
        pytest.param(
            snapshot(**EMPTY, created=ago(minutes=2)),
            [("ASG_BELOW_DESIRED", WARNING)],
            id="a group that was made just now",
        ),
        pytest.param(
            snapshot(
                in_service=8,
                desired=8,
                members=(member(weight=4), member("i-0b", weight=4, zone="us-east-1b")),
            ),
            [],
            id="weights: two instances are eight units",
        ),
        pytest.param(
            snapshot(unit="vcpu", in_service=None, desired=16), [], id="units that are not told"
        ),
        pytest.param(
            snapshot(unit="vcpu", in_service=None, desired=16, members=()),
            [("ASG_BELOW_DESIRED", CRITICAL)],
            id="units that are not told, and nothing serves",
        ),
        pytest.param(
            snapshot(status="Delete in progress"),
            [("ASG_DELETING_OR_GONE", CRITICAL)],
            id="deleted",
        ),
        # nothing desired
        pytest.param(
            snapshot(**EMPTY, desired=0, minimum=0, requests=minutes(0, 900, 900)),
            [("ASG_ZERO", CRITICAL)],
            id="scaled to nothing under traffic",
        ),
        pytest.param(
            snapshot(**EMPTY, desired=0, minimum=0, requests=minutes(0, 0)),
            [("ASG_ZERO", INFO)],
            id="nobody asked it",
        ),
        pytest.param(
            snapshot(**EMPTY, desired=0, target_groups=()), [("ASG_ZERO", INFO)], id="no balancer"
        ),
        pytest.param(
            snapshot(**EMPTY, desired=0), [("ASG_ZERO", WARNING)], id="its traffic is not known"
        ),
        pytest.param(
            snapshot(**EMPTY, desired=0, requests=minutes(status="Forbidden")),
            [("ASG_ZERO", WARNING)],
            id="its traffic is denied",
        ),
        # launches
        pytest.param(
            snapshot(**SHORT, activities=(activity(),), below_since=ago(minutes=2)),
            [("ASG_LAUNCH_FAILING", WARNING)],
            id="one launch failed",
        ),
        pytest.param(
            snapshot(activities=(activity(), activity(minutes=5), activity(minutes=9))),
            [("ASG_LAUNCH_FAILING", CRITICAL)],
            id="three",
        ),
        pytest.param(
            snapshot(activities=(activity(minutes=14), activity(minutes=16))),
            [("ASG_LAUNCH_FAILING", WARNING)],
            id="older ones are over",
        ),
        pytest.param(
            snapshot(
                activities=(activity(status="Successful", minutes=1, instance="i-0b"), activity())
            ),
            [("ASG_LAUNCH_FAILING", INFO)],
            id="then another zone had capacity",
        ),
        pytest.param(
            snapshot(activities=(activity(), activity(message="Access denied. VcpuLimitExceeded"))),
            [("ASG_LAUNCH_FAILING", WARNING), ("ASG_LAUNCH_FAILING", WARNING)],
            id="two classes are two findings",
        ),
        pytest.param(
            snapshot(activities=(activity("Terminating", message="boom", instance="i-0a"),)),
            [("ASG_ACTIVITY_FAILED", WARNING)],
            id="what fails besides launches",
        ),
        # replacement
        pytest.param(
            snapshot(activities=(ended("i-01", 3), ended("i-02", 12))), [], id="two were replaced"
        ),
        pytest.param(
            snapshot(
                desired=4,
                in_service=4,
                members=(*PAIR, member("i-0c"), member("i-0d")),
                activities=(ended("i-01", 3), ended("i-02", 12), ended("i-03", 20)),
            ),
            [("ASG_REPLACEMENT_LOOP", WARNING)],
            id="three of four",
        ),
        pytest.param(
            snapshot(activities=(ended("i-01", 3), ended("i-02", 12), ended("i-03", 20))),
            [("ASG_REPLACEMENT_LOOP", CRITICAL)],
            id="more than there are",
        ),
        pytest.param(
            snapshot(
                activities=tuple(
                    ended(f"i-0{n}", n, "a user request set the desired capacity to 2 from 5")
                    for n in (1, 2, 3)
                )
            ),
            [],
            id="scaled in",
        ),
        # hooks
        pytest.param(
            snapshot(
                members=(*PAIR, member("i-0c", "Pending:Wait", waiting_since=ago(minutes=16))),
                hooks=(Hook(name="warm", transition="autoscaling:EC2_INSTANCE_LAUNCHING"),),
            ),
            [("ASG_LIFECYCLE_STUCK", WARNING)],
            id="waits for its hook",
        ),
        pytest.param(
            snapshot(members=(*PAIR, member("i-0c", "Pending:Wait", waiting_since=ago(minutes=9)))),
            [],
            id="waits a little",
        ),
        pytest.param(
            snapshot(members=(*PAIR, member("i-0c", "Pending:Wait"))), [], id="since when unknown"
        ),
        pytest.param(
            snapshot(members=(*PAIR, member("i-0c", "Terminating:Retained"))),
            [("ASG_INSTANCE_RETAINED", WARNING)],
            id="kept after a failed hook",
        ),
        pytest.param(
            snapshot(
                members=(*PAIR, member("i-0c", "Standby")), warm=(member("i-0d", "Warmed:Stopped"),)
            ),
            [],
            id="standby and the warm pool are no shortage",
        ),
        pytest.param(
            snapshot(members=(*PAIR, member("i-0c", "Teleporting"))),
            [("ASG_STATUS_UNKNOWN", WARNING)],
            id="a state that nobody knows",
        ),
        pytest.param(
            snapshot(alarms=(alarm("MUTED"),)), [("ASG_STATUS_UNKNOWN", WARNING)], id="of an alarm"
        ),
        # refreshes
        pytest.param(
            snapshot(refreshes=(refresh("InProgress"),), refresh=refresh("InProgress")),
            [("ASG_REFRESH_RUNNING", INFO)],
            id="a refresh",
        ),
        pytest.param(
            snapshot(refreshes=(refresh("Failed", ended=ago(hours=3)),)),
            [("ASG_REFRESH_FAILED", CRITICAL)],
            id="failed",
        ),
        pytest.param(
            snapshot(refreshes=(refresh("Failed", ended=ago(days=2)),)), [], id="failed long ago"
        ),
        pytest.param(
            snapshot(refreshes=(refresh("RollbackSuccessful", ended=ago(minutes=5)),)),
            [("ASG_REFRESH_FAILED", WARNING)],
            id="rolled back",
        ),
        pytest.param(
            snapshot(refreshes=(refresh("Successful"), refresh("Failed", ended=ago(hours=3)))),
            [],
            id="the one after it was good",
        ),
        # suspended
        pytest.param(
            snapshot(**suspended("ReplaceUnhealthy", "AZRebalance")),
            [("ASG_SCALING_SUSPENDED", CRITICAL)],
            id="nothing replaces what is sick",
        ),
        pytest.param(
            snapshot(**suspended("AZRebalance")), [("ASG_SCALING_SUSPENDED", INFO)], id="others"
        ),
        # deaf
        pytest.param(
            snapshot(alarms=(alarm("ALARM"),)), [("ASG_NOT_REACTING", WARNING)], id="rings unheard"
        ),
        pytest.param(
            snapshot(alarms=(alarm("ALARM", since=ago(minutes=15)),)), [], id="not for long enough"
        ),
        pytest.param(
            snapshot(
                alarms=(alarm("ALARM"),),
                activities=(activity(status="Successful", minutes=30, instance="i-0b"),),
            ),
            [],
            id="it launched since",
        ),
        pytest.param(
            snapshot(alarms=(alarm("ALARM"),), activities=None), [], id="activities are not known"
        ),
        pytest.param(
            snapshot(
                policies=(policy(alarms=("AlarmLow-1",)),), alarms=(alarm("ALARM", "AlarmLow-1"),)
            ),
            [],
            id="the alarm that takes capacity away rings at the minimum: normal",
        ),
        pytest.param(
            snapshot(alarms=(alarm("INSUFFICIENT_DATA"),)),
            [("ASG_NOT_REACTING", WARNING)],
            id="the agent went silent",
        ),
        pytest.param(
            snapshot(alarms=(alarm("INSUFFICIENT_DATA", since=ago(minutes=5)),)), [], id="just now"
        ),
        pytest.param(
            snapshot(alarms=(alarm(acts=False),)), [("ASG_NOT_REACTING", WARNING)], id="actions off"
        ),
        pytest.param(
            snapshot(policies=(policy(enabled=False),)),
            [("ASG_NOT_REACTING", WARNING)],
            id="policy disabled",
        ),
        pytest.param(snapshot(alarms=()), [("ASG_NOT_REACTING", WARNING)], id="alarm deleted"),
        pytest.param(
            snapshot(alarms=(), gaps=(Gap("alarms", "denied", ""),)),
            [("ASG_OBS_BLIND", INFO)],
            id="alarms that were not given are not deleted",
        ),
        # busy
        pytest.param(
            snapshot(desired=2, maximum=2, cpu=fives(75, 75, 75)),
            [("ASG_AT_MAX", WARNING)],
            id="at its maximum and busy",
        ),
        pytest.param(
            snapshot(maximum=2, alarms=(alarm("ALARM"),)),
            [("ASG_AT_MAX", WARNING)],
            id="at its maximum and its alarm rings",
        ),
        pytest.param(snapshot(maximum=2), [], id="at its maximum and at rest"),
        pytest.param(
            snapshot(maximum=2, policies=(), cpu=fives(75, 75, 75)),
            [],
            id="it is not meant to grow",
        ),
        pytest.param(
            snapshot(cpu=fives(10, 80, 81), cpu_of=(("i-0a", 81.0), ("i-0b", 80.0))),
            [("EC2_CPU_SATURATED", WARNING)],
            id="two of three points",
        ),
        pytest.param(snapshot(cpu=fives(10, 10, 99)), [], id="one point"),
        pytest.param(
            snapshot(
                cpu=fives(96, 96, 96),
                cpu_of=(("i-0a", 99.0), ("i-0b", 10.0), ("i-0c", 10.0)),
            ),
            [],
            id="one hot instance of three",
        ),
        pytest.param(
            snapshot(cpu=fives(96, 96, 96)), [("EC2_CPU_SATURATED", CRITICAL)], id="spread unknown"
        ),
        # zones
        pytest.param(
            snapshot(members=(member(), member("i-0b"))),
            [("ASG_AZ_IMBALANCE", WARNING)],
            id="all in one of two zones",
        ),
        pytest.param(
            snapshot(desired=1, in_service=1, members=PAIR[:1]), [], id="one instance, two zones"
        ),
        pytest.param(
            snapshot(zones=("us-east-1a",), members=(member(), member("i-0b"))),
            [("ASG_SINGLE_AZ", INFO)],
            id="made for one zone",
        ),
        # review
        pytest.param(
            snapshot(check="EC2"), [("ASG_ELB_CHECK_OFF", INFO)], id="deaf to the balancer"
        ),
        pytest.param(snapshot(check="EC2", balanced=False), [], id="no balancer to listen to"),
        pytest.param(snapshot(check="ELB,EBS"), [], id="both"),
        pytest.param(
            snapshot(activities=(activity(status="Successful", instance="i-0b", cause=RESIZED),)),
            [("ASG_SCALED_RECENTLY", INFO)],
            id="scaled",
        ),
        pytest.param(
            snapshot(gaps=(Gap("activities", "denied", "x"),)),
            [("ASG_OBS_BLIND", INFO)],
            id="blind",
        ),
    ],
)
def test_what_is_told(look: Any, expected: list[tuple[str, Severity]]) -> None:
    assert found(look) == expected


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (NO_CAPACITY, "capacity"),
        ("There is no Spot capacity available that matches your request.", "capacity"),
        ("You have requested more vCPU capacity … VcpuLimitExceeded", "quota"),
        ("InsufficientFreeAddressesInSubnet: not enough free addresses", "addresses"),
        ("Your requested instance type (c5.9xlarge) is not supported in your requested Availability Zone (us-east-1e).", "zone"),
        ("Client.InternalError: Client error on launch", "key"),
        ("Access denied when attempting to assume role … You are not authorized to use launch template", "permission"),
        ("The image id '[ami-0abc]' does not exist", "image"),
        ("Provided Load Balancers may not be valid: target groups not found", "target group"),
        ("The security group 'sg-1' does not exist in VPC 'vpc-1'", "template"),
        ("something new", "other"),
        ("", "other"),
    ],
)  # fmt: skip
def test_why_a_launch_failed(message: str, name: str) -> None:
    assert class_of(message) == name


def test_a_message_that_nobody_knows_is_told_as_it_is() -> None:
    look = snapshot(activities=(activity(message="the moon is full"),))
    [told] = capacity.diagnose(look, Settings())
    assert "the moon is full" in told.summary
    assert told.subject == "other"


def test_a_policy_of_requests_without_data_may_have_no_requests() -> None:
    quiet = alarm("INSUFFICIENT_DATA")
    for metric, against in (("ALBRequestCountPerTarget", 1), ("CWAgent mem_used_percent", 0)):
        look = snapshot(policies=(policy(metric=metric),), alarms=(quiet,))
        [told] = capacity.diagnose(look, Settings())
        assert len(told.against) == against


def test_who_set_it_to_zero_is_told() -> None:
    gone = activity("Terminating", "Successful", instance="i-0a", cause=ZEROED)
    look = snapshot(**EMPTY, desired=0, requests=minutes(900), activities=(gone,))
    told = {
        each.label: each.value for each in next(iter(capacity.diagnose(look, Settings()))).evidence
    }
    assert told["why"] == ZEROED
    assert told["requests of 24 h"] == "900"


def test_instances_that_die_before_they_can_boot_show_the_grace_period() -> None:
    died = [
        each
        for n in (1, 2, 3)
        for each in (
            ended(f"i-0{n}", n * 6),
            activity(status="Successful", minutes=n * 6 + 6, instance=f"i-0{n}"),
        )
    ]
    [told] = capacity.diagnose(snapshot(activities=tuple(died)), Settings())
    assert told.likely[0] == "they need longer to start than the grace period"
    assert {e.label: e.value for e in told.evidence}["age at their end"] == 360
    assert told.evidence[-1].value == SICK


def test_a_shortage_is_as_old_as_the_look_that_saw_it_first() -> None:
    first = snapshot(desired=3, at=ago(minutes=7))
    assert first.below_since is None
    second = capacity.since(first, snapshot(desired=3))
    assert second.below_since == ago(minutes=7)
    assert found(second) == [("ASG_BELOW_DESIRED", WARNING)]
    assert capacity.since(second, snapshot()).below_since is None
    assert capacity.since(snapshot(at=ago(minutes=7)), snapshot(desired=3)).below_since == ago()


def test_a_wait_is_as_old_as_the_look_that_saw_it_first() -> None:
    waits = (*PAIR, member("i-0c", "Pending:Wait"))
    second = capacity.since(snapshot(members=waits, at=ago(minutes=20)), snapshot(members=waits))
    assert found(second) == [("ASG_LIFECYCLE_STUCK", WARNING)]


def test_every_code_is_shown_here() -> None:
    text = Path(__file__).read_text("utf-8")
    assert [code for code in capacity.PROBE.codes if f'"{code}"' not in text] == []


@pytest.mark.parametrize(
    ("message", "limit"),
    [
        ("VcpuLimitExceeded: your current vCPU limit of 32", "EC2's running instances"),
        ("MaxSpotInstanceCountExceeded: Max spot instance count", "EC2's running Spot instances"),
    ],
)
def test_spot_and_other_instances_have_limits_of_their_own(message: str, limit: str) -> None:
    assert _account_limit(message) == limit


def test_launches_fail_since_the_first_that_failed_after_a_good_one() -> None:
    good = activity(status="Successful", minutes=30)
    tried = (activity(minutes=2), activity(minutes=12), good, activity(minutes=40))
    (told,) = (
        f
        for f in capacity.diagnose(snapshot(activities=tried), Settings())
        if f.code == "ASG_LAUNCH_FAILING"
    )
    assert (told.began, told.resolution) == (ago(minutes=12), 1.0)
    many = tuple(activity(minutes=1) for _ in range(100))
    (told,) = (
        f
        for f in capacity.diagnose(snapshot(activities=many), Settings())
        if f.code == "ASG_LAUNCH_FAILING"
    )
    assert told.began is None, "there may be earlier ones than were read"


def test_a_shortage_of_the_first_look_has_no_beginning() -> None:
    short = snapshot(members=(), in_service=0)
    assert capacity.since(short, replace(short, at=AT + timedelta(minutes=5))).turned is None
    later = replace(short, at=AT + timedelta(seconds=30))
    fell = capacity.since(snapshot(), later)
    assert fell.turned == later.at
    late = replace(short, at=AT + timedelta(minutes=5))
    assert capacity.since(snapshot(), late).turned is None, "nobody looked for long"
    (told,) = (f for f in capacity.diagnose(fell, Settings()) if f.code == "ASG_BELOW_DESIRED")
    assert (told.began, told.resolution) == (later.at, 90.0)
