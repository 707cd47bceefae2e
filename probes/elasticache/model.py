"""What a look at an ElastiCache resource holds, and what its event texts mean."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from cockpit.connect.session import Series
from cockpit.triage.together import InZone
from probes.answers import Gap
from probes.metrics import NO_DATA, latest, settled

GROUP = "replication group"
CLUSTER = "cache cluster"
SERVERLESS = "serverless cache"

OK = frozenset({"available"})
MOVING = frozenset({"creating", "modifying", "rebooting cluster nodes", "snapshotting"})
BAD = frozenset(
    {
        "incompatible-network",
        "restore-failed",
        "create-failed",
        "deleting",
        "deleted",
    }
)

NODE_METRICS = {
    "EngineCPUUtilization": "Maximum",
    "CPUUtilization": "Maximum",
    "DatabaseMemoryUsagePercentage": "Maximum",
    "Evictions": "Sum",
    "CurrConnections": "Maximum",
    "NewConnections": "Sum",
    "SwapUsage": "Maximum",
    "FreeableMemory": "Minimum",
    "NetworkBandwidthInAllowanceExceeded": "Sum",
    "NetworkBandwidthOutAllowanceExceeded": "Sum",
    "NetworkPacketsPerSecondAllowanceExceeded": "Sum",
    "NetworkConntrackAllowanceExceeded": "Sum",
}
"""Metrics of every node, with the statistic that means something."""

REDIS_METRICS = {
    "CacheHits": "Sum",
    "CacheMisses": "Sum",
    "FlushBasedCmds": "Sum",
    "IsMaster": "Maximum",
    "ReplicationLag": "Maximum",
    "MasterLinkHealthStatus": "Minimum",
    "AuthenticationFailures": "Sum",
    "CommandAuthorizationFailures": "Sum",
    "KeyAuthorizationFailures": "Sum",
    "TrafficManagementActive": "Maximum",
}
MEMCACHED_METRICS = {"GetHits": "Sum", "GetMisses": "Sum", "CmdFlush": "Sum"}
SERVERLESS_METRICS = {
    "ThrottledCmds": "Sum",
    "TotalCmdsCount": "Sum",
    "BytesUsedForCache": "Maximum",
    "ElastiCacheProcessingUnits": "Sum",
    "CacheHits": "Sum",
    "CacheMisses": "Sum",
    "CurrConnections": "Maximum",
}
_PULSE = frozenset(
    {
        *("EngineCPUUtilization", "DatabaseMemoryUsagePercentage", "Evictions", "CurrConnections"),
        *("ThrottledCmds", "TotalCmdsCount"),
    }
)
_REPLICAS = frozenset({"ReplicationLag", "MasterLinkHealthStatus"})


KEPT = 185
"""Minutes of each metric that are read: three hours, and what is late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node, or the whole of a serverless cache."""

    id: str
    node_id: str = "0001"
    shard: str = ""
    role: str = ""
    """`primary`, `replica`, or empty when the control plane does not say."""
    zone: str = ""
    status: str = ""
    """Empty: not known."""
    created_at: datetime | None = None
    metrics: dict[str, Series] = field(default_factory=dict)
    """By metric name. A name that is not there was not asked for."""

    @property
    def name(self) -> str:
        """`orders-001`, with the node's number where a cluster has several."""
        return self.id if self.node_id in {"0001", ""} else f"{self.id}/{self.node_id}"

    def series(self, name: str) -> Series:
        """All points of a metric; none when it was not asked for."""
        return self.metrics.get(name, NO_DATA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A slice of the keys with its primary and replicas."""

    id: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEvent:
    """One line of ElastiCache's own history. There is no id but the text."""

    at: datetime
    source: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """A service update that AWS wants applied."""

    name: str
    severity: str
    status: str
    apply_by: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at a cache."""

    at: datetime
    id: str
    kind: str
    """`replication group`, `cache cluster` (a single node, or Memcached) or `serverless cache`."""
    status: str
    engine: str = ""
    node_type: str = ""
    automatic_failover: str = ""
    """enabled, disabled, enabling, disabling; empty where there is none to have."""
    multi_az: str = ""
    durability: str = ""
    """Whether an acknowledged write outlives its node: sync, async, disabled; empty: not told."""
    cluster_mode: bool = False
    pending: tuple[str, ...] = ()
    """Names of the pending modifications."""
    snapshot_window: str = ""
    """`05:00-09:00`, UTC."""
    primary: str = ""
    """Id of the primary node of the first shard; empty when not known."""
    nodes: tuple[Node, ...] = ()
    shards: tuple[Shard, ...] = ()
    events: tuple[CacheEvent, ...] = ()
    """Of the last day, newest first."""
    updates: tuple[Update, ...] = ()
    storage_limit: int | None = None
    """Bytes, serverless only."""
    units_limit: int | None = None
    """ElastiCache processing units a second, serverless only."""
    global_id: str = ""
    """The global datastore that it belongs to; empty: none."""
    global_role: str = ""
    """PRIMARY or SECONDARY there."""
    global_lag: Series = NO_DATA
    """Seconds by which the copies in other regions are behind."""
    status_since: datetime | None = None
    """Since when the status is what it is, as far as the cockpit saw; None: first look."""
    turned: datetime | None = None
    """The same where a look saw it come into this status; None: it was so at the first look."""
    gaps: tuple[Gap, ...] = ()

    def in_zones(self) -> tuple[InZone, ...]:
        """Its nodes; sick are those that are neither available nor being changed."""
        well = OK | MOVING
        return tuple(
            InZone(each.name, each.zone, each.status not in well)
            for each in self.nodes
            if each.zone and each.status
        )


def is_replica(node: Node, at: datetime) -> bool | None:
    """By the control plane, else by the metric; None when neither tells."""
    if node.role:
        return node.role == "replica"
    master = latest(settled(node.series("IsMaster"), at))
    return None if master is None else master == 0


_FAILED_OVER = re.compile(r"(?i)failover\b.*\b(completed|complete|succeeded)\b")
_FAILING_OVER = re.compile(
    r"(?i)(test failover api called|failover\b.*\b(started|initiated|in progress))"
)
_REPLACEMENT = re.compile(r"(?i)scheduled for replacement|nodereplacementscheduled")
_REPLACED = re.compile(r"(?i)finished recovery for cache nodes|cachenodereplacecomplete")


def failed_over(event: CacheEvent) -> bool:
    """The event tells of a failover that is done."""
    return bool(_FAILED_OVER.search(event.message))


def failing_over(event: CacheEvent) -> bool:
    """The event tells of a failover that begins."""
    return not failed_over(event) and bool(_FAILING_OVER.search(event.message))


def replacement_planned(event: CacheEvent) -> bool:
    """AWS announces that it will replace a node."""
    return bool(_REPLACEMENT.search(event.message))


def replacement_done(event: CacheEvent) -> bool:
    """A node was replaced."""
    return bool(_REPLACED.search(event.message))


def pulse(snapshot: Snapshot, names: Collection[str]) -> frozenset[str]:
    """What tells first that it is sick; the other metrics come every five minutes until then."""
    replicas = _REPLICAS if snapshot.kind == GROUP else frozenset[str]()
    processor = () if "EngineCPUUtilization" in names else ("CPUUtilization",)
    return _PULSE | replicas | frozenset(processor)
