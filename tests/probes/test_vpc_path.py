"""Verdicts about paths, from literals. The ids are the list of what the model must hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import jmespath
import msgspec
import pytest

from cockpit.connect.settings import VpcEnd, VpcPathSettings
from cockpit.errors import BlindError, Misconfigured, Reason
from cockpit.triage.finding import Severity
from cockpit.triage.target import Target
from probes._vpc_model import (
    Acl,
    AclEntry,
    Flow,
    Group,
    GroupRule,
    Nat,
    Network,
    Peering,
    Place,
    Route,
    RouteTable,
    Subnet,
)
from probes.vpc_path import PROBE, Settings, Snapshot, diagnose, judged, tried
from tests.probes.fake_aws import FakeAws, denied

AT = datetime(2026, 11, 21, 2, 41, tzinfo=UTC)
INFO, WARNING, HIGH, CRITICAL = Severity
ALL = "0.0.0.0/0"
PG = Flow(protocol="tcp", port=5432)
VPC, FAR = "vpc-1", "vpc-2"


def rule(group, peer, *, egress=False, proto="tcp", low=5432, high=None, kind=None, **more):
    kind = kind or (
        "group" if peer.startswith("sg-") else "prefix_list" if peer.startswith("pl-") else "cidr"
    )
    return GroupRule(group=group, egress=egress, protocol=proto, low=low,
                     high=low if high is None else high, kind=kind, peer=peer, **more)  # fmt: skip


def out(group):
    return rule(group, ALL, egress=True, proto="-1", low=-1)


def allow(number, egress, cidr=ALL, *, low=-1, high=None, proto="-1", verb=True):
    return AclEntry(number=number, egress=egress, allow=verb, protocol=proto, cidr=cidr,
                    low=low, high=low if high is None else high)  # fmt: skip


LAST = tuple(allow(32767, way, verb=False) for way in (True, False))
WIDE = (allow(100, True), allow(100, False), *LAST)
LOCAL = Route(destination="10.0.0.0/16", kind="local", target="local", origin="CreateRouteTable")


def to(kind, target=None, destination=ALL, **more):
    return Route(destination=destination, kind=kind, target=target or f"{kind}-1", **more)


def network(**more) -> Network:
    """Two app subnets, a data subnet and a public one; all open, checkout may reach the database."""
    fields = {
        "vpcs": {VPC: ("10.0.0.0/16",)},
        "subnets": {
            id_: Subnet(id=id_, vpc=VPC, zone=zone, cidrs=(cidr,), free=200, total=251)
            for id_, cidr, zone in (
                ("app-a", "10.0.11.0/24", "a"),
                ("app-b", "10.0.12.0/24", "b"),
                ("data-a", "10.0.21.0/24", "a"),
                ("public-a", "10.0.1.0/24", "a"),
            )
        },
        "groups": {
            "sg-app": Group(id="sg-app", vpc=VPC, rules=(out("sg-app"),)),
            "sg-db": Group(
                id="sg-db", vpc=VPC, rules=(rule("sg-db", "sg-app", id="sgr-1"), out("sg-db"))
            ),
        },
        "acls": {"acl-app": Acl(id="acl-app", entries=WIDE), "acl-db": Acl(id="acl-db", entries=WIDE),
                 "acl-pub": Acl(id="acl-pub", entries=WIDE)},
        "acl_of": {"app-a": "acl-app", "app-b": "acl-app", "data-a": "acl-db", "public-a": "acl-pub"},
        "tables": {
            "rtb-main": RouteTable(id="rtb-main", vpc=VPC, main=True, routes=(LOCAL,)),
            "rtb-app": RouteTable(id="rtb-app", vpc=VPC, subnets=("app-a", "app-b"),
                                  routes=(LOCAL, to("nat"))),
            "rtb-pub": RouteTable(id="rtb-pub", vpc=VPC, subnets=("public-a",),
                                  routes=(LOCAL, to("igw"))),
        },
        "internet_gateways": {"igw-1": VPC},
        "nats": {"nat-1": Nat(id="nat-1", subnet="public-a", state="available", zone="a")},
    }  # fmt: skip
    return Network(**(fields | more))


APP = Place(
    label="checkout",
    cidrs=("10.0.11.7",),
    vpc=VPC,
    subnet="app-a",
    groups=("sg-app",),
    interface="eni-app",
)
DB = Place(
    label="orders",
    cidrs=("10.0.21.9",),
    vpc=VPC,
    subnet="data-a",
    groups=("sg-db",),
    interface="eni-db",
)
NEAR = replace(DB, subnet="app-a", cidrs=("10.0.11.9",))
WORLD = Place(label="the internet", cidrs=(ALL, "::/0"), kind="internet", guard="assumed")
OUTSIDE = Place(label="203.0.113.5", cidrs=("203.0.113.5",), guard="assumed")


def groups(net: Network | None = None, **changed) -> Network:
    net = net or network()
    new = {
        id_.replace("_", "-"): replace(
            net.groups.get(id_.replace("_", "-"), Group(id=id_.replace("_", "-"))),
            rules=tuple(rules),
        )
        for id_, rules in changed.items()
    }
    return replace(net, groups={**net.groups, **new})


def acls(**changed) -> Network:
    net = network()
    new = {
        id_.replace("_", "-"): Acl(id=id_.replace("_", "-"), entries=tuple(entries))
        for id_, entries in changed.items()
    }
    return replace(net, acls={**net.acls, **new})


def tables(**changed) -> Network:
    net = network()
    new = {
        id_.replace("_", "-"): replace(net.tables[id_.replace("_", "-")], routes=tuple(routes))
        for id_, routes in changed.items()
    }
    return replace(net, tables={**net.tables, **new})


def look(net=None, source=APP, destination=DB, flow=PG) -> Snapshot:
    snapshot = judged(
        Snapshot(at=AT, sources=(source,) if isinstance(source, Place) else source,
                 destinations=(destination,) if isinstance(destination, Place) else destination,
                 flow=flow, network=net or network())
    )  # fmt: skip
    assert msgspec.json.decode(msgspec.json.encode(snapshot), type=Snapshot) == snapshot
    for finding in diagnose(snapshot, Settings()):
        assert finding.code in PROBE.codes
        assert finding.severity < WARNING or finding.runbook
    list(PROBE.facts(snapshot))
    for table in PROBE.tables(snapshot, Settings()):
        assert all(len(row.cells) == len(table.columns) for row in table.rows)
    return snapshot


def verdict(*args, **more) -> tuple[str, list[str]]:
    snapshot = look(*args, **more)
    return snapshot.verdict, [blocker.code for blocker in snapshot.blockers]


OPEN: tuple[str, list[str]] = ("open", [])
IN, OUT, EMPTY = "PATH_SG_INGRESS_DENIED", "PATH_SG_EGRESS_DENIED", "PATH_SG_EMPTY"
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
def test_security_groups(net, expected):
    got, found = verdict(net)
    assert (got, sorted(found)) == (expected[0], sorted(expected[1]))


def test_the_union_of_all_groups_counts():
    both = replace(DB, groups=("sg-none", "sg-db"))
    assert verdict(groups(sg_none=[]), destination=both) == OPEN


def test_a_group_that_refers_to_itself_lets_its_members_talk():
    peer = replace(APP, cidrs=("10.0.12.8",), subnet="app-b", interface="eni-2", label="peer")
    net = groups(sg_app=[out("sg-app"), rule("sg-app", "sg-app")])
    assert verdict(net, destination=peer) == OPEN
    assert verdict(groups(), destination=peer)[0] == "blocked"


def test_groups_are_asked_inside_one_subnet_too():
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
def test_protocols_without_and_with_ports(port_rule, flow, expected):
    assert verdict(groups(sg_db=[port_rule]), flow=flow)[0] == expected


NACL, EPH, PART = "PATH_NACL_DENIED", "PATH_NACL_EPHEMERAL_DENIED", "PATH_NACL_EPHEMERAL_PARTIAL"


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
def test_network_acls_are_asked_four_times(net, expected):
    assert verdict(net) == expected


def test_network_acls_are_not_asked_inside_one_subnet():
    assert verdict(acls(acl_app=LAST), destination=NEAR) == OPEN


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("host", "open"), ("balancer", "partly"), ("lambda", "partly"), ("nat", "partly")],
)
def test_the_ephemeral_range_is_the_initiator_s(kind, expected):
    net = acls(
        acl_app=[allow(100, True), allow(100, False, low=32768, high=61000, proto="tcp"), *LAST]
    )
    assert verdict(net, source=replace(APP, kind=kind))[0] == expected


NOWAY, NOBACK, HOLE = "PATH_NO_ROUTE", "PATH_NO_RETURN_ROUTE", "PATH_ROUTE_BLACKHOLE"
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
def test_routes_both_ways(net, expected):
    assert verdict(net) == expected


HTTPS = Flow(protocol="tcp", port=443)


def nat(**more) -> Network:
    fields = {"id": "nat-1", "subnet": "public-a", "state": "available", "zone": "a"}
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
def test_the_way_out(net, source, expected):
    got, found = verdict(net, source=source, destination=OUTSIDE, flow=HTTPS)
    assert (got, [code for code in found if code != EMPTY]) == expected


FRONT = Place(
    label="alb",
    cidrs=("10.0.1.9",),
    vpc=VPC,
    subnet="public-a",
    groups=("sg-web",),
    interface="eni-web",
    public=("198.51.100.9",),
    kind="balancer",
)
WEB = groups(sg_web=[rule("sg-web", ALL, low=443)])


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
def test_the_way_in(net, destination, expected):
    assert verdict(net, source=WORLD, destination=destination, flow=HTTPS) == expected


def peered(status="active", vpcs=(VPC, FAR), back=True, peering="active") -> Network:
    net = network()
    far = Route(destination="10.1.0.0/16", kind="local", target="local")
    return replace(
        net,
        subnets={**net.subnets, "far-a": Subnet(id="far-a", vpc=FAR, zone="a", cidrs=("10.1.1.0/24",))},
        groups={**net.groups, "sg-far": Group(id="sg-far", rules=(rule("sg-far", "sg-app", peering=peering),))},
        acls={**net.acls, "acl-far": Acl(id="acl-far", entries=WIDE)},
        acl_of={**net.acl_of, "far-a": "acl-far"},
        tables={**net.tables,
            "rtb-app": replace(net.tables["rtb-app"], routes=(LOCAL, to("nat"), to("pcx", destination="10.1.0.0/16"))),
            "rtb-far": RouteTable(id="rtb-far", vpc=FAR, main=True, routes=(far, *([to("pcx", destination="10.0.0.0/16")] if back else [])))},
        peerings={"pcx-1": Peering(id="pcx-1", status=status, vpcs=vpcs)},
    )  # fmt: skip


REMOTE = Place(
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
def test_the_way_over_a_peering(net, expected):
    assert verdict(net, destination=REMOTE) == expected


def test_several_sources_are_partly_open_when_some_are():
    lost = replace(APP, label="other", groups=("sg-other",), interface="eni-3", subnet="app-b")
    net = groups(sg_other=[out("sg-other")])
    snapshot = look(net, source=(APP, lost))
    assert snapshot.verdict == "partly"
    assert [(b.code, b.partial) for b in snapshot.blockers] == [(IN, True)]


def test_an_address_without_an_interface_is_undetermined_and_said_so():
    snapshot = look(destination=replace(DB, groups=(), guard="unknown", interface=""))
    assert snapshot.verdict == "undetermined"
    assert any("no interface has the address" in reason for reason in snapshot.unknown)
    assert [f.code for f in diagnose(snapshot, Settings())] == ["PATH_UNDETERMINED"]


# --- evidence and what would help ------------------------------------------------------------


def only(snapshot: Snapshot, code: str = IN):
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
def test_the_nearest_miss_is_evidence(rules, nearest):
    _, evidence = only(look(groups(sg_db=rules)))
    assert evidence["nearest rule"] == nearest


def test_the_finding_names_the_group_and_the_narrowest_rule():
    snapshot = look(groups(sg_db=[out("sg-db")]))
    finding, evidence = only(snapshot)
    assert (finding.subject, finding.severity) == ("sg-db", CRITICAL)
    assert finding.runbook == "path-security-group"
    assert evidence["narrowest rule"] == "tcp 5432 for sg-app in sg-db"


def test_steps_read_the_suggestion_by_jmespath():
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


def test_a_source_without_a_group_is_suggested_by_its_address():
    source = replace(APP, groups=(), guard="assumed", cidrs=("10.0.11.7",))
    snapshot = look(groups(sg_db=[]), source=source)
    assert snapshot.blockers[0].suggestion["IpPermissions"][0]["IpRanges"] == [
        {"CidrIp": "10.0.11.7/32"}
    ]


def test_a_database_port_is_never_suggested_for_the_whole_internet():
    net = groups(sg_web=[])
    assert look(net, source=WORLD, destination=FRONT).blockers[0].suggestion is None
    assert look(net, source=WORLD, destination=FRONT, flow=HTTPS).blockers[0].suggestion


def test_the_deciding_acl_entry_is_evidence():
    net = acls(acl_db=[allow(90, False, low=5432, proto="tcp", verb=False), *WIDE])
    finding, evidence = only(look(net), NACL)
    assert finding.subject == "acl-db"
    assert evidence["deciding rule"] == "rule 90 deny tcp 5432 0.0.0.0/0"


def test_a_path_that_nothing_needs_is_a_warning():
    findings = list(diagnose(look(groups(sg_db=[out("sg-db")])), Settings(needed=False)))
    assert [one.severity for one in findings if one.code == IN] == [WARNING]


# --- trying a change -------------------------------------------------------------------------


def test_the_suggestion_opens_the_path_on_a_copy():
    before = look(groups(sg_db=[out("sg-db")]))
    suggested = before.blockers[0].suggestion
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
def test_a_change_is_tried_on_a_copy(call, arguments, expected):
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
def test_what_cannot_be_tried_says_so(call, arguments):
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
def test_groups_that_are_open_to_the_world(rules, public, expected):
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
def test_subnets_that_run_out_of_addresses(free, total, expected):
    net = network()
    full = replace(net.subnets["app-a"], free=free, total=total)
    found = codes(look(replace(net, subnets={**net.subnets, "app-a": full})))
    assert found == ([("NET_SUBNET_IPS_LOW", expected)] if expected else [])


# --- what could not be read ------------------------------------------------------------------


ENI = {
    "NetworkInterfaceId": "eni-db",
    "SubnetId": "data-a",
    "VpcId": VPC,
    "PrivateIpAddress": "10.0.21.9",
    "Groups": [{"GroupId": "sg-db"}],
}
SUBNETS = [
    {
        "SubnetId": "data-a",
        "VpcId": VPC,
        "CidrBlock": "10.0.21.0/24",
        "AvailableIpAddressCount": 99,
    },
    {"SubnetId": "app-a", "VpcId": VPC, "CidrBlock": "10.0.11.0/24", "AvailableIpAddressCount": 99},
]
ANSWERS = {
    "ec2.DescribeNetworkInterfaces": [ENI],
    "ec2.DescribeSubnets": SUBNETS,
    "ec2.DescribeVpcs": [{"VpcId": VPC, "CidrBlock": "10.0.0.0/16"}],
    "ec2.DescribeRouteTables": [
        {
            "RouteTableId": "rtb-1",
            "VpcId": VPC,
            "Associations": [{"Main": True}],
            "Routes": [{"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local"}],
        }
    ],
    "ec2.DescribeNetworkAcls": [
        {
            "NetworkAclId": "acl-1",
            "Associations": [{"SubnetId": "data-a"}, {"SubnetId": "app-a"}],
            "Entries": [
                {"RuleNumber": 100, "Egress": way, "RuleAction": "allow", "Protocol": "-1", "CidrBlock": ALL}
                for way in (True, False)
            ],
        }
    ],
    "ec2.DescribeSecurityGroups": [
        {"GroupId": "sg-app", "IpPermissionsEgress": [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": ALL}]}]},
        {
            "GroupId": "sg-db",
            "IpPermissions": [
                {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": [{"GroupId": "sg-app"}]}
            ],
        },
    ],
}  # fmt: skip


async def read(**changed) -> Snapshot:
    settings = VpcPathSettings(
        aws="prod",
        source=VpcEnd(security_group="sg-app", subnet="app-a"),
        destination=VpcEnd(address="10.0.21.9"),
        port=5432,
    )
    changes = {f"ec2.{name}": answer for name, answer in changed.items()}
    target = Target(name="path", kind="vpc_path", settings=settings)
    return await PROBE.collect(FakeAws(ANSWERS | changes), target)


async def test_a_path_that_was_read_whole():
    assert (await read()).verdict == "open"


@pytest.mark.parametrize(
    "operation",
    ["DescribeRouteTables", "DescribeNetworkAcls", "DescribeSecurityGroups"],
)
async def test_what_is_denied_makes_the_path_undetermined_and_is_named(operation):
    snapshot = await read(**{operation: denied("not authorized to perform it")})
    (finding,) = diagnose(snapshot, Settings())
    assert snapshot.verdict == "undetermined"
    assert finding.code == "PATH_UNDETERMINED"
    assert any("not authorized" in str(one.value) for one in finding.evidence)


@pytest.mark.parametrize("operation", ["DescribeVpcs", "DescribeInternetGateways", "DescribeSecurityGroupRules"])  # fmt: skip
async def test_what_the_path_does_not_need_may_be_denied(operation):
    assert (await read(**{operation: denied()})).verdict == "open"


async def test_interfaces_that_may_not_be_read_leave_the_probe_blind():
    with pytest.raises(BlindError) as caught:
        await read(DescribeNetworkInterfaces=denied())
    assert caught.value.reason is Reason.DENIED


async def test_hostile_names_arrive_as_harmless_text():
    hostile = "\x1b[31m[bold]evil\u202e\x00"
    named = [{**SUBNETS[0], "Tags": [{"Key": "Name", "Value": hostile}]}, SUBNETS[1]]
    snapshot = await read(DescribeSubnets=named)
    assert snapshot.network.subnets["data-a"].name.isprintable()


async def test_an_answer_of_another_shape_is_unreadable():
    with pytest.raises(BlindError) as caught:
        await read(DescribeNetworkInterfaces=[{**ENI, "Groups": "sg-db"}])
    assert caught.value.reason is Reason.UNREADABLE
