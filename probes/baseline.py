"""What is usual: the last three hours of a series without the newest twenty minutes."""

from __future__ import annotations

from datetime import datetime, timedelta
from statistics import median

from cockpit.connect.session import Series

LEAST = 10
"""Points without which nothing is called usual."""


def before(series: Series, at: datetime) -> tuple[float, ...]:
    """The values from three hours to twenty minutes before the look."""
    start, end = at - timedelta(hours=3), at - timedelta(minutes=20)
    pairs = zip(series.times, series.values, strict=False)
    return tuple(value for moment, value in pairs if start <= moment <= end)


def usual(series: Series, at: datetime) -> float | None:
    """The median of the hours before; None with too few points, which is not zero."""
    values = before(series, at)
    return median(values) if len(values) >= LEAST else None


def usual_of_sparse(sparse: Series, companion: Series, at: datetime) -> float | None:
    """The same for a counter that is silent at zero: zero where only the companion has points."""
    known = before(companion, at)
    if len(known) < LEAST:
        return None
    values = before(sparse, at)
    return median([*values, *([0.0] * max(0, len(known) - len(values)))])
