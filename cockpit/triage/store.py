"""Holds the newest board and tells who listens. Lives on one event loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from cockpit.triage.board import LIVE, Board, BoardChange, OpenFinding, Rules, proved, reduce
from cockpit.triage.probe import Reading

Listener = Callable[[Board, Sequence[BoardChange]], None]


class Store:
    """`board` is the newest value; listeners are called after each reading, in order."""

    def __init__(self, rules: Rules = LIVE) -> None:
        self.board = Board()
        self._rules = rules
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener(board, changes)` after every reading; returns how to stop that."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def add(self, reading: Reading) -> Sequence[BoardChange]:
        """Fold one reading in and tell the listeners."""
        self.board, changes = reduce(self.board, reading, self._rules)
        return self._told(changes)

    def prove(self, reading: Reading) -> Sequence[BoardChange]:
        """A reading that is here verified a repair: see `cockpit.triage.board.proved`."""
        self.board, changes = proved(self.board, reading)
        return self._told(changes)

    def remember(self, recovered: Sequence[OpenFinding]) -> None:
        """Take recoveries that no reading here has seen; nobody is told of them."""
        known = {*self.board.open, *self.board.pending, *(f.id for f in self.board.cleared)}
        new = (each for each in recovered if each.id not in known)
        both = sorted((*self.board.cleared, *new), key=lambda f: f.cleared or f.seen, reverse=True)
        self.board = replace(self.board, cleared=tuple(both))

    def _told(self, changes: Sequence[BoardChange]) -> Sequence[BoardChange]:
        for listener in tuple(self._listeners):
            listener(self.board, changes)
        return changes
