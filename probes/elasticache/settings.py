"""The thresholds of the ElastiCache probe: every number is a default."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.triage.finding import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Percentages of 100, times in seconds, rates a minute unless said otherwise."""

    moving: Thresholds = Thresholds(warning=0, critical=900)
    """Seconds in a state that should pass."""
    failover: Thresholds = Thresholds(warning=1, critical=2)
    """Failovers within `failover_window`."""
    failover_window: float = 3600
    """Seconds for which a failover is told."""
    failover_ends: float = 120
    """Seconds that a failover may take."""
    memory: Thresholds = Thresholds(warning=80, critical=90)
    """Percent of what keys may take."""
    evictions_floor: float = 100
    """A minute, below which they are not compared."""
    evictions_times: float = 3
    """Times the usual number."""
    hit_drop: Thresholds = Thresholds(warning=10, critical=25)
    """Points below the hit rate of the last three hours."""
    hit_floor: float = 1000
    """Reads a minute from which on the hit rate is judged."""
    cpu: Thresholds = Thresholds(warning=70, critical=90)
    """Percent of the engine's thread."""
    connections: Thresholds = Thresholds(warning=40_000, critical=60_000)
    """Of the 65,000 that a node takes."""
    connections_times: float = 3
    """Times the usual number."""
    connections_floor: float = 1000
    """Connections below which they are not compared."""
    churn: Thresholds = Thresholds(critical=30_000)
    """New connections a minute."""
    churn_times: float = 10
    """Times the usual number."""
    churn_floor: float = 600
    """New connections a minute below which they are not compared."""
    lag: Thresholds = Thresholds(warning=1, critical=10)
    """Seconds."""
    global_lag: Thresholds = Thresholds(warning=10, critical=60)
    """Seconds between regions."""
    auth_failures: Thresholds = Thresholds(warning=1, high=10)
    """A minute."""
    throttled_share: Thresholds = Thresholds(warning=0.0, critical=0.01)
    """Share of commands."""
    limit_share: Thresholds = Thresholds(critical=0.9)
    """Share of a usage limit."""
    replacement_window: float = 86_400
