"""What the look that asks is like: in a hurry or not, and until when it may take.

A session that many looks share buys points for money, and lets calls wait for their turn. It cannot
know who asks, and no probe should have to say: the engine sets this around `collect`, and what
collect starts inherits it.
"""

from __future__ import annotations

from contextvars import ContextVar

HURRIED: ContextVar[bool] = ContextVar("hurried", default=False)
"""Whether its target is sick, or a person or a step waits for it."""
SWEPT: ContextVar[int] = ContextVar("swept", default=0)
"""Which look of a single sweep it is, 1 or 2; 0: one of a row that goes on."""
UNTIL: ContextVar[float] = ContextVar("until", default=float("inf"))
"""Monotonic seconds at which its time is over; infinite: nothing ends it."""
