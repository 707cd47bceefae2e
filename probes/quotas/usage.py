"""The quotas of a place against what is used of them.

Source: Service Quotas `ListServiceQuotas`, `ListRequestedServiceQuotaChangeHistory`; CloudWatch, by
each quota's own `UsageMetric`. The limits change seldom and cost calls, so they are looked at every
quarter of an hour.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cockpit import clock
from cockpit.connect.aws.answer import answers_into
from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.lateness import lateness
from cockpit.connect.session import AwsReads, MetricQuery, Series
from cockpit.triage.finding import Finding
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Probe
from cockpit.triage.target import Target
from probes.answers import Gap, attempt, blind_series, nothing_read, partly_blind
from probes.metrics import NO_DATA, age, history, is_blind, peak, settled
from probes.quotas import findings, view
from probes.quotas.findings import Settings
from probes.quotas.model import (
    PENDING,
    QuotaRequest,
    QuotaRequestRow,
    QuotaRow,
    QuotaSettings,
    QuotaUse,
    Snapshot,
)

_MINUTES = 40
_RECENT = timedelta(hours=1)
_FLOWS = frozenset({"CallCount", "ConcurrentExecutions"})
_EPOCH = datetime.min.replace(tzinfo=UTC)


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Read the limits of each service, then their use. Raises `BlindError` when none is told."""
    settings = target.settings
    assert isinstance(settings, QuotaSettings)
    gaps: list[Gap] = []
    nothing: tuple[QuotaRow, ...] = ()
    lists = await asyncio.gather(
        *(
            attempt(gaps, f"quotas of {service}", _limits(aws, service), otherwise=nothing)
            for service in settings.services
        )
    )
    if gaps and len(gaps) == len(settings.services):
        raise nothing_read(gaps)
    rows = [row for several in lists for row in several]
    asked = [(row, query) for row in rows if (query := row.query(aws.region)) is not None]
    empty: Mapping[MetricQuery, Series] = {}
    series, requests = await asyncio.gather(
        attempt(gaps, "metrics", _used(aws, [query for _, query in asked]), otherwise=empty),
        attempt(gaps, "requests for increases", _requests(aws), otherwise=()),
    )
    at = clock.now()
    found = {query: series.get(query, NO_DATA) for _, query in asked}
    gaps += blind_series({" ".join(_label(query)): each for query, each in found.items()})
    uses = [_use(row, found[query], query=query, at=at) for row, query in asked]
    return Snapshot(
        at=at,
        quotas=tuple(sorted(uses, key=lambda use: (-(use.share or 0.0), use.key))),
        unmeasured=len(rows) - len(asked),
        requests=requests,
        pending=tuple(each.key for each in requests if each.status in PENDING),
        recent=tuple(each.key for each in requests if _begun(each) >= at - _RECENT),
        gaps=tuple(gaps),
    )


def _label(query: MetricQuery) -> tuple[str, ...]:
    return (query.name, *(value for _, value in query.dimensions))


async def _limits(aws: AwsReads, service: str) -> tuple[QuotaRow, ...]:
    rows = await aws.pages("service-quotas", "ListServiceQuotas", key="Quotas", ServiceCode=service)
    return answers_into(rows, QuotaRow)


async def _used(aws: AwsReads, asked: Sequence[MetricQuery]) -> Mapping[MetricQuery, Series]:
    return await aws.metrics(asked, minutes=_MINUTES, rest=True) if asked else {}


async def _requests(aws: AwsReads) -> tuple[QuotaRequest, ...]:
    """The newest of each quota."""
    rows = await aws.pages(
        "service-quotas", "ListRequestedServiceQuotaChangeHistory", key="RequestedQuotas"
    )
    newest: dict[str, QuotaRequest] = {}
    for row in answers_into(rows, QuotaRequestRow):
        key = f"{row.service_code}/{row.quota_code}"
        each = QuotaRequest(
            key=key,
            name=row.quota_name,
            wanted=row.desired_value,
            status=row.status,
            created=row.created,
        )
        before = newest.get(key)
        if before is None or _begun(before) <= _begun(each):
            newest[key] = each
    return tuple(newest.values())


def _begun(request: QuotaRequest) -> datetime:
    return request.created or _EPOCH


def _use(row: QuotaRow, series: Series, *, query: MetricQuery, at: datetime) -> QuotaUse:
    """The most of the last half hour, a sum as a rate in the quota's own time."""
    late = lateness(query.namespace, query.period)
    cut = settled(series, at, minutes=30, period=query.period, late=late)
    factor = (row.seconds or 1.0) / query.period if row.is_rate else 1.0
    most = None if is_blind(series) else peak(cut)
    silent = age(cut, at)
    return QuotaUse(
        key=f"{row.service_code}/{row.quota_code}",
        service=row.service_code,
        code=row.quota_code,
        name=row.quota_name or row.quota_code,
        limit=row.value or 0.0,
        used=None if most is None else most * factor,
        newest=None if silent is None else at - timedelta(seconds=silent),
        flows=query.name in _FLOWS,
        adjustable=row.adjustable,
        history=tuple(value * factor for value in history(cut)),
        points=_shares(cut, factor / row.value) if row.value else NO_DATA,
        period=query.period,
    )


def _shares(series: Series, factor: float) -> Series:
    return replace(series, values=tuple(value * factor for value in series.values))


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """What is nearly used up, and what was asked for."""
    yield from findings.used(snapshot, settings)
    yield from findings.requests(snapshot, settings)
    yield from partly_blind("QUOTA_OBS_BLIND", snapshot.gaps)


KIND = aws_kind("quotas", "quota", named=False, settings=QuotaSettings)

PROBE = Probe(
    id="quotas.usage",
    kind="quotas",
    collect=collect,
    diagnose=diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=900,
    timeout=40,
    facts=view.facts,
    tables=view.tables,
    needs=(
        "servicequotas:ListServiceQuotas",
        "cloudwatch:GetMetricData",
        "servicequotas:ListRequestedServiceQuotaChangeHistory",
    ),
    codes=codes(
        cause=("QUOTA_EXCEEDED",),
        risk=("QUOTA_NEAR_LIMIT", "QUOTA_REQUEST_PENDING"),
        eye=("QUOTA_STATUS_UNKNOWN", "QUOTA_OBS_BLIND"),
        traits={Trait.LOAD: ("QUOTA_EXCEEDED",)},
    ),
)
