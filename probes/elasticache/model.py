"""What a look at an ElastiCache resource holds, and how it is read out of the answers.

Source: ElastiCache API reference (`DescribeReplicationGroups`, `DescribeCacheClusters`,
`DescribeEvents`, `DescribeUpdateActions`, `DescribeServerlessCaches`). `CurrentRole` is filled only
with cluster mode disabled; elsewhere the metric `IsMaster` tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from cockpit.connect.session import Series
from probes.answers import Answer, Gap, flag, items, moment, need_text, section, text, whole, words
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
class Event:
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
    cluster_mode: bool = False
    pending: tuple[str, ...] = ()
    """Names of the pending modifications."""
    snapshot_window: str = ""
    """`05:00-09:00`, UTC."""
    primary: str = ""
    """Id of the primary node of the first shard; empty when not known."""
    nodes: tuple[Node, ...] = ()
    shards: tuple[Shard, ...] = ()
    events: tuple[Event, ...] = ()
    """Of the last day, newest first."""
    updates: tuple[Update, ...] = ()
    storage_limit: int | None = None
    """Bytes, serverless only."""
    units_limit: int | None = None
    """ElastiCache processing units a second, serverless only."""
    status_since: datetime | None = None
    """Since when the status is what it is, as far as the cockpit saw; None: first look."""
    gaps: tuple[Gap, ...] = ()


def group_of(row: Answer, at: datetime) -> Snapshot:
    """A replication group with its shards and members, before the nodes are looked up."""
    shards, nodes = [], []
    for group in items(row, "NodeGroups"):
        shard = need_text(group, "NodeGroupId")
        shards.append(Shard(id=shard, status=text(group, "Status")))
        nodes += [
            Node(
                id=need_text(member, "CacheClusterId"),
                node_id=text(member, "CacheNodeId") or "0001",
                shard=shard,
                role=text(member, "CurrentRole"),
                zone=text(member, "PreferredAvailabilityZone"),
            )
            for member in items(group, "NodeGroupMembers")
        ]
    listed = {node.id for node in nodes}
    nodes += [Node(id=name) for name in words(row, "MemberClusters") if name not in listed]
    return Snapshot(
        at=at,
        id=need_text(row, "ReplicationGroupId"),
        kind=GROUP,
        status=need_text(row, "Status"),
        engine=text(row, "Engine") or "redis",
        node_type=text(row, "CacheNodeType"),
        automatic_failover=text(row, "AutomaticFailover"),
        multi_az=text(row, "MultiAZ"),
        cluster_mode=bool(flag(row, "ClusterEnabled")),
        pending=_pending(row),
        snapshot_window=text(row, "SnapshotWindow"),
        primary=next((node.id for node in nodes if node.role == "primary"), ""),
        nodes=tuple(nodes),
        shards=tuple(shards),
    )


def _pending(row: Answer) -> tuple[str, ...]:
    values = section(row, "PendingModifiedValues")
    return tuple(sorted(name for name, value in values.items() if value))


def cluster_of(row: Answer, at: datetime) -> Snapshot:
    """A single node, or a Memcached cluster with its nodes."""
    name = need_text(row, "CacheClusterId")
    return Snapshot(
        at=at,
        id=name,
        kind=CLUSTER,
        status=need_text(row, "CacheClusterStatus"),
        engine=text(row, "Engine"),
        node_type=text(row, "CacheNodeType"),
        pending=_pending(row),
        snapshot_window=text(row, "SnapshotWindow"),
        nodes=nodes_of(row) or tuple(Node(id=name, node_id=f"{n:04}") for n in _numbers(row)),
    )


def _numbers(row: Answer) -> Iterable[int]:
    return range(1, (whole(row, "NumCacheNodes") or 1) + 1)


def nodes_of(row: Answer) -> tuple[Node, ...]:
    """The nodes of a cache cluster with their status; none without `ShowCacheNodeInfo`."""
    name = need_text(row, "CacheClusterId")
    return tuple(
        Node(
            id=name,
            node_id=need_text(each, "CacheNodeId"),
            zone=text(each, "CustomerAvailabilityZone") or text(row, "PreferredAvailabilityZone"),
            status=text(each, "CacheNodeStatus"),
        )
        for each in items(row, "CacheNodes")
    )


def member_status(row: Answer) -> str:
    """The worst of a member's own status and of its node's."""
    status = need_text(row, "CacheClusterStatus").lower()
    nodes = [node.status.lower() for node in nodes_of(row) if node.status]
    return next((each for each in nodes if each not in OK), status)


def serverless_of(row: Answer, at: datetime) -> Snapshot:
    """A serverless cache: no nodes, but limits."""
    name = need_text(row, "ServerlessCacheName")
    limits = section(row, "CacheUsageLimits")
    gigabytes = whole(section(limits, "DataStorage"), "Maximum")
    return Snapshot(
        at=at,
        id=name,
        kind=SERVERLESS,
        status=need_text(row, "Status"),
        engine=text(row, "Engine"),
        nodes=(Node(id=name, node_id=""),),
        storage_limit=None if gigabytes is None else gigabytes * 1024**3,
        units_limit=whole(section(limits, "ECPUPerSecond"), "Maximum"),
    )


def event_of(row: Answer) -> Event | None:
    """One event; None without a time."""
    at = moment(row, "Date")
    if at is None:
        return None
    return Event(at=at, source=text(row, "SourceIdentifier"), message=text(row, "Message"))


def update_of(row: Answer) -> Update:
    """One service update for this cache."""
    return Update(
        name=text(row, "ServiceUpdateName"),
        severity=text(row, "ServiceUpdateSeverity").lower(),
        status=text(row, "UpdateActionStatus").lower(),
        apply_by=moment(row, "ServiceUpdateRecommendedApplyByDate"),
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


def failed_over(event: Event) -> bool:
    """The event tells of a failover that is done."""
    return bool(_FAILED_OVER.search(event.message))


def failing_over(event: Event) -> bool:
    """The event tells of a failover that begins."""
    return not failed_over(event) and bool(_FAILING_OVER.search(event.message))


def replacement_planned(event: Event) -> bool:
    """AWS announces that it will replace a node."""
    return bool(_REPLACEMENT.search(event.message))


def replacement_done(event: Event) -> bool:
    """A node was replaced."""
    return bool(_REPLACED.search(event.message))
