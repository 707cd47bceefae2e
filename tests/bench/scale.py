"""Fifty accounts in four regions, a role to assume in each, and one region that answers nothing.

`python -m tests.bench.scale` prints these rows alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cockpit import config, sweep
from cockpit.connect.role import Role
from cockpit.triage.board import ONE_LOOK
from cockpit.triage.engine import Engine
from cockpit.triage.probe import Seen
from cockpit.triage.registry import catalog, registry
from cockpit.triage.store import Store
from tests.bench.sweep import lag, stub, told
from tests.bench.table import Row, percentile, render

ACCOUNTS = 50
REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "ap-south-1")
GROUPS = 5
"""Target groups of each account and region."""
DEAD = "eu-west-1"
HEAD = """
environment = "bench"
"""
PLACE = """
[aws.{name}]
region = "{region}"
endpoint_url = "http://127.0.0.1:{port}"
access_key_id = "env:BENCH_KEY"
secret_access_key = "env:BENCH_KEY"
role_arn = "arn:aws:iam::{account}:role/cockpit"
"""
GROUP = """
[[target]]
kind = "target_group"
name = "{place}-tg-{number}"
aws = "{place}"
arn = "arn:aws:elasticloadbalancing:{region}:{account}:targetgroup/tg-{number}/{number:016x}"
"""


@dataclass
class Sweep:
    """One first sweep."""

    took: float = 0.0
    cpu: float = 0.0
    late: list[float] = field(default_factory=list)
    unseen: set[str] = field(default_factory=set)
    grown: float = 0.0
    """Megabytes that the process grew by at most."""


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1024)
        yield server.getsockname()[1]


def written(path: Path, port: int, dead: int) -> None:
    """The configuration; `dead` is the port of the region that answers nothing."""
    text = [HEAD]
    for number in range(ACCOUNTS):
        account = f"{100000000000 + number}"
        for region in REGIONS:
            place = f"a{number:02}-{region}"
            at = dead if region == DEAD else port
            text.append(PLACE.format(name=place, region=region, port=at, account=account))
            for group in range(GROUPS):
                text.append(GROUP.format(place=place, region=region, account=account, number=group))
    path.write_text("".join(text))


async def measure(path: Path) -> Sweep:
    """The first sweep of a process: all clients are made, all roles assumed."""
    settings = config.load(path, catalog())
    connections = sweep.connections(settings, Role.TRIAGE)
    looks = sweep.looks(settings, registry())
    engine: Engine = sweep.engine(looks, connections, store=Store(ONE_LOOK), debug=told)
    found = Sweep()
    watch = asyncio.create_task(lag(found.late))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, cpu = time.perf_counter(), time.process_time()
    readings = await engine.sweep()
    found.took, found.cpu = time.perf_counter() - started, time.process_time() - cpu
    found.grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    watch.cancel()
    found.unseen = {each.target for each in readings if not isinstance(each.outcome, Seen)}
    await engine.stop()
    await connections.close()
    return found


def rows(folder: Path) -> list[Row]:
    """All well, and one region dead."""
    os.environ["BENCH_KEY"] = "benchbenchbench"
    path = folder / "scale.toml"
    with stub() as port, silent() as nobody:
        written(path, port, port)
        well = asyncio.run(measure(path))
        written(path, port, nobody)
        sick = asyncio.run(measure(path))
    astray = {name for name in sick.unseen if DEAD not in name}
    name = f"{ACCOUNTS} accounts × {len(REGIONS)} regions, {GROUPS} target groups each"
    return [
        Row(
            f"first sweep of {name}", well.took / well.cpu, "× CPU", 1.5, "CPU floor",
            f"{well.took:.1f} s, CPU {well.cpu:.1f} s, {well.grown:.0f} MB, {len(well.unseen)} unseen",
            gauge=True,
        ),
        Row("… loop lag p99", percentile(well.late, 0.99) * 1000, "ms", 50, "",
            f"worst {max(well.late) * 1000:.0f} ms"),
        Row("… one region dead: unseen elsewhere", len(astray), "targets", 0, "",
            f"{len(sick.unseen)} unseen in all, {sick.took:.1f} s, CPU {sick.cpu:.1f} s"),
        Row("… loop lag p99", percentile(sick.late, 0.99) * 1000, "ms", 50, "",
            f"worst {max(sick.late) * 1000:.0f} ms"),
    ]  # fmt: skip


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        print(render(rows(Path(made))))
