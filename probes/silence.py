"""What does not come any more: metrics that are always published, and what should happen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from cockpit.connect.session import Series
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import duration, number
from probes.began import POINTS
from probes.metrics import LATE, age, history, is_blind

_PERIODS = 5
_NEW = 900.0
"""Seconds for which something new may have no metric yet."""


def silence(
    always: Mapping[str, Series], at: datetime, *, since: datetime | None = None
) -> Iterator[Finding]:
    """Metrics of it do not come, though it is there: since when it is tells whether they ever did.

    METRIC_STALE: Metrics of it do not come any more, though it is there and published them before.
    A host that hangs stops publishing while its state stays as it was, so nothing that is judged by
    metrics is known to be well: alarms and auto scaling on them are as blind. Five minutes without
    a point count, besides CloudWatch's own lateness.

    METRIC_NEVER: It is there for longer than a quarter of an hour, and a metric that is always
    published has no point in all that was asked for. Where it is not known since when it is there,
    nothing is said: it may be new.
    """
    for name, series in always.items():
        if is_blind(series):
            continue
        silent = age(series, series.asked_at or at)
        if silent is None:
            if since is not None and series.asked_at is not None:  # else nobody asked for it
                yield from _never(name, series.asked_at, since)
            continue
        limit = _PERIODS * 60 + LATE
        if silent <= limit + 60:  # a point is dated by its period's start
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
            began=series.times[-1] + timedelta(seconds=60),
            resolution=POINTS,
        )


def _never(name: str, asked: datetime, since: datetime) -> Iterator[Finding]:
    there = (asked - since).total_seconds()
    if there <= _NEW:
        return
    yield Finding(
        "METRIC_NEVER",
        Severity.WARNING,
        f"{name} has no point, though it is there for {duration(there)}",
        subject=name,
        evidence=(Evidence("there for", there, "s", limit=_NEW),),
        likely=("its host hangs since long ago", "its metrics go to another account or region"),
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
