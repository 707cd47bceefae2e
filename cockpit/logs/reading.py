"""Lines of CloudWatch Logs as they are read: within a span, a number, and a size, always.

Source: CloudWatch Logs API Reference, `FilterLogEvents` (oldest first; a page may be empty and not
the last), `GetLogEvents` (the last page gives its own token back). Neither is charged by the line;
Logs Insights is (`cockpit.logs.insights`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason, Refused
from cockpit.text import lines, visible

CHARACTERS = 4_000
"""Of a line that are kept."""
SIZE = 4_000_000
"""Characters of lines in one reading, over all its pages."""
_LONGEST = timedelta(hours=6)
"""Before and after a line in which lines around it are looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One event. Secrets are masked where the answer comes in; the text is harmless to draw."""

    at: datetime
    text: str
    stream: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Raw rows of an answer, oldest first."""

    rows: Sequence[object]
    complete: bool
    """Whether that is all there was; False: the newest of the span are not among them."""
    calls: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LinesRead:
    """Lines of a span, oldest first."""

    lines: tuple[LogLine, ...] = ()
    complete: bool = True
    """False: there were more, and the newest were not read."""
    calls: int = 0

    @property
    def until(self) -> datetime | None:
        """The newest line that was read, where the reading ended before its span; else None."""
        return self.lines[-1].at if self.lines and not self.complete else None


def epoch(moment: datetime) -> int:
    """Milliseconds since 1970."""
    return int(moment.timestamp() * 1000)


async def filtered(
    aws: AwsReads,
    group: str,
    pattern: str,
    *,
    start: datetime,
    end: datetime,
    most: int,
    pages: int = 3,
    prefix: str = "",
    stream: str = "",
) -> Events:
    """About `most` events of a group that match, of so many pages. Raises `BlindError`.

    `prefix`: only streams that begin so; `stream`: only this one.
    """
    asked: dict[str, object] = {
        "logGroupName": group,
        "startTime": epoch(start),
        "endTime": epoch(end),
        "limit": most,
    }
    if pattern:
        asked["filterPattern"] = pattern
    if stream:
        asked["logStreamNames"] = [stream]
    elif prefix:
        asked["logStreamNamePrefix"] = prefix
    rows: list[object] = []
    size = 0
    for page in range(1, pages + 1):
        told, answer = await _asked(aws, "FilterLogEvents", asked)
        rows += told
        size += sum(len(str(each.get("message", ""))) for each in told if isinstance(each, Mapping))
        token = answer.get("nextToken")
        if not token:
            return Events(rows=rows, complete=True, calls=page)
        if len(rows) >= most or size >= SIZE:
            break
        asked["nextToken"] = token
    return Events(rows=rows, complete=False, calls=page)


async def matching(
    aws: AwsReads,
    group: str,
    pattern: str,
    *,
    start: datetime,
    end: datetime,
    most: int,
    pages: int = 3,
    prefix: str = "",
    stream: str = "",
) -> LinesRead:
    """The same as lines. Raises `BlindError`."""
    found = await filtered(
        aws,
        group,
        pattern,
        start=start,
        end=end,
        most=most,
        pages=pages,
        prefix=prefix,
        stream=stream,
    )
    return LinesRead(
        lines=tuple(sorted(_lines(found.rows), key=lambda each: each.at)),
        complete=found.complete,
        calls=found.calls,
    )


async def around(
    aws: AwsReads, group: str, line: LogLine, *, most: int = 40
) -> tuple[tuple[LogLine, ...], tuple[LogLine, ...]]:
    """Lines of the same stream before a line, and from it on, itself among them, oldest first.

    Raises `BlindError`.
    """
    here = {"logGroupName": group, "logStreamName": line.stream, "limit": most}
    before = await _events(
        aws,
        {
            **here,
            "startTime": epoch(line.at - _LONGEST),
            "endTime": epoch(line.at),
            "startFromHead": False,
        },
    )
    after = await _events(
        aws,
        {
            **here,
            "startTime": epoch(line.at),
            "endTime": epoch(line.at + _LONGEST),
            "startFromHead": True,
        },
    )
    return tuple(_lines(before, line.stream))[-most:], tuple(_lines(after, line.stream))[:most]


async def last_of(
    aws: AwsReads, group: str, stream: str, *, end: datetime, most: int = 50
) -> tuple[LogLine, ...]:
    """The last lines of a stream up to a moment, oldest first. Raises `BlindError`."""
    rows = await _events(
        aws,
        {
            "logGroupName": group,
            "logStreamName": stream,
            "limit": most,
            "startTime": epoch(end - timedelta(days=1)),
            "endTime": epoch(end),
            "startFromHead": False,
        },
    )
    return tuple(_lines(rows, stream))[-most:]


async def _events(aws: AwsReads, asked: Mapping[str, object]) -> list[object]:
    """Events of a stream: pages are followed while they are empty, three at most."""
    forward = bool(asked["startFromHead"])
    member = "nextForwardToken" if forward else "nextBackwardToken"
    more: dict[str, object] = {}
    for _ in range(3):
        told, answer = await _asked(aws, "GetLogEvents", {**asked, **more})
        token = answer.get(member)
        if told or not token or token == more.get("nextToken"):
            return told
        more = {"nextToken": token}
    return []


async def _asked(
    aws: AwsReads, operation: str, asked: Mapping[str, object]
) -> tuple[list[object], Mapping[str, object]]:
    """The events, and the whole answer."""
    try:
        answer = await aws.read("logs", operation, expect="events", **asked)
    except Refused as error:  # the place's `logs` is false, or no probe there reads lines
        told = "the place lets no look read lines of logs"
        hint = "logs = true in its table [aws.NAME] does, where a target's looks read lines"
        raise BlindError(Reason.MISCONFIGURED, f"{told}: {error.message}", hint=hint) from error
    events = answer["events"]
    if not isinstance(events, list):
        raise BlindError(Reason.UNREADABLE, "the answer's events are no list")
    return events, answer


def _harmless(text: str) -> str:
    """As `cockpit.text.lines`, which looks at each character: thousands of lines come at once."""
    cut = text[:CHARACTERS]
    if len(text) <= CHARACTERS and cut.replace("\n", "").replace("\t", "").isprintable():
        return cut
    return lines(text, CHARACTERS)


def _lines(rows: Sequence[object], stream: str = "") -> Iterator[LogLine]:
    """Events as lines. Raises `BlindError(unreadable)` for what is none."""
    for row in rows:
        if not isinstance(row, Mapping):
            raise BlindError(Reason.UNREADABLE, "an event of the log is no structure")
        message, at = row.get("message", ""), row.get("timestamp")
        if not isinstance(message, str) or not isinstance(at, int):
            raise BlindError(Reason.UNREADABLE, "an event of the log has no text or no time")
        try:
            moment = datetime.fromtimestamp(at / 1000, UTC)
        except (OverflowError, ValueError, OSError):
            raise BlindError(Reason.UNREADABLE, "a line of the log has no real time") from None
        yield LogLine(
            at=moment,
            text=_harmless(message.rstrip("\r\n")),
            stream=visible(str(row.get("logStreamName", stream)), 512),
            id=visible(str(row.get("eventId", "")), 80),
        )
