"""What a commander's acts on SQL sessions have in common, whatever the engine.

Source: catalogue of findings 1.6: a change is sent once, batches are bounded and stop at the first
surprise, and what is not known to have happened is said to be unknown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from cockpit.connect.observer import LOOK_FIRST
from cockpit.connect.statements import MOST_AT_ONCE
from cockpit.errors import BlindError, Misconfigured, UnknownOutcome

Answer = TypeVar("Answer")
Victim = TypeVar("Victim")

BETWEEN = 0.2
"""Seconds between two sessions of a batch, and between two looks at what became of one."""


async def became(look: Awaitable[Answer], *, what: str) -> Answer:
    """A look after a change. When it fails, what became of the change is `UnknownOutcome`."""
    try:
        return await look
    except BlindError as error:
        raise UnknownOutcome(
            f"{what} was sent; what became of it is not known: {error.message}", hint=LOOK_FIRST
        ) from None


def check_most(call: str, most: object) -> None:
    """Raise `Misconfigured` unless a batch's limit is one."""
    if not isinstance(most, int) or not 1 <= most <= MOST_AT_ONCE:
        raise Misconfigured(f"{call}: most must be 1 to {MOST_AT_ONCE}")


async def end_each(
    victims: Mapping[int, Victim],
    end: Callable[[Victim], Awaitable[bool]],
    *,
    number: str,
    kind: str,
) -> dict[str, object]:
    """End one after the other; stop at the first for which `end` says that it has changed.

    `victims`: by their session's number; `number`: what that is called; `kind`: what they are.
    """
    ended: list[int] = []
    for session, victim in victims.items():
        if not await end(victim):
            break
        ended.append(session)
        await asyncio.sleep(BETWEEN)
    left = len(victims) - len(ended)
    rest = f"; stopped at the first that had changed, {left} left" if left else ""
    return {
        "done": bool(ended),
        "detail": f"{len(ended)} {kind} sessions ended{rest}"
        if victims
        else f"no such {kind} session: nothing was done",
        f"{number}s": ended,
    }
