"""EC2's rows as values of the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from probes.vpc_path.model import (
    ANY,
    Acl,
    AclEntry,
    Endpoint,
    Exclusion,
    GroupRule,
    Nat,
    PathEnd,
    Peering,
    Route,
    RouteTable,
    SecurityGroup,
    Subnet,
    normal_protocol,
)
from probes.vpc_path.rows import (
    AclRow,
    EntryRow,
    ExclusionRow,
    GatewayRow,
    InterfaceRow,
    NatRow,
    PeeringRow,
    Permission,
    RouteRow,
    RouteTableRow,
    RouteTarget,
    RuleRow,
    SecurityGroupRow,
    SubnetRow,
    VpcEndpointRow,
    VpcRow,
)
from probes.vpc_path.space import network

_RESERVED = 5
"""Addresses of every subnet that AWS keeps for itself."""
_TARGETS = (
    ("nat_gateway_id", "nat"),
    ("transit_gateway_id", "tgw"),
    ("vpc_peering_connection_id", "pcx"),
    ("egress_only_internet_gateway_id", "eigw"),
    ("network_interface_id", "eni"),
    ("instance_id", "instance"),
    ("vpc_endpoint_id", "vpce"),
    ("local_gateway_id", "other"),
    ("carrier_gateway_id", "other"),
    ("core_network_arn", "other"),
)
_GATEWAYS = {"igw": "igw", "vgw": "vgw", "vpce": "vpce", "local": "local", "eigw": "eigw"}


def permission_rules(group: str, permission: Permission, *, egress: bool) -> Iterator[GroupRule]:
    """Every peer of one IpPermission as a rule of its own."""

    def rule(kind: str, peer: str, peering: str = "") -> GroupRule:
        return GroupRule(
            group=group,
            egress=egress,
            protocol=normal_protocol(permission.ip_protocol or "-1"),
            low=_bound(permission.from_port),
            high=_bound(permission.to_port),
            kind=kind,
            peer=peer,
            peering=peering,
        )

    for v4 in permission.ip_ranges:
        yield rule("cidr", v4.cidr_ip)
    for v6 in permission.ipv6_ranges:
        yield rule("cidr", v6.cidr_ipv6)
    for listed in permission.prefix_list_ids:
        yield rule("prefix_list", listed.prefix_list_id)
    for pair in permission.user_id_group_pairs:
        yield rule("group", pair.group_id, pair.peering_status)


def _bound(port: int | None) -> int:
    return ANY if port is None else port


def group_of(row: SecurityGroupRow) -> SecurityGroup:
    """A security group; the rules' own ids are not in this answer."""
    both = ((row.ip_permissions, False), (row.ip_permissions_egress, True))
    rules = (
        rule
        for permissions, egress in both
        for permission in permissions
        for rule in permission_rules(row.group_id, permission, egress=egress)
    )
    return SecurityGroup(id=row.group_id, name=row.group_name, vpc=row.vpc_id, rules=tuple(rules))


def rule_key(rule: GroupRule) -> tuple[object, ...]:
    """What makes two rules of a region the same."""
    return (rule.group, rule.egress, rule.protocol, rule.low, rule.high, rule.peer)


def rule_ids(rows: Iterable[RuleRow]) -> dict[tuple[object, ...], str]:
    """`rule_key` → `sgr-…`, from DescribeSecurityGroupRules."""
    return {rule_key(_rule(row)): row.security_group_rule_id for row in rows}


def _rule(row: RuleRow) -> GroupRule:
    return GroupRule(
        group=row.group_id,
        egress=row.is_egress,
        protocol=normal_protocol(row.ip_protocol or "-1"),
        low=_bound(row.from_port),
        high=_bound(row.to_port),
        kind="cidr",
        peer=row.cidr_ipv4
        or row.cidr_ipv6
        or row.prefix_list_id
        or row.referenced_group_info.group_id,
    )


def subnet_of(row: SubnetRow) -> Subnet:
    """A subnet with its free addresses."""
    v6 = [
        one.ipv6_cidr_block
        for one in row.ipv6_cidr_block_association_set
        if one.ipv6_cidr_block_state.state in {"", "associated"}
    ]
    net = network(row.cidr_block) if row.cidr_block else None
    return Subnet(
        id=row.subnet_id,
        vpc=row.vpc_id,
        zone=row.availability_zone,
        cidrs=tuple(cidr for cidr in (row.cidr_block, *v6) if cidr),
        name=next((tag.value for tag in row.tags if tag.key == "Name"), ""),
        free=row.available_ip_address_count,
        total=net.num_addresses - _RESERVED if net else None,
    )


def acl_of(row: AclRow) -> tuple[Acl, tuple[str, ...]]:
    """A network ACL, and the subnets that it guards."""
    entries = tuple(_acl_entry(entry) for entry in row.entries)
    acl = Acl(id=row.network_acl_id, default=row.is_default, entries=entries)
    return acl, tuple(one.subnet_id for one in row.associations)


def _acl_entry(row: EntryRow) -> AclEntry:
    span = row.port_range or row.icmp_type_code
    return AclEntry(
        number=row.rule_number,
        egress=row.egress,
        allow=row.rule_action == "allow",
        protocol=normal_protocol(row.protocol or "-1"),
        cidr=row.cidr_block or row.ipv6_cidr_block,
        low=_bound(span.low),
        high=_bound(span.high),
    )


