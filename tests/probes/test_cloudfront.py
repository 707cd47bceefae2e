"""Distributions: what viewers get, a change on its way, the certificate, and the traps of rates."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cockpit import clock
from cockpit.connect.aws.redact import redact
from cockpit.connect.session import Series
from cockpit.errors import BlindError, Reason
from cockpit.triage.finding import Severity
from probes.cloudfront import distribution
from probes.cloudfront.model import Snapshot
from probes.cloudfront.settings import Settings
from tests.probes.fake_aws import AT, FakeAws, ago, denied, minutes, target

CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/1"


def flow(*values: float) -> Series:
    """The newest point is the newest that is settled: five minutes late."""
    return minutes(*(values if len(values) > 1 else values * 180), late=6)


def snapshot(**changes: Any) -> Snapshot:
    """A distribution that is well: 600 requests a minute."""
    base = Snapshot(
        at=AT,
        id="E1",
        status="Deployed",
        enabled=True,
        modified=ago(days=3),
        certificate_status="ISSUED",
        certificate_ends=AT + timedelta(days=90),
        requests=flow(600),
        errors=flow(0),
        client_errors=flow(1),
    )
    return replace(base, **changes)


def found(look: Snapshot) -> list[tuple[str, Severity]]:
    return [(f.code, f.severity) for f in distribution.diagnose(look, Settings())]


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(snapshot(), [], id="well"),
        pytest.param(snapshot(errors=flow(0.9)), [], id="just below a hundredth"),
        pytest.param(snapshot(errors=flow(1)), [("CF_5XX_RATE", WARNING)], id="a hundredth"),
        pytest.param(snapshot(errors=flow(5)), [("CF_5XX_RATE", CRITICAL)], id="a twentieth"),
        pytest.param(
            snapshot(requests=flow(600, 600, 600, 600, 1), errors=flow(0, 0, 0, 0, 100)),
            [],
            id="a minute with one request counts as one request",
        ),
        pytest.param(
            snapshot(requests=flow(2), errors=flow(100)),
            [("CF_5XX_RATE", CRITICAL)],
            id="ten requests, and all fail",
        ),
        pytest.param(snapshot(errors=Series()), [], id="no rate is not zero"),
        pytest.param(snapshot(enabled=False), [("CF_DISABLED", CRITICAL)], id="disabled"),
        pytest.param(snapshot(status="InProgress", modified=ago(minutes=29)), [], id="on its way"),
        pytest.param(
            snapshot(status="InProgress", modified=ago(minutes=30)),
            [("CF_NOT_DEPLOYED", WARNING)],
            id="for half an hour",
        ),
        pytest.param(snapshot(status="Odd"), [("CF_STATUS_UNKNOWN", WARNING)], id="a new state"),
        pytest.param(
            snapshot(certificate_status="ODD"),
            [("CF_STATUS_UNKNOWN", WARNING)],
            id="a new state of the certificate",
        ),
        pytest.param(
            snapshot(certificate_status="EXPIRED"), [("CF_CERTIFICATE_BAD", CRITICAL)], id="expired"
        ),
        pytest.param(
            snapshot(certificate_ends=AT), [("CF_CERTIFICATE_BAD", CRITICAL)], id="ends just now"
        ),
        pytest.param(
            snapshot(certificate_ends=AT + timedelta(days=20)),
            [("CF_CERTIFICATE_EXPIRING", WARNING)],
            id="three weeks",
        ),
        pytest.param(
            snapshot(origin_latency=flow(2500)), [("CF_ORIGIN_SLOW", WARNING)], id="slow origin"
        ),
        pytest.param(
            snapshot(client_errors=flow(*[1] * 170, *[70] * 10)),
            [("CF_4XX_SURGE", CRITICAL)],
            id="viewers are refused",
        ),
        pytest.param(snapshot(client_errors=flow(70)), [], id="always so"),
        pytest.param(
            snapshot(requests=flow(*[600] * 165, *[0] * 15)),
            [("CF_TRAFFIC_STOPPED", WARNING)],
            id="nobody comes any more",
        ),
    ],
)
def test_a_distribution_is_judged_by_what_it_shows(
    look: Snapshot, expected: list[tuple[str, Severity]]
) -> None:
    assert found(look) == expected


DISTRIBUTION = {
    "Id": "E1",
    "Status": "Deployed",
    "DistributionConfig": {
        "Enabled": True,
        "Aliases": {"Items": ["shop.example"]},
        "Origins": {
            "Items": [
                {
                    "DomainName": "origin.example",
                    "CustomHeaders": {"Items": [{"HeaderName": "X-Key", "HeaderValue": "hunter2"}]},
                }
            ]
        },
        "ViewerCertificate": {"ACMCertificateArn": CERTIFICATE},
    },
}
ANSWERS = {
    "cloudfront.GetDistribution": {"Distribution": DISTRIBUTION},
    "acm.DescribeCertificate": {"Certificate": {"Status": "ISSUED", "NotAfter": ago(days=-5)}},
}


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


async def look(answers: Any, series: Any = None, region: str = "us-east-1") -> Snapshot:
    aws = FakeAws(answers, series)
    aws.region = region
    return await distribution.collect(aws, target("cloudfront", "E1"))


async def test_a_distribution_is_read_with_its_certificate() -> None:
    told = {"Requests": flow(600), "5xxErrorRate": flow(6), "4xxErrorRate": flow(0)}
    seen = await look(ANSWERS, told)
    assert (seen.aliases, seen.origins, seen.gaps) == (("shop.example",), ("origin.example",), ())
    assert found(seen) == [("CF_5XX_RATE", CRITICAL), ("CF_CERTIFICATE_EXPIRING", CRITICAL)]
    assert distribution.PROBE.facts is not None
    assert distribution.PROBE.tables is not None
    assert next(iter(distribution.PROBE.facts(seen, Settings()))).text == "6.0% 5xx"
    assert list(distribution.PROBE.tables(seen, Settings()))


async def test_what_is_denied_is_a_gap_and_never_well() -> None:
    seen = await look({**ANSWERS, "acm.DescribeCertificate": denied()}, denied())
    assert {gap.what for gap in seen.gaps} == {"metrics", "certificate"}
    assert found(seen) == [("CF_OBS_BLIND", INFO)]
    assert distribution.PROBE.facts is not None
    assert next(iter(distribution.PROBE.facts(seen, Settings()))).text == "unknown"


@pytest.mark.parametrize(
    ("region", "reason", "code"),
    [("us-east-1", Reason.MISSING, "CF_MISSING"), ("eu-west-1", Reason.MISCONFIGURED, "")],
)
async def test_one_that_is_gone_and_one_asked_at_the_wrong_place(
    region: str, reason: Reason, code: str
) -> None:
    gone = {"cloudfront.GetDistribution": BlindError(Reason.MISSING, "there is none")}
    with pytest.raises(BlindError) as caught:
        await look(gone, region=region)
    assert (caught.value.reason, caught.value.code) == (reason, code)


def test_the_headers_for_an_origin_never_get_in() -> None:
    assert "hunter2" not in repr(redact("cloudfront", {"Distribution": DISTRIBUTION}))


def test_errors_at_the_edge_began_with_their_first_minute() -> None:
    fails = flow(*[0] * 150, *[9] * 30)
    (told,) = distribution.diagnose(snapshot(errors=fails), Settings())
    assert (told.code, told.began, told.resolution) == ("CF_5XX_RATE", fails.times[150], 90.0)
    ended = AT - timedelta(days=2)
    (told,) = distribution.diagnose(snapshot(certificate_ends=ended), Settings())
    assert (told.code, told.began) == ("CF_CERTIFICATE_BAD", ended)
