"""What a look at a log group holds: numbers and shapes, never a whole line.

Source: CloudWatch Logs User Guide ("Log classes", "Monitoring with CloudWatch metrics").
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cockpit.connect.session import Series
from cockpit.logs.patterns import LinePattern
from probes.answers import Gap
from probes.denials import DeniedAction
from probes.metrics import NO_DATA

WINDOW = 5
"""Minutes that lines of errors are read of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A subscription's destination, and what did not get there."""

    name: str
    """The filter's name, or its destination as the metric names it."""
    errors: Series = NO_DATA
    throttled: Series = NO_DATA


@dataclass(frozen=True, slots=True, kw_only=True)
class KindCount:
    """Lines of one sort of trouble in the window."""

    kind: str
    count: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at a log group."""

    at: datetime
    name: str
    arn: str = ""
    log_class: str = ""
    """STANDARD, INFREQUENT_ACCESS, DELIVERY, …; empty: not told, which is STANDARD."""
    retention_days: int | None = None
    """None: lines are kept for ever."""
    stored_bytes: int | None = None
    events: Series = NO_DATA
    """Lines that came in; without a point in a minute without any."""
    size: Series = NO_DATA
    """Bytes of them."""
    deliveries: tuple[Delivery, ...] = ()
    called: Series = NO_DATA
    """Calls of the function that writes here."""
    function: str = ""
    lines_read: bool = False
    """False: lines could not be read, so none of what they tell is judged."""
    read: int = 0
    """Lines of errors in the window, as far as it was read."""
    until: datetime | None = None
    """Where the reading ended before the window did; None: all of it was read."""
    since: datetime | None = None
    """The window's beginning."""
    each_minute: Series = NO_DATA
    """Lines of errors in each whole minute of the window that was read."""
    counts: tuple[KindCount, ...] = ()
    patterns: tuple[LinePattern, ...] = ()
    denials: tuple[DeniedAction, ...] = ()
    compared: bool = False
    """Whether the hour before was read: asked only when there is something to compare."""
    compared_whole: bool = False
    """And whether all of it."""
    usual: float | None = None
    """Lines of errors a minute, the median of the last three hours; None: not known."""
    confirmed_silent: bool | None = None
    """Whether a reading of any line found none either; None: not asked, or not readable."""
    gaps: tuple[Gap, ...] = ()

    @property
    def covered(self) -> float:
        """Minutes of the window that were read; 0 when nothing was."""
        if self.since is None:
            return 0.0
        return max(0.0, ((self.until or self.at) - self.since).total_seconds() / 60)

    def in_window(self, count: float) -> float:
        """A count of what was read as one of the whole window."""
        covered = self.covered
        return count if self.until is None or covered <= 0 else count * WINDOW / covered
