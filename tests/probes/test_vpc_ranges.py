"""Paths whose ends are ranges, several, or of two families: what single addresses do not show."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from cockpit.connect.aws.settings import VpcEnd, VpcPathSettings
from cockpit.triage.target import Target
from probes.vpc_path import routes
from probes.vpc_path.config import PROBE
from probes.vpc_path.ends import classes, settle
from probes.vpc_path.findings import Snapshot
from probes.vpc_path.model import Network, PathEnd, Route, RouteTable, Subnet
from tests.probes.fake_aws import FakeAws
from tests.probes.vpc_looks import (
    ALL,
    ANSWERS,
    APP,
    FRONT,
    HOLE,
    HTTPS,
    IN,
    LAST,
    LOCAL,
    NOBACK,
    NOWAY,
    OPEN,
    PART,
    SUBNETS,
    VPC,
    WEB,
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

# --- two families ----------------------------------------------------------------------------

V6 = PathEnd(label="2001:db8::5", cidrs=("2001:db8::5",), guard="assumed")
BOTH = replace(APP, subnet="public-a", cidrs=("10.0.1.7", "2600:1f16::7"))


def six(net: Network) -> Network:
    """The public subnet with IPv6: a route to the internet gateway, open rules and entries."""
    wide = [allow(100, way, "::/0") for way in (True, False)]
    pub = replace(net.tables["rtb-pub"], routes=(LOCAL, to("igw"), to("igw", destination="::/0")))
    opened = [*net.groups["sg-app"].rules, rule("sg-app", "::/0", egress=True, proto="-1", low=-1)]
    acl = replace(net.acls["acl-pub"], entries=(*net.acls["acl-pub"].entries, *wide))
    return replace(
        groups(net, sg_app=opened),
        tables={**net.tables, "rtb-pub": pub},
        acls={**net.acls, "acl-pub": acl},
    )


def test_ipv6_needs_no_public_address_of_ipv4() -> None:
    assert verdict(six(network()), source=BOTH, destination=V6, flow=HTTPS) == OPEN


def test_ipv4_of_the_same_interface_does() -> None:
    outside = PathEnd(label="x", cidrs=("203.0.113.5",), guard="assumed")
    found = verdict(six(network()), source=BOTH, destination=outside, flow=HTTPS)
    assert found == ("blocked", ["PATH_IGW_NO_PUBLIC_IP"])


# --- routes of a part of a range -------------------------------------------------------------

HALVES = (to("igw", destination="0.0.0.0/1"), to("igw", destination="128.0.0.0/1"))
FROM_PUBLIC = replace(
    APP, subnet="public-a", cidrs=("10.0.1.7",), public=("198.51.100.7",), interface="eni-p"
)
NET = PathEnd(label="the internet", cidrs=(ALL,), kind="internet", guard="assumed")
OFFICE = PathEnd(label="198.51.100.0/24", cidrs=("198.51.100.0/24",), guard="assumed")


@pytest.mark.parametrize(
    ("pub", "destination", "expected"),
    [
        pytest.param(HALVES, NET, OPEN, id="two halves are the internet"),
        pytest.param(HALVES[:1], NET, ("partly", [NOWAY]), id="one half is a part"),
        pytest.param((*HALVES, to("eni", state="blackhole")), NET, OPEN, id="a default that two halves leave nothing"),
        pytest.param((HALVES[0], to("tgw", destination="128.0.0.0/1")), NET, ("undetermined", []), id="two halves, two ways"),
        pytest.param((HALVES[0], to("nat", destination="128.0.0.0/1")), NET, ("partly", ["PATH_NAT_SUBNET_NOT_PUBLIC"]), id="one half to a NAT gateway that has no way on for it"),
        pytest.param((HALVES[0], to("igw", destination="128.0.0.0/1", state="blackhole")), NET, ("partly", [HOLE]), id="one half is a black hole"),
        pytest.param((to("pcx", destination="10.9.0.0/16"),), NET, ("blocked", [NOWAY]), id="private ranges are no part of the internet"),
        pytest.param((to("igw"), to("vpce", destination="52.216.0.0/15")), NET, OPEN, id="an endpoint's ranges beside the default"),
        pytest.param((to("igw"),), OFFICE, OPEN, id="a range by the default route"),
        pytest.param((to("igw"), to("eni", destination="198.51.100.128/25", state="blackhole")), OFFICE, ("partly", [HOLE]), id="half of a range into a black hole"),
        pytest.param((to("igw"), to("tgw", destination="198.51.100.128/25")), OFFICE, ("undetermined", []), id="half of a range another way"),
        pytest.param((to("igw", destination="198.51.100.0/25"),), OFFICE, ("partly", [NOWAY]), id="half of a range has no route"),
        pytest.param((to("igw", destination="198.51.100.0/25"), to("igw", destination="198.51.100.128/25")), OFFICE, OPEN, id="both halves of a range"),
        pytest.param((to("igw", state="blackhole"), to("igw", destination="198.51.100.0/25"), to("igw", destination="198.51.100.128/25")), OFFICE, OPEN, id="a black hole that no part takes"),
        pytest.param((), OFFICE, ("blocked", [NOWAY]), id="no route at all"),
        pytest.param((to("igw", state="blackhole"),), OFFICE, ("blocked", [HOLE]), id="all of it into a black hole"),
    ],
)  # fmt: skip
def test_routes_that_hold_a_part_of_the_range(
    pub: tuple[Route, ...], destination: PathEnd, expected: tuple[str, list[str]]
) -> None:
    net = tables(rtb_pub=[LOCAL, *pub])
    assert verdict(net, source=FROM_PUBLIC, destination=destination, flow=HTTPS) == expected


NEAR_RANGE = PathEnd(label="10.0.0.0/8", cidrs=("10.0.0.0/8",), guard="assumed")
BY_CIDR = groups(sg_db=[rule("sg-db", "10.0.0.0/8"), out("sg-db")])


@pytest.mark.parametrize(
    ("main", "expected"),
    [
        pytest.param((LOCAL, to("tgw", destination="10.0.0.0/8")), OPEN, id="the VPC's own part is local"),
        pytest.param((LOCAL, to("tgw", destination="10.0.0.0/8"), to("pcx", destination="10.9.0.0/16")), OPEN, id="answers find their way by either"),
        pytest.param((LOCAL, to("pcx", destination="10.9.0.0/16")), ("partly", [NOBACK]), id="a part has no way back"),
        pytest.param((LOCAL, to("tgw", destination="10.0.0.0/8"), to("pcx", destination="10.9.0.0/16", state="blackhole")), ("partly", [HOLE]), id="a part comes back into a black hole"),
    ],
)  # fmt: skip
def test_answers_to_a_range_go_by_all_its_routes(
    main: tuple[Route, ...], expected: tuple[str, list[str]]
) -> None:
    net = replace(
        BY_CIDR, tables={**BY_CIDR.tables, "rtb-main": replace(BY_CIDR.tables["rtb-main"], routes=main)}
    )  # fmt: skip
    assert verdict(net, source=NEAR_RANGE) == expected


@pytest.mark.parametrize(
    ("listed", "public"),
    [
        pytest.param((to("igw"),), True, id="a default route"),
        pytest.param(HALVES, True, id="two halves"),
        pytest.param(HALVES[:1], True, id="a half is reachable too"),
        pytest.param((to("nat"), to("igw", destination="198.51.100.0/24")), False, id="NAT, but for an office"),
        pytest.param((to("igw", state="blackhole"),), False, id="a black hole"),
        pytest.param((), False, id="none"),
    ],
)  # fmt: skip
def test_a_subnet_is_public_by_any_default_way(listed: tuple[Route, ...], public: bool) -> None:
    assert routes.is_public(tables(rtb_pub=[LOCAL, *listed]), "public-a") is public


def test_a_thousand_narrower_routes_are_judged_quickly_and_rightly() -> None:
    ranges = tuple(str(one) for one in ip_network("10.64.0.0/10").subnets(new_prefix=20))[:1000]
    table = RouteTable(id="rtb", vpc=VPC, routes=(to("pcx", destination="pl-9"),))
    net = replace(network(), prefix_lists={"pl-9": ranges})
    found = routes.parts(net, table, ip_network("10.64.0.0/10"))
    assert found[0] is None
    assert {one.kind for one in found[1:] if one} == {"pcx"}


@pytest.mark.parametrize(
    ("left_out", "expected"),
    [(0, OPEN), (1, ("partly", [IN]))],
    ids=["all of it", "but for one in a thousand"],
)
def test_a_prefix_list_of_a_thousand_ranges_is_added_up(
    left_out: int, expected: tuple[str, list[str]]
) -> None:
    office = ip_network("198.51.0.0/16")
    ranges = tuple(str(one) for one in office.subnets(new_prefix=26))[left_out:]
    net = replace(groups(sg_web=[rule("sg-web", "pl-1", low=443)]), prefix_lists={"pl-1": ranges})
    source = settled(str(office))
    assert verdict(net, source=source, destination=FRONT, flow=HTTPS) == expected


# --- public ranges ---------------------------------------------------------------------------

SUBNET = Subnet(id="public-a", vpc=VPC, zone="a", cidrs=("10.0.1.0/24",))


def settled(cidr: str, **more: Any) -> PathEnd:
    (one,) = settle([PathEnd(label=cidr, cidrs=(cidr,), guard="assumed")], network(**more))
    return one


@pytest.mark.parametrize(
    ("cidr", "kind"),
    [
        ("198.51.100.0/24", "internet"),
        ("203.0.113.5", "internet"),
        ("2001:db8::/32", "internet"),
        (ALL, "internet"),
        ("10.9.0.0/16", "host"),
        ("172.16.0.0/12", "host"),
        ("100.64.3.0/24", "host"),
        ("fd00::/8", "host"),
        ("8.0.0.0/5", "host"),
    ],
)
def test_a_range_is_the_internet_s_when_none_of_it_is_private(cidr: str, kind: str) -> None:
    assert settled(cidr).kind == kind


def test_a_public_range_of_a_vpc_of_ours_is_not_the_internet_s() -> None:
    assert settled("198.51.100.0/24", vpcs={VPC: ("198.51.0.0/16",)}).kind == "host"


def test_a_public_source_needs_a_public_address_and_all_ephemeral_ports() -> None:
    source = settled("198.51.100.0/24")
    assert verdict(WEB, source=source, destination=FRONT, flow=HTTPS) == OPEN
    hidden = replace(FRONT, public=())
    found = verdict(WEB, source=source, destination=hidden, flow=HTTPS)
    assert found == ("blocked", ["PATH_IGW_NO_PUBLIC_IP"])
    narrow = acls(
        acl_pub=[allow(100, False), allow(100, True, low=32768, high=60999, proto="tcp"), *LAST]
    )
    net = replace(WEB, acls=narrow.acls)
    assert verdict(net, source=source, destination=FRONT, flow=HTTPS) == ("partly", [PART])


def test_a_public_range_of_ours_may_come_over_a_private_line() -> None:
    line = replace(
        WEB.tables["rtb-pub"], routes=(LOCAL, to("igw"), to("vgw", destination="198.51.100.0/24"))
    )
    net = replace(WEB, tables={**WEB.tables, "rtb-pub": line})
    snapshot = look(net, source=settled("198.51.100.0/24"), destination=replace(FRONT, public=()), flow=HTTPS)  # fmt: skip
    assert (snapshot.verdict, snapshot.blockers) == ("undetermined", ())
    assert "VPN" in snapshot.unknown[0]


# --- several ends ----------------------------------------------------------------------------


def nth(number: int, **more: Any) -> PathEnd:
    fields: dict[str, Any] = {
        "cidrs": (f"10.0.11.{number}",),
        "interface": f"eni-{number}",
        "label": f"n{number}",
    }
    return replace(APP, **(fields | more))


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        pytest.param(network(), ["n5 and 1 alike"], id="no rule tells them apart"),
        pytest.param(groups(sg_db=[rule("sg-db", "10.0.11.5/32")]), ["n5", "n6"], id="a rule for one address"),
        pytest.param(groups(sg_db=[rule("sg-db", "10.0.11.4/31")]), ["n5", "n6"], id="a rule for two addresses"),
        pytest.param(groups(sg_db=[rule("sg-db", "10.0.11.0/28")]), ["n5 and 1 alike"], id="a rule for both"),
        pytest.param(acls(acl_db=[allow(90, False, "10.0.11.6/32", verb=False), allow(100, False)]), ["n5", "n6"], id="an entry against one"),
        pytest.param(tables(rtb_main=[LOCAL, to("eni", destination="10.0.11.6/32")]), ["n5", "n6"], id="a route for one"),
        pytest.param(replace(network(), prefix_lists={"pl-1": ("10.0.11.6/32",)}), ["n5", "n6"], id="a prefix list with one"),
    ],
)  # fmt: skip
def test_ends_are_alike_when_nothing_tells_their_addresses_apart(
    net: Network, expected: list[str]
) -> None:
    found, left = classes([nth(5), nth(6)], net)
    assert ([one.label for one in found], left) == (expected, 0)


def test_a_rule_for_one_address_does_not_speak_for_its_neighbour() -> None:
    net = groups(sg_db=[rule("sg-db", "10.0.11.5/32"), out("sg-db")])
    sources, _ = classes([nth(5), nth(6)], net)
    snapshot = look(net, source=sources)
    assert snapshot.verdict == "partly"
    assert [one.code for one in snapshot.blockers] == [IN]


def test_only_the_addresses_that_are_judged_tell_ends_apart() -> None:
    second = nth(6, cidrs=("10.0.11.6", "10.0.11.77"))
    net = groups(sg_db=[rule("sg-db", "10.0.11.77/32")])
    assert len(classes([nth(5), second], net)[0]) == 1


async def test_ends_beyond_the_twelfth_kind_are_counted_and_said() -> None:
    rows = [
        {"NetworkInterfaceId": f"eni-{number}", "SubnetId": "app-a", "VpcId": VPC,
         "PrivateIpAddress": f"10.0.11.{number}", "Groups": [{"GroupId": "sg-app"}]}
        for number in range(20, 35)
    ]  # fmt: skip
    single = [
        {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432,
         "IpRanges": [{"CidrIp": f"{row['PrivateIpAddress']}/32"} for row in rows]}
    ]  # fmt: skip
    guards = [
        {**row, "IpPermissions": single} if row["GroupId"] == "sg-db" else row
        for row in ANSWERS["ec2.DescribeSecurityGroups"]
    ]
    answers = {"ec2.DescribeNetworkInterfaces": rows, "ec2.DescribeSecurityGroups": guards}
    settings = VpcPathSettings(
        aws="prod",
        source=VpcEnd(security_group="sg-app"),
        destination=VpcEnd(security_group="sg-db", subnet="data-a"),
        port=5432,
    )
    aws = FakeAws(
        ANSWERS
        | answers
        | {"ec2.DescribeSubnets": SUBNETS}
        | {"ec2.DescribeSubnets/data-a": SUBNETS[0]}
    )
    snapshot = await PROBE.collect(aws, Target(name="path", kind="vpc_path", settings=settings))
    assert isinstance(snapshot, Snapshot)
    assert (len(snapshot.sources), snapshot.unexamined) == (12, 3)
    assert "3 further ends not examined" in snapshot.unknown
    assert PROBE.facts is not None
    facts = {fact.label: fact.text for fact in PROBE.facts(snapshot, PROBE.settings)}
    assert facts["not examined"] == "3 further ends"


def test_a_port_of_a_thousand_interfaces_is_one_kind() -> None:
    crowd = [nth(1, cidrs=(f"10.0.11.{n % 250}",), interface=f"eni-{n}") for n in range(1000)]
    (one,), left = classes(crowd, network())
    assert (one.label, left) == ("n1 and 999 alike", 0)
