"""Leaving while every server hangs, and what is drawn while nothing happens."""

from __future__ import annotations

import os
import pty
import select
import socket
import sys
import time
from pathlib import Path

from tests.bench.table import Row

HUNG = """
environment = "bench"
[aws.prod]
region = "us-east-1"
endpoint_url = "http://127.0.0.1:{port}"
access_key_id = "env:BENCH_KEY"
secret_access_key = "env:BENCH_KEY"
[[target]]
kind = "postgres"
name = "db"
host = "127.0.0.1"
port = {port}
user = "x"
sslmode = "disable"
[[target]]
kind = "mysql"
name = "my"
host = "127.0.0.1"
port = {port}
user = "x"
tls = "off"
[[target]]
kind = "redis"
name = "cache"
host = "127.0.0.1"
port = {port}
tls = false
[[target]]
kind = "dynamodb_table"
name = "carts"
aws = "prod"
id = "carts"
[[target]]
kind = "endpoint"
name = "url"
url = "http://127.0.0.1:{port}/"
"""


def leaving(folder: Path) -> list[Row]:
    """Seconds from `q` to the end of the process while every server accepts and stays mute."""
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(64)
        path = folder / "hung.toml"
        path.write_text(HUNG.format(port=mute.getsockname()[1]))
        took = max(_leave(path, folder) for _ in range(3))
    return [Row("leaving with every probe hung, the worst of three", took, "s", 1.0)]


def _leave(config: Path, data: Path) -> float:
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ |= {"TERM": "xterm-256color", "COCKPIT_DATA": str(data), "BENCH_KEY": "x" * 20}
        os.execv(
            sys.executable, [sys.executable, "-m", "cockpit.cli", "-c", str(config), "open", "x"]
        )
    _drain(terminal, 3.0)
    started = time.perf_counter()
    os.write(terminal, b"q")
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        _drain(terminal, 0.01)
    os.close(terminal)
    return time.perf_counter() - started


def _drain(terminal: int, seconds: float) -> None:
    until = time.perf_counter() + seconds
    while (left := until - time.perf_counter()) > 0:
        ready, _, _ = select.select([terminal], [], [], left)
        if ready:
            try:
                os.read(terminal, 65536)
            except OSError:
                return


def idle_output(folder: Path) -> list[Row]:
    """Bytes a second that the cockpit draws while nothing happens."""
    path = folder / "idle.toml"
    path.write_text(
        'environment = "bench"\n[[target]]\nkind = "endpoint"\nname = "url"\nurl = "http://127.0.0.1:1/"\n'
    )
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ |= {
            "TERM": "xterm-256color",
            "COLUMNS": "80",
            "LINES": "24",
            "COCKPIT_DATA": str(folder),
        }
        os.execv(
            sys.executable, [sys.executable, "-m", "cockpit.cli", "-c", str(path), "open", "x"]
        )
    _drain(terminal, 5.0)
    drawn, until = 0, time.perf_counter() + 10
    while (left := until - time.perf_counter()) > 0:
        ready, _, _ = select.select([terminal], [], [], left)
        if ready:
            drawn += len(os.read(terminal, 65536))
    os.write(terminal, b"q")
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        _drain(terminal, 0.01)
    os.close(terminal)
    return [Row("idle output at 80×24", drawn / 10_000, "kB/s", 1.0)]
