"""Findings about a DynamoDB table: throttles by their reason, capacity, errors, latency, status.

The metric traps (DynamoDB Developer Guide, "DynamoDB metrics and dimensions"): `UserErrors` has no
table and excludes throttles; the series of a table excludes its indexes; throttle series are silent
at zero; consumption stays below what is provisioned, so the demand is consumed plus throttled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from cockpit.connect.session import Series
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.units import count, duration, number, percent
from probes.baseline import usual
from probes.dynamodb.model import (
    ACCOUNT,
    KEY_RANGE,
    ON_DEMAND,
    OWN_CAP,
    Activity,
    Lane,
    Operation,
    ScalingTarget,
    Snapshot,
    demand,
    minutes_of,
    suggested,
    throttled,
    used,
)
from probes.metrics import (
    Rate,
    counted,
    filled,
    held,
    history,
    is_blind,
    latest,
    mean,
    settled,
    together,
    total,
)

_OK = frozenset({"ACTIVE"})
_MOVING = frozenset({"CREATING", "UPDATING", "ARCHIVING"})
_BAD = frozenset(
    {
        "DELETING",
        "ARCHIVED",
        "INACCESSIBLE_ENCRYPTION_CREDENTIALS",
        "REPLICATION_NOT_AUTHORIZED",
    }
)
_QUICK = frozenset({"GetItem", "PutItem", "UpdateItem", "DeleteItem"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Shares are of one, times seconds, latencies milliseconds."""

    throttles: Thresholds = Thresholds(warning=1)
    """Events in the last two complete minutes."""
    throttled_share: Thresholds = Thresholds(critical=0.01)
    throttled_a_minute: Thresholds = Thresholds(critical=100)
    """Reached in three of five minutes."""
    least_requests: float = 100
    used: Thresholds = Thresholds(warning=0.80, critical=0.95)
    uneven: float = 0.6
    """Throttles below this share of the capacity point at a hot key or at spikes."""
    system_errors: Thresholds = Thresholds(warning=0.001, critical=0.01)
    latency_times: Thresholds = Thresholds(warning=2, critical=5)
    """Of the median of the last three hours."""
    latency_floor: float = 10
    query_floor: float = 50
    user_errors_times: float = 3
    user_errors_floor: float = 50
    """A minute."""
    moving: Thresholds = Thresholds(warning=1800)
    replication: Thresholds = Thresholds(warning=5000, critical=60_000)
    traffic_share: Thresholds = Thresholds(warning=0.1, below=True)
    traffic_floor: float = 100
    """Requests a minute that make a table normally busy."""


