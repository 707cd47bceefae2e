"""The thresholds of the RDS probe: every number is a default."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.triage.finding import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Shares are of one, times seconds, sizes bytes."""

    moving: Thresholds = Thresholds(warning=0, critical=600)
    moving_slowly: Thresholds = Thresholds(warning=0, critical=1800)
    """For upgrades and maintenance."""
    recent: float = 3600
    failover_ends: float = 180
    restarts: Thresholds = Thresholds(warning=1, critical=2)
    storage: Thresholds = Thresholds(warning=0.15, critical=0.05, below=True)
    storage_least: Thresholds = Thresholds(critical=2 * 1024**3, below=True)
    full_in: Thresholds = Thresholds(warning=12 * 3600, critical=2 * 3600, below=True)
    storage_maximum: float = 0.9
    """Allocated of the autoscaling maximum."""
    autoscale_reacts: float = 0.10
    connections: Thresholds = Thresholds(warning=0.8, critical=0.95)
    max_connections: int = 0
    """Of the database, when known: best set per target. 0: from the parameter group, else an
    estimate."""
    connections_times: float = 3
    connections_floor: float = 50
    collapsed: float = 0.2
    """What is left of the connections of the last 15 minutes."""
    collapsed_floor: float = 20
    cpu: Thresholds = Thresholds(warning=80, critical=95)
    burst: Thresholds = Thresholds(warning=20, critical=5, below=True)
    iops: Thresholds = Thresholds(warning=0.85)
    queue_per_processor: float = 2
    latency: float = 0.020
    latency_queue: float = 10
    memory: Thresholds = Thresholds(warning=0.10, critical=0.05, below=True)
    load: Thresholds = Thresholds(warning=1, critical=2)
    """Average active sessions for each vCPU."""
    lag: Thresholds = Thresholds(warning=30, critical=300)
    aurora_lag: Thresholds = Thresholds(warning=1, critical=10)
    idle_lag: float = 300
    """PostgreSQL replicas of an idle primary climb so far and fall back."""
    transaction_ids: Thresholds = Thresholds(warning=1.0e9, critical=1.8e9)
    maintenance_soon: float = 86_400
    maintenance_forced: float = 7200
    ca: Thresholds = Thresholds(warning=30 * 86_400, critical=3 * 86_400, below=True)
    capacity: Thresholds = Thresholds(warning=90, critical=99)
