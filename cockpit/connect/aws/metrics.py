"""CloudWatch series for many askers: each point bought once, 500 series a call.

Source: CloudWatch API Reference, GetMetricData: 500 queries a call, an Id matches
`[a-z][a-zA-Z0-9_]*`, results may be spread over pages and repeat an Id, each with a StatusCode.
`Unit` is never sent: a wrong one gives an empty series (catalogue B §4.2). One call has one window,
so what is asked for of yesterday is another call; the usual of the last hours comes with the rest.

A series is kept until something new can be known of it (`kept.py`, `budget.py`). Whoever asks first
in a new minute brings all that is asked for every minute: looks come at their own times, and a call
for each of them would be fifty where five are enough.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from cockpit.clock import monotonic, now
from cockpit.connect.aws.answer import Answer, answers_into
from cockpit.connect.aws.batches import GATHERING, Caller, chunks
from cockpit.connect.aws.budget import Budget, Rhythm
from cockpit.connect.aws.kept import REFUSED, KeptSeries, MetricWindow, aligned
from cockpit.connect.hurry import HURRIED
from cockpit.connect.session import MetricQuery, Series
from cockpit.connect.shared import FRESH, AnswerToCome, Tasks
from cockpit.errors import BlindError, Reason
from cockpit.text import SafeText

MOST = 500
"""Queries a call."""

_MORE = 50
"""Queries by which a batch of several windows grows until it is looked at again."""
_PAGES = 20
_POINTS = 50_000
"""Data points a page: AWS' own 100,800 are more than our transport takes."""
_CROWD = 0.8
"""Seconds for which a batch waits at most while calls of the place are under way: their looks ask
for series next, as do many to whom the first series said that there is something to know."""
_QUIET = 5
"""Turns of `GATHERING` in which nobody asked and no call was under way, before a batch leaves:
looks whose calls were answered together go on one after the other. Turns and not seconds: while the
loop is busy with something else, no look can go on."""
_DEPTHS = (60, 240, 1500, 4500)
"""Minutes: windows up to the same of these are one call, however long the longest of them is."""
_FORGOTTEN = timedelta(hours=2)
_ACTIVE = timedelta(seconds=180)


class _Told(Answer, frozen=True):
    """What CloudWatch says beside the results."""

    of = "cloudwatch.MessageData"
    code: SafeText = ""
    value: SafeText = ""


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
    status: str = "Unanswered"
    """An id that was asked for and never answered is not an empty series: nothing is known."""

    def add(self, result: _Result) -> None:
        self.values.update(zip(result.timestamps, result.values, strict=False))
        if self.status not in REFUSED or self.status == "Unanswered":
            self.status = result.status_code or "Complete"

    def series(self) -> Series:
        if self.status in REFUSED:
            return Series(status=self.status)
        times = tuple(sorted(self.values))
        return Series(times, tuple(self.values[time] for time in times), self.status)


