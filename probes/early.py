"""When to look again, before the usual time, at what waits."""

from __future__ import annotations

from collections.abc import Iterable

_AFTER = 0.1
_HALF = 0.5
"""Seconds. A server that tells whole seconds may be up to one ahead of what it says."""
_AGAIN = 0.25
_NEW = 5.0
"""Seconds beyond the limit for which a wait may be new to us, and wait for its second look."""


def until_told(
    waits: Iterable[float], limit: float | None, *, whole: bool = False, twice: bool = False
) -> float | None:
    """Seconds until the first of the waits reaches the limit from which on it is told.

    `whole`: the server gives whole seconds. `twice`: what is beyond the limit needs a second look.
    None: none is on its way there.
    """
    if limit is None:
        return None
    soon: list[float] = []
    for waited in waits:
        if waited < limit:
            soon.append(max(_HALF, limit - waited - _HALF) if whole else limit - waited + _AFTER)
        elif twice and waited < limit + _NEW:
            soon.append(_AGAIN)
    return min(soon, default=None)
