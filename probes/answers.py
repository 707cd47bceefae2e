"""Reads that a look can do without, and what is told of those that failed."""

from __future__ import annotations

import asyncio
from collections.abc import (
    Awaitable,
    Container,
    Coroutine,
    Generator,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from cockpit.connect.pace import SLOW
from cockpit.connect.session import AwsReads, MetricQuery, Series
from cockpit.errors import BlindError, Reason
from cockpit.text import visible
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import duration
from probes.metrics import is_blind

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Gap:
    """A part of a look that could not be made. What it would have shown is unknown."""

    what: str
    reason: str
    detail: str
    hint: str = field(default="", compare=False)
    """What to type or check next, for a look of which no part could be made."""


def attempt(
    gaps: list[Gap], what: str, reading: Awaitable[Result], *, otherwise: Result
) -> Awaitable[Result]:
    """The answer, or `otherwise` with the failure added to `gaps`: for reads a look can lack."""
    return _Attempt(gaps, what, reading, otherwise)


class _Attempt(Generic[Result]):
    """Closes its read where it was never begun: a look that ends before its tasks ran once leaves
    such reads, and Python warns of each in the terminal.
    """

    def __init__(
        self, gaps: list[Gap], what: str, reading: Awaitable[Result], otherwise: Result
    ) -> None:
        self._gaps = gaps
        self._what = what
        self._reading = reading
        self._otherwise = otherwise

    def __await__(self) -> Generator[Any, None, Result]:
        return self._made().__await__()

    async def _made(self) -> Result:
        try:
            return await self._reading
        except BlindError as error:
            self._gaps.append(gap_of(self._what, error))
            return self._otherwise

    def __del__(self) -> None:
        if isinstance(self._reading, Coroutine):
            self._reading.close()


def absent(error: BlindError, code: str, *, severity: Severity, hint: str) -> BlindError:
    """The failed look under a finding's code when AWS says that there is no such thing: that is the
    diagnosis then. Every other failure as it is.
    """
    if error.reason is not Reason.MISSING:
        return error
    return BlindError(error.reason, error.message, hint=hint, code=code, severity=severity.value)


def whole_minute(at: datetime) -> datetime:
    """The minute that began last, so that several targets of a place ask the same question: it is
    sent once then.
    """
    return at.replace(second=0, microsecond=0)


def gap_of(what: str, error: BlindError) -> Gap:
    """The failure of one read."""
    return Gap(what, error.reason.value, visible(error.message), visible(error.hint))


def nothing_read(gaps: Sequence[Gap]) -> BlindError:
    """Of a look without a part that it must have: no part could be made, so it is none.

    The first gap stands for all. Facts of such a look would stand as those of something healthy.
    """
    first = gaps[0]
    return BlindError(Reason(first.reason), f"{first.what}: {first.detail}", hint=first.hint)


async def at_two_paces(
    aws: AwsReads, wanted: Sequence[MetricQuery], rest: Container[str], *, minutes: int
) -> Mapping[MetricQuery, Series]:
    """The series of all; those named in `rest` of what is well every five minutes only.

    What is judged together with `settled` on each of them comes at one pace: either both are named
    or none. Raises `BlindError`.
    """
    slow = [query for query in wanted if query.name in rest]
    fast = [query for query in wanted if query.name not in rest]
    one, other = await asyncio.gather(
        aws.metrics(fast, minutes=minutes), aws.metrics(slow, minutes=minutes, rest=True)
    )
    return {**one, **other}


def blind_series(series: Mapping[str, Series]) -> tuple[Gap, ...]:
    """CloudWatch's own refusals (`Forbidden`, `InternalError`), by the name of the metric."""
    return tuple(
        Gap(f"metric {name}", *_refused(each.status))
        for name, each in series.items()
        if is_blind(each)
    )


def _refused(status: str) -> tuple[str, str]:
    if status == "Forbidden":
        return Reason.DENIED, ""
    return Reason.UNREACHABLE, "" if status in {"InternalError", "Unanswered"} else visible(status)


def partly_blind(code: str, gaps: Sequence[Gap]) -> Iterator[Finding]:
    """A part of the look could not be made: what was not seen is not healthy, and not judged.

    The evidence names each read that failed and why: most often a permission of the role that
    looks.
    """
    if not gaps:
        return
    what = ", ".join(sorted({gap.what for gap in gaps}))
    yield Finding(
        code,
        Severity.INFO,
        f"could not look at {what}; what depends on it is not judged",
        evidence=tuple(Evidence(gap.what, f"{gap.reason}: {gap.detail}") for gap in gaps[:8]),
        next="add the permission or the setting that the reason names",
    )


def slow_answers(code: str, slowest: float) -> Finding:
    """The server takes long for a small statement of ours. It drowns, or the way to it is slow; it
    is looked at half as often so as not to make it worse.
    """
    return Finding(
        code,
        Severity.WARNING,
        f"the server takes {duration(slowest)} for a statement of ours: it is looked at half as "
        "often",
        subject="statements",
        evidence=(Evidence("slowest twice running", slowest, "s", SLOW),),
        likely=("the server drowns: processor, disk or memory", "thousands of sessions"),
        next="how many run at once, and what does the control plane say of its processor?",
    )
