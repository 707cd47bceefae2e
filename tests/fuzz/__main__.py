"""`python -m tests.fuzz [--cases 10000] [--seed WORD] [--probe ID]`: random answers for each probe."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
from collections import Counter

from cockpit import clock
from tests.fuzz.looks import fault, probes
from tests.fuzz.shapes import AT


def main() -> int:
    """Tell every kind of fault once, with the seed that shows it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000, help="looks a probe")
    parser.add_argument("--seed", default=secrets.token_hex(4))
    parser.add_argument("--probe", default="")
    given = parser.parse_args()
    clock.now = lambda: AT
    print(f"seed {given.seed}", flush=True)
    bad = 0
    for probe in probes():
        if given.probe and probe.id != given.probe:
            continue
        seeds = (f"{given.seed}/{probe.id}/{n}" for n in range(given.cases))
        faults = [one for seed in seeds if (one := asyncio.run(fault(probe, seed))) is not None]
        kinds = Counter(one.what for one in faults)
        print(f"{probe.id:28} {given.cases} looks, {len(faults)} faults", flush=True)
        for what, many in kinds.most_common(8):
            seed = next(one.seed for one in faults if one.what == what)
            print(f"    {many:5} × {what}\n            {seed}", flush=True)
        bad += len(faults)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
