"""What the screens show of an instance or a cluster: status, instances, what is pending, events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from cockpit.connect.session import Series
from cockpit.triage.changes import Change
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Fact
from cockpit.triage.view import Column, Row, Table
from cockpit.units import age, duration, number, percent
from probes.metrics import latest, lowest, mean, peak, read_at, settled
from probes.rds import events, model
from probes.rds.load import most_connections
from probes.rds.model import Instance, Snapshot
from probes.rds.settings import Settings
from probes.rds.storage import free_share


def facts(snapshot: Snapshot, _: Settings) -> Iterator[Fact]:
    """The status first: the worst of the cluster's and its instances'."""
    name, status = _headline(snapshot)
    yield Fact("status", status, severity=_severity(status))
    if name != snapshot.id:
        yield Fact("not available", name)
    if snapshot.cluster is not None:
        yield Fact("writer", snapshot.writer or "none")
        yield Fact("instances", str(len(snapshot.instances)), len(snapshot.instances))
    elsewhere = sorted({each.primary for each in snapshot.instances if each.primary})
    if elsewhere:
        yield Fact("primary", ", ".join(elsewhere))
    connections = _most(snapshot, "DatabaseConnections")
    shown = "unknown" if connections is None else number(round(connections))
    yield Fact("connections", shown, connections, as_of=_seen(snapshot, "DatabaseConnections"))
    cpu, seen = _most(snapshot, "CPUUtilization"), _seen(snapshot, "CPUUtilization")
    yield Fact("CPU", "unknown" if cpu is None else f"{cpu:.0f}%", cpu, "%", as_of=seen)
    shares = [free_share(each, snapshot) for each in snapshot.instances]
    free = min((share for share in shares if share is not None), default=None)
    if free is not None:
        seen = _seen(snapshot, "FreeStorageSpace")
        yield Fact("free storage", percent(free), free, "share", as_of=seen)


def _seen(snapshot: Snapshot, name: str) -> datetime | None:
    return read_at(*(each.series(name) for each in snapshot.instances))


def _headline(snapshot: Snapshot) -> tuple[str, str]:
    states = [(snapshot.id, snapshot.status)]
    states += [(each.id, each.status) for each in snapshot.instances]
    return max(states, key=lambda state: _rank(state[1]))


def _rank(status: str) -> int:
    severity = _severity(status)
    if severity is None:
        return 0 if status.lower() == "available" else 1
    return severity.rank + 1


def _severity(status: str) -> Severity | None:
    state = status.lower()
    if state in model.OK:
        return None
    return Severity.CRITICAL if state in model.BAD else Severity.WARNING


def _most(snapshot: Snapshot, name: str) -> float | None:
    values = [latest(settled(each.series(name), snapshot.at)) for each in snapshot.instances]
    return max((value for value in values if value is not None), default=None)


def tables(snapshot: Snapshot, settings: Settings) -> Iterator[Table]:
    """Instances, what is pending, events."""
    yield Table(
        title="Instances",
        columns=(
            Column("instance", 24),
            Column("role", 8),
            Column("class", 14),
            Column("zone", 12),
            Column("CPU", 5, right=True),
            Column("conns", 12, right=True),
            Column("free", 6, right=True),
            Column("lag", 8, right=True),
            Column("status"),
        ),
        rows=tuple(_instance_row(snapshot, each, settings) for each in snapshot.instances),
        headline=f"{snapshot.kind} {snapshot.id} is {snapshot.status}, {snapshot.engine}",
        note=("available says nothing of reachability: see the database's own probe",),
    )
    waiting = tuple(_pending_rows(snapshot))
    if waiting:
        yield Table(
            title="Pending",
            columns=(Column("resource", 24), Column("what", 28), Column("value")),
            rows=waiting,
        )
    yield Table(
        title="Events",
        columns=(Column("age", 5, right=True), Column("source", 24), Column("message")),
        rows=tuple(
            Row(
                key=f"{event.at.isoformat()} {event.source} {event.message}",
                cells=(
                    age((snapshot.at - event.at).total_seconds()),
                    event.source,
                    event.message,
                ),
            )
            for event in snapshot.events
        ),
    )


def _instance_row(snapshot: Snapshot, instance: Instance, settings: Settings) -> Row:
    def now(name: str) -> Series:
        return settled(instance.series(name), snapshot.at)

    limit, _ = most_connections(snapshot, instance, settings)
    connections = latest(now("DatabaseConnections"))
    shown = "" if connections is None else number(round(connections))
    cpu, share = mean(now("CPUUtilization")), free_share(instance, snapshot)
    return Row(
        key=instance.id,
        cells=(
            instance.id,
            _role(instance),
            instance.db_class,
            instance.zone,
            "" if cpu is None else f"{cpu:.0f}%",
            f"{shown}/{number(limit)}" if shown and limit else shown,
            "" if share is None else percent(share),
            _lag(snapshot, instance),
            instance.status + (f" {instance.percent}%" if instance.percent else ""),
        ),
        severity=_severity(instance.status),
        depth=0 if instance.writer is not False else 1,
    )


def _role(instance: Instance) -> str:
    if instance.writer is not None:
        return "writer" if instance.writer else "reader"
    return "replica" if instance.source else "primary"


def _lag(snapshot: Snapshot, instance: Instance) -> str:
    seconds = peak(settled(instance.series("ReplicaLag"), snapshot.at))
    if instance.aurora:
        milliseconds = peak(settled(instance.series("AuroraReplicaLag"), snapshot.at))
        seconds = None if milliseconds is None else milliseconds / 1000
    if seconds is None:
        return ""
    stopped = lowest(settled(instance.series("ReplicaLag"), snapshot.at))
    return "stopped" if stopped is not None and stopped < 0 else duration(seconds)


def _pending_rows(snapshot: Snapshot) -> Iterator[Row]:
    owners = [(each.id, each.pending) for each in snapshot.instances]
    if snapshot.cluster is not None:
        owners.append((snapshot.cluster.id, snapshot.cluster.pending))
    for name, values in owners:
        for each in values:
            yield Row(key=f"{name} {each.name}", cells=(name, each.name, each.value))
    for action in snapshot.maintenance:
        moment = action.forced_at or action.apply_at
        when = "no date" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"
        yield Row(
            key=f"{action.resource} {action.action}", cells=(action.resource, action.action, when)
        )


def changes(snapshot: Snapshot, target: str) -> Iterator[Change]:
    """Every event of the last day but backups."""
    for event in snapshot.events:
        yield Change(
            at=event.at,
            kind=events.CHANGES[events.meaning(event)],
            target=target,
            summary=f"{event.source}: {event.message}",
            source="rds.DescribeEvents",
        )
