"""Where a state machine writes its history, when it writes one.

Source: Step Functions Developer Guide, "Logging in CloudWatch Logs".
"""

from __future__ import annotations

from cockpit.connect.aws.answer import Answer, answer_into
from cockpit.connect.session import AwsReads
from cockpit.logs.source import LogSource, group_of
from cockpit.text import SafeText
from cockpit.triage.target import Target
from probes.state_machine.model import Snapshot

_ERRORS = '{ ($.type = "*Failed") || ($.type = "*TimedOut") || ($.type = "*Aborted") }'
"""Names of the events that end badly; their details are in the same line."""


class LogGroupDestination(Answer, frozen=True, rename="camel"):
    """A log group."""

    log_group_arn: SafeText = ""


class MachineLogDestination(Answer, frozen=True, rename="camel"):
    """One of `destinations[]`."""

    cloud_watch_logs_log_group: LogGroupDestination = LogGroupDestination()


class MachineLogging(Answer, frozen=True, rename="camel"):
    """What is written, and where to."""

    level: SafeText = ""
    destinations: tuple[MachineLogDestination, ...] = ()


class LoggingMachine(Answer, frozen=True, rename="camel"):
    """A state machine by what it logs."""

    of = "stepfunctions.DescribeStateMachineOutput"
    logging_configuration: MachineLogging = MachineLogging()


async def logs(aws: AwsReads, snapshot: Snapshot, target: Target) -> tuple[LogSource, ...]:
    """The group of its history. Raises `BlindError`."""
    answer = await aws.read(
        "stepfunctions",
        "DescribeStateMachine",
        expect="stateMachineArn",
        stateMachineArn=snapshot.arn,
        includedData="METADATA_ONLY",
    )
    told = answer_into(answer, LoggingMachine).logging_configuration
    arns = (each.cloud_watch_logs_log_group.log_group_arn for each in told.destinations)
    groups = dict.fromkeys(filter(None, map(group_of, arns)))
    if not groups or told.level == "OFF":
        return (LogSource(group="", label=snapshot.name, why="its logging is off"),)
    return tuple(LogSource(group=each, errors=_ERRORS) for each in groups)
