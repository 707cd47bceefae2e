"""What holds a cache's writes up is ended by a commander: a pause, and a FAILOVER."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cockpit.connect.redis.acts import open_redis_acts
from cockpit.errors import DoesNotApply, Refused
from cockpit.world.servers import valkey
from tests.patience import eventually
from tests.servers.private import REDIS_BINARIES, redis_logins, redis_users, target
from tests.servers.seats import seated
from tests.servers.test_runbooks_followed import follow, found, gone

pytestmark = pytest.mark.servers

VALKEY = REDIS_BINARIES[:1]
REDIS = [each for each in REDIS_BINARIES if str(each.values[0]).endswith("redis-server")]
Two = tuple[valkey.Valkey, valkey.Valkey]


@pytest.fixture(scope="module", params=[*VALKEY, *REDIS])
def two(request: pytest.FixtureRequest, base: Path) -> Iterator[Two]:
    """A primary and its replica, both with the documented logins."""
    folder = base / f"caches-{request.param.name}"
    folder.mkdir(exist_ok=True)
    primary = valkey.start(folder / "p", binary=request.param)
    replica = valkey.start(
        folder / "r", binary=request.param, settings={"replicaof": f"127.0.0.1 {primary.port}"}
    )
    for server in (primary, replica):
        redis_users(server)
    eventually(lambda: b"master_link_status:up" in replica.send("INFO", "replication"))
    yield primary, replica
    for server in (replica, primary):
        server.resume()
        server.stop()


@pytest.mark.parametrize("two", VALKEY, indirect=True)
async def test_a_pause_that_the_server_tells_of_is_ended(two: Two, folder: Path) -> None:
    await let_go(two[0], folder, "redis.health", "unpause")


@pytest.mark.parametrize("two", REDIS, indirect=True)
async def test_a_pause_that_is_seen_by_who_waits_is_ended(two: Two, folder: Path) -> None:
    await let_go(two[0], folder, "redis.performance", "unpause_untold")


async def let_go(server: valkey.Valkey, folder: Path, probe: str, step: str) -> None:
    """Writes go on once the tool that paused is known to be dead, and not before."""
    server.send("CLIENT", "PAUSE", 600_000, "WRITE")
    try:
        with socket.create_connection(("127.0.0.1", server.port)) as wire:
            wire.sendall(b"SET held up\r\n")
            eventually(lambda: b"blocked_clients:1" in server.send("INFO", "clients"))
            async with seated((target(redis_logins(server)),), folder, {}) as desk:
                opened = await found(desk, probe, "RD_PAUSED")
                (book, *_) = desk.runbooks_for(opened)
                run = desk.start_run(book.id, opened)
                await follow(run, "server", "owner", answers={"owner": "no"})
                with pytest.raises(DoesNotApply, match="dead or done"):
                    await run.plan(step)
                answers = {"owner": "yes", "who": "eve"}
                plan = await follow(run, "owner", "who", step, answers=answers)
                written = wire.recv(100)
                await gone(desk, probe, opened)
    finally:
        server.send("CLIENT", "UNPAUSE")

    assert (book.id, plan.risk) == ("cache-refuses", "high")
    assert "eve" in str(plan.lines)
    assert written == b"+OK\r\n"


async def test_a_failover_whose_replica_hangs_is_taken_back(two: Two, folder: Path) -> None:
    primary, replica = two
    replica.pause()
    try:
        primary.send("FAILOVER", "TO", "127.0.0.1", replica.port, "TIMEOUT", 1000)
        async with seated((target(redis_logins(primary)),), folder, {}) as desk:
            opened = await found(desk, "redis.health", "RD_FAILOVER_STUCK")
            (book, *_) = desk.runbooks_for(opened)
            run = desk.start_run(book.id, opened)
            await follow(run, "server_now", "hangs", answers={"hangs": "no"})
            with pytest.raises(DoesNotApply, match="did not take over"):
                await run.plan("abort")
            plan = await follow(run, "hangs", "abort", answers={"hangs": "yes"})
            await gone(desk, "redis.health", opened)
    finally:
        primary.send("FAILOVER", "ABORT")
        replica.resume()
    eventually(lambda: b"role:slave" in replica.send("INFO", "replication"))

    assert (book.id, plan.risk) == ("redis-failover", "high")
    assert primary.send("SET", "is", "primary") == b"+OK\r\n"


async def test_nothing_is_sent_where_it_is_over_or_something_else(two: Two) -> None:
    primary, replica = two
    eventually(lambda: b"state=online" in primary.send("INFO", "replication"))
    acts: Any = await open_redis_acts(redis_logins(primary))
    tells = b"paused_reason" in primary.send("INFO", "clients")
    with pytest.raises(Refused, match="no FAILOVER is under way any more"):
        await acts.run("failover_abort", {})
    if tells:
        with pytest.raises(Refused, match="no CLIENT PAUSE is on any more"):
            await acts.run("client_unpause", {})
    replica.pause()
    try:
        primary.send("FAILOVER", "TO", "127.0.0.1", replica.port, "TIMEOUT", 1000)
        with pytest.raises(Refused, match="FAILOVER ABORT ends that"):
            await acts.run("client_unpause", {})
    finally:
        primary.send("FAILOVER", "ABORT")
        replica.resume()
        await acts.close()
