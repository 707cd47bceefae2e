"""The path probe over the real connector against moto: real HTTP, real botocore, real paging."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import pytest

from cockpit.connect.aws import open_aws, open_aws_acts
from cockpit.connect.settings import VpcEnd, VpcPathSettings
from cockpit.errors import BlindError, Reason
from cockpit.triage.target import Target
from probes.vpc_path import PROBE, Settings, Snapshot, diagnose, tried
from tests.core.aws_stub import place

pytestmark = pytest.mark.servers
ALL = "0.0.0.0/0"


@pytest.fixture(scope="module")
def port():
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@dataclass
class Shop:
    """Two subnets of one VPC, a client group and a database with an interface."""

    reads: Any
    acts: Any
    vpc: str = ""
    app: str = ""
    data: str = ""
    client: str = ""
    db: str = ""
    interface: str = ""
    acl: str = ""

    async def do(self, call: str, **arguments: Any) -> Any:
        """A change, after which nothing that was read counts."""
        answer = await self.acts.run(f"ec2.{call}", arguments)
        self.reads.forget()
        return answer

    async def build(self) -> Shop:
        self.vpc = (await self.do("CreateVpc", CidrBlock="10.0.0.0/16"))["Vpc"]["VpcId"]
        self.app, self.data = [
            (await self.do("CreateSubnet", VpcId=self.vpc, CidrBlock=cidr))["Subnet"]["SubnetId"]
            for cidr in ("10.0.11.0/24", "10.0.21.0/24")
        ]
        self.client, self.db = [
            (await self.do("CreateSecurityGroup", GroupName=n, Description=n, VpcId=self.vpc))[
                "GroupId"
            ]
            for n in ("client", "db")
        ]
        await self.do("AuthorizeSecurityGroupIngress", **self.flow())
        made = await self.do(
            "CreateNetworkInterface",
            SubnetId=self.data,
            PrivateIpAddress="10.0.21.9",
            Groups=[self.db],
        )
        self.interface = made["NetworkInterface"]["NetworkInterfaceId"]
        return self

    def flow(self) -> dict[str, Any]:
        pair = [{"GroupId": self.client}]
        permission = {
            "IpProtocol": "tcp",
            "FromPort": 5432,
            "ToPort": 5432,
            "UserIdGroupPairs": pair,
        }
        return {"GroupId": self.db, "IpPermissions": [permission]}

    async def look(
        self, destination: VpcEnd | None = None, *, source: VpcEnd | None = None
    ) -> Snapshot:
        settings = VpcPathSettings(
            aws="prod",
            source=source or VpcEnd(security_group=self.client, subnet=self.app),
            destination=destination or VpcEnd(address="10.0.21.9"),
            port=5432,
        )
        target = Target(name="checkout-to-db", kind="vpc_path", settings=settings)
        return await PROBE.collect(self.reads, target)


@pytest.fixture
async def shop(port, monkeypatch):
    import aiohttp

    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")
    reset = f"http://127.0.0.1:{port}/moto-api/reset"
    async with aiohttp.ClientSession() as web, web.post(reset) as answer:
        assert answer.status == 200
    made = Shop(await open_aws(place(port)), await open_aws_acts(place(port)))
    yield await made.build()
    await made.reads.close()
    await made.acts.close()


def codes(snapshot: Snapshot) -> list[str]:
    return [finding.code for finding in diagnose(snapshot, Settings())]


async def test_the_path_is_open_by_the_group_reference(shop):
    snapshot = await shop.look()
    assert (snapshot.verdict, codes(snapshot), snapshot.unknown) == ("open", [], ())
    allowed = next(hop for hop in snapshot.ways[0].hops if hop.name.startswith("ingress"))
    assert allowed.why.startswith("sgr-")


async def test_a_revoked_rule_is_found_and_its_suggestion_repairs_it(shop):
    await shop.do("RevokeSecurityGroupIngress", **shop.flow())
    broken = await shop.look()
    assert broken.verdict == "blocked"
    assert broken.blockers[0].code == "PATH_SG_INGRESS_DENIED"
    assert broken.blockers[0].suggestion == shop.flow()
    assert tried(broken, "ec2.AuthorizeSecurityGroupIngress", shop.flow()).verdict == "open"
    await shop.do("AuthorizeSecurityGroupIngress", **broken.blockers[0].suggestion)
    assert (await shop.look()).verdict == "open"


async def test_an_acl_entry_that_denies_is_found(shop):
    answer = await shop.reads.pages(
        "ec2",
        "DescribeNetworkAcls",
        key="NetworkAcls",
        Filters=[{"Name": "vpc-id", "Values": [shop.vpc]}],
    )
    await shop.do(
        "CreateNetworkAclEntry",
        NetworkAclId=answer[0]["NetworkAclId"],
        RuleNumber=50,
        Egress=False,
        RuleAction="deny",
        Protocol="6",
        CidrBlock=ALL,
        PortRange={"From": 5432, "To": 5432},
    )
    assert codes(await shop.look()) == ["PATH_NACL_DENIED"]


async def test_the_way_out_by_a_nat_gateway(shop):
    outside = VpcEnd(address="203.0.113.5")
    assert codes(await shop.look(outside)) == ["PATH_NO_ROUTE"]
    gateway = (await shop.do("CreateInternetGateway"))["InternetGateway"]["InternetGatewayId"]
    await shop.do("AttachInternetGateway", InternetGatewayId=gateway, VpcId=shop.vpc)
    nat = (await shop.do("CreateNatGateway", SubnetId=shop.data))["NatGateway"]["NatGatewayId"]
    tables = {}
    for subnet, target in ((shop.app, {"NatGatewayId": nat}), (shop.data, {"GatewayId": gateway})):
        made = await shop.do("CreateRouteTable", VpcId=shop.vpc)
        tables[subnet] = made["RouteTable"]["RouteTableId"]
        await shop.do("AssociateRouteTable", RouteTableId=tables[subnet], SubnetId=subnet)
        await shop.do(
            "CreateRoute", RouteTableId=tables[subnet], DestinationCidrBlock=ALL, **target
        )
    assert (await shop.look(outside)).verdict == "open"
    await shop.do("DeleteNatGateway", NatGatewayId=nat)
    assert codes(await shop.look(outside)) == ["PATH_NAT_NOT_AVAILABLE"]


async def test_an_interface_and_the_internet_as_ends(shop):
    found = await shop.look(VpcEnd(interface=shop.interface), source=VpcEnd(internet=True))
    assert found.verdict == "blocked"
    assert {"PATH_IGW_DETACHED", "PATH_SG_INGRESS_DENIED"} <= set(codes(found))
    assert found.blockers[0].code == "PATH_IGW_DETACHED"


async def test_a_rule_for_a_prefix_list_is_expanded(shop):
    made = await shop.do(
        "CreateManagedPrefixList",
        PrefixListName="clients",
        MaxEntries=5,
        AddressFamily="IPv4",
        Entries=[{"Cidr": "10.0.11.0/24"}],
    )
    await shop.do("RevokeSecurityGroupIngress", **shop.flow())
    listed = [{"PrefixListId": made["PrefixList"]["PrefixListId"]}]
    permission = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "PrefixListIds": listed}
    await shop.do("AuthorizeSecurityGroupIngress", GroupId=shop.db, IpPermissions=[permission])
    assert (await shop.look()).verdict == "open"


async def test_an_end_that_does_not_exist_is_a_blind_reading(shop):
    with pytest.raises(BlindError) as caught:
        await shop.look(VpcEnd(interface="eni-0123456789abcdef0"))
    assert caught.value.reason is Reason.MISSING


async def test_an_address_that_nobody_has_is_undetermined(shop):
    assert codes(await shop.look(VpcEnd(address="10.0.21.77"))) == ["PATH_UNDETERMINED"]


@pytest.mark.parametrize("many", [1, 11, 101])
async def test_many_groups_change_nothing(shop, many):
    for number in range(many):
        await shop.do(
            "CreateSecurityGroup", GroupName=f"g{number}", Description="x", VpcId=shop.vpc
        )
    snapshot = await shop.look()
    assert snapshot.verdict == "open"
    assert len(snapshot.network.groups) == 2
