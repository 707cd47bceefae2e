"""An hour of looks at the shop of `mixed`, in virtual time: what it asks and what that costs.

`main` runs in any build since 1c63b39 and prints what it counted as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cockpit import config, sweep
from cockpit.connect.role import Role
from cockpit.triage.engine import Engine
from cockpit.triage.probe import Reading, Seen
from cockpit.triage.store import Store
from tests import virtual
from tests.bench import mixed

BATCH = "cloudwatch.get_metric_data"
SETTLING = 900.0
"""Seconds before the hour: what is well and quiet is looked at more slowly after ten minutes."""
HOUR = 3600.0
BEGIN = datetime(2026, 11, 21, 10, tzinfo=UTC)


@dataclass
class Watched:
    """What one state of the shop cost."""

    first: dict[str, int] = field(default_factory=dict)
    """Calls of the first sweep."""
    first_series: int = 0
    took: float = 0.0
    hourly: dict[str, int] = field(default_factory=dict)
    """Calls of the hour."""
    hourly_series: int = 0
    unseen: list[str] = field(default_factory=list)

    @property
    def calls(self) -> int:
        """Of the hour, in all."""
        return sum(self.hourly.values())


@asynccontextmanager
async def looking(
    path: Path, shop: mixed.Shop, *, store: Store | None = None
) -> AsyncIterator[tuple[Engine, Store]]:
    """The engine at its first sweep, which has ended. `store`: where readings go; None: a new one."""
    probes, settings = _loaded(path)
    connections = sweep.connections(settings, Role.TRIAGE)
    store = store or Store()
    engine = sweep.engine(sweep.looks(settings, probes), connections, store=store, **_besides())
    await _put(connections, shop)
    running = asyncio.create_task(engine.run())
    while engine.progress.took is None:
        await asyncio.sleep(0.05)
    try:
        yield engine, store
    finally:
        running.cancel()
        await asyncio.wait({running})
        await connections.close()


def unseen(store: Store) -> list[str]:
    """Looks that saw nothing, and why."""
    readings: Iterable[Reading] = store.board.readings.values()
    return [f"{r.target} {r.outcome}" for r in readings if not isinstance(r.outcome, Seen)]


async def watch(path: Path, shop: mixed.Shop) -> Watched:
    """The first sweep, some minutes, and the hour after them."""
    found = Watched()
    async with looking(path, shop) as (engine, store):
        found.took = engine.progress.took or 0.0
        found.first, found.first_series = dict(shop.calls), shop.series
        await asyncio.sleep(SETTLING)
        calls, series = Counter(shop.calls), shop.series
        await asyncio.sleep(HOUR)
        found.hourly, found.hourly_series = dict(shop.calls - calls), shop.series - series
        found.unseen = unseen(store)
    return found


def watched(*, sick: bool) -> Watched:
    """In this build."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "mixed.toml")
        path.write_text(mixed.configured())
        return virtual.run(watch(path, mixed.Shop(sick=sick)), begin=BEGIN)


def main() -> None:
    """Print what was counted of the well shop."""
    print(json.dumps(watched(sick=False).__dict__))


def _told(report: str) -> str:
    print(report, file=sys.stderr)
    return ""


def _loaded(path: Path) -> tuple[Any, Any]:
    """The probes and the configuration."""
    from cockpit.triage import registry

    kinds: Any = getattr(registry, "catalog", registry.registry)  # 1c63b39 has one list of both
    return registry.registry(), config.load(path, kinds())


def _besides() -> dict[str, Any]:
    old = "runbook" in sweep.engine.__annotations__
    return {"debug": _told} | ({"runbook": lambda _: ""} if old else {})


async def _put(connections: Any, shop: mixed.Shop) -> None:
    """Put the shop under the session of its place."""
    of_place = getattr(connections, "aws", None) or connections.place
    (await of_place("prod"))._clients = shop


if __name__ == "__main__":
    main()
