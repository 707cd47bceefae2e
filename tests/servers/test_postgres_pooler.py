"""PgBouncer between us and PostgreSQL: told, survived, and nothing of ours left in its sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cockpit.connect.postgres.acts import open_postgres_acts
from cockpit.connect.settings import Login
from cockpit.errors import BlindError, Reason
from cockpit.triage.registry import registry
from cockpit.world.servers import postgres
from cockpit.world.servers.process import ServerProcess
from tests.servers.pgbouncer import pgbouncer
from tests.servers.private import SECRETS, Crowd, codes, look, pg_settings, session_for, trouble

pytestmark = pytest.mark.servers

UPDATE = "UPDATE orders SET status = 'paid' WHERE id = 7"
PROBES = sorted(probe.id for probe in registry().values() if probe.kind == "postgres")


def through(bouncer: ServerProcess, /, **changed: object) -> Any:
    """Settings that lead to the pooler; that it is one is not said unless asked for."""
    return pg_settings(bouncer, **{"sslmode": "disable", **changed})


@asynccontextmanager
async def clients(pooler: ServerProcess, user: str = "app") -> AsyncIterator[list[Any]]:
    """Two clients of the pooler, gone at the end."""
    secret = SECRETS[f"T_{user.upper()}"]
    where = f"host=127.0.0.1 port={pooler.port} dbname=postgres user={user} password={secret}"
    async with AsyncExitStack() as stack:
        opened = []
        for _ in range(2):
            opened.append(await psycopg.AsyncConnection.connect(where))
            stack.push_async_callback(opened[-1].close)
        yield opened


@pytest.mark.parametrize(
    ("changed", "ignored"),
    [
        pytest.param({"pooler": True}, "", id="said in the configuration"),
        pytest.param({}, "", id="it refuses our options"),
        pytest.param({}, "options", id="it swallows our options"),
    ],
)
async def test_every_probe_looks_through_a_pooler_and_says_so(
    pg: postgres.PostgresServer, folder: Path, changed: dict[str, object], ignored: str
) -> None:
    with pgbouncer(folder, pg, ignore_startup_parameters=f"extra_float_digits,{ignored}") as pooler:
        settings = through(pooler, **changed)
        async with session_for(settings) as session:
            found = {probe: codes(await look(probe, settings, session)) for probe in PROBES}
            with pytest.raises(BlindError) as refused:
                await session.value("CREATE TABLE stolen (i int)")
            with pytest.raises(BlindError) as late:
                await session.value("SELECT pg_sleep(20)")
            assert await session.value("SELECT 1") == 1
        left = await leftovers(pooler)

    assert found.pop("postgres.sessions") == {"PG_OBS_VIA_POOLER": "info"}
    assert [probe for probe, told in found.items() if told] == []
    assert refused.value.reason is Reason.DENIED
    assert "read-only" in refused.value.message
    assert late.value.reason is Reason.TIMEOUT
    assert left == {("0", "0", "off", 0)}


async def leftovers(pooler: ServerProcess) -> set[tuple[object, ...]]:
    """What the next client of the same role finds in each server session that we may have used."""
    found = set()
    async with clients(pooler, "ro") as holders:
        for connection in holders:
            cursor = await connection.execute(
                "SELECT current_setting('statement_timeout'), current_setting('lock_timeout'),"
                " current_setting('default_transaction_read_only'),"
                " (SELECT count(*) FROM pg_prepared_statements)"
            )
            found.add(await cursor.fetchone())
    return found


async def test_a_pooler_that_takes_no_more_clients_is_full(
    pg: postgres.PostgresServer, folder: Path
) -> None:
    with pgbouncer(folder, pg, max_client_conn=2) as pooler:
        async with clients(pooler):
            error = await trouble(through(pooler, pooler=True))

    assert (error.code, error.severity) == ("PG_POOL_FULL", "critical")


@pytest.mark.parametrize("patience", [pytest.param(1, id="its patience ends first"), 120])
async def test_a_pool_whose_connections_are_all_taken_is_told(
    pg: postgres.PostgresServer, folder: Path, patience: int
) -> None:
    """Once by the pooler's own word, once because ours comes long before."""
    with pgbouncer(folder, pg, max_db_connections=2, query_wait_timeout=patience) as pooler:
        async with session_for(through(pooler, pooler=True)) as session:
            assert await session.value("SELECT 1") == 1
            async with clients(pooler) as holders:
                for connection in holders:
                    await connection.execute("SELECT 1")
                with pytest.raises(BlindError) as busy:
                    await session.value("SELECT 1")

    assert (busy.value.code, busy.value.severity) == ("PG_POOL_WAIT", "critical")


