"""Each verdict about a path, from a network that was built by calls and read by botocore."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from ipaddress import IPv6Network
from pathlib import Path
from types import MappingProxyType

import pytest

from cockpit import clock
from cockpit.connect.aws.settings import VpcEnd
from cockpit.triage.finding import Severity
from cockpit.world import layout
from probes.vpc_path.config import PROBE, diagnose
from probes.vpc_path.findings import Settings, Snapshot
from tests.servers.vpc_shop import (
    ALL,
    ALL_V6,
    FrontAtPort,
    Shop,
    backend,
    codes,
    fronted,
    permission,
    shopping,
)

pytestmark = pytest.mark.servers
OUTSIDE = VpcEnd(address="203.0.113.5")
INTERNET = VpcEnd(internet=True)
IN, OUT = "PATH_SG_INGRESS_DENIED", "PATH_SG_EGRESS_DENIED"
EMPTY, LOST = "PATH_SG_EMPTY", "PATH_SG_REFERENCE_LOST"
LINUX, WINDOWS = (32768, 60999), (49152, 65535)


@pytest.fixture(scope="module")
def front() -> Iterator[FrontAtPort]:
    with fronted() as made:
        yield made


@pytest.fixture
async def shop(front: FrontAtPort, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    async with shopping(front, monkeypatch) as made:
        yield made


def severities(snapshot: Snapshot) -> dict[str, Severity]:
    return {one.code: one.severity for one in diagnose(snapshot, Settings())}


# --- security groups -------------------------------------------------------------------------


async def test_a_narrowed_egress_rule_denies_and_answers_need_none(shop: Shop) -> None:
    await shop.close(shop.db)
    assert codes(await shop.look()) == []  # stateful: the answer goes out without a rule
    await shop.close(shop.client)
    await shop.allow(shop.client, permission(443, cidr=ALL), egress=True)
    found = await shop.look()
    assert codes(found) == [OUT]
    assert found.blockers[0].nearest.endswith("right destination, another port")
    suggested = found.blockers[0].suggestion
    assert suggested is not None
    await shop.do("AuthorizeSecurityGroupEgress", **suggested)
    assert codes(await shop.look()) == []


async def test_a_group_without_any_rule_is_told_beside_what_it_denies(shop: Shop) -> None:
    await shop.close(shop.client)
    assert severities(await shop.look()) == {OUT: Severity.CRITICAL, EMPTY: Severity.INFO}


async def test_rules_of_the_other_family_do_not_count(shop: Shop) -> None:
    await shop.do("RevokeSecurityGroupIngress", **shop.flow())
    await shop.allow(shop.db, permission(5432, v6="2001:db8::/32"))
    assert codes(await shop.look()) == [IN]


async def test_the_union_of_all_groups_of_an_interface_counts(shop: Shop) -> None:
    await shop.do("RevokeSecurityGroupIngress", **shop.flow())
    second = await shop.group("second")
    await shop.allow(second, permission(5432, cidr="10.0.11.0/24"))
    assert codes(await shop.look()) == [IN, EMPTY]
    groups = [shop.db, second]
    await shop.do(
        "ModifyNetworkInterfaceAttribute", NetworkInterfaceId=shop.interface, Groups=groups
    )
    assert codes(await shop.look()) == []


async def test_a_group_that_names_itself_lets_its_members_talk_inside_one_subnet(
    shop: Shop,
) -> None:
    one, other = [await shop.attach(shop.data, f"10.0.21.{last}", shop.db) for last in (30, 31)]
    source, destination = VpcEnd(interface=one), VpcEnd(interface=other)
    assert codes(await shop.look(destination, source=source)) == [IN]
    await shop.allow(shop.db, permission(5432, group=shop.db))
    found = await shop.look(destination, source=source)
    assert codes(found) == []
    assert "one subnet" in found.ways[0].hops[-1].why


async def test_an_appliance_between_the_subnets_loses_group_references(shop: Shop) -> None:
    appliance = await shop.attach(shop.data, "10.0.21.4", shop.db)
    await shop.hold(appliance)
    await shop.forward(appliance)
    await shop.route(shop.app, "10.0.21.0/24", NetworkInterfaceId=appliance)
    assert severities(await shop.look())[LOST] == Severity.INFO
    await shop.allow(shop.db, permission(5432, cidr="10.0.11.0/24"))
    found = await shop.look()
    assert codes(found) == ["PATH_UNDETERMINED"]  # what an appliance lets pass is not visible
    assert "appliance" in found.unknown[0]


@pytest.mark.parametrize(
    ("port", "public", "expected"),
    [
        pytest.param(22, False, Severity.WARNING, id="SSH for all, on a private subnet"),
        pytest.param(22, True, Severity.CRITICAL, id="SSH for all, on a public address"),
        pytest.param(443, True, None, id="443 for all is a shop"),
    ],
)
async def test_a_group_that_lets_the_world_in(
    shop: Shop, port: int, public: bool, expected: Severity | None
) -> None:
    await shop.allow(shop.db, permission(port, cidr=ALL))
    if public:
        await shop.route(shop.data, GatewayId=await shop.gateway())
        await shop.public(shop.interface)
    assert severities(await shop.look()).get("NET_SG_OPEN_TO_WORLD") == expected


# --- network ACLs ----------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["app", "data"])
async def test_a_new_acl_denies_the_way_there_and_the_way_back(shop: Shop, where: str) -> None:
    acl = await shop.acl(getattr(shop, where))
    found = await shop.look()
    assert codes(found) == ["PATH_NACL_DENIED", "PATH_NACL_EPHEMERAL_DENIED"]
    assert {one.subject for one in found.blockers} == {acl}
    assert {one.rule for one in found.blockers} == {"rule * deny all"}
    near = VpcEnd(interface=await shop.attach(getattr(shop, where), "10.0.11.99" if where == "app"
                                              else "10.0.21.99", shop.db))  # fmt: skip
    inside = VpcEnd(security_group=shop.client, subnet=getattr(shop, where))
    assert codes(await shop.look(near, source=inside)) == []  # never asked inside one subnet


async def test_the_lowest_number_of_an_acl_decides(shop: Shop) -> None:
    acl = await shop.acl(shop.data)
    for egress in (True, False):
        await shop.entry(acl, 100, egress=egress)
    assert codes(await shop.look()) == []
    await shop.entry(acl, 50, egress=False, ports=(5432, 5432), deny=True)
    found = await shop.look()
    assert codes(found) == ["PATH_NACL_DENIED"]
    assert found.blockers[0].rule == "rule 50 deny tcp 5432 0.0.0.0/0"
    await shop.entry(acl, 40, egress=False, ports=(5432, 5432), peer="10.0.11.0/24")
    assert codes(await shop.look()) == []


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        pytest.param(LINUX, [], id="all of Linux' ports"),
        pytest.param((1024, 65535), [], id="all that AWS recommends"),
        pytest.param(WINDOWS, ["PATH_NACL_EPHEMERAL_PARTIAL"], id="those of Windows only"),
        pytest.param((5432, 5432), ["PATH_NACL_EPHEMERAL_DENIED"], id="the server's port only"),
    ],
)
async def test_answers_need_the_initiators_ports_in_the_acl(
    shop: Shop, ports: tuple[int, int], expected: list[str]
) -> None:
    acl = await shop.acl(shop.app)
    await shop.entry(acl, 100, egress=True, ports=(5432, 5432), peer="10.0.21.0/24")
    await shop.entry(acl, 100, egress=False, ports=ports, peer="10.0.21.0/24")
    found = await shop.look()
    assert codes(found) == expected
    assert found.verdict == {"PARTIAL": "partly", "DENIED": "blocked"}.get(
        expected[0].rpartition("_")[2] if expected else "", "open"
    )


# --- routes ----------------------------------------------------------------------------------


async def test_the_longest_prefix_wins_also_into_a_black_hole(shop: Shop) -> None:
    far = await shop.network("10.1.0.0/16")
    peering = await shop.peering(far)
    await shop.route(shop.app, "10.0.0.0/8", VpcPeeringConnectionId=peering)
    await shop.do("DeleteVpcPeeringConnection", VpcPeeringConnectionId=peering)
    assert codes(await shop.look()) == []  # the local route is longer
    await shop.route(shop.app, "10.0.21.0/24", VpcPeeringConnectionId=peering)
    found = await shop.look()
    assert codes(found) == ["PATH_ROUTE_BLACKHOLE"]
    assert found.blockers[0].rule == f"10.0.21.0/24 → {peering} (blackhole)"
    assert found.blockers[0].subject == shop.tables[shop.app]


async def test_a_nat_gateway_that_was_deleted_leaves_a_black_hole(shop: Shop) -> None:
    public = await shop.subnet("10.0.1.0/24")
    await shop.route(public, GatewayId=await shop.gateway())
    nat = await shop.nat(public)
    await shop.route(shop.app, NatGatewayId=nat)
    assert codes(await shop.look(OUTSIDE)) == []
    await shop.do("DeleteNatGateway", NatGatewayId=nat)
    assert codes(await shop.look(OUTSIDE)) == ["PATH_ROUTE_BLACKHOLE"]
    assert codes(await shop.look()) == []  # the way to the database does not use it


async def test_the_answer_falls_into_a_black_hole(shop: Shop) -> None:
    appliance = await shop.attach(shop.data, "10.0.21.4", shop.db)
    await shop.route(shop.data, "10.0.11.0/24", NetworkInterfaceId=appliance)
    await shop.do("DeleteNetworkInterface", NetworkInterfaceId=appliance)
    found = await shop.look()
    assert codes(found) == ["PATH_ROUTE_BLACKHOLE"]
    assert found.blockers[0].where.startswith("answer:")


async def test_a_route_may_stand_in_a_prefix_list(shop: Shop) -> None:
    made = await shop.do(
        "CreateManagedPrefixList",
        PrefixListName="partners",
        MaxEntries=5,
        AddressFamily="IPv4",
        Entries=[{"Cidr": "203.0.113.0/24"}],
    )
    listed = made["PrefixList"]["PrefixListId"]
    public = await shop.subnet("10.0.1.0/24")
    await shop.route(public, GatewayId=await shop.gateway())
    await shop.route(shop.app, listed, NatGatewayId=await shop.nat(public))
    assert codes(await shop.look(OUTSIDE)) == []
    assert codes(await shop.look(VpcEnd(address="198.51.100.5"))) == ["PATH_NO_ROUTE"]


# --- the way out and in ----------------------------------------------------------------------


async def test_the_internet_gateway_needs_a_public_address(shop: Shop) -> None:
    await shop.route(shop.data, GatewayId=await shop.gateway())
    mine = VpcEnd(interface=shop.interface)
    found = await shop.look(OUTSIDE, source=mine)
    assert codes(found) == ["PATH_IGW_NO_PUBLIC_IP"]
    assert found.blockers[0].subject == shop.interface
    await shop.allow(shop.db, permission(5432, cidr="203.0.113.0/24"))
    assert codes(await shop.look(mine, source=INTERNET))[:1] == ["PATH_IGW_NO_PUBLIC_IP"]
    await shop.public(shop.interface)
    assert codes(await shop.look(OUTSIDE, source=mine)) == []
    assert (await shop.look(mine, source=INTERNET)).verdict == "partly"  # of those addresses only


async def test_a_gateway_that_was_detached_is_no_way_in(shop: Shop) -> None:
    gateway = await shop.gateway()
    await shop.route(shop.data, GatewayId=gateway)
    await shop.public(shop.interface)
    await shop.allow(shop.db, permission(443, cidr=ALL))
    mine = VpcEnd(interface=shop.interface)
    assert codes(await shop.look(mine, source=INTERNET, port=443)) == []
    await shop.do("DetachInternetGateway", InternetGatewayId=gateway, VpcId=shop.vpc)
    found = codes(await shop.look(mine, source=INTERNET, port=443))
    assert found[0] == "PATH_IGW_DETACHED"


async def test_a_public_address_in_a_private_subnet_has_no_way_back(shop: Shop) -> None:
    await shop.gateway()
    await shop.public(shop.interface)
    await shop.allow(shop.db, permission(443, cidr=ALL))
    found = await shop.look(VpcEnd(interface=shop.interface), source=INTERNET, port=443)
    assert codes(found) == ["PATH_NO_RETURN_ROUTE"]


async def test_a_nat_gateway_in_a_private_subnet_leads_nowhere(shop: Shop) -> None:
    nat = await shop.nat(shop.data)
    await shop.route(shop.app, NatGatewayId=nat)
    assert "PATH_NAT_SUBNET_NOT_PUBLIC" in codes(await shop.look(OUTSIDE))
    await shop.route(shop.data, GatewayId=await shop.gateway())
    found = await shop.look(OUTSIDE)
    assert (found.verdict, severities(found)) == ("open", {"PATH_NAT_OTHER_AZ": Severity.WARNING})


async def test_a_nat_gateway_of_the_own_zone_is_no_risk_and_a_failed_one_says_why(
    shop: Shop,
) -> None:
    public = await shop.subnet("10.0.1.0/24", zone="us-east-1a")
    await shop.route(public, GatewayId=await shop.gateway())
    nat = await shop.nat(public)
    await shop.route(shop.app, NatGatewayId=nat)
    assert codes(await shop.look(OUTSIDE)) == []
    broken = backend().nat_gateways[nat]
    broken._created_at -= timedelta(hours=1)
    shop.reads.forget()
    assert codes(await shop.look(OUTSIDE)) == ["NET_OBS_BLIND"]
    broken.state, broken.failure_message = (
        "failed",
        "Network vpc-1 has no Internet gateway attached",
    )
    shop.reads.forget()
    found = await shop.look(OUTSIDE)
    assert codes(found) == ["PATH_NAT_NOT_AVAILABLE"]
    assert found.blockers[0].summary.startswith(f"{nat} is failed")


async def test_a_nat_gateway_without_ports_is_told_on_an_open_path(shop: Shop) -> None:
    public = await shop.subnet("10.0.1.0/24", zone="us-east-1a")
    await shop.route(public, GatewayId=await shop.gateway())
    nat = await shop.nat(public)
    await shop.route(shop.app, NatGatewayId=nat)
    now = clock.now()
    published = {
        "ErrorPortAllocation": 4,
        "ConnectionAttemptCount": 1000,
        "ConnectionEstablishedCount": 500,
        "ActiveConnectionCount": 55,
    }
    data = [
        {
            "MetricName": name,
            "Dimensions": [{"Name": "NatGatewayId", "Value": nat}],
            "Timestamp": now - timedelta(minutes=back),
            "Value": value,
        }
        for name, value in published.items()
        for back in (3, 4, 5)
    ]
    sent = {"Namespace": "AWS/NATGateway", "MetricData": data}
    await shop.acts.run("cloudwatch.PutMetricData", sent)
    found = await shop.look(OUTSIDE)
    assert found.verdict == "open"
    assert found.gaps == ()
    assert codes(found) == ["NET_NAT_PORT_ERRORS", "NET_NAT_DROPS"]


async def test_the_acl_that_aws_recommends_for_a_nat_gateway_lets_the_flow_pass(shop: Shop) -> None:
    public = await shop.subnet("10.0.1.0/24")
    await shop.route(public, GatewayId=await shop.gateway())
    await shop.route(shop.app, NatGatewayId=await shop.nat(public))
    acl = await shop.acl(public)
    for number, egress, ports, peer in (
        (100, False, (443, 443), "10.0.0.0/16"),
        (110, False, (1024, 65535), ALL),
        (100, True, (443, 443), ALL),
        (110, True, (1024, 65535), "10.0.0.0/16"),
    ):
        await shop.entry(acl, number, egress=egress, ports=ports, peer=peer)
    assert codes(await shop.look(OUTSIDE, port=443)) == []
    assert codes(await shop.look(OUTSIDE, port=80)) == ["PATH_NACL_DENIED"]
    await shop.do("DeleteNetworkAclEntry", NetworkAclId=acl, RuleNumber=110, Egress=False)
    assert codes(await shop.look(OUTSIDE, port=443)) == ["PATH_NACL_EPHEMERAL_DENIED"]


# --- between VPCs ----------------------------------------------------------------------------


async def peered(
    shop: Shop, *, back: bool = True, accepted: bool = True
) -> tuple[str, str, VpcEnd]:
    """A second VPC with a host in it; the peering and that host's group and interface."""
    far = await shop.network("10.1.0.0/16")
    subnet = await shop.subnet("10.1.1.0/24", vpc=far)
    group = await shop.group("far", vpc=far)
    host = await shop.attach(subnet, "10.1.1.5", group)
    peering = await shop.peering(far, accepted=accepted)
    await shop.route(shop.app, "10.1.0.0/16", VpcPeeringConnectionId=peering)
    if back:
        await shop.route(subnet, "10.0.0.0/16", vpc=far, VpcPeeringConnectionId=peering)
    return peering, group, VpcEnd(interface=host)


