"""One Lambda function: does it answer, why not, and what changed.

Source: Lambda `GetFunctionConfiguration`, `GetFunctionConcurrency`, `ListAliases`, CloudWatch
`AWS/Lambda`; its log group for memory and the reasons of errors; CloudTrail for where the alias
pointed before. `GetFunction` is never asked: it hands out a signed URL of the code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace

from cockpit import clock
from cockpit.connect.aws.answer import answer_into, answers_into
from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from cockpit.logs.source import LogSource
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Neighbour, Probe
from cockpit.triage.target import Target
from probes.answers import Gap, absent, attempt, blind_series, partly_blind
from probes.lambda_function import (
    events,
    invocations,
    limits,
    memory,
    releases,
    series,
    state,
    view,
)
from probes.lambda_function.besides import (
    called_by,
    destination,
    kept_ready,
    logged_by,
    named_before,
    sources,
)
from probes.lambda_function.model import Alias, Concurrency, EventSource, Snapshot
from probes.lambda_function.read import (
    AccountLimit,
    AliasRow,
    FunctionRow,
    alias_of,
    name_of,
    snapshot_of,
)
from probes.lambda_function.settings import Settings
from probes.metrics import peak, settled

_UNRESERVED = 100
"""Of the account's pool, which AWS lets nobody reserve."""
_MISSING = "LAMBDA_FUNCTION_MISSING"


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Read the configuration, then all else at once; only the configuration is a must."""
    settings = target.settings
    assert isinstance(settings, AwsResource)
    at = clock.now()
    name, qualifier = name_of(settings.id)
    asked = {"FunctionName": name} | ({"Qualifier": qualifier} if qualifier else {})
    try:
        answer = await aws.read(
            "lambda", "GetFunctionConfiguration", expect="FunctionName", **asked
        )
    except BlindError as error:
        raise _absent(error) from error
    look = snapshot_of(answer_into(answer, FunctionRow), at, qualifier)
    gaps: list[Gap] = []
    measured, reserved, limit, aliases = await asyncio.gather(
        attempt(gaps, "metrics", series.measured(aws, look), otherwise=look),
        attempt(gaps, "reserved concurrency", _reserved(aws, name), otherwise=-1),
        attempt(gaps, "account limits", _limit(aws), otherwise=AccountLimit()),
        attempt(gaps, "aliases", _aliases(aws, name), otherwise=()),
    )
    look = replace(
        measured,
        reserved=None if reserved == -1 else reserved,
        reserved_known=reserved != -1,
        account_limit=limit.concurrent_executions,
        unreserved_limit=limit.unreserved_concurrent_executions,
        aliases=aliases,
        alias=_alias(aliases, qualifier),
        reservable=_reservable(limit, None if reserved == -1 else reserved),
    )
    look = await _explained(aws, look, gaps)
    gaps += blind_series({n: getattr(look, n) for n in ("invocations", "errors", "throttles")})
    return replace(look, gaps=tuple(gaps))


async def _explained(aws: AwsReads, look: Snapshot, gaps: list[Gap]) -> Snapshot:
    """The look with what is asked for only in trouble: causes, lines, callers, history."""
    mappings = await attempt(gaps, "event sources", sources(aws, look), otherwise=())
    look = replace(
        look,
        mappings=mappings,
        paused=next((each for each in mappings if each.state == "Disabled"), None),
        polled=_only([each for each in mappings if each.state == "Enabled"]),
    )
    look = await attempt(gaps, "metrics", series.explained(aws, look), otherwise=look)
    metrics_known = not any(gap.what == "metrics" for gap in gaps)
    look = await attempt(gaps, "log lines", logged_by(aws, look, metrics_known), otherwise=look)
    look = await attempt(gaps, "destinations", destination(aws, look), otherwise=look)
    look = await attempt(gaps, "alias history", named_before(aws, look), otherwise=look)
    if metrics_known and series.is_silent(look):
        look = await attempt(gaps, "callers", called_by(aws, look), otherwise=look)
    return await attempt(gaps, "provisioned concurrency", kept_ready(aws, look), otherwise=look)


def _absent(error: BlindError) -> BlindError:
    """There is no such function, alias or version: every call of it fails, unless the name is
    misspelled here.
    """
    return absent(
        error,
        _MISSING,
        severity=Severity.CRITICAL,
        hint=error.hint or "check name, alias and region in the configuration; who deleted it?",
    )


async def _reserved(aws: AwsReads, name: str) -> int | None:
    answer = await aws.read("lambda", "GetFunctionConcurrency", FunctionName=name)
    value = answer.get("ReservedConcurrentExecutions")
    if value is None:
        return None
    if not isinstance(value, int):
        raise BlindError(Reason.UNREADABLE, "the reserved concurrency is no number")
    return value


def _reservable(limit: AccountLimit, reserved: int | None) -> int | None:
    pool = limit.unreserved_concurrent_executions
    return None if pool is None else max(0, pool + (reserved or 0) - _UNRESERVED)


def _only(sources: Sequence[EventSource]) -> EventSource | None:
    return sources[0] if len(sources) == 1 else None


async def _limit(aws: AwsReads) -> AccountLimit:
    answer = await aws.read("lambda", "GetAccountSettings", expect="AccountLimit")
    return answer_into(answer["AccountLimit"], AccountLimit)


async def _aliases(aws: AwsReads, name: str) -> tuple[Alias, ...]:
    rows = await aws.pages("lambda", "ListAliases", key="Aliases", FunctionName=name)
    return tuple(map(alias_of, answers_into(rows, AliasRow)))


def _alias(aliases: Sequence[Alias], qualifier: str) -> Alias | None:
    """The alias that is looked at; of a whole function its only one."""
    if qualifier:
        return next((each for each in aliases if each.name == qualifier), None)
    return aliases[0] if len(aliases) == 1 else None


async def logs(aws: AwsReads, snapshot: Snapshot, target: Target) -> tuple[LogSource, ...]:
    """The group that it is told to write to."""
    return (LogSource(group=snapshot.log_group),) if snapshot.log_group else ()


def since(before: Snapshot, now: Snapshot) -> Snapshot:
    """Carry over since when it moves, and which version the alias pointed to before we saw it go
    elsewhere: CloudTrail is up to fifteen minutes late.
    """
    same = (before.state, before.update) == (now.state, now.update)
    now = replace(now, moving_since=(before.moving_since or before.at) if same else now.at)
    was, is_ = before.alias, now.alias
    if now.previous_version or was is None or is_ is None or was.name != is_.name:
        return now
    if was.version != is_.version:
        known = "where it pointed when the cockpit looked before"
        return replace(now, previous_version=was.version, previous_known_by=known)
    return replace(
        now,
        previous_version=before.previous_version,
        previous_known_by=before.previous_known_by,
    )


def beside(snapshot: Snapshot, others: Sequence[Neighbour[Snapshot]]) -> Snapshot:
    """The look with who else takes concurrency from the same account and region."""
    place = snapshot.arn.split(":")[3:5]
    found = {
        each.snapshot.name: peak(settled(each.snapshot.concurrency, each.snapshot.at)) or 0.0
        for each in others
        if each.snapshot.arn.split(":")[3:5] == place and each.snapshot.name != snapshot.name
    }
    most = sorted(found.items(), key=lambda each: -each[1])[:5]
    return replace(snapshot, beside=tuple(Concurrency(name=n, most=v) for n, v in most))


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """InvocationReport what callers get first, then why, then what would help to know."""
    yield from invocations.errors(snapshot, settings)
    yield from limits.throttles(snapshot, settings)
    yield from limits.switched_off(snapshot, settings)
    yield from state.states(snapshot, settings)
    yield from state.kept_ready(snapshot, settings)
    yield from memory.out_of_memory(snapshot, settings)
    yield from invocations.timeouts(snapshot, settings)
    yield from state.denied(snapshot, settings)
    yield from invocations.silence(snapshot, settings)
    yield from events.backlog(snapshot, settings)
    yield from events.lost(snapshot, settings)
    yield from events.mappings(snapshot, settings)
    yield from events.recursion(snapshot, settings)
    yield from limits.account(snapshot, settings)
    yield from releases.canary(snapshot, settings)
    yield from releases.changed(snapshot, settings)
    yield from memory.cold(snapshot, settings)
    yield from state.review(snapshot, settings)
    yield from partly_blind("LAMBDA_OBS_BLIND", snapshot.gaps)


KIND = aws_kind("lambda_function", "fn")

PROBE = Probe(
    id="lambda_function.status",
    kind="lambda_function",
    collect=collect,
    diagnose=diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=60,
    timeout=20,
    facts=view.facts,
    tables=view.tables,
    changes=view.changes,
    since=since,
    beside=beside,
    twice=False,
    logs=logs,
    needs=(
        "lambda:GetFunctionConfiguration",
        "cloudwatch:GetMetricData",
        "logs:FilterLogEvents",
        "logs:GetLogEvents",
        "lambda:GetFunctionConcurrency",
        "lambda:GetAccountSettings",
        "lambda:ListAliases",
        "lambda:ListEventSourceMappings",
        "lambda:GetPolicy",
        "lambda:GetFunctionEventInvokeConfig",
        "lambda:ListProvisionedConcurrencyConfigs",
        "events:DescribeRule",
        "cloudtrail:LookupEvents",
        # steps of its runbooks
        "iam:ListAttachedRolePolicies",
        "iam:ListPolicyVersions",
    ),
    codes=codes(
        cause=(
            "LAMBDA_OOM",
            "LAMBDA_DISABLED_BY_CONCURRENCY",
            "LAMBDA_STATE_FAILED",
            _MISSING,
            "LAMBDA_CANARY_WORSE",
            "LAMBDA_MAPPING_DISABLED",
            "LAMBDA_RECURSION_STOPPED",
        ),
        either=(
            "LAMBDA_TIMEOUTS",
            "LAMBDA_DURATION_NEAR_TIMEOUT",
            "LAMBDA_THROTTLED",
            "LAMBDA_ACCOUNT_CONCURRENCY_HIGH",
            "LAMBDA_NOT_READY",
            "LAMBDA_ACCESS_DENIED",
            "LAMBDA_MAPPING_FAILING",
            "LAMBDA_COLD_STARTS",
        ),
        symptom=(
            "LAMBDA_ALL_FAILING",
            "LAMBDA_ERROR_RATE",
            "LAMBDA_NOT_INVOKED",
            "LAMBDA_ASYNC_BACKLOG",
            "LAMBDA_STREAM_BEHIND",
            "LAMBDA_EVENTS_LOST",
        ),
        risk=(
            "LAMBDA_MEMORY_HIGH",
            "LAMBDA_UPDATE_FAILED",
            "LAMBDA_VERSION_CHANGED",
            "LAMBDA_ALIAS_SHIFTING",
            "LAMBDA_NO_RESERVED_LIMIT",
            "LAMBDA_RUNTIME_DEPRECATED",
            "LAMBDA_NO_DLQ",
        ),
        eye=("LAMBDA_STATUS_UNKNOWN", "LAMBDA_OBS_BLIND"),
        traits={
            Trait.TAKES_A_LIMIT: ("LAMBDA_ACCOUNT_CONCURRENCY_HIGH",),
            Trait.LOAD: (
                "LAMBDA_THROTTLED",
                "LAMBDA_ACCOUNT_CONCURRENCY_HIGH",
                "LAMBDA_ASYNC_BACKLOG",
                "LAMBDA_STREAM_BEHIND",
                "LAMBDA_COLD_STARTS",
            ),
            Trait.SAYS_DROP: ("LAMBDA_NOT_INVOKED",),
        },
    ),
)
