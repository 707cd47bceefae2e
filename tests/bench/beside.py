"""Beside the four servers of the bench of faults: a pooler, a memcached, a Galera node."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from cockpit.connect.memcached.settings import MemcachedSettings
from cockpit.connect.mysql.settings import MysqlSettings
from cockpit.connect.postgres.pooler_settings import PgBouncerSettings
from cockpit.triage.target import Target
from cockpit.world.servers import mariadb, postgres
from cockpit.world.servers.process import ServerProcess, find, free_port, launch, wait_until
from tests.servers.pgbouncer import pgbouncer
from tests.servers.private import SECRETS

PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")
HERE = "127.0.0.1"


@dataclass
class Beside:
    """The servers, and how each is looked at. `galera` None: it is not installed."""

    pooler: ServerProcess
    cache: ServerProcess
    galera: mariadb.MariaDb | None

    def targets(self) -> Iterator[Target]:
        """As `Shop.targets`."""
        yield Target(
            name="pgbouncer",
            kind="pgbouncer",
            settings=PgBouncerSettings(
                host=HERE, port=self.pooler.port, user="ro", password="env:T_RO", sslmode="disable"
            ),
        )
        cache = MemcachedSettings(host=HERE, port=self.cache.port)
        yield Target(name="memcached", kind="memcached", settings=cache)
        if self.galera is not None:
            node = MysqlSettings(host=HERE, port=self.galera.port, user="watch", tls="off")
            yield Target(name="galera", kind="mysql", settings=node)

    def through(self) -> psycopg.Connection[tuple[object, ...]]:
        """A client of the application's, through the pooler."""
        return psycopg.connect(
            host=HERE, port=self.pooler.port, user="app", password=SECRETS["T_APP"],
            dbname="postgres", autocommit=True, sslmode="disable",
        )  # fmt: skip

    def console(self, command: str) -> None:
        """Say it to the pooler itself."""
        with psycopg.connect(
            host=HERE, port=self.pooler.port, user="act", password=SECRETS["T_ACT"],
            dbname="pgbouncer", autocommit=True, sslmode="disable",
        ) as console:  # fmt: skip
            console.execute(command.encode())

    def cache_again(self) -> None:
        """Begin the cache that was ended, where it was."""
        self.cache = _memcached(self.cache.folder, port=self.cache.port)


@contextlib.contextmanager
def beside(folder: Path, pg: postgres.PostgresServer) -> Iterator[Beside]:
    """Started in `folder`, the pooler in front of `pg`."""
    os.environ.update(SECRETS)
    with contextlib.ExitStack() as ends:
        pooler = ends.enter_context(pgbouncer(folder / "pooler", pg, server_login_retry=1))
        (folder / "cache").mkdir()
        found = Beside(pooler, _memcached(folder / "cache"), _galera(folder / "galera"))
        ends.callback(lambda: found.cache.stop())
        if found.galera is not None:
            ends.callback(found.galera.stop)
        yield found


def _memcached(folder: Path, *, port: int = 0) -> ServerProcess:
    program, port = find("memcached"), port or free_port()
    assert program is not None, "memcached is not installed: apt-get install memcached"
    log = folder / "log"
    command: list[str | Path] = [program, "-l", HERE, "-p", str(port), "-U", "0", "-m", "4"]
    process = launch(command, log=log, dies_by=signal.SIGKILL, drop=True)
    server = ServerProcess(process=process, port=port, folder=folder, log=log)
    wait_until(lambda: server.alive, server=server, name="memcached")
    return server


def _galera(folder: Path) -> mariadb.MariaDb | None:
    """A cluster of one node."""
    if not PROVIDER.exists():
        return None
    node = mariadb.start(
        mariadb.create(folder),
        settings={
            "wsrep-on": "ON",
            "wsrep-provider": str(PROVIDER),
            "wsrep-cluster-address": "gcomm://",
            "wsrep-node-address": HERE,
            "wsrep-provider-options": f"gmcast.listen_addr=tcp://{HERE}:{free_port()};"
            f"ist.recv_addr={HERE}:{free_port()};gcache.size=4M",
            "binlog-format": "ROW",
            "innodb-autoinc-lock-mode": 2,
        },
    )
    node.execute("CREATE USER watch@'%'", "GRANT PROCESS ON *.* TO watch@'%'", database="mysql")
    return node
