"""Writes recordings of what newer members of RDS and ELB tell, which nothing here can be asked for.

`python -m tests.tools.handmade_members` from the root of the checkout. The answers are made by hand
after botocore's models and the user guides; they go through each probe's own `collect`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from tests.probes.fake_aws import minutes
from tests.recorded import FOLDER
from tests.tools.handmade_events import Story, made

BLUE, GREEN = "orders", "orders-green-4kqw2f"
_ARN = "arn:aws:rds:us-east-1:123456789012:db:"
_ELB = "arn:aws:elasticloadbalancing:us-east-1:123456789012"
GROUP = f"{_ELB}:targetgroup/checkout/6d0ecf831eec9f09"


def proxy_target(
    name: str = "orders", role: str = "READ_WRITE", state: str = "AVAILABLE", reason: str = ""
) -> dict[str, Any]:
    """One row of `DescribeDBProxyTargets`."""
    health = {"State": state, **({"Reason": reason} if reason else {})}
    return {
        "RdsResourceId": name,
        "Type": "RDS_INSTANCE",
        "Role": role,
        "Port": 5432,
        "TargetHealth": health,
    }


AUTH_FAILURE = proxy_target(state="UNAVAILABLE", reason="AUTH_FAILURE")
AUTH_FAILURE["TargetHealth"]["Description"] = "Proxy does not have any registered credentials"


def deployment(status: str, *members: str) -> dict[str, Any]:
    """One row of `DescribeBlueGreenDeployments`; the first member is the database itself."""
    return {
        "BlueGreenDeploymentIdentifier": "bgd-4kqw2fzbq1x9r7ab",
        "BlueGreenDeploymentName": "orders-17",
        "Source": _ARN + BLUE,
        "Target": _ARN + GREEN,
        "Status": status,
        "SwitchoverDetails": [
            {
                "SourceMember": f"{_ARN}{BLUE}{'-replica' * bool(n)}",
                "TargetMember": f"{_ARN}{GREEN}{'-replica' * bool(n)}",
                "Status": member,
            }
            for n, member in enumerate(members)
        ],
    }


def _proxies(target: dict[str, Any]) -> dict[str, Any]:
    return {
        "rds.DescribeDBProxies": [{"DBProxyName": "shop", "Status": "available"}],
        "rds.DescribeDBProxyTargets": [target],
    }


def _deployments(row: dict[str, Any]) -> dict[str, Any]:
    return {"rds.DescribeBlueGreenDeployments": [row]}


def _targets() -> list[dict[str, Any]]:
    shifted = {
        "State": "zonal_shift_active",
        "Reason": "AdministrativeOverride.ZonalShiftActive",
        "Description": "Zonal shift is active",
    }
    none = {
        "State": "no_override",
        "Reason": "AdministrativeOverride.NoOverride",
        "Description": "No override is currently active on target",
    }
    return [
        {
            "Target": {"Id": f"10.0.1{n}.7", "Port": 8080, "AvailabilityZone": zone},
            "TargetHealth": {"State": "healthy"},
            "AnomalyDetection": {
                "Result": "anomalous" if n == 1 else "normal",
                "MitigationInEffect": "no",
            },
            "AdministrativeOverride": shifted if zone.endswith("b") else none,
        }
        for n, zone in enumerate(("us-east-1a", "us-east-1a", "us-east-1b", "us-east-1b"))
    ]


def _shifted() -> dict[str, Any]:
    return {
        "elbv2.DescribeTargetGroups": [
            {
                "TargetGroupArn": GROUP,
                "TargetGroupName": "checkout",
                "Protocol": "HTTP",
                "TargetType": "ip",
                "LoadBalancerArns": [f"{_ELB}:loadbalancer/app/shop/50dc6c495c0c9188"],
                "HealthCheckProtocol": "HTTP",
                "HealthCheckPort": "traffic-port",
                "HealthCheckPath": "/health",
                "HealthCheckIntervalSeconds": 10,
                "HealthCheckTimeoutSeconds": 4,
                "HealthyThresholdCount": 2,
                "UnhealthyThresholdCount": 2,
                "Matcher": {"HttpCode": "200"},
                "TargetControlPort": 3000,
            }
        ],
        "elbv2.DescribeTargetHealth": {"TargetHealthDescriptions": _targets()},
    }


def _story(probe: str, id_: str, answers: dict[str, Any]) -> Story:
    return Story(
        probe=probe,
        id=id_,
        answers=lambda: answers,
        series={"RequestCount": minutes(*[600] * 10)},
        changed={},
    )


STORIES: Mapping[str, Story] = {
    "rds_proxies_healthy": _story("rds.proxies", BLUE, _proxies(proxy_target())),
    "rds_proxies_cannot_log_in": _story("rds.proxies", BLUE, _proxies(AUTH_FAILURE)),
    "rds_blue_green_healthy": _story(
        "rds.blue_green", BLUE, _deployments(deployment("AVAILABLE", "AVAILABLE"))
    ),
    "rds_blue_green_switchover_failed": _story(
        "rds.blue_green",
        BLUE,
        _deployments(deployment("SWITCHOVER_FAILED", "SWITCHOVER_FAILED", "AVAILABLE")),
    ),
    "target_group_zone_is_shifted_away": _story("target_group.health", GROUP, _shifted()),
}


async def write() -> None:
    """Write all of them."""
    for name, story in STORIES.items():
        (FOLDER / f"{name}.handmade.json").write_bytes(await made(story))


if __name__ == "__main__":
    asyncio.run(write())
