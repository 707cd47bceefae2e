"""A thousand target groups against a stub with 50 ms latency: time, calls, lateness of the loop."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from cockpit import config, sweep
from cockpit.connect.role import Role
from cockpit.triage.board import ONE_LOOK
from cockpit.triage.engine import Engine
from cockpit.triage.probe import Seen
from cockpit.triage.registry import catalog, registry
from cockpit.triage.store import Store
from tests.bench.table import Row, percentile

GROUPS, LATENCY = 1000, 0.05
DEFAULT, MANY = 8, 32
"""Calls in flight: the product's default, and what somebody with a high quota may allow."""
HEAD = """
environment = "bench"
[aws.stub]
region = "us-east-1"
endpoint_url = "http://127.0.0.1:{port}"
access_key_id = "env:BENCH_KEY"
secret_access_key = "env:BENCH_KEY"
max_concurrency = {concurrency}
calls_per_second = 100000.0
"""
GROUP = """
[[target]]
kind = "target_group"
name = "tg-{number:04d}"
aws = "stub"
arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/tg-{number:04d}/{number:016x}"
"""


@contextlib.contextmanager
def stub(*words: str, latency: float = LATENCY) -> Iterator[int]:
    """The stub in a process of its own, told `words` (`sick`); gives its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.stub", str(port), str(latency * 1000), *words]
    )
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


def counted(port: int) -> int:
    """The stub's calls since this was asked before."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/calls") as told:
        return sum(ast.literal_eval(told.read().decode()).values())


def set_aside(process: int | str = "self") -> float:
    """Seconds that the main thread of a process could have run while others had the cores; 0
    where the kernel does not count them.
    """
    try:
        return int(Path(f"/proc/{process}/schedstat").read_text().split()[1]) / 1e9
    except FileNotFoundError:
        return 0.0


async def lag(into: list[float], pause: float = 0.01) -> None:
    """How late a 10 ms timer of the loop comes, again and again, in seconds: by the loop's own
    doing, not by other processes that had the cores.
    """
    while True:
        before = time.perf_counter() - set_aside()
        await asyncio.sleep(pause)
        into.append(max(0.0, time.perf_counter() - set_aside() - before - pause))


def told(report: str) -> str:
    """For an engine's `debug`: a bug is said beside the table, and there is no file of it."""
    print(report, file=sys.stderr)
    return ""


async def measure(path: Path) -> tuple[float, list[float], int, float]:
    """Seconds of the second sweep (the first one loads models), lags, unseen, CPU seconds."""
    probes = registry()
    settings = config.load(path, catalog())
    connections = sweep.connections(settings, Role.TRIAGE)
    looks = sweep.looks(settings, probes)
    engine: Engine = sweep.engine(looks, connections, store=Store(ONE_LOOK), debug=told)
    warm = {look.id for look in looks[:2]}
    await engine.sweep(warm)
    await asyncio.sleep(2.1)  # so that no answer of the first look is shared
    late: list[float] = []
    watch = asyncio.create_task(lag(late))
    started, cpu = time.perf_counter(), time.process_time()
    readings = await engine.sweep()
    took, cpu = time.perf_counter() - started, time.process_time() - cpu
    watch.cancel()
    unseen = sum(not isinstance(reading.outcome, Seen) for reading in readings)
    await engine.stop()
    await connections.close()
    return took, late, unseen, cpu


def written(path: Path, port: int, *, groups: int = GROUPS, concurrency: int = DEFAULT) -> Path:
    """The configuration of that many target groups."""
    text = HEAD.format(port=port, concurrency=concurrency)
    path.write_text(text + "".join(GROUP.format(number=n) for n in range(groups)))
    return path


def rows(folder: Path) -> list[Row]:
    """The sweep's rows: with the default concurrency, and with four times as much."""
    os.environ["BENCH_KEY"] = "benchbenchbench"
    return [*_measured(folder, DEFAULT, gauge=False), *_measured(folder, MANY, gauge=True)]


def _measured(folder: Path, concurrency: int, *, gauge: bool) -> list[Row]:
    with stub() as port:
        path = written(folder / "bench.toml", port, concurrency=concurrency)
        took, late, unseen, cpu = asyncio.run(measure(path))
        calls = counted(port)
    by_latency = calls / concurrency * LATENCY
    floor = max(by_latency, cpu)
    what = f"{took:.2f} s, {calls} calls, CPU {cpu:.2f} s, {unseen} unseen"
    base = "CPU floor" if cpu > by_latency else "latency floor"
    name = f"1,000 target groups, 50 ms, {concurrency} calls at once"
    worst = f"worst {max(late) * 1000:.0f} ms"
    return [
        Row(f"sweep of {name}", took / floor, "× floor", 1.5, base, what, gauge=gauge),
        Row("… loop lag p99", percentile(late, 0.99) * 1000, "ms", 50, "", worst, gauge=gauge),
    ]
