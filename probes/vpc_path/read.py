"""EC2's answers as values of the model. Absent members are normal, wrong types are unreadable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from probes.answers import Answer, flag, items, need_text, section, structures, text, whole
from probes.vpc_path.model import (
    ANY,
    Acl,
    AclEntry,
    Group,
    GroupRule,
    Nat,
    PathEnd,
    Peering,
    Route,
    RouteTable,
    Subnet,
    normal_protocol,
)
from probes.vpc_path.space import network

_RESERVED = 5
"""Addresses of every subnet that AWS keeps for itself."""
_TARGETS = (
    ("NatGatewayId", "nat"),
    ("TransitGatewayId", "tgw"),
    ("VpcPeeringConnectionId", "pcx"),
    ("EgressOnlyInternetGatewayId", "eigw"),
    ("NetworkInterfaceId", "eni"),
    ("InstanceId", "instance"),
    ("VpcEndpointId", "vpce"),
    ("LocalGatewayId", "other"),
    ("CarrierGatewayId", "other"),
    ("CoreNetworkArn", "other"),
)
_GATEWAYS = {"igw": "igw", "vgw": "vgw", "vpce": "vpce", "local": "local", "eigw": "eigw"}


def permission_rules(group: str, permission: Answer, *, egress: bool) -> Iterator[GroupRule]:
    """Every peer of one IpPermission as a rule of its own."""
    protocol = normal_protocol(text(permission, "IpProtocol") or "-1")
    low, high = whole(permission, "FromPort"), whole(permission, "ToPort")

    def rule(kind: str, peer: str, peering: str = "") -> GroupRule:
        return GroupRule(
            group=group,
            egress=egress,
            protocol=protocol,
            low=ANY if low is None else low,
            high=ANY if high is None else high,
            kind=kind,
            peer=peer,
            peering=peering,
        )

    for one in items(permission, "IpRanges"):
        yield rule("cidr", text(one, "CidrIp"))
    for one in items(permission, "Ipv6Ranges"):
        yield rule("cidr", text(one, "CidrIpv6"))
    for one in items(permission, "PrefixListIds"):
        yield rule("prefix_list", text(one, "PrefixListId"))
    for one in items(permission, "UserIdGroupPairs"):
        yield rule("group", text(one, "GroupId"), text(one, "PeeringStatus"))


def group_of(row: Answer) -> Group:
    """A security group; the rules' own ids are not in this answer."""
    id_ = need_text(row, "GroupId")
    ingress = (
        rule
        for permission in items(row, "IpPermissions")
        for rule in permission_rules(id_, permission, egress=False)
    )
    egress = (
        rule
        for permission in items(row, "IpPermissionsEgress")
        for rule in permission_rules(id_, permission, egress=True)
    )
    return Group(
        id=id_,
        name=text(row, "GroupName"),
        vpc=text(row, "VpcId"),
        rules=(*ingress, *egress),
    )


def rule_key(rule: GroupRule) -> tuple[object, ...]:
    """What makes two rules of a region the same."""
    return (rule.group, rule.egress, rule.protocol, rule.low, rule.high, rule.peer)


def rule_ids(rows: Sequence[Any]) -> dict[tuple[object, ...], str]:
    """`rule_key` → `sgr-…`, from DescribeSecurityGroupRules."""
    found: dict[tuple[object, ...], str] = {}
    for row in structures(rows, "SecurityGroupRules"):
        low, high = whole(row, "FromPort"), whole(row, "ToPort")
        peer = (
            text(row, "CidrIpv4")
            or text(row, "CidrIpv6")
            or text(row, "PrefixListId")
            or text(section(row, "ReferencedGroupInfo"), "GroupId")
        )
        rule = GroupRule(
            group=text(row, "GroupId"),
            egress=bool(flag(row, "IsEgress")),
            protocol=normal_protocol(text(row, "IpProtocol") or "-1"),
            low=ANY if low is None else low,
            high=ANY if high is None else high,
            kind="cidr",
            peer=peer,
        )
        found[rule_key(rule)] = text(row, "SecurityGroupRuleId")
    return found


def subnet_of(row: Answer) -> Subnet:
    """A subnet with its free addresses."""
    v4 = text(row, "CidrBlock")
    v6 = [
        text(one, "Ipv6CidrBlock")
        for one in items(row, "Ipv6CidrBlockAssociationSet")
        if text(section(one, "Ipv6CidrBlockState"), "State") in {"", "associated"}
    ]
    net = network(v4) if v4 else None
    names = [text(tag, "Value") for tag in items(row, "Tags") if text(tag, "Key") == "Name"]
    return Subnet(
        id=need_text(row, "SubnetId"),
        vpc=text(row, "VpcId"),
        zone=text(row, "AvailabilityZone"),
        cidrs=tuple(cidr for cidr in (v4, *v6) if cidr),
        name=names[0] if names else "",
        free=whole(row, "AvailableIpAddressCount"),
        total=net.num_addresses - _RESERVED if net else None,
    )


