"""What the screens show of a table: its state in a word, its lanes, operations and changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from cockpit.triage.changes import Change
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Fact
from cockpit.triage.view import Column, Row, Table
from cockpit.units import duration, number, percent
from probes.dynamodb.model import (
    Lane,
    Operation,
    Snapshot,
    demand,
    requests,
    suggested,
    throttled,
    used,
)
from probes.dynamodb.settings import Settings
from probes.dynamodb.throttles import scaling_of, throttle_severity
from probes.metrics import age, is_blind, mean, read_at, settled, total


def facts(snapshot: Snapshot, settings: Settings) -> Iterator[Fact]:
    """`throttled`, `ok`, `no traffic`, `unknown`, or the status when it is not ACTIVE."""
    yield _headline(snapshot, settings)
    for lane in snapshot.lanes:
        share = mean(used(lane, snapshot.at))
        if share is not None:
            seen = read_at(lane.consumed)
            yield Fact(f"{lane.name} used", percent(share), share, "share", as_of=seen)
        events = throttled(lane, snapshot.at)
        if events:
            seen = read_at(lane.throttles)
            yield Fact(f"{lane.name} throttled in 5 min", number(round(events)), events, as_of=seen)
    series = requests(snapshot)
    asked = total(settled(series, snapshot.at))
    shown = "unknown" if asked is None else number(round(asked / 5))
    rate = None if asked is None else asked / 5
    yield Fact("requests a minute", shown, rate, as_of=read_at(series))
    yield Fact("billing", snapshot.billing_mode.lower().replace("_", " "))


def _headline(snapshot: Snapshot, settings: Settings) -> Fact:
    if snapshot.status.upper() != "ACTIVE":
        return Fact("status", snapshot.status, severity=Severity.WARNING)
    events = [throttled(lane, snapshot.at) for lane in snapshot.lanes]
    known = [each for each in events if each is not None]
    graded = (throttle_severity(snapshot, lane, settings) for lane in snapshot.lanes)
    severity = max((each for each in graded if each), default=None)
    seen = read_at(*(lane.consumed for lane in snapshot.lanes))
    if severity is not None:
        return Fact("state", "throttled", sum(known) / 5, "/min", severity, seen)
    if known:
        return Fact("state", "ok", sum(known) / 5, "/min", as_of=seen)
    blind = any(is_blind(lane.consumed) for lane in snapshot.lanes)
    unseen = blind or any(gap.what == "metrics" for gap in snapshot.gaps)
    return Fact("state", "unknown" if unseen else "no traffic", as_of=seen)


def tables(snapshot: Snapshot, settings: Settings) -> Iterator[Table]:
    """Capacity by lane, operations, replicas, scaling activities."""
    yield Table(
        title="Capacity",
        columns=(
            Column("lane", 24),
            Column("provisioned", 11, right=True),
            Column("demand/s", 9, right=True),
            Column("used", 6, right=True),
            Column("throttled", 9, right=True),
            Column("suggested", 9, right=True),
            Column("why"),
        ),
        rows=tuple(_lane_row(snapshot, lane, settings) for lane in snapshot.lanes),
        headline=f"{snapshot.table} is {snapshot.status}, {snapshot.billing_mode}",
        note=(_age_note(snapshot),),
    )
    yield Table(
        title="Operations",
        columns=(
            Column("operation", 20),
            Column("requests/min", 12, right=True),
            Column("latency", 9, right=True),
            Column("system errors"),
        ),
        rows=tuple(_operation_row(snapshot, each) for each in snapshot.operations),
        note=("latency is inside DynamoDB: no network, no retries, no throttled requests",),
    )
    if snapshot.replicas:
        yield Table(
            title="Replicas",
            columns=(Column("region", 16), Column("status", 24), Column("latency")),
            rows=tuple(
                Row(
                    key=each.region,
                    cells=(each.region, each.status, _ms(mean(settled(each.latency, snapshot.at)))),
                )
                for each in snapshot.replicas
            ),
        )
    if snapshot.activities:
        yield _activities_table(snapshot)


def _age_note(snapshot: Snapshot) -> str:
    ages = [age(lane.consumed, snapshot.at) for lane in snapshot.lanes]
    newest = min((each for each in ages if each is not None), default=None)
    return "no data" if newest is None else f"newest data is {duration(newest)} old"


def _lane_row(snapshot: Snapshot, lane: Lane, settings: Settings) -> Row:
    wanted = demand(lane, snapshot.at)
    share = mean(used(lane, snapshot.at))
    events = throttled(lane, snapshot.at)
    better = suggested(wanted, lane.provisioned)
    target = scaling_of(snapshot, lane)
    why = [f"{each.reason} {number(round(each.events))}" for each in lane.reasons or ()]
    if target is not None:
        why.append(f"auto scaling {target.minimum} to {target.maximum}")
    if lane.insights is not None:
        why.append(f"Contributor Insights {lane.insights.status or 'unknown'}")
    return Row(
        key=lane.name,
        cells=(
            lane.name,
            "on demand" if lane.provisioned is None else number(lane.provisioned),
            "" if wanted is None else number(round(wanted, 1)),
            "" if share is None else percent(share),
            "unknown" if events is None else number(round(events)),
            "" if better is None else number(better),
            ", ".join(why),
        ),
        severity=throttle_severity(snapshot, lane, settings),
        dim=wanted is None,
    )


def _operation_row(snapshot: Snapshot, operation: Operation) -> Row:
    done = total(settled(operation.requests, snapshot.at))
    errors = total(settled(operation.system_errors, snapshot.at))
    return Row(
        key=operation.name,
        cells=(
            operation.name,
            "" if done is None else number(round(done / 5, 1)),
            _ms(mean(settled(operation.latency, snapshot.at))),
            number(errors or 0) if done is not None or errors else "",
        ),
        dim=done is None,
    )


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} ms"


def _activities_table(snapshot: Snapshot) -> Table:
    return Table(
        title="Scaling activities",
        columns=(Column("age", 8, right=True), Column("status", 12), Column("what")),
        rows=tuple(
            Row(
                key=each.at.isoformat(),
                cells=(
                    duration((snapshot.at - each.at).total_seconds()),
                    each.status,
                    " ".join((each.description, each.message, *each.not_scaled)).strip(),
                ),
                severity=Severity.WARNING if each.status in {"Failed", "Unfulfilled"} else None,
            )
            for each in snapshot.activities
        ),
    )


def changes(snapshot: Snapshot, target: str) -> Iterator[Change]:
    """Capacity changes, a switch to on-demand, and what auto scaling did, of the last day."""
    start = snapshot.at - timedelta(days=1)
    moments = (
        (snapshot.increased_at, "dynamodb.capacity", "capacity increased"),
        (snapshot.decreased_at, "dynamodb.capacity", "capacity decreased"),
        (snapshot.on_demand_since, "dynamodb.billing", "switched to on-demand"),
    )
    for at, kind, summary in moments:
        if at is not None and at >= start:
            source = "dynamodb.DescribeTable"
            yield Change(at=at, kind=kind, target=target, summary=summary, source=source)
    for each in snapshot.activities:
        if each.at >= start and not each.not_scaled:
            yield Change(
                at=each.at,
                kind="dynamodb.scaling",
                target=target,
                summary=each.description,
                actor="Application Auto Scaling",
                source="application-autoscaling.DescribeScalingActivities",
            )
