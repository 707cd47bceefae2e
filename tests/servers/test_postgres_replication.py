"""A real standby: lag, a pause, its loss, a slot that keeps and loses WAL."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from cockpit.connect.postgres.acts import open_postgres_acts
from cockpit.errors import Refused
from cockpit.triage.engine import Look, judged
from cockpit.triage.finding import Thresholds
from cockpit.triage.probe import Seen
from cockpit.triage.registry import registry
from cockpit.world.servers import postgres
from probes.postgres.replication import Settings
from probes.postgres.replication_model import PostgresReplication
from tests import patience
from tests.servers import fresh
from tests.servers.private import (
    SUPER,
    codes,
    look,
    pg_settings,
    postgres_roles,
    session_for,
    target,
    until,
)

pytestmark = pytest.mark.servers

PROBE = "postgres.replication"
STRICT_BYTES = 100_000
STRICT = Settings(lag_bytes=Thresholds(warning=STRICT_BYTES, high=10**12))


@pytest.fixture
def pair(base: Path) -> Iterator[tuple[postgres.PostgresServer, postgres.PostgresServer]]:
    folder = Path(tempfile.mkdtemp(dir=base))
    folder.chmod(0o755)
    cluster = fresh.postgres_cluster(folder / "primary", password=SUPER)
    primary = postgres.start(
        cluster, settings={"max_slot_wal_keep_size": "48MB", "max_wal_size": "64MB"}
    )
    try:
        postgres_roles(primary)
        standby = postgres.start_standby(folder / "standby", primary, slot="standby_1")
        try:
            yield primary, standby
        finally:
            standby.stop()
    finally:
        primary.stop()


def write(server: postgres.PostgresServer, mebibytes: int) -> None:
    server.execute(
        "CREATE TABLE IF NOT EXISTS filler (t text STORAGE EXTERNAL)",
        "INSERT INTO filler SELECT repeat(md5(i::text), 100) "
        f"FROM generate_series(1, {mebibytes * 300}) AS i",
    )


async def streaming(primary: postgres.PostgresServer) -> None:
    asks = "SELECT state FROM pg_stat_replication"
    await patience.until(lambda: primary.execute(asks) == [("streaming",)], "it streams")


async def caught_up(primary: postgres.PostgresServer, place: str = "pg_current_wal_lsn()") -> None:
    asks = f"SELECT pg_wal_lsn_diff({place}, replay_lsn) FROM pg_stat_replication"
    await patience.until(lambda: primary.execute(asks) == [(0,)], "it has caught up")


async def judge(
    server: postgres.PostgresServer, settings: Settings = STRICT
) -> tuple[PostgresReplication, Seen]:
    probe = registry()[PROBE]
    to = target(pg_settings(server))
    async with session_for(to.settings) as session:
        snapshot = await probe.collect(session, to)
    return snapshot, judged(Look(to, probe, settings), snapshot)


async def test_a_standby_that_follows_is_healthy_seen_from_both_sides(
    pair: tuple[postgres.PostgresServer, postgres.PostgresServer],
) -> None:
    primary, standby = pair
    await streaming(primary)
    await caught_up(primary)
    for server in pair:
        seen = await look(PROBE, pg_settings(server), twice=0.05)
        assert seen.findings == ()
        (point,) = seen.points
        assert point.behind is not None
        assert point.behind < 60
    as_writer = await look("postgres.sessions", replace(pg_settings(standby), expects="writer"))

    assert codes(as_writer) == {"PG_ROLE_WRONG": "critical"}


async def test_paused_replay_is_seen_in_bytes_and_resumed_by_a_step(
    pair: tuple[postgres.PostgresServer, postgres.PostgresServer],
) -> None:
    primary, standby = pair
    await streaming(primary)
    standby.execute("SELECT pg_wal_replay_pause()")
    write(primary, 2)
    before, of_primary = await until(
        lambda: judge(primary),
        lambda looked: any("replay" in finding.summary for finding in looked[1].findings),
    )
    _, of_standby = await until(
        lambda: judge(standby), lambda looked: "PG_REPL_APPLY_STALLED" in codes(looked[1])
    )
    probe, again = registry()[PROBE], before
    for _ in range(3):
        now, _ = await judge(primary)
        assert probe.since is not None
        again = probe.since(again, now)
    stalled = codes(judged(Look(target(pg_settings(primary)), registry()[PROBE], STRICT), again))

    assert codes(of_primary) == {"PG_REPL_LAG": "warning"}
    assert codes(of_standby)["PG_REPL_APPLY_STALLED"] == "high"
    assert of_standby.tables[0].best[0].risk == "high"
    assert stalled["PG_REPL_APPLY_STALLED"] == "high"
    offered = of_standby.tables[0].best[0]
    acts = await open_postgres_acts(pg_settings(standby))
    done = await acts.run(offered.call, offered.args)
    await acts.close()
    on_primary = await open_postgres_acts(pg_settings(primary))
    with pytest.raises(Refused):
        await on_primary.run(offered.call, offered.args)
    await on_primary.close()

    assert done["done"]
    await caught_up(primary)


async def test_a_standby_that_leaves_and_loses_its_wal_is_told_in_steps(
    pair: tuple[postgres.PostgresServer, postgres.PostgresServer],
) -> None:
    primary, standby = pair
    await streaming(primary)
    probe = registry()[PROBE]
    before, _ = await judge(primary)
    standby.stop()
    now, _ = await until(lambda: judge(primary), lambda looked: not looked[0].senders)
    assert probe.since is not None
    gone = judged(Look(target(pg_settings(primary)), probe, STRICT), probe.since(before, now))
    write(primary, 30)
    retained, seen = await judge(
        primary, Settings(slot_retained=Thresholds(warning=10_000_000, high=10**12))
    )
    for _ in range(6):
        write(primary, 24)
        primary.execute("SELECT pg_switch_wal()", "CHECKPOINT")
    _, lost = await judge(primary)

    assert codes(gone) == {"PG_REPL_DOWN": "critical"}
    assert codes(seen) == {"PG_SLOT_RETAIN": "warning"}
    assert retained.slots[0].active is False
    assert codes(lost) == {"PG_SLOT_LOST": "critical"}


@pytest.fixture
def cascade(base: Path) -> Iterator[tuple[postgres.PostgresServer, postgres.PostgresServer]]:
    """The standby in the middle, and the one that follows it."""
    folder = Path(tempfile.mkdtemp(dir=base))
    folder.chmod(0o755)
    with ExitStack() as stack:
        # a base backup of a standby wants whole pages in the WAL
        primary = postgres.start(
            fresh.postgres_cluster(folder / "primary", password=SUPER),
            settings={"full_page_writes": "on"},
        )
        stack.callback(primary.stop)
        postgres_roles(primary)
        middle = postgres.start_standby(folder / "middle", primary, name="middle")
        stack.callback(middle.stop)
        leaf = postgres.start_standby(folder / "leaf", middle, name="leaf")
        stack.callback(leaf.stop)
        yield middle, leaf


async def test_a_standby_in_the_middle_tells_of_those_that_follow_it(
    cascade: tuple[postgres.PostgresServer, postgres.PostgresServer],
) -> None:
    middle, leaf = cascade
    await streaming(middle)
    await caught_up(middle, "pg_last_wal_replay_lsn()")
    before, healthy = await judge(middle)
    probe = registry()[PROBE]
    leaf.stop()
    now, _ = await until(lambda: judge(middle), lambda looked: not looked[0].senders)
    assert probe.since is not None
    gone = judged(Look(target(pg_settings(middle)), probe, STRICT), probe.since(before, now))

    assert codes(healthy) == {}
    assert [sender.name for sender in before.senders] == ["leaf"]
    assert before.senders[0].total_b == 0
    assert codes(gone) == {"PG_REPL_DOWN": "critical"}
    assert "standby leaf 127.0.0.1 does not follow any more" in gone.findings[0].summary
    assert gone.findings[0].next.endswith("its slot here, at the standby that it follows")


async def test_a_plain_role_sees_that_it_cannot_see_the_lag(
    pair: tuple[postgres.PostgresServer, postgres.PostgresServer],
) -> None:
    primary, _ = pair
    await streaming(primary)
    seen = await look(PROBE, pg_settings(primary, user="plain", password="env:T_PLAIN"))

    assert codes(seen) == {"PG_OBS_BLIND": "info"}
    assert seen.facts[0].value is None


async def test_a_standby_whose_primary_is_gone_says_so(
    pair: tuple[postgres.PostgresServer, postgres.PostgresServer],
) -> None:
    primary, standby = pair
    await streaming(primary)
    primary.stop()
    look_, seen = await until(lambda: judge(standby), lambda looked: looked[0].receiver is None)

    assert codes(seen) == {"PG_REPL_DOWN": "critical"}
    assert look_.replay is not None
    assert [point.behind for point in seen.points] == [look_.replay.last_commit_age_s]


async def test_a_standby_that_is_late_on_purpose_is_not_in_trouble(
    pair: tuple[postgres.PostgresServer, postgres.PostgresServer],
) -> None:
    primary, standby = pair
    await streaming(primary)
    standby.execute("ALTER SYSTEM SET recovery_min_apply_delay = '1h'")
    standby.reload()
    await until(
        lambda: judge(standby),
        lambda told: told[0].replay is not None and bool(told[0].replay.delay_s),
    )
    write(primary, 2)
    first, _ = await until(
        lambda: judge(standby),
        lambda told: told[0].replay is not None and (told[0].replay.backlog_b or 0) > STRICT_BYTES,
    )
    probe, again = registry()[PROBE], first
    for _ in range(4):
        now, _ = await judge(standby)
        assert probe.since is not None
        again = probe.since(again, now)
    seen = judged(Look(target(pg_settings(standby)), registry()[PROBE], STRICT), again)

    assert again.replay is not None
    assert again.replay.delay_s == 3600
    assert again.replay.stalled == 4
    assert codes(seen) == {}


async def test_a_standby_that_gets_nothing_over_a_link_does_not_claim_to_be_up_to_date(
    pair: tuple[postgres.PostgresServer, postgres.PostgresServer],
) -> None:
    primary, standby = pair
    await streaming(primary)
    cluster = standby.cluster
    standby.stop()
    alone = postgres.start(cluster, settings={"primary_conninfo": ""})
    try:
        snapshot, seen = await judge(alone)
    finally:
        alone.stop()

    assert snapshot.replay is not None
    assert snapshot.replay.backlog_b is None
    assert seen.facts[0].text == "unknown"
    assert codes(seen) == {"PG_REPL_DOWN": "critical"}


async def test_a_look_that_replay_ends_is_made_again(
    pair: tuple[postgres.PostgresServer, postgres.PostgresServer],
) -> None:
    primary, standby = pair
    await streaming(primary)
    standby.execute("ALTER SYSTEM SET max_standby_streaming_delay = 0")
    standby.reload()
    ended = "SELECT sum(confl_snapshot) FROM pg_stat_database_conflicts"

    async def provoked() -> int:
        looks = asyncio.create_task(session.value("SELECT count(*) FROM orders, pg_sleep(1.5)"))
        sleeps = "SELECT 1 FROM pg_stat_activity WHERE usename = 'app' AND wait_event = 'PgSleep'"
        while not looks.done() and not standby.execute(sleeps):
            await asyncio.sleep(0.02)
        primary.execute("UPDATE orders SET status = status || '!'", "VACUUM orders")
        assert await looks == 100
        return int(standby.execute(ended)[0][0])

    owner = pg_settings(standby, user="app", password="env:T_APP")
    async with session_for(owner) as session:
        await until(provoked, bool)
