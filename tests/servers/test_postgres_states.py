"""Real states of a PostgreSQL that need a scene of their own."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cockpit.connect.postgres.acts import open_postgres_acts
from cockpit.triage.engine import Look, judged
from cockpit.triage.finding import Thresholds
from cockpit.triage.probe import Seen
from cockpit.triage.registry import registry
from cockpit.world.servers import postgres
from probes.postgres.sessions import Settings
from tests.servers.private import (
    Crowd,
    codes,
    look,
    pg_settings,
    session_for,
    target,
    trouble,
    until,
)

pytestmark = pytest.mark.servers

UPDATE = "UPDATE orders SET status = 'paid' WHERE id = 7"


@pytest.mark.parametrize(
    ("cause", "undo", "code"),
    [
        pytest.param(
            "ALTER DATABASE template1 CONNECTION LIMIT 0",
            "ALTER DATABASE template1 CONNECTION LIMIT -1",
            "PG_CONN_DB_LIMIT",
            id="a limit of the database's own",
        ),
        pytest.param(
            "ALTER ROLE plain NOLOGIN", "ALTER ROLE plain LOGIN", "PG_CONN_HBA",
            id="a role that may not log in",
        ),
    ],
)  # fmt: skip
async def test_a_door_that_is_shut_for_us_alone_is_no_full_server(
    pg: postgres.PostgresServer, cause: str, undo: str, code: str
) -> None:
    pg.execute(cause)
    try:
        error = await trouble(
            pg_settings(pg, user="plain", password="env:T_PLAIN", database="template1")
        )
    finally:
        pg.execute(undo)

    assert (error.code, error.severity) == (code, "high")


async def test_a_client_that_takes_more_than_half_of_all_is_named(
    pg: postgres.PostgresServer,
) -> None:
    async with Crowd(pg) as crowd:
        for _ in range(30):
            await crowd.open("greedy", autocommit=True)
        seen = await look("postgres.sessions", pg_settings(pg))

    found = next(f for f in seen.findings if f.code == "PG_SAT_ONE_CLIENT")
    assert (found.severity.value, found.subject) == ("info", "greedy from 127.0.0.1")
    assert "30 of 60" in found.summary


async def test_a_transaction_that_works_for_long_is_told_from_one_that_idles(
    pg: postgres.PostgresServer,
) -> None:
    strict = Settings(long_transaction=Thresholds(warning=0.05), long_query=Thresholds(high=600))
    async with Crowd(pg) as crowd:
        batch = await crowd.hold(UPDATE, app="batch")
        crowd.tasks.append(asyncio.create_task(batch.execute("SELECT pg_sleep(60)")))
        seen = await until(lambda: judge(pg_settings(pg), strict), lambda seen: bool(codes(seen)))

    assert codes(seen) == {"PG_SESS_LONG_XACT": "warning"}


async def judge(settings: Any, thresholds: Settings) -> Seen:
    probe, to = registry()["postgres.sessions"], target(settings)
    async with session_for(settings) as session:
        return judged(Look(to, probe, thresholds), await probe.collect(session, to))


async def test_a_standby_that_is_promoted_while_we_look_changed_its_role(
    small_pg: postgres.PostgresServer, folder: Path
) -> None:
    folder.chmod(0o755)
    standby = postgres.start_standby(folder / "s", small_pg, settings={"max_connections": 12})
    probe = registry()["postgres.sessions"]
    to = target(replace(pg_settings(standby), expects="reader"))
    try:
        async with session_for(to.settings) as session:
            before = await probe.collect(session, to)
            standby.execute("SELECT pg_promote(true, 60)")
            assert probe.since is not None
            after = probe.since(before, await probe.collect(session, to))
    finally:
        standby.stop()
    first, then = (judged(Look(to, probe, probe.settings), each) for each in (before, after))

    assert codes(first) == {}
    assert codes(then) == {"PG_ROLE_CHANGED": "high", "PG_ROLE_WRONG": "high"}
    assert [change.kind for change in then.changes] == ["postgres.role"]


async def test_a_session_that_does_not_die_is_accepted_but_still_there(
    pg: postgres.PostgresServer,
) -> None:
    acts = await open_postgres_acts(pg_settings(pg))
    async with Crowd(pg) as crowd:
        victim = await crowd.hold(UPDATE, app="stuck")
        pid = victim.info.backend_pid
        ((start,),) = pg.execute(f"SELECT backend_start FROM pg_stat_activity WHERE pid = {pid}")
        os.kill(pid, signal.SIGSTOP)
        try:
            done = await acts.run("terminate_backend", {"pid": pid, "backend_start": start})
        finally:
            os.kill(pid, signal.SIGCONT)
    await acts.close()

    assert done["done"] is False
    assert "still there" in str(done["detail"])
