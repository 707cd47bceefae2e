"""A shop of 100 mixed targets that answers as AWS does, from memory, and counts what it is asked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore import xform_name

from cockpit import clock

LATENCY = 0.05
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

Answer = dict[str, Any]
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

    of = reads
    """By this name the build of 1c63b39 asks."""

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

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Answer]]:
        """As a client of aiobotocore is asked, for the build of 1c63b39."""
        return lambda **asked: self.call(method, asked)


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
                "createdAt": clock.now() - timedelta(days=9),
                "deployments": [
                    {
                        "id": "ecs-svc/1",
                        "status": "PRIMARY",
                        "rolloutState": "COMPLETED",
                        "desiredCount": 2,
                        "runningCount": running,
                        "createdAt": clock.now() - timedelta(days=9),
                        "updatedAt": clock.now() - timedelta(days=9),
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
                "startedAt": clock.now() - timedelta(days=1),
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
    return clock.now().timestamp()


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


def configured(*settings: str) -> str:
    """The configuration of the mix, with lines of its head besides."""
    lines = ['environment = "bench"', *settings, '[aws.prod]\nregion = "us-east-1"']
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
