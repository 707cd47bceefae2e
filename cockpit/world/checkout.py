"""The database side of the service checkout: heartbeats, orders, and what piles up behind a lock.

Real sessions of the role `checkout`. The beat of a task updates the task's own shard, so a
transaction that holds shards makes exactly those tasks unwell.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg

from cockpit.world.apps import Gate
from cockpit.world.ecs import Task
from cockpit.world.stores import SHARDS

API = "checkout-api"
WORKER = "checkout-worker"
_BEAT = "UPDATE shards SET beat = now() WHERE shard = %s"
_COUNT = "UPDATE shards SET orders = orders + 1 WHERE shard = %s"
_ORDER = "INSERT INTO orders (shard, customer, status, total) VALUES (%s, %s, 'paid', %s)"
_LOOK = "SELECT id, status, total FROM orders WHERE customer = %s ORDER BY id DESC LIMIT 10"
_PAUSE = 0.5
Connection = psycopg.AsyncConnection[Any]


class CheckoutDatabase:
    """How checkout reaches its database: through a gate, with a password."""

    def __init__(self, port: int, password: str, gate: Gate) -> None:
        self.port = port
        self._password = password
        self.gate = gate

    @asynccontextmanager
    async def session(self, name: str, *, autocommit: bool = True) -> AsyncIterator[Connection]:
        """A connection with this application name, closed at once at the end."""
        await self.gate.passed()
        connection = await psycopg.AsyncConnection.connect(
            host="127.0.0.1",
            port=self.port,
            dbname="orders",
            user="checkout",
            password=self._password,
            application_name=name,
            sslmode="disable",
            autocommit=autocommit,
            connect_timeout=5,
        )
        try:
            yield connection
        finally:
            connection.pgconn.finish()


async def again(work: Callable[[], Awaitable[None]], pause: float = _PAUSE) -> None:
    """Do the work for ever; a database that refuses or cuts is tried again after a pause."""
    while True:
        with contextlib.suppress(psycopg.Error, OSError):
            await work()
        await asyncio.sleep(pause)


class Beats:
    """What the health check of a task does: write the shard's heartbeat."""

    def __init__(self, database: CheckoutDatabase) -> None:
        self._database = database
        self._sessions: dict[int, tuple[Connection, contextlib.AsyncExitStack]] = {}
        self._pending: dict[int, asyncio.Task[None]] = {}

    async def need(self, task: Task) -> None:
        """Wait for a beat of the task's shard; the one that is under way is shared.

        Raises `ConnectionError` when the database cannot be reached.
        """
        shard = (task.slot - 1) % SHARDS + 1
        pending = self._pending.get(shard)
        if pending is None or pending.done():
            pending = asyncio.create_task(self._beat(shard))
            self._pending[shard] = pending
        await asyncio.shield(pending)

    async def close(self) -> None:
        """Drop every connection."""
        for pending in self._pending.values():
            pending.cancel()
        await asyncio.gather(*self._pending.values(), return_exceptions=True)
        for shard in tuple(self._sessions):
            await self._drop(shard)

    async def _beat(self, shard: int) -> None:
        await self._database.gate.passed()
        try:
            if shard not in self._sessions:
                closing = contextlib.AsyncExitStack()
                session = self._database.session(API)
                self._sessions[shard] = await closing.enter_async_context(session), closing
            await self._sessions[shard][0].execute(_BEAT, (shard,))
        except (psycopg.Error, OSError) as error:
            await self._drop(shard)  # else a standby that refuses beats fills up with sessions
            raise ConnectionError(str(error).strip()) from None

    async def _drop(self, shard: int) -> None:
        if shard in self._sessions:
            await self._sessions.pop(shard)[1].aclose()


async def ended(*connections: Connection) -> None:
    """Wait until the server or somebody else ended one of them: its socket turns readable."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    descriptors = [connection.pgconn.socket for connection in connections]
    for descriptor in descriptors:
        loop.add_reader(descriptor, over.set)
    try:
        await over.wait()
    finally:
        for descriptor in descriptors:
            loop.remove_reader(descriptor)


async def sell(database: CheckoutDatabase, seed: int) -> None:
    """One worker of checkout: a few orders a second, as long as the database lets it."""
    chance = random.Random(seed)
    async with database.session(API) as connection:
        while True:
            await database.gate.passed()
            shard = chance.randint(1, SHARDS)
            await connection.execute(_LOOK, (chance.randint(1, 900),))
            async with connection.transaction():
                row = (shard, chance.randint(1, 900), chance.randint(5, 200))
                await connection.execute(_ORDER, row)
                await connection.execute(_COUNT, (shard,))
            await asyncio.sleep(0.3 + chance.random() * 0.4)


async def idle(database: CheckoutDatabase, tasks: int = 12) -> None:
    """The idle part of checkout's pool: sessions that wait for work."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(tasks):
            connection = await stack.enter_async_context(database.session(API))
            await connection.execute("SELECT 1")
        await database.gate.shut_again()


class Pile:
    """A forgotten transaction on some shards, and the sessions that wait for it.

    The blocker ends when somebody ends its session; then the waiters go through one after another,
    the pool shrinks again, and `over` is set.
    """

    def __init__(self, database: CheckoutDatabase, *, shards: int, waiters: int, idle: int) -> None:
        self._database = database
        self._shards = shards
        self._waiters = waiters
        self._idle = idle
        self.over = asyncio.Event()
        self.held = asyncio.Event()
        """Set once the lock is held."""
        self.full = asyncio.Event()
        """Set once nine of ten waiters wait."""
        self._waiting = 0

    async def run(self) -> None:
        """Hold, wait, pile up; until the blocker is gone and everybody went through."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._block())
            await self.held.wait()
            for number in range(self._waiters):
                group.create_task(self._wait(number))
            group.create_task(self._crowd())

    async def _block(self) -> None:
        try:
            async with self._database.session(WORKER, autocommit=False) as connection:
                await connection.execute(
                    "SELECT id FROM orders WHERE status = 'paid' AND customer = 4242"
                )
                await connection.execute(
                    "UPDATE shards SET orders = orders + 1 WHERE shard <= %s", (self._shards,)
                )
                self.held.set()
                await ended(connection)
        finally:
            self.held.set()
            self.over.set()

    async def _wait(self, number: int) -> None:
        """One request of a shopper: tried again as long as the lock is held."""
        shard = number % self._shards + 1
        while not self.over.is_set():
            with contextlib.suppress(psycopg.Error, OSError):
                async with self._database.session(API) as connection:
                    self._waiting += 1
                    if self._waiting >= self._waiters * 0.9:
                        self.full.set()
                    await connection.execute(_COUNT, (shard,))
                    return
            await asyncio.sleep(_PAUSE)

    async def _crowd(self) -> None:
        """The pool grows to its limit while nothing comes back, and shrinks afterwards."""
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(self._idle):
                with contextlib.suppress(psycopg.Error, OSError):
                    await stack.enter_async_context(self._database.session(API))
                if self.over.is_set():
                    break
            await self.over.wait()
