"""What it costs to look at 100 mixed targets: calls of a sweep, series and dollars of an hour.

The session is the product's; under it answers a shop from memory after 50 ms. `python -m
tests.bench.looking` prints these rows alone. `BENCH_LOOKING_SECONDS` is how long each state is
watched after its first two minutes (300 unless set: slow gauges are bought every five minutes).
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from botocore import xform_name

from cockpit import config, sweep
from cockpit.connect.role import Role
from cockpit.triage.board import LIVE
from cockpit.triage.engine import Engine
from cockpit.triage.probe import Seen
from cockpit.triage.registry import catalog, registry
from cockpit.triage.store import Store
from tests.bench.sweep import told
from tests.bench.table import Row, render

LATENCY = 0.05
SETTLING = 120.0
USD = 0.01 / 1000
WINDOWS = 4
"""Of series in a first sweep: the last minutes, three hours, and two of yesterday."""
MIX = {
    "alb": 10,
    "target_group": 15,
    "ecs_service": 25,
    "rds": 15,
    "elasticache": 14,
    "dynamodb_table": 20,
    "alarms": 1,
}
"""Kind → targets: a hundred, in the proportions of a shop that has grown."""

BESIDES = (
    "rds.describe_blue_green_deployments",
    "rds.describe_db_major_engine_versions",
    "rds.describe_db_proxies",
)
"""Lists of a region that tell what the catalogue's tables do not count: they are no part of the
comparison.
"""

Answer = dict[str, Any]
_BATCH = "cloudwatch.get_metric_data"
_ELB = "arn:aws:elasticloadbalancing:us-east-1:123456789012"
_GROUP = f"{_ELB}:targetgroup/tg-{{0:02}}/{{0:016x}}"
_BALANCER = f"{_ELB}:loadbalancer/app/alb-{{0:02}}/{{0:016x}}"
_VALUES = {
    "RequestCount": 1200.0, "HTTPCode_Target_2XX_Count": 1190.0, "TargetResponseTime": 0.05,
    "ActiveConnectionCount": 60.0, "NewConnectionCount": 50.0, "CPUUtilization": 20.0,
    "MemoryUtilization": 40.0, "DatabaseConnections": 40.0, "FreeableMemory": 8e9,
    "FreeStorageSpace": 6e10, "ReadIOPS": 50.0, "WriteIOPS": 50.0, "DiskQueueDepth": 0.1,
    "ReadLatency": 0.001, "WriteLatency": 0.001, "EBSIOBalance%": 99.0, "EBSByteBalance%": 99.0,
    "MaximumUsedTransactionIDs": 1e7, "TransactionLogsDiskUsage": 1e8, "SwapUsage": 0.0,
    "EngineCPUUtilization": 10.0, "DatabaseMemoryUsagePercentage": 40.0, "CurrConnections": 60.0,
    "NewConnections": 3.0, "CacheHits": 900.0, "CacheMisses": 50.0, "Evictions": 0.0, "IsMaster": 1.0,
    "ConsumedReadCapacityUnits": 600.0, "ConsumedWriteCapacityUnits": 600.0,
    "SuccessfulRequestLatency": 4.0,
}  # fmt: skip
"""What is published of what is well. Error counters are silent at zero."""


@dataclass
class Shop:
    """Answers as AWS does, and counts what it is asked."""

    sick: bool = False
    calls: Counter[str] = field(default_factory=Counter)
    series: int = 0

    async def reads(self, service: str) -> Client:
        return Client(self, service)

    async def close(self) -> None:
        """Nothing is open."""

    def renew(self) -> None:
        """Nothing is old."""

    redirected: Mapping[str, str] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()

    def answer(self, service: str, operation: str, asked: Answer) -> Answer:
        self.calls[f"{service}.{operation}"] += 1
        if operation == "get_metric_data":
            self.series += len(asked["MetricDataQueries"])
        made = _ANSWERS.get(operation)
        return made(self, asked) if made is not None else {}


@dataclass
class Client:
    shop: Shop
    service: str

    async def call(self, operation: str, asked: Mapping[str, Any]) -> Answer:
        await asyncio.sleep(LATENCY)
        answer = self.shop.answer(self.service, xform_name(operation), dict(asked))
        return {**answer, "ResponseMetadata": {"RequestId": "r", "HTTPStatusCode": 200}}


def _groups(_: Shop, asked: Answer) -> Answer:
    arns = asked.get("TargetGroupArns") or [_GROUP.format(n) for n in range(MIX["target_group"])]
    return {
        "TargetGroups": [
            {
                "TargetGroupArn": arn,
                "TargetGroupName": arn.split("/")[1],
                "Protocol": "HTTP",
                "Port": 80,
                "VpcId": "vpc-1",
                "HealthCheckProtocol": "HTTP",
                "HealthCheckPort": "traffic-port",
                "HealthCheckEnabled": True,
                "HealthCheckIntervalSeconds": 10,
                "HealthCheckTimeoutSeconds": 5,
                "HealthyThresholdCount": 3,
                "UnhealthyThresholdCount": 2,
                "HealthCheckPath": "/",
                "Matcher": {"HttpCode": "200"},
                "TargetType": "ip",
                "LoadBalancerArns": [_BALANCER.format(int(arn.split("-")[-1][:2]) % MIX["alb"])],
            }
            for arn in arns
        ]
    }


def _balancers(_: Shop, asked: Answer) -> Answer:
    return {
        "LoadBalancers": [
            {
                "LoadBalancerArn": arn,
                "LoadBalancerName": arn.split("/")[2],
                "Type": "application",
                "State": {"Code": "active"},
            }
            for arn in asked["LoadBalancerArns"]
        ]
    }


def _health(shop: Shop, _: Answer) -> Answer:
    state = (
        {"State": "unhealthy", "Reason": "Target.Timeout"} if shop.sick else {"State": "healthy"}
    )
    return {
        "TargetHealthDescriptions": [
            {
                "Target": {"Id": f"10.0.0.{n}", "Port": 80, "AvailabilityZone": "us-east-1a"},
                "HealthCheckPort": "80",
                "TargetHealth": state,
            }
            for n in range(1, 5)
        ]
    }


def _services(shop: Shop, asked: Answer) -> Answer:
    running = 0 if shop.sick else 2
    return {
        "failures": [],
        "services": [
            {
                "serviceName": name,
                "serviceArn": f"arn:aws:ecs:us-east-1:1:service/shop/{name}",
                "clusterArn": "arn:aws:ecs:us-east-1:1:cluster/shop",
                "status": "ACTIVE",
                "desiredCount": 2,
                "runningCount": running,
                "pendingCount": 0,
                "createdAt": datetime.now(UTC) - timedelta(days=9),
                "deployments": [
                    {
                        "id": "ecs-svc/1",
                        "status": "PRIMARY",
                        "rolloutState": "COMPLETED",
                        "desiredCount": 2,
                        "runningCount": running,
                        "createdAt": datetime.now(UTC) - timedelta(days=9),
                        "updatedAt": datetime.now(UTC) - timedelta(days=9),
                        "taskDefinition": f"arn:aws:ecs:us-east-1:1:task-definition/{name}:7",
                    }
                ],
                "events": [],
            }
            for name in asked["services"]
        ],
    }


def _tasks_listed(shop: Shop, asked: Answer) -> Answer:
    if asked.get("desiredStatus") == "STOPPED" or shop.sick:
        return {"taskArns": []}
    every = [f"ecs-service-{n:02}" for n in range(MIX["ecs_service"])]
    names = [asked["serviceName"]] if "serviceName" in asked else every
    arns = [f"arn:aws:ecs:us-east-1:1:task/shop/{name}-{n}" for name in names for n in range(2)]
    return {"taskArns": arns}


def _tasks(_: Shop, asked: Answer) -> Answer:
    return {
        "failures": [],
        "tasks": [
            {
                "taskArn": arn,
                "lastStatus": "RUNNING",
                "desiredStatus": "RUNNING",
                "healthStatus": "HEALTHY",
                "availabilityZone": f"us-east-1{'ab'[int(arn[-1])]}",
                "startedAt": datetime.now(UTC) - timedelta(days=1),
                "group": "service:" + arn.split("/")[-1][:-2],
                "taskDefinitionArn": "arn:aws:ecs:us-east-1:1:task-definition/x:7",
            }
            for arn in asked["tasks"]
        ],
    }


def _instances(shop: Shop, asked: Answer) -> Answer:
    names = asked["Filters"][0]["Values"] if asked.get("Filters") else []
    return {
        "DBInstances": [
            {
                "DBInstanceIdentifier": name,
                "DBInstanceStatus": "available",
                "DBInstanceClass": "db.r6g.large",
                "Engine": "postgres",
                "MultiAZ": True,
                "AllocatedStorage": 100,
                "StorageType": "gp3",
                "DBParameterGroups": [{"DBParameterGroupName": "default.postgres16"}],
                "PreferredMaintenanceWindow": "sat:02:00-sat:04:00",
                "PreferredBackupWindow": "05:00-06:00",
            }
            for name in names
        ]
    }


def _caches(_: Shop, __: Answer) -> Answer:
    return {
        "CacheClusters": [
            {
                "CacheClusterId": f"elasticache-{n:02}",
                "CacheClusterStatus": "available",
                "CacheNodeType": "cache.r6g.large",
                "Engine": "redis",
                "NumCacheNodes": 1,
                "PreferredAvailabilityZone": "us-east-1a",
                "CacheNodes": [{"CacheNodeId": "0001", "CacheNodeStatus": "available"}],
            }
            for n in range(MIX["elasticache"])
        ]
    }


def _table(_: Shop, asked: Answer) -> Answer:
    return {
        "Table": {
            "TableName": asked["TableName"],
            "TableStatus": "ACTIVE",
            "ProvisionedThroughput": {"ReadCapacityUnits": 100, "WriteCapacityUnits": 100},
        }
    }


def _metric(shop: Shop, query: Answer, start: datetime, end: datetime) -> Answer:
    asked = query["MetricStat"]
    metric, period = asked["Metric"], asked["Period"]
    dimensions = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
    value = _VALUES.get(metric["MetricName"])
    if dimensions.get("Operation", "GetItem") not in {"GetItem", "PutItem", "Query"}:
        value = None
    if int(dimensions.get("TableName", "t-00")[-2:]) % 2:  # every other table is idle
        value = None
    if shop.sick and metric["MetricName"] == "CPUUtilization":
        value = 99.0
    first = start.timestamp() // period * period
    times = [] if value is None else [*_each(first, min(end.timestamp(), _now() - 60), period)]
    return {
        "Id": query["Id"],
        "StatusCode": "Complete",
        "Timestamps": [datetime.fromtimestamp(each, UTC) for each in reversed(times)],
        "Values": [value] * len(times),
    }


def _now() -> float:
    return datetime.now(UTC).timestamp()


def _each(start: float, end: float, step: int) -> Iterator[float]:
    while start < end:
        yield start
        start += step


def _metrics(shop: Shop, asked: Answer) -> Answer:
    span = asked["StartTime"], asked["EndTime"]
    return {
        "MetricDataResults": [_metric(shop, each, *span) for each in asked["MetricDataQueries"]]
    }


def _alarms(_: Shop, asked: Answer) -> Answer:
    return {f"{kind}s": [] for kind in asked["AlarmTypes"]}


def _missing(member: str) -> Callable[[Shop, Answer], Answer]:
    return lambda _, __: {member: []}


_ANSWERS: dict[str, Callable[[Shop, Answer], Answer]] = {
    "describe_target_groups": _groups,
    "describe_load_balancers": _balancers,
    "describe_target_health": _health,
    "describe_target_group_attributes": _missing("Attributes"),
    "describe_load_balancer_attributes": _missing("Attributes"),
    "describe_listeners": _missing("Listeners"),
    "describe_services": _services,
    "list_tasks": _tasks_listed,
    "describe_tasks": _tasks,
    "describe_clusters": _missing("clusters"),
    "list_service_deployments": _missing("serviceDeployments"),
    "describe_scalable_targets": _missing("ScalableTargets"),
    "describe_scaling_policies": _missing("ScalingPolicies"),
    "describe_scaling_activities": _missing("ScalingActivities"),
    "describe_db_instances": _instances,
    "describe_db_clusters": _missing("DBClusters"),
    "describe_global_clusters": _missing("GlobalClusters"),
    "describe_pending_maintenance_actions": _missing("PendingMaintenanceActions"),
    "describe_db_parameters": _missing("Parameters"),
    "describe_blue_green_deployments": _missing("BlueGreenDeployments"),
    "describe_db_proxies": _missing("DBProxies"),
    "describe_db_major_engine_versions": _missing("DBMajorEngineVersions"),
    "describe_events": _missing("Events"),
    "describe_replication_groups": _missing("ReplicationGroups"),
    "describe_cache_clusters": _caches,
    "describe_serverless_caches": _missing("ServerlessCaches"),
    "describe_update_actions": _missing("UpdateActions"),
    "describe_table": _table,
    "get_metric_data": _metrics,
    "describe_alarms": _alarms,
    "describe_alarm_history": _missing("AlarmHistoryItems"),
    "list_alarm_mute_rules": _missing("AlarmMuteRuleSummaries"),
}


def configured() -> str:
    """The configuration of the mix."""
    lines = ['environment = "bench"', '[aws.prod]\nregion = "us-east-1"']
    for kind, many in MIX.items():
        for n in range(many):
            id_ = {
                "alb": _BALANCER.format(n),
                "target_group": _GROUP.format(n),
                "alarms": "",
            }.get(kind, f"{kind.replace('_', '-')}-{n:02}")
            cluster = 'cluster = "shop"\n' if kind == "ecs_service" else ""
            name = f'name = "{kind}-{n:02}"\naws = "prod"\nid = "{id_}"\n'
            lines.append(f'[[target]]\nkind = "{kind}"\n{name}{cluster}')
    return "\n".join(lines)


@dataclass
class Watched:
    first: Counter[str] = field(default_factory=Counter)
    """Calls of the first sweep."""
    first_series: int = 0
    took: float = 0.0
    hourly_series: float = 0.0
    hourly_calls: float = 0.0
    hourly_batches: float = 0.0
    """Of them `GetMetricData`."""
    unseen: list[str] = field(default_factory=list)


@asynccontextmanager
async def looking(path: Path, shop: Shop) -> AsyncIterator[tuple[Engine, Store]]:
    """The engine at its first sweep, which has ended."""
    settings = config.load(path, catalog())
    connections = sweep.connections(settings, Role.TRIAGE)
    store = Store(LIVE)
    engine = sweep.engine(sweep.looks(settings, registry()), connections, store=store, debug=told)
    session = await connections.aws("prod")
    session._clients = shop  # type: ignore[assignment]
    running = asyncio.create_task(engine.run())
    while engine.progress.took is None:
        await asyncio.sleep(0.05)
    try:
        yield engine, store
    finally:
        running.cancel()
        await asyncio.wait({running})
        await connections.close()


def unseen(store: Store) -> list[str]:
    """Looks that saw nothing, and why."""
    readings = store.board.readings.values()
    return [f"{r.target} {r.outcome}" for r in readings if not isinstance(r.outcome, Seen)]


async def watch(path: Path, *, sick: bool, seconds: float) -> Watched:
    """One state of the shop: the first sweep, then an hour as the last minutes tell it."""
    shop, found = Shop(sick=sick), Watched()
    async with looking(path, shop) as (engine, store):
        found.took = engine.progress.took or 0.0
        found.first, found.first_series = Counter(shop.calls), shop.series
        await asyncio.sleep(SETTLING)
        calls, series, batches = shop.calls.total(), shop.series, shop.calls[_BATCH]
        await asyncio.sleep(seconds)
        found.hourly_calls = (shop.calls.total() - calls) * 3600 / seconds
        found.hourly_batches = (shop.calls[_BATCH] - batches) * 3600 / seconds
        found.hourly_series = (shop.series - series) * 3600 / seconds
        found.unseen = unseen(store)
    return found


def least(series: int) -> int:
    """The fewest calls that tell all of the mix once, by the catalogue's tables of calls.

    Those of B §9; beside them, of a first sweep, the attributes of each balancer (A §1.1: no
    batch), the stopped tasks of the cluster (A §2.1), the scalable targets of ECS and of DynamoDB
    (A §2.1, B §3.1). One call for series has one window: yesterday's is another one.
    """
    groups, balancers = -(-MIX["target_group"] // 20), -(-MIX["alb"] // 20)
    services, caches = -(-MIX["ecs_service"] // 10), 3
    databases = -(-MIX["rds"] // 100) + 1
    events = 2
    return sum(
        (
            *(groups, balancers, services, caches, databases, events),
            *(MIX["target_group"], MIX["dynamodb_table"], MIX["alarms"]),
            *(MIX["alb"], 1, 2),
            max(WINDOWS, -(-series // 500)),
        )
    )


def counted(calls: Counter[str]) -> int:
    """The calls that are compared with the least."""
    return calls.total() - sum(calls[each] for each in BESIDES)


def rows(folder: Path) -> list[Row]:
    """Both states."""
    seconds = float(os.environ.get("BENCH_LOOKING_SECONDS", "300"))
    path = folder / "looking.toml"
    path.write_text(configured())
    well = asyncio.run(watch(path, sick=False, seconds=seconds))
    sick = asyncio.run(watch(path, sick=True, seconds=seconds))
    for state in (well, sick):
        print(state.first, state.unseen[:3], file=sys.stderr)
    floor, compared = least(well.first_series), counted(well.first)
    metric_calls = well.first[_BATCH]
    return [
        Row(
            "first sweep of 100 mixed targets, calls",
            compared / floor,
            "× least",
            1.1,
            "the catalogue's table of calls",
            f"{compared} calls against {floor}, {metric_calls} of them for {well.first_series} "
            f"series, {well.first.total() - compared} for lists that the tables lack; {well.took:.1f} s, {len(well.unseen)} unseen",
        ),
        _hourly("100 mixed targets at rest", well, goal=0.30),
        _hourly("the same, all of the services, groups and databases sick", sick, goal=0),
    ]


def _hourly(name: str, found: Watched, *, goal: float) -> Row:
    note = (
        f"{found.hourly_series:,.0f} series an hour in {found.hourly_batches:,.0f} calls, "
        f"{found.hourly_calls:,.0f} calls in all, {len(found.unseen)} unseen"
    )
    return Row(name, found.hourly_series * USD, "$/h", goal, "", note, gauge=not goal)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        print(render(rows(Path(name))))
