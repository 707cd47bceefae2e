"""The connector against moto: real HTTP, real botocore, an AWS that keeps state."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from cockpit.connect.aws.session import Aws, AwsActs, open_aws, open_aws_acts
from cockpit.errors import BlindError, Reason
from tests.core.aws_stub import place
from tests.moto_server import moto_server

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with moto_server() as port:
        yield port


@pytest.fixture
async def shop(port: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Aws, AwsActs]]:
    """An empty account: a reading session and an acting one."""
    import aiohttp

    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")
    reset = f"http://127.0.0.1:{port}/moto-api/reset"
    async with aiohttp.ClientSession() as web, web.post(reset) as answer:
        assert answer.status == 200
    reads, acts = await open_aws(place(port)), await open_aws_acts(place(port))
    yield reads, acts
    await reads.close()
    await acts.close()


async def groups(acts: AwsActs, many: int) -> list[str]:
    created: Any = await acts.run("ec2.CreateVpc", {"CidrBlock": "10.0.0.0/16"})
    vpc = created["Vpc"]["VpcId"]
    arns = []
    for number in range(many):
        made: Any = await acts.run(
            "elbv2.CreateTargetGroup",
            {"Name": f"tg{number}", "Protocol": "HTTP", "Port": 80, "VpcId": vpc},
        )
        arns.append(made["TargetGroups"][0]["TargetGroupArn"])
    return arns


async def test_the_identity_is_told(shop: tuple[Aws, AwsActs]) -> None:
    reads, acts = shop
    account, arn = await reads.identity()
    assert account == "123456789012"
    assert arn.startswith("arn:aws:sts")
    assert (await acts.identity())[0] == account


@pytest.mark.parametrize("many", [0, 1, 10, 11, 100, 101])
async def test_target_groups_are_found_by_arn_in_calls_of_twenty(
    shop: tuple[Aws, AwsActs], many: int
) -> None:
    reads, acts = shop
    arns = await groups(acts, many)
    found: list[Any] = await asyncio.gather(
        *(reads.item("elbv2", "DescribeTargetGroups", key=arn) for arn in arns)
    )
    assert [each["TargetGroupArn"] for each in found] == arns
    assert reads.cost.api_calls == -(-many // 20)
    listed = await reads.pages("elbv2", "DescribeTargetGroups", key="TargetGroups")
    assert len(listed) == many


async def test_a_deleted_group_is_missing_beside_the_others(shop: tuple[Aws, AwsActs]) -> None:
    reads, acts = shop
    arns = await groups(acts, 3)
    await acts.run("elbv2.DeleteTargetGroup", {"TargetGroupArn": arns[1]})
    found: list[Any] = await asyncio.gather(
        *(reads.item("elbv2", "DescribeTargetGroups", key=arn) for arn in arns),
        return_exceptions=True,
    )
    assert [isinstance(each, BlindError) for each in found] == [False, True, False]
    assert found[1].reason is Reason.MISSING


@pytest.mark.parametrize("many", [1, 10, 11, 101])
async def test_databases_are_found_by_name(shop: tuple[Aws, AwsActs], many: int) -> None:
    reads, acts = shop
    for number in range(many):
        await acts.run(
            "rds.CreateDBInstance",
            {
                "DBInstanceIdentifier": f"db{number}",
                "DBInstanceClass": "db.t3.micro",
                "Engine": "postgres",
                "MasterUsername": "root",
                "MasterUserPassword": "not-to-be-seen",
            },
        )
    found: list[Any] = await asyncio.gather(
        *(reads.item("rds", "DescribeDBInstances", key=f"DB{n}") for n in range(many)),
        reads.item("rds", "DescribeDBInstances", key="gone"),
        return_exceptions=True,
    )
    assert [each["DBInstanceIdentifier"] for each in found[:-1]] == [f"db{n}" for n in range(many)]
    assert found[-1].reason is Reason.MISSING
    assert all("MasterUsername" not in each for each in found[:-1])
    listed = await reads.pages("rds", "DescribeDBInstances", key="DBInstances", MaxRecords=20)
    assert len(listed) == many


async def test_services_tables_and_caches_that_are_not_there_are_missing(
    shop: tuple[Aws, AwsActs],
) -> None:
    reads, acts = shop
    await acts.run("ecs.CreateCluster", {"clusterName": "shop"})
    for service, operation, shared in (
        ("ecs", "DescribeServices", {"cluster": "shop"}),
        ("ecs", "DescribeServices", {"cluster": "nowhere"}),
        ("ecs", "DescribeClusters", {}),
        ("elbv2", "DescribeLoadBalancers", {}),
        ("rds", "DescribeDBClusters", {}),
        ("elasticache", "DescribeReplicationGroups", {}),
        ("elasticache", "DescribeCacheClusters", {}),
        ("dynamodb", "DescribeTable", {}),
        ("autoscaling", "DescribeAutoScalingGroups", {}),
        ("ec2", "DescribeSecurityGroups", {}),
    ):
        with pytest.raises(BlindError) as caught:
            await reads.item(service, operation, key="gone", **shared)
        assert caught.value.reason is Reason.MISSING, (service, operation)


async def test_an_operation_that_moto_lacks_is_blind_and_never_empty(
    shop: tuple[Aws, AwsActs],
) -> None:
    reads, _ = shop
    with pytest.raises(BlindError) as caught:
        await reads.pages("cloudwatch", "DescribeAlarmHistory", key="AlarmHistoryItems")
    assert caught.value.reason in {Reason.UNREADABLE, Reason.UNREACHABLE}


async def test_a_series_without_points_is_empty(shop: tuple[Aws, AwsActs]) -> None:
    from cockpit.connect.session import MetricQuery

    reads, _ = shop
    query = MetricQuery("AWS/ApplicationELB", "RequestCount", (("LoadBalancer", "app/x/1"),), "Sum")
    assert (await reads.metrics([query]))[query].values == ()


async def test_a_role_is_assumed_and_the_reads_go_on(port: int, shop: tuple[Aws, AwsActs]) -> None:
    session = await open_aws(place(port, role_arn="arn:aws:iam::123456789012:role/triage"))
    try:
        _, arn = await session.identity()
    finally:
        await session.close()
    assert "assumed-role/triage/cockpit-triage" in arn
