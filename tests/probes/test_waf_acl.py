"""A web ACL: whom it blocks, whom it could block, and the traps that must not fire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from cockpit import clock
from cockpit.connect.aws.redact import redact
from cockpit.connect.aws.session import open_aws, open_aws_acts
from cockpit.connect.aws.settings import WafSettings
from cockpit.connect.session import Series
from cockpit.errors import BlindError, Reason, Refused
from cockpit.runbooks.library import library
from cockpit.triage.finding import Severity
from cockpit.triage.target import Target
from probes.waf_acl import view
from probes.waf_acl.block import offered
from probes.waf_acl.model import BlockSet, SampledShare, Settings, Snapshot, WafRule
from probes.waf_acl.traffic import collect, diagnose, since
from tests.core.aws_stub import Reply, Request, place, reading, stubbed
from tests.moto_server import client, moto_server
from tests.probes.fake_aws import AT, FakeAws, ago, denied, hours, minutes

CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
JSON = "application/x-amz-json-1.1"
ARN = "arn:aws:wafv2:us-east-1:123456789012:regional/webacl/shop/id-1"
SET = "arn:aws:wafv2:us-east-1:123456789012:regional/ipset/bad/id-2"
ALB = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/shop/1"


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "servers" not in request.keywords:
        monkeypatch.setattr(clock, "now", lambda: AT)


def rule(name: str = "bots", action: str = "block", **changes: Any) -> WafRule:
    return replace(WafRule(name=name, metric=name, action=action, print="1"), **changes)


def look(**changes: Any) -> Snapshot:
    """An ACL that lets a thousand a minute through and blocks five."""
    base = Snapshot(
        at=AT,
        name="shop",
        id="id-1",
        arn=ARN,
        scope="REGIONAL",
        default="allow",
        rules=(rule(),),
        attached=(ALB,),
        allowed=hours(1000),
        blocked=hours(5),
    )
    return replace(base, **changes)


def surge(blocked: float, **changes: Any) -> Snapshot:
    """Five minutes in which so many of 1000 are blocked a minute."""
    return look(
        allowed=hours(1000, *[1000 - blocked] * 5), blocked=hours(5, *[blocked] * 5), **changes
    )


def loud(share: float = 0.5, times: float = 2, **changes: Any) -> Snapshot:
    """A surge of which one address sends so much."""
    one = SampledShare(name="8.8.8.8", weight=1000 * share, country="US", agent="curl")
    held = {
        "allowed": hours(1000, *[1000 * times] * 5),
        "samples": 400,
        "sources": (one, SampledShare(name="8.8.4.4", weight=10)),
        "paths": (SampledShare(name="/search", weight=1000),),
        "ip_set": BlockSet(
            name="bad",
            id="id-2",
            scope="REGIONAL",
            version="IPV4",
            addresses=("1.1.1.1/32",),
            lock="t1",
        ),
    }
    return look(**{**held, **changes})


def changed(minutes_ago: float, **changes: Any) -> WafRule:
    held = {"changed": ago(minutes=minutes_ago), "blocked": hours(0, *[20] * 5)}
    return rule(**{**held, **changes})


ABSENT = Series()
ERRORS = ("WAF_ERRORS", CRITICAL)
FEW = ("TRAFFIC_FROM_FEW_SOURCES", CRITICAL)
SUSPECT = ("WAF_FALSE_POSITIVE_SUSPECTED", WARNING)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(look(), [], id="well"),
        pytest.param(look(allowed=ABSENT, blocked=ABSENT), [], id="no traffic is nothing blocked"),
        # blocked
        pytest.param(surge(99), [], id="just below a tenth"),
        pytest.param(surge(100), [("WAF_BLOCK_SURGE", WARNING)], id="a tenth"),
        pytest.param(surge(500), [("WAF_BLOCK_SURGE", CRITICAL)], id="half"),
        pytest.param(look(allowed=hours(500), blocked=hours(500)), [], id="half as always"),
        pytest.param(
            look(allowed=minutes(*[1] * 5), blocked=minutes(*[1] * 5)), [], id="5 of 10 is few"
        ),
        pytest.param(
            look(allowed=ABSENT, blocked=hours(0, *[300] * 5)),
            [("WAF_BLOCK_SURGE", CRITICAL)],
            id="everything is blocked: nothing let through is no gap",
        ),
        pytest.param(
            look(blocked=Series(status="Forbidden")),
            [],
            id="blocks that may not be read are unknown",
        ),
        # a changed rule
        pytest.param(look(rules=(changed(10),)), [SUSPECT], id="changed, and blocks since"),
        pytest.param(look(rules=(changed(10, came=True),)), [SUSPECT], id="came"),
        pytest.param(look(rules=(changed(61),)), [], id="changed more than an hour ago"),
        pytest.param(look(rules=(changed(10, blocked=hours(20)),)), [], id="it blocks as before"),
        pytest.param(look(rules=(changed(10, blocked=hours(0, 3)),)), [], id="three blocks"),
        pytest.param(look(rules=(rule(blocked=hours(0, *[20] * 5)),)), [], id="not changed"),
        # stops nothing
        pytest.param(look(rules=(rule(action="count"),)), [("WAF_ALL_COUNT", INFO)], id="count"),
        pytest.param(
            look(rules=(rule(action="count"),), allowed=hours(1000, *[1600] * 5)),
            [("WAF_ALL_COUNT", WARNING)],
            id="only counts in a surge",
        ),
        pytest.param(look(rules=(rule(action="count"), rule(action="group"))), [], id="one group"),
        pytest.param(look(rules=(rule(action="unknown"),)), [], id="an unknown action may stop"),
        pytest.param(look(rules=()), [], id="no rules at all"),
        pytest.param(
            look(rules=(rule(action="count"),), default="block"), [], id="blocks the rest"
        ),
        pytest.param(
            look(attached=(), allowed=ABSENT, blocked=ABSENT),
            [("WAF_NOT_ATTACHED", INFO)],
            id="guards nothing",
        ),
        pytest.param(look(attached=()), [], id="it has requests: a kind that we do not know"),
        pytest.param(
            look(attached=None, allowed=ABSENT, blocked=ABSENT), [], id="not known what it guards"
        ),
        # errors
        pytest.param(look(behind=hours(9), errors=minutes(3)), [], id="one minute"),
        pytest.param(look(behind=hours(9), errors=minutes(3, 3)), [ERRORS], id="two minutes"),
        pytest.param(look(behind=hours(9), errors=minutes(3, 3, None)), [], id="and over"),
        # few sources
        pytest.param(loud(), [FEW], id="half of a surge"),
        pytest.param(loud(0.2), [(FEW[0], WARNING)], id="a fifth"),
        pytest.param(loud(0.19), [], id="less"),
        pytest.param(loud(times=1.4), [], id="no surge"),
        pytest.param(loud(samples=199), [], id="too few samples"),
        pytest.param(
            loud(
                sources=(
                    SampledShare(
                        name="8.8.8.8",
                        weight=900,
                        agent="Amazon-Route53-Health-Check-Service (ref 1)",
                    ),
                )
            ),
            [],
            id="health checks",
        ),
        # rate rules
        pytest.param(look(rules=(rule(limited=2),)), [("WAF_RATE_LIMITED", INFO)], id="held back"),
        pytest.param(look(rules=(rule(limited=0),)), [], id="nobody held back"),
        pytest.param(look(rules=(rule(), rule("r", "count", limited=2))), [], id="only counted"),
        # its own numbers
        pytest.param(
            look(allowed=ABSENT, blocked=ABSENT, behind=hours(9)),
            [("METRICS_ABSENT", WARNING)],
            id="the balancer has requests",
        ),
    ],
)
def test_what_fires_and_what_must_not(seen: Snapshot, expected: list[tuple[str, Severity]]) -> None:
    assert [(f.code, f.severity) for f in diagnose(seen, Settings())] == expected


@pytest.mark.parametrize(
    ("seen", "address", "why"),
    [
        pytest.param(loud(), "8.8.8.8/32", "", id="one public address"),
        pytest.param(loud(ip_set=None), "", "IP set", id="no set"),
        pytest.param(loud(0.1), "", "large share", id="nobody is loud"),
        pytest.param(loud(samples=10), "", "samples", id="too few samples"),
        pytest.param(
            loud(sources=(SampledShare(name="10.0.0.7", weight=900),)), "", "public", id="a proxy"
        ),
        pytest.param(
            loud(never_block=("8.8.0.0/16",)), "", "never", id="named by the configuration"
        ),
        pytest.param(
            loud(sources=(SampledShare(name="2606:4700::1", weight=900),)), "", "IPV4", id="IPv6"
        ),
        pytest.param(
            loud(sources=(SampledShare(name="x", weight=900),)), "", "no address", id="odd"
        ),
    ],
)
def test_whom_the_set_could_block(seen: Snapshot, address: str, why: str) -> None:
    given = offered(seen, Settings())
    assert given.block_address == address
    assert why in given.block_why
    assert given.block_after == (("1.1.1.1/32", address) if address else ())
    assert offered(given, Settings()) == given


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"forwarded": True}, "header"),
        ({"lock": ""}, "token"),
        ({"addresses": ("8.8.8.0/24",)}, "already"),
    ],
)
def test_a_set_that_cannot_take_it(changes: dict[str, Any], why: str) -> None:
    seen = loud()
    assert seen.ip_set is not None
    given = offered(replace(seen, ip_set=replace(seen.ip_set, **changes)), Settings())
    assert given.block_address == ""
    assert why in given.block_why


def test_a_rule_that_is_another_is_remembered() -> None:
    later = replace(look(), at=datetime.fromisoformat("2026-11-21T03:01:30+00:00"))
    same = since(look(), later)
    assert same.rules[0].changed is None
    other = since(look(), replace(later, rules=(rule(print="2"), rule("new"))))
    assert [(r.changed == later.at, r.came) for r in other.rules] == [(True, False), (True, True)]
    assert [c.summary for c in view.changes(other, "shop-waf")] == [
        "rule bots was changed",
        "rule new came",
    ]
    assert since(other, replace(other, at=AT)).rules[0].changed == later.at


VISIBLE = {
    "SampledRequestsEnabled": True,
    "CloudWatchMetricsEnabled": True,
    "MetricName": "shop-metric",
}
RULES = [
    {
        "Name": "set",
        "Priority": 0,
        "Action": {"Block": {}},
        "Statement": {"IPSetReferenceStatement": {"ARN": SET}},
        "VisibilityConfig": {**VISIBLE, "MetricName": "set"},
    },
    {
        "Name": "rate",
        "Priority": 1,
        "Action": {"Block": {}},
        "Statement": {"RateBasedStatement": {"Limit": 2000, "AggregateKeyType": "IP"}},
        "VisibilityConfig": {**VISIBLE, "MetricName": "rate"},
    },
    {
        "Name": "managed",
        "Priority": 2,
        "OverrideAction": {"None": {}},
        "Statement": {
            "ManagedRuleGroupStatement": {
                "VendorName": "AWS",
                "Name": "CommonRuleSet",
                "RuleActionOverrides": [{"Name": "Size", "ActionToUse": {"Count": {}}}],
            }
        },
        "VisibilityConfig": {**VISIBLE, "MetricName": "managed"},
    },
]
ACL = {
    "Name": "shop",
    "Id": "id-1",
    "ARN": ARN,
    "DefaultAction": {"Allow": {}},
    "Rules": RULES,
    "VisibilityConfig": VISIBLE,
}


def sample(ip: str, uri: str, weight: int, action: str = "ALLOW") -> dict[str, Any]:
    return {
        "Request": {"ClientIP": ip, "Country": "DE", "URI": uri, "Headers": []},
        "Weight": weight,
        "Action": action,
    }


def sampled(**asked: Any) -> dict[str, Any]:
    """Weights of one answer: 3 of 4 stand for 3,000 of 4,000; of the other all for ten."""
    if asked["RuleMetricName"] == "rate":
        return {
            "SampledRequests": [sample("1.2.3.4", "/a", 1, "BLOCK")],
            "PopulationSize": 10,
        }
    return {
        "SampledRequests": [sample("9.9.9.9", "/search", 3), sample("1.2.3.4", "/a", 1)],
        "PopulationSize": 4000,
    }


def answers(**changes: Any) -> dict[str, Any]:
    held = {
        "wafv2.GetWebACL": {"WebACL": ACL, "LockToken": "x"},
        "wafv2.ListResourcesForWebACL": [ALB],
        "wafv2.GetIPSet": {
            "IPSet": {"Name": "bad", "Id": "id-2", "IPAddressVersion": "IPV4", "Addresses": []},
            "LockToken": "t1",
        },
        "wafv2.GetRateBasedStatementManagedKeys": {
            "ManagedKeysIPV4": {"IPAddressVersion": "IPV4", "Addresses": ["1.2.3.4/32"]}
        },
        "wafv2.GetSampledRequests": sampled,
        "elbv2.DescribeLoadBalancerAttributes": [
            {"Key": "waf.fail_open.enabled", "Value": "false"}
        ],
    }
    return {**held, **changes}


SERIES = {
    "AllowedRequests": hours(1000),
    "BlockedRequests/ALL": hours(5),
    "BlockedRequests/rate": hours(5),
    "RequestCount": hours(1000),
    "HTTPCode_ELB_500_Count": minutes(3, 3),
}


def at(id_: str = ARN, **settings: Any) -> Target:
    return Target(name="w", kind="waf_acl", settings=WafSettings(aws="prod", id=id_, **settings))


async def test_everything_that_is_read() -> None:
    aws = FakeAws(answers(), SERIES)
    seen = await collect(aws, at())
    assert seen.gaps == ()
    assert [(r.name, r.action, r.sort, r.counted, r.limited) for r in seen.rules] == [
        ("set", "block", "IP set", 0, None),
        ("rate", "block", "rate 2000 in 300 s", 0, 1),
        ("managed", "group", "AWS CommonRuleSet", 1, None),
    ]
    assert seen.attached == (ALB,)
    assert seen.fail_open is False
    assert seen.ip_set is not None
    assert (seen.ip_set.lock, seen.ip_set.addresses) == ("t1", ())
    assert [(s.name, s.weight) for s in seen.sources] == [("9.9.9.9", 3000.0), ("1.2.3.4", 1010.0)]
    assert [(s.name, s.blocked) for s in seen.paths][1] == ("/a", 10.0)
    total = next(q for q in aws.queries if q.name == "AllowedRequests")
    assert total.dimensions == (("Region", "us-east-1"), ("Rule", "ALL"), ("WebACL", "shop-metric"))
    assert [f.code for f in diagnose(seen, Settings())] == ["WAF_ERRORS", "WAF_RATE_LIMITED"]
    assert len(list(view.tables(seen, Settings()))) == 4


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("wafv2.ListResourcesForWebACL", "what it guards"),
        ("wafv2.GetIPSet", "IP set"),
        ("wafv2.GetRateBasedStatementManagedKeys", "rate rules"),
        ("wafv2.GetSampledRequests", "samples of shop-metric"),
        ("elbv2.DescribeLoadBalancerAttributes", "balancers"),
    ],
)
async def test_a_part_that_is_denied_is_told(call: str, told: str) -> None:
    seen = await collect(FakeAws(answers(**{call: denied()}), SERIES), at())
    assert told in {gap.what for gap in seen.gaps}
    assert "WAF_OBS_BLIND" in [f.code for f in diagnose(seen, Settings())]


async def test_samples_are_not_asked_where_the_configuration_says_so() -> None:
    aws = FakeAws(answers(), SERIES)
    seen = await collect(aws, at(samples=False))
    assert "wafv2.GetSampledRequests" not in [name for name, _ in aws.calls]
    assert seen.gaps == ()


async def test_of_two_blocking_sets_only_the_named_one_is_taken() -> None:
    other = {
        **RULES[0],
        "Name": "two",
        "Statement": {"IPSetReferenceStatement": {"ARN": f"{SET}x"}},
    }
    two = {**ACL, "Rules": [*RULES, other]}
    told = answers(**{"wafv2.GetWebACL": {"WebACL": two}})
    assert (await collect(FakeAws(told, SERIES), at())).ip_set is None
    assert (await collect(FakeAws(told, SERIES), at(ip_set=SET))).ip_set is not None


@pytest.mark.parametrize(
    ("id_", "told", "reason", "code"),
    [
        (ARN, BlindError(Reason.MISSING, "gone"), Reason.MISSING, "WAF_ACL_MISSING"),
        (ARN, denied(), Reason.DENIED, ""),
        ("other", {}, Reason.MISSING, "WAF_ACL_MISSING"),
        ("arn:aws:s3:::shop", {}, Reason.MISCONFIGURED, ""),
    ],
)
async def test_without_the_acl_there_is_no_look(
    id_: str, told: Any, reason: Reason, code: str
) -> None:
    with pytest.raises(BlindError) as caught:
        await collect(FakeAws(answers(**{"wafv2.GetWebACL": told})), at(id_))
    assert (caught.value.reason, caught.value.code) == (reason, code)


async def test_an_acl_of_cloudfront_answers_in_one_region_only() -> None:
    aws = FakeAws(answers())
    aws.region = "eu-west-1"
    with pytest.raises(BlindError, match="us-east-1"):
        await collect(aws, at(ARN.replace("regional", "global")))


def test_no_header_and_no_query_of_a_customer_is_kept() -> None:
    row: dict[str, Any] = sample("1.2.3.4", "/reset?token=abc", 1)
    row["Request"]["Headers"] = [
        {"Name": "Cookie", "Value": "session=abc"},
        {"Name": "User-Agent", "Value": "curl"},
    ]
    kept = json.dumps(redact("wafv2", {"SampledRequests": [row]}))
    assert "abc" not in kept
    assert "curl" in kept


# The real client -------------------------------------------------------------------------------

OLD = ["1.1.1.1/32", "10.0.0.0/8"]
WHICH = {"Name": "bad", "Scope": "REGIONAL", "Id": "id-2", "LockToken": "t1"}


def told(request: Request) -> Reply:
    """What WAF answers: moto calls its IP set a page of HTML, and has no samples."""
    held: dict[str, Any] = {
        "GetWebACL": {"WebACL": ACL, "LockToken": "x"},
        "ListResourcesForWebACL": {"ResourceArns": []},
        "GetIPSet": {
            "IPSet": {
                "Name": "bad",
                "Id": "id-2",
                "ARN": SET,
                "IPAddressVersion": "IPV4",
                "Addresses": OLD,
            },
            "LockToken": "t1",
        },
        "GetRateBasedStatementManagedKeys": {
            "ManagedKeysIPV4": {"IPAddressVersion": "IPV4", "Addresses": []}
        },
        "GetSampledRequests": {"SampledRequests": [sample("9.9.9.9", "/a", 2)]},
        "UpdateIPSet": {"NextLockToken": "t2"},
    }
    answer = held.get(request.operation)
    return Reply(json.dumps(answer or {}), 200 if answer is not None else 500, type=JSON)


async def test_a_look_through_the_real_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")
    async with stubbed() as stub, reading(stub, wanted=["wafv2:GetSampledRequests"]) as session:
        stub.answer = told
        seen = await collect(session, at())
    assert {gap.what for gap in seen.gaps} == {"metrics"}
    assert seen.attached == ()
    assert seen.ip_set is not None
    assert seen.ip_set.addresses == tuple(OLD)
    assert [s.name for s in seen.sources] == ["9.9.9.9"]


@pytest.mark.parametrize(
    ("after", "sent"),
    [([*OLD, "8.8.8.8/32"], True), (OLD[:1], True), (["8.8.8.8/32"], False), ([], False)],
)
async def test_a_set_is_never_replaced_whoever_asks(
    after: list[str], *, sent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")
    async with stubbed() as stub:
        stub.answer = told
        acts = await open_aws_acts(place(stub.port))
        try:
            arguments = {**WHICH, "Addresses": after}
            call = library().get("block-source").step("block").does
            if sent:
                assert await acts.run(call, arguments)
            else:
                with pytest.raises(Refused):
                    await acts.run(call, arguments)
        finally:
            await acts.close()
        assert ("UpdateIPSet" in stub.operations) is sent


# moto ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with moto_server() as port:
        yield port


@pytest.mark.servers
async def test_an_acl_through_the_real_client(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")
    waf = client(port, "wafv2")
    held = waf.create_ip_set(
        Name="bad", Scope="REGIONAL", IPAddressVersion="IPV4", Addresses=["1.1.1.1/32"]
    )["Summary"]
    one = {**RULES[0], "Statement": {"IPSetReferenceStatement": {"ARN": held["ARN"]}}}
    arn = waf.create_web_acl(
        Name="shop",
        Scope="REGIONAL",
        DefaultAction={"Allow": {}},
        VisibilityConfig=VISIBLE,
        Rules=[one],
    )["Summary"]["ARN"]
    aws = await open_aws(place(port))
    try:
        for id_ in (arn, "shop"):
            seen = await collect(aws, at(id_, samples=False))
            assert [r.name for r in seen.rules] == ["set"]
        with pytest.raises(BlindError) as caught:
            await collect(aws, at(arn[:-4] + "0000"))
        assert caught.value.code == "WAF_ACL_MISSING"
    finally:
        await aws.close()


def test_a_surge_of_blocks_began_with_its_first_minute() -> None:
    seen = surge(500)
    (told,) = (f for f in diagnose(seen, Settings()) if f.code == "WAF_BLOCK_SURGE")
    assert (told.began, told.resolution) == (seen.blocked.times[-5], 90.0)
