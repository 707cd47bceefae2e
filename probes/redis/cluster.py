"""A Redis or Valkey cluster: are all slots served, does every node answer, is the load even.

Source: catalogue of findings 4.4; see `cluster_model`. A cut-off node is wrong about the rest, so
the majority is believed. A server without a cluster has nothing to look at, which is no finding.
Needs an observer's ACL: `+info +cluster|info +cluster|nodes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median

from cockpit.connect.redis.settings import RedisSettings
from cockpit.text import visible
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.triage.view import Column, Row, Table
from cockpit.units import count, duration, quantity, rounded, size
from probes.redis.cluster_errors import refusals
from probes.redis.cluster_model import (
    SLOTS,
    Cluster,
    ClusterNode,
    ClusterReads,
    Move,
    opened,
    outlier,
    read_cluster,
    since,
)
from probes.refusals import REDIS_REFUSALS

MIB = 2**20
_EACH = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """When one shard stands out, and when a slot is stuck."""

    skew: float = 2
    """Times the median of all shards."""
    skew_ops: float = 1000
    """Commands a second below which a shard does not stand out."""
    skew_memory: float = 256 * MIB
    refused: Thresholds = Thresholds(high=0, critical=1)
    """Commands a second that a node's own state refuses; any at all is the first limit."""
    slot_open_s: Thresholds = Thresholds(warning=300)
    """Seconds for which a slot is seen on its way, or a migration of slots without a byte."""


async def collect(redis: ClusterReads, target: Target) -> Cluster:
    """The map from one node; then every node's own view, when the target says `cluster = true`."""
    settings = target.settings
    assert isinstance(settings, RedisSettings)
    return await read_cluster(redis, host=settings.host, every_node=settings.cluster)


def diagnose(look: Cluster, settings: Settings) -> Iterator[Finding]:
    """The cluster as the majority sees it, then the nodes that do not answer, then the balance.

    RD_CLUSTER_CLIENT_MODE: The target is a node of a cluster and only this one is looked at, so
    what is wrong with the others is not seen.
    """
    if not look.on:
        return
    if not look.asked_all:
        yield Finding(
            "RD_CLUSTER_CLIENT_MODE",
            Severity.INFO,
            f"this is one of {count(len(look.nodes), 'node')} of a cluster; only this one is "
            "looked at",
            likely=("the target was written for a single server",),
            next="set cluster = true for this target, then every node is asked",
        )
    yield from _down(look)
    yield from _slots(look)
    yield from refusals(look, settings.refused)
    yield from _stuck(look, settings)
    for node in look.nodes:
        if look.asked_all and not node.answered:
            yield _silent(node)
    if look.asked_all:
        yield from _alone(look)
        yield from _skew(look, settings)


def _down(look: Cluster) -> Iterator[Finding]:
    """Nodes say that the cluster is down: keys fail, and with full coverage required all of them.

    Critical when the nodes in the majority say so; high when a few say it that are cut off from the
    rest: then the clients of those get errors.
    """
    said, believed = look.answering, look.believed
    fails = [node for node in said if node.state == "fail"]
    if not fails:
        return
    if any(node.state == "fail" for node in believed):
        served = min((n.slots_ok for n in believed if n.slots_ok is not None), default=None)
        yield Finding(
            "RD_CLUSTER_DOWN",
            Severity.CRITICAL,
            f"the cluster is down, say {len(fails)} of {count(len(said), 'node')} that answer: "
            "every key may fail",
            evidence=(
                Evidence("nodes that say so", len(fails)),
                Evidence("nodes that answer", len(said), "", len(look.nodes)),
                Evidence("slots served", served, "", SLOTS),
            ),
            likely=(
                "a primary died without a replica that is in step",
                "most primaries cannot reach each other",
            ),
            against=()
            if look.asked_all
            else ("one node was asked: a cut-off node is wrong about the rest",),
            next="which shard has no primary? with cluster-require-full-coverage all keys fail",
        )
        return
    for node in fails:
        yield Finding(
            "RD_CLUSTER_DOWN",
            Severity.HIGH,
            f"node {node.address} alone says that the cluster is down: it is cut off, and its "
            "clients get errors",
            subject=node.address,
            evidence=(
                Evidence("nodes that say otherwise", len(believed)),
                Evidence("slots served, as it sees it", node.slots_ok, "", SLOTS),
            ),
            likely=("the network between this node and the others",),
            next="do clients still talk to it? the other nodes serve its slots, or will",
        )