async def test_public_access_that_the_account_blocks_is_told_until_the_vpc_is_excluded(
    shop: Shop, front: FrontAtPort
) -> None:
    public = await shop.subnet("10.0.1.0/24")
    await shop.route(public, GatewayId=await shop.gateway())
    await shop.route(shop.app, NatGatewayId=await shop.nat(public))
    mode = {"InternetGatewayBlockMode": "block-bidirectional", "State": "update-complete"}
    front.public_access = MappingProxyType(mode)
    assert codes(await shop.look(OUTSIDE)) == ["PATH_PUBLIC_ACCESS_BLOCKED"]
    front.exclusions = (
        {
            "ResourceArn": f"arn:aws:ec2:us-east-1:{layout.ACCOUNT}:vpc/{shop.vpc}",
            "InternetGatewayExclusionMode": "allow-egress",
            "State": "create-complete",
        },
    )
    shop.reads.forget()
    assert codes(await shop.look(OUTSIDE)) == []


async def test_an_endpoint_that_is_deleted_leads_nowhere(shop: Shop) -> None:
    listed = {"PrefixListName": "s3", "MaxEntries": 5, "AddressFamily": "IPv4"}
    made = await shop.do("CreateManagedPrefixList", **listed, Entries=[{"Cidr": "203.0.113.0/24"}])
    endpoint = await shop.do(
        "CreateVpcEndpoint",
        VpcId=shop.vpc,
        ServiceName="com.amazonaws.us-east-1.s3",
        VpcEndpointType="Gateway",
    )
    id_ = endpoint["VpcEndpoint"]["VpcEndpointId"]
    await shop.route(shop.app, made["PrefixList"]["PrefixListId"], GatewayId=id_)
    assert codes(await shop.look(OUTSIDE)) == []
    backend().vpc_end_points[id_].state = "deleting"
    shop.reads.forget()
    assert codes(await shop.look(OUTSIDE)) == ["PATH_ENDPOINT_NOT_AVAILABLE"]


