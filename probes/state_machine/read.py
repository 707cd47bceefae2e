"""What is read of Step Functions' answers, and as which value of the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from cockpit.connect.aws.answer import Answer, GivenText
from cockpit.text import SafeText, visible
from probes.denials import DeniedAction, denied_actions
from probes.state_machine.model import ErrorCount, MachineExecution

_CAUSE = 300


class MachineRow(Answer, frozen=True, rename="camel"):
    """A state machine, without its definition."""

    of = "stepfunctions.DescribeStateMachineOutput"
    state_machine_arn: GivenText
    name: GivenText
    status: SafeText = ""
    type: SafeText = ""
    revision_id: SafeText = ""


class ExecutionRow(Answer, frozen=True, rename="camel"):
    """An execution in a list."""

    of = "stepfunctions.ExecutionListItem"
    execution_arn: GivenText
    start_date: datetime
    name: SafeText = ""
    status: SafeText = ""
    stop_date: datetime | None = None
    state_machine_version_arn: SafeText = ""
    redrive_count: int = 0


class EndedRow(Answer, frozen=True, rename="camel"):
    """How one execution ended."""

    of = "stepfunctions.DescribeExecutionOutput"
    error: SafeText = ""
    cause: SafeText = ""
    redrive_status: SafeText = ""
    redrive_status_reason: SafeText = ""


def execution_of(row: ExecutionRow) -> MachineExecution:
    """The execution, without how it ended."""
    return MachineExecution(
        arn=row.execution_arn,
        name=row.name or row.execution_arn.rpartition(":")[2],
        status=row.status,
        started=row.start_date,
        stopped=row.stop_date,
        version=row.state_machine_version_arn.rpartition(":")[2],
        redrives=row.redrive_count,
    )


def errors_of(executions: Iterable[MachineExecution]) -> tuple[ErrorCount, ...]:
    """The errors of those that were read, the most frequent first."""
    known = [each for each in executions if each.error]
    counts = Counter(each.error for each in known)
    causes = {each.error: each.cause for each in reversed(known)}
    return tuple(
        ErrorCount(error=error, count=number, cause=visible(causes[error], _CAUSE))
        for error, number in counts.most_common(5)
    )


def denials_of(executions: Iterable[MachineExecution]) -> tuple[DeniedAction, ...]:
    """What AWS refused, by action and resource, the most frequent first."""
    return denied_actions(each.cause for each in executions)
