"""The thresholds of the ECS probe: every number is a default that the configuration may change."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.triage.finding import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Counts are of stopped tasks, times are seconds, utilisations percent of the reservation."""

    below_for: float = 180
    """Seconds for which fewer tasks than wanted may run."""
    running_share: Thresholds = Thresholds(critical=0.5, below=True)
    """Running of desired tasks, once `below_for` has passed."""
    crashes: Thresholds = Thresholds(warning=3, critical=6)
    """Tasks within `crash_window`."""
    crash_window: float = 600
    young_share: Thresholds = Thresholds(critical=0.5)
    """Share of live tasks younger than `young` seconds, while tasks crash."""
    young: float = 300
    oom: Thresholds = Thresholds(warning=1, critical=3)
    """Tasks within `oom_window`."""
    oom_window: float = 900
    pull_window: float = 900
    init_failures: Thresholds = Thresholds(critical=2)
    """Tasks within `init_window`."""
    init_window: float = 600
    health_kills: Thresholds = Thresholds(warning=2, critical=5)
    """Tasks within `health_window`."""
    health_window: float = 600
    placement_window: float = 900
    not_started: Thresholds = Thresholds(warning=1, critical=2)
    """Tasks that did not start for a reason that is none of the known ones, in `start_window`."""
    start_window: float = 900
    retired_share: Thresholds = Thresholds(info=0.0, warning=0.3)
    """Tasks that AWS ended within `retired_window`, of the wanted ones."""
    retired_window: float = 900
    unhealthy_share: Thresholds = Thresholds(warning=0.01, critical=0.5)
    """Share of running tasks that fail the check of their own container."""
    event_window: float = 3600
    """Seconds for which an event that tells of a failure is told, unless the service came to rest.
    """
    stuck: Thresholds = Thresholds(warning=900, critical=2700)
    """Seconds that a deployment may be in progress, beyond what it waits by plan."""
    stuck_failures: int = 3
    """Consecutive failed tasks that make a stuck deployment critical without a breaker."""
    pause_left: Thresholds = Thresholds(warning=900, below=True)
    """Seconds that are left until ECS ends a pause of a deployment by itself."""
    recent: float = 3600
    """Seconds for which a deployment is told."""
    unsteady: float = 1800
    """Seconds without a steady state, while events keep coming."""
    stops_by_user: Thresholds = Thresholds(info=1, warning=3)
    """Tasks within `user_window`."""
    user_window: float = 600
    spot_share: Thresholds = Thresholds(info=0.0, warning=0.3)
    """Tasks taken back within `spot_window`, of the wanted ones."""
    spot_window: float = 900
    cpu: Thresholds = Thresholds(warning=80, critical=95)
    memory: Thresholds = Thresholds(warning=85, critical=95)
