"""Findings about instances that come and go: replaced again and again, stuck, refreshed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from statistics import median

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count, duration
from probes.autoscaling_group.model import Refresh, ScalingActivity, Snapshot, recent, waiting
from probes.autoscaling_group.settings import Settings
from probes.began import TOLD, told

_SICK = re.compile(r"(?i)health.check|unhealthy|status check")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_STATES = _words(
    """
    Pending Pending:Wait Pending:Proceed Quarantined InService Terminating Terminating:Wait
    Terminating:Proceed Terminating:Retained Terminated Detaching Detached EnteringStandby Standby
    ReplacingRootVolume ReplacingRootVolume:Wait ReplacingRootVolume:Proceed RootVolumeReplaced
    Warmed:Pending Warmed:Pending:Wait Warmed:Pending:Proceed Warmed:Pending:Retained
    Warmed:Terminating Warmed:Terminating:Wait Warmed:Terminating:Proceed
    Warmed:Terminating:Retained Warmed:Terminated Warmed:Stopped Warmed:Running Warmed:Hibernated
    """
)
_HEALTH = _words("HEALTHY UNHEALTHY")
_ACTIVITIES = _words(
    """
    PendingSpotBidPlacement WaitingForSpotInstanceRequestId WaitingForSpotInstanceId
    WaitingForInstanceId PreInService InProgress WaitingForELBConnectionDraining MidLifecycleAction
    WaitingForInstanceWarmup Successful Failed Cancelled WaitingForConnectionDraining
    WaitingForInPlaceUpdateToStart WaitingForInPlaceUpdateToFinalize InPlaceUpdateInProgress
    """
)
_ALARMS = _words("OK ALARM INSUFFICIENT_DATA")
_REFRESH_BAD = _words("Failed RollbackFailed")
_REFRESH_TAKEN_BACK = _words("Cancelled RollbackSuccessful")
_REFRESHES = (
    _REFRESH_BAD
    | _REFRESH_TAKEN_BACK
    | _words("Successful Pending InProgress Cancelling RollbackInProgress Baking")
)


def is_for_health(activity: ScalingActivity) -> bool:
    """The group ended an instance since a check said that it is sick."""
    return activity.terminates and bool(_SICK.search(activity.cause))


def loop(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Instances are ended for their health, and those that replace them too.

    With checks of a balancer, a health page that is broken, or that asks a database which is down,
    kills the whole group, again and again. Instances that die younger than they need to boot show
    that the grace period is too short.
    """
    ended = [a for a in recent(snapshot, settings.replaced_window) if is_for_health(a)]
    severity = settings.replaced.grade(len(ended))
    if severity is None:
        return
    if len(ended) >= max(1, len(snapshot.members), snapshot.desired if _units(snapshot) else 1):
        severity = Severity.CRITICAL
    ages = _ages(snapshot, ended)
    young = bool(ages) and median(ages) < snapshot.grace + 300
    yield Finding(
        "ASG_REPLACEMENT_LOOP",
        severity,
        f"{count(len(ended), 'instance')} were ended for their health in "
        f"{duration(settings.replaced_window)}",
        evidence=(
            Evidence("ended", len(ended), limit=settings.replaced.first),
            Evidence("instances", len(snapshot.members)),
            Evidence("age at their end", median(ages) if ages else None, "s"),
            Evidence("grace period", snapshot.grace, "s"),
            Evidence("checks", snapshot.check or None),
            Evidence("cause", ended[0].cause),
        ),
        likely=(
            *(("they need longer to start than the grace period",) if young else ()),
            "the health page is broken, or what it asks is down",
            "a bad image, or a start script that fails",
        ),
        next="suspend ReplaceUnhealthy, keep one that is sick, and look what its check says",
        began=told(ended[-1].at, snapshot.at),
        resolution=TOLD,
    )


def _units(snapshot: Snapshot) -> bool:
    return snapshot.in_service is not None and all(each.weight == 1 for each in snapshot.members)


def _ages(snapshot: Snapshot, ended: list[ScalingActivity]) -> list[float]:
    """Seconds that the ended instances lived, of those whose launch is among the activities."""
    born = {a.instance: a.at for a in snapshot.activities or () if a.launches and a.instance}
    return [
        (each.at - born[each.instance]).total_seconds() for each in ended if each.instance in born
    ]


