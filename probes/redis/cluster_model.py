"""What every node of a Redis cluster says of itself and of the others.

Source: Redis documentation, CLUSTER NODES and CLUSTER INFO; catalogue of findings 4.1 and 4.4.
Each node is asked by itself: a client of the cluster would hide the one that is ill.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import median
from typing import Any, Protocol

from cockpit import clock
from cockpit.connect.session import RedisReads
from cockpit.errors import BlindError, Reason
from cockpit.text import visible

SLOTS = 16384
_AT_ONCE = 16
_MOST = 100


class Others(Protocol):
    """The sessions to the other nodes."""

    def at(self, host: str, port: int) -> ClusterReads:
        """The session to one node."""

    @property
    def all(self) -> Collection[ClusterReads]:
        """Every session that is kept."""

    async def keep(self, places: Collection[tuple[str, int]]) -> None:
        """Close those that are not in the cluster any more."""


class ClusterReads(RedisReads, Protocol):
    """An observer of one node, which knows the way to the others."""

    @property
    def nodes(self) -> Others:
        """The other nodes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterNode:
    """One node. None: it did not answer, or does not say."""

    id: str
    host: str
    port: int
    address: str
    """Host and port, for people."""
    primary: str = ""
    """The id of the primary that it follows; empty: it is one."""
    slots: int = 0
    failing: bool = False
    """The node that was asked first holds it for failing or failed."""
    myself: bool = False
    answered: bool = False
    error: str = ""
    """Why it did not answer: a finding's code, or a reason."""
    severity: str = ""
    message: str = ""
    state: str = ""
    """`ok` or `fail`, as this node sees the cluster."""
    slots_ok: int | None = None
    slots_pfail: int | None = None
    slots_fail: int | None = None
    slots_assigned: int | None = None
    """Slots that belong to somebody."""
    ops: float | None = None
    """Commands a second, by the server's own average over two seconds."""
    memory: int | None = None
    keys: int | None = None

    @property
    def unserved(self) -> int:
        """Slots that are not served, as this node sees it; those in doubt still are."""
        if self.slots_ok is None:
            return 0
        return max(0, SLOTS - self.slots_ok - (self.slots_pfail or 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One look. `on` False: this server is not part of a cluster."""

    at: datetime
    on: bool
    asked_all: bool = False
    """False: only one node was asked, since the target says `cluster = false`."""
    nodes: tuple[ClusterNode, ...] = ()

    @property
    def answering(self) -> tuple[ClusterNode, ...]:
        """The nodes that told their view."""
        return tuple(node for node in self.nodes if node.answered and node.state)

    @property
    def believed(self) -> tuple[ClusterNode, ...]:
        """The nodes on the side of the majority; all of them when opinions are even."""
        said = self.answering
        fails = [node for node in said if node.state == "fail"]
        if 2 * len(fails) < len(said):
            return tuple(node for node in said if node.state != "fail")
        return said if 2 * len(fails) == len(said) else tuple(fails)

    @property
    def worst(self) -> ClusterNode | None:
        """Who of the majority sees the fewest slots served; None: nobody says."""
        views = [node for node in self.believed if node.slots_ok is not None]
        return min(views, key=lambda node: node.slots_ok or 0, default=None)

    @property
    def shards(self) -> tuple[ClusterShard, ...]:
        """Every primary that has slots, with its replicas."""
        return tuple(
            ClusterShard(
                primary=node,
                replicas=tuple(each for each in self.nodes if each.primary == node.id),
            )
            for node in self.nodes
            if not node.primary and node.slots
        )


@dataclass(frozen=True, slots=True)
class ClusterShard:
    """A primary with its replicas."""

    primary: ClusterNode
    replicas: tuple[ClusterNode, ...]

    @property
    def able(self) -> tuple[ClusterNode, ...]:
        """The replicas that could take over: the nodes decide that, not who answers us."""
        return tuple(
            each for each in self.replicas if not each.failing and each.error != "RD_STATE_LOADING"
        )


async def read_cluster(redis: ClusterReads, *, host: str, every_node: bool) -> Cluster:
    """Ask one node for the map, then each node for its own view. Raises `BlindError`.

    `host`: what a node is called that names itself without an address. When the first node is gone,
    one that is known from an earlier look is asked for the map.
    """
    nodes = await _map(redis, host=host)
    if nodes is None:
        return Cluster(at=clock.now(), on=False)
    if not every_node:
        nodes = tuple([await _asked(node, redis) if node.myself else node for node in nodes])
        return Cluster(at=clock.now(), on=True, nodes=nodes)
    await redis.nodes.keep({(node.host, node.port) for node in nodes})
    turn = asyncio.Semaphore(_AT_ONCE)

    async def ask(node: ClusterNode) -> ClusterNode:
        async with turn:
            return await _asked(node, redis.nodes.at(node.host, node.port))

    asked = await asyncio.gather(*(ask(node) for node in nodes[:_MOST]))
    return Cluster(at=clock.now(), on=True, asked_all=True, nodes=tuple(asked))


async def _map(redis: ClusterReads, *, host: str) -> tuple[ClusterNode, ...] | None:
    """The nodes as one of them lists them; None where there is no cluster."""
    failed: BlindError | None = None
    for session in (redis, *redis.nodes.all):
        try:
            if (await session.info("cluster")).get("cluster_enabled") != 1:
                return None
            return nodes_of(str(await session.command("CLUSTER", "NODES")), host=host)
        except BlindError as error:
            failed = failed or error
            if error.reason not in {Reason.UNREACHABLE, Reason.TIMEOUT}:
                break
    assert failed is not None
    raise failed


async def _asked(node: ClusterNode, session: RedisReads) -> ClusterNode:
    try:
        said = _fields(str(await session.command("CLUSTER", "INFO")))
        info = await session.info()
    except BlindError as error:
        return replace(
            node,
            error=error.code or error.reason.value,
            severity=error.severity,
            message=visible(error.message, 200),
        )
    return replace(
        node,
        answered=True,
        state=str(said.get("cluster_state", "")),
        slots_ok=_whole(said.get("cluster_slots_ok")),
        slots_pfail=_whole(said.get("cluster_slots_pfail")),
        slots_fail=_whole(said.get("cluster_slots_fail")),
        slots_assigned=_whole(said.get("cluster_slots_assigned")),
        ops=_number(info.get("instantaneous_ops_per_sec")),
        memory=_whole(info.get("used_memory")),
        keys=_keys(info),
    )


def nodes_of(text: str, *, host: str) -> tuple[ClusterNode, ...]:
    """CLUSTER NODES: `id ip:port@bus[,name] flags primary ping pong epoch link slot-slot …`.

    A name is preferred to the address, since a certificate holds the name. Nodes in handshake or
    without an address are left out.
    """
    found = []
    for line in text.splitlines():
        parts = line.split()
        if len(parts) < 8:
            continue
        flags = set(parts[2].split(","))
        address, _, name = parts[1].partition(",")
        ip, _, port = address.partition("@")[0].rpartition(":")
        if flags & {"handshake", "noaddr"} or not port.isdigit():
            continue
        where = visible(name.partition(",")[0] or ip or host, 200)
        found.append(
            ClusterNode(
                id=visible(parts[0], 40),
                host=where,
                port=int(port),
                address=f"{where}:{port}",
                primary="" if parts[3] == "-" else visible(parts[3], 40),
                slots=sum(_span(each) for each in parts[8:]),
                failing=bool(flags & {"fail", "fail?"}),
                myself="myself" in flags,
            )
        )
    return tuple(found)


def _span(text: str) -> int:
    """Slots in `0-5460` or `7`; 0 for one that is just moving (`[93-<-…]`)."""
    first, _, last = text.partition("-")
    if not first.isdigit():
        return 0
    return int(last) - int(first) + 1 if last.isdigit() else 1


def outlier(values: Mapping[str, float], *, least: float, times: float) -> str | None:
    """Whose value is more than `times` the median of all, and at least `least`; None: nobody's.

    Among fewer than three nobody stands out.
    """
    if len(values) < 3:
        return None
    most = max(values, key=lambda name: values[name])
    middle = median(values.values())
    return most if values[most] >= least and values[most] > times * middle else None


def _fields(text: str) -> dict[str, str]:
    return {name: value for name, _, value in (line.partition(":") for line in text.splitlines())}


def _keys(info: Mapping[str, Any]) -> int:
    """In all its databases: since Valkey 9 a cluster has several."""
    databases = (v for name, v in info.items() if name.startswith("db") and name[2:].isdigit())
    fields = [field for each in databases for field in str(each).split(",")]
    return sum(int(f[5:]) for f in fields if f.startswith("keys=") and f[5:].isdigit())


def _whole(value: object) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def _number(value: object) -> float | None:
    try:
        return None if value is None else float(str(value))
    except ValueError:
        return None
