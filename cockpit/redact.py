"""Secrets: known values are masked wherever text leaves the process' memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from cockpit import text

MASK = "•••"
_SHORTEST = 4


@dataclass(slots=True)
class Masker:
    """Replaces every secret value that it was told of by `•••`.

    Values shorter than four characters are not registered: masking them would shred every text.
    """

    _values: set[str] = field(default_factory=set)

    def learn(self, value: str) -> None:
        """Remember a resolved secret for the life of the process."""
        if len(value) >= _SHORTEST:
            self._values.add(value)

    def mask(self, content: str) -> str:
        """The text without any known secret, the longest values first."""
        for value in sorted(self._values, key=len, reverse=True):
            if value in content:
                content = content.replace(value, MASK)
        return content


MASKER = Masker()
"""The process-wide masker: connectors teach it, the journal and the exports use it."""


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
