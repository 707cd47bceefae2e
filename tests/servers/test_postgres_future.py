"""Answers of a version that nobody knows yet, by a real server: `future` stands before `pg_catalog`
in our role's search path, with views of the system's names that have a column more or less.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cockpit.errors import BlindError, Reason
from cockpit.triage.probe import Seen
from cockpit.triage.recording import decode, encode
from cockpit.triage.registry import registry
from cockpit.world.servers import postgres
from probes.postgres.counters_model import Database, PostgresCounters
from probes.postgres.maintenance_model import Maintenance
from probes.postgres.replication_model import PostgresReplication
from tests.servers import fresh
from tests.servers.private import (
    SUPER,
    Crowd,
    codes,
    look,
    pg_settings,
    postgres_roles,
    session_for,
    waiting,
)

pytestmark = pytest.mark.servers

PROBES = sorted(probe.id for probe in registry().values() if probe.kind == "postgres")
VIEWS = (
    "pg_stat_activity", "pg_locks", "pg_prepared_xacts", "pg_stat_replication",
    "pg_replication_slots", "pg_stat_wal_receiver", "pg_stat_database",
    "pg_stat_database_conflicts", "pg_stat_checkpointer", "pg_stat_progress_vacuum",
    "pg_stat_user_tables",
)  # fmt: skip


@pytest.fixture(scope="module")
def server(base: Path) -> Iterator[postgres.PostgresServer]:
    folder = Path(tempfile.mkdtemp(dir=base))
    folder.chmod(0o755)
    started = postgres.start(
        fresh.postgres_cluster(folder / "pg", password=SUPER),
        settings={"shared_preload_libraries": "pg_stat_statements"},
    )
    try:
        postgres_roles(started)
        started.execute("CREATE EXTENSION pg_stat_statements")
        yield started
    finally:
        started.stop()


@contextmanager
def future(server: postgres.PostgresServer, *statements: str) -> Iterator[None]:
    """The role's sessions see these instead of what the system has."""
    server.execute("CREATE SCHEMA future", *statements)
    server.execute(
        "GRANT USAGE ON SCHEMA future TO ro",
        "GRANT SELECT ON ALL TABLES IN SCHEMA future TO ro",
        "ALTER ROLE ro SET search_path = future, pg_catalog, public",
    )
    try:
        yield
    finally:
        server.execute("ALTER ROLE ro RESET search_path", "DROP SCHEMA future CASCADE")


def without(server: postgres.PostgresServer, view: str, column: str) -> str:
    """A view of the system's that has lost a column."""
    rows = server.execute(
        "SELECT quote_ident(attname) FROM pg_attribute WHERE attnum > 0"
        f" AND attrelid = 'pg_catalog.{view}'::regclass AND attname <> '{column}' ORDER BY attnum"
    )
    columns = ", ".join(name for (name,) in rows)
    return f"CREATE VIEW future.{view} AS SELECT {columns} FROM pg_catalog.{view}"


async def everything(server: postgres.PostgresServer) -> dict[str, Seen | BlindError]:
    """What every probe says by way of one session."""
    found: dict[str, Seen | BlindError] = {}
    settings = pg_settings(server)
    async with session_for(settings) as session:
        for probe in PROBES:
            for _ in range(3):  # a busy machine may let a look's time run out
                found[probe] = await one(probe, settings, session)
                if getattr(found[probe], "reason", None) is not Reason.TIMEOUT:
                    break
    return found


async def one(probe: str, settings: Any, session: Any) -> Seen | BlindError:
    try:
        return await look(probe, settings, session, twice=0.02)
    except BlindError as error:
        return error


async def test_columns_that_are_new_are_no_matter(server: postgres.PostgresServer) -> None:
    newer = [
        f"CREATE VIEW future.{view} AS SELECT v.*, 'entangled' AS quantum_state, '[1]'::jsonb AS"
        f" more FROM pg_catalog.{view} AS v"
        for view in VIEWS
    ]
    number = (
        "CREATE FUNCTION future.current_setting(name text) RETURNS text STABLE LANGUAGE sql AS"
        " $$SELECT CASE name WHEN 'server_version_num' THEN '270001'"
        " ELSE pg_catalog.current_setting(name) END$$"
    )
    with future(server, *newer, number):
        found = await everything(server)

    for probe, seen in found.items():
        assert isinstance(seen, Seen), (probe, seen)
        assert codes(seen) == {}, probe
        assert isinstance(decode(encode(seen.snapshot), type(seen.snapshot)), type(seen.snapshot))
    sessions = found["postgres.sessions"]
    assert isinstance(sessions, Seen)
    assert "PostgreSQL 27.1" in {fact.text for fact in sessions.facts}


