"""Where the judgement of a distribution draws its lines."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.triage.finding import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Shares are of one, times seconds."""

    errors: Thresholds = Thresholds(warning=0.01, critical=0.05)
    """Share of viewers' requests that got a 5xx."""
    client_errors: Thresholds = Thresholds(warning=0.2, critical=0.6)
    """Share of viewers' requests that got a 4xx, when it is three times what is usual."""
    client_times: float = 3
    few_requests: float = 20
    """In five minutes; with fewer nothing is judged by its share, unless nine of ten fail."""
    origin_latency: Thresholds = Thresholds(warning=2, critical=10)
    """95th percentile, from the request to the origin to the last byte of its answer."""
    moving: Thresholds = Thresholds(warning=1800)
    """In progress to the edges."""
    certificate: Thresholds = Thresholds(warning=21 * 86400, critical=7 * 86400, below=True)
    """Until its certificate ends."""
    usual_traffic: float = 60
    """Requests a minute that make a distribution normally busy: then silence is news."""
