"""A session that was given up under a hung look stays closed: one connection a database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from cockpit.connect.memcached.session import open_memcached
from cockpit.connect.memcached.settings import MemcachedSettings
from cockpit.connect.mysql.session import Mysql, open_mysql
from cockpit.connect.mysql.settings import MysqlSettings
from cockpit.connect.postgres.session import Postgres, open_postgres
from cockpit.connect.postgres.settings import PostgresSettings
from cockpit.connect.redis.session import open_redis
from cockpit.connect.redis.settings import RedisSettings
from cockpit.errors import BlindError
from tests.patience import until


@dataclass
class Counting:
    """A server that says OK to everything, once it may, and counts who came and who is there."""

    port: int = 0
    came: int = 0
    there: int = 0
    may: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came, self.there = self.came + 1, self.there + 1
        try:
            while await reader.read(1000):
                await self.may.wait()
                writer.write(b"+OK\r\n")
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self.there -= 1
            writer.close()


@pytest.fixture
async def counting() -> AsyncIterator[Counting]:
    made = Counting()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    made.may.set()
    server.close()
    await until(lambda: not made.there)


async def test_redis_is_not_opened_again_by_who_waited_for_the_closed_session(
    counting: Counting,
) -> None:
    counting.may.set()
    session = await open_redis(RedisSettings(host="127.0.0.1", port=counting.port, tls=False))
    await session.command("PING")
    await session.close()
    with pytest.raises(BlindError, match="given up"):
        await session.command("PING")
    await until(lambda: not counting.there)
    assert counting.came == 1


async def test_redis_that_was_closed_while_it_connected_holds_no_connection(
    counting: Counting,
) -> None:
    session = await open_redis(RedisSettings(host="127.0.0.1", port=counting.port, tls=False))
    asking = asyncio.create_task(session.command("PING"))
    await until(lambda: counting.came)
    await session.close()
    counting.may.set()
    with pytest.raises(BlindError):
        await asking
    await until(lambda: not counting.there)


async def test_memcached_is_not_opened_again_by_who_waited_for_the_closed_session(
    counting: Counting,
) -> None:
    session = await open_memcached(MemcachedSettings(host="127.0.0.1", port=counting.port))
    asking = asyncio.create_task(session.version())
    waiting = asyncio.create_task(session.version())
    await until(lambda: counting.came)
    await session.close()
    counting.may.set()
    for each in (asking, waiting):
        with pytest.raises(BlindError, match="given up"):
            await each
    await until(lambda: not counting.there)
    assert counting.came == 1


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
async def test_a_database_is_not_opened_again_by_who_waited_for_the_closed_session(
    counting: Counting, kind: str
) -> None:
    session: Postgres | Mysql
    if kind == "postgres":
        session = await open_postgres(
            PostgresSettings(host="127.0.0.1", port=counting.port, user="ro", sslmode="disable")
        )
    else:
        session = await open_mysql(
            MysqlSettings(host="127.0.0.1", port=counting.port, user="ro", tls="off")
        )
    await session.close()
    with pytest.raises(BlindError, match="given up"):
        await session.value("SELECT 1")
    assert counting.came == 0
