"""Where the judgement of a DynamoDB table draws its lines."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.triage.finding import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Shares are of one, times seconds, latencies milliseconds."""

    throttles: Thresholds = Thresholds(warning=1)
    """Events in the last two complete minutes."""
    throttled_share: Thresholds = Thresholds(critical=0.01)
    """Share of requests."""
    throttled_a_minute: Thresholds = Thresholds(critical=100)
    """Reached in three of five minutes."""
    least_requests: float = 100
    """Requests in the window, below which shares are not judged."""
    used: Thresholds = Thresholds(warning=0.80, critical=0.95)
    """Share of the provisioned capacity."""
    uneven: float = 0.6
    """Throttles below this share of the capacity point at a hot key or at spikes."""
    system_errors: Thresholds = Thresholds(warning=0.001, critical=0.01)
    """Share of requests."""
    latency_times: Thresholds = Thresholds(warning=2, critical=5)
    """Of the median of the last three hours."""
    latency_floor: float = 10
    query_floor: float = 50
    user_errors_times: float = 3
    """Times the usual number."""
    user_errors_floor: float = 50
    """A minute."""
    moving: Thresholds = Thresholds(warning=1800)
    """Seconds in a state that should pass."""
    replication: Thresholds = Thresholds(warning=5000, critical=60_000)
    """Milliseconds."""
    traffic_share: Thresholds = Thresholds(warning=0.1, below=True)
    """Of the usual traffic."""
    traffic_floor: float = 100
    """Requests a minute that make a table normally busy."""
