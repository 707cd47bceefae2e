"""A small VPC in moto behind the world's front, and what EC2 says that moto does not."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pytest

from cockpit.connect.aws.session import open_aws, open_aws_acts
from cockpit.connect.aws.settings import VpcEnd, VpcPathSettings
from cockpit.triage.target import Target
from cockpit.world import layout
from cockpit.world.calls import CallLog
from cockpit.world.faults import Faults
from cockpit.world.front import Front
from probes.vpc_path.config import PROBE, diagnose
from probes.vpc_path.findings import Settings, Snapshot
from tests.core.aws_stub import place

ALL, ALL_V6 = "0.0.0.0/0", "::/0"
DB = "10.0.21.9"
OFF = {"InternetGatewayBlockMode": "off", "State": "default-state"}
_TARGETS = ("NatGatewayId", "VpcPeeringConnectionId", "GatewayId", "NetworkInterfaceId")


class FrontAtPort(Front):
    """A front that says where it is, and what the account's VPC Block Public Access is."""

    port = 0
    public_access = MappingProxyType(OFF)
    exclusions: tuple[dict[str, str], ...] = ()


@contextmanager
def fronted() -> Iterator[FrontAtPort]:
    """moto behind the front, which cuts pages as EC2 does, with the amendments below."""
    made = FrontAtPort(CallLog(), Faults())
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        made.amendments["ec2", "DescribeRouteTables"] = _with_states
        made.amendments["ec2", "DescribeSecurityGroups"] = _with_peerings
        made.answers["ec2", "DescribeVpcBlockPublicAccessOptions"] = lambda *_: {
            "VpcBlockPublicAccessOptions": dict(made.public_access)
        }
        made.answers["ec2", "DescribeVpcBlockPublicAccessExclusions"] = lambda *_: {
            "VpcBlockPublicAccessExclusions": list(made.exclusions)
        }
        made.serve(listener)
        _teach_filters()
        made.ready.set()
        made.port = listener.getsockname()[1]
        yield made
        made.close()


def _teach_filters() -> None:
    """moto looks for an interface by its IPv4 addresses only."""
    from moto.ec2.models.elastic_network_interfaces import NetworkInterface

    known = NetworkInterface.get_filter_value

    def value(self: Any, name: str, method: str | None = None) -> Any:
        by_v6 = name == "ipv6-addresses.ipv6-address"
        return self.ipv6_addresses if by_v6 else known(self, name, method)

    if known.__name__ != value.__name__:
        setattr(NetworkInterface, "get_filter_value", value)  # noqa: B010  # as far_line.py


def backend() -> Any:
    """moto's EC2, for states that no call leads to."""
    from moto.backends import get_backend

    return get_backend("ec2")[layout.ACCOUNT][layout.REGION]


def _with_states(_: Any, __: Any, answer: dict[str, Any]) -> dict[str, Any]:
    """EC2 calls a route a black hole when its target is gone; moto says `active` for ever."""
    for table in answer.get("RouteTables", ()):
        for route in table.get("Routes", ()):
            target = next((route[name] for name in _TARGETS if route.get(name)), "")
            route["State"] = "active" if _lives(target) else "blackhole"
    return answer


def _lives(target: str) -> bool:
    ec2, kind = backend(), target.partition("-")[0]
    match kind:
        case "nat":
            gateway = ec2.nat_gateways.get(target)
            return gateway is not None and gateway.state not in {"deleting", "deleted"}
        case "pcx":
            peering = ec2.vpc_pcxs.get(target)
            return peering is not None and peering.status["Code"] == "active"
        case "igw":
            gateway = ec2.internet_gateways.get(target)
            return gateway is not None and gateway.attachment_state != "detached"
        case "eni":
            return target in ec2.enis
    return True


def _with_peerings(_: Any, __: Any, answer: dict[str, Any]) -> dict[str, Any]:
    """EC2 tells the peering of a reference into another VPC, and its status; moto does not."""
    ec2 = backend()
    vpc_of = {id_: group.vpc_id for groups in ec2.groups.values() for id_, group in groups.items()}
    for group in answer.get("SecurityGroups", ()):
        for pair in _pairs(group):
            other = vpc_of.get(pair.get("GroupId", ""), group["VpcId"])
            for id_, peering in ec2.vpc_pcxs.items():
                if {peering.vpc.id, peering.peer_vpc.id} == {other, group["VpcId"]} - {""}:
                    pair |= {
                        "VpcId": other,
                        "VpcPeeringConnectionId": id_,
                        "PeeringStatus": peering.status["Code"],
                    }
    return answer


