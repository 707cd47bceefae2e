"""ECS, answered from the world's own scheduler."""

from __future__ import annotations

from typing import Any

from cockpit.world import layout
from cockpit.world.answers.ecs_rows import (
    CLUSTER_ARN,
    definition,
    service_row,
    task_row,
)
from cockpit.world.ecs import ALIVE, EcsCluster, RunningService, Task
from cockpit.world.front import Answerer, Operation
from cockpit.world.identify import AwsRequest
from cockpit.world.protocol import Refusal

Parameters = dict[str, Any]


class Ecs:
    """Reads and the few writes that steps make."""

    def __init__(self, cluster: EcsCluster) -> None:
        self._cluster = cluster

    def table(self) -> dict[Operation, Answerer]:
        """What it answers."""
        named = {
            "ListClusters": self._list_clusters,
            "DescribeClusters": self._describe_clusters,
            "ListServices": self._list_services,
            "DescribeServices": self._describe_services,
            "ListTasks": self._list_tasks,
            "DescribeTasks": self._describe_tasks,
            "DescribeTaskDefinition": self._describe_definition,
            "ListTaskDefinitions": self._list_definitions,
            "ListContainerInstances": _nothing("containerInstanceArns"),
            "DescribeContainerInstances": _nothing("containerInstances"),
            "DescribeTaskSets": _nothing("taskSets"),
            "DescribeCapacityProviders": self._describe_providers,
            "UpdateService": self._update_service,
            "StopTask": self._stop_task,
        }
        return {("ecs", name): answer for name, answer in named.items()}

    def _list_clusters(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        return {"clusterArns": [CLUSTER_ARN]}

    def _describe_clusters(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        names = asked.get("clusters") or [layout.CLUSTER]
        found = [name for name in names if _short(name) == layout.CLUSTER]
        lost = [name for name in names if _short(name) != layout.CLUSTER]
        with self._cluster.lock:
            services = tuple(self._cluster.services.values())
            running = sum(service.count("RUNNING") for service in services)
            pending = sum(service.count("PENDING", "ACTIVATING") for service in services)
        cluster = {
            "clusterArn": CLUSTER_ARN,
            "clusterName": layout.CLUSTER,
            "status": "ACTIVE",
            "registeredContainerInstancesCount": 0,
            "runningTasksCount": running,
            "pendingTasksCount": pending,
            "activeServicesCount": len(services),
            "statistics": [
                {"name": "runningFargateTasksCount", "value": str(running)},
                {"name": "pendingFargateTasksCount", "value": str(pending)},
            ],
            "tags": [],
            "settings": [{"name": "containerInsights", "value": "disabled"}],
            "capacityProviders": ["FARGATE", "FARGATE_SPOT"],
        }
        failures = [
            {"arn": f"{CLUSTER_ARN.rpartition('/')[0]}/{_short(name)}", "reason": "MISSING"}
            for name in lost
        ]
        return {"clusters": [cluster] if found else [], "failures": failures}

    def _list_services(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        self._check(asked)
        with self._cluster.lock:
            return {"serviceArns": [s.plan.arn for s in self._cluster.services.values()]}

    def _describe_services(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        self._check(asked)
        names = asked.get("services") or []
        if not 1 <= len(names) <= 10:
            raise Refusal("InvalidParameterException", "Services cannot be empty or more than 10.")
        services, failures = [], []
        with self._cluster.lock:
            for name in names:
                service = self._cluster.services.get(_short(name))
                if service is None:
                    arn = f"{layout.CHECKOUT.arn.rpartition('/')[0]}/{_short(name)}"
                    failures.append({"arn": arn, "reason": "MISSING"})
                else:
                    services.append(service_row(service))
        return {"services": services, "failures": failures}

    def _list_tasks(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        self._check(asked)
        wanted = asked.get("desiredStatus") or "RUNNING"
        name = _short(asked.get("serviceName") or "")
        with self._cluster.lock:
            if name and name not in self._cluster.services:
                raise Refusal("ServiceNotFoundException", "Service not found.")
            return {
                "taskArns": [
                    task.arn
                    for service in self._cluster.services.values()
                    if name in {"", service.plan.name}
                    for task in service.tasks
                    if _is_wanted(task, wanted)
                ]
            }

    def _describe_tasks(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        self._check(asked)
        wanted = asked.get("tasks") or []
        if not 1 <= len(wanted) <= 100:
            raise Refusal("InvalidParameterException", "Tasks cannot be empty or more than 100.")
        with self._cluster.lock:
            known = {
                task.id: (service, task)
                for service in self._cluster.services.values()
                for task in service.tasks
            }
            found = [task_row(*known[_short(arn)]) for arn in wanted if _short(arn) in known]
        lost = [arn for arn in wanted if _short(arn) not in known]
        return {"tasks": found, "failures": [{"arn": a, "reason": "MISSING"} for a in lost]}

    def _describe_definition(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        family, _, number = _short(asked.get("taskDefinition") or "").partition(":")
        newest = self._cluster.versions.get(family, 0)
        version = int(number) if number.isdigit() else newest
        if not newest or not max(1, newest - 30) <= version <= newest:
            raise Refusal("ClientException", "Unable to describe task definition.")
        return {"taskDefinition": definition(family, version), "tags": []}

    def _list_definitions(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        prefix = asked.get("familyPrefix") or ""
        plans = {service.name: service for service in layout.SERVICES}
        arns = [
            plans[family].definition(version)
            for family, newest in sorted(self._cluster.versions.items())
            if family.startswith(prefix)
            for version in range(max(1, newest - 30), newest + 1)
        ]
        return {"taskDefinitionArns": arns[::-1] if asked.get("sort") == "DESC" else arns}

    def _describe_providers(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        names = asked.get("capacityProviders") or ["FARGATE", "FARGATE_SPOT"]
        rows = [{"name": name, "status": "ACTIVE"} for name in names]
        return {"capacityProviders": rows, "failures": []}

    def _update_service(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        self._check(asked)
        with self._cluster.lock:
            service = self._service(asked)
            if "healthCheckGracePeriodSeconds" in asked:
                service.grace = int(asked["healthCheckGracePeriodSeconds"])
            percents = asked.get("deploymentConfiguration") or {}
            service.minimum = int(percents.get("minimumHealthyPercent", service.minimum))
            service.maximum = int(percents.get("maximumPercent", service.maximum))
            self._cluster.update(
                service.plan.name,
                version=self._version(service, asked),
                desired=asked.get("desiredCount"),
                force=bool(asked.get("forceNewDeployment")),
            )
            return {"service": service_row(service)}

    def _version(self, service: RunningService, asked: Parameters) -> int | None:
        given = asked.get("taskDefinition")
        if not given:
            return None
        family, _, number = _short(given).partition(":")
        newest = self._cluster.versions[service.plan.name]
        version = int(number) if number.isdigit() else newest
        if family != service.plan.name or not max(1, newest - 30) <= version <= newest:
            raise Refusal("ClientException", "Unable to describe task definition.")
        return version

    def _stop_task(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        self._check(asked)
        wanted = _short(asked.get("task") or "")
        with self._cluster.lock:
            for service in self._cluster.services.values():
                for task in service.tasks:
                    if task.id == wanted:
                        reason = asked.get("reason") or "Task stopped by user"
                        self._cluster.stop(
                            service, task, code="UserInitiated", reason=reason, exit_code=143
                        )
                        return {"task": task_row(service, task)}
        raise Refusal("InvalidParameterException", "The referenced task was not found.")

    def _service(self, asked: Parameters) -> RunningService:
        service = self._cluster.services.get(_short(asked.get("service") or ""))
        if service is None:
            raise Refusal("ServiceNotFoundException", "Service not found.")
        return service

    def _check(self, asked: Parameters) -> None:
        if _short(asked.get("cluster") or "default") != layout.CLUSTER:
            raise Refusal("ClusterNotFoundException", "Cluster not found.")


def _nothing(member: str) -> Answerer:
    def answer(request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        return {member: []}

    return answer


def _short(name: str) -> str:
    return name.rpartition("/")[2]


def _is_wanted(task: Task, wanted: str) -> bool:
    dying = task.status in {"DEACTIVATING", "STOPPED"}
    return dying if wanted == "STOPPED" else task.status in ALIVE
