"""The timeline of an incident that goes on: all that people and steps did, the newest of the rest.

A list of a hundred thousand lines of looks is read by nobody, and takes 40 MB. `cockpit timeline`
shows every line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cockpit.incident.entry import Entry, EntryKind, names
from cockpit.incident.history import History
from cockpit.incident.timeline import (
    LOOKS,
    MACHINE,
    TimelineRow,
    continued,
    looks_back,
    timeline,
)

LEAST, MOST = 2_000, 4_000
"""Entries of which everything is shown: beyond the second only the first is left."""


class Growing(Protocol):
    """What is needed of an incident."""

    @property
    def id(self) -> str:
        """`INC-2026-0042`."""
        ...

    @property
    def entries(self) -> History:
        """All entries, oldest first."""
        ...

    @property
    def done(self) -> Sequence[Entry]:
        """Those that looks did not write."""
        ...


class NewestRows:
    """The rows, again and again, at the cost of what is new."""

    def __init__(self, incident: Growing) -> None:
        self._incident = incident
        self._count = self._first = 0
        """Entries that the rows are of; the place from which on everything is shown."""
        self._rows: tuple[TimelineRow, ...] = ()

    def rows(self) -> tuple[TimelineRow, ...]:
        """The same object until there is another entry. What is left out is told by a row."""
        entries = self._incident.entries
        count = len(entries)
        if count == self._count:
            return self._rows
        if count - self._first > MOST:
            self._first = count - LEAST
            self._rows = self._anew()
        elif looks_back(entries[self._count : count]):
            self._rows = self._anew()
        else:
            self._rows = continued(self._rows, entries, known=self._count, anew=self._anew)
        self._count = count
        return self._rows

    def _anew(self) -> tuple[TimelineRow, ...]:
        entries, done = self._incident.entries, self._incident.done
        newest = entries[self._first :]
        if not self._first or not newest:
            return timeline(newest)
        from_here = newest[0].seq
        early = {entry.seq: entry for entry in done if entry.seq < from_here}
        said = {names(one, "pins") or names(one, "corrects") for one in done if one.kind in _MARKS}
        marked = sorted(seq for seq in said if 0 < seq < from_here and seq not in early)
        early |= {e.seq: e for e in entries.some(filter(_is_one, map(entries.find, marked)))}
        rows = timeline([*(early[seq] for seq in sorted(early)), *newest])
        return (self._left_out(self._first - len(early), newest[0]), *rows)

    def _left_out(self, count: int, first: Entry) -> TimelineRow:
        look = LOOKS[EntryKind.SWEEP]
        return TimelineRow(
            seq=0,
            at=first.at,
            kind=EntryKind.SWEEP,
            glyph=look.glyph,
            word="earlier",
            text=f"{count:,} older lines of looks are not listed here; all are shown by: "
            f"cockpit timeline {self._incident.id}",
            actor=MACHINE,
            role="",
            target="",
            group=look.group,
        )


_MARKS = frozenset({EntryKind.PIN, EntryKind.CORRECTION})


def _is_one(place: int) -> bool:
    return place >= 0
