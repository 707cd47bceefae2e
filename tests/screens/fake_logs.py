"""Logs with a scripted outage: patterns, hostile lines, a stopped task, and what may fail."""

from __future__ import annotations

from datetime import datetime, timedelta

from cockpit.errors import CockpitError
from cockpit.logs.insights import QueryEstimate, QueryFound, QueryPattern
from cockpit.logs.patterns import LinePattern
from cockpit.logs.reading import LinesRead, LogLine
from cockpit.logs.source import LogSource
from cockpit.triage.target_logs import SPAN, LogView, PatternLines

WEB = LogSource(group="/ecs/checkout", label="container web", prefix="app/web/")
DEAD = LogSource(
    group="/ecs/checkout",
    label="stopped 02:43:10 web, exit 137 (0123abcd)",
    stream="app/web/0123abcd",
    reason="OutOfMemoryError: container killed [/b]",
)
FAR = LogSource(group="", label="container agent", why="its lines go by the driver splunk")


class FakeLogs:
    """Implements `screens.port.LogsPort` around a moment."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.all: tuple[LogSource, ...] = (WEB, self._dead(), FAR)
        self.failing: CockpitError | None = None
        self.spans: list[timedelta] = []
        self.queried: list[QueryEstimate] = []
        self.coming: list[LogLine] = []
        self.scans = 1.2e9

    def _dead(self) -> LogSource:
        at = self.now - timedelta(minutes=1, seconds=50)
        return LogSource(
            group=DEAD.group, label=DEAD.label, stream=DEAD.stream, reason=DEAD.reason, ended=at
        )

    def ago(self, **span: float) -> datetime:
        return self.now - timedelta(**span)

    def line(self, text: str, seconds: float, stream: str = "app/web/89ab") -> LogLine:
        return LogLine(at=self.ago(seconds=seconds), text=text, stream=stream, id=f"{seconds}")

    def view(self, source: LogSource) -> LogView:
        if source.ended is not None:
            lines = (self.line("allocating", 115), self.line("MemoryError [/b]\x1b[2J", 111))
            return LogView(source=source, at=self.now, start=lines[0].at, lines=lines, calls=1)
        new = tuple(self.line(f"KeyError: 'customer_{n}' [/b]\u202e", 300 - n) for n in range(3))
        old = (self.line("ERROR order 17 failed\n  at line 3", 20),)
        patterns = (
            self._pattern("field", "KeyError: … [/b]", new, before=0, count=61),
            self._pattern("error", "ERROR order N failed", old, before=204, count=31),
        )
        return LogView(
            source=source,
            at=self.now,
            start=self.now - SPAN,
            began=self.ago(minutes=6),
            patterns=patterns,
            lines=(*new, *old),
            compared=self.ago(minutes=66),
            calls=6,
        )

    def _pattern(
        self, kind: str, shape: str, lines: tuple[LogLine, ...], *, before: int, count: int
    ) -> PatternLines:
        pattern = LinePattern(
            kind=kind,
            shape=shape,
            count=count,
            first=lines[0].at,
            last=lines[-1].at,
            before=before,
            streams=2,
            new_since=None if before else lines[0].at,
        )
        return PatternLines(pattern=pattern, lines=lines)

    def _may_fail(self) -> None:
        if self.failing is not None:
            raise self.failing

    async def sources(self) -> tuple[LogSource, ...]:
        self._may_fail()
        return self.all

    async def read(self, source: LogSource, *, span: timedelta = SPAN) -> LogView:
        self._may_fail()
        self.spans.append(span)
        return self.view(source)

    async def around(
        self, source: LogSource, line: LogLine
    ) -> tuple[tuple[LogLine, ...], tuple[LogLine, ...]]:
        self._may_fail()
        before = (self.line("POST /pay [bold]", 301),)
        return before, (line, self.line("retrying", 290))

    async def newer(self, source: LogSource, after: datetime) -> LinesRead:
        self._may_fail()
        came, self.coming = tuple(self.coming), []
        return LinesRead(lines=came, calls=1)

    async def estimate(self, source: LogSource, *, span: timedelta = SPAN) -> QueryEstimate:
        self._may_fail()
        return QueryEstimate(start=self.now - span, end=self.now, compared=True, scans=self.scans)

    async def query(self, source: LogSource, about: QueryEstimate) -> QueryFound:
        self._may_fail()
        self.queried.append(about)
        pattern = QueryPattern(pattern="KeyError: <*> [/b]", count=61, difference="new pattern")
        return QueryFound(patterns=(pattern,), scanned=1.1e9, query="filter … | pattern @message")
