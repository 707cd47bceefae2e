"""Our own sessions end by the protocol's goodbye: no server counts us as clients that vanished."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from cockpit.check import look_once
from cockpit.config import Config
from cockpit.connect.mysql.settings import MysqlSettings
from cockpit.connect.open import Connections
from cockpit.connect.postgres.settings import PostgresSettings
from cockpit.connect.role import Role
from cockpit.runbooks.sessions import RunSessions
from cockpit.runbooks.step import StepKind
from cockpit.triage.probe import Seen
from cockpit.triage.registry import registry
from cockpit.world.servers import mariadb, postgres
from tests.patience import at_most, until
from tests.servers.private import my_settings, pg_settings, target
from tests.servers.seats import seated

pytestmark = pytest.mark.servers

ACTS: dict[type, tuple[str, dict[str, object]]] = {
    PostgresSettings: (
        "cancel_backend",
        {"pid": 1, "backend_start": "2026-01-01T00:00:00+00:00"},
    ),
    MysqlSettings: ("kill_query", {"id": 1, "user": "app", "host": "10.0.0.1:1"}),
}
Uses = Callable[[Any, Path], Awaitable[None]]


async def check(settings: Any, folder: Path) -> None:
    config = Config(path=folder / "cockpit.toml", environment="test", targets=(target(settings),))
    report = await look_once(config, registry())
    assert report.board.readings


async def plan(settings: Any, folder: Path) -> None:
    """What each plan asks, also one that is escaped: the commander's rights, in his session."""
    connections = Connections({}, Role.COMMANDER)
    call, args = ACTS[type(settings)]
    asked = RunSessions(connections, {}, "ana")
    for _ in range(3):
        _, right = await asked.identity_and_right(target(settings), StepKind.SQL, call, args)
        assert right.held is not None, right.why
    await connections.close()


async def desk(settings: Any, folder: Path) -> None:
    """A cockpit that is opened, and quit in the middle of its looks."""
    async with seated([target(settings)], folder, {}) as opened:
        await opened.start()
        while not opened.board.readings:
            await asyncio.sleep(0.01)


async def leave_in_mid_question(settings: Any, folder: Path) -> None:
    """A cockpit that is quit while it looks: the question ends soon, and then the session."""
    connections = Connections({}, Role.TRIAGE)
    session: Any = await connections.session("db", settings)
    sleep = "sleep" if isinstance(settings, MysqlSettings) else "pg_sleep"
    assert await session.value("SELECT 1") == 1
    asking = asyncio.create_task(session.value(f"SELECT {sleep}(0.15)"))
    await asyncio.sleep(0.05)
    asking.cancel()
    await asyncio.wait({asking})
    await connections.close()


USES = pytest.mark.parametrize("use", [check, plan, desk, leave_in_mid_question])


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second is for who leaves; here a busy machine has all the time to say goodbye."""
    for module in ("connect.open", "desk.desk"):
        monkeypatch.setattr(f"cockpit.{module}._CLOSING", at_most(15))


@USES
@pytest.mark.usefixtures("unhurried")
async def test_postgresql_counts_no_session_of_ours_as_abandoned(
    pg: postgres.PostgresServer, tmp_path: Path, use: Uses
) -> None:
    async def gone() -> int:
        """How many were abandoned, once ours are over: they tell it before they leave the list."""
        ours = "SELECT count(*) FROM pg_stat_activity WHERE usename IN ('ro', 'act')"
        await until(lambda: pg.execute(ours)[0][0] == 0)
        return int(pg.execute("SELECT sum(sessions_abandoned) FROM pg_stat_database")[0][0])

    before = await gone()
    await use(pg_settings(pg), tmp_path)
    assert await gone() == before


async def test_a_session_of_ours_that_had_to_be_cut_is_not_told_as_the_databases_trouble(
    pg: postgres.PostgresServer, tmp_path: Path
) -> None:
    def abandoned() -> int:
        return int(pg.execute("SELECT sum(sessions_abandoned) FROM pg_stat_database")[0][0])

    async with seated([target(pg_settings(pg))], tmp_path, {}) as opened:
        assert isinstance((await opened.engine.look("db", "postgres.counters")).outcome, Seen)
        before = abandoned()
        session: Any = await opened.connections.session("db", pg_settings(pg))
        asking = asyncio.create_task(session.value("SELECT pg_sleep(1.5)"))
        await asyncio.sleep(0.05)
        asking.cancel()
        await until(lambda: abandoned() > before)
        seen = (await opened.engine.look("db", "postgres.counters")).outcome
    assert abandoned() == before + 1
    assert isinstance(seen, Seen)
    assert "PG_SESS_FATAL" not in {finding.code for finding in seen.findings}


@USES
@pytest.mark.usefixtures("unhurried")
async def test_mariadb_counts_no_client_of_ours_as_aborted(
    maria: mariadb.MariaDb, tmp_path: Path, use: Uses
) -> None:
    async def gone() -> dict[str, str]:
        ours = (
            "SELECT COUNT(*) FROM information_schema.processlist WHERE USER IN "
            "('ro', 'act', 'unauthenticated user')"
        )
        await until(lambda: int(maria.execute(ours)[0][0]) == 0)
        return dict(maria.execute("SHOW GLOBAL STATUS LIKE 'Aborted_c%'"))

    before = await gone()
    await use(my_settings(maria), tmp_path)
    assert await gone() == before
