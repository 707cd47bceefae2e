"""Looks at Auto Scaling groups, in short words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cockpit.connect.session import Series
from cockpit.triage.finding import Severity
from probes.autoscaling_group import capacity
from probes.autoscaling_group.model import (
    Member,
    ScalingActivity,
    ScalingAlarm,
    ScalingPolicy,
    Snapshot,
)
from probes.autoscaling_group.settings import Settings
from tests.probes.fake_aws import AT, ago, minutes

CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
WEB = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/73e2d6bc24d8a067"
NO_CAPACITY = (
    "We currently do not have sufficient m5.large capacity in the Availability Zone you requested "
    "(us-east-1a). Our system will be working on provisioning additional capacity. You can "
    "currently get m5.large capacity by not specifying an Availability Zone in your request or "
    "choosing us-east-1b. Launching EC2 instance failed."
)
SICK = (
    "At 2026-11-21T02:50:00Z an instance was taken out of service in response to an ELB system "
    "health check failure."
)


def fives(*values: float) -> Series:
    """A point every five minutes, oldest first; the newest is the newest settled one."""
    spread: list[float | None] = []
    for value in values:
        spread += [value, None, None, None, None]
    return minutes(*spread[:-4], late=10)


def member(id_: str = "i-0a", state: str = "InService", **changes: Any) -> Member:
    """An instance that serves in the first zone."""
    base = Member(id=id_, zone="us-east-1a", state=state, health="HEALTHY", type="m5.large")
    return replace(base, **changes)


PAIR = (member(), member("i-0b", zone="us-east-1b"))


def activity(what: str = "Launching", status: str = "Failed", **changes: Any) -> ScalingActivity:
    """A failed launch of two minutes ago."""
    verb = f"{what} a new EC2 instance" if what == "Launching" else f"{what} EC2 instance"
    name = changes.pop("instance", "")
    return replace(
        ScalingActivity(
            at=ago(minutes=changes.pop("minutes", 2)),
            status=status,
            what=f"{verb}: {name}" if name else f"{verb}.  Status Reason: {NO_CAPACITY}",
            message=NO_CAPACITY if status == "Failed" else "",
        ),
        **changes,
    )


def ended(name: str, minutes_ago: float, cause: str = SICK) -> ScalingActivity:
    """An instance that the group ended for its health."""
    return activity("Terminating", "Successful", minutes=minutes_ago, instance=name, cause=cause)


def alarm(state: str = "OK", name: str = "AlarmHigh-1", **changes: Any) -> ScalingAlarm:
    """The alarm that adds capacity, in its state for an hour."""
    base = ScalingAlarm(name=name, state=state, reason="", since=ago(hours=1), spans=180)
    return replace(base, **changes)


def policy(**changes: Any) -> ScalingPolicy:
    """Target tracking of the processor."""
    base = ScalingPolicy(
        name="cpu",
        type="TargetTrackingScaling",
        goal=50,
        metric="ASGAverageCPUUtilization",
        warmup=60,
        alarms=("AlarmHigh-1",),
    )
    return replace(base, **changes)


def snapshot(**changes: Any) -> Snapshot:
    """A group of two that is well."""
    base = Snapshot(
        at=AT,
        name="web",
        arn="",
        minimum=2,
        maximum=6,
        desired=2,
        in_service=2,
        created=ago(days=30),
        members=PAIR,
        zones=("us-east-1a", "us-east-1b"),
        target_groups=(WEB,),
        balanced=True,
        check="ELB",
        grace=300,
        activities=(),
        policies=(policy(),),
        alarms=(alarm(),),
        cpu=fives(40, 40, 40),
        cpu_most=fives(45, 45, 45),
    )
    return replace(base, **changes)


def found(look: Snapshot, settings: Settings | None = None) -> list[tuple[str, Severity]]:
    """What is told, worst first as it comes."""
    return [(f.code, f.severity) for f in capacity.diagnose(look, settings or Settings())]
