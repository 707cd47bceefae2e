"""Numbers as people read them."""

from __future__ import annotations

import math
import re

_SPAN = re.compile(
    r"(?:(\d{1,4})d)?\s*(?:(\d{1,4})h)?\s*(?:(\d{1,4})m)?\s*(?:(\d{1,5})s)?", re.ASCII
)


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 session`, `61 sessions`, `2,514 queries`; `plural` for nouns that do not take an s."""
    word = noun if number == 1 else plural or noun + "s"
    return f"{number:,} {word}"


def duration(seconds: float) -> str:
    """`80 ms`, `4s`, `14m 02s`, `3h 07m`, `2d 04h`. Negative spans keep their sign."""
    if seconds < 0:
        return "-" + duration(-seconds)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h {minutes:02d}m"
    days, hours = divmod(hours, 24)
    return f"{days}d {hours:02d}h"


def parsed(text: str) -> float | None:
    """`90s`, `15m`, `1h 30m`, `2d` in seconds, as a person writes a span; None when it is none."""
    found = _SPAN.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        return None
    days, hours, minutes, seconds = (int(each or 0) for each in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def brief(seconds: float) -> str:
    """`1h`, `15m`, `1h 30m`: a span that somebody chose, without what is zero in it."""
    if not seconds:
        return "0s"
    first, _, rest = duration(seconds).partition(" ")
    return first if rest[:2] == "00" else f"{first} {rest}".strip()


def age(seconds: float) -> str:
    """The short form for a narrow column: `4s`, `16m`, `3h`, `2d`."""
    if seconds < 60:
        return f"{max(0, int(seconds))}s"
    if seconds < 3600:
        return f"{int(seconds // 60)}m"
    if seconds < 86400:
        return f"{int(seconds // 3600)}h"
    return f"{int(seconds // 86400)}d"


def size(octets: float) -> str:
    """Binary units: `512 B`, `4.0 KiB`, `1.5 GiB`."""
    value = float(octets)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(value) < 1024 or unit == "TiB":
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError("the last unit always returns")


def usd(amount: float) -> str:
    """`$0.02`; below a cent with as many digits as say something."""
    return f"${amount:.2f}" if amount >= 0.01 else f"${amount:.4f}"


def percent(share: float) -> str:
    """A share of one as `41%`, with one decimal below ten: `0.4%`."""
    value = share * 100
    return f"{value:.1f}%" if 0 < abs(value) < 10 else f"{value:.0f}%"


def number(value: float) -> str:
    """`97`, `2,514`, `0.82`: as few digits as say it."""
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def rounded(value: float) -> str:
    """`0.2`, `9.7`, `12`, `2,514`: one decimal below ten, so that little is not nothing."""
    return f"{value:,.1f}".removesuffix(".0") if abs(value) < 10 else f"{value:,.0f}"


def quantity(value: float | int | str | None, unit: str) -> str:
    """A value with its unit as evidence shows it; `None` is `unknown`, never zero."""
    if isinstance(value, str):
        return value
    if value is None or not math.isfinite(value):
        return "unknown"
    match unit:
        case "s":
            return duration(float(value))
        case "s ago":
            return f"{duration(float(value))} ago"
        case "ms":
            return duration(float(value) / 1000)
        case "bytes":
            return size(value)
        case "share":
            return percent(float(value))
        case "":
            return number(value)
        case _:
            return f"{number(value)} {unit}"
