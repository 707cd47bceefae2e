"""Replay that nobody paused, on real standbys: what a resume would have done to them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from cockpit.connect.postgres.acts import open_postgres_acts
from cockpit.errors import BlindError, UnknownOutcome
from cockpit.triage.engine import Look, judged
from cockpit.triage.registry import registry
from cockpit.world.servers import postgres
from tests.servers import fresh
from tests.servers.private import SUPER, pg_settings, postgres_roles, session_for, target, until
from tests.servers.promised_postgres import of_both
from tests.servers.seats import seated

pytestmark = pytest.mark.servers

PROBE = registry()["postgres.replication"]


@pytest.fixture
def primary(base: Path) -> Iterator[postgres.PostgresServer]:
    folder = Path(tempfile.mkdtemp(dir=base))
    folder.chmod(0o755)
    server = postgres.start(fresh.postgres_cluster(folder / "primary", password=SUPER))
    try:
        postgres_roles(server)
        yield server
    finally:
        server.stop()


async def told_beside(
    primary: postgres.PostgresServer, standby: postgres.PostgresServer, folder: Path
) -> tuple[Any, Any]:
    """Both are targets, as the engine looks at them: the pause, and what is said of it."""
    async with seated(of_both(primary, standby), folder, {}) as desk:
        await desk.engine.look("orders", PROBE.id)

        async def ask() -> Any:
            return (await desk.engine.look("standby", PROBE.id)).outcome

        seen = await until(ask, lambda seen: seen.snapshot.replay.paused)
        return seen.snapshot.pause, seen


def beside(primary: postgres.PostgresServer, **settings: str | int) -> postgres.PostgresServer:
    place = primary.folder.parent / "standby"
    return postgres.start_standby(place, primary, settings=settings)


async def look(server: postgres.PostgresServer) -> tuple[Any, Any]:
    to = target(pg_settings(server))
    async with session_for(to.settings) as session:
        snapshot = await PROBE.collect(session, to)
    return snapshot, judged(Look(to, PROBE, PROBE.settings), snapshot)


async def paused(server: postgres.PostgresServer) -> tuple[Any, Any]:
    return await until(lambda: look(server), lambda pair: pair[0].replay.paused)


async def resume(server: postgres.PostgresServer) -> None:
    acts = await open_postgres_acts(pg_settings(server))
    try:
        await acts.run("resume_replay", {})
    except (BlindError, UnknownOutcome):  # it can be gone before it answers
        pass
    finally:
        await acts.close()


async def test_a_restore_at_its_target_would_be_promoted_and_is_not_offered(
    primary: postgres.PostgresServer, folder: Path
) -> None:
    with ExitStack() as ending:
        standby = beside(primary, recovery_target_name="before_it")
        ending.callback(standby.stop)
        before, _ = await look(standby)
        primary.execute("SELECT pg_create_restore_point('before_it')", "CHECKPOINT")
        snapshot, seen = await paused(standby)
        pause, known = await told_beside(primary, standby, folder)
        (finding,) = (f for f in seen.findings if f.code == "PG_REPL_APPLY_STALLED")
        await resume(standby)
        await until(
            lambda: _rows(standby, "SELECT pg_is_in_recovery()"), lambda rows: rows == [(False,)]
        )

    assert not before.replay.paused
    assert before.replay.target == snapshot.replay.target == "recovery_target_name"
    assert seen.tables[0].best == known.tables[0].best == ()
    assert pause.why == "target"
    assert "promotes it" in finding.next


async def test_a_target_that_does_not_pause_is_none(primary: postgres.PostgresServer) -> None:
    with ExitStack() as ending:
        standby = beside(primary, recovery_target_name="never", recovery_target_action="promote")
        ending.callback(standby.stop)
        snapshot, _ = await look(standby)

    assert snapshot.replay.target is None


async def test_a_standby_below_its_primary_would_shut_down_and_is_a_high_risk(
    primary: postgres.PostgresServer, folder: Path
) -> None:
    with ExitStack() as ending:
        standby = beside(primary)
        ending.callback(standby.stop)
        primary.shut_down()
        larger = postgres.start(
            primary.cluster, port=primary.port, settings={"max_connections": 200}
        )
        ending.callback(larger.stop)
        _, seen = await paused(standby)
        (offer,) = seen.tables[0].best
        pause, known = await told_beside(larger, standby, folder)
        await resume(standby)
        await until(lambda: _ended(standby), bool)

    assert offer.risk == "high"
    assert "max_connections" in offer.effect
    assert "the standby shuts down" in offer.effect
    assert (pause.why, pause.primary) == ("parameter", "orders")
    assert [(each.name, each.here, each.there) for each in pause.below] == [
        ("max_connections", 100, 200)
    ]
    assert known.tables[0].best == ()
    (finding,) = (f for f in known.findings if f.code == "PG_REPL_APPLY_STALLED")
    assert "max_connections is 100 here and 200 there" in finding.summary
    assert "restart this standby with max_connections = 200 first" in finding.next


async def _rows(server: postgres.PostgresServer, sql: str) -> list[tuple[Any, ...]]:
    return server.execute(sql)


async def _ended(server: postgres.PostgresServer) -> bool:
    return not server.alive
