"""What is taken away between two `cockpit check`: real servers, real command line."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cockpit.cli import main as cli
from cockpit.world.servers import mariadb, postgres, valkey
from tests.servers import fresh
from tests.servers.private import REDIS_BINARIES, SECRETS, SUPER

pytestmark = pytest.mark.servers
PART = "postgres.sessions.part"


def test_a_right_that_is_revoked_between_two_checks_is_missed(
    pg: postgres.PostgresServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COCKPIT_DATA", str(tmp_path / "data"))
    path = tmp_path / "cockpit.toml"
    path.write_text(
        'environment = "test"\n[[target]]\nname = "db"\nkind = "postgres"\nhost = "127.0.0.1"\n'
        f'port = {pg.port}\nuser = "seer"\npassword = "env:T_RO"\nsslmode = "prefer"\n',
        encoding="utf-8",
    )

    def missed(*words: str) -> list[dict[str, Any]]:
        capsys.readouterr()
        cli.run(["--config", str(path), "check", "--json", "-p", "postgres.sessions", *words])
        said = capsys.readouterr()
        assert said.err == ""
        return [r for r in json.loads(said.out)["readings"] if r["probe"] == PART]

    pg.execute(f"CREATE ROLE seer LOGIN PASSWORD '{SECRETS['T_RO']}'", "GRANT pg_monitor TO seer")
    try:
        assert missed("--stateless") == []
        assert not (tmp_path / "data").exists()
        assert missed() == []
        pg.execute("REVOKE pg_monitor FROM seer")
        missed()
        [told] = missed()
        assert missed("--stateless") == []
        forgotten = missed("--forget", "-t", "db"), missed(), missed()
    finally:
        pg.execute("DROP ROLE seer")

    assert (told["outcome"], told["reason"]) == ("blind", "missing")
    assert told["detail"].startswith("role 'seer' may not see other sessions")
    assert told["hint"].endswith("cockpit check --forget -t db")
    assert forgotten == ([], [], [])


@dataclass(frozen=True)
class Taken:
    """What somebody takes away, how it comes back, and which look misses it."""

    probe: str
    take: tuple[str, ...]
    back: tuple[str, ...]
    says: str


OF_POSTGRES = {
    "an extension is dropped": Taken(
        "postgres.statements",
        ("DROP EXTENSION pg_stat_statements",),
        ("CREATE EXTENSION pg_stat_statements",),
        "missing: CREATE EXTENSION pg_stat_statements",
    ),
    "what a view reads is taken away": Taken(
        "postgres.statements",
        ("REVOKE EXECUTE ON FUNCTION pg_stat_statements(boolean) FROM PUBLIC",),
        ("GRANT EXECUTE ON FUNCTION pg_stat_statements(boolean) TO PUBLIC",),
        "denied: ",
    ),
    "its role is another one": Taken(
        "postgres.counters",
        ("REVOKE pg_monitor FROM seer", "GRANT pg_signal_backend TO seer"),
        ("GRANT pg_monitor TO seer",),
        "earlier looks had it",
    ),
}


@pytest.fixture(scope="module")
def counting(base: Path) -> Iterator[postgres.PostgresServer]:
    """A PostgreSQL that counts statements."""
    folder = Path(tempfile.mkdtemp(dir=base))
    folder.chmod(0o755)
    server = postgres.start(
        fresh.postgres_cluster(folder / "pg", password=SUPER),
        settings={"shared_preload_libraries": "pg_stat_statements"},
    )
    try:
        server.execute(
            "CREATE EXTENSION pg_stat_statements",
            f"CREATE ROLE seer LOGIN PASSWORD '{SECRETS['T_RO']}'",
            "GRANT pg_monitor TO seer",
        )
        yield server
    finally:
        server.stop()


Checks = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Checks:
    """`cockpit check` of one server, as from cron: each in a process' memory of its own."""
    monkeypatch.setenv("COCKPIT_DATA", str(tmp_path / "data"))

    def check(kind: str, port: int, probe: str, **more: object) -> list[dict[str, Any]]:
        path = tmp_path / "cockpit.toml"
        words = {"user": "seer", "password": "env:T_RO", **more}
        path.write_text(
            f'environment = "test"\n[[target]]\nname = "db"\nkind = "{kind}"\nhost = "127.0.0.1"\n'
            f"port = {port}\n"
            + "".join(f"{name} = {json.dumps(each)}\n" for name, each in words.items()),
            encoding="utf-8",
        )
        capsys.readouterr()
        cli.run(["--config", str(path), "check", "--json", "-p", probe])
        found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["readings"]
        return found

    return check


def blind(readings: list[dict[str, Any]]) -> str:
    """What could not be looked at, and why; empty: nothing."""
    told = [each for each in readings if each["outcome"] == "blind"]
    return "; ".join(f"{each['reason']}: {each['detail']}" for each in told)


@pytest.mark.parametrize("name", OF_POSTGRES)
def test_what_postgresql_does_not_give_any_more_is_missed(
    counting: postgres.PostgresServer, checks: Checks, name: str
) -> None:
    taken = OF_POSTGRES[name]

    def check() -> str:
        return blind(checks("postgres", counting.port, taken.probe, sslmode="prefer"))

    before = check()
    counting.execute(*taken.take)
    try:
        check()
        told = check()
    finally:
        counting.execute(*taken.back)
    after = check()

    assert (before, after) == ("", "")
    assert taken.says in told


def test_what_mariadb_does_not_give_any_more_is_missed(folder: Path, checks: Checks) -> None:
    """A restart without the performance schema, and rights that are revoked."""
    folder.chmod(0o755)
    data = fresh.mariadb_data(folder / "m")
    server = mariadb.start(data, settings={"performance-schema": 1, "server-id": 1, "log-bin": "b"})

    def check(probe: str) -> str:
        return blind(checks("mysql", server.port, probe, tls="off"))

    try:
        server.execute(
            f"CREATE USER seer@'%' IDENTIFIED BY '{SECRETS['T_RO']}'",
            "GRANT PROCESS, SLAVE MONITOR ON *.* TO seer@'%'",
            "GRANT SELECT ON performance_schema.* TO seer@'%'",
        )
        kept = ("mysql.statements", "mysql.replication", "mysql.locks")
        before = [check(probe) for probe in kept]
        port = server.port
        server.stop()
        server = mariadb.start(data, port=port, settings={"server-id": 1, "log-bin": "b"})
        server.execute("REVOKE PROCESS, SLAVE MONITOR ON *.* FROM seer@'%'")
        for probe in kept:
            check(probe)
        told = {probe: check(probe) for probe in kept}
    finally:
        server.stop()

    assert before == ["", "", ""]
    assert "performance_schema" in told["mysql.statements"]
    assert all("had it" in each for each in told.values()), told


@pytest.mark.parametrize("binary", REDIS_BINARIES)
def test_what_a_cache_does_not_give_any_more_is_missed(
    folder: Path, checks: Checks, binary: Path
) -> None:
    server = valkey.start(folder, binary=binary)
    commands = ("+info", "+ping", "+client|list", "+slowlog|get")
    try:
        server.send("ACL", "SETUSER", "seer", "on", f">{SECRETS['T_RO']}", *commands)
        before = blind(checks("redis", server.port, "redis.performance", tls=False))
        server.send("ACL", "SETUSER", "seer", "-slowlog|get")
        checks("redis", server.port, "redis.performance", tls=False)
        told = blind(checks("redis", server.port, "redis.performance", tls=False))
    finally:
        server.stop()

    assert before == ""
    assert "had it" in told
