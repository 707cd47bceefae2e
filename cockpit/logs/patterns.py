"""Lines grouped by their shape, with how often, since when, and whether they are new.

Own code and not drain3, whose last release pins its two dependencies to exact versions of years
ago: shapes do most of it, and what still differs in a few words is joined here. Memory is bounded
by the number of patterns, time is linear: a line is held against at most eight others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from cockpit.logs.shapes import kind_of, shape_of

ANY = "<*>"
"""Stands for a word that differs."""
_MOST = 400
_COMPARED = 8
_ALIKE = 0.7
_FEWEST_WORDS = 4
_STREAMS = 50
_FIRST = 5
"""Of the lines whose numbers are kept: what stands around the first tells how it began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinePattern:
    """Lines of one shape."""

    kind: str
    """What sort of trouble they tell of; empty: of none."""
    shape: str
    count: int
    first: datetime
    """Of those that were read."""
    last: datetime
    before: int = 0
    """How many of this shape there were in the time that it is compared with."""
    streams: int = 1
    """In how many streams; 50 means at least as many."""
    new_since: datetime | None = None
    """When it first came, where the time before was read and has none of it; None: not known to be
    new."""


@dataclass(slots=True)
class _Likes:
    kind: str
    words: list[str]
    count: int = 0
    before: int = 0
    first: datetime | None = None
    last: datetime | None = None
    streams: set[str] = field(default_factory=set)
    lines: list[int] = field(default_factory=list)

    def likeness(self, words: list[str]) -> float:
        """The share of the words that are the same at their places."""
        same = sum(1 for own, other in zip(self.words, words, strict=True) if own == other)
        return same / len(words)

    def take(self, words: list[str]) -> None:
        """Words that differ become any."""
        if words != self.words:
            pairs = zip(self.words, words, strict=True)
            self.words = [own if own == other else ANY for own, other in pairs]


class PatternTally:
    """Lines in, patterns out. Those beyond the most patterns there may be are only counted."""

    def __init__(self, *, most: int = _MOST, kept: int = 0) -> None:
        """`kept`: of how many lines of each pattern the number is kept that `add` was given."""
        self._most = most
        self._kept = kept
        self._by_shape: dict[tuple[str, str], _Likes] = {}
        self._near: dict[tuple[str, int, str], list[_Likes]] = defaultdict(list)
        self._groups: list[_Likes] = []
        self.beyond = 0
        """Lines of shapes for which there was no room."""

    def add(
        self,
        message: str,
        at: datetime,
        *,
        stream: str = "",
        before: bool = False,
        number: int = -1,
        kind: str | None = None,
    ) -> None:
        """Count a line; `before`: it is of the time that is compared with. `kind`: None: found."""
        what = kind_of(message) if kind is None else kind
        group = self._group(what, shape_of(message))
        if group is None:
            self.beyond += 1
            return
        if before:
            group.before += 1
            return
        group.count += 1
        group.first = at if group.first is None else min(group.first, at)
        group.last = at if group.last is None else max(group.last, at)
        if len(group.streams) < _STREAMS:
            group.streams.add(stream)
        if number >= 0 and self._kept:
            group.lines.append(number)
            if len(group.lines) > self._kept:
                del group.lines[min(_FIRST, self._kept - 1)]

    def had_before(self, kind: str, shape: str, many: int) -> None:
        """So many lines of a shape are of the time that is compared with."""
        group = self._group(kind, shape)
        if group is not None:
            group.before += many

    def _group(self, kind: str, shape: str) -> _Likes | None:
        known = self._by_shape.get((kind, shape))
        if known is not None:
            return known
        words = shape.split()
        near = self._near[kind, len(words), words[0] if words else ""]
        found = self._alike(near, words)
        if found is None:
            if len(self._groups) >= self._most:
                return None
            found = _Likes(kind, words)
            self._groups.append(found)
            near.append(found)
        found.take(words)
        if len(self._by_shape) < self._most * 4:  # else it is looked for among its likes each time
            self._by_shape[kind, shape] = found
        return found

    def _alike(self, near: Iterable[_Likes], words: list[str]) -> _Likes | None:
        if len(words) < _FEWEST_WORDS:
            return None
        scored = [(group.likeness(words), group) for group in list(near)[-_COMPARED:]]
        best = max(scored, key=lambda each: each[0], default=None)
        return best[1] if best is not None and best[0] >= _ALIKE else None

    def patterns(self, *, compared: bool = False) -> tuple[LinePattern, ...]:
        """Those that lines came for, new ones first, then the most frequent.

        `compared`: the time before was read, so that a pattern without any line in it is new.
        """
        return tuple(pattern for pattern, _ in self.with_lines(compared=compared))

    def with_lines(
        self, *, compared: bool = False
    ) -> tuple[tuple[LinePattern, tuple[int, ...]], ...]:
        """The patterns, each with the numbers of its first and its newest lines, oldest first."""
        found = [
            (
                LinePattern(
                    kind=group.kind,
                    shape=" ".join(group.words),
                    count=group.count,
                    before=group.before,
                    first=group.first,
                    last=group.last,
                    streams=len(group.streams),
                    new_since=group.first if compared and not group.before else None,
                ),
                tuple(group.lines),
            )
            for group in self._groups
            if group.first is not None and group.last is not None
        ]
        return tuple(sorted(found, key=lambda each: order(each[0])))


def order(pattern: LinePattern) -> tuple[bool, bool, int]:
    """Trouble before the rest, new ones first, then the most frequent."""
    return not pattern.kind, pattern.new_since is None, -pattern.count
