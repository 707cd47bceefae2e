"""Every maintained version of PostgreSQL, looked at for real: rights, locks, slots, statements."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cockpit.connect.postgres.acts import open_postgres_acts
from cockpit.errors import Refused
from cockpit.triage.engine import Look, judged
from cockpit.triage.finding import Thresholds
from cockpit.triage.probe import Seen
from cockpit.triage.recording import decode, encode
from cockpit.triage.registry import registry
from cockpit.world.servers import postgres
from probes.postgres.counters_model import PostgresCounters
from probes.postgres.locks import Settings as LockSettings
from probes.postgres.locks_model import PostgresLocks
from probes.postgres.replication_model import PostgresReplication
from probes.postgres.sessions_model import PostgresSessions
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
    trouble,
    until,
    waiting,
)
from tests.tools import postgres_versions

pytestmark = pytest.mark.servers

UPDATE = "UPDATE orders SET status = 'paid' WHERE id = 7"
PROBES = sorted(probe.id for probe in registry().values() if probe.kind == "postgres")


@dataclass(frozen=True)
class At:
    """A running server of one major version."""

    version: int
    server: postgres.PostgresServer


@pytest.fixture(
    scope="module",
    params=[pytest.param(v, id=f"PostgreSQL {v}") for v in sorted(postgres_versions.found())],
)
def at(request: pytest.FixtureRequest, base: Path) -> Iterator[At]:
    folder = Path(tempfile.mkdtemp(dir=base))
    folder.chmod(0o755)
    version: int = request.param
    cluster = fresh.postgres_cluster(
        folder / "pg", password=SUPER, binaries=postgres_versions.found()[version]
    )
    reserved = {"reserved_connections": 2} if version >= 16 else {}
    server = postgres.start(
        cluster,
        settings={
            **reserved,
            "max_connections": 30,
            "max_prepared_transactions": 2,
            "wal_level": "logical",
            "shared_buffers": "8MB",
            "shared_preload_libraries": "pg_stat_statements",
            "deadlock_timeout": "500ms",
            "log_min_messages": "fatal",
        },
    )
    try:
        postgres_roles(server)
        server.execute("CREATE EXTENSION pg_stat_statements")
        yield At(version, server)
    finally:
        server.stop()


def plain(server: postgres.PostgresServer) -> Any:
    return pg_settings(server, user="plain", password="env:T_PLAIN")


@asynccontextmanager
async def somebody(server: postgres.PostgresServer) -> AsyncIterator[Crowd]:
    """A server with a session of somebody else."""
    async with Crowd(server) as crowd:
        await crowd.open("shop", autocommit=True)
        yield crowd


async def test_it_is_the_version_that_it_is_named_after(at: At) -> None:
    assert at.server.execute("SHOW server_version_num")[0][0].startswith(str(at.version))


@pytest.mark.parametrize("probe", PROBES)
async def test_a_monitoring_role_sees_all_and_finds_nothing_wrong(at: At, probe: str) -> None:
    async with somebody(at.server):
        seen = await look(probe, pg_settings(at.server))

    assert codes(seen) == {}
    assert seen.facts
    assert all(fact.value is not None or fact.text != "unknown" for fact in seen.facts)
    assert isinstance(decode(encode(seen.snapshot), type(seen.snapshot)), type(seen.snapshot))


@pytest.mark.parametrize("probe", [probe for probe in PROBES if probe != "postgres.replication"])
async def test_a_plain_role_is_marked_and_never_all_clear(at: At, probe: str) -> None:
    async with somebody(at.server) as crowd:
        await crowd.hold(UPDATE)
        await crowd.wait(UPDATE)
        await waiting(at.server, 1)
        seen = await look(probe, plain(at.server), twice=0.05)

    assert "PG_OBS_BLIND" in codes(seen)
    blind = next(finding for finding in seen.findings if finding.code == "PG_OBS_BLIND")
    assert blind.next == "GRANT pg_monitor TO plain;"


async def test_who_waits_is_blamed_on_the_head_and_helped_by_identity(at: At) -> None:
    """Idle reader ← ALTER TABLE ← three readers; then a session that holds a row."""
    probe = registry()["postgres.locks"]
    to = target(pg_settings(at.server))
    acts = await open_postgres_acts(pg_settings(at.server))
    async with Crowd(at.server) as crowd, session_for(to.settings) as session:
        head = await crowd.hold("SELECT count(*) FROM orders", app="reporting")
        holder = head.info.backend_pid
        (change,) = await crowd.wait("ALTER TABLE orders ADD COLUMN extra int", app="migrate")
        await waiting(at.server, 1)
        await crowd.wait("SELECT count(*) FROM orders", app="shop", times=3)
        await waiting(at.server, 4)
        snapshot = await probe.collect(session, to)
        strict = LockSettings(waited=Thresholds(warning=0.001, high=30))
        found = {finding.code: finding for finding in probe.diagnose(snapshot, strict)}
        (queue,) = snapshot.queues
        assert queue.helps[0].pid == change.info.backend_pid
        stale = {"pid": queue.head.pid, "backend_start": "2020-01-01T00:00:00+00:00"}
        with pytest.raises(Refused):
            await acts.run("terminate_backend", stale)
        helped = queue.helps[0]
        cancelled = await acts.run(
            helped.call, {"pid": helped.pid, "backend_start": helped.backend_start}
        )
        identity = {"pid": queue.head.pid, "backend_start": queue.head.backend_start}
        ended = await acts.run("terminate_backend", identity)
        with pytest.raises(Refused):
            await acts.run("terminate_backend", identity)
        after = await probe.collect(session, to)
    await acts.close()

    assert queue.head.pid == holder
    assert queue.length == 4
    assert found["PG_LOCK_BLOCKED"].subject == f"pid {queue.head.pid}"
    assert found["PG_LOCK_DDL_QUEUE"].severity.value == "high"
    assert (cancelled["done"], ended["done"]) == (True, True)
    assert after.queues == ()


async def test_a_hot_row_and_its_prepared_holder_are_told(at: At) -> None:
    async with Crowd(at.server) as crowd:
        await crowd.hold(UPDATE, "PREPARE TRANSACTION 'lost'")
        try:
            await crowd.wait(UPDATE, times=11)
            await waiting(at.server, 11)
            young = await look("postgres.locks", pg_settings(at.server))
            probe, to = registry()["postgres.locks"], target(pg_settings(at.server))
            strict = LockSettings(waited=Thresholds(warning=0.001, high=30))
            seen = judged(Look(to, probe, strict), young.snapshot)
        finally:
            at.server.execute("ROLLBACK PREPARED 'lost'")

    assert codes(seen) == {"PG_LOCK_PREPARED": "critical", "PG_LOCK_HOT_ROW": "high"}
    assert isinstance(seen.snapshot, PostgresLocks)
    assert seen.snapshot.queues[0].length == 11


async def test_a_full_server_says_that_only_reserved_slots_are_left(at: At) -> None:
    """16 says it in three ways, of which two are new."""
    settings = pg_settings(at.server)
    async with session_for(settings) as kept, Crowd(at.server) as crowd:
        await kept.value("SELECT 1")
        await crowd.fill()
        shut_out = await trouble(settings)
        seen = await look("postgres.sessions", settings, kept)

    assert (shut_out.code, shut_out.severity) == ("PG_CONN_RESERVED_ONLY", "critical")
    assert codes(seen)["PG_SAT_CONNECTIONS"] == "critical"
    assert isinstance(seen.snapshot, PostgresSessions)
    assert seen.snapshot.pulse.server.usable == (25 if at.version >= 16 else 27)


async def test_statements_are_counted_by_the_extension_of_that_version(at: At) -> None:
    probe = registry()["postgres.statements"]
    to = target(pg_settings(at.server))
    async with Crowd(at.server) as crowd, session_for(to.settings) as session:
        shop = await crowd.open("shop", autocommit=True)
        before = await probe.collect(session, to)
        for number in range(3):
            await shop.execute(f"SELECT count(*) FROM orders WHERE id > {number}")
        await asyncio.sleep(0.05)
        assert probe.since is not None
        now = probe.since(before, await probe.collect(session, to))

    ran = {str(each.query): each.calls for each in now.ran if each.query is not None}
    assert ran["SELECT count(*) FROM orders WHERE id > $1"] == 3
    assert (now.info is not None) == (at.version >= 14)


async def test_what_a_version_does_not_count_is_unknown(at: At) -> None:
    snapshot = (await look("postgres.counters", plain(at.server), twice=0.05)).snapshot
    assert isinstance(snapshot, PostgresCounters)
    own = next(each for each in snapshot.totals.databases if each.datname == "postgres")

    assert (own.sessions_fatal is not None) == (at.version >= 14)
    assert own.xact_commit
    assert snapshot.checkpoints is not None
    assert snapshot.totals.checkpointer == (at.version >= 17)


async def test_a_standby_and_slots_are_seen_from_both_sides(at: At, folder: Path) -> None:
    folder.chmod(0o755)
    at.server.execute(
        "SELECT pg_create_physical_replication_slot('leftover', true)",
        "SELECT pg_create_logical_replication_slot('cdc', 'pgoutput')",
    )
    standby = postgres.start_standby(
        folder / "standby", at.server, slot="replica",
        settings={
            "max_connections": 30,
            "max_prepared_transactions": 2,
            "shared_buffers": "8MB",
            "primary_conninfo": f"{at.server.dsn()} application_name=standby",
        },
    )  # fmt: skip
    try:
        primary = await streaming(at.server)
        behind = await look("postgres.replication", pg_settings(standby), twice=0.05)
        unseen = await look("postgres.replication", plain(at.server))
        vacuum = await look("postgres.maintenance", pg_settings(standby))
    finally:
        standby.stop()
        at.server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_replication",
            "SELECT pg_drop_replication_slot('leftover')",
            "SELECT pg_drop_replication_slot('cdc')",
        )
    slots = {slot.name: slot for slot in primary.snapshot.slots}

    assert codes(primary) == codes(behind) == codes(vacuum) == {}
    assert codes(unseen) == {"PG_OBS_BLIND": "info"}
    assert primary.snapshot.senders[0].state == "streaming"
    assert {name: (slot.type, slot.active) for name, slot in slots.items()} == {
        "leftover": ("physical", False), "cdc": ("logical", False), "replica": ("physical", True),
    }  # fmt: skip
    assert all(slot.wal_status == "reserved" and slot.restart_lsn for slot in slots.values())
    told = at.version >= 17
    assert (
        (slots["leftover"].inactive_s is not None) == (slots["cdc"].inactive_s is not None) == told
    )
    assert slots["replica"].inactive_s is None
    assert isinstance(behind.snapshot, PostgresReplication)
    assert behind.snapshot.receiver is not None
    assert behind.snapshot.replay is not None
    assert behind.snapshot.recovery
    assert behind.snapshot.receiver.slot_name == "replica"
    assert behind.snapshot.replay.paused is False


async def test_a_slot_that_is_lost_says_why_where_the_version_tells(at: At, folder: Path) -> None:
    folder.chmod(0o755)
    server = postgres.start(
        fresh.postgres_cluster(
            folder / "pg", password=SUPER, binaries=postgres_versions.found()[at.version]
        ),
        settings={"max_slot_wal_keep_size": "16MB", "shared_buffers": "8MB", "wal_keep_size": 0},
    )
    try:
        postgres_roles(server)
        server.execute("SELECT pg_create_physical_replication_slot('leftover', true)")
        for _ in range(4):
            server.execute(
                "INSERT INTO orders VALUES (0, 'x')", "DELETE FROM orders WHERE id = 0",
                "SELECT pg_switch_wal()", "CHECKPOINT",
            )  # fmt: skip
        seen = await look("postgres.replication", pg_settings(server))
    finally:
        server.stop()
    evidence = {each.label: each.value for f in seen.findings for each in f.evidence}

    assert codes(seen) == {"PG_SLOT_LOST": "critical"}
    assert evidence.get("because") == ("wal_removed" if at.version >= 17 else None)


async def streaming(server: postgres.PostgresServer) -> Any:
    """A look at the primary once its standby has caught up."""
    for _ in range(600):
        seen = await look("postgres.replication", pg_settings(server))
        assert isinstance(seen.snapshot, PostgresReplication)
        senders = seen.snapshot.senders
        if senders and senders[0].state == "streaming" and not senders[0].total_b:
            return seen
        await asyncio.sleep(0.05)
    pytest.fail("the standby never streamed")


@pytest.mark.parametrize(
    "at",
    [pytest.param(v, id=f"PostgreSQL {v}") for v in sorted(postgres_versions.found()) if v >= 18],
    indirect=True,
)
async def test_a_slot_that_nobody_read_for_too_long_is_lost_for_that(at: At) -> None:
    """The server ends it at a checkpoint; its WAL may still be there. The last of this file: slots
    of other tests end as well.
    """
    slot = "SELECT pg_create_physical_replication_slot('gone_cdc', true)"
    limit = "ALTER SYSTEM SET idle_replication_slot_timeout"
    reload = "SELECT pg_reload_conf()"
    at.server.execute(slot, f"{limit} = '1s'", reload)

    async def checkpointed() -> Seen:
        at.server.execute("CREATE TABLE IF NOT EXISTS written ()", "DROP TABLE written")
        at.server.execute("CHECKPOINT")
        return await look("postgres.replication", pg_settings(at.server))

    try:
        seen = await until(
            checkpointed, lambda looked: "gone_cdc" in {each.subject for each in looked.findings}
        )
    finally:
        at.server.execute(f"{limit} = 0", reload, "SELECT pg_drop_replication_slot('gone_cdc')")
    lost = next(each for each in seen.findings if each.subject == "gone_cdc")

    assert lost.code == "PG_SLOT_LOST"
    assert "nobody read it for too long (idle_replication_slot_timeout)" in lost.summary
    assert lost.likely == (), "max_slot_wal_keep_size is not accused"
    assert {each.label for each in lost.evidence} >= {"because", "nobody reads it for"}
