"""What the screens show of a function: its state in a word, its log's shapes, what invokes it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from cockpit.triage.changes import Change
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Fact
from cockpit.triage.view import Column, Row, Table
from cockpit.units import count, duration, number, percent
from probes.lambda_function.model import Snapshot, error_rate, now, throttle_rate
from probes.lambda_function.settings import Settings
from probes.metrics import age, is_blind, latest, peak, read_at, settled, total

_SERVING = frozenset({"Active", "Inactive"})


def facts(snapshot: Snapshot, settings: Settings) -> Iterator[Fact]:
    """`ok`, `5.2% errors`, `throttled`, `off`, `not invoked`, `unknown`, or its state."""
    yield _headline(snapshot, settings)
    done = total(settled(snapshot.invocations, snapshot.at))
    if done is not None:
        shown, seen = number(round(done / 5, 1)), read_at(snapshot.invocations)
        yield Fact("invocations a minute", shown, done / 5, as_of=seen)
    slow = latest(now(snapshot, snapshot.duration_p95))
    if slow is not None:
        seen = read_at(snapshot.duration_p95)
        yield Fact("95th percentile", duration(slow / 1000), slow / 1000, "s", as_of=seen)
    running = peak(now(snapshot, snapshot.concurrency))
    if running is not None:
        seen = read_at(snapshot.concurrency)
        yield Fact("running at once", number(running), running, as_of=seen)
    used = max((each.used_mb for each in snapshot.reports), default=None)
    text = "not read" if used is None else f"{used:,} of {snapshot.memory_mb:,} MB"
    yield Fact("memory", text, used, "MB")
    if snapshot.alias is not None:
        yield Fact("version", f"{snapshot.alias.name} → {snapshot.alias.version}")


def _headline(snapshot: Snapshot, settings: Settings) -> Fact:
    if snapshot.state not in _SERVING:
        bad = Severity.CRITICAL if snapshot.state == "Failed" else Severity.WARNING
        return Fact("state", snapshot.state or "unknown", severity=bad)
    if snapshot.reserved == 0:
        return Fact("state", "off", severity=Severity.CRITICAL)
    rate, refused = error_rate(snapshot), throttle_rate(snapshot)
    seen = read_at(snapshot.invocations, snapshot.errors, snapshot.throttles)
    severity = (
        settings.errors.grade(rate.share) if rate.enough(settings.least_invocations) else None
    )
    if rate.part and severity:
        shown = f"{percent(rate.share or 0)} errors"
        return Fact("state", shown, rate.share, "share", severity, seen)
    if rate.part:
        shown = f"{rate.part:,.0f} of {rate.whole or 0:,.0f} failed"
        return Fact("state", shown, rate.share, "share", Severity.WARNING, seen)
    if refused.part:
        return Fact("state", "throttled", refused.share, "share", Severity.WARNING, seen)
    if rate.whole:
        return Fact("state", "ok", 0.0, "share", as_of=seen)
    unseen = is_blind(snapshot.invocations) or any(gap.what == "metrics" for gap in snapshot.gaps)
    return Fact("state", "unknown" if unseen else "not invoked", as_of=seen)


def tables(snapshot: Snapshot, settings: Settings) -> Iterator[Table]:
    """Lines by their shape, what is denied, what invokes it, aliases and versions."""
    late = age(snapshot.invocations, snapshot.at)
    yield Table(
        title="Error lines of 15 minutes",
        columns=(Column("count", 6, right=True), Column("what", 8), Column("line")),
        rows=tuple(
            Row(
                key=f"{each.kind} {each.text}",
                cells=(number(each.count), each.kind, each.text),
                severity=Severity.WARNING,
                sort=(each.count, each.kind, each.text),
            )
            for each in snapshot.patterns
        ),
        headline=_reports(snapshot),
        note=(
            f"newest metric is {duration(late)} old" if late is not None else "no metrics",
            "at most a hundred lines a call; numbers, ids and quoted text are left out",
        ),
    )
    if snapshot.denials:
        yield Table(
            title="Denied",
            columns=(
                Column("count", 6, right=True),
                Column("action", 24),
                Column("resource", 40),
                Column("why"),
            ),
            rows=tuple(
                Row(
                    key=f"{each.action} {each.resource}",
                    cells=(number(each.count), each.action, each.resource, each.why),
                    severity=Severity.WARNING,
                )
                for each in snapshot.denials
            ),
        )
    yield _triggers(snapshot)
    yield _aliases(snapshot)


def _reports(snapshot: Snapshot) -> str:
    if not snapshot.reports:
        return "no REPORT lines were read" if snapshot.logs_read else "log lines could not be read"
    cold = sum(1 for each in snapshot.reports if each.init_ms is not None)
    used = max(each.used_mb for each in snapshot.reports)
    told = f"{count(len(snapshot.reports), 'REPORT line')}: up to {used:,} of "
    return told + f"{snapshot.memory_mb:,} MB used, {count(cold, 'cold start')}"


def _triggers(snapshot: Snapshot) -> Table:
    polled = (
        Row(
            key=each.id,
            cells=(each.source.rpartition(":")[2] or each.id, each.state, each.result),
            severity=None if each.state == "Enabled" else Severity.WARNING,
        )
        for each in snapshot.mappings
    )
    ruled = (
        Row(
            key=each.name,
            cells=(each.name, each.state, each.schedule),
            severity=None if each.state == "ENABLED" else Severity.WARNING,
        )
        for each in snapshot.rules
    )
    return Table(
        title="What invokes it",
        columns=(Column("source", 32), Column("state", 12), Column("last result or schedule")),
        rows=(*polled, *ruled),
        note=("who calls it directly is not listed here",),
    )


def _aliases(snapshot: Snapshot) -> Table:
    return Table(
        title="Aliases",
        columns=(Column("alias", 20), Column("version", 10), Column("besides")),
        rows=tuple(
            Row(
                key=each.name,
                cells=(
                    each.name,
                    each.version,
                    ", ".join(f"{percent(w.weight)} to {w.version}" for w in each.weights),
                ),
            )
            for each in snapshot.aliases
        ),
        note=(f"before: version {snapshot.previous_version}, {snapshot.previous_known_by}",)
        if snapshot.previous_version
        else (),
    )


def changes(snapshot: Snapshot, target: str) -> Iterator[Change]:
    """Code and configuration, moves of the alias, changes of event sources, of the last day."""
    start = snapshot.at - timedelta(days=1)
    if snapshot.modified is not None and snapshot.modified >= start:
        yield Change(
            at=snapshot.modified,
            kind="lambda.version",
            target=target,
            summary=f"version {snapshot.version or '$LATEST'}: code or configuration",
            source="lambda.GetFunctionConfiguration",
        )
    for each in snapshot.pointed:
        if each.at >= start and snapshot.alias is not None:
            yield Change(
                at=each.at,
                kind="lambda.alias",
                target=target,
                summary=f"alias {snapshot.alias.name} to version {each.version}",
                actor=each.actor,
                source="cloudtrail.LookupEvents",
            )
    for mapping in snapshot.mappings:
        if mapping.changed is not None and mapping.changed >= start:
            yield Change(
                at=mapping.changed,
                kind="lambda.mapping",
                target=target,
                summary=f"{mapping.source.rpartition(':')[2]}: {mapping.state}",
                source="lambda.ListEventSourceMappings",
            )
