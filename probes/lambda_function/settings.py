"""Where the judgement of a function draws its lines."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.triage.finding import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Shares are of one, times seconds."""

    errors: Thresholds = Thresholds(warning=0.01, critical=0.05)
    """Share of invocations."""
    least_invocations: float = 20
    """Below, a share is no share: any error is a warning, told with its counts."""
    all_failing: float = 0.9
    all_failing_least: float = 5
    """Invocations from which on nine failures of ten are an outage."""
    timeouts: Thresholds = Thresholds(warning=1, critical=5)
    """In the window."""
    timeout_share: Thresholds = Thresholds(critical=0.01)
    near_timeout: Thresholds = Thresholds(warning=0.8)
    """95th percentile of the duration, of the timeout."""
    out_of_memory: Thresholds = Thresholds(warning=1, critical=3)
    """In fifteen minutes."""
    memory: Thresholds = Thresholds(warning=0.9)
    """Most memory used, of the memory size."""
    cold_starts: Thresholds = Thresholds(info=0.2)
    """Of the newest invocations; with provisioned concurrency that is not there it is a warning."""
    least_reports: int = 20
    """REPORT lines from which on a share of cold starts is told."""
    throttled_share: Thresholds = Thresholds(critical=0.05)
    """Of attempts: invocations and throttles."""
    account: Thresholds = Thresholds(warning=0.8, critical=0.95)
    """Claimed concurrency, of the account's limit."""
    moving: Thresholds = Thresholds(warning=300)
    """In a state that should pass."""
    denied_share: Thresholds = Thresholds(critical=0.5)
    """Of the error lines that were read."""
    recent: float = 3600
    """A version or configuration younger than this is told as a change."""
    canary_least: float = 50
    """Invocations of either version, below which two versions are not compared."""
    canary_times: float = 2
    canary_errors: float = 0.01
    expected_every: float = 0
    """Seconds in which the function must be invoked at least once; 0: what its own schedule says
    (`rate(…)`), and without one nothing is expected."""
    usual_traffic: float = 10
    """Invocations a minute that make a function normally busy: then silence is news."""
    async_age: Thresholds = Thresholds(warning=60, critical=900)
    stream_age: Thresholds = Thresholds(warning=60, critical=900)
