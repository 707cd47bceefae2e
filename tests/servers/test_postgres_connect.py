"""Every way in which a PostgreSQL connection fails, on a real server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from cockpit.connect.postgres.session import Postgres
from cockpit.errors import BlindError, Reason
from cockpit.world.servers import postgres
from tests.patience import at_most, eventually
from tests.servers.private import Crowd, pg_app, pg_settings, session_for, trouble, until

pytestmark = pytest.mark.servers


@pytest.mark.parametrize(
    ("changed", "code", "reason", "severity"),
    [
        pytest.param({"password": "env:T_WRONG"}, "PG_CONN_AUTH", "denied", "high", id="password"),
        pytest.param(
            {"database": "none"}, "PG_CONN_NO_DB", "misconfigured", "warning", id="database"
        ),
        pytest.param({"sslmode": "require"}, "PG_CONN_TLS", "unreachable", "high", id="no TLS"),
        pytest.param({"port": 1}, "NET_TCP_REFUSED", "unreachable", "critical", id="closed port"),
        pytest.param(
            {"host": "nothing.invalid"}, "NET_DNS_NXDOMAIN", "unreachable", "critical", id="name"
        ),
        pytest.param({"password": "env:T_ABSENT"}, "", "misconfigured", "", id="no secret"),
    ],
)
async def test_a_login_that_fails_says_why(
    pg: postgres.PostgresServer, changed: dict[str, Any], code: str, reason: str, severity: str
) -> None:
    error = await trouble(pg_settings(pg, **changed))

    assert (error.code, error.reason.value, error.severity) == (code, reason, severity)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        pytest.param("CREATE TABLE stolen (i int)", Reason.DENIED, id="create"),
        pytest.param("INSERT INTO orders VALUES (0, 'x')", Reason.DENIED, id="insert"),
        pytest.param("UPDATE orders SET status = 'x'", Reason.DENIED, id="update"),
        pytest.param("ALTER SYSTEM SET work_mem = '1MB'", Reason.DENIED, id="alter system"),
        pytest.param("SELECT * FROM nothing", Reason.UNSUPPORTED, id="no such table"),
        pytest.param("SELECT nothing()", Reason.UNSUPPORTED, id="no such function"),
        pytest.param("SELECT 1/0", Reason.UNREADABLE, id="an error of its own"),
    ],
)
async def test_an_observer_changes_nothing(
    pg: postgres.PostgresServer, statement: str, reason: Reason
) -> None:
    owner = pg_settings(pg, user="app", password="env:T_APP")
    error = await trouble(owner, statement)

    assert error.reason is reason
    assert pg.execute("SELECT count(*) FROM orders WHERE status = 'x'") == [(0,)]


async def test_the_server_ends_a_statement_that_takes_too_long(pg: postgres.PostgresServer) -> None:
    error = await trouble(pg_settings(pg), "SELECT pg_sleep(10)")

    assert error.reason is Reason.TIMEOUT


async def test_a_role_limit_is_not_saturation(pg: postgres.PostgresServer) -> None:
    pg.execute("ALTER ROLE plain CONNECTION LIMIT 0")
    try:
        error = await trouble(pg_settings(pg, user="plain", password="env:T_PLAIN"))
    finally:
        pg.execute("ALTER ROLE plain CONNECTION LIMIT -1")

    assert error.code == "PG_CONN_ROLE_LIMIT"


async def test_a_full_server_refuses_new_sessions_and_keeps_ours(
    small_pg: postgres.PostgresServer,
) -> None:
    async with session_for(pg_settings(small_pg)) as kept, Crowd(small_pg) as crowd:
        await kept.value("SELECT 1")
        await crowd.fill()
        reserved = await trouble(pg_settings(small_pg))
        admins = Crowd(small_pg, "act")
        small_pg.execute("ALTER ROLE act SUPERUSER")
        await admins.fill()
        full = await trouble(pg_settings(small_pg))
        assert await kept.value("SELECT 1") == 1
        for connection in admins.connections:
            await connection.close()

    assert (reserved.code, reserved.severity) == ("PG_CONN_RESERVED_ONLY", "critical")
    assert (full.code, full.severity) == ("PG_CONN_SATURATED", "critical")


async def test_a_stopped_server_is_mute_and_an_old_session_still_sees(
    small_pg: postgres.PostgresServer,
) -> None:
    async with session_for(pg_settings(small_pg)) as kept:
        await kept.value("SELECT 1")
        small_pg.pause()
        try:
            async with asyncio.timeout(at_most(15)):
                error = await trouble(pg_settings(small_pg))
            assert await kept.value("SELECT 1") == 1
        finally:
            small_pg.resume()

    assert (error.code, error.reason) == ("PG_CONN_MUTE", Reason.TIMEOUT)


async def test_a_hung_backend_costs_one_look_and_a_crash_is_told(
    small_pg: postgres.PostgresServer,
) -> None:
    async with session_for(pg_settings(small_pg)) as session:
        backend = await session.value("SELECT pg_backend_pid()")
        os.kill(backend, signal.SIGSTOP)
        with pytest.raises(BlindError) as hung:
            await session.value("SELECT 1")
        os.kill(backend, signal.SIGCONT)
        assert await session.value("SELECT 1") == 1

        backend = await session.value("SELECT pg_backend_pid()")
        os.kill(backend, signal.SIGKILL)
        try:
            crashed = ""
            assert await session.value("SELECT pg_backend_pid()") != backend  # recovered already
        except BlindError as error:
            crashed = error.code

    assert hung.value.reason is Reason.TIMEOUT
    assert hung.value.code == ""
    assert crashed in {"", "PG_CONN_CRASHED", "PG_CONN_STARTING", "PG_CONN_DROPPED"}


async def test_a_cancelled_look_gives_up_at_once(small_pg: postgres.PostgresServer) -> None:
    session = Postgres(pg_settings(small_pg), patience=600)
    backend = await session.value("SELECT pg_backend_pid()")
    assert isinstance(backend, int)
    os.kill(backend, signal.SIGSTOP)
    asking = asyncio.create_task(session.value("SELECT 1"))
    await asyncio.sleep(0.1)
    try:
        async with asyncio.timeout(at_most(15)):  # by itself it would take ten minutes
            await session.close()
            asking.cancel()
            await asyncio.wait({asking})
    finally:
        os.kill(backend, signal.SIGCONT)


async def test_a_standby_without_its_wal_is_starting_up(small_pg: postgres.PostgresServer) -> None:
    data = small_pg.cluster.data
    small_pg.execute("ALTER SYSTEM SET hot_standby = off")
    port = small_pg.port
    small_pg.shut_down()
    signal_file = data / "standby.signal"
    signal_file.touch()
    starting = postgres.start(small_pg.cluster, port=port, wait=False)
    try:
        error = await until(
            lambda: trouble(pg_settings(starting)), lambda told: told.code != "NET_TCP_REFUSED"
        )
    finally:
        starting.stop()

    assert error.code in {"PG_CONN_STARTING", "PG_CONN_NOT_READABLE"}


async def test_a_server_that_shuts_down_is_told_from_one_that_starts(
    small_pg: postgres.PostgresServer,
) -> None:
    with psycopg.connect(pg_app(small_pg)):
        os.kill(small_pg.pid, signal.SIGTERM)
        eventually(lambda: not _lets_in(small_pg))
        error = await trouble(pg_settings(small_pg))

    assert error.code == "PG_CONN_SHUTTING_DOWN"


def _lets_in(server: postgres.PostgresServer) -> bool:
    try:
        psycopg.connect(pg_app(server)).close()
    except psycopg.OperationalError:
        return False
    return True


async def test_between_attempts_the_server_is_not_knocked_on(pg: postgres.PostgresServer) -> None:
    async with session_for(pg_settings(pg, password="env:T_WRONG")) as session:
        with pytest.raises(BlindError) as first:
            await session.value("SELECT 1")
        knocks = _refused(pg)
        with pytest.raises(BlindError) as second:
            await session.value("SELECT 1")

    assert second.value.code == first.value.code == "PG_CONN_AUTH"
    assert second.value is not first.value
    assert _refused(pg) == knocks > 0


def _refused(server: postgres.PostgresServer) -> int:
    """How often a password was wrong."""
    return server.log.read_text().count("password authentication failed")


@asynccontextmanager
async def scripted(says: bytes, *, hold: bool) -> AsyncIterator[int]:
    """A server that says something and hangs up, or holds the line until the end; its port."""
    over = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(says)
        await writer.drain()
        if hold:
            await over.wait()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        over.set()
        server.close()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("answer", "hold", "code"),
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", False, "NET_WRONG_PROTOCOL", id="HTTP"),
        pytest.param(b"", False, "PG_CONN_DROPPED", id="hangs up"),
        pytest.param(b"", True, "PG_CONN_MUTE", id="says nothing"),
    ],
)
async def test_what_is_not_postgres_is_told_from_what_is_dead(
    pg: postgres.PostgresServer, answer: bytes, hold: bool, code: str
) -> None:
    async with scripted(answer, hold=hold) as port:
        error = await trouble(pg_settings(pg, port=port))

    assert error.code == code


async def test_a_pooler_gets_no_options_and_still_cannot_write(pg: postgres.PostgresServer) -> None:
    pooled = pg_settings(pg, user="app", password="env:T_APP", pooler=True)
    async with session_for(pooled) as session:
        assert await session.value("SELECT current_setting('statement_timeout')") == "3s"
        with pytest.raises(BlindError) as refused:
            await session.value("UPDATE orders SET status = 'x'")
        assert await session.value("SELECT 1") == 1

    assert refused.value.reason is Reason.DENIED
