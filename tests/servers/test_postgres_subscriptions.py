"""Logical replication at its subscriber, on real servers: disabled, failing, mute."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cockpit.runbooks.library import library
from cockpit.triage.engine import Look, judged
from cockpit.triage.finding import Finding, Thresholds
from cockpit.triage.probe import AnyProbe, Seen
from cockpit.triage.registry import registry
from cockpit.world.servers import postgres
from probes.postgres.replication import Settings
from tests.patience import at_most
from tests.servers import fresh
from tests.servers.private import SUPER, codes, pg_settings, postgres_roles, session_for, target
from tests.tools import postgres_versions

pytestmark = pytest.mark.servers

VERSIONS = [version for version in postgres_versions.found() if version in {13, 18}]
"""The oldest, which counts no errors, and the newest, which counts conflicts by kind."""
SETTINGS: dict[str, str | int] = {
    "wal_level": "logical",
    "max_connections": 20,
    "wal_retrieve_retry_interval": "100ms",
    "wal_sender_timeout": "1s",
    "shared_buffers": "8MB",
}


@dataclass(frozen=True)
class Two:
    """A publisher and its subscriber."""

    version: int
    publisher: postgres.PostgresServer
    subscriber: postgres.PostgresServer


@pytest.fixture(scope="module", params=VERSIONS)
def two(request: pytest.FixtureRequest, base: Path) -> Iterator[Two]:
    folder = Path(tempfile.mkdtemp(dir=base))
    folder.chmod(0o755)
    binaries = postgres_versions.found()[request.param]
    with ExitStack() as stack:
        servers = []
        for name in ("publisher", "subscriber"):
            cluster = fresh.postgres_cluster(folder / name, password=SUPER, binaries=binaries)
            server = postgres.start(cluster, settings=SETTINGS)
            stack.callback(server.stop)
            postgres_roles(server)
            server.execute("CREATE TABLE stock (id int PRIMARY KEY)")
            servers.append(server)
        publisher, subscriber = servers
        publisher.execute("CREATE PUBLICATION shop FOR TABLE stock")
        subscriber.execute(
            f"CREATE SUBSCRIPTION warehouse CONNECTION '{publisher.dsn()}' PUBLICATION shop"
        )
        yield Two(request.param, publisher, subscriber)


@dataclass
class Watch:
    """The subscriber, looked at again and again."""

    probe: AnyProbe
    session: Any
    to: Any
    settings: Settings
    now: Any = None

    async def look(self) -> Seen:
        snapshot = await self.probe.collect(self.session, self.to)
        if self.now is not None:
            assert self.probe.since is not None
            snapshot = self.probe.since(self.now, snapshot)
        self.now = snapshot
        return judged(Look(self.to, self.probe, self.settings), snapshot)

    async def until(self, *expected: str) -> list[Finding]:
        """Until a look finds these codes and no others."""
        async with asyncio.timeout(at_most(20)):
            while True:
                seen = await self.look()
                if set(codes(seen)) == set(expected):
                    assert all(library().best(code) for code in expected)
                    return list(seen.findings)
                await asyncio.sleep(0.1)


@asynccontextmanager
async def watching(two: Two, **changed: Any) -> AsyncIterator[Watch]:
    to = target(pg_settings(two.subscriber))
    async with session_for(to.settings) as session:
        yield Watch(registry()["postgres.replication"], session, to, Settings(**changed))


async def test_one_that_applies_is_well(two: Two) -> None:
    async with watching(two) as watch:
        await watch.until()
        async with asyncio.timeout(at_most(30)):
            while watch.now.subscriptions[0].not_ready or not watch.now.subscriptions[0].workers:
                await watch.look()
                await asyncio.sleep(0.1)
        seen = await watch.look()

    assert ("subscriptions", "1 of 1 apply") in {(f.label, f.text) for f in seen.facts}
    assert codes(seen) == {}
    (subscription,) = watch.now.subscriptions
    assert (subscription.database, subscription.slot) == ("postgres", "warehouse")


async def test_one_whose_worker_waits_for_a_lock_takes_nothing(two: Two) -> None:
    async with watching(two, silent_publisher=Thresholds(warning=3)) as watch:
        await watch.until()
        with psycopg.connect(two.subscriber.dsn()) as holder:
            holder.execute("LOCK TABLE stock")
            two.publisher.execute("INSERT INTO stock VALUES (100)")
            (finding,) = await watch.until("PG_SUB_STALLED")
        await watch.until()

    assert finding.summary.startswith("subscription warehouse has taken nothing for ")


async def test_one_that_is_disabled_is_worse_when_it_was_seen_to_run(two: Two) -> None:
    async with watching(two) as watch, watching(two) as later:
        await watch.until()
        two.subscriber.execute("ALTER SUBSCRIPTION warehouse DISABLE")
        try:
            (seen_before,) = await watch.until("PG_SUB_DOWN")
            (fresh,) = await later.until("PG_SUB_DOWN")
        finally:
            two.subscriber.execute("ALTER SUBSCRIPTION warehouse ENABLE")
        await watch.until()

    assert seen_before.severity.value == "high"
    assert fresh.severity.value == "warning"
    assert "is disabled: nothing is applied" in fresh.summary


async def test_one_that_meets_a_row_which_is_there_already_fails_for_ever(two: Two) -> None:
    code = "PG_SUB_CONFLICT" if two.version >= 15 else "PG_SUB_DOWN"
    async with watching(two) as watch:
        await watch.until()
        two.subscriber.execute("INSERT INTO stock VALUES (7)")
        two.publisher.execute("INSERT INTO stock VALUES (7)")
        async with asyncio.timeout(at_most(20)):
            while (finding := (await watch.until(code))[0]).severity.value != "high":
                await asyncio.sleep(0.1)  # 18 counts the row a moment before the error
        two.subscriber.execute("DELETE FROM stock WHERE id = 7")
        async with asyncio.timeout(at_most(30)):
            while two.subscriber.execute("SELECT count(*) FROM stock WHERE id = 7") != [(1,)]:
                await asyncio.sleep(0.1)

    assert finding.severity.value == "high"
    if two.version >= 18:
        assert "insert_exists" in finding.summary
