"""Where the judgement of a state machine draws its lines."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.triage.finding import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Shares are of one, times seconds."""

    failed: Thresholds = Thresholds(warning=0.01, critical=0.05)
    """Share of the executions that ended in fifteen minutes."""
    least_executions: float = 20
    """Below, a share is no share: any failure is a warning, told with its counts."""
    all_failing: float = 0.9
    all_failing_least: float = 5
    slow_times: Thresholds = Thresholds(warning=3)
    """Of the median of the last three hours."""
    slow_floor: float = 10
    """Seconds below which slowness is no news."""
    running_long: float = 3600
    """Seconds from which on a running execution may hang."""
    running_times: float = 5
    """Times the usual duration from which on it is told."""
    usual_starts: float = 10
    """Starts a minute that make a machine normally busy: then silence is news."""
    expected_every: float = 0
    """Seconds in which an execution must start at least once; 0: nothing is expected."""
