"""Secrets: known values, and what stands in the place of one, are masked wherever text leaves the
process' memory.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

from cockpit import text
from cockpit.secret_shapes import MASK as MASK
from cockpit.secret_shapes import may_have_shapes, named_secret, without_shapes

_SHORTEST = 4
_SHORTEST_BASE64 = 6
_SIGNED = re.compile(
    r"(?i)(x-amz-(?:signature|security-token|credential)(?:[\\\"']*\s*[=:]\s*[\\\"']*|%3d))"
    r"[^\s&\"'<>,;\\]+"
)
"""What signs a request or a URL of AWS: whoever has it may send the same."""


@dataclass(slots=True)
class Masker:
    """Replaces every secret value that it was told of by `•••`, also where it is encoded.

    Encoded: escaped for JSON or Python, in a URL, in base64 (also as a part of what is encoded, as
    in a header for Basic authentication).

    Values shorter than four characters are not registered: masking them would shred every text.
    """

    _values: set[str] = field(default_factory=set)
    _longest_first: tuple[str, ...] | None = None
    """The values in the order in which they are replaced; None: one was learnt since."""
    learnt: int = 0
    """How often it was told of one: what was found harmless before may be none."""

    def learn(self, value: str) -> None:
        """Remember a resolved secret for the life of the process."""
        if len(value) >= _SHORTEST:
            self._values.update(_forms(value))
            self._longest_first = None
            self.learnt += 1

    def mask(self, content: str) -> str:
        """The text without any known secret, nor what looks like one."""
        content = self.without_known(content)
        if not may_have_shapes(content):  # what signs has one of its words too
            return content
        return without_shapes(_SIGNED.sub(rf"\1{MASK}", content))

    def without_known(self, content: str) -> str:
        """The text without any known secret, the longest values first."""
        for value in self._ordered():
            if value in content:
                content = content.replace(value, MASK)
        return content

    def beginning(self, content: str, most: int) -> str:
        """The first characters of the text without any known secret, at most so many.

        For what is drawn, and drawn again: of a megabyte no more is looked at than is shown.
        """
        longest = len(next(iter(self._ordered()), ""))
        span = most + longest
        while True:
            shown = self.without_known(content[:span])
            if span >= len(content):
                return shown[:most]
            sure = shown[
                : max(0, len(shown) - longest)
            ]  # what was cut through a secret shows half of it
            if len(sure) >= most:
                return sure[:most]
            span *= 2

    def _ordered(self) -> tuple[str, ...]:
        if self._longest_first is None:
            self._longest_first = tuple(sorted(self._values, key=len, reverse=True))
        return self._longest_first


def _forms(value: str) -> Iterator[str]:
    """A value as it is, and as it stands in JSON, Python, URLs and base64."""
    yield value
    for ascii_only in (True, False):
        once = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield once
        yield json.dumps(once, ensure_ascii=ascii_only)[1:-1]  # JSON within JSON, as AWS has it
    yield repr(value)[1:-1]
    yield repr(value.encode(errors="replace"))[2:-1]
    yield text.visible(value, 2 * len(value) + 2)
    for encoded in (quote(value, errors="replace"), quote(value, "", errors="replace")):
        yield encoded
        yield re.sub("%..", lambda found: found.group().lower(), encoded)
    yield quote_plus(value, errors="replace")
    yield from _base64(value.encode(errors="replace"))


def _base64(raw: bytes) -> Iterator[str]:
    """The characters that depend on the value alone, wherever it stands in what is encoded."""
    for before in range(3):
        whole = base64.b64encode(bytes(before) + raw).decode().rstrip("=")
        first, last = (before * 8 + 5) // 6, (before + len(raw)) * 8 // 6
        part = whole[first:last]
        if len(part) >= _SHORTEST_BASE64:
            yield part
            yield part.translate(_FOR_URLS)


_FOR_URLS = str.maketrans("+/", "-_")

MASKER = Masker()
"""The process-wide masker: connectors teach it, the journal and the exports use it."""


def masked(value: object, besides: frozenset[str] = frozenset()) -> object:
    """A JSON value with its texts masked, before JSON escapes them; names in `besides` are kept."""
    if isinstance(value, str):
        return MASKER.mask(value)
    if isinstance(value, list):
        return [masked(each, besides) for each in value]
    if isinstance(value, dict):
        return {
            name: each if name in besides else _member(name, each, besides)
            for name, each in value.items()
        }
    return value


def _member(name: object, value: object, besides: frozenset[str]) -> object:
    if isinstance(value, str) and value and named_secret(str(name)):
        return MASK
    return masked(value, besides)


class SecretText:
    """A statement as the server gave it. Its literals never leave the live screen.

    `str()`, `repr()` and every recording give the text without literals; `reveal()` is for the one
    key press that shows it in place. Not a dataclass on purpose: encoders write the fields of
    dataclasses by themselves, and this must only ever be written through `str()`.
    """

    __slots__ = ("_mysql", "_raw")

    def __init__(self, raw: str, mysql: bool = False) -> None:
        """`mysql`: double quotes delimit strings, as in MySQL's default mode."""
        self._raw = raw
        self._mysql = mysql

    def __str__(self) -> str:
        raw = text.without_double_quotes(self._raw) if self._mysql else self._raw
        return text.without_literals(raw)

    def __repr__(self) -> str:
        return f"SecretText({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretText):
            return NotImplemented
        return (self._raw, self._mysql) == (other._raw, other._mysql)

    def __hash__(self) -> int:
        return hash((self._raw, self._mysql))

    def __reduce__(self) -> tuple[type[SecretText], tuple[str]]:
        return (SecretText, (str(self),))

    @property
    def length(self) -> int:
        """Characters as the server gave it."""
        return len(self._raw)

    def reveal(self) -> str:
        """The text with its literals, control characters made visible, at most 8,000 long."""
        return text.visible(self._raw, 8_000)
