"""Looks that come before their time: few running, so that what goes on costs no more for long."""

from __future__ import annotations

from cockpit.triage.board import LookId

BURST = 8
"""Early looks of one probe at one target that may follow each other."""
_BACK = 15.0
"""Seconds after which one more may come early."""
_AT_LEAST = 0.25
"""Seconds between the end of a look and an early one: what is asked is never asked in a row."""


class Sooner:
    """Who may still look early. A look that always hurries gets one more in fifteen seconds."""

    def __init__(self) -> None:
        self._left: dict[LookId, tuple[float, float]] = {}
        """Look → early looks that are left, and when that was."""
        self._early: dict[LookId, float] = {}

    def wants(self, look: LookId, early: float | None) -> None:
        """The next look is wanted after so many seconds; None: nothing hurries."""
        if early is not None:
            self._early[look] = early

    def wait(self, look: LookId, usual: float, now: float) -> float:
        """Seconds from `now` (monotonic) to the next look: what is wanted, where it may be and is
        sooner than usual.
        """
        early = self._early.pop(look, None)
        if early is None or early >= usual or not self.granted(look, now):
            return usual
        return max(_AT_LEAST, early)

    def granted(self, look: LookId, now: float) -> bool:
        """Take one early look, at `now` in monotonic seconds; False: there is none left."""
        left, at = self._left.get(look, (float(BURST), now))
        left = min(BURST, left + (now - at) / _BACK)
        if left < 1:
            return False
        self._left[look] = (left - 1, now)
        return True