async def test_a_peering_that_nobody_accepted_leads_nowhere(shop: Shop) -> None:
    peering, group, there = await peered(shop, accepted=False)
    await shop.allow(group, permission(5432, cidr="10.0.11.0/24"))
    found = await shop.look(there)
    assert codes(found)[0] == "PATH_PEERING_NOT_ACTIVE"
    assert found.blockers[0].summary == f"{peering} is pending-acceptance"
    assert found.blockers[0].rule.endswith("(blackhole)")  # EC2 says so until it is accepted
    await shop.do("AcceptVpcPeeringConnection", VpcPeeringConnectionId=peering)
    assert codes(await shop.look(there)) == []


async def test_a_peering_carries_group_references_until_it_is_deleted(shop: Shop) -> None:
    peering, group, there = await peered(shop)
    await shop.allow(group, permission(5432, group=shop.client))
    assert codes(await shop.look(there)) == []
    await shop.do("DeleteVpcPeeringConnection", VpcPeeringConnectionId=peering)
    found = codes(await shop.look(there))
    assert set(found) == {"PATH_ROUTE_BLACKHOLE", IN, LOST}


async def test_a_route_on_one_side_of_a_peering_is_half_a_way(shop: Shop) -> None:
    _, group, there = await peered(shop, back=False)
    await shop.allow(group, permission(5432, cidr="10.0.11.0/24"))
    assert codes(await shop.look(there)) == ["PATH_NO_RETURN_ROUTE"]


