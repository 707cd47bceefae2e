"""What the cockpit says while healthy servers are busy, and after planned restarts.

`python -m tests.bench.quiet` prints a row a load, or those whose server or name holds one of the
words behind it (`redis dump`); loads of different servers run side by side.
`BENCH_QUIET_SECONDS` is how long each load runs (300), `BENCH_QUIET_AFTER` how long after a restart
what is left is counted (60).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cockpit.triage.finding import Severity
from cockpit.world.servers import mariadb, postgres, valkey
from tests.bench.watched import MARIADB, Desk, MySession, PgSession, Shop, shop, watching

SECONDS = float(os.environ.get("BENCH_QUIET_SECONDS", "300"))
AFTER = float(os.environ.get("BENCH_QUIET_AFTER", "60"))
Work = Callable[[Shop], contextlib.AbstractContextManager[object]]


@dataclass(frozen=True)
class Load:
    """Something that healthy servers do. `restarts`: clients are refused for a moment."""

    target: str
    name: str
    work: Work
    restarts: bool = False


def _any() -> int:
    return random.randrange(1, 50_000)


@contextlib.contextmanager
def pg_again(there: Shop, *statements: str, times: int = 1, pause: float = 0.0) -> Iterator[None]:
    sessions = [there.pg_session() for _ in range(times)]

    def work(session: PgSession) -> None:
        for statement in statements:
            session.execute(statement.format(n=_any()).encode())

    for session in sessions:
        there.again(partial(work, session), pause)
    yield
    there.end()
    for session in sessions:
        session.cancel()
        session.close()


def pg(*statements: str, times: int = 1, pause: float = 0.0) -> Work:
    return lambda there: pg_again(there, *statements, times=times, pause=pause)


@contextlib.contextmanager
def my_again(there: Shop, *statements: str, times: int = 1, pause: float = 0.0) -> Iterator[None]:
    sessions = [there.my_session() for _ in range(times)]

    def work(session: MySession) -> None:
        with session.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement.format(n=_any()))

    working = [there.again(partial(work, session), pause) for session in sessions]
    yield
    there.end()
    for thread, session in zip(working, sessions, strict=True):
        thread.join()
        session.close()


def my(*statements: str, times: int = 1, pause: float = 0.0) -> Work:
    return lambda there: my_again(there, *statements, times=times, pause=pause)


@contextlib.contextmanager
def rd_again(there: Shop, *commands: str, times: int = 1, pause: float = 0.001) -> Iterator[None]:
    clients = [socket.create_connection(("127.0.0.1", there.rd.port)) for _ in range(times)]

    def work(client: socket.socket) -> None:
        for command in commands:
            client.sendall(f"{command.format(n=_any())}\r\n".encode())
            client.recv(1 << 16)

    for client in clients:
        there.again(partial(work, client), pause)
    yield
    there.end()
    for client in clients:
        client.close()


def rd(*commands: str, times: int = 1, pause: float = 0.001) -> Work:
    return lambda there: rd_again(there, *commands, times=times, pause=pause)


@contextlib.contextmanager
def backup(there: Shop) -> Iterator[None]:
    def copy() -> None:
        folder = Path(tempfile.mkdtemp(prefix="cockpit-bench-"))
        folder.chmod(0o755)
        postgres.base_backup(folder / "copy", there.pg, name="backup")
        shutil.rmtree(folder, ignore_errors=True)

    there.again(copy, 20.0)
    yield
    there.end()


@contextlib.contextmanager
def dump(there: Shop) -> Iterator[None]:
    """Of the whole database, by the server's own program."""
    program = there.pg.cluster.binaries / "pg_dump"

    def written() -> None:
        subprocess.run(
            [program, "-d", there.pg.dsn(), "-f", os.devnull], check=True, capture_output=True
        )

    there.again(written, 10.0)
    yield
    there.end()


@contextlib.contextmanager
def as_owner(there: Shop, *statements: str, pause: float) -> Iterator[None]:
    """What an administrator does now and then."""
    there.again(lambda: there.pg.execute(*statements), pause)
    yield
    there.end()


