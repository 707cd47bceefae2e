"""Where the judgement of a queue draws its lines."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.triage.finding import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Times seconds, shares of one."""

    oldest: Thresholds = Thresholds(warning=300, critical=1800)
    """Age of the oldest message."""
    retention: Thresholds = Thresholds(warning=0.5, critical=0.8)
    """Age of the oldest message, of the time after which SQS deletes it."""
    in_flight: Thresholds = Thresholds(warning=0.8, critical=0.95)
    """Of the most that may be in flight: 120,000."""
    dead_letters: Thresholds = Thresholds(warning=1, critical=100)
    """Messages that came into the dead letter queue in fifteen minutes."""
    backlog: float = 100
    """Messages below which a queue that grows is not told."""
    growing: float = 2
    """Times the number of an hour ago."""
    usual_traffic: float = 10
    """Messages sent a minute that make a queue normally busy: then silence is news."""
