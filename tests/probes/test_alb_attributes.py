"""What a load balancer's attributes say, and what is not told by them."""

from __future__ import annotations

from typing import Any

import pytest

from cockpit import clock
from cockpit.errors import BlindError
from cockpit.triage.finding import Severity
from probes.alb import attributes
from probes.alb.attributes import Settings
from tests.probes.fake_aws import AT, FakeAws, denied, target

ARN = "arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/app/shop/50dc6c495c0c9188"
BALANCER = {"LoadBalancerArn": ARN, "LoadBalancerName": "shop", "Type": "application"}
OPEN, DARK = "LB_DELETION_UNPROTECTED", "LB_LOGS_OFF"


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


def answers(told: Any, **balancer: str) -> FakeAws:
    rows = [{"Key": key, "Value": value} for key, value in told.items()]
    return FakeAws(
        {
            "elbv2.DescribeLoadBalancers": [{**BALANCER, **balancer}],
            "elbv2.DescribeLoadBalancerAttributes": {"Attributes": rows},
        }
    )


@pytest.mark.parametrize(
    ("protected", "logged", "codes"),
    [
        ("true", "true", []),
        ("false", "true", [OPEN]),
        ("true", "false", [DARK]),
        ("false", "false", [OPEN, DARK]),
        ("maybe", "", []),
    ],
)
async def test_what_is_off_is_told(protected: str, logged: str, codes: list[str]) -> None:
    told = {"deletion_protection.enabled": protected, "access_logs.s3.enabled": logged}
    seen = await attributes.collect(answers(told), target("alb", ARN))
    found = list(attributes.diagnose(seen, Settings()))
    assert [each.code for each in found] == codes
    assert {each.severity for each in found} <= {Severity.INFO}


async def test_what_the_answer_does_not_say_is_not_off() -> None:
    seen = await attributes.collect(answers({}, Type="gateway"), target("alb", ARN))
    assert list(attributes.diagnose(seen, Settings())) == []
    assert [fact.text for fact in attributes.facts(seen, Settings())] == ["not told", "not told"]


async def test_logs_of_a_network_balancer_are_of_tls_only() -> None:
    aws = answers({"access_logs.s3.enabled": "false"}, Type="network")
    [found] = attributes.diagnose(await attributes.collect(aws, target("alb", ARN)), Settings())
    assert found.against == ("a network balancer logs TLS listeners only",)
    assert aws.calls[1] == ("elbv2.DescribeLoadBalancerAttributes", {"LoadBalancerArn": ARN})


async def test_attributes_that_are_denied_make_the_look_blind() -> None:
    refused = {"elbv2.DescribeLoadBalancers": [BALANCER]}
    with pytest.raises(BlindError):
        await attributes.collect(
            FakeAws({**refused, "elbv2.DescribeLoadBalancerAttributes": denied()}),
            target("alb", ARN),
        )
