"""Where nothing has been wrong for a while: there, looks may come more slowly.

What is told of one target keeps those awake that need it or that it needs, and those of its
service; something critical anywhere keeps all awake, since an outage may come from anywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta

from cockpit.triage.board import Board
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Blind, Reading
from cockpit.triage.target import Target
from cockpit.triage.topology import DependencyGraph

QUIET_FOR = 600.0
"""Seconds without anything wrong, without a change and without a key, until a target is calm."""
_AGAIN = 15.0
"""Seconds in which the same trouble is not counted again."""


class Calm:
    """Which targets are calm. Times are monotonic seconds."""

    def __init__(self, targets: Iterable[Target], now: float) -> None:
        """Nobody is calm until it has been looked at for a while."""
        known = {target.name: target for target in targets}
        self._graph = DependencyGraph([*known.values()])
        self._services: dict[str, set[str]] = {}
        for target in known.values():
            if target.service:
                self._services.setdefault(target.service, set()).add(target.name)
        self._service_of = {name: target.service for name, target in known.items()}
        self._stirred = dict.fromkeys(known, now)
        self._all_stirred = float("-inf")
        self._told: dict[str, float] = {}

    def is_calm(self, target: str, now: float) -> bool:
        """Whether it and those beside it have been well and quiet for so long."""
        since = max(self._stirred.get(target, now), self._all_stirred)
        return now - since >= QUIET_FOR

    def stir(self, targets: Collection[str], now: float) -> list[str]:
        """Somebody asks for these targets: they are awake. Returns those that were calm."""
        calm = [each for each in targets if self.is_calm(each, now)]
        self._stirred.update(dict.fromkeys(self._stirred.keys() & set(targets), now))
        return calm

    def read(self, reading: Reading, board: Board, now: float) -> list[str]:
        """What a reading stirs, as the board has it. Returns the targets that were calm."""
        worst = _worst(reading, board)
        names = [reading.target] if worst is not None else []
        names += _changed(reading)
        fresh = [each for each in names if now - self._told.get(each, float("-inf")) >= _AGAIN]
        if worst is Severity.CRITICAL:
            if now - self._all_stirred < _AGAIN:
                return []
            woken = [each for each in self._stirred if self.is_calm(each, now)]
            self._all_stirred = now
            return woken
        if not fresh:
            return []
        self._told.update(dict.fromkeys(fresh, now))
        return self.stir({other for each in fresh for other in self._beside(each)}, now)

    def _beside(self, target: str) -> Collection[str]:
        """Who needs it, whom it needs, those of its service, and itself."""
        linked = self._graph.above(target) | self._graph.below(target)
        return linked | self._services.get(self._service_of.get(target, ""), set()) | {target}


def _worst(reading: Reading, board: Board) -> Severity | None:
    """How bad it is at the target of a reading; None: it is well."""
    held = (*board.open_at(reading.target), *board.pending_at(reading.target))
    worst = max((each.finding.severity for each in held), default=Severity.INFO)
    if worst >= Severity.WARNING:
        return worst
    return Severity.WARNING if isinstance(reading.outcome, Blind) else None


def _changed(reading: Reading) -> list[str]:
    """The targets that were changed lately, as the reading tells."""
    if isinstance(reading.outcome, Blind):
        return []
    since = reading.at - timedelta(seconds=QUIET_FOR)
    return [each.target for each in reading.outcome.changes if each.at >= since and each.target]
