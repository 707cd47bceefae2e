"""How late the loop is while a process looks for the first time, at 1,000 and 5,000 target groups.

Each in a process of its own, which collects garbage as the screens do until their first sweep is
over. `python -m tests.bench.first` prints these rows alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cockpit import config, sweep
from cockpit.cli.start import starting
from cockpit.connect.role import Role
from cockpit.triage.board import ONE_LOOK
from cockpit.triage.probe import Seen
from cockpit.triage.registry import catalog, registry
from cockpit.triage.store import Store
from tests.bench.sweep import lag, stub, told, written
from tests.bench.table import Row, percentile, render

LIMITS = {1000: 16.0, 5000: 30.0}
"""Target groups → the most milliseconds, 99 of 100 times."""


def rows() -> list[Row]:
    """A row a size."""
    return [_row(groups) for groups in LIMITS]


def _row(groups: int) -> Row:
    with tempfile.TemporaryDirectory() as name, stub() as port:
        path = written(Path(name, "first.toml"), port, groups=groups)
        asked = [sys.executable, "-m", "tests.bench.first", str(path)]
        kept = os.environ | {"BENCH_KEY": "benchbenchbench"}
        done = subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True, env=kept)
    late, took, cpu, unseen = json.loads(done.stdout)
    note = f"worst {max(late):.0f} ms; {took:.1f} s, CPU {cpu:.1f} s, {unseen} unseen"
    name = f"first sweep of {groups:,} target groups: loop lag p99"
    return Row(name, percentile(late, 0.99), "ms", LIMITS[groups], note=note)


async def measure(path: Path) -> tuple[list[float], float, float, int]:
    """Lags in milliseconds, seconds, CPU seconds, looks that saw nothing."""
    settings = config.load(path, catalog())
    connections = sweep.connections(settings, Role.TRIAGE)
    looks = sweep.looks(settings, registry())
    engine = sweep.engine(looks, connections, store=Store(ONE_LOOK), debug=told)
    late: list[float] = []
    watch = asyncio.create_task(lag(late))
    started, cpu = time.perf_counter(), time.process_time()
    readings = await engine.sweep()
    took, cpu = time.perf_counter() - started, time.process_time() - cpu
    watch.cancel()
    await engine.stop()
    await connections.close()
    unseen = sum(not isinstance(reading.outcome, Seen) for reading in readings)
    return [each * 1000 for each in late], took, cpu, unseen


if __name__ == "__main__":
    if sys.argv[1:]:
        with starting():
            print(json.dumps(asyncio.run(measure(Path(sys.argv[1])))))
    else:
        print(render(rows()))
