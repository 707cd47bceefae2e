"""Findings about throttled requests, under the code of what throttles them.

The metric traps (DynamoDB Developer Guide, "DynamoDB metrics and dimensions"): throttle series are
silent at zero; the series of a table excludes its indexes; consumption stays below what is
provisioned, so the demand is consumed plus throttled.
"""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count, number, percent
from probes.began import POINTS, counted_since, dated
from probes.dynamodb.model import (
    ACCOUNT,
    KEY_RANGE,
    ON_DEMAND,
    OWN_CAP,
    Lane,
    ScalingTarget,
    Snapshot,
    demand,
    minutes_of,
    of_hours,
    requests,
    suggested,
    throttled,
    used,
)
from probes.dynamodb.settings import Settings
from probes.dynamodb.warm import over_warm, too_cold
from probes.metrics import Rate, filled, held, history, mean, settled, total


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
        if severity is not None:
            some, done = (of_hours(each, snapshot.at) for each in (lane.throttles, lane.consumed))
            found = _throttled(snapshot, lane, severity, settings=settings)
            yield from dated(found, counted_since(some, done), POINTS)


def _throttled(
    snapshot: Snapshot, lane: Lane, severity: Severity, *, settings: Settings
) -> Iterator[Finding]:
    reasons = {each.reason: each.events for each in lane.reasons or () if each.events}
    hot, limits = (
        reasons.pop(KEY_RANGE, 0.0),
        [each for each in (ACCOUNT, OWN_CAP) if each in reasons],
    )
    if over_warm(snapshot, lane) and not limits:
        yield too_cold(snapshot, lane, severity, _evidence(snapshot, lane))
        return
    if hot:
        yield _hot(snapshot, lane, severity)
    for reason in limits:
        yield _limited(snapshot, lane, severity, reason)
        reasons.pop(reason)
    if reasons or not (hot or limits):
        yield _short(snapshot, lane, severity, settings)


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
        *_insights_evidence(lane),
        Evidence("billing", snapshot.billing_mode),
        *(_bulk_evidence(snapshot) if lane.direction == "write" else ()),
        *scaling_evidence(snapshot, lane),
    )


def _insights_evidence(lane: Lane) -> Iterator[Evidence]:
    if lane.insights is not None:
        mode = lane.insights.mode.replace("_", " ").lower()
        yield Evidence(
            "Contributor Insights", ", ".join(filter(None, (lane.insights.status, mode)))
        )


def _find_key(lane: Lane) -> str:
    """Where the hot key is to be read, by whether anything counts keys."""
    told = lane.insights
    if told is None:
        return "find the key: Contributor Insights, or the callers' logs"
    if told.status != "ENABLED":
        return (
            "find the key in the callers' logs: Contributor Insights is"
            f" {told.status.lower() or 'in no known state'}, and once on counts from then on"
        )
    rules = [rule for rule in told.rules if "PKT" in rule or "SKT" in rule] or list(told.rules)
    named = f": {', '.join(rules[:2])}" if rules else ""
    return f"read the throttled keys in Contributor Insights{named}"


def _bulk_evidence(snapshot: Snapshot) -> Iterator[Evidence]:
    for each in snapshot.bulk[:3]:
        done = "" if each.share is None else f", {percent(each.share)} read"
        yield Evidence("a bulk put", f"{each.status}{done}: {each.arn}")


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def scaling_evidence(snapshot: Snapshot, lane: Lane) -> Iterator[Evidence]:
    """The bounds of a lane's auto scaling, and what it did last; nothing without any."""
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
    """Requests for one range of keys are throttled although the table has capacity left.

    One partition gives a fixed number of requests a second. More capacity does not help; another
    key, or a cache in front of it, does.
    """
    limit = "3,000 reads" if lane.direction == "read" else "1,000 writes"
    return Finding(
        "DDB_HOT_PARTITION",
        severity,
        f"{lane.name}s of one key range are throttled: a partition gives {limit} a second",
        subject=lane.name,
        evidence=_evidence(snapshot, lane),
        likely=("one hot key", "a key that grows with time", "a scan"),
        against=("more capacity does not help a single partition",),
        next=_find_key(lane),
    )


_LIMITS = {
    ACCOUNT: (
        "DDB_ACCOUNT_LIMIT",
        "the account's quota for a table",
        "traffic grew to the quota of 40,000",
    ),
    OWN_CAP: (
        "DDB_ON_DEMAND_CAP",
        "the table's own maximum",
        "the maximum was set for an earlier load",
    ),
}


def _limited(snapshot: Snapshot, lane: Lane, severity: Severity, reason: str) -> Finding:
    """Requests stop at a ceiling that was set: neither keys nor provisioned capacity.

    DDB_ACCOUNT_LIMIT: The quota of the account and region for one table; AWS raises it on request.

    DDB_ON_DEMAND_CAP: The maximum that the table itself was given, to limit its cost.
    """
    code, what, cause = _LIMITS[reason]
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
    """Requests are throttled for want of capacity; callers see errors or slow retries.

    DDB_THROTTLED_PROVISIONED: The table asks for more than it was given. Little used on average
    speaks for a hot key or a spike within the minute instead.

    DDB_GSI_THROTTLED: An index has too little capacity, and holds up the writes of its table too,
    so the error names a table that has enough.

    DDB_HOT_PARTITION: On an on-demand table: a hot key, or traffic that more than doubled within 30
    minutes, which is faster than the table grows.
    """
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
            next=_find_key(lane),
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
    if lane.direction == "write" and snapshot.bulk:
        causes.insert(0, "a bulk put into the table is under way, and takes what callers need")
    if lane.index:
        causes.insert(0, "the index is narrower than its table: it throttles the table's writes")
        if any(each.name == lane.index and each.backfilling for each in snapshot.indexes):
            causes.insert(0, "the index is being filled")
    if target is not None:
        causes.append("auto scaling is at its maximum, suspended, or too slow for the growth")
    else:
        causes.append("no auto scaling")
    return tuple(causes)
