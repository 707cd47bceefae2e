"""Where the judgement of an API's stage draws its lines."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.triage.finding import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Shares are of one, times seconds."""

    errors: Thresholds = Thresholds(warning=0.01, critical=0.05)
    """Share of requests that got a 5xx."""
    all_failing: float = 0.9
    all_failing_least: float = 5
    """Requests from which on nine failures of ten are an outage, however few."""
    min_requests: float = 100
    """With fewer requests a share is a warning at most."""
    few_requests: float = 20
    """With fewer requests nothing is judged by its share."""
    backend_well: float = 0.005
    """Share of a function's invocations that may fail while it is called healthy."""
    near_timeout: float = 0.8
    """99th percentile of the latency, of the integration's time limit."""
    latency_floor: float = 1.0
    """A 95th percentile below is never slow."""
    latency_ratio: Thresholds = Thresholds(warning=1.5, critical=3)
    """The 95th percentile, of the same minutes a day ago."""
    client_errors: Thresholds = Thresholds(warning=0.2, critical=0.6)
    """Share of requests that got a 4xx, when it is three times what is usual."""
    client_times: float = 3
    near_limit: Thresholds = Thresholds(warning=0.8)
    """Requests a second, of the rate limit."""
    throttled_share: Thresholds = Thresholds(warning=0.001, critical=0.01)
    """Share of the lines that were read of the access log that are 429."""
    recent: float = 3600
    """A deployment younger than this is told as a change."""
    after_deployment: float = 600
    """5xx that began within these seconds after it make it a suspect."""
    drop: Thresholds = Thresholds(warning=0.5, critical=0.1, below=True)
    """Traffic, of the same minutes a day and a week ago."""
    surge: Thresholds = Thresholds(warning=2, critical=5)
    """Traffic, of the same minutes a day and a week ago."""
    certificate: Thresholds = Thresholds(warning=21 * 86400, critical=7 * 86400, below=True)
    """Until the certificate of its domain ends."""
    baseline: float = 600
    """Requests in the same five minutes before, without which nothing is compared."""
