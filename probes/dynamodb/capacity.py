"""Findings about provisioned capacity, and about auto scaling that cannot follow."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import percent
from probes.began import POINTS, reached_since
from probes.dynamodb.model import KEPT, ON_DEMAND, Activity, Lane, ScalingTarget, Snapshot, used
from probes.dynamodb.settings import Settings
from probes.dynamodb.throttles import scaling_evidence, scaling_of, throttle_severity
from probes.metrics import held, history, latest


def capacity(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Provisioned capacity is nearly used up: throttling comes next.

    Bursts are paid from a few minutes of unused capacity, so throttling begins later than the
    metric suggests. On demand there is nothing to judge.
    """
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
                *scaling_evidence(snapshot, lane),
            ),
            likely=("growth", "a batch job"),
            next="raise the capacity before the burst credit of 5 minutes is gone",
            fact=False,
            began=reached_since(used(lane, snapshot.at, KEPT), settings.used),
            resolution=POINTS,
        )


def scaling(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Auto scaling of the table or an index cannot follow the load.

    It is suspended, has no policy, or stands at its maximum. An on-demand table needs none.
    """
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
                *scaling_evidence(snapshot, lane),
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
