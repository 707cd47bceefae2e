"""The pieces that lines are made of: safe text, fixed widths, sparklines, clocks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from math import isfinite

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from cockpit.redact import MASKER
from cockpit.text import visible
from cockpit.triage.finding import Severity
from cockpit.units import age

Part = str | tuple[str, str] | Content

BLANK = Content("")

GLYPHS: dict[str, str] = {
    "critical": "✖",
    "high": "▲",
    "warning": "△",
    "info": "ℹ",
    "ok": "●",
    "blind": "?",
    "cleared": "✔",
    "waiting": "○",
}
"""One glyph a state; `screens.theme.to_ascii` has another for terminals without Unicode."""

_LONGEST = 100_000
_TWO_ENDS = 10
"""Cells from which a cut name has room for two ends that say something."""
_BARS = "▁▂▃▄▅▆▇█"


def safe(text: object, limit: int = 400) -> str:
    """Text from outside, harmless, without known secrets and on one line."""
    return visible(MASKER.beginning(str(text), limit + 1), limit)


def line(*parts: Part) -> Content:
    """One line of plain strings, `(text, tones)` pairs and other lines. No markup is parsed.

    What is not printable is made visible here at the latest, whoever forgot `safe` before.
    """
    return Content.assemble(*(_printable(part) for part in parts))


def _printable(part: Part) -> Part:
    if isinstance(part, Content):
        return part
    text, tones = part if isinstance(part, tuple) else (part, "")
    if text.isprintable():
        return part
    shown = visible(text, _LONGEST)
    return (shown, tones) if tones else shown


def capital(text: str) -> str:
    """The text with its first letter large, the others as they are."""
    return text[:1].upper() + text[1:]


def fit(text: str, width: int, *, right: bool = False) -> str:
    """The text in exactly `width` cells, cut with an ellipsis or filled with spaces."""
    if width <= 0:
        return ""
    cells = len(text) if text.isascii() else cell_len(text)
    if cells > width:
        return set_cell_size(text, width - 1) + "…"
    return " " * (width - cells) + text if right else text + " " * (width - cells)


def middle(text: str, width: int) -> str:
    """A name in exactly `width` cells. One that is too long is cut in the middle: what tells it
    from others, a revision or a number, stands at its end and is kept whole where it can be.
    """
    if width < _TWO_ENDS or cells(text) <= width:
        return fit(text, width)
    mark = cells(text.rpartition(":")[2]) + 1 if ":" in text else 0
    room = min(width - 2, max((width - 1) // 2, mark))
    tail = ""
    for character in reversed(text):
        if cells(character + tail) > room:
            break
        tail = character + tail
    return f"{set_cell_size(text, width - 1 - cells(tail))}…{tail}"


def cells(text: str) -> int:
    """How wide the text is on a terminal."""
    return len(text) if text.isascii() else cell_len(text)


def clip(content: Content, width: int) -> Content:
    """The line in at most `width` cells, cut with an ellipsis."""
    return content.truncate(max(0, width), ellipsis=True)


def sides(left: Content, right: Content, width: int) -> Content:
    """Two ends of one line; the left one gives way."""
    room = width - right.cell_length
    if room < 4:
        return clip(left, width)
    kept = clip(left, room - 1)
    return line(kept, " " * (width - kept.cell_length - right.cell_length), right)


def wrap(content: Content, width: int, *, indent: int = 0) -> list[Content]:
    """The line broken at words, all but its first line indented."""
    if width < 4 or content.cell_length <= width:
        return [clip(content, width)]
    first, *rest = content.wrap(width)
    if not rest or indent <= 0 or width - indent < 8:
        return [first, *rest]
    taken = len(first.plain)
    tail = content[taken:]
    while tail.plain.startswith(" "):
        tail = tail[1:]
    return [first, *(line(" " * indent, part) for part in tail.wrap(width - indent))]


def joined(parts: Iterable[Content], between: str = " · ") -> Content:
    """The lines as one, dim dots between them."""
    found: list[Part] = []
    for part in parts:
        if found:
            found.append((between, "faint"))
        found.append(part)
    return line(*found)


def spark(values: Sequence[float], width: int) -> str:
    """The last `width` values as bars over their own range; a flat series is a low line."""
    shown = [value for value in values if isfinite(value)][-width:] if width > 0 else []
    if not shown:
        return ""
    low, high = min(0.0, *shown), max(shown)
    span = high - low
    if span <= 0:
        return _BARS[0] * len(shown)
    return "".join(_BARS[min(7, int((value - low) / span * 7.999))] for value in shown)


def tone(severity: Severity | None) -> str:
    """The tone of a severity; without one, all is well."""
    return severity.value if severity is not None else "ok"


def clock(moment: datetime) -> str:
    """`02:41:03` in UTC."""
    return moment.astimezone(UTC).strftime("%H:%M:%S")


def short_clock(moment: datetime) -> str:
    """`02:41` in UTC."""
    return moment.astimezone(UTC).strftime("%H:%M")


def since(moment: datetime, then: datetime) -> float:
    """Seconds from then to the moment; never below zero."""
    return max(0.0, (moment - then).total_seconds())


def ago(moment: datetime, then: datetime) -> str:
    """`4s`, `16m`: how old something is at the moment."""
    return age(since(moment, then))


def countdown(seconds: float) -> str:
    """`03:12`, `1:05:00`; late ones as `+00:40`."""
    sign = "+" if seconds < 0 else ""
    whole = int(abs(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, seconds_left = divmod(rest, 60)
    if hours:
        return f"{sign}{hours}:{minutes:02d}:{seconds_left:02d}"
    return f"{sign}{minutes:02d}:{seconds_left:02d}"
