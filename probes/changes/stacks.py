"""CloudFormation: stacks that moved lately, and why one failed."""

from __future__ import annotations

from datetime import datetime

from cockpit.connect.aws.answer import Answer, GivenText, answers_into
from cockpit.connect.session import AwsReads
from cockpit.text import SafeText
from probes.answers import Gap, attempt
from probes.changes.model import RolloutState

_STACKS = 3
_LIVING_STACKS = [
    f"{verb}_{end}"
    for verb in ("CREATE", "UPDATE", "ROLLBACK", "DELETE", "IMPORT")
    for end in ("IN_PROGRESS", "COMPLETE", "FAILED")
] + [
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_FAILED", "UPDATE_ROLLBACK_IN_PROGRESS",
    "UPDATE_ROLLBACK_FAILED", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_IN_PROGRESS", "IMPORT_ROLLBACK_FAILED",
    "IMPORT_ROLLBACK_COMPLETE",
]  # fmt: skip


class StackRow(Answer, frozen=True):
    """One of `ListStacks`."""

    of = "cloudformation.StackSummary"

    stack_name: GivenText
    stack_status: GivenText
    stack_status_reason: SafeText = ""
    creation_time: datetime | None = None
    last_updated_time: datetime | None = None
    deletion_time: datetime | None = None


class StackEventRow(Answer, frozen=True):
    """One of `DescribeStackEvents`, newest first."""

    of = "cloudformation.StackEvent"

    logical_resource_id: SafeText = ""
    resource_type: SafeText = ""
    resource_status: SafeText = ""
    resource_status_reason: SafeText = ""
    timestamp: datetime | None = None


async def stacks(aws: AwsReads, start: datetime, gaps: list[Gap]) -> tuple[RolloutState, ...]:
    """CloudFormation's stacks that moved since then; of those that failed the first failure."""
    rows = await aws.pages(
        "cloudformation",
        "ListStacks",
        key="StackSummaries",
        StackStatusFilter=sorted(set(_LIVING_STACKS)),
    )
    moved = []
    for row in answers_into(rows, StackRow):
        times = (row.last_updated_time, row.deletion_time, row.creation_time)
        newest = max((time for time in times if time is not None), default=None)
        if newest is not None and (newest >= start or row.stack_status.endswith("_FAILED")):
            moved.append((newest, row))
    moved.sort(key=lambda pair: pair[0], reverse=True)
    bad = [
        row for _, row in moved if "ROLLBACK" in row.stack_status or "FAILED" in row.stack_status
    ]
    reasons = {}
    for row in bad[:_STACKS]:
        reason = _why(aws, row.stack_name)
        reasons[row.stack_name] = await attempt(gaps, "stack events", reason, otherwise="")
    return tuple(
        RolloutState(
            kind="cloudformation.stack",
            name=row.stack_name,
            status=row.stack_status,
            began=began,
            reason=reasons.get(row.stack_name) or row.stack_status_reason,
        )
        for began, row in moved
    )


async def _why(aws: AwsReads, stack: str) -> str:
    """The first failure of the newest operation: what comes after it are its consequences."""
    answer = await aws.read(
        "cloudformation", "DescribeStackEvents", expect="StackEvents", StackName=stack
    )
    first = ""
    for row in answers_into(answer["StackEvents"], StackEventRow):  # newest first
        if row.resource_type == "AWS::CloudFormation::Stack" and row.resource_status in {
            "UPDATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "DELETE_IN_PROGRESS",
        }:  # fmt: skip
            break
        if row.resource_status.endswith("_FAILED") and row.resource_status_reason:
            first = f"{row.logical_resource_id}: {row.resource_status_reason}"
    return first
