"""A private MariaDB, when `mariadbd` is installed. No wheel carries one."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cockpit.world.servers.process import (
    ServerFailed,
    ServerProcess,
    find,
    free_port,
    launch,
    make_folder,
    run,
    wait_until,
)

LACKING = "MariaDB is not installed"
INSTALL = "apt-get install mariadb-server-core, or brew install mariadb"
_DEFAULTS: Mapping[str, str | int] = {
    "bind-address": "127.0.0.1",
    "skip-name-resolve": 1,
    "innodb-buffer-pool-size": "24M",
    "innodb-log-file-size": "8M",
    "innodb-flush-log-at-trx-commit": 0,
    "innodb-fast-shutdown": 2,
    "key-buffer-size": "1M",
    "default-time-zone": "+00:00",
}


@dataclass(slots=True)
class MariaDb(ServerProcess):
    """A running MariaDB; `root` has no password and every right, from 127.0.0.1 only."""

    def execute(self, *statements: str, database: str = "") -> list[tuple[Any, ...]]:
        """Run statements as root, each by itself; gives the rows of the last one."""
        import pymysql

        connection = pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user="root",
            database=database or None,
            autocommit=True,
            ssl_disabled=True,
            connect_timeout=30,
            read_timeout=60,
            write_timeout=60,
        )
        try:
            rows: list[tuple[Any, ...]] = []
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                    rows = list(cursor.fetchall())
            return rows
        finally:
            connection.close()


def find_binary() -> Path | None:
    """`mariadbd`, when it and `mariadb-install-db` are installed; None otherwise."""
    return find("mariadbd") if find("mariadb-install-db") else None


def create(folder: Path) -> Path:
    """Make the system tables in `folder`/data (about 1.5 s); gives that folder.

    It gets temporary files of its own: a MariaDB that starts removes what is left of temporary
    tables in its `tmpdir`, so of two installers in /tmp one ended in "Unknown table
    'mysql.tmp_user_sys'" (10.11, two of sixty, five at a time).
    """
    installer = find("mariadb-install-db")
    if installer is None:
        raise ServerFailed(LACKING, hint=INSTALL)
    make_folder(folder, drop=True)
    data = make_folder(folder / "data", drop=True)
    own = make_folder(folder / "tmp", drop=True)
    run(
        [installer, "--no-defaults", f"--datadir={data}", f"--tmpdir={own}", "--skip-test-db",
         "--skip-name-resolve", "--auth-root-authentication-method=normal",
         "--innodb-log-file-size=8M", "--innodb-buffer-pool-size=24M"],
        drop=True,
    )  # fmt: skip
    return data


def start(data: Path, *, port: int = 0, settings: Mapping[str, str | int] | None = None) -> MariaDb:
    """Start it on 127.0.0.1 (0: a free port) and wait until it takes logins (about 0.5 s)."""
    program = find_binary()
    if program is None:
        raise ServerFailed(LACKING, hint=INSTALL)
    port = port or free_port()
    folder = data.parent
    merged = {**_DEFAULTS, "port": port, "datadir": data, **(settings or {})}
    merged |= {"socket": folder / "s", "pid-file": folder / "pid", "tmpdir": folder}
    words = [f"--{name}={value}" for name, value in merged.items()]
    log = folder / "log"
    process = launch([program, "--no-defaults", *words], log=log, dies_by=signal.SIGKILL, drop=True)
    server = MariaDb(process=process, port=port, folder=folder, log=log)
    wait_until(lambda: _is_ready(log), server=server, name="MariaDB")
    return server


def follow(replica: MariaDb, primary: MariaDb, *, user: str, password: str) -> None:
    """Make `replica` replicate from `primary` by GTID, from the position it is at."""
    replica.execute(
        "STOP SLAVE",
        f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={primary.port}, "
        f"MASTER_USER='{user}', MASTER_PASSWORD='{password}', MASTER_USE_GTID=slave_pos",
        "START SLAVE",
    )


def _is_ready(log: Path) -> bool:
    return b"ready for connections" in log.read_bytes()
