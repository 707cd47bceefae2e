"""What the screens show of an instance: its state and checks, what is coming, what is used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cockpit.triage.changes import Change
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Fact
from cockpit.triage.view import Column, Row, Table
from cockpit.units import duration, number
from probes.ec2_instance.model import AgentMetric, Snapshot, processor
from probes.ec2_instance.settings import Settings
from probes.metrics import latest, mean, read_at, settled

_WHEN = re.compile(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) GMT\)")


def facts(snapshot: Snapshot, settings: Settings) -> Iterator[Fact]:
    """`running 3/3`, `impaired`, `checks unknown`, or the state that it is in."""
    yield _headline(snapshot)
    busy = mean(processor(snapshot))
    shown, seen = "unknown" if busy is None else f"{busy:.0f}%", read_at(snapshot.cpu)
    yield Fact("CPU", shown, busy, "%", as_of=seen)
    if snapshot.application is not None:
        status = snapshot.application.status
        yield Fact("application", status, severity=None if status == "ok" else Severity.WARNING)
    left = latest(snapshot.credits)
    if left is not None:
        yield Fact("credits", number(left), left, as_of=read_at(snapshot.credits))
    used = _most(snapshot, snapshot.memory)
    shown, seen = _shown(used, snapshot.memory), _seen(snapshot.memory)
    yield Fact("memory", shown, used, "%", settings.memory.grade(used), seen)
    full = _most(snapshot, snapshot.disks)
    shown, seen = _shown(full, snapshot.disks), _seen(snapshot.disks)
    yield Fact("fullest disk", shown, full, "%", settings.disk.grade(full), seen)
    yield Fact("type", f"{snapshot.type} {snapshot.zone}".strip())


def _headline(snapshot: Snapshot) -> Fact:
    if snapshot.state != "running":
        severity = Severity.WARNING if snapshot.state == "pending" else Severity.CRITICAL
        return Fact("state", snapshot.state, severity=severity)
    if snapshot.checks is None:
        return Fact("state", "checks unknown", severity=Severity.WARNING)
    well = [each for each in snapshot.checks if each.status in {"ok", "not-applicable"}]
    if any(each.status == "impaired" for each in snapshot.checks):
        return Fact("state", "impaired", severity=Severity.CRITICAL)
    whole = len(well) == len(snapshot.checks) > 0
    text = f"running {len(well)}/{len(snapshot.checks)}"
    return Fact("state", text, severity=None if whole else Severity.WARNING)


def _most(snapshot: Snapshot, metrics: tuple[AgentMetric, ...] | None) -> float | None:
    found = (latest(settled(each.used, snapshot.at)) for each in metrics or ())
    return max((value for value in found if value is not None), default=None)


def _seen(metrics: tuple[AgentMetric, ...] | None) -> datetime | None:
    return read_at(*(each.used for each in metrics or ()))


def _shown(value: float | None, metrics: tuple[AgentMetric, ...] | None) -> str:
    if value is not None:
        return f"{value:.0f}%"
    return "no agent" if metrics == () else "unknown"


def tables(snapshot: Snapshot, settings: Settings) -> Iterator[Table]:
    """Status checks, what AWS plans, file systems."""
    yield Table(
        title="Status checks",
        columns=(Column("check", 10), Column("status", 18), Column("fails since")),
        rows=tuple(
            Row(
                key=each.kind,
                cells=(each.kind, each.status, _ago(snapshot, each.since)),
                severity=None if each.status in {"ok", "not-applicable"} else Severity.WARNING,
            )
            for each in (*(snapshot.checks or ()), *filter(None, (snapshot.application,)))
        ),
        headline="could not be read" if snapshot.checks is None else _told(snapshot),
    )
    if snapshot.events:
        yield Table(
            title="What AWS plans",
            columns=(Column("event", 22), Column("begins in", 12), Column("what")),
            rows=tuple(
                Row(
                    key=each.id or each.code,
                    cells=(each.code, _until(snapshot, each.begins), each.text),
                    severity=Severity.WARNING,
                )
                for each in snapshot.events
            ),
        )
    if snapshot.disks:
        yield Table(
            title="File systems",
            columns=(Column("path", 32), Column("used", 6, right=True)),
            rows=tuple(_disk(snapshot, settings, each) for each in snapshot.disks),
            note=("by the CloudWatch agent; those that are full by design are left out",),
        )


def _told(snapshot: Snapshot) -> str:
    told = (snapshot.id, snapshot.name, snapshot.address, snapshot.group and f"of {snapshot.group}")
    return ", ".join(each for each in told if each)


def _disk(snapshot: Snapshot, settings: Settings, each: AgentMetric) -> Row:
    used = latest(settled(each.used, snapshot.at))
    return Row(
        key=each.path,
        cells=(each.path, "unknown" if used is None else f"{used:.0f}%"),
        severity=settings.disk.grade(used),
    )


def _ago(snapshot: Snapshot, moment: datetime | None) -> str:
    return "" if moment is None else duration((snapshot.at - moment).total_seconds())


def _until(snapshot: Snapshot, moment: datetime | None) -> str:
    return "not told" if moment is None else duration((moment - snapshot.at).total_seconds())


def changes(snapshot: Snapshot, target: str) -> Iterator[Change]:
    """Its start, and its end as EC2 keeps it, of the last day."""
    start = snapshot.at - timedelta(days=1)
    if snapshot.launched is not None and snapshot.launched >= start:
        yield Change(
            at=snapshot.launched,
            kind="ec2.start",
            target=target,
            summary=f"{snapshot.id} was started",
            source="ec2.DescribeInstances",
        )
    ended = _moment(snapshot.transition)
    if ended is not None and ended >= start:
        yield Change(
            at=ended,
            kind="ec2.stop",
            target=target,
            summary=f"{snapshot.id} {snapshot.state}: {snapshot.transition}",
            source="ec2.DescribeInstances",
        )


def _moment(transition: str) -> datetime | None:
    found = _WHEN.search(transition)
    try:
        return datetime.fromisoformat(found[1]).replace(tzinfo=UTC) if found else None
    except ValueError:
        return None
