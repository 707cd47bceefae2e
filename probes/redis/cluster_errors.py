"""What clients get back from the nodes of a Redis cluster that redis.health does not look at."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.units import rounded
from probes.redis.cluster_model import Cluster, ClusterNode
from probes.redis.errors import STATES

_ALSO_TO_PING = frozenset({"MISCONF", "MASTERDOWN", "LOADING"})
"""Kinds that monitors get as well: told only where there are many."""


def refusals(look: Cluster, limits: Thresholds) -> Iterator[Finding]:
    """Nodes besides the one that redis.health looks at: what they refuse, and who holds them up."""
    for node in look.nodes:
        if node.answered and not node.myself:
            yield from _refused(node, limits)
            yield from _stopped(node)


def _refused(node: ClusterNode, limits: Thresholds) -> Iterator[Finding]:
    """A node refuses commands for a state of its own (READONLY, NOREPLICAS, CLUSTERDOWN, MISCONF).

    Its part of the keys has an outage, while the other shards are well.
    """
    for kind, meaning in STATES.items():
        rate = node.refused.get(kind, 0.0)
        severity = limits.grade(rate) if rate else None
        few = severity is not Severity.CRITICAL and kind in _ALSO_TO_PING
        if severity is None or few:
            continue
        yield Finding(
            "RD_ERR_REFUSED",
            severity,
            f"{node.address} refuses {rounded(rate)} commands a second with {kind}: {meaning.says}",
            subject=f"{kind} at {node.address}",
            evidence=(
                Evidence("error replies", round(rate, 1), "/s", limits.critical),
                Evidence("role", "replica" if node.primary else "primary"),
                Evidence("slots", node.slots),
            ),
            likely=meaning.likely,
            next=meaning.next,
        )


def _stopped(node: ClusterNode) -> Iterator[Finding]:
    """Every write to a shard is refused or waits, whoever sends it.

    RD_REPL_MIN_UNMET: No replica of the shard is in step although writes need one.

    RD_PAUSED: CLIENT PAUSE WRITE is on at the node.
    """
    if node.good_replicas == 0:
        yield Finding(
            "RD_REPL_MIN_UNMET",
            Severity.CRITICAL,
            f"{node.address} refuses every write (NOREPLICAS): no replica is in step, and "
            "min-replicas-to-write wants some",
            subject=node.address,
            evidence=(Evidence("replicas in step", 0, "", 1), Evidence("slots", node.slots)),
            likely=STATES["NOREPLICAS"].likely,
            next="do the replicas of this shard answer?",
        )
    if node.paused == "client_pause":
        yield Finding(
            "RD_PAUSED",
            Severity.HIGH,
            f"writes to {node.address} wait: CLIENT PAUSE is on",
            subject=node.address,
            evidence=(Evidence("slots", node.slots),),
            likely=("a failover or migration tool that paused and died before it ended it",),
            next="who paused it, and is that tool still at work? else CLIENT UNPAUSE at this node",
        )
