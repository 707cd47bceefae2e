"""What the screens show of a cluster: hosts that take tasks, room, capacity providers."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Severity
from cockpit.triage.probe import Fact
from cockpit.triage.view import Column, Row, Table
from cockpit.units import number
from probes.ecs_cluster.container_instances import lasted, room_text
from probes.ecs_cluster.model import ContainerInstance, Snapshot
from probes.ecs_cluster.room import placeable, reserved
from probes.ecs_cluster.settings import Settings


def facts(snapshot: Snapshot, _: Settings) -> Iterator[Fact]:
    """Hosts that take tasks first; `Fargate` where there are none to look at."""
    yield _headline(snapshot)
    yield Fact("running", str(snapshot.running), snapshot.running)
    yield Fact("pending", str(snapshot.pending), snapshot.pending)
    yield Fact("services", str(snapshot.services), snapshot.services)
    cpu, memory = reserved(placeable(snapshot))
    if snapshot.hosts:
        yield Fact("processors", room_text(cpu), cpu, "share")
        yield Fact("memory", room_text(memory), memory, "share")
    yield Fact("container insights", snapshot.insights or "unknown")


def _headline(snapshot: Snapshot) -> Fact:
    if snapshot.status != "ACTIVE":
        return Fact("hosts", snapshot.status or "unknown", severity=Severity.CRITICAL)
    if snapshot.hosts is None:
        return Fact("hosts", "unknown", severity=Severity.WARNING)
    if not snapshot.hosts and not snapshot.providers:
        return Fact("hosts", "Fargate" if snapshot.provider_names else "none")
    take = len(placeable(snapshot))
    severity = Severity.WARNING if take < len(snapshot.hosts) else None
    if not take and snapshot.hosts:
        severity = Severity.CRITICAL
    return Fact("hosts", f"{take}/{len(snapshot.hosts)}", take, severity=severity)


def tables(snapshot: Snapshot, _: Settings) -> Iterator[Table]:
    """Hosts and capacity providers."""
    yield Table(
        title="Hosts",
        columns=(
            Column("instance", 20),
            Column("zone", 12),
            Column("status", 20),
            Column("agent", 10),
            Column("health", 18),
            Column("tasks", 5, right=True),
            Column("CPU left", 12, right=True),
            Column("MiB left", 14, right=True),
            Column("provider"),
        ),
        rows=tuple(_host(snapshot, host) for host in snapshot.hosts or ()),
        headline="could not be read" if snapshot.hosts is None else "",
        note=("of processors 1,024 units are one",),
    )
    if snapshot.providers:
        yield Table(
            title="Capacity providers",
            columns=(
                Column("provider", 24),
                Column("status", 14),
                Column("last change", 18),
                Column("scaling", 10),
                Column("group"),
            ),
            rows=tuple(
                Row(
                    key=each.name,
                    cells=(each.name, each.status, each.update, each.scaling, each.group),
                    severity=None if each.status == "ACTIVE" else Severity.WARNING,
                )
                for each in snapshot.providers
            ),
            headline=snapshot.attachments,
        )


def _host(snapshot: Snapshot, host: ContainerInstance) -> Row:
    return Row(
        key=host.arn,
        cells=(
            host.instance or host.id,
            host.zone,
            host.status,
            lasted(snapshot, host) or host.agent,
            host.health,
            str(host.running),
            f"{number(host.cpu_left)}/{number(host.cpu)}",
            f"{number(host.memory_left)}/{number(host.memory)}",
            host.provider,
        ),
        severity=None if host.placeable and host.health != "IMPAIRED" else Severity.WARNING,
    )
