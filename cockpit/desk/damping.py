"""A look that fails and succeeds by turns is told a few times, then summed up.

A database on the edge of its timeout would write two entries a minute into the journal for hours,
and bury what matters between them. The screen shows every turn; the record keeps the first ones,
how many followed, and always the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cockpit.errors import Reason
from cockpit.triage.blindness import words_of
from cockpit.triage.board import BoardChange, BoardEvent, LookId
from cockpit.units import count

WINDOW = timedelta(minutes=10)
MANY = 4
"""Entries of one look within the window, after which the next turns wait for a summary."""
STEADY = timedelta(minutes=2)
"""How long a look must stay as it is before the last turn is told without waiting longer."""
_TURNS = frozenset({BoardEvent.BLIND, BoardEvent.SEES_AGAIN})


@dataclass(slots=True)
class _Look:
    told: list[datetime] = field(default_factory=list)
    held: BoardChange | None = None
    """The newest turn that is not told yet."""
    silent: int = 0


class Damping:
    """What of going blind and seeing again is written, and when. Times are those of the looks."""

    def __init__(self) -> None:
        self._looks: dict[LookId, _Look] = {}

    def passed(self, change: BoardChange) -> BoardChange | None:
        """The change as it is to be written now; None when it waits for a summary."""
        if change.event not in _TURNS:
            return change
        look = self._looks.setdefault(LookId(change.target, change.probe), _Look())
        recent = sum(change.at - at < WINDOW for at in look.told)
        if look.held is not None or recent >= MANY:
            look.held = change
            look.silent += 1
            return None
        look.told = [*look.told[-MANY:], change.at]
        if recent + 1 < MANY:
            return change
        return replace(change, text=f"{change.text} (it comes and goes: summed up from here on)")

    def due(self, at: datetime) -> Sequence[BoardChange]:
        """The summaries that are to be written by now."""
        return [
            self._summary(look)
            for look in self._looks.values()
            if look.held is not None
            and (at - look.held.at >= STEADY or at - look.told[-1] >= WINDOW)
        ]

    def rest(self) -> Sequence[BoardChange]:
        """Every summary that still waits: for the end, so that the last state is in the record."""
        return [self._summary(look) for look in self._looks.values() if look.held is not None]

    def _summary(self, look: _Look) -> BoardChange:
        assert look.held is not None
        held, silent = look.held, look.silent
        look.held, look.silent = None, 0
        look.told = [*look.told[-MANY:], held.at]
        if silent == 1:
            return held
        return replace(held, text=f"{held.text} (the last of {count(silent, 'turn')})")


@dataclass(slots=True)
class _Dark:
    told: str
    """The probe under which it stands in the record."""
    probes: set[str] = field(default_factory=set)


class DarkTargets:
    """One dead server makes each of its probes blind: the record tells it once a target and cause,
    and that it can be examined again when the last of them sees.

    What was taken away from one look is told for each: a later session has to know which.
    """

    def __init__(self) -> None:
        self._dark: dict[tuple[str, str], _Dark] = {}

    def passed(self, change: BoardChange) -> BoardChange | None:
        """The change as it is to be written; None when the others' entry tells it."""
        if change.event not in _TURNS:
            return change
        held = next((key for key in self._dark if self._is_in(key, change)), None)
        left = self._dark[held] if held is not None else None
        if left is not None and held is not None:
            left.probes.discard(change.probe)
            if not left.probes:
                del self._dark[held]
        if change.event is BoardEvent.SEES_AGAIN:
            return self._over(change, left)
        if change.reason == Reason.MISSING:
            return change
        why = change.target, words_of(change.text, change.target)
        group = self._dark.setdefault(why, _Dark(change.probe))
        group.probes.add(change.probe)
        return change if len(group.probes) == 1 else None

    def _is_in(self, key: tuple[str, str], change: BoardChange) -> bool:
        return key[0] == change.target and change.probe in self._dark[key].probes

    def _over(self, change: BoardChange, left: _Dark | None) -> BoardChange | None:
        if left is None:
            return change
        return None if left.probes else replace(change, probe=left.told)
