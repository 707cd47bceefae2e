"""Seconds from a real fault to the first finding, at the default pace.

`python -m tests.bench.faults` prints a row a fault, or those whose names hold one of the words
behind it (`stopped 502`); faults of different servers run side by side, each `BENCH_FAULT_RUNS`
times (three); the median is told, and the worst beside it. Linux.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg

from cockpit.triage.finding import Severity
from cockpit.world.servers import mariadb, postgres, valkey
from tests.bench.table import Row, percentile, render
from tests.bench.watched import Desk, Shop, shop, watching

RUNS = int(os.environ.get("BENCH_FAULT_RUNS", "3"))
GIVEN_UP = 120.0
"""Seconds after which a fault counts as not found."""
AT_ONCE, GAUGE = 6.0, 12.0
"""Goals: for what one look shows, and for a gauge, which waits for a second one."""
Provoke = Callable[[Shop], contextlib.AbstractContextManager[object]]


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong for clients."""

    target: str
    name: str
    provoke: Provoke


@contextlib.contextmanager
def rows_are_locked(there: Shop) -> Iterator[None]:
    with psycopg.connect(there.pg.dsn("app")) as holder:
        holder.execute("UPDATE orders SET n = 1 WHERE id = 1")
        for _ in range(6):
            there.begin(lambda: there.pg_session().execute("UPDATE orders SET n = 2 WHERE id = 1"))
        yield


@contextlib.contextmanager
def a_migration_waits(there: Shop) -> Iterator[None]:
    with psycopg.connect(there.pg.dsn("app")) as holder:
        holder.execute("SELECT count(*) FROM orders")
        there.begin(lambda: there.pg_session().execute("ALTER TABLE orders ADD COLUMN x int"))
        time.sleep(0.3)
        there.begin(lambda: there.pg_session().execute("SELECT n FROM orders WHERE id = 1"), 5)
        yield
        there.pg.execute(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        )


@contextlib.contextmanager
def advisory_lock(there: Shop) -> Iterator[None]:
    with there.pg_session() as holder:
        holder.execute("SELECT pg_advisory_lock(7)")
        there.begin(lambda: there.pg_session().execute("SELECT pg_advisory_lock(7)"), 6)
        yield


@contextlib.contextmanager
def no_connection_is_left(there: Shop) -> Iterator[None]:
    with contextlib.ExitStack() as held:
        with contextlib.suppress(psycopg.Error):
            while True:
                held.enter_context(there.pg_session())
        yield


@contextlib.contextmanager
def setting(there: Shop, name: str, value: str) -> Iterator[None]:
    there.pg.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    there.pg.reload()
    yield
    there.pg.execute(f"ALTER SYSTEM RESET {name}")
    there.pg.reload()


@contextlib.contextmanager
def no_synchronous_standby(there: Shop) -> Iterator[None]:
    """Again and again: a commit passes until the checkpointer has read the setting."""
    sessions = [there.pg_session() for _ in range(3)]
    with setting(there, "synchronous_standby_names", "gone"):
        for session in sessions:
            session.execute("SET synchronous_commit = on")
            there.again(partial(session.execute, "UPDATE orders SET n = 3 WHERE id = 9"))
        yield
        there.end()
    for session in sessions:
        session.close()


@contextlib.contextmanager
def only_reads(there: Shop) -> Iterator[None]:
    with setting(there, "default_transaction_read_only", "on"):
        there.again(lambda: there.pg_session().execute("UPDATE orders SET n = 3 WHERE id = 9"))
        yield


@contextlib.contextmanager
def logins_storm(there: Shop) -> Iterator[None]:
    for _ in range(3):
        there.again(lambda: there.pg_session().close(), 0.005)
    yield


@contextlib.contextmanager
def statements_fail(there: Shop) -> Iterator[None]:
    """Each by a key that is there already: what fails before it touches a table PostgreSQL does not
    count while the session goes on so.
    """
    session = there.pg_session()
    there.again(lambda: session.execute("INSERT INTO orders VALUES (1, 0)"), 0.005)
    yield
    there.end()
    session.close()


def stopped(
    of: Callable[[Shop], postgres.PostgresServer | mariadb.MariaDb | valkey.Valkey],
) -> Provoke:
    """With all its processes: sessions that are open would go on without the one that lets in."""

    @contextlib.contextmanager
    def provoke(there: Shop) -> Iterator[None]:
        pid = of(there).pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
        everybody = [pid, *map(int, children)]
        for each in everybody:
            os.kill(each, signal.SIGSTOP)
        yield
        for each in everybody:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGCONT)

    return provoke