async def test_peerings_do_not_pass_packets_on(shop: Shop) -> None:
    peering, _, _ = await peered(shop)
    third = await shop.network("10.2.0.0/16")
    subnet = await shop.subnet("10.2.1.0/24", vpc=third)
    group = await shop.group("third", vpc=third)
    await shop.allow(group, permission(5432, cidr=ALL))
    host = await shop.attach(subnet, "10.2.1.5", group)
    await shop.route(shop.app, "10.2.0.0/16", VpcPeeringConnectionId=peering)
    found = codes(await shop.look(VpcEnd(interface=host)))
    assert "PATH_NOT_TRANSITIVE" in found


async def test_vpcs_that_nothing_or_only_the_internet_connects(shop: Shop) -> None:
    far = await shop.network("10.1.0.0/16")
    group = await shop.group("far", vpc=far)
    await shop.allow(group, permission(5432, cidr=ALL))
    subnet = await shop.subnet("10.1.1.0/24", vpc=far)
    there = VpcEnd(interface=await shop.attach(subnet, "10.1.1.5", group))
    assert codes(await shop.look(there))[0] == "PATH_NO_ROUTE"
    public = await shop.subnet("10.0.1.0/24")
    await shop.route(public, GatewayId=await shop.gateway())
    await shop.route(shop.app, NatGatewayId=await shop.nat(public))
    assert codes(await shop.look(there))[0] == "PATH_VPCS_DISCONNECTED"


