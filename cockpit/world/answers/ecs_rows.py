"""What ECS says of services and tasks: the rows of its answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cockpit.world import layout
from cockpit.world.ecs import Rollout, RunningService, Task

CLUSTER_ARN = f"arn:aws:ecs:{layout.REGION}:{layout.ACCOUNT}:cluster/{layout.CLUSTER}"


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
                    "options": {
                        "awslogs-group": f"/ecs/{family}",
                        "awslogs-stream-prefix": family,
                    },
                },
            }
        ],
    }


def moment(seconds: float) -> datetime:
    """Seconds since the epoch, as AWS gives times."""
    return datetime.fromtimestamp(seconds, UTC)


def moments(**times: float) -> dict[str, datetime]:
    """Those of the times that have come."""
    return {name: moment(seconds) for name, seconds in times.items() if seconds}


def service_row(service: RunningService) -> dict[str, Any]:
    """As DescribeServices tells it."""
    plan = service.plan
    return {
        "serviceArn": plan.arn,
        "serviceName": plan.name,
        "clusterArn": CLUSTER_ARN,
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
        **_released(service),
        "events": [
            {"id": event.id, "createdAt": moment(event.at), "message": event.text}
            for event in service.events
        ],
        "createdAt": moment(service.created),
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
        "deploymentController": {"type": service.controller},
        "enableECSManagedTags": True,
        "propagateTags": "SERVICE",
        "enableExecuteCommand": False,
    }


def _released(service: RunningService) -> dict[str, Any]:
    """Deployments with ECS's own controller, task sets with CodeDeploy's."""
    if service.controller == "ECS":
        return {"deployments": [_deployment_row(service, one) for one in service.deployments]}
    sets = [_task_set_row(service, one) for one in service.deployments]
    return {"deployments": [], "taskSets": sets}


def code_deploy_id(rollout: Rollout) -> str:
    """What CodeDeploy calls the deployment that made a task set."""
    return f"d-{rollout.id.rpartition('/')[2][-9:]}"


def _task_set_row(service: RunningService, rollout: Rollout) -> dict[str, Any]:
    running = service.count("RUNNING", deployment=rollout.id)
    desired = service.desired
    return {
        "id": rollout.id,
        "startedBy": "CODE_DEPLOY",
        "externalId": code_deploy_id(rollout),
        "status": rollout.status,
        "taskDefinition": service.plan.definition(rollout.version),
        "computedDesiredCount": desired,
        "pendingCount": service.count("PENDING", "ACTIVATING", deployment=rollout.id),
        "runningCount": running,
        "stabilityStatus": "STEADY_STATE" if running >= desired else "STABILIZING",
        "createdAt": moment(rollout.created),
        "updatedAt": moment(rollout.updated),
    }


def _deployment_row(service: RunningService, deployment: Rollout) -> dict[str, Any]:
    number = deployment.id
    return {
        "id": number,
        "status": deployment.status,
        "taskDefinition": service.plan.definition(deployment.version),
        "desiredCount": service.desired if deployment is service.primary else 0,
        "pendingCount": service.count("PENDING", "ACTIVATING", deployment=number),
        "runningCount": service.count("RUNNING", deployment=number),
        "failedTasks": deployment.failed,
        "createdAt": moment(deployment.created),
        "updatedAt": moment(deployment.updated),
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "rolloutState": deployment.rollout,
        "rolloutStateReason": deployment.reason,
    }


def task_row(service: RunningService, task: Task) -> dict[str, Any]:
    """As DescribeTasks tells it."""
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
        "clusterArn": CLUSTER_ARN,
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
        **moments(
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
