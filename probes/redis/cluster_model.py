"""What every node of a Redis cluster says of itself and of the others.

Source: Redis documentation, CLUSTER NODES and CLUSTER INFO; catalogue of findings 4.1 and 4.4.
Each node is asked by itself: a client of the cluster would hide the one that is ill.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from statistics import median
from typing import Any, Protocol

from cockpit import clock
from cockpit.connect.pace import Pace
from cockpit.connect.session import RedisReads
from cockpit.errors import BlindError, Reason
from cockpit.text import visible
from probes.redis.tally import error_kind, tallied

SLOTS = 16384
_MOVE = re.compile(r"\[([0-9]{1,5})-([<>])-([^\]]+)\]")
_AT_ONCE = 16
_MOST = 100
_OWN_VIEW = 60.0
"""Seconds between our questions to a node for the slots that it moves: no other lists them."""


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

    @property
    def pace(self) -> Pace:
        """What the node is spared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A slot that a node has open: it hands it over, or takes it in, key by key."""

    slot: int
    takes: bool
    other: str
    """The id of the node at the other end."""


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
    good_replicas: int | None = None
    """Replicas in step, where writes need some (min-replicas-to-write); None: they need none."""
    paused: str = ""
    """Why it holds clients up; `none`, or empty: it does not say."""
    errors: dict[str, int] = field(default_factory=dict)
    """Error replies by kind since its start."""
    refused: dict[str, float] = field(default_factory=dict)
    """Error replies by kind, per second since the look before."""
    moves: tuple[Move, ...] | None = None
    """None: not asked in this look; `since` puts the last ones here."""
    migrates: bool = False
    """Slots go to another node or come from it as a whole (atomic migration, Valkey 9)."""
    moved_bytes: int | None = None
    """What such migrations have carried since the node's start."""

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
    open_since: dict[str, datetime] = field(default_factory=dict)
    """Since when we see a slot open (`opened`), or an atomic migration carry nothing (`id`)."""

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


async def _asked(node: ClusterNode, session: ClusterReads) -> ClusterNode:
    try:
        said = _fields(str(await session.command("CLUSTER", "INFO")))
        info = await session.info()
        if node.moves is None and not session.pace.spared("CLUSTER NODES"):
            session.pace.spare("CLUSTER NODES", _OWN_VIEW)
            listed = nodes_of(str(await session.command("CLUSTER", "NODES")), host=node.host)
            node = replace(node, moves=next((n.moves for n in listed if n.myself), None))
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
        good_replicas=_whole(info.get("min_slaves_good_slaves")) if not node.primary else None,
        paused=visible(str(info.get("paused_reason", "")), 40),
        errors={kind: n for name, n in tallied(info, {}).items() if (kind := error_kind(name))},
        migrates=any(_whole(info.get(name)) for name in _MIGRATES),
        moved_bytes=_added(info),
    )


_MIGRATES = (
    "mem_cluster_slot_import",
    "mem_cluster_slot_export",
    "slot_migration_fork_in_progress",
)
_CARRIED = ("total_net_cluster_slot_import_bytes", "total_net_cluster_slot_export_bytes")


def _added(info: Mapping[str, Any]) -> int | None:
    known = [number for name in _CARRIED if (number := _whole(info.get(name))) is not None]
    return sum(known) if known else None


def opened(node: ClusterNode, move: Move) -> str:
    """The key of an open slot in `Cluster.open_since`."""
    return f"{node.id} {move.slot} {'takes' if move.takes else 'hands over'}"


def since(before: Cluster, now: Cluster) -> Cluster:
    """The new look with what a node was not asked again, and since when slots are open."""
    old = {node.id: node for node in before.nodes}
    nodes: list[ClusterNode] = []
    seen: dict[str, datetime] = {}
    for node in now.nodes:
        earlier = old.get(node.id)
        if node.moves is None and earlier is not None:
            node = replace(node, moves=earlier.moves)
        keys = [opened(node, move) for move in node.moves or ()]
        if earlier is not None and node.answered and earlier.answered:
            seconds = (now.at - before.at).total_seconds()
            node = replace(node, refused=_refused(earlier.errors, node.errors, seconds))
        still = earlier is not None and earlier.moved_bytes == node.moved_bytes
        if node.migrates and (still or not node.answered):
            keys.append(node.id)
        seen |= {key: before.open_since.get(key, now.at) for key in keys}
        nodes.append(node)
    return replace(now, nodes=tuple(nodes), open_since=seen)


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
                moves=_moves(parts[8:]) if "myself" in flags else None,
            )
        )
    return tuple(found)


def _span(text: str) -> int:
    """Slots in `0-5460` or `7`; 0 for one that is just moving (`[93-<-…]`)."""
    first, _, last = text.partition("-")
    if not first.isdigit():
        return 0
    return int(last) - int(first) + 1 if last.isdigit() else 1


def _refused(before: Mapping[str, int], now: Mapping[str, int], seconds: float) -> dict[str, float]:
    """A kind that is new began at nought; after a reset nothing is known."""
    added = {kind: number - before.get(kind, 0) for kind, number in now.items()}
    if seconds <= 0 or min(added.values(), default=0) < 0:
        return {}
    return {kind: number / seconds for kind, number in added.items() if number}


def _moves(listed: Iterable[str]) -> tuple[Move, ...]:
    """`[93->-ID]`: it hands slot 93 over to a node; `[93-<-ID]`: it takes it from one."""
    found = (_MOVE.fullmatch(each) for each in listed)
    return tuple(
        Move(slot=int(each[1]), takes=each[2] == "<", other=visible(each[3], 40))
        for each in found
        if each is not None
    )


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
