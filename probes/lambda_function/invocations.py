"""Findings about invocations: what callers get, how long it takes, and silence.

`Errors` counts what the function threw, timeouts and kills; an answer that says 502 by itself is a
good invocation. Throttled attempts are in neither `Invocations` nor `Errors`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from cockpit.connect.session import Series
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count, duration, percent
from probes.baseline import usual
from probes.began import POINTS, bad_since, counted_since, ended_since, reached_since, share_since
from probes.lambda_function.lines import is_full
from probes.lambda_function.model import Snapshot, error_rate, logged, now, of_hours, throttle_rate
from probes.lambda_function.read import period_of
from probes.lambda_function.settings import Settings
from probes.metrics import held, history, is_blind, latest, peak, quiet_for, total
from probes.silence import missed

_AT_LIMIT = 0.98
"""Of the timeout: `Duration` stops there, since Lambda ends the invocation."""


def errors(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Invocations end in errors.

    LAMBDA_ALL_FAILING: Nine of ten and more fail: whoever calls the function gets nothing from it.

    LAMBDA_ERROR_RATE: A part fails. Asynchronous callers and queues retry, so one bad event counts
    up to three times; synchronous callers get every error. With few invocations a share says
    nothing: one error is told as `1 of 3`.
    """
    rate = error_rate(snapshot)
    if not rate.part or rate.share is None:
        return
    many = rate.enough(settings.all_failing_least)
    if many and rate.share >= settings.all_failing:
        code, severity = "LAMBDA_ALL_FAILING", Severity.CRITICAL
    elif rate.enough(settings.least_invocations):
        graded = settings.errors.grade(rate.share)
        if graded is None:
            return
        code, severity = "LAMBDA_ERROR_RATE", graded
    else:
        code, severity = "LAMBDA_ERROR_RATE", Severity.WARNING
    first = snapshot.patterns[0] if snapshot.patterns else None
    yield Finding(
        code,
        severity,
        f"{rate.text('invocations', settings.least_invocations)} failed",
        evidence=(
            Evidence("failed", rate.share, "share", limit=settings.errors.first),
            Evidence("errors", rate.part, history=history(now(snapshot, snapshot.errors))),
            Evidence("invocations", rate.whole),
            Evidence("most frequent line", _line(snapshot)),
            Evidence("code since", _age(snapshot), "s"),
        ),
        likely=_causes(snapshot, settings),
        against=("asynchronous events and queues are retried: one bad event counts several times",)
        if snapshot.async_age.values or snapshot.mappings
        else (),
        next="read its newest error lines"
        if first is None
        else "is that line new since the last release or alias change?",
        fact=False,
        began=failing_since(snapshot, settings),
        resolution=POINTS,
    )


def failing_since(snapshot: Snapshot, settings: Settings) -> datetime | None:
    """Since when minutes fail as is told of; with few invocations, since the first error."""
    errors, done = (of_hours(snapshot, each) for each in (snapshot.errors, snapshot.invocations))
    if error_rate(snapshot).enough(settings.least_invocations):
        return share_since(errors, done, settings.errors)
    return counted_since(errors, done)


def _line(snapshot: Snapshot) -> str | None:
    if snapshot.patterns:
        first = snapshot.patterns[0]
        return f"{first.count}× {first.text}"
    return "no line of an error was found" if snapshot.logs_read else None


def _age(snapshot: Snapshot) -> float | None:
    return None if snapshot.modified is None else (snapshot.at - snapshot.modified).total_seconds()


def _causes(snapshot: Snapshot, settings: Settings) -> tuple[str, ...]:
    known = {
        "denied": "its role is refused something: see what is denied",
        "memory": "it is killed for memory",
        "timeout": "it runs into its timeout: something that it waits for is slow",
        "init": "it cannot start: a missing module, a wrong handler, a broken layer",
    }
    causes = [says for kind, says in known.items() if logged(snapshot, kind)]
    age = _age(snapshot)
    if age is not None and age < settings.recent:
        causes.insert(0, f"the release {duration(age)} ago")
    return (*causes, "a dependency that fails", "an event that it cannot read")[:5]