@contextlib.contextmanager
def my_holds(there: Shop, holder: str, waiter: str, times: int = 6) -> Iterator[None]:
    session = there.my_session()
    cursor = session.cursor()
    for statement in holder.split(";"):
        cursor.execute(statement)
    there.begin(lambda: there.my_session().cursor().execute(waiter), times)
    yield
    session.close()


def my(holder: str, waiter: str, times: int = 6) -> Provoke:
    return lambda there: my_holds(there, holder, waiter, times)


@contextlib.contextmanager
def my_is_full(there: Shop) -> Iterator[None]:
    held = []
    with contextlib.suppress(Exception):
        while True:
            held.append(there.my_session())
    yield
    for session in held:
        session.close()


@contextlib.contextmanager
def my_setting(there: Shop, name: str, value: str, before: str) -> Iterator[None]:
    there.my.execute(f"SET GLOBAL {name} = {value}")
    yield
    there.my.execute(f"SET GLOBAL {name} = {before}")


@contextlib.contextmanager
def rd_said(
    there: Shop, *said: tuple[str, ...], writes: str = "SET k v", back: tuple[str, ...]
) -> Iterator[None]:
    for words in said:
        there.rd.send(*words)
    there.again(lambda: there.rd.send(*writes.split(), timeout=0.5), 0.005)
    yield
    there.end()
    there.rd.send(*back)


def rd(*said: str, writes: str = "SET k v", back: str) -> Provoke:
    return lambda there: rd_said(
        there, *(tuple(each.split()) for each in said), writes=writes, back=tuple(back.split())
    )


@contextlib.contextmanager
def answers(there: Shop, answer: Callable[[int], tuple[int, float]]) -> Iterator[None]:
    before, there.web.answer = there.web.answer, answer
    yield
    there.web.answer = before


def web(answer: Callable[[int], tuple[int, float]]) -> Provoke:
    return lambda there: answers(there, answer)


@contextlib.contextmanager
def clients_wait(there: Shop) -> Iterator[None]:
    """Two servers a pool, six clients who want one for long."""
    assert there.also is not None
    clients = [there.also.through() for _ in range(6)]
    for client in clients:
        there.begin(partial(client.execute, "SELECT pg_sleep(600)"))
    yield
    there.pg.execute(
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%sleep(600)'"
    )
    for client in clients:
        client.close()


@contextlib.contextmanager
def paused(there: Shop) -> Iterator[None]:
    assert there.also is not None
    there.also.console("PAUSE postgres")
    yield
    there.also.console("RESUME postgres")


@contextlib.contextmanager
def cache_is_down(there: Shop) -> Iterator[None]:
    assert there.also is not None
    there.also.cache.stop()
    yield
    there.also.cache_again()


@contextlib.contextmanager
def node_refuses(there: Shop) -> Iterator[None]:
    assert there.also is not None
    assert there.also.galera is not None
    there.also.galera.execute("SET GLOBAL wsrep_reject_queries = ALL")
    yield
    there.also.galera.execute("SET GLOBAL wsrep_reject_queries = NONE")


