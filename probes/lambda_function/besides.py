"""What is asked only when the first series show trouble: lines, callers, history, sources."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from cockpit.connect.aws.answer import answer_into, answers_into
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from cockpit.text import visible
from probes.lambda_function import lines
from probes.lambda_function.memory import cold_share
from probes.lambda_function.model import (
    EventSource,
    Pointed,
    ScheduleRule,
    Snapshot,
    error_rate,
    throttle_rate,
)
from probes.lambda_function.read import (
    InvokeConfigRow,
    MappingRow,
    ProvisionedRow,
    ScheduleRuleRow,
    callers_of,
    mapping_of,
    provisioned_of,
)
from probes.log_lines import log_lines
from probes.metrics import settled, total
from probes.trail import recorded

_LINES = 100
_ERRORS_BACK = 900.0
_RULES = 5
_ALIASES = 3
_COLD = 0.1
_REPORTS = 20
_UPDATE_ALIAS = "UpdateAlias20150331"
"""CloudTrail writes the version of Lambda's API into the name of the event."""


async def sources(aws: AwsReads, look: Snapshot) -> tuple[EventSource, ...]:
    """What Lambda polls for the function, and for the aliases that are looked at.

    Asked by name: a place may have thousands of mappings of others. A name without an alias leaves
    out what is polled for one, so each is asked for.
    """
    aliases = [look.qualifier] if look.qualifier else [each.name for each in look.aliases]
    names = [look.name, *(f"{look.name}:{each}" for each in aliases[:_ALIASES])]
    pages = await asyncio.gather(
        *(
            aws.pages(
                "lambda", "ListEventSourceMappings", key="EventSourceMappings", FunctionName=name
            )
            for name in names
        )
    )
    known = {row.id: row for page in pages for row in answers_into(page, MappingRow)}
    return tuple(mapping_of(known[id_]) for id_ in sorted(known))


async def logged_by(aws: AwsReads, look: Snapshot, metrics_known: bool) -> Snapshot:
    """The look with its newest REPORT lines, and with lines of errors where there are any.

    Answers come oldest first: the span is as long as the traffic makes a hundred reports likely.
    """
    done = total(settled(look.invocations, look.at))
    if not done and metrics_known and not error_rate(look).part:
        return replace(look, logs_read=True)
    span = min(900.0, max(60.0, _LINES * 300 / done)) if done else 900.0
    told = await _lines(aws, look, lines.REPORTS, span)
    reports = tuple(report for each in told if (report := lines.report_of(each)))[-_LINES:]
    look = replace(look, logs_read=True, reports=reports)
    if metrics_known and not error_rate(look).part:
        return look
    bad = await _lines(aws, look, lines.WANTED, _ERRORS_BACK)
    # ends in a timeout or an error, from before the span of the newest reports
    older = {report: None for each in bad if (report := lines.report_of(each))}
    known = sorted({**older, **dict.fromkeys(reports)}, key=lambda report: report.at)
    return replace(
        look,
        reports=tuple(known)[-_LINES:],
        patterns=lines.patterns_of(bad),
        denials=lines.denials_of(bad),
    )


async def _lines(
    aws: AwsReads, look: Snapshot, pattern: str, span: float
) -> tuple[lines.LogEvent, ...]:
    """Lines of the function's group; none when the group is not there yet."""
    start = look.at - timedelta(seconds=span)
    reading = log_lines(
        aws, look.log_group, pattern, start=start, end=look.at, most=_LINES, into=lines.LogEvent
    )
    try:
        return await reading
    except BlindError as error:
        if error.reason is Reason.MISSING:
            return ()
        raise


async def destination(aws: AwsReads, look: Snapshot) -> Snapshot:
    """The look with where failed asynchronous events go, when it is not a dead letter queue.

    Asked of functions only that are invoked asynchronously.
    """
    if look.dead_letter or not look.async_age.values:
        return look
    asked = {"FunctionName": look.name} | ({"Qualifier": look.qualifier} if look.qualifier else {})
    try:
        answer = await aws.read("lambda", "GetFunctionEventInvokeConfig", **asked)
    except BlindError as error:
        if error.reason is Reason.MISSING:
            return replace(look, dead_letter="none")
        raise
    row = answer_into(answer, InvokeConfigRow)
    return replace(look, dead_letter=row.destination_config.on_failure.destination or "none")


async def kept_ready(aws: AwsReads, look: Snapshot) -> Snapshot:
    """The look with provisioned concurrency, asked where cold starts or throttles are seen."""
    share = cold_share(look.reports, _REPORTS)
    if not (share and share >= _COLD) and not throttle_rate(look).part:
        return look
    rows = await aws.pages(
        "lambda",
        "ListProvisionedConcurrencyConfigs",
        key="ProvisionedConcurrencyConfigs",
        FunctionName=look.name,
    )
    return replace(look, provisioned=tuple(map(provisioned_of, answers_into(rows, ProvisionedRow))))


async def called_by(aws: AwsReads, look: Snapshot) -> Snapshot:
    """The look with who may invoke it, and the state of the rules that should."""
    asked = {"FunctionName": look.name} | ({"Qualifier": look.qualifier} if look.qualifier else {})
    try:
        answer = await aws.read("lambda", "GetPolicy", expect="Policy", **asked)
    except BlindError as error:
        if error.reason is Reason.MISSING:  # it has no policy
            return look
        raise
    callers, names = callers_of(str(answer["Policy"]))
    rules = []
    for name in names[:_RULES]:
        try:
            row = answer_into(
                await aws.read("events", "DescribeRule", expect="State", Name=name), ScheduleRuleRow
            )
            rules.append(ScheduleRule(name=name, state=row.state, schedule=row.schedule_expression))
        except BlindError as error:
            if error.reason is not Reason.MISSING:
                raise
            rules.append(ScheduleRule(name=visible(name), state="DELETED"))
    return replace(look, callers=callers, rules=tuple(rules))


async def named_before(aws: AwsReads, look: Snapshot) -> Snapshot:
    """The look with the version that its alias pointed to before, by the alias's own history.

    Asked in trouble and after a release only: CloudTrail takes two questions a second.
    """
    alias = look.alias
    young = look.modified is not None and look.at - look.modified < timedelta(days=1)
    hurt = error_rate(look).part or throttle_rate(look).part
    if alias is None or not (young or hurt or alias.weights):
        return look
    start = (look.at - timedelta(days=30)).replace(minute=0, second=0, microsecond=0)
    moves = [
        Pointed(at=call.at, version=visible(found[2]), actor=call.actor)
        for call in await recorded(aws, _UPDATE_ALIAS, start=start)
        if (found := lines.pointed_in(call.event)) and found[:2] == (look.name, alias.name)
    ]
    previous = previous_of(alias.version, moves)
    known_by = "where CloudTrail says that the alias pointed before" if previous else ""
    return replace(
        look, pointed=tuple(moves[:10]), previous_version=previous, previous_known_by=known_by
    )


def previous_of(current: str, moves: list[Pointed]) -> str:
    """The version before `current`, out of moves that are newest first; empty: not known.

    When `current` had served before that one too, somebody went back to it already, and to go
    "back" once more would bring the bad one.
    """
    versions = [each.version for each in moves]
    while versions and versions[0] == current:
        versions.pop(0)
    if not versions or current in versions:
        return ""
    return versions[0]
