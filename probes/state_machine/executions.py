"""One state machine: how its executions end, why, and what holds them up.

Source: Step Functions `DescribeStateMachine`, `ListExecutions`, `DescribeExecution`; CloudWatch
`AWS/States`. `GetExecutionHistory` is never asked: it holds the customer's data.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

from cockpit import clock
from cockpit.connect.aws.answer import answer_into, answers_into
from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError
from cockpit.text import visible
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Probe
from cockpit.triage.target import Target
from probes.answers import Gap, absent, attempt, blind_series, partly_blind
from probes.metrics import NO_DATA, query, total
from probes.state_machine import findings, view
from probes.state_machine.logs import logs
from probes.state_machine.model import MachineExecution, Snapshot, now
from probes.state_machine.read import (
    EndedRow,
    ExecutionRow,
    MachineRow,
    denials_of,
    errors_of,
    execution_of,
)
from probes.state_machine.settings import Settings

_SPACE = "AWS/States"
_SERIES = {
    "starts": ("ExecutionsStarted", "Sum"),
    "succeeded": ("ExecutionsSucceeded", "Sum"),
    "failures": ("ExecutionsFailed", "Sum"),
    "timeouts": ("ExecutionsTimedOut", "Sum"),
    "aborts": ("ExecutionsAborted", "Sum"),
    "throttled": ("ExecutionThrottled", "Sum"),
    "duration": ("ExecutionTime", "p95"),
}
_LISTED = 100
_READ = 5
"""Failed executions that are read for their error."""
_CAUSE = 500
_MISSING = "SFN_MACHINE_MISSING"


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Read the machine and its metrics, then how the newest failed executions ended."""
    settings = target.settings
    assert isinstance(settings, AwsResource)
    at = clock.now()
    try:
        answer = await aws.read(
            "stepfunctions",
            "DescribeStateMachine",
            expect="stateMachineArn",
            stateMachineArn=settings.id,
            includedData="METADATA_ONLY",
        )
    except BlindError as error:
        raise _absent(error) from error
    row = answer_into(answer, MachineRow)
    look = Snapshot(
        at=at,
        name=row.name,
        arn=row.state_machine_arn,
        status=row.status,
        type=row.type,
        revision=row.revision_id,
    )
    gaps: list[Gap] = []
    look = await attempt(gaps, "metrics", _measured(aws, look), otherwise=look)
    if look.type != "EXPRESS":
        look = await attempt(gaps, "executions", _listed(aws, look), otherwise=look)
        look = await attempt(gaps, "errors of executions", _explained(aws, look), otherwise=look)
    gaps += blind_series({name: getattr(look, name) for name in _SERIES})
    return replace(look, gaps=tuple(gaps))


def _absent(error: BlindError) -> BlindError:
    """There is no such state machine: nothing can be started, unless its ARN is misspelled here."""
    return absent(
        error,
        _MISSING,
        severity=Severity.CRITICAL,
        hint=error.hint or "check the state machine's ARN in the configuration",
    )


async def _measured(aws: AwsReads, look: Snapshot) -> Snapshot:
    """The look with three hours of its series."""
    asked = {n: query(_SPACE, *each, StateMachineArn=look.arn) for n, each in _SERIES.items()}
    series = await aws.metrics(tuple(asked.values()), minutes=185)
    found = {name: series.get(each, NO_DATA) for name, each in asked.items()}
    return replace(look, **found)  # type: ignore[arg-type]


async def _listed(aws: AwsReads, look: Snapshot) -> Snapshot:
    """The look with its newest failed executions, and those that run: one page each.

    Lists are newest first: of more than a page of running ones the oldest is not known.
    """
    wanted = ["RUNNING"]
    if total(now(look, look.failures)) or not look.failures.times:
        wanted.append("FAILED")
    if total(now(look, look.timeouts)):
        wanted.append("TIMED_OUT")
    pages = await asyncio.gather(*(_page(aws, look, status) for status in wanted))
    running, more = pages[0]
    failed = [each for page, _ in pages[1:] for each in page]
    recent = [e for e in failed if (look.at - (e.stopped or e.started)).total_seconds() <= 3600]
    recent.sort(key=lambda each: each.stopped or each.started, reverse=True)
    return replace(
        look,
        listed=True,
        running=len(running),
        running_more=more,
        oldest=None if more else min(running, key=lambda e: e.started, default=None),
        failed=tuple(recent[:20]),
    )


async def _page(aws: AwsReads, look: Snapshot, status: str) -> tuple[list[MachineExecution], bool]:
    answer = await aws.read(
        "stepfunctions",
        "ListExecutions",
        expect="executions",
        stateMachineArn=look.arn,
        statusFilter=status,
        maxResults=_LISTED,
    )
    rows = answers_into(answer["executions"], ExecutionRow)
    return [execution_of(row) for row in rows], bool(answer.get("nextToken"))


async def _explained(aws: AwsReads, look: Snapshot) -> Snapshot:
    """The look with the errors of its newest failed executions."""
    first, rest = look.failed[:_READ], look.failed[_READ:]
    told = tuple(await asyncio.gather(*(_ended(aws, each) for each in first)))
    return replace(
        look,
        failed=(*told, *rest),
        errors=errors_of(told),
        denials=denials_of(told),
        redrivable=next((each for each in told if each.redrive == "REDRIVABLE"), None),
    )


async def _ended(aws: AwsReads, execution: MachineExecution) -> MachineExecution:
    """With its error and cause; input and output are dropped where the answer comes in."""
    answer = await aws.read(
        "stepfunctions",
        "DescribeExecution",
        expect="executionArn",
        executionArn=execution.arn,
    )
    row = answer_into(answer, EndedRow)
    redrive = row.redrive_status
    if redrive and redrive != "REDRIVABLE":
        redrive = f"{redrive}: {row.redrive_status_reason}".rstrip(": ")
    cause = visible(row.cause, _CAUSE)
    return replace(execution, error=row.error, cause=cause, redrive=redrive)


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Report how executions end, then what holds them up."""
    yield from findings.status(snapshot, settings)
    yield from findings.failures(snapshot, settings)
    yield from findings.denied(snapshot, settings)
    yield from findings.slow(snapshot, settings)
    yield from findings.limits(snapshot, settings)
    yield from findings.silence(snapshot, settings)
    yield from partly_blind("SFN_OBS_BLIND", snapshot.gaps)


KIND = aws_kind("state_machine", "sfn")

PROBE = Probe(
    id="state_machine.executions",
    kind="state_machine",
    collect=collect,
    diagnose=diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=60,
    timeout=15,
    facts=view.facts,
    tables=view.tables,
    logs=logs,
    needs=(
        "states:DescribeStateMachine",
        "cloudwatch:GetMetricData",
        "states:ListExecutions",
        "states:DescribeExecution",
        "logs:FilterLogEvents",
        "logs:GetLogEvents",
    ),
    codes=codes(
        cause=(_MISSING, "SFN_DELETING"),
        event=("SFN_ABORTED",),
        either=("SFN_ACCESS_DENIED", "SFN_THROTTLED"),
        symptom=(
            "SFN_RUNNING_LONG",
            "SFN_SLOW",
            "SFN_ALL_FAILING",
            "SFN_FAILURE_RATE",
            "SFN_NOT_STARTED",
        ),
        eye=("SFN_STATUS_UNKNOWN", "SFN_OBS_BLIND"),
        traits={Trait.LOAD: ("SFN_THROTTLED",), Trait.SAYS_DROP: ("SFN_NOT_STARTED",)},
    ),
)
