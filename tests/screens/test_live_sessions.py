"""Sessions of a real PostgreSQL and a real MariaDB: shown, shown in full, ended by a plan.

What a statement holds between its quotes is seen on the screen on a key, and nowhere else: not in
the journal's file, no export, no copy, no plan.
"""

from __future__ import annotations

import asyncio
import base64
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest

from cockpit.report.postmortem import FORMATS, render
from cockpit.world.servers import mariadb, postgres
from tests.screens.conftest import press, text
from tests.screens.live import PATIENCE, WORD, Seat, seated
from tests.servers import fresh
from tests.servers.private import SECRETS, SUPER, mysql_users, pg_app, postgres_roles

NUMBER = 4711471147114711
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
def pg(base: Path) -> Iterator[postgres.PostgresServer]:
    server = postgres.start(fresh.postgres_cluster(base / "pg", password=SUPER))
    try:
        postgres_roles(server)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def maria(base: Path) -> Iterator[mariadb.MariaDb]:
    server = mariadb.start(fresh.mariadb_data(base / "maria"))
    try:
        mysql_users(server)
        yield server
    finally:
        server.stop()


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
    pg: postgres.PostgresServer, statement: str, name: str
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
    pg: postgres.PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    client: pymysql.Connection[Any] = await asyncio.to_thread(
        lambda: pymysql.connect(host="127.0.0.1", port=maria.port, user="app",
                                password=SECRETS["T_APP"], database="shop")
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
            mine = client.thread_id()  # type: ignore[no-untyped-call]  # its stubs leave it out
            await asyncio.to_thread(maria.execute, f"KILL {mine}")
            await asyncio.gather(running, return_exceptions=True)
        client.close()
