"""A commit that waits for its synchronous standby, on a real server: what is said, and refused."""

from __future__ import annotations

import pytest

from cockpit.connect.postgres.acts import open_postgres_acts
from cockpit.errors import Refused
from cockpit.world.servers import postgres
from tests.servers.private import Crowd, codes, look, pg_settings, until
from tests.servers.promised_postgres import ROW, commits, demanding, states

pytestmark = pytest.mark.servers


async def test_it_is_critical_from_the_first_look_and_names_what_is_wanted_and_who_is_there(
    pg: postgres.PostgresServer,
) -> None:
    settings = pg_settings(pg)
    with demanding(pg, "FIRST 1 (oslo, bergen)"):
        before = await look("postgres.replication", settings)
        async with Crowd(pg) as crowd:
            await commits(crowd, ROW, app="checkout")
            await states(pg, "SyncRep")
            seen = await look("postgres.replication", settings)
            sessions = await look("postgres.sessions", settings)

    assert codes(before) == {"PG_REPL_SYNC_WAIT": "high"}
    assert codes(seen) == {"PG_REPL_SYNC_WAIT": "critical"}
    (finding,) = seen.findings
    said = {each.label: each.value for each in finding.evidence}
    assert said["synchronous_standby_names wants"] == "FIRST 1 (oslo, bergen)"
    assert said["standbys that are connected"] == "none"
    assert said["whose"] == "checkout"
    assert "0 of the 1 that it needs follow" in finding.summary
    assert finding.fact
    assert "Never cancel" in finding.next
    assert "PG_SESS_LONG_QUERY" not in codes(sessions)


async def test_where_no_commit_waits_by_default_only_one_that_does_is_told(
    pg: postgres.PostgresServer,
) -> None:
    settings = pg_settings(pg)
    plain = pg_settings(pg, user="plain", password="env:T_PLAIN")
    with demanding(pg, "oslo", all_ask=False):
        before = await look("postgres.replication", settings)
        hidden = await look("postgres.replication", plain)
        async with Crowd(pg) as crowd:
            await commits(crowd, ROW, app="checkout")
            await states(pg, "SyncRep")
            seen = await look("postgres.replication", settings)

    assert codes(before) == {}
    assert codes(seen) == {"PG_REPL_SYNC_WAIT": "critical"}
    assert codes(hidden) == {"PG_OBS_BLIND": "info"}
    assert "may not see whether commits wait" in hidden.findings[0].summary


async def test_neither_its_statement_nor_its_session_is_ended_from_here(
    pg: postgres.PostgresServer,
) -> None:
    acts = await open_postgres_acts(pg_settings(pg))
    with demanding(pg, "oslo"):
        async with Crowd(pg) as crowd:
            await commits(crowd, ROW, app="checkout")
            await states(pg, "SyncRep")
            identity = "SELECT pid, backend_start FROM pg_stat_activity WHERE usename = 'app'"
            ((pid, start),) = pg.execute(identity)
            for call in ("cancel_backend", "terminate_backend"):
                with pytest.raises(Refused, match="waits for its synchronous standby"):
                    await acts.run(call, {"pid": pid, "backend_start": start})
            waits = crowd.said("checkout")
    await acts.close()

    assert waits == ""


async def test_a_cancel_is_told_by_what_the_session_shows_afterwards(
    pg: postgres.PostgresServer,
) -> None:
    acts = await open_postgres_acts(pg_settings(pg))
    async with Crowd(pg) as crowd:
        await crowd.wait("SELECT pg_sleep(300)", app="in a transaction")
        await crowd.wait("SELECT pg_sleep(300)", app="by itself", autocommit=True)
        await states(pg, "PgSleep", 2)
        told = {}
        for app in ("in a transaction", "by itself"):
            ((pid, start),) = pg.execute(
                f"SELECT pid, backend_start FROM pg_stat_activity WHERE application_name = '{app}'"
            )
            done = await acts.run("cancel_backend", {"pid": pid, "backend_start": start})
            told[app] = (done["done"], str(done["detail"]).partition(") ")[2])
    await acts.close()

    assert told == {
        "in a transaction": (True, "was cancelled"),
        "by itself": (True, "ended, whether by the cancel only its client knows"),
    }


async def test_a_statement_that_is_caught_by_a_savepoint_leaves_its_transaction_open(
    pg: postgres.PostgresServer,
) -> None:
    acts = await open_postgres_acts(pg_settings(pg))
    async with Crowd(pg) as crowd:
        caught = (
            "DO $$ BEGIN PERFORM pg_sleep(300); EXCEPTION WHEN query_canceled THEN NULL; END $$"
        )
        await crowd.hold(ROW, app="careful")
        crowd.send(crowd.connections[-1], caught, app="careful")
        await states(pg, "PgSleep")
        ((pid, start),) = pg.execute(
            "SELECT pid, backend_start FROM pg_stat_activity WHERE application_name = 'careful'"
        )
        done = await acts.run("cancel_backend", {"pid": pid, "backend_start": start})

        async def said() -> str:
            return crowd.said("careful")

        client = await until(said, bool)
    await acts.close()

    assert client == "ok"
    assert not done["done"]
    assert "its transaction is still open with all that it holds" in str(done["detail"])
