"""Where the judgement of a bucket draws its lines."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.triage.finding import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureSettings:
    """Of `s3_bucket.exposure`."""

    just_removed: float = 86400
    """Seconds in which a block that was taken away is an incident."""
    egress_times: Thresholds = Thresholds(warning=3, critical=10)
    """Bytes downloaded, of what is usual by the hours before and by the same time yesterday."""
    egress_least: float = 100e6
    """Bytes in fifteen minutes, below which nothing is called a surge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessSettings:
    """Of `s3_bucket.access`. Shares are of one."""

    refused: Thresholds = Thresholds(warning=0.05, critical=0.25)
    """4xx of all requests."""
    refused_times: float = 3
    """Of what is usual, below which 4xx are no news."""
    failed: Thresholds = Thresholds(warning=0.005, critical=0.05)
    """5xx of all requests."""
    least_requests: float = 20
    recent: float = 3600
    """Seconds in which a changed policy is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpkeepSettings:
    """Of `s3_bucket.upkeep`."""

    replication: Thresholds = Thresholds(warning=900)
    """Seconds that replicas are behind."""
    report_late: Thresholds = Thresholds(warning=7200, critical=14400)
    """Seconds after a report was due."""
    logs_silent: Thresholds = Thresholds(warning=1800, critical=7200)
    """Seconds without a new log of a load balancer."""
