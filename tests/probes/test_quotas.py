"""Quotas: what is nearly used up, by AWS' own usage metrics, and what AWS does not tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from cockpit import clock
from cockpit.connect.session import Series
from cockpit.errors import BlindError, Reason
from cockpit.triage import recording
from cockpit.triage.finding import Severity
from cockpit.triage.target import Target
from probes.quotas import usage as probe
from probes.quotas.findings import Settings
from probes.quotas.model import QuotaRequest, QuotaSettings, QuotaUse, Snapshot
from tests.probes.fake_aws import AT, FakeAws, ago, denied, minutes

CRITICAL, HIGH, WARNING, INFO = Severity.CRITICAL, Severity.HIGH, Severity.WARNING, Severity.INFO
CALLS = QuotaUse(
    key="kms/L-1", service="kms", code="L-1", name="Requests", limit=1000, used=100, flows=True
)
THINGS = replace(CALLS, flows=False)
REQUEST = QuotaRequest(
    key="kms/L-1", name="Requests", wanted=2000, status="PENDING", created=ago(days=2)
)


def found(*quotas: QuotaUse, requests: tuple[QuotaRequest, ...] = ()) -> list[tuple[str, Severity]]:
    look = Snapshot(at=AT, quotas=quotas, requests=requests)
    return [(f.code, f.severity) for f in probe.diagnose(look, Settings())]


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        pytest.param(CALLS, [], id="little"),
        pytest.param(replace(CALLS, used=799), [], id="just below"),
        pytest.param(replace(CALLS, used=800), [("QUOTA_NEAR_LIMIT", WARNING)], id="eight tenths"),
        pytest.param(replace(CALLS, used=950), [("QUOTA_NEAR_LIMIT", CRITICAL)], id="nearly all"),
        pytest.param(replace(CALLS, used=1000), [("QUOTA_EXCEEDED", CRITICAL)], id="refused now"),
        pytest.param(
            replace(THINGS, used=1000),
            [("QUOTA_NEAR_LIMIT", HIGH)],
            id="full by design: only the next one is refused",
        ),
        pytest.param(replace(CALLS, used=None), [], id="no point is not zero and not judged"),
        pytest.param(replace(CALLS, used=5, limit=0), [], id="a limit of nothing"),
    ],
)
def test_a_quota_is_judged_by_its_use(
    quota: QuotaUse, expected: list[tuple[str, Severity]]
) -> None:
    assert found(quota) == expected


def test_a_full_quota_began_with_its_first_full_point_where_the_series_has_one_before() -> None:
    times = tuple(AT - timedelta(minutes=n) for n in range(10, 2, -1))

    def began(*shares: float) -> datetime | None:
        quota = replace(CALLS, used=1040, points=Series(times[-len(shares) :], shares))
        (told,) = probe.diagnose(Snapshot(at=AT, quotas=(quota,)), Settings())
        return told.began

    assert began(0.4, 0.5, 0.9, 1.04, 1.04, 1.04) == times[-3]
    assert began(1.04, 1.04, 1.04) is None, "it was full before the oldest point"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("PENDING", ["QUOTA_REQUEST_PENDING"]),
        ("CASE_OPENED", ["QUOTA_REQUEST_PENDING"]),
        ("APPROVED", []),
        ("DENIED", []),
        ("NOT_APPROVED", []),
        ("CASE_CLOSED", []),
        ("INVALID_REQUEST", []),
        ("WAITING_FOR_PAYMENT", ["QUOTA_STATUS_UNKNOWN"]),
    ],
)
def test_a_request_is_told_until_it_is_decided(status: str, expected: list[str]) -> None:
    told = found(requests=(replace(REQUEST, status=status),))
    assert told == [(code, INFO) for code in expected]


def quota(code: str, metric: str, stat: str, **changes: Any) -> dict[str, Any]:
    row = {
        "ServiceCode": "kms",
        "QuotaCode": code,
        "QuotaName": f"name of {code}",
        "Value": 100.0,
        "UsageMetric": {
            "MetricNamespace": "AWS/Usage",
            "MetricName": metric,
            "MetricDimensions": {"Service": "KMS", "Resource": code},
            "MetricStatisticRecommendation": stat,
        },
    }
    return {**row, **changes}


SECOND = {"PeriodValue": 1, "PeriodUnit": "SECOND"}


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


async def look(aws: FakeAws, *services: str) -> Snapshot:
    settings = QuotaSettings(aws="prod", services=services or ("kms",))
    return await probe.collect(aws, Target(name="quotas", kind="quotas", settings=settings))


def answers(*rows: dict[str, Any]) -> dict[str, Any]:
    asked = {
        "ServiceCode": "kms",
        "QuotaCode": "L-2",
        "QuotaName": "Keys",
        "DesiredValue": 2000.0,
        "Created": ago(days=1),
        "Status": "PENDING",
    }
    older = {**asked, "Status": "DENIED", "Created": ago(days=9)}
    return {
        "service-quotas.ListServiceQuotas": list(rows),
        "service-quotas.ListRequestedServiceQuotaChangeHistory": [asked, older],
    }


async def test_a_rate_is_compared_in_its_own_time_and_a_count_as_it_is() -> None:
    rows = [
        quota("L-1", "CallCount", "Sum", Period=SECOND),
        quota("L-2", "ResourceCount", "Maximum"),
        quota("L-3", "CallCount", "Sum"),  # a rate without its time cannot be compared
        {"ServiceCode": "kms", "QuotaCode": "L-4", "Value": 5.0},
        quota("L-5", "ResourceCount", "Maximum", GlobalQuota=True, Value=7.0),
        quota("L-6", "ResourceCount", "p99"),
    ]
    aws = FakeAws(
        answers(*rows),
        {
            "CallCount": minutes(*[5700] * 20, late=6),
            "ResourceCount/L-2": Series((ago(minutes=20),), (40.0,)),
        },
    )
    seen = await look(aws)
    assert [(each.key, each.share, each.flows) for each in seen.quotas] == [
        ("kms/L-1", 0.95, True),
        ("kms/L-2", 0.4, False),
        ("kms/L-5", None, False),
    ]
    assert seen.unmeasured == 3
    assert (seen.pending, seen.recent, seen.gaps) == (("kms/L-2",), (), ())
    told = [(f.code, f.subject) for f in probe.diagnose(seen, Settings())]
    assert told == [("QUOTA_NEAR_LIMIT", "kms/L-1"), ("QUOTA_REQUEST_PENDING", "kms/L-2")]
    assert probe.PROBE.facts is not None
    assert probe.PROBE.tables is not None
    facts = {each.label: each.text for each in probe.PROBE.facts(seen, Settings())}
    assert facts["most used"] == "95% name of L-1"
    assert facts["not measured"] == "4"
    assert len([*probe.PROBE.tables(seen, Settings())]) == 2
    assert recording.builtins(seen)["unmeasured"] == 3


async def test_what_was_just_asked_for_is_recent_whatever_became_of_it() -> None:
    asked = {"ServiceCode": "kms", "QuotaCode": "L-2", "Status": "APPROVED", "Created": AT}
    told = {**answers(), "service-quotas.ListRequestedServiceQuotaChangeHistory": [asked]}
    seen = await look(FakeAws(told))
    assert (seen.pending, seen.recent) == ((), ("kms/L-2",))


async def test_metrics_that_are_denied_leave_the_limits_without_a_use() -> None:
    seen = await look(FakeAws(answers(quota("L-2", "ResourceCount", "Maximum")), denied()))
    assert [each.share for each in seen.quotas] == [None]
    assert [f.code for f in probe.diagnose(seen, Settings())] == [
        "QUOTA_REQUEST_PENDING",
        "QUOTA_OBS_BLIND",
    ]
    assert probe.PROBE.facts is not None
    assert next(iter(probe.PROBE.facts(seen, Settings()))).text == "unknown"


async def test_one_service_that_is_not_there_is_a_gap_and_all_of_them_are_blind() -> None:
    def listed(**asked: Any) -> Any:
        if asked["ServiceCode"] == "nosuch":
            raise BlindError(Reason.MISSING, "NoSuchResourceException")
        return []

    told = {**answers(), "service-quotas.ListServiceQuotas": listed}
    seen = await look(FakeAws(told), "kms", "nosuch")
    assert [gap.what for gap in seen.gaps] == ["quotas of nosuch"]
    with pytest.raises(BlindError) as caught:
        await look(FakeAws(told), "nosuch")
    assert caught.value.reason is Reason.MISSING
