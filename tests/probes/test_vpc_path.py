"""Verdicts about paths, from literals. The ids are the list of what the model must hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from probes.vpc_path.config import diagnose
from probes.vpc_path.findings import Settings
from probes.vpc_path.model import (
    Acl,
    Flow,
    GroupRule,
    Nat,
    Network,
    PathEnd,
    Peering,
    Route,
    RouteTable,
    SecurityGroup,
    Subnet,
)
from tests.probes.vpc_looks import (
    ALL,
    APP,
    DB,
    EMPTY,
    EPH,
    FAR,
    FRONT,
    HOLE,
    HTTPS,
    IN,
    LAST,
    LOCAL,
    NACL,
    NOBACK,
    NOWAY,
    OPEN,
    OUT,
    PART,
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

NEAR = replace(DB, subnet="app-a", cidrs=("10.0.11.9",))


OUTSIDE = PathEnd(label="203.0.113.5", cidrs=("203.0.113.5",), guard="assumed")


ICMP = Flow(protocol="icmp", port=0)


UDP = Flow(protocol="udp", port=5432)


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        pytest.param(network(), OPEN, id="a group reference opens it"),
        pytest.param(groups(sg_db=[out("sg-db")]), ("blocked", [IN, EMPTY]), id="no ingress rule at all"),
        pytest.param(groups(sg_db=[rule("sg-db", "sg-other")]), ("blocked", [IN]), id="another group"),
        pytest.param(groups(sg_db=[rule("sg-db", "sg-app", low=5433)]), ("blocked", [IN]), id="another port"),
        pytest.param(groups(sg_db=[rule("sg-db", "sg-app", proto="udp")]), ("blocked", [IN]), id="another protocol"),
        pytest.param(groups(sg_db=[rule("sg-db", "sg-app", low=5000, high=6000)]), OPEN, id="a range of ports"),
        pytest.param(groups(sg_db=[rule("sg-db", "sg-app", low=-1)]), OPEN, id="From=To=-1 is all ports"),
        pytest.param(groups(sg_db=[rule("sg-db", ALL, proto="-1", low=-1)]), OPEN, id="protocol -1 is all"),
        pytest.param(groups(sg_db=[rule("sg-db", "10.0.11.0/24")]), OPEN, id="the source's subnet"),
        pytest.param(groups(sg_db=[rule("sg-db", "10.0.11.7/32")]), OPEN, id="the source's address"),
        pytest.param(groups(sg_db=[rule("sg-db", "10.0.12.0/24")]), ("blocked", [IN]), id="another subnet"),
        pytest.param(groups(sg_db=[rule("sg-db", "::/0")]), ("blocked", [IN]), id="IPv6 rules are not IPv4's"),
        pytest.param(groups(sg_app=[]), ("blocked", [OUT, EMPTY]), id="no egress rule at all"),
        pytest.param(groups(sg_app=[rule("sg-app", "sg-db", egress=True)]), OPEN, id="egress by reference"),
        pytest.param(groups(sg_app=[rule("sg-app", ALL, egress=True, low=443)]), ("blocked", [OUT]), id="egress to 443 only"),
        pytest.param(groups(sg_db=[rule("sg-db", "sg-app")]), OPEN, id="stateful: the answer needs no egress rule"),
        pytest.param(groups(sg_app=[rule("sg-app", "sg-db", egress=True), ]), OPEN, id="stateful: the answer needs no ingress rule"),
        pytest.param(groups(sg_app=[], sg_db=[]), ("blocked", [OUT, EMPTY, IN, EMPTY]), id="all blockers, the first one first"),
        pytest.param(replace(groups(sg_db=[rule("sg-db", "pl-1")]), prefix_lists={"pl-1": ("10.9.0.0/16", "10.0.11.0/24")}), OPEN, id="a prefix list is expanded"),
        pytest.param(replace(groups(sg_db=[rule("sg-db", "pl-1")]), prefix_lists={"pl-1": ("10.9.0.0/16",)}), ("blocked", [IN]), id="a prefix list without the source"),
        pytest.param(groups(sg_db=[rule("sg-db", "pl-1")]), ("undetermined", []), id="an unread prefix list"),
        pytest.param(replace(network(), groups={"sg-app": network().groups["sg-app"]}), ("undetermined", []), id="an unread group"),
    ],
)  # fmt: skip
def test_security_groups(net: Network, expected: tuple[str, list[str]]) -> None:
    got, found = verdict(net)
    assert (got, sorted(found)) == (expected[0], sorted(expected[1]))


def test_the_union_of_all_groups_counts() -> None:
    both = replace(DB, groups=("sg-none", "sg-db"))
    assert verdict(groups(sg_none=[]), destination=both) == OPEN


def test_a_group_that_refers_to_itself_lets_its_members_talk() -> None:
    peer = replace(APP, cidrs=("10.0.12.8",), subnet="app-b", interface="eni-2", label="peer")
    net = groups(sg_app=[out("sg-app"), rule("sg-app", "sg-app")])
    assert verdict(net, destination=peer) == OPEN
    assert verdict(groups(), destination=peer)[0] == "blocked"


def test_groups_are_asked_inside_one_subnet_too() -> None:
    assert verdict(groups(sg_db=[]), destination=NEAR)[0] == "blocked"


@pytest.mark.parametrize(
    ("port_rule", "flow", "expected"),
    [
        pytest.param(rule("sg-db", "sg-app", proto="icmp", low=-1), ICMP, "open", id="ICMP of any type"),
        pytest.param(rule("sg-db", "sg-app", proto="icmp", low=8, high=-1), ICMP, "open", id="echo request"),
        pytest.param(rule("sg-db", "sg-app", proto="icmp", low=3, high=4), ICMP, "blocked", id="another ICMP type"),
        pytest.param(rule("sg-db", "sg-app", proto="50", low=-1), Flow(protocol="50", port=0), "open", id="another protocol by its number"),
        pytest.param(rule("sg-db", "sg-app", proto="udp"), UDP, "open", id="UDP"),
    ],
)  # fmt: skip
def test_protocols_without_and_with_ports(port_rule: GroupRule, flow: Flow, expected: str) -> None:
    assert verdict(groups(sg_db=[port_rule]), flow=flow)[0] == expected


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        pytest.param(acls(acl_app=[allow(100, True, low=443, proto="tcp"), allow(100, False), *LAST]), ("blocked", [NACL]), id="1: out of the source's subnet, destination port"),
        pytest.param(acls(acl_db=[allow(100, True), allow(100, False, low=3306, proto="tcp"), *LAST]), ("blocked", [NACL]), id="2: into the destination's subnet, destination port"),
        pytest.param(acls(acl_db=[allow(100, False), *LAST]), ("blocked", [EPH]), id="3: the answer out of the destination's subnet"),
        pytest.param(acls(acl_app=[allow(100, True), *LAST]), ("blocked", [EPH]), id="4: the answer into the source's subnet"),
        pytest.param(acls(acl_app=[allow(100, True), allow(100, False, low=32768, high=60999, proto="tcp"), *LAST]), OPEN, id="exactly Linux' ephemeral ports"),
        pytest.param(acls(acl_app=[allow(100, True), allow(100, False, low=49152, high=65535, proto="tcp"), *LAST]), ("partly", [PART]), id="only Windows' ephemeral ports: works at times"),
        pytest.param(acls(acl_app=[allow(100, True), allow(100, False, low=32768, high=45000, proto="tcp"), allow(110, False, low=45001, high=61000, proto="tcp"), *LAST]), OPEN, id="two entries cover the range together"),
        pytest.param(acls(acl_db=[allow(90, False, low=5432, proto="tcp", verb=False), *WIDE]), ("blocked", [NACL]), id="the lowest number decides: deny first"),
        pytest.param(acls(acl_db=[allow(90, False, low=5432, proto="tcp"), allow(95, False, verb=False), *WIDE]), OPEN, id="the lowest number decides: allow first"),
        pytest.param(acls(acl_db=[allow(90, False, "10.0.12.0/24", verb=False), *WIDE]), OPEN, id="a deny for another subnet"),
        pytest.param(acls(acl_db=[allow(90, False, "10.0.11.0/24", verb=False), *WIDE]), ("blocked", [NACL]), id="a deny for the source's subnet"),
        pytest.param(acls(acl_db=[allow(90, False, "::/0", verb=False), *WIDE]), OPEN, id="IPv6 entries are not IPv4's"),
        pytest.param(acls(acl_db=LAST), ("blocked", [NACL, EPH]), id="a new custom ACL denies all"),
        pytest.param(acls(acl_db=[allow(100, False, low=5432, proto="udp"), allow(100, True), *LAST]), ("blocked", [NACL]), id="another protocol"),
        pytest.param(replace(network(), acls={}), ("undetermined", []), id="unread ACLs (a shared subnet)"),
    ],
)  # fmt: skip
def test_network_acls_are_asked_four_times(net: Network, expected: tuple[str, list[str]]) -> None:
    assert verdict(net) == expected


def test_network_acls_are_not_asked_inside_one_subnet() -> None:
    assert verdict(acls(acl_app=LAST), destination=NEAR) == OPEN


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("host", "open"), ("balancer", "partly"), ("lambda", "partly"), ("nat", "partly")],
)
def test_the_ephemeral_range_is_the_initiator_s(kind: str, expected: str) -> None:
    net = acls(
        acl_app=[allow(100, True), allow(100, False, low=32768, high=61000, proto="tcp"), *LAST]
    )
    assert verdict(net, source=replace(APP, kind=kind))[0] == expected


LOST = "PATH_SG_REFERENCE_LOST"


DISCONNECTED = "PATH_VPCS_DISCONNECTED"


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        pytest.param(tables(rtb_app=[]), ("blocked", [NOWAY]), id="no route out"),
        pytest.param(tables(rtb_main=[]), ("blocked", [NOBACK]), id="no route back, by the main table"),
        pytest.param(tables(rtb_app=[LOCAL, to("pcx", destination="10.0.21.0/24", state="blackhole")]), ("blocked", [HOLE]), id="a longer prefix into a black hole"),
        pytest.param(tables(rtb_app=[LOCAL, to("nat", state="blackhole")]), OPEN, id="a black hole elsewhere"),
        pytest.param(tables(rtb_main=[LOCAL, to("eni", destination="10.0.11.0/24", state="blackhole")]), ("blocked", [HOLE]), id="the answer into a black hole"),
        pytest.param(tables(rtb_app=[LOCAL, to("eni", destination="10.0.21.0/24")]), ("blocked", [IN, LOST]), id="an appliance between them loses group references"),
        pytest.param(tables(rtb_app=[LOCAL, to("tgw", destination="10.0.21.0/24")]), ("undetermined", []), id="a transit gateway between them"),
        pytest.param(tables(rtb_app=[to("tgw", destination="10.0.0.0/16", origin="EnableVgwRoutePropagation"), LOCAL]), OPEN, id="on equal prefixes local wins"),
        pytest.param(tables(rtb_app=[to("tgw", destination="10.0.0.0/8"), LOCAL]), OPEN, id="a shorter prefix loses"),
        pytest.param(replace(network(), tables={}), ("undetermined", []), id="unread route tables"),
        pytest.param(tables(rtb_app=[to("vpce", destination="pl-9")]), ("undetermined", []), id="a route may hide in an unread prefix list"),
    ],
)  # fmt: skip
def test_routes_both_ways(net: Network, expected: tuple[str, list[str]]) -> None:
    assert verdict(net) == expected


def nat(**more: Any) -> Network:
    fields: dict[str, Any] = {
        "id": "nat-1",
        "subnet": "public-a",
        "state": "available",
        "zone": "a",
    }
    return replace(network(), nats={"nat-1": Nat(**(fields | more))})


@pytest.mark.parametrize(
    ("net", "source", "expected"),
    [
        pytest.param(network(), APP, OPEN, id="by a NAT gateway"),
        pytest.param(nat(state="deleted"), APP, ("blocked", ["PATH_NAT_NOT_AVAILABLE"]), id="a deleted NAT gateway"),
        pytest.param(nat(state="failed", failure="no free address"), APP, ("blocked", ["PATH_NAT_NOT_AVAILABLE"]), id="a failed NAT gateway"),
        pytest.param(nat(subnet="data-a"), APP, ("blocked", ["PATH_NAT_SUBNET_NOT_PUBLIC"]), id="a NAT gateway in a private subnet"),
        pytest.param(nat(zone="b"), APP, ("open", ["PATH_NAT_OTHER_AZ"]), id="a NAT gateway of another zone is a risk"),
        pytest.param(nat(zone=""), APP, OPEN, id="a regional NAT gateway"),
        pytest.param(replace(network(), nats={}), APP, ("undetermined", []), id="an unread NAT gateway"),
        pytest.param(acls(acl_pub=LAST), APP, ("blocked", [NACL, EPH]), id="the NAT gateway's own ACL"),
        pytest.param(acls(acl_pub=[allow(100, True), allow(100, False, low=443, proto="tcp"), allow(110, False, low=1024, high=40000, proto="tcp"), *LAST]), APP, ("partly", [PART]), id="the NAT gateway's own ACL, a part of the answers"),
        pytest.param(tables(rtb_app=[LOCAL, to("nat", state="blackhole")]), APP, ("blocked", [HOLE]), id="the route's NAT gateway is gone"),
        pytest.param(tables(rtb_app=[LOCAL]), APP, ("blocked", [NOWAY]), id="no default route"),
        pytest.param(network(), replace(APP, subnet="public-a", cidrs=("10.0.1.7",), public=("198.51.100.7",)), OPEN, id="by the internet gateway"),
        pytest.param(network(), replace(APP, subnet="public-a", cidrs=("10.0.1.7",)), ("blocked", ["PATH_IGW_NO_PUBLIC_IP"]), id="without a public address"),
        pytest.param(replace(network(), internet_gateways={}), replace(APP, subnet="public-a", cidrs=("10.0.1.7",), public=("198.51.100.7",)), ("blocked", ["PATH_IGW_DETACHED"]), id="a detached internet gateway"),
        pytest.param(replace(network(), internet_gateways={}, unread=("internet gateways",)), replace(APP, subnet="public-a", cidrs=("10.0.1.7",), public=("198.51.100.7",)), ("undetermined", []), id="an unread internet gateway"),
        pytest.param(groups(sg_app=[rule("sg-app", "sg-db", egress=True, low=443)]), APP, ("blocked", [OUT]), id="a reference does not reach the internet"),
        pytest.param(tables(rtb_app=[LOCAL, to("vgw")]), APP, ("undetermined", []), id="by a VPN"),
    ],
)  # fmt: skip
def test_the_way_out(net: Network, source: PathEnd, expected: tuple[str, list[str]]) -> None:
    got, found = verdict(net, source=source, destination=OUTSIDE, flow=HTTPS)
    assert (got, [code for code in found if code != EMPTY]) == expected


@pytest.mark.parametrize(
    ("net", "destination", "expected"),
    [
        pytest.param(WEB, FRONT, OPEN, id="a public balancer"),
        pytest.param(WEB, replace(FRONT, public=()), ("blocked", ["PATH_IGW_NO_PUBLIC_IP"]), id="without a public address"),
        pytest.param(replace(WEB, internet_gateways={}), FRONT, ("blocked", ["PATH_IGW_DETACHED"]), id="no internet gateway"),
        pytest.param(WEB, replace(FRONT, subnet="app-a"), ("blocked", [NOBACK]), id="the subnet's answers go to NAT"),
        pytest.param(groups(sg_web=[rule("sg-web", "203.0.113.0/24", low=443)]), FRONT, ("partly", [IN]), id="a part of the internet"),
        pytest.param(replace(WEB, acls={**WEB.acls, "acl-pub": Acl(id="acl-pub", entries=(allow(100, False), allow(100, True, low=32768, high=60999, proto="tcp"), *LAST))}), FRONT, ("partly", [PART]), id="clients use all ports from 1024"),
    ],
)  # fmt: skip
def test_the_way_in(net: Network, destination: PathEnd, expected: tuple[str, list[str]]) -> None:
    assert verdict(net, source=WORLD, destination=destination, flow=HTTPS) == expected


def peered(
    status: str = "active",
    vpcs: tuple[str, ...] = (VPC, FAR),
    back: bool = True,
    peering: str = "active",
) -> Network:
    net = network()
    far = Route(destination="10.1.0.0/16", kind="local", target="local")
    return replace(
        net,
        subnets={**net.subnets, "far-a": Subnet(id="far-a", vpc=FAR, zone="a", cidrs=("10.1.1.0/24",))},
        groups={**net.groups, "sg-far": SecurityGroup(id="sg-far", rules=(rule("sg-far", "sg-app", peering=peering),))},
        acls={**net.acls, "acl-far": Acl(id="acl-far", entries=WIDE)},
        acl_of={**net.acl_of, "far-a": "acl-far"},
        tables={**net.tables,
            "rtb-app": replace(net.tables["rtb-app"], routes=(LOCAL, to("nat"), to("pcx", destination="10.1.0.0/16"))),
            "rtb-far": RouteTable(id="rtb-far", vpc=FAR, main=True, routes=(far, *([to("pcx", destination="10.0.0.0/16")] if back else [])))},
        peerings={"pcx-1": Peering(id="pcx-1", status=status, vpcs=vpcs)},
    )  # fmt: skip


REMOTE = PathEnd(
    label="far",
    cidrs=("10.1.1.5",),
    vpc=FAR,
    subnet="far-a",
    groups=("sg-far",),
    interface="eni-far",
)


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        pytest.param(peered(), OPEN, id="an active peering carries group references"),
        pytest.param(peered(status="pending-acceptance"), ("blocked", ["PATH_PEERING_NOT_ACTIVE"]), id="not accepted"),
        pytest.param(peered(status="deleted"), ("blocked", ["PATH_PEERING_NOT_ACTIVE"]), id="deleted"),
        pytest.param(peered(vpcs=(VPC, "vpc-3")), ("blocked", ["PATH_NOT_TRANSITIVE"]), id="not transitive"),
        pytest.param(peered(back=False), ("blocked", [NOBACK]), id="a route on one side only"),
        pytest.param(peered(peering="deleted"), ("blocked", [IN, "PATH_SG_REFERENCE_LOST"]), id="a stale reference is dead"),
        pytest.param(replace(peered(), peerings={}), ("undetermined", []), id="an unread peering"),
        pytest.param(replace(peered(), tables={**peered().tables, "rtb-app": network().tables["rtb-app"]}), ("blocked", [DISCONNECTED]), id="only NAT leads there"),
    ],
)  # fmt: skip
def test_the_way_over_a_peering(net: Network, expected: tuple[str, list[str]]) -> None:
    assert verdict(net, destination=REMOTE) == expected


def test_several_sources_are_partly_open_when_some_are() -> None:
    lost = replace(APP, label="other", groups=("sg-other",), interface="eni-3", subnet="app-b")
    net = groups(sg_other=[out("sg-other")])
    snapshot = look(net, source=(APP, lost))
    assert snapshot.verdict == "partly"
    assert [(b.code, b.partial) for b in snapshot.blockers] == [(IN, True)]


def test_an_address_without_an_interface_is_undetermined_and_said_so() -> None:
    snapshot = look(destination=replace(DB, groups=(), guard="unknown", interface=""))
    assert snapshot.verdict == "undetermined"
    assert any("no interface has the address" in reason for reason in snapshot.unknown)
    assert [f.code for f in diagnose(snapshot, Settings())] == ["PATH_UNDETERMINED"]
