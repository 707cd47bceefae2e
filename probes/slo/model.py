"""What a look at an objective holds: counts by window, which recordings keep small."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cockpit.connect.session import Series
from probes.answers import Gap
from probes.metrics import NO_DATA
from probes.slo.burn import Bucket, EventCounts, burn, exhausted_in, spent

MINUTE, FIVE, QUARTER, HOUR = 60, 300, 900, 3600
SIX_HOURS, DAY, THREE_DAYS = 6 * HOUR, 24 * HOUR, 72 * HOUR
WINDOWS = (MINUTE, FIVE, QUARTER, 1800, HOUR, 7200, SIX_HOURS, DAY, THREE_DAYS)
"""Seconds."""


@dataclass(frozen=True, slots=True)
class BurnWindow:
    """Events of the last `seconds`, as far as CloudWatch has them."""

    seconds: float
    counts: EventCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at one objective."""

    at: datetime
    end: datetime
    """The newest whole minute; windows end here."""
    sli: str
    name: str
    objective: float
    days: float
    latency: float = 0.0
    """Seconds; 0: errors are judged."""
    without: str = ""
    """What the indicator cannot see."""
    windows: tuple[BurnWindow, ...] = ()
    """Those of which all is known."""
    period: EventCounts | None = None
    """Of all the days; None: could not be read."""
    newest: datetime | None = None
    """When the newest period with a point began."""
    present: float | None = None
    """The share of the last six hours' minutes that have a point; None where silence is normal."""
    last: tuple[Bucket, ...] = ()
    """The two newest periods in which anything happened, oldest first."""
    history: tuple[float, ...] = ()
    """Bad shares of the last hour's minutes."""
    minutes: Series = NO_DATA
    """The same with their times."""
    fives: Series = NO_DATA
    """Bad shares of five minutes each, of the last twelve hours: a slow burn is older than an hour,
    and shows in no single minute."""
    gaps: tuple[Gap, ...] = ()

    @property
    def budget(self) -> float:
        """The share that may be bad."""
        return 1 - self.objective

    @property
    def seconds(self) -> float:
        """Of the period."""
        return self.days * DAY

    @property
    def spent(self) -> float | None:
        """Of the budget; None: nothing happened, or it is not known."""
        return None if self.period is None else spent(self.period, self.objective)

    @property
    def few(self) -> bool:
        """Less than one failure is allowed in the whole period: a ratio tells nothing."""
        return self.period is not None and 0 < self.period.total * self.budget < 1 - 1e-9

    @property
    def gone_in(self) -> float | None:
        """Seconds until the budget is gone if the last hour goes on; None: never, or unknown."""
        return exhausted_in(self.spent, self.burn(HOUR), self.seconds)

    def of(self, seconds: float) -> EventCounts | None:
        """The counts of a window; None: not known."""
        return next((w.counts for w in self.windows if w.seconds == seconds), None)

    def burn(self, seconds: float) -> float | None:
        """The burn of a window; None: nothing happened in it, or it is not known."""
        counts = self.of(seconds)
        return None if counts is None else burn(counts.share, self.objective)
