"""Lines of logs: patterns, lines, and the selected one in full. Text of others stays text."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from textual.content import Content

from cockpit.logs.insights import QueryEstimate, QueryFound
from cockpit.logs.reading import LogLine
from cockpit.logs.shapes import kind_of, words_of
from cockpit.logs.source import LogSource
from cockpit.redact import MASKER
from cockpit.triage.target_logs import LogView, PatternLines
from cockpit.units import count, number, size, usd
from screens.present.lines import BLANK, clock, fit, line, safe, short_clock, wrap

LogRow = PatternLines | LogLine
"""What the list shows: patterns, or lines."""

COLUMNS = frozenset({"kind", "new", "text", "stream", "time"})
MARK = "▶ "
"""Before the line that was asked for."""
_WIDE = 100
_PINNED = 300
_SHOWN = 2_000
_STREAM, _STREAM_WIDE = 10, 24
_TONES = {"memory": "critical", "denied": "critical", "error": "high", "": ""}


def key(row: LogRow) -> Hashable:
    """Identity from reading to reading."""
    if isinstance(row, PatternLines):
        return (row.pattern.kind, row.pattern.shape)
    return (row.at, row.stream, row.id, row.text)


def fields(row: LogRow) -> Mapping[str, str]:
    """The columns that a filter can name."""
    if isinstance(row, PatternLines):
        pattern = row.pattern
        return {
            "kind": pattern.kind,
            "new": "new" if pattern.new_since else "",
            "text": pattern.shape,
            "stream": " ".join({each.stream for each in row.lines}),
            "time": clock(pattern.last),
        }
    kind = kind_of(row.text)
    return {"kind": kind, "new": "", "text": row.text, "stream": row.stream, "time": clock(row.at)}


def heads(width: int, *, patterns: bool) -> Content:
    """The words over the columns."""
    if patterns:
        told = [fit("new", 5), fit("lines", 6, right=True), fit("before", 6, right=True)]
        told += [fit("last", 8)] + ([fit("tells of", 9)] if width >= _WIDE else []) + ["shape"]
    else:
        told = [fit("time", 8), fit("stream", _stream(width)), "line"]
    return line(("  ".join(told), "dim"))


def draw(row: LogRow, width: int, _moment: datetime) -> Content:
    """`02:41     12       0  02:44:31  ERROR order N failed`, or a line with its stream's end."""
    if isinstance(row, PatternLines):
        return _pattern(row, width).truncate(max(0, width), ellipsis=True)
    tone = _TONES.get(kind_of(row.text), "warning")
    told = line(
        (f"{clock(row.at)}  ", "dim"),
        (f"{_tail(row.stream, _stream(width))}  ", "faint"),
        (safe(_first(row.text), width * 2), tone),
    )
    return told.truncate(max(0, width), ellipsis=True)


def _first(text: str) -> str:
    """What stands on one row for several lines: of a traceback its last, else the first."""
    return words_of(text) if "\n" in text else text


def _pattern(row: PatternLines, width: int) -> Content:
    pattern = row.pattern
    new = short_clock(pattern.new_since) if pattern.new_since else ""
    tone = _TONES.get(pattern.kind, "warning")
    return line(
        (f"{fit(new, 5)}  ", "accent bold"),
        (f"{fit(number(pattern.count), 6, right=True)}  ", "strong"),
        (f"{fit(_before(row), 6, right=True)}  ", "dim"),
        (f"{clock(pattern.last)}  ", "dim"),
        (f"{fit(pattern.kind, 9)}  " if width >= _WIDE else "", tone),
        (safe(pattern.shape, width * 2), tone if pattern.new_since else ""),
    )


def _before(row: PatternLines) -> str:
    """How many there were before; what was not held against anything is unknown, and no zero."""
    pattern = row.pattern
    return number(pattern.before) if pattern.before or pattern.new_since else "?"


def _stream(width: int) -> int:
    return _STREAM_WIDE if width >= _WIDE else _STREAM


def _tail(stream: str, width: int) -> str:
    """The end of a stream's name: a container and task stand there."""
    shown = safe(stream, 512)
    return fit(shown, width) if len(shown) <= width else f"…{shown[-(width - 1) :]}"


def sources(all_: Sequence[LogSource], at: int, view: LogView | None, told: str) -> list[Content]:
    """Which log this is, how many there are, and what was read of it."""
    if not all_:
        return [line((f" {told or 'where are its lines?'}", "dim")), BLANK]
    source = all_[at]
    which = f" {at + 1} of {len(all_)} " if len(all_) > 1 else " "
    first = line((which, "dim"), (safe(source.name, 300), "strong"))
    reason = f"{safe(source.reason, 200)}  " if source.reason else ""
    said = told or (safe(view.told, 300) if view is not None else "reading …")
    cost = f"  ({count(view.calls, 'call')}, no charge)" if view is not None and not told else ""
    return [first, line(" ", (reason, "high"), said, (cost, "dim"))]


