"""What happens to a PostgreSQL, for real, while an engine looks at it: hung, dead, dead in the
middle of an answer, full, its password rotated, our rights revoked. The target beside it is seen.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cockpit.connect.settings import Login
from cockpit.errors import BlindError
from cockpit.triage.engine import Look, judged
from cockpit.triage.probe import Blind, Fact, Seen
from cockpit.triage.registry import registry
from cockpit.world.servers import postgres
from probes.postgres.statements_model import PostgresStatements
from tests.servers import fresh
from tests.servers.faults import BreakingWire, Watch, told
from tests.servers.private import (
    SUPER,
    Crowd,
    pg_settings,
    postgres_roles,
    session_for,
    target,
    trouble,
    waiting,
)

pytestmark = pytest.mark.servers

UPDATE = "UPDATE orders SET status = 'paid' WHERE id = 7"
PROBES = sorted(probe.id for probe in registry().values() if probe.kind == "postgres")


def watch(ill: Any, well: postgres.PostgresServer, **changed: object) -> Watch:
    return Watch(pg_settings(ill, **changed), pg_settings(well))


async def test_a_postmaster_that_hangs_is_mute_to_who_comes_and_not_to_who_is_in(
    small_pg: postgres.PostgresServer, pg: postgres.PostgresServer
) -> None:
    async with watch(small_pg, pg) as is_in, watch(small_pg, pg) as comes:
        await is_in.look()
        small_pg.pause()
        try:
            outside, inside = await asyncio.gather(comes.look(), is_in.look())
        finally:
            small_pg.resume()

    assert told(outside) == {"PG_CONN_MUTE"}
    assert all(isinstance(reading.outcome, Seen) for reading in inside)


async def test_a_backend_of_ours_that_hangs_costs_looks_and_is_no_dead_server(
    small_pg: postgres.PostgresServer, pg: postgres.PostgresServer
) -> None:
    """Then the whole server hangs: that is told by its code."""
    async with watch(small_pg, pg) as ours:
        await ours.look()
        backend = await (await ours.session()).value("SELECT pg_backend_pid()")
        os.kill(backend, signal.SIGSTOP)
        try:
            hung = await ours.look()
            again = await ours.look()
        finally:
            os.kill(backend, signal.SIGCONT)
        backend = await (await ours.session()).value("SELECT pg_backend_pid()")
        os.kill(backend, signal.SIGSTOP)
        small_pg.pause()
        try:
            mute = await ours.look()
        finally:
            small_pg.resume()
            os.kill(backend, signal.SIGCONT)

    assert any(isinstance(reading.outcome, Blind) for reading in hung)
    assert {f.outcome.finding for f in hung if isinstance(f.outcome, Blind)} == {None}
    assert all(isinstance(reading.outcome, Seen) for reading in again)
    assert "PG_CONN_MUTE" in told(mute)


@pytest.mark.parametrize("passed", [3, 700], ids=lambda passed: f"after {passed} bytes")
async def test_a_server_that_dies_in_the_middle_of_an_answer_is_refused_then(
    small_pg: postgres.PostgresServer, pg: postgres.PostgresServer, passed: int
) -> None:
    async with BreakingWire(small_pg.port) as wire, watch(small_pg, pg, port=wire.port) as ours:
        await ours.look()
        wire.break_after(passed, small_pg.stop, dead=True)
        readings = await ours.look()
        assert wire.broke.is_set()

    assert told(readings, some=True) == {"NET_TCP_REFUSED"}


async def test_an_answer_that_stops_in_the_middle_is_given_up(
    small_pg: postgres.PostgresServer, pg: postgres.PostgresServer
) -> None:
    async with BreakingWire(small_pg.port) as wire, watch(small_pg, pg, port=wire.port) as ours:
        await ours.look()
        wire.break_after(700, small_pg.pause, dead=False)
        try:
            readings = await ours.look()
        finally:
            small_pg.resume()

    assert told(readings, some=True) == {"PG_CONN_MUTE"}


async def test_a_full_server_refuses_who_comes_and_answers_who_was_in_before(
    small_pg: postgres.PostgresServer, pg: postgres.PostgresServer
) -> None:
    async with watch(small_pg, pg) as is_in, watch(small_pg, pg) as comes:
        await is_in.look()
        async with Crowd(small_pg) as crowd:
            await crowd.fill()
            outside, inside = await asyncio.gather(comes.look(), is_in.look())
    outcomes = [reading.outcome for reading in inside]

    assert told(outside) == {"PG_CONN_RESERVED_ONLY"}
    assert "PG_SAT_CONNECTIONS" in {
        f.code for each in outcomes if isinstance(each, Seen) for f in each.findings
    }
    assert all(isinstance(each, Seen) for each in outcomes)


async def test_a_password_that_is_rotated_is_read_again_when_a_session_has_to_be_opened(
    pg: postgres.PostgresServer, folder: Path
) -> None:
    secret = folder / "secret"
    secret.write_text("before-1\n")
    pg.execute("CREATE ROLE rotated LOGIN PASSWORD 'before-1'", "GRANT pg_monitor TO rotated")
    settings = pg_settings(
        pg, user="rotated", password=f"file:{secret}", commander=Login(user="rotated")
    )
    async with session_for(settings) as session:
        backend = await session.value("SELECT pg_backend_pid()")
        pg.execute("ALTER ROLE rotated PASSWORD 'after-2'")
        assert await session.value("SELECT pg_backend_pid()") == backend
        new = await trouble(settings)
        pg.execute(f"SELECT pg_terminate_backend({backend}, 5000)")
        with pytest.raises(BlindError) as ours:
            await session.value("SELECT 1")
        secret.write_text("after-2\n")
        answer = await patiently(session, "SELECT 1")

    assert (new.code, new.severity, ours.value.code) == ("PG_CONN_AUTH", "high", "PG_CONN_AUTH")
    assert "rotated?" in new.hint
    assert answer == 1


async def patiently(session: Any, sql: str) -> Any:
    """Ask until it answers: after a refusal it does not knock for some seconds."""
    for _ in range(300):
        try:
            return await session.value(sql)
        except BlindError:
            await asyncio.sleep(0.1)
    pytest.fail("the session was never opened again")


@pytest.fixture
def counting(folder: Path) -> Iterator[postgres.PostgresServer]:
    """One that counts statements too."""
    folder.chmod(0o755)
    server = postgres.start(
        fresh.postgres_cluster(folder / "pg", password=SUPER),
        settings={"shared_preload_libraries": "pg_stat_statements"},
    )
    try:
        postgres_roles(server)
        server.execute("CREATE EXTENSION pg_stat_statements")
        yield server
    finally:
        server.stop()


@asynccontextmanager
async def busy(server: postgres.PostgresServer) -> AsyncIterator[None]:
    """Somebody works, somebody is idle in a transaction, somebody waits for that one."""
    async with Crowd(server) as crowd:
        await crowd.hold(UPDATE, app="holder")
        await crowd.wait(UPDATE)
        await crowd.wait("SELECT pg_sleep(60)", app="worker")
        await waiting(server, 1)
        yield


async def test_rights_that_are_taken_while_we_look_are_blind_and_never_zeros(
    counting: postgres.PostgresServer,
) -> None:
    to = target(pg_settings(counting))
    async with busy(counting), session_for(to.settings) as session:
        before = await looked(session, to, {})
        counting.execute("REVOKE pg_monitor FROM ro")
        after = await looked(session, to, before)
        counting.execute("GRANT pg_monitor TO ro")
        again = await looked(session, to, after)

    for probe in PROBES:
        had = {fact.label: fact for fact in before[probe].facts}
        for fact in after[probe].facts:
            assert not _zeroed(had.get(fact.label), fact), (probe, fact)
    blind = {
        probe: next((f.next for f in seen.findings if f.code == "PG_OBS_BLIND"), None)
        for probe, seen in after.items()
    }
    assert blind == {
        probe: None if probe == "postgres.replication" else "GRANT pg_monitor TO ro;"
        for probe in PROBES
    }  # without a standby nothing of replication is hidden
    ran = again["postgres.statements"].snapshot
    assert isinstance(ran, PostgresStatements)
    assert ran.ran == ()  # what is in sight again is not new
    for seen in (*before.values(), *again.values()):
        assert "PG_OBS_BLIND" not in {finding.code for finding in seen.findings}


async def looked(session: Any, to: Any, before: dict[str, Seen]) -> dict[str, Seen]:
    """A look of every probe, judged against the one before it."""
    seen = {}
    for id_ in PROBES:
        probe = registry()[id_]
        snapshot = await probe.collect(session, to)
        if id_ in before and probe.since is not None:
            snapshot = probe.since(before[id_].snapshot, snapshot)
        seen[id_] = judged(Look(to, probe, probe.settings), snapshot)
    return seen


def _zeroed(had: Fact | None, now: Fact) -> bool:
    """Something that was there became a nought, as if it had been counted."""
    return bool(had and isinstance(had.value, int | float) and had.value and now.value == 0)
