"""What shuts a path besides rules: VPC Block Public Access, endpoints, NAT's own way, appliances."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cockpit.connect.aws.settings import VpcEnd, VpcPathSettings
from cockpit.triage.target import Target
from probes.vpc_path.config import PROBE, diagnose
from probes.vpc_path.ends import classes
from probes.vpc_path.findings import Settings, Snapshot
from probes.vpc_path.model import (
    Acl,
    Endpoint,
    Exclusion,
    Flow,
    Network,
    PathEnd,
    Peering,
    PublicAccess,
    RouteTable,
)
from probes.vpc_path.path import overall
from tests.probes.fake_aws import FakeAws, denied
from tests.probes.vpc_looks import (
    ALL,
    ANSWERS,
    APP,
    DB,
    EMPTY,
    ENI,
    FAR,
    FRONT,
    HTTPS,
    IN,
    LAST,
    LOCAL,
    NACL,
    NOBACK,
    NOWAY,
    OPEN,
    SUBNETS,
    VPC,
    WEB,
    WIDE,
    WORLD,
    acls,
    allow,
    groups,
    look,
    network,
    out,
    rule,
    tables,
    to,
    verdict,
)

OUTSIDE = PathEnd(label="203.0.113.5", cidrs=("203.0.113.5",), guard="assumed", kind="internet")
DIRECT = replace(APP, subnet="public-a", cidrs=("10.0.1.7",), public=("198.51.100.7",))
SHUT, GONE = "PATH_PUBLIC_ACCESS_BLOCKED", "PATH_ENDPOINT_NOT_AVAILABLE"
UNKNOWN: tuple[str, list[str]] = ("undetermined", [])
INGRESS, BOTH = "block-ingress", "block-bidirectional"


def shut(mode: str, *excluded: tuple[str, str, str], net: Network | None = None) -> Network:
    """VPC Block Public Access in a mode, with exclusions."""
    exclusions = tuple(Exclusion(of=of, mode=f"allow-{way}", state=s) for of, way, s in excluded)
    access = PublicAccess(mode=mode, state="update-complete", exclusions=exclusions)
    return replace(net or network(), public_access=access)


def excluded(of: str, way: str = "bidirectional", state: str = "create-complete") -> Any:
    return (of, way, state)


@pytest.mark.parametrize(
    ("net", "source", "expected"),
    [
        pytest.param(shut(BOTH), APP, ("blocked", [SHUT]), id="everything is shut, by NAT too"),
        pytest.param(shut(INGRESS), APP, OPEN, id="what comes in is shut: NAT lets out"),
        pytest.param(shut(INGRESS), DIRECT, ("blocked", [SHUT]), id="a public address of its own is no way out then"),
        pytest.param(shut(BOTH, excluded("public-a")), APP, OPEN, id="the NAT gateway's subnet is excluded"),
        pytest.param(shut(BOTH, excluded("app-a")), APP, ("blocked", [SHUT]), id="the source's own subnet is not what counts"),
        pytest.param(shut(BOTH, excluded(VPC, "egress")), APP, OPEN, id="the VPC may go out"),
        pytest.param(shut(BOTH, excluded(VPC, "egress")), DIRECT, UNKNOWN, id="whether a public address is meant is not written"),
        pytest.param(shut(INGRESS, excluded(VPC, "egress")), DIRECT, ("blocked", [SHUT]), id="an exclusion for egress counts under the other mode only"),
        pytest.param(shut(BOTH, excluded(VPC, state="create-in-progress")), APP, UNKNOWN, id="an exclusion under way"),
        pytest.param(shut(BOTH, excluded(VPC, state="delete-complete")), APP, ("blocked", [SHUT]), id="an exclusion that is gone"),
        pytest.param(shut(BOTH, excluded(VPC, state="asleep")), APP, UNKNOWN, id="an exclusion in a state that nobody knows"),
        pytest.param(shut("block-sideways"), APP, UNKNOWN, id="a mode that nobody knows"),
        pytest.param(replace(network(), public_access=PublicAccess(mode=BOTH, exclusions=None)), APP, UNKNOWN, id="unread exclusions"),
        pytest.param(replace(network(), public_access=PublicAccess(mode="off", state="update-in-progress")), APP, UNKNOWN, id="a mode that is being changed"),
        pytest.param(replace(network(), public_access=None), APP, UNKNOWN, id="it could not be read"),
    ],
)  # fmt: skip
def test_vpc_block_public_access_on_the_way_out(
    net: Network, source: PathEnd, expected: tuple[str, list[str]]
) -> None:
    assert verdict(net, source=source, destination=OUTSIDE, flow=HTTPS) == expected


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        pytest.param(shut(INGRESS, net=WEB), ("blocked", [SHUT]), id="what comes in is shut"),
        pytest.param(shut(BOTH, excluded("public-a"), net=WEB), OPEN, id="an excluded subnet"),
        pytest.param(shut(BOTH, excluded(VPC, "egress"), net=WEB), ("blocked", [SHUT]), id="excluded for egress only"),
        pytest.param(shut(BOTH, excluded(VPC, "egress"), excluded("public-a"), net=WEB), UNKNOWN, id="two exclusions that say different things"),
    ],
)  # fmt: skip
def test_vpc_block_public_access_on_the_way_in(
    net: Network, expected: tuple[str, list[str]]
) -> None:
    assert verdict(net, source=WORLD, destination=FRONT, flow=HTTPS) == expected


def test_it_says_which_mode_stops_whom() -> None:
    snapshot = look(shut(BOTH), destination=OUTSIDE, flow=HTTPS)
    (finding,) = diagnose(snapshot, Settings())
    assert "block-bidirectional" in finding.summary
    assert "public-a and vpc-1 are not excluded" in finding.summary
    assert look(shut(BOTH)).verdict == "open", "a path inside of the VPC needs no gateway"


# --- endpoints -------------------------------------------------------------------------------

S3 = PathEnd(label="S3", cidrs=("52.216.3.4",), guard="assumed", kind="internet")
INTERFACE = replace(DB, kind="endpoint", interface="eni-ep")


def behind(state: str, kind: str = "Gateway", **more: Any) -> Network:
    net = tables(rtb_app=[LOCAL, to("nat"), to("vpce", destination="pl-s3")])
    found = Endpoint(id="vpce-1", kind=kind, state=state, interfaces=("eni-ep",))
    fields: dict[str, Any] = {
        "endpoints": {"vpce-1": found},
        "prefix_lists": {"pl-s3": ("52.216.0.0/15",)},
    }
    return replace(net, **(fields | more))


@pytest.mark.parametrize(
    ("net", "destination", "expected"),
    [
        pytest.param(behind("available"), S3, OPEN, id="a gateway endpoint"),
        pytest.param(behind("deleted"), S3, ("blocked", [GONE]), id="a gateway endpoint that is gone"),
        pytest.param(behind("pendingacceptance"), S3, ("blocked", [GONE]), id="nobody has accepted it"),
        pytest.param(behind("partial"), S3, UNKNOWN, id="a part of it"),
        pytest.param(behind("", ), S3, UNKNOWN, id="no state"),
        pytest.param(behind("available", "GatewayLoadBalancer"), S3, UNKNOWN, id="an appliance's endpoint"),
        pytest.param(behind("available", endpoints={}), S3, UNKNOWN, id="an unread endpoint"),
        pytest.param(behind("deleted"), OUTSIDE, OPEN, id="what does not go by it"),
        pytest.param(behind("deleted", prefix_lists={}), OUTSIDE, UNKNOWN, id="what may go by it: its list was not read"),
        pytest.param(behind("available", "Interface"), INTERFACE, OPEN, id="an interface of an endpoint"),
        pytest.param(behind("failed", "Interface"), INTERFACE, ("blocked", [GONE]), id="an interface of one that failed"),
        pytest.param(behind("failed", endpoints={}), INTERFACE, UNKNOWN, id="an interface of an unread one"),
    ],
)  # fmt: skip
def test_endpoints(net: Network, destination: PathEnd, expected: tuple[str, list[str]]) -> None:
    flow = HTTPS if destination is not INTERFACE else Flow(protocol="tcp", port=5432)
    assert verdict(net, destination=destination, flow=flow) == expected


def test_interfaces_of_two_endpoints_are_not_alike() -> None:
    two = [replace(INTERFACE, interface=f"eni-{n}", cidrs=(f"10.0.21.{n}",)) for n in (5, 6)]
    assert len(classes(two, network())[0]) == 2


# --- NAT, answers, appliances ----------------------------------------------------------------

STUCK = "PATH_NAT_SUBNET_NOT_PUBLIC"
SIX = replace(APP, cidrs=("2600:1f16::7",))
V6 = PathEnd(label="2001:db8::5", cidrs=("2001:db8::5",), guard="assumed", kind="internet")
GRE = Flow(protocol="47", port=0)


def nat(**more: Any) -> Network:
    net = network()
    return replace(net, nats={"nat-1": replace(net.nats["nat-1"], **more)})


@pytest.mark.parametrize(
    ("net", "flow", "expected"),
    [
        pytest.param(nat(public=False), HTTPS, ("blocked", [STUCK]), id="a private one carries nothing to the internet"),
        pytest.param(tables(rtb_pub=[LOCAL, to("igw"), to("tgw", destination="203.0.113.0/24")]), HTTPS, UNKNOWN, id="it sends this destination on by a transit gateway"),
        pytest.param(tables(rtb_pub=[LOCAL, to("igw"), to("eni", destination="203.0.113.0/24", state="blackhole")]), HTTPS, ("blocked", [STUCK]), id="it sends this destination into a black hole"),
        pytest.param(replace(network(), internet_gateways={}), HTTPS, ("blocked", ["PATH_IGW_DETACHED"]), id="its internet gateway is detached"),
        pytest.param(replace(network(), internet_gateways={}, unread=("internet gateways",)), HTTPS, UNKNOWN, id="an unread internet gateway"),
        pytest.param(network(), GRE, ("blocked", [NOWAY]), id="it carries TCP, UDP and ICMP"),
        pytest.param(replace(network(), acl_of={"app-a": "acl-app"}), HTTPS, UNKNOWN, id="its ACL was not read"),
        pytest.param(acls(acl_pub=[allow(90, False, proto="icmp", low=0, verb=False), *WIDE]), Flow(protocol="icmp", port=0), ("blocked", [NACL]), id="its ACL stops answers to an echo"),
    ],
)  # fmt: skip
def test_what_a_nat_gateway_passes_on(
    net: Network, flow: Flow, expected: tuple[str, list[str]]
) -> None:
    assert verdict(net, destination=OUTSIDE, flow=flow) == expected


def test_a_nat_gateway_s_translation_of_ipv6_is_not_examined() -> None:
    wide = [allow(number, way, "::/0") for number in (90,) for way in (True, False)]
    net = replace(
        groups(sg_app=[rule("sg-app", "::/0", egress=True, proto="-1", low=-1)]),
        acls={**network().acls, "acl-app": Acl(id="acl-app", entries=tuple(wide))},
        tables=tables(rtb_app=[to("nat", destination="::/0")]).tables,
    )
    assert verdict(net, source=SIX, destination=V6, flow=HTTPS) == UNKNOWN


EDGE = RouteTable(
    id="rtb-edge", vpc=VPC, gateways=("igw-1",), routes=(to("eni", destination="10.0.1.0/24"),)
)
AT_EDGE = replace(WEB, tables={**WEB.tables, "rtb-edge": EDGE})
HALF = tables(rtb_pub=[LOCAL, to("igw", destination="0.0.0.0/1"), to("nat", destination="128.0.0.0/1")])  # fmt: skip
BETWEEN = replace(
    groups(sg_db=[rule("sg-db", "10.0.0.0/16")]),
    tables=tables(rtb_app=[LOCAL, to("nat", destination="10.0.21.0/24")]).tables,
)
PEERED = Peering(id="pcx-1", status="active", vpcs=(VPC, FAR))


@pytest.mark.parametrize(
    ("net", "source", "destination", "expected"),
    [
        pytest.param(AT_EDGE, WORLD, FRONT, UNKNOWN, id="the gateway's own table leads through an appliance"),
        pytest.param(AT_EDGE, replace(DIRECT, groups=("sg-app",)), OUTSIDE, UNKNOWN, id="and answers too"),
        pytest.param(WEB, WORLD, replace(FRONT, interface="", public=()), UNKNOWN, id="nobody knows whether it has a public address"),
        pytest.param(replace(WEB, tables=HALF.tables), WORLD, FRONT, ("partly", [NOBACK]), id="answers to half of the internet leave by NAT"),
        pytest.param(tables(rtb_main=[LOCAL, to("eni", destination="10.0.11.0/24")]), APP, DB, UNKNOWN, id="the answer goes through an appliance"),
        pytest.param(replace(tables(rtb_main=[to("pcx")]), peerings={"pcx-1": PEERED}), OUTSIDE, replace(DB, public=("198.51.100.3",)), ("blocked", [NOBACK]), id="a peering is no way to the internet"),
        pytest.param(replace(WEB, internet_gateways={}, tables={}), OUTSIDE, FRONT, UNKNOWN, id="by which way it comes: no table was read"),
        pytest.param(BETWEEN, APP, DB, UNKNOWN, id="a NAT gateway between two subnets"),
    ],
)  # fmt: skip
def test_ways_that_are_not_known_are_not_open(
    net: Network, source: PathEnd, destination: PathEnd, expected: tuple[str, list[str]]
) -> None:
    flow = HTTPS if OUTSIDE in {source, destination} or source is WORLD else None
    got, found = verdict(net, source, destination, **({"flow": flow} if flow else {}))
    assert (got, [code for code in found if code not in {IN, EMPTY}]) == expected


def test_an_address_that_nobody_was_found_at_may_be_in_a_group_that_a_rule_names() -> None:
    net = groups(
        sg_app=[rule("sg-app", "sg-db", egress=True)], sg_db=network().groups["sg-db"].rules
    )
    lost = replace(DB, groups=(), guard="unknown", interface="")
    assert verdict(net, destination=lost) == UNKNOWN


@pytest.mark.parametrize(
    ("flow", "low", "code", "expected"),
    [
        pytest.param("icmp", 8, 0, "open", id="echo, code 0"),
        pytest.param("icmp", 8, 3, "blocked", id="another code"),
        pytest.param("icmpv6", -1, -1, "undetermined", id="IPv4 carries no ICMPv6"),
    ],
)
def test_icmp_by_type_code_and_family(flow: str, low: int, code: int, expected: str) -> None:
    net = groups(sg_db=[rule("sg-db", "sg-app", proto=flow, low=low, high=code)])
    assert verdict(net, flow=Flow(protocol=flow, port=0))[0] == expected


# --- the internet has no private addresses ---------------------------------------------------


def test_a_rule_for_private_addresses_opens_no_part_of_the_internet() -> None:
    net = groups(sg_web=[rule("sg-web", "10.0.0.0/8", low=443)])
    assert verdict(net, source=WORLD, destination=FRONT, flow=HTTPS) == ("blocked", [IN])


def test_an_entry_against_private_addresses_shuts_no_part_of_the_internet() -> None:
    closed = [allow(50, False, "10.0.0.0/8", verb=False), *WIDE]
    net = replace(WEB, acls={**WEB.acls, "acl-pub": Acl(id="acl-pub", entries=tuple(closed))})
    assert verdict(net, source=WORLD, destination=FRONT, flow=HTTPS) == OPEN


def test_two_parts_that_do_not_meet_are_nothing() -> None:
    net = groups(sg_web=[rule("sg-web", "0.0.0.0/1", low=443)])
    entries = (allow(90, False, "128.0.0.0/1"), allow(90, True), *LAST)
    both = replace(net, acls={**net.acls, "acl-pub": Acl(id="acl-pub", entries=entries)})
    snapshot = look(both, source=WORLD, destination=FRONT, flow=HTTPS)
    assert snapshot.verdict == "blocked"
    assert {(one.code, one.partial) for one in snapshot.blockers} == {(IN, False), (NACL, False)}


# --- several ends ----------------------------------------------------------------------------


def test_members_of_a_group_talk_to_each_other_and_not_to_themselves() -> None:
    members = [replace(APP, interface=f"eni-{n}", cidrs=(f"10.0.11.{n}",), label=f"n{n}") for n in (5, 6, 7)]  # fmt: skip
    ends, left = classes(members, network(), members)
    assert ([one.label for one in ends], left) == (["n5 and 1 alike", "n6"], 0)
    closed = groups(sg_app=[out("sg-app")])
    snapshot = look(closed, source=ends, destination=ends)
    assert snapshot.verdict == "blocked", "a member's way to itself says nothing"
    assert len(snapshot.ways) == 2


def test_an_open_way_beside_one_that_is_not_known_is_not_known_and_told() -> None:
    lost = replace(APP, label="lost", groups=("sg-app", "sg-unread"), interface="eni-9")
    snapshot = look(source=(APP, lost))
    assert snapshot.verdict == overall(snapshot.ways) == "undetermined"
    shut_out = replace(APP, label="shut", groups=(), interface="eni-8")
    snapshot = look(source=(APP, lost, shut_out))
    assert snapshot.verdict == "partly"
    assert "PATH_UNDETERMINED" in [one.code for one in diagnose(snapshot, Settings())]


# --- reading ---------------------------------------------------------------------------------

OPTIONS = "ec2.DescribeVpcBlockPublicAccessOptions"
MADE = {"RouteTableId": "rtb-1", "VpcId": VPC, "Associations": [{"Main": True}]}
ROUTES = [
    {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local"},
    {"DestinationCidrBlock": ALL, "GatewayId": "igw-1"},
    {"DestinationPrefixListId": "pl-s3", "GatewayId": "vpce-1"},
]
READ: dict[str, Any] = ANSWERS | {
    "ec2.DescribeRouteTables": [{**MADE, "Routes": ROUTES}],
    "ec2.DescribeInternetGateways": [
        {"InternetGatewayId": "igw-1", "Attachments": [{"VpcId": VPC, "State": "available"}]}
    ],
    "ec2.GetManagedPrefixListEntries": [{"Cidr": "52.216.0.0/15"}],
    "ec2.DescribeVpcEndpoints": [
        {"VpcEndpointId": "vpce-1", "VpcEndpointType": "Gateway", "State": "Available"}
    ],
    "ec2.DescribeNetworkInterfaces": [
        {
            **ENI,
            "PrivateIpAddress": "10.0.21.9",
            "Association": {"PublicIp": "198.51.100.9"},
            "PrivateIpAddresses": [
                {"PrivateIpAddress": "10.0.21.9", "Association": {"PublicIp": "198.51.100.9"}},
                {"PrivateIpAddress": "10.0.21.50"},
            ],
            "Groups": [{"GroupId": "sg-app"}],
        }
    ],
    "ec2.DescribeSubnets": SUBNETS,
    OPTIONS: {
        "VpcBlockPublicAccessOptions": {
            "InternetGatewayBlockMode": BOTH,
            "State": "update-complete",
        }
    },
    "ec2.DescribeVpcBlockPublicAccessExclusions": [
        {
            "ResourceArn": f"arn:aws:ec2:eu-west-1:1:vpc/{VPC}",
            "InternetGatewayExclusionMode": "allow-bidirectional",
            "State": "create-complete",
        }
    ],
}


async def read(
    address: str = "10.0.21.9", to_cidr: str = "203.0.113.5", **changed: Any
) -> tuple[Snapshot, FakeAws]:
    aws = FakeAws(READ | {f"ec2.{name}": answer for name, answer in changed.items()})
    settings = VpcPathSettings(
        aws="prod", source=VpcEnd(address=address), destination=VpcEnd(cidr=to_cidr), port=443
    )
    snapshot = await PROBE.collect(aws, Target(name="path", kind="vpc_path", settings=settings))
    return snapshot, aws


async def test_exclusions_are_read_with_the_mode() -> None:
    assert (await read())[0].verdict == "open"
    snapshot, _ = await read(DescribeVpcBlockPublicAccessExclusions=[])
    assert (snapshot.verdict, [one.code for one in snapshot.blockers]) == ("blocked", [SHUT])


@pytest.mark.parametrize("what", ["Options", "Exclusions"])
async def test_what_may_not_be_read_of_it_makes_the_path_undetermined(what: str) -> None:
    refused: dict[str, Any] = {f"DescribeVpcBlockPublicAccess{what}": denied("not authorized")}
    snapshot, _ = await read(**refused)
    assert snapshot.verdict == "undetermined"
    assert any("Block Public Access" in reason for reason in snapshot.unknown)


async def test_a_secondary_address_has_no_public_one_of_its_own() -> None:
    snapshot, _ = await read("10.0.21.50")
    assert [one.code for one in snapshot.blockers] == ["PATH_IGW_NO_PUBLIC_IP"]


async def test_an_address_may_be_written_in_any_way() -> None:
    _, aws = await read("2600:1F16:0:0::0007")
    filters = [a["Filters"] for n, a in aws.calls if n == "ec2.DescribeNetworkInterfaces"]
    assert filters == [[{"Name": "ipv6-addresses.ipv6-address", "Values": ["2600:1f16::7"]}]]


async def test_an_endpoint_s_state_is_read_in_either_spelling() -> None:
    snapshot, _ = await read(to_cidr="52.216.3.4")
    assert snapshot.verdict == "open"
    down = [{"VpcEndpointId": "vpce-1", "VpcEndpointType": "Gateway", "State": "deleting"}]
    snapshot, _ = await read(to_cidr="52.216.3.4", DescribeVpcEndpoints=down)
    assert [one.code for one in snapshot.blockers] == [GONE]


async def test_a_path_inside_asks_for_neither() -> None:
    aws = FakeAws(ANSWERS)
    settings = VpcPathSettings(
        aws="prod",
        source=VpcEnd(security_group="sg-app", subnet="app-a"),
        destination=VpcEnd(address="10.0.21.9"),
        port=5432,
    )
    await PROBE.collect(aws, Target(name="path", kind="vpc_path", settings=settings))
    asked = {name for name, _ in aws.calls}
    assert not asked & {OPTIONS, "ec2.DescribeVpcEndpoints", "ec2.DescribeNatGateways"}
