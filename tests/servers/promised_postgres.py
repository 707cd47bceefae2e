"""Situations of PostgreSQL in which something is offered, and how its server tells what became."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import replace

from cockpit.triage.finding import Thresholds
from cockpit.triage.target import Target
from cockpit.world.servers import postgres
from probes.postgres.locks import Settings as LockSettings
from probes.postgres.sessions import Settings as SessionSettings
from tests.patience import eventually
from tests.servers.private import Crowd, pg_settings, target, until, waiting
from tests.servers.promises import Party, Provoked, Scene, Situation, Thing

AT_ONCE = {"postgres.locks": LockSettings(waited=Thresholds(warning=0.001, high=30))}
_PARTIES = """
SELECT pid, coalesce(nullif(application_name, ''), backend_type), state, query_start, state_change, backend_xid IS NOT NULL,
       CASE WHEN wait_event = 'SyncRep' THEN '{0}' WHEN wait_event_type <> 'Lock' THEN '{}'
            WHEN backend_type = 'startup' THEN '{0}' ELSE pg_blocking_pids(pid) END
  FROM pg_stat_activity WHERE usename = 'app' OR backend_type = 'startup'
"""
_THINGS = """
SELECT 'slot ' || slot_name, 'there', 'slot' FROM pg_replication_slots
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
            waits_for=frozenset(blockers or ()),
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


async def states(server: postgres.PostgresServer, wait_event: str, number: int = 1) -> None:
    """Until so many sessions of applications wait for that."""
    sql = f"SELECT count(*) FROM pg_stat_activity WHERE wait_event = '{wait_event}'"

    async def ask() -> int:
        return int(server.execute(sql)[0][0])

    await until(ask, lambda there: there >= number)


@contextmanager
def demanding(
    server: postgres.PostgresServer, names: str, *, all_ask: bool = True
) -> Iterator[None]:
    """Commits that ask for it wait for standbys of these names; `all_ask`: by default they do."""
    wanted = "SELECT current_setting('synchronous_standby_names')"

    def set_to(value: str) -> None:
        server.execute(
            f"ALTER SYSTEM SET synchronous_standby_names = '{value}'", "SELECT pg_reload_conf()"
        )
        eventually(lambda: server.execute(wanted) == [(value,)])

    if all_ask:
        server.execute("ALTER DATABASE postgres SET synchronous_commit = on")
    set_to(names)
    try:
        yield
    finally:
        set_to("")
        server.execute("ALTER DATABASE postgres RESET synchronous_commit")


async def commits(crowd: Crowd, statement: str, *, app: str) -> None:
    """Send a statement whose commit waits for a synchronous standby, as its session wants it."""
    connection = await crowd.open(app, autocommit=True)
    await connection.execute("SET synchronous_commit = on")
    crowd.send(connection, statement, app=app)


Pair = tuple[postgres.PostgresServer, postgres.PostgresServer]
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


def of_both(
    primary: postgres.PostgresServer, standby: postgres.PostgresServer
) -> tuple[Target, ...]:
    """A standby and its primary as two targets; nothing says which is whose."""
    named = {"orders": primary, "standby": standby}
    return tuple(replace(target(pg_settings(server)), name=name) for name, server in named.items())


@asynccontextmanager
async def _paused_by_a_person(pair: Pair) -> AsyncIterator[Provoked]:
    primary, standby = pair
    primary.execute("CREATE TABLE IF NOT EXISTS seen ()", "DROP TABLE seen")
    ((written,),) = primary.execute("SELECT pg_current_wal_flush_lsn()")
    replayed = f"SELECT pg_last_wal_replay_lsn() >= '{written}'"
    await until(lambda: _asked(standby, replayed), lambda rows: rows == [(True,)])
    standby.execute("SELECT pg_wal_replay_pause()")
    is_paused = "SELECT pg_is_wal_replay_paused()"
    await until(lambda: _asked(standby, is_paused), lambda rows: rows == [(True,)])
    try:
        yield Provoked(targets=of_both(primary, standby), seen=lambda: scene(standby))
    finally:
        standby.execute("SELECT pg_wal_replay_resume()")


@asynccontextmanager
async def _paused_and_alone(pair: Pair) -> AsyncIterator[Provoked]:
    async with _paused_by_a_person(pair) as provoked:
        yield replace(provoked, targets=provoked.targets[1:])


async def _asked(server: postgres.PostgresServer, sql: str) -> list[tuple[object, ...]]:
    return server.execute(sql)


@asynccontextmanager
async def _locked_at_the_primary(pair: Pair) -> AsyncIterator[Provoked]:
    primary, standby = pair
    async with Crowd(primary) as there, Crowd(standby) as here:
        await there.hold("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE", app="migrate")
        primary.execute("CHECKPOINT")  # nothing else writes the WAL out here for some seconds
        held = (
            "SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid) WHERE "
            "a.backend_type = 'startup' AND l.granted AND l.mode = 'AccessExclusiveLock'"
        )
        await until(lambda: _asked(standby, held), lambda rows: rows != [(0,)])
        for app in ("first", "second"):
            await here.wait("SELECT count(*) FROM orders", app=app, autocommit=True)
        await waiting(standby, 2)
        yield Provoked(
            targets=of_both(primary, standby),
            seen=lambda: both_scenes(primary, standby),
            said=lambda app: there.said(app) or here.said(app),
        )


