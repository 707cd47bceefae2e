"""Findings about an objective: how fast its budget burns, what is left, and what nobody sees."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.units import duration, number, percent
from probes.began import POINTS, bad_since, resolution
from probes.slo.burn import EventCounts, burn, eaten
from probes.slo.model import (
    DAY,
    FIVE,
    HOUR,
    MINUTE,
    QUARTER,
    SIX_HOURS,
    THREE_DAYS,
    Snapshot,
)
from probes.slo.settings import Settings

_LEAST_BAD = 3
_SUSPECTS = "look at the suspects: what changed before it began, and can it be rolled back?"
_LEAST_EXPECTED = 5
"""Events that a quarter of an hour should have had, before having none is news."""
_EXACT = 1 + 1e-9
"""So that a burn of exactly 14.4 is one, whatever binary fractions make of it."""
_LOWER = {
    Severity.CRITICAL: Severity.HIGH,
    Severity.HIGH: Severity.WARNING,
    Severity.WARNING: Severity.INFO,
    Severity.INFO: Severity.INFO,
}


@dataclass(frozen=True, slots=True)
class BurnRule:
    """Fires when both windows burn beyond its limit; ends as soon as the short one is clean."""

    code: str
    name: str
    long: int
    short: int


RULES = (
    BurnRule("SLO_BURN_FAST", "fast", HOUR, FIVE),
    BurnRule("SLO_BURN_MEDIUM", "medium", SIX_HOURS, 1800),
    BurnRule("SLO_BURN_SLOW", "slow", DAY, 7200),
    BurnRule("SLO_BURN_TRICKLE", "trickle", THREE_DAYS, SIX_HOURS),
)


def judged(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """With less than one failure allowed each failure is told by itself; else the ratio is."""
    yield from no_data(snapshot, settings)
    yield from no_traffic(snapshot, settings)
    yield from exhausted(snapshot, settings)
    if snapshot.few:
        yield from events(snapshot, settings)
        return
    yield from burning(snapshot, settings)
    yield from quarter(snapshot, settings)
    yield from unreachable(snapshot, settings)


def limit_of(rule: BurnRule, settings: Settings, severity: Severity, snapshot: Snapshot) -> float:
    """The burn from which on the rule gives the severity; never below 1, which keeps the objective.

    Infinite when the severity is never given.
    """
    thresholds: Thresholds = getattr(settings, rule.name)
    share = thresholds.limit(severity)
    return float("inf") if share is None else max(1.0, share * snapshot.seconds / rule.long)


def graded(rule: BurnRule, snapshot: Snapshot, settings: Settings) -> Severity | None:
    """The rule's severity; None: it does not fire.

    Of few events, what is certain must burn beyond the limit too, and the severity is one lower.
    """
    long, short = snapshot.of(rule.long), snapshot.of(rule.short)
    if long is None or short is None:
        return None
    rates = [burn(long.share, snapshot.objective), burn(short.share, snapshot.objective)]
    scarce = _scarce(long, settings)
    if scarce:
        rates.append(burn(long.least, snapshot.objective))
    slowest = min((rate if rate is not None else 0.0) for rate in rates) * _EXACT
    for severity in sorted(Severity, reverse=True):
        if slowest >= limit_of(rule, settings, severity, snapshot):
            return _LOWER[severity] if scarce else severity
    return None


def _scarce(counts: EventCounts, settings: Settings) -> bool:
    return counts.bad < settings.least_bad or counts.total < settings.least_total


def burning(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The budget is spent faster than the period allows; the fastest rule that fires is told.

    SLO_BURN_FAST: At this pace an hour takes 2 % of the budget of 30 days, a burn of 14.4.

    SLO_BURN_MEDIUM: Six hours take 5 %, a burn of 6.

    SLO_BURN_SLOW: A day takes 10 %, a burn of 3.

    SLO_BURN_TRICKLE: Three days take 10 %, a burn of 1: the objective will just be missed.

    For other periods the shares hold, and the burns follow from them. Deployments under way and
    planned work burn as well as anything.
    """
    fires = [(rule, found) for rule in RULES if (found := graded(rule, snapshot, settings))]
    if not fires:
        return
    rule, severity = max(fires, key=lambda one: (one[1].rank, -one[0].long))
    long = snapshot.of(rule.long) or EventCounts()
    rate = snapshot.burn(rule.long) or 0.0
    scarce = _scarce(long, settings)
    took = eaten(rate, rule.long, snapshot.seconds)
    besides = ", ".join(each.code for each, _ in fires if each is not rule)
    yield Finding(
        rule.code,
        severity,
        f"{_bad(snapshot, long)} in {duration(rule.long)}: "
        f"{number(round(rate, 1))} times as fast as the budget allows{_gone(snapshot)}",
        evidence=(
            Evidence(
                f"burn in {duration(rule.long)}",
                rate,
                "times",
                limit=first_limit(rule, settings, snapshot),
                history=snapshot.history,
            ),
            Evidence(f"burn in {duration(rule.short)}", snapshot.burn(rule.short), "times"),
            Evidence("of the budget, in that time", took, "share"),
            Evidence("fires too", besides or "nothing"),
            *shown(snapshot),
        ),
        likely=("a release", "a dependency that fails or is slow", "more traffic than it bears"),
        against=(
            *(("few events: a share of them says little, the counts say more",) if scarce else ()),
            *partial(snapshot, settings),
        ),
        next=_SUSPECTS,
        fact=False,
        began=_began(rule, settings, snapshot),
        resolution=POINTS if rule.long <= HOUR else resolution(FIVE),
    )


