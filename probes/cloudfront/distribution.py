"""One distribution of CloudFront: what viewers get, its origin, its state, its certificate.

Source: CloudFront `GetDistribution`; ACM `DescribeCertificate`; CloudWatch `AWS/CloudFront`, which
is at us-east-1 only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import msgspec

from cockpit import clock
from cockpit.connect.aws.answer import Answer, GivenText, answer_into
from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from cockpit.text import SafeText
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.triage.view import Column, Row, Table
from cockpit.units import duration, number, percent
from probes.answers import Gap, absent, attempt, blind_series, partly_blind
from probes.cloudfront import findings
from probes.cloudfront.model import Snapshot
from probes.cloudfront.settings import Settings
from probes.metrics import NO_DATA, age, latest, query, read_at

_HOME = "us-east-1"
_MISSING = "CF_MISSING"
_SERIES = {
    "requests": ("Requests", "Sum"),
    "errors": ("5xxErrorRate", "Average"),
    "client_errors": ("4xxErrorRate", "Average"),
    "origin_latency": ("OriginLatency", "p95"),
    "bad_gateway": ("502ErrorRate", "Average"),
    "unavailable": ("503ErrorRate", "Average"),
    "timed_out": ("504ErrorRate", "Average"),
}
_BOUGHT = frozenset({"origin_latency", "bad_gateway", "unavailable", "timed_out"})


class DistributionNames(Answer, frozen=True):
    """Names by which viewers come."""

    items: tuple[SafeText, ...] = ()


class OriginRow(Answer, frozen=True):
    """Where answers come from. Headers that are added for it never get here."""

    domain_name: SafeText = ""


class DistributionOrigins(Answer, frozen=True):
    """All of them."""

    items: tuple[OriginRow, ...] = ()


class ViewerCertificate(Answer, frozen=True):
    """What TLS shows for its names."""

    acm_certificate_arn: SafeText = msgspec.field(name="ACMCertificateArn", default="")


class DistributionConfig(Answer, frozen=True):
    """What it is set to."""

    aliases: DistributionNames = DistributionNames()
    origins: DistributionOrigins = DistributionOrigins()
    enabled: bool = True
    viewer_certificate: ViewerCertificate = ViewerCertificate()


class DistributionRow(Answer, frozen=True):
    """A distribution."""

    of = "cloudfront.Distribution"
    id: GivenText
    arn: SafeText = msgspec.field(name="ARN", default="")
    status: SafeText = ""
    last_modified_time: datetime | None = None
    domain_name: SafeText = ""
    distribution_config: DistributionConfig = DistributionConfig()


class AcmCertificate(Answer, frozen=True):
    """A certificate of ACM."""

    of = "acm.CertificateDetail"
    status: SafeText = ""
    not_after: datetime | None = None


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Read the distribution, then its metrics and certificate at once; only itself is a must."""
    settings = target.settings
    assert isinstance(settings, AwsResource)
    if aws.region != _HOME and not aws.region.startswith("cn-"):
        raise BlindError(
            Reason.MISCONFIGURED,
            f"CloudFront has its metrics at {_HOME} only, and the place is {aws.region}",
            hint=f"name a place whose region is {_HOME}",
        )
    at = clock.now()
    id_ = settings.id.rpartition("/")[2]
    try:
        answer = await aws.read("cloudfront", "GetDistribution", expect="Distribution", Id=id_)
    except BlindError as error:
        raise _absent(error) from error
    look = _snapshot(answer_into(answer["Distribution"], DistributionRow), at)
    gaps: list[Gap] = []
    measured, shown = await asyncio.gather(
        attempt(gaps, "metrics", _measured(aws, look), otherwise=look),
        attempt(gaps, "certificate", _certificate(aws, look), otherwise=AcmCertificate()),
    )
    judged = {name: getattr(measured, name) for name in _SERIES if name not in _BOUGHT}
    return replace(
        measured,
        certificate_status=shown.status,
        certificate_ends=shown.not_after,
        gaps=(*gaps, *blind_series(judged)),
    )


def _absent(error: BlindError) -> BlindError:
    """There is no such distribution: viewers get nothing, unless the id is misspelled here."""
    return absent(
        error,
        _MISSING,
        severity=Severity.CRITICAL,
        hint=error.hint or "check the distribution's id and the account in the configuration",
    )


def _snapshot(row: DistributionRow, at: datetime) -> Snapshot:
    config = row.distribution_config
    return Snapshot(
        at=at,
        id=row.id,
        arn=row.arn,
        status=row.status,
        enabled=config.enabled,
        domain=row.domain_name,
        aliases=config.aliases.items,
        origins=tuple(each.domain_name for each in config.origins.items),
        modified=row.last_modified_time,
        certificate=config.viewer_certificate.acm_certificate_arn,
    )


