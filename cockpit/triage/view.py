"""What a drill-down shows of a snapshot: tables of rows, drawn by one screen for every kind.

A probe turns its snapshot into tables (pure); screens draw them and know nothing of the kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cockpit.redact import SecretText
from cockpit.triage.finding import Severity


@dataclass(frozen=True, slots=True)
class Column:
    """A heading; `width` in cells, 0 for the column that takes what is left."""

    title: str
    width: int = 0
    right: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How to see afterwards that those who were said to go on do: `until`, a JMESPath over the
    snapshot of `probe` at the target that was looked at, is true then. `says`: that in words.
    """

    probe: str
    until: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Something that would help, as a plan to be made: a named statement with its arguments.

    `kind` is a step kind (`sql`, `redis`, `aws`); `call` the named statement or the operation.
    """

    key: str
    """The key that offers it: `c` cancel, `t` terminate, …"""
    label: str
    kind: str
    call: str
    args: Mapping[str, object]
    risk: str
    effect: str
    target: str = ""
    """Where it is to be done, when that is another target than the one that is looked at."""
    releases: int = 0
    """How many waiting sessions proceed at once by the server's own waits; 0: none is sure to."""
    more: int = 0
    """How many more may: they wait for those, or behind a lock that may outlive the act."""
    proof: Proof | None = None
    """None: whether it kept what it says of others cannot be told afterwards."""

    @property
    def promise(self) -> str:
        """`releases 1, maybe 60 more`; empty when nobody waits for it."""
        if not self.releases:
            return f"may release {self.more:,}" if self.more else ""
        return f"releases {self.releases:,}" + (f", maybe {self.more:,} more" if self.more else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line. `key` is its identity from look to look; `cells` follow the columns."""

    key: str
    cells: tuple[str, ...]
    depth: int = 0
    """Levels of indentation in a tree; rows come in tree order."""
    severity: Severity | None = None
    dim: bool = False
    secret: SecretText | None = None
    """The full text behind the last cell, shown in place on a key, never recorded."""
    offers: tuple[Offer, ...] = ()
    sort: tuple[float | int | str | None, ...] = ()
    """Sort values per column where the cells' text would sort wrongly; empty: sort by text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A titled list. `headline` is the one line above it; `note` what would help or is missing."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    headline: str = ""
    note: tuple[str, ...] = field(default=())
    best: tuple[Offer, ...] = field(default=())
    """The offers that help most for least, best first: the pane “What would help”."""