FAULTS = (
    Fault("postgres", "six sessions wait for a row", rows_are_locked),
    Fault("postgres", "a migration waits, and all behind it", a_migration_waits),
    Fault("postgres", "an advisory lock is held", advisory_lock),
    Fault("postgres", "no connection is left", no_connection_is_left),
    Fault("postgres", "the synchronous standby is gone", no_synchronous_standby),
    Fault("postgres", "default_transaction_read_only at the writer", only_reads),
    Fault("postgres", "200 logins a second", logins_storm),
    Fault("postgres", "every statement fails", statements_fail),
    Fault("postgres", "stopped", stopped(lambda there: there.pg)),
    Fault("mysql", "six sessions wait for a row", my("BEGIN; UPDATE orders SET n = 1 WHERE id = 1", "UPDATE orders SET n = 2 WHERE id = 1")),
    Fault("mysql", "a table's definition is locked", my("BEGIN; SELECT 1 FROM orders LIMIT 1", "ALTER TABLE orders COMMENT 'x'", 4)),
    Fault("mysql", "LOCK TABLES on MyISAM", my("LOCK TABLES old WRITE", "SELECT * FROM old")),
    Fault("mysql", "GET_LOCK of a sleeper", my("SELECT GET_LOCK('job', 1)", "SELECT GET_LOCK('job', 99)", 8)),
    Fault("mysql", "FLUSH TABLES WITH READ LOCK is held", my("FLUSH TABLES WITH READ LOCK", "UPDATE orders SET n = 2 WHERE id = 1")),
    Fault("mysql", "no connection is left", my_is_full),
    Fault("mysql", "read_only at the writer", lambda there: my_setting(there, "read_only", "1", "0")),
    Fault("mysql", "stopped", stopped(lambda there: there.my)),
    Fault("redis", "CLIENT PAUSE WRITE is left behind", rd("CLIENT PAUSE 60000 WRITE", back="CLIENT UNPAUSE")),
    Fault("redis", "fewer replicas than writes want", rd("CONFIG SET min-replicas-to-write 1", back="CONFIG SET min-replicas-to-write 0")),
    Fault("redis", "the writer has become a replica", rd("REPLICAOF 127.0.0.1 1", back="REPLICAOF NO ONE")),
    Fault("redis", "no memory is left", rd("CONFIG SET maxmemory 1mb", back="CONFIG SET maxmemory 0")),
    Fault("redis", "commands for the wrong type", rd("RPUSH l a", writes="GET l", back="DEL l")),
    Fault("redis", "stopped", stopped(lambda there: there.rd)),
    Fault("endpoint", "each answer is a 500", web(lambda _: (500, 0.0))),
    Fault("endpoint", "nothing is answered", web(lambda _: (200, 9.0))),
    Fault("endpoint", "one answer in two is a 502", web(lambda _: (random.choice((200, 502)), 0.0))),
    Fault("endpoint", "one answer in eight is a 502", web(lambda n: (200 if n % 8 else 502, 0.0))),
    Fault("pgbouncer", "clients wait for a server", clients_wait),
    Fault("pgbouncer", "paused", paused),
    Fault("memcached", "down", cache_is_down),
    Fault("galera", "one node refuses with 1047", node_refuses),
)  # fmt: skip


async def measured(fault: Fault, there: Shop, desk: Desk) -> tuple[float, bool, str]:
    """Seconds to its first finding that is a warning or worse, whether that is a gauge, its code."""
    await desk.calm(fault.target)
    began = time.monotonic()
    provoked = fault.provoke(there)
    await asyncio.to_thread(provoked.__enter__)
    try:
        while not (found := desk.since(began, fault.target, Severity.WARNING)):
            if time.monotonic() - began > GIVEN_UP:
                return GIVEN_UP, False, "not found"
            await asyncio.sleep(0.05)
        first = found[0].finding.finding
        return found[0].at - began, not first.fact, first.code
    finally:
        there.end()
        await asyncio.to_thread(provoked.__exit__, None, None, None)


async def repeated(fault: Fault, there: Shop, desk: Desk) -> Row:
    """The median of the runs, and the worst of them, at a time of the looks by chance."""
    runs = []
    for _ in range(RUNS):
        runs.append(await measured(fault, there, desk))
        await asyncio.sleep(random.uniform(0, 5))
    took, codes = [each[0] for each in runs], sorted({each[2] for each in runs})
    goal = GAUGE if all(gauge for _, gauge, _ in runs) else AT_ONCE
    note = f"worst {max(took):.1f} s; {', '.join(codes)}"
    row = Row(f"{fault.target}: {fault.name}", percentile(took, 0.5), "s", goal, note=note)
    print(f"{row.name}: {row.value:.1f} s, {note}", file=sys.stderr, flush=True)
    return row


async def _of(target: str, there: Shop, desk: Desk, chosen: Sequence[str]) -> list[Row]:
    return [
        await repeated(each, there, desk)
        for each in FAULTS
        if each.target == target
        if not chosen or any(word in each.name for word in chosen)
    ]


async def _all(chosen: Sequence[str]) -> list[Row]:
    with shop(whole=True) as there:
        async with watching(there) as desk:
            here = {target.name for target in there.targets()}
            lanes = dict.fromkeys(each.target for each in FAULTS if each.target in here)
            found = await asyncio.gather(
                *(_of(lane, there.alone(), desk, chosen) for lane in lanes)
            )
    return [row for lane in found for row in lane]


def rows(*chosen: str) -> list[Row]:
    """A row a fault, or those whose names hold one of the words; then the median of all."""
    found = asyncio.run(_all(chosen))
    took = [row.value for row in found]
    return [
        *found,
        Row(f"median of {len(found)} faults", percentile(took, 0.5), "s", AT_ONCE),
        Row("faults without a finding", sum(t >= GIVEN_UP for t in took), "", 0),
    ]


if __name__ == "__main__":
    print(render(rows(*sys.argv[1:])))
