"""Auto Scaling: what it did, instance refreshes, and groups whose launches fail."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime

from cockpit.connect.aws.answer import Answer, GivenText, answers_into
from cockpit.connect.session import AwsReads
from cockpit.text import SafeText
from cockpit.triage.changes import SERVICE
from probes.answers import Gap, attempt
from probes.changes.model import Happening, RolloutState, ScalingGroup

_GROUPS = 10


class ScalingActivityRow(Answer, frozen=True):
    """One of `DescribeScalingActivities`."""

    of = "autoscaling.Activity"

    activity_id: SafeText = ""
    auto_scaling_group_name: SafeText = ""
    description: SafeText = ""
    cause: SafeText = ""
    start_time: datetime | None = None
    end_time: datetime | None = None
    status_code: SafeText = ""
    status_message: SafeText = ""


class GroupInstanceRow(Answer, frozen=True):
    """An instance of a group."""

    lifecycle_state: SafeText = ""


class ScaledGroupRow(Answer, frozen=True):
    """One of `DescribeAutoScalingGroups`."""

    of = "autoscaling.AutoScalingGroup"

    auto_scaling_group_name: GivenText
    min_size: int = 0
    desired_capacity: int = 0
    instances: tuple[GroupInstanceRow, ...] = ()


class ScaledRefreshRow(Answer, frozen=True):
    """One of `DescribeInstanceRefreshes`."""

    of = "autoscaling.InstanceRefresh"

    instance_refresh_id: SafeText = ""
    auto_scaling_group_name: SafeText = ""
    status: SafeText = ""
    status_reason: SafeText = ""
    start_time: datetime | None = None
    end_time: datetime | None = None
    percentage_complete: int | None = None


async def scaling(
    aws: AwsReads, start: datetime, gaps: list[Gap]
) -> tuple[tuple[Happening, ...], tuple[RolloutState, ...], tuple[ScalingGroup, ...]]:
    """Auto Scaling's activities, instance refreshes, and groups whose launches fail."""
    rows = await aws.pages(
        "autoscaling", "DescribeAutoScalingGroups", key="AutoScalingGroups", MaxRecords=100
    )
    groups = answers_into(rows, ScaledGroupRow)
    if not groups:
        return (), (), ()
    answer = await aws.read(
        "autoscaling", "DescribeScalingActivities", expect="Activities", MaxRecords=100
    )
    recent = [
        each
        for each in answers_into(answer["Activities"], ScalingActivityRow)
        if each.start_time is not None and each.start_time >= start
    ]
    names = list(dict.fromkeys(each.auto_scaling_group_name for each in recent))[:_GROUPS]
    refreshes = await attempt(gaps, "instance refreshes", _refreshes(aws, names), otherwise=())
    told = tuple(
        Happening(
            at=each.start_time,
            kind="autoscaling.scaling",
            resource=each.auto_scaling_group_name,
            summary=_activity(each),
            source="autoscaling.DescribeScalingActivities",
            by=SERVICE,
            failed=(each.status_message or "failed") if each.status_code == "Failed" else "",
            details=tuple(filter(None, (each.cause, each.status_message))),
        )
        for each in recent
        if each.start_time is not None
    )
    return told, tuple(map(_refresh, refreshes)), _failing(groups, recent)


def _activity(row: ScalingActivityRow) -> str:
    end = "" if row.status_code in {"Successful", ""} else f" ({row.status_code})"
    return f"{row.auto_scaling_group_name}: {row.description}{end}"


def _failing(
    groups: Iterable[ScaledGroupRow], recent: Sequence[ScalingActivityRow]
) -> tuple[ScalingGroup, ...]:
    found = []
    for group in groups:
        failed = tuple(
            (each.start_time, each.status_message or each.description)
            for each in recent
            if each.auto_scaling_group_name == group.auto_scaling_group_name
            and each.status_code == "Failed"
            and each.start_time is not None
            and "Launching" in each.description
        )
        if failed:
            serving = sum(each.lifecycle_state == "InService" for each in group.instances)
            name = group.auto_scaling_group_name
            found.append(ScalingGroup(name=name, least=group.min_size, in_service=serving,
                                      failed=failed))  # fmt: skip
    return tuple(found)


async def _refreshes(aws: AwsReads, names: Sequence[str]) -> tuple[ScaledRefreshRow, ...]:
    answers = await asyncio.gather(
        *(
            aws.read(
                "autoscaling",
                "DescribeInstanceRefreshes",
                expect="InstanceRefreshes",
                AutoScalingGroupName=name,
                MaxRecords=1,
            )
            for name in names
        )
    )
    return tuple(
        row for each in answers for row in answers_into(each["InstanceRefreshes"], ScaledRefreshRow)
    )


def _refresh(row: ScaledRefreshRow) -> RolloutState:
    done = f"{row.percentage_complete}% done" if row.percentage_complete is not None else ""
    return RolloutState(
        kind="autoscaling.refresh",
        name=row.auto_scaling_group_name,
        status=row.status,
        began=row.start_time,
        ended=row.end_time,
        reason=row.status_reason or done,
    )
