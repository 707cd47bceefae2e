"""Where a route leads on: interfaces that forward and transit gateways, built by calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest

from cockpit.connect.aws.settings import VpcEnd
from probes.vpc_path import collect
from probes.vpc_path.config import judged
from tests.servers.vpc_shop import FrontAtPort, Shop, codes, fronted, permission, shopping

pytestmark = pytest.mark.servers
MEMBER = "TransitGatewayAttachments"
FAR = VpcEnd(cidr="10.9.0.0/24")


@pytest.fixture(scope="module")
def front() -> Iterator[FrontAtPort]:
    with fronted() as made:
        yield made


@pytest.fixture
async def shop(front: FrontAtPort, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    async with shopping(front, monkeypatch) as made:
        yield made


async def test_an_interface_forwards_once_it_is_held_and_does_not_check(shop: Shop) -> None:
    await shop.allow(shop.db, permission(5432, cidr="10.0.11.0/24"))
    appliance = await shop.attach(shop.data, "10.0.21.4", shop.db)
    await shop.route(shop.app, "10.0.21.0/24", NetworkInterfaceId=appliance)
    assert codes(await shop.look()) == ["PATH_ENI_NOT_IN_USE"]
    await shop.hold(appliance)
    assert codes(await shop.look()) == ["PATH_SRC_DST_CHECK"]
    await shop.forward(appliance)
    assert codes(await shop.look()) == ["PATH_UNDETERMINED"]


async def test_a_transit_gateway_drops_what_its_tables_do_not_lead_on(shop: Shop) -> None:
    made = await shop.do("CreateTransitGateway")
    gateway = made["TransitGateway"]["TransitGatewayId"]
    hung = await shop.do(
        "CreateTransitGatewayVpcAttachment",
        TransitGatewayId=gateway,
        VpcId=shop.vpc,
        SubnetIds=[shop.data],
    )
    attachment = hung["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"]
    await shop.route(shop.app, "10.9.0.0/16", TransitGatewayId=gateway)
    await shop.route(shop.data, "10.9.0.0/16", TransitGatewayId=gateway)
    await shop.allow(shop.client, permission(5432, cidr="10.9.0.0/16"), egress=True)

    async def told(subnet: str) -> set[str]:
        source = VpcEnd(security_group=shop.client, subnet=subnet)
        found = await shop.look(FAR, source=source)
        return {code for code in codes(found) if code.startswith("PATH_TGW")}

    assert await told(shop.app) == {"PATH_TGW_NO_ATTACHMENT_AZ"}, "it hangs in another zone"
    assert await told(shop.data) == {"PATH_TGW_NO_ROUTE"}
    found = await shop.look(FAR, source=VpcEnd(security_group=shop.client, subnet=shop.data))
    (hangs,) = found.network.transits.values()
    assert (hangs.attachment, hangs.associated) == (attachment, True)
    await shop.do(
        "CreateTransitGatewayRoute",
        DestinationCidrBlock="10.9.0.0/16",
        TransitGatewayRouteTableId=hangs.table,
        Blackhole=True,
    )
    assert await told(shop.data) == {"PATH_TGW_BLACKHOLE"}


async def test_an_attachment_without_a_route_table_is_told(shop: Shop, front: FrontAtPort) -> None:
    made = await shop.do("CreateTransitGateway")
    gateway = made["TransitGateway"]["TransitGatewayId"]
    await shop.do(
        "CreateTransitGatewayVpcAttachment",
        TransitGatewayId=gateway,
        VpcId=shop.vpc,
        SubnetIds=[shop.app],
    )
    await shop.route(shop.app, "10.9.0.0/16", TransitGatewayId=gateway)
    await shop.allow(shop.client, permission(5432, cidr="10.9.0.0/16"), egress=True)
    asked = ("ec2", "DescribeTransitGatewayAttachments")

    def bare(_: object, __: object, told: dict[str, Any]) -> dict[str, Any]:
        """As after a disassociation, which moto answers with an error of its own."""
        rows = [{k: v for k, v in each.items() if k != "Association"} for each in told[MEMBER]]
        return {MEMBER: rows}

    front.amendments[asked] = bare
    try:
        assert "PATH_TGW_NOT_ASSOCIATED" in codes(await shop.look(FAR))
    finally:
        del front.amendments[asked]


async def test_an_endpoint_of_the_other_zone_is_a_risk(shop: Shop) -> None:
    made = await shop.do(
        "CreateVpcEndpoint",
        VpcId=shop.vpc,
        ServiceName="com.amazonaws.us-east-1.ssm",
        VpcEndpointType="Interface",
        SubnetIds=[shop.data],
    )
    (door,) = made["VpcEndpoint"]["NetworkInterfaceIds"]
    found = await shop.look(VpcEnd(interface=door), port=443)
    risks = {one.code for one in found.blockers if one.mild and "ENDPOINT" in one.code}
    assert found.destinations[0].kind == "host", "moto does not say that it is an endpoint's"
    assert risks == set()
    ends = tuple(replace(each, kind="endpoint") for each in found.destinations)
    held = await collect.complete(shop.reads, found.network, (*found.sources, *ends), [])
    again = judged(replace(found, destinations=ends, network=held))
    assert "PATH_ENDPOINT_AZ_MISSING" in {one.code for one in again.blockers if one.mild}
