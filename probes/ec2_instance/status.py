"""One EC2 instance: does it run, what say AWS' checks, what is coming, and what is used up.

Source: EC2 `DescribeInstances`, `DescribeInstanceStatus`, `DescribeInstanceCreditSpecifications`;
CloudWatch `AWS/EC2` and, for memory and file systems, what its CloudWatch agent publishes. The
console's output and user data are never asked for: they hold secrets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

from cockpit import clock
from cockpit.connect.aws.answer import answer_into
from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Probe
from cockpit.triage.target import Target
from probes.answers import Gap, absent, attempt, blind_series, partly_blind
from probes.ec2_instance import health, load, series, view
from probes.ec2_instance.model import Snapshot, burstable
from probes.ec2_instance.read import (
    CreditRow,
    Ec2InstanceRow,
    StatusRow,
    application_of,
    checks_of,
    events_of,
    id_of,
    snapshot_of,
)
from probes.ec2_instance.settings import Settings

_STOPPED = "EC2_STOPPED_UNEXPECTEDLY"


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Read the instance, then all else at once; only the instance itself is a must."""
    settings = target.settings
    assert isinstance(settings, AwsResource)
    at = clock.now()
    id_ = id_of(settings.id)
    try:
        row = await aws.item("ec2", "DescribeInstances", key=id_)
    except BlindError as error:
        raise _absent(error) from error
    look = snapshot_of(answer_into(row, Ec2InstanceRow), at)
    if look.state != "running":
        return look
    gaps: list[Gap] = []
    status, mode, measured, agent = await asyncio.gather(
        attempt(gaps, "status checks", _status(aws, id_), otherwise=None),
        attempt(gaps, "credit mode", _credit_mode(aws, look), otherwise=""),
        attempt(gaps, "metrics", series.measured(aws, look), otherwise=look),
        attempt(gaps, "the agent's metrics", series.by_agent(aws, look), otherwise=look),
    )
    look = replace(
        measured,
        checks=None if status is None else checks_of(status),
        application=None if status is None else application_of(status),
        events=() if status is None else events_of(status),
        credit_mode=mode,
        memory=agent.memory,
        disks=agent.disks,
    )
    gaps += blind_series({"CPUUtilization": look.cpu, "CPUCreditBalance": look.credits})
    if not any(gap.what == "metrics" for gap in gaps):
        gaps += series.silent(look)
    return replace(look, gaps=tuple(gaps))


def _absent(error: BlindError) -> BlindError:
    """There is no such instance: it was ended more than an hour ago, unless its id is wrong."""
    return absent(
        error,
        _STOPPED,
        severity=Severity.CRITICAL,
        hint=error.hint or "check id and region in the configuration; who ended it?",
    )


async def _status(aws: AwsReads, id_: str) -> StatusRow:
    return answer_into(await aws.item("ec2", "DescribeInstanceStatus", key=id_), StatusRow)


async def _credit_mode(aws: AwsReads, look: Snapshot) -> str:
    if not burstable(look.type):
        return ""
    row = await aws.item("ec2", "DescribeInstanceCreditSpecifications", key=look.id)
    return answer_into(row, CreditRow).cpu_credits


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Report whether it runs, then what fails, then what is used up."""
    yield from health.stopped(snapshot, settings)
    yield from health.impaired(snapshot, settings)
    yield from health.unknown(snapshot, settings)
    yield from health.scheduled(snapshot, settings)
    yield from load.processor_busy(snapshot, settings)
    yield from load.credits_used(snapshot, settings)
    yield from load.memory_full(snapshot, settings)
    yield from load.disks_full(snapshot, settings)
    yield from load.volumes_busy(snapshot, settings)
    yield from partly_blind("EC2_OBS_BLIND", snapshot.gaps)


KIND = aws_kind("ec2_instance", "ec2")

PROBE = Probe(
    id="ec2_instance.status",
    kind="ec2_instance",
    collect=collect,
    diagnose=diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=30,
    timeout=15,
    facts=view.facts,
    tables=view.tables,
    changes=view.changes,
    needs=(
        "ec2:DescribeInstances",
        "ec2:DescribeInstanceStatus",
        "ec2:DescribeInstanceCreditSpecifications",
        "cloudwatch:GetMetricData",
        "cloudwatch:ListMetrics",
        # steps of its runbooks
        "autoscaling:DescribeAutoScalingInstances",
        "ec2:DescribeSnapshots",
        "ec2:DescribeSecurityGroups",
    ),
    codes=codes(
        cause=(_STOPPED, "EC2_STATUS_IMPAIRED", "EC2_CREDITS_EXHAUSTED"),
        either=("EC2_CPU_SATURATED", "EC2_MEMORY_HIGH", "EC2_EBS_SATURATED"),
        risk=("EC2_SCHEDULED_EVENT", "EC2_DISK_FULL"),
        eye=("EC2_STATUS_UNKNOWN", "EC2_OBS_BLIND"),
        traits={
            Trait.LOAD: (
                "EC2_CPU_SATURATED",
                "EC2_CREDITS_EXHAUSTED",
                "EC2_MEMORY_HIGH",
                "EC2_EBS_SATURATED",
            ),
            Trait.SLOW_BURN: ("EC2_CREDITS_EXHAUSTED", "EC2_MEMORY_HIGH", "EC2_DISK_FULL"),
            Trait.CAUSE_AT_CRITICAL: ("EC2_DISK_FULL",),
        },
    ),
)
