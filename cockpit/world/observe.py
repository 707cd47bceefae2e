"""Real measurements of the shop, entered into its CloudWatch as they are taken."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import psycopg
import redis.asyncio
import redis.exceptions

from cockpit.world import layout

if TYPE_CHECKING:
    from cockpit.world.stage import Stage

_EVERY = 2.0
_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"


class Observer:
    """Looks at databases, caches and targets every two seconds."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._evicted = 0

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            self._targets()
            await self._database()
            await self._cache()
            await asyncio.sleep(_EVERY)

    def _targets(self) -> None:
        book = self._stage.book
        for service in layout.SERVICES:
            group = self._stage.health.group(service.group_arn)
            healthy = book.named("HealthyHostCount", service.group)
            book.observe(healthy, group.count("healthy"))
            unhealthy = book.named("UnHealthyHostCount", service.group)
            book.observe(unhealthy, group.count("unhealthy"))

    async def _database(self) -> None:
        primary = self._stage.stores.primary
        if primary is None:
            return
        book = self._stage.book
        with contextlib.suppress(psycopg.Error, OSError, TimeoutError):
            async with asyncio.timeout(3):
                connection = await psycopg.AsyncConnection.connect(primary.dsn(), autocommit=True)
                try:
                    row = await (await connection.execute(_SESSIONS)).fetchone()
                finally:
                    connection.pgconn.finish()
            if row:
                metrics = book.named("DatabaseConnections", layout.DATABASE)
                book.observe(metrics, float(row[0]) - 1)

    async def _cache(self) -> None:
        cache = self._stage.stores.cache
        if cache is None:
            return
        client = redis.asyncio.Redis(
            host="127.0.0.1", port=cache.port, socket_timeout=2, client_name="monitor"
        )
        with contextlib.suppress(redis.exceptions.RedisError, OSError):
            async with contextlib.aclosing(client):
                self._enter(dict(await client.info()))

    def _enter(self, info: dict[str, Any]) -> None:
        book, node = self._stage.book, f"{layout.CACHE}-001"
        limit = float(info.get("maxmemory") or 0)
        if limit:
            share = min(100.0, float(info["used_memory"]) / limit * 100)
            book.observe(book.named("DatabaseMemoryUsagePercentage", node), share)
        evicted = int(info.get("evicted_keys") or 0)
        fresh, self._evicted = max(0, evicted - self._evicted), evicted
        # one sample stands for the two seconds since the last: Sum over a minute is the count
        book.observe(book.named("Evictions", node), fresh)
