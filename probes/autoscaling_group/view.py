"""What the screens show of a group: how much serves, its instances, what it did, its policies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from cockpit.triage.changes import Change
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Fact
from cockpit.triage.view import Column, Row, Table
from cockpit.units import age
from probes.autoscaling_group.in_service import is_below, states
from probes.autoscaling_group.model import SERVING, Member, ScalingActivity, Snapshot, serving
from probes.autoscaling_group.series import processor
from probes.autoscaling_group.settings import Settings
from probes.metrics import mean, read_at


def facts(snapshot: Snapshot, _: Settings) -> Iterator[Fact]:
    """In service of desired first."""
    has = snapshot.in_service
    shown = f"{len(serving(snapshot))}/?" if has is None else f"{has}/{snapshot.desired}"
    severity = None
    if snapshot.status or is_below(snapshot):
        severity = Severity.WARNING if serving(snapshot) else Severity.CRITICAL
    yield Fact("in service", snapshot.status or shown, has, severity=severity)
    yield Fact("bounds", f"{snapshot.minimum} to {snapshot.maximum}", snapshot.maximum)
    yield Fact("instances", states(snapshot))
    busy = mean(processor(snapshot, snapshot.cpu))
    shown, seen = "unknown" if busy is None else f"{busy:.0f}%", read_at(snapshot.cpu)
    yield Fact("CPU", shown, busy, "%", as_of=seen)
    if snapshot.suspended_names:
        yield Fact("suspended", ", ".join(snapshot.suspended_names), severity=Severity.WARNING)


def tables(snapshot: Snapshot, _: Settings) -> Iterator[Table]:
    """Instances, activities, policies with their alarms, refreshes."""
    yield _instances(snapshot)
    yield _activities(snapshot)
    yield _policies(snapshot)
    if snapshot.refreshes:
        yield Table(
            title="Instance refreshes",
            columns=(
                Column("status", 20),
                Column("age", 5, right=True),
                Column("done", 6, right=True),
                Column("reason"),
            ),
            rows=tuple(
                Row(
                    key=each.id,
                    cells=(
                        each.status,
                        _age(snapshot, each.started),
                        "" if each.percent is None else f"{each.percent} %",
                        each.reason,
                    ),
                    severity=Severity.CRITICAL if "Failed" in each.status else None,
                )
                for each in snapshot.refreshes
            ),
        )


def _instances(snapshot: Snapshot) -> Table:
    busy = dict(snapshot.cpu_of)
    return Table(
        title="Instances",
        columns=(
            Column("instance", 20),
            Column("zone", 12),
            Column("state", 20),
            Column("health", 10),
            Column("CPU", 5, right=True),
            Column("type", 12),
            Column("template"),
        ),
        rows=tuple(_instance(each, busy) for each in (*snapshot.members, *snapshot.warm)),
        headline=f"{states(snapshot)}; {snapshot.desired} {snapshot.unit} desired",
        note=(f"{len(snapshot.warm)} in the warm pool",) if snapshot.warm else (),
    )


def _instance(member: Member, busy: dict[str, float]) -> Row:
    used = busy.get(member.id)
    well = member.state == SERVING and member.health == "HEALTHY"
    kept = member.state.startswith("Warmed:") or member.state == "Standby"
    return Row(
        key=member.id,
        cells=(
            member.id,
            member.zone,
            member.state,
            member.health,
            "" if used is None else f"{used:.0f}%",
            member.type,
            member.template,
        ),
        severity=None if well or kept else Severity.WARNING,
        dim=kept,
    )


def _activities(snapshot: Snapshot) -> Table:
    known = snapshot.activities
    return Table(
        title="Activities",
        columns=(
            Column("age", 5, right=True),
            Column("status", 18),
            Column("activity", 44),
            Column("message or cause"),
        ),
        rows=tuple(
            Row(
                key=f"{each.at.isoformat()} {each.what}",
                cells=(
                    _age(snapshot, each.at),
                    each.status,
                    each.what,
                    each.message or each.cause,
                ),
                severity=Severity.WARNING if each.status == "Failed" else None,
            )
            for each in known or ()
        ),
        headline="could not be read" if known is None else "",
        note=("the newest hundred of six weeks",),
    )


def _policies(snapshot: Snapshot) -> Table:
    alarms = {each.name: each for each in snapshot.alarms}
    return Table(
        title="Scaling policies",
        columns=(
            Column("policy", 24),
            Column("type", 22),
            Column("goal", 8, right=True),
            Column("metric", 32),
            Column("alarms"),
        ),
        rows=tuple(
            Row(
                key=each.name,
                cells=(
                    each.name,
                    each.type if each.enabled else f"{each.type}, disabled",
                    "" if each.goal is None else f"{each.goal:g}",
                    each.metric,
                    ", ".join(
                        f"{name} {alarms[name].state if name in alarms else 'not there'}"
                        for name in each.alarms
                    ),
                ),
                severity=None if each.enabled else Severity.WARNING,
            )
            for each in snapshot.policies or ()
        ),
        headline="could not be read" if snapshot.policies is None else "",
    )


def _age(snapshot: Snapshot, moment: datetime | None) -> str:
    return "" if moment is None else age((snapshot.at - moment).total_seconds())


def changes(snapshot: Snapshot, target: str) -> Iterator[Change]:
    """What it did and what was started of the last day; fewer launches of one cause on one line."""
    start = snapshot.at - timedelta(days=1)
    for each in snapshot.activities or ():
        if each.at >= start:
            yield Change(
                at=each.at,
                kind=f"asg.{_kind(each)}",
                target=target,
                summary=_told(each),
                source="autoscaling.DescribeScalingActivities",
                failed=(each.message or each.status) if each.status == "Failed" else "",
            )
    for refresh in snapshot.refreshes:
        if refresh.started is not None and refresh.started >= start:
            yield Change(
                at=refresh.started,
                kind="asg.refresh",
                target=target,
                summary=f"instance refresh: {refresh.status} {refresh.reason}".rstrip(),
                source="autoscaling.DescribeInstanceRefreshes",
            )


def _told(activity: ScalingActivity) -> str:
    """What was done and why; AWS writes the message of a failure into what was done, too."""
    why = activity.message or activity.cause
    return activity.what if why in activity.what else f"{activity.what}: {why}"


def _kind(activity: ScalingActivity) -> str:
    if activity.status == "Failed":
        return "failed"
    return "launch" if activity.launches else "terminate" if activity.terminates else "activity"
