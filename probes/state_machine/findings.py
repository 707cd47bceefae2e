"""Findings about a state machine: how executions end, what holds them up, and silence."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from cockpit.connect.session import Series
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count, duration, number
from probes.baseline import usual
from probes.began import POINTS, TOLD, counted_since, ended_since, reached_since, share_since
from probes.began import told as told_by
from probes.metrics import held, history, is_blind, latest, quiet_for, settled, together, total
from probes.silence import missed
from probes.state_machine.model import Snapshot, failure_rate, now, of_hours
from probes.state_machine.settings import Settings


def status(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The machine itself.

    SFN_DELETING: Somebody deletes it: nothing can be started, what runs comes to its end.

    SFN_STATUS_UNKNOWN: A state, of it or of an execution, that is not in the cockpit's table.
    """
    state = snapshot.status.upper()
    if state == "DELETING":
        yield Finding(
            "SFN_DELETING",
            Severity.CRITICAL,
            "the state machine is being deleted: nothing can be started",
            evidence=(Evidence("status", snapshot.status),),
            likely=("somebody deleted it", "a stack was replaced"),
            next="find who deleted it; it comes back from its template only",
        )
    elif state != "ACTIVE":
        yield _unknown("the state machine", snapshot.status)
    for each in snapshot.failed:
        if each.status not in {"FAILED", "TIMED_OUT", "ABORTED"}:
            yield _unknown(f"execution {each.name}", each.status)


def _unknown(what: str, told: str) -> Finding:
    return Finding(
        "SFN_STATUS_UNKNOWN",
        Severity.WARNING,
        f"{what} is {told or 'in no state that is told'}",
        subject=what,
        evidence=(Evidence("status", told or None),),
        next="look it up in the Step Functions API reference",
    )


