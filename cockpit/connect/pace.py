"""How fast a server answers us, and what it is spared for a while.

The observer must not make the outage worse: a statement that takes more than a second twice running
halves the rate of the looks, a crowded server is looked at every third time, and what ran into its
limit is not asked again for a minute. Source: catalogue of findings 1.5 and 3.4.
"""

from __future__ import annotations

from cockpit import clock

SLOW = 1.0
"""Seconds from which on a statement is slow."""
_TWICE = 2
_FORGOTTEN = 300.0


class Pace:
    """Kept by a session for as long as it lives. Statements are known by their text."""

    def __init__(self) -> None:
        self.crowded = False
        """The server has so many sessions that listing them is a burden."""
        self._slow: dict[str, tuple[int, float, float]] = {}
        self._spared: dict[str, float] = {}

    def took(self, statement: str, seconds: float) -> None:
        """One statement was answered, or given up, after so many seconds."""
        if seconds <= SLOW:
            self._slow.pop(statement, None)
            return
        times = self._slow.get(statement, (0, 0.0, 0.0))[0]
        self._slow[statement] = (times + 1, seconds, clock.monotonic())

    @property
    def slow(self) -> float | None:
        """Seconds of the slowest statement that was slow twice running; None: all are fast."""
        oldest = clock.monotonic() - _FORGOTTEN
        return max(
            (s for times, s, at in self._slow.values() if times >= _TWICE and at > oldest),
            default=None,
        )

    @property
    def factor(self) -> float:
        """How many times longer to wait between looks than usual."""
        return 3.0 if self.crowded else 2.0 if self.slow else 1.0

    def spare(self, what: str, seconds: float) -> None:
        """Do not ask for it again for so long."""
        self._spared[what] = clock.monotonic() + seconds

    def spared(self, what: str) -> float:
        """Seconds for which it is still not asked; 0: it may be asked."""
        return max(0.0, self._spared.get(what, 0.0) - clock.monotonic())
