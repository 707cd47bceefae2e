"""The thresholds of the RDS probe: every number is a default."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.triage.finding import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Shares are of one, times seconds, sizes bytes."""

    moving: Thresholds = Thresholds(warning=0, critical=600)
    """Seconds in a state that should pass."""
    moving_slowly: Thresholds = Thresholds(warning=0, critical=1800)
    """For upgrades and maintenance."""
    recent: float = 3600
    """Seconds for which events are told."""
    failover_ends: float = 180
    """Seconds that a failover may take."""
    restarts: Thresholds = Thresholds(warning=1, critical=2)
    """Restarts within `recent`."""
    storage: Thresholds = Thresholds(warning=0.15, critical=0.05, below=True)
    """Free share."""
    storage_least: Thresholds = Thresholds(critical=2 * 1024**3, below=True)
    """Free bytes."""
    local_storage: Thresholds = Thresholds(warning=4 * 1024**3, critical=1024**3, below=True)
    """Free bytes of what an Aurora instance has of its own."""
    volume_left: Thresholds = Thresholds(warning=2 * 1024**4, critical=1024**4 / 4, below=True)
    """Bytes until the volume of an Aurora MySQL cluster is at its largest size."""
    full_in: Thresholds = Thresholds(warning=12 * 3600, critical=2 * 3600, below=True)
    """Seconds until it is full, at the present rate."""
    storage_maximum: float = 0.9
    """Allocated of the autoscaling maximum."""
    autoscale_reacts: float = 0.10
    """Free share below which autoscaling would act."""
    connections: Thresholds = Thresholds(warning=0.8, critical=0.95)
    """Share of the limit."""
    max_connections: int = 0
    """Of the database, when known: best set per target. 0: from the parameter group, else an
    estimate."""
    connections_times: float = 3
    """Times the usual number, where the limit is not known."""
    connections_floor: float = 50
    """Connections below which they are not compared with the usual number."""
    collapsed: float = 0.2
    """What is left of the connections of the last 15 minutes."""
    collapsed_floor: float = 20
    """Usual connections below which nothing is told."""
    cpu: Thresholds = Thresholds(warning=80, critical=95)
    """Percent."""
    burst: Thresholds = Thresholds(warning=20, critical=5, below=True)
    """Percent that is left."""
    iops: Thresholds = Thresholds(warning=0.85)
    """Share of the provisioned ones; of the provisioned throughput likewise."""
    queue_per_processor: float = 2
    """Waiting requests for each vCPU."""
    latency: float = 0.020
    """Seconds of a read or write."""
    latency_queue: float = 10
    """Waiting requests from which on the latency is judged."""
    memory: Thresholds = Thresholds(warning=0.10, critical=0.05, below=True)
    """Free share, with swap that grows."""
    load: Thresholds = Thresholds(warning=1, critical=2)
    """Average active sessions for each vCPU."""
    lag: Thresholds = Thresholds(warning=30, critical=300)
    """Seconds."""
    aurora_lag: Thresholds = Thresholds(warning=1, critical=10)
    """Seconds."""
    idle_lag: float = 300
    """PostgreSQL replicas of an idle primary climb so far and fall back."""
    transaction_ids: Thresholds = Thresholds(warning=1.0e9, critical=1.8e9)
    """Numbers, of 2,147,483,648."""
    maintenance_soon: float = 86_400
    """Seconds until AWS may begin."""
    maintenance_forced: float = 7200
    """Seconds until AWS must begin."""
    ca: Thresholds = Thresholds(warning=30 * 86_400, critical=3 * 86_400, below=True)
    """Seconds until the certificate ends."""
    capacity: Thresholds = Thresholds(warning=90, critical=99)
    """Percent of the maximum."""
