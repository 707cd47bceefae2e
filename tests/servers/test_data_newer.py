"""Answers of a version that nobody knows yet: more columns, fewer columns, another version string.

The answers are a real server's, changed on their way. What is missing is unknown: never a zero,
never an alarm, never a bug.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cockpit.errors import BlindError, Reason
from cockpit.triage.engine import Look, judged
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Seen
from cockpit.triage.recording import encode
from cockpit.triage.registry import registry
from cockpit.world.servers import mariadb, valkey
from cockpit.world.servers.process import ServerProcess, wait_until
from tests.servers import fresh
from tests.servers.private import (
    REDIS_BINARIES,
    my_settings,
    mysql_users,
    redis_settings,
    session_for,
    target,
)
from tests.servers.test_memcached import settings as memcached_settings
from tests.servers.test_memcached import started

pytestmark = pytest.mark.servers

Change = Callable[[Any], Any]
MYSQL = (
    "mysql.sessions", "mysql.locks", "mysql.replication", "mysql.counters", "mysql.statements",
    "mysql.fuses",
)  # fmt: skip
REDIS = ("redis.health", "redis.performance", "redis.cluster")


@asynccontextmanager
async def changed(settings: Any, method: str) -> AsyncIterator[tuple[Any, list[Change]]]:
    """A real session whose answers go through the changes in the list."""
    changes: list[Change] = []
    async with session_for(settings) as session:
        ask = getattr(session, method)

        async def answer(*words: Any, **more: Any) -> Any:
            given = await ask(*words, **more)
            for change in changes:
                given = change(given)
            return given

        setattr(session, method, answer)
        yield session, changes


async def twice(
    session: Any, probe: str, settings: Any, changes: list[Change], before: Any = None
) -> Any:
    """An ordinary look, or the one given, then one with the changes; what is said of the second."""
    found = registry()[probe]
    to = target(settings)
    if before is None:
        kept, changes[:] = list(changes), []
        before = await found.collect(session, to)
        changes[:] = kept
    try:
        now = await found.collect(session, to)
    except BlindError as error:
        return error
    finally:
        changes.clear()
    if found.since is not None:
        now = found.since(before, now)
    seen = judged(Look(to, found, found.settings), now)
    assert encode(now)
    return seen


def assert_calm(outcome: Any, healthy: Seen, what: str) -> None:
    """Seen as before, or with something unknown; or blind with a reason. Nothing else."""
    if isinstance(outcome, BlindError):
        assert outcome.reason in {Reason.UNREADABLE, Reason.UNSUPPORTED}, what
        return
    alarms = {f.code for f in outcome.findings if f.severity > Severity.INFO} - {"RD_LAT_SLOW"}
    assert alarms <= {f.code for f in healthy.findings}, what
    usual = {fact.label: fact.value for fact in healthy.facts}
    for fact in outcome.facts:
        timed = fact.label == "answer"  # may be too short to be seen
        assert fact.value != 0 or timed or usual.get(fact.label) in {0, None}, (what, fact)


@pytest.fixture(scope="module")
def newer(base: Path) -> Iterator[mariadb.MariaDb]:
    folder = base / "newer"
    folder.mkdir(mode=0o755)
    server = mariadb.start(
        fresh.mariadb_data(folder / "m"),
        settings={"version": "13.1.4-MariaDB-nextgen", "performance-schema": "on"},
    )
    try:
        mysql_users(server)
        server.execute(
            "GRANT SELECT ON performance_schema.* TO ro@'%'",
            "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=1, MASTER_USER='x'",
        )
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize("probe", MYSQL)
async def test_a_mariadb_of_an_unknown_version_with_more_columns_is_read_as_ever(
    newer: mariadb.MariaDb, probe: str
) -> None:
    settings = my_settings(newer)
    extra = {"a_new_column": "x", "Another": 4711, "nothing": None}
    async with changed(settings, "dicts") as (session, changes):
        healthy = await twice(session, probe, settings, [])
        changes.append(lambda rows: [{**row, **extra} for row in rows])
        outcome = await twice(session, probe, settings, changes)

    assert isinstance(outcome, Seen)
    assert [f.code for f in outcome.findings] == [f.code for f in healthy.findings]
    assert [fact.label for fact in outcome.facts] == [fact.label for fact in healthy.facts]
    if probe == "mysql.sessions":
        assert {f.text for f in outcome.facts if f.label == "server"} == {"MariaDB 13.1.4"}


@pytest.mark.parametrize("probe", MYSQL)
async def test_a_column_of_mariadb_that_is_gone_is_unknown(
    newer: mariadb.MariaDb, probe: str
) -> None:
    settings = my_settings(newer)
    columns: set[str] = set()

    def note(rows: Any) -> Any:
        columns.update(name for row in rows for name in row)
        return rows

    async with changed(settings, "dicts") as (session, changes):
        healthy = await twice(session, probe, settings, [])
        changes.append(note)
        await twice(session, probe, settings, changes)
        assert len(columns) > 5
        for column in sorted(columns):
            changes.append(without(column))
            assert_calm(await twice(session, probe, settings, changes), healthy, column)


def without(column: str) -> Change:
    return lambda rows: [{n: v for n, v in row.items() if n != column} for row in rows]


@pytest.mark.parametrize("probe", ["mysql.sessions", "mysql.locks", "mysql.counters"])
async def test_a_variable_of_mariadb_that_is_gone_is_unknown(
    newer: mariadb.MariaDb, probe: str
) -> None:
    settings = my_settings(newer)
    variables: set[str] = set()

    def note(rows: Any) -> Any:
        variables.update(str(row["Variable_name"]) for row in rows if "Variable_name" in row)
        return rows

    def unsaid(name: str) -> Change:
        return lambda rows: [row for row in rows if row.get("Variable_name") != name]

    def unpurged(rows: Any) -> Any:  # what other files left is purged between two looks
        length = {"Variable_name": "Innodb_history_list_length", "Value": "7"}
        return [
            length if row.get("Variable_name") == length["Variable_name"] else row for row in rows
        ]

    async with changed(settings, "dicts") as (session, changes):
        changes.append(unpurged)
        healthy = await twice(session, probe, settings, changes)
        changes += [unpurged, note]
        await twice(session, probe, settings, changes)
        assert len(variables) > 3
        for name in sorted(variables):
            changes += [unpurged, unsaid(name)]
            assert_calm(await twice(session, probe, settings, changes), healthy, name)


def tells(server: valkey.Valkey, says: bytes) -> bool:
    return says in server.send("INFO", "replication")


@pytest.fixture(params=REDIS_BINARIES)
def pair(
    request: pytest.FixtureRequest, folder: Path
) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    """A primary with its replica, so that the replication fields are there."""
    binary = Path(request.param)
    primary = valkey.start(folder / "p", binary=binary)
    follow = {"replicaof": f"127.0.0.1 {primary.port}"}
    replica = valkey.start(folder / "r", binary=binary, settings=follow)
    try:
        for number in range(50):
            primary.send("SET", f"k{number}", "x")
        for server, says in ((primary, b"state=online"), (replica, b"master_link_status:up")):
            wait_until(
                partial(tells, server, says),
                server=server,
                name="the replica",
            )
        yield primary, replica
    finally:
        replica.stop()
        primary.stop()


SIDES = pytest.mark.parametrize("side", [0, 1], ids=["primary", "replica"])


def lines(change: Callable[[list[str]], list[str]]) -> Change:
    """Change the lines of INFO and CLUSTER INFO; leave every other answer alone."""

    def apply(reply: Any) -> Any:
        if not isinstance(reply, str) or "\r\n" not in reply:
            return reply
        return "\r\n".join(change(reply.split("\r\n")))

    return apply


@SIDES
async def test_an_info_of_an_unknown_version_is_read_as_ever(
    pair: tuple[ServerProcess, ServerProcess], side: int
) -> None:
    settings = redis_settings(pair[side])
    more = ["# Galaxy", "warp_factor:9.9", "db0_hot:keys=1", "slave_new:ip=,port=", ":", "nocolon"]

    def newer(given: list[str]) -> list[str]:
        renamed = {"redis_version": "redis_version:99.0-rc1", "valkey_version": "valkey_version:99"}
        return [renamed.get(line.partition(":")[0], line) for line in given] + more

    for probe in REDIS:
        async with changed(settings, "send") as (session, changes):
            healthy = await twice(session, probe, settings, [])
            changes.append(lines(newer))
            outcome = await twice(session, probe, settings, changes)

        assert isinstance(outcome, Seen)
        assert_calm(outcome, healthy, probe)
        assert {f.label for f in outcome.facts} >= {f.label for f in healthy.facts} - {"most time"}
        if probe == "redis.health":
            assert next(f.text for f in outcome.facts if f.label == "server").endswith((" 99", "1"))


@SIDES
async def test_a_field_of_info_that_is_gone_is_unknown(
    pair: tuple[ServerProcess, ServerProcess], side: int
) -> None:
    settings = redis_settings(pair[side])
    names = {line.split(":")[0] for line in pair_info(pair[side]) if ":" in line}
    assert len(names) > 100
    for probe in ("redis.health", "redis.performance"):
        async with changed(settings, "send") as (session, changes):
            healthy = await twice(session, probe, settings, [])
            before = await registry()[probe].collect(session, target(settings))
            for name in sorted(names):
                changes.append(lines(lacking(name)))
                outcome = await twice(session, probe, settings, changes, before)
                assert_calm(outcome, healthy, name)


def pair_info(server: Any) -> list[str]:
    reply: bytes = server.send("INFO")
    return reply.decode().split("\r\n")[1:]


def lacking(name: str) -> Callable[[list[str]], list[str]]:
    return lambda given: [line for line in given if not line.startswith(f"{name}:")]


async def test_a_memcached_of_an_unknown_version_says_more_and_less(folder: Path) -> None:
    server = started(folder)
    settings = memcached_settings(server.port)
    probe = "memcached.health"
    try:
        async with changed(settings, "command") as (session, changes):
            healthy = await twice(session, probe, settings, [])
            names = [line.split()[1] for line in await session.command("stats")]
            names += [line.split()[1] for line in await session.command("stats", "settings")]
            changes.append(lambda given: [*given, "STAT new_thing 1", "STAT", "STAT odd"])
            more = await twice(session, probe, settings, changes)
            assert isinstance(more, Seen)
            assert [f.label for f in more.facts] == [f.label for f in healthy.facts]
            for name in names:
                changes.append(unstated(name))
                assert_calm(await twice(session, probe, settings, changes), healthy, name)
    finally:
        server.stop()


def unstated(name: str) -> Change:
    return lambda given: [line for line in given if not line.startswith(f"STAT {name} ")]