def whole(row: LogRow | None, width: int) -> list[Content]:
    """The selected row: a pattern's facts and newest lines, or a line in full."""
    if row is None:
        return []
    if isinstance(row, LogLine):
        return [*_facts(row, width), *_full(row, width)]
    pattern = row.pattern
    new = f"new since {clock(pattern.new_since)}, " if pattern.new_since else ""
    told = (
        f"{new}{count(pattern.count, 'line')}, {clock(pattern.first)} to {clock(pattern.last)} UTC,"
        f" in {count(pattern.streams, 'stream')}; in the time before: {_before(row)}"
    )
    lines = [*wrap(line((told, "dim")), width), *wrap(line(safe(pattern.shape, 400)), width)]
    for each in reversed(row.lines):
        lines += wrap(
            line((f"{clock(each.at)}  ", "dim"), safe(each.text, _SHOWN)), width, indent=10
        )
    return lines


def _facts(row: LogLine, width: int) -> list[Content]:
    stream = f"  {safe(row.stream, 512)}" if row.stream else ""
    return wrap(line((f"{row.at:%Y-%m-%d} {clock(row.at)} UTC{stream}", "dim")), width)


def _full(row: LogLine, width: int) -> Iterator[Content]:
    for part in row.text.split("\n"):
        yield from wrap(line(safe(part, _SHOWN)), width)


def around(
    before: Sequence[LogLine], after: Sequence[LogLine], chosen: LogLine, width: int
) -> list[Content]:
    """Lines of a stream around one, which is marked."""
    shown: list[Content] = []
    for each in (*(row for row in before if row not in after), *after):
        mine = each.at == chosen.at and each.text == chosen.text
        mark = (MARK, "accent bold") if mine else "  "
        parts = each.text.split("\n")
        tone = "strong" if mine else _TONES.get(kind_of(each.text), "warning")
        for place, part in enumerate(parts):
            head = line(mark, (f"{clock(each.at)}  ", "dim")) if not place else line(" " * 12)
            shown += wrap(line(head, (safe(part, _SHOWN), tone)), width, indent=12)
    return shown or [line(("No line of this stream could be read around it.", "dim"))]


def estimated(about: QueryEstimate) -> str:
    """What is asked before a query, with its price."""
    span = short_span(about.end - about.start)
    return (
        f"scans about {size(about.scans)}, about {usd(about.usd)} ({span} and the {span} before): "
        "yes runs it"
    )


def queried(found: QueryFound, width: int) -> list[Content]:
    """What a query found, and what it cost."""
    head = f"scanned {size(found.scanned)}, about {usd(found.usd)}; the query was"
    lines = [*wrap(line((head, "dim")), width), *wrap(line((found.query, "dim")), width), BLANK]
    for each in found.patterns:
        tone = "high" if each.new else ""
        cells = f"{fit(number(each.count), 7, right=True)} ×  {fit(safe(each.difference), 22)}  "
        lines += wrap(line((cells, "strong"), (safe(each.pattern, 400), tone)), width, indent=35)
    return lines if found.patterns else [*lines, line("It found no line of errors.")]


def short_span(span: timedelta) -> str:
    """`15 min`, `2 h`."""
    minutes = round(span.total_seconds() / 60)
    return f"{minutes // 60} h" if minutes % 60 == 0 and minutes else f"{minutes} min"


def as_text(row: LogRow | None) -> str:
    """What `y` copies."""
    if row is None:
        return ""
    if isinstance(row, LogLine):
        return MASKER.mask(f"{row.at:%Y-%m-%dT%H:%M:%S}Z {row.stream} {row.text}")
    pattern = row.pattern
    lines = [f"{pattern.count} × {pattern.shape}", *(each.text for each in row.lines[-1:])]
    return MASKER.mask("\n".join(lines))


def pinned(row: LogRow, source: LogSource) -> str:
    """The note that a pinned line becomes: masked and cut."""
    each = row.lines[-1] if isinstance(row, PatternLines) and row.lines else row
    where = source.group
    if isinstance(each, LogLine):
        told = f"log {where} {clock(each.at)} {_tail(each.stream, 40).strip()}: {each.text}"
    else:
        told = f"log {where}: {each.pattern.count} × {each.pattern.shape}"
    return safe(MASKER.mask(told), _PINNED)