def acl_of(row: Answer) -> tuple[Acl, tuple[str, ...]]:
    """A network ACL, and the subnets that it guards."""
    entries = tuple(_acl_entry(entry) for entry in items(row, "Entries"))
    subnets = tuple(text(one, "SubnetId") for one in items(row, "Associations"))
    acl = Acl(
        id=need_text(row, "NetworkAclId"), default=bool(flag(row, "IsDefault")), entries=entries
    )
    return acl, subnets


def _acl_entry(row: Answer) -> AclEntry:
    span, icmp = section(row, "PortRange"), section(row, "IcmpTypeCode")
    low = whole(span, "From") if span else whole(icmp, "Type")
    high = whole(span, "To") if span else whole(icmp, "Code")
    return AclEntry(
        number=whole(row, "RuleNumber") or 0,
        egress=bool(flag(row, "Egress")),
        allow=text(row, "RuleAction") == "allow",
        protocol=normal_protocol(text(row, "Protocol") or "-1"),
        cidr=text(row, "CidrBlock") or text(row, "Ipv6CidrBlock"),
        low=ANY if low is None else low,
        high=ANY if high is None else high,
    )


def table_of(row: Answer) -> RouteTable:
    """A route table with its routes and the subnets that name it."""
    associations = items(row, "Associations")
    return RouteTable(
        id=need_text(row, "RouteTableId"),
        vpc=text(row, "VpcId"),
        main=any(flag(one, "Main") for one in associations),
        subnets=tuple(text(one, "SubnetId") for one in associations if text(one, "SubnetId")),
        routes=tuple(_route(route) for route in items(row, "Routes")),
    )


def _route(row: Answer) -> Route:
    kind, target = target_of(row)
    return Route(
        destination=text(row, "DestinationCidrBlock")
        or text(row, "DestinationIpv6CidrBlock")
        or text(row, "DestinationPrefixListId"),
        kind=kind,
        target=target,
        state=text(row, "State") or "active",
        origin=text(row, "Origin") or "CreateRoute",
    )


def target_of(row: Answer) -> tuple[str, str]:
    """The kind and id of what a route leads to."""
    gateway = text(row, "GatewayId")
    if gateway:
        return _GATEWAYS.get(gateway.partition("-")[0], "other"), gateway
    for name, kind in _TARGETS:
        if text(row, name):
            return kind, text(row, name)
    return "other", "an unknown target"


def nat_of(row: Answer, zone: str) -> Nat:
    """A NAT gateway; `zone` is that of its subnet."""
    return Nat(
        id=need_text(row, "NatGatewayId"),
        subnet=text(row, "SubnetId"),
        state=text(row, "State"),
        public=(text(row, "ConnectivityType") or "public") == "public",
        zone="" if text(row, "AvailabilityMode") == "regional" else zone,
        failure=text(row, "FailureMessage") or text(row, "FailureCode"),
    )


def peering_of(row: Answer) -> Peering:
    """A peering connection."""
    sides = (section(row, "RequesterVpcInfo"), section(row, "AccepterVpcInfo"))
    return Peering(
        id=need_text(row, "VpcPeeringConnectionId"),
        status=text(section(row, "Status"), "Code"),
        vpcs=tuple(text(side, "VpcId") for side in sides if text(side, "VpcId")),
    )


def place_of(row: Answer, label: str = "") -> PathEnd:
    """An interface as one end of a path."""
    privates = [text(one, "PrivateIpAddress") for one in items(row, "PrivateIpAddresses")]
    first = text(row, "PrivateIpAddress")
    v6 = [text(one, "Ipv6Address") for one in items(row, "Ipv6Addresses")]
    addresses = dict.fromkeys([first, *privates, *v6])
    public = text(section(row, "Association"), "PublicIp")
    id_ = need_text(row, "NetworkInterfaceId")
    return PathEnd(
        label=label or (f"{id_} ({first})" if first else id_),
        cidrs=tuple(address for address in addresses if address),
        vpc=text(row, "VpcId"),
        subnet=text(row, "SubnetId"),
        groups=tuple(text(one, "GroupId") for one in items(row, "Groups")),
        interface=id_,
        public=(public,) if public else (),
        kind=_kind(row),
    )


def _kind(row: Answer) -> str:
    kind, description = text(row, "InterfaceType"), text(row, "Description")
    if kind in {"lambda", "nat_gateway"}:
        return kind.partition("_")[0]
    if kind in {"network_load_balancer", "load_balancer"} or description.startswith("ELB "):
        return "balancer"
    return "host"


def cidrs_of(row: Answer) -> tuple[str, ...]:
    """The CIDRs of a VPC."""
    v4 = [text(one, "CidrBlock") for one in items(row, "CidrBlockAssociationSet")]
    v6 = [text(one, "Ipv6CidrBlock") for one in items(row, "Ipv6CidrBlockAssociationSet")]
    found = dict.fromkeys([text(row, "CidrBlock"), *v4, *v6])
    return tuple(cidr for cidr in found if cidr)


def entries_of(rows: Sequence[Any]) -> tuple[str, ...]:
    """The CIDRs of a prefix list."""
    return tuple(text(row, "Cidr") for row in structures(rows, "Entries"))