async def test_a_pooler_without_a_server_is_not_a_database_that_is_down(
    small_pg: postgres.PostgresServer, folder: Path
) -> None:
    with pgbouncer(folder, small_pg, server_login_retry=1) as pooler:
        async with session_for(through(pooler, pooler=True)) as session:
            assert await session.value("SELECT 1") == 1
            small_pg.stop()
            with pytest.raises(BlindError) as gone:
                await session.value("SELECT 1")
        new = await trouble(through(pooler, pooler=True))

    assert gone.value.code in {"PG_CONN_DROPPED", "PG_POOL_WAIT", "PG_CONN_SHUTTING_DOWN"}
    assert new.code in {"PG_CONN_DROPPED", "PG_POOL_WAIT"}


async def test_a_server_session_that_ends_under_us_costs_no_look(
    pg: postgres.PostgresServer, folder: Path
) -> None:
    with pgbouncer(folder, pg) as pooler:
        async with session_for(through(pooler)) as session:
            backend = await session.value("SELECT pg_backend_pid()")
            pg.execute(f"SELECT pg_terminate_backend({backend})")
            assert await session.value("SELECT pg_backend_pid()") != backend


async def test_a_pooler_that_is_stopped_is_mute(pg: postgres.PostgresServer, folder: Path) -> None:
    with pgbouncer(folder, pg) as pooler:
        pooler.pause()
        try:
            error = await trouble(through(pooler))
        finally:
            pooler.resume()

    assert error.code == "PG_CONN_MUTE"


async def test_a_pooler_that_is_paused_is_not_called_hung_only(
    pg: postgres.PostgresServer, folder: Path
) -> None:
    with pgbouncer(folder, pg) as pooler:
        where = f"host=127.0.0.1 port={pooler.port} user=act password={SECRETS['T_ACT']}"
        console = await psycopg.AsyncConnection.connect(
            f"{where} dbname=pgbouncer sslmode=disable", autocommit=True
        )
        await console.execute("PAUSE postgres")
        error = await trouble(through(pooler, pooler=True))
        await console.close()

    assert error.code == "PG_CONN_MUTE"
    assert "paused" in error.hint
    assert "server_login_retry" in error.hint


async def test_a_commander_acts_by_identity_through_a_pooler_too(
    pg: postgres.PostgresServer, folder: Path
) -> None:
    with pgbouncer(folder, pg) as pooler:
        acts = await open_postgres_acts(through(pooler))
        async with Crowd(pg) as crowd:
            await crowd.hold(UPDATE, app="victim")
            ((pid, start),) = pg.execute(
                "SELECT pid, backend_start FROM pg_stat_activity WHERE application_name = 'victim'"
            )
            ended = await acts.run("terminate_backend", {"pid": pid, "backend_start": start})
            await crowd.hold(UPDATE, "PREPARE TRANSACTION 'lost'")
            ((prepared,),) = pg.execute("SELECT prepared FROM pg_prepared_xacts")
        await acts.close()
        owner = await open_postgres_acts(
            through(pooler, commander=Login(user="app", password="env:T_APP"))
        )
        resolved = await owner.run(
            "rollback_prepared", {"gid": "lost", "owner": "app", "prepared": prepared}
        )
        await owner.close()

    assert ended["done"]
    assert resolved["done"]
