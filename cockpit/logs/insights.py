"""CloudWatch Logs Insights: what a query would scan and cost, then the query, on request only.

Sources: CloudWatch Logs User Guide ("pattern", "diff"); API Reference, `StartQuery` (seconds, not
milliseconds), `GetQueryResults`; price of the list of us-east-1, November 2026. A query scans all
lines of its span whatever it filters, and `diff` scans the span before as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cockpit.clock import monotonic
from cockpit.connect.aws.budget import usd_of_scan
from cockpit.connect.session import AwsReads, MetricQuery
from cockpit.errors import BlindError, Reason, Refused
from cockpit.text import visible

ASK_FROM = 0.25
"""US dollars up to which a command may query without being told so."""
_LONGEST = timedelta(hours=6)
_PATIENCE = 60.0
_EVERY = 1.0
_MOST = 50
_WORDS = "error|exception|traceback|fatal|panic|timed out|timeout|denied|refused|killed|throttl"
_QUERY = f"filter @message like /(?i)({_WORDS})/ | pattern @message"
_ENDED = {"Complete", "Failed", "Cancelled", "Timeout"}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryEstimate:
    """What a query over a span would scan."""

    start: datetime
    end: datetime
    compared: bool
    """Whether the span before is scanned too."""
    scans: float
    """Bytes."""

    @property
    def usd(self) -> float:
        """By the list price."""
        return usd_of_scan(self.scans)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryPattern:
    """A pattern as Insights found it."""

    pattern: str
    count: int
    difference: str = ""
    """How it differs from the span before, in Insights' words; empty: not compared."""

    @property
    def new(self) -> bool:
        """Whether the span before has none of it."""
        return "new" in self.difference.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryFound:
    """What a query found, and what it cost."""

    patterns: tuple[QueryPattern, ...]
    scanned: float
    """Bytes."""
    query: str

    @property
    def usd(self) -> float:
        """By the list price."""
        return usd_of_scan(self.scanned)


async def estimate(
    aws: AwsReads, group: str, *, start: datetime, end: datetime, compared: bool = True
) -> QueryEstimate:
    """What would be scanned, by what came in. Raises `BlindError` where that is not known: then no
    query is offered. Raises `Refused` for a span that is too long.
    """
    length = end - start
    if not timedelta(0) < length <= _LONGEST:
        raise Refused(f"a query spans six hours at most, not {length}")
    first = start - length if compared else start
    query = MetricQuery("AWS/Logs", "IncomingBytes", (("LogGroupName", group),), "Sum", 60)
    minutes = int((end - first).total_seconds() // 60) + 5
    series = (await aws.metrics([query], minutes=minutes)).get(query)
    if series is None or series.status != "Complete" or not series.values:
        raise BlindError(
            Reason.UNREADABLE,
            f"how much came into {group} is not known, so what a query costs is not either",
            hint="the metric IncomingBytes of AWS/Logs tells it (cloudwatch:GetMetricData)",
        )
    scans = sum(v for t, v in zip(series.times, series.values, strict=True) if t >= first)
    return QueryEstimate(start=start, end=end, compared=compared, scans=scans)


async def query(aws: AwsReads, group: str, about: QueryEstimate) -> QueryFound:
    """Run it, and stop it when nobody waits any more. Raises `BlindError`."""
    text = f"{_QUERY} | diff" if about.compared else _QUERY
    try:
        begun = await aws.read(
            "logs",
            "StartQuery",
            expect="queryId",
            logGroupName=group,
            startTime=int(about.start.timestamp()),
            endTime=int(about.end.timestamp()),
            queryString=text,
            limit=_MOST,
        )
    except Refused as error:
        raise BlindError(
            Reason.MISCONFIGURED,
            f"Logs Insights is not open at this place: {error.message}",
            hint='configure a target of kind = "log_group" there, and logs = true',
        ) from error
    answer = await _ended(aws, str(begun["queryId"]))
    if answer.get("status") != "Complete":
        raise BlindError(Reason.UNREADABLE, f"the query ended as {answer.get('status')}")
    statistics = answer.get("statistics")
    told = statistics.get("bytesScanned") if isinstance(statistics, Mapping) else None
    return QueryFound(
        patterns=_patterns(answer.get("results")),
        scanned=float(told) if isinstance(told, int | float) else about.scans,
        query=text,
    )


async def _ended(aws: AwsReads, id_: str) -> Mapping[str, object]:
    """The answer of a query that has ended; one that does not end in a minute is stopped."""
    limit = monotonic() + _PATIENCE
    done = False
    try:
        while monotonic() < limit:
            # a look of the last two seconds would be given again
            await asyncio.sleep(_EVERY)
            answer = await aws.read("logs", "GetQueryResults", expect="status", queryId=id_)
            if answer["status"] in _ENDED:
                done = True
                return answer
    finally:
        if not done:
            await _stop(aws, id_)
    raise BlindError(Reason.TIMEOUT, "the query did not end in a minute; it was stopped")


async def _stop(aws: AwsReads, id_: str) -> None:
    try:
        await asyncio.shield(aws.read("logs", "StopQuery", queryId=id_))
    except (BlindError, Refused):
        return  # it ends by itself; results are kept for nobody


def _patterns(results: object) -> tuple[QueryPattern, ...]:
    found = []
    for row in results if isinstance(results, list) else ():
        cells = {
            str(cell.get("field", "")): str(cell.get("value", ""))
            for cell in (row if isinstance(row, list) else ())
            if isinstance(cell, Mapping)
        }
        count = cells.get("@sampleCount", cells.get("@SampleCount", ""))
        difference = cells.get("@differenceDescription", "")
        pattern = cells.get("@pattern") or cells.get("@message", "")
        if pattern:
            found.append(
                QueryPattern(
                    pattern=visible(pattern, 400),
                    count=int(float(count)) if count.replace(".", "", 1).isdecimal() else 0,
                    difference=visible(difference, 80),
                )
            )
    return tuple(sorted(found, key=lambda each: (not each.new, -each.count)))
