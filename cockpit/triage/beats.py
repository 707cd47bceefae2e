"""Common beats: looks of one place come together, so that what they ask fits into few calls.

AWS answers for 20, 100 or 500 things in one call, and what is asked for within a moment is asked
for once. Looks that drift apart make a call each.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from cockpit.triage.board import LookId

TOGETHER = 100
"""Looks of one probe on one beat; more take turns. Most calls carry no more, and what has no batch
must be let through by a limit that was made for a steady pace.
"""
_NOT_BEFORE = 0.5
"""Of the usual pace: so long after a look the next beat may come. What was late skips one."""
_APART = 15.0
"""Seconds over which the beats of many places are spread."""


class CommonBeats:
    """When the looks of places come. Looks at what has no place have no beat."""

    def __init__(self, looks: Iterable[tuple[LookId, str, float]]) -> None:
        """Each look with its place and its usual pace in seconds; an empty place: none."""
        alike: dict[tuple[str, str], list[tuple[LookId, float]]] = {}
        for id_, place, every in looks:
            if place:
                alike.setdefault((place, id_.probe), []).append((id_, every))
        places = {place: number for number, place in enumerate(dict.fromkeys(p for p, _ in alike))}
        self._least = {id_: every * _NOT_BEFORE for s in alike.values() for id_, every in s}
        self._phases: Mapping[LookId, float] = {
            id_: _APART * places[place] / len(places) + every * turn / turns
            for (place, _), several in alike.items()
            for turns in [math.ceil(len(several) / TOGETHER)]
            for number, (id_, every) in enumerate(several)
            for turn in [number // TOGETHER]
        }

    def wait(self, look: LookId, every: float, since: float) -> float | None:
        """Seconds to the look's next beat at this pace, `since` seconds after the first sweep
        began; None: it has no beat.
        """
        phase = self._phases.get(look)
        if phase is None:
            return None
        beat = math.ceil((since + self._least[look] - phase) / every)
        return phase + beat * every - since
