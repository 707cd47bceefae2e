"""What the screens show of a stage: its answers in a word, whose they are, and what it serves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from cockpit.triage.changes import Change
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Fact
from cockpit.triage.view import Column, Row, Table
from cockpit.units import count, duration, number, percent
from probes.api_gateway.model import Snapshot
from probes.api_gateway.settings import Settings
from probes.metrics import age, is_blind, read_at

_GOOD = frozenset({"AVAILABLE", "DEPLOYED", ""})


def facts(snapshot: Snapshot, settings: Settings) -> Iterator[Fact]:
    """`ok`, `5.2% 5xx`, `no traffic`, `unknown`; then traffic, latency, what it serves."""
    yield _headline(snapshot, settings)
    seen = read_at(snapshot.requests)
    if snapshot.whole is not None:
        shown = number(round(snapshot.whole / 5, 1))
        yield Fact("requests a minute", shown, snapshot.whole / 5, as_of=seen)
    if snapshot.latency_p95 is not None:
        yield Fact("95th percentile", duration(snapshot.latency_p95), snapshot.latency_p95, "s")
    refused = snapshot.share_of(snapshot.client_errors).share
    if refused is not None:
        yield Fact("4xx", percent(refused), refused, "share", as_of=seen)
    yield Fact(
        "serves", snapshot.deployment or ("its newest" if snapshot.auto_deploy else "nothing")
    )


def _headline(snapshot: Snapshot, settings: Settings) -> Fact:
    rate = snapshot.share_of(snapshot.errors)
    seen = read_at(snapshot.requests, snapshot.errors)
    if rate.part:
        severity = rate.grade(
            settings.errors, minimum=settings.min_requests, few=settings.few_requests
        )
        shown = f"{percent(rate.share or 0)} 5xx"
        if not rate.enough(settings.min_requests):
            shown = f"{number(rate.part)} of {number(rate.whole or 0)} 5xx"
        return Fact("state", shown, rate.share, "share", severity or Severity.WARNING, seen)
    if rate.part is not None and rate.whole:
        return Fact("state", "ok", 0.0, "share", as_of=seen)
    unseen = any(is_blind(each) for each in (snapshot.requests, snapshot.errors)) or any(
        gap.what == "metrics" for gap in snapshot.gaps
    )
    return Fact("state", "unknown" if unseen else "no traffic", as_of=seen)


def tables(snapshot: Snapshot, _: Settings) -> Iterator[Table]:
    """Answers of the access log, what is behind the API, its deployments, its plans."""
    yield _answers(snapshot)
    yield _behind(snapshot)
    yield _deployments(snapshot)
    if snapshot.plans:
        yield Table(
            title="Usage plans",
            columns=(Column("plan", 24), Column("a second", 10, right=True), Column("quota")),
            rows=tuple(
                Row(
                    key=each.id,
                    cells=(
                        each.name,
                        "no limit" if each.rate is None else number(each.rate),
                        "no limit"
                        if each.quota is None
                        else f"{number(each.quota)} a {each.period.lower()}",
                    ),
                )
                for each in snapshot.plans
            ),
            note=("for each key of the plan",),
        )


def _answers(snapshot: Snapshot) -> Table:
    late = age(snapshot.requests, snapshot.at)
    return Table(
        title="Answers 429 and 5xx of 10 minutes",
        columns=(
            Column("count", 6, right=True),
            Column("status", 6),
            Column("answered by", 12),
            Column("why", 32),
            Column("route"),
        ),
        rows=tuple(
            Row(
                key=f"{each.status} {each.by} {each.why} {each.route}",
                cells=(
                    number(each.count),
                    str(each.status),
                    each.by or "not told",
                    each.why,
                    each.route,
                ),
                severity=Severity.WARNING,
            )
            for each in snapshot.answers
        ),
        headline=f"{snapshot.name or snapshot.id} ({snapshot.protocol}), stage {snapshot.stage}",
        note=(
            f"newest metric is {duration(late)} old" if late is not None else "no metrics",
            f"{count(snapshot.lines, 'line')} read, at most 200"
            if snapshot.logs_read
            else "the access log was not read: there is none, its format does not tell, or all is"
            " well",
            *((f"cache: {snapshot.cache}",) if snapshot.cache else ()),
        ),
    )


def _behind(snapshot: Snapshot) -> Table:
    """Integrations with their links; a REST stage serves what was deployed."""
    links = (
        Row(
            key=each.id,
            cells=("VPC link", each.status or "no state", each.name, each.message),
            severity=None if each.status.upper() in _GOOD else Severity.WARNING,
        )
        for each in snapshot.links
    )
    routes = (
        Row(
            key=f"{each.route} {each.uri}",
            cells=(
                each.route,
                each.type,
                "" if each.timeout is None else duration(each.timeout),
                each.function or each.uri,
            ),
            severity=Severity.WARNING if each.function in snapshot.forbidden else None,
        )
        for each in (snapshot.integrations or ())[:100]
    )
    return Table(
        title="What answers",
        columns=(Column("route", 28), Column("type", 12), Column("limit", 8), Column("where")),
        rows=(*links, *routes),
        note=(
            "read in trouble and on the first day of a deployment; as it is edited now, which may"
            " not be deployed",
        ),
    )


def _deployments(snapshot: Snapshot) -> Table:
    before = snapshot.previous_deployment
    return Table(
        title="Deployments of the API",
        columns=(
            Column("deployment", 14),
            Column("made", 20),
            Column("state", 10),
            Column("", 10),
            Column("description"),
        ),
        rows=tuple(
            Row(
                key=each.id,
                cells=(
                    each.id,
                    "" if each.at is None else f"{each.at:%Y-%m-%d %H:%M:%S}Z",
                    each.status,
                    _role(snapshot, each.id),
                    each.description,
                ),
                severity=None if each.status in _GOOD else Severity.WARNING,
            )
            for each in snapshot.deployments
        ),
        note=(f"before: {before}, {snapshot.previous_known_by}",)
        if before
        else ("which of them the stage served before is not known",),
    )


def _role(snapshot: Snapshot, id_: str) -> str:
    if id_ == snapshot.deployment:
        return "served"
    if id_ == snapshot.canary_deployment:
        return f"canary {snapshot.canary_percent:g}%"
    return "before" if id_ == snapshot.previous_deployment else ""


def changes(snapshot: Snapshot, target: str) -> Iterator[Change]:
    """What the stage served since when, of the last day."""
    start = snapshot.at - timedelta(days=1)
    told = {each.deployment for each in snapshot.pointed}
    for each in snapshot.pointed:
        if each.at >= start:
            yield Change(
                at=each.at,
                kind="apigateway.stage",
                target=target,
                summary=f"stage {snapshot.stage} to deployment {each.deployment}",
                actor=each.actor,
                source="cloudtrail.LookupEvents",
            )
    made = snapshot.deployed
    if made is not None and made.id not in told and made.at is not None and made.at >= start:
        yield Change(
            at=made.at,
            kind="apigateway.stage",
            target=target,
            summary=f"stage {snapshot.stage} to deployment {made.id}",
            source="apigateway.GetDeployments",
        )
