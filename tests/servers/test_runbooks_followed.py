"""Runbooks of the data plane, followed to their end by a commander on real servers.

Each time: the fault is there, the looks take down what the change needs, the change is planned,
said yes to and run, the owner of the server is asked whether it happened, and the finding goes.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cockpit.connect.settings import Login
from cockpit.desk.desk import Desk
from cockpit.errors import DoesNotApply
from cockpit.runbooks.format import parse
from cockpit.runbooks.library import Library, library
from cockpit.runbooks.plan import Plan
from cockpit.runbooks.run import Run
from cockpit.triage.board import LOOKS_TO_CLEAR, OpenFinding
from cockpit.triage.finding import Thresholds
from cockpit.world.servers import mariadb, postgres, valkey
from probes.mysql.sessions import Settings as MysqlSessions
from probes.postgres.replication import Settings as PostgresReplication
from probes.postgres.sessions import Settings as PostgresSessions
from tests.patience import at_most
from tests.servers.documented import mysql_rights, rights_for
from tests.servers.mysql_crowd import Crowd as MysqlCrowd
from tests.servers.private import (
    REDIS_BINARIES,
    Crowd,
    my_settings,
    pg_settings,
    redis_logins,
    redis_users,
    target,
    until,
)
from tests.servers.seats import seated

pytestmark = pytest.mark.servers

SOON = {
    "mysql.sessions": MysqlSessions(long_query=Thresholds(warning=1)),
    "postgres.sessions": PostgresSessions(long_query=Thresholds(warning=1)),
    "postgres.replication": PostgresReplication(slot_retained=Thresholds(warning=1_000_000)),
}
Pair = tuple[mariadb.MariaDb, mariadb.MariaDb]


def hurried(runbook_id: str, **thresholds: tuple[str, str]) -> Library:
    """The shipped runbook, with other seconds in its conditions: nobody waits half a minute."""
    source = library().get(runbook_id).source
    for old, new in thresholds.values():
        assert old in source
        source = source.replace(old, new)
    runbook = parse(source, Path(f"{runbook_id}.md")).runbook
    assert runbook is not None
    return Library((runbook,))


async def found(desk: Desk, probe: str, code: str) -> OpenFinding:
    """Look until the board says it."""

    async def look() -> OpenFinding | None:
        await desk.engine.look("db", probe)
        return next((o for o in desk.board.open.values() if o.id.code == code), None)

    opened = await until(look, lambda opened: opened is not None)
    assert opened is not None
    return opened


async def follow(run: Run, *steps: str, answers: Mapping[str, str] | None = None) -> Plan:
    """Run steps as a person would who types what is asked for; gives the last plan."""
    for step_id in steps:
        plan = await run.plan(step_id)
        typed = (answers or {}).get(step_id, plan.confirm_word)
        async with asyncio.timeout(at_most(30)):
            outcome = await run.execute(plan, run.approve(plan, typed=typed, second="bob"))
        assert outcome.kind == "ok", f"{step_id}: {outcome}"
    return plan


async def gone(desk: Desk, probe: str, opened: OpenFinding) -> None:
    """A few looks later the board says it no more, and the record knows how the change ended."""
    for _ in range(LOOKS_TO_CLEAR):
        await desk.engine.look("db", probe)
    assert opened.id not in desk.board.open
    kinds = [entry.kind.value for entry in desk.incident.entries]
    assert kinds.count("step.intent") == kinds.count("approval") == 1
    assert desk.incident.unfinished == ()


async def test_a_stopped_replica_is_started_and_catches_up(pair: Pair, folder: Path) -> None:
    primary, replica = pair
    replica.execute(*mysql_rights("act", rights_for("start_replication")), "STOP SLAVE")
    primary.execute("UPDATE shop.orders SET status = 'missed' WHERE id = 1")
    async with seated((target(my_settings(replica)),), folder, SOON) as desk:
        opened = await found(desk, "mysql.replication", "MY_REPL_STOPPED")
        (book, *_) = desk.runbooks_for(opened)
        run = desk.start_run(book.id, opened)
        await follow(run, "replica", "start", "recovered")
        with pytest.raises(DoesNotApply, match="it is stopped"):
            await run.plan("start")
        await gone(desk, "mysql.replication", opened)

    async def there() -> list[tuple[Any, ...]]:
        return replica.execute("SELECT status FROM shop.orders WHERE id = 1")

    assert book.id == "mysql-replication"
    await until(there, lambda rows: rows == [("missed",)])


async def test_the_longest_statement_of_mysql_is_cancelled_and_no_other(
    pair: Pair, folder: Path
) -> None:
    server, _ = pair
    shelf = hurried("mysql-long-queries", half_a_minute=(">= `30`", ">= `1`"))
    with MysqlCrowd(server) as crowd:
        report = crowd.wait("SELECT count(*), SLEEP(300) FROM orders", state="User sleep")
        async with seated((target(my_settings(server)),), folder, SOON, shelf=shelf) as desk:
            opened = await found(desk, "mysql.sessions", "MY_SESS_LONG_QUERY")
            younger = crowd.wait("SELECT SLEEP(299)", state="User sleep")
            run = desk.start_run("mysql-long-queries", opened)
            await follow(run, "statements", "counters", "locks", "victim")
            plan = await follow(run, "cancel")
            runs = server.execute(
                "SELECT id, command FROM information_schema.processlist WHERE user = 'app'"
            )
            younger_id = younger.thread_id()
            server.execute(f"KILL QUERY {younger_id}")
            await follow(run, "recovered")
            await gone(desk, "mysql.sessions", opened)

    assert plan.risk == "low"
    assert dict(runs) == {report.thread_id(): "Sleep", younger_id: "Query"}


SPIN = "#!lua name=spin\nredis.register_function('spin', function() while true do end end)"
BUSY = {
    "script": (("EVAL", "while true do end", "0"),),
    "function": (("FUNCTION", "LOAD", SPIN), ("FCALL", "spin", "0")),
}


def wired(*words: str) -> bytes:
    """A command as Redis takes it."""
    parts = "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    return f"*{len(words)}\r\n{parts}".encode()


@pytest.mark.parametrize("sort", BUSY)
async def test_a_script_that_holds_the_thread_is_ended_and_the_cache_answers(
    folder: Path, sort: str
) -> None:
    binary = REDIS_BINARIES[0].values[0]
    assert isinstance(binary, Path)
    server = valkey.start(folder, binary=binary, settings={"busy-reply-threshold": 200})
    redis_users(server)
    settings = redis_logins(server)
    try:
        with socket.create_connection(("127.0.0.1", server.port), 30) as wire:
            wire.sendall(b"".join(wired(*each) for each in BUSY[sort]))
            async with seated((target(settings),), folder, SOON) as desk:
                opened = await found(desk, "redis.health", "RD_STATE_BUSY_SCRIPT")
                (book, *_) = desk.runbooks_for(opened)
                run = desk.start_run(book.id, opened)
                look = await run.plan("server")
                blind = await run.execute(look, run.approve(look))
                await run.go_on("server", "blind with the same code: nothing has changed")
                plan = await follow(run, sort)
                await follow(run, "server", "recovered")
                ended = await asyncio.to_thread(wire.recv, 1000)
                await gone(desk, "redis.health", opened)
        answers = server.send("PING")
    finally:
        server.stop()

    assert (book.id, plan.risk, plan.confirm_word) == ("cache-refuses", "high", "db")
    assert (blind.kind, "BUSY" in blind.text) == ("failed", True), blind
    assert f"{sort.upper()} KILL".encode() in ended
    assert answers == b"+PONG\r\n"


async def test_a_slot_that_nobody_reads_is_dropped_and_the_one_that_keeps_less_stays(
    pg: postgres.PostgresServer, folder: Path
) -> None:
    slots = "SELECT slot_name FROM pg_replication_slots"
    pg.execute(
        "SELECT pg_create_physical_replication_slot('gone_cdc', true)",
        "CREATE TABLE written AS SELECT i, repeat('x', 500) FROM generate_series(1, 5000) AS i",
        "CHECKPOINT",  # a slot keeps the WAL since the last one
        "SELECT pg_create_physical_replication_slot('young', true)",
    )
    settings = pg_settings(pg, commander=Login(user="keeper", password="env:T_ACT"))
    try:
        async with seated((target(settings),), folder, SOON) as desk:
            opened = await found(desk, "postgres.replication", "PG_SLOT_RETAIN")
            (book, *_) = desk.runbooks_for(opened)
            run = desk.start_run(book.id, opened)
            asked = {"owner": "yes", "who": "eve, who moved the consumer", "bound": ""}
            await follow(run, "slots", "files", "writes", "owner", "who", answers=asked)
            plan = await follow(run, "drop")
            left = pg.execute(slots)
            await follow(run, "bound", "recovered", answers=asked)
            await gone(desk, "postgres.replication", opened)
    finally:
        pg.execute(f"SELECT pg_drop_replication_slot(slot_name) FROM ({slots}) AS s")
        pg.execute("DROP TABLE IF EXISTS written")

    assert (book.id, plan.risk) == ("pg-disk", "destructive")
    assert "eve" in str(plan.lines)
    assert left == [("young",)]


async def test_the_longest_statement_of_postgresql_is_cancelled_and_its_connection_stays(
    pg: postgres.PostgresServer, folder: Path
) -> None:
    seconds = {"asked": ("running_s > `60`", "running_s > `1`"),
               "seen": ("query_s > `60`", "query_s > `1`")}  # fmt: skip
    async with Crowd(pg) as crowd:
        (report,) = await crowd.wait("SELECT pg_sleep(300)", app="report")
        pid = report.info.backend_pid
        async with seated(
            (target(pg_settings(pg)),), folder, SOON, shelf=hurried("pg-load", **seconds)
        ) as desk:
            opened = await found(desk, "postgres.sessions", "PG_SESS_LONG_QUERY")
            run = desk.start_run("pg-load", opened)
            plan = await follow(run, "load", "statements", "longest", "cancel")
            left = pg.execute(
                "SELECT pid, state FROM pg_stat_activity WHERE application_name = 'report'"
            )
            await gone(desk, "postgres.sessions", opened)
        (said,) = await asyncio.gather(*crowd.tasks, return_exceptions=True)

    assert plan.risk == "low"
    assert left == [(pid, "idle in transaction (aborted)")]
    assert "canceling statement due to user request" in str(said)
