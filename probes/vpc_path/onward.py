"""What is read of where a route leads on: transit gateways, and interfaces that forward."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from cockpit.connect.aws.answer import answers_into
from cockpit.connect.session import AwsReads
from probes.vpc_path.model import Forwarder, Network, PathEnd, Transit
from probes.vpc_path.rows import (
    ForwarderRow,
    TransitAttachmentRow,
    TransitRouteRow,
    VpcAttachmentRow,
)
from probes.vpc_path.space import network

_MOST = 4
"""Destinations that are asked of one route table."""
_ATTACHED = "DescribeTransitGatewayVpcAttachments"


async def transits_of(
    aws: AwsReads, net: Network, places: Sequence[PathEnd], gateways: Sequence[str]
) -> dict[str, Transit]:
    """How the VPCs of the places hang at the gateways. Raises `BlindError`.

    The route tables of another account's gateway are not told; then nothing is said of them.
    """
    if not gateways:
        return {}
    vpcs = sorted({place.vpc for place in places if place.vpc})
    asked = [
        {"Name": "transit-gateway-id", "Values": list(gateways)},
        {"Name": "vpc-id", "Values": vpcs},
    ]
    found = await aws.pages("ec2", _ATTACHED, key="TransitGatewayVpcAttachments", Filters=asked)
    rows = answers_into(found, VpcAttachmentRow)
    tables = await _tables(aws, [each.transit_gateway_attachment_id for each in rows])
    made = await asyncio.gather(*(_transit(aws, net, places, row, tables) for row in rows))
    return {
        f"{row.transit_gateway_id} {row.vpc_id}": each for row, each in zip(rows, made, strict=True)
    }


async def _tables(aws: AwsReads, ids: Sequence[str]) -> Mapping[str, TransitAttachmentRow]:
    if not ids:
        return {}
    found = await aws.pages(
        "ec2",
        "DescribeTransitGatewayAttachments",
        key="TransitGatewayAttachments",
        Filters=[{"Name": "transit-gateway-attachment-id", "Values": list(ids)}],
    )
    rows = answers_into(found, TransitAttachmentRow)
    return {each.transit_gateway_attachment_id: each for each in rows}


async def _transit(
    aws: AwsReads,
    net: Network,
    places: Sequence[PathEnd],
    row: VpcAttachmentRow,
    tables: Mapping[str, TransitAttachmentRow],
) -> Transit:
    subnets = [net.subnets.get(each) for each in row.subnet_ids]
    held = tables.get(row.transit_gateway_attachment_id)
    table = held.association if held is not None else None
    ours = held is not None and held.transit_gateway_owner_id == held.resource_owner_id
    live = table is not None and table.state in {"", "associated"}
    id_ = table.transit_gateway_route_table_id if table is not None and live else ""
    return Transit(
        attachment=row.transit_gateway_attachment_id,
        zones=tuple(sorted({each.zone for each in subnets if each})) if all(subnets) else (),
        associated=bool(id_) if ours else None,
        table=id_,
        routes=await _routes(aws, id_, _beyond(places, row.vpc_id)) if id_ and ours else {},
    )


def _beyond(places: Iterable[PathEnd], vpc: str) -> list[str]:
    """The ranges of ends that are not in the VPC, as a path asks for them."""
    texts = dict.fromkeys(cidr for place in places if place.vpc != vpc for cidr in place.cidrs)
    nets = [one for one in map(network, texts) if one is not None and one.prefixlen]
    return [str(each) for each in nets[:_MOST]]


async def _routes(aws: AwsReads, table: str, wanted: Sequence[str]) -> dict[str, str]:
    answers = await asyncio.gather(
        *(
            aws.read(
                "ec2",
                "SearchTransitGatewayRoutes",
                expect="Routes",
                TransitGatewayRouteTableId=table,
                Filters=[{"Name": "route-search.longest-prefix-match", "Values": [each]}],
            )
            for each in wanted
        )
    )
    states = (answers_into(each["Routes"], TransitRouteRow) for each in answers)
    return {cidr: rows[0].state if rows else "" for cidr, rows in zip(wanted, states, strict=True)}


async def forwarders_of(
    aws: AwsReads, interfaces: Sequence[str], instances: Sequence[str]
) -> dict[str, Forwarder]:
    """The interfaces that routes lead to, by the route's target. Raises `BlindError`.

    Of an instance with several interfaces nothing is said: which one it is, the route tells itself.
    """
    found: dict[str, Forwarder] = {}
    for name, ids in (
        ("network-interface-id", interfaces),
        ("attachment.instance-id", instances),
    ):
        if not ids:
            continue
        rows = await aws.pages(
            "ec2",
            "DescribeNetworkInterfaces",
            key="NetworkInterfaces",
            Filters=[{"Name": name, "Values": list(ids)}],
        )
        for row in answers_into(rows, ForwarderRow):
            one = Forwarder(
                interface=row.network_interface_id, state=row.status, checks=row.source_dest_check
            )
            holder = row.attachment.instance_id if row.attachment is not None else ""
            key = one.interface if one.interface in ids else holder
            if key not in ids:
                continue
            if key in found:
                one = Forwarder(interface=one.interface)
            found[key] = one
    return found
