"""How each operation that can be batched is asked for many things at once: pure, and a table.

Source: catalogue A §0.2 and B §0; sizes are those of the APIs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

Item = Mapping[str, object]
Arguments = Callable[[tuple[str, ...]], Item]
"""The arguments that ask for these ids."""


def _tail(key: str) -> str:
    """The identifier at the end of an RDS or ElastiCache ARN, in lower case; names as they are."""
    return (key.rpartition(":")[2] if key.startswith("arn:") else key).lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """How one operation is asked for many things at once."""

    size: int
    member: str
    """The top-level member with the items: a list, or one structure when `size` is 1."""
    inside: str = ""
    """Where the member's structures only group the items: their member with those."""
    names: tuple[str, ...]
    """Members of an item by which it may be asked for."""
    arguments: Arguments
    listing: bool = False
    """More than one id: everything is listed instead, and picked from."""
    tells: bool = False
    """Unknown ids come in `failures`; they never spoil the call."""
    normal: Callable[[str], str] = str
    """The form in which names are compared."""
    keeps: bool = False
    """Items never change: each is asked for once in the life of a session."""


def _elbv2(noun: str) -> Arguments:
    def arguments(keys: tuple[str, ...]) -> Mapping[str, object]:
        by_arn = keys[0].startswith("arn:")
        return {f"{noun}Arns" if by_arn else "Names": list(keys)}

    return arguments


def _listed(argument: str) -> Arguments:
    return lambda keys: {argument: list(keys)}


def _single(argument: str, *, shorten: bool = False) -> Arguments:
    return lambda keys: {argument: _tail(keys[0]) if shorten else keys[0]}


def _filtered(name: str, **besides: object) -> Arguments:
    return lambda keys: {"Filters": [{"Name": name, "Values": list(keys)}], **besides}


def _rds(name: str) -> Arguments:
    return lambda keys: {
        "Filters": [{"Name": name, "Values": [_tail(key) for key in keys]}],
        "MaxRecords": 100,
    }


BATCHES: Mapping[str, Batch] = MappingProxyType(
    {
        "ecs.DescribeServices": Batch(
            size=10,
            member="services",
            names=("serviceArn", "serviceName"),
            arguments=_listed("services"),
            tells=True,
        ),
        "ecs.DescribeTasks": Batch(
            size=100,
            member="tasks",
            names=("taskArn",),
            arguments=_listed("tasks"),
            tells=True,
            normal=lambda key: key.rpartition("/")[2],
        ),
        "ecs.DescribeClusters": Batch(
            size=100,
            member="clusters",
            names=("clusterArn", "clusterName"),
            arguments=_listed("clusters"),
            tells=True,
        ),
        "ecs.DescribeTaskDefinition": Batch(
            size=1, member="taskDefinition", names=(), arguments=_single("taskDefinition")
        ),
        "ecs.DescribeServiceDeployments": Batch(
            size=20,
            member="serviceDeployments",
            names=("serviceDeploymentArn",),
            arguments=_listed("serviceDeploymentArns"),
            tells=True,
        ),
        "ecs.DescribeServiceRevisions": Batch(
            size=20,
            member="serviceRevisions",
            names=("serviceRevisionArn",),
            arguments=_listed("serviceRevisionArns"),
            tells=True,
            keeps=True,
        ),
        "elbv2.DescribeTargetGroups": Batch(
            size=20,
            member="TargetGroups",
            names=("TargetGroupArn", "TargetGroupName"),
            arguments=_elbv2("TargetGroup"),
        ),
        "elbv2.DescribeLoadBalancers": Batch(
            size=20,
            member="LoadBalancers",
            names=("LoadBalancerArn", "LoadBalancerName"),
            arguments=_elbv2("LoadBalancer"),
        ),
        "elbv2.DescribeTags": Batch(
            size=20,
            member="TagDescriptions",
            names=("ResourceArn",),
            arguments=_listed("ResourceArns"),
        ),
        "rds.DescribeDBInstances": Batch(
            size=100,
            member="DBInstances",
            names=("DBInstanceIdentifier",),
            arguments=_rds("db-instance-id"),
            normal=_tail,
        ),
        "rds.DescribeDBClusters": Batch(
            size=100,
            member="DBClusters",
            names=("DBClusterIdentifier",),
            arguments=_rds("db-cluster-id"),
            normal=_tail,
        ),
        "elasticache.DescribeReplicationGroups": Batch(
            size=2000,
            member="ReplicationGroups",
            names=("ReplicationGroupId",),
            arguments=_single("ReplicationGroupId", shorten=True),
            listing=True,
            normal=_tail,
        ),
        "elasticache.DescribeCacheClusters": Batch(
            size=2000,
            member="CacheClusters",
            names=("CacheClusterId",),
            arguments=_single("CacheClusterId", shorten=True),
            listing=True,
            normal=_tail,
        ),
        "dynamodb.DescribeTable": Batch(
            size=1, member="Table", names=(), arguments=_single("TableName")
        ),
        "autoscaling.DescribeAutoScalingGroups": Batch(
            size=50,
            member="AutoScalingGroups",
            names=("AutoScalingGroupName", "AutoScalingGroupARN"),
            arguments=_listed("AutoScalingGroupNames"),
        ),
        "ec2.DescribeInstances": Batch(
            size=200,
            member="Reservations",
            inside="Instances",
            names=("InstanceId",),
            arguments=_filtered("instance-id"),
        ),
        "ec2.DescribeInstanceStatus": Batch(
            size=100,
            member="InstanceStatuses",
            names=("InstanceId",),
            # there is no filter by id; what does not run is left out unless it is asked for
            arguments=lambda keys: {"InstanceIds": list(keys), "IncludeAllInstances": True},
        ),
        "ec2.DescribeInstanceCreditSpecifications": Batch(
            size=100,
            member="InstanceCreditSpecifications",
            names=("InstanceId",),
            arguments=_listed("InstanceIds"),
        ),
        "ec2.DescribeSecurityGroups": Batch(
            size=200, member="SecurityGroups", names=("GroupId",), arguments=_filtered("group-id")
        ),
        "ec2.DescribeSubnets": Batch(
            size=200, member="Subnets", names=("SubnetId",), arguments=_filtered("subnet-id")
        ),
        "ec2.DescribeNetworkInterfaces": Batch(
            size=200,
            member="NetworkInterfaces",
            names=("NetworkInterfaceId",),
            arguments=_filtered("network-interface-id"),
        ),
    }
)
"""`service.Operation` → how it is batched. `AwsReads.item` knows these and no others."""