def status(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The table is not, or not for long, what clients need."""
    state = snapshot.status.upper()
    if state in _OK:
        return
    since = snapshot.status_since
    lasted = None if since is None else (snapshot.at - since).total_seconds()
    shown = (Evidence("status", snapshot.status), Evidence("for", lasted, "s"))
    if state not in _MOVING | _BAD:
        yield Finding(
            "DDB_STATUS_UNKNOWN",
            Severity.WARNING,
            f"the status {snapshot.status} is not known to the cockpit",
            evidence=shown,
            next="look it up in the DynamoDB API reference",
        )
        return
    severity = Severity.CRITICAL if state in _BAD else settings.moving.grade(lasted)
    if state == "ARCHIVING":
        severity = Severity.WARNING
    if severity is not None:
        yield Finding(
            "DDB_TABLE_NOT_ACTIVE",
            severity,
            f"the table is {snapshot.status}" + (f" for {duration(lasted)}" if lasted else ""),
            evidence=shown,
            likely=_STATUS_CAUSES.get(state, ("a capacity change that takes long", "a quota")),
            next="find who changed the table or its key in CloudTrail",
        )


_STATUS_CAUSES = {
    "INACCESSIBLE_ENCRYPTION_CREDENTIALS": ("the KMS key was disabled or its policy changed",),
    "DELETING": ("somebody deleted the table",),
    "ARCHIVED": ("the KMS key was gone for seven days",),
}


def requests(snapshot: Snapshot) -> Series:
    """Successful requests in each minute, over all operations."""
    return together(*(each.requests for each in snapshot.operations))


def throttle_severity(snapshot: Snapshot, lane: Lane, settings: Settings) -> Severity | None:
    """How bad the throttling of a lane is; None for none, and when it is not known."""
    window = minutes_of(lane, snapshot.at)
    points = filled(window.throttles, window.consumed)
    events = sum(points.values[-2:])
    severity = settings.throttles.grade(events) if events else None
    if severity is None:
        return None
    heavy = held(points, settings.throttled_a_minute)
    if sum(1 for value in points.values if value > 0) >= 3:
        heavy = heavy or _share(snapshot, lane).grade(
            settings.throttled_share, minimum=settings.least_requests
        )
    return severity if heavy is None else max(severity, heavy)


def _share(snapshot: Snapshot, lane: Lane) -> Rate:
    """Throttled events of all that was asked for in the window."""
    events = throttled(lane, snapshot.at)
    done = total(settled(requests(snapshot), snapshot.at))
    return Rate(events, None if events is None or done is None else done + events)


def throttles(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Each throttled lane, under the code of what throttles it."""
    for lane in snapshot.lanes:
        severity = throttle_severity(snapshot, lane, settings)
        if severity is None:
            continue
        reasons = {each.reason: each.events for each in lane.reasons or () if each.events}
        hot, limits = reasons.pop(KEY_RANGE, 0.0), _limits(reasons)
        if hot:
            yield _hot(snapshot, lane, severity)
        for code, reason in limits:
            yield _limited(snapshot, lane, severity, code=code, reason=reason)
            reasons.pop(reason)
        if reasons or not (hot or limits):
            yield _short(snapshot, lane, severity, settings)


def _limits(reasons: dict[str, float]) -> list[tuple[str, str]]:
    codes = (("DDB_ACCOUNT_LIMIT", ACCOUNT), ("DDB_ON_DEMAND_CAP", OWN_CAP))
    return [(code, reason) for code, reason in codes if reasons.get(reason)]


def _evidence(snapshot: Snapshot, lane: Lane) -> tuple[Evidence, ...]:
    window = minutes_of(lane, snapshot.at)
    points = filled(window.throttles, window.consumed)
    share = used(lane, snapshot.at)
    told = ", ".join(f"{each.reason} {number(round(each.events))}" for each in lane.reasons or ())
    return (
        Evidence(
            "throttled in 5 min", _round(throttled(lane, snapshot.at)), history=history(points)
        ),
        Evidence("of requests", _share(snapshot, lane).share, "share", limit=0.01),
        Evidence("provisioned", lane.provisioned, "units/s"),
        Evidence("demand", _round(demand(lane, snapshot.at)), "units/s", limit=lane.provisioned),
        Evidence("used", mean(share), "share", history=history(share)),
        Evidence("reasons", told or None),
        Evidence("billing", snapshot.billing_mode),
        *_scaling_evidence(snapshot, lane),
    )


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _scaling_evidence(snapshot: Snapshot, lane: Lane) -> Iterator[Evidence]:
    target = scaling_of(snapshot, lane)
    if target is not None:
        yield Evidence("auto scaling", f"{target.minimum} to {target.maximum}")
        if snapshot.activities:
            last = snapshot.activities[0]
            yield Evidence("last scaling", f"{last.status}: {last.message or last.description}")


def scaling_of(snapshot: Snapshot, lane: Lane) -> ScalingTarget | None:
    """The auto scaling of a lane; None when there is none."""
    same = (lane.direction, lane.index)
    return next((t for t in snapshot.scaling if (t.direction, t.index) == same), None)


def _hot(snapshot: Snapshot, lane: Lane, severity: Severity) -> Finding:
    limit = "3,000 reads" if lane.direction == "read" else "1,000 writes"
    return Finding(
        "DDB_HOT_PARTITION",
        severity,
        f"{lane.name}s of one key range are throttled: a partition gives {limit} a second",
        subject=lane.name,
        evidence=_evidence(snapshot, lane),
        likely=("one hot key", "a key that grows with time", "a scan"),
        against=("more capacity does not help a single partition",),
        next="find the key: Contributor Insights, or the callers' logs",
    )


def _limited(
    snapshot: Snapshot, lane: Lane, severity: Severity, *, code: str, reason: str
) -> Finding:
    if reason == ACCOUNT:
        what, cause = "the account's quota for a table", "traffic grew to the quota of 40,000"
    else:
        what, cause = "the table's own maximum", "the maximum was set for an earlier load"
    return Finding(
        code,
        severity,
        f"{lane.name}s are throttled by {what}",
        subject=lane.name,
        evidence=(
            *_evidence(snapshot, lane),
            Evidence("own maximum", _own_cap(snapshot, lane), "units/s"),
        ),
        likely=(cause,),
        next="raise it, after a look at where the traffic comes from",
    )


def _own_cap(snapshot: Snapshot, lane: Lane) -> int | None:
    return snapshot.own_cap_read if lane.direction == "read" else snapshot.own_cap_write


def _short(snapshot: Snapshot, lane: Lane, severity: Severity, settings: Settings) -> Finding:
    """Too little capacity: of the table, or of an index, which holds up the table's writes too."""
    on_demand = snapshot.billing_mode == ON_DEMAND
    events = throttled(lane, snapshot.at)
    told = f"{count(round(events or 0), f'{lane.name} event')} throttled in 5 minutes"
    share = mean(used(lane, snapshot.at))
    uneven = share is not None and share < settings.uneven
    wanted = demand(lane, snapshot.at)
    if lane.provisioned is not None and wanted is not None:
        told += f": {number(round(wanted, 1))} units/s asked for, {lane.provisioned} provisioned"
    against = []
    if uneven and share is not None:
        used_up = percent(share)
        against.append(f"only {used_up} used on average: a hot key or a spike within the minute")
    if lane.reasons is None:
        against.append("the metrics that tell the reason gave nothing")
    if on_demand:
        return Finding(
            "DDB_HOT_PARTITION",
            severity,
            f"{told} on an on-demand table",
            subject=lane.name,
            evidence=_evidence(snapshot, lane),
            likely=("one hot key", "traffic more than doubled within 30 minutes"),
            against=tuple(against),
            next="find the key: Contributor Insights, or the callers' logs",
        )
    return Finding(
        "DDB_GSI_THROTTLED" if lane.index else "DDB_THROTTLED_PROVISIONED",
        severity,
        told,
        subject=lane.name,
        evidence=(
            *_evidence(snapshot, lane),
            Evidence("suggested", suggested(wanted, lane.provisioned), "units/s"),
        ),
        likely=_short_causes(snapshot, lane),
        against=tuple(against),
        next="raise the capacity, and the scaling minimum where auto scaling is on",
    )


def _short_causes(snapshot: Snapshot, lane: Lane) -> tuple[str, ...]:
    target = scaling_of(snapshot, lane)
    causes = ["the capacity is below the demand"]
    if lane.index:
        causes.insert(0, "the index is narrower than its table: it throttles the table's writes")
        if any(each.name == lane.index and each.backfilling for each in snapshot.indexes):
            causes.insert(0, "the index is being filled")
    if target is not None:
        causes.append("auto scaling is at its maximum, suspended, or too slow for the growth")
    else:
        causes.append("no auto scaling")
    return tuple(causes)


def capacity(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Provisioned capacity that is nearly used up. On demand there is nothing to judge."""
    for lane in snapshot.lanes:
        share = used(lane, snapshot.at)
        severity, value = held(share, settings.used), latest(share)
        if severity is None or value is None:
            continue
        yield Finding(
            "DDB_CAPACITY_HIGH",
            severity,
            f"{percent(value)} of the {lane.name} capacity is used",
            subject=lane.name,
            evidence=(
                Evidence("used", value, "share", limit=settings.used.first, history=history(share)),
                Evidence("provisioned", lane.provisioned, "units/s"),
                *_scaling_evidence(snapshot, lane),
            ),
            likely=("growth", "a batch job"),
            next="raise the capacity before the burst credit of 5 minutes is gone",
            fact=False,
        )


def scaling(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Auto scaling that cannot follow. What is on-demand needs none."""
    if snapshot.billing_mode == ON_DEMAND:
        return
    for lane in snapshot.lanes:
        target = scaling_of(snapshot, lane)
        why = "" if target is None else _blocked(snapshot, lane, target, settings=settings)
        if target is None or not why:
            continue
        yield Finding(
            "DDB_AUTOSCALING_BLOCKED",
            Severity.WARNING,
            f"auto scaling of {lane.name} capacity does nothing: {why}",
            subject=lane.name,
            evidence=(
                Evidence("provisioned", lane.provisioned, "units/s", limit=target.maximum),
                Evidence("bounds", f"{target.minimum} to {target.maximum}"),
                Evidence("policies", target.policies),
                *_scaling_evidence(snapshot, lane),
            ),
            likely=("somebody suspended it or deleted its policy", "the maximum is too low"),
            next="raise the maximum, or resume it",
        )


def _blocked(snapshot: Snapshot, lane: Lane, target: ScalingTarget, *, settings: Settings) -> str:
    if target.suspended:
        return "it is suspended"
    if target.policies == 0:
        return "it has no policy"
    busy = throttle_severity(snapshot, lane, settings) or held(
        used(lane, snapshot.at), settings.used
    )
    if busy and lane.provisioned is not None and lane.provisioned >= target.maximum:
        return f"it is at its maximum of {target.maximum}"
    last = _last_activity(snapshot)
    if last is None:
        return ""
    if last.status == "Failed" or (busy and last.status == "Unfulfilled"):
        return last.message or f"the last activity is {last.status}"
    return ", ".join(last.not_scaled) if busy else ""


def _last_activity(snapshot: Snapshot) -> Activity | None:
    """The newest of the last hour, unless somebody has changed the capacity since."""
    changed = [each for each in (snapshot.increased_at, snapshot.decreased_at) if each]
    start = max([snapshot.at - timedelta(hours=1), *changed])
    return next((each for each in snapshot.activities if each.at > start), None)


def system_errors(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """HTTP 500 inside DynamoDB: AWS's side."""
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
            yield _slow(operation, severity, now, ordinary=ordinary)


def _slow(operation: Operation, severity: Severity, now: Series, *, ordinary: float) -> Finding:
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
    """Client errors of the whole account. They are not throttles and have no table."""
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
    )


def replication(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Other regions that lag, or are not there. An idle table has no latency, which is fine."""
    for replica in snapshot.replicas:
        seen = settled(replica.latency, snapshot.at)
        severity = held(seen, settings.replication)
        state = replica.status.upper()
        if state and state != "ACTIVE":
            moving = state in {"CREATING", "UPDATING"}
            severity = Severity.WARNING if moving else Severity.CRITICAL
        if severity is None:
            continue
        late = mean(seen)
        told = f"replica {replica.region} is {replica.status or 'late'}"
        yield Finding(
            "DDB_REPLICATION_DELAYED",
            severity,
            told + (f", {duration(late / 1000)} behind" if late is not None else ""),
            subject=replica.region,
            evidence=(
                Evidence("status", replica.status or None),
                Evidence("latency", late, "ms", limit=settings.replication.first),
            ),
            likely=("trouble in the region", "the replica is throttled"),
            next="look at the table in the other region",
            fact=state not in {"", "ACTIVE"},
        )


def traffic(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A busy table that nobody asks any more: the trouble is upstream."""
    series = requests(snapshot)
    ordinary = usual(series, snapshot.at)
    if ordinary is None or ordinary <= settings.traffic_floor:
        return
    asked = together(series, *(lane.throttles for lane in snapshot.lanes))
    if is_blind(asked):
        return
    now = total(settled(asked, snapshot.at)) or 0.0
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
        )
