"""What goes into the journal: masked, made visible, bounded, and nothing but JSON."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Set
from datetime import datetime
from enum import Enum
from typing import Any

from cockpit import clock, text
from cockpit.redact import MASK, MASKER, SecretText
from cockpit.secret_shapes import named_secret

TEXT_LIMIT = 16_000
"""Characters of an entry's text; what is longer goes whole into a blob."""
VALUE_LIMIT = 24_000
"""A bucket's policy has up to 20 KiB, and is what a step comes back to."""
ITEMS_LIMIT = 1_000
DEPTH_LIMIT = 16
BLOB_LIMIT = 16 * 1024 * 1024
_SAFE_INTEGER = 2**53 - 1


class Identifier(str):
    """Text that only names a thing, whatever its place is called: the id of an API key."""

    __slots__ = ()


def plain(content: str, limit: int = TEXT_LIMIT) -> str:
    """Text without secrets, escapes, control and direction characters; line breaks stay."""
    learnt = MASKER.learnt
    if content in _HARMLESS.of(learnt):
        return str(content)
    shown = text.lines(MASKER.mask(content), limit)
    if shown != content:
        return MASKER.mask(shown)
    if len(content) <= _WORD:
        _HARMLESS.keep(str(content), learnt)
    return str(content)


class _Harmless:
    """Words that came out as they went in. The same names, codes and units stand in thousands of
    entries, and a mask is asked for each of them. A secret learnt since makes all of them unknown.
    """

    _MOST = 4_096

    def __init__(self) -> None:
        self._words: set[str] = set()
        self._learnt = 0

    def of(self, learnt: int) -> Set[str]:
        """Those that are known with so many secrets learnt."""
        if learnt != self._learnt or len(self._words) > self._MOST:
            self._words, self._learnt = set(), learnt
        return self._words

    def keep(self, word: str, learnt: int) -> None:
        """Remember one that was looked through with so many secrets learnt."""
        if learnt == self._learnt:  # else another thread learnt one meanwhile
            self._words.add(word)


_HARMLESS = _Harmless()
_WORD = 64
"""Characters of what is remembered; no limit that anybody gives is shorter."""


def blob_of(content: str) -> tuple[str, bytes]:
    """A large output made harmless, and its name: the SHA-256 of the octets."""
    octets = plain(content, BLOB_LIMIT).encode()
    return hashlib.sha256(octets).hexdigest(), octets


def plain_data(value: object, depth: int = 0) -> Any:
    """The value as JSON that every reader agrees on.

    Numbers that are not finite become null, integers beyond 2**53 become text, times become
    RFC 3339, records become objects, anything else its text.
    """
    if depth > DEPTH_LIMIT:
        return "…"
    if isinstance(value, Enum):
        return plain_data(value.value, depth)
    if isinstance(value, str | SecretText):
        return plain(str(value), VALUE_LIMIT)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, datetime):
        return clock.stamp(value) if value.tzinfo else value.isoformat()
    if isinstance(value, bytes):
        return plain(value.decode("utf-8", "replace"), VALUE_LIMIT)
    if isinstance(value, Mapping):
        items = list(value.items())[:ITEMS_LIMIT]
        return {plain(str(name), 200): _member(str(name), member, depth) for name, member in items}
    if isinstance(value, Set):
        return [plain_data(member, depth + 1) for member in sorted(value, key=str)[:ITEMS_LIMIT]]
    if isinstance(value, list | tuple):
        return [plain_data(member, depth + 1) for member in value[:ITEMS_LIMIT]]
    return _record(value, depth)


def _member(name: str, value: object, depth: int) -> Any:
    """A member by its name too: its text alone does not say that it is a secret."""
    named = isinstance(value, Identifier)
    if isinstance(value, str | SecretText) and value and named_secret(name) and not named:
        return MASK
    return plain_data(value, depth + 1)


def _number(value: int | float) -> Any:
    if str(value) != MASKER.mask(str(value)):
        return MASK
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if abs(value) <= _SAFE_INTEGER else str(value)


def _record(value: object, depth: int) -> Any:
    names = getattr(value, "__dataclass_fields__", None)
    if names is None or isinstance(value, type):
        return plain(str(value), VALUE_LIMIT)
    members = {name: getattr(value, name) for name in names}
    return plain_data(members, depth)
