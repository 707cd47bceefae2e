"""What it costs to look at 100 mixed targets: calls of a sweep, series and dollars of an hour.

The session is the product's; under it answers a shop from memory after 50 ms, and the clock is
virtual, so the counts are the same every time. `python -m tests.bench.looking` prints these rows
alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tests.bench.before import BUILD, HERE, checked_out, known
from tests.bench.hour import BATCH, Watched, watched
from tests.bench.mixed import MIX
from tests.bench.table import Row, render

USD = 0.01 / 1000
WINDOWS = 4
"""Of series in a first sweep: the last minutes, three hours, and two of yesterday."""

BESIDES = (
    "rds.describe_blue_green_deployments",
    "rds.describe_db_major_engine_versions",
    "rds.describe_db_proxies",
)
"""Lists of a region that tell what the catalogue's tables do not count: they are no part of the
comparison.
"""

HOUR_OF_ANY = """
import sys, tests.bench
tests.__path__.append(sys.argv[1] + "/tests")
tests.bench.__path__.append(sys.argv[1] + "/tests/bench")
from tests.bench import hour
hour.main()
"""
"""What the build before lacks of the bench is taken from here."""


def least(series: int) -> int:
    """The fewest calls that tell all of the mix once, by the catalogue's tables of calls.

    Those of B §9; beside them, of a first sweep, the attributes of each balancer (A §1.1: no
    batch), the stopped tasks of the cluster (A §2.1), the scalable targets of ECS and of DynamoDB
    (A §2.1, B §3.1). One call for series has one window: yesterday's is another one.
    """
    groups, balancers = -(-MIX["target_group"] // 20), -(-MIX["alb"] // 20)
    services, caches = -(-MIX["ecs_service"] // 10), 3
    databases = -(-MIX["rds"] // 100) + 1
    events = 2
    return sum(
        (
            *(groups, balancers, services, caches, databases, events),
            *(MIX["target_group"], MIX["dynamodb_table"], MIX["alarms"]),
            *(MIX["alb"], 1, 2),
            max(WINDOWS, -(-series // 500)),
        )
    )


def counted(calls: Mapping[str, int]) -> int:
    """The calls that are compared with the least."""
    return sum(calls.values()) - sum(calls.get(each, 0) for each in BESIDES)


def rows() -> list[Row]:
    """Both states, and the well one in the build before."""
    well, sick = watched(sick=False), watched(sick=True)
    for state in (well, sick):
        print(state.hourly, state.unseen[:3], file=sys.stderr)
    floor, compared = least(well.first_series), counted(well.first)
    besides = sum(well.first.values()) - compared
    return [
        Row(
            "first sweep of 100 mixed targets, calls",
            compared / floor,
            "× least",
            1.1,
            "the catalogue's table of calls",
            f"{compared} calls against {floor}, {well.first[BATCH]} of them for "
            f"{well.first_series} series, {besides} for lists that the tables lack; "
            f"{well.took:.1f} s, {len(well.unseen)} unseen",
        ),
        *_hourly(well, _before()),
        Row(
            "the same, all of the services, groups and databases sick",
            sick.hourly_series * USD,
            "$/h",
            0,
            note=_told(sick),
            gauge=True,
        ),
    ]


def _before() -> Watched | None:
    """An hour in the build before; None where the history does not have it."""
    if not known():
        return None
    with tempfile.TemporaryDirectory() as name, checked_out(Path(name)) as (old, _):
        asked = [sys.executable, "-c", HOUR_OF_ANY, str(HERE)]
        done = subprocess.run(
            asked, cwd=old.tree, env=old.environment, capture_output=True, check=True, text=True
        )
    return Watched(**json.loads(done.stdout.splitlines()[-1]))


def _hourly(well: Watched, before: Watched | None) -> list[Row]:
    dollars, base = well.hourly_series * USD, ""
    notes = [_told(well), ", ".join(f"{n} {op}" for op, n in Counter(well.hourly).most_common(4))]
    if before is not None:
        base = f"the build of {BUILD}"
        notes[0] += f", against {before.hourly_series * USD:.2f} $/h"
        notes[1] += f"; against {before.calls:,}"
    return [
        Row("100 mixed targets at rest", dollars, "$/h", 0.30, base, notes[0]),
        Row("… AWS calls", well.calls, "/h", 15_000, base, notes[1]),
    ]


def _told(found: Watched) -> str:
    return (
        f"{found.hourly_series:,} series an hour in {found.hourly[BATCH]:,} calls, "
        f"{found.calls:,} calls in all, {len(found.unseen)} unseen"
    )


if __name__ == "__main__":
    print(render(rows()))
