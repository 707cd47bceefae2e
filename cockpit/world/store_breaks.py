"""Faults of the databases and caches themselves: put into the real servers, seen to end there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg

from cockpit.errors import Misconfigured
from cockpit.world.ailments import Leak, Slow, Stay
from cockpit.world.catalog import SchemaChangeQueue
from cockpit.world.horizon import freeze, use_numbers
from cockpit.world.layout import CHECKOUT
from cockpit.world.servers import mariadb
from cockpit.world.servers.postgres import PostgresServer
from cockpit.world.stores import DATABASE, swap

if TYPE_CHECKING:
    from cockpit.world.stage import Stage

_VACUUMED = 2.0
_LOOKED = 0.25
Parameters = Mapping[str, Any]
Break = Callable[[Parameters], Awaitable[None]]


class StoreBreaks:
    """Each kind of fault by its name. `over`: told how the end of a fault is noticed; `renewals`:
    what happens once a service's tasks are started anew.
    """

    def __init__(
        self,
        stage: Stage,
        over: list[Callable[[], bool]],
        renewals: dict[str, Callable[[], None]],
    ) -> None:
        self._stage = stage
        self._over = over
        self._renewals = renewals
        self.kinds: dict[str, Break] = {
            "leak": self._leak,
            "forgetful": self._forgetful,
            "slow": self._slow,
            "replay": self._replay,
            "failover": self._failover,
            "metadata_lock": self._metadata_lock,
            "cache_failover": self._cache_failover,
            "horizon": self._horizon,
        }

    async def _leak(self, asked: Parameters) -> None:
        """A service holds sessions that it does not use any more."""
        leak = Leak(self._stage.database, sessions=int(asked["sessions"]))
        self._stage.spawn(leak.run())
        await leak.full.wait()
        self._over.append(leak.over.is_set)

    async def _forgetful(self, asked: Parameters) -> None:
        """A version of a service opens a session for each message and closes none. It does not run
        yet: whoever brings it back brings that too, and whoever takes it away ends it.
        """
        self._stage.spawn(self._forgets(asked["service"], int(asked["version"]), asked))

    async def _forgets(self, service: str, version: int, asked: Parameters) -> None:
        leaking: asyncio.Task[Any] | None = None
        while True:
            is_back = self._stage.cluster.services[service].primary.version == version
            if is_back and leaking is None:
                leak = Leak(self._stage.database, sessions=int(asked["sessions"]))
                leaking = self._stage.spawn(leak.run())
            elif not is_back and leaking is not None:
                leaking.cancel()
                leaking = None
            await asyncio.sleep(_LOOKED)

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

    async def _watch_replay(self, standby: PostgresServer, going: asyncio.Event) -> None:
        while not going.is_set():
            await asyncio.sleep(1)
            with contextlib.suppress(psycopg.Error, OSError):
                paused = await asyncio.to_thread(
                    standby.execute, "SELECT pg_is_wal_replay_paused()"
                )
                if not paused[0][0]:
                    going.set()

    async def _failover(self, asked: Parameters) -> None:
        """The standby is the primary now. Who looked the writer's name up before keeps the old
        address: checkout's tasks until they are started anew, and the machine of the cockpit.
        """
        await asyncio.to_thread(swap, self._stage.stores, self._stage.prepared.folder)
        writer = self._stage.stores.primary
        if writer is not None:
            self._renewed_finds(writer.port, partial(setattr, self._stage.database, "port"))

    def _renewed_finds(self, port: int, find: Callable[[int], None]) -> None:
        """New tasks of checkout resolve the name, and find where it leads now."""
        renewed = asyncio.Event()

        def renew() -> None:
            find(port)
            renewed.set()

        self._renewals[CHECKOUT.name] = renew
        self._over.append(renewed.is_set)

    async def _metadata_lock(self, asked: Parameters) -> None:
        """A schema change of the catalog waits behind an idle reader, and all behind the change."""
        catalog = self._stage.stores.catalog
        if catalog is None:
            raise Misconfigured(mariadb.LACKING, hint=mariadb.INSTALL)
        password = self._stage.prepared.secrets.checkout
        queue = SchemaChangeQueue(catalog.port, password, readers=int(asked["readers"]))
        queue.start()
        await asyncio.to_thread(queue.full.wait, 5)
        self._over.append(queue.over.is_set)

    async def _cache_failover(self, asked: Parameters) -> None:
        """The replica is the primary now; checkout's tasks and the machine of the cockpit keep the
        address that the name had before.
        """
        old, new = self._stage.stores.cache, self._stage.stores.replica
        if old is None or new is None:
            return
        await asyncio.to_thread(new.send, "REPLICAOF", "NO", "ONE")
        await asyncio.to_thread(old.send, "REPLICAOF", "127.0.0.1", new.port)
        self._stage.cache.primary = 2
        self._renewed_finds(new.port, partial(setattr, self._stage.sessions, "port"))

    async def _horizon(self, asked: Parameters) -> None:
        """An old snapshot stays open while transaction numbers are used up behind it."""
        primary = self._stage.stores.primary
        if primary is None:
            return
        stay = Stay(self._stage.database)
        self._stage.spawn(stay.run())
        await stay.held.wait()
        await asyncio.to_thread(use_numbers, primary, int(asked["transactions"]))
        self._stage.spawn(self._vacuum(stay, primary))
        self._over.append(stay.over.is_set)

    async def _vacuum(self, stay: Stay, primary: PostgresServer) -> None:
        """Autovacuum does its work as soon as nobody is in its way."""
        await stay.over.wait()
        while True:
            with contextlib.suppress(psycopg.Error, OSError):
                await asyncio.to_thread(freeze, primary)
            await asyncio.sleep(_VACUUMED)
