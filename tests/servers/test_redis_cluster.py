"""A real cluster of six: a primary that dies, one that hangs, a shard without a replica."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cockpit.runbooks.library import library
from cockpit.triage.engine import Look, judged
from cockpit.triage.finding import Severity, Thresholds
from cockpit.triage.probe import Seen
from cockpit.triage.registry import registry
from cockpit.world.servers import valkey
from probes.redis.cluster import Settings
from probes.redis.cluster_model import Cluster
from tests.patience import at_most, eventually
from tests.servers.private import REDIS_BINARIES, codes, redis_settings, session_for, target

pytestmark = pytest.mark.servers

SHARDS, SLOTS = 3, 16384
PATIENCE = at_most(30)
"""Seconds that a cluster may need on a machine which is busy with other things."""


@dataclass
class Six:
    """Three primaries, then their replicas."""

    nodes: list[valkey.Valkey] = field(default_factory=list)

    def stop(self) -> None:
        for node in self.nodes:
            node.resume()
            node.stop()


@pytest.fixture(scope="module", params=REDIS_BINARIES)
def six(request: pytest.FixtureRequest, base: Path) -> Iterator[Six]:
    """Wired by hand, as `redis-cli --cluster create` does; ready when all replicas are in step."""
    folder = Path(tempfile.mkdtemp(dir=base))
    six = Six()
    try:
        for number in range(2 * SHARDS):
            six.nodes.append(_node(folder / str(number), Path(request.param)))
        first = six.nodes[0]
        for number, node in enumerate(six.nodes):
            if number:
                first.send("CLUSTER", "MEET", "127.0.0.1", node.port, node.port + 1)
            node.send("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for number in range(SHARDS):
            low, high = (SLOTS * n // SHARDS for n in (number, number + 1))
            six.nodes[number].send("CLUSTER", "ADDSLOTSRANGE", low, high - 1)
        eventually(lambda: all(_knows(node, 2 * SHARDS) for node in six.nodes), seconds=30)
        for number in range(SHARDS):
            id_ = _bulk(six.nodes[number].send("CLUSTER", "MYID"))
            six.nodes[SHARDS + number].send("CLUSTER", "REPLICATE", id_)
        eventually(
            lambda: all(b"cluster_state:ok" in _info(node) for node in six.nodes), seconds=30
        )
        eventually(lambda: all(_in_step(node) for node in six.nodes[SHARDS:]), seconds=30)
        yield six
    finally:
        six.stop()


def _node(folder: Path, binary: Path) -> valkey.Valkey:
    port = _free_pair()
    settings: dict[str, str | int] = {
        "cluster-enabled": "yes",
        "cluster-node-timeout": 1500,
        "cluster-config-file": "nodes.conf",
        "cluster-port": port + 1,
    }
    return valkey.start(folder, port=port, binary=binary, settings=settings)


def _free_pair() -> int:
    """A port whose neighbour is free as well, for the nodes among themselves."""
    for _ in range(50):
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            try:
                other.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise AssertionError("no two free ports side by side")


def _bulk(reply: bytes) -> str:
    return reply.split(b"\r\n")[1].decode()


def _info(node: valkey.Valkey) -> bytes:
    return node.send("CLUSTER", "INFO")


def _knows(node: valkey.Valkey, number: int) -> bool:
    return f"cluster_known_nodes:{number}".encode() in _info(node) and b"handshake" not in (
        node.send("CLUSTER", "NODES")
    )


def _in_step(node: valkey.Valkey) -> bool:
    return b"master_link_status:up" in node.send("INFO", "replication")


class Watch:
    """Looks through one session again and again."""

    def __init__(self, session: Any, settings: Any) -> None:
        self._session = session
        self._to = target(settings)
        self._probe = registry()["redis.cluster"]
        self._before: Cluster | None = None

    async def look(self, settings: object = None) -> tuple[Cluster, Seen]:
        assert self._probe.since is not None
        now = await self._probe.collect(self._session, self._to)
        now = self._probe.since(self._before, now) if self._before else now
        self._before = now
        return now, judged(Look(self._to, self._probe, settings or self._probe.settings), now)

    async def until(
        self, reached: Callable[[Seen], bool], settings: object = None
    ) -> tuple[Cluster, Seen]:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            now, seen = await self.look(settings)
            if reached(seen):
                return now, seen
            await asyncio.sleep(0.1)
        pytest.fail(f"never reached; last seen: {seen.findings}")


def grave(seen: Seen) -> set[str]:
    return {f.code for f in seen.findings if f.severity >= Severity.HIGH}


async def test_a_cluster_lives_through_its_troubles(six: Six) -> None:
    """In one test, since each trouble leaves the cluster as the next one needs it."""
    settings = redis_settings(six.nodes[0], cluster=True)
    async with session_for(settings) as session:
        watch = Watch(session, settings)
        now, healthy = await watch.until(lambda seen: not seen.findings)
        assert len(now.nodes) == 6
        assert all(node.answered for node in now.nodes)
        assert sorted(shard.primary.slots for shard in now.shards) == [5461, 5461, 5462]
        assert healthy.facts[0].text == "6/6"

        await _one_alone(six)
        await _stuck_slots(six, settings)
        await _refusing_shard(six, settings)
        await _stalled_migration(six, settings)
        await _hot_shard(six, watch)
        await _hung_replica(six, watch)
        await _dead_primary(six, watch)
        await _no_way_back(six, watch)


async def _one_alone(six: Six) -> None:
    settings = redis_settings(six.nodes[1])
    async with session_for(settings) as session:
        _, seen = await Watch(session, settings).look()

    assert codes(seen) == {"RD_CLUSTER_CLIENT_MODE": "info"}


async def _stuck_slots(six: Six, settings: Any) -> None:
    """A resharding that was cut off: seen at the node that is asked first, and at another."""
    first, other = (_bulk(node.send("CLUSTER", "MYID")) for node in six.nodes[:2])
    six.nodes[0].send("CLUSTER", "SETSLOT", 93, "MIGRATING", other)
    six.nodes[1].send("CLUSTER", "SETSLOT", 93, "IMPORTING", first)
    at_once = Settings(slot_open_s=Thresholds(warning=0))
    async with session_for(settings) as session:
        watch = Watch(session, settings)
        await watch.look()
        now, seen = await watch.look(at_once)
        _, young = await watch.look()
        for node in six.nodes[:2]:
            node.send("CLUSTER", "SETSLOT", 93, "STABLE")
        over, _ = await watch.look(at_once)
    stuck = [f for f in seen.findings if f.code == "RD_CLUSTER_SLOT_STUCK"]

    assert {f.subject for f in stuck} == {
        node.address for node in now.nodes if node.moves and not node.primary
    }
    assert len(stuck) == 2
    assert all("1 slot (93)" in f.summary for f in stuck)
    assert library().best("RD_CLUSTER_SLOT_STUCK") == "redis-cluster-down"
    assert young.findings == ()
    assert not next(node for node in over.nodes if node.myself).moves


async def _refusing_shard(six: Six, settings: Any) -> None:
    """Writes to another shard than the one that is asked first want a replica more than it has."""
    shard = six.nodes[1]
    key = next(f"k{n}" for n in range(99) if b"MOVED" not in shard.send("GET", f"k{n}"))
    shard.send("CONFIG", "SET", "min-replicas-to-write", 2)
    async with session_for(settings) as session:
        watch = Watch(session, settings)
        await watch.look()
        for _ in range(5):
            assert b"NOREPLICAS" in shard.send("SET", key, "v")
        _, seen = await watch.look()
        shard.send("CONFIG", "SET", "min-replicas-to-write", 0)
        _, after = await watch.look()
    refused = next(f for f in seen.findings if f.code == "RD_ERR_REFUSED")

    assert refused.subject.startswith("NOREPLICAS at ")
    assert refused.subject.endswith(str(shard.port))
    assert refused.severity >= Severity.HIGH
    assert "RD_ERR_REFUSED" not in codes(after)


async def _stalled_migration(six: Six, settings: Any) -> None:
    """Valkey 9 moves slots as a whole; here the copy of the first key does not come to its end."""
    source, takes = six.nodes[1:3]
    if b"ERR" in source.send("CLUSTER", "GETSLOTMIGRATIONS"):
        return  # an older server, which moves slots key by key
    key = next(f"k{n}" for n in range(99) if b"MOVED" not in source.send("GET", f"k{n}"))
    source.send("SET", key, "v")
    slot = int(source.send("CLUSTER", "KEYSLOT", key).strip(b":\r\n"))
    to = _bulk(takes.send("CLUSTER", "MYID"))
    source.send("CONFIG", "SET", "rdb-key-save-delay", 60_000_000)
    source.send("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", to)
    async with session_for(settings) as session:
        now, seen = await Watch(session, settings).until(
            lambda seen: "RD_CLUSTER_SLOT_STUCK" in codes(seen),
            Settings(slot_open_s=Thresholds(warning=0)),
        )
    source.send("CLUSTER", "CANCELSLOTMIGRATIONS")
    source.send("CONFIG", "SET", "rdb-key-save-delay", 0)
    subjects = {f.subject for f in seen.findings if f.code == "RD_CLUSTER_SLOT_STUCK"}

    assert subjects <= {f"migration at 127.0.0.1:{node.port}" for node in (source, takes)}
    assert any(fact.label == "migration" for fact in seen.facts)
    assert any(node.migrates for node in now.nodes)
    async with session_for(settings) as session:
        watch = Watch(session, settings)
        await watch.until(lambda seen: all(fact.label != "migration" for fact in seen.facts))


async def _hot_shard(six: Six, watch: Watch) -> None:
    """One key asked again and again: all of it on one shard."""
    owner = next(node for node in six.nodes[:SHARDS] if b"MOVED" not in node.send("GET", "hot"))
    over = threading.Event()
    asking = asyncio.create_task(asyncio.to_thread(_ask, owner.port, over))
    try:
        now, seen = await watch.until(
            lambda seen: "RD_CLUSTER_SKEW" in codes(seen), Settings(skew_ops=300)
        )
    finally:
        over.set()
        await asking
    skew = next(f for f in seen.findings if f.code == "RD_CLUSTER_SKEW")

    assert skew.severity is Severity.WARNING
    assert str(owner.port) in skew.subject
    assert max(node.ops or 0 for node in now.nodes) > 300
    await watch.until(lambda seen: not seen.findings)


def _ask(port: int, over: threading.Event) -> None:
    with socket.create_connection(("127.0.0.1", port)) as wire:
        while not over.is_set():
            wire.sendall(b"GET hot\r\n" * 200)
            received = 0
            while received < 5 * 200:
                received += len(wire.recv(1 << 16))
            over.wait(0.02)


async def _hung_replica(six: Six, watch: Watch) -> None:
    replica = six.nodes[SHARDS]
    replica.pause()
    _, seen = await watch.until(lambda seen: {"RD_REPL_NONE", "RD_CONN_MUTE"} <= set(codes(seen)))
    replica.resume()
    silent = next(f for f in seen.findings if f.code == "RD_CONN_MUTE")
    await watch.until(lambda seen: not seen.findings)

    assert str(replica.port) in silent.subject
    assert codes(seen)["RD_REPL_NONE"] == "warning"


async def _dead_primary(six: Six, watch: Watch) -> None:
    """The one that was asked first dies: the map comes from another node. Its replica may take over
    only once we have seen the slots unserved: else a quick election is over between two looks.
    """
    replica = six.nodes[SHARDS]
    replica.send("CONFIG", "SET", "cluster-replica-no-failover", "yes")
    six.nodes[0].stop()
    _, seen = await watch.until(lambda seen: codes(seen).get("RD_CLUSTER_SLOTS") == "critical")
    replica.send("CONFIG", "SET", "cluster-replica-no-failover", "no")
    now, after = await watch.until(
        lambda seen: (
            not grave(seen) & {"RD_CLUSTER_DOWN", "RD_CLUSTER_SLOTS"}
            and "RD_REPL_NONE" in codes(seen)
        )
    )
    promoted = next(node for node in now.nodes if str(replica.port) in node.address)

    assert "NET_TCP_REFUSED" in codes(seen)
    assert codes(after)["RD_REPL_NONE"] == "warning"
    assert promoted.slots == 5461


async def _no_way_back(six: Six, watch: Watch) -> None:
    """The promoted one dies as well: nobody can take its slots over."""
    six.nodes[SHARDS].stop()
    _, seen = await watch.until(lambda seen: "RD_CLUSTER_DOWN" in codes(seen))
    down = next(f for f in seen.findings if f.code == "RD_CLUSTER_DOWN")

    assert down.severity is Severity.CRITICAL
    assert library().best(down.code) == "redis-cluster-down"
    assert codes(seen)["RD_CLUSTER_SLOTS"] == "critical"
    assert any("5,461 of 16,384" in f.summary for f in seen.findings)


async def test_a_server_without_a_cluster_has_nothing_to_tell(base: Path) -> None:
    server = valkey.start(Path(tempfile.mkdtemp(dir=base)))
    try:
        async with session_for(redis_settings(server, cluster=True)) as session:
            now, seen = await Watch(session, redis_settings(server, cluster=True)).look()
    finally:
        server.stop()

    assert not now.on
    assert seen.findings == ()
