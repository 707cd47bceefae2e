"""Who holds back vacuum on a real server and who does not, and who merely waits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from cockpit.triage.engine import Look, judged
from cockpit.triage.finding import Thresholds
from cockpit.triage.probe import Seen
from cockpit.triage.registry import registry
from cockpit.world.servers import postgres
from probes.postgres.locks import Settings as LockSettings
from probes.postgres.maintenance import Settings as MaintenanceSettings
from probes.postgres.sessions import Settings as SessionSettings
from tests.patience import at_most
from tests.servers.private import Crowd, pg_settings, session_for, target, waiting
from tests.servers.promised_postgres import states

pytestmark = pytest.mark.servers

AT_ONCE = {
    "postgres.maintenance": MaintenanceSettings(horizon_held=Thresholds(warning=0.001, high=0.001)),
    "postgres.sessions": SessionSettings(long_query=Thresholds(warning=0.001, high=0.001)),
    "postgres.locks": LockSettings(waited=Thresholds(warning=0.001, high=0.001)),
}


async def look(probe: str, server: postgres.PostgresServer, **settings: Any) -> Seen:
    found, to = registry()[probe], target(pg_settings(server, **settings))
    async with session_for(to.settings) as session:
        snapshot = await found.collect(session, to)
    return judged(Look(to, found, AT_ONCE[probe]), snapshot)


@pytest.fixture
def elsewhere(pg: postgres.PostgresServer) -> Iterator[str]:
    """Another database with a table."""
    pg.execute("CREATE DATABASE elsewhere")
    pg.execute("CREATE TABLE parts AS SELECT 1 AS i", database="elsewhere")
    yield "elsewhere"
    pg.execute("DROP DATABASE elsewhere WITH (FORCE)")


def kept(server: postgres.PostgresServer, database: str, table: str) -> int:
    """Dead rows of it that a vacuum cannot remove."""
    notes: list[str] = []
    with psycopg.connect(server.dsn(database=database), autocommit=True) as connection:
        connection.add_notice_handler(lambda note: notes.append(note.message_primary or ""))
        connection.execute(f"UPDATE {table} SET i = i".encode())
        connection.execute(f"VACUUM (VERBOSE) {table}".encode())
    said = " ".join(notes).split(" are dead but not yet removable")[0]
    return int(said.rsplit(" ", 1)[1])


async def test_a_session_holds_back_its_own_database_and_is_accused_of_no_other(
    pg: postgres.PostgresServer, elsewhere: str
) -> None:
    pg.execute("CREATE TABLE here AS SELECT 1 AS i")
    try:
        with psycopg.connect(pg.dsn(database=elsewhere), application_name="writer") as writer:
            writer.execute("INSERT INTO parts VALUES (2)")
            really = {"here": kept(pg, "postgres", "here"), "there": kept(pg, elsewhere, "parts")}
            seen = await look("postgres.maintenance", pg)
            there = await look("postgres.maintenance", pg, database=elsewhere)
    finally:
        pg.execute("DROP TABLE here")

    assert really == {"here": 0, "there": 1}
    (accused,) = (f for f in seen.findings if "writer" in f.summary)
    assert "holds back vacuum of database elsewhere" in accused.summary
    assert accused.severity == "warning"
    assert "its end let vacuum clean" in accused.next
    assert accused.against == ("nothing of postgres but the shared catalogs is kept",)
    (own,) = (f for f in there.findings if "writer" in f.summary)
    assert (own.severity, "of database" in own.summary) == ("high", False)
    facts = {fact.label: fact.value for fact in seen.facts}
    assert facts["horizon held back"] == 0


async def test_an_index_build_that_waits_holds_back_nothing_and_is_information_at_first(
    pg: postgres.PostgresServer,
) -> None:
    async with Crowd(pg) as crowd:
        pg.execute("GRANT CREATE ON SCHEMA public TO app", "DROP INDEX IF EXISTS built")
        old = await crowd.hold("LOCK TABLE orders IN ROW EXCLUSIVE MODE", app="old")
        build = "CREATE INDEX CONCURRENTLY built ON orders (status)"
        await crowd.wait(build, app="build", autocommit=True)
        await waiting(pg, 1)
        locks = await look("postgres.locks", pg)
        horizon = await look("postgres.maintenance", pg)
        held = await Crowd.hold(crowd, "SELECT 1", app="behind")
        crowd.send(held, "ALTER TABLE orders SET (fillfactor = 90)", app="behind")
        await waiting(pg, 2)
        blocked = await look("postgres.locks", pg)
        await old.rollback()
        await asyncio.wait(crowd.tasks[:1], timeout=at_most(15))
        pg.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'")
    pg.execute("DROP INDEX IF EXISTS built")

    (patient,) = locks.findings
    assert (patient.code, patient.severity) == ("PG_LOCK_BLOCKED", "info")
    strict = LockSettings(waited=Thresholds(warning=0.001), patient=0.001)
    later = registry()["postgres.locks"].diagnose(locks.snapshot, strict)
    assert [f.severity.value for f in later] == ["warning"]
    assert "it holds nobody up" in patient.next
    assert [f for f in horizon.findings if "build" in f.summary] == []
    assert {f.severity for f in blocked.findings if f.code == "PG_LOCK_BLOCKED"} == {"high"}


async def test_who_waits_for_a_safe_snapshot_is_no_slow_statement_and_says_behind_whom(
    pg: postgres.PostgresServer,
) -> None:
    async with Crowd(pg) as crowd:
        serializable = "BEGIN ISOLATION LEVEL SERIALIZABLE"
        update = "UPDATE orders SET status = 'x' WHERE id = 9"
        writer = await crowd.hold(serializable, update, app="writer")
        reader = await crowd.open("report", autocommit=True)
        await reader.execute(f"{serializable}, READ ONLY, DEFERRABLE")
        crowd.send(reader, "SELECT count(*) FROM orders", app="report")
        await states(pg, "SafeSnapshot")
        seen = await look("postgres.sessions", pg)
        pid = writer.info.backend_pid

    (finding,) = (f for f in seen.findings if f.code == "PG_SESS_LONG_QUERY")
    assert finding.severity == "warning"
    assert f"for a safe snapshot, behind pid {pid} (writer" in finding.summary
    assert "cancel" not in finding.next
    assert seen.snapshot.longest is None  # type: ignore[attr-defined]
