"""Situations of PostgreSQL in which something is offered, and how its server tells what became."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from cockpit.triage.finding import Thresholds
from cockpit.world.servers import postgres
from probes.postgres.locks import Settings as LockSettings
from tests.servers.private import Crowd, pg_settings, target, waiting
from tests.servers.promises import Party, Provoked, Scene, Situation, Thing

AT_ONCE = {"postgres.locks": LockSettings(waited=Thresholds(warning=0.001, high=30))}
_PARTIES = """
SELECT pid, application_name, state, query_start, state_change, backend_xid IS NOT NULL,
       CASE WHEN wait_event = 'SyncRep' THEN '{0}' WHEN wait_event_type = 'Lock'
            THEN pg_blocking_pids(pid) ELSE '{}' END
  FROM pg_stat_activity WHERE usename = 'app'
"""
_THINGS = """
SELECT 'slot ' || slot_name, 'there', '\\mslot\\M' FROM pg_replication_slots
UNION ALL SELECT 'prepared ' || gid, 'there', 'prepared' FROM pg_prepared_xacts
UNION ALL SELECT 'the server', CASE WHEN pg_is_in_recovery()
     THEN CASE WHEN pg_is_wal_replay_paused() THEN 'paused' ELSE 'replays' END
     ELSE 'primary' END, 'promote|replays? on'
"""


def scene(server: postgres.PostgresServer) -> Scene:
    """All sessions of applications, what they wait for, and what else could be lost."""
    parties = {
        pid: Party(
            name=name,
            doing=(state, began, changed),
            waits_for=frozenset(blockers),
            written=written,
            aborted=(state or "").endswith("(aborted)"),
        )
        for pid, name, state, began, changed, written, blockers in server.execute(_PARTIES)
    }
    things = {name: Thing(state, named) for name, state, named in server.execute(_THINGS)}
    return Scene(parties=parties, things=things)


def crowded(
    act: Callable[[Crowd], Awaitable[None]],
) -> Callable[[postgres.PostgresServer], AbstractAsyncContextManager[Provoked]]:
    """A situation that applications alone bring about."""

    @asynccontextmanager
    async def provoked(server: postgres.PostgresServer) -> AsyncIterator[Provoked]:
        async with Crowd(server) as crowd:
            await act(crowd)
            yield Provoked(
                targets=(target(pg_settings(server)),),
                seen=lambda: scene(server),
                said=crowd.said,
            )

    return provoked


ROW = "UPDATE orders SET status = 'paid' WHERE id = 7"


async def _two_wait_for_a_forgotten_transaction(crowd: Crowd) -> None:
    await crowd.hold(ROW, app="worker")
    await crowd.wait(ROW, app="first", autocommit=True)
    await waiting(crowd.server, 1)
    await crowd.wait(ROW, app="second", autocommit=True)
    await waiting(crowd.server, 2)


async def _readers_behind_a_migration(crowd: Crowd) -> None:
    await crowd.hold("SELECT count(*) FROM orders", app="reporting")
    await crowd.wait("ALTER TABLE orders ADD COLUMN extra int", app="migrate")
    await waiting(crowd.server, 1)
    await crowd.wait("SELECT count(*) FROM orders", app="first")
    await crowd.wait("SELECT count(*) FROM orders", app="second")
    await waiting(crowd.server, 3)


LOCKS = (
    Situation(
        id="two wait for a forgotten transaction",
        probe="postgres.locks",
        codes=("PG_LOCK_BLOCKED",),
        provoke=crowded(_two_wait_for_a_forgotten_transaction),
        settings=AT_ONCE,
        offered=frozenset(
            {
                "terminate_backend worker",
                "cancel_backend first",
                "terminate_backend first",
                "cancel_backend second",
                "terminate_backend second",
                "database-connections.terminate worker",
            }
        ),
    ),
    Situation(
        id="readers queue behind a migration behind a reader",
        probe="postgres.locks",
        codes=("PG_LOCK_BLOCKED", "PG_LOCK_DDL_QUEUE"),
        provoke=crowded(_readers_behind_a_migration),
        settings=AT_ONCE,
        offered=frozenset(
            {
                "cancel_backend migrate",
                "terminate_backend migrate",
                "terminate_backend reporting",
                "database-connections.cancel migrate",
                "database-connections.terminate reporting",
            }
        ),
    ),
)
