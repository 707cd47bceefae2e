"""Sessions of a real PostgreSQL and a real MariaDB: shown, shown in full, ended by a plan.

What a statement holds between its quotes is seen on the screen on a key, and nowhere else: not in
the journal's file, no export, no copy, no plan.
"""

from __future__ import annotations

import asyncio
import base64
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
from textual.pilot import Pilot

from cockpit.config import load
from cockpit.connect.role import Role
from cockpit.desk import Desk, Opening
from cockpit.report.postmortem import FORMATS, render
from cockpit.runbooks.library import library
from cockpit.triage.registry import registry
from cockpit.triage.view import Row
from cockpit.world.servers import mariadb, postgres
from screens.app import CockpitApp
from screens.confirm import SETTLE, ConfirmScreen
from screens.detail import DetailScreen
from screens.widgets.lineview import Paper
from screens.widgets.rowlist import RowList
from tests.screens.conftest import ENVIRON, press, settle, text, toasts
from tests.servers.private import SECRETS, SUPER, mysql_users, pg_app, postgres_roles

WORD, NUMBER = "hunter2-and-a-card", 4711471147114711
PATIENCE = 40
"""Seconds that anything may take on a busy machine."""
POSTGRES = """
[[target]]
kind = "postgres"
name = "orders-db"
host = "127.0.0.1"
port = {port}
user = "ro"
password = "env:T_RO"
sslmode = "prefer"
[target.commander]
user = "act"
password = "env:T_ACT"
"""
MYSQL = """
[[target]]
kind = "mysql"
name = "catalog"
host = "127.0.0.1"
port = {port}
user = "ro"
password = "env:T_RO"
tls = "off"
[target.commander]
user = "act"
password = "env:T_ACT"
"""


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def base() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cockpit-sessions-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def pg(base: Path) -> Iterator[postgres.Postgres]:
    server = postgres.start(postgres.create(base / "pg", password=SUPER))
    try:
        postgres_roles(server)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def maria(base: Path) -> Iterator[mariadb.MariaDb]:
    server = mariadb.start(mariadb.create(base / "maria"))
    try:
        mysql_users(server)
        yield server
    finally:
        server.stop()


class Seat:
    """A commander at the real desk, looking at one target."""

    def __init__(self, pilot: Pilot[int], desk: Desk, copied: list[str]) -> None:
        self.pilot = pilot
        self.desk = desk
        self.copied = copied

    @property
    def rows(self) -> RowList[Row]:
        return self.pilot.app.screen.query_one("#rows", RowList)

    async def until(self, true: Callable[[], bool], what: str) -> None:
        for _ in range(PATIENCE * 10):
            await settle(self.pilot)
            if true():
                return
            await asyncio.sleep(0.1)
        pytest.fail(f"never: {what}\n{text(self.pilot)}\n{toasts(self.pilot)}")

    async def opened(self, target: str, title: str) -> None:
        app = self.pilot.app
        assert isinstance(app, CockpitApp)
        app.open_target(target)
        await settle(self.pilot)
        screen = app.screen
        assert isinstance(screen, DetailScreen)
        await self.until(lambda: f"{title} " in text(self.pilot), f"a table {title!r}")
        for _ in range(20):
            if screen._table.title == title:
                return
            await press(self.pilot, "tab")
        pytest.fail(f"no table {title!r}\n{text(self.pilot)}")

    async def at_row(self, wanted: str, filtered: str) -> Row:
        """Filter until one row is left that has this text, and go to it."""
        await press(self.pilot, "slash", f"text:{filtered}", "enter")
        here = lambda: any(wanted in " ".join(row.cells) for row in self.rows.shown)  # noqa: E731
        await self.until(here, f"a row with {wanted!r}")
        await press(self.pilot, "end")
        row = self.rows.chosen
        assert row is not None
        assert wanted in " ".join(row.cells)
        return row

    async def says_yes(self, word: str = "") -> None:
        await self.until(lambda: isinstance(self.pilot.app.screen, ConfirmScreen), "a dialog")
        assert WORD not in self.pilot.app.screen.query_one("#plan", Paper).text
        await asyncio.sleep(SETTLE + 0.1)
        await press(self.pilot, *([f"text:{word}"] if word else []), "enter")


@asynccontextmanager
async def seated(folder: Path, config: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Seat]:
    file = folder / "cockpit.toml"
    file.write_text(f'environment = "test"\n[incident]\nfolder = "{folder}/data"\n{config}')
    found = registry()
    opening = Opening(load(file, found), probes=found, library=library(), role=Role.COMMANDER)
    desk = await opening.create("checkout returns 5xx", "P1")
    app = CockpitApp(desk, environ=ENVIRON, encoding="utf-8")
    app.animation_level = "none"
    copied: list[str] = []
    try:
        async with app.run_test(size=(140, 44), notifications=True) as pilot:
            assert app._driver is not None
            monkeypatch.setattr(app._driver, "write", copied.append)
            await settle(pilot)
            yield Seat(pilot, desk, copied)
    finally:
        await app.close()


