"""A Galera cluster of real nodes: one that joins and its donor, one that leaves, one left alone."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cockpit.connect.mysql.settings import MysqlSettings
from cockpit.triage.engine import Look, judged
from cockpit.triage.probe import Seen
from cockpit.triage.registry import registry
from cockpit.triage.target import Target
from cockpit.world.servers import mariadb
from cockpit.world.servers.process import free_port
from tests.servers import fresh
from tests.servers.private import codes, look, my_settings, mysql_users, session_for, target, until

pytestmark = pytest.mark.servers

PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")


@dataclass
class Cluster:
    """Nodes on loopback, each with ports of its own for the group and for copies."""

    folder: Path
    nodes: list[mariadb.MariaDb] = field(default_factory=list)
    first: int = field(default_factory=free_port)

    def join(self, name: str) -> mariadb.MariaDb:
        """A node, new or back again. It is there once it has its copy of what it lacks."""
        data = self.folder / name / "data"
        others = "" if not self.nodes else f"127.0.0.1:{self.first}"
        group = free_port() if self.nodes else self.first
        options = (
            f"gmcast.listen_addr=tcp://127.0.0.1:{group};ist.recv_addr=127.0.0.1:{free_port()};"
            "gcache.size=4M;evs.suspect_timeout=PT1S;evs.inactive_timeout=PT2S;"
            "evs.inactive_check_period=PT0.2S;evs.keepalive_period=PT0.2S"
        )
        server = mariadb.start(
            data if data.exists() else fresh.mariadb_data(self.folder / name),
            settings={
                "wsrep-on": "ON",
                "wsrep-provider": str(PROVIDER),
                "wsrep-cluster-address": f"gcomm://{others}",
                "wsrep-node-name": name,
                "wsrep-node-address": f"127.0.0.1:{group}",
                "wsrep-sst-method": "rsync",
                "wsrep-sst-receive-address": f"127.0.0.1:{free_port()}",
                "wsrep-provider-options": options,
                "binlog-format": "ROW",
                "innodb-autoinc-lock-mode": 2,
            },
        )
        self.nodes.append(server)
        return server


@pytest.fixture
def cluster(folder: Path) -> Iterator[Cluster]:
    if not PROVIDER.exists():
        pytest.fail("Galera is not installed: apt-get install galera-4")
    folder.chmod(0o755)
    made = Cluster(folder)
    mysql_users(made.join("one"))
    yield made
    for node in reversed(made.nodes):
        node.stop()


class Watch:
    """Looks at a node through one session, each with the one before."""

    def __init__(self, to: Target, session: Any) -> None:
        self.probe = registry()["mysql.sessions"]
        self._to, self._session = to, session
        self._before: Any = None
        self.seen: list[dict[str, str]] = []
        """What each look found."""

    async def look(self) -> Seen:
        now = await self.probe.collect(self._session, self._to)
        assert self.probe.since is not None
        self._before = self.probe.since(self._before, now) if self._before else now
        seen = judged(Look(self._to, self.probe, self.probe.settings), self._before)
        self.seen.append(codes(seen))
        return seen


@asynccontextmanager
async def watch(settings: MysqlSettings) -> AsyncIterator[Watch]:
    async with session_for(settings) as session:
        yield Watch(target(settings), session)


def says(seen: Seen) -> str:
    return {fact.label: fact.text for fact in seen.facts}["Galera"]


async def test_nodes_that_join_leave_and_are_left_alone(cluster: Cluster) -> None:
    """26 s: the copy by rsync takes five, a member that is killed two."""
    (one,) = cluster.nodes
    async with watch(my_settings(one)) as ours:
        joins = asyncio.ensure_future(asyncio.to_thread(cluster.join, "two"))
        while not joins.done():
            await ours.look()
            await asyncio.wait((joins,), timeout=0.1)
        two = await joins
        while_it_copied = [dict(each) for each in {tuple(seen.items()) for seen in ours.seen}]
        await until(ours.look, lambda seen: says(seen) == "Synced, 2 nodes")
        joined = await look("mysql.sessions", my_settings(two))

        two.stop()
        left = await until(ours.look, lambda seen: says(seen) == "Synced, 1 node")
        two = await asyncio.to_thread(cluster.join, "two")
        back = await until(ours.look, lambda seen: says(seen) == "Synced, 2 nodes")

        os.kill(two.process.pid, signal.SIGKILL)
        alone = await until(ours.look, lambda seen: "not ready" in says(seen))

    assert {} in while_it_copied
    assert {"MY_GALERA_NOT_SYNCED": "info"} in while_it_copied, "a donor is no alarm"
    assert len(while_it_copied) == 2, while_it_copied
    assert (codes(joined), says(joined)) == ({}, "Synced, 2 nodes")
    assert codes(left) == {"MY_GALERA_SMALLER": "high"}
    assert codes(back) == {}
    assert codes(alone) == {"MY_GALERA_NOT_READY": "critical"}, "one of two has no quorum"
    assert "non-Primary" in alone.findings[0].summary
