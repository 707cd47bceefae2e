"""Reading one TOML table of a runbook: typed keys, nearest words, the line of each key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from cockpit.errors import Misconfigured
from cockpit.runbooks.step import Problem
from cockpit.runbooks.values import compiled
from cockpit.text import nearest, visible

Kind = TypeVar("Kind")

_AT_LINE = re.compile(r"\s*\(at line (\d+), column \d+\)|\s*\(at end of document\)")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)?\Z")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_WORDS = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}


def span(value: object) -> float | None:
    """`"10s"`, `"2m"`, `"250ms"` or a number of seconds; None when it is none of these."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if 0 < value <= 86_400 else None
    found = _SPAN.match(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    seconds = float(found.group(1)) * _SECONDS[found.group(2) or "s"]
    return seconds if 0 < seconds <= 86_400 else None


@dataclass(slots=True)
class Problems:
    """Collects everything that is wrong with one file."""

    path: Path
    found: list[Problem] = field(default_factory=list)

    def add(self, line: int, message: str) -> None:
        """Something that makes the runbook unusable."""
        self.found.append(Problem(self.path, line, message))

    def advise(self, line: int, message: str) -> None:
        """Something worth mending in a runbook that can be used."""
        self.found.append(Problem(self.path, line, message, error=False))


def toml(text: str, first_line: int, problems: Problems) -> dict[str, object] | None:
    """The table in some lines of the file; a syntax error is told with the file's own line."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        at = re.search(r"at line (\d+)", said)
        line = int(at.group(1)) if at else text.rstrip("\n").count("\n") + 1
        problems.add(first_line + line - 1, f"TOML: {_AT_LINE.sub('', said)}")
    except RecursionError:
        problems.add(first_line, "TOML: nested too deep")
    return None


@dataclass(slots=True)
class Keys:
    """The keys of one table, taken one by one; what is left at the end is unknown."""

    table: Mapping[str, object]
    text: str
    """The lines it was read from, for finding a key's line again."""
    first_line: int
    """The file's line of the first of them."""
    problems: Problems
    where: str = ""
    """Stands before a key in messages: `verify.`"""
    taken: set[str] = field(default_factory=set)
    broken: bool = False

    def line(self, key: str = "") -> int:
        """The file's line of a key, else of the table."""
        if key:
            pattern = re.compile(rf"(?:^|[{{,.\[])\s*\"?{re.escape(key)}\"?\s*[\]=.]")
            for number, line in enumerate(self.text.splitlines()):
                if pattern.search(line):
                    return self.first_line + number
        return self.first_line

    def complain(self, key: str, message: str) -> None:
        """Report a problem at a key."""
        self.broken = True
        self.problems.add(self.line(key), f"{self.where}{key}: {message}" if key else message)

    def take(self, key: str, kind: type[Kind], default: Kind, *, needed: bool = False) -> Kind:
        """The value of a key when it has the type; else its default, after a complaint."""
        self.taken.add(key)
        if key not in self.table:
            if needed:
                self.broken = True
                self.problems.add(self.line(), f"{self.where}{key} is missing")
            return default
        value = self.table[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.complain(key, f"should be {_WORDS[kind]}")
            return default
        is_empty = value in ("", [], {})
        if needed and is_empty:
            self.complain(key, "is empty")
        return value

    def words(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        value = self.take(key, list, [])
        if not all(isinstance(item, str) for item in value):
            self.complain(key, "should be a list of texts")
            return ()
        return tuple(value)

    def seconds(self, key: str, default: float) -> float:
        """A span of time, `"10s"`."""
        self.taken.add(key)
        if key not in self.table:
            return default
        value = span(self.table[key])
        if value is None:
            self.complain(key, 'should be a time such as "10s" or "2m", at most a day')
            return default
        return value

    def one_of(self, key: str, known: Iterable[str], default: str = "", **more: bool) -> str:
        """A word out of a list."""
        value = str(self.take(key, str, default, **more))
        words = list(known)
        if value and value != default and value not in words:
            self.complain(key, f"unknown {visible(value, 60)!r}{nearest(value, words)}")
            return default
        return value

    def expression(self, key: str, text: str) -> str:
        """A JMESPath expression, checked."""
        try:
            compiled(text)
        except Misconfigured as error:
            self.complain(key, error.message)
        return text

    def inner(self, key: str, table: Mapping[str, object]) -> Keys:
        """The keys of a table within; its complaints count for this one's lines too."""
        return Keys(table, self.text, self.line(key), self.problems, where=f"{self.where}{key}.")

    def finish(self, known: Iterable[str] = ()) -> None:
        """Complain about every key that nobody took."""
        words = sorted({*self.taken, *known})
        for key in self.table:
            if key not in self.taken:
                self.complain(key, f"unknown key{nearest(key, words)}")