class Metrics:
    """Keeps series, asks for what is due together, and hands out what each asker wants of them."""

    def __init__(self, calls: Caller, tasks: Tasks, budget: Budget) -> None:
        self._calls = calls
        self._tasks = tasks
        self._budget = budget
        self._kept: dict[tuple[MetricQuery, int], KeptSeries] = {}
        self._waiting: list[KeptSeries] = []
        self._gathering_since = 0.0
        self._quiet = self._asking = 0
        self._enough = MOST
        """So many may fill a call of one window."""
        budget.join(self)

    async def ask(
        self, queries: Sequence[MetricQuery], minutes: int, ago: int, *, rest: bool = False
    ) -> Mapping[MetricQuery, Series]:
        """Every query with its series; an empty series where CloudWatch has no points.

        Raises `BlindError` when a call failed: then nothing is known of any of its series.
        """
        moment, sick, pace = now(), HURRIED.get(), self._budget.pace
        found = {query: self._of(query, ago) for query in queries}
        for each in found.values():
            each.note(moment, minutes, sick=sick, rest=rest)
            if each.coming is None and each.due(moment, pace):
                self._enrol(each)
        return {q: await self._series(each, minutes, moment) for q, each in found.items()}

    def forget(self) -> None:
        """Answers from before a change are not given after it."""
        self._kept = {}

    def rhythms(self) -> Counter[Rhythm]:
        """What is asked for in these minutes, by its rhythm; see `Budget`."""
        since = now() - _ACTIVE
        kept = self._kept.values()
        return Counter(each.rhythm for each in kept if not each.ago and each.asked_at >= since)

    def _of(self, query: MetricQuery, ago: int) -> KeptSeries:
        kept = self._kept.get((query, ago))
        if kept is None:
            kept = self._kept[query, ago] = KeptSeries(query, ago)
        elif kept.coming is not None and _is_old(kept.coming):
            kept.coming = None
        return kept

    async def _series(self, each: KeptSeries, minutes: int, moment: datetime) -> Series:
        while each.coming is not None or not each.holds(each.window(minutes, moment)):
            coming = each.coming or self._enrol(each)
            await coming.get()
            moment = each.bought_at
        return each.cut(each.window(minutes, moment))

    def _enrol(self, each: KeptSeries) -> AnswerToCome[None]:
        loop = asyncio.get_running_loop()
        each.coming = AnswerToCome(loop.create_future())
        if not self._waiting:
            self._gathering_since = monotonic()
            loop.call_later(GATHERING, self._depart)
        self._quiet = 0
        self._waiting.append(each)
        return each.coming

    def _depart(self) -> None:
        moment = now()
        if len(self._waiting) >= self._enough:
            self._depart_full(moment)
        if not self._waiting:
            return
        stirs = self._asking > 0 or self._calls.occupied(but="cloudwatch")
        self._quiet = 0 if stirs else self._quiet + 1
        crowded = monotonic() - self._gathering_since < _CROWD and self._quiet < _QUIET
        if crowded or self._calls.busy("cloudwatch"):
            asyncio.get_running_loop().call_later(GATHERING, self._depart)
            return
        self._waiting.extend(self._coming_up(moment))
        waiting, self._waiting, self._enough = self._waiting, [], MOST
        for span, several in _windows(waiting, moment):
            for part in chunks(several, MOST):
                self._start(span, part, moment)

    def _depart_full(self, moment: datetime) -> None:
        """What fills a call gains nothing by waiting; what is left over goes on being gathered."""
        waiting, self._waiting = self._waiting, []
        for span, several in _windows(waiting, moment):
            full = len(several) // MOST * MOST
            for part in chunks(several[:full], MOST):
                self._start(span, part, moment)
            self._waiting += several[full:]
        self._enough = max(MOST, len(self._waiting) + _MORE)

    def _coming_up(self, moment: datetime) -> Iterator[KeptSeries]:
        """What will be asked for within the minute anyhow: it comes in the same call."""
        pace, loop = self._budget.pace, asyncio.get_running_loop()
        for key, each in tuple(self._kept.items()):
            if each.coming is None and moment - each.asked_at > _FORGOTTEN:
                del self._kept[key]
            elif each.coming is None and each.wanted(moment) and each.due(moment, pace):
                each.coming = AnswerToCome(loop.create_future())
                yield each

    def _start(
        self, span: MetricWindow, several: Sequence[KeptSeries], moment: datetime
    ) -> asyncio.Task[None]:
        task = self._tasks.start(self._ask(span, several, moment))
        task.add_done_callback(partial(_settle, several))
        task.add_done_callback(self._asked)
        self._asking += 1
        return task

    def _asked(self, _: asyncio.Task[None]) -> None:
        self._asking -= 1

    async def _ask(
        self, span: MetricWindow, several: Sequence[KeptSeries], moment: datetime
    ) -> None:
        try:
            found = await self._fetch(span, [each.query for each in several])
        except BlindError as error:
            if error.reason is Reason.MISCONFIGURED and len(several) > 1:
                await self._ask_halves(span, several, moment)
                return
            several[0].apart = error.reason is Reason.MISCONFIGURED
            raise
        for each, series in zip(several, found, strict=True):
            coming, each.coming, each.apart = each.coming, None, False
            each.take(series, span, moment)
            if coming is not None and not coming.future.done():
                coming.future.set_result(None)

    async def _ask_halves(
        self, span: MetricWindow, several: Sequence[KeptSeries], moment: datetime
    ) -> None:
        """One bad query has spoiled the call: the good half is good."""
        half = len(several) // 2
        for part in (several[:half], several[half:]):
            await asyncio.wait((self._start(span, part, moment),))

    async def _fetch(self, span: MetricWindow, queries: Sequence[MetricQuery]) -> list[Series]:
        points = {f"m{number:04}": _Points() for number in range(1, len(queries) + 1)}
        arguments: dict[str, object] = {
            "MetricDataQueries": [
                _question(name, query) for name, query in zip(points, queries, strict=True)
            ],
            "StartTime": span.start,
            "EndTime": span.end,
            "ScanBy": "TimestampDescending",
            "MaxDatapoints": _POINTS,
        }
        told: list[_Told] = []
        for _ in range(_PAGES):
            answer = await self._calls.call(
                "cloudwatch", "GetMetricData", arguments, "MetricDataResults"
            )
            told += answers_into(answer.get("Messages") or (), _Told)
            for result in answers_into(answer["MetricDataResults"], _Result):
                if result.id in points:
                    points[result.id].add(result)
            token = answer.get("NextToken")
            if not token:
                return _answered(points.values(), told)
            arguments["NextToken"] = token
        raise BlindError(Reason.UNREADABLE, f"GetMetricData did not end after {_PAGES} pages")


def _answered(points: Iterable[_Points], told: Sequence[_Told]) -> list[Series]:
    """Raises `BlindError` when the answer has none of the series: it is none."""
    series = [each.series() for each in points]
    if all(each.status == "Unanswered" for each in series):
        why = "; ".join(dict.fromkeys(f"{each.code} {each.value}".strip() for each in told))
        what = f"GetMetricData answered none of {len(series)} series"
        raise BlindError(Reason.UNREADABLE, f"{what}: {why}" if why else what)
    return series


def _windows(
    waiting: Sequence[KeptSeries], moment: datetime
) -> Iterator[tuple[MetricWindow, list[KeptSeries]]]:
    """As few windows as are sensible: a quarter of an hour for one is three hours for none."""
    groups: dict[tuple[int, int, MetricQuery | None], list[KeptSeries]] = {}
    for each in waiting:
        span = each.needs(moment)
        length = (span.end - span.start).total_seconds() / 60
        alone = each.query if each.apart else None
        groups.setdefault((each.ago, bisect_left(_DEPTHS, length), alone), []).append(each)
    for several in groups.values():
        spans = [each.needs(moment) for each in several]
        period = max(each.query.period for each in several)
        yield aligned(min(s.start for s in spans), max(s.end for s in spans), period), several


def _is_old(coming: AnswerToCome[None]) -> bool:
    """Whether a failure is no answer any more."""
    return coming.failed and monotonic() - coming.born_at > FRESH


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


def _settle(several: Sequence[KeptSeries], task: asyncio.Task[None]) -> None:
    """Whatever ended the call, nobody is left waiting."""
    error = None if task.cancelled() else task.exception()
    for each in several:
        if each.coming is None or each.coming.future.done():
            continue
        if error is None:
            each.coming.future.cancel()
        else:
            each.coming.future.set_exception(error)
