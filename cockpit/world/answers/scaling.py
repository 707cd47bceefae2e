"""Application Auto Scaling: targets, policies, activities. moto would ask its own, empty ECS."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cockpit.world import layout
from cockpit.world.front import Answerer, Operation
from cockpit.world.identify import AwsRequest
from cockpit.world.protocol import Refusal

Parameters = dict[str, Any]
Activity = dict[str, Any]
_SERVICE = "application-autoscaling"
_NO_SUSPENSION = {
    "DynamicScalingInSuspended": False,
    "DynamicScalingOutSuspended": False,
    "ScheduledScalingSuspended": False,
}


@dataclass(slots=True)
class Scalable:
    """One scalable target with its target-tracking policy."""

    namespace: str
    resource: str
    dimension: str
    least: int
    most: int
    metric: str
    goal: float
    suspended: dict[str, bool] = field(default_factory=lambda: dict(_NO_SUSPENSION))
    created: float = field(default_factory=lambda: time.time() - 200 * 86400)

    def row(self) -> dict[str, Any]:
        """As `DescribeScalableTargets` gives it."""
        return {
            "ServiceNamespace": self.namespace,
            "ResourceId": self.resource,
            "ScalableDimension": self.dimension,
            "MinCapacity": self.least,
            "MaxCapacity": self.most,
            "RoleARN": f"arn:aws:iam::{layout.ACCOUNT}:role/autoscaling",
            "CreationTime": datetime.fromtimestamp(self.created, UTC),
            "SuspendedState": self.suspended,
            "ScalableTargetARN": f"arn:aws:{_SERVICE}:{layout.REGION}:{layout.ACCOUNT}:"
            f"scalable-target/{abs(hash(self.resource)):032x}",
        }

    def policy(self) -> dict[str, Any]:
        """As `DescribeScalingPolicies` gives it."""
        name = f"{self.resource.rpartition('/')[2]}-tracking"
        return {
            "PolicyARN": f"arn:aws:autoscaling:{layout.REGION}:{layout.ACCOUNT}:"
            f"scalingPolicy:00000000:resource/{self.namespace}/{self.resource}:policyName/{name}",
            "PolicyName": name,
            "ServiceNamespace": self.namespace,
            "ResourceId": self.resource,
            "ScalableDimension": self.dimension,
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": {
                "TargetValue": self.goal,
                "PredefinedMetricSpecification": {"PredefinedMetricType": self.metric},
            },
            "Alarms": [],
            "CreationTime": datetime.fromtimestamp(self.created, UTC),
        }


class ShopScaling:
    """Every scalable target of the shop, and what was scaled. Safe from any thread."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._targets: dict[tuple[str, str, str], Scalable] = {}
        self._activities: list[Activity] = []
        self._now = now
        self._lock = threading.Lock()

    def table(self) -> dict[Operation, Answerer]:
        """What it answers."""
        named: dict[str, Answerer] = {
            "RegisterScalableTarget": self._register,
            "DescribeScalableTargets": self._describe_targets,
            "DescribeScalingPolicies": self._describe_policies,
            "DescribeScalingActivities": self._describe_activities,
            "DescribeScheduledActions": lambda _request, _asked: {"ScheduledActions": []},
        }
        return {(_SERVICE, name): answer for name, answer in named.items()}

    def add(self, scalable: Scalable) -> None:
        """Enter a scalable target."""
        with self._lock:
            key = (scalable.namespace, scalable.resource, scalable.dimension)
            self._targets[key] = scalable

    def target(self, resource: str) -> Scalable:
        """The scalable target of a resource. Raises `KeyError` without one."""
        with self._lock:
            for scalable in self._targets.values():
                if scalable.resource == resource:
                    return scalable
        raise KeyError(resource)

    def tell(
        self,
        scalable: Scalable,
        *,
        status: str,
        text: str,
        ago: float = 0.0,
        not_scaled: str = "",
    ) -> None:
        """Add an activity, newest first. `not_scaled`: the reason code of one that did nothing."""
        moment = datetime.fromtimestamp(self._now() - ago, UTC)
        activity: Activity = {
            "ActivityId": f"00000000-0000-4000-8000-{len(self._activities):012d}",
            "ServiceNamespace": scalable.namespace,
            "ResourceId": scalable.resource,
            "ScalableDimension": scalable.dimension,
            "Description": text,
            "Cause": "monitor alarm in state ALARM triggered policy target-tracking",
            "StartTime": moment,
            "EndTime": moment,
            "StatusCode": status,
            "StatusMessage": text,
        }
        if not_scaled:
            activity["NotScaledReasons"] = [{"Code": not_scaled, "MaxCapacity": scalable.most}]
        with self._lock:
            self._activities = [activity, *self._activities]

    def _register(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        key = (asked["ServiceNamespace"], asked["ResourceId"], asked["ScalableDimension"])
        with self._lock:
            scalable = self._targets.get(key)
            if scalable is None:
                raise Refusal("ValidationException", "No such scalable resource in this world.")
            least = int(asked.get("MinCapacity", scalable.least))
            most = int(asked.get("MaxCapacity", scalable.most))
            if least > most:
                raise Refusal(
                    "ValidationException", "Maximum capacity cannot be less than minimum capacity"
                )
            scalable.least, scalable.most = least, most
            scalable.suspended = {**scalable.suspended, **asked.get("SuspendedState", {})}
            return {"ScalableTargetARN": scalable.row()["ScalableTargetARN"]}

    def _describe_targets(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        return {"ScalableTargets": [scalable.row() for scalable in self._asked(asked)]}

    def _describe_policies(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        return {"ScalingPolicies": [scalable.policy() for scalable in self._asked(asked)]}

    def _asked(self, asked: Parameters) -> list[Scalable]:
        wanted = asked.get("ResourceIds") or (
            [asked["ResourceId"]] if "ResourceId" in asked else []
        )
        with self._lock:
            return [
                scalable
                for scalable in self._targets.values()
                if scalable.namespace == asked.get("ServiceNamespace")
                and (not wanted or scalable.resource in wanted)
                and asked.get("ScalableDimension", scalable.dimension) == scalable.dimension
            ]

    def _describe_activities(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        hidden = not asked.get("IncludeNotScaledActivities")
        with self._lock:
            rows = [
                row
                for row in self._activities
                if row["ServiceNamespace"] == asked.get("ServiceNamespace")
                and asked.get("ResourceId", row["ResourceId"]) == row["ResourceId"]
                and not (hidden and "NotScaledReasons" in row)
            ]
        return {"ScalingActivities": rows[: int(asked.get("MaxResults") or 50)]}


def shop() -> tuple[Scalable, ...]:
    """The scalable targets that the shop has."""
    services = tuple(
        Scalable(
            "ecs",
            f"service/{layout.CLUSTER}/{service.name}",
            "ecs:service:DesiredCount",
            2,
            service.desired * 3,
            "ECSServiceAverageCPUUtilization",
            60.0,
        )
        for service in layout.SERVICES
    )
    table = Scalable(
        "dynamodb",
        f"table/{layout.TABLE}",
        "dynamodb:table:WriteCapacityUnits",
        5,
        100,
        "DynamoDBWriteCapacityUtilization",
        70.0,
    )
    return (*services, table)
