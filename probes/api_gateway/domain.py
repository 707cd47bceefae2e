"""The custom domain by which clients reach an API: its state, and how long its certificate is good.

Source: API Gateway `GetDomainNames` (version 1 lists those of HTTP APIs too), ACM
`DescribeCertificate`. Asked only where the configuration names the domain.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from cockpit.connect.aws.answer import Answer, GivenText, answer_into, answers_into
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from cockpit.text import SafeText
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import duration
from probes.api_gateway.model import CustomDomain, Snapshot
from probes.api_gateway.reach import unknown
from probes.api_gateway.settings import Settings
from probes.began import TOLD

_MOVING = {"UPDATING", "PENDING"}
_BROKEN = {"FAILED", "PENDING_CERTIFICATE_REIMPORT", "PENDING_OWNERSHIP_VERIFICATION"}
_GOOD = {"AVAILABLE", ""}
_CERTIFICATES = {"ISSUED", "PENDING_VALIDATION", ""}
_BAD_CERTIFICATES = {"EXPIRED", "REVOKED", "FAILED", "INACTIVE", "VALIDATION_TIMED_OUT"}


class DomainRow(Answer, frozen=True, rename="camel"):
    """One row of `GetDomainNames`."""

    of = "apigateway.DomainName"
    domain_name: GivenText
    domain_name_status: SafeText = ""
    domain_name_status_message: SafeText = ""
    certificate_arn: SafeText = ""
    """Of an edge-optimized domain, in us-east-1."""
    regional_certificate_arn: SafeText = ""


class DomainCertificate(Answer, frozen=True):
    """A certificate of ACM."""

    of = "acm.CertificateDetail"
    status: SafeText = ""
    not_after: datetime | None = None


async def domain_of(aws: AwsReads, name: str) -> CustomDomain | None:
    """The domain by its name; None when none is named. One that is not there is told as such."""
    if not name:
        return None
    rows = await aws.pages("apigateway", "GetDomainNames", key="items", limit=500)
    found = (each for each in answers_into(rows, DomainRow) if each.domain_name == name.lower())
    row = next(found, None)
    if row is None:
        return CustomDomain(name=name, there=False)
    return CustomDomain(
        name=row.domain_name,
        status=row.domain_name_status,
        message=row.domain_name_status_message,
        certificate=row.regional_certificate_arn or row.certificate_arn,
    )


async def certificate_of(aws: AwsReads, domain: CustomDomain | None) -> DomainCertificate:
    """Its certificate. Raises `BlindError` for one of a region where this place does not look."""
    if domain is None or not domain.certificate.startswith("arn:"):
        return DomainCertificate()
    region = domain.certificate.split(":")[3]
    if region != aws.region:
        raise BlindError(
            Reason.MISCONFIGURED,
            f"the certificate of {domain.name} is in {region}, and this place is {aws.region}",
            hint="an endpoint target with the domain's name sees it from outside",
        )
    answer = await aws.read(
        "acm", "DescribeCertificate", expect="Certificate", CertificateArn=domain.certificate
    )
    return answer_into(answer["Certificate"], DomainCertificate)


def ready(snapshot: Snapshot, _: Settings) -> Iterator[Finding]:
    """The domain's name does not lead to the API as it should.

    APIGW_DOMAIN_NOT_READY: It is gone, failed, or waits for a certificate or for a proof that the
    name is ours: clients that use the name get errors of TLS or 403. While it is being changed it
    is a warning: the settings from before serve until then.
    """
    domain = snapshot.domain
    if domain is None:
        return
    shown = (
        Evidence("status", domain.status or None),
        Evidence("message", domain.message or None),
        Evidence("certificate", domain.certificate or None),
    )
    if domain.there and domain.status not in _MOVING | _BROKEN | _GOOD:
        yield unknown(f"the domain {domain.name}", domain.status, shown)
    elif not domain.there or domain.status not in _GOOD:
        told = f"is {domain.status}" if domain.there else "is not there"
        yield Finding(
            "APIGW_DOMAIN_NOT_READY",
            Severity.WARNING if domain.status in _MOVING else Severity.CRITICAL,
            f"the domain {domain.name} {told}",
            subject=domain.name,
            evidence=shown,
            likely=("it is being changed",)
            if domain.status in _MOVING
            else ("it was deleted", "its certificate was replaced or is no more trusted"),
            next="look who changed the domain, and at its certificate in ACM",
        )


def certificate(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The certificate of the domain's name ends, or is none any more.

    APIGW_CERT_EXPIRING: It was not renewed, as ACM does by itself 60 days before the end: the DNS
    record that proves the name is gone, or it was imported. Critical once clients refuse it.
    """
    domain = snapshot.domain
    if domain is None:
        return
    left = None if domain.ends is None else (domain.ends - snapshot.at).total_seconds()
    told = domain.certificate_status
    shown = (
        Evidence("certificate", domain.certificate or None),
        Evidence("its status", told or None),
        Evidence("ends in", left, "s", limit=settings.certificate.first),
    )
    if told not in _CERTIFICATES | _BAD_CERTIFICATES:
        yield unknown(f"the certificate of {domain.name}", told, shown)
    over = told in _BAD_CERTIFICATES or (left is not None and left <= 0)
    severity = Severity.CRITICAL if over else settings.certificate.grade(left)
    if severity is None:
        return
    yield Finding(
        "APIGW_CERT_EXPIRING",
        severity,
        f"the certificate of {domain.name} is {told if told in _BAD_CERTIFICATES else 'EXPIRED'}"
        if over
        else f"the certificate of {domain.name} ends in {duration(left or 0)}",
        subject=domain.name,
        evidence=shown,
        likely=("the DNS record that proves the name is gone", "it was imported, and not again"),
        next="renew it, or put the record of ACM back",
        began=domain.ends if left is not None and left <= 0 else None,
        resolution=TOLD,
    )
