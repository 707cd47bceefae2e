"""Findings about answered requests: errors, latency, and traffic that stopped.

`UserErrors` has no table and excludes throttles (DynamoDB Developer Guide, "DynamoDB metrics and
dimensions").
"""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.connect.session import Series
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.units import duration, number
from probes.baseline import usual
from probes.began import POINTS, bad_since, dated, ended_since, reached_since, share_since
from probes.dynamodb.model import Operation, Snapshot, of_hours, requests
from probes.dynamodb.settings import Settings
from probes.metrics import (
    Rate,
    counted,
    held,
    history,
    is_blind,
    latest,
    mean,
    settled,
    together,
    total,
)

_QUICK = frozenset({"GetItem", "PutItem", "UpdateItem", "DeleteItem"})


def system_errors(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """DynamoDB itself answers 500: the trouble is on AWS's side.

    Callers that retry with back-off get through; without, they make it worse. Judged from
    `least_requests` on.
    """
    done = settled(requests(snapshot), snapshot.at)
    errors = settled(together(*(o.system_errors for o in snapshot.operations)), snapshot.at)
    failed = counted(errors, done)
    finished = total(done)
    rate = Rate(failed, None if finished is None else finished + (failed or 0))
    if not rate.enough(settings.least_requests):
        return
    severity = settings.system_errors.grade(rate.share)
    if severity is not None:
        yield Finding(
            "DDB_SYSTEM_ERRORS",
            severity,
            f"DynamoDB itself failed {rate.text()}",
            evidence=(
                Evidence("share", rate.share, "share", limit=settings.system_errors.first),
                Evidence("errors", failed),
            ),
            likely=("trouble inside AWS",),
            next="look at AWS Health, and keep retries with back-off",
            fact=False,
            began=share_since(
                of_hours(together(*(o.system_errors for o in snapshot.operations)), snapshot.at),
                of_hours(requests(snapshot), snapshot.at),
                settings.system_errors,
            ),
            resolution=POINTS,
        )


def latency(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Operations that take several times what they took in the last hours."""
    for operation in snapshot.operations:
        floor = settings.latency_floor if operation.name in _QUICK else settings.query_floor
        ordinary = usual(operation.latency, snapshot.at)
        now = settled(operation.latency, snapshot.at)
        value = mean(now)
        if not ordinary or value is None or value <= floor:
            continue
        times = Series(now.times, tuple(each / ordinary for each in now.values), now.status)
        severity = held(times, settings.latency_times)
        if severity is not None:
            hours = of_hours(operation.latency, snapshot.at)
            whole = Series(hours.times, tuple(each / ordinary for each in hours.values))
            began = reached_since(whole, settings.latency_times)
            yield from dated([_slow(operation, severity, now, ordinary=ordinary)], began, POINTS)


def _slow(operation: Operation, severity: Severity, now: Series, *, ordinary: float) -> Finding:
    """Operations take several times what they took in the last hours.

    It is the service's own time, without network or retries. Query and Scan grow with what they
    read, so compare sizes first.
    """
    value = mean(now) or 0.0
    return Finding(
        "DDB_LATENCY_HIGH",
        severity,
        f"{operation.name} takes {duration(value / 1000)}, {value / ordinary:.1f} times the usual",
        subject=operation.name,
        evidence=(
            Evidence("latency", value, "ms", limit=ordinary * 2, history=history(now)),
            Evidence("median of 3 hours", ordinary, "ms"),
        ),
        likely=("bigger items or pages", "trouble inside AWS", "replication"),
        against=("Query and Scan follow the page size",)
        if operation.name in {"Query", "Scan"}
        else (),
        next="compare item sizes and page sizes with before",
        fact=False,
    )


def user_errors(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Many more requests of the whole account are refused as wrong.

    AWS counts them per account and region: it may be any table and any caller. They are not
    throttles.
    """
    ordinary = usual(snapshot.user_errors, snapshot.at) or 0.0
    limit = max(settings.user_errors_floor, settings.user_errors_times * ordinary)
    now = settled(snapshot.user_errors, snapshot.at)
    value = latest(now)
    if value is None or held(now, Thresholds(warning=limit)) is None or value <= limit:
        return
    yield Finding(
        "DDB_USER_ERRORS_RISING",
        Severity.WARNING,
        f"{number(round(value))} client errors a minute in the whole account and region",
        subject="account",
        evidence=(
            Evidence("client errors", value, "/min", limit=limit, history=history(now)),
            Evidence("median of 3 hours", ordinary, "/min"),
        ),
        likely=("a deployment with a wrong request", "an IAM change", "a schema change"),
        against=("not throttling, and not of one table: AWS counts them per account",),
        next="search the callers' logs for validation and access errors",
        fact=False,
        began=bad_since(of_hours(snapshot.user_errors, snapshot.at), lambda errors: errors > limit),
        resolution=POINTS,
    )


def traffic(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A busy table is not asked any more: the trouble is upstream.

    The callers are down, cannot reach it, or were moved to another table. Compared with the last
    three hours, so a quiet night may look the same.
    """
    series = requests(snapshot)
    ordinary = usual(series, snapshot.at)
    if ordinary is None or ordinary <= settings.traffic_floor:
        return
    asked = together(series, *(lane.throttles for lane in snapshot.lanes))
    if is_blind(asked):
        return
    now = total(settled(asked, snapshot.at)) or 0.0
    whole = of_hours(asked, snapshot.at)
    share = now / 5 / ordinary
    severity = Severity.CRITICAL if now == 0 else settings.traffic_share.grade(share)
    if severity is not None:
        yield Finding(
            "DDB_TRAFFIC_STOPPED",
            severity,
            f"{number(round(now / 5, 1))} requests a minute, usually {number(round(ordinary))}",
            evidence=(
                Evidence("requests", now / 5, "/min", limit=ordinary * 0.1),
                Evidence("median of 3 hours", ordinary, "/min"),
            ),
            likely=("the callers are down", "a deployment moved them to another table"),
            against=("compared with the last three hours only, not with the time of day",),
            next="look at the callers first",
            fact=False,
            began=ended_since(whole)
            if now == 0
            else bad_since(
                whole, lambda asks: asks <= (settings.traffic_share.first or 0) * ordinary
            ),
            resolution=POINTS,
        )
