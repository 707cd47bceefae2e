"""When Python searches for garbage: not while it starts, since what is loaded stays, and to walk
over it again and again takes a tenth of the time; all of memory only while nobody types.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from cockpit.clock import monotonic

_SELDOM = (50_000, 20, 100)
"""Thresholds of `gc`: some milliseconds of work each, also for a `check` of many thousand targets,
which must not keep all its garbage."""


_NEVER = 1_000_000
YOUNG = (2_000, 20, _NEVER)
"""Thresholds with which Python searches what is young by itself, and never all of memory."""
_QUIET, _EVERY, _LATEST = 5.0, 60.0, 900.0
"""Seconds since the last key, between two searches, and for which garbage waits while somebody
types without a pause."""


@contextmanager
def starting(after: tuple[int, int, int] | None = None) -> Iterator[None]:
    """Collect seldom; what is there at the end is never walked over again. `after`: the thresholds
    from then on; None: those of before.
    """
    before = gc.get_threshold()
    gc.set_threshold(*_SELDOM)
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*(after or before))


class FullSearches:
    """Through all of memory, beside `YOUNG`: with a thousand sick targets one holds the loop for
    0.2 s, which a person at the keys would feel.
    """

    def __init__(self) -> None:
        self._newest = monotonic()

    def at_ease(self, touched: float) -> bool:
        """Search when it is time; whether that was so. `touched`: the moment of the last key."""
        now = monotonic()
        waited = now - self._newest
        if waited < _EVERY or (now - touched < _QUIET and waited < _LATEST):
            return False
        gc.collect()
        self._newest = monotonic()
        return True
