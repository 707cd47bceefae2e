"""What `/` types: words that must be there, `!words` that must not, `column:value`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. `column` empty: any column will do."""

    text: str
    column: str = ""
    absent: bool = False

    def holds(self, fields: Mapping[str, str]) -> bool:
        """Whether a row with these columns passes."""
        if self.column:
            there = self.text in fields.get(self.column, "").casefold()
        else:
            there = any(self.text in value.casefold() for value in fields.values())
        return there is not self.absent


@dataclass(frozen=True, slots=True)
class Filter:
    """All terms must hold. The empty filter passes everything."""

    text: str = ""
    terms: tuple[Term, ...] = ()

    def holds(self, fields: Mapping[str, str]) -> bool:
        """Whether a row passes."""
        return all(term.holds(fields) for term in self.terms)

    def __bool__(self) -> bool:
        return bool(self.terms)


def parse(text: str, columns: frozenset[str]) -> Filter:
    """The filter that a person typed. Quotes keep spaces; nothing typed is an error.

    A colon after a word that is no column is part of the text, so that `http://x` can be typed.
    """
    try:
        words = shlex.split(text)
    except ValueError:  # a quote that is not closed yet
        words = text.split()
    terms = tuple(_term(word.casefold(), columns) for word in words if word not in {"!", ""})
    return Filter(text.strip(), terms)


def _term(word: str, columns: frozenset[str]) -> Term:
    absent = word.startswith("!")
    word = word.removeprefix("!")
    column, colon, value = word.partition(":")
    if colon and column in columns:
        return Term(value, column, absent)
    return Term(word, "", absent)