async def _measured(aws: AwsReads, look: Snapshot) -> Snapshot:
    """The look with three hours of its series."""
    asked = {
        name: query("AWS/CloudFront", *each, DistributionId=look.id, Region="Global")
        for name, each in _SERIES.items()
    }
    series = await aws.metrics(tuple(asked.values()), minutes=188)
    found = {name: series.get(each, NO_DATA) for name, each in asked.items()}
    return replace(look, **found)  # type: ignore[arg-type]


async def _certificate(aws: AwsReads, look: Snapshot) -> AcmCertificate:
    if not look.certificate:
        return AcmCertificate()
    answer = await aws.read(
        "acm", "DescribeCertificate", expect="Certificate", CertificateArn=look.certificate
    )
    return answer_into(answer["Certificate"], AcmCertificate)


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Report what viewers get first, then why."""
    yield from findings.errors(snapshot, settings)
    yield from findings.state(snapshot, settings)
    yield from findings.certificate(snapshot, settings)
    yield from findings.slow(snapshot, settings)
    yield from findings.clients(snapshot, settings)
    yield from findings.silence(snapshot, settings)
    yield from partly_blind("CF_OBS_BLIND", snapshot.gaps)


def facts(snapshot: Snapshot, settings: Settings) -> Iterator[Fact]:
    """`ok`, `5.2% 5xx`, `off`, `no traffic`, `unknown`, or its state."""
    rate = snapshot.share_of(snapshot.errors)
    severity = rate.grade(settings.errors, minimum=100, few=settings.few_requests)
    seen = read_at(snapshot.requests)
    if not snapshot.enabled:
        yield Fact("state", "off", severity=Severity.CRITICAL)
    elif snapshot.status not in {"Deployed", "InProgress"}:
        yield Fact("state", snapshot.status or "unknown", severity=Severity.WARNING)
    elif rate.share:
        yield Fact("state", f"{percent(rate.share)} 5xx", rate.share, "share", severity, seen)
    elif rate.share is not None:
        yield Fact("state", "ok", 0.0, "share", as_of=seen)
    else:
        quiet = not snapshot.gaps and not rate.whole
        yield Fact("state", "no traffic" if quiet else "unknown", as_of=seen)
    if rate.whole is not None:
        shown = number(round(rate.whole / 5, 1))
        yield Fact("requests a minute", shown, rate.whole / 5, as_of=seen)


def tables(snapshot: Snapshot, _: Settings) -> Iterator[Table]:
    """Its rates, with what tells of the origin where it is bought."""
    late = age(snapshot.requests, snapshot.at)
    rows = [(name, metric, getattr(snapshot, name)) for name, (metric, _) in _SERIES.items()]
    yield Table(
        title="Metrics",
        columns=(Column("metric", 16), Column("newest", 12, right=True)),
        rows=tuple(
            Row(key=name, cells=(metric, "no data" if value is None else number(round(value, 2))))
            for name, metric, series in rows
            for value in (latest(snapshot.cut(series)),)
        ),
        headline=f"{snapshot.domain or snapshot.id} is {snapshot.status}, certificate "
        f"{snapshot.certificate_status or 'not known'}",
        note=(
            f"names: {', '.join(snapshot.aliases) or 'none'}",
            f"origins: {', '.join(snapshot.origins) or 'none'}",
            f"newest metric is {duration(late)} old" if late is not None else "no metrics",
        ),
    )


KIND = aws_kind("cloudfront", "cf")

PROBE = Probe(
    id="cloudfront.distribution",
    kind="cloudfront",
    collect=collect,
    diagnose=diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=60,
    timeout=15,
    facts=facts,
    tables=tables,
    needs=("cloudfront:GetDistribution", "cloudwatch:GetMetricData", "acm:DescribeCertificate"),
    codes=codes(
        cause=(_MISSING, "CF_DISABLED", "CF_CERTIFICATE_BAD"),
        event=("CF_NOT_DEPLOYED",),
        symptom=("CF_5XX_RATE", "CF_ORIGIN_SLOW", "CF_4XX_SURGE", "CF_TRAFFIC_STOPPED"),
        risk=("CF_CERTIFICATE_EXPIRING",),
        eye=("CF_STATUS_UNKNOWN", "CF_OBS_BLIND"),
        traits={Trait.LOAD: ("CF_ORIGIN_SLOW",), Trait.SAYS_DROP: ("CF_TRAFFIC_STOPPED",)},
    ),
)
