"""Findings about how the group follows the load: stopped, deaf, or at its ceiling."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count, duration
from probes.autoscaling_group.model import ScalingAlarm, ScalingPolicy, Snapshot, serving
from probes.autoscaling_group.series import PERIOD, processor
from probes.autoscaling_group.settings import Settings
from probes.began import TOLD, reached_since, resolution, told
from probes.metrics import held, history, mean, peak, settled

_VITAL = frozenset(
    {"Launch", "ReplaceUnhealthy", "AlarmNotification", "AddToLoadBalancer", "HealthCheck"}
)
_WHAT = {
    "Launch": "no instance is added or replaced",
    "Terminate": "no instance is taken away",
    "ReplaceUnhealthy": "sick instances stay",
    "AlarmNotification": "policies are not followed",
    "AddToLoadBalancer": "new instances get no traffic",
    "HealthCheck": "nothing is found sick",
    "ScheduledActions": "schedules do not act",
    "AZRebalance": "zones are not evened out",
    "InstanceRefresh": "no refresh goes on",
}


def suspended(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Somebody stopped processes of the group, and nothing starts them again by itself.

    Critical for those without which it does not keep itself alive: Launch, ReplaceUnhealthy,
    AlarmNotification, AddToLoadBalancer, HealthCheck.
    """
    if not snapshot.suspended:
        return
    names = sorted(snapshot.suspended_names)
    vital = [name for name in names if name in _VITAL]
    effects = "; ".join(_WHAT.get(name, "") for name in vital or names if name in _WHAT)
    yield Finding(
        "ASG_SCALING_SUSPENDED",
        Severity.CRITICAL if vital else Severity.INFO,
        f"suspended: {', '.join(names)}" + (f" ({effects})" if effects else ""),
        evidence=tuple(Evidence(each.process, each.reason or None) for each in snapshot.suspended),
        likely=("left over from an incident or a deployment",),
        against=("CodeDeploy suspends some while it deploys, and leaves them when it fails",),
        next="who suspended them, and is the reason gone?",
    )


