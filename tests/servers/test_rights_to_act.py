"""What the plan says of the right to act, and what the server then does: the same, role by role.

The documented grants suffice and none is spare: with one less the plan names that one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cockpit.connect.mysql.acts import open_mysql_acts
from cockpit.connect.postgres.acts import open_postgres_acts
from cockpit.connect.redis.acts import open_redis_acts
from cockpit.connect.session import Right, TellsRights
from cockpit.connect.settings import Login
from cockpit.errors import BlindError, Reason
from cockpit.world.servers import mariadb, postgres, valkey
from tests.servers.private import (
    REDIS_BINARIES,
    Crowd,
    my_settings,
    pg_settings,
    redis_settings,
)

pytestmark = pytest.mark.servers

WORD = "rights-secret-1"


@pytest.fixture(autouse=True)
def word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T_RIGHTS", WORD)


def login(user: str) -> Login:
    return Login(user=user, password="env:T_RIGHTS")


@asynccontextmanager
async def acting(opened: Any) -> AsyncIterator[Any]:
    acts: Any = await opened
    assert isinstance(acts, TellsRights)
    closing: Any = acts
    try:
        yield acts
    finally:
        await closing.close()


async def done(acts: Any, call: str, arguments: dict[str, Any]) -> bool:
    """Whether it was permitted; what else stands in its way is not the question here."""
    try:
        await acts.run(call, arguments)
    except BlindError as error:
        if error.reason is not Reason.DENIED:
            raise
        return False
    return True


@pytest.mark.parametrize(
    ("grants", "held", "grant"),
    [
        pytest.param("pg_monitor, pg_signal_backend", True, "", id="as documented"),
        pytest.param("pg_monitor", False, "GRANT pg_signal_backend TO {me};", id="may not signal"),
        pytest.param("pg_signal_backend", False, "GRANT pg_monitor TO {me};", id="may not see"),
        pytest.param("", False, "GRANT pg_monitor, pg_signal_backend TO {me};", id="may nothing"),
        pytest.param("pg_monitor, app", True, "", id="has the application's rights itself"),
        pytest.param("app", True, "", id="sees the sessions of a role whose rights it has"),
    ],
)
async def test_postgres_tells_who_may_end_a_session(
    pg: postgres.PostgresServer, grants: str, held: bool, grant: str
) -> None:
    me = f"rights_{abs(hash(grants)) % 10**6}"
    pg.execute(f"CREATE ROLE {me} LOGIN PASSWORD '{WORD}'")
    if grants:
        pg.execute(f"GRANT {grants} TO {me}")
    try:
        async with (
            Crowd(pg) as crowd,
            acting(open_postgres_acts(pg_settings(pg, commander=login(me)))) as acts,
        ):
            await crowd.hold("SELECT 1", app=me)
            ((pid, start),) = pg.execute(
                f"SELECT pid, backend_start FROM pg_stat_activity WHERE application_name = '{me}'"
            )
            session = {"pid": pid, "backend_start": start}
            told: Right = await acts.may("terminate_backend", session)
            assert (told.held, told.grant) == (held, grant.format(me=me))
            assert await done(acts, "terminate_backend", session) is held
    finally:
        pg.execute(f"DROP ROLE {me}")


@pytest.mark.parametrize(
    ("call", "arguments", "gives", "grant"),
    [
        pytest.param(
            "resume_replay",
            {},
            "GRANT EXECUTE ON FUNCTION pg_wal_replay_resume() TO {me}",
            "GRANT EXECUTE ON FUNCTION pg_wal_replay_resume() TO {me};  -- on the primary",
            id="replay",
        ),
        pytest.param(
            "drop_slot",
            {"name": "gone", "restart_lsn": "0/0"},
            "ALTER ROLE {me} REPLICATION",
            "ALTER ROLE {me} REPLICATION;",
            id="slots",
        ),
    ],
)
async def test_postgres_tells_rights_over_replication(
    pg: postgres.PostgresServer, call: str, arguments: dict[str, Any], gives: str, grant: str
) -> None:
    me = f"rights_{call}"
    pg.execute(f"CREATE ROLE {me} LOGIN PASSWORD '{WORD}'")
    try:
        async with acting(open_postgres_acts(pg_settings(pg, commander=login(me)))) as acts:
            told = await acts.may(call, arguments)
            assert (told.held, told.grant) == (False, grant.format(me=me))
            pg.execute(gives.format(me=me))
            assert (await acts.may(call, arguments)).held is True
    finally:
        pg.execute(f"DROP OWNED BY {me}", f"DROP ROLE {me}")


async def test_a_superusers_session_is_only_for_superusers(pg: postgres.PostgresServer) -> None:
    pg.execute(f"CREATE ROLE boss SUPERUSER LOGIN PASSWORD '{WORD}'")
    try:
        async with (
            await psycopg.AsyncConnection.connect(pg.dsn("boss", password=WORD)) as victim,
            acting(open_postgres_acts(pg_settings(pg))) as acts,
        ):
            ((pid, start),) = pg.execute(
                "SELECT pid, backend_start FROM pg_stat_activity WHERE usename = 'boss'"
            )
            session = {"pid": pid, "backend_start": start}
            told = await acts.may("terminate_backend", session)
            assert told.held is False
            assert "only a superuser" in told.why
            assert await done(acts, "terminate_backend", session) is False
            assert victim.info.backend_pid == pid
    finally:
        pg.execute("DROP ROLE boss")


@pytest.mark.parametrize(
    ("grants", "held", "missing"),
    [
        pytest.param("PROCESS, CONNECTION ADMIN", True, "", id="as documented"),
        pytest.param("PROCESS", False, "CONNECTION ADMIN", id="may not kill"),
        pytest.param("CONNECTION ADMIN", False, "PROCESS", id="may not see"),
        pytest.param("", False, "PROCESS, CONNECTION ADMIN", id="may nothing"),
    ],
)
async def test_mariadb_tells_who_may_end_a_thread(
    maria: mariadb.MariaDb, grants: str, held: bool, missing: str
) -> None:
    maria.execute("DROP USER IF EXISTS rights@'%'")
    maria.execute(f"CREATE USER rights@'%' IDENTIFIED BY '{WORD}'")
    if grants:
        maria.execute(f"GRANT {grants} ON *.* TO rights@'%'")
    thread = {"id": 1, "user": "app", "host": "127.0.0.1"}
    async with acting(open_mysql_acts(my_settings(maria, commander=login("rights")))) as acts:
        told = await acts.may("kill_connection", thread)
        assert told.held is held
        assert told.grant == (f"GRANT {missing} ON *.* TO `rights`@`%`;" if missing else "")
        own = await acts.may("kill_connection", {**thread, "user": "rights"})
        assert own.held is True
    maria.execute("DROP USER rights@'%'")


@pytest.fixture(params=REDIS_BINARIES)
def redis(request: pytest.FixtureRequest, folder: Path) -> Iterator[valkey.Valkey]:
    running = valkey.start(folder, binary=Path(request.param))
    yield running
    running.stop()


async def test_redis_tells_by_a_dry_run(redis: valkey.Valkey) -> None:
    basis = ("on", f">{WORD}", "-@all", "+ping", "+client|setname", "+acl|whoami", "+client|list")
    redis.send("ACL", "SETUSER", "rights", *basis, "+client|kill", "+acl|dryrun")
    settings = redis_settings(redis, commander=login("rights"))
    async with acting(open_redis_acts(settings)) as acts:
        assert (await acts.may("client_kill", {"id": 7})).held is True
        told = await acts.may("script_kill", {})
        assert (told.held, told.grant) == (False, "ACL SETUSER rights +script|kill")
        redis.send("ACL", "SETUSER", "rights", "-acl|dryrun")
        told = await acts.may("client_kill", {"id": 7})
        assert told.held is None
        assert "does not tell" in told.why
