"""What an incident is now: a fold over its entries (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from cockpit.errors import Misconfigured
from cockpit.incident.entry import Entry, EntryKind, names
from cockpit.incident.severity import Level

MILESTONES = ("impact_start", "detected", "acknowledged", "mitigated", "resolved", "closed")
"""In the order in which they should follow each other."""


class IncidentStatus(StrEnum):
    """How far the handling is. Later words are further; going back is allowed and recorded."""

    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MITIGATED = "mitigated"
    RESOLVED = "resolved"
    CLOSED = "closed"

    @property
    def rank(self) -> int:
        """0 for investigating up to 4 for closed."""
        return list(IncidentStatus).index(self)

    @classmethod
    def read(cls, word: str) -> IncidentStatus:
        """The status of that name; `monitoring` is what others call mitigated.

        Raises `Misconfigured`.
        """
        name = word.strip().lower()
        if name == "monitoring":
            return cls.MITIGATED
        if name not in set(cls):
            raise Misconfigured(f"unknown status {word!r}", hint=f"one of {', '.join(cls)}")
        return cls(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentState:
    """The newest of everything that has one value at a time."""

    title: str = ""
    severity: Level = Level.P2
    status: IncidentStatus = IncidentStatus.INVESTIGATING
    environment: str = ""
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    """None while the incident is open; again None when it was opened again."""
    opened_by: str = ""
    commander: str = ""
    """Who holds the role commander; empty when nobody took it."""
    last_update: datetime | None = None
    updates: int = 0

    @property
    def open(self) -> bool:
        """True until the incident is closed."""
        return self.status is not IncidentStatus.CLOSED


FOLDED = frozenset(
    {
        EntryKind.OPENED,
        EntryKind.RESUMED,
        EntryKind.SEVERITY,
        EntryKind.STATUS,
        EntryKind.ROLE,
        EntryKind.UPDATE,
        EntryKind.CLOSED,
    }
)
"""The kinds that `fold` reads; the others may be left out."""


def fold(entries: Iterable[Entry], state: IncidentState | None = None) -> IncidentState:
    """The state after these entries, beginning from `state` or from nothing."""
    state = state or IncidentState()
    for entry in entries:
        state = after(state, entry)
    return state


def after(state: IncidentState, entry: Entry) -> IncidentState:
    """The state after one more entry. A value that is not known changes nothing."""
    match entry.kind:
        case EntryKind.OPENED:
            return replace(
                state,
                title=_word(entry, "title") or entry.text,
                severity=_level(entry, state.severity),
                environment=_word(entry, "environment"),
                opened_at=entry.at,
                opened_by=entry.actor,
                commander=entry.actor if entry.role == "commander" else "",
            )
        case EntryKind.RESUMED | EntryKind.ROLE:
            return replace(state, commander=_commander(state, entry))
        case EntryKind.SEVERITY:
            return replace(state, severity=_level(entry, state.severity))
        case EntryKind.STATUS | EntryKind.CLOSED:
            return _moved(state, entry)
        case EntryKind.UPDATE:
            return replace(state, last_update=entry.when, updates=state.updates + 1)
        case _:
            return state


def status_of(entry: Entry) -> IncidentStatus | None:
    """The status that an entry sets; None when it sets none."""
    if entry.kind is EntryKind.CLOSED:
        return IncidentStatus.CLOSED
    word = _word(entry, "status")
    return (
        IncidentStatus(word)
        if entry.kind is EntryKind.STATUS and word in set(IncidentStatus)
        else None
    )


def level_of(entry: Entry) -> Level | None:
    """The severity that an entry sets; None when it sets none."""
    word = _word(entry, "severity")
    sets = entry.kind in {EntryKind.OPENED, EntryKind.SEVERITY}
    return Level(word) if sets and word in set(Level) else None


def unfinished(entries: Sequence[Entry], *, before: int | None = None) -> tuple[Entry, ...]:
    """The intents whose last outcome is `unknown`, and those among the first `before` entries
    (None: all) that no outcome names.
    """
    outcomes = [entry for entry in entries if entry.kind is EntryKind.STEP_OUTCOME]
    said = {names(entry, "intent"): entry.data.get("outcome") for entry in outcomes}
    early = entries if before is None else entries[:before]
    silent = {entry.seq for entry in early if entry.seq not in said}
    intents = (entry for entry in entries if entry.kind is EntryKind.STEP_INTENT)
    return tuple(e for e in intents if e.seq in silent or said.get(e.seq) == "unknown")


def _moved(state: IncidentState, entry: Entry) -> IncidentState:
    status = status_of(entry) or state.status
    closed_at = entry.when if status is IncidentStatus.CLOSED else None
    return replace(state, status=status, closed_at=closed_at)


def _commander(state: IncidentState, entry: Entry) -> str:
    if entry.role == "commander":
        return entry.actor
    return "" if state.commander == entry.actor else state.commander


def _level(entry: Entry, otherwise: Level) -> Level:
    return level_of(entry) or otherwise


def _word(entry: Entry, name: str) -> str:
    value: Any = entry.data.get(name)
    return value if isinstance(value, str) else ""