def deaf(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The group does not follow the load.

    An alarm that should add capacity rings, there is room, and nothing was launched since for
    longer than the alarm and the warm-up take; or the alarm cannot ring: it has no data (an agent
    that went silent), its actions are off, it was deleted; or the policy is disabled.
    """
    if snapshot.desired == 0:
        return
    alarms = {each.name: each for each in snapshot.alarms}
    read = not any(gap.what == "alarms" for gap in snapshot.gaps)
    for policy in snapshot.policies or ():
        why = [] if policy.enabled else ["it is disabled"]
        for name in policy.alarms:
            if (alarm := alarms.get(name)) is not None:
                why += _deaf_by(snapshot, policy, alarm, settings)
            elif read:
                why.append(f"its alarm {name} is not there")
        if why:
            yield _deaf(policy, why, [alarms[n] for n in policy.alarms if n in alarms])


def _deaf(policy: ScalingPolicy, why: list[str], alarms: list[ScalingAlarm]) -> Finding:
    return Finding(
        "ASG_NOT_REACTING",
        Severity.WARNING,
        f"policy {policy.name} does not scale: {why[0]}",
        subject=policy.name,
        evidence=(
            *(Evidence(f"reason {n}", each) for n, each in enumerate(why, start=1)),
            Evidence("metric", policy.metric or None),
            Evidence("goal", policy.goal),
            *(Evidence(each.name, each.reason or each.state) for each in alarms[:3]),
        ),
        likely=(
            "the metric is not published any more: its agent is down",
            "somebody switched it off",
            "the cooldown has not passed",
        ),
        against=("a metric of requests has no data while nobody asks",)
        if "Request" in policy.metric and any("no data" in each for each in why)
        else (),
        next="does the metric have points, and what says the newest activity?",
    )


def _deaf_by(
    snapshot: Snapshot, policy: ScalingPolicy, alarm: ScalingAlarm, settings: Settings
) -> Iterator[str]:
    since = (snapshot.at - alarm.since).total_seconds() if alarm.since else None
    lasting = "" if since is None else f" for {duration(since)}"
    if not alarm.acts:
        yield f"the actions of {alarm.name} are off"
    if alarm.state == "INSUFFICIENT_DATA" and (since is None or since > settings.silent_alarm):
        yield f"{alarm.name} has no data{lasting}"
    widens = policy.widens or (policy.widens is None and "AlarmHigh" in alarm.name)
    if alarm.state != "ALARM" or not widens or snapshot.desired >= snapshot.maximum:
        return
    patience = 2 * alarm.spans + max(policy.warmup, snapshot.cooldown) + settings.reacts
    if since is not None and since > patience and not _launched(snapshot, alarm):
        yield f"{alarm.name} rings{lasting}, and nothing was launched"


def _launched(snapshot: Snapshot, alarm: ScalingAlarm) -> bool:
    """Whether it tried to add an instance since the alarm rings; unknown counts as tried."""
    if snapshot.activities is None or alarm.since is None:
        return True
    return any(each.launches and each.at >= alarm.since for each in snapshot.activities)


def busy(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """How much of its processors the group uses.

    ASG_AT_MAX: It is at its maximum, and wants more: an alarm that would add capacity rings, or its
    processors are busy. A group without policies has no maximum that would matter.

    EC2_CPU_SATURATED: The processors of most of its instances are busy for minutes. One hot
    instance is not told here: it is seen at that instance.
    """
    series = processor(snapshot, snapshot.cpu)
    average = mean(series)
    ringing = _ringing(snapshot)
    hot = average is not None and average >= settings.at_max_cpu
    full = snapshot.desired >= snapshot.maximum and snapshot.desired > 0
    if full and snapshot.policies and (ringing or hot):
        yield Finding(
            "ASG_AT_MAX",
            Severity.WARNING,
            f"at its maximum of {snapshot.maximum} {snapshot.unit}, and it wants more",
            evidence=(
                Evidence("desired", snapshot.desired, limit=snapshot.maximum),
                Evidence("processor", average, "%", settings.at_max_cpu, history(series)),
                Evidence("rings", ", ".join(ringing) or None),
            ),
            likely=(
                "more load than the ceiling was set for",
                "each request costs more",
            ),
            next="can what stands behind it carry more instances? then raise the maximum",
            fact=False,
            began=min(
                (
                    at
                    for each in snapshot.alarms
                    if each.name in ringing and (at := told(each.since, snapshot.at))
                ),
                default=None,
            ),
            resolution=TOLD,
        )
    yield from _saturated(snapshot, settings)


def _ringing(snapshot: Snapshot) -> list[str]:
    out = {
        name
        for policy in snapshot.policies or ()
        for name in policy.alarms
        if policy.widens or (policy.widens is None and "AlarmHigh" in name)
    }
    return [each.name for each in snapshot.alarms if each.state == "ALARM" and each.name in out]


def _saturated(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    series = processor(snapshot, snapshot.cpu)
    severity = held(series, settings.cpu, need=2, of=3)
    hot = [name for name, value in snapshot.cpu_of if settings.cpu.grade(value)]
    many = len(hot) >= settings.busy_share * len(snapshot.cpu_of)
    if severity is None or (snapshot.cpu_of and not many):
        return
    most = peak(processor(snapshot, snapshot.cpu_most))
    spread = ", ".join(f"{name} {value:.0f} %" for name, value in snapshot.cpu_of[:5])
    yield Finding(
        "EC2_CPU_SATURATED",
        severity,
        f"the processors of {count(len(serving(snapshot)), 'instance')} are at "
        f"{mean(series) or 0:.0f} %",
        evidence=(
            Evidence("average", mean(series), "%", settings.cpu.first, history(series)),
            Evidence("most", most, "%"),
            Evidence("instances that busy", len(hot) if snapshot.cpu_of else None),
            Evidence("busiest", spread or None),
        ),
        likely=("more load", "a loop or a retry storm", "burst credits that are used up"),
        next="is it more requests, or more work for each?",
        fact=False,
        began=reached_since(
            settled(snapshot.cpu, snapshot.at, minutes=30, period=PERIOD),
            settings.cpu,
            period=PERIOD,
        ),
        resolution=resolution(PERIOD),
    )