async def test_vpcs_that_overlap_are_told(shop: Shop) -> None:
    far = await shop.network("10.0.0.0/16")
    group = await shop.group("far", vpc=far)
    subnet = await shop.subnet("10.0.21.0/24", vpc=far)
    there = VpcEnd(interface=await shop.attach(subnet, "10.0.21.9", group))
    found = await shop.look(there)
    assert codes(found)[0] == "PATH_VPCS_DISCONNECTED"
    assert "overlap" in found.blockers[0].summary
    assert codes(await shop.look()) == []  # the same address at home is the one that is meant


# --- IPv6 and addresses ----------------------------------------------------------------------


@pytest.fixture
async def six(shop: Shop) -> list[tuple[str, str, VpcEnd]]:
    """A VPC with IPv6: a client and a database with an address of it and none of IPv4 asked for."""
    vpc = await shop.network("10.6.0.0/16", AmazonProvidedIpv6CidrBlock=True)
    rows = await shop.reads.pages("ec2", "DescribeVpcs", key="Vpcs")
    block = next(
        IPv6Network(one["Ipv6CidrBlock"])
        for row in rows
        for one in row.get("Ipv6CidrBlockAssociationSet", ())
        if row["VpcId"] == vpc
    )
    ends = []
    for number, cidr in enumerate(list(block.subnets(new_prefix=64))[:2]):
        subnet = await shop.subnet(f"10.6.{number}.0/24", vpc=vpc, Ipv6CidrBlock=str(cidr))
        group = await shop.group(f"six-{number}", vpc=vpc)
        address = str(cidr[9])
        await shop.do(
            "CreateNetworkInterface",
            SubnetId=subnet,
            Groups=[group],
            Ipv6Addresses=[{"Ipv6Address": address}],
        )
        ends.append((subnet, group, VpcEnd(address=address)))
    return ends


