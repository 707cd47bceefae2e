"""ElastiCache, answered from the state of one replication group: moto's members are not AWS's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cockpit.world import layout
from cockpit.world.front import Answerer, Operation
from cockpit.world.identify import AwsRequest
from cockpit.world.protocol import Refusal

Parameters = dict[str, Any]
SIZES = {
    "cache.t4g.small": 8,
    "cache.t4g.medium": 16,
    "cache.m7g.large": 64,
    "cache.m7g.xlarge": 128,
    "cache.r7g.large": 128,
    "cache.r7g.xlarge": 256,
    "cache.r7g.2xlarge": 512,
}
"""Node type → megabytes that the demo's Valkey may use for it: far less than the real node has."""
_MODIFYING = 4.0


@dataclass(slots=True)
class Cache:
    """The shop's replication group. `host` and `port` are what clients connect to."""

    ports: tuple[int, int]
    node_type: str = "cache.m7g.large"
    primary: int = 1
    """The number of the node that is the primary."""
    status: str = "available"
    until: float = 0.0
    """When a modification ends, in seconds since the epoch."""
    wanted: str = ""
    on_size: Callable[[str], None] = lambda _node_type: None
    """Told when another node type is in effect."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def tick(self) -> None:
        """End a modification whose time has come."""
        with self.lock:
            if not self.until or time.time() < self.until:
                return
            self.until, self.status = 0.0, "available"
            changed, self.wanted = self.wanted, ""
            if changed:
                self.node_type = changed
        if changed:
            self.on_size(changed)


class ElastiCache:
    """Reads, and `ModifyReplicationGroup` with another node type."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def table(self) -> dict[Operation, Answerer]:
        """What it answers."""
        named: dict[str, Answerer] = {
            "DescribeReplicationGroups": self._groups,
            "DescribeCacheClusters": self._clusters,
            "ModifyReplicationGroup": self._modify,
            "TestFailover": self._failover,
        }
        return {("elasticache", name): answer for name, answer in named.items()}

    def _groups(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        wanted = asked.get("ReplicationGroupId")
        if wanted not in {None, layout.CACHE}:
            raise Refusal(
                "ReplicationGroupNotFoundFault", f"ReplicationGroup {wanted} not found.", 404
            )
        return {"ReplicationGroups": [self._group()]}

    def _group(self) -> dict[str, Any]:
        cache = self._cache
        members = [
            {
                "CacheClusterId": f"{layout.CACHE}-00{number}",
                "CacheNodeId": "0001",
                "ReadEndpoint": {"Address": "127.0.0.1", "Port": cache.ports[number - 1]},
                "PreferredAvailabilityZone": layout.ZONES[number - 1],
                "CurrentRole": "primary" if number == cache.primary else "replica",
            }
            for number in (1, 2)
        ]
        pending = {"CacheNodeType": cache.wanted} if cache.wanted else {}
        return {
            "ReplicationGroupId": layout.CACHE,
            "Description": "sessions of shoppers",
            "GlobalReplicationGroupInfo": {},
            "Status": cache.status,
            "PendingModifiedValues": pending,
            "MemberClusters": [member["CacheClusterId"] for member in members],
            "NodeGroups": [
                {
                    "NodeGroupId": "0001",
                    "Status": cache.status,
                    "PrimaryEndpoint": {"Address": "127.0.0.1", "Port": cache.ports[0]},
                    "ReaderEndpoint": {"Address": "127.0.0.1", "Port": cache.ports[1]},
                    "NodeGroupMembers": members,
                }
            ],
            "AutomaticFailover": "enabled",
            "MultiAZ": "enabled",
            "SnapshotRetentionLimit": 1,
            "SnapshotWindow": "03:00-04:00",
            "ClusterEnabled": False,
            "CacheNodeType": cache.node_type,
            "AuthTokenEnabled": False,
            "TransitEncryptionEnabled": False,
            "AtRestEncryptionEnabled": True,
            "ARN": f"arn:aws:elasticache:{layout.REGION}:{layout.ACCOUNT}:"
            f"replicationgroup:{layout.CACHE}",
            "LogDeliveryConfigurations": [],
            "DataTiering": "disabled",
            "AutoMinorVersionUpgrade": True,
            "Engine": "valkey",
        }

    def _clusters(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        wanted = asked.get("CacheClusterId")
        rows = [self._cluster(number) for number in (1, 2)]
        found = [row for row in rows if wanted in {None, row["CacheClusterId"]}]
        if wanted is not None and not found:
            raise Refusal("CacheClusterNotFound", f"CacheCluster {wanted} not found.", 404)
        return {"CacheClusters": found}

    def _cluster(self, number: int) -> dict[str, Any]:
        cache = self._cache
        nodes = [
            {
                "CacheNodeId": "0001",
                "CacheNodeStatus": "available",
                "CacheNodeCreateTime": datetime(2025, 3, 1, tzinfo=UTC),
                "Endpoint": {"Address": "127.0.0.1", "Port": cache.ports[number - 1]},
                "ParameterGroupStatus": "in-sync",
                "CustomerAvailabilityZone": layout.ZONES[number - 1],
            }
        ]
        return {
            "CacheClusterId": f"{layout.CACHE}-00{number}",
            "CacheNodeType": cache.node_type,
            "Engine": "valkey",
            "EngineVersion": "8.1",
            "CacheClusterStatus": cache.status,
            "NumCacheNodes": 1,
            "PreferredAvailabilityZone": layout.ZONES[number - 1],
            "CacheClusterCreateTime": datetime(2025, 3, 1, tzinfo=UTC),
            "PreferredMaintenanceWindow": "sun:05:00-sun:06:00",
            "PendingModifiedValues": {},
            "CacheParameterGroup": {
                "CacheParameterGroupName": "sessions",
                "ParameterApplyStatus": "in-sync",
                "CacheNodeIdsToReboot": [],
            },
            "CacheSubnetGroupName": "data",
            "CacheNodes": nodes,
            "AutoMinorVersionUpgrade": True,
            "SecurityGroups": [{"SecurityGroupId": layout.GROUPS["sessions"], "Status": "active"}],
            "ReplicationGroupId": layout.CACHE,
            "SnapshotRetentionLimit": 1,
        }

    def _modify(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        if asked.get("ReplicationGroupId") != layout.CACHE:
            raise Refusal("ReplicationGroupNotFoundFault", "ReplicationGroup not found.", 404)
        wanted = asked.get("CacheNodeType") or ""
        if wanted and wanted not in SIZES:
            raise Refusal("InvalidParameterValue", f"Invalid cache node type {wanted}.")
        with self._cache.lock:
            if self._cache.status != "available":
                raise Refusal(
                    "InvalidReplicationGroupState", "Replication group is not in available state."
                )
            if wanted and wanted != self._cache.node_type:
                self._cache.wanted = wanted
                self._cache.status = "modifying"
                self._cache.until = time.time() + _MODIFYING
        return {"ReplicationGroup": self._group()}

    def _failover(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        if asked.get("ReplicationGroupId") != layout.CACHE:
            raise Refusal("ReplicationGroupNotFoundFault", "ReplicationGroup not found.", 404)
        raise Refusal("TestFailoverNotAvailableFault", "Test failover is not available.", 400)
