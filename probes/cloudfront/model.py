"""What a look at a distribution holds.

Source: CloudFront Developer Guide ("Types of metrics for CloudFront"): its metrics are at us-east-1
only, with the dimension `Region=Global`. Rates are percentages of a minute's requests. What tells
of the origin and of single codes is published only where *additional metrics* were bought.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cockpit.connect.session import Series
from probes.answers import Gap
from probes.metrics import NO_DATA, Rate, settled

LATE = 300.0
"""Seconds before the look in which points are incomplete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at a distribution."""

    at: datetime
    id: str
    arn: str = ""
    status: str
    """`Deployed` or `InProgress`."""
    enabled: bool
    domain: str = ""
    aliases: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    modified: datetime | None = None
    certificate: str = ""
    """The ARN of its certificate in ACM; empty: CloudFront's own, or one of IAM."""
    certificate_status: str = ""
    certificate_ends: datetime | None = None
    requests: Series = NO_DATA
    errors: Series = NO_DATA
    """Percent, like the other rates."""
    client_errors: Series = NO_DATA
    origin_latency: Series = NO_DATA
    """Milliseconds, 95th percentile; additional metrics only."""
    bad_gateway: Series = NO_DATA
    unavailable: Series = NO_DATA
    timed_out: Series = NO_DATA
    gaps: tuple[Gap, ...] = ()

    def cut(self, series: Series, minutes: float = 5) -> Series:
        """Its settled minutes."""
        return settled(series, self.at, minutes=minutes, late=LATE)

    def share_of(self, percent: Series) -> Rate:
        """A rate over five minutes, each minute by its requests; unknown where a minute's rate is.

        An average of rates would let a quiet minute count as much as a busy one.
        """
        whole = self.cut(self.requests)
        known = dict(zip(percent.times, percent.values, strict=False))
        asked = list(zip(whole.times, whole.values, strict=False))
        busy = [(moment, value) for moment, value in asked if value]
        if not asked or any(moment not in known for moment, _ in busy):
            return Rate(None, sum(value for _, value in asked) if asked else None)
        part = sum(known[moment] / 100 * value for moment, value in busy)
        return Rate(part, sum(value for _, value in busy))
