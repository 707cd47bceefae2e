"""One canary for each place where the world reaches into moto: it must be seen by a real client."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.world import layout, mutate
from cockpit.world.clients import WorldClients
from cockpit.world.net import Authority
from cockpit.world.shop import Placement
from tests.world.conftest import FrontAtUrl


@pytest.fixture
def shop(front: FrontAtUrl, tmp_path: Path) -> tuple[WorldClients, Placement]:
    authority = Authority(tmp_path)
    certificates = {name: authority.issue() for name in layout.CERTIFICATES}
    aws = WorldClients(front.url)
    return aws, Placement(aws, certificates)


def test_what_is_created_has_the_ids_of_the_layout(shop: tuple[WorldClients, Placement]) -> None:
    aws, placement = shop
    placement.everything()
    assert aws("ec2", "describe_vpcs", VpcIds=[layout.VPC])["Vpcs"][0]["CidrBlock"] == layout.CIDR
    subnets = aws("ec2", "describe_subnets", SubnetIds=[one.id for one in layout.SUBNETS])
    assert len(subnets["Subnets"]) == len(layout.SUBNETS)
    groups = aws("ec2", "describe_security_groups", GroupIds=list(layout.GROUPS.values()))
    assert {group["GroupName"] for group in groups["SecurityGroups"]} == set(layout.GROUPS)
    interfaces = aws("ec2", "describe_network_interfaces")["NetworkInterfaces"]
    assert layout.DB_ADDRESS in {one["PrivateIpAddress"] for one in interfaces}
    balancers = aws("elbv2", "describe_load_balancers")["LoadBalancers"]
    assert [one["LoadBalancerArn"] for one in balancers] == [layout.BALANCER_ARN]
    found = aws("elbv2", "describe_target_groups")["TargetGroups"]
    assert {one["TargetGroupArn"] for one in found} == {s.group_arn for s in layout.SERVICES}
    certificates = aws("acm", "list_certificates")["CertificateSummaryList"]
    assert {one["CertificateArn"] for one in certificates} == set(layout.CERTIFICATES.values())

    routes = aws("ec2", "describe_route_tables", RouteTableIds=[layout.APP_ROUTES])
    aws("ec2", "delete_nat_gateway", NatGatewayId=layout.NAT)
    after = aws("ec2", "describe_route_tables", RouteTableIds=[layout.APP_ROUTES])
    states = [
        route["State"]
        for told in (routes, after)
        for route in told["RouteTables"][0]["Routes"]
        if route.get("NatGatewayId") == layout.NAT
    ]
    assert states == ["active", "blackhole"]
    with mutate.next_id("acl", "acl-0c0ffee0000000001"):
        made = aws("ec2", "create_network_acl", VpcId=layout.VPC)["NetworkAcl"]
    assert made["NetworkAclId"] == "acl-0c0ffee0000000001"

    mutate.set_database(layout.DATABASE, status="storage-full")
    rows = aws("rds", "describe_db_instances", DBInstanceIdentifier=layout.DATABASE)
    assert rows["DBInstances"][0]["DBInstanceStatus"] == "storage-full"
    with pytest.raises(AttributeError):
        mutate.set_database(layout.DATABASE, no_such_thing=1)

    mutate.set_balancer_state(layout.BALANCER_ARN, "active_impaired")
    state = aws("elbv2", "describe_load_balancers")["LoadBalancers"][0]["State"]
    assert state["Code"] == "active_impaired"

    mutate.set_table_throughput(layout.TABLE, writes=7, reads=9)
    table = aws("dynamodb", "describe_table", TableName=layout.TABLE)["Table"]
    throughput = table["ProvisionedThroughput"]
    assert (throughput["WriteCapacityUnits"], throughput["ReadCapacityUnits"]) == (7, 9)


def test_a_topic_has_the_subscribers_that_confirmed(front: FrontAtUrl) -> None:
    aws = WorldClients(front.url)
    topic = aws("sns", "create_topic", Name="mail")["TopicArn"]
    mutate.set_subscribers(topic, confirmed=2)
    told = aws("sns", "get_topic_attributes", TopicArn=topic)["Attributes"]
    assert told["SubscriptionsConfirmed"] == "2"


def test_a_client_of_s3_leaves_the_paths_by_which_requests_are_known(front: FrontAtUrl) -> None:
    from cockpit.world.identify import _routes, operation

    aws = WorldClients(front.url)
    aws("s3", "create_bucket", Bucket="papers")
    assert operation("s3", "CreateBucket").http["requestUri"] == "/{Bucket}"
    assert any(name == "CreateBucket" for *_, name in _routes("s3"))
