"""Small real traffic on cache, table and catalog, so that rates and histories are real."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass

import redis.asyncio
import redis.exceptions

from cockpit.world import layout
from cockpit.world.clients import WorldClients
from cockpit.world.servers.mariadb import MariaDb

_VALUE = 4000
_QUIET = 0.5


@dataclass(slots=True)
class SessionTraffic:
    """What shoppers do to the sessions cache. Fields may be changed while it runs."""

    port: int
    keys: int = 600
    """How many different sessions there are; each is about four kilobytes."""
    per_second: int = 40

    async def run(self) -> None:
        """Write and read sessions for ever, ten times a second."""
        chance = random.Random(7)
        while True:
            port = self.port
            client = redis.asyncio.Redis(
                host="127.0.0.1", port=port, client_name="checkout-api", socket_timeout=5
            )
            async with contextlib.aclosing(client):
                while port == self.port:
                    with contextlib.suppress(redis.exceptions.RedisError, OSError):
                        await self._burst(client, chance)
                    await asyncio.sleep(0.1)

    async def _burst(self, client: redis.asyncio.Redis, chance: random.Random) -> None:
        pipe = client.pipeline(transaction=False)
        for _ in range(max(1, self.per_second // 10)):
            name = f"session:{chance.randint(1, self.keys)}"
            pipe.set(name, chance.randbytes(_VALUE), ex=3600)
            pipe.get(f"session:{chance.randint(1, self.keys)}")
        await pipe.execute()


@dataclass(slots=True)
class CartTraffic:
    """Carts written through the AWS API with the shop's own key; throttled calls are counted."""

    clients: WorldClients
    throttled: Callable[[], None] = lambda: None

    async def run(self) -> None:
        """Put a cart every two seconds, for ever."""
        number = 0
        while True:
            number += 1
            await asyncio.to_thread(self._put, number)
            await asyncio.sleep(2)

    def _put(self, number: int) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            item = {"id": {"S": f"cart-{number % 50}"}, "lines": {"N": str(number % 7)}}
            self.clients("dynamodb", "put_item", TableName=layout.TABLE, Item=item)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ProvisionedThroughputExceededException":
                self.throttled()
        except BotoCoreError:
            return


@dataclass(slots=True)
class CatalogTraffic:
    """Search reads the catalog."""

    catalog: MariaDb
    password: str

    async def run(self) -> None:
        """A few reads a second on one connection of its own, for ever."""
        while True:
            await asyncio.to_thread(self._read_for, 5.0)
            await asyncio.sleep(_QUIET)

    def _read_for(self, seconds: float) -> None:
        import time

        import pymysql

        try:
            connection = pymysql.connect(
                host="127.0.0.1",
                port=self.catalog.port,
                user="search",
                password=self.password,
                database="catalog",
                autocommit=True,
                ssl_disabled=True,
                connect_timeout=3,
                read_timeout=5,
            )
        except pymysql.MySQLError:
            return
        end = time.monotonic() + seconds
        with contextlib.suppress(pymysql.MySQLError), connection, connection.cursor() as cursor:
            while time.monotonic() < end and self.catalog.alive:
                cursor.execute("SELECT id, name, price FROM products WHERE id = %s", (1,))
                time.sleep(0.3)
