"""PostgreSQL's counters made to rise for real: deadlocks, spills, rollbacks, checkpoints, waits."""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cockpit.errors import Reason
from cockpit.runbooks.library import library
from cockpit.triage.engine import Look, judged
from cockpit.triage.finding import Finding, Thresholds
from cockpit.triage.probe import AnyProbe, Blind, Seen
from cockpit.triage.recording import decode, encode
from cockpit.triage.registry import registry
from cockpit.world.servers import postgres
from probes.postgres import counters as postgres_counters
from probes.postgres.counters import Settings
from probes.postgres.counters_model import PostgresCounters
from probes.postgres.statements import Settings as StatementSettings
from probes.postgres.statements_model import PostgresStatements
from tests.patience import at_most
from tests.servers import fresh
from tests.servers.private import (
    SUPER,
    Crowd,
    codes,
    pg_app,
    pg_settings,
    postgres_roles,
    session_for,
    target,
)
from tests.servers.seats import seated
from tests.tools import postgres_versions

pytestmark = pytest.mark.servers

VERSIONS = [version for version in postgres_versions.found() if version in {13, 16, 18}]
"""The oldest, the last before checkpoints moved to a view of their own, and the newest."""
SETTINGS: dict[str, str | int] = {
    "max_connections": 40,
    "deadlock_timeout": "100ms",
    "work_mem": "64kB",
    "shared_preload_libraries": "pg_stat_statements",
    "autovacuum": "off",
}


@pytest.fixture(scope="module", params=VERSIONS)
def server(request: pytest.FixtureRequest, base: Path) -> Iterator[postgres.PostgresServer]:
    folder = Path(tempfile.mkdtemp(dir=base))
    folder.chmod(0o755)
    binaries = postgres_versions.found()[request.param]
    cluster = fresh.postgres_cluster(folder / "pg", password=SUPER, binaries=binaries)
    running = postgres.start(cluster, settings=SETTINGS)
    try:
        postgres_roles(running)
        yield running
    finally:
        running.stop()


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples of waits in a tenth of their time."""
    monkeypatch.setitem(postgres_counters.SAMPLED, 0, (5, 0.02))


@dataclass
class Watch:
    """A probe that looks again and again, as the engine does."""

    probe: AnyProbe
    session: Any
    to: Any
    settings: Any
    now: Any = None

    async def look(self) -> Seen:
        snapshot = await self.probe.collect(self.session, self.to)
        if self.now is not None:
            assert self.probe.since is not None
            snapshot = self.probe.since(self.now, snapshot)
        self.now = snapshot
        return judged(Look(self.to, self.probe, self.settings), snapshot)

    async def gains(self) -> dict[str, Any]:
        """What each database gained by the last look."""
        if not self.now.pairs:
            await self.look()
        return {each.name: each for each in self.now.pairs[-1].databases}

    async def until(self, code: str, again: Callable[[], Awaitable[None]] | None = None) -> Finding:
        """Statistics come late: look until the code is there. `again`: the cause that goes on."""
        for _ in range(160):
            await asyncio.sleep(0.6 if again else 0.05)  # before 15 told every half second
            if again:
                await again()
            seen = await self.look()
            for finding in seen.findings:
                if finding.code == code:
                    assert finding.likely
                    assert finding.next
                    assert library().best(finding.code)
                    return finding
        pytest.fail(f"never {code}: {[f.summary for f in seen.findings]}")


@asynccontextmanager
async def watching(
    server: postgres.PostgresServer, probe: str, settings: Any, **changed: object
) -> AsyncIterator[Watch]:
    to = target(pg_settings(server, **changed))
    async with session_for(to.settings) as session:
        watch = Watch(registry()[probe], session, to, settings)
        await watch.look()
        yield watch


async def deadlock(server: postgres.PostgresServer) -> None:
    """Two transactions that want each other's row: one of them dies."""
    async with Crowd(server) as crowd:
        one = await crowd.hold("UPDATE orders SET status = 'a' WHERE id = 1")
        two = await crowd.hold("UPDATE orders SET status = 'a' WHERE id = 2")
        both = [
            asyncio.create_task(one.execute("UPDATE orders SET status = 'b' WHERE id = 2")),
            asyncio.create_task(two.execute("UPDATE orders SET status = 'b' WHERE id = 1")),
        ]
        done = await asyncio.gather(*both, return_exceptions=True)
    assert [type(each) for each in done].count(psycopg.errors.DeadlockDetected) == 1


async def spill(server: postgres.PostgresServer) -> None:
    server.execute(
        "SELECT count(*) FROM (SELECT repeat(i::text, 20) AS t FROM "
        "generate_series(1, 60000) AS i ORDER BY t) AS s"
    )


