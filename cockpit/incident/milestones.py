"""When an incident reached what, and where that is known from (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cockpit import clock
from cockpit.incident.entry import Entry, EntryKind, moment
from cockpit.incident.state import IncidentStatus, status_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """When something was reached, and where that is known from. `at` None: not known.

    `until` is the later end of a range, equal to `at` for a point in time.
    """

    name: str
    at: datetime | None
    until: datetime | None
    source: str

    @property
    def text(self) -> str:
        """The time or range as RFC 3339, empty when unknown."""
        if self.at is None or self.until is None:
            return ""
        first, last = clock.stamp(self.at), clock.stamp(self.until)
        return first if first == last else f"{first} … {last}"


def milestone(name: str, entries: Sequence[Entry]) -> Milestone:
    """What a person said last wins; then what the status tells; else it is not known."""
    for entry in reversed(entries):
        if entry.kind is EntryKind.MILESTONE and entry.data.get("milestone") == name:
            last = moment(entry.data.get("until")) or entry.when
            source = f"entry {entry.seq}"
            return Milestone(name=name, at=entry.when, until=last, source=source)
    implied = _implied(name, entries)
    if implied is None:
        return Milestone(name=name, at=None, until=None, source="")
    source = f"entry {implied.seq} ({implied.kind.value})"
    return Milestone(name=name, at=implied.when, until=implied.when, source=source)


def _implied(name: str, entries: Sequence[Entry]) -> Entry | None:
    if name == "acknowledged":
        return next((entry for entry in entries if entry.kind is EntryKind.OPENED), None)
    if name not in {"mitigated", "resolved", "closed"}:
        return None
    wanted, found, rank = IncidentStatus(name).rank, None, 0
    for entry in entries:
        status = status_of(entry)
        if status is None:
            continue
        if status.rank < wanted:
            found = None
        elif rank < wanted:
            found = entry
        rank = status.rank
    return found
