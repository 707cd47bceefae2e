"""Faults of the databases and caches themselves: put into the real servers, seen to end there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from cockpit.world.ailments import Leak, Slow

if TYPE_CHECKING:
    from cockpit.world.stage import Stage

Parameters = Mapping[str, Any]
Break = Callable[[Parameters], Awaitable[None]]


class StoreBreaks:
    """Each kind of fault by its name. `over`: told how the end of a fault is noticed."""

    def __init__(self, stage: Stage, over: list[Callable[[], bool]]) -> None:
        self._stage = stage
        self._over = over
        self.kinds: dict[str, Break] = {
            "leak": self._leak,
            "slow": self._slow,
        }

    async def _leak(self, asked: Parameters) -> None:
        """A service holds sessions that it does not use any more."""
        leak = Leak(self._stage.database, sessions=int(asked["sessions"]))
        self._stage.spawn(leak.run())
        await leak.full.wait()
        self._over.append(leak.over.is_set)

    async def _slow(self, asked: Parameters) -> None:
        """One statement does far more than it used to."""
        slow = Slow(self._stage.database)
        self._stage.spawn(slow.run())
        await slow.running.wait()
        self._over.append(slow.over.is_set)
