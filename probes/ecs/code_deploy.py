"""Reads the deployments of CodeDeploy that made a service's task sets, and what they replace.

Source: CodeDeploy API reference (`GetDeployment`, `BatchGetDeploymentTargets`), ECS API reference
(`TaskSet.externalId` is the id of the deployment of CodeDeploy that made it).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

from cockpit.connect.aws.answer import answer_into, answers_into
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from probes.ecs.deployment import CodeDeployment
from probes.ecs.deployment_answers import (
    CodeDeploymentRow,
    CodeDeployTargetRow,
    CodeDeployTaskSet,
)
from probes.ecs.model import Deployment, Snapshot

_EPOCH = datetime.fromtimestamp(0, UTC)


async def code_deployments(aws: AwsReads, snapshot: Snapshot) -> tuple[CodeDeployment, ...]:
    """Those that the task sets name, newest first; empty for every other controller."""
    if snapshot.service.controller != "CODE_DEPLOY":
        return ()
    ids = dict.fromkeys(each.external_id for each in snapshot.deployments if each.external_id)
    found = await asyncio.gather(*(_one(aws, snapshot, id_) for id_ in ids))
    known = (each for each in found if each is not None)
    return tuple(sorted(known, key=lambda each: each.created_at or _EPOCH, reverse=True))


async def _one(aws: AwsReads, snapshot: Snapshot, id_: str) -> CodeDeployment | None:
    """One deployment, with its task sets while it runs; None: CodeDeploy forgot it."""
    try:
        answer = await aws.read(
            "codedeploy", "GetDeployment", expect="deploymentInfo", deploymentId=id_
        )
    except BlindError as error:
        if error.reason is Reason.MISSING:
            return None
        raise
    row = answer_into(answer["deploymentInfo"], CodeDeploymentRow)
    told = _deployment(row, {}, {})
    if not told.open:
        return told
    sets = {each.id: each for each in snapshot.deployments}
    return _deployment(row, await _task_sets(aws, snapshot, id_), sets)


async def _task_sets(aws: AwsReads, snapshot: Snapshot, id_: str) -> dict[str, CodeDeployTaskSet]:
    """Blue and Green, as far as CodeDeploy names them already."""
    service = snapshot.service
    answer = await aws.read(
        "codedeploy",
        "BatchGetDeploymentTargets",
        expect="deploymentTargets",
        deploymentId=id_,
        targetIds=[f"{service.cluster}:{service.name}"],
    )
    rows = answers_into(answer["deploymentTargets"], CodeDeployTargetRow)
    return {each.task_set_label: each for row in rows for each in row.ecs_target.task_sets_info}


def _deployment(
    row: CodeDeploymentRow,
    labelled: Mapping[str, CodeDeployTaskSet],
    sets: Mapping[str, Deployment],
) -> CodeDeployment:
    green, blue = labelled.get("Green"), labelled.get("Blue")
    brings = sets.get(green.identifer) if green else None
    replaces = sets.get(blue.identifer) if blue else None
    return CodeDeployment(
        id=row.deployment_id,
        status=row.status,
        application=row.application_name,
        group=row.deployment_group_name,
        reason=row.error_information.message,
        created_at=row.create_time,
        brings_set=green.identifer if green else "",
        brings=brings.task_definition if brings else "",
        replaces=replaces.task_definition if replaces else "",
        replaces_running=replaces.running if replaces else 0,
        weight=green.traffic_weight if green else None,
        goes_back=bool(row.rollback_info.rollback_triggering_deployment_id),
    )
