"""CloudWatch series for many askers: one GetMetricData call for up to 500 of them.

Source: CloudWatch API Reference, GetMetricData: 500 queries a call, an Id matches
`[a-z][a-zA-Z0-9_]*`, results may be spread over pages and repeat an Id, each with a StatusCode.
`Unit` is never sent: a wrong one gives an empty series (catalogue B §4.2).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from cockpit.clock import now
from cockpit.connect.aws.answer import Answer, answers_into
from cockpit.connect.aws.batches import GATHERING, Caller, chunks
from cockpit.connect.session import MetricQuery, Series
from cockpit.connect.shared import AnswerToCome, Memory, Tasks
from cockpit.errors import BlindError, Reason

MOST = 500
"""Queries a call."""

_PAGES = 20
_POINTS = 50_000
"""Data points a page: AWS' own 100,800 are more than our transport takes."""
_BLIND = frozenset({"Forbidden", "InternalError"})


@dataclass(frozen=True, slots=True)
class MetricWindow:
    """From `start` to `end`, both on borders of the period: CloudWatch aligns to them anyway."""

    start: datetime
    end: datetime
    period: int


def window(minutes: int, ago: int, period: int) -> MetricWindow:
    """The last `minutes`, ending `ago` minutes in the past; the running period is in it."""
    moment = (now() - timedelta(minutes=ago)).timestamp()
    end = -(-int(moment) // period) * period
    start = (end - minutes * 60) // period * period
    return MetricWindow(
        datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC), period
    )


class _Result(Answer, frozen=True):
    of = "cloudwatch.MetricDataResult"
    id: str = ""
    timestamps: tuple[datetime, ...] = ()
    values: tuple[float, ...] = ()
    status_code: str = "Complete"


@dataclass(slots=True)
class _Points:
    """One series as it comes in, page by page."""

    values: dict[datetime, float] = field(default_factory=dict)
    status: str = ""

    def add(self, result: _Result) -> None:
        self.values.update(zip(result.timestamps, result.values, strict=False))
        if self.status not in _BLIND:
            self.status = result.status_code

    def series(self) -> Series:
        if self.status in _BLIND:
            return Series(status=self.status)
        times = tuple(sorted(self.values))
        return Series(times, tuple(self.values[time] for time in times), self.status or "Complete")


class Metrics:
    """Gathers queries by window, asks each once, and hands the series out."""

    def __init__(self, calls: Caller, tasks: Tasks) -> None:
        self._calls = calls
        self._tasks = tasks
        self._memory: Memory[Series] = Memory()
        self._waiting: dict[MetricWindow, dict[MetricQuery, AnswerToCome[Series]]] = {}

    async def ask(
        self, queries: Sequence[MetricQuery], minutes: int, ago: int
    ) -> Mapping[MetricQuery, Series]:
        """Every query with its series; an empty series where CloudWatch has no points.

        Raises `BlindError` when a call failed: then nothing is known of any of its series.
        """
        windows = {period: window(minutes, ago, period) for period in {q.period for q in queries}}
        answers = {query: self._answer(query, windows[query.period]) for query in queries}
        return {query: await answer.get() for query, answer in answers.items()}

    def forget(self) -> None:
        """Answers from before a change are not given after it."""
        self._memory.clear()

    def _answer(self, query: MetricQuery, span: MetricWindow) -> AnswerToCome[Series]:
        question = (query, span)
        answer = self._memory.find(question)
        if answer is None:
            loop = asyncio.get_running_loop()
            answer = AnswerToCome(loop.create_future())
            self._memory.keep(question, answer)
            waiting = self._waiting.get(span)
            if waiting is None:
                waiting = self._waiting[span] = {}
                loop.call_later(GATHERING, self._depart, span)
            waiting[query] = answer
        return answer

    def _depart(self, span: MetricWindow) -> None:
        if len(self._waiting[span]) < MOST and self._calls.busy("cloudwatch"):
            asyncio.get_running_loop().call_later(GATHERING, self._depart, span)
            return
        waiting = self._waiting.pop(span)
        for queries in chunks(tuple(waiting), MOST):
            asks = {query: waiting[query] for query in queries}
            task = self._tasks.start(self._ask(span, asks))
            task.add_done_callback(partial(_settle, asks))

    async def _ask(
        self, span: MetricWindow, asks: Mapping[MetricQuery, AnswerToCome[Series]]
    ) -> None:
        try:
            found = await self._fetch(span, tuple(asks))
        except BlindError as error:
            if error.reason is Reason.MISCONFIGURED and len(asks) > 1:
                await self._ask_halves(span, asks)
                return
            raise
        for query, series in found.items():
            if not asks[query].future.done():
                asks[query].future.set_result(series)

    async def _ask_halves(
        self, span: MetricWindow, asks: Mapping[MetricQuery, AnswerToCome[Series]]
    ) -> None:
        """One bad query has spoiled the call: the good half is good."""
        half = len(asks) // 2
        for queries in (tuple(asks)[:half], tuple(asks)[half:]):
            part = {query: asks[query] for query in queries}
            task = self._tasks.start(self._ask(span, part))
            task.add_done_callback(partial(_settle, part))
            await asyncio.wait((task,))

    async def _fetch(
        self, span: MetricWindow, queries: Sequence[MetricQuery]
    ) -> Mapping[MetricQuery, Series]:
        ids = {f"m{number:04}": query for number, query in enumerate(queries, 1)}
        points = {query: _Points() for query in queries}
        arguments: dict[str, object] = {
            "MetricDataQueries": [_question(name, query) for name, query in ids.items()],
            "StartTime": span.start,
            "EndTime": span.end,
            "ScanBy": "TimestampDescending",
            "MaxDatapoints": _POINTS,
        }
        for _ in range(_PAGES):
            answer = await self._calls.call(
                "cloudwatch", "GetMetricData", arguments, "MetricDataResults"
            )
            for result in answers_into(answer["MetricDataResults"], _Result):
                query = ids.get(result.id)
                if query is not None:
                    points[query].add(result)
            token = answer.get("NextToken")
            if not token:
                return {query: each.series() for query, each in points.items()}
            arguments["NextToken"] = token
        raise BlindError(Reason.UNREADABLE, f"GetMetricData did not end after {_PAGES} pages")


def _question(name: str, query: MetricQuery) -> dict[str, object]:
    return {
        "Id": name,
        "MetricStat": {
            "Metric": {
                "Namespace": query.namespace,
                "MetricName": query.name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in query.dimensions],
            },
            "Period": query.period,
            "Stat": query.stat,
        },
    }


def _settle(asks: Mapping[MetricQuery, AnswerToCome[Series]], task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    for answer in asks.values():
        if answer.future.done():
            continue
        if error is None:
            answer.future.cancel()
        else:
            answer.future.set_exception(error)
