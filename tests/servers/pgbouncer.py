"""A private PgBouncer in transaction mode before a private PostgreSQL."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cockpit.world.servers import postgres
from cockpit.world.servers.process import (
    NOBODY,
    ServerProcess,
    account,
    free_port,
    launch,
    make_folder,
    wait_until,
)
from tests.servers.private import SECRETS


@contextmanager
def pgbouncer(
    folder: Path, behind: postgres.PostgresServer, **settings: object
) -> Iterator[ServerProcess]:
    """In front of `behind`; it knows the passwords of the roles that the tests use."""
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if program is None:
        pytest.fail("PgBouncer is not installed: apt-get install pgbouncer")
    make_folder(folder, drop=True)
    users = folder / "users"
    users.write_text("".join(f'"{name[2:].lower()}" "{word}"\n' for name, word in SECRETS.items()))
    port = free_port()
    merged = {
        "listen_addr": "127.0.0.1", "listen_port": port, "unix_socket_dir": "",
        "auth_type": "plain", "auth_file": users, "pool_mode": "transaction",
        "default_pool_size": 2, "max_client_conn": 20,
        "stats_users": "ro", "admin_users": "act", **settings,
    }  # fmt: skip
    text = f"[databases]\npostgres = host=127.0.0.1 port={behind.port}\n[pgbouncer]\n"
    config = folder / "pgbouncer.ini"
    config.write_text(text + "".join(f"{name} = {value}\n" for name, value in merged.items()))
    if account(drop=True):
        for path in (users, config):
            os.chown(path, NOBODY, NOBODY)
    log = folder / "log"
    process = launch([program, config], log=log, dies_by=signal.SIGQUIT, drop=True)
    server = ServerProcess(
        process=process, port=port, folder=folder, log=log,
        ending=(signal.SIGQUIT, signal.SIGKILL),
    )  # fmt: skip
    wait_until(lambda: _listens(port), server=server, name="PgBouncer")
    try:
        yield server
    finally:
        server.stop()


def _listens(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0
