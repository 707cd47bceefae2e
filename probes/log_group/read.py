"""What is read of a log group: itself, how much comes in, and its lines of errors."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from cockpit.connect.aws.answer import Answer, GivenText, answers_into
from cockpit.connect.session import AwsReads, Series
from cockpit.errors import BlindError, Reason
from cockpit.logs.patterns import PatternTally
from cockpit.logs.reading import LogLine, matching
from cockpit.logs.shapes import DENIED, FIELD, WANTED
from cockpit.logs.source import group_of
from cockpit.text import SafeText
from probes.answers import Gap, attempt, whole_minute
from probes.denials import denied_actions
from probes.log_group import before
from probes.log_group.before import sort_of
from probes.log_group.model import WINDOW, Delivery, KindCount, Snapshot
from probes.metrics import NO_DATA, PublishedMetric, query

_PAGE = 1000
_PAGES = 3
ENOUGH = 10
"""Lines of errors from which on the hours before are read too."""
_PATTERNS = 20
_DENIALS = 5
_UNREADABLE = {"INFREQUENT_ACCESS", "DELIVERY"}


class LogGroupRow(Answer, frozen=True, rename="camel"):
    """One of `logGroups[]`."""

    of = "logs.LogGroup"
    log_group_name: GivenText
    arn: SafeText = ""
    log_group_class: SafeText = ""
    retention_in_days: int | None = None
    stored_bytes: int | None = None


class LogSubscriptionRow(Answer, frozen=True, rename="camel"):
    """One of `subscriptionFilters[]`."""

    of = "logs.SubscriptionFilter"
    filter_name: SafeText = ""
    destination_arn: SafeText = ""


def name_of(id_: str) -> str:
    """A group's name, of its name or ARN."""
    return group_of(id_) or id_


async def group(aws: AwsReads, name: str, at: datetime) -> Snapshot:
    """The group itself. Raises `BlindError(missing)` when there is none of that very name."""
    answer = await aws.read(
        "logs", "DescribeLogGroups", expect="logGroups", logGroupNamePrefix=name, limit=50
    )
    # sorted by name: of those that begin so, the one that is called so is the first
    for row in answers_into(answer["logGroups"], LogGroupRow):
        if row.log_group_name == name:
            return Snapshot(
                at=at,
                name=row.log_group_name,
                arn=row.arn,
                log_class=row.log_group_class,
                retention_days=row.retention_in_days,
                stored_bytes=row.stored_bytes,
            )
    raise BlindError(Reason.MISSING, f"there is no log group {name}")


async def measured(aws: AwsReads, look: Snapshot) -> Snapshot:
    """The look with three hours of what came in."""
    events = query("AWS/Logs", "IncomingLogEvents", "Sum", LogGroupName=look.name)
    size = query("AWS/Logs", "IncomingBytes", "Sum", LogGroupName=look.name)
    asked = [events, size]
    if look.function:
        asked.append(query("AWS/Lambda", "Invocations", "Sum", FunctionName=look.function))
    found = await aws.metrics(asked, minutes=185)
    called = found.get(asked[2], NO_DATA) if look.function else NO_DATA
    return replace(
        look, events=found.get(events, NO_DATA), size=found.get(size, NO_DATA), called=called
    )


async def delivered(aws: AwsReads, look: Snapshot) -> tuple[Delivery, ...]:
    """What its subscriptions could not deliver; nothing is bought where nothing ever failed."""
    rows = await aws.pages(
        "logs", "DescribeSubscriptionFilters", key="subscriptionFilters", logGroupName=look.name
    )
    if not answers_into(rows, LogSubscriptionRow):
        return ()
    known = await aws.pages(
        "cloudwatch",
        "ListMetrics",
        key="Metrics",
        Namespace="AWS/Logs",
        Dimensions=[{"Name": "LogGroupName", "Value": look.name}],
    )
    asked = {}
    for row in answers_into(known, PublishedMetric):
        if row.metric_name in {"DeliveryErrors", "DeliveryThrottling"}:
            dims = row.named
            where = dims.get("FilterName") or dims.get("DestinationType") or "subscription"
            asked[where, row.metric_name] = row.query("AWS/Logs", "Sum")
    found = await aws.metrics(tuple(asked.values()), minutes=20) if asked else {}
    names = sorted({name for name, _ in asked})

    def series(name: str, metric: str) -> Series:
        each = asked.get((name, metric))
        return NO_DATA if each is None else found.get(each, NO_DATA)

    return tuple(
        Delivery(
            name=name,
            errors=series(name, "DeliveryErrors"),
            throttled=series(name, "DeliveryThrottling"),
        )
        for name in names
    )


