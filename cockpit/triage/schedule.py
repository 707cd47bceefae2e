"""When to look again: steady while it works, backing off with jitter while it fails."""

from __future__ import annotations

import heapq
import math
import random

from cockpit.triage.board import LookId

LONGEST_BACKOFF = 30.0
"""Seconds. A database that comes back is seen within half a minute, even without a key press."""
_JITTER = 0.1


def pause(every: float, failures: int, *, chance: random.Random) -> float:
    """Seconds to the next look after `failures` failed ones running (0: the last one worked).

    Doubles with each failure, from at least five seconds up to thirty or `every`, whichever is
    longer, ±10 %.
    """
    wait = every
    if failures:
        ceiling = max(every, LONGEST_BACKOFF)
        wait = min(ceiling, max(every, 5.0) * 2.0 ** min(failures - 1, 10))
    return wait * (1 + chance.uniform(-_JITTER, _JITTER))


class Schedule:
    """A queue of looks by the time they are due. Setting a look again moves it."""

    def __init__(self) -> None:
        self._queue: list[tuple[float, LookId]] = []
        self._due: dict[LookId, float] = {}

    def set(self, look: LookId, due: float) -> None:
        """Look at `due`, in monotonic seconds, whatever was set before."""
        self._due[look] = due
        heapq.heappush(self._queue, (due, look))

    def sooner(self, look: LookId, due: float) -> None:
        """As `set`, unless it is due before."""
        if due < self._due.get(look, math.inf):
            self.set(look, due)

    def take(self, now: float) -> list[LookId]:
        """Every look that is due, each once; they must be set again to come again."""
        taken: list[LookId] = []
        while self._queue and self._queue[0][0] <= now:
            due, look = heapq.heappop(self._queue)
            if self._due.get(look) == due:
                del self._due[look]
                taken.append(look)
        return taken

    def next_due(self) -> float | None:
        """When the next look is due; None when nothing is set."""
        while self._queue and self._due.get(self._queue[0][1]) != self._queue[0][0]:
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else None


def second_look(asked: float, read: float, after: float) -> float:
    """When a sweep looks for the second time, to tell what was gained since the first.

    `asked`: when that began to ask; `read`: when it had read the last of what is compared. Not
    sooner than half of `after` behind that: a rate over a moment makes a flood of one event.
    """
    return max(asked + after, read + after / 2)
