"""Private servers for tests: on free loopback ports, ended by their pid, also after a failure."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cockpit.connect.sql import looks as sql_looks
from cockpit.world.servers import mariadb, postgres
from tests.servers import fresh
from tests.servers.private import REPLICATING, SECRETS, SUPER, mysql_users, postgres_roles

_FOR_ALL = {"pg", "maria"}
"""Folders of the servers that live as long as the run."""


@pytest.fixture(scope="session", autouse=True)
def secrets() -> Iterator[None]:
    os.environ.update(SECRETS)
    yield
    for name in SECRETS:
        del os.environ[name]


@pytest.fixture(autouse=True)
def the_servers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What only looks is judged before it is sent (tests/core/test_sql_looks.py). Here the servers
    have to hold by themselves, as they must against a statement that was misjudged.
    """
    monkeypatch.setattr(sql_looks, "check", lambda sql, flavour: None)


@pytest.fixture(scope="session")
def base() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cockpit-servers-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module", autouse=True)
def swept_after_a_file(base: Path) -> Iterator[None]:
    """A server leaves 30 MB and more, and a run starts hundreds: gigabytes before its end."""
    with _swept(base):
        yield


@pytest.fixture(autouse=True)
def swept_after_a_test(base: Path) -> Iterator[None]:
    with _swept(base):
        yield


@contextmanager
def _swept(base: Path) -> Iterator[None]:
    """Removes what has come by the end. Autouse: it is set up first of its scope, so ends last."""
    before = set(base.iterdir())
    yield
    for folder in set(base.iterdir()) - before:
        if folder.name not in _FOR_ALL:
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def pg(base: Path) -> Iterator[postgres.PostgresServer]:
    cluster = fresh.postgres_cluster(base / "pg", password=SUPER)
    server = postgres.start(
        cluster,
        settings={
            "max_connections": 60,
            "max_prepared_transactions": 5,
            "deadlock_timeout": "500ms",
            "log_min_messages": "error",
        },
    )
    try:
        postgres_roles(server)
        yield server
    finally:
        server.stop()


@pytest.fixture
def small_pg(base: Path) -> Iterator[postgres.PostgresServer]:
    """One of a test's own, with few connections: to fill, stop and crash."""
    folder = Path(tempfile.mkdtemp(dir=base))
    folder.chmod(0o755)
    server = postgres.start(
        fresh.postgres_cluster(folder / "pg", password=SUPER),
        settings={"max_connections": 12, "max_wal_senders": 2},
    )
    try:
        postgres_roles(server)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def maria(base: Path) -> Iterator[mariadb.MariaDb]:
    if mariadb.find_binary() is None:
        pytest.fail("MariaDB is not installed: apt-get install mariadb-server-core mariadb-client")
    server = mariadb.start(
        fresh.mariadb_data(base / "maria"),
        settings={"max_connections": 40, "innodb-lock-wait-timeout": 20},
    )
    try:
        mysql_users(server)
        yield server
    finally:
        server.stop()


@pytest.fixture
def small_maria(base: Path) -> Iterator[mariadb.MariaDb]:
    folder = Path(tempfile.mkdtemp(dir=base))
    folder.chmod(0o755)
    server = mariadb.start(fresh.mariadb_data(folder / "m"), settings={"max_connections": 10})
    try:
        mysql_users(server)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def pair(base: Path) -> Iterator[tuple[mariadb.MariaDb, mariadb.MariaDb]]:
    """A primary and its replica, which counts statements and hears from it five times a second."""
    folder = Path(tempfile.mkdtemp(dir=base))
    folder.chmod(0o755)
    both = []
    try:
        for number in (1, 2):
            data = fresh.mariadb_data(folder / f"r{number}")
            settings = {"server-id": number, "log-bin": "bin", "performance-schema": 1}
            both.append(mariadb.start(data, settings=settings))
            mysql_users(both[-1])
            both[-1].execute("GRANT SELECT ON performance_schema.* TO ro@'%'")
            both[-1].execute("RESET MASTER")
        primary, replica = both
        primary.execute(
            f"CREATE USER repl@'%' IDENTIFIED BY '{REPLICATING}'",
            "GRANT REPLICATION SLAVE ON *.* TO repl@'%'",
        )
        mariadb.follow(replica, primary, user="repl", password=REPLICATING)
        replica.execute(
            "SET GLOBAL read_only = 1",
            "STOP SLAVE",
            "CHANGE MASTER TO MASTER_HEARTBEAT_PERIOD = 0.2, MASTER_CONNECT_RETRY = 1",
            "START SLAVE",
        )
        yield primary, replica
    finally:
        for server in both:
            server.stop()


@pytest.fixture
def folder(base: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=base))