@pytest.mark.parametrize(
    ("view", "column", "blind"),
    [
        ("pg_stat_activity", "backend_xid", {"postgres.locks", "postgres.maintenance"}),
        ("pg_locks", "mode", {"postgres.locks"}),
        ("pg_locks", "waitstart", set()),
        ("pg_replication_slots", "wal_status", {"postgres.maintenance", "postgres.replication"}),
        ("pg_stat_wal_receiver", "slot_name", {"postgres.replication"}),
        ("pg_stat_checkpointer", "num_timed", {"postgres.counters"}),
        ("pg_stat_user_tables", "n_dead_tup", set()),
        ("pg_stat_database", "deadlocks", set()),
    ],
)
async def test_a_column_that_is_gone_costs_the_part_that_needs_it(
    server: postgres.PostgresServer, view: str, column: str, blind: set[str]
) -> None:
    with future(server, without(server, view, column)):
        async with Crowd(server) as crowd:
            await crowd.hold("LOCK orders")
            await crowd.wait("SELECT count(*) FROM orders")
            await waiting(server, 1)
            found = await everything(server)

    gone = {probe: each for probe, each in found.items() if isinstance(each, BlindError)}
    assert set(gone) == blind, [each.message for each in gone.values()]
    assert {each.reason for each in gone.values()} <= {Reason.UNSUPPORTED}
    assert all(column in each.message for each in gone.values())
    marks = {
        "pg_stat_activity": lambda: (
            codes(seen(found["postgres.sessions"]))["PG_OBS_BLIND"] == "info"
        ),
        "pg_stat_user_tables": lambda: column in " ".join(unread(found["postgres.maintenance"])),
        "pg_stat_database": lambda: all(
            each.deadlocks is None for each in totals(found["postgres.counters"])
        ),
    }
    assert marks.get(view, lambda: True)()


def seen(outcome: Seen | BlindError) -> Seen:
    assert isinstance(outcome, Seen)
    return outcome


def unread(outcome: Seen | BlindError) -> tuple[str, ...]:
    snapshot = seen(outcome).snapshot
    assert isinstance(snapshot, Maintenance)
    return snapshot.unread


def totals(outcome: Seen | BlindError) -> tuple[Database, ...]:
    snapshot = seen(outcome).snapshot
    assert isinstance(snapshot, PostgresCounters)
    return snapshot.totals.databases


async def test_a_server_that_is_slow_for_us_is_looked_at_half_as_often(
    server: postgres.PostgresServer,
) -> None:
    slow = (
        "CREATE VIEW future.pg_stat_activity AS"
        " SELECT a.* FROM pg_catalog.pg_stat_activity AS a, pg_sleep(1.1)"
    )
    settings = pg_settings(server)
    with future(server, slow):
        async with session_for(settings) as session:
            once = await look("postgres.sessions", settings, session)
            factors = [session.pace.factor]
            twice = await look("postgres.sessions", settings, session)
            factors.append(session.pace.factor)

    assert codes(once) == {}
    assert codes(twice) == {"PG_OBS_SLOW": "warning"}
    assert factors == [1.0, 2.0]


REFUSED = "$$BEGIN RAISE feature_not_supported USING MESSAGE = 'not on Aurora'; END$$"
AURORA = (
    *(
        f"CREATE FUNCTION future.{name}() RETURNS pg_lsn LANGUAGE plpgsql AS {REFUSED}"
        for name in ("pg_current_wal_lsn", "pg_last_wal_receive_lsn", "pg_last_wal_replay_lsn")
    ),
    f"CREATE FUNCTION future.refuse() RETURNS text LANGUAGE plpgsql AS {REFUSED}",
    "CREATE VIEW future.pg_stat_wal_receiver AS SELECT future.refuse() AS status,"
    " ''::text AS slot_name, now() AS last_msg_receipt_time",
)
READERS = """
CREATE FUNCTION future.aurora_replica_status() RETURNS TABLE (server_id text, session_id text,
  replica_lag_in_msec bigint, cur_replay_latency_in_usec bigint, last_update_timestamp timestamptz)
LANGUAGE sql AS $$VALUES ('shop-1', 'MASTER_SESSION_ID', NULL::bigint, NULL::bigint, now()),
  ('shop-2', 'a', 20, 9000, now()), ('shop-3', 'b', 12000, 9000, now()),
  ('shop-4', 'c', 900000, 9000, now() - interval '10 minutes')$$
"""


@pytest.mark.parametrize(
    ("readers", "told"),
    [
        pytest.param((READERS,), {"PG_REPL_LAG": "high"}, id="its readers are told"),
        pytest.param((), {"PG_OBS_BLIND": "info"}, id="or it is said that they are not"),
    ],
)
async def test_what_aurora_refuses_is_not_asked(
    server: postgres.PostgresServer, readers: tuple[str, ...], told: dict[str, str]
) -> None:
    """Hand-made after the documentation: an Aurora cannot run here."""
    mods = "SET allow_system_table_mods = on"
    server.execute(
        "SELECT pg_create_physical_replication_slot('leftover', true)",
        mods,
        "CREATE FUNCTION pg_catalog.aurora_version() RETURNS text LANGUAGE sql AS 'SELECT ''16.4'''",
    )
    try:
        with future(server, *AURORA, *readers):
            seen = await look("postgres.replication", pg_settings(server), twice=0.02)
    finally:
        server.execute(
            "SELECT pg_drop_replication_slot('leftover')",
            mods,
            "DROP FUNCTION pg_catalog.aurora_version()",
        )
    snapshot = seen.snapshot

    assert isinstance(snapshot, PostgresReplication)
    assert codes(seen) == told
    assert [slot.name for slot in snapshot.slots] == ["leftover"]
    assert (snapshot.aurora, snapshot.receiver, snapshot.replay) == (True, None, None)
    if readers:
        assert [finding.subject for finding in seen.findings] == ["shop-3"]
        assert seen.facts[0].text == "2 readers, 12s behind"
        assert [row.cells[:2] for row in seen.tables[0].rows][:2] == [
            ("shop-1", "writer"), ("shop-2", "reader"),
        ]  # fmt: skip
