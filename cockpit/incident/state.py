"""What an incident is now: a fold over its entries (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from cockpit.errors import Misconfigured
from cockpit.incident.entry import Entry, Kind
from cockpit.incident.severity import Level

MILESTONES = ("impact_start", "detected", "acknowledged", "mitigated", "resolved", "closed")
"""In the order in which they should follow each other."""


class Status(StrEnum):
    """How far the handling is. Later words are further; going back is allowed and recorded."""

    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MITIGATED = "mitigated"
    RESOLVED = "resolved"
    CLOSED = "closed"

    @property
    def rank(self) -> int:
        """0 for investigating up to 4 for closed."""
        return list(Status).index(self)

    @classmethod
    def read(cls, word: str) -> Status:
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
class State:
    """The newest of everything that has one value at a time."""

    title: str = ""
    severity: Level = Level.P2
    status: Status = Status.INVESTIGATING
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
        return self.status is not Status.CLOSED


FOLDED = frozenset(
    {
        Kind.OPENED,
        Kind.RESUMED,
        Kind.SEVERITY,
        Kind.STATUS,
        Kind.ROLE,
        Kind.UPDATE,
        Kind.CLOSED,
    }
)
"""The kinds that `fold` reads; the others may be left out."""


def fold(entries: Iterable[Entry], state: State | None = None) -> State:
    """The state after these entries, beginning from `state` or from nothing."""
    state = state or State()
    for entry in entries:
        state = after(state, entry)
    return state


def after(state: State, entry: Entry) -> State:
    """The state after one more entry. A value that is not known changes nothing."""
    match entry.kind:
        case Kind.OPENED:
            return replace(
                state,
                title=_word(entry, "title") or entry.text,
                severity=_level(entry, state.severity),
                environment=_word(entry, "environment"),
                opened_at=entry.at,
                opened_by=entry.actor,
                commander=entry.actor if entry.role == "commander" else "",
            )
        case Kind.RESUMED | Kind.ROLE:
            return replace(state, commander=_commander(state, entry))
        case Kind.SEVERITY:
            return replace(state, severity=_level(entry, state.severity))
        case Kind.STATUS | Kind.CLOSED:
            return _moved(state, entry)
        case Kind.UPDATE:
            return replace(state, last_update=entry.when, updates=state.updates + 1)
        case _:
            return state


def status_of(entry: Entry) -> Status | None:
    """The status that an entry sets; None when it sets none."""
    if entry.kind is Kind.CLOSED:
        return Status.CLOSED
    word = _word(entry, "status")
    return Status(word) if entry.kind is Kind.STATUS and word in set(Status) else None


def level_of(entry: Entry) -> Level | None:
    """The severity that an entry sets; None when it sets none."""
    word = _word(entry, "severity")
    sets = entry.kind in {Kind.OPENED, Kind.SEVERITY}
    return Level(word) if sets and word in set(Level) else None


def _moved(state: State, entry: Entry) -> State:
    status = status_of(entry) or state.status
    closed_at = entry.when if status is Status.CLOSED else None
    return replace(state, status=status, closed_at=closed_at)


def _commander(state: State, entry: Entry) -> str:
    if entry.role == "commander":
        return entry.actor
    return "" if state.commander == entry.actor else state.commander


def _level(entry: Entry, otherwise: Level) -> Level:
    return level_of(entry) or otherwise


def _word(entry: Entry, name: str) -> str:
    value: Any = entry.data.get(name)
    return value if isinstance(value, str) else ""
