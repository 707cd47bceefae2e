"""What the screens show of an objective."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta

from cockpit.triage.finding import worst
from cockpit.triage.probe import Fact
from cockpit.triage.view import Column, Row, Table
from cockpit.units import duration, number, percent
from probes.slo import findings
from probes.slo.burn import EventCounts, burn
from probes.slo.model import FIVE, HOUR, MINUTE, Snapshot
from probes.slo.settings import Settings


def facts(snapshot: Snapshot, settings: Settings) -> Iterator[Fact]:
    """What is left of the budget, and how fast it goes."""
    severity = worst(findings.judged(snapshot, settings))
    used = snapshot.spent
    if used is None:
        yield Fact("budget", "unknown", severity=severity)
    else:
        left = max(0.0, 1 - used)
        yield Fact("budget", f"{percent(left)} left", left, "share", severity)
    for label, seconds in (("burn 1h", HOUR), ("burn 5m", FIVE), ("burn 1m, noisy", MINUTE)):
        rate = snapshot.burn(seconds)
        if rate is not None:
            yield Fact(label, f"{number(round(rate, 1))}x", rate)
    gone = snapshot.gone_in
    if gone and gone <= snapshot.seconds:
        moment = snapshot.end + timedelta(seconds=gone)
        yield Fact("gone at", f"{moment:%m-%d %H:%M} UTC if this goes on")
    period = snapshot.period
    if period is not None and period.share is not None:
        yield Fact("good", f"{(1 - period.share) * 100:.6g}%", 1 - period.share, "share")
    yield Fact("objective", findings.described(snapshot))


def tables(snapshot: Snapshot, settings: Settings) -> Iterator[Table]:
    """Each window with its counts and its burn; and the rules with what they need to fire."""
    windows = [(duration(each.seconds), each.counts) for each in snapshot.windows]
    if snapshot.period is not None:
        windows.append((f"{snapshot.days:g} days", snapshot.period))
    yield Table(
        title="Windows",
        columns=(
            Column("the last", 10),
            Column("bad", 12, right=True),
            Column("all", 14, right=True),
            Column("burn", 8, right=True),
        ),
        rows=tuple(_window(snapshot, name, counts) for name, counts in windows),
        headline=findings.described(snapshot),
        note=findings.partial(snapshot, settings),
    )
    yield Table(
        title="Rules",
        columns=(
            Column("rule", 18),
            Column("windows", 18),
            Column("burns", 16, right=True),
            Column("from", 8, right=True),
        ),
        rows=tuple(_rule(snapshot, settings, rule) for rule in findings.RULES),
    )


def _window(snapshot: Snapshot, name: str, counts: EventCounts) -> Row:
    rate = burn(counts.share, snapshot.objective)
    bad, total = number(round(counts.bad)), number(round(counts.total))
    return Row(key=name, cells=(name, bad, total, _times(rate)), dim=rate is None)


def _rule(snapshot: Snapshot, settings: Settings, rule: findings.BurnRule) -> Row:
    spans = (rule.long, rule.short)
    return Row(
        key=rule.code,
        cells=(
            rule.code,
            " and ".join(map(duration, spans)),
            " and ".join(_times(snapshot.burn(span)) for span in spans),
            _times(findings.first_limit(rule, settings, snapshot)),
        ),
        severity=findings.graded(rule, snapshot, settings),
    )


def _times(rate: float | None) -> str:
    if rate is None:
        return "unknown"
    return "never" if math.isinf(rate) else f"{number(round(rate, 1))}x"