def _slots(look: Cluster) -> Iterator[Finding]:
    """Slots that no primary serves, or that belong to one which seems to fail.

    Every key in such a slot fails. A failover takes some node timeouts when there is a replica in
    step; without one, or when slots belong to nobody, somebody has to act. High while it is only
    feared, critical when it is so.
    """
    worst = look.worst
    severity = _slots_severity(worst)
    if worst is None or severity is None:
        return
    doubted, unserved = worst.slots_pfail or 0, worst.unserved
    failing = [node for node in look.nodes if node.failing and not node.primary]
    names = ", ".join(node.address for node in failing[:3])
    unassigned = None if worst.slots_assigned is None else SLOTS - worst.slots_assigned
    yield Finding(
        "RD_CLUSTER_SLOTS",
        severity,
        f"{unserved:,} of {SLOTS:,} slots are not served"
        if unserved > 0
        else f"{doubted:,} slots belong to a node that seems to be failing: a failover is due",
        evidence=(
            Evidence("slots served", worst.slots_ok, "", SLOTS),
            Evidence("seem to fail", worst.slots_pfail, "", 0),
            Evidence("fail", worst.slots_fail, "", 0),
            Evidence("nobody's", unassigned, "", 0),
            Evidence("failing primaries", names or None),
        ),
        likely=(
            "a primary died: its replica takes over within some node timeouts, when it has one",
            "slots were given to nobody: resharding was cut off",
        )
        if not unassigned
        else ("slots were given to nobody: resharding was cut off, or a node was removed",),
        next="has the failing primary a replica that answers? look again in some seconds",
    )


def _stuck(look: Cluster, settings: Settings) -> Iterator[Finding]:
    """A slot has been on its way between two nodes for long: the resharding was cut off.

    Half of its keys are here and half there: clients are sent to and fro (ASK), and commands with
    several keys fail (TRYAGAIN). An atomic migration (Valkey 9) is stuck when it carries no byte.
    """
    names = {node.id: node.address for node in look.nodes}
    for node in (each for each in look.nodes if not each.primary):
        # a replica of Valkey 8 and later lists its primary's open slots, too
        ages = {
            move: (look.at - look.open_since[key]).total_seconds()
            for move in node.moves or ()
            if (key := opened(node, move)) in look.open_since
        }
        old = [move for move, age in ages.items() if settings.slot_open_s.grade(age)]
        longest = max((ages[move] for move in old), default=None)
        if severity := settings.slot_open_s.grade(longest):
            yield _open(node, old, longest or 0.0, severity=severity, names=names)
        still = look.open_since.get(node.id)
        age = (look.at - still).total_seconds() if still else None
        if severity := settings.slot_open_s.grade(age):
            yield Finding(
                "RD_CLUSTER_SLOT_STUCK",
                severity,
                f"{node.address} migrates slots, and nothing was carried for {duration(age or 0)}",
                subject=f"migration at {node.address}",
                evidence=(
                    Evidence("nothing carried for", age, "s", settings.slot_open_s.first),
                    Evidence("carried since its start", node.moved_bytes, "bytes"),
                ),
                likely=("the other node hangs", "the network between the two"),
                next="CLUSTER GETSLOTMIGRATIONS tells its state; CLUSTER CANCELSLOTMIGRATIONS ends "
                "it, and the slots stay where they are",
                fact=False,
            )


def _open(
    node: ClusterNode,
    moves: list[Move],
    age: float,
    *,
    severity: Severity,
    names: Mapping[str, str],
) -> Finding:
    listed = ", ".join(str(move.slot) for move in moves[:_EACH])
    listed += f" and {len(moves) - _EACH:,} more" if len(moves) > _EACH else ""
    first = moves[0]
    other = names.get(first.other, f"a node that is gone ({first.other})")
    way = f"from {other} to {node.address}" if first.takes else f"from {node.address} to {other}"
    return Finding(
        "RD_CLUSTER_SLOT_STUCK",
        severity,
        f"{count(len(moves), 'slot')} ({listed}) on the way {way} for {duration(age)}",
        subject=node.address,
        evidence=(
            Evidence("slots on the way", len(moves), "", 0),
            Evidence("seen for", age, "s"),
        ),
        likely=(
            "a resharding that was cut off, or whose tool died",
            "one key that is too large to be moved within the tool's timeout",
        ),
        against=("a resharding that goes on moves one slot after the other",),
        next="is the tool still at work? redis-cli --cluster check tells which slots are open, "
        "--cluster fix ends what was begun",
        fact=False,
    )


