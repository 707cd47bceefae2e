"""The deployments and revisions of ECS services, which moto has not, from the world's scheduler."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from cockpit.world.answers.ecs_rows import CLUSTER_ARN, definition, moment, moments
from cockpit.world.ecs import EcsCluster, PauseHook, Rollout, RunningService
from cockpit.world.front import Answerer, Operation
from cockpit.world.identify import AwsRequest
from cockpit.world.protocol import Refusal


class EcsDeployments:
    """What was deployed, what is, and the call that stops it."""

    def __init__(self, cluster: EcsCluster) -> None:
        self._cluster = cluster

    def table(self) -> dict[Operation, Answerer]:
        """What it answers."""
        return {
            ("ecs", "ListServiceDeployments"): self._list,
            ("ecs", "DescribeServiceDeployments"): self._describe,
            ("ecs", "DescribeServiceRevisions"): self._describe_revisions,
            ("ecs", "StopServiceDeployment"): self._stop,
            ("ecs", "ContinueServiceDeployment"): self._continue,
        }

    def _list(self, request: AwsRequest, asked: dict[str, Any]) -> dict[str, Any]:
        with self._cluster.lock:
            service = self._cluster.services.get(_short(asked.get("service") or ""))
            if service is None:
                raise Refusal("ServiceNotFoundException", "Service not found.")
            return {"serviceDeployments": [_brief(service, each) for each in _of(service)]}

    def _all(self) -> Iterator[tuple[RunningService, Rollout]]:
        for service in self._cluster.services.values():
            for rollout in _of(service):
                yield service, rollout

    def _describe(self, request: AwsRequest, asked: dict[str, Any]) -> dict[str, Any]:
        with self._cluster.lock:
            known = {_arn(*each): _full(*each) for each in self._all()}
        return _found("serviceDeployments", known, asked.get("serviceDeploymentArns") or ())

    def _describe_revisions(self, request: AwsRequest, asked: dict[str, Any]) -> dict[str, Any]:
        with self._cluster.lock:
            known = {_revision_arn(*each): _revision(*each) for each in self._all()}
        return _found("serviceRevisions", known, asked.get("serviceRevisionArns") or ())

    def _stop(self, request: AwsRequest, asked: dict[str, Any]) -> dict[str, Any]:
        arn, kind = asked.get("serviceDeploymentArn") or "", asked.get("stopType") or "ROLLBACK"
        with self._cluster.lock:
            service, rollout = self._named(arn)
            if rollout is not service.primary or _status(service, rollout) != "IN_PROGRESS":
                raise Refusal("ConflictException", "The service deployment is not in progress.")
            if kind != "ROLLBACK":
                raise Refusal("InvalidParameterException", "There is nothing to roll back to.")
            self._roll_back(service, rollout)
        return {"serviceDeploymentArn": arn}

    def _continue(self, request: AwsRequest, asked: dict[str, Any]) -> dict[str, Any]:
        arn, hook = asked.get("serviceDeploymentArn") or "", asked.get("hookId") or ""
        with self._cluster.lock:
            service, rollout = self._named(arn)
            pause = rollout.pause
            if pause is None or pause.id != hook or pause.status != "AWAITING_ACTION":
                raise Refusal("InvalidParameterException", "The hook is not awaiting an action.")
            if asked.get("action") == "ROLLBACK":
                self._roll_back(service, rollout)
            pause.status = "SUCCEEDED"
        return {"serviceDeploymentArn": arn}

    def _named(self, arn: str) -> tuple[RunningService, Rollout]:
        found = next((each for each in self._all() if _arn(*each) == arn), None)
        if found is None:
            raise Refusal("ServiceDeploymentNotFoundException", "Service deployment not found.")
        return found

    def _roll_back(self, service: RunningService, rollout: Rollout) -> None:
        if not any(each.completed for each in rollout.replaces):
            raise Refusal("InvalidParameterException", "There is nothing to roll back to.")
        self._cluster.roll_back(service)


def _short(name: str) -> str:
    return name.rpartition("/")[2]


def _found(
    member: str, known: dict[str, dict[str, Any]], wanted: list[str] | tuple[str, ...]
) -> dict[str, Any]:
    lost = [{"arn": arn, "reason": "MISSING"} for arn in wanted if arn not in known]
    return {member: [known[arn] for arn in wanted if arn in known], "failures": lost}


def _of(service: RunningService) -> list[Rollout]:
    every = [*service.deployments, *service.history]
    return sorted(every, key=lambda each: each.created, reverse=True)


def _status(service: RunningService, rollout: Rollout) -> str:
    if rollout.back_to is not None:
        over = rollout.back_to.rollout == "COMPLETED"
        return "ROLLBACK_SUCCESSFUL" if over else "ROLLBACK_IN_PROGRESS"
    if rollout.completed:
        return "SUCCESSFUL"
    return "IN_PROGRESS" if rollout is service.primary else "STOPPED"


def _arn(service: RunningService, rollout: Rollout) -> str:
    base = service.plan.arn.replace(":service/", ":service-deployment/")
    return f"{base}/{_short(rollout.id)}"


def _revision_arn(service: RunningService, rollout: Rollout) -> str:
    base = service.plan.arn.replace(":service/", ":service-revision/")
    return f"{base}/{_short(rollout.id)}"


def _brief(service: RunningService, rollout: Rollout) -> dict[str, Any]:
    return {
        "serviceDeploymentArn": _arn(service, rollout),
        "serviceArn": service.plan.arn,
        "clusterArn": CLUSTER_ARN,
        "targetServiceRevisionArn": _revision_arn(service, rollout),
        "status": _status(service, rollout),
        "statusReason": rollout.reason,
        **moments(
            createdAt=rollout.created,
            startedAt=rollout.created + 1,
            finishedAt=rollout.finished,
        ),
    }


def _full(service: RunningService, rollout: Rollout) -> dict[str, Any]:
    brief = _brief(service, rollout)
    del brief["targetServiceRevisionArn"]
    back = rollout.back_to
    return brief | {
        "updatedAt": moment(max(rollout.updated, time.time() - 86400)),
        "targetServiceRevision": _share(service, rollout),
        "sourceServiceRevisions": [_share(service, each) for each in rollout.replaces],
        "deploymentConfiguration": {
            "deploymentCircuitBreaker": {"enable": False, "rollback": False},
            "maximumPercent": service.maximum,
            "minimumHealthyPercent": service.minimum,
            "strategy": "ROLLING",
        },
        "deploymentCircuitBreaker": {
            "status": "DISABLED",
            "failureCount": rollout.failed,
            "threshold": max(3, -(-service.desired // 2)),
        },
        **({"rollback": _rollback(service, rollout, back)} if back else {}),
        **(_paused(rollout.pause) if rollout.pause else {}),
    }


def _paused(pause: PauseHook) -> dict[str, Any]:
    waits = pause.status == "AWAITING_ACTION"
    return {
        "lifecycleHookDetails": [
            {
                "hookId": pause.id,
                "targetType": "PAUSE",
                "status": pause.status,
                "expiresAt": moment(pause.expires),
                "timeoutAction": pause.then,
            }
        ],
        **({"lifecycleStage": "PRE_SCALE_UP"} if waits else {}),
    }


def _rollback(service: RunningService, rollout: Rollout, back: Rollout) -> dict[str, Any]:
    return {
        "reason": "StopServiceDeployment was called.",
        "startedAt": moment(rollout.updated),
        "serviceRevisionArn": _revision_arn(service, back),
    }


def _share(service: RunningService, rollout: Rollout) -> dict[str, Any]:
    return {
        "arn": _revision_arn(service, rollout),
        "requestedTaskCount": service.desired,
        "runningTaskCount": service.count("RUNNING", deployment=rollout.id),
        "pendingTaskCount": service.count("PENDING", "ACTIVATING", deployment=rollout.id),
    }


def _revision(service: RunningService, rollout: Rollout) -> dict[str, Any]:
    family = service.plan.name
    image = definition(family, rollout.version)["containerDefinitions"][0]["image"]
    return {
        "serviceRevisionArn": _revision_arn(service, rollout),
        "serviceArn": service.plan.arn,
        "clusterArn": CLUSTER_ARN,
        "taskDefinition": service.plan.definition(rollout.version),
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "createdAt": moment(rollout.created),
        "containerImages": [
            {
                "containerName": family,
                "image": image,
                "imageDigest": f"sha256:{rollout.version:064x}",
            }
        ],
    }
