"""Where the judgement of an ECS cluster draws its lines."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.triage.finding import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Shares are of one, times seconds."""

    disconnected_for: float = 180
    """Seconds: agents reconnect several times an hour, which is no trouble."""
    disconnected: Thresholds = Thresholds(warning=0.0, critical=0.2)
    """Share of the instances that should take tasks."""
    impaired: Thresholds = Thresholds(warning=0.0, critical=0.2)
    """Share of the instances whose container runtime fails."""
    reserved: Thresholds = Thresholds(warning=0.9)
    """Share of the processors or the memory that tasks have reserved."""
    pending_for: Thresholds = Thresholds(warning=300, critical=1800)
    """Seconds for which tasks of the cluster are pending without a break."""
    draining_for: float = 3600
    """Seconds after which an instance that drains should be empty."""
