"""PostgreSQL's troubles provoked for real, and what the probes say of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from cockpit.connect.postgres.acts import open_postgres_acts
from cockpit.errors import BlindError, Misconfigured, Refused
from cockpit.redact import SecretText
from cockpit.runbooks.library import library
from cockpit.triage.engine import Look, judged
from cockpit.triage.finding import Thresholds
from cockpit.triage.probe import Seen
from cockpit.triage.recording import builtins, decode, encode
from cockpit.triage.registry import registry
from cockpit.world.servers import postgres
from probes.postgres.locks import Settings as LockSettings
from probes.postgres.locks_model import PostgresLocks
from probes.postgres.sessions import Settings as SessionSettings
from probes.postgres.sessions_model import PostgresSessions
from tests import patience
from tests.servers.private import (
    Crowd,
    codes,
    look,
    pg_settings,
    session_for,
    target,
    until,
    waiting,
)

pytestmark = pytest.mark.servers

AT_ONCE = LockSettings(waited=Thresholds(warning=0.01, high=30), crowd_s=0.01)
UPDATE = "UPDATE orders SET status = 'paid' WHERE id = 7"


async def locks(
    server: postgres.PostgresServer, settings: LockSettings = AT_ONCE
) -> tuple[PostgresLocks, Seen]:
    probe = registry()["postgres.locks"]
    to = target(pg_settings(server))
    async with session_for(to.settings) as session:
        snapshot: PostgresLocks = await probe.collect(session, to)
    return snapshot, judged(Look(to, probe, settings), snapshot)


async def test_an_idle_server_has_nothing_wrong(pg: postgres.PostgresServer) -> None:
    for probe in ("postgres.sessions", "postgres.locks", "postgres.replication"):
        seen = await look(probe, pg_settings(pg), twice=0.05)

        assert seen.findings == (), probe
        assert seen.facts
        assert seen.tables


async def test_a_full_server_is_critical_and_says_who_fills_it(
    small_pg: postgres.PostgresServer,
) -> None:
    settings = pg_settings(small_pg)
    async with session_for(settings) as session, Crowd(small_pg) as crowd:
        await session.value("SELECT 1")
        for _ in range(8):
            await crowd.open("leaky")
        seen = await look("postgres.sessions", settings, session)
        busy = await look("postgres.sessions", replace(settings, expects="reader"), session)

    found = codes(seen)
    assert found["PG_SAT_CONNECTIONS"] == "critical"
    saturated = next(f for f in seen.findings if f.code == "PG_SAT_CONNECTIONS")
    assert saturated.summary == "9 of 12 connections used"
    assert library().best(saturated.code) == "database-connections"
    assert (seen.facts[1].label, seen.facts[1].text) == ("connections", "9/12")
    assert codes(busy)["PG_ROLE_WRONG"] == "high"


async def test_a_lock_chain_is_one_queue_blamed_on_its_head(pg: postgres.PostgresServer) -> None:
    async with Crowd(pg) as crowd:
        head = await crowd.hold(UPDATE, app="checkout-worker")
        await crowd.hold("UPDATE orders SET status = 'x' WHERE id = 8", app="middle")
        middle = crowd.connections[-1]
        crowd.tasks.append(asyncio.create_task(middle.execute(UPDATE)))
        await waiting(pg, 1)
        await crowd.wait("UPDATE orders SET status = 'y' WHERE id = 8", app="last")
        await waiting(pg, 2)
        snapshot, seen = await locks(pg)
        pid = head.info.backend_pid

    assert [(queue.head.pid, queue.length) for queue in snapshot.queues] == [(pid, 2)]
    best = snapshot.queues[0].best
    assert best is not None
    assert best.call == "terminate_backend"
    assert (best.releases, best.more) == (1, 1)  # the last waits for the transaction of the middle
    assert "PG_LOCK_BLOCKED" in codes(seen)
    captured = builtins(snapshot)["queues"][0]
    assert captured["head"]["pid"] == pid
    assert captured["head"]["backend_start"]
    assert [row.depth for row in seen.tables[0].rows] == [0, 1, 2]
    assert decode(encode(snapshot), PostgresLocks).queues[0].head.pid == pid


async def test_a_queue_behind_a_schema_change_is_helped_by_cancelling_it(
    pg: postgres.PostgresServer,
) -> None:
    async with Crowd(pg) as crowd:
        reader = await crowd.hold("SELECT count(*) FROM orders", app="reporting")
        (change,) = await crowd.wait("ALTER TABLE orders ADD COLUMN extra int", app="migrate")
        await waiting(pg, 1)
        await crowd.wait("SELECT count(*) FROM orders", app="shop", times=3)
        await waiting(pg, 4)
        _, seen = await locks(pg)
        best = seen.tables[0].best

        assert codes(seen)["PG_LOCK_DDL_QUEUE"] == "high"
        assert [(offer.call, offer.releases, offer.more) for offer in best] == [
            ("cancel_backend", 3, 0),
            ("terminate_backend", 1, 3),
        ]
        assert best[0].args["pid"] == change.info.backend_pid

        acts = await open_postgres_acts(pg_settings(pg))
        done = await acts.run(best[0].call, best[0].args)
        await acts.close()
        after, _ = await locks(pg)
        assert await reader.execute("SELECT 1")

    assert done["done"]
    assert after.queues == ()


async def test_many_who_want_one_row_are_one_crowd(pg: postgres.PostgresServer) -> None:
    async with Crowd(pg) as crowd:
        await crowd.hold(UPDATE, app="checkout-worker")
        await crowd.wait(UPDATE, app="checkout-api", times=12)
        await waiting(pg, 12)
        _, seen = await locks(pg)

    assert codes(seen) == {"PG_LOCK_BLOCKED": "critical", "PG_LOCK_HOT_ROW": "high"}
    assert [row.cells[0] for row in seen.tables[0].rows][2:] == ["×11"]
    assert seen.tables[0].rows[2].cells[3] == "same row"
    hot = next(f for f in seen.findings if f.code == "PG_LOCK_HOT_ROW")
    assert hot.subject == "orders"


async def test_one_of_a_crowd_that_holds_others_up_is_told_apart_from_it(
    pg: postgres.PostgresServer,
) -> None:
    async with Crowd(pg) as crowd:
        await crowd.hold(UPDATE, app="checkout-worker")
        await crowd.wait(UPDATE, app="first")
        await waiting(pg, 1)
        await crowd.wait(UPDATE, app="second")
        await waiting(pg, 2)
        holds = await crowd.hold("UPDATE orders SET status = 'x' WHERE id = 8", app="holds-row-8")
        crowd.tasks.append(asyncio.create_task(holds.execute(UPDATE)))
        await crowd.wait(UPDATE, app="checkout-api", times=8)
        await waiting(pg, 11)
        await crowd.wait("UPDATE orders SET status = 'y' WHERE id = 8", app="last")
        await waiting(pg, 12)
        snapshot, seen = await locks(pg)
        pid = holds.info.backend_pid

    assert [queue.length for queue in snapshot.queues] == [12]
    best = snapshot.queues[0].best
    assert best is not None
    assert (best.releases, best.more) == (1, 11)
    named = {node.application_name for node in snapshot.nodes}
    assert named == {"checkout-worker", "first", "second", "holds-row-8", "last"}
    assert pid in {node.pid for node in snapshot.nodes}
    cells = [row.cells[0] for row in seen.tables[0].rows]
    assert len(cells) == 5
    assert "×9" in cells


async def test_a_prepared_transaction_blocks_without_a_session(pg: postgres.PostgresServer) -> None:
    async with Crowd(pg) as crowd:
        await crowd.hold(UPDATE, "PREPARE TRANSACTION 'lost-coordinator'")
        try:
            await crowd.wait(UPDATE)
            await waiting(pg, 1)
            snapshot, seen = await locks(pg)
        finally:
            pg.execute("ROLLBACK PREPARED 'lost-coordinator'")

    assert codes(seen)["PG_LOCK_PREPARED"] == "critical"
    assert snapshot.prepared[0].gid == "lost-coordinator"
    assert snapshot.queues[0].best is None


async def test_an_advisory_lock_may_be_held_by_a_session_that_is_idle(
    pg: postgres.PostgresServer,
) -> None:
    async with Crowd(pg) as crowd:
        holder = await crowd.open("batch", autocommit=True)
        await holder.execute("SELECT pg_advisory_lock(4711)")
        await crowd.wait("SELECT pg_advisory_lock(4711)", app="batch")
        await waiting(pg, 1)
        snapshot, seen = await locks(pg)

    assert codes(seen)["PG_LOCK_ADVISORY"] == "warning"
    assert snapshot.queues[0].head.state == "idle"
    best = snapshot.queues[0].best
    assert best is not None
    assert best.call == "terminate_backend"


async def test_an_idle_transaction_that_blocks_is_critical(pg: postgres.PostgresServer) -> None:
    probe = registry()["postgres.sessions"]
    to = target(pg_settings(pg))
    strict = SessionSettings(
        idle_in_transaction=Thresholds(warning=0.01, high=300), idle_blocker=0.01
    )
    async with Crowd(pg) as crowd, session_for(to.settings) as session:
        await crowd.hold("SELECT 1", app="harmless")
        head = await crowd.hold(UPDATE, app="checkout-worker")
        await crowd.wait(UPDATE)
        await waiting(pg, 1)
        await asyncio.sleep(0.05)
        snapshot = await probe.collect(session, to)
        seen = judged(Look(to, probe, strict), snapshot)
        pid = head.info.backend_pid

    graded = {f.subject: f.severity.value for f in seen.findings if f.code == "PG_SESS_IDLE_TX"}
    assert graded[f"pid {pid}"] == "critical"
    assert sorted(graded.values()) == ["critical", "warning"]
    assert (seen.facts[0].text, seen.facts[2].value) == ("answers · 1 waits", 1)


async def test_a_long_statement_is_found_and_the_observer_is_not(
    pg: postgres.PostgresServer,
) -> None:
    probe = registry()["postgres.sessions"]
    to = target(pg_settings(pg))
    strict = SessionSettings(long_query=Thresholds(warning=0.05, high=300))
    async with Crowd(pg) as crowd, session_for(to.settings) as session:
        await crowd.wait("SELECT pg_sleep(300)", app="report")

        async def judge() -> Seen:
            return judged(Look(to, probe, strict), await probe.collect(session, to))

        seen = await until(judge, lambda seen: bool(seen.findings))

    assert codes(seen) == {"PG_SESS_LONG_QUERY": "warning"}


@pytest.mark.parametrize("probe", ["postgres.sessions", "postgres.locks"])
async def test_a_role_without_rights_is_blind_not_green(
    pg: postgres.PostgresServer, probe: str
) -> None:
    async with Crowd(pg) as crowd:
        await crowd.hold(UPDATE)
        await crowd.wait(UPDATE)
        await waiting(pg, 1)
        seen = await look(probe, pg_settings(pg, user="plain", password="env:T_PLAIN"))

    blind = next(f for f in seen.findings if f.code == "PG_OBS_BLIND")
    assert blind.next == "GRANT pg_monitor TO plain;"
    assert not any(row.offers for table in seen.tables for row in table.rows)
    if probe == "postgres.sessions":
        assert next(f for f in seen.facts if f.label == "active").value is None
        assert next(f for f in seen.facts if f.label == "waiting on a lock").value == 1
    else:
        assert seen.facts[0].value == 1


HOSTILE = (
    "SELECT '[red]markup[/red]' AS \"[blink]x\", E'\\x1b[31mansi' /* \u202ebidi \x1b]0;title\x07 */, "
    "'secret-literal-4711', pg_sleep(300)"
)


async def test_hostile_statements_come_out_harmless(pg: postgres.PostgresServer) -> None:
    async with Crowd(pg) as crowd:
        await crowd.wait(HOSTILE, app="[bold]evil[/bold]\u202e")
        await crowd.wait(f"SELECT pg_sleep(300), '{'x' * 1_000_000}'", app="huge")
        sleep = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        await patience.until(lambda: len(pg.execute(sleep)) == 2)
        seen = await look("postgres.sessions", pg_settings(pg))
        recorded = encode(seen.snapshot)

    cells = " ".join(cell for row in seen.tables[0].rows for cell in row.cells)
    assert all(ord(character) >= 32 for character in cells)
    assert "\u202e" not in cells
    assert "secret-literal-4711" not in cells
    assert b"secret-literal-4711" not in recorded
    assert len(recorded) < 100_000
    secret = next(r.secret for r in seen.tables[0].rows if r.secret and "4711" in r.secret.reveal())
    assert isinstance(secret, SecretText)
    assert "\x1b" not in secret.reveal()
    assert isinstance(decode(recorded, PostgresSessions), PostgresSessions)


async def test_a_restart_is_noticed_between_two_looks(small_pg: postgres.PostgresServer) -> None:
    probe = registry()["postgres.sessions"]
    to = target(pg_settings(small_pg))
    async with session_for(to.settings) as session:
        before = await probe.collect(session, to)
    port = small_pg.port
    small_pg.shut_down()
    again = postgres.start(small_pg.cluster, port=port)
    try:
        async with session_for(to.settings) as session:
            assert probe.since is not None
            after = probe.since(before, await probe.collect(session, to))
    finally:
        again.stop()
    seen = judged(Look(to, probe, probe.settings), after)

    assert codes(seen) == {"PG_RESTARTED": "high"}
    assert [change.kind for change in seen.changes] == ["postgres.restart"]


async def test_sessions_are_ended_by_identity_and_never_the_protected(
    pg: postgres.PostgresServer,
) -> None:
    acts = await open_postgres_acts(pg_settings(pg))
    async with Crowd(pg) as crowd:
        victim = await crowd.hold(UPDATE, app="victim")
        ((pid, start),) = pg.execute(
            "SELECT pid, backend_start FROM pg_stat_activity WHERE application_name = 'victim'"
        )
        identity = {"pid": pid, "backend_start": start.isoformat()}
        cancelled = await acts.run("cancel_backend", identity)
        with pytest.raises(Refused):
            await acts.run("terminate_backend", {**identity, "backend_start": "2020-01-01T00:00Z"})
        with pytest.raises(Misconfigured):
            await acts.run("terminate_backend", {"pid": pid})
        with pytest.raises(Misconfigured):
            await acts.run("drop_everything", {})
        dump = await crowd.hold("SELECT 1", app="pg_dump")
        ((dump_pid, dump_start),) = pg.execute(
            "SELECT pid, backend_start FROM pg_stat_activity WHERE application_name = 'pg_dump'"
        )
        with pytest.raises(Refused):
            await acts.run("terminate_backend", {"pid": dump_pid, "backend_start": dump_start})
        ended = await acts.run("terminate_backend", identity)
        assert not dump.closed
        del victim
    await acts.close()

    assert not cancelled["done"]
    assert "runs no statement" in str(cancelled["detail"])
    assert ended["done"]


async def test_idle_sessions_of_one_client_end_in_a_bounded_batch(
    pg: postgres.PostgresServer,
) -> None:
    acts = await open_postgres_acts(pg_settings(pg))
    async with Crowd(pg) as crowd:
        for _ in range(4):
            await crowd.open("leaky", autocommit=True)
        await crowd.hold("SELECT 1", app="leaky")
        await asyncio.sleep(0.1)
        batch = {"user": "app", "application": "leaky", "older_than_s": 0.05, "most": 3}
        told = await acts.run("idle_of_client", batch)
        none = await acts.run("idle_of_client", {**batch, "older_than_s": 300.0})
        done = await acts.run("terminate_idle_of_client", batch)
        with pytest.raises(Misconfigured):
            await acts.run("terminate_idle_of_client", {**batch, "most": 400})
        left = pg.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'leaky'")
    await acts.close()

    assert done["done"]
    ended: Any = done["pids"]
    assert len(ended) == 3
    assert left == [(2,)]
    assert told["value"] == {"idle": 4, "ends": 3}, "what the act would end, no more"
    assert none["value"] == {"idle": 0, "ends": 0}


async def test_a_role_that_may_not_signal_is_denied_with_the_grant(
    pg: postgres.PostgresServer,
) -> None:
    acts = await open_postgres_acts(
        pg_settings(pg, commander=pg_settings(pg).commander.__class__())
    )
    async with Crowd(pg) as crowd:
        await crowd.hold("SELECT 1", app="victim2")
        ((pid, start),) = pg.execute(
            "SELECT pid, backend_start FROM pg_stat_activity WHERE application_name = 'victim2'"
        )
        with pytest.raises(BlindError) as denied:
            await acts.run("terminate_backend", {"pid": pid, "backend_start": start})
    await acts.close()

    assert denied.value.reason.value == "denied"
    assert "pg_signal_backend" in denied.value.hint