def _began(rule: BurnRule, settings: Settings, snapshot: Snapshot) -> datetime | None:
    """Of a burn that is not fast out of five minutes each; a point is bad from half of the limit
    on, since chance takes single points below the limit itself. None where a point has less than
    three bad events, also because chance would date it.
    """
    limit = first_limit(rule, settings, snapshot)
    if rule.long <= HOUR:
        return _burns_since(snapshot, min(1.0, limit * snapshot.budget))
    short = snapshot.of(rule.short) or EventCounts()
    if short.bad * FIVE / rule.short < _LEAST_BAD:
        return None
    share = min(1.0, max(1.0, limit / 2) * snapshot.budget)
    return bad_since(snapshot.fives, lambda bad: bad >= share, period=FIVE)


def _burns_since(snapshot: Snapshot, share: float) -> datetime | None:
    """Since when minutes of the last hour burn that fast; None: for all of it, or it is over."""
    return bad_since(snapshot.minutes, lambda bad: bad >= share)


def first_limit(rule: BurnRule, settings: Settings, snapshot: Snapshot) -> float:
    """The burn from which on the rule fires at all; infinite when it is switched off."""
    return min(limit_of(rule, settings, each, snapshot) for each in Severity)


def shown(snapshot: Snapshot) -> tuple[Evidence, ...]:
    """What is behind every finding of an objective."""
    return (
        Evidence("spent of the budget", snapshot.spent, "share", limit=1),
        Evidence("burn in 5m", snapshot.burn(FIVE), "times"),
        Evidence("burn in the last minute, noisy", snapshot.burn(MINUTE), "times"),
        Evidence("objective", snapshot.objective, "share"),
        Evidence("indicator", described(snapshot)),
    )


def described(snapshot: Snapshot) -> str:
    """`answers of app/shop/1 within 0.5 s, 99.9% in 30 d; not seen: …`."""
    what = f"within {snapshot.latency:g} s" if snapshot.latency else "without an error"
    unseen = f"; not seen: {snapshot.without}" if snapshot.without else ""
    goal = f"{snapshot.objective * 100:.6g}%"
    return f"{snapshot.name} {what}, {goal} in {snapshot.days:g} d{unseen}"


def partial(snapshot: Snapshot, settings: Settings) -> tuple[str, ...]:
    """What speaks against the counts: minutes that are missing."""
    if snapshot.present is None or snapshot.present >= settings.present:
        return ()
    return (f"partial: {percent(snapshot.present)} of the minutes of six hours have a point",)


