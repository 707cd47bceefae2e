"""Where the judgement of a stream draws its lines."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.triage.finding import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Times seconds, shares of one."""

    behind: Thresholds = Thresholds(warning=60, critical=900)
    """Age of the newest record that a consumer got."""
    retention: Thresholds = Thresholds(warning=0.25, critical=0.5)
    """The same, of the time after which records are gone."""
    throttled_share: Thresholds = Thresholds(critical=0.05)
    """Refused of all records that were to be written."""
    used: Thresholds = Thresholds(warning=0.8, critical=0.95)
    """Of what the shards take, with records spread evenly."""
    moving: Thresholds = Thresholds(warning=1800)
    """In a state that should pass."""
    usual_traffic: float = 60
    """Records a minute that make a stream normally busy: then silence is news."""
