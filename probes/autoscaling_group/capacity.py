"""One Auto Scaling group: does enough serve, why do launches fail, does it follow the load.

Source: EC2 Auto Scaling `DescribeAutoScalingGroups`, `DescribeScalingActivities`,
`DescribePolicies`, `DescribeInstanceRefreshes`, `DescribeLifecycleHooks`; the alarms of its
policies; CloudWatch `AWS/EC2` by group. The group's own metrics (`AWS/AutoScaling`) exist only
where their collection was switched on, so counts are taken from the API.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from cockpit import clock
from cockpit.connect.aws.answer import answer_into, answers_into
from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Probe
from cockpit.triage.target import Target
from probes.answers import Gap, absent, attempt, blind_series, partly_blind
from probes.autoscaling_group import in_service, launches, replacing, scaling, series, view
from probes.autoscaling_group.model import (
    Hook,
    Member,
    Refresh,
    ScalingActivity,
    ScalingAlarm,
    ScalingPolicy,
    Snapshot,
    waiting,
)
from probes.autoscaling_group.read import (
    AlarmRow,
    GroupActivityRow,
    GroupRow,
    HookRow,
    RefreshRow,
    ScalingPolicyRow,
    activities_of,
    alarm_of,
    hook_of,
    name_of,
    policy_of,
    refresh_of,
    snapshot_of,
)
from probes.autoscaling_group.settings import Settings
from probes.began import seen_to_turn

_SERVICE = "autoscaling"
_GONE = "ASG_DELETING_OR_GONE"


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Read the group, then all that explains it at once; only the group itself is a must."""
    settings = target.settings
    assert isinstance(settings, AwsResource)
    at = clock.now()
    try:
        row = await aws.item(_SERVICE, "DescribeAutoScalingGroups", key=name_of(settings.id))
    except BlindError as error:
        raise _absent(error) from error
    look = snapshot_of(answer_into(row, GroupRow), at)
    gaps: list[Gap] = []
    measured, done, policies, refreshes = await asyncio.gather(
        attempt(gaps, "metrics", series.measured(aws, look), otherwise=look),
        attempt(gaps, "activities", _activities(aws, look.name), otherwise=None),
        attempt(gaps, "scaling policies", _policies(aws, look.name), otherwise=None),
        attempt(gaps, "instance refreshes", _refreshes(aws, look.name), otherwise=()),
    )
    look = replace(
        measured,
        activities=done,
        policies=policies,
        refreshes=refreshes,
        refresh=next((each for each in refreshes if each.open), None),
    )
    look = replace(look, alarms=await attempt(gaps, "alarms", _alarms(aws, look), otherwise=()))
    if waiting(look):
        hooks = await attempt(gaps, "lifecycle hooks", _hooks(aws, look.name), otherwise=())
        look = _with_waits(replace(look, hooks=hooks))
    look = await attempt(gaps, "load", series.explained(aws, look), otherwise=look)
    short = _below_since(look)
    look = replace(look, below_since=short, turned=short)
    gaps += blind_series({"CPUUtilization": look.cpu})
    gaps += series.silent(look)
    return replace(look, gaps=tuple(gaps))


def _absent(error: BlindError) -> BlindError:
    """There is no such group: nothing replaces its instances, unless the name is misspelled."""
    return absent(
        error,
        _GONE,
        severity=Severity.CRITICAL,
        hint=error.hint or "check the group's name and region in the configuration",
    )


async def _activities(aws: AwsReads, name: str) -> tuple[ScalingActivity, ...]:
    """The newest hundred. Without a name the call would ask for those of the whole account."""
    answer = await aws.read(
        _SERVICE,
        "DescribeScalingActivities",
        expect="Activities",
        AutoScalingGroupName=name,
        MaxRecords=100,
    )
    return activities_of(answers_into(answer["Activities"], GroupActivityRow))


async def _policies(aws: AwsReads, name: str) -> tuple[ScalingPolicy, ...]:
    rows = await aws.pages(
        _SERVICE, "DescribePolicies", key="ScalingPolicies", AutoScalingGroupName=name
    )
    return tuple(map(policy_of, answers_into(rows, ScalingPolicyRow)))


async def _refreshes(aws: AwsReads, name: str) -> tuple[Refresh, ...]:
    answer = await aws.read(
        _SERVICE,
        "DescribeInstanceRefreshes",
        expect="InstanceRefreshes",
        AutoScalingGroupName=name,
        MaxRecords=5,
    )
    return tuple(map(refresh_of, answers_into(answer["InstanceRefreshes"], RefreshRow)))


async def _alarms(aws: AwsReads, look: Snapshot) -> tuple[ScalingAlarm, ...]:
    """The alarms that its policies name; one that was deleted is left out of the answer."""
    names = sorted({name for policy in look.policies or () for name in policy.alarms})[:100]
    if not names:
        return ()
    answer = await aws.read(
        "cloudwatch",
        "DescribeAlarms",
        expect="MetricAlarms",
        AlarmNames=names,
        AlarmTypes=["MetricAlarm"],
        MaxRecords=100,
    )
    return tuple(map(alarm_of, answers_into(answer["MetricAlarms"], AlarmRow)))


