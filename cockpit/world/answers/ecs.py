"""ECS, answered from the world's own scheduler."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from cockpit.world import layout
from cockpit.world.ecs import ALIVE, EcsCluster, Rollout, RunningService, Task
from cockpit.world.front import Answerer, Operation
from cockpit.world.identify import AwsRequest
from cockpit.world.protocol import Refusal

_CLUSTER_ARN = f"arn:aws:ecs:{layout.REGION}:{layout.ACCOUNT}:cluster/{layout.CLUSTER}"
_STATES = {
    "IN_PROGRESS": "IN_PROGRESS",
    "COMPLETED": "SUCCESSFUL",
    "FAILED": "STOPPED",
}
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
            "ListServiceDeployments": self._list_deployments,
            "DescribeServiceDeployments": self._describe_deployments,
            "DescribeServiceRevisions": self._describe_revisions,
            "ListContainerInstances": _nothing("containerInstanceArns"),
            "DescribeContainerInstances": _nothing("containerInstances"),
            "DescribeTaskSets": _nothing("taskSets"),
            "DescribeCapacityProviders": self._describe_providers,
            "UpdateService": self._update_service,
            "StopTask": self._stop_task,
        }
        return {("ecs", name): answer for name, answer in named.items()}

    def _list_clusters(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        return {"clusterArns": [_CLUSTER_ARN]}

    def _describe_clusters(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        names = asked.get("clusters") or [layout.CLUSTER]
        found = [name for name in names if _short(name) == layout.CLUSTER]
        lost = [name for name in names if _short(name) != layout.CLUSTER]
        with self._cluster.lock:
            services = tuple(self._cluster.services.values())
            running = sum(service.count("RUNNING") for service in services)
            pending = sum(service.count("PENDING", "ACTIVATING") for service in services)
        cluster = {
            "clusterArn": _CLUSTER_ARN,
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
            {"arn": f"{_CLUSTER_ARN.rpartition('/')[0]}/{_short(name)}", "reason": "MISSING"}
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
                    services.append(_service(service))
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
            found = [_task(*known[_short(arn)]) for arn in wanted if _short(arn) in known]
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

    def _list_deployments(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        with self._cluster.lock:
            service = self._service(asked)
            return {
                "serviceDeployments": [
                    _brief(service, deployment) for deployment in _deployments(service)
                ]
            }

    def _describe_deployments(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        wanted = set(asked.get("serviceDeploymentArns") or ())
        with self._cluster.lock:
            found = [
                _full(service, deployment)
                for service in self._cluster.services.values()
                for deployment in _deployments(service)
                if _deployment_arn(service, deployment) in wanted
            ]
        lost = wanted - {one["serviceDeploymentArn"] for one in found}
        failures = [{"arn": arn, "reason": "MISSING"} for arn in sorted(lost)]
        return {"serviceDeployments": found, "failures": failures}

    def _describe_revisions(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        wanted = asked.get("serviceRevisionArns") or []
        found, failures = [], []
        with self._cluster.lock:
            for arn in wanted:
                name, number = arn.split("/")[-2], arn.rpartition("/")[2]
                service = self._cluster.services.get(name)
                deployment = (
                    next((d for d in _deployments(service) if _number(d) == number), None)
                    if service
                    else None
                )
                if service is None or deployment is None:
                    failures.append({"arn": arn, "reason": "MISSING"})
                    continue
                found.append(_revision(service, deployment, arn))
        return {"serviceRevisions": found, "failures": failures}

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
            return {"service": _service(service)}

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
                        return {"task": _task(service, task)}
        raise Refusal("InvalidParameterException", "The referenced task was not found.")

    def _service(self, asked: Parameters) -> RunningService:
        service = self._cluster.services.get(_short(asked.get("service") or ""))
        if service is None:
            raise Refusal("ServiceNotFoundException", "Service not found.")
        return service

    def _check(self, asked: Parameters) -> None:
        if _short(asked.get("cluster") or "default") != layout.CLUSTER:
            raise Refusal("ClusterNotFoundException", "Cluster not found.")


def definition(family: str, version: int) -> dict[str, Any]:
    """A task definition: the same but for its image from revision to revision."""
    plan = next(service for service in layout.SERVICES if service.name == family)
    registry = f"{layout.ACCOUNT}.dkr.ecr.{layout.REGION}.amazonaws.com"
    role = f"arn:aws:iam::{layout.ACCOUNT}:role"
    return {
        "taskDefinitionArn": plan.definition(version),
        "family": family,
        "revision": version,
        "status": "ACTIVE",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "512",
        "memory": "1024",
        "executionRoleArn": f"{role}/{family}-execution",
        "taskRoleArn": f"{role}/{family}-task",
        "volumes": [],
        "containerDefinitions": [
            {
                "name": family,
                "image": f"{registry}/{family}:1.{version}.0",
                "cpu": 512,
                "memory": 1024,
                "essential": True,
                "portMappings": [{"containerPort": plan.port, "protocol": "tcp"}],
                "environment": [
                    {"name": "DATABASE_URL", "value": "postgres://checkout:s3cr3t@orders/orders"},
                    {"name": "LOG_LEVEL", "value": "info"},
                ],
                "secrets": [],
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {"awslogs-group": f"/ecs/{family}"},
                },
            }
        ],
    }


def _nothing(member: str) -> Answerer:
    def answer(request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        return {member: []}

    return answer


def _short(name: str) -> str:
    return name.rpartition("/")[2]


def _is_wanted(task: Task, wanted: str) -> bool:
    dying = task.status in {"DEACTIVATING", "STOPPED"}
    return dying if wanted == "STOPPED" else task.status in ALIVE


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _moments(**times: float) -> dict[str, datetime]:
    return {name: _moment(seconds) for name, seconds in times.items() if seconds}


def _deployments(service: RunningService) -> Iterable[Rollout]:
    return (*service.deployments, *service.history)


def _number(deployment: Rollout) -> str:
    return deployment.id.rpartition("/")[2]


def _service(service: RunningService) -> dict[str, Any]:
    plan = service.plan
    return {
        "serviceArn": plan.arn,
        "serviceName": plan.name,
        "clusterArn": _CLUSTER_ARN,
        "loadBalancers": [
            {
                "targetGroupArn": plan.group_arn,
                "containerName": plan.name,
                "containerPort": plan.port,
            }
        ],
        "serviceRegistries": [],
        "status": "ACTIVE",
        "desiredCount": service.desired,
        "runningCount": service.count("RUNNING"),
        "pendingCount": service.count("PENDING", "ACTIVATING"),
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "taskDefinition": plan.definition(service.primary.version),
        "deploymentConfiguration": {
            "deploymentCircuitBreaker": {"enable": False, "rollback": False},
            "maximumPercent": service.maximum,
            "minimumHealthyPercent": service.minimum,
        },
        "deployments": [_deployment(service, one) for one in service.deployments],
        "events": [
            {"id": event.id, "createdAt": _moment(event.at), "message": event.text}
            for event in service.events
        ],
        "createdAt": _moment(service.created),
        "placementConstraints": [],
        "placementStrategy": [],
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": [layout.subnet("app-a"), layout.subnet("app-b")],
                "securityGroups": [layout.GROUPS[plan.name]],
                "assignPublicIp": "DISABLED",
            }
        },
        "healthCheckGracePeriodSeconds": service.grace,
        "schedulingStrategy": "REPLICA",
        "deploymentController": {"type": "ECS"},
        "enableECSManagedTags": True,
        "propagateTags": "SERVICE",
        "enableExecuteCommand": False,
    }


def _deployment(service: RunningService, deployment: Rollout) -> dict[str, Any]:
    number = deployment.id
    return {
        "id": number,
        "status": deployment.status,
        "taskDefinition": service.plan.definition(deployment.version),
        "desiredCount": service.desired if deployment is service.primary else 0,
        "pendingCount": service.count("PENDING", "ACTIVATING", deployment=number),
        "runningCount": service.count("RUNNING", deployment=number),
        "failedTasks": deployment.failed,
        "createdAt": _moment(deployment.created),
        "updatedAt": _moment(deployment.updated),
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "rolloutState": deployment.rollout,
        "rolloutStateReason": deployment.reason,
    }


def _task(service: RunningService, task: Task) -> dict[str, Any]:
    dying = task.status in {"DEACTIVATING", "STOPPED"}
    family = service.plan.name
    container: dict[str, Any] = {
        "containerArn": task.arn.replace(":task/", ":container/"),
        "taskArn": task.arn,
        "name": family,
        "image": definition(family, task.version)["containerDefinitions"][0]["image"],
        "lastStatus": "STOPPED" if dying else task.status,
        "healthStatus": "UNKNOWN",
        "networkInterfaces": [{"privateIpv4Address": task.address}],
    }
    if dying and task.exit_code is not None:
        container["exitCode"] = task.exit_code
    if task.exit_code == 137:
        container["reason"] = "OutOfMemoryError: Container killed due to memory usage"
    row: dict[str, Any] = {
        "taskArn": task.arn,
        "clusterArn": _CLUSTER_ARN,
        "taskDefinitionArn": service.plan.definition(task.version),
        "group": f"service:{family}",
        "startedBy": task.deployment,
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "lastStatus": task.status,
        "desiredStatus": "STOPPED" if dying else "RUNNING",
        "healthStatus": "UNKNOWN",
        "connectivity": "CONNECTED",
        "availabilityZone": task.zone,
        "cpu": "512",
        "memory": "1024",
        "containers": [container],
        "overrides": {"containerOverrides": []},
        "attachments": [
            {
                "type": "ElasticNetworkInterface",
                "status": "ATTACHED",
                "details": [{"name": "privateIPv4Address", "value": task.address}],
            }
        ],
        **_moments(
            createdAt=task.created,
            pullStartedAt=task.created + 0.2,
            pullStoppedAt=task.created + 0.6,
            startedAt=task.started,
            stoppingAt=task.stopping,
            stoppedAt=task.stopped,
        ),
    }
    if dying:
        row |= {"stopCode": task.stop_code, "stoppedReason": task.reason}
    return row


def _deployment_arn(service: RunningService, deployment: Rollout) -> str:
    base = service.plan.arn.replace(":service/", ":service-deployment/")
    return f"{base}/{_number(deployment)}"


def _revision_arn(service: RunningService, deployment: Rollout) -> str:
    base = service.plan.arn.replace(":service/", ":service-revision/")
    return f"{base}/{_number(deployment)}"


def _brief(service: RunningService, deployment: Rollout) -> dict[str, Any]:
    return {
        "serviceDeploymentArn": _deployment_arn(service, deployment),
        "serviceArn": service.plan.arn,
        "clusterArn": _CLUSTER_ARN,
        "targetServiceRevisionArn": _revision_arn(service, deployment),
        "status": _STATES[deployment.rollout],
        "statusReason": deployment.reason,
        **_moments(
            createdAt=deployment.created,
            startedAt=deployment.created + 1,
            finishedAt=deployment.finished,
        ),
    }


def _full(service: RunningService, deployment: Rollout) -> dict[str, Any]:
    brief = _brief(service, deployment)
    revision = {
        "arn": brief.pop("targetServiceRevisionArn"),
        "requestedTaskCount": service.desired,
        "runningTaskCount": service.count("RUNNING", deployment=deployment.id),
        "pendingTaskCount": service.count("PENDING", "ACTIVATING", deployment=deployment.id),
    }
    return brief | {
        "updatedAt": _moment(max(deployment.updated, time.time() - 86400)),
        "targetServiceRevision": revision,
        "sourceServiceRevisions": [],
        "deploymentCircuitBreaker": {
            "status": "DISABLED",
            "failureCount": deployment.failed,
            "threshold": max(3, -(-service.desired // 2)),
        },
    }


def _revision(service: RunningService, deployment: Rollout, arn: str) -> dict[str, Any]:
    family = service.plan.name
    image = definition(family, deployment.version)["containerDefinitions"][0]["image"]
    return {
        "serviceRevisionArn": arn,
        "serviceArn": service.plan.arn,
        "clusterArn": _CLUSTER_ARN,
        "taskDefinition": service.plan.definition(deployment.version),
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "createdAt": _moment(deployment.created),
        "containerImages": [
            {
                "containerName": family,
                "image": image,
                "imageDigest": f"sha256:{deployment.version:064x}",
            }
        ],
    }