def told_anywhere(seat: Seat, folder: Path) -> str:
    """Everything that leaves the screen: files, exports, what was copied."""
    parts = [path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()]
    parts += [render(seat.desk.incident, format=each) for each in FORMATS]
    for sequence in seat.copied:
        if "]52;c;" in sequence:
            code = sequence.split("]52;c;")[1].split("\x07")[0].split("\x1b")[0]
            parts.append(base64.b64decode(code).decode())
    return "\n".join(parts)


@asynccontextmanager
async def asked(
    pg: postgres.Postgres, statement: str, name: str
) -> AsyncIterator[asyncio.Future[Any]]:
    """A client that runs a statement; it is gone afterwards, whatever happened."""
    client = await psycopg.AsyncConnection.connect(
        pg_app(pg), application_name=name, autocommit=True
    )
    running = asyncio.ensure_future(client.execute(statement.encode()))
    try:
        yield running
    finally:
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'"
        await asyncio.to_thread(pg.execute, end)
        await asyncio.gather(running, return_exceptions=True)
        await client.close()


async def test_a_postgres_session_is_shown_in_full_only_on_the_screen_and_cancelled_by_its_row(
    pg: postgres.Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement = f"SELECT '{WORD}', {NUMBER}, $$ {WORD} $$, pg_sleep(600) -- {WORD}"
    async with (
        asked(pg, statement, "reports") as running,
        seated(tmp_path, POSTGRES.format(port=pg.port), monkeypatch) as seat,
    ):
        await seat.opened("orders-db", "Sessions")
        await seat.at_row("reports", "reports")
        screen = text(seat.pilot)
        assert "SELECT ?, ?, ?, pg_sleep(?)" in screen
        assert WORD not in screen
        await press(seat.pilot, "v")
        screen = text(seat.pilot)
        assert WORD in screen
        assert str(NUMBER) in screen
        await press(seat.pilot, "y", "n", "text:looked at the reports", "enter")
        await press(seat.pilot, "c")
        await seat.says_yes()
        with pytest.raises(psycopg.errors.QueryCanceled):
            async with asyncio.timeout(PATIENCE):
                await running
        written = lambda: any("cancel" in one.text.lower() for one in seat.desk.incident.entries)  # noqa: E731
        await seat.until(written, "the step in the journal")
        told = told_anywhere(seat, tmp_path)
        assert WORD not in told
        assert str(NUMBER) not in told
        assert "SELECT ?, ?, ?, pg_sleep(?)" in told, "what was copied has no literals"
        assert "looked at the reports" in told


async def test_a_mariadb_session_is_shown_in_full_only_on_the_screen_and_killed_by_its_row(
    maria: mariadb.MariaDb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement = f"SELECT \"{WORD}\", {NUMBER}, '{WORD}', SLEEP(600) /* {WORD} */"
    client = await asyncio.to_thread(
        pymysql.connect,
        host="127.0.0.1", port=maria.port, user="app", password=SECRETS["T_APP"], database="shop",
    )  # fmt: skip
    running: asyncio.Future[Any] | None = None
    try:
        async with seated(tmp_path, MYSQL.format(port=maria.port), monkeypatch) as seat:
            running = asyncio.ensure_future(asyncio.to_thread(client.query, statement))
            await seat.opened("catalog", "Sessions")
            await seat.at_row("SLEEP", "app sleep")
            screen = text(seat.pilot)
            assert "SELECT ?, ?, ?, SLEEP(?)" in screen
            assert WORD not in screen
            await press(seat.pilot, "v")
            assert text(seat.pilot).count(WORD) >= 2
            await press(seat.pilot, "y", "t")
            await seat.says_yes("catalog")
            with pytest.raises(pymysql.err.OperationalError):
                async with asyncio.timeout(PATIENCE):
                    await running
            await seat.until(
                lambda: any("kill" in one.text.lower() for one in seat.desk.incident.entries),
                "the step in the journal",
            )
            told = told_anywhere(seat, tmp_path)
            assert WORD not in told
            assert str(NUMBER) not in told
    finally:
        if running is not None and not running.done():
            await asyncio.to_thread(maria.execute, f"KILL {client.thread_id()}")
            await asyncio.gather(running, return_exceptions=True)
        client.close()