async def roll_back(server: postgres.PostgresServer) -> None:
    async with Crowd(server) as crowd:
        session = await crowd.open(autocommit=True)
        for _ in range(200):
            await session.execute("BEGIN")
            await session.execute("ROLLBACK")


async def checkpoint(server: postgres.PostgresServer) -> None:
    for number in range(4):
        server.execute(
            f"CREATE TABLE c{number} AS SELECT 1 AS i", f"DROP TABLE c{number}", "CHECKPOINT"
        )


async def abandon(server: postgres.PostgresServer) -> None:
    """Clients whose connection is cut in the middle of a session."""
    for _ in range(6):
        connection = await psycopg.AsyncConnection.connect(pg_app(server))
        wire = connection.pgconn.socket
        with socket.socket(fileno=os.dup(wire)) as copy:
            copy.shutdown(socket.SHUT_RDWR)
        await connection.close()


async def read_cold(server: postgres.PostgresServer) -> None:
    server.execute(
        "CREATE TABLE IF NOT EXISTS wide AS SELECT i, repeat('x', 500) AS t "
        "FROM generate_series(1, 60000) AS i",
        *["SELECT count(*) FROM wide"] * 3,
    )


async def log_in(server: postgres.PostgresServer) -> None:
    """Clients that keep no connection."""
    for _ in range(40):
        connection = await psycopg.AsyncConnection.connect(pg_app(server))
        await connection.close()


Trouble = Callable[[postgres.PostgresServer], Awaitable[None]]


@pytest.mark.parametrize(
    ("code", "severity", "cause", "settings"),
    [
        pytest.param("PG_LOCK_DEADLOCKS", "info", deadlock, Settings(), id="a deadlock"),
        pytest.param(
            "PG_LOCK_DEADLOCKS", "warning", deadlock,
            Settings(deadlocks_a_minute=Thresholds(warning=1)), id="many deadlocks",
        ),
        pytest.param(
            "PG_IO_TEMP", "warning", spill, Settings(temp_bytes=Thresholds(warning=10_000)),
            id="sorts that spill",
        ),
        pytest.param("PG_TX_ROLLBACKS", "warning", roll_back, Settings(), id="rollbacks"),
        pytest.param("PG_IO_CHECKPOINTS", "warning", checkpoint, Settings(), id="checkpoints"),
        pytest.param("PG_SESS_FATAL", "warning", abandon, Settings(), id="abandoned sessions"),
        pytest.param(
            "PG_CONN_CHURN", "warning", log_in, Settings(logins=Thresholds(warning=2)), id="logins"
        ),
        pytest.param("PG_IO_CACHE", "warning", read_cold, Settings(), id="cold reads"),
    ],
)  # fmt: skip
async def test_what_the_counters_gain_is_told(
    server: postgres.PostgresServer, code: str, severity: str, cause: Trouble, settings: Settings
) -> None:
    async with watching(server, "postgres.counters", settings) as watch:
        if code in {"PG_SESS_FATAL", "PG_CONN_CHURN"} and major(server) < 14:
            gains = (await watch.gains()).values()
            assert {(each.abandoned, each.sessions) for each in gains} == {(None, None)}
            return
        await cause(server)
        goes_on = cause if code == "PG_IO_TEMP" else None
        finding = await watch.until(code, goes_on and functools.partial(goes_on, server))

    assert finding.severity.value == severity


def major(server: postgres.PostgresServer) -> int:
    return int(server.execute("SHOW server_version_num")[0][0]) // 10000


async def test_an_idle_server_has_nothing_wrong_and_rates(server: postgres.PostgresServer) -> None:
    async with watching(server, "postgres.counters", Settings()) as watch:
        seen = await watch.look()

    facts = {fact.label: fact for fact in seen.facts}
    assert codes(seen) == {}
    assert seen.facts[0].label == "transactions"
    assert 0 <= (facts["transactions"].value or 0) < 100
    assert facts["active at a time"].value == 0
    assert decode(encode(watch.now), PostgresCounters) == watch.now


async def test_statistics_that_are_reset_give_no_rate(server: postgres.PostgresServer) -> None:
    async with watching(server, "postgres.counters", Settings()) as watch:
        server.execute("SELECT pg_stat_reset()")
        looks = []
        for _ in range(300):  # before 15 another process counts, and tells half a second later
            looks.append(await watch.look())
            gained = await watch.gains()
            if looks[-1].changes:
                break
            await asyncio.sleep(0.05)
        seen, again = looks[-1], await watch.look()

    assert [change.kind for change in seen.changes] == ["postgres.stats_reset"]
    assert "postgres" not in gained
    assert again.changes == ()
    assert all((fact.value or 0) >= 0 for each in (*looks, again) for fact in each.facts)


