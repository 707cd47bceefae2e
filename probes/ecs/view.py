"""What the screens show of a service: its numbers, its tables, its changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from cockpit.triage.changes import Change
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Fact
from cockpit.triage.view import Column, Row, Table
from cockpit.units import age
from probes.ecs import stops, tasks
from probes.ecs.deployment import ServiceDeployment
from probes.ecs.model import Deployment, RunningTask, Snapshot, Stop, name_of
from probes.ecs.settings import Settings
from probes.metrics import mean, peak, read_at, settled


def facts(snapshot: Snapshot, _: Settings) -> Iterator[Fact]:
    """Running of desired first."""
    yield Fact(
        "running",
        f"{snapshot.running}/{snapshot.desired}",
        snapshot.running,
        severity=_count_severity(snapshot),
    )
    yield Fact("pending", str(snapshot.pending), snapshot.pending)
    primary = snapshot.primary
    if primary is not None:
        yield Fact("revision", name_of(primary.task_definition))
        if primary.rollout_state:
            failed = primary.rollout_state == "FAILED"
            stage = snapshot.under_way.stage if snapshot.under_way else ""
            yield Fact(
                "rollout",
                f"{primary.rollout_state} {stage}".rstrip(),
                severity=Severity.CRITICAL if failed else None,
            )
        yield Fact("failed tasks", str(primary.failed_tasks), primary.failed_tasks)
    cpu = mean(settled(snapshot.cpu, snapshot.at))
    memory = peak(settled(snapshot.memory, snapshot.at))
    seen = read_at(snapshot.cpu, snapshot.memory)
    yield Fact("CPU", "unknown" if cpu is None else f"{cpu:.0f}%", cpu, "%", as_of=seen)
    yield Fact("memory", "unknown" if memory is None else f"{memory:.0f}%", memory, "%", as_of=seen)


def _count_severity(snapshot: Snapshot) -> Severity | None:
    if not snapshot.desired or snapshot.running >= tasks.floor(snapshot):
        return None
    return Severity.WARNING if snapshot.running else Severity.CRITICAL


def tables(snapshot: Snapshot, settings: Settings) -> Iterator[Table]:
    """Deployments, stopped tasks, live tasks, events."""
    yield _deployments_table(snapshot)
    if snapshot.history:
        yield _history_table(snapshot, snapshot.history)
    yield _stops_table(snapshot, settings)
    if snapshot.tasks is not None:
        yield _tasks_table(snapshot, snapshot.tasks)
    yield Table(
        title="Events",
        columns=(Column("age", 5, right=True), Column("message")),
        rows=tuple(
            Row(
                key=event.id or event.at.isoformat(),
                cells=(_age(snapshot, event.at), event.message),
            )
            for event in snapshot.events[:100]
        ),
        note=("identical events are hidden for six hours",),
    )


def _deployments_table(snapshot: Snapshot) -> Table:
    changed = ""
    if snapshot.definition and snapshot.previous:
        found = stops.differences(snapshot.previous, snapshot.definition)
        changed = stops.difference_text(found) or "no difference that can be seen"
    return Table(
        title="Deployments",
        columns=(
            Column("status", 9),
            Column("revision", 24),
            Column("run/want", 9, right=True),
            Column("pending", 7, right=True),
            Column("failed", 6, right=True),
            Column("age", 5, right=True),
            Column("rollout"),
        ),
        rows=tuple(_deployment_row(snapshot, each) for each in snapshot.deployments),
        headline=f"{snapshot.running} of {snapshot.desired} run, {snapshot.pending} pending",
        note=(f"changed: {changed}",) if changed else (),
    )


def _deployment_row(snapshot: Snapshot, each: Deployment) -> Row:
    shown = each.rollout_state + (f": {each.reason}" if each.reason else "")
    return Row(
        key=each.id or each.task_definition,
        cells=(
            each.status,
            name_of(each.task_definition),
            f"{each.running}/{each.desired}",
            str(each.pending),
            str(each.failed_tasks),
            _age(snapshot, each.created_at),
            shown,
        ),
        severity=Severity.CRITICAL if each.rollout_state == "FAILED" else None,
        dim=each.status != "PRIMARY",
    )


def _history_table(snapshot: Snapshot, history: tuple[ServiceDeployment, ...]) -> Table:
    back = snapshot.previous_task_definition
    return Table(
        title="Service deployments",
        columns=(
            Column("status", 20),
            Column("revision", 24),
            Column("replaces", 24),
            Column("age", 5, right=True),
            Column("stage", 28),
            Column("reason"),
        ),
        rows=tuple(_history_row(snapshot, each) for each in history),
        headline=f"{name_of(back)} is the way back: {snapshot.previous_known_by}"
        if back
        else "AWS does not say which revision to go back to",
    )


def _history_row(snapshot: Snapshot, each: ServiceDeployment) -> Row:
    replaced = dict.fromkeys(name_of(source.task_definition) for source in each.sources)
    failed = each.status == "ROLLBACK_FAILED"
    return Row(
        key=each.arn,
        cells=(
            each.status,
            name_of(each.task_definition),
            ", ".join(replaced),
            _age(snapshot, each.created_at),
            each.stage,
            each.rollback_reason or each.reason,
        ),
        severity=Severity.CRITICAL if failed else None,
        dim=not each.open,
    )


def _stops_table(snapshot: Snapshot, settings: Settings) -> Table:
    bad = [stop for stop in snapshot.stopped if not stops.normal(stop)]
    recent = len(stops.within(bad, snapshot.at, settings.crash_window))
    return Table(
        title="Stopped tasks",
        columns=(
            Column("task", 10),
            Column("revision", 24),
            Column("age", 5, right=True),
            Column("lived", 7, right=True),
            Column("exit", 8, right=True),
            Column("reason"),
        ),
        rows=tuple(_stop_row(snapshot, stop) for stop in snapshot.stopped),
        headline=f"{len(snapshot.stopped)} in the last hour, {recent} of them recently and unasked",
        note=("ECS forgets stopped tasks after about an hour",),
    )


def _stop_row(snapshot: Snapshot, stop: Stop) -> Row:
    codes = [str(each.exit_code) for each in stop.containers if each.exit_code is not None]
    routine = stops.normal(stop)
    return Row(
        key=stop.arn,
        cells=(
            stop.id[:8],
            name_of(stop.task_definition),
            _age(snapshot, stop.stopped_at),
            "" if stop.lived is None else age(stop.lived),
            ",".join(codes) or "none",
            stops.reason(stop),
        ),
        severity=None if routine else Severity.WARNING,
        dim=routine,
    )


def _tasks_table(snapshot: Snapshot, live: tuple[RunningTask, ...]) -> Table:
    return Table(
        title="Tasks",
        columns=(
            Column("task", 10),
            Column("zone", 12),
            Column("age", 5, right=True),
            Column("health"),
        ),
        rows=tuple(
            Row(
                key=task.arn,
                cells=(
                    name_of(task.arn)[:8],
                    task.zone,
                    _age(snapshot, task.started_at),
                    task.health,
                ),
                severity=Severity.WARNING if task.health == "UNHEALTHY" else None,
            )
            for task in live
        ),
    )


def _age(snapshot: Snapshot, moment: datetime | None) -> str:
    return "" if moment is None else age((snapshot.at - moment).total_seconds())


def changes(snapshot: Snapshot, target: str) -> Iterator[Change]:
    """Deployments of the last day, failed ones, and tasks that people stopped."""
    start = snapshot.at - timedelta(days=1)
    for each in snapshot.deployments:
        if each.created_at is not None and each.created_at >= start:
            yield Change(
                at=each.created_at,
                kind="ecs.deployment",
                target=target,
                summary=f"deployment of {name_of(each.task_definition)}",
                source="ecs.DescribeServices",
                details=_brought(snapshot, each.task_definition),
            )
    for stop in snapshot.stopped:
        if stops.stopped_by_user(stop):
            yield Change(
                at=stop.stopped_at,
                kind="ecs.stop_task",
                target=target,
                summary=f"task {stop.id} stopped: {stops.reason(stop)}",
                source="ecs.DescribeTasks",
            )
    for event in snapshot.events:
        if event.at >= start and "deployment failed" in event.message.lower():
            yield Change(
                at=event.at,
                kind="ecs.deployment_failed",
                target=target,
                summary=event.message,
                source="ecs.DescribeServices",
            )


def _brought(snapshot: Snapshot, definition: str) -> tuple[str, ...]:
    """What a deployment changes, while both revisions are read; later the feed of changes does."""
    before, after = snapshot.previous, snapshot.definition
    if before is None or after is None or name_of(definition) != name_of(after.arn):
        return ()
    head = f"task definition {name_of(before.arn)} → {name_of(after.arn)}"
    told = (stops.difference_text((each,)) for each in stops.differences(before, after))
    return (head, *told)
