"""The shop's databases and caches: real servers, created, filled and ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cockpit.world import folder as folders
from cockpit.world.prepare import Secrets, WorldPorts
from cockpit.world.servers import mariadb, postgres, valkey
from cockpit.world.servers.process import ServerProcess

DATABASE = "orders"
SHARDS = 6
MAX_CONNECTIONS = 100
_POSTGRES: Mapping[str, str | int] = {
    "max_connections": MAX_CONNECTIONS,
    "superuser_reserved_connections": 1,
    "reserved_connections": 3,
    "shared_preload_libraries": "pg_stat_statements",
    "wal_level": "replica",
    "hot_standby_feedback": "on",
    "wal_receiver_status_interval": "1s",
    "log_min_messages": "fatal",
    "scram_iterations": 64,
    "deadlock_timeout": "500ms",
    "autovacuum_naptime": "60s",
    "jit": "off",
}
MEGABYTE = 1024 * 1024
Report = Callable[[str, str, str], None]
"""Told the part, its state (`starting`, `ready`, `failed`) and a detail."""


@dataclass(slots=True)
class Stores:
    """What runs. None: not started, or not there on this machine."""

    primary: postgres.PostgresServer | None = None
    standby: postgres.PostgresServer | None = None
    cache: valkey.Valkey | None = None
    replica: valkey.Valkey | None = None
    catalog: mariadb.MariaDb | None = None

    def servers(self) -> list[ServerProcess]:
        """Everything that runs, in the order in which it should end."""
        found = (self.standby, self.primary, self.replica, self.cache, self.catalog)
        return [server for server in found if server is not None]

    def stop(self) -> None:
        """End everything, side by side. A server that was stopped by a signal goes on first."""
        threads = [threading.Thread(target=server.stop, daemon=True) for server in self.servers()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(8)


def start_postgres(
    stores: Stores, folder: Path, *, ports: WorldPorts, secrets: Secrets, report: Report
) -> None:
    """The primary with its roles and rows, then the standby that streams from it."""
    report("orders-db", "starting", "")
    cluster = postgres.create(folder / "orders", password=secrets.owner)
    stores.primary = postgres.start(cluster, port=ports.orders, settings=_POSTGRES)
    _owned(folder, stores.primary, "postgres orders")
    _fill(stores.primary, secrets)
    report("orders-db", "ready", "")
    report("orders-standby", "starting", "")
    stores.standby = postgres.start_standby(
        folder / "standby", stores.primary, port=ports.standby, settings=_POSTGRES, slot="standby"
    )
    _owned(folder, stores.standby, "postgres standby")
    report("orders-standby", "ready", "")


def _fill(primary: postgres.PostgresServer, secrets: Secrets) -> None:
    primary.execute(
        f"CREATE ROLE checkout LOGIN PASSWORD '{secrets.checkout}'",
        f"CREATE ROLE cockpit_ro LOGIN PASSWORD '{secrets.observer}'",
        f"CREATE ROLE cockpit_ops LOGIN PASSWORD '{secrets.operator}'",
        "GRANT pg_monitor, pg_use_reserved_connections TO cockpit_ro, cockpit_ops",
        "GRANT pg_signal_backend TO cockpit_ops",
        f"CREATE DATABASE {DATABASE} OWNER checkout",
    )
    primary.execute(
        "CREATE EXTENSION pg_stat_statements",
        "CREATE TABLE shards (shard int PRIMARY KEY, orders bigint NOT NULL DEFAULT 0,"
        " beat timestamptz NOT NULL DEFAULT now()) WITH (fillfactor = 40)",
        f"INSERT INTO shards (shard) SELECT generate_series(1, {SHARDS})",
        "CREATE TABLE orders (id bigserial PRIMARY KEY, shard int NOT NULL, customer int NOT NULL,"
        " status text NOT NULL, total numeric(10, 2) NOT NULL,"
        " created timestamptz NOT NULL DEFAULT now())",
        "INSERT INTO orders (shard, customer, status, total)"
        f" SELECT 1 + n % {SHARDS}, n % 900, 'paid', n % 200 + 0.99"
        " FROM generate_series(1, 4000) n",
        "CREATE INDEX ON orders (customer)",
        "GRANT EXECUTE ON FUNCTION pg_wal_replay_resume() TO cockpit_ops",
        "ALTER TABLE shards OWNER TO checkout",
        "ALTER TABLE orders OWNER TO checkout",
        "ANALYZE",
        database=DATABASE,
    )


def swap(stores: Stores, folder: Path) -> None:
    """Fail over for real: the standby is promoted, and the old primary follows it on its old port.

    The old one is shut down first, which waits until the standby has everything.
    """
    old, new = stores.primary, stores.standby
    assert old is not None
    assert new is not None
    old.shut_down()
    new.execute("SELECT pg_promote()", "SELECT pg_create_physical_replication_slot('standby')")
    conninfo = f"{new.dsn()} application_name=standby"
    settings = {**_POSTGRES, "primary_conninfo": conninfo, "primary_slot_name": "standby"}
    stores.standby = postgres.rejoin(old.cluster, port=old.port, settings=settings)
    stores.primary = new
    _owned(folder, stores.standby, "postgres orders")
    stores.standby.execute("SELECT pg_drop_replication_slot('standby')")


def start_valkey(
    stores: Stores, folder: Path, *, ports: WorldPorts, megabytes: int, report: Report
) -> None:
    """The primary and its replica, both with the memory of their node type."""
    settings: dict[str, str | int] = {
        "maxmemory": megabytes * MEGABYTE,
        "maxmemory-policy": "allkeys-lru",
        "maxclients": 1000,
        "repl-backlog-size": MEGABYTE,
        "client-output-buffer-limit": "replica 64mb 16mb 60",
    }
    report("sessions", "starting", "")
    stores.cache = valkey.start(folder / "sessions", port=ports.sessions, settings=settings)
    _owned(folder, stores.cache, "valkey primary")
    report("sessions", "ready", "")
    stores.replica = valkey.start_replica(
        folder / "sessions-replica",
        stores.cache,
        port=ports.sessions_replica,
        settings={**settings, "maxmemory": 0},
    )
    _owned(folder, stores.replica, "valkey replica")


def start_mariadb(
    stores: Stores, folder: Path, *, ports: WorldPorts, secrets: Secrets, report: Report
) -> None:
    """The catalog, where MariaDB is installed."""
    report("catalog", "starting", "")
    data = mariadb.create(folder / "catalog")
    settings: dict[str, str | int] = {
        "max-connections": 60,
        # Without it nobody can tell who holds a metadata lock, and the cockpit offers nothing then.
        "performance-schema": "on",
        "performance-schema-instrument": "wait/lock/metadata/sql/mdl=ON",
    }
    stores.catalog = mariadb.start(data, port=ports.catalog, settings=settings)
    _owned(folder, stores.catalog, "mariadb")
    stores.catalog.execute(
        "CREATE DATABASE catalog",
        f"CREATE USER search@'127.0.0.1' IDENTIFIED BY '{secrets.checkout}'",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON catalog.* TO search@'127.0.0.1'",
        f"CREATE USER cockpit_ro@'127.0.0.1' IDENTIFIED BY '{secrets.observer}'",
        f"CREATE USER cockpit_ops@'127.0.0.1' IDENTIFIED BY '{secrets.operator}'",
        "CREATE TABLE catalog.products (id int PRIMARY KEY, name varchar(80), price decimal(10,2))",
        "INSERT INTO catalog.products VALUES (1, 'kettle', 29.5), (2, 'teapot', 19.0)",
    )
    for grants in (
        "PROCESS, REPLICA MONITOR, REPLICATION CLIENT, SLAVE MONITOR ON *.* TO {}",
        "SELECT ON performance_schema.* TO {}",
    ):
        for user in ("cockpit_ro@'127.0.0.1'", "cockpit_ops@'127.0.0.1'"):
            stores.catalog.execute("GRANT " + grants.format(user))
    stores.catalog.execute("GRANT CONNECTION ADMIN ON *.* TO cockpit_ops@'127.0.0.1'")
    report("catalog", "ready", "")


def _owned(folder: Path, server: ServerProcess, what: str) -> None:
    folders.own(folder, server.pid, what)