def _pairs(group: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for permission in (*group.get("IpPermissions", ()), *group.get("IpPermissionsEgress", ())):
        yield from permission.get("UserIdGroupPairs", ())


def permission(port: int, **peer: Any) -> dict[str, Any]:
    """One `IpPermission` for TCP: `group=`, `cidr=`, `v6=` or `listed=`."""
    made: dict[str, Any] = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port}
    for name, key, inner in (
        ("group", "UserIdGroupPairs", "GroupId"),
        ("cidr", "IpRanges", "CidrIp"),
        ("v6", "Ipv6Ranges", "CidrIpv6"),
        ("listed", "PrefixListIds", "PrefixListId"),
    ):
        if name in peer:
            made[key] = [{inner: peer[name]}]
    return made


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
    tables: dict[str, str] = field(default_factory=dict)

    async def do(self, call: str, **arguments: Any) -> Any:
        """A change, after which nothing that was read counts."""
        answer = await self.acts.run(f"ec2.{call}", arguments)
        self.reads.forget()
        return answer

    async def build(self) -> Shop:
        self.vpc = await self.network("10.0.0.0/16")
        self.app = await self.subnet("10.0.11.0/24", zone="us-east-1a")
        self.data = await self.subnet("10.0.21.0/24", zone="us-east-1b")
        self.client, self.db = await self.group("client"), await self.group("db")
        await self.allow(self.db, permission(5432, group=self.client))
        self.interface = await self.attach(self.data, DB, self.db)
        return self

    async def network(self, cidr: str, **more: Any) -> str:
        """A VPC."""
        return str((await self.do("CreateVpc", CidrBlock=cidr, **more))["Vpc"]["VpcId"])

    async def subnet(
        self, cidr: str, *, vpc: str = "", zone: str = "us-east-1a", **more: Any
    ) -> str:
        """A subnet; without `vpc` one of the shop's."""
        arguments = {"VpcId": vpc or self.vpc, "CidrBlock": cidr, "AvailabilityZone": zone}
        return str((await self.do("CreateSubnet", **arguments, **more))["Subnet"]["SubnetId"])

    async def group(self, name: str, *, vpc: str = "") -> str:
        """A security group that lets everything out, as a new one does."""
        made = {"GroupName": name, "Description": name, "VpcId": vpc or self.vpc}
        return str((await self.do("CreateSecurityGroup", **made))["GroupId"])

    async def attach(self, subnet: str, address: str, *groups: str, **more: Any) -> str:
        """An interface with an address."""
        made = {"SubnetId": subnet, "PrivateIpAddress": address, "Groups": list(groups)}
        answer = await self.do("CreateNetworkInterface", **made, **more)
        return str(answer["NetworkInterface"]["NetworkInterfaceId"])

    async def hold(self, interface: str) -> None:
        """Give the interface to an instance: before it is attached to nothing."""
        images = await self.do("DescribeImages", MaxResults=5)
        made = await self.do(
            "RunInstances",
            ImageId=images["Images"][0]["ImageId"],
            MinCount=1,
            MaxCount=1,
            SubnetId=self.data,
        )
        id_ = made["Instances"][0]["InstanceId"]
        await self.do(
            "AttachNetworkInterface",
            NetworkInterfaceId=interface,
            InstanceId=id_,
            DeviceIndex=1,
        )

    async def forward(self, interface: str) -> None:
        """Let the interface pass on what is not for itself."""
        await self.do(
            "ModifyNetworkInterfaceAttribute",
            NetworkInterfaceId=interface,
            SourceDestCheck={"Value": False},
        )

    async def allow(self, group: str, *permissions: Any, egress: bool = False) -> None:
        """Rules of a group."""
        call = "AuthorizeSecurityGroup" + ("Egress" if egress else "Ingress")
        await self.do(call, GroupId=group, IpPermissions=list(permissions))

    async def close(self, group: str) -> None:
        """Take the egress rule that every new group has."""
        everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": ALL}]}
        await self.do("RevokeSecurityGroupEgress", GroupId=group, IpPermissions=[everything])

    def flow(self) -> dict[str, Any]:
        """The one rule that opens the path."""
        return {"GroupId": self.db, "IpPermissions": [permission(5432, group=self.client)]}

    async def acl(self, subnet: str) -> str:
        """A new network ACL for a subnet; it denies all, as a new one does."""
        rows = await self.reads.pages("ec2", "DescribeNetworkAcls", key="NetworkAcls")
        held = next(
            one["NetworkAclAssociationId"]
            for row in rows
            for one in row["Associations"]
            if one["SubnetId"] == subnet
        )
        vpc = next(row["VpcId"] for row in rows if subnet in str(row["Associations"]))
        made: str = (await self.do("CreateNetworkAcl", VpcId=vpc))["NetworkAcl"]["NetworkAclId"]
        await self.do("ReplaceNetworkAclAssociation", AssociationId=held, NetworkAclId=made)
        return made

    async def entry(
        self,
        acl: str,
        number: int,
        *,
        egress: bool,
        ports: tuple[int, int] | None = None,
        peer: str = ALL,
        deny: bool = False,
    ) -> None:
        """A line of a network ACL: all traffic, or TCP ports."""
        span = {"PortRange": {"From": ports[0], "To": ports[1]}} if ports else {}
        await self.do(
            "CreateNetworkAclEntry",
            NetworkAclId=acl,
            RuleNumber=number,
            Egress=egress,
            RuleAction="deny" if deny else "allow",
            Protocol="6" if ports else "-1",
            **{"Ipv6CidrBlock" if ":" in peer else "CidrBlock": peer},
            **span,
        )

    async def route(self, subnet: str, cidr: str = ALL, *, vpc: str = "", **target: str) -> str:
        """A route of a subnet, in a table of its own, which is made at the first one."""
        if subnet not in self.tables:
            made = await self.do("CreateRouteTable", VpcId=vpc or self.vpc)
            self.tables[subnet] = made["RouteTable"]["RouteTableId"]
            await self.do("AssociateRouteTable", RouteTableId=self.tables[subnet], SubnetId=subnet)
        name = "DestinationPrefixListId" if cidr.startswith("pl-") else "DestinationCidrBlock"
        name = "DestinationIpv6CidrBlock" if ":" in cidr else name
        await self.do("CreateRoute", RouteTableId=self.tables[subnet], **{name: cidr}, **target)
        return self.tables[subnet]

    async def gateway(self, vpc: str = "") -> str:
        """An internet gateway that is attached."""
        answer = await self.do("CreateInternetGateway")
        made = str(answer["InternetGateway"]["InternetGatewayId"])
        await self.do("AttachInternetGateway", InternetGatewayId=made, VpcId=vpc or self.vpc)
        return made

    async def nat(self, subnet: str, **more: Any) -> str:
        """A NAT gateway."""
        made = await self.do("CreateNatGateway", SubnetId=subnet, **more)
        return str(made["NatGateway"]["NatGatewayId"])

    async def peering(self, vpc: str, *, accepted: bool = True) -> str:
        """A peering of the shop with another VPC."""
        made = await self.do("CreateVpcPeeringConnection", VpcId=self.vpc, PeerVpcId=vpc)
        id_ = str(made["VpcPeeringConnection"]["VpcPeeringConnectionId"])
        if accepted:
            await self.do("AcceptVpcPeeringConnection", VpcPeeringConnectionId=id_)
        return id_

    async def public(self, interface: str) -> None:
        """Give an interface an elastic address."""
        made = await self.do("AllocateAddress", Domain="vpc")
        allocation = made["AllocationId"]
        await self.do("AssociateAddress", AllocationId=allocation, NetworkInterfaceId=interface)

    async def look(
        self, destination: VpcEnd | None = None, *, source: VpcEnd | None = None, port: int = 5432
    ) -> Snapshot:
        """The path from the client's group to the database, or between other ends."""
        settings = VpcPathSettings(
            aws="prod",
            source=source or VpcEnd(security_group=self.client, subnet=self.app),
            destination=destination or VpcEnd(address=DB),
            port=port,
        )
        target = Target(name="checkout-to-db", kind="vpc_path", settings=settings)
        return await PROBE.collect(self.reads, target)


def codes(snapshot: Snapshot) -> list[str]:
    """The codes of all findings, the first blocker first."""
    return [finding.code for finding in diagnose(snapshot, Settings())]


@asynccontextmanager
async def shopping(front: FrontAtPort, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    """An empty account with the shop's network in it."""
    from moto.moto_api._internal.models import moto_api_backend

    monkeypatch.setenv("COCKPIT_TEST_KEY", layout.key_of("commander"))
    moto_api_backend.reset()
    at = place(front.port)
    front.public_access, front.exclusions = MappingProxyType(OFF), ()
    made = Shop(await open_aws(at), await open_aws_acts(at))
    try:
        yield await made.build()
    finally:
        await made.reads.close()
        await made.acts.close()
