"""Vacuum's troubles for real: held horizons, dead rows, numbers that run out."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cockpit.connect.postgres.acts import open_postgres_acts
from cockpit.errors import DoesNotApply, Refused
from cockpit.runbooks.library import library
from cockpit.triage.board import LOOKS_TO_OPEN_A_GAUGE
from cockpit.triage.engine import Look, judged
from cockpit.triage.finding import Thresholds
from cockpit.triage.probe import Seen
from cockpit.triage.recording import decode, encode
from cockpit.triage.registry import registry
from cockpit.triage.view import Offer
from cockpit.world.servers import postgres
from cockpit.world.servers.process import NOBODY, account, run
from probes.postgres.maintenance import Settings
from probes.postgres.maintenance_model import Maintenance
from tests.servers import fresh
from tests.servers.private import (
    SUPER,
    Crowd,
    codes,
    pg_settings,
    postgres_roles,
    session_for,
    target,
    until,
)
from tests.servers.seats import seated
from tests.tools import postgres_versions

pytestmark = pytest.mark.servers

PROBE = "postgres.maintenance"
VERSIONS = [version for version in postgres_versions.found() if version in {13, 18}]
"""The oldest and the newest."""
STRICT = Settings(
    horizon=Thresholds(warning=20),
    horizon_held=Thresholds(),
    dead_rows=Thresholds(warning=1000),
    unvacuumed=0,
    workers_busy=Thresholds(warning=0),
)
SETTINGS: dict[str, str | int] = {
    "max_connections": 30,
    "max_prepared_transactions": 5,
    "wal_level": "logical",
    "autovacuum_naptime": "1d",  # on, and out of the way
    "deadlock_timeout": "200ms",
}
OFF = {**SETTINGS, "autovacuum": "off"}


@pytest.fixture(scope="module", params=VERSIONS)
def server(request: pytest.FixtureRequest, base: Path) -> Iterator[postgres.PostgresServer]:
    folder = Path(tempfile.mkdtemp(dir=base))
    folder.chmod(0o755)
    binaries = postgres_versions.found()[request.param]
    cluster = fresh.postgres_cluster(folder / "pg", password=SUPER, binaries=binaries)
    running = postgres.start(cluster, settings=SETTINGS)
    try:
        postgres_roles(running)
        running.execute("ALTER ROLE act REPLICATION", "ALTER ROLE act SUPERUSER")
        yield running
    finally:
        running.stop()


async def judge(
    server: postgres.PostgresServer, settings: Settings = STRICT, **changed: object
) -> tuple[Maintenance, Seen]:
    probe = registry()[PROBE]
    to = target(pg_settings(server, **changed))
    async with session_for(to.settings) as session:
        snapshot = await probe.collect(session, to)
    return snapshot, judged(Look(to, probe, settings), snapshot)


def offer(seen: Seen, call: str) -> Offer:
    """What the tables offer of one kind."""
    for table in seen.tables:
        for row in table.rows:
            for each in row.offers:
                if each.call == call:
                    return each
    pytest.fail(f"nothing offers {call}")


async def act(server: postgres.PostgresServer, offered: Offer) -> Any:
    acts = await open_postgres_acts(pg_settings(server))
    try:
        return await acts.run(offered.call, offered.args)
    finally:
        await acts.close()


def spend(server: postgres.PostgresServer, numbers: int) -> None:
    """Use transaction numbers up."""
    server.execute(*["SELECT txid_current()"] * numbers)


async def test_an_idle_server_has_nothing_wrong(server: postgres.PostgresServer) -> None:
    snapshot, seen = await judge(server, Settings())

    assert codes(seen) == {}
    assert seen.facts[0].label == "wraparound"
    assert {fact.label for fact in seen.facts} >= {"horizon held back", "WAL on disk"}
    assert all(database.xid_age > 0 for database in snapshot.state.databases)
    assert decode(encode(snapshot), Maintenance) == snapshot


async def test_an_open_repeatable_read_holds_the_horizon_and_can_be_ended(
    server: postgres.PostgresServer,
) -> None:
    async with Crowd(server) as crowd:
        await crowd.hold("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT 1", app="bi")
        spend(server, 30)
        _, held = await judge(server)
        ended = await act(server, offer(held, "terminate_backend"))
        _, after = await judge(server)

    finding = held.findings[0]
    assert codes(held) == {"PG_XID_HORIZON": "warning"}
    assert finding.summary.startswith("session ")
    assert "(bi)" in finding.summary
    assert finding.likely
    assert finding.next
    assert library().best(finding.code) == "pg-wraparound"
    assert ended["done"]
    assert codes(after) == {}


async def test_the_runbook_drops_a_slot_that_its_owner_gave_up(
    server: postgres.PostgresServer, tmp_path: Path
) -> None:
    server.execute("SELECT pg_create_logical_replication_slot('old', 'pgoutput')")
    spend(server, 30)
    async with seated((target(pg_settings(server)),), tmp_path, {PROBE: STRICT}) as desk:
        for _ in range(LOOKS_TO_OPEN_A_GAUGE):
            await desk.engine.look("db", PROBE)
        (opened,) = (each for each in desk.board.open.values() if each.id.code == "PG_XID_HORIZON")
        run = desk.start_run("pg-wraparound", opened)
        for asked, typed in (("horizon", ""), ("owner", "no"), ("owner", "yes"), ("who", "eve")):
            plan = await run.plan(asked)
            await run.execute(plan, run.approve(plan, typed=typed))
            if typed == "no":
                with pytest.raises(DoesNotApply):
                    await run.plan("drop")
        plan = await run.plan("drop")
        outcome = await run.execute(plan, run.approve(plan, typed=plan.confirm_word, second="bob"))
    assert outcome.kind == "ok", outcome
    assert server.execute("SELECT count(*) FROM pg_replication_slots") == [(0,)]


async def test_a_slot_that_nobody_reads_holds_the_catalogs_and_can_be_dropped(
    server: postgres.PostgresServer,
) -> None:
    server.execute("SELECT pg_create_logical_replication_slot('cdc', 'pgoutput')")
    spend(server, 30)
    _, held = await judge(server)
    offered = offer(held, "drop_slot")
    with pytest.raises(Refused, match="moved"):
        await act(server, replace(offered, args={"name": "cdc", "restart_lsn": "0/1"}))
    with pytest.raises(Refused, match="no slot"):
        await act(server, replace(offered, args={"name": "other", "restart_lsn": "0/1"}))
    dropped = await act(server, offered)
    _, after = await judge(server)

    assert codes(held) == {"PG_XID_HORIZON": "warning"}
    assert held.findings[0].subject == "slot cdc"
    assert held.findings[0].against
    assert dropped["done"]
    assert codes(after) == {}


@pytest.mark.parametrize("gid", ["half", "it's \\ 50% {done}"])
async def test_a_prepared_transaction_is_rolled_back_by_identity_only(
    server: postgres.PostgresServer, gid: str
) -> None:
    quoted = gid.replace("'", "''")
    await prepared(server, quoted)
    spend(server, 30)
    _, held = await judge(server)
    offered = offer(held, "rollback_prepared")
    with pytest.raises(Refused, match="resolved meanwhile"):
        await act(server, replace(offered, args={**offered.args, "owner": "somebody"}))
    resolved = await act(server, offered)
    _, after = await judge(server)

    assert codes(held) == {"PG_XID_HORIZON": "warning"}
    assert held.findings[0].subject.startswith("prepared ")
    assert resolved["done"]
    assert codes(after) == {}


async def prepared(server: postgres.PostgresServer, gid: str, database: str = "postgres") -> None:
    server.execute(
        "CREATE TABLE IF NOT EXISTS paid (i int)",
        f"BEGIN; INSERT INTO paid VALUES (1); PREPARE TRANSACTION '{gid}'",
        database=database,
    )


async def test_a_prepared_transaction_of_another_database_is_not_touched(
    server: postgres.PostgresServer,
) -> None:
    server.execute("CREATE DATABASE elsewhere")
    await prepared(server, "far", "elsewhere")
    spend(server, 30)
    try:
        snapshot, held = await judge(server)
        holder = next(h for h in snapshot.state.holders if h.id == "far")
        assert holder.prepared is not None
        identity = {"gid": "far", "owner": "postgres", "prepared": holder.prepared.isoformat()}
        acts = await open_postgres_acts(pg_settings(server))
        with pytest.raises(Refused, match="elsewhere"):
            await acts.run("rollback_prepared", identity)
        await acts.close()
    finally:
        server.execute("ROLLBACK PREPARED 'far'", database="elsewhere")
        server.execute("DROP DATABASE elsewhere")

    assert codes(held) == {"PG_XID_HORIZON": "warning"}
    with pytest.raises(pytest.fail.Exception):
        offer(held, "rollback_prepared")


async def test_dead_rows_are_told_until_a_vacuum_takes_them(
    server: postgres.PostgresServer,
) -> None:
    server.execute(
        "CREATE TABLE churn WITH (autovacuum_enabled = false) AS "
        "SELECT i FROM generate_series(1, 5000) AS i",
        "DELETE FROM churn WHERE i <= 3000",
        "SELECT pg_stat_force_next_flush()" if new(server) else "SELECT pg_sleep(0.7)",
    )
    dead = await once(server, found=True)
    server.execute("VACUUM churn")
    after = await once(server, found=False)
    server.execute("DROP TABLE churn")

    assert codes(dead) == {"PG_VAC_DEAD": "warning"}
    assert dead.findings[0].subject == "public.churn"
    assert "autovacuum is switched off for it" in dead.findings[0].likely
    assert codes(after) == {}


async def once(server: postgres.PostgresServer, *, found: bool) -> Seen:
    """A look when statistics, which come late, have findings or have none."""
    looked = await until(lambda: judge(server), lambda now: bool(now[1].findings) is found)
    return looked[1]


def new(server: postgres.PostgresServer) -> bool:
    return bool(server.execute("SELECT to_regproc('pg_stat_force_next_flush') IS NOT NULL")[0][0])


async def test_numbers_that_run_out_are_told_at_the_lowered_limit(
    server: postgres.PostgresServer,
) -> None:
    snapshot, _ = await judge(server)
    ages = [max(d.xid_age, d.multixact_age) for d in snapshot.state.databases]
    lowered = replace(STRICT, wraparound=Thresholds(warning=1, critical=max(ages)))
    _, seen = await judge(server, lowered)

    assert codes(seen)["PG_XID_WRAP"] in {"warning", "critical"}
    assert "critical" in {f.severity.value for f in seen.findings if f.code == "PG_XID_WRAP"}
    assert all(library().best(f.code) == "pg-wraparound" for f in seen.findings)


@pytest.fixture
def busy(base: Path) -> Iterator[postgres.PostgresServer]:
    """A server with one worker, which is made as slow as can be."""
    folder = Path(tempfile.mkdtemp(dir=base))
    folder.chmod(0o755)
    slow: dict[str, str | int] = {
        "autovacuum_max_workers": 1,
        "autovacuum_naptime": "1s",
        "autovacuum_vacuum_cost_delay": "100ms",
        "autovacuum_vacuum_cost_limit": 1,
    }
    running = postgres.start(fresh.postgres_cluster(folder / "pg", password=SUPER), settings=slow)
    try:
        postgres_roles(running)
        yield running
    finally:
        running.stop()


async def test_workers_that_are_all_busy_are_told_with_what_they_do(
    busy: postgres.PostgresServer,
) -> None:
    busy.execute(
        "CREATE TABLE churn AS SELECT i, repeat('x', 200) AS t FROM generate_series(1, 30000) AS i",
        "DELETE FROM churn WHERE i % 2 = 0",
    )
    probe = registry()[PROBE]
    to = target(pg_settings(busy))
    assert probe.since is not None
    async with session_for(to.settings) as session:
        before = await probe.collect(session, to)
        for _ in range(300):
            now = probe.since(before, await probe.collect(session, to))
            ours = [each for each in now.state.vacuums if each.relation == "churn"]
            if now.busy_s and ours:
                break
            before = now
            await asyncio.sleep(0.1)
    seen = judged(Look(to, probe, replace(STRICT, horizon=Thresholds())), now)

    assert codes(seen)["PG_VAC_WORKERS"] == "warning"
    assert ours
    assert ours[0].automatic
    assert any("churn" in row.cells for table in seen.tables for row in table.rows)


async def test_a_prepared_transaction_that_is_left_is_an_orphan(
    server: postgres.PostgresServer,
) -> None:
    await prepared(server, "left")
    probe = registry()["postgres.sessions"]
    to = target(pg_settings(server))
    try:
        async with session_for(to.settings) as session:
            snapshot = await probe.collect(session, to)
    finally:
        server.execute("ROLLBACK PREPARED 'left'")
    strict = replace(probe.settings, prepared=Thresholds(high=0))
    seen = judged(Look(to, probe, strict), snapshot)

    assert codes(seen) == {"PG_PREP_ORPHAN": "high"}


async def test_a_plain_role_says_what_it_cannot_see(server: postgres.PostgresServer) -> None:
    async with Crowd(server) as crowd:
        await crowd.hold("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT 1")
        spend(server, 30)
        snapshot, seen = await judge(server, user="plain", password="env:T_PLAIN")

    facts = {fact.label: (fact.text, fact.value) for fact in seen.facts}
    assert codes(seen) == {"PG_OBS_BLIND": "info"}
    assert seen.findings[0].next == "GRANT pg_monitor TO plain;"
    assert facts["horizon held back"][1] is None
    assert facts["autovacuum workers"] == ("unknown", None)
    assert "WAL on disk" not in facts
    assert "WAL" in snapshot.unread[0]


AGED = 1_600_000_000
SEGMENT = 32 * 32768
"""Transaction numbers whose outcome one file of pg_xact holds (clog.c: 32 pages of 8 KiB)."""


@pytest.fixture
def aged(base: Path) -> Iterator[postgres.PostgresServer]:
    """A server that has used 1.6 thousand million numbers, with a slot that nobody reads."""
    folder = Path(tempfile.mkdtemp(dir=base))
    folder.chmod(0o755)
    cluster = fresh.postgres_cluster(folder / "pg", password=SUPER)
    first = postgres.start(cluster, settings=OFF)
    try:
        postgres_roles(first)
        first.execute(
            "ALTER ROLE act SUPERUSER",
            "SELECT pg_create_logical_replication_slot('gone_cdc', 'pgoutput')",
        )
    finally:
        first.shut_down()
    jump = AGED // SEGMENT * SEGMENT
    run([cluster.binaries / "pg_resetwal", "-f", "-x", str(jump + 100), cluster.data], drop=True)
    outcomes = cluster.data / "pg_xact" / f"{jump // SEGMENT:04X}"
    outcomes.write_bytes(b"\0" * 32 * 8192)
    if account(drop=True):
        os.chown(outcomes, NOBODY, NOBODY)
    running = postgres.start(cluster, settings=OFF)
    try:
        yield running
    finally:
        running.stop()


async def test_a_server_that_is_near_wraparound_is_repaired_from_the_holder_on(
    aged: postgres.PostgresServer,
) -> None:
    snapshot, seen = await judge(aged, Settings())
    worst = {finding.code: finding for finding in reversed(seen.findings)}
    dropped = await act(aged, offer(seen, "drop_slot"))
    databases = aged.execute("SELECT datname FROM pg_database WHERE datallowconn")
    for (name,) in databases:
        aged.execute("VACUUM (FREEZE)", database=name)
    # template0 is frozen by autovacuum, though it is off
    off = {"PG_VAC_OFF": "warning"}
    _, after = await until(lambda: judge(aged, Settings()), lambda now: codes(now[1]) == off)

    assert codes(seen) == {"PG_XID_WRAP": "critical", "PG_XID_HORIZON": "high", **off}
    assert (
        worst["PG_XID_WRAP"].likely[0]
        == "slot (catalogs only) gone_cdc (logical) holds back the horizon"
    )
    assert worst["PG_XID_HORIZON"].subject == "slot gone_cdc"
    assert {d.name for d in snapshot.state.databases if d.xid_age > 1.5e9} >= {"postgres"}
    assert dropped["done"]
    assert codes(after) == off
