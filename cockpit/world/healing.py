"""The phases of a scenario that is data: broken, until the calls that mend it were made.

    [[mend]]
    of = "lambda.UpdateAlias"
    when = { FunctionName = "orders-api", FunctionVersion = "7" }
    part = "mended"       # the phase that begins; several mends of one part are alternatives
    breaks = false        # true: this call breaks it again, such as the step's undo

It is over once every part is mended; the series turn then, see `metrics.Book`.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from cockpit.world import layout, metrics
from cockpit.world.answers.scripted import Script, fits, operation_of
from cockpit.world.front import Front
from cockpit.world.identify import AwsRequest

Parameters = Mapping[str, Any]
BROKEN = "broken"
MENDED = "mended"


class Phases:
    """Which parts are mended since when. Safe from any thread."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._parts: dict[str, float | None] = {}
        self._clock = clock
        self._lock = threading.Lock()

    def expect(self, part: str) -> None:
        """There is such a part, and it is not mended."""
        self._parts.setdefault(part, None)

    def turn(self, part: str, *, mended: bool) -> None:
        """A call mended a part, or broke it again."""
        with self._lock:
            if mended:
                self._parts[part] = self._parts.get(part) or self._clock()
            else:
                self._parts[part] = None

    def over(self) -> bool:
        """Whether everything is mended; never where nothing can be."""
        return bool(self._parts) and all(self._parts.values())

    def as_json(self) -> dict[str, object]:
        """For who waits for it."""
        return {"over": self.over(), "parts": dict(self._parts)}

    def now(self, phase: str) -> bool:
        """Whether a phase is now: `broken`, the name of a part that is mended, or `not` and such a
        name.
        """
        if phase == BROKEN:
            return not self.over()
        if phase.startswith("not "):
            return not self._parts.get(phase.removeprefix("not "))
        return bool(self._parts.get(phase))

    def ended(self, phase: str) -> float:
        """When what lasts through a phase ended, in seconds since the epoch; infinity: it lasts.

        As with the series, the end moves back through the past once it has come.
        """
        parts = list(self._parts) if phase == BROKEN else [phase.removeprefix("not ")]
        times = [self._parts.get(part) for part in parts]
        if not phase or not times or any(each is None for each in times):
            return math.inf
        return metrics.well_since(max(filter(None, times)), self._clock())


def install(front: Front, phases: Phases, script: Script, mends: tuple[Parameters, ...]) -> None:
    """Let the calls mend what they mend. The world's own calls mend nothing."""
    for one in mends:
        (service, operation), _ = operation_of(one)
        phases.expect(str(one.get("part", MENDED)))
        front.react(service, operation, _reaction(phases, script, one))


def _reaction(
    phases: Phases, script: Script, one: Parameters
) -> Callable[[AwsRequest, dict[str, Any], dict[str, Any]], None]:
    def react(request: AwsRequest, asked: dict[str, Any], result: dict[str, Any]) -> None:
        if request.key not in layout.OWNERS and fits(script.filled(one.get("when", {})), asked):
            phases.turn(str(one.get("part", MENDED)), mended=not one.get("breaks", False))

    return react
