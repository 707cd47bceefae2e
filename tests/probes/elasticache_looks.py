"""Looks at caches of ElastiCache, in short words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cockpit.connect.session import Series
from cockpit.triage.finding import Severity
from probes.elasticache import status as elasticache
from probes.elasticache.model import CacheEvent, Node, Shard, Snapshot, Update
from probes.elasticache.settings import Settings
from tests.probes.fake_aws import AT, ago, minutes

CRITICAL, HIGH, WARNING, INFO = (
    Severity.CRITICAL,
    Severity.HIGH,
    Severity.WARNING,
    Severity.INFO,
)


def flow(each: float) -> Series:
    return minutes(*[each] * 9)


def node(number: int = 1, role: str = "primary", status: str = "available", **metrics: Any) -> Node:
    return Node(
        id=f"shop-{number:03}",
        shard="0001",
        role=role,
        zone="us-east-1a",
        status=status,
        metrics=metrics,
    )


def pair(**metrics: Any) -> tuple[Node, ...]:
    return (node(1, **metrics), node(2, "replica"))


def snapshot(*nodes: Node, **changes: Any) -> Snapshot:
    base = Snapshot(
        at=AT,
        id="shop",
        kind="replication group",
        status="available",
        engine="redis",
        automatic_failover="enabled",
        primary="shop-001",
        nodes=nodes or pair(),
        shards=(Shard(id="0001", status="available"),),
    )
    return replace(base, **changes)


def found(look: Snapshot) -> list[tuple[str, Severity]]:
    return [(f.code, f.severity) for f in elasticache.diagnose(look, Settings())]


DONE = "Failover from primary node shop-001 to replica node shop-002 completed"


def event(message: str, **span: float) -> CacheEvent:
    return CacheEvent(at=ago(**span), source="shop", message=message)


def update(**changes: Any) -> Update:
    base = Update(
        name="redis-patch", severity="critical", status="not-applied", apply_by=ago(days=1)
    )
    return replace(base, **changes)


MEMORY = "DatabaseMemoryUsagePercentage"
