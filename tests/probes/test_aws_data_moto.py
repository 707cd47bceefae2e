"""ECS, RDS, ElastiCache and DynamoDB probes against moto: real HTTP, faults put into its backends.

moto lacks some of what the probes ask (catalogue moto §1): those parts have to end as gaps.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from types import ModuleType, SimpleNamespace
from typing import Any, Literal

import pytest

from cockpit.connect.aws.session import Aws, open_aws
from cockpit.errors import BlindError, Reason
from cockpit.triage.target import Target
from probes.dynamodb import table as dynamodb
from probes.ecs import service as ecs
from probes.elasticache import status as elasticache
from probes.rds import status as rds
from probes.slo import budget as slo
from probes.slo.objective import SloSettings
from tests.core.aws_stub import place
from tests.moto_server import client as moto_client
from tests.moto_server import moto_server
from tests.probes.fake_aws import target

pytestmark = pytest.mark.servers
Clients = Callable[[str], Any]
ACCOUNT, REGION = "123456789012", "us-east-1"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with moto_server() as port:
        yield port


@pytest.fixture
async def aws(port: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Aws]:
    import aiohttp

    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")
    base = f"http://127.0.0.1:{port}/moto-api"
    still = {"model_name": "ecs::task", "transition": {"progression": "time", "seconds": 99999}}
    async with aiohttp.ClientSession() as web:
        async with web.post(f"{base}/reset") as answer:
            assert answer.status == 200
        async with web.post(f"{base}/state-manager/set-transition", json=still) as answer:
            assert answer.status < 300
    reads = await open_aws(place(port))
    yield reads
    await reads.close()


@pytest.fixture(scope="module")
def client(port: int) -> Clients:
    return cache(partial(moto_client, port))


def backend(service: Literal["ecs", "elasticache", "rds"]) -> Any:
    from moto.backends import get_backend

    return get_backend(service)[ACCOUNT][REGION]


def codes(probe: ModuleType, look: object) -> set[str]:
    """What is told besides the gaps."""
    findings = probe.diagnose(look, probe.PROBE.settings)
    return {finding.code for finding in findings if not finding.code.endswith("_OBS_BLIND")}


def put(
    client: Clients,
    namespace: str,
    name: str,
    dimensions: dict[str, str],
    *,
    values: Sequence[float],
) -> None:
    """One point a minute, the newest two minutes and a bit old."""
    end = datetime.now(UTC).replace(second=30, microsecond=0) - timedelta(minutes=3)
    client("cloudwatch").put_metric_data(
        Namespace=namespace,
        MetricData=[
            {
                "MetricName": name,
                "Dimensions": [{"Name": k, "Value": v} for k, v in dimensions.items()],
                "Timestamp": end - timedelta(minutes=age),
                "Value": value,
            }
            for age, value in enumerate(reversed(values))
        ],
    )


# ECS -------------------------------------------------------------------------------------------


def service(client: Clients, monkeypatch: pytest.MonkeyPatch, desired: int = 6) -> Any:
    from moto.ecs.responses import EC2ContainerServiceResponse

    monkeypatch.setenv("MOTO_ECS_SERVICE_RUNNING", str(desired))
    # moto keeps no deployments of a service: here it has none, instead of failing.
    monkeypatch.setattr(
        EC2ContainerServiceResponse,
        "list_service_deployments",
        lambda _: '{"serviceDeployments": []}',
        raising=False,
    )
    api = client("ecs")
    api.create_cluster(clusterName="prod")
    for image in ("web:1.8", "web:1.9"):
        api.register_task_definition(
            family="checkout",
            containerDefinitions=[
                {
                    "name": "web",
                    "image": image,
                    "memory": 512,
                    "environment": [{"name": "DATABASE_URL", "value": "postgres://u:hunter2@db"}],
                }
            ],
        )
    api.create_service(
        cluster="prod", serviceName="checkout", taskDefinition="checkout:2", desiredCount=desired
    )
    made = backend("ecs").services["prod:checkout"]
    for deployment in made.deployments:
        deployment["createdAt"] = deployment["updatedAt"] = datetime.now(UTC) - timedelta(days=2)
    return made


def dead(client: Clients, number: int, **changes: Any) -> None:
    api = client("ecs")
    subnet = client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
    for _ in range(number):
        made = api.run_task(
            cluster="prod",
            taskDefinition="checkout:2",
            count=1,
            group="service:checkout",
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet]}},
        )
        arn = made["tasks"][0]["taskArn"]
        api.stop_task(cluster="prod", task=arn)
        task = backend("ecs").tasks["prod"][arn]
        task.started_at = datetime.now(UTC) - timedelta(minutes=3)
        task.stopped_at = datetime.now(UTC) - timedelta(minutes=2)
        task.stop_code = changes.get("code", "EssentialContainerExited")
        task.stopped_reason = "Essential container in task exited"
        task.last_status = "STOPPED"
        task.containers[0].exitCode = changes.get("exit_code", 1)


ECS_TARGET = target("ecs_service", "checkout", cluster="prod")


async def test_a_healthy_service_has_nothing_to_tell(
    aws: Aws, client: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    service(client, monkeypatch)
    look = await ecs.collect(aws, ECS_TARGET)
    assert (look.running, look.desired) == (6, 6)
    assert codes(ecs, look) == set()


async def test_a_crashing_release_is_seen_with_its_tasks_and_its_change(
    aws: Aws, client: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = service(client, monkeypatch)
    dead(client, 6)
    made.running_count = 2
    release = made.deployments[0]
    release.update(rolloutState="IN_PROGRESS", failedTasks=6)
    before = release["taskDefinition"].replace("checkout:2", "checkout:1")
    made.deployments.append(
        {**release, "taskDefinition": before, "status": "ACTIVE", "rolloutState": "COMPLETED"}
    )
    look = await ecs.collect(aws, ECS_TARGET)
    assert codes(ecs, look) >= {
        "ECS_CRASH_LOOP",
        "ECS_DEPLOYMENT_STUCK",
        "ECS_TASKS_BELOW_DESIRED",
    }
    assert look.previous_task_definition.endswith("checkout:1")
    assert look.definition is not None
    assert "hunter2" not in repr(look)


async def test_tasks_killed_for_memory_are_seen(
    aws: Aws, client: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    service(client, monkeypatch)
    dead(client, 3, exit_code=137)
    assert "ECS_TASK_OOM" in codes(ecs, await ecs.collect(aws, ECS_TARGET))


@pytest.mark.parametrize("number", [0, 1, 10, 11, 100, 101])
async def test_every_stopped_task_is_described_in_calls_of_a_hundred(
    aws: Aws, client: Clients, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    service(client, monkeypatch)
    dead(client, number, code="ServiceSchedulerInitiated", exit_code=143)
    look = await ecs.collect(aws, ECS_TARGET)
    assert len(look.stopped) == number
    assert codes(ecs, look) == set()


async def test_a_service_that_is_not_there_is_told_as_gone(
    aws: Aws, client: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    service(client, monkeypatch)
    with pytest.raises(BlindError) as caught:
        await ecs.collect(aws, target("ecs_service", "ghost", cluster="prod"))
    assert caught.value.code == "ECS_SERVICE_DRAINING_OR_GONE"


async def test_a_cluster_that_is_not_there_is_missing(aws: Aws) -> None:
    with pytest.raises(BlindError) as caught:
        await ecs.collect(aws, target("ecs_service", "checkout", cluster="ghost"))
    assert caught.value.reason is Reason.MISSING


async def test_the_load_of_a_service_comes_from_its_metrics(
    aws: Aws, client: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    service(client, monkeypatch)
    names = {"ClusterName": "prod", "ServiceName": "checkout"}
    put(client, "AWS/ECS", "CPUUtilization", names, values=[97.0] * 8)
    assert codes(ecs, await ecs.collect(aws, ECS_TARGET)) == {"ECS_CPU_SATURATED"}


# RDS -------------------------------------------------------------------------------------------


def database(client: Clients, name: str = "orders") -> Any:
    client("rds").create_db_instance(
        DBInstanceIdentifier=name,
        DBInstanceClass="db.r5.large",
        Engine="postgres",
        AllocatedStorage=100,
        MasterUsername="admin",
        MasterUserPassword="hunter2hunter2",
        MultiAZ=True,
    )
    return backend("rds").databases[name]


RDS_TARGET = target("rds", "orders")


async def test_a_healthy_database_has_gaps_only_where_moto_has_nothing(
    aws: Aws, client: Clients
) -> None:
    database(client)
    look = await rds.collect(aws, RDS_TARGET)
    assert (look.status, look.writer) == ("available", "orders")
    assert codes(rds, look) == set()
    assert {gap.what for gap in look.gaps} <= {"pending maintenance", "parameters"}
    assert "hunter2" not in repr(look)


async def test_a_full_disk_is_seen_with_what_is_pending(aws: Aws, client: Clients) -> None:
    made = database(client)
    made.status = "storage-full"
    made.pending_modified_values = {"AllocatedStorage": 200}
    look = await rds.collect(aws, RDS_TARGET)
    assert codes(rds, look) >= {"RDS_INSTANCE_DOWN", "RDS_MODIFICATION_PENDING"}


async def test_a_broken_replica_is_seen(aws: Aws, client: Clients) -> None:
    made = database(client)
    made.status_infos = [
        {"StatusType": "read replication", "Normal": False, "Status": "error", "Message": "slot"}
    ]
    assert "RDS_REPLICATION_BROKEN" in codes(rds, await rds.collect(aws, RDS_TARGET))


async def test_a_failover_is_read_from_the_events(aws: Aws, client: Clients) -> None:
    database(client)
    backend("rds").events.append(
        SimpleNamespace(
            source_identifier="orders",
            source_type="db-instance",
            message="Multi-AZ instance failover completed",
            event_categories=["failover"],
            source_arn="arn:aws:rds:us-east-1:123456789012:db:orders",
            date=datetime.now(UTC) - timedelta(minutes=5),
        )
    )
    look = await rds.collect(aws, RDS_TARGET)
    assert "RDS_FAILOVER_RECENT" in codes(rds, look)
    assert rds.PROBE.changes is not None
    assert "rds.failover" in {change.kind for change in rds.PROBE.changes(look, "orders")}


async def test_a_cluster_is_looked_at_with_its_members(aws: Aws, client: Clients) -> None:
    client("rds").create_db_cluster(
        DBClusterIdentifier="shop",
        Engine="aurora-postgresql",
        MasterUsername="admin",
        MasterUserPassword="hunter2hunter2",
    )
    for name in ("shop-1", "shop-2"):
        client("rds").create_db_instance(
            DBInstanceIdentifier=name,
            DBClusterIdentifier="shop",
            DBInstanceClass="db.r5.large",
            Engine="aurora-postgresql",
        )
    look = await rds.collect(aws, target("rds", "shop"))
    assert look.kind == "cluster"
    assert {each.id for each in look.instances} == {"shop-1", "shop-2"}
    assert "RDS_CLUSTER_NO_WRITER" not in codes(rds, look)


async def test_a_database_that_is_not_there_is_missing(aws: Aws) -> None:
    with pytest.raises(BlindError) as caught:
        await rds.collect(aws, target("rds", "ghost"))
    assert caught.value.reason is Reason.MISSING


async def test_connections_near_the_limit_are_seen(aws: Aws, client: Clients) -> None:
    database(client)
    name = {"DBInstanceIdentifier": "orders"}
    put(client, "AWS/RDS", "DatabaseConnections", name, values=[1790.0] * 8)
    assert "RDS_CONNECTIONS_HIGH" in codes(rds, await rds.collect(aws, RDS_TARGET))


# ElastiCache -----------------------------------------------------------------------------------


def replicated(client: Clients) -> Any:
    api = client("elasticache")
    api.create_replication_group(
        ReplicationGroupId="sessions",
        ReplicationGroupDescription="sessions",
        NumNodeGroups=1,
        ReplicasPerNodeGroup=2,
        Engine="redis",
        CacheNodeType="cache.m6g.large",
        AutomaticFailoverEnabled=True,
        MultiAZEnabled=True,
    )
    made = backend("elasticache").replication_groups["sessions"]
    for member in made.member_clusters:
        api.create_cache_cluster(
            CacheClusterId=member, Engine="redis", NumCacheNodes=1, CacheNodeType="cache.m6g.large"
        )
    return made


CACHE_TARGET = target("elasticache", "sessions")


async def test_a_healthy_cache_has_gaps_only_where_moto_has_nothing(
    aws: Aws, client: Clients
) -> None:
    replicated(client)
    look = await elasticache.collect(aws, CACHE_TARGET)
    assert look.status == "available"
    assert len(look.nodes) == 3
    assert codes(elasticache, look) == set()
    assert {gap.what for gap in look.gaps} == {"events", "service updates"}


async def test_a_modified_group_with_a_lost_replica_is_seen(aws: Aws, client: Clients) -> None:
    made = replicated(client)
    made.status = "modifying"
    lost = backend("elasticache").cache_clusters[made.member_clusters[2]]
    lost.cache_cluster_status = "rebooting cluster nodes"
    look = await elasticache.collect(aws, CACHE_TARGET)
    assert codes(elasticache, look) >= {"CACHE_IN_TRANSITION", "CACHE_SHARD_DEGRADED"}


async def test_a_full_node_is_seen(aws: Aws, client: Clients) -> None:
    made = replicated(client)
    names = {"CacheClusterId": made.member_clusters[0], "CacheNodeId": "0001"}
    full = "DatabaseMemoryUsagePercentage"
    put(client, "AWS/ElastiCache", full, names, values=[97.0] * 8)
    assert "CACHE_MEMORY_HIGH" in codes(elasticache, await elasticache.collect(aws, CACHE_TARGET))


async def test_a_cache_that_is_not_there_is_missing(aws: Aws) -> None:
    arn = "arn:aws:elasticache:us-east-1:123456789012:replicationgroup:ghost"
    with pytest.raises(BlindError) as caught:
        await elasticache.collect(aws, target("elasticache", arn))
    assert caught.value.reason is Reason.MISSING


async def test_a_cache_is_not_missing_where_the_serverless_ones_cannot_be_read(aws: Aws) -> None:
    # moto has no DescribeServerlessCaches, and answers with a page that is none of AWS
    with pytest.raises(BlindError, match="whether it is a serverless cache is not known") as caught:
        await elasticache.collect(aws, target("elasticache", "ghost"))
    assert caught.value.reason is Reason.UNREADABLE


# DynamoDB --------------------------------------------------------------------------------------


def table(client: Clients, writes: int = 100) -> None:
    client("dynamodb").create_table(
        TableName="carts",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        ProvisionedThroughput={"ReadCapacityUnits": 50, "WriteCapacityUnits": writes},
    )


TABLE_TARGET = target("dynamodb_table", "carts")
TABLE = {"TableName": "carts"}


async def test_a_healthy_table_is_ok_only_with_traffic(aws: Aws, client: Clients) -> None:
    table(client)
    look = await dynamodb.collect(aws, TABLE_TARGET)
    assert dynamodb.PROBE.facts is not None
    assert next(iter(dynamodb.PROBE.facts(look, dynamodb.PROBE.settings))).text == "no traffic"
    assert codes(dynamodb, look) == set()


async def test_throttled_writes_are_seen_with_their_reason(aws: Aws, client: Clients) -> None:
    table(client)
    space = "AWS/DynamoDB"
    put(client, space, "ConsumedWriteCapacityUnits", TABLE, values=[6000.0] * 8)
    put(client, space, "WriteThrottleEvents", TABLE, values=[21_000.0] * 8)
    reason = "WriteProvisionedThroughputThrottleEvents"
    put(client, space, reason, TABLE, values=[21_000.0] * 8)
    look = await dynamodb.collect(aws, TABLE_TARGET)
    assert codes(dynamodb, look) >= {"DDB_THROTTLED_PROVISIONED", "DDB_CAPACITY_HIGH"}
    assert (look.demand_write, look.suggested_write) == (450, 563)
    assert dynamodb.PROBE.facts is not None
    assert next(iter(dynamodb.PROBE.facts(look, dynamodb.PROBE.settings))).text == "throttled"


async def test_a_table_that_is_not_there_is_told_as_gone(aws: Aws) -> None:
    with pytest.raises(BlindError) as caught:
        await dynamodb.collect(aws, target("dynamodb_table", "ghost"))
    assert caught.value.code == "DDB_TABLE_NOT_ACTIVE"


# Objectives ------------------------------------------------------------------------------------


async def test_an_objective_is_counted_by_the_real_client(aws: Aws, client: Clients) -> None:
    for name, each in (("Orders", 200.0), ("OrdersFailed", 40.0)):
        put(client, "Shop", name, {"Stage": "prod"}, values=[each] * 20)
    settings = SloSettings(
        aws="prod",
        sli="metric",
        namespace="Shop",
        total="Orders",
        bad="OrdersFailed",
        dimensions={"Stage": "prod"},
    )
    look = await slo.collect(aws, Target(name="orders", kind="slo", settings=settings))
    counts = look.of(3600)
    assert counts is not None
    assert counts.share == 0.2
    assert counts.total >= 3600
    assert codes(slo, look) >= {"SLO_BURN_FAST", "SLO_AVAILABILITY_LOW", "SLO_BUDGET_EXHAUSTED"}
    assert look.gaps == ()