def timeouts(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Invocations run until Lambda ends them.

    LAMBDA_TIMEOUTS: They were cut off: the caller got an error after waiting for the whole timeout,
    and what was begun may be half done.

    LAMBDA_DURATION_NEAR_TIMEOUT: The slowest twentieth takes nearly as long as is allowed: a little
    more, and they fail.
    """
    limit = max(snapshot.timeout, 1) * 1000
    cut = _cut_off(snapshot, limit)
    rate = error_rate(snapshot)
    share = cut / rate.whole if cut and rate.whole else None
    severity = max(
        (s for s in (settings.timeouts.grade(cut), settings.timeout_share.grade(share)) if s),
        default=None,
    )
    shown = (
        Evidence("timeout", snapshot.timeout, "s"),
        Evidence("slowest", _seconds(peak(now(snapshot, snapshot.duration_most))), "s"),
        Evidence("95th percentile", _seconds(latest(now(snapshot, snapshot.duration_p95))), "s"),
    )
    causes = (
        *(("no way out of the VPC: a NAT gateway, a route",) if snapshot.in_vpc else ()),
        "a dependency that became slow",
        "more work in one event",
    )
    if severity is not None:
        yield Finding(
            "LAMBDA_TIMEOUTS",
            severity,
            f"at least {count(cut, 'invocation')} ran into the timeout of "
            f"{duration(snapshot.timeout)}",
            evidence=(Evidence("cut off", cut, limit=settings.timeouts.first), *shown),
            likely=causes,
            next="look at what it waits for; a longer timeout only lets more of them wait",
            fact=False,
            began=bad_since(
                of_hours(snapshot, snapshot.duration_most), lambda most: most >= _AT_LIMIT * limit
            ),
            resolution=POINTS,
        )
        return
    series = now(snapshot, snapshot.duration_p95)
    near = _shares(series, limit)
    severity = held(near, settings.near_timeout)
    if severity is not None:
        yield Finding(
            "LAMBDA_DURATION_NEAR_TIMEOUT",
            severity,
            f"the slowest twentieth takes {percent(latest(near) or 0.0)} of the timeout of "
            f"{duration(snapshot.timeout)}",
            evidence=shown,
            likely=causes,
            next="find what became slower: it fails when it takes a little longer",
            fact=False,
            began=reached_since(
                _shares(of_hours(snapshot, snapshot.duration_p95), limit), settings.near_timeout
            ),
            resolution=POINTS,
        )


def _shares(series: Series, limit: float) -> Series:
    return Series(series.times, tuple(v / limit for v in series.values), series.status)


def _cut_off(snapshot: Snapshot, limit: float) -> int:
    """At least how many were cut off: lines and reports, else minutes with errors at the limit.

    The end of a slow invocation that was good is no timeout, so a minute counts with errors only.
    """
    lines = logged(snapshot, "timeout")
    reports = sum(1 for each in snapshot.reports if each.status == "timeout")
    failed = dict(zip(snapshot.errors.times, snapshot.errors.values, strict=False))
    killed = any(map(is_full, snapshot.reports)) or bool(logged(snapshot, "memory"))
    series = now(snapshot, snapshot.duration_most)
    minutes = sum(
        1
        for at, most in zip(series.times, series.values, strict=False)
        if most >= _AT_LIMIT * limit and failed.get(at)
    )
    return max(lines, reports, 0 if killed else minutes)


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def silence(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Nothing invokes a function that should be invoked.

    By its own schedule (`rate(…)` of an EventBridge rule, or `expected_every`), or since it was
    busy for the last hours. A function that is only throttled is invoked, and told apart.
    """
    if is_blind(snapshot.invocations) or any(gap.what == "metrics" for gap in snapshot.gaps):
        return
    if total(now(snapshot, snapshot.invocations)) or throttle_rate(snapshot).part:
        return
    period = _expected(snapshot, settings)
    quiet = _quiet_for(snapshot)
    ordinary = usual(snapshot.invocations, snapshot.at)
    least = settings.usual_traffic
    told = missed("invoked", period, quiet=quiet, ordinary=ordinary, least=least)
    if not told:
        return
    yield Finding(
        "LAMBDA_NOT_INVOKED",
        Severity.CRITICAL if period and quiet >= 3 * period else Severity.WARNING,
        told,
        evidence=(
            Evidence("not invoked for at least", quiet, "s", limit=2 * period if period else None),
            *(
                Evidence(f"rule {e.name}", f"{e.state} {e.schedule}".strip())
                for e in snapshot.rules
            ),
            Evidence("may invoke it", ", ".join(snapshot.callers) or None),
        ),
        likely=_why_silent(snapshot),
        against=() if period else ("compared with the last three hours, not with the time of day",),
        next="look at the rule, the event source mapping, or whoever calls it",
        fact=bool(period),
        began=_silent_since(snapshot, period),
        resolution=POINTS,
    )


def _expected(snapshot: Snapshot, settings: Settings) -> float | None:
    if settings.expected_every:
        return settings.expected_every
    periods = [period for each in snapshot.rules if (period := period_of(each.schedule))]
    return min(periods, default=None)


def _quiet_for(snapshot: Snapshot) -> float:
    """Seconds without an invocation, at least: as far back as was looked.

    By the hours only when the minutes have none: an hour that has not ended tells nothing.
    """
    quiet = quiet_for(snapshot.invocations, snapshot.at)
    if quiet is None:
        quiet = quiet_for(snapshot.hourly, snapshot.at, period=3600)
    return 3 * 86400.0 if quiet is None else quiet


def _silent_since(snapshot: Snapshot, period: float | None) -> datetime | None:
    """When the first invocation was due that did not come; without a schedule, after the last."""
    last = ended_since(of_hours(snapshot, snapshot.invocations))
    return None if last is None else min(last + timedelta(seconds=period or 0), snapshot.at)


def _why_silent(snapshot: Snapshot) -> tuple[str, ...]:
    causes = [f"the rule {e.name} is {e.state}" for e in snapshot.rules if e.state != "ENABLED"]
    causes += [
        f"its event source {each.source.rpartition(':')[2]} is {each.state}"
        for each in snapshot.mappings
        if each.state != "Enabled"
    ]
    if not snapshot.callers and not snapshot.mappings:
        causes.append("no policy of its own lets a service invoke it")
    return (*causes, "the trigger was removed", "whoever calls it is down")
