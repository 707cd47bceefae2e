"""What one call to AWS costs of the CPU: alone, in a sweep, and in a sweep of many.

`python -m tests.bench.calls` prints these rows alone; the sweeps of the build before are run in
turns with this one's, see `tests.bench.before`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

from cockpit.connect.aws.session import open_aws
from cockpit.connect.settings import AwsSite
from tests.bench.before import BUILD, Build, checked_out, known
from tests.bench.sweep import stub
from tests.bench.table import Row, render

ROUNDS, CALLS, WIDE = 5, 1500, 50
FEW, USUAL, MANY = 100, 1000, 5000
GROUP = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/tg/0000000000000001"
ROOT = Path(__file__).parents[2]
SWEEP = """
import ast, asyncio, os, pathlib, sys, tempfile, urllib.request
sys.path.insert(0, os.getcwd())
os.environ["BENCH_KEY"] = "benchbenchbench"
from tests.bench import sweep
try:
    from cockpit.cli.start import starting  # as `check` runs: garbage is collected seldom
except ImportError:
    from contextlib import nullcontext as starting
with starting(), sweep.stub() as port, tempfile.TemporaryDirectory() as name:
    path = pathlib.Path(name, "bench.toml")
    head = sweep.HEAD.format(port=port, concurrency=64)
    path.write_text(head + "".join(sweep.GROUP.format(number=n) for n in range(int(sys.argv[1]))))
    cpu = asyncio.run(sweep.measure(path))[3]
    told = urllib.request.urlopen(f"http://127.0.0.1:{port}/calls").read().decode()
print(cpu / sum(ast.literal_eval(told).values()))
"""
"""Prints the CPU seconds a call of a warm sweep; runs in any build since 1c63b39."""


async def _cpu(call: Callable[[], Awaitable[object]]) -> float:
    """CPU seconds of one call, many at a time."""

    async def some() -> None:
        for _ in range(CALLS // WIDE):
            await call()

    await call()
    began = time.process_time()
    await asyncio.gather(*(some() for _ in range(WIDE)))
    return (time.process_time() - began) / (CALLS // WIDE * WIDE)


async def _alone(port: int) -> tuple[float, float, float]:
    """CPU seconds of the same call: by the thin path, by aiobotocore, and as a plain POST."""
    site = AwsSite(
        name="stub", region="us-east-1", endpoint_url=f"http://127.0.0.1:{port}",
        access_key_id="env:BENCH_KEY", secret_access_key="env:BENCH_KEY", max_concurrency=WIDE,
    )  # fmt: skip
    session = await open_aws(site)
    thin = await session._clients.reads("elbv2")
    ways: list[list[float]] = [[], [], []]
    async with aiohttp.ClientSession() as plain:

        async def post() -> None:
            form = {"Action": "DescribeTargetHealth", "TargetGroupArn": GROUP}
            async with plain.post(f"http://127.0.0.1:{port}/", data=form) as answer:
                await answer.read()

        for _ in range(ROUNDS):
            for way, call in zip(
                ways,
                (
                    lambda: thin.call("DescribeTargetHealth", {"TargetGroupArn": GROUP}),
                    lambda: thin.client.describe_target_health(TargetGroupArn=GROUP),
                    post,
                ),
                strict=True,
            ):
                way.append(await _cpu(call))
    await session.close()
    ours, theirs, floor = map(statistics.median, ways)
    return ours, theirs, floor


def _swept(targets: int, build: Build) -> float:
    """CPU seconds a call in a sweep of a build."""
    argv = [sys.executable, "-c", SWEEP, str(targets)]
    done = subprocess.run(
        argv, cwd=build.tree, env=build.environment, capture_output=True, check=True, text=True
    )
    return float(done.stdout.split()[-1])


def rows() -> list[Row]:
    """One call alone, and in sweeps."""
    os.environ["BENCH_KEY"] = "benchbenchbench"
    with stub() as port:
        ours, theirs, floor = asyncio.run(_alone(port))
    told = f"{ours * 1e6:.0f} µs against {theirs * 1e6:.0f} µs; a plain POST {floor * 1e6:.0f} µs"
    return [
        Row("CPU of one AWS read", ours / theirs, "×", 0.5, "aiobotocore, same run", told),
        *_sweeps(),
    ]


def _sweeps() -> list[Row]:
    """The least of three of each size, beside the build before where the history has it."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as ends:
        old, new = None, Build(ROOT, Path(name) / "data")
        if known():
            old, new = ends.enter_context(checked_out(Path(name)))
        found: dict[int, list[float]] = {FEW: [], USUAL: [], MANY: []}
        then: list[float] = []
        for _ in range(3):
            for size, seconds in found.items():
                seconds.append(_swept(size, new))
            if old is not None:
                then.append(_swept(USUAL, old))
    few, usual, many = (min(seconds) for seconds in found.values())
    rows = [
        Row(
            f"CPU a call at {MANY:,} targets over {FEW}", many / few, "×", 1.1, f"{FEW} targets",
            f"{many * 1e3:.2f} ms against {few * 1e3:.2f} ms",
        ),
    ]  # fmt: skip
    if then:
        note = f"{usual * 1e3:.2f} ms against {min(then) * 1e3:.2f} ms"
        name = f"CPU a call in a sweep of {USUAL:,}"
        rows.append(Row(name, usual / min(then), "×", 0.45, f"the build of {BUILD}", note))
    return rows


if __name__ == "__main__":
    print(render(rows()))