async def _hooks(aws: AwsReads, name: str) -> tuple[Hook, ...]:
    answer = await aws.read(
        _SERVICE, "DescribeLifecycleHooks", expect="LifecycleHooks", AutoScalingGroupName=name
    )
    return tuple(map(hook_of, answers_into(answer["LifecycleHooks"], HookRow)))


def _with_waits(look: Snapshot) -> Snapshot:
    """Since when instances wait, by the activity that brings or takes them."""
    began = {
        each.instance: each.at
        for each in look.activities or ()
        if each.status == "MidLifecycleAction" and each.instance
    }
    return replace(
        look,
        members=tuple(replace(m, waiting_since=began.get(m.id)) for m in look.members),
        warm=tuple(replace(m, waiting_since=began.get(m.id)) for m in look.warm),
    )


def _below_since(look: Snapshot) -> datetime | None:
    """What one look can tell: the oldest launch that has failed since the last good one."""
    if not in_service.is_below(look):
        return None
    tried = [each for each in look.activities or () if each.launches]
    good = next((n for n, each in enumerate(tried) if each.status == "Successful"), len(tried))
    return min((each.at for each in tried[:good]), default=None)


def since(before: Snapshot, now: Snapshot) -> Snapshot:
    """Carry over since when too little serves, and since when instances wait: what was so at the
    first look has been for an unknown time.
    """
    waited = {m.id: m.waiting_since or before.at for m in waiting(before)}
    now = replace(now, members=_waited(now.members, waited), warm=_waited(now.warm, waited))
    if not in_service.is_below(now):
        return replace(now, below_since=None, turned=None)
    if in_service.is_below(before):
        turned = before.turned or now.turned
        since = before.below_since or now.below_since or before.at
        return replace(now, below_since=since, turned=turned)
    turned = now.turned or seen_to_turn(before.at, now.at)
    return replace(now, below_since=now.below_since or now.at, turned=turned)


def _waited(members: Iterable[Member], waited: Mapping[str, datetime]) -> tuple[Member, ...]:
    return tuple(
        replace(each, waiting_since=each.waiting_since or waited.get(each.id)) for each in members
    )


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Report why nothing launches, how much serves, then what keeps it from following the load.

    The first of equals is what a suspect is named by and whose runbook is shown: more capacity
    helps nobody while launches fail.
    """
    yield from in_service.going(snapshot, settings)
    yield from launches.failing(snapshot, settings)
    yield from in_service.below(snapshot, settings)
    yield from in_service.zero(snapshot, settings)
    yield from launches.other_failures(snapshot, settings)
    yield from replacing.loop(snapshot, settings)
    yield from replacing.stuck(snapshot, settings)
    yield from replacing.refreshes(snapshot, settings)
    yield from replacing.states(snapshot, settings)
    yield from scaling.suspended(snapshot, settings)
    yield from scaling.deaf(snapshot, settings)
    yield from scaling.busy(snapshot, settings)
    yield from in_service.zones(snapshot, settings)
    yield from in_service.review(snapshot, settings)
    yield from in_service.scaled(snapshot, settings)
    yield from partly_blind("ASG_OBS_BLIND", snapshot.gaps)


KIND = aws_kind("autoscaling_group", "asg")

PROBE = Probe(
    id="autoscaling_group.capacity",
    kind="autoscaling_group",
    collect=collect,
    diagnose=diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=30,
    timeout=15,
    facts=view.facts,
    tables=view.tables,
    changes=view.changes,
    since=since,
    twice=False,
    needs=(
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeScalingActivities",
        "autoscaling:DescribePolicies",
        "autoscaling:DescribeInstanceRefreshes",
        "autoscaling:DescribeLifecycleHooks",
        "cloudwatch:DescribeAlarms",
        "cloudwatch:GetMetricData",
        "elasticloadbalancing:DescribeTargetGroups",
    ),
    codes=codes(
        cause=("ASG_ZERO", _GONE, "ASG_LAUNCH_FAILING", "ASG_REFRESH_FAILED"),
        event=("ASG_REFRESH_RUNNING",),
        either=(
            "ASG_ACTIVITY_FAILED",
            "ASG_REPLACEMENT_LOOP",
            "ASG_LIFECYCLE_STUCK",
            "ASG_SCALING_SUSPENDED",
            "ASG_NOT_REACTING",
            "ASG_AT_MAX",
            "EC2_CPU_SATURATED",
        ),
        symptom=("ASG_BELOW_DESIRED", "ASG_AZ_IMBALANCE"),
        risk=("ASG_INSTANCE_RETAINED", "ASG_SINGLE_AZ", "ASG_ELB_CHECK_OFF", "ASG_SCALED_RECENTLY"),
        eye=("ASG_STATUS_UNKNOWN", "ASG_OBS_BLIND"),
        traits={
            Trait.LOAD: ("ASG_NOT_REACTING", "ASG_AT_MAX", "EC2_CPU_SATURATED"),
            Trait.CEILING: ("ASG_AT_MAX",),
        },
    ),
)
