"""What a load balancer is judged by."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.triage.finding import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Shares of requests over five settled minutes; latencies in seconds."""

    errors_elb: Thresholds = Thresholds(warning=0.01, critical=0.05)
    """Share of requests."""
    errors_target: Thresholds = Thresholds(warning=0.01, critical=0.05)
    """Share of a group's requests."""
    gateway: Thresholds = Thresholds(warning=0.005, critical=0.03)
    """502 and 504, each."""
    gateway_a_minute: float = 10
    """With little traffic: so many 502 or 504 in each of three minutes are a warning."""
    connection_errors: Thresholds = Thresholds(critical=0.01)
    """Share of a group's requests."""
    latency: Thresholds = Thresholds(warning=1.0, critical=2.0)
    """Seconds, of the 95th percentile."""
    latency_ratio: Thresholds = Thresholds(warning=1.5, critical=3.0)
    """Of a day earlier; judged from `latency_floor` seconds on."""
    latency_floor: float = 0.2
    """Seconds."""
    drop: Thresholds = Thresholds(warning=0.5, critical=0.1, below=True)
    """Of the same minutes a day and a week earlier, both."""
    surge: Thresholds = Thresholds(warning=2.0, critical=5.0)
    """Times the traffic of a day and a week earlier, both."""
    baseline: float = 600
    """Requests in five minutes a day earlier, without which traffic is not compared."""
    client_errors: float = 0.2
    """Share of answers that are 4xx."""
    tls_errors: float = 0.05
    """Share of new connections."""
    resets_elb: float = 0.01
    """Share of flows."""
    resets_target: float = 0.05
    """Share of flows."""
    rejected: Thresholds = Thresholds(warning=0.01, critical=0.1)
    """Share of new flows that the balancer rejects."""
    blocked: Thresholds = Thresholds(warning=0.2)
    """Share of new flows that its security groups block."""
    all_failing: float = 0.9
    """Share that is an outage however few the requests are."""
    all_failing_least: float = 5
    """Requests in five minutes for it."""
    min_requests: float = 100
    """With fewer requests a share is a warning at most."""
    few_requests: float = 20
    """With fewer requests nothing is judged by its share, unless all of them fail."""
    provisioning: float = 600
    """Seconds that a new balancer may take."""
