"""Lines of one target's logs, read when a person asks: bounded, read-only, and kept nowhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cockpit import clock
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from cockpit.logs import insights
from cockpit.logs.insights import QueryEstimate, QueryFound
from cockpit.logs.patterns import LinePattern, PatternTally
from cockpit.logs.reading import LinesRead, LogLine, around, last_of, matching
from cockpit.logs.shapes import ERROR, WANTED, kind_of
from cockpit.logs.source import LogSource
from cockpit.triage.families import looking_at
from cockpit.triage.probe import AnyProbe
from cockpit.triage.target import Target
from cockpit.units import count

SPAN = timedelta(minutes=15)
"""How far back is read, when nobody says otherwise."""
LONGEST = timedelta(hours=6)
BEFORE = timedelta(hours=1)
"""What is new is what this time before the onset has none of."""
TAIL_EVERY = 4.0
"""Seconds between two questions of a live tail: of five a second that an account may ask."""
_PATIENCE = 60.0
"""Seconds."""
_PAGE = 2000
_PAGES = 4
_NEWEST = timedelta(minutes=2)
_SLICE = timedelta(minutes=15)
_KEPT = 50
_LAST = 200
_TAILED = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternLines:
    """A pattern with its first five lines and its newest."""

    pattern: LinePattern
    lines: tuple[LogLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogView:
    """What one reading of a source gave."""

    source: LogSource
    at: datetime
    start: datetime
    began: datetime | None = None
    """The onset that lines are held against; None: it is not known, or lies outside."""
    patterns: tuple[PatternLines, ...] = ()
    lines: tuple[LogLine, ...] = ()
    """Of errors; of a stream that ended its last ones, whatever they tell."""
    compared: datetime | None = None
    """Since when the time before was read; None: it was not, so nothing is known to be new."""
    until: datetime | None = None
    """Where the reading ended before its span did, besides the newest two minutes."""
    short: str = ""
    """What the time before could not be read whole for; empty: it was."""
    calls: int = 0
    took: float = 0.0
    """Seconds."""

    @property
    def told(self) -> str:
        """What was read, and what was not, in one line."""
        if self.source.ended is not None:
            return f"the last {count(len(self.lines), 'line')} of its stream"
        said = [f"{count(len(self.lines), 'line')} of errors since {self.start:%H:%M} UTC"]
        if self.began is not None:
            said.append(f"onset {self.began:%H:%M}")
        if self.until is not None:
            said.append(f"read to {self.until:%H:%M:%S} and the newest two minutes: there are more")
        if self.lines and self.compared is None:
            said.append(f"nothing is known to be new: {self.short}")
        elif self.short:
            said.append(f"the hour before only in part: {self.short}")
        return " · ".join(said)


class TargetLogs:
    """The logs of one target, by a session of its place."""

    def __init__(
        self,
        target: Target,
        probe: AnyProbe,
        *,
        session: Callable[[], Awaitable[AwsReads]],
        seen: object = None,
        onset: datetime | None = None,
    ) -> None:
        """`seen`: the newest snapshot of the probe; None: the target is looked at first. `onset`:
        when the trouble began, as far as it is known.
        """
        self.target = target
        self.onset = onset
        self._probe = probe
        self._session = session
        self._seen = seen

    async def sources(self) -> Sequence[LogSource]:
        """Where its lines are. Raises `BlindError`, also when it has none."""
        find = self._probe.logs
        async with _in_time():
            aws = await self._session()
            if self._seen is None:
                self._seen = await self._probe.collect(aws, self.target)
            found = await find(aws, self._seen, self.target) if find is not None else ()
        if not found:
            raise BlindError(
                Reason.MISSING,
                f"{self.target.name} tells of no log group that it writes to",
                hint='name the group as a target of its own: kind = "log_group"',
            )
        return found

    async def read(self, source: LogSource, *, span: timedelta = SPAN) -> LogView:
        """The lines of errors of the last `span`, new patterns first; of a stream that ended, its
        last lines. Raises `BlindError`.
        """
        _must_be_readable(source)
        at, begun = clock.now(), clock.monotonic()
        start = at - min(span, LONGEST)
        try:
            async with _in_time():
                aws = await self._session()
                if source.ended is not None:
                    view = await _ended(aws, source, at)
                else:
                    view = await _read(aws, source, start, at=at, onset=self.onset)
        except BlindError as error:
            raise _named(error, source) from error
        return replace(view, took=clock.monotonic() - begun)

    async def around(
        self, source: LogSource, line: LogLine
    ) -> tuple[tuple[LogLine, ...], tuple[LogLine, ...]]:
        """Lines of the same stream before and from a line on. Raises `BlindError`."""
        async with _in_time():
            return await around(await self._session(), source.group, line)

    async def newer(self, source: LogSource, after: datetime) -> LinesRead:
        """Every line since a moment, whatever it tells, at most 500. Raises `BlindError`."""
        _must_be_readable(source)
        try:
            async with _in_time():
                return await matching(
                    await self._session(),
                    source.group,
                    "",
                    start=after,
                    end=clock.now() + timedelta(seconds=1),
                    most=_TAILED,
                    pages=2,
                    prefix=source.prefix,
                    stream=source.stream,
                )
        except BlindError as error:
            raise _named(error, source) from error

    async def estimate(self, source: LogSource, *, span: timedelta = SPAN) -> QueryEstimate:
        """What a query of Logs Insights over the span and the one before would scan. Raises
        `BlindError`, `Refused`.
        """
        _must_be_readable(source)
        end = clock.now()
        return await insights.estimate(
            await self._session(), source.group, start=end - span, end=end
        )

    async def query(self, source: LogSource, about: QueryEstimate) -> QueryFound:
        """Run what was estimated: it costs. Raises `BlindError`."""
        return await insights.query(await self._session(), source.group, about)


def logs_probe(
    target: Target, probes: Mapping[str, AnyProbe], below: Iterable[Target] = ()
) -> AnyProbe:
    """The probe that knows where a target's lines are.

    `below`: what the target needs, for the hint of the `BlindError` that is raised when none does.
    """

    def knows(kind: str) -> AnyProbe | None:
        return next((each for each in looking_at(probes, kind) if each.logs is not None), None)

    if (probe := knows(target.kind)) is not None:
        return probe
    others = sorted(each.name for each in below if knows(each.kind) is not None)[:3]
    if others:
        names = ", ".join(others)
        raise BlindError(
            Reason.UNSUPPORTED,
            f"where the lines of {target.name} are is not known: it is of the kind {target.kind}",
            hint=f"it needs {names}: read the logs there",
        )
    raise BlindError(
        Reason.UNSUPPORTED,
        f"where the lines of {target.name} are is not known: it is of the kind {target.kind}",
        hint='name their group as a target of its own: kind = "log_group"',
    )


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    """Nobody waits for longer than a minute for one answer."""
    try:
        async with asyncio.timeout(_PATIENCE):
            yield
    except TimeoutError:
        told = f"CloudWatch Logs did not answer within {_PATIENCE:g} s"
        raise BlindError(Reason.TIMEOUT, told, hint="a shorter span asks for less") from None


def _named(error: BlindError, source: LogSource) -> BlindError:
    """What is not there, by its name: AWS says only that something is not."""
    if error.reason is not Reason.MISSING:
        return error
    if source.stream and "log group" not in error.message:
        told = f"there is no stream {source.stream} in {source.group}"
        hint = "nothing was written to it: its container never started, or said nothing"
        return BlindError(Reason.MISSING, told, hint=hint)
    return BlindError(
        Reason.MISSING,
        f"there is no log group {source.group}",
        hint="nobody has written to it yet, it was deleted, or it is in another region",
    )


def _must_be_readable(source: LogSource) -> None:
    if source.why or not source.group:
        raise BlindError(Reason.UNSUPPORTED, f"{source.label}: {source.why or 'no log group'}")


async def _ended(aws: AwsReads, source: LogSource, at: datetime) -> LogView:
    assert source.ended is not None
    end = source.ended + timedelta(minutes=1)  # what a process wrote last may come after its end
    lines = await last_of(aws, source.group, source.stream, end=end, most=_LAST)
    start = lines[0].at if lines else source.ended
    return LogView(source=source, at=at, start=start, lines=lines, calls=1)


async def _read(
    aws: AwsReads, source: LogSource, start: datetime, *, at: datetime, onset: datetime | None
) -> LogView:
    began = onset if onset is not None and at - BEFORE * 24 < onset < at else None
    told = await _errors(aws, source, start, at, most=_PAGE * _PAGES, pages=_PAGES)
    lines, until, calls = list(told.lines), told.until, told.calls
    if until is not None and until < at - _NEWEST:
        newest = await _errors(aws, source, at - _NEWEST, at, most=_PAGE, pages=2)
        lines += newest.lines
        calls += newest.calls
    tally = PatternTally(kept=_KEPT)
    held_from = began or start
    shown = await asyncio.to_thread(_grouped, lines, source.errors, tally, held_from)
    view = LogView(
        source=source,
        at=at,
        start=start,
        began=began,
        lines=tuple(shown),
        until=until,
        calls=calls,
    )
    if shown:
        view = await _compared(aws, view, tally, held_from)
    found = tally.with_lines(compared=view.compared is not None)
    return replace(
        view,
        patterns=tuple(
            PatternLines(pattern=pattern, lines=tuple(shown[number] for number in numbers))
            for pattern, numbers in found
        ),
    )


async def _compared(aws: AwsReads, view: LogView, tally: PatternTally, until: datetime) -> LogView:
    """The view with what the hour before the onset has of its patterns.

    A part of that hour that could not be read is told, and leaves out what it could not hold
    against: then nothing is called new.
    """
    first = until - BEFORE
    calls, whole = view.calls, True
    begin = first
    while begin < min(until, view.start):  # from its start on, the span itself was read
        end = min(begin + _SLICE, until, view.start)
        try:
            told = await _errors(aws, view.source, begin, end, most=_PAGE, pages=2)
        except BlindError as error:
            return replace(view, calls=calls, short=error.message)
        calls += told.calls
        whole = whole and told.complete
        await asyncio.to_thread(_add_before, told.lines, view.source.errors, tally)
        begin = end
    short = "" if whole else "there were too many lines to read all of them"
    return replace(view, calls=calls, compared=first, short=short)


async def _errors(
    aws: AwsReads,
    source: LogSource,
    start: datetime,
    end: datetime,
    *,
    most: int,
    pages: int,
) -> LinesRead:
    return await matching(
        aws,
        source.group,
        source.errors or WANTED,
        start=start,
        end=end,
        most=most,
        pages=pages,
        prefix=source.prefix,
        stream=source.stream,
    )


def _kind(line: LogLine, pattern: str) -> str:
    return kind_of(line.text) or (ERROR if pattern else "")


def _grouped(
    lines: Sequence[LogLine], pattern: str, tally: PatternTally, held_from: datetime
) -> list[LogLine]:
    """Those that tell of errors; in the tally those from before the onset count as before."""
    shown: list[LogLine] = []
    known: set[tuple[datetime, str, str, str]] = set()
    for line in lines:
        kind = _kind(line, pattern)
        key = (line.at, line.stream, line.id, line.text)
        if not kind or key in known:
            continue
        known.add(key)
        tally.add(
            line.text,
            line.at,
            stream=line.stream,
            before=line.at < held_from,
            number=len(shown),
            kind=kind,
        )
        shown.append(line)
    return shown


def _add_before(lines: Sequence[LogLine], pattern: str, tally: PatternTally) -> None:
    for line in lines:
        if kind := _kind(line, pattern):
            tally.add(line.text, line.at, before=True, kind=kind)