def _slots_severity(worst: ClusterNode | None) -> Severity | None:
    if worst is None:
        return None
    if worst.unserved:
        return Severity.CRITICAL
    return Severity.HIGH if worst.slots_pfail else None


def _weight(node: ClusterNode) -> Severity:
    """A replica serves no slot: without it nobody fails yet, less so when the others see it."""
    if not node.error.isupper():
        return Severity.INFO
    told = Severity(node.severity or "high")
    if not node.primary:
        return told
    return min(told, Severity.HIGH if node.failing else Severity.WARNING)


def _silent(node: ClusterNode) -> Finding:
    """A node of the cluster does not answer us, or refuses us.

    The code is that of its failure. A primary that does not answer takes its slots with it; a
    replica serves no slot, so it weighs less, and least when the other nodes still see it: then it
    is the path from here.
    """
    named = node.error.isupper()
    role = "replica" if node.primary else "primary"
    return Finding(
        node.error if named else "RD_OBS_BLIND",
        _weight(node),
        f"{role} {node.address} does not answer: {node.message}",
        subject=node.address,
        evidence=(
            Evidence("slots", node.slots),
            Evidence("held for failing by the others", "yes" if node.failing else "no"),
        ),
        likely=("the node died or hangs",)
        if node.failing
        else ("the path from here to this node", "it died a moment ago"),
        against=("the other nodes hold it for well",) if named and not node.failing else (),
        next="do the other nodes hold it for failing? else it is the path from here",
    )


def _alone(look: Cluster) -> Iterator[Finding]:
    """A shard has no replica that could take over, while others have one.

    When its primary fails, its slots are not served, and with full coverage required no key at all
    is.
    """
    shards = look.shards
    if not any(shard.replicas for shard in shards):
        return
    for shard in shards:
        if not shard.able:
            yield Finding(
                "RD_REPL_NONE",
                Severity.WARNING,
                f"the shard of {shard.primary.address} has no replica that could take over",
                subject=f"shard {shard.primary.address}",
                evidence=(
                    Evidence("replicas that could take over", 0, "", 1),
                    Evidence("replicas", len(shard.replicas)),
                    Evidence("slots", shard.primary.slots),
                ),
                likely=("a failover used it up", "the replica died or hangs"),
                next="a new replica must be in step before this primary may fail",
            )


def _skew(look: Cluster, settings: Settings) -> Iterator[Finding]:
    """One shard has much more to do, or much more data, than the others.

    A cluster is as fast as its busiest shard: more shards do not help while one key or one hash tag
    has all the load.
    """
    primaries = {shard.primary.address: shard.primary for shard in look.shards}
    ops = {name: node.ops for name, node in primaries.items() if node.ops is not None}
    memory = {name: float(n.memory) for name, n in primaries.items() if n.memory is not None}
    busy = outlier(ops, least=settings.skew_ops, times=settings.skew)
    full = outlier(memory, least=settings.skew_memory, times=settings.skew)
    for name in dict.fromkeys(each for each in (busy, full) if each):
        node = primaries[name]
        what = [f"{ops[name]:,.0f} commands a second"] if name == busy else []
        what += [f"{size(memory[name])} of memory"] if name == full else []
        yield Finding(
            "RD_CLUSTER_SKEW",
            Severity.WARNING,
            f"the shard of {name} has {' and '.join(what)}, more than "
            f"{settings.skew:g} times the middle of all shards",
            subject=f"shard {name}",
            evidence=(
                Evidence("commands", ops.get(name), "/s",
                         settings.skew * median(ops.values()) if ops else None),
                Evidence("memory", node.memory, "bytes",
                         settings.skew * median(memory.values()) if memory else None),
                Evidence("keys", node.keys),
                Evidence("slots", node.slots),
            ),
            likely=(
                "one hot key that many read",
                "a hash tag that puts everything into one slot",
                "slots are spread unevenly",
            ),
            next="the commands by time of this node; MEMORY USAGE of sampled keys on its replica",
            fact=False,
        )  # fmt: skip


