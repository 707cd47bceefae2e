"""Where the judgement of an EC2 instance draws its lines."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.triage.finding import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Times are seconds, utilisations percent, credits a share of what can be saved up."""

    impaired: Thresholds = Thresholds(critical=120)
    """Seconds for which a status check fails."""
    starting: float = 600
    """Seconds after a launch in which checks may have no result."""
    event: Thresholds = Thresholds(info=1e9, warning=7 * 86400, critical=86400, below=True)
    """Seconds until a scheduled event begins."""
    cpu: Thresholds = Thresholds(warning=80, critical=95)
    memory: Thresholds = Thresholds(warning=80, critical=95)
    disk: Thresholds = Thresholds(warning=85, critical=95)
    credits: Thresholds = Thresholds(warning=0.1, critical=0.005, below=True)
    """Of the credits of 24 hours, which is the most that can be saved up."""
    burst: Thresholds = Thresholds(warning=20, critical=5, below=True)
    """Percent of the burst balance of its volumes' throughput that is left."""
