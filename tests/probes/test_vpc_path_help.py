"""A VPC path: evidence and suggestions, changes tried on a copy, risks beside it, what could not be read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jmespath
import msgspec
import pytest

from cockpit.connect.aws.settings import VpcEnd, VpcPathSettings
from cockpit.errors import BlindError, Misconfigured, Reason
from cockpit.runbooks.library import library
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.target import Target
from probes.vpc_path.config import PROBE, diagnose, tried
from probes.vpc_path.findings import Settings, Snapshot
from probes.vpc_path.model import GroupRule
from tests.probes.fake_aws import FakeAws, denied
from tests.probes.vpc_looks import (
    ALL,
    ANSWERS,
    APP,
    CRITICAL,
    ENI,
    FRONT,
    HTTPS,
    IN,
    NACL,
    SUBNETS,
    WARNING,
    WIDE,
    WORLD,
    acls,
    allow,
    groups,
    look,
    network,
    out,
    rule,
)

# --- evidence and what would help ------------------------------------------------------------


def only(snapshot: Snapshot, code: str = IN) -> tuple[Finding, dict[str, object]]:
    (finding,) = [one for one in diagnose(snapshot, Settings()) if one.code == code]
    return finding, {one.label: one.value for one in finding.evidence}


@pytest.mark.parametrize(
    ("rules", "nearest"),
    [
        pytest.param([rule("sg-db", "sg-other", id="sgr-7")], "sgr-7 (sg-db ingress tcp 5432 from sg-other): right port, another source", id="right port, wrong source"),
        pytest.param([rule("sg-db", "sg-app", low=3306)], "sg-db ingress tcp 3306 from sg-app: right source, another port", id="right source, wrong port"),
        pytest.param([rule("sg-db", "sg-x", low=22)], "sg-db ingress tcp 22 from sg-x: right protocol only", id="nothing but the protocol"),
        pytest.param([], "none has anything right", id="no rule"),
    ],
)  # fmt: skip
def test_the_nearest_miss_is_evidence(rules: list[GroupRule], nearest: str) -> None:
    _, evidence = only(look(groups(sg_db=rules)))
    assert evidence["nearest rule"] == nearest


def test_the_finding_names_the_group_and_the_narrowest_rule() -> None:
    snapshot = look(groups(sg_db=[out("sg-db")]))
    finding, evidence = only(snapshot)
    assert (finding.subject, finding.severity) == ("sg-db", CRITICAL)
    assert library().best(finding.code) == "path-security-group"
    assert evidence["narrowest rule"] == "tcp 5432 for sg-app in sg-db"


def test_steps_read_the_suggestion_by_jmespath() -> None:
    seen = msgspec.json.decode(msgspec.json.encode(look(groups(sg_db=[]))))
    assert jmespath.search("verdict", seen) == "blocked"
    assert jmespath.search("blockers[0].code", seen) == IN
    assert jmespath.search("blockers[0].group_id", seen) == "sg-db"
    assert jmespath.search("blockers[0].suggestion", seen) == {
        "GroupId": "sg-db",
        "IpPermissions": [
            {
                "IpProtocol": "tcp",
                "FromPort": 5432,
                "ToPort": 5432,
                "UserIdGroupPairs": [{"GroupId": "sg-app"}],
            }
        ],
    }


def test_a_source_without_a_group_is_suggested_by_its_address() -> None:
    source = replace(APP, groups=(), guard="assumed", cidrs=("10.0.11.7",))
    snapshot = look(groups(sg_db=[]), source=source)
    suggestion = snapshot.blockers[0].suggestion
    assert suggestion is not None
    assert suggestion["IpPermissions"][0]["IpRanges"] == [{"CidrIp": "10.0.11.7/32"}]


def test_a_database_port_is_never_suggested_for_the_whole_internet() -> None:
    net = groups(sg_web=[])
    (cut, *_) = look(net, source=WORLD, destination=FRONT).blockers
    assert (cut.code, cut.suggestion) == ("PATH_SG_INGRESS_DENIED", None)
    assert look(net, source=WORLD, destination=FRONT, flow=HTTPS).blockers[0].suggestion


def test_the_deciding_acl_entry_is_evidence() -> None:
    net = acls(acl_db=[allow(90, False, low=5432, proto="tcp", verb=False), *WIDE])
    finding, evidence = only(look(net), NACL)
    assert finding.subject == "acl-db"
    assert evidence["deciding rule"] == "rule 90 deny tcp 5432 0.0.0.0/0"


def test_a_path_that_nothing_needs_is_a_warning() -> None:
    findings = list(diagnose(look(groups(sg_db=[out("sg-db")])), Settings(needed=False)))
    assert [one.severity for one in findings if one.code == IN] == [WARNING]


# --- trying a change -------------------------------------------------------------------------


def test_the_suggestion_opens_the_path_on_a_copy() -> None:
    before = look(groups(sg_db=[out("sg-db")]))
    suggested = before.blockers[0].suggestion
    assert suggested is not None
    after = tried(before, "ec2.AuthorizeSecurityGroupIngress", suggested)
    assert (before.verdict, after.verdict) == ("blocked", "open")
    again = tried(after, "ec2.RevokeSecurityGroupIngress", suggested)
    assert again.verdict == "blocked"
    assert again.network == before.network


@pytest.mark.parametrize(
    ("call", "arguments", "expected"),
    [
        pytest.param("ec2.RevokeSecurityGroupIngress", {"GroupId": "sg-db", "SecurityGroupRuleIds": ["sgr-1"]}, "blocked", id="revoke by rule id"),
        pytest.param("ec2.RevokeSecurityGroupEgress", {"GroupId": "sg-app", "IpPermissions": [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": ALL}]}]}, "blocked", id="revoke the default egress"),
        pytest.param("ec2.CreateNetworkAclEntry", {"NetworkAclId": "acl-db", "RuleNumber": 50, "Egress": False, "RuleAction": "deny", "Protocol": "6", "CidrBlock": ALL, "PortRange": {"From": 5432, "To": 5432}}, "blocked", id="a denying entry"),
        pytest.param("ec2.ReplaceNetworkAclEntry", {"NetworkAclId": "acl-db", "RuleNumber": 100, "Egress": True, "RuleAction": "allow", "Protocol": "6", "CidrBlock": ALL, "PortRange": {"From": 40000, "To": 65535}}, "partly", id="a narrower entry"),
        pytest.param("ec2.DeleteNetworkAclEntry", {"NetworkAclId": "acl-db", "RuleNumber": 100, "Egress": False}, "blocked", id="without the entry"),
        pytest.param("ec2.CreateRoute", {"RouteTableId": "rtb-app", "DestinationCidrBlock": "10.0.21.0/24", "TransitGatewayId": "tgw-1"}, "undetermined", id="a detour over a transit gateway"),
        pytest.param("ec2.DeleteRoute", {"RouteTableId": "rtb-main", "DestinationCidrBlock": "10.0.0.0/16"}, "blocked", id="without the return route"),
    ],
)  # fmt: skip
def test_a_change_is_tried_on_a_copy(call: str, arguments: dict[str, Any], expected: str) -> None:
    before = look()
    assert tried(before, call, arguments).verdict == expected
    assert look().verdict == before.verdict == "open"


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("ec2.TerminateInstances", {}),
        ("ec2.AuthorizeSecurityGroupIngress", {"GroupId": "sg-unknown"}),
        ("ec2.CreateNetworkAclEntry", {"NetworkAclId": "acl-unknown"}),
        ("ec2.CreateRoute", {"RouteTableId": "rtb-unknown"}),
    ],
)
def test_what_cannot_be_tried_says_so(call: str, arguments: dict[str, str]) -> None:
    with pytest.raises(Misconfigured):
        tried(look(), call, arguments)


# --- risks beside the path -------------------------------------------------------------------


def codes(snapshot: Snapshot) -> list[tuple[str, Severity]]:
    return [(one.code, one.severity) for one in diagnose(snapshot, Settings())]


@pytest.mark.parametrize(
    ("rules", "public", "expected"),
    [
        pytest.param([rule("sg-web", ALL, low=443)], True, [], id="443 for all is a shop"),
        pytest.param([rule("sg-web", ALL, low=443), rule("sg-web", ALL, low=22)], True, [("NET_SG_OPEN_TO_WORLD", CRITICAL)], id="SSH for all, public"),
        pytest.param([rule("sg-web", ALL, low=443), rule("sg-web", "::/0", low=5432)], False, [("NET_SG_OPEN_TO_WORLD", WARNING)], id="a database for all, private"),
        pytest.param([rule("sg-web", ALL, proto="-1", low=-1)], True, [("NET_SG_OPEN_TO_WORLD", CRITICAL)], id="everything for all"),
        pytest.param([rule("sg-web", ALL, low=443), rule("sg-web", "198.51.100.0/24", low=22)], True, [], id="SSH for the office"),
    ],
)  # fmt: skip
def test_groups_that_are_open_to_the_world(
    rules: list[GroupRule], public: bool, expected: list[tuple[str, Severity]]
) -> None:
    front = FRONT if public else replace(FRONT, public=(), subnet="app-a")
    source = APP if not public else WORLD
    assert (
        codes(look(groups(sg_web=rules), source=source, destination=front, flow=HTTPS)) == expected
    )


@pytest.mark.parametrize(
    ("free", "total", "expected"),
    [
        (200, 251, None),
        (25, 251, WARNING),
        (26, 251, None),
        (16, 4091, WARNING),
        (5, 251, CRITICAL),
        (0, 251, CRITICAL),
        (30, 27, None),
        (None, 251, None),
    ],
)
def test_subnets_that_run_out_of_addresses(
    free: int | None, total: int, expected: Severity | None
) -> None:
    net = network()
    full = replace(net.subnets["app-a"], free=free, total=total)
    found = codes(look(replace(net, subnets={**net.subnets, "app-a": full})))
    assert found == ([("NET_SUBNET_IPS_LOW", expected)] if expected else [])


# --- what could not be read ------------------------------------------------------------------


async def read(**changed: Any) -> Snapshot:
    settings = VpcPathSettings(
        aws="prod",
        source=VpcEnd(security_group="sg-app", subnet="app-a"),
        destination=VpcEnd(address="10.0.21.9"),
        port=5432,
    )
    changes = {f"ec2.{name}": answer for name, answer in changed.items()}
    target = Target(name="path", kind="vpc_path", settings=settings)
    return await PROBE.collect(FakeAws(ANSWERS | changes), target)


async def test_a_path_that_was_read_whole() -> None:
    assert (await read()).verdict == "open"


@pytest.mark.parametrize(
    "operation",
    ["DescribeRouteTables", "DescribeNetworkAcls", "DescribeSecurityGroups"],
)
async def test_what_is_denied_makes_the_path_undetermined_and_is_named(operation: str) -> None:
    snapshot = await read(**{operation: denied("not authorized to perform it")})
    (finding,) = diagnose(snapshot, Settings())
    assert snapshot.verdict == "undetermined"
    assert finding.code == "PATH_UNDETERMINED"
    assert any("not authorized" in str(one.value) for one in finding.evidence)


@pytest.mark.parametrize("operation", ["DescribeVpcs", "DescribeInternetGateways", "DescribeSecurityGroupRules"])  # fmt: skip
async def test_what_the_path_does_not_need_may_be_denied(operation: str) -> None:
    assert (await read(**{operation: denied()})).verdict == "open"


async def test_interfaces_that_may_not_be_read_leave_the_probe_blind() -> None:
    with pytest.raises(BlindError) as caught:
        await read(DescribeNetworkInterfaces=denied())
    assert caught.value.reason is Reason.DENIED


async def test_hostile_names_arrive_as_harmless_text() -> None:
    hostile = "\x1b[31m[bold]evil\u202e\x00"
    named = [{**SUBNETS[0], "Tags": [{"Key": "Name", "Value": hostile}]}, SUBNETS[1]]
    snapshot = await read(DescribeSubnets=named)
    assert snapshot.network.subnets["data-a"].name.isprintable()


async def test_an_answer_of_another_shape_is_unreadable() -> None:
    with pytest.raises(BlindError) as caught:
        await read(DescribeNetworkInterfaces=[{**ENI, "Groups": "sg-db"}])
    assert caught.value.reason is Reason.UNREADABLE