async def test_the_way_of_ipv6_has_its_own_rules_entries_and_routes(
    shop: Shop, six: list[tuple[str, str, VpcEnd]]
) -> None:
    (near, _, source), (far, group, destination) = six
    await shop.allow(group, permission(5432, cidr=ALL))
    for subnet in (near, far):
        acl = await shop.acl(subnet)
        for egress in (False, True):
            await shop.entry(acl, 100, egress=egress)
    found = await shop.look(destination, source=source)
    assert codes(found)[:2] == ["PATH_NACL_DENIED", "PATH_NACL_DENIED"]  # of IPv4's entries none
    assert {IN, "PATH_NACL_EPHEMERAL_DENIED"} <= set(codes(found))
    suggested = next(one.suggestion for one in found.blockers if one.code == IN)
    assert suggested is not None
    await shop.do("AuthorizeSecurityGroupIngress", **suggested)
    for acl in {one.subject for one in found.blockers if one.code == "PATH_NACL_DENIED"}:
        for egress in (False, True):
            await shop.entry(acl, 101, egress=egress, peer=ALL_V6)
    found = await shop.look(destination, source=source)
    assert (found.verdict, codes(found)) == ("open", ["NET_SG_OPEN_TO_WORLD"])
    assert {hop.why for hop in found.ways[0].hops if "ACL" in hop.name} == {
        "rule 101 allow all ::/0"
    }


async def test_a_subnet_that_runs_out_of_addresses(shop: Shop) -> None:
    small = await shop.subnet("10.0.31.0/28")
    source = VpcEnd(security_group=shop.client, subnet=small)
    assert severities(await shop.look(source=source)) == {"NET_SUBNET_IPS_LOW": Severity.WARNING}
    for last in range(4, 11):
        await shop.attach(small, f"10.0.31.{last}", shop.client)
    found = next(one for one in diagnose(await shop.look(source=source), Settings()))
    assert (found.code, found.severity) == ("NET_SUBNET_IPS_LOW", Severity.CRITICAL)
    assert (await shop.look(source=source)).verdict == "open"


def test_every_code_of_the_probe_is_built_here_or_beside() -> None:
    texts = [path.read_text() for path in Path(__file__).parent.glob("test_net_vpc*.py")]
    assert [code for code in PROBE.codes if not any(f'"{code}"' in text for text in texts)] == []
