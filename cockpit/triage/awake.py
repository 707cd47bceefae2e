"""Whether this machine slept, or held us still, while something was waited for.

A laptop that was shut finds its connections dead and its limits over, and nobody else is to blame.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from cockpit import clock

Outcome = TypeVar("Outcome")
_SLEEP = 3.0
"""Seconds that clocks may differ by otherwise."""
_HELD = 5.0
"""Seconds beyond its limit after which a look was not ended by the one that counts them: the
process was stopped, or its loop stood still."""


async def awake(look: Callable[[], Awaitable[Outcome]], *, limit: float) -> tuple[Outcome, float]:
    """The outcome of a look that no sleep fell into, and its seconds; made once more if one did.

    `limit`: seconds that it may take. The wall clock tells where no other one goes on in sleep
    (macOS); it may have been set meanwhile, and then a look is made twice for nothing.
    """
    began, elapsed, wall = clock.monotonic(), clock.elapsed(), clock.now()
    outcome = await look()
    took = clock.monotonic() - began
    gone = max(clock.elapsed() - elapsed, (clock.now() - wall).total_seconds())
    if gone - took <= _SLEEP and took <= limit + _HELD:
        return outcome, took
    began = clock.monotonic()
    return await look(), clock.monotonic() - began