def owner(*statements: str, pause: float) -> Work:
    return lambda there: as_owner(there, *statements, pause=pause)


@contextlib.contextmanager
def autovacuum(there: Shop) -> Iterator[None]:
    """Two sessions that write, and a table that is vacuumed after every thousand of their rows."""
    there.pg.execute(
        "ALTER TABLE orders SET (autovacuum_vacuum_scale_factor = 0, "
        "autovacuum_vacuum_threshold = 1000)"
    )
    with pg_again(there, UPDATE, times=2):
        yield
    there.pg.execute("ALTER TABLE orders RESET (autovacuum_vacuum_scale_factor, "
        "autovacuum_vacuum_threshold)")  # fmt: skip


@contextlib.contextmanager
def deletes_and_vacuum(there: Shop) -> Iterator[None]:
    there.pg.execute(
        "CREATE TABLE events AS SELECT i, 'x' AS said FROM generate_series(1, 200000) AS i"
    )
    there.pg.execute("DELETE FROM events WHERE i % 2 = 0", "VACUUM events", "VACUUM FULL events")
    yield
    there.pg.execute("DROP TABLE events")


@contextlib.contextmanager
def release(there: Shop) -> Iterator[None]:
    """Twenty sessions end and twenty others begin, as with a new version of the application."""
    held = [there.pg_session() for _ in range(20)]

    def replaced() -> None:
        held.pop(0).close()
        held.append(there.pg_session())

    there.again(replaced, 1.0)
    yield
    there.end()
    for session in held:
        session.close()


@contextlib.contextmanager
def pg_restart(there: Shop) -> Iterator[None]:
    there.pg.shut_down()
    time.sleep(1)
    there.pg = postgres.start(
        there.pg.cluster, port=there.pg.port, settings={"max_connections": 40}
    )
    yield


@contextlib.contextmanager
def my_restart(there: Shop) -> Iterator[None]:
    port, data = there.my.port, there.my.folder / "data"
    there.my.stop(30)
    time.sleep(1)
    there.my = mariadb.start(data, port=port, settings=MARIADB)
    yield


@contextlib.contextmanager
def rd_restart(there: Shop) -> Iterator[None]:
    port, folder = there.rd.port, there.rd.folder
    there.rd.stop()
    time.sleep(1)
    there.rd = valkey.start(folder, port=port, settings={"enable-debug-command": "local"})
    yield


@contextlib.contextmanager
def slow(there: Shop) -> Iterator[None]:
    there.web.answer = lambda n: (200, 0.2 + n % 5 / 10)
    yield
    there.web.answer = lambda _: (200, 0.0)


@contextlib.contextmanager
def refused_for_a_moment(there: Shop) -> Iterator[None]:
    there.web.answer = lambda _: (503, 0.0)
    time.sleep(3)
    there.web.answer = lambda _: (200, 0.0)
    yield


