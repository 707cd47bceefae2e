"""The rights that docs/rights.md names suffice for every step of every shipped runbook, and with any
one of them less the plan says which, in a line to paste.

That they suffice is carried out by the kits (`promised_*.py`, `test_runbooks_followed.py`): their
logins have exactly these. Here are the steps that no situation of theirs reaches.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cockpit.connect.mysql.acts import open_mysql_acts
from cockpit.connect.postgres.acts import open_postgres_acts
from cockpit.connect.redis.acts import open_redis_acts
from cockpit.connect.session import TellsRights
from cockpit.connect.settings import Login
from cockpit.connect.statements import STATEMENTS, Statement
from cockpit.errors import BlindError, Reason, Refused
from cockpit.runbooks.library import library
from cockpit.runbooks.step import StepKind
from cockpit.world.servers import mariadb, postgres, valkey
from tests.servers.documented import (
    mysql_rights,
    postgres_rights,
    redis_commander,
)
from tests.servers.private import (
    REDIS_BINARIES,
    my_settings,
    pg_settings,
    redis_logins,
    redis_settings,
    redis_users,
    session_for,
    until,
)
from tests.servers.promised_mysql import ROWS, TOLD, UNSEEN
from tests.servers.promised_postgres import COMMITS, LOCKS, STANDBYS
from tests.servers.promised_redis import BUFFERS
from tests.servers.promised_sessions import QUEUES, SESSIONS, VACUUM

pytestmark = pytest.mark.servers

WORD = "rights-secret-1"
WHOM: dict[str, Any] = {
    "cancel_backend": {"pid": 1, "backend_start": "2026-01-01T00:00:00Z"},
    "terminate_backend": {"pid": 1, "backend_start": "2026-01-01T00:00:00Z"},
    "terminate_idle_of_client": {
        "user": "app", "application": "a", "older_than_s": 60, "most": 1,
    },
    "drop_slot": {"name": "gone", "restart_lsn": "0/0"},
    "kill_query": {"id": 1, "user": "app", "host": "127.0.0.1"},
    "kill_connection": {"id": 1, "user": "app", "host": "127.0.0.1"},
    "kill_idle_of_user": {"user": "app", "older_than_s": 60, "most": 1},
    "client_kill": {"id": 1},
    "set_maxmemory": {"bytes": 0},
    "set_maxmemory_policy": {"policy": "noeviction"},
}  # fmt: skip
"""Statement → what it would be run on, if it takes anything."""


def changing(engine: str) -> list[Statement]:
    return [each for each in STATEMENTS.values() if each.engine == engine and each.risk != "read"]


@pytest.fixture(autouse=True)
def word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T_RIGHTS", WORD)


LOGIN = Login(user="less", password="env:T_RIGHTS")


@asynccontextmanager
async def acting(opened: Any) -> AsyncIterator[TellsRights]:
    acts: Any = await opened
    try:
        yield acts
    finally:
        await acts.close()


def each_less(known: Statement) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Nothing less, and each right less; with what is left."""
    yield "", known.needs
    for right in known.needs:
        yield right, tuple(each for each in known.needs if each != right)


def check(told: Any, known: Statement, missing: str) -> None:
    said = f"{known.name} without {missing or 'nothing'}: {told}"
    assert told.held is (not missing), said
    others = [each for each in known.needs if each != missing]
    assert missing in told.grant, said
    assert not [each for each in others if missing and each in told.grant], said


async def test_postgres_names_the_one_that_is_missing(pg: postgres.PostgresServer) -> None:
    for known in changing("postgres"):
        for missing, left in each_less(known):
            pg.execute(f"CREATE ROLE less LOGIN PASSWORD '{WORD}'", *postgres_rights("less", left))
            try:
                async with acting(open_postgres_acts(pg_settings(pg, commander=LOGIN))) as acts:
                    if known.needs:
                        check(await acts.may(known.name, WHOM.get(known.name, {})), known, missing)
            finally:
                pg.execute("DROP OWNED BY less", "DROP ROLE less")


async def test_mariadb_names_the_one_that_is_missing(maria: mariadb.MariaDb) -> None:
    for known in changing("mysql"):
        for missing, left in each_less(known):
            maria.execute(
                f"CREATE OR REPLACE USER less@'%' IDENTIFIED BY '{WORD}'",
                *mysql_rights("less", left),
            )
            async with acting(open_mysql_acts(my_settings(maria, commander=LOGIN))) as acts:
                check(await acts.may(known.name, WHOM.get(known.name, {})), known, missing)
    maria.execute("DROP USER less@'%'")


@pytest.fixture(scope="module", params=REDIS_BINARIES)
def redis(request: pytest.FixtureRequest, base: Path) -> Iterator[valkey.Valkey]:
    running = valkey.start(Path(tempfile.mkdtemp(dir=base)), binary=Path(request.param))
    yield running
    running.stop()


