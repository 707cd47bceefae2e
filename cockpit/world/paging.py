"""Real pages: moto gives many lists in one piece, AWS never does.

Each entry names the list, the parameters of the request, the token of the answer, and AWS's default
and largest page (service models of botocore, and the API references of the services).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cockpit.world.protocol import Refusal


@dataclass(frozen=True, slots=True)
class Paged:
    """How an operation pages. `size` 0: everything in one piece unless a limit is asked for.

    `limit` empty: the caller cannot choose.
    """

    items: str
    limit: str
    token: str
    size: int
    most: int
    given: str = ""
    """The token's name in the answer; empty: the same as in the request."""


def _ec2(items: str, most: int = 1000) -> Paged:
    return Paged(items, "MaxResults", "NextToken", 0, most)


PAGES: Mapping[tuple[str, str], Paged] = {
    ("ecs", "ListServices"): Paged("serviceArns", "maxResults", "nextToken", 10, 100),
    ("ecs", "ListTasks"): Paged("taskArns", "maxResults", "nextToken", 100, 100),
    ("ecs", "ListTaskDefinitions"): Paged(
        "taskDefinitionArns", "maxResults", "nextToken", 100, 100
    ),
    ("ecs", "ListClusters"): Paged("clusterArns", "maxResults", "nextToken", 100, 100),
    ("ecs", "ListServiceDeployments"): Paged(
        "serviceDeployments", "maxResults", "nextToken", 20, 100
    ),
    ("elbv2", "DescribeTargetGroups"): Paged(
        "TargetGroups", "PageSize", "Marker", 400, 400, "NextMarker"
    ),
    ("elbv2", "DescribeLoadBalancers"): Paged(
        "LoadBalancers", "PageSize", "Marker", 400, 400, "NextMarker"
    ),
    ("elbv2", "DescribeListeners"): Paged(
        "Listeners", "PageSize", "Marker", 100, 400, "NextMarker"
    ),
    ("elbv2", "DescribeRules"): Paged("Rules", "PageSize", "Marker", 100, 400, "NextMarker"),
    ("rds", "DescribeEvents"): Paged("Events", "MaxRecords", "Marker", 100, 100),
    ("elasticache", "DescribeEvents"): Paged("Events", "MaxRecords", "Marker", 100, 100),
    ("elasticache", "DescribeReplicationGroups"): Paged(
        "ReplicationGroups", "MaxRecords", "Marker", 100, 100
    ),
    ("cloudwatch", "DescribeAlarms"): Paged("MetricAlarms", "MaxRecords", "NextToken", 50, 100),
    ("cloudwatch", "DescribeAlarmHistory"): Paged(
        "AlarmHistoryItems", "MaxRecords", "NextToken", 50, 100
    ),
    ("cloudwatch", "ListMetrics"): Paged("Metrics", "", "NextToken", 500, 500),
    ("cloudtrail", "LookupEvents"): Paged("Events", "MaxResults", "NextToken", 50, 50),
    ("lambda", "ListFunctions"): Paged("Functions", "MaxItems", "Marker", 50, 50, "NextMarker"),
    ("ec2", "DescribeSubnets"): _ec2("Subnets"),
    ("ec2", "DescribeSecurityGroups"): _ec2("SecurityGroups"),
    ("ec2", "DescribeSecurityGroupRules"): _ec2("SecurityGroupRules"),
    ("ec2", "DescribeRouteTables"): _ec2("RouteTables", 100),
    ("ec2", "DescribeNetworkAcls"): _ec2("NetworkAcls"),
    ("ec2", "DescribeNetworkInterfaces"): _ec2("NetworkInterfaces"),
    ("ec2", "DescribeVpcs"): _ec2("Vpcs"),
    ("ec2", "DescribeNatGateways"): _ec2("NatGateways"),
    ("ec2", "DescribeInternetGateways"): _ec2("InternetGateways"),
    ("ec2", "DescribeVpcEndpoints"): _ec2("VpcEndpoints"),
}


def cut(paged: Paged, asked: Mapping[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """The page that was asked for, with a token when there is more.

    Raises `Refusal` for a limit that is too large and for a token that is not ours.
    """
    items = answer.get(paged.items) or []
    given = asked.get(paged.limit)
    if given is not None and (not 1 <= int(given) <= paged.most):
        raise Refusal("ValidationError", f"{paged.limit} must be between 1 and {paged.most}")
    size = int(given or paged.size) or len(items)
    start = _offset(asked.get(paged.token))
    page = {**answer, paged.items: items[start : start + size]}
    name = paged.given or paged.token
    page.pop(name, None)
    if start + size < len(items):
        page[name] = base64.urlsafe_b64encode(f"page:{start + size}".encode()).decode()
    return page


def whole(paged: Paged, asked: Mapping[str, Any]) -> bool:
    """Whether the answer can go out as it is: nothing was asked about pages, nothing is cut."""
    return not paged.size and asked.get(paged.limit) is None and asked.get(paged.token) is None


def _offset(token: object) -> int:
    if token is None:
        return 0
    try:
        word, _, number = base64.urlsafe_b64decode(str(token)).decode().partition(":")
        if word == "page":
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise Refusal("InvalidNextToken", "The token is not valid.")