def stuck(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """An instance waits for a lifecycle hook that nobody answers.

    It neither serves nor goes until the hook is completed, or its time is up and its default result
    holds: CONTINUE lets it on, ABANDON ends it, and the next one waits likewise.
    """
    waits = [
        (each, (snapshot.at - each.waiting_since).total_seconds())
        for each in waiting(snapshot)
        if each.waiting_since is not None
    ]
    long = [(each, lasted) for each, lasted in waits if settings.waits.grade(lasted)]
    if not long:
        return
    longest = max(lasted for _, lasted in long)
    names = ", ".join(
        f"{h.name} ({h.transition.rpartition(':')[2]}, {duration(h.heartbeat)}, {h.result})"
        for h in snapshot.hooks
    )
    yield Finding(
        "ASG_LIFECYCLE_STUCK",
        settings.waits.grade(longest) or Severity.WARNING,
        f"{count(len(long), 'instance')} waits for a lifecycle hook since {duration(longest)}",
        evidence=(
            Evidence("longest", longest, "s", limit=settings.waits.first),
            Evidence("instances", ", ".join(each.id for each, _ in long[:5])),
            Evidence("states", ", ".join(sorted({each.state for each, _ in long}))),
            Evidence("hooks", names or None),
        ),
        likely=("what answers the hook is down, or its role lost a right", "the work takes long"),
        next="what should answer the hook, and what did it do last?",
    )


def refreshes(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Instances are replaced step by step: most often to bring a new version.

    ASG_REFRESH_RUNNING: It is under way, or is taken back.

    ASG_REFRESH_FAILED: The newest one failed, so the group holds old and new instances; or it was
    cancelled or rolled back of late.
    """
    if not snapshot.refreshes:
        return
    newest = snapshot.refreshes[0]
    if newest.open:
        percent = "" if newest.percent is None else f" at {newest.percent} %"
        yield Finding(
            "ASG_REFRESH_RUNNING",
            Severity.INFO,
            f"an instance refresh is {newest.status}{percent}",
            evidence=_of(newest),
            next="did what is wrong begin after it?",
            began=told(newest.started, snapshot.at),
            resolution=TOLD,
        )
        return
    ended = newest.ended or newest.started
    ago = (snapshot.at - ended).total_seconds() if ended else 0
    bad = newest.status in _REFRESH_BAD and ago < settings.refresh_told
    if bad or (newest.status in _REFRESH_TAKEN_BACK and ago < settings.recent):
        yield Finding(
            "ASG_REFRESH_FAILED",
            Severity.CRITICAL if bad else Severity.WARNING,
            f"the instance refresh is {newest.status}"
            + (f": {newest.reason}" if newest.reason else ""),
            evidence=_of(newest),
            likely=("new instances do not become healthy", "launches fail", "an alarm went off"),
            next="which version do the instances have that serve?",
            began=told(ended, snapshot.at),
            resolution=TOLD,
        )


def _of(refresh: Refresh) -> tuple[Evidence, ...]:
    return (
        Evidence("status", refresh.status),
        Evidence("done", refresh.percent, "%"),
        Evidence("still to replace", refresh.left),
        Evidence("reason", refresh.reason or None),
        Evidence("id", refresh.id),
    )


def states(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """What instances are in.

    ASG_STATUS_UNKNOWN: A state of an instance, activity, alarm or refresh that is in no table here:
    it is told as it is, and nothing is judged by it.

    ASG_INSTANCE_RETAINED: Instances were taken out of the group and are kept since a lifecycle hook
    failed: they serve nobody, cost money, and are ended by nobody.
    """
    everyone = (*snapshot.members, *snapshot.warm)
    strange = [
        *(each.state for each in everyone if each.state not in _STATES),
        *(each.health for each in everyone if each.health not in _HEALTH),
        *(each.status for each in snapshot.activities or () if each.status not in _ACTIVITIES),
        *(each.state for each in snapshot.alarms if each.state not in _ALARMS),
        *(each.status for each in snapshot.refreshes if each.status not in _REFRESHES),
    ]
    for word, times in Counter(strange).items():
        yield Finding(
            "ASG_STATUS_UNKNOWN",
            Severity.WARNING,
            f"a state that the cockpit does not know: {word or 'none told'}",
            subject=word,
            evidence=(Evidence("state", word or None), Evidence("times", times)),
            next="look it up, and tell the makers of the cockpit",
        )
    kept = [each.id for each in everyone if each.state.endswith(":Retained")]
    if kept:
        yield Finding(
            "ASG_INSTANCE_RETAINED",
            Severity.WARNING,
            f"{count(len(kept), 'instance')} kept after a failed lifecycle hook",
            evidence=(Evidence("instances", ", ".join(kept[:5])), Evidence("kept", len(kept))),
            likely=("the group keeps what a hook abandoned, to be looked at",),
            next="look at what is kept, then end it",
        )
