"""Transit gateways, and interfaces that are to forward: certain obstacles only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from probes.vpc_path.config import collect
from probes.vpc_path.model import Endpoint, Forwarder, Network, PathEnd, Transit
from tests.probes.fake_aws import FakeAws, denied
from tests.probes.vpc_looks import APP, DB, LOCAL, VPC, look, network, to

FAR = PathEnd(label="10.9.0.7", cidrs=("10.9.0.7",), guard="assumed")
WELL = Transit(
    attachment="tgw-attach-1",
    zones=("a", "b"),
    associated=True,
    table="tgw-rtb-1",
    routes={"10.9.0.7/32": "active"},
)
OPEN_BEYOND: tuple[str, list[str]] = ("undetermined", [])


def by(kind: str, **more: Any) -> Network:
    net = network()
    away = replace(net.tables["rtb-app"], routes=(LOCAL, to(kind, destination="10.9.0.0/16")))
    return replace(net, tables={**net.tables, "rtb-app": away}, **more)


def told(net: Network, source: PathEnd = APP, destination: PathEnd = FAR) -> tuple[str, list[str]]:
    seen = look(net, source, destination)
    return seen.verdict, [each.code for each in seen.blockers]


@pytest.mark.parametrize(
    ("hangs", "expected"),
    [
        pytest.param(WELL, OPEN_BEYOND, id="well: what it leads to is not seen"),
        pytest.param(None, OPEN_BEYOND, id="nothing could be read"),
        pytest.param(
            replace(WELL, zones=("b",)), ("blocked", ["PATH_TGW_NO_ATTACHMENT_AZ"]), id="zone"
        ),
        pytest.param(replace(WELL, zones=()), OPEN_BEYOND, id="zones are not known"),
        pytest.param(
            replace(WELL, associated=False), ("blocked", ["PATH_TGW_NOT_ASSOCIATED"]), id="no table"
        ),
        pytest.param(
            Transit(attachment="tgw-attach-1", zones=("a",)), OPEN_BEYOND, id="another account's"
        ),
        pytest.param(
            replace(WELL, routes={"10.9.0.7/32": ""}),
            ("blocked", ["PATH_TGW_NO_ROUTE"]),
            id="route",
        ),
        pytest.param(
            replace(WELL, routes={"10.9.0.7/32": "blackhole"}),
            ("blocked", ["PATH_TGW_BLACKHOLE"]),
            id="a black hole",
        ),
        pytest.param(
            replace(WELL, routes={"10.8.0.7/32": ""}), OPEN_BEYOND, id="another destination's"
        ),
    ],
)
def test_a_transit_gateway(hangs: Transit | None, expected: tuple[str, list[str]]) -> None:
    held = {} if hangs is None else {f"tgw-1 {VPC}": hangs}
    assert told(by("tgw", transits=held)) == expected
    assert (
        told(by("tgw", transits={"tgw-1 vpc-of-another": replace(WELL, zones=())})) == OPEN_BEYOND
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(Forwarder(interface="eni-9", state="in-use", checks=False), [], id="forwards"),
        pytest.param(
            Forwarder(interface="eni-9", state="in-use", checks=True),
            ["PATH_SRC_DST_CHECK"],
            id="checks",
        ),
        pytest.param(
            Forwarder(interface="eni-9", state="available", checks=False),
            ["PATH_ENI_NOT_IN_USE"],
            id="idle",
        ),
        pytest.param(Forwarder(interface="eni-9"), [], id="nothing is told of it"),
        pytest.param(None, [], id="not read"),
    ],
)
@pytest.mark.parametrize("kind", ["eni", "instance"])
def test_an_interface_that_is_to_forward(
    kind: str, found: Forwarder | None, expected: list[str]
) -> None:
    held = {} if found is None else {f"{kind}-1": found}
    assert told(by(kind, forwarders=held))[1] == expected


@pytest.mark.parametrize(
    ("zones", "expected"),
    [(("a",), []), (("a", "b"), []), (("b",), ["PATH_ENDPOINT_AZ_MISSING"]), ((), [])],
    ids=["its zone", "both", "the other", "not known"],
)
def test_an_endpoint_in_another_zone_only_is_a_risk(
    zones: tuple[str, ...], expected: list[str]
) -> None:
    door = replace(DB, kind="endpoint", interface="eni-door")
    held = Endpoint(
        id="vpce-1", kind="Interface", state="available", interfaces=("eni-door",), zones=zones
    )
    assert told(replace(network(), endpoints={"vpce-1": held}), APP, door) == ("open", expected)


def interface(id_: str, subnet: str, address: str) -> dict[str, Any]:
    return {
        "NetworkInterfaceId": id_,
        "SubnetId": subnet,
        "VpcId": VPC,
        "Status": "in-use",
        "PrivateIpAddress": address,
        "Groups": [{"GroupId": "sg-app"}],
    }


ANSWERS: dict[str, Any] = {
    "ec2.DescribeNetworkInterfaces": [interface("eni-app", "app-a", "10.0.11.7")],
    "ec2.DescribeVpcs": [{"VpcId": VPC, "CidrBlock": "10.0.0.0/16"}],
    "ec2.DescribeSubnets": [
        {"SubnetId": "app-a", "VpcId": VPC, "AvailabilityZone": "a", "CidrBlock": "10.0.11.0/24"},
        {"SubnetId": "app-b", "VpcId": VPC, "AvailabilityZone": "b", "CidrBlock": "10.0.12.0/24"},
    ],
    "ec2.DescribeRouteTables": [
        {
            "RouteTableId": "rtb-1",
            "VpcId": VPC,
            "Associations": [{"Main": True}],
            "Routes": [
                {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"},
                {"DestinationCidrBlock": "10.9.0.0/16", "TransitGatewayId": "tgw-1", "State": "active"},
            ],
        }
    ],
    "ec2.DescribeNetworkAcls": [],
    "ec2.DescribeSecurityGroups": [{"GroupId": "sg-app", "VpcId": VPC, "GroupName": "app"}],
    "ec2.DescribeSecurityGroupRules": [],
    "ec2.DescribeInternetGateways": [],
    "ec2.DescribeTransitGatewayVpcAttachments": [
        {
            "TransitGatewayAttachmentId": "tgw-attach-1",
            "TransitGatewayId": "tgw-1",
            "VpcId": VPC,
            "SubnetIds": ["app-b"],
        }
    ],
    "ec2.DescribeTransitGatewayAttachments": [
        {
            "TransitGatewayAttachmentId": "tgw-attach-1",
            "TransitGatewayOwnerId": "1",
            "ResourceOwnerId": "1",
            "Association": {"TransitGatewayRouteTableId": "tgw-rtb-1", "State": "associated"},
        }
    ],
    "ec2.SearchTransitGatewayRoutes": {"Routes": [{"DestinationCidrBlock": "10.0.0.0/8", "State": "active"}]},
}  # fmt: skip


async def read(answers: dict[str, Any]) -> Any:
    from cockpit.connect.aws.settings import VpcEnd, VpcPathSettings
    from cockpit.triage.target import Target

    settings = VpcPathSettings(
        aws="prod",
        source=VpcEnd(interface="eni-app"),
        destination=VpcEnd(cidr="10.9.0.7/32"),
        port=5432,
    )
    target = Target(name="far", kind="vpc_path", settings=settings)
    return await collect(FakeAws(answers, None), target)


async def test_a_transit_gateway_is_read_where_a_route_leads_to_one() -> None:
    seen = await read(ANSWERS)
    assert seen.network.transits == {
        f"tgw-1 {VPC}": Transit(
            attachment="tgw-attach-1",
            zones=("b",),
            associated=True,
            table="tgw-rtb-1",
            routes={"10.9.0.7/32": "active"},
        )
    }
    assert "PATH_TGW_NO_ATTACHMENT_AZ" in [each.code for each in seen.blockers]
    (attached,) = ANSWERS["ec2.DescribeTransitGatewayAttachments"]
    lent = {**attached, "TransitGatewayOwnerId": "2"}
    del lent["Association"]
    shared = await read({**ANSWERS, "ec2.DescribeTransitGatewayAttachments": [lent]})
    (one,) = shared.network.transits.values()
    assert (one.associated, one.routes) == (None, {})


async def test_what_of_it_may_not_be_read_leaves_the_path_undetermined() -> None:
    seen = await read({**ANSWERS, "ec2.DescribeTransitGatewayVpcAttachments": denied()})
    assert seen.network.transits == {}
    assert not [each.code for each in seen.blockers if "TGW" in each.code]
    assert any("transit gateway" in each for each in seen.unknown)
