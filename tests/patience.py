"""How long tests wait for what has to come.

A limit only guards against *never*: a machine that is four times slower than the one on which a
test was written has to pass it, so every wait ends by the state it waits for, and not by a clock.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def at_most(seconds: float) -> float:
    """A limit for a wait that takes `seconds` at worst on an idle machine."""
    return seconds * 4


def eventually(
    what: Callable[[], Found], told: str = "", *, seconds: float = 15, pause: float = 0.02
) -> Found:
    """Ask until there is an answer, and give it; `seconds` as of `at_most`, `pause` between."""
    end = time.monotonic() + at_most(seconds)
    while not (found := what()):
        assert time.monotonic() < end, f"it did not come to pass: {told}"
        time.sleep(pause)
    return found


async def until(true: Callable[[], object], what: str = "", *, seconds: float = 15) -> None:
    """Wait, with the loop going on, until something is true; `seconds` as of `at_most`."""
    end = time.monotonic() + at_most(seconds)
    while not true():
        assert time.monotonic() < end, f"never: {what}"
        await asyncio.sleep(0.01)
