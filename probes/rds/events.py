"""What RDS's event texts mean: the API gives no event id, so the texts are matched.

Source: RDS User Guide, "Amazon RDS event categories and event messages"; the numbers behind the
patterns are its event ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from probes.rds.model import RdsEvent

FAILOVER_STARTED = "failover started"
FAILOVER_DONE = "failover done"
FAILOVER_FAILED = "failover failed"
RESTARTED = "restarted"
SHUTDOWN = "shutdown"
STORAGE_FULL = "storage full"
STORAGE_LOW = "storage low"
AUTOSCALE_BLOCKED = "storage autoscaling blocked"
REPLICATION_STOPPED = "replication stopped"
REPLICATION_STOPPED_BY_HAND = "replication stopped by hand"
REPLICATION_RESUMED = "replication resumed"
BURST_LOW = "burst balance low"
MAINTENANCE = "maintenance"
CONFIGURATION = "configuration"
OTHER = "event"

_PATTERNS = (
    # RDS-EVENT-0069, 0034
    (FAILOVER_FAILED, r"failover failed|not attempting a requested failover"),
    # RDS-EVENT-0015, 0049, 0051, 0065, 0070, 0071
    (
        FAILOVER_DONE,
        r"failover (to standby )?(is )?complete|completed failover|activation completed"
        r"|recovered from partial failover|promoting previous primary again",
    ),
    # RDS-EVENT-0013, 0050, 0072, 0073
    (FAILOVER_STARTED, r"failover started|activation started|started (\w+ az )?failover"),
    # RDS-EVENT-0223, 0224, 0225, 0219, 0220, 0237, 0254
    (
        AUTOSCALE_BLOCKED,
        r"storage autoscaling (is )?(unable|has been capped|has triggered a pending)"
        r"|unable to (auto)?scale the storage|autoscaling .*maximum storage threshold",
    ),
    # RDS-EVENT-0007, 0221
    (
        STORAGE_FULL,
        r"allocated storage has been exhausted|reached the storage-full threshold",
    ),
    # RDS-EVENT-0089, 0222, 0227
    (
        STORAGE_LOW,
        r"free storage capacity .* is low|about to reach the storage-full|storage is low",
    ),
    # RDS-EVENT-0062
    (REPLICATION_STOPPED_BY_HAND, r"manually stopped"),
    # RDS-EVENT-0045, 0057
    (REPLICATION_STOPPED, r"replication (streaming )?(has |was )?(been )?(stopped|terminated)"),
    # RDS-EVENT-0046
    (REPLICATION_RESUMED, r"replication .*resumed"),
    # RDS-EVENT-0189
    (BURST_LOW, r"burst balance"),
    # RDS-EVENT-0006
    (RESTARTED, r"instance restarted"),
    # RDS-EVENT-0004, 0022
    (SHUTDOWN, r"instance shutdown|error restarting"),
    # RDS-EVENT-0026, 0027, 0047, 0266, 0267, 0268, 0270
    (MAINTENANCE, r"offline patch|patch|maintenance|upgrade|downtime"),
    # RDS-EVENT-0009, 0011, 0012, 0014, 0016, 0017, 0018, 0024, 0025, 0037, 0092
    (
        CONFIGURATION,
        r"parameter|security group|applying modification|finished applying|finished updating"
        r"|updated to use|master credentials|multi-az",
    ),
)
_COMPILED = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _PATTERNS)


def meaning(event: RdsEvent) -> str:
    """One of the names above; `event` for what is none of them."""
    for kind, pattern in _COMPILED:
        if pattern.search(event.message):
            return kind
    return OTHER


def of(events: Iterable[RdsEvent], *kinds: str) -> tuple[RdsEvent, ...]:
    """The events of some meanings, in their order."""
    return tuple(event for event in events if meaning(event) in kinds)


def since(events: Iterable[RdsEvent], at: datetime, seconds: float) -> tuple[RdsEvent, ...]:
    """The events of the last `seconds` before the look."""
    start = at - timedelta(seconds=seconds)
    return tuple(event for event in events if event.at >= start)


CHANGES = {
    FAILOVER_STARTED: "rds.failover",
    FAILOVER_DONE: "rds.failover",
    FAILOVER_FAILED: "rds.failover",
    RESTARTED: "rds.restart",
    SHUTDOWN: "rds.restart",
    STORAGE_FULL: "rds.storage",
    STORAGE_LOW: "rds.storage",
    AUTOSCALE_BLOCKED: "rds.storage",
    REPLICATION_STOPPED: "rds.replication",
    REPLICATION_STOPPED_BY_HAND: "rds.replication",
    REPLICATION_RESUMED: "rds.replication",
    BURST_LOW: "rds.storage",
    MAINTENANCE: "rds.maintenance",
    CONFIGURATION: "rds.configuration",
    OTHER: "rds.event",
}
"""Meaning → kind of a change."""