def _bad(snapshot: Snapshot, counts: EventCounts) -> str:
    """`12 of 300 bad (4.0%)`."""
    word = "slow" if snapshot.latency else "bad"
    share = percent(counts.share or 0.0)
    return f"{number(round(counts.bad))} of {number(round(counts.total))} {word} ({share})"


def _gone(snapshot: Snapshot) -> str:
    seconds = snapshot.gone_in
    if not seconds or seconds > snapshot.seconds:
        return ""
    moment = snapshot.end + timedelta(seconds=seconds)
    shape = "%H:%M" if seconds < DAY else "%m-%d %H:%M"
    return f"; budget gone at {moment:{shape}} UTC if this goes on"


def exhausted(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """What the period allows is spent.

    SLO_BUDGET_EXHAUSTED: All of it: the objective is missed until the bad time leaves the period.

    SLO_BUDGET_LOW: A quarter, or half of it. It may be long ago: what burns now is another finding.
    """
    used, period = snapshot.spent, snapshot.period
    if used is None or period is None:
        return
    gone = used * _EXACT >= 1
    severity = Severity.CRITICAL if gone else settings.spent.grade(used * _EXACT)
    if severity is None or (snapshot.few and not period.bad):
        return
    if gone and _scarce(period, settings):
        severity = _LOWER[severity]
    code = "SLO_BUDGET_EXHAUSTED" if gone else "SLO_BUDGET_LOW"
    yield Finding(
        code,
        severity,
        f"{percent(used)} of the error budget of {snapshot.days:g} days is spent: "
        f"{_bad(snapshot, period)}",
        evidence=(
            Evidence("spent", used, "share", limit=1 if gone else settings.spent.first),
            Evidence("burn in 1h", snapshot.burn(HOUR), "times"),
            *shown(snapshot),
        ),
        against=(
            *(("nothing burns now",) if snapshot.burn(HOUR) == 0 else ()),
            *partial(snapshot, settings),
        ),
        next="hold risky changes back until there is budget again",
        fact=False,
    )


def quarter(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The last quarter of an hour by itself, whatever is left of the budget.

    SLO_AVAILABILITY_LOW: Fewer than 99 % were good, and fewer than the objective.

    SLO_LATENCY_MISSED: Fewer than the objective's share came in time: its percentile is too slow.
    """
    counts = snapshot.of(QUARTER)
    if counts is None or counts.share is None:
        return
    good = 1 - counts.share
    if snapshot.latency:
        if good * _EXACT < snapshot.objective:
            yield _quarter(
                snapshot, settings, counts, code="SLO_LATENCY_MISSED", severity=Severity.WARNING
            )
        return
    scarce = _scarce(counts, settings)
    certain = 1 - (counts.least or 0.0) if scarce else good
    severity = settings.availability.grade(certain)
    if severity is not None and certain < snapshot.objective:
        severity = _LOWER[severity] if scarce else severity
        yield _quarter(snapshot, settings, counts, code="SLO_AVAILABILITY_LOW", severity=severity)


def _quarter(
    snapshot: Snapshot, settings: Settings, counts: EventCounts, *, code: str, severity: Severity
) -> Finding:
    limit = snapshot.objective if snapshot.latency else settings.availability.first
    return Finding(
        code,
        severity,
        f"{_bad(snapshot, counts)} in 15 minutes",
        evidence=(
            Evidence("good", 1 - (counts.share or 0.0), "share", limit=limit),
            Evidence("all", counts.total),
            *shown(snapshot),
        ),
        likely=("a release", "a dependency that fails or is slow"),
        against=partial(snapshot, settings),
        next=_SUSPECTS,
        fact=False,
        began=_burns_since(snapshot, snapshot.budget),
        resolution=POINTS,
    )


def no_traffic(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Nothing came for a quarter of an hour, though it used to: an outage upstream of it burns no
    budget.
    """
    now, before = snapshot.of(QUARTER), snapshot.of(SIX_HOURS)
    if now is None or before is None or now.total:
        return
    usual = before.total / (SIX_HOURS / 60)
    if usual * QUARTER / 60 < _LEAST_EXPECTED:
        return
    silent = None if snapshot.newest is None else (snapshot.end - snapshot.newest).total_seconds()
    yield Finding(
        "SLO_NO_TRAFFIC",
        Severity.WARNING if usual >= settings.traffic else Severity.INFO,
        f"nothing to count for 15 minutes, usually {number(round(usual, 1))} a minute: "
        "no budget burns, and nobody may be served",
        evidence=(
            Evidence("in 6h", before.total),
            Evidence("newest point", silent, "s ago"),
            *shown(snapshot),
        ),
        likely=("whoever sends cannot reach it", "the traffic was moved", "its metrics are late"),
        against=("compared with the last six hours only, not with the time of day",),
        next="look at what stands before it",
        fact=False,
        began=None if snapshot.newest is None else snapshot.newest + timedelta(seconds=MINUTE),
        resolution=POINTS,
    )


def no_data(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The indicator has no point in the whole period: nothing is known of the objective."""
    if snapshot.newest is not None or snapshot.period is None:
        return
    yield Finding(
        "SLO_NO_DATA",
        Severity.WARNING,
        f"no point in {snapshot.days:g} days: the objective is not known to be kept",
        evidence=shown(snapshot),
        likely=("a name, a stage or a dimension is another", "it was never used", "it is gone"),
        next="compare the target's settings with what CloudWatch lists",
    )


def unreachable(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A rule can never fire: if everything failed, the burn would be one over the budget, and its
    limit is higher.
    """
    most = 1 / snapshot.budget
    limits = {rule: first_limit(rule, settings, snapshot) for rule in RULES}
    deaf = [rule for rule, limit in limits.items() if most * _EXACT < limit < math.inf]
    if deaf:
        yield Finding(
            "SLO_UNREACHABLE_RULE",
            Severity.INFO,
            f"{', '.join(rule.code for rule in deaf)} cannot fire: with an objective of "
            f"{percent(snapshot.objective)} nothing burns more than {number(round(most, 1))} times",
            evidence=tuple(Evidence(rule.code, most, "times", limit=limits[rule]) for rule in deaf),
            next="lower the rule's share in the settings of slo.budget, or mind the others",
        )


def events(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """So little happens that one failure is more than the budget.

    SLO_TOO_FEW_EVENTS: A ratio of them tells nothing: each failure is told instead.

    SLO_EVENT_FAILED: The newest failed; critical when the one before did too.
    """
    period = snapshot.period or EventCounts()
    yield Finding(
        "SLO_TOO_FEW_EVENTS",
        Severity.INFO,
        f"{number(round(period.total))} events in {snapshot.days:g} days allow "
        f"{number(round(period.total * snapshot.budget, 2))} failures: each is told by itself",
        evidence=shown(snapshot),
        next="judge it by freshness, or choose an objective that allows a failure",
    )
    failed = [each.counts.bad > 0 for each in snapshot.last]
    if not failed or not failed[-1]:
        return
    both = len(failed) > 1 and all(failed)
    newest = snapshot.last[-1]
    before = ", and so did the one before" if both else ""
    yield Finding(
        "SLO_EVENT_FAILED",
        Severity.CRITICAL if both else Severity.WARNING,
        f"the newest failed at {newest.start:%m-%d %H:%M} UTC{before}",
        evidence=(
            *(
                Evidence(
                    f"{each.start:%m-%d %H:%M} UTC, {duration(each.seconds)}",
                    _bad(snapshot, each.counts),
                )
                for each in snapshot.last
            ),
            *shown(snapshot),
        ),
        likely=("the job fails", "what it reads or writes is not there"),
        next="look at the job's own output",
        began=newest.start if not both else None,
        resolution=newest.seconds,
    )