async def test_a_restart_begins_anew(server: postgres.PostgresServer) -> None:
    async with watching(server, "postgres.counters", Settings()) as watch:
        await watch.look()
        assert watch.now.pairs
        port = server.port
        server.shut_down()
        again = postgres.start(server.cluster, port=port, settings=SETTINGS)
        server.process = again.process
        seen = await watch.look()

    assert watch.now.restarted
    assert watch.now.pairs == ()
    assert seen.facts[0].text == "unknown until the next look"


async def test_what_most_sessions_wait_for_is_named(server: postgres.PostgresServer) -> None:
    strict = Settings(active=Thresholds(warning=3))
    async with watching(server, "postgres.counters", strict) as watch, Crowd(server) as crowd:
        await crowd.hold("LOCK TABLE orders")
        await crowd.wait("SELECT count(*) FROM orders", times=4)
        await watch.look()
        finding = await watch.until("PG_WAIT_DOMINANT")

    assert finding.subject == "Lock"
    assert "who waits for whom" in finding.next


async def test_few_sessions_that_hang_in_an_extension_are_told(
    server: postgres.PostgresServer,
) -> None:
    """Three that ask another database, which takes its time: all that this one has to do."""
    server.execute("CREATE EXTENSION IF NOT EXISTS dblink")
    asked = f"dblink('{pg_app(server)}', 'SELECT 1 FROM pg_sleep(300)')"
    strict = Settings(still_s=0.01)
    async with watching(server, "postgres.counters", strict) as watch, Crowd(server) as crowd:
        await crowd.wait(f"SELECT * FROM {asked} AS t(i int)", times=3)
        finding = await watch.until("PG_WAIT_STUCK")

    assert finding.severity.value == "warning"
    assert finding.subject == "Extension"
    assert "3 of 3 sessions at work have not moved" in finding.summary


async def test_sessions_that_sleep_on_purpose_are_no_load(server: postgres.PostgresServer) -> None:
    strict = Settings(active=Thresholds(warning=1))
    async with watching(server, "postgres.counters", strict) as watch, Crowd(server) as crowd:
        await crowd.wait("SELECT pg_sleep(30)", times=3)
        await watch.look()
        async with asyncio.timeout(at_most(20)):
            while "PG_TX_ROLLBACKS" in codes(seen := await watch.look()):
                await asyncio.sleep(0.1)  # of the sessions that another test ended: 13 counts late

    assert codes(seen) == {}


async def test_a_plain_role_sees_counters_and_says_that_waits_are_hidden(
    server: postgres.PostgresServer,
) -> None:
    plain = {"user": "plain", "password": "env:T_PLAIN"}
    async with watching(server, "postgres.counters", Settings(), **plain) as watch:
        await deadlock(server)
        finding = await watch.until("PG_LOCK_DEADLOCKS")
        seen = await watch.look()

    assert finding.severity.value == "info"
    assert codes(seen)["PG_OBS_BLIND"] == "info"
    assert "active at a time" not in {fact.label for fact in seen.facts}


@pytest.fixture(scope="module")
def pair(base: Path) -> Iterator[tuple[postgres.PostgresServer, postgres.PostgresServer]]:
    folder = Path(tempfile.mkdtemp(dir=base))
    folder.chmod(0o755)
    primary = postgres.start(
        fresh.postgres_cluster(folder / "primary", password=SUPER), settings={"autovacuum": "off"}
    )
    try:
        postgres_roles(primary)
        standby = postgres.start_standby(
            folder / "standby", primary, settings={"max_standby_streaming_delay": "0"}
        )
        try:
            yield primary, standby
        finally:
            standby.stop()
    finally:
        primary.stop()


async def test_reads_that_recovery_ends_are_told_on_the_standby(
    pair: tuple[postgres.PostgresServer, postgres.PostgresServer],
) -> None:
    primary, standby = pair
    async with watching(standby, "postgres.counters", Settings()) as watch:
        reader = await psycopg.AsyncConnection.connect(pg_app(standby))
        await reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await reader.execute("SELECT count(*) FROM orders")
        primary.execute("UPDATE orders SET status = 'done'", "VACUUM orders")
        finding = await watch.until("PG_REPL_CONFLICT")
        await reader.close()

    assert finding.severity.value == "warning"
    assert "on this standby" in finding.summary


SLOW = """
CREATE OR REPLACE FUNCTION lookup(n int) RETURNS int LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_sleep({seconds}); RETURN n; END $$
"""