UPDATE = "UPDATE orders SET n = n + 1 WHERE id = {n}"
SELECT = "SELECT n FROM orders WHERE id = {n}"
REPORT = "SELECT count(*), sum(a.n) FROM orders a JOIN orders b ON a.id % 1000 = b.id % 1000"
INDEX = ("CREATE INDEX CONCURRENTLY IF NOT EXISTS by_n ON orders (n)", "DROP INDEX by_n")
BATCH = (
    "CREATE TABLE IF NOT EXISTS batch (i int, said text)",
    "TRUNCATE batch",
    "INSERT INTO batch SELECT i, repeat('x', 60) FROM generate_series(1, 200000) AS i",
    "ANALYZE batch",
)
LOADS = (
    Load("postgres", "eight sessions as fast as they can", pg(UPDATE, SELECT, times=8)),
    Load("postgres", "a report over everything", pg(REPORT)),
    Load("postgres", "a base backup", backup),
    Load("postgres", "CREATE INDEX CONCURRENTLY", pg(*INDEX, pause=0.1)),
    Load("postgres", "REINDEX CONCURRENTLY", pg("REINDEX TABLE CONCURRENTLY orders", pause=0.1)),
    Load("postgres", "vacuum after a big delete", deletes_and_vacuum),
    Load("postgres", "a release replaces its sessions", release),
    Load("postgres", "a dump", dump),
    Load("postgres", "a batch is loaded", owner(*BATCH, pause=5)),
    Load("postgres", "autovacuum", autovacuum),
    Load("postgres", "a checkpoint by hand", owner("CHECKPOINT", pause=120)),
    Load("postgres", "statistics are reset", owner("SELECT pg_stat_reset()", pause=60)),
    Load("postgres", "the log is rotated", owner("SELECT pg_rotate_logfile()", pause=10)),
    Load("postgres", "planned restart", pg_restart, restarts=True),
    Load("mysql", "eight sessions as fast as they can", my(UPDATE, SELECT, times=8)),
    Load("mysql", "a report over everything", my("SELECT count(*) FROM orders a, (SELECT id FROM orders LIMIT 200) b")),
    Load("mysql", "a consistent dump", my("START TRANSACTION WITH CONSISTENT SNAPSHOT", "SELECT * FROM orders", "COMMIT")),
    Load("mysql", "an index is made online", my("ALTER TABLE orders ADD INDEX by_n (n)", "ALTER TABLE orders DROP INDEX by_n", pause=0.2)),
    Load("mysql", "logs are rotated, status is flushed", my("FLUSH LOGS", "FLUSH STATUS", pause=5)),
    Load("mysql", "planned restart", my_restart, restarts=True),
    Load("redis", "eight clients as fast as they can", rd("SET k{n} v", "GET k{n}", times=8)),
    Load("redis", "a snapshot is written", rd("BGSAVE", pause=5)),
    Load("redis", "sessions that expire", rd("SET s{n} v EX 2", times=4)),
    Load("redis", "statistics are reset", rd("CONFIG RESETSTAT", pause=5)),
    Load("redis", "planned restart", rd_restart, restarts=True),
    Load("endpoint", "answers of 0.2 to 0.6 s", slow),
    Load("endpoint", "rolling restart", refused_for_a_moment, restarts=True),
)  # fmt: skip


async def counted(load: Load, there: Shop, desk: Desk) -> str:
    """The load as a row: its warnings and worse, and its infos."""
    await desk.calm(load.target)
    began, seconds = time.monotonic(), AFTER if load.restarts else SECONDS
    working = load.work(there)
    await asyncio.to_thread(working.__enter__)
    try:
        await asyncio.sleep(seconds)
    finally:
        await asyncio.to_thread(working.__exit__, None, None, None)
    told = desk.since(began, load.target, Severity.INFO)
    found = [each.finding for each in told]
    if load.restarts:
        new = {each.id for each in found}
        found = [each for each in desk.open_at(load.target) if each.id in new]
    grave = [each for each in found if each.finding.severity > Severity.INFO]
    codes = ", ".join(sorted({each.finding.code for each in found}))
    for each in grave:
        print(f"  {each.finding.summary}", file=sys.stderr)
    row = f"| {load.target} | {load.name} | {len(grave)} | {len(found) - len(grave)} | {codes} |"
    print(row, file=sys.stderr, flush=True)
    return row


def _chosen() -> list[Load]:
    words = sys.argv[1:]
    return [
        each for each in LOADS if not words or any(w in f"{each.target} {each.name}" for w in words)
    ]


async def _of(loads: Sequence[Load], there: Shop, desk: Desk) -> list[str]:
    return [await counted(each, there, desk) for each in loads]


async def _all() -> list[str]:
    with shop() as there:
        async with watching(there) as desk:
            lanes: dict[str, list[Load]] = {}
            for each in _chosen():
                lanes.setdefault(each.target, []).append(each)
            found = await asyncio.gather(
                *(_of(loads, there.alone(), desk) for loads in lanes.values())
            )
    return [row for lane in found for row in lane]


if __name__ == "__main__":
    print("| server | load | warnings and worse | infos | codes |\n|---|---|---|---|---|")
    print("\n".join(asyncio.run(_all())))
