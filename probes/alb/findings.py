"""What is wrong with a load balancer: pure rules over one snapshot (catalogue A §1.4).

Zero requests are not zero per cent of errors, and a few requests are told as numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import duration, number
from probes.alb import begun
from probes.alb.arriving import clients, connections, traffic
from probes.alb.evidence import counted, grade_of, planned, said, share_of
from probes.alb.flows import flows_refused, network
from probes.alb.model import ELB_5XX, REQUESTS, AlbGroup, Snapshot, group_rate
from probes.alb.settings import Settings
from probes.began import POINTS, bad_since
from probes.metrics import Rate, history


def state(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The load balancer itself is not active.

    One that failed takes no traffic (critical). One that is impaired serves, and cannot grow with
    the load. A new one is not judged for `provisioning` seconds.
    """
    young = snapshot.age is not None and snapshot.age < settings.provisioning
    if snapshot.state == "active" or (snapshot.state == "provisioning" and young):
        return
    failed = snapshot.state == "failed"
    yield Finding(
        "ALB_NOT_ACTIVE",
        Severity.CRITICAL if failed else Severity.WARNING,
        f"the load balancer is {snapshot.state}"
        + (f": {snapshot.reason}" if snapshot.reason else ""),
        evidence=(
            Evidence("state", snapshot.state),
            Evidence("reason", snapshot.reason or "not told"),
            Evidence("age", snapshot.age, "s"),
        ),
        likely=(
            "its subnets have no free addresses to scale into",
            "something it depends on was deleted",
        ),
        next="look at the free addresses of its subnets",
    )


