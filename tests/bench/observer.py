"""What looking costs a PostgreSQL server, and the lock graph of 400 waiters beside pg_activity."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg

from cockpit.connect.postgres.session import open_postgres
from cockpit.connect.postgres.settings import PostgresSettings
from cockpit.triage.board import ONE_LOOK
from cockpit.triage.engine import Engine, Look
from cockpit.triage.registry import registry
from cockpit.triage.store import Store
from cockpit.triage.target import Target
from cockpit.world.servers import postgres
from tests.bench.table import Row, render

WAITERS, BLOCKS, ROUNDS = 400, 5, 5
"""Ours and theirs take turns, so that a machine that becomes busy is busy for both."""
SECONDS = float(os.environ.get("BENCH_OBSERVER_SECONDS", "300"))
THEIRS = """
import sys, time
from pgactivity.data import Data
data = Data.pg_connect(host="127.0.0.1", port=int(sys.argv[1]), user="cockpit_ro", password="benchbench")
for _ in range(int(sys.argv[2])):
    started = time.perf_counter()
    assert len(data.pg_get_waiting()) + len(data.pg_get_blocking())
    print(time.perf_counter() - started)
"""


@contextlib.contextmanager
def server() -> Iterator[postgres.PostgresServer]:
    """A private PostgreSQL with room for the waiters."""
    folder = Path(tempfile.mkdtemp(prefix="cockpit-bench-"))
    folder.chmod(0o755)
    started = postgres.start(
        postgres.create(folder / "pg"),
        settings={"max_connections": 500, "shared_preload_libraries": "pg_stat_statements"},
    )
    try:
        started.execute(
            "CREATE EXTENSION pg_stat_statements",
            "CREATE TABLE stock (id int PRIMARY KEY, n int)",
            "INSERT INTO stock SELECT i, 0 FROM generate_series(1, 20) AS i",
            "CREATE ROLE cockpit_ro LOGIN PASSWORD 'benchbench'",
            "GRANT pg_monitor TO cockpit_ro",
        )
        yield started
    finally:
        started.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def waiters(running: postgres.PostgresServer, on: int) -> AsyncIterator[None]:
    """One session holds twenty rows, four hundred wait for `on` of them."""
    holder = await psycopg.AsyncConnection.connect(running.dsn())
    await holder.execute("UPDATE stock SET n = n + 1")
    sessions = [await psycopg.AsyncConnection.connect(running.dsn()) for _ in range(WAITERS)]
    waiting = [
        asyncio.create_task(_wait(session, number % on + 1))
        for number, session in enumerate(sessions)
    ]
    await asyncio.sleep(2)
    try:
        yield
    finally:
        await holder.rollback()
        await asyncio.gather(*waiting)
        for session in (holder, *sessions):
            await session.close()


async def _wait(session: psycopg.AsyncConnection, row: int) -> None:
    await session.execute("UPDATE stock SET n = n + 1 WHERE id = %s", [row])
    await session.rollback()


def _settings(running: postgres.PostgresServer) -> PostgresSettings:
    os.environ["BENCH_PG"] = "benchbench"
    return PostgresSettings(
        host="127.0.0.1", port=running.port, user="cockpit_ro", password="env:BENCH_PG",
        sslmode="disable",
    )  # fmt: skip


async def _lock_graph(running: postgres.PostgresServer, pga: Path | None, on: int) -> list[Row]:
    probe = registry()["postgres.locks"]
    target = Target(name="db", kind="postgres", settings=_settings(running))
    session = await open_postgres(_settings(running))
    times: list[float] = []
    their_times: list[float] = []
    async with waiters(running, on):
        for _ in range(BLOCKS):
            for _ in range(ROUNDS):
                started = time.perf_counter()
                snapshot = await probe.collect(session, target)
                findings = list(probe.diagnose(snapshot, probe.settings))
                assert probe.tables is not None
                list(probe.tables(snapshot, probe.settings))
                times.append(time.perf_counter() - started)
            their_times += _theirs(running, pga)
    await session.close()
    assert findings
    ours = statistics.median(times)
    theirs = statistics.median(their_times) if their_times else 0.0
    rows = [
        Row(
            f"lock graph of {WAITERS} waiters for {on} rows, to its findings and tree",
            ours * 1000,
            "ms",
            0,
            gauge=True,
        )
    ]
    if theirs:
        note = f"{ours * 1000:.0f} ms against {theirs * 1000:.0f} ms"
        rows.append(
            Row(
                "… against pg_activity",
                ours / theirs,
                "×",
                0.5,
                "its waiting and blocking queries",
                note,
            )
        )
    return rows


def _theirs(running: postgres.PostgresServer, pga: Path | None) -> list[float]:
    if pga is None:
        return []
    done = subprocess.run(
        [str(pga), "-c", THEIRS, str(running.port), str(ROUNDS)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    if done.returncode:
        print(done.stderr[-400:], file=sys.stderr)
        return []
    return [float(word) for word in done.stdout.split()]


async def _load(running: postgres.PostgresServer) -> list[Row]:
    target = Target(name="db", kind="postgres", settings=_settings(running))
    session = await open_postgres(_settings(running))

    class One:
        async def session(self, target: Target) -> object:
            return session

        async def discard(self, target: Target) -> None:
            return None

    looks = [Look(target, p, p.settings) for p in registry().values() if p.kind == "postgres"]
    engine = Engine(looks, sessions=One(), store=Store(ONE_LOOK))
    running.execute("SELECT pg_stat_statements_reset()")
    task = asyncio.create_task(engine.run())
    await asyncio.sleep(SECONDS)
    task.cancel()
    await asyncio.wait({task})
    await session.close()
    ((calls, busy),) = running.execute(
        "SELECT sum(calls), sum(total_exec_time) FROM pg_stat_statements"
        " WHERE userid = 'cockpit_ro'::regrole"
    )
    minutes = SECONDS / 60
    note = f"{int(calls)} statements in {minutes:g} min"
    return [
        Row("observer: statements a minute", float(calls) / minutes, "/min", 100, "", note),
        Row("observer: server time", float(busy) / SECONDS / 10, "% of a core", 0.05, "", note),
    ]


async def _pulse(running: postgres.PostgresServer) -> list[Row]:
    probe = registry()["postgres.sessions"]
    target = Target(name="db", kind="postgres", settings=_settings(running))
    session = await open_postgres(_settings(running))
    times = []
    for _ in range(40):
        started = time.perf_counter()
        await probe.collect(session, target)
        times.append(time.perf_counter() - started)
    await session.close()
    return [
        Row("pulse of an idle PostgreSQL, as collected", statistics.median(times) * 1000, "ms", 10)
    ]


def rows(pga: Path | None) -> list[Row]:
    """All of them, on one server in one run."""
    with server() as running:
        return [
            *asyncio.run(_pulse(running)),
            *asyncio.run(_lock_graph(running, pga, 20)),
            *asyncio.run(_lock_graph(running, pga, 1)),
            *asyncio.run(_load(running)),
        ]


if __name__ == "__main__":
    from tests.bench.__main__ import installed

    print(render(rows(installed("pg_activity", "python"))))