async def errors(aws: AwsReads, look: Snapshot, pattern: str, gaps: list[Gap]) -> Snapshot:
    """The look with what its lines of errors of the last minutes tell, and whether that is new.

    Raises `BlindError`; of a class that cannot be filtered, `unsupported`.
    """
    if look.log_class in _UNREADABLE:
        raise BlindError(
            Reason.UNSUPPORTED,
            f"lines of a group of the class {look.log_class} cannot be filtered",
            hint="CloudWatch Logs Insights can query it (in the console)",
        )
    pattern = pattern or WANTED
    start = whole_minute(look.at) - timedelta(minutes=WINDOW)
    told = await matching(
        aws,
        look.name,
        pattern,
        start=start,
        end=look.at,
        most=_PAGE * _PAGES,
        pages=_PAGES,
    )
    tally = PatternTally()
    # thousands of lines: beside the loop, which draws meanwhile
    found = await asyncio.to_thread(_sorted, told.lines, pattern, tally)
    look = replace(
        look,
        lines_read=True,
        read=len(found),
        since=start,
        until=told.until,
        each_minute=_each_minute([line for line, _ in found], start, told.until or look.at),
        counts=_counts(found),
        denials=denied_actions(line.text for line, kind in found if kind == DENIED)[:_DENIALS],
    )
    if len(found) >= ENOUGH or any(kind == FIELD for _, kind in found):
        reading = before.read(aws, look.name, pattern, start=start)
        known = await attempt(gaps, "the hours before", reading, otherwise=None)
        if known is not None:
            for (kind, shape), many in known.shapes.items():
                tally.had_before(kind, shape, many)
            whole, usual = known.whole, known.usual
            look = replace(look, compared=True, compared_whole=whole, usual=usual)
    return replace(look, patterns=tally.patterns(compared=look.compared)[:_PATTERNS])


def _sorted(
    lines: Sequence[LogLine], pattern: str, tally: PatternTally
) -> list[tuple[LogLine, str]]:
    """Those of the lines that tell of errors, with their kinds; counted besides."""
    found = [(line, kind) for line in lines if (kind := sort_of(line.text, pattern))]
    for line, kind in found:
        tally.add(line.text, line.at, stream=line.stream, kind=kind)
    return found


def _each_minute(found: Sequence[LogLine], start: datetime, end: datetime) -> Series:
    """Lines of errors a minute; only of minutes that are over and were read."""
    whole = int((end - start).total_seconds() // 60)
    counts = Counter(int((line.at - start).total_seconds() // 60) for line in found)
    return Series(
        times=tuple(start + timedelta(minutes=minute) for minute in range(whole)),
        values=tuple(float(counts[minute]) for minute in range(whole)),
    )


def _counts(found: Sequence[tuple[LogLine, str]]) -> tuple[KindCount, ...]:
    moments: dict[str, list[datetime]] = {}
    for line, kind in found:
        moments.setdefault(kind, []).append(line.at)
    return tuple(
        KindCount(kind=kind, count=len(times), first=min(times), last=max(times))
        for kind, times in sorted(moments.items())
    )


async def nothing_came(aws: AwsReads, look: Snapshot, minutes: float) -> bool | None:
    """Whether no line of any sort came in the last minutes, for metrics may be late; None: pages
    were empty and there were more. Raises `BlindError`.
    """
    start = look.at - timedelta(minutes=minutes)
    told = await matching(aws, look.name, "", start=start, end=look.at, most=1)
    if told.lines:
        return False
    return True if told.complete else None
