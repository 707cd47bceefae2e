"""What the screens show of a state machine."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Severity
from cockpit.triage.probe import Fact
from cockpit.triage.view import Column, Row, Table
from cockpit.units import duration, number, percent
from probes.metrics import age, is_blind, latest, read_at, total
from probes.state_machine.model import Snapshot, failure_rate, now
from probes.state_machine.settings import Settings


def facts(snapshot: Snapshot, settings: Settings) -> Iterator[Fact]:
    """`ok`, `5.2% failed`, `2 of 3 failed`, `no executions`, `unknown`, or its status."""
    yield _headline(snapshot, settings)
    if snapshot.running is not None:
        more = "+" if snapshot.running_more else ""
        yield Fact("running", f"{number(snapshot.running)}{more}", snapshot.running)
    began = total(now(snapshot, snapshot.starts))
    if began is not None:
        yield Fact("started in 15 min", number(began), began, as_of=read_at(snapshot.starts))
    slow = latest(now(snapshot, snapshot.duration))
    if slow is not None:
        seen = read_at(snapshot.duration)
        yield Fact("95th percentile", duration(slow / 1000), slow / 1000, "s", as_of=seen)


def _headline(snapshot: Snapshot, settings: Settings) -> Fact:
    if snapshot.status.upper() != "ACTIVE":
        return Fact("state", snapshot.status or "unknown", severity=Severity.WARNING)
    rate = failure_rate(snapshot)
    seen = read_at(snapshot.starts, snapshot.failures)
    if rate.part:
        enough = rate.enough(settings.least_executions)
        severity = settings.failed.grade(rate.share) if enough else Severity.WARNING
        shown = f"{number(rate.part)} of {number(rate.whole or 0)} failed"
        if enough:
            shown = f"{percent(rate.share or 0)} failed"
        return Fact("state", shown, rate.share, "share", severity, seen)
    if rate.whole:
        return Fact("state", "ok", 0.0, "share", as_of=seen)
    unseen = is_blind(snapshot.starts) or any(gap.what == "metrics" for gap in snapshot.gaps)
    if unseen:
        return Fact("state", "unknown")
    return Fact("state", "running" if snapshot.running else "no executions")


def tables(snapshot: Snapshot, settings: Settings) -> Iterator[Table]:
    """Failed executions with their error, and the oldest that runs."""
    late = age(snapshot.starts, snapshot.at)
    oldest = (snapshot.oldest,) if snapshot.oldest else ()
    yield Table(
        title="Executions",
        columns=(
            Column("age", 8, right=True),
            Column("status", 10),
            Column("execution", 36),
            Column("error", 24),
            Column("cause"),
        ),
        rows=tuple(
            Row(
                key=each.arn,
                cells=(
                    duration((snapshot.at - each.started).total_seconds()),
                    each.status,
                    each.name,
                    each.error,
                    " ".join(filter(None, (each.cause, each.redrive))),
                ),
                severity=None if each.status == "RUNNING" else Severity.WARNING,
            )
            for each in (*oldest, *snapshot.failed)
        ),
        headline=f"{snapshot.name} is {snapshot.status}, {snapshot.type}",
        note=(
            f"newest metric is {duration(late)} old" if late is not None else "no metrics",
            "the newest failed ones, and the oldest that runs"
            if snapshot.listed
            else "executions are not listed: an express machine, or not permitted",
        ),
    )