async def test_a_statement_that_became_slower_is_named_without_its_literals(
    server: postgres.PostgresServer,
) -> None:
    server.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements", SLOW.format(seconds=0.001))
    server.execute(*["SELECT lookup(42) AS order_lookup, 'secret' AS s"] * 30)
    async with watching(server, "postgres.statements", StatementSettings()) as watch:
        server.execute(SLOW.format(seconds=0.05))
        server.execute(*["SELECT lookup(42) AS order_lookup, 'secret' AS s"] * 10)
        finding = await watch.until("PG_QRY_REGRESSED")
        snapshot = watch.now
        seen = await watch.look()

    texts = {evidence.label: evidence.value for evidence in finding.evidence}
    assert "order_lookup" in str(texts["statement"])
    assert "secret" not in str(texts)
    assert finding.severity.value == "warning"
    assert seen.facts[0].label == "statements"
    assert decode(encode(snapshot), PostgresStatements).ran[0].queryid == snapshot.ran[0].queryid


async def test_statements_that_run_as_usual_are_no_finding(server: postgres.PostgresServer) -> None:
    server.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements", SLOW.format(seconds=0.01))
    server.execute(*["SELECT lookup(1) AS usual"] * 20)
    async with watching(server, "postgres.statements", StatementSettings()) as watch:
        server.execute(*["SELECT lookup(1) AS usual"] * 20)
        seen = await watch.look()

    assert codes(seen) == {}
    assert watch.now.ran
    assert seen.tables[0].rows


async def test_a_reset_of_the_statements_gives_no_difference(
    server: postgres.PostgresServer,
) -> None:
    server.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    async with watching(server, "postgres.statements", StatementSettings()) as watch:
        server.execute("SELECT pg_stat_statements_reset()")
        seen = await watch.look()

    if major(server) < 14:  # it does not tell when: the reset itself is all that ran since
        assert [(str(ran.query), ran.calls) for ran in watch.now.ran] == [
            ("SELECT pg_stat_statements_reset()", 1)
        ]
    else:
        assert watch.now.ran == ()
        assert seen.facts[0].text == "unknown until the next look"


async def test_an_extension_that_is_dropped_is_a_loss_and_not_quiet(
    server: postgres.PostgresServer, folder: Path
) -> None:
    outcomes = []
    async with seated((target(pg_settings(server)),), folder, {}) as desk:
        for statement in ("CREATE EXTENSION IF NOT EXISTS", "DROP EXTENSION", "CREATE EXTENSION"):
            server.execute(f"{statement} pg_stat_statements")
            outcomes.append((await desk.engine.look("db", "postgres.statements")).outcome)

    assert [type(outcome) for outcome in outcomes] == [Seen, Blind, Seen]
    assert outcomes[1].reason is Reason.MISSING  # type: ignore[union-attr]
    assert "CREATE EXTENSION pg_stat_statements" in outcomes[1].detail  # type: ignore[union-attr]


async def test_a_plain_role_says_how_many_statements_are_hidden(
    server: postgres.PostgresServer,
) -> None:
    server.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    plain = {"user": "plain", "password": "env:T_PLAIN"}
    async with watching(server, "postgres.statements", StatementSettings(), **plain) as watch:
        seen = await watch.look()

    assert codes(seen) == {"PG_OBS_BLIND": "info"}
    assert seen.findings[0].next == "GRANT pg_monitor TO plain;"


@pytest.mark.parametrize("schema", ["stats", 'odd "name" 50%'])
async def test_the_extension_is_found_in_whatever_schema_it_is(
    server: postgres.PostgresServer, schema: str
) -> None:
    quoted = schema.replace('"', '""')
    server.execute(
        "DROP EXTENSION IF EXISTS pg_stat_statements",
        f'CREATE SCHEMA "{quoted}"',
        f'GRANT USAGE ON SCHEMA "{quoted}" TO PUBLIC',
        f'CREATE EXTENSION pg_stat_statements SCHEMA "{quoted}"',
    )
    async with watching(server, "postgres.statements", StatementSettings()) as watch:
        seen = await watch.look()
    server.execute("DROP EXTENSION pg_stat_statements", f'DROP SCHEMA "{quoted}"')

    assert codes(seen) == {}
    assert watch.now.counted


async def test_without_the_extension_that_is_a_fact_and_no_finding(
    server: postgres.PostgresServer,
) -> None:
    server.execute("DROP EXTENSION IF EXISTS pg_stat_statements")
    async with watching(server, "postgres.statements", StatementSettings()) as watch:
        seen = await watch.look()

    assert codes(seen) == {}
    assert "CREATE EXTENSION pg_stat_statements" in seen.facts[0].text


async def test_an_extension_that_is_not_loaded_is_a_fact_too(
    pair: tuple[postgres.PostgresServer, postgres.PostgresServer],
) -> None:
    primary, _ = pair
    primary.execute("CREATE EXTENSION pg_stat_statements")
    async with watching(primary, "postgres.statements", StatementSettings()) as watch:
        seen = await watch.look()

    assert "shared_preload_libraries" in seen.facts[0].text
