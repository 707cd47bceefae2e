"""Text from outside, made harmless: no control code, no direction override, no literal.

SQL, log lines, tags, HTTP bodies and AWS descriptions pass through here before they reach a
finding, a screen, the journal or an export.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Annotated

SafeText = Annotated[str, "harmless"]
"""Text that has been through `visible`: what a record of an outside answer holds.

An alias and no class of its own: snapshots and tests write literals, and what a checker could hold
is lost in the first f-string. The door holds it (`cockpit.connect.aws.answer`): nothing passes raw.
"""

_KEPT = {"\n", "\t"}
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")


def visible(text: str, limit: int = 400) -> str:
    r"""The text with every control, format and surrogate character shown as `\x1b` or `\u202e`.

    Newlines and tabs become single spaces, so that one value stays one line. Longer than `limit`
    characters: cut, with an ellipsis as the last one.
    """
    cut = text[: limit + 1]
    if cut.isascii() and cut.isprintable():
        return cut if len(cut) <= limit else cut[: limit - 1] + "…"
    shown = "".join(_visible(character) for character in cut)
    return shown if len(text) <= limit and len(shown) <= limit else shown[: limit - 1] + "…"


def lines(text: str, limit: int = 64_000) -> str:
    """Like `visible`, but keeps line breaks; ANSI sequences are removed rather than shown."""
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    plain = _ANSI.sub("", text[: limit * 2])
    kept = "".join(c if c in _KEPT else _visible(c) for c in plain)
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def _visible(character: str) -> str:
    if character in "\n\r\t\v\f":
        return " "
    if unicodedata.category(character) not in _INVISIBLE:
        return character
    point = ord(character)
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}"


_LITERALS = re.compile(
    r"""
      (?P<dollar>\$(?P<tag>[A-Za-z_]\w*|)\$.*?(?:\$(?P=tag)\$|\Z))  # $$…$$ and $tag$…$tag$
    | (?P<quoted>(?<![A-Za-z0-9_])[EeBbXxNn]?'(?:[^'\\]|''|\\.)*(?:'|\Z))
    | (?P<line>--[^\n]*|\#[^\n]*(?=\n|\Z))
    | (?P<block>/\*.*?(?:\*/|\Z))
    | (?P<number>(?<![\w$.])-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b)
    """,
    re.VERBOSE | re.DOTALL,
)
_LIST = re.compile(r"\(\s*\?(?:\s*,\s*\?)+\s*\)")
_PASSWORD = re.compile(r"(?i)\b(password|identified\s+by|secret|token)\b\s*(?:=|:)?\s*\S+")
_MAX_SQL = 20_000


def without_literals(sql: str, limit: int = 400) -> str:
    """A statement without what may be secret in it: literals, comments, `IN` lists, passwords.

    `SELECT * FROM t WHERE id = 42 AND name = 'x'` becomes
    `SELECT * FROM t WHERE id = ? AND name = ?`. Double-quoted text stays: it is an identifier in
    PostgreSQL and, in MySQL's default mode, a string: callers for MySQL pass `sql` through
    `without_double_quotes` first.
    """
    head = _PASSWORD.sub(lambda m: f"{m.group(1)} ?", sql[:_MAX_SQL])
    bare = _LITERALS.sub(_placeholder, head)
    bare = _LIST.sub("(?, …)", bare)
    return visible(" ".join(bare.split()), limit)


def without_double_quotes(sql: str) -> str:
    """MySQL's double-quoted strings as `?`, since without ANSI_QUOTES they are literals."""
    return re.sub(r'"(?:[^"\\]|""|\\.)*(?:"|\Z)', "?", sql[:_MAX_SQL])


def _placeholder(found: re.Match[str]) -> str:
    return " " if found.lastgroup in {"line", "block"} else "?"


def nearest(word: object, known: Iterable[object], prefix: str = "") -> str:
    """`; did you mean 'host'?` for a word that is close to a known one, else an empty text.

    `prefix` stands before the known word in what is told.
    """
    import difflib

    close = difflib.get_close_matches(str(word), [str(each) for each in known], n=1, cutoff=0.6)
    return f"; did you mean '{prefix}{close[0]}'?" if close else ""
