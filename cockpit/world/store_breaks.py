"""Faults of the databases and caches themselves: put into the real servers, seen to end there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import psycopg

from cockpit.world.ailments import Leak, Slow
from cockpit.world.servers.postgres import Postgres
from cockpit.world.stores import DATABASE, swap

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
            "replay": self._replay,
            "failover": self._failover,
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

    async def _replay(self, asked: Parameters) -> None:
        """Somebody paused the standby's replay, and then much was written."""
        standby, primary = self._stage.stores.standby, self._stage.stores.primary
        if standby is None or primary is None:
            return
        await asyncio.to_thread(standby.execute, "SELECT pg_wal_replay_pause()")
        rows = int(asked["megabytes"]) * 1000
        await asyncio.to_thread(
            primary.execute,
            "CREATE TABLE price_import AS SELECT n AS product, repeat(md5(n::text), 31) AS offers"
            f" FROM generate_series(1, {rows}) n",
            database=DATABASE,
        )
        going = asyncio.Event()
        self._stage.spawn(self._watch_replay(standby, going))
        self._over.append(going.is_set)

    async def _watch_replay(self, standby: Postgres, going: asyncio.Event) -> None:
        while not going.is_set():
            await asyncio.sleep(1)
            with contextlib.suppress(psycopg.Error, OSError):
                paused = await asyncio.to_thread(
                    standby.execute, "SELECT pg_is_wal_replay_paused()"
                )
                if not paused[0][0]:
                    going.set()

    async def _failover(self, asked: Parameters) -> None:
        """The standby is the primary now; the name of the writer still leads to the old one."""
        await asyncio.to_thread(swap, self._stage.stores, self._stage.prepared.folder)