async def test_redis_names_the_one_that_is_missing(redis: valkey.Valkey) -> None:
    for known in changing("redis"):
        for missing, _ in each_less(known):
            redis.send(*redis_commander("less", WORD, known.name))
            if missing:
                redis.send("ACL", "SETUSER", "less", f"-{missing}")
            async with acting(open_redis_acts(redis_settings(redis, commander=LOGIN))) as acts:
                check(await acts.may(known.name, WHOM.get(known.name, {})), known, missing)


async def test_a_step_that_only_looks_does_so_as_the_documented_observer(
    redis: valkey.Valkey,
) -> None:
    redis_users(redis)
    async with session_for(redis_logins(redis)) as session:
        for known in STATEMENTS.values():
            if known.engine == "redis" and known.risk == "read":
                await session.command(*known.words)
                redis.send("ACL", "SETUSER", "ro", f"-{known.needs[0]}")
                with pytest.raises(BlindError) as caught:
                    await session.command(*known.words)
                redis_users(redis)
                assert caught.value.reason is Reason.DENIED
                assert f"+{known.needs[0]} " in caught.value.hint


async def test_who_may_not_see_the_states_of_others_is_not_told_that_nobody_is_idle(
    pg: postgres.PostgresServer,
) -> None:
    pg.execute(f"CREATE ROLE less LOGIN PASSWORD '{WORD}'")
    try:
        async with acting(open_postgres_acts(pg_settings(pg, commander=LOGIN))) as opened:
            acts: Any = opened
            for call in ("idle_of_client", "connections_by_client"):
                whom = WHOM["terminate_idle_of_client"] if call == "idle_of_client" else {}
                with pytest.raises(BlindError) as caught:
                    await acts.run(call, whom)
                assert caught.value.reason is Reason.DENIED
                assert caught.value.hint.startswith("GRANT pg_monitor TO")
                pg.execute(*postgres_rights("less", STATEMENTS[call].needs))
                assert (await acts.run(call, whom))["done"] is True
                pg.execute("REVOKE pg_monitor FROM less")
    finally:
        pg.execute("DROP ROLE less")


async def test_the_function_that_holds_the_thread_is_ended_with_its_right_alone(
    redis: valkey.Valkey,
) -> None:
    redis.send(*redis_commander("less", WORD, "function_kill"))
    redis.send("CONFIG", "SET", "busy-reply-threshold", "100")
    loops = "redis.register_function('loops', function() while true do end end)"
    redis.send("FUNCTION", "LOAD", "REPLACE", f"#!lua name=test\n{loops}")
    with socket.create_connection(("127.0.0.1", redis.port), 30) as wire:
        wire.sendall(b"FCALL loops 0\r\n")

        async def busy() -> bool:
            return b"BUSY" in redis.send("PING")

        await until(busy, lambda is_so: is_so)
        async with acting(open_redis_acts(redis_settings(redis, commander=LOGIN))) as opened:
            acts: Any = opened
            assert (await acts.run("function_kill", {}))["done"] is True
            with pytest.raises(Refused, match="ended by itself"):
                await acts.run("function_kill", {})
        assert b"killed by user" in await asyncio.to_thread(wire.recv, 1000)


FOLLOWED = {
    "redis-failover.abort", "cache-refuses.script", "cache-refuses.unpause",
    "cache-refuses.unpause_untold", "database-connections.long_idle", "mysql-replication.start",
    "mysql-long-queries.cancel", "pg-disk.drop", "pg-load.cancel", "pgbouncer.enable",
    "pgbouncer.resume",
}  # fmt: skip
"""In test_runbooks_followed.py and test_runbooks_caches.py, in test_pgbouncer.py as the one user of admin_users, or on the way to a step that is carried out by the kit."""
ALIKE = {"pg-wraparound.drop": "pg-disk.drop"}
HERE = {
    "cache-failover.slow", "cache-refuses.function", "redis-memory.doctor",
    "redis-slow-commands.slow",
}  # fmt: skip


def test_every_step_of_every_shipped_runbook_is_carried_out_with_the_documented_rights() -> None:
    kits = (*ROWS, *TOLD, *UNSEEN, *COMMITS, *LOCKS, *STANDBYS, *BUFFERS, *QUEUES, *SESSIONS)
    kept = {name.split()[0] for each in (*kits, *VACUUM) for name in each.offered if "." in name}
    steps = {
        f"{runbook.id}.{step.id}": step
        for runbook in library().runbooks
        for step in runbook.steps
        if step.kind in {StepKind.SQL, StepKind.REDIS}
    }
    assert steps.keys() - kept - FOLLOWED - HERE - ALIKE.keys() == set()
    assert all(steps[one].does == steps[like].does for one, like in ALIKE.items())
    for name, step in steps.items():
        assert STATEMENTS[step.does].needs or step.does == "rollback_prepared", name