@asynccontextmanager
async def _recovery_waits_for_a_reader(pair: Pair) -> AsyncIterator[Provoked]:
    primary, standby = pair
    async with Crowd(primary) as there, Crowd(standby) as here:
        snapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ"
        await here.hold(snapshot, "SELECT count(*) FROM orders", app="report")
        await there.hold("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE", app="migrate")
        primary.execute("CHECKPOINT")
        await waiting(standby, 1)
        await here.wait("SELECT count(*) FROM orders", app="reader", autocommit=True)
        await waiting(standby, 2)
        yield Provoked(
            targets=of_both(primary, standby),
            seen=lambda: both_scenes(primary, standby),
            said=lambda app: there.said(app) or here.said(app),
        )


def both_scenes(primary: postgres.PostgresServer, standby: postgres.PostgresServer) -> Scene:
    """The sessions of both: they run on one machine, so no number is there twice."""
    scenes = {"primary": scene(primary), "standby": scene(standby)}
    return Scene(
        parties={key: party for each in scenes.values() for key, party in each.parties.items()},
        things={
            f"{what} of the {name}": thing
            for name, each in scenes.items()
            for what, thing in each.things.items()
        },
    )


STANDBYS = (
    Situation(
        id="recovery waits for a reader here, and others queue behind it",
        probe="postgres.locks",
        codes=("PG_LOCK_BLOCKED", "PG_LOCK_DDL_QUEUE"),
        provoke=_recovery_waits_for_a_reader,
        settings=AT_ONCE,
        at="standby",
        offered=frozenset(
            {
                "terminate_backend report",
                "cancel_backend reader",
                "terminate_backend reader",
                "database-connections.terminate report",
            }
        ),
    ),
    Situation(
        id="a session of the primary holds the table for itself, and recovery here",
        probe="postgres.locks",
        codes=("PG_LOCK_BLOCKED",),
        provoke=_locked_at_the_primary,
        settings=AT_ONCE,
        at="standby",
        offered=frozenset({"terminate_backend migrate"}),
    ),
    Situation(
        id="a person paused replay, and the primary tells that no setting did",
        probe="postgres.replication",
        codes=("PG_REPL_APPLY_STALLED",),
        provoke=_paused_by_a_person,
        at="standby",
        offered=frozenset({"resume_replay", "database-replication.resume"}),
    ),
    Situation(
        id="replay is paused, and nobody can tell by whom",
        probe="postgres.replication",
        codes=("PG_REPL_APPLY_STALLED",),
        provoke=_paused_and_alone,
        at="standby",
        offered=frozenset({"resume_replay", "database-replication.resume"}),
    ),
)
"""Of a primary and its standby."""


async def _commit_waits(crowd: Crowd) -> None:
    await commits(crowd, ROW, app="checkout")
    await states(crowd.server, "SyncRep")


async def _notifiers_behind_a_commit(crowd: Crowd) -> None:
    await commits(crowd, f"{ROW}; NOTIFY paid", app="checkout")
    await states(crowd.server, "SyncRep")
    other = ROW.replace("7", "8")
    await crowd.wait(f"{other}; NOTIFY paid", app="second", autocommit=True)
    await waiting(crowd.server, 1)


COMMITS = (
    Situation(
        id="a commit waits for a standby that is gone",
        probe="postgres.replication",
        codes=("PG_REPL_SYNC_WAIT",),
        provoke=crowded(_commit_waits),
        offered=frozenset(),
    ),
    Situation(
        id="the session of such a commit",
        probe="postgres.sessions",
        codes=(),
        provoke=crowded(_commit_waits),
        settings={"postgres.sessions": SessionSettings(long_query=Thresholds(warning=0.001))},
        offered=frozenset(),
    ),
    Situation(
        id="those who notify queue behind such a commit",
        probe="postgres.locks",
        codes=("PG_LOCK_BLOCKED",),
        provoke=crowded(_notifiers_behind_a_commit),
        settings=AT_ONCE,
        offered=frozenset({"cancel_backend second", "terminate_backend second"}),
    ),
)
"""With commits that wait for standbys which do not follow."""


async def _build_waits(crowd: Crowd) -> None:
    crowd.server.execute("GRANT CREATE ON SCHEMA public TO app", "DROP INDEX IF EXISTS built")
    await crowd.hold("BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1 FROM orders", app="old")
    build = "CREATE INDEX CONCURRENTLY built ON orders (status)"
    await crowd.wait(build, app="build", autocommit=True)
    await waiting(crowd.server, 1)


LOCKS = (
    Situation(
        id="an index build waits for an old transaction and holds nobody up",
        probe="postgres.locks",
        codes=("PG_LOCK_BLOCKED",),
        provoke=crowded(_build_waits),
        settings=AT_ONCE,
        offered=frozenset(
            {
                "terminate_backend old",
                "cancel_backend build",
                "terminate_backend build",
            }
        ),
    ),
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
