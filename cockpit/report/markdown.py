"""Text from outside in Markdown: it stays text, whatever it holds (pure)."""

from __future__ import annotations

import re
from functools import lru_cache

from cockpit import text

_SPECIAL = re.compile(r"[\\`*{}\[\]<>|#~!&$^]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_LINKS = re.compile(r"(?i)(?<=[a-z])(?=:/{2})|(?<=www)(?=\.)")
_START_LENGTH = 4
"""Characters in which all of `_START` lies."""
_START = re.compile(r"^(?=[-+=:])|(?<=^\d)(?=[.)])|(?<=^\d\d)(?=[.)])|(?<=^\d\d\d)(?=[.)])")


class Markdown(str):
    """Text that is Markdown already; everything else is escaped when a template prints it."""

    __slots__ = ()


@lru_cache(maxsize=4_096)
def escaped(content: str, limit: int = 20_000) -> Markdown:
    """One line of Markdown that reads exactly as the text does: no markup, HTML, table or link."""
    line = " ".join(text.visible(content, limit).split())
    line = _SPECIAL.sub(r"\\\g<0>", line)
    if "//" in line or "www" in line.lower():
        line = _LINKS.sub(r"\\", line)
    return Markdown(_START.sub(r"\\", line[:_START_LENGTH]) + line[_START_LENGTH:])


@lru_cache(maxsize=4_096)
def code(content: str) -> Markdown:
    """The text as inline code, fenced by more backticks than it has."""
    line = " ".join(text.visible(content, 2_000).split())
    if not line:
        return Markdown("")
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return Markdown(f"{fence}{pad}{line.replace('|', chr(0x2502))}{pad}{fence}")


def finished(value: object) -> str:
    """What a template prints for a value: Markdown as it is, nothing for None, else escaped."""
    if isinstance(value, Markdown):
        return value
    if type(value) is int and value >= 0:
        return str(value)
    return "" if value is None else escaped(str(value))
