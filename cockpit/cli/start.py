"""A start without searches for garbage: what is loaded stays, and to walk over it again and again
takes a tenth of the time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_SELDOM = (50_000, 20, 100)
"""Thresholds of `gc`: some milliseconds of work each, also for a `check` of many thousand targets,
which must not keep all its garbage."""


@contextmanager
def starting() -> Iterator[None]:
    """Collect seldom; what is there at the end is never walked over again."""
    before = gc.get_threshold()
    gc.set_threshold(*_SELDOM)
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*before)
