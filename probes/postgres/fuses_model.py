"""What a look at PostgreSQL's slow fuses gives: the archiver, invalid indexes, sequences.

Source: PostgreSQL documentation, pg_stat_archiver, "Continuous Archiving", pg_index, pg_sequences.
One statement, a few milliseconds with hundreds of sequences.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime

from probes.statement import statement

FUSES = statement("postgres", "fuses.sql")
_SEGMENT = re.compile(r"[0-9A-F]{8}([0-9A-F]{8})([0-9A-F]{8})")
"""Of a WAL file's name: timeline, then log and segment. Histories and labels have other names."""
_LOG = 2**32


@dataclass(frozen=True, slots=True, kw_only=True)
class Archiver:
    """The archiver of a primary. Seconds are since the last time; None: never."""

    set: bool
    """There is a command or a library that archives."""
    alive: bool | None = None
    """None: the version (13) or the role does not tell."""
    copying: bool = False
    """At the moment of the look its command was running."""
    position: int
    """Bytes of WAL that were ever written."""
    segment: int
    archived: str | None = None
    archived_s: float | None = None
    failed: int = 0
    """Stays 0 where the command ends by a signal or with 126, 127 or 255: then the archiver itself
    ends, and is started again a minute later."""
    failed_s: float | None = None
    still_s: float = 0.0
    """Seconds in which we saw nothing archived; 0 as of now."""
    base: int | None = None
    """The segment that was being written when we began to see that; None: as of now."""

    @property
    def waiting(self) -> int | None:
        """Finished segments that are not archived; None: nothing was ever archived or seen."""
        current = self.position // self.segment
        named = _SEGMENT.match(self.archived or "")
        if named is not None:
            last = int(named[1], 16) * (_LOG // self.segment) + int(named[2], 16)
            return max(0, current - last - 1)
        return None if self.base is None else max(0, current - self.base)

    @property
    def waiting_b(self) -> int:
        """The same in bytes; 0 also when it is not known."""
        return (self.waiting or 0) * self.segment

    @property
    def failed_last(self) -> bool:
        """Its newest try failed."""
        return self.failed_s is not None and (
            self.archived_s is None or self.failed_s < self.archived_s
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidIndex:
    """An index that no plan uses and nobody builds now. `written`: each change pays for it."""

    schema: str
    name: str
    relation: str
    written: bool
    bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """A sequence past half of its way. `bound`: its maximum, or that of the column's type."""

    schema: str
    name: str
    value: int
    bound: int
    relation: str | None = None
    attribute: str | None = None

    @property
    def share(self) -> float:
        """Of its numbers that are used."""
        return self.value / self.bound


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresFuses:
    """One look. Indexes and sequences are those of the connected database."""

    at: datetime
    recovery: bool
    version: int
    role: str
    sees_all: bool
    database: str
    archiver: Archiver | None = None
    """None: archiving is off, or this is a standby."""
    indexes: tuple[InvalidIndex, ...] = ()
    sequences: tuple[Sequence, ...] = ()
    hidden: int = 0
    """Sequences that the role may not read."""


@dataclass(frozen=True, slots=True)
class FusesRow:
    """How the statement gives it."""

    fuses: PostgresFuses


def since(before: PostgresFuses, now: PostgresFuses) -> PostgresFuses:
    """The new look with for how long nothing was archived."""
    old, new = before.archiver, now.archiver
    if old is None or new is None or old.archived != new.archived or new.position < old.position:
        return now
    seconds = max(0.0, (now.at - before.at).total_seconds())
    base = old.position // old.segment if old.base is None else old.base
    return replace(now, archiver=replace(new, still_s=old.still_s + seconds, base=base))