def table_of(row: RouteTableRow) -> RouteTable:
    """A route table with its routes and the subnets that name it."""
    return RouteTable(
        id=row.route_table_id,
        vpc=row.vpc_id,
        main=any(one.main for one in row.associations),
        subnets=tuple(one.subnet_id for one in row.associations if one.subnet_id),
        routes=tuple(_route(route) for route in row.routes),
        gateways=tuple(one.gateway_id for one in row.associations if one.gateway_id),
    )


def _route(row: RouteRow) -> Route:
    kind, target = target_of(row)
    return Route(
        destination=destination_of(row),
        kind=kind,
        target=target,
        state=row.state or "active",
        origin=row.origin or "CreateRoute",
    )


def destination_of(row: RouteTarget) -> str:
    """The CIDR or the prefix list's id that a route is for; empty: none is named."""
    return (
        row.destination_cidr_block
        or row.destination_ipv6_cidr_block
        or row.destination_prefix_list_id
    )


def target_of(row: RouteTarget) -> tuple[str, str]:
    """The kind and id of what a route leads to."""
    if row.gateway_id:
        return _GATEWAYS.get(row.gateway_id.partition("-")[0], "other"), row.gateway_id
    for name, kind in _TARGETS:
        id_ = getattr(row, name, "")
        if id_:
            return kind, id_
    return "other", "an unknown target"


def attached_to(row: GatewayRow) -> str:
    """The VPC that an internet gateway serves; empty when detached."""
    states = {one.vpc_id: one.state for one in row.attachments}
    live = (vpc for vpc, state in states.items() if state in {"", "available", "attached"})
    return next(live, "")


def nat_of(row: NatRow, zone: str) -> Nat:
    """A NAT gateway; `zone` is that of its subnet."""
    own = [one.private_ip for one in row.nat_gateway_addresses if one.private_ip]
    return Nat(
        id=row.nat_gateway_id,
        subnet=row.subnet_id,
        state=row.state,
        public=(row.connectivity_type or "public") == "public",
        zone="" if row.availability_mode == "regional" else zone,
        failure=row.failure_message or row.failure_code,
        created=row.create_time,
        address=own[0] if own and row.subnet_id else "",
    )


def peering_of(row: PeeringRow) -> Peering:
    """A peering connection."""
    sides = (row.requester_vpc_info.vpc_id, row.accepter_vpc_info.vpc_id)
    return Peering(
        id=row.vpc_peering_connection_id,
        status=row.status.code,
        vpcs=tuple(vpc for vpc in sides if vpc),
    )


def place_of(row: InterfaceRow, address: str = "") -> PathEnd:
    """An interface as one end of a path, by one of its addresses; without any: by its first."""
    id_, first, public = row.network_interface_id, row.private_ip_address, row.association.public_ip
    privates = {
        one.private_ip_address: one.association.public_ip for one in row.private_ip_addresses
    }
    v6 = [one.ipv6_address for one in row.ipv6_addresses]
    if address in privates and address != first:  # each private address has its own, or none
        public = privates[address]
    addresses = dict.fromkeys([address, first, *privates, *v6])
    label = f"{address} ({id_})" if address else f"{id_} ({first})" if first else id_
    return PathEnd(
        label=label,
        cidrs=tuple(address for address in addresses if address),
        vpc=row.vpc_id,
        subnet=row.subnet_id,
        groups=tuple(one.group_id for one in row.groups),
        interface=id_,
        public=(public,) if public else (),
        kind=_kind(row),
    )


def _kind(row: InterfaceRow) -> str:
    kind = row.interface_type
    if kind in {"lambda", "nat_gateway"}:
        return kind.partition("_")[0]
    if kind == "vpc_endpoint":
        return "endpoint"
    if kind in {"network_load_balancer", "load_balancer"} or row.description.startswith("ELB "):
        return "balancer"
    return "host"


def cidrs_of(row: VpcRow) -> tuple[str, ...]:
    """The CIDRs of a VPC."""
    v4 = [one.cidr_block for one in row.cidr_block_association_set]
    v6 = [one.ipv6_cidr_block for one in row.ipv6_cidr_block_association_set]
    return tuple(cidr for cidr in dict.fromkeys([row.cidr_block, *v4, *v6]) if cidr)


def endpoint_of(row: VpcEndpointRow, zones: Iterable[str]) -> Endpoint:
    """A VPC endpoint; `zones` are those of its subnets."""
    return Endpoint(
        id=row.vpc_endpoint_id,
        kind=row.vpc_endpoint_type,
        state=row.state.lower(),
        interfaces=row.network_interface_ids,
        zones=tuple(sorted({*filter(None, zones)})),
    )


def exclusion_of(row: ExclusionRow) -> Exclusion:
    """What VPC Block Public Access leaves alone; of the ARN only the id is kept."""
    return Exclusion(
        of=row.resource_arn.rpartition("/")[2],
        mode=row.internet_gateway_exclusion_mode,
        state=row.state,
    )
