"""What EC2 says of the VPCs that a path touches, cut down to what the path needs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from cockpit.connect.aws.answer import Answer, answer_into, answers_into
from cockpit.connect.session import AwsReads
from probes.answers import Gap, attempt
from probes.vpc_path.model import (
    Endpoint,
    Exclusion,
    GroupRule,
    Nat,
    Network,
    PathEnd,
    Peering,
    PublicAccess,
)
from probes.vpc_path.onward import forwarders_of, transits_of
from probes.vpc_path.read import (
    acl_of,
    attached_to,
    cidrs_of,
    endpoint_of,
    exclusion_of,
    group_of,
    nat_of,
    peering_of,
    rule_ids,
    rule_key,
    subnet_of,
    table_of,
)
from probes.vpc_path.routes import table_of as table_for
from probes.vpc_path.rows import (
    AclRow,
    ExclusionRow,
    GatewayRow,
    NatRow,
    PeeringRow,
    PrefixEntry,
    PublicAccessRow,
    RouteTableRow,
    RuleRow,
    SecurityGroupRow,
    SubnetRow,
    VpcEndpointRow,
    VpcRow,
)

_MOST = 5000
Row = TypeVar("Row", bound=Answer)


async def read(aws: AwsReads, vpcs: Sequence[str], gaps: list[Gap]) -> Network:
    """Subnets, routes, ACLs, groups and gateways of the VPCs. What cannot be read is a gap."""
    if not vpcs:
        return Network()
    by_vpc = [{"Name": "vpc-id", "Values": list(vpcs)}]
    attached = [{"Name": "attachment.vpc-id", "Values": list(vpcs)}]
    vpc_rows, subnets, tables, acls, groups, gateways = await asyncio.gather(
        _rows(aws, gaps, "VPCs", ("DescribeVpcs", "Vpcs", VpcRow), Filters=by_vpc),
        _rows(aws, gaps, "subnets", ("DescribeSubnets", "Subnets", SubnetRow), Filters=by_vpc),
        _rows(
            aws, gaps, "route tables", ("DescribeRouteTables", "RouteTables", RouteTableRow),
            Filters=by_vpc,
        ),
        _rows(
            aws, gaps, "network ACLs", ("DescribeNetworkAcls", "NetworkAcls", AclRow),
            Filters=by_vpc,
        ),
        _rows(
            aws, gaps, "security groups",
            ("DescribeSecurityGroups", "SecurityGroups", SecurityGroupRow), Filters=by_vpc,
        ),
        _rows(
            aws, gaps, "internet gateways",
            ("DescribeInternetGateways", "InternetGateways", GatewayRow), Filters=attached,
        ),
    )  # fmt: skip
    guarded = [acl_of(row) for row in acls]
    return Network(
        vpcs={row.vpc_id: cidrs_of(row) for row in vpc_rows},
        subnets=_by_id(subnet_of(row) for row in subnets),
        tables=_by_id(table_of(row) for row in tables),
        acls=_by_id(acl for acl, _ in guarded),
        acl_of={subnet: acl.id for acl, held in guarded for subnet in held},
        groups=_by_id(group_of(row) for row in groups),
        internet_gateways={row.internet_gateway_id: attached_to(row) for row in gateways},
        unread=tuple(dict.fromkeys(gap.what for gap in gaps)),
    )


async def complete(
    aws: AwsReads, net: Network, places: Sequence[PathEnd], gaps: list[Gap]
) -> Network:
    """Only what these places need, with the NATs, peerings, endpoints, prefix lists, rule ids and
    VPC Block Public Access for it.
    """
    led = {kind: _targets(net, places, kind) for kind in ("tgw", "eni", "instance")}
    nats, peerings, endpoints, access, transits, forwarders = await asyncio.gather(
        _nats(aws, net, places, gaps),
        _peerings(aws, net, places, gaps),
        _endpoints(aws, net, places, gaps),
        _public_access(aws, net, places, gaps),
        attempt(gaps, "transit gateways", transits_of(aws, net, places, led["tgw"]), otherwise={}),
        attempt(gaps, "appliances", forwarders_of(aws, led["eni"], led["instance"]), otherwise={}),
    )
    net = replace(net, nats=nats, peerings=peerings, endpoints=endpoints, public_access=access)
    net = replace(net, transits=transits, forwarders=forwarders)
    cut = _relevant(net, places)
    lists, ids = await asyncio.gather(
        _prefix_lists(aws, cut, gaps), _rule_ids(aws, tuple(cut.groups), gaps)
    )
    named = {
        id_: replace(group, rules=tuple(_named(rule, ids) for rule in group.rules))
        for id_, group in cut.groups.items()
    }
    return replace(
        cut,
        prefix_lists=lists,
        groups=named,
        unread=tuple(dict.fromkeys(gap.what for gap in gaps)),
    )


def _named(rule: GroupRule, ids: Mapping[tuple[object, ...], str]) -> GroupRule:
    return replace(rule, id=ids.get(rule_key(rule), ""))


def _relevant(net: Network, places: Sequence[PathEnd]) -> Network:
    subnets = {place.subnet for place in places if place.subnet}
    subnets |= {nat.subnet for nat in net.nats.values() if nat.subnet}
    groups = {group for place in places for group in place.groups}
    tables = [table for table in (table_for(net, subnet) for subnet in subnets) if table]
    tables += [table for table in net.tables.values() if table.gateways]
    acls = {net.acl_of[subnet] for subnet in subnets if subnet in net.acl_of}
    return replace(
        net,
        subnets={id_: one for id_, one in net.subnets.items() if id_ in subnets},
        groups={id_: one for id_, one in net.groups.items() if id_ in groups},
        tables={table.id: table for table in tables},
        acls={id_: one for id_, one in net.acls.items() if id_ in acls},
        acl_of={subnet: acl for subnet, acl in net.acl_of.items() if subnet in subnets},
    )


def _targets(net: Network, places: Sequence[PathEnd], kind: str) -> list[str]:
    tables = {table_for(net, place.subnet) for place in places if place.subnet} - {None}
    return sorted(
        {
            route.target
            for table in tables
            if table is not None
            for route in table.routes
            if route.kind == kind
        }
    )


async def _nats(
    aws: AwsReads, net: Network, places: Sequence[PathEnd], gaps: list[Gap]
) -> dict[str, Nat]:
    wanted = _targets(net, places, "nat")
    if not wanted:
        return {}
    rows = await _rows(
        aws,
        gaps,
        "NAT gateways",
        ("DescribeNatGateways", "NatGateways", NatRow),
        Filter=[{"Name": "nat-gateway-id", "Values": wanted}],
    )
    return _by_id(nat_of(row, _zone(net, row.subnet_id)) for row in rows)


def _zone(net: Network, subnet: str) -> str:
    found = net.subnets.get(subnet)
    return found.zone if found else ""


async def _peerings(
    aws: AwsReads, net: Network, places: Sequence[PathEnd], gaps: list[Gap]
) -> dict[str, Peering]:
    wanted = _targets(net, places, "pcx")
    if not wanted:
        return {}
    rows = await _rows(
        aws,
        gaps,
        "peerings",
        ("DescribeVpcPeeringConnections", "VpcPeeringConnections", PeeringRow),
        Filters=[{"Name": "vpc-peering-connection-id", "Values": wanted}],
    )
    return _by_id(peering_of(row) for row in rows)


async def _endpoints(
    aws: AwsReads, net: Network, places: Sequence[PathEnd], gaps: list[Gap]
) -> dict[str, Endpoint]:
    """Asked only when a route leads to one, or an end is an interface of one."""
    vpcs = sorted({place.vpc for place in places if place.vpc})
    if not (_targets(net, places, "vpce") or any(place.kind == "endpoint" for place in places)):
        return {}
    rows = await _rows(
        aws,
        gaps,
        "VPC endpoints",
        ("DescribeVpcEndpoints", "VpcEndpoints", VpcEndpointRow),
        Filters=[{"Name": "vpc-id", "Values": vpcs}],
    )
    return _by_id(endpoint_of(row, (_zone(net, each) for each in row.subnet_ids)) for row in rows)


async def _public_access(
    aws: AwsReads, net: Network, places: Sequence[PathEnd], gaps: list[Gap]
) -> PublicAccess | None:
    """Asked only when an end is outside and the way may lead by a gateway to the internet."""
    out = any(_targets(net, places, kind) for kind in ("igw", "nat", "eigw"))
    if all(place.inside for place in places) or not (
        out or any(place.kind == "internet" for place in places)
    ):
        return PublicAccess()
    member = "VpcBlockPublicAccessOptions"
    asked = aws.read("ec2", "DescribeVpcBlockPublicAccessOptions", expect=member)
    answer = await attempt(gaps, "VPC Block Public Access", asked, otherwise=None)
    if answer is None:
        return None
    row = answer_into(answer.get(member), PublicAccessRow)
    said = PublicAccess(mode=row.internet_gateway_block_mode, state=row.state)
    return said if said.mode == "off" else replace(said, exclusions=await _exclusions(aws, gaps))


async def _exclusions(aws: AwsReads, gaps: list[Gap]) -> tuple[Exclusion, ...] | None:
    """None: they could not be read."""
    operation, key = "DescribeVpcBlockPublicAccessExclusions", "VpcBlockPublicAccessExclusions"
    reading = aws.pages("ec2", operation, key=key, most=_MOST)
    rows = await attempt(gaps, "VPC Block Public Access exclusions", reading, otherwise=None)
    return None if rows is None else tuple(map(exclusion_of, answers_into(rows, ExclusionRow)))


async def _prefix_lists(aws: AwsReads, net: Network, gaps: list[Gap]) -> dict[str, tuple[str, ...]]:
    wanted = {
        rule.peer
        for group in net.groups.values()
        for rule in group.rules
        if rule.kind == "prefix_list"
    } | {
        route.destination
        for table in net.tables.values()
        for route in table.routes
        if route.destination.startswith("pl-")
    }
    ids = sorted(wanted)
    answers = await asyncio.gather(
        *(
            _rows(
                aws,
                gaps,
                f"prefix list {id_}",
                ("GetManagedPrefixListEntries", "Entries", PrefixEntry),
                PrefixListId=id_,
            )
            for id_ in ids
        )
    )
    unread = {gap.what for gap in gaps}
    return {
        id_: tuple(row.cidr for row in rows)
        for id_, rows in zip(ids, answers, strict=True)
        if f"prefix list {id_}" not in unread
    }


async def _rule_ids(
    aws: AwsReads, groups: Sequence[str], gaps: list[Gap]
) -> dict[tuple[object, ...], str]:
    """The rules' own ids, which only a call of its own gives; verdicts do without."""
    if not groups:
        return {}
    nice_to_have: list[Gap] = []
    rows = await _rows(
        aws,
        nice_to_have,
        "rule ids",
        ("DescribeSecurityGroupRules", "SecurityGroupRules", RuleRow),
        Filters=[{"Name": "group-id", "Values": list(groups)}],
    )
    return rule_ids(rows)


async def _rows(
    aws: AwsReads,
    gaps: list[Gap],
    what: str,
    call: tuple[str, str, type[Row]],
    **arguments: Any,
) -> tuple[Row, ...]:
    operation, key, into = call
    reading = aws.pages("ec2", operation, key=key, most=_MOST, **arguments)
    return answers_into(await attempt(gaps, what, reading, otherwise=()), into)


def _by_id(found: Iterable[Any]) -> dict[str, Any]:
    return {one.id: one for one in found}
