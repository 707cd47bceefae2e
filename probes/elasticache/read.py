"""ElastiCache's answers: what is read of each row, and as which value of the model.

Source: ElastiCache API reference (`DescribeReplicationGroups`, `DescribeCacheClusters`,
`DescribeEvents`, `DescribeUpdateActions`, `DescribeServerlessCaches`). `CurrentRole` is filled only
with cluster mode disabled; elsewhere the metric `IsMaster` tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec import field

from cockpit.connect.aws.answer import Answer, GivenText
from cockpit.text import SafeText
from probes.elasticache.model import (
    CLUSTER,
    GROUP,
    OK,
    SERVERLESS,
    CacheEvent,
    Node,
    Shard,
    Snapshot,
    Update,
)

_MOST_NODES = 300
"""Quota of the nodes of a region: a larger number in an answer is none to make rows of."""


class CacheMember(Answer, frozen=True):
    """A node of a shard."""

    cache_cluster_id: GivenText
    cache_node_id: SafeText = ""
    current_role: SafeText = ""
    preferred_availability_zone: SafeText = ""


class NodeGroup(Answer, frozen=True):
    """A shard."""

    node_group_id: GivenText
    status: SafeText = ""
    node_group_members: tuple[CacheMember, ...] = ()


class GlobalMembership(Answer, frozen=True):
    """The global datastore of a group, and its part there."""

    global_replication_group_id: SafeText = ""
    global_replication_group_member_role: SafeText = ""


class ReplicationGroupRow(Answer, frozen=True):
    """One row of `DescribeReplicationGroups`."""

    of = "elasticache.ReplicationGroup"

    replication_group_id: GivenText
    status: GivenText
    engine: SafeText = ""
    cache_node_type: SafeText = ""
    automatic_failover: SafeText = ""
    multi_az: SafeText = field(name="MultiAZ", default="")
    effective_durability: SafeText = ""
    cluster_enabled: bool = False
    pending_modified_values: dict[str, object] = field(default_factory=dict)
    snapshot_window: SafeText = ""
    node_groups: tuple[NodeGroup, ...] = ()
    member_clusters: tuple[SafeText, ...] = ()
    global_replication_group_info: GlobalMembership = GlobalMembership()


class CacheNode(Answer, frozen=True):
    """A node of a cache cluster, with `ShowCacheNodeInfo`."""

    cache_node_id: GivenText
    cache_node_status: SafeText = ""
    customer_availability_zone: SafeText = ""


class CacheClusterRow(Answer, frozen=True):
    """One row of `DescribeCacheClusters`."""

    of = "elasticache.CacheCluster"

    cache_cluster_id: GivenText
    cache_cluster_status: GivenText
    engine: SafeText = ""
    cache_node_type: SafeText = ""
    num_cache_nodes: int = 0
    preferred_availability_zone: SafeText = ""
    pending_modified_values: dict[str, object] = field(default_factory=dict)
    snapshot_window: SafeText = ""
    cache_cluster_create_time: datetime | None = None
    cache_nodes: tuple[CacheNode, ...] = ()


class Limit(Answer, frozen=True):
    """The upper bound of a serverless cache's use; None: none is set."""

    maximum: int | None = None


class UsageLimits(Answer, frozen=True):
    """`data_storage` in GB, `units` a second."""

    data_storage: Limit = Limit()
    units: Limit = field(name="ECPUPerSecond", default=Limit())


class ServerlessRow(Answer, frozen=True):
    """One row of `DescribeServerlessCaches`."""

    of = "elasticache.ServerlessCache"

    serverless_cache_name: GivenText
    status: GivenText
    engine: SafeText = ""
    cache_usage_limits: UsageLimits = UsageLimits()


class CacheEventRow(Answer, frozen=True):
    """One row of `DescribeEvents`."""

    of = "elasticache.Event"

    date: datetime | None = None
    source_identifier: SafeText = ""
    message: SafeText = ""


