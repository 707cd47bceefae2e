"""Whether the look that asks is in a hurry: its target is sick, or a person or a step waits for it.

A session that many looks share buys points for money. It cannot know who asks, and no probe should
have to say: the engine sets this around `collect`, and what collect starts inherits it.
"""

from __future__ import annotations

from contextvars import ContextVar

HURRIED: ContextVar[bool] = ContextVar("hurried", default=False)
