"""The custom domain of an API: its state, its certificate, and where it is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cockpit.connect.aws.settings import ApiSettings
from cockpit.triage.finding import Severity
from cockpit.triage.target import Target
from probes.api_gateway import status
from probes.api_gateway.model import CustomDomain, Snapshot
from tests.probes.fake_aws import FakeAws, ago
from tests.probes.test_api_gateway import found, look, rest, snapshot

CRITICAL, WARNING = Severity.CRITICAL, Severity.WARNING
CERTIFICATE = "arn:aws:acm:us-east-1:1:certificate/c"


def domain(**changes: Any) -> CustomDomain:
    base = CustomDomain(
        name="api.shop.example", status="AVAILABLE", certificate=CERTIFICATE, ends=ago(days=-90)
    )
    return replace(base, **changes)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(None, [], id="none is named"),
        pytest.param(domain(), [], id="well"),
        pytest.param(domain(ends=None), [], id="its end is not known"),
        pytest.param(domain(there=False), [("APIGW_DOMAIN_NOT_READY", CRITICAL)], id="gone"),
        pytest.param(domain(status="FAILED"), [("APIGW_DOMAIN_NOT_READY", CRITICAL)], id="failed"),
        pytest.param(
            domain(status="PENDING_OWNERSHIP_VERIFICATION"),
            [("APIGW_DOMAIN_NOT_READY", CRITICAL)],
            id="nobody proved that the name is ours",
        ),
        pytest.param(
            domain(status="UPDATING"), [("APIGW_DOMAIN_NOT_READY", WARNING)], id="being changed"
        ),
        pytest.param(
            domain(status="HIBERNATING"), [("APIGW_STATUS_UNKNOWN", WARNING)], id="a new state"
        ),
        pytest.param(domain(ends=ago(days=-22)), [], id="three weeks and a day"),
        pytest.param(
            domain(ends=ago(days=-20)), [("APIGW_CERT_EXPIRING", WARNING)], id="three weeks"
        ),
        pytest.param(domain(ends=ago(days=-6)), [("APIGW_CERT_EXPIRING", CRITICAL)], id="a week"),
        pytest.param(domain(ends=ago(days=1)), [("APIGW_CERT_EXPIRING", CRITICAL)], id="over"),
        pytest.param(
            domain(certificate_status="REVOKED"),
            [("APIGW_CERT_EXPIRING", CRITICAL)],
            id="revoked long before its end",
        ),
        pytest.param(
            domain(certificate_status="FROZEN"), [("APIGW_STATUS_UNKNOWN", WARNING)], id="unknown"
        ),
    ],
)
def test_a_domain_is_judged_by_its_state_and_its_certificate(
    seen: CustomDomain | None, expected: list[tuple[str, Severity]]
) -> None:
    assert found(snapshot(domain=seen)) == expected


async def test_a_domain_is_asked_for_where_it_is_named_and_elsewhere_a_gap_says_so() -> None:
    rows = [
        {"domainName": "old.shop.example"},
        {
            "domainName": "api.shop.example",
            "domainNameStatus": "AVAILABLE",
            "regionalCertificateArn": CERTIFICATE,
        },
    ]
    shown = {"Certificate": {"Status": "ISSUED", "NotAfter": ago(days=-3)}}
    answers = rest(apigateway__GetDomainNames=rows, acm__DescribeCertificate=shown)

    async def seen(name: str) -> Snapshot:
        settings = ApiSettings(aws="prod", id="a1", stage="prod", domain=name)
        at = Target(name="shop", kind="api_gateway", settings=settings)
        return await status.collect(FakeAws(answers, None), at)

    own = await seen("API.shop.example")
    assert own.domain == domain(certificate_status="ISSUED", ends=ago(days=-3))
    assert (await seen("gone.shop.example")).domain == CustomDomain(
        name="gone.shop.example", there=False
    )
    assert (await look(answers)).domain is None
    rows[1]["regionalCertificateArn"] = CERTIFICATE.replace("us-east-1", "eu-west-1")
    far = await seen("api.shop.example")
    assert any("eu-west-1" in gap.detail for gap in far.gaps)