def balancer_errors(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Requests got a 5xx that the balancer made itself: no target answered them properly.

    The application's own metrics and logs show nothing of these. The codes tell why: 502 the target
    hung up, 503 there is none, 504 it did not answer in time, 500 what stands before it (firewall,
    sign-in).
    """
    rate = snapshot.rate("HTTPCode_ELB_5XX_Count")
    severity = grade_of(rate, settings.errors_elb, settings)
    if severity:
        yield Finding(
            "ALB_5XX_ELB_RATE",
            severity,
            f"the balancer itself answered 5xx to {said(rate, settings)}",
            evidence=(
                share_of("5xx of the balancer", rate, limit=settings.errors_elb.first),
                *(counted(snapshot, name) for name in ELB_5XX),
                counted(snapshot, REQUESTS),
            ),
            likely=_likely_codes(snapshot),
            against=planned(snapshot),
            next="look at the target groups behind it: no target, hung up, or no answer?",
            fact=False,
            began=begun.share(snapshot, "HTTPCode_ELB_5XX_Count", limits=settings.errors_elb),
            resolution=POINTS,
        )
    yield from _no_targets(snapshot)
    yield from _gateway(snapshot, settings, code="502")
    yield from _gateway(snapshot, settings, code="504")


def _no_targets(snapshot: Snapshot) -> Iterator[Finding]:
    """The balancer answers 503: a rule leads to a group without any target.

    Every request of that rule fails. A fixed response of a maintenance page may be meant.
    """
    values = snapshot.cut("HTTPCode_ELB_503_Count")
    if len(values.values) < 2 or not all(value > 0 for value in values.values[-2:]):
        return
    if (values.times[-1] - values.times[-2]).total_seconds() > 60:
        return
    yield Finding(
        "ALB_503_NO_TARGETS",
        Severity.CRITICAL,
        f"the balancer answers 503: {number(sum(values.values))} in 5 minutes had no target",
        evidence=(
            Evidence(
                "503 of the balancer",
                sum(values.values),
                limit=0.0,
                history=history(snapshot.of("HTTPCode_ELB_503_Count")),
            ),
            counted(snapshot, REQUESTS),
        ),
        likely=(
            "every group of the rule is empty: the service is down or scaled to 0",
            "a rule points to a group without targets",
        ),
        against=planned(snapshot),
        next="look for an empty target group behind it",
        began=begun.counts(snapshot, "HTTPCode_ELB_503_Count"),
        resolution=POINTS,
    )


_GATEWAY = {
    "502": (
        "ALB_502_BAD_GATEWAY",
        "bad gateway",
        (
            "the target crashes in mid-request, or is killed for memory",
            "the target's keep-alive is shorter than the balancer's idle timeout",
            "the target answers with a header that is not HTTP, or too large",
        ),
    ),
    "504": (
        "ALB_504_TIMEOUT",
        "gateway timeout",
        (
            "the target hangs: it waits for a lock, a pool or a third party",
            "a network ACL or security group drops the packets",
            "the idle timeout is shorter than the slowest answers",
        ),
    ),
}


def _gateway(snapshot: Snapshot, settings: Settings, *, code: str) -> Iterator[Finding]:
    """Requests reached a target and got no proper answer from it.

    ALB_502_BAD_GATEWAY: The target closed the connection or answered something that is not HTTP: it
    crashed in mid-request, was killed, or closes idle connections earlier than the balancer does.

    ALB_504_TIMEOUT: The target did not take the connection, or did not answer within the idle
    timeout. It hangs, or packets are dropped on the way.
    """
    name, (finding, words, likely) = f"HTTPCode_ELB_{code}_Count", _GATEWAY[code]
    rate = snapshot.rate(name)
    severity = grade_of(rate, settings.gateway, settings)
    minutes = snapshot.cut(name).values[-3:]
    steady = len(minutes) == 3 and min(minutes) >= settings.gateway_a_minute
    if severity is None and steady and not rate.enough(settings.min_requests):
        severity = Severity.WARNING
    if severity is None:
        return
    yield Finding(
        finding,
        severity,
        f"{words}: {said(rate, settings)} ended with {code}",
        evidence=(
            share_of(f"answers {code}", rate, limit=settings.gateway.first),
            counted(snapshot, name),
            counted(snapshot, "TargetConnectionErrorCount"),
            Evidence("p99", snapshot.latency_p99, "s"),
        ),
        likely=likely,
        next="look at the stopped tasks, locks and latencies of the service behind it",
        fact=False,
        began=begun.share(snapshot, name, limits=settings.gateway),
        resolution=POINTS,
    )


def target_errors(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """5xx of the applications, group by group; of the whole when no group can be told."""
    told = False
    for group in snapshot.groups:
        rate = group_rate(group, "HTTPCode_Target_5XX_Count", snapshot.at)
        severity = grade_of(rate, settings.errors_target, settings)
        if severity:
            told = True
            yield _target_errors(snapshot, rate, severity=severity, group=group, settings=settings)
    rate = snapshot.rate("HTTPCode_Target_5XX_Count")
    severity = grade_of(rate, settings.errors_target, settings)
    if severity and not told:
        yield _target_errors(snapshot, rate, severity=severity, group=None, settings=settings)


def _target_errors(
    snapshot: Snapshot,
    rate: Rate,
    *,
    severity: Severity,
    group: AlbGroup | None,
    settings: Settings,
) -> Finding:
    """The applications behind it answer 5xx themselves.

    They are reached and fail at their work: look at their logs, their latest deployment and what
    they need. Told for each group, or for the whole when no single group stands out.
    """
    code, limits = "HTTPCode_Target_5XX_Count", settings.errors_target
    series = (group or snapshot).of(code)
    return Finding(
        "ALB_5XX_TARGET_RATE",
        severity,
        f"{group.name if group else 'the targets'} answered 5xx to {said(rate, settings)}",
        subject=group.name if group else "",
        evidence=(
            share_of("5xx of the targets", rate, limit=settings.errors_target.first),
            Evidence(
                "5xx a minute",
                round(series.values[-1]) if series.values else None,
                history=history(series),
            ),
            Evidence("p99", snapshot.latency_p99, "s"),
        ),
        likely=(
            "the application fails, often since a deployment",
            "its database, cache or a third party fails or is exhausted",
        ),
        next="look at the latest deployment and at what the service needs",
        fact=False,
        began=begun.share(snapshot, code, limits=limits)
        if group is None
        else begun.share_of_group(group, code, snapshot.at, limits=limits),
        resolution=POINTS,
    )


def latency(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Answers are slow, judged by their 95th percentile.

    Also against a day earlier, once above `latency_floor`. Requests that never got an answer are
    not in it (see ALB_504_TIMEOUT), and with little traffic nothing is judged.
    """
    p95, day = snapshot.latency_p95, snapshot.latency_p95_day
    severity = settings.latency.grade(p95)
    ratio = p95 / day if p95 is not None and day else None
    if ratio is not None and p95 is not None and p95 >= settings.latency_floor:
        graded = settings.latency_ratio.grade(ratio)
        severity = max(filter(None, (severity, graded)), default=None)
    if severity is None or p95 is None or not snapshot.rate().enough(settings.few_requests):
        return
    than = f", {ratio:.1f} times a day ago" if ratio is not None else ", nothing to compare with"
    yield Finding(
        "ALB_LATENCY_HIGH",
        severity,
        f"p95 of answers is {duration(p95)}{than}",
        evidence=(
            Evidence("p95", p95, "s", limit=settings.latency.first),
            Evidence("p50", snapshot.latency_p50, "s"),
            Evidence("p99", snapshot.latency_p99, "s"),
            Evidence("p95 a day ago", day, "s"),
            counted(snapshot, REQUESTS),
        ),
        likely=(
            "the database: locks, slow statements, exhausted connections",
            "a slow third party",
            "CPU or garbage collection of the service; a cold cache",
        ),
        next="look at the databases and services that it needs",
        fact=False,
        began=_slow_since(snapshot, settings),
        resolution=begun.BUCKETS,
    )


def _slow_since(snapshot: Snapshot, settings: Settings) -> datetime | None:
    """Since when five minutes reach the mildest limit, or that many times a day ago."""
    alone = settings.latency.first or math.inf
    times, day = settings.latency_ratio.first or math.inf, snapshot.latency_p95_day or math.inf
    least = min(alone, max(settings.latency_floor, times * day))
    return bad_since(snapshot.p95_buckets, lambda p95: p95 >= least, period=300)


APPLICATION = (state, balancer_errors, target_errors, latency, connections, traffic, clients)
NETWORK = (state, network, flows_refused, traffic)


def _likely_codes(snapshot: Snapshot) -> tuple[str, ...]:
    """Causes in the order in which the balancer's own codes were counted."""
    meaning = {
        "HTTPCode_ELB_502_Count": "targets hang up or crash in mid-request (502)",
        "HTTPCode_ELB_503_Count": "no target is registered (503)",
        "HTTPCode_ELB_504_Count": "targets do not answer in time (504)",
        "HTTPCode_ELB_500_Count": "the firewall or the identity provider fails (500)",
    }
    counts = {name: snapshot.sum(name) or 0 for name in meaning}
    ranked = sorted(meaning, key=lambda name: -counts[name])
    return tuple(meaning[name] for name in ranked if counts[name] or not any(counts.values()))
