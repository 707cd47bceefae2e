"""The thresholds of the ElastiCache probe: every number is a default."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.triage.finding import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Percentages of 100, times in seconds, rates a minute unless said otherwise."""

    moving: Thresholds = Thresholds(warning=0, critical=900)
    failover: Thresholds = Thresholds(warning=1, critical=2)
    """Failovers within `failover_window`."""
    failover_window: float = 3600
    failover_ends: float = 120
    memory: Thresholds = Thresholds(warning=80, critical=90)
    evictions_floor: float = 100
    evictions_times: float = 3
    hit_drop: Thresholds = Thresholds(warning=10, critical=25)
    """Points below the hit rate of the last three hours."""
    hit_floor: float = 1000
    """Reads a minute from which on the hit rate is judged."""
    cpu: Thresholds = Thresholds(warning=70, critical=90)
    connections: Thresholds = Thresholds(warning=40_000, critical=60_000)
    connections_times: float = 3
    connections_floor: float = 1000
    churn: Thresholds = Thresholds(critical=30_000)
    """New connections a minute."""
    churn_times: float = 10
    churn_floor: float = 600
    lag: Thresholds = Thresholds(warning=1, critical=10)
    auth_failures: Thresholds = Thresholds(warning=1, high=10)
    throttled_share: Thresholds = Thresholds(warning=0.0, critical=0.01)
    limit_share: Thresholds = Thresholds(critical=0.9)
    replacement_window: float = 86_400
