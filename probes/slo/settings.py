"""Where the judgement of an objective draws its lines."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.triage.finding import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Shares of one. A rule's limit is the share of the whole budget that its long window takes:
    0.02 in an hour of 30 days is a burn of 14.4.
    """

    fast: Thresholds = Thresholds(critical=0.02)
    """In 1 h, and in 5 min at the same pace."""
    medium: Thresholds = Thresholds(critical=0.05)
    """In 6 h and 30 min."""
    slow: Thresholds = Thresholds(warning=0.1)
    """In 24 h and 2 h."""
    trickle: Thresholds = Thresholds(warning=0.1)
    """In 3 d and 6 h."""
    spent: Thresholds = Thresholds(info=0.25, warning=0.5)
    """Of the budget, before it is exhausted."""
    availability: Thresholds = Thresholds(critical=0.99, below=True)
    """Of a quarter of an hour, where the objective is not lower itself."""
    least_bad: float = 10
    """Bad events in the long window without which a severity is one lower."""
    least_total: float = 100
    """All events, likewise."""
    traffic: float = 10
    """Events a minute that make it a warning when there are none any more."""
    present: float = 0.9
    """Minutes with a point below which counts are called partial."""
