"""Findings about concurrency: throttles, the reserve, and the account's pool.

Source: Lambda Developer Guide, "Understanding Lambda function scaling": a function without a
reserve takes from the pool that all others share; one with a reserve has it and no more.
"""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.connect.session import Series
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import number, percent
from probes.began import POINTS, counted_since, reached_since
from probes.lambda_function.model import Snapshot, now, of_hours, throttle_rate
from probes.lambda_function.settings import Settings
from probes.metrics import held, history, latest, peak, running, settled, together

_QUEUES = ":sqs:"
_BULKHEAD, _BUSY = 0.5, 0.8


def is_throttled(snapshot: Snapshot) -> bool:
    """Whether anything was throttled in the window."""
    return bool(throttle_rate(snapshot).part)


def throttles(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Attempts are refused since no environment may be started for them.

    A synchronous caller gets 429; asynchronous events and queues are tried again, and get old. The
    limit is the function's own reserve, or the account's pool; in a steep rise it may be neither: a
    function gains at most 1,000 environments in ten seconds.
    """
    rate = throttle_rate(snapshot)
    series = now(snapshot, snapshot.throttles)
    if not rate.part or running(series, lambda value: value > 0) < 2:
        return
    severity = settings.throttled_share.grade(rate.share) or Severity.WARNING
    kept = snapshot.reserved is not None and any(_QUEUES in e.source for e in snapshot.mappings)
    if kept and severity is Severity.CRITICAL and snapshot.reserved:
        severity = Severity.WARNING
    yield Finding(
        "LAMBDA_THROTTLED",
        severity,
        f"{rate.text('attempts', settings.least_invocations)} were throttled",
        evidence=(
            Evidence("throttled", rate.share, "share", limit=settings.throttled_share.first),
            Evidence("throttles", rate.part, history=history(series)),
            *_limits(snapshot),
        ),
        likely=_why_throttled(snapshot),
        against=("a queue is polled again: a reserve may be meant to slow it down",)
        if kept
        else (),
        next="raise or remove the reserve when it is too small; else find who uses the pool up",
        fact=False,
        account_limit="Lambda's concurrent executions" if _pool_is_why(snapshot) else "",
        began=counted_since(
            of_hours(snapshot, snapshot.throttles),
            of_hours(snapshot, together(snapshot.invocations, snapshot.throttles)),
        ),
        resolution=POINTS,
    )


def _limits(snapshot: Snapshot) -> tuple[Evidence, ...]:
    reserved = "unknown" if not snapshot.reserved_known else "none"
    return (
        Evidence("reserved", reserved if snapshot.reserved is None else snapshot.reserved),
        Evidence("running at once", peak(now(snapshot, snapshot.concurrency))),
        Evidence("account's limit", snapshot.account_limit),
        Evidence("unreserved pool", snapshot.unreserved_limit),
    )


def _why_throttled(snapshot: Snapshot) -> tuple[str, ...]:
    if snapshot.reserved is not None:
        return (f"its reserved concurrency is {snapshot.reserved}", "it takes longer than before")
    busy = _pool_is_why(snapshot)
    others = tuple(f"{each.name} runs {number(each.most)} at once" for each in snapshot.beside[:2])
    if busy:
        return ("the account's pool is used up", *others, "a slow dependency: each runs longer")
    return ("a steep rise: environments are added at a limited rate", "a burst of events", *others)


def _pool_is_why(snapshot: Snapshot) -> bool:
    """Whether what throttles it is, as far as is known, the pool that all share."""
    used = _used(snapshot)
    return snapshot.reserved is None and used is not None and used >= _BUSY


def switched_off(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Reserved concurrency of 0 is a switch that is off: every attempt is throttled.

    At 1 it is nearly that: one invocation at a time. Both are used in an incident to stop a
    function, and forgotten.
    """
    if snapshot.reserved not in {0, 1}:
        return
    off = snapshot.reserved == 0
    yield Finding(
        "LAMBDA_DISABLED_BY_CONCURRENCY",
        Severity.CRITICAL if off else Severity.WARNING,
        "reserved concurrency is 0: nothing can invoke it"
        if off
        else "reserved concurrency is 1: one invocation at a time",
        evidence=_limits(snapshot),
        likely=("somebody stopped it on purpose and did not start it again",),
        against=() if off else ("one at a time may be meant: a job that must not overlap",),
        next="who set it, and is the reason gone?",
    )


def account(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The pool that the functions of an account and region share is nearly used up.

    LAMBDA_ACCOUNT_CONCURRENCY_HIGH: Told at the function that takes most of it, of those that are
    looked at: at the limit every function without a reserve is throttled. The cause is most often
    one that became slow, since concurrency is rate times duration.

    LAMBDA_NO_RESERVED_LIMIT: Half of the pool is taken, and nothing keeps this function from taking
    the rest: it has no reserve, which is also a limit.
    """
    used = _used(snapshot)
    own = peak(settled(snapshot.concurrency, snapshot.at))
    if used is None or own is None or any(each.most > own for each in snapshot.beside):
        return
    severity = held(_share(snapshot), settings.account)
    if severity is not None:
        yield Finding(
            "LAMBDA_ACCOUNT_CONCURRENCY_HIGH",
            severity,
            f"{percent(used)} of the account's concurrency of "
            f"{number(snapshot.account_limit or 0)} is taken",
            subject="account",
            evidence=(
                Evidence("taken", used, "share", limit=settings.account.first),
                Evidence("by this function", own),
                *(Evidence(f"by {each.name}", each.most) for each in snapshot.beside),
            ),
            likely=("a dependency became slow, and each invocation takes longer", "a surge"),
            against=("functions that are not looked at are not compared",),
            next="which of them became slower? limit that one before it takes the rest",
            fact=False,
            began=reached_since(_share(snapshot, 180), settings.account),
            resolution=POINTS,
        )
    if used >= _BULKHEAD and snapshot.reserved is None and snapshot.reserved_known:
        yield Finding(
            "LAMBDA_NO_RESERVED_LIMIT",
            Severity.INFO,
            "nothing keeps it from taking the whole pool: it has no reserved concurrency",
            evidence=_limits(snapshot),
            next="give it a reserve when others must not suffer from it",
            fact=False,
        )


def _used(snapshot: Snapshot) -> float | None:
    return latest(_share(snapshot))


def _share(snapshot: Snapshot, minutes: float = 5) -> Series:
    """Claimed concurrency as a share of the account's limit; empty when either is unknown."""
    limit = snapshot.account_limit
    if not limit:
        return Series()
    series = settled(snapshot.claimed, snapshot.at, minutes=minutes)
    return Series(series.times, tuple(value / limit for value in series.values), series.status)
