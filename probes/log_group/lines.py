"""One log group: what its lines of errors tell, whether that is new, and whether any come at all.

Source: CloudWatch Logs `DescribeLogGroups`, `FilterLogEvents`, `DescribeSubscriptionFilters`;
CloudWatch `AWS/Logs`. The last five minutes are read at each look, at most three thousand lines of
errors; the hours before only when there is something to compare, in seven short spans. Nothing of
it is charged by the line, and no line is kept: numbers and shapes are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from cockpit import clock
from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.settings import LogGroupSettings
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError
from cockpit.logs.source import LogSource
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Probe
from cockpit.triage.target import Target
from probes.answers import Gap, absent, attempt, blind_series, nothing_read, partly_blind
from probes.log_group import flow, troubles, view
from probes.log_group.model import Snapshot
from probes.log_group.read import delivered, errors, group, measured, name_of, nothing_came
from probes.log_group.settings import Settings
from probes.metrics import total

_MISSING = "LOG_GROUP_MISSING"
_LAMBDA = "/aws/lambda/"
_SILENT = 10.0
_REMEMBERED = timedelta(hours=1)


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Read the group, then how much comes in, its errors, and its subscriptions at once."""
    settings = target.settings
    assert isinstance(settings, LogGroupSettings)
    at = clock.now()
    name = name_of(settings.id)
    try:
        look = await group(aws, name, at)
    except BlindError as error:
        raise _absent(error) from error
    default = name.removeprefix(_LAMBDA) if name.startswith(_LAMBDA) else ""
    look = replace(look, function=settings.function or default)
    gaps: list[Gap] = []
    flow_of, told, deliveries = await asyncio.gather(
        attempt(gaps, "metrics", measured(aws, look), otherwise=None),
        attempt(gaps, "log lines", errors(aws, look, settings.errors, gaps), otherwise=look),
        attempt(gaps, "subscriptions", delivered(aws, look), otherwise=()),
    )
    if flow_of is None and not told.lines_read:
        raise nothing_read(gaps)
    if flow_of is not None:
        told = replace(told, events=flow_of.events, size=flow_of.size, called=flow_of.called)
        gaps += blind_series({"IncomingLogEvents": told.events, "Invocations": told.called})
    look = replace(told, deliveries=deliveries)
    if look.lines_read and not look.read and not total(flow.quiet(look, _SILENT)):
        silent = nothing_came(aws, look, _SILENT)
        found = await attempt(gaps, "log lines", silent, otherwise=None)
        look = replace(look, confirmed_silent=found)
    return replace(look, gaps=tuple(gaps))


def _absent(error: BlindError) -> BlindError:
    """There is no log group of this name: whoever should write to it is not seen, unless the name
    is misspelled here.
    """
    return absent(
        error,
        _MISSING,
        severity=Severity.WARNING,
        hint=error.hint or "check the group's name and region; a group is made by the first line",
    )


async def logs(aws: AwsReads, snapshot: Snapshot, target: Target) -> tuple[LogSource, ...]:
    """The group itself."""
    assert isinstance(target.settings, LogGroupSettings)
    return (LogSource(group=snapshot.name, errors=target.settings.errors),)


def since(before: Snapshot, now: Snapshot) -> Snapshot:
    """Carry over which patterns are new: five minutes on, the hour before has them itself."""
    known = {
        (each.kind, each.shape): each.new_since
        for each in before.patterns
        if each.new_since is not None and now.at - each.new_since < _REMEMBERED
    }
    return replace(
        now,
        patterns=tuple(
            replace(each, new_since=known.get((each.kind, each.shape), each.new_since))
            for each in now.patterns
        ),
    )


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Report what lines tell, what is new in them, and whether they come."""
    yield from troubles.memory(snapshot, settings)
    yield from troubles.denied(snapshot, settings)
    yield from troubles.pool(snapshot, settings)
    yield from troubles.timeouts(snapshot, settings)
    yield from troubles.throttled(snapshot, settings)
    yield from troubles.null_field(snapshot, settings)
    yield from flow.rising(snapshot, settings)
    yield from flow.new_patterns(snapshot, settings)
    yield from flow.silent(snapshot, settings)
    yield from flow.delivery(snapshot, settings)
    yield from partly_blind("LOG_OBS_BLIND", snapshot.gaps)


KIND = aws_kind("log_group", "log", settings=LogGroupSettings)

PROBE = Probe(
    id="log_group.lines",
    kind="log_group",
    collect=collect,
    diagnose=diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=60,
    timeout=30,
    facts=view.facts,
    tables=view.tables,
    since=since,
    twice=False,
    logs=logs,
    needs=(
        "logs:DescribeLogGroups",
        "logs:FilterLogEvents",
        "cloudwatch:GetMetricData",
        "logs:DescribeSubscriptionFilters",
        "cloudwatch:ListMetrics",
        "logs:GetLogEvents",
        "logs:StartQuery",
        "logs:GetQueryResults",
        "logs:StopQuery",
    ),
    codes=codes(
        cause=("LOG_OOM",),
        either=("LOG_ACCESS_DENIED", "LOG_DB_POOL", "LOG_NULL_FIELD"),
        symptom=(
            "LOG_TIMEOUT",
            "LOG_THROTTLED",
            "LOG_ERRORS_RISING",
            "LOG_NEW_PATTERN",
            "LOG_SILENT",
            "LOG_DELIVERY_FAILING",
        ),
        eye=(_MISSING, "LOG_OBS_BLIND"),
        traits={
            Trait.SLOW_BURN: ("LOG_OOM",),
            Trait.SAYS_DROP: ("LOG_SILENT",),
            Trait.BY_RELEASE: ("LOG_OOM",),
        },
    ),
)
