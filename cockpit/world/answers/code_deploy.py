"""CodeDeploy's side of services that it deploys: what is under way, and the call that stops it."""

from __future__ import annotations

from typing import Any

from cockpit.world import layout
from cockpit.world.answers.ecs_rows import code_deploy_id, moments
from cockpit.world.ecs import EcsCluster, Rollout, RunningService
from cockpit.world.front import Answerer, Operation
from cockpit.world.identify import AwsRequest
from cockpit.world.protocol import Refusal


class CodeDeploy:
    """Deployments of ECS services whose controller is CODE_DEPLOY."""

    def __init__(self, cluster: EcsCluster) -> None:
        self._cluster = cluster

    def table(self) -> dict[Operation, Answerer]:
        """What it answers."""
        return {
            ("codedeploy", "GetDeployment"): self._get,
            ("codedeploy", "BatchGetDeploymentTargets"): self._targets,
            ("codedeploy", "StopDeployment"): self._stop,
        }

    def _get(self, request: AwsRequest, asked: dict[str, Any]) -> dict[str, Any]:
        with self._cluster.lock:
            service, rollout = self._named(asked)
            return {
                "deploymentInfo": {
                    "applicationName": service.plan.name,
                    "deploymentGroupName": f"{service.plan.name}-{layout.CLUSTER}",
                    "deploymentId": code_deploy_id(rollout),
                    "status": _status(service, rollout),
                    "computePlatform": "ECS",
                    "creator": "user",
                    **moments(createTime=rollout.created, completeTime=rollout.finished),
                }
            }

    def _targets(self, request: AwsRequest, asked: dict[str, Any]) -> dict[str, Any]:
        with self._cluster.lock:
            service, rollout = self._named(asked)
            target = f"{layout.CLUSTER}:{service.plan.name}"
            if asked.get("targetIds") != [target]:
                raise Refusal("InvalidDeploymentTargetIdException", "The target id is invalid.")
            green = rollout is service.primary
            sets = [_task_set("Green", rollout, weight=100.0 if green else 0.0)]
            sets += [
                _task_set("Blue", each, weight=0.0 if green else 100.0)
                for each in rollout.replaces[:1]
            ]
            ecs = {"deploymentId": asked["deploymentId"], "targetId": target, "taskSetsInfo": sets}
        return {"deploymentTargets": [{"deploymentTargetType": "ECSTarget", "ecsTarget": ecs}]}

    def _stop(self, request: AwsRequest, asked: dict[str, Any]) -> dict[str, Any]:
        with self._cluster.lock:
            service, rollout = self._named(asked)
            if _status(service, rollout) != "InProgress":
                raise Refusal("DeploymentAlreadyCompletedException", "It is completed already.")
            if asked.get("autoRollbackEnabled"):
                self._cluster.roll_back(service)
        return {"status": "Pending", "statusMessage": "Stopping the deployment."}

    def _named(self, asked: dict[str, Any]) -> tuple[RunningService, Rollout]:
        wanted = asked.get("deploymentId")
        for service in self._cluster.services.values():
            for rollout in (*service.deployments, *service.history):
                if service.controller == "CODE_DEPLOY" and code_deploy_id(rollout) == wanted:
                    return service, rollout
        raise Refusal("DeploymentDoesNotExistException", "There is no such deployment.")


def _status(service: RunningService, rollout: Rollout) -> str:
    if rollout.completed:
        return "Succeeded"
    return "InProgress" if rollout is service.primary else "Stopped"


def _task_set(label: str, rollout: Rollout, *, weight: float) -> dict[str, Any]:
    return {"identifer": rollout.id, "taskSetLabel": label, "trafficWeight": weight}