class UpdateRow(Answer, frozen=True):
    """One row of `DescribeUpdateActions`."""

    of = "elasticache.UpdateAction"

    replication_group_id: SafeText = ""
    cache_cluster_id: SafeText = ""
    service_update_name: SafeText = ""
    service_update_severity: SafeText = ""
    update_action_status: SafeText = ""
    apply_by: datetime | None = field(name="ServiceUpdateRecommendedApplyByDate", default=None)


def group_of(row: ReplicationGroupRow, at: datetime) -> Snapshot:
    """A replication group with its shards and members, before the nodes are looked up."""
    nodes = [
        Node(
            id=member.cache_cluster_id,
            node_id=member.cache_node_id or "0001",
            shard=shard.node_group_id,
            role=member.current_role,
            zone=member.preferred_availability_zone,
        )
        for shard in row.node_groups
        for member in shard.node_group_members
    ]
    listed = {node.id for node in nodes}
    nodes += [Node(id=name) for name in row.member_clusters if name not in listed]
    return Snapshot(
        at=at,
        id=row.replication_group_id,
        kind=GROUP,
        status=row.status,
        engine=row.engine or "redis",
        node_type=row.cache_node_type,
        automatic_failover=row.automatic_failover,
        multi_az=row.multi_az,
        durability=row.effective_durability.lower(),
        cluster_mode=row.cluster_enabled,
        global_id=row.global_replication_group_info.global_replication_group_id,
        global_role=row.global_replication_group_info.global_replication_group_member_role,
        pending=_pending(row.pending_modified_values),
        snapshot_window=row.snapshot_window,
        primary=next((node.id for node in nodes if node.role == "primary"), ""),
        nodes=tuple(nodes),
        shards=tuple(Shard(id=each.node_group_id, status=each.status) for each in row.node_groups),
    )


def _pending(values: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(sorted(name for name, value in values.items() if value))


def cluster_of(row: CacheClusterRow, at: datetime) -> Snapshot:
    """A single node, or a Memcached cluster with its nodes."""
    name = row.cache_cluster_id
    numbers = range(1, min(row.num_cache_nodes or 1, _MOST_NODES) + 1)
    return Snapshot(
        at=at,
        id=name,
        kind=CLUSTER,
        status=row.cache_cluster_status,
        engine=row.engine,
        node_type=row.cache_node_type,
        pending=_pending(row.pending_modified_values),
        snapshot_window=row.snapshot_window,
        nodes=nodes_of(row) or tuple(Node(id=name, node_id=f"{n:04}") for n in numbers),
    )


def nodes_of(row: CacheClusterRow) -> tuple[Node, ...]:
    """The nodes of a cache cluster with their status; none without `ShowCacheNodeInfo`."""
    return tuple(
        Node(
            id=row.cache_cluster_id,
            created_at=row.cache_cluster_create_time,
            node_id=each.cache_node_id,
            zone=each.customer_availability_zone or row.preferred_availability_zone,
            status=each.cache_node_status,
        )
        for each in row.cache_nodes
    )


def member_status(row: CacheClusterRow) -> str:
    """The worst of a member's own status and of its node's."""
    nodes = [each.cache_node_status.lower() for each in row.cache_nodes if each.cache_node_status]
    return next((each for each in nodes if each not in OK), row.cache_cluster_status.lower())


def serverless_of(row: ServerlessRow, at: datetime) -> Snapshot:
    """A serverless cache: no nodes, but limits."""
    name, limits = row.serverless_cache_name, row.cache_usage_limits
    gigabytes = limits.data_storage.maximum
    return Snapshot(
        at=at,
        id=name,
        kind=SERVERLESS,
        status=row.status,
        engine=row.engine,
        nodes=(Node(id=name, node_id=""),),
        storage_limit=None if gigabytes is None else gigabytes * 1024**3,
        units_limit=limits.units.maximum,
    )


def event_of(row: CacheEventRow) -> CacheEvent | None:
    """One event; None without a time."""
    if row.date is None:
        return None
    return CacheEvent(at=row.date, source=row.source_identifier, message=row.message)


def update_of(row: UpdateRow) -> Update:
    """One service update for this cache."""
    return Update(
        name=row.service_update_name,
        severity=row.service_update_severity.lower(),
        status=row.update_action_status.lower(),
        apply_by=row.apply_by,
    )
