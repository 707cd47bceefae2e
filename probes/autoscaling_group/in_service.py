"""Findings about how much of the group serves, and where."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count, duration, number
from probes.autoscaling_group.model import ScalingActivity, Snapshot, recent, serving
from probes.autoscaling_group.settings import Settings
from probes.began import LOOKS, TOLD
from probes.began import told as told_by
from probes.metrics import is_blind, total

_CHANGED = re.compile(r"changing the desired capacity from (\d+) to (\d+)")
_LONG = "for longer than the cockpit looks"


def is_below(snapshot: Snapshot) -> bool:
    """Whether less serves than is desired; of capacity in other units only: nothing serves."""
    if snapshot.in_service is None:
        return snapshot.desired > 0 and not serving(snapshot)
    return snapshot.in_service < snapshot.desired


def states(snapshot: Snapshot) -> str:
    """`2 InService, 1 Pending`; `none`."""
    found = Counter(each.state for each in snapshot.members)
    return ", ".join(f"{n} {state}" for state, n in found.most_common()) or "none"


def going(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The group is being deleted, and its instances with it; or there is no such group.

    Its status is told by AWS only while it goes.
    """
    if snapshot.status:
        yield Finding(
            "ASG_DELETING_OR_GONE",
            Severity.CRITICAL,
            f"the group: {snapshot.status}",
            evidence=(
                Evidence("status", snapshot.status),
                Evidence("instances", len(snapshot.members)),
            ),
            likely=("it was deleted",),
            next="find the caller of DeleteAutoScalingGroup in CloudTrail",
        )


