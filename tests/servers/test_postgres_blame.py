"""Who is blamed on a real PostgreSQL, and who is spared: the oldest version and the newest."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cockpit.connect.postgres.acts import open_postgres_acts
from cockpit.errors import Refused
from cockpit.triage.engine import Look, judged
from cockpit.triage.registry import registry
from cockpit.world.servers import postgres
from probes.postgres.model import offers
from probes.postgres.sessions_model import PostgresSessions
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
    waiting,
)
from tests.tools import postgres_versions

pytestmark = pytest.mark.servers

PROBE = "postgres.sessions"
VERSIONS = [version for version in postgres_versions.found() if version in {13, 18}]


@pytest.fixture(scope="module", params=VERSIONS)
def server(request: pytest.FixtureRequest, base: Path) -> Iterator[postgres.PostgresServer]:
    folder = Path(tempfile.mkdtemp(dir=base))
    folder.chmod(0o755)
    binaries = postgres_versions.found()[request.param]
    cluster = fresh.postgres_cluster(folder / "pg", password=SUPER, binaries=binaries)
    running = postgres.start(cluster, settings={"max_connections": 30, "wal_level": "logical"})
    try:
        postgres_roles(running)
        yield running
    finally:
        running.stop()


async def sessions(server: postgres.PostgresServer) -> PostgresSessions:
    to = target(pg_settings(server))
    async with session_for(to.settings) as session:
        found: PostgresSessions = await registry()[PROBE].collect(session, to)
    assert found.unread == ()
    return found


def started(server: postgres.PostgresServer, pid: int) -> datetime:
    start: datetime
    ((start,),) = server.execute(f"SELECT backend_start FROM pg_stat_activity WHERE pid = {pid}")
    return start


async def test_of_two_who_hold_a_table_only_the_one_in_the_way_is_blamed(
    server: postgres.PostgresServer,
) -> None:
    async with Crowd(server) as crowd:
        reader = await crowd.hold("SELECT count(*) FROM orders", app="reader")
        indexer = await crowd.hold("LOCK TABLE orders IN SHARE MODE", app="indexer")
        await crowd.wait("UPDATE orders SET status = 'paid' WHERE id = 7", app="writer")
        await waiting(server, 1)
        behind_index = await sessions(server)
        await crowd.wait("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE", app="migrate")
        await waiting(server, 2)
        behind_both = await sessions(server)
        pids = {each.info.backend_pid for each in (reader, indexer)}
        blamed = indexer.info.backend_pid

    assert {holder.pid for holder in behind_index.holders} == {blamed}
    assert {holder.pid for holder in behind_both.holders} == pids


async def test_a_statement_that_worked_before_it_waited_is_held_up_for_its_wait_only(
    server: postgres.PostgresServer,
) -> None:
    update = "UPDATE orders SET status = {} WHERE id = 7"
    async with Crowd(server) as crowd:
        await crowd.hold(update.format("'held'"), app="holder")
        (late,) = await crowd.wait(update.format("(SELECT 'x' FROM pg_sleep(2))"), app="late")
        await waiting(server, 1)
        look = await sessions(server)
        pid = late.info.backend_pid
    version = look.pulse.server.version
    (holder,) = look.holders
    ran = next(each.query_s for each in look.sessions if each.pid == pid)

    assert ran is not None
    assert holder.held_s is not None
    if version < 140000:  # it does not tell when a wait began
        assert holder.held_s >= 2
    else:
        assert holder.held_s + 1.5 < ran


async def test_an_application_of_the_longest_name_is_found_again_by_it(
    server: postgres.PostgresServer,
) -> None:
    name = "checkout-service-of-the-european-shop-in-its-blue-deployment-07"
    assert len(name) == 63
    acts = await open_postgres_acts(pg_settings(server))
    async with Crowd(server) as crowd:
        for _ in range(3):
            await crowd.open(name, autocommit=True)
        await asyncio.sleep(0.1)
        look = await sessions(server)
        client = next(each for each in look.pulse.by_client if each.usename == "app")
        done = await acts.run(
            "terminate_idle_of_client",
            {"user": client.usename, "application": client.app, "older_than_s": 0.01, "most": 3},
        )
    await acts.close()

    assert client.app == name
    ended: Any = done["pids"]
    assert len(ended) == 3


async def test_a_worker_that_applies_for_a_subscription_is_spared_by_offer_and_guard(
    server: postgres.PostgresServer,
) -> None:
    server.execute(
        "SELECT pg_create_logical_replication_slot('sub', 'pgoutput')",
        "CREATE PUBLICATION pub FOR TABLE orders",
    )
    server.execute("CREATE DATABASE subscriber")
    server.execute("CREATE TABLE orders (id int PRIMARY KEY, status text)", database="subscriber")
    server.execute(
        f"CREATE SUBSCRIPTION sub CONNECTION '{server.dsn(password=SUPER)}' PUBLICATION pub "
        "WITH (create_slot = false, slot_name = 'sub', copy_data = false)",
        database="subscriber",
    )
    try:
        looks = await until(
            lambda: sessions(server),
            lambda look: any(
                (each.backend_type or "").startswith("logical replication")
                for each in look.sessions
            ),
        )
        workers = [
            each
            for each in looks.sessions
            if each.backend_type not in {"client backend", "autovacuum worker"}
        ]
        acts = await open_postgres_acts(pg_settings(server))
        for worker in workers:
            for call in ("cancel_backend", "terminate_backend"):
                with pytest.raises(Refused, match="protected"):
                    await acts.run(
                        call, {"pid": worker.pid, "backend_start": started(server, worker.pid)}
                    )
        await acts.close()
    finally:
        server.execute("DROP SUBSCRIPTION sub", database="subscriber")
        server.execute("DROP PUBLICATION pub", "DROP DATABASE subscriber WITH (FORCE)")

    kinds = {(worker.backend_type or "").split()[0] for worker in workers}
    assert kinds == {"logical", "walsender"}
    assert {worker.protected for worker in workers} == {"replication"}


async def answers_anew(server: postgres.PostgresServer) -> bool:
    """All sessions are dropped and the server takes new ones."""
    try:
        rows = server.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'")
    except psycopg.Error:
        return False
    return rows == [(0,)]


async def test_a_backend_that_crashes_takes_all_sessions_with_it_and_is_told(
    small_pg: postgres.PostgresServer,
) -> None:
    probe, to = registry()[PROBE], target(pg_settings(small_pg))
    async with Crowd(small_pg) as crowd:
        victim = await crowd.open("victim")
        small_pg.execute("CHECKPOINT")  # the private ones commit late: keep their roles
        before = await sessions(small_pg)
        os.kill(victim.info.backend_pid, signal.SIGKILL)
        await until(lambda: answers_anew(small_pg), bool)
        assert probe.since is not None
        after = probe.since(before, await sessions(small_pg))
    seen = judged(Look(to, probe, probe.settings), after)

    assert after.pulse.server.started == before.pulse.server.started
    assert codes(seen) == {"PG_RESTARTED": "high"}
    assert seen.findings[0].summary.startswith("a server process crashed ")
    assert [(change.kind, change.at) for change in seen.changes] == [
        ("postgres.restart", after.pulse.server.born)
    ]


async def test_a_parallel_statement_is_ended_at_its_leader(server: postgres.PostgresServer) -> None:
    """A worker that is ended takes the whole statement along, with an error that names no session."""
    server.execute(
        "CREATE TABLE wide AS SELECT i FROM generate_series(1, 400) AS i",
        "ALTER TABLE wide SET (parallel_workers = 2)",
        "GRANT SELECT ON wide TO app",
    )
    async with Crowd(server) as crowd:
        leader = await crowd.open("report", autocommit=True)
        for name in ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size"):
            await leader.execute(f"SET {name} = 0")
        await leader.execute("SET parallel_leader_participation = off")  # else it takes all pages
        slow = "SELECT count(*) FROM wide WHERE pg_sleep(0.5) IS NOT NULL"
        crowd.tasks.append(asyncio.create_task(leader.execute(slow)))
        seen = await until(
            lambda: sessions(server),
            lambda each: any(one.backend_type == "parallel worker" for one in each.sessions),
        )
        workers = [one for one in seen.sessions if one.backend_type == "parallel worker"]
        own = next(one for one in seen.sessions if one.pid == leader.info.backend_pid)
        acts = await open_postgres_acts(pg_settings(server))
        pid = workers[0].pid
        worker = {"pid": pid, "backend_start": started(server, pid)}
        with pytest.raises(Refused):
            await acts.run("cancel_backend", worker)
        (offered, *_) = offers(own)
        done = await acts.run(offered.call, offered.args)
        await acts.close()
    server.execute("DROP TABLE wide")

    assert [offers(each) for each in workers] == [()] * len(workers)
    assert done["done"]
