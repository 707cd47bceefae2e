"""The kind `pgbouncer` at a real PgBouncer: who waits, what is shut, what is not reached."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cockpit.connect.postgres.pooler_acts import open_pgbouncer_acts
from cockpit.connect.postgres.pooler_settings import PgBouncerSettings
from cockpit.connect.session import TellsRights
from cockpit.connect.settings import Login
from cockpit.errors import BlindError, DoesNotApply, Reason, Refused
from cockpit.runbooks.library import library
from cockpit.triage.engine import Look, judged
from cockpit.triage.probe import Seen
from cockpit.triage.registry import registry
from cockpit.world.servers import postgres
from cockpit.world.servers.process import ServerProcess
from probes.pgbouncer.model import PgBouncerPools
from tests.servers.pgbouncer import pgbouncer
from tests.servers.private import SECRETS, codes, look, session_for, target, trouble, until
from tests.servers.seats import seated

pytestmark = pytest.mark.servers

PROBE = "pgbouncer.pools"


def settings(pooler: ServerProcess, **changed: Any) -> PgBouncerSettings:
    given: dict[str, Any] = {
        "host": "127.0.0.1", "port": pooler.port, "user": "ro", "password": "env:T_RO",
        "sslmode": "disable", "commander": Login(user="act", password="env:T_ACT"),
    }  # fmt: skip
    return PgBouncerSettings(**(given | changed))


@pytest.fixture
def pooler(small_pg: postgres.PostgresServer, folder: Path) -> Iterator[ServerProcess]:
    with pgbouncer(folder, small_pg, server_login_retry=1) as running:
        yield running


@asynccontextmanager
async def clients(pooler: ServerProcess, many: int) -> AsyncIterator[list[Any]]:
    """So many clients of the application, each in a transaction or waiting for its turn."""
    where = (
        f"host=127.0.0.1 port={pooler.port} user=app password={SECRETS['T_APP']} dbname=postgres "
        "sslmode=disable application_name=checkout"
    )
    async with AsyncExitStack() as stack:
        opened, asked = [], []
        for _ in range(many):
            opened.append(await psycopg.AsyncConnection.connect(where, autocommit=True))
            stack.push_async_callback(opened[-1].close)
        for client in opened:
            asked.append(asyncio.ensure_future(client.execute("SELECT pg_sleep(600)")))
        try:
            yield asked
        finally:
            for each in asked:
                each.cancel()
            await asyncio.gather(*asked, return_exceptions=True)


async def seen(session: Any, pooler: ServerProcess) -> tuple[PgBouncerPools, Seen]:
    probe = registry()[PROBE]
    to = target(settings(pooler))
    pools = await probe.collect(session, to)
    return pools, judged(Look(to, probe, probe.settings), pools)


async def command(pooler: ServerProcess, text: str) -> None:
    where = (
        f"host=127.0.0.1 port={pooler.port} user=act password={SECRETS['T_ACT']} "
        "dbname=pgbouncer sslmode=disable"
    )
    console = await psycopg.AsyncConnection.connect(where, autocommit=True)
    async with asyncio.timeout(60):
        await console.execute(text.encode())
    await console.close()


async def test_an_idle_pooler_has_no_finding_and_says_what_it_is(pooler: ServerProcess) -> None:
    found = await look(PROBE, settings(pooler), twice=0.2)

    assert codes(found) == {}
    facts = {fact.label: fact.text for fact in found.facts}
    assert facts["clients"] == "0 of 0 wait"
    assert facts["server"].startswith("PgBouncer")
    assert facts["statements"] == "0/s"


async def test_clients_that_wait_are_told_with_their_wait_and_who_holds_the_connections(
    pooler: ServerProcess, small_pg: postgres.PostgresServer
) -> None:
    async with session_for(settings(pooler)) as session, clients(pooler, 10):
        _, found = await until(
            lambda: seen(session, pooler), lambda each: "PGB_WAITING" in codes(each[1])
        )
        _, later = await until(
            lambda: seen(session, pooler),
            lambda each: codes(each[1]).get("PGB_WAITING") == "critical",
        )
        pids = {pid for (pid,) in small_pg.execute(
            "SELECT pid FROM pg_stat_activity WHERE usename = 'app'")}  # fmt: skip

    (finding,) = found.findings
    assert found.facts[0].text.endswith("8 wait")
    assert finding.summary.startswith(
        "8 of 10 clients of postgres (app) wait for a server connection, the first for"
    )
    assert finding.subject == "postgres (app)"
    assert ("server connections in use", 2) in {(e.label, e.value) for e in finding.evidence}
    held = next(table for table in later.tables if table.title.startswith("Who holds"))
    assert {int(row.cells[0]) for row in held.rows} == pids
    assert all(row.cells[3] == "checkout" for row in held.rows)
    assert library().best("PGB_WAITING") == "pgbouncer"


async def test_a_paused_database_is_told_and_resumed_by_a_commander(pooler: ServerProcess) -> None:
    acts = await open_pgbouncer_acts(settings(pooler))
    with pytest.raises(Refused, match="not paused"):
        await acts.run("resume_database", {"database": "postgres"})
    await command(pooler, "PAUSE postgres")
    async with session_for(settings(pooler)) as session:
        _, quiet = await seen(session, pooler)
        async with clients_that_knock(pooler):
            pools, found = await until(
                lambda: seen(session, pooler),
                lambda each: codes(each[1]).get("PGB_PAUSED") == "critical",
            )
            done = await acts.run("resume_database", {"database": "postgres"})
            _, after = await until(
                lambda: seen(session, pooler), lambda each: "PGB_PAUSED" not in codes(each[1])
            )
    await acts.close()

    assert codes(quiet) == {"PGB_PAUSED": "high"}
    assert pools.paused == "postgres"
    assert codes(found) == {"PGB_PAUSED": "critical"}, "who waits for that is told once"
    (row,) = (row for table in found.tables for row in table.rows if row.offers)
    assert [offer.call for offer in row.offers] == ["resume_database"]
    assert done["done"] is True
    assert "PGB_PAUSED" not in codes(after)


async def test_a_disabled_database_is_told_and_enabled(pooler: ServerProcess) -> None:
    await command(pooler, "DISABLE postgres")
    found = await look(PROBE, settings(pooler))
    acts = await open_pgbouncer_acts(settings(pooler))
    done = await acts.run("enable_database", {"database": "postgres"})
    await acts.run("reconnect_database", {"database": "postgres"})
    await acts.close()

    assert codes(found) == {"PGB_DISABLED": "high"}
    assert done["done"] is True
    assert codes(await look(PROBE, settings(pooler))) == {}


async def test_a_server_that_is_not_reached_is_told_by_its_address(
    pooler: ServerProcess, small_pg: postgres.PostgresServer
) -> None:
    small_pg.pause()
    try:
        async with session_for(settings(pooler)) as session, clients_that_knock(pooler):
            _, found = await until(
                lambda: seen(session, pooler), lambda each: "PGB_NO_SERVER" in codes(each[1])
            )
    finally:
        small_pg.resume()

    finding = next(each for each in found.findings if each.code == "PGB_NO_SERVER")
    assert finding.severity.value == "critical"
    assert f"127.0.0.1:{small_pg.port} is not reached" in finding.summary


async def test_a_pause_of_the_whole_pooler_is_not_told_as_a_server_that_is_not_reached(
    pooler: ServerProcess,
) -> None:
    await command(pooler, "PAUSE")
    try:
        async with session_for(settings(pooler)) as session, clients_that_knock(pooler):
            _, found = await until(
                lambda: seen(session, pooler), lambda each: "PGB_NO_SERVER" in codes(each[1])
            )
    finally:
        await command(pooler, "RESUME")

    finding = next(each for each in found.findings if each.code == "PGB_NO_SERVER")
    assert "not reached" not in finding.summary
    assert any("the whole pooler is paused" in each for each in finding.likely)
    assert "ask who paused the pooler" in finding.next


@asynccontextmanager
async def clients_that_knock(pooler: ServerProcess) -> AsyncIterator[None]:
    """Two that come while no server connection is given: their login waits as well."""
    where = (
        f"host=127.0.0.1 port={pooler.port} user=app password={SECRETS['T_APP']} dbname=postgres "
        "sslmode=disable"
    )

    async def knock() -> None:
        async with await psycopg.AsyncConnection.connect(where, autocommit=True) as client:
            await client.execute("SELECT 1")

    knocking = [asyncio.ensure_future(knock()) for _ in range(2)]
    try:
        yield
    finally:
        for each in knocking:
            each.cancel()
        await asyncio.gather(*knocking, return_exceptions=True)


async def test_few_clients_are_let_in_any_more(
    small_pg: postgres.PostgresServer, folder: Path
) -> None:
    with pgbouncer(folder, small_pg, max_client_conn=11) as pooler:
        async with session_for(settings(pooler)) as session, clients(pooler, 9):
            _, found = await seen(session, pooler)

    assert codes(found)["PGB_SAT_CLIENTS"] == "warning"


async def test_who_may_not_look_and_who_may_not_act_is_told_what_to_write(
    pooler: ServerProcess,
) -> None:
    stranger = settings(pooler, user="app", password="env:T_APP")
    error = await trouble(stranger, "SHOW POOLS")
    acts = await open_pgbouncer_acts(
        settings(pooler, commander=Login(user="ro", password="env:T_RO"))
    )
    assert isinstance(acts, TellsRights)
    right = await acts.may("resume_database", {"database": "postgres"})
    await command(pooler, "PAUSE postgres")
    with pytest.raises(BlindError) as denied:
        await acts.run("resume_database", {"database": "postgres"})
    with pytest.raises(Refused, match="no database"):
        await acts.run("resume_database", {"database": "x; SHUTDOWN"})
    await acts.close()

    assert (error.code, error.reason) == ("PG_CONN_HBA", Reason.DENIED)
    assert "stats_users" in error.hint
    assert right.held is False
    assert "admin_users = ro" in right.grant
    assert denied.value.reason is Reason.DENIED
    assert "admin_users" in denied.value.hint


async def test_an_observer_sends_nothing_but_show(pooler: ServerProcess) -> None:
    async with session_for(settings(pooler)) as session:
        for text in ("PAUSE postgres", "RESUME", "RELOAD", "SHUTDOWN", "SET verbose = 1"):
            with pytest.raises((Refused, BlindError)):
                await session.value(text)
        with pytest.raises(BlindError) as unknown:
            await session.value("SHOW NOTHING_OF_THE_KIND")

    assert unknown.value.reason is Reason.UNSUPPORTED


async def test_a_postgres_is_no_console(small_pg: postgres.PostgresServer) -> None:
    error = await trouble(settings(small_pg), "SHOW POOLS")

    assert error.code == "PG_CONN_NO_DB"


@pytest.mark.parametrize(
    ("word", "code", "step"),
    [("PAUSE", "PGB_PAUSED", "resume"), ("DISABLE", "PGB_DISABLED", "enable")],
)
async def test_the_runbook_lets_clients_in_again_when_whoever_shut_them_out_says_so(
    pooler: ServerProcess, folder: Path, word: str, code: str, step: str
) -> None:
    await command(pooler, f"{word} postgres")
    async with seated((target(settings(pooler)),), folder / word, {}) as desk:
        await desk.engine.look("db", "pgbouncer.pools")
        opened = next(each for each in desk.board.open.values() if each.id.code == code)
        run = desk.start_run("pgbouncer", opened)
        for asked, typed in (("now", ""), ("owner", "no"), ("owner", "yes"), ("who", "eve")):
            plan = await run.plan(asked)
            await run.execute(plan, run.approve(plan, typed=typed))
            if typed == "no":
                with pytest.raises(DoesNotApply):
                    await run.plan(step)
        plan = await run.plan(step)
        outcome = await run.execute(plan, run.approve(plan, typed=plan.confirm_word, second="bob"))
    assert outcome.kind == "ok", outcome
    assert code not in codes(await look(PROBE, settings(pooler)))