def below(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Less capacity serves than is desired, for minutes.

    Counted in units of capacity, so that weights are no shortage; instances in Standby and in the
    warm pool do not serve. While a refresh replaces instances a part is missing on purpose: then it
    is one level milder, unless nothing serves.
    """
    if not is_below(snapshot):
        return
    nothing = not serving(snapshot)
    short = snapshot.below_since
    lasted = (snapshot.at - short).total_seconds() if short else None
    if not nothing and (lasted is None or lasted < settings.below_for):
        return
    share = None if snapshot.in_service is None else snapshot.in_service / snapshot.desired
    severity = settings.serving_share.grade(share) or Severity.WARNING
    new = _age(snapshot)
    starts = new is not None and new < settings.below_for
    if nothing:
        severity = Severity.WARNING if starts else Severity.CRITICAL
    if snapshot.refresh is not None and not nothing:
        severity = Severity.INFO if severity is Severity.WARNING else Severity.WARNING
    verb = "serves" if nothing or snapshot.in_service == 1 else "serve"
    has = "nothing" if nothing else f"{snapshot.in_service} of {snapshot.desired} {snapshot.unit}"
    yield Finding(
        "ASG_BELOW_DESIRED",
        severity,
        f"{has} {verb}" + (f" since {duration(lasted)}" if lasted is not None else ""),
        evidence=(
            Evidence("in service", snapshot.in_service, limit=snapshot.desired),
            Evidence("states", states(snapshot)),
            Evidence("zones", _zones(snapshot)),
            Evidence("for", _LONG if lasted is None else lasted, "" if lasted is None else "s"),
        ),
        likely=(
            "launches fail",
            "new instances do not pass their health check",
            "a lifecycle hook is not answered",
        ),
        against=_meant(snapshot, starts),
        next="read why the last activities failed",
        began=told_by(snapshot.turned, snapshot.at),
        resolution=LOOKS,
    )


def _age(snapshot: Snapshot) -> float | None:
    return None if snapshot.created is None else (snapshot.at - snapshot.created).total_seconds()


def _meant(snapshot: Snapshot, starts: bool) -> tuple[str, ...]:
    told = []
    if starts:
        told.append("the group was made just now")
    if snapshot.refresh is not None:
        told.append(f"an instance refresh is {snapshot.refresh.status}: it replaces a part")
    if any(each.state == "Standby" for each in snapshot.members):
        told.append("an instance is in Standby: somebody took it out")
    return tuple(told)


def _zones(snapshot: Snapshot) -> str:
    found = Counter(each.zone for each in serving(snapshot))
    return (
        ", ".join(f"{zone} {found[zone]}" for zone in sorted({*snapshot.zones, *found})) or "none"
    )


def zero(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """No instance is desired.

    It is an outage where its target groups had requests in the last day: somebody, or a schedule,
    scaled all of it in. A group that nothing asks may be empty on purpose.
    """
    if snapshot.desired > 0 or snapshot.status:
        return
    asked = total(snapshot.requests)
    unseen = bool(snapshot.target_groups) and (asked is None or is_blind(snapshot.requests))
    severity = Severity.WARNING if unseen else Severity.CRITICAL if asked else Severity.INFO
    told = "unknown" if unseen else number(asked or 0)
    yield Finding(
        "ASG_ZERO",
        severity,
        "no instance is desired"
        + (f", and its target groups had {told} requests in 24 h" if asked else ""),
        evidence=(
            Evidence("desired", 0),
            Evidence("minimum", snapshot.minimum),
            Evidence("maximum", snapshot.maximum),
            Evidence("requests of 24 h", told),
            Evidence("why", _why(snapshot)),
        ),
        likely=("somebody restarted it by 0 and back", "a schedule scaled it in"),
        against=() if asked else ("it may be empty on purpose",),
        next="who set it to 0, and to how many does it belong?",
        began=next(
            (
                told_by(a.at, snapshot.at)
                for a in snapshot.activities or ()
                if _CHANGED.search(a.cause) and _step(a)[1] == "0"
            ),
            None,
        ),
        resolution=TOLD,
    )


def _why(snapshot: Snapshot) -> str | None:
    return next((a.cause for a in snapshot.activities or () if _CHANGED.search(a.cause)), None)


def zones(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Where its instances are.

    ASG_AZ_IMBALANCE: One of its zones has no instance that serves, though enough are desired for
    each: the zone has no capacity, no addresses, or is out.

    ASG_SINGLE_AZ: It is made for one zone: when that one goes, all of it goes.
    """
    if len(snapshot.zones) == 1:
        yield Finding(
            "ASG_SINGLE_AZ",
            Severity.INFO,
            f"all of it is in {snapshot.zones[0]}",
            evidence=(Evidence("zones", snapshot.zones[0]),),
            next="give it subnets in a second zone",
        )
    found = Counter(each.zone for each in serving(snapshot))
    empty = [zone for zone in snapshot.zones if not found[zone]]
    enough = sum(found.values()) >= len(snapshot.zones)
    if len(snapshot.zones) < 2 or not empty or not enough:
        return
    yield Finding(
        "ASG_AZ_IMBALANCE",
        Severity.WARNING,
        f"no instance serves in {', '.join(empty)}",
        evidence=(Evidence("zones", _zones(snapshot)), Evidence("without", ", ".join(empty))),
        likely=(
            "EC2 has no capacity of this type there",
            "the subnet has no addresses left",
            "the zone is impaired",
        ),
        against=_rebalancing(snapshot),
        next="do launches fail there?",
        fact=False,
    )


def _rebalancing(snapshot: Snapshot) -> tuple[str, ...]:
    if "AZRebalance" in snapshot.suspended_names:
        return ("AZRebalance is suspended: nothing moves instances there",)
    return ("an instance refresh is under way",) if snapshot.refresh else ()


def review(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A balancer sends to its instances, and the group does not listen to the balancer's checks: an
    instance whose application hangs is never replaced.
    """
    if snapshot.balanced and snapshot.check and "ELB" not in snapshot.check:
        yield Finding(
            "ASG_ELB_CHECK_OFF",
            Severity.INFO,
            "an instance that fails the balancer's checks is not replaced",
            evidence=(Evidence("health check", snapshot.check),),
            against=("with them, a check that fails everywhere replaces all of the group",),
            next="is it meant?",
        )


def scaled(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Its desired capacity was changed of late: by an alarm, a schedule or a person."""
    moves = [each for each in recent(snapshot, settings.recent) if _CHANGED.search(each.cause)]
    if not moves:
        return
    was, is_ = _step(moves[-1])[0], _step(moves[0])[1]
    yield Finding(
        "ASG_SCALED_RECENTLY",
        Severity.INFO,
        f"desired capacity went from {was} to {is_}",
        evidence=(
            Evidence("activities", count(len(moves), "activity", "activities")),
            Evidence("cause", moves[0].cause),
        ),
        next="did what is wrong begin after it?",
        began=told_by(moves[-1].at, snapshot.at),
        resolution=TOLD,
    )


def _step(activity: ScalingActivity) -> tuple[str, str]:
    found = _CHANGED.search(activity.cause)
    return (found[1], found[2]) if found else ("", "")
