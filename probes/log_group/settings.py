"""Where the judgement of a log group draws its lines."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.triage.finding import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Lines in five minutes, unless said otherwise."""

    rising: Thresholds = Thresholds(warning=3, critical=10)
    """Times as many lines of errors a minute as usual in the last three hours."""
    rising_from: float = 20
    """Lines of errors a minute below which nothing rises."""
    new_pattern: float = 10
    """Lines of a shape that the hour before has none of."""
    denied: Thresholds = Thresholds(warning=1, critical=5)
    """Refused actions."""
    pool: Thresholds = Thresholds(warning=1, critical=50)
    """No connection to be had: of a pool, or of the database."""
    timeouts: Thresholds = Thresholds(warning=25, critical=250)
    memory: Thresholds = Thresholds(critical=1)
    """Killed, or out of memory."""
    throttled: Thresholds = Thresholds(warning=25)
    field: Thresholds = Thresholds(warning=1)
    """A field that is missing or of another type, in a shape that the hour before has none of."""
    silent_after: float = 10
    """Minutes without a line."""
    usually: float = 10
    """Lines a minute from which on a group is never silent by itself."""
    delivery: Thresholds = Thresholds(warning=1)
    """Events that a subscription could not deliver in fifteen minutes."""
