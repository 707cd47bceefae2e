"""More situations of PostgreSQL: queues whose end is not known, sessions, and what holds vacuum."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from cockpit.connect.settings import Login
from cockpit.triage.finding import Thresholds
from cockpit.world.servers import postgres
from probes.postgres.maintenance import Settings as MaintenanceSettings
from probes.postgres.replication import Settings as ReplicationSettings
from probes.postgres.sessions import Settings as SessionSettings
from tests.servers.private import Crowd, pg_settings, target, waiting
from tests.servers.promised_postgres import AT_ONCE, ROW, crowded, scene, states
from tests.servers.promises import Provoked, Situation

SOON = Thresholds(warning=0.001)
FOREVER = "SELECT pg_sleep(300)"
KEY = "SELECT pg_advisory_lock(5)"


async def _each_in_a_transaction(crowd: Crowd) -> None:
    await crowd.hold(ROW, app="worker")
    for number, app in enumerate(("first", "second", "third"), start=1):
        await crowd.wait(ROW, app=app)
        await waiting(crowd.server, number)


async def _two_hold_it(crowd: Crowd) -> None:
    await crowd.hold("LOCK TABLE orders IN SHARE MODE", app="indexer")
    await crowd.hold("LOCK TABLE orders IN SHARE MODE", app="indexer")
    await crowd.wait(ROW, app="writer", autocommit=True)
    await waiting(crowd.server, 1)


async def _behind_an_advisory_lock(crowd: Crowd) -> None:
    holder = await crowd.open("leader", autocommit=True)
    await holder.execute(KEY)
    crowd.send(holder, FOREVER, app="leader")
    await states(crowd.server, "PgSleep")
    await crowd.wait(KEY, app="follower", autocommit=True)
    await waiting(crowd.server, 1)


async def _behind_one_statement(crowd: Crowd) -> None:
    await crowd.wait(f"{ROW}; {FOREVER}", app="batch", autocommit=True)
    await states(crowd.server, "PgSleep")
    await crowd.wait(ROW, app="shop", autocommit=True)
    await waiting(crowd.server, 1)


async def _behind_a_savepoint(crowd: Crowd) -> None:
    careful = await crowd.hold(ROW, "SAVEPOINT before_it", app="careful")
    crowd.send(careful, FOREVER, app="careful")
    await states(crowd.server, "PgSleep")
    await crowd.wait(ROW, app="shop", autocommit=True)
    await waiting(crowd.server, 1)


async def _forgotten(crowd: Crowd) -> None:
    await crowd.hold(ROW, app="forgotten")


async def _report(crowd: Crowd) -> None:
    await crowd.wait(FOREVER, app="report", autocommit=True)
    await states(crowd.server, "PgSleep")


async def _leak(crowd: Crowd) -> None:
    for _ in range(3):
        await crowd.open("leaky", autocommit=True)


async def _old_snapshot(crowd: Crowd) -> None:
    await crowd.hold("BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1 FROM orders", app="old")


@asynccontextmanager
async def _slot_of_nobody(server: postgres.PostgresServer) -> AsyncIterator[Provoked]:
    server.execute("SELECT pg_create_physical_replication_slot('gone', true)")
    keeper = Login(user="keeper", password="env:T_ACT")
    try:
        yield _alone(server, commander=keeper)
    finally:
        server.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")


@asynccontextmanager
async def _prepared_by_the_commander(server: postgres.PostgresServer) -> AsyncIterator[Provoked]:
    async with Crowd(server, "act") as crowd:
        await crowd.hold("SELECT pg_current_xact_id()", "PREPARE TRANSACTION 'lost'", app="manager")
    try:
        yield _alone(server)
    finally:
        if server.execute("SELECT FROM pg_prepared_xacts"):
            server.execute("ROLLBACK PREPARED 'lost'")


def _alone(server: postgres.PostgresServer, **settings: Any) -> Provoked:
    return Provoked(targets=(target(pg_settings(server, **settings)),), seen=lambda: scene(server))


_queue = Situation(
    id="",
    probe="postgres.locks",
    codes=("PG_LOCK_BLOCKED",),
    provoke=crowded(_two_hold_it),
    settings=AT_ONCE,
    offered=frozenset(),
)
_sessions = replace(_queue, probe="postgres.sessions")


def _of(name: str, *others: str) -> frozenset[str]:
    return frozenset({f"cancel_backend {name}", f"terminate_backend {name}", *others})


QUEUES = (
    replace(
        _queue,
        id="each who wants the row is in a transaction of its own",
        provoke=crowded(_each_in_a_transaction),
        offered=_of("first", "terminate_backend worker", "database-connections.terminate worker"),
    ),
    replace(
        _queue,
        id="two hold the table, and the end of one releases nobody",
        provoke=crowded(_two_hold_it),
        offered=_of("writer", "terminate_backend indexer"),
    ),
    replace(
        _queue,
        id="a running statement's session holds an advisory lock",
        provoke=crowded(_behind_an_advisory_lock),
        offered=_of("leader", *_of("follower"), "database-connections.terminate leader"),
    ),
    replace(
        _queue,
        id="one statement is the whole transaction at the head",
        provoke=crowded(_behind_one_statement),
        offered=_of(
            "batch",
            *_of("shop"),
            "database-connections.cancel batch",
            "database-connections.terminate batch",
        ),
    ),
    replace(
        _queue,
        id="a savepoint keeps the lock of the statement at the head",
        provoke=crowded(_behind_a_savepoint),
        offered=_of("careful", *_of("shop"), "database-connections.terminate careful"),
    ),
)
SESSIONS = (
    replace(
        _sessions,
        id="a forgotten transaction that holds nobody up",
        codes=("PG_SESS_IDLE_TX",),
        provoke=crowded(_forgotten),
        settings={"postgres.sessions": SessionSettings(idle_in_transaction=SOON)},
        offered=frozenset({"terminate_backend forgotten"}),
    ),
    replace(
        _sessions,
        id="a statement that runs for long",
        codes=("PG_SESS_LONG_QUERY",),
        provoke=crowded(_report),
        settings={"postgres.sessions": SessionSettings(long_query=SOON)},
        offered=_of("report", "database-connections.stop report"),
    ),
    replace(
        _sessions,
        id="an application that leaks connections",
        codes=("PG_SAT_ONE_CLIENT",),
        provoke=crowded(_leak),
        settings={"postgres.sessions": SessionSettings(one_client=0.04)},
        answers={"age": "0"},
        offered=frozenset({"terminate_backend leaky", "database-connections.free"}),
    ),
)
VACUUM = (
    Situation(
        id="an old snapshot of this database",
        probe="postgres.maintenance",
        codes=("PG_XID_HORIZON",),
        provoke=crowded(_old_snapshot),
        settings={"postgres.maintenance": MaintenanceSettings(horizon_held=SOON)},
        offered=frozenset({"terminate_backend old", "pg-wraparound.terminate old"}),
    ),
    Situation(
        id="a prepared transaction that nobody ends",
        probe="postgres.maintenance",
        codes=("PG_XID_HORIZON",),
        provoke=_prepared_by_the_commander,
        settings={"postgres.maintenance": MaintenanceSettings(horizon_held=SOON)},
        offered=frozenset({"rollback_prepared lost", "pg-wraparound.rollback lost"}),
    ),
    Situation(
        id="a slot that nobody reads",
        probe="postgres.replication",
        codes=("PG_SLOT_RETAIN",),
        provoke=_slot_of_nobody,
        settings={"postgres.replication": ReplicationSettings(slot_retained=SOON)},
        offered=frozenset({"pg-disk.drop gone"}),
    ),
)
