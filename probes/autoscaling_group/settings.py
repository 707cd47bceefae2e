"""Where the judgement of an Auto Scaling group draws its lines."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.triage.finding import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Shares are of one, times seconds, utilisations percent."""

    below_for: float = 300
    """Seconds for which less may serve than is desired."""
    serving_share: Thresholds = Thresholds(critical=0.5, below=True)
    """Capacity in service, of the desired one, once `below_for` has passed."""
    failures: Thresholds = Thresholds(warning=1, critical=3)
    """Failed launches of one class within `failure_window`."""
    failure_window: float = 900
    at_max_cpu: float = 70
    """Average from which on a group at its maximum wants more than it may have."""
    cpu: Thresholds = Thresholds(warning=80, critical=95)
    busy_share: float = 0.5
    """Of the instances, which must be that busy too; one hot instance is no busy group."""
    replaced: Thresholds = Thresholds(warning=3)
    """Instances ended for their health within `replaced_window`; the whole group is critical."""
    replaced_window: float = 1800
    waits: Thresholds = Thresholds(warning=900)
    """Seconds for a lifecycle hook."""
    silent_alarm: float = 600
    """Seconds for which an alarm may be without data."""
    reacts: float = 300
    """Seconds for which an answer to an alarm is waited for, beside its own periods and warm-up."""
    recent: float = 900
    """Seconds for which a change of capacity is told."""
    refresh_told: float = 86400
    """Seconds for which a failed refresh is told."""
