"""PostgreSQL's slow fuses, lit for real: an archive that fails in four ways, an index, a sequence."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cockpit.runbooks.library import library
from cockpit.triage.engine import Look, judged
from cockpit.triage.probe import Seen
from cockpit.triage.registry import registry
from cockpit.world.servers import postgres
from probes.postgres.fuses import Settings
from tests.patience import at_most
from tests.servers import fresh
from tests.servers.private import (
    SUPER,
    Crowd,
    codes,
    look,
    pg_settings,
    postgres_roles,
    session_for,
    target,
    waiting,
)
from tests.tools import postgres_versions

pytestmark = pytest.mark.servers

PROBE = "postgres.fuses"
VERSIONS = [version for version in postgres_versions.found() if version in {13, 18}]
"""The oldest, whose archiver is not to be seen, and the newest."""


@pytest.fixture(scope="module", params=VERSIONS)
def server(request: pytest.FixtureRequest, base: Path) -> Iterator[postgres.PostgresServer]:
    folder = Path(tempfile.mkdtemp(dir=base))
    folder.chmod(0o755)
    binaries = postgres_versions.found()[request.param]
    running = postgres.start(
        fresh.postgres_cluster(folder / "pg", password=SUPER, binaries=binaries),
        settings={"archive_mode": "on", "max_connections": 20, "max_wal_size": "64MB"},
    )
    try:
        postgres_roles(running)
        yield running
    finally:
        running.stop()


def archive_by(server: postgres.PostgresServer, command: str) -> None:
    server.execute(f"ALTER SYSTEM SET archive_command = '{command}'", "SELECT pg_reload_conf()")


def finish_a_file(server: postgres.PostgresServer) -> None:
    server.execute("SELECT pg_logical_emit_message(true, 'a', 'b')", "SELECT pg_switch_wal()")


async def judge(
    server: postgres.PostgresServer, wanted: set[str], *, least_s: float = 240
) -> tuple[Seen, Any]:
    """Look until these codes are found and no others."""
    probe, to, now = registry()[PROBE], target(pg_settings(server)), None
    settings = Settings(archives_nothing=least_s)
    async with session_for(to.settings) as session, asyncio.timeout(at_most(15)):
        while True:
            fresh = await probe.collect(session, to)
            assert probe.since is not None
            now = fresh if now is None else probe.since(now, fresh)
            seen = judged(Look(to, probe, settings), now)
            if set(codes(seen)) == wanted:
                return seen, now
            await asyncio.sleep(0.1)


async def test_an_archive_that_works_is_well(server: postgres.PostgresServer) -> None:
    archive_by(server, "true")
    finish_a_file(server)
    seen, now = await judge(server, set())

    assert now.archiver.set
    assert codes(seen) == {}


async def test_a_command_that_fails_is_told(server: postgres.PostgresServer) -> None:
    archive_by(server, "false")
    finish_a_file(server)
    seen, _ = await judge(server, {"PG_ARCHIVE_FAILING"})
    archive_by(server, "true")
    await judge(server, set())

    assert "the archive command fails" in seen.findings[0].summary
    assert library().best("PG_ARCHIVE_FAILING") == "pg-fuses"


async def test_a_command_that_hangs_counts_no_failure_and_is_told(
    server: postgres.PostgresServer,
) -> None:
    archive_by(server, "sleep 2")
    finish_a_file(server)
    seen, now = await judge(server, {"PG_ARCHIVE_FAILING"}, least_s=0.3)
    archive_by(server, "true")
    await judge(server, set())

    assert not now.archiver.failed_last
    assert "nothing was archived for" in seen.findings[0].summary


async def test_an_archive_without_a_command_keeps_wal_for_ever(
    server: postgres.PostgresServer,
) -> None:
    archive_by(server, "")
    seen, _ = await judge(server, {"PG_ARCHIVE_FAILING"})
    archive_by(server, "true")
    await judge(server, set())

    assert "neither a command nor a library is set" in seen.findings[0].summary


async def test_a_command_that_is_not_found_ends_the_archiver_and_counts_nothing(
    server: postgres.PostgresServer,
) -> None:
    """Last of the archive's tests: the archiver comes back a minute later."""
    ((failures,),) = server.execute("SELECT failed_count FROM pg_stat_archiver")
    ((version,),) = server.execute("SELECT current_setting('server_version_num')::int")
    archive_by(server, "/nowhere/to/be/found")
    finish_a_file(server)
    least_s = 240 if version >= 140000 else 0.3  # 13 does not show the archiver
    seen, now = await judge(server, {"PG_ARCHIVE_FAILING"}, least_s=least_s)
    server.execute("ALTER SYSTEM RESET archive_command")

    assert now.archiver.failed == failures
    assert seen.findings[0].severity.value == "high"
    if version >= 140000:
        assert "there is no archiver process" in seen.findings[0].summary


async def test_an_index_that_was_given_up_is_told_and_one_that_is_built_is_not(
    pg: postgres.PostgresServer,
) -> None:
    pg.execute(
        "CREATE TABLE twins AS SELECT 1 AS id FROM generate_series(1, 2)",
        "GRANT CREATE ON SCHEMA public TO app",
    )
    try:
        with pytest.raises(psycopg.errors.UniqueViolation):
            pg.execute("CREATE UNIQUE INDEX CONCURRENTLY one_each ON twins (id)")
        left = await look(PROBE, pg_settings(pg))
        async with Crowd(pg) as crowd:
            await crowd.hold("UPDATE orders SET status = 'held' WHERE id = 1")
            build = "CREATE INDEX CONCURRENTLY by_status ON orders (status)"
            await crowd.wait(build, autocommit=True)
            await waiting(pg, 1)
            pg.execute("DROP INDEX one_each")
            at_work = await look(PROBE, pg_settings(pg))
    finally:
        pg.execute(
            "DROP TABLE twins",
            "DROP INDEX IF EXISTS by_status",
            "REVOKE CREATE ON SCHEMA public FROM app",
        )

    assert codes(left) == {"PG_INDEX_INVALID": "warning"}
    assert left.findings[0].subject == "public.one_each"
    assert library().best("PG_INDEX_INVALID") == "pg-fuses"
    assert codes(at_work) == {}


async def test_a_sequence_at_the_end_of_its_column_is_critical(pg: postgres.PostgresServer) -> None:
    pg.execute(
        "CREATE TABLE carts (id int PRIMARY KEY)",
        "CREATE SEQUENCE cart_numbers OWNED BY carts.id",
        "SELECT setval('cart_numbers', 2147483647)",
    )
    try:
        hidden = await look(PROBE, pg_settings(pg))
        pg.execute("GRANT SELECT ON SEQUENCE cart_numbers TO ro")
        seen = await look(PROBE, pg_settings(pg))
        with pytest.raises(psycopg.errors.NumericValueOutOfRange):
            pg.execute("INSERT INTO carts VALUES (nextval('cart_numbers'))")
    finally:
        pg.execute("DROP TABLE carts")

    assert codes(hidden) == {}
    assert {f.label: f.text for f in hidden.facts}["fullest sequence"] == (
        "none past half; 1 hidden: GRANT SELECT ON SEQUENCE"
    )
    assert codes(seen) == {"PG_SEQUENCE_END": "critical"}
    assert "(column carts.id)" in seen.findings[0].summary
    assert library().best("PG_SEQUENCE_END") == "pg-fuses"
