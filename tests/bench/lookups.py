"""Beside what people do today: the same look-ups as `aws` commands, against one `cockpit check`
and against one more sweep of a cockpit that runs.

`python -m tests.bench.lookups` prints these rows alone.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cockpit import config, sweep
from cockpit.connect.role import Role
from cockpit.triage.board import ONE_LOOK
from cockpit.triage.registry import catalog, registry
from cockpit.triage.store import Store
from cockpit.world import layout
from cockpit.world.launch import launch
from tests.bench.sweep import told
from tests.bench.table import Row, render

CHECKS, SWEEPS = 3, 3
DEBIAN = Path("/usr/bin/aws")
"""AWS CLI 2, where Debian's package is installed: PyPI has version 1 only."""
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


@dataclass(frozen=True)
class Spent:
    """Seconds."""

    wall: float
    cpu: float


def rows(aws: Path | None) -> list[Row]:
    """40 `aws` commands of each version that is there. `aws`: version 1."""
    versions = {"v1": aws, "v2": DEBIAN if _is_second(DEBIAN) else None}
    if not any(versions.values()):
        return []
    with launch("healthy", Role.TRIAGE) as world:
        world.wait()
        argv = [
            sys.executable,
            "-m",
            "cockpit.cli",
            "-c",
            str(world.config_path),
            "check",
            "--json",
        ]
        ours = [_spent(argv) for _ in range(CHECKS + 1)][1:]  # the first compiles and caches
        check = Spent(min(each.wall for each in ours), min(each.cpu for each in ours))
        warm = asyncio.run(_warm(world.config_path))
        place = tomllib.loads(world.config_path.read_text())["aws"]["prod"]
        found = []
        for version, program in versions.items():
            if program is not None:
                commands = [_aws(program, line, place) for line in LOOKUPS * 2]
                found += _compared(version, commands, check, warm=warm)
    return found


def _compared(
    version: str, commands: Sequence[Sequence[str]], check: Spent, *, warm: float
) -> list[Row]:
    single, sixteen = _together(commands, 1), _together(commands, 16)
    name = f"one check against 40 look-ups by aws {version}: CPU"
    return [
        Row(
            name, check.cpu / single.cpu, "×", 1 / 10, "aws commands",
            f"1 ÷ {single.cpu / check.cpu:.1f}: {check.cpu:.2f} s against {single.cpu:.1f} s; "
            f"wall {check.wall:.2f} s against {single.wall:.1f} s",
        ),
        Row(
            "… 16 at a time", check.cpu / sixteen.cpu, "×", 1 / 8, "aws commands",
            f"1 ÷ {sixteen.cpu / check.cpu:.1f}: against {sixteen.cpu:.1f} s; "
            f"wall {check.wall:.2f} s against {sixteen.wall:.1f} s",
        ),
        Row(
            "… one more sweep of a cockpit that runs", warm / single.cpu, "×", 1 / 100,
            "aws commands",
            f"1 ÷ {single.cpu / warm:.0f}: {warm:.3f} s against {single.cpu:.1f} s",
        ),
    ]  # fmt: skip


async def _warm(path: Path) -> float:
    """CPU seconds of a sweep whose sessions, clients and answers' shapes are there, the least."""
    settings = config.load(path, catalog())
    connections = sweep.connections(settings, Role.TRIAGE)
    looks = sweep.looks(settings, registry())
    engine = sweep.engine(looks, connections, store=Store(ONE_LOOK), debug=told)
    spent = []
    try:
        for _ in range(SWEEPS + 1):
            started = time.process_time()
            await asyncio.gather(*(engine.look(*each.id) for each in looks))
            spent.append(time.process_time() - started)
            await asyncio.sleep(2.1)  # so that no answer of this look is shared
    finally:
        await engine.stop()
        await connections.close()
    return min(spent[1:])


def _is_second(program: Path) -> bool:
    if not program.exists():
        return False
    told = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False)
    return told.stdout.startswith("aws-cli/2")


def _aws(aws: Path, line: str, place: Mapping[str, str]) -> list[str]:
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


def _spent(argv: Sequence[str]) -> Spent:
    """Raises `RuntimeError` for a command that failed: an error is not what is compared."""
    started = time.perf_counter()
    process = subprocess.Popen(
        argv, env=_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    told = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    took = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{shlex.join(argv)}: {process.returncode}, {told[-400:].strip()}")
    return Spent(took, used.ru_utime + used.ru_stime)


def _together(commands: Sequence[Sequence[str]], workers: int) -> Spent:
    started = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        each = list(pool.map(_spent, commands))
    return Spent(time.perf_counter() - started, sum(one.cpu for one in each))


if __name__ == "__main__":
    print(render(rows(Path(sys.argv[1]) if sys.argv[1:] else None)))