def failures(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Executions end badly.

    SFN_ALL_FAILING: Nine of ten and more: what the machine is for does not happen.

    SFN_FAILURE_RATE: A part fails or times out; few are told as `1 of 3`. A state that is tried
    again and succeeds is no failure.
    """
    rate = failure_rate(snapshot)
    if not rate.part or rate.share is None:
        return
    if rate.enough(settings.all_failing_least) and rate.share >= settings.all_failing:
        code, severity = "SFN_ALL_FAILING", Severity.CRITICAL
    elif rate.enough(settings.least_executions):
        graded = settings.failed.grade(rate.share)
        if graded is None:
            return
        code, severity = "SFN_FAILURE_RATE", graded
    else:
        code, severity = "SFN_FAILURE_RATE", Severity.WARNING
    late = total(now(snapshot, snapshot.timeouts))
    first = snapshot.errors[0] if snapshot.errors else None
    yield Finding(
        code,
        severity,
        f"{rate.text('executions', settings.least_executions)} failed",
        evidence=(
            Evidence("failed", rate.share, "share", limit=settings.failed.first),
            Evidence("timed out", late),
            Evidence("ended", rate.whole),
            Evidence("most frequent error", f"{first.count}× {first.error}" if first else None),
            Evidence("its cause", first.cause or None if first else None),
            Evidence("history", rate.part, history=history(now(snapshot, snapshot.failures))),
        ),
        likely=_causes(snapshot),
        next="repair what the error names; then executions can go on from where they failed",
        fact=False,
        began=_failing_since(snapshot, settings),
        resolution=POINTS,
    )


def _failing_since(snapshot: Snapshot, settings: Settings) -> datetime | None:
    """Since when minutes fail as is told of; with few executions, since the first failure."""
    bad = of_hours(snapshot, together(snapshot.failures, snapshot.timeouts))
    ended = together(bad, of_hours(snapshot, snapshot.succeeded))
    if failure_rate(snapshot).enough(settings.least_executions):
        return share_since(bad, ended, settings.failed)
    return counted_since(bad, together(ended, of_hours(snapshot, snapshot.starts)))


def _silent_since(snapshot: Snapshot, period: float | None) -> datetime | None:
    """When the first start was due that did not come; without a schedule, after the last."""
    last = ended_since(of_hours(snapshot, snapshot.starts))
    return None if last is None else min(last + timedelta(seconds=period or 0), snapshot.at)


def _causes(snapshot: Snapshot) -> tuple[str, ...]:
    names = {each.error for each in snapshot.errors}
    causes = []
    if snapshot.denials or "States.Permissions" in names:
        causes.append("its role is refused something")
    if any(name.startswith("Lambda.") for name in names):
        causes.append("a function that it calls is sick")
    if names & {"States.Timeout", "States.HeartbeatTimeout"}:
        causes.append("a state waits longer than it may")
    if names & {"States.DataLimitExceeded", "States.Runtime", "States.ParameterPathFailure"}:
        causes.append("data that the definition did not expect")
    return (*causes, "a release of the machine or of what it calls", "a dependency that fails")[:4]


def denied(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """AWS refuses the machine something: the cause of a failed execution says what, and to whom."""
    for each in snapshot.denials:
        yield Finding(
            "SFN_ACCESS_DENIED",
            Severity.WARNING,
            f"{each.principal or 'its role'} may not {each.action}"
            + (f" on {each.resource}" if each.resource else ""),
            subject=each.action,
            evidence=(
                Evidence("action", each.action),
                Evidence("resource", each.resource or None),
                Evidence("principal", each.principal or None),
                Evidence("why", each.why or None),
            ),
            likely=("a Deny was added" if each.explicit else "an Allow is missing",),
            next=each.help,
            fact=False,
        )


def slow(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """What runs takes long.

    SFN_SLOW: The slowest twentieth takes several times the usual.

    SFN_RUNNING_LONG: An execution runs far longer than usual: a task that never answers (a callback
    without a token sent, an activity without a worker) holds it until its timeout, and the default
    is no timeout at all.
    """
    ordinary = usual(snapshot.duration, snapshot.at)
    window = now(snapshot, snapshot.duration)
    value = latest(window)
    if ordinary and value is not None and value / 1000 >= settings.slow_floor:
        times = Series(window.times, tuple(v / ordinary for v in window.values), window.status)
        severity = held(times, settings.slow_times)
        if severity is not None:
            hours = of_hours(snapshot, snapshot.duration)
            yield Finding(
                "SFN_SLOW",
                severity,
                f"executions take {duration(value / 1000)}, {value / ordinary:.1f} times the usual",
                evidence=(
                    Evidence("95th percentile", value / 1000, "s", history=history(window)),
                    Evidence("median of 3 hours", ordinary / 1000, "s"),
                ),
                likely=(
                    "a state waits for something slow",
                    "retries",
                    "more work in one execution",
                ),
                next="which state takes longer? its task's own target says why",
                fact=False,
                began=reached_since(
                    Series(hours.times, tuple(v / ordinary for v in hours.values)),
                    settings.slow_times,
                ),
                resolution=POINTS,
            )
    oldest = snapshot.oldest
    if oldest is None:
        return
    lasted = (snapshot.at - oldest.started).total_seconds()
    limit = max(settings.running_long, settings.running_times * (ordinary or 0) / 1000)
    if lasted >= limit:
        yield Finding(
            "SFN_RUNNING_LONG",
            Severity.WARNING,
            f"an execution runs for {duration(lasted)}",
            subject=oldest.name,
            evidence=(
                Evidence("runs for", lasted, "s", limit=limit),
                Evidence("running", snapshot.running),
                Evidence("execution", oldest.name),
            ),
            likely=("a task that never answers, without a timeout", "a wait that is meant"),
            against=("machines may be made to wait for days: then raise `running_long`",),
            next="which state is it in? stop it only when its work is not half done",
            began=told_by(oldest.started, snapshot.at),
            resolution=TOLD,
        )


def limits(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Steps have to wait, or executions were stopped.

    SFN_THROTTLED: State transitions are above the account's rate: executions become slower, none is
    lost. Only of standard machines.

    SFN_ABORTED: Somebody, or something, stopped executions.
    """
    waited = total(now(snapshot, snapshot.throttled))
    if waited:
        yield Finding(
            "SFN_THROTTLED",
            Severity.WARNING,
            f"{number(waited)} steps had to wait: above the account's rate",
            evidence=(Evidence("waited", waited),),
            likely=("many executions at once", "a loop or a map with many short states"),
            next="start fewer at once, or let the quota of state transitions be raised",
            fact=False,
            account_limit="Step Functions' state transitions",
            began=counted_since(
                of_hours(snapshot, snapshot.throttled),
                of_hours(snapshot, together(snapshot.starts, snapshot.throttled)),
            ),
            resolution=POINTS,
        )
    stopped = total(now(snapshot, snapshot.aborts))
    if stopped:
        yield Finding(
            "SFN_ABORTED",
            Severity.INFO,
            f"{count(int(stopped), 'execution')} stopped by StopExecution",
            evidence=(Evidence("stopped", stopped),),
            next="who stopped them? what was begun may be half done",
            began=counted_since(
                of_hours(snapshot, snapshot.aborts),
                of_hours(snapshot, together(snapshot.starts, snapshot.aborts)),
            ),
            resolution=POINTS,
        )


def silence(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Nothing is started any more: whoever starts it is down, or its rule is disabled."""
    if is_blind(snapshot.starts) or any(gap.what == "metrics" for gap in snapshot.gaps):
        return
    if total(settled(snapshot.starts, snapshot.at)):  # the newest minutes come late: not silence
        return
    known = quiet_for(snapshot.starts, snapshot.at)
    quiet = 3 * 3600.0 if known is None else known
    period, ordinary = settings.expected_every, usual(snapshot.starts, snapshot.at)
    least = settings.usual_starts
    told = missed("started", period, quiet=quiet, ordinary=ordinary, least=least)
    if not told:
        return
    yield Finding(
        "SFN_NOT_STARTED",
        Severity.CRITICAL if period and quiet >= 3 * period else Severity.WARNING,
        told,
        evidence=(
            Evidence("not started for at least", quiet, "s"),
            Evidence("median of 3 hours", ordinary, "/min"),
        ),
        likely=("a rule or schedule is disabled", "a right to start it was lost", "no traffic"),
        against=() if period else ("compared with the last three hours, not the time of day",),
        next="look at whoever starts it",
        fact=False,
        began=_silent_since(snapshot, period),
        resolution=POINTS,
    )
