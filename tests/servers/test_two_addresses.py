"""Names with two addresses, of which the first is dead: what applications reach is reached."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from cockpit.connect.net import addresses
from cockpit.connect.postgres.pooler_settings import PgBouncerSettings
from cockpit.errors import BlindError
from cockpit.world.servers import mariadb, postgres
from tests.servers.pgbouncer import pgbouncer
from tests.servers.private import my_settings, pg_settings, session_for

pytestmark = pytest.mark.servers

DEAD = "127.0.0.9"
Dead = Callable[[int], AbstractContextManager[None]]


@contextmanager
def silent(port: int) -> Iterator[None]:
    """At the dead address nobody takes connections any more: what is sent there gets no answer."""
    with ExitStack() as stack:
        heap = stack.enter_context(socket.socket())
        heap.bind((DEAD, port))
        heap.listen(0)
        for _ in range(3):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex((DEAD, port))
        yield


def refused(_: int) -> AbstractContextManager[None]:
    """Nobody listens at the dead address."""
    return nullcontext()


@pytest.fixture(params=[refused, silent])
def dead(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Dead:
    """Every name has the dead address first, then the server's."""
    named(monkeypatch, DEAD, "127.0.0.1")
    found: Dead = request.param
    return found


def named(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


async def test_postgres_is_reached_at_the_second(dead: Dead, pg: postgres.PostgresServer) -> None:
    with dead(pg.port):
        async with session_for(pg_settings(pg, host="orders.test")) as session:
            assert await session.value("SELECT 1") == 1


async def test_mariadb_is_reached_at_the_second(dead: Dead, maria: mariadb.MariaDb) -> None:
    with dead(maria.port):
        async with session_for(my_settings(maria, host="orders.test")) as session:
            assert await session.value("SELECT 1") == 1


async def test_pgbouncer_is_reached_at_the_second(
    dead: Dead, small_pg: postgres.PostgresServer, folder: Path
) -> None:
    with pgbouncer(folder, small_pg) as pooler, dead(pooler.port):
        settings = PgBouncerSettings(
            host="pooler.test", port=pooler.port, user="ro", password="env:T_RO", sslmode="disable"
        )
        async with session_for(settings) as session:
            rows: list[Any] = await session.dicts("SHOW VERSION")
    assert rows


async def test_the_address_that_answered_is_tried_first_from_then_on(
    monkeypatch: pytest.MonkeyPatch, pg: postgres.PostgresServer
) -> None:
    """More dead ones came before it, and only two are tried."""
    named(monkeypatch, DEAD, "127.0.0.1")
    async with session_for(pg_settings(pg, host="orders.test")) as session:
        pid = await session.value("SELECT pg_backend_pid()")
        named(monkeypatch, DEAD, "127.0.0.8", "127.0.0.1")
        pg.execute(f"SELECT pg_terminate_backend({pid})")
        assert await session.value("SELECT pg_backend_pid()") != pid


async def test_a_mute_server_is_asked_where_its_session_was(
    monkeypatch: pytest.MonkeyPatch, pg: postgres.PostgresServer
) -> None:
    """Not at the first address, of which nothing is known to be mute."""
    named(monkeypatch, DEAD, "127.0.0.1")
    async with session_for(pg_settings(pg, host="orders.test")) as session:
        backend = await session.value("SELECT pg_backend_pid()")
        os.kill(backend, signal.SIGSTOP)
        pg.pause()
        try:
            with pytest.raises(BlindError) as mute:
                await session.value("SELECT 1")
        finally:
            pg.resume()
            os.kill(backend, signal.SIGCONT)
    assert mute.value.code == "PG_CONN_MUTE"


async def test_of_several_failures_a_refusal_is_what_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def found(_: str) -> tuple[str, ...]:
        return ("255.255.255.255", "127.0.0.1")  # the first is none that TCP could reach

    monkeypatch.setattr(addresses, "addresses_of", found)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            await addresses.first_reached("db", closed.getsockname()[1], within=5.0)
