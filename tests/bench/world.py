"""Beside what people do today: the same look-ups as `aws` commands, and leaving with all hung."""

from __future__ import annotations

import os
import pty
import select
import shlex
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cockpit.connect.role import Role
from cockpit.world import layout
from cockpit.world.launch import launch
from tests.bench.table import Row

LOOKUPS: tuple[str, ...] = (
    "elbv2 describe-load-balancers",
    "elbv2 describe-target-groups",
    "ecs list-clusters",
    f"ecs list-services --cluster {layout.CLUSTER}",
    f"ecs describe-services --cluster {layout.CLUSTER} --services checkout",
    f"ecs describe-services --cluster {layout.CLUSTER} --services search",
    f"ecs list-tasks --cluster {layout.CLUSTER} --desired-status STOPPED",
    "rds describe-db-instances",
    "rds describe-events",
    "elasticache describe-replication-groups",
    "dynamodb describe-table --table-name carts",
    "application-autoscaling describe-scalable-targets --service-namespace dynamodb",
    "cloudwatch describe-alarms --state-value ALARM",
    "cloudwatch describe-alarms",
    "ec2 describe-security-groups",
    "ec2 describe-network-acls",
    "ec2 describe-route-tables",
    "ec2 describe-subnets",
    "ec2 describe-network-interfaces",
    "sts get-caller-identity",
)
"""Twenty look-ups; each is made twice, as one does who looks again."""


def lookups(aws: Path) -> list[Row]:
    """One sweep of `cockpit check` and 40 `aws` commands against the same world."""
    with launch("healthy", Role.TRIAGE) as world:
        world.wait()
        ours = min(
            _timed(
                [
                    sys.executable,
                    "-m",
                    "cockpit.cli.main",
                    "-c",
                    str(world.config_path),
                    "check",
                    "--json",
                ]
            )
            for _ in range(3)
        )
        place = tomllib.loads(world.config_path.read_text())["aws"]["prod"]
        commands = [_aws(aws, line, place) for line in LOOKUPS * 2]
        single = _together(commands, 1)
        sixteen = _together(commands, 16)
    detail = f"one sweep {ours:.1f} s"
    return [
        Row(
            "40 look-ups one after another, as aws commands",
            single / ours,
            "× one sweep",
            0,
            "cockpit check",
            f"{single:.1f} s; {detail}",
            gauge=True,
        ),
        Row(
            "40 look-ups, 16 at a time",
            sixteen / ours,
            "× one sweep",
            0,
            "cockpit check",
            f"{sixteen:.1f} s; {detail}",
            gauge=True,
        ),
    ]


def _aws(aws: Path, line: str, place: dict[str, str]) -> list[str]:
    return [
        str(aws),
        *line.split(),
        "--endpoint-url",
        place["endpoint_url"],
        "--region",
        place["region"],
        "--output",
        "json",
    ]


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return kept | {
        "AWS_ACCESS_KEY_ID": layout.key_of("triage"),
        "AWS_SECRET_ACCESS_KEY": "fake",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1,localhost",
    }


def _timed(argv: Sequence[str]) -> float:
    """Raises `RuntimeError` for a command that failed: an error is not what is compared."""
    started = time.perf_counter()
    done = subprocess.run(
        argv,
        env=_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    took = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"{shlex.join(argv)}: {done.returncode}, {done.stderr[-400:].strip()}")
    return took


def _together(commands: Sequence[Sequence[str]], workers: int) -> float:
    started = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(_timed, commands))
    return time.perf_counter() - started


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