def facts(look: Cluster, _: Settings) -> Iterator[Fact]:
    """How many nodes answer, then the slots."""
    if not look.on:
        yield Fact("cluster", "no cluster")
        return
    answered = sum(node.answered for node in look.nodes)
    if look.asked_all:
        yield Fact("nodes", f"{answered}/{len(look.nodes)}", answered)
    else:
        yield Fact("nodes", f"1 of {len(look.nodes)} asked")
    worst = look.worst
    if worst is not None:
        served = worst.slots_ok or 0
        judged = _slots_severity(worst)
        yield Fact("slots served", f"{served:,}/{SLOTS:,}", served, severity=judged)
    if moving := sum(len(node.moves or ()) for node in look.nodes if not node.primary):
        yield Fact("slots on the way", f"{moving:,}", moving)
    if any(node.migrates for node in look.nodes):
        yield Fact("migration", "slots are being moved as a whole")
    yield Fact("shards", str(len(look.shards)), len(look.shards))


_COLUMNS = (
    Column("node", 26),
    Column("role", 9),
    Column("slots", 8, right=True),
    Column("sees", 8),
    Column("commands", 12, right=True),
    Column("memory", 12, right=True),
    Column("keys", 10, right=True),
    Column("answer"),
)


def tables(look: Cluster, settings: Settings) -> Iterator[Table]:
    """Every node below its primary."""
    followers = {node.id: [n for n in look.nodes if n.primary == node.id] for node in look.nodes}
    rows = [
        row
        for node in look.nodes
        if not node.primary
        for row in (_row(node, 0), *(_row(each, 1) for each in followers[node.id]))
    ]
    note = () if look.asked_all or not look.on else ("cluster = true asks every node",)
    yield Table(title="Nodes", columns=_COLUMNS, rows=tuple(rows), note=note)


def _row(node: ClusterNode, depth: int) -> Row:
    ill = node.failing or node.state == "fail"
    return Row(
        key=node.id,
        cells=(
            node.address,
            "replica" if node.primary else "primary",
            f"{node.slots:,}" if node.slots else "",
            node.state or "unknown",
            quantity(node.ops, "/s"),
            quantity(node.memory, "bytes"),
            quantity(node.keys, ""),
            visible(" · ".join(_said(node)), 200),
        ),
        depth=depth,
        severity=Severity.HIGH
        if ill
        else min(_weight(node), Severity.HIGH)
        if node.error
        else None,
    )


def _said(node: ClusterNode) -> Iterator[str]:
    """What there is to say of a node, in a word or two each."""
    if node.message or not node.answered:
        yield node.message or "not asked"
    if node.failing:
        yield "held for failing"
    if node.paused not in {"", "none"}:
        yield f"clients are held up: {node.paused}"
    if node.migrates:
        yield "slots are being moved"
    if node.refused:
        most = max(node.refused, key=lambda kind: node.refused[kind])
        yield f"{most} {rounded(node.refused[most])}/s"


PROBE = Probe(
    id="redis.cluster",
    kind="redis",
    collect=collect,
    diagnose=diagnose,
    snapshot=Cluster,
    settings=Settings(),
    every=5,
    timeout=8,
    facts=facts,
    tables=tables,
    since=since,
    needs=("ACL +info +cluster|info +cluster|nodes",),
    codes=codes(
        cause=(
            "RD_CLUSTER_DOWN",
            "RD_CLUSTER_SLOTS",
            "RD_ERR_REFUSED",
            "RD_REPL_MIN_UNMET",
            "RD_PAUSED",
            "RD_STATE_LOADING",
        ),
        either=(
            "RD_CLUSTER_SLOT_STUCK",
            "RD_CLUSTER_SKEW",
            "NET_TCP_TIMEOUT",
            "NET_TCP_REFUSED",
            "NET_TCP_UNREACH",
        ),
        risk=("RD_REPL_NONE",),
        eye=("RD_CLUSTER_CLIENT_MODE",),
        traits={
            Trait.COLD: ("RD_STATE_LOADING",),
            Trait.NO_ANSWER: ("NET_TCP_TIMEOUT", "NET_TCP_REFUSED", "NET_TCP_UNREACH"),
        },
        more=REDIS_REFUSALS,
    ),
)
