"""What the screens show of a cache: its status, its nodes, its events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from cockpit.connect.session import Series
from cockpit.triage.changes import Change
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Fact
from cockpit.triage.view import Column, Row, Table
from cockpit.units import age, number
from probes.elasticache import model
from probes.elasticache.model import CacheEvent, Node, Snapshot
from probes.elasticache.settings import Settings
from probes.metrics import latest, peak, read_at, settled, total


def facts(snapshot: Snapshot, _: Settings) -> Iterator[Fact]:
    """The status first, with its severity."""
    yield Fact("status", snapshot.status, severity=_status_severity(snapshot))
    yield Fact("nodes", str(len(snapshot.nodes)), len(snapshot.nodes))
    memory = _most(snapshot, "DatabaseMemoryUsagePercentage")
    seen = _seen(snapshot, "DatabaseMemoryUsagePercentage")
    yield Fact("memory", _percent(memory), memory, "%", as_of=seen)
    cpu = _most(snapshot, "EngineCPUUtilization")
    seen = _seen(snapshot, "EngineCPUUtilization")
    yield Fact("engine CPU", _percent(cpu), cpu, "%", as_of=seen)
    connections = _most(snapshot, "CurrConnections")
    shown = "unknown" if connections is None else _whole(connections)
    yield Fact("connections", shown, connections, as_of=_seen(snapshot, "CurrConnections"))
    hits = _sum(snapshot, "CacheHits", "GetHits")
    misses = _sum(snapshot, "CacheMisses", "GetMisses")
    if hits is not None and misses is not None and hits + misses:
        rate = hits / (hits + misses)
        seen = _seen(snapshot, "CacheHits", "GetHits", "CacheMisses", "GetMisses")
        yield Fact("hit rate", f"{rate:.0%}", rate, "share", as_of=seen)


def _seen(snapshot: Snapshot, *names: str) -> datetime | None:
    return read_at(*(node.series(name) for node in snapshot.nodes for name in names))


def _status_severity(snapshot: Snapshot) -> Severity | None:
    state = snapshot.status.lower()
    if state in model.OK:
        return None
    return Severity.CRITICAL if state in model.BAD else Severity.WARNING


def _most(snapshot: Snapshot, name: str) -> float | None:
    values = [peak(settled(node.series(name), snapshot.at)) for node in snapshot.nodes]
    return max((value for value in values if value is not None), default=None)


def _sum(snapshot: Snapshot, *names: str) -> float | None:
    values = [
        total(settled(node.series(name), snapshot.at)) for node in snapshot.nodes for name in names
    ]
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _whole(value: float) -> str:
    return number(round(value))


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0f}%"


def tables(snapshot: Snapshot, settings: Settings) -> Iterator[Table]:
    """Nodes, then events, then service updates."""
    yield Table(
        title="Nodes",
        columns=(
            Column("node", 20),
            Column("shard", 6),
            Column("role", 8),
            Column("zone", 12),
            Column("memory", 7, right=True),
            Column("CPU", 5, right=True),
            Column("conns", 7, right=True),
            Column("evicted/min", 11, right=True),
            Column("lag", 6, right=True),
            Column("status"),
        ),
        rows=tuple(_node_row(snapshot, node, settings) for node in snapshot.nodes),
        headline=_headline(snapshot),
        note=("available says nothing of reachability: see the redis probe",),
    )
    yield Table(
        title="Events",
        columns=(Column("age", 5, right=True), Column("source", 20), Column("message")),
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
    if snapshot.updates:
        yield Table(
            title="Service updates",
            columns=(Column("update", 24), Column("severity", 10), Column("status")),
            rows=tuple(
                Row(key=each.name, cells=(each.name, each.severity, each.status))
                for each in snapshot.updates
            ),
        )


def _headline(snapshot: Snapshot) -> str:
    parts = [f"{snapshot.kind} is {snapshot.status}", snapshot.engine, snapshot.node_type]
    if snapshot.automatic_failover:
        parts.append(f"automatic failover {snapshot.automatic_failover}")
    return ", ".join(part for part in parts if part)


def _node_row(snapshot: Snapshot, node: Node, settings: Settings) -> Row:
    def shown(
        name: str, form: Callable[[float], str], read: Callable[[Series], float | None]
    ) -> str:
        value = read(settled(node.series(name), snapshot.at))
        return "" if value is None else form(value)

    memory = peak(settled(node.series("DatabaseMemoryUsagePercentage"), snapshot.at))
    cpu = shown("EngineCPUUtilization", _percent, peak) or shown("CPUUtilization", _percent, peak)
    down = bool(node.status) and node.status.lower() not in model.OK
    return Row(
        key=node.name,
        cells=(
            node.name,
            node.shard,
            node.role,
            node.zone,
            "" if memory is None else _percent(memory),
            cpu,
            shown("CurrConnections", _whole, latest),
            shown("Evictions", _whole, latest),
            shown("ReplicationLag", lambda value: f"{value:.1f}s", peak),
            node.status or "unknown",
        ),
        severity=Severity.WARNING if down else settings.memory.grade(memory),
    )


def changes(snapshot: Snapshot, target: str) -> Iterator[Change]:
    """Every event of the last day."""
    for event in snapshot.events:
        yield Change(
            at=event.at,
            kind=_kind(event),
            target=target,
            summary=f"{event.source}: {event.message}",
            source="elasticache.DescribeEvents",
        )


def _kind(event: CacheEvent) -> str:
    if model.failed_over(event) or model.failing_over(event):
        return "elasticache.failover"
    if model.replacement_planned(event) or model.replacement_done(event):
        return "elasticache.replacement"
    return "elasticache.event"
