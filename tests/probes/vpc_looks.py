"""A small network and looks at paths through it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from cockpit.runbooks.library import library
from cockpit.triage.finding import Severity
from probes.vpc_path.config import PROBE, diagnose, judged
from probes.vpc_path.findings import Settings, Snapshot
from probes.vpc_path.model import (
    Acl,
    AclEntry,
    Flow,
    GroupRule,
    Nat,
    Network,
    PathEnd,
    Route,
    RouteTable,
    SecurityGroup,
    Subnet,
)

AT = datetime(2026, 11, 21, 2, 41, tzinfo=UTC)


INFO, WARNING, HIGH, CRITICAL = Severity


ALL = "0.0.0.0/0"


PG = Flow(protocol="tcp", port=5432)


VPC, FAR = "vpc-1", "vpc-2"


def rule(
    group: str,
    peer: str,
    *,
    egress: bool = False,
    proto: str = "tcp",
    low: int = 5432,
    high: int | None = None,
    kind: str | None = None,
    **more: Any,
) -> GroupRule:
    kind = kind or (
        "group" if peer.startswith("sg-") else "prefix_list" if peer.startswith("pl-") else "cidr"
    )
    return GroupRule(group=group, egress=egress, protocol=proto, low=low,
                     high=low if high is None else high, kind=kind, peer=peer, **more)  # fmt: skip


def out(group: str) -> GroupRule:
    return rule(group, ALL, egress=True, proto="-1", low=-1)


def allow(
    number: int,
    egress: bool,
    cidr: str = ALL,
    *,
    low: int = -1,
    high: int | None = None,
    proto: str = "-1",
    verb: bool = True,
) -> AclEntry:
    return AclEntry(number=number, egress=egress, allow=verb, protocol=proto, cidr=cidr,
                    low=low, high=low if high is None else high)  # fmt: skip


LAST = tuple(allow(32767, way, verb=False) for way in (True, False))


WIDE = (allow(100, True), allow(100, False), *LAST)


LOCAL = Route(destination="10.0.0.0/16", kind="local", target="local", origin="CreateRouteTable")


def to(kind: str, target: str | None = None, destination: str = ALL, **more: Any) -> Route:
    return Route(destination=destination, kind=kind, target=target or f"{kind}-1", **more)


def network(**more: Any) -> Network:
    """Two app subnets, a data subnet and a public one; all open, checkout may reach the database."""
    fields: dict[str, Any] = {
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
            "sg-app": SecurityGroup(id="sg-app", vpc=VPC, rules=(out("sg-app"),)),
            "sg-db": SecurityGroup(
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


APP = PathEnd(
    label="checkout",
    cidrs=("10.0.11.7",),
    vpc=VPC,
    subnet="app-a",
    groups=("sg-app",),
    interface="eni-app",
)


DB = PathEnd(
    label="orders",
    cidrs=("10.0.21.9",),
    vpc=VPC,
    subnet="data-a",
    groups=("sg-db",),
    interface="eni-db",
)


WORLD = PathEnd(label="the internet", cidrs=(ALL, "::/0"), kind="internet", guard="assumed")


def groups(net: Network | None = None, **changed: Any) -> Network:
    net = net or network()
    new = {
        id_.replace("_", "-"): replace(
            net.groups.get(id_.replace("_", "-"), SecurityGroup(id=id_.replace("_", "-"))),
            rules=tuple(rules),
        )
        for id_, rules in changed.items()
    }
    return replace(net, groups={**net.groups, **new})


def acls(**changed: Any) -> Network:
    net = network()
    new = {
        id_.replace("_", "-"): Acl(id=id_.replace("_", "-"), entries=tuple(entries))
        for id_, entries in changed.items()
    }
    return replace(net, acls={**net.acls, **new})


def look(
    net: Network | None = None,
    source: PathEnd | tuple[PathEnd, ...] = APP,
    destination: PathEnd | tuple[PathEnd, ...] = DB,
    flow: Flow = PG,
) -> Snapshot:
    snapshot = judged(
        Snapshot(at=AT, sources=(source,) if isinstance(source, PathEnd) else source,
                 destinations=(destination,) if isinstance(destination, PathEnd) else destination,
                 flow=flow, network=net or network())
    )  # fmt: skip
    assert msgspec.json.decode(msgspec.json.encode(snapshot), type=Snapshot) == snapshot
    for finding in diagnose(snapshot, Settings()):
        assert finding.code in PROBE.codes
        assert finding.severity < WARNING or library().best(finding.code)
    assert PROBE.facts is not None
    list(PROBE.facts(snapshot, PROBE.settings))
    assert PROBE.tables is not None
    for table in PROBE.tables(snapshot, Settings()):
        assert all(len(row.cells) == len(table.columns) for row in table.rows)
    return snapshot


IN, OUT, EMPTY = "PATH_SG_INGRESS_DENIED", "PATH_SG_EGRESS_DENIED", "PATH_SG_EMPTY"


NACL, EPH, PART = "PATH_NACL_DENIED", "PATH_NACL_EPHEMERAL_DENIED", "PATH_NACL_EPHEMERAL_PARTIAL"


HTTPS = Flow(protocol="tcp", port=443)


FRONT = PathEnd(
    label="alb",
    cidrs=("10.0.1.9",),
    vpc=VPC,
    subnet="public-a",
    groups=("sg-web",),
    interface="eni-web",
    public=("198.51.100.9",),
    kind="balancer",
)


def tables(**changed: Any) -> Network:
    net = network()
    new = {
        id_.replace("_", "-"): replace(net.tables[id_.replace("_", "-")], routes=tuple(routes))
        for id_, routes in changed.items()
    }
    return replace(net, tables={**net.tables, **new})


def verdict(*args: Any, **more: Any) -> tuple[str, list[str]]:
    snapshot = look(*args, **more)
    return snapshot.verdict, [blocker.code for blocker in snapshot.blockers]


NOWAY, NOBACK, HOLE = "PATH_NO_ROUTE", "PATH_NO_RETURN_ROUTE", "PATH_ROUTE_BLACKHOLE"


WEB = groups(sg_web=[rule("sg-web", ALL, low=443)])


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


ANSWERS: dict[str, Any] = {
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

OPEN: tuple[str, list[str]] = ("open", [])
