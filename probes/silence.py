"""What does not come any more: metrics that are always published, and what should happen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from cockpit.connect.session import Series
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import duration, number
from probes.metrics import LATE, age, history, is_blind

_PERIODS = 5


def silence(always: Mapping[str, Series], at: datetime) -> Iterator[Finding]:
    """Metrics of it do not come any more, though it is there and published them before.

    A host that hangs stops publishing while its state stays as it was, so nothing that is judged by
    metrics is known to be well: alarms and auto scaling on them are as blind. Five minutes without
    a point count, besides CloudWatch's own lateness. Of what never came nothing is said: it is new,
    or idle.
    """
    for name, series in always.items():
        if is_blind(series):
            continue
        silent = age(series, series.asked_at or at)
        limit = _PERIODS * 60 + LATE
        if silent is None or silent <= limit + 60:  # a point is dated by its period's start
            continue
        yield Finding(
            "METRIC_STALE",
            Severity.WARNING,
            f"{name} has not come for {duration(silent)}",
            subject=name,
            evidence=(
                Evidence("newest point", silent, "s ago", limit=limit, history=history(series)),
            ),
            likely=("its host hangs", "CloudWatch or its agent is late"),
            next="look at it by other means: does it answer?",
            fact=False,
        )


def missed(
    verb: str, period: float | None, *, quiet: float, ordinary: float | None, least: float
) -> str:
    """In words that nothing was done for `quiet` seconds though it should be; empty: it may be so.

    By `period`, the seconds in which it must be done at least once, where that is known. Else where
    it was `ordinary` times a minute, and that is `least` or more.
    """
    if period and quiet >= 2 * period:
        return f"not {verb} for {duration(quiet)}; it should be every {duration(period)}"
    if ordinary is not None and ordinary >= least:
        return f"not {verb} any more; usually {number(round(ordinary))} times a minute"
    return ""
