"""CodeDeploy: deployments of the last hours."""

from __future__ import annotations

from datetime import datetime, timedelta

from cockpit.connect.aws.answer import Answer, GivenText, answers_into
from cockpit.connect.session import AwsReads
from cockpit.text import SafeText
from cockpit.triage.changes import PIPELINE, SERVICE
from probes.changes.model import Happening, RolloutState

_BATCH = 25
_SERVICES_CREATE = frozenset({"autoscaling", "codeDeployRollback", "codeDeploy", "CodeDeploy",
                              "codeDeployAutoUpdate", "CodeDeployAutoUpdate",
                              "CloudFormationRollback", "autoscalingTermination"})  # fmt: skip


class DeployErrorRow(Answer, frozen=True, rename="camel"):
    """Why a deployment failed."""

    code: SafeText = ""
    message: SafeText = ""


class TakenBackRow(Answer, frozen=True, rename="camel"):
    """The deployment that took another one back."""

    rollback_deployment_id: SafeText = ""
    rollback_message: SafeText = ""


class CodeDeployRow(Answer, frozen=True, rename="camel"):
    """One of CodeDeploy's `BatchGetDeployments`."""

    of = "codedeploy.DeploymentInfo"

    deployment_id: GivenText
    application_name: SafeText = ""
    deployment_group_name: SafeText = ""
    status: SafeText = ""
    creator: SafeText = ""
    create_time: datetime | None = None
    start_time: datetime | None = None
    complete_time: datetime | None = None
    error_information: DeployErrorRow = DeployErrorRow()
    rollback_info: TakenBackRow = TakenBackRow()


async def deployments(
    aws: AwsReads, start: datetime, end: datetime
) -> tuple[tuple[RolloutState, ...], tuple[Happening, ...]]:
    """CodeDeploy's deployments since then."""
    ids = await aws.pages(
        "codedeploy",
        "ListDeployments",
        key="deployments",
        createTimeRange={"start": start, "end": end + timedelta(minutes=1)},
    )
    named = [str(each) for each in ids]
    rows: list[CodeDeployRow] = []
    for place in range(0, len(named), _BATCH):
        answer = await aws.read(
            "codedeploy",
            "BatchGetDeployments",
            expect="deploymentsInfo",
            deploymentIds=named[place : place + _BATCH],
        )
        rows += answers_into(answer["deploymentsInfo"], CodeDeployRow)
    return tuple(map(_rollout, rows)), tuple(
        Happening(
            at=row.create_time,
            kind="codedeploy.deployment",
            resource=row.deployment_group_name or row.application_name,
            summary=f"CodeDeploy {row.application_name} {row.deployment_id}: {row.status}",
            source="codedeploy.BatchGetDeployments",
            actor=row.creator,
            by=SERVICE if row.creator in _SERVICES_CREATE else PIPELINE,
            details=tuple(filter(None, (row.error_information.message,))),
        )
        for row in rows
        if row.create_time is not None
    )


def _rollout(row: CodeDeployRow) -> RolloutState:
    return RolloutState(
        kind="codedeploy.deployment",
        name=f"{row.application_name} {row.deployment_id}",
        status=row.status,
        began=row.start_time or row.create_time,
        ended=row.complete_time,
        reason=row.error_information.message or row.error_information.code,
        taken_back=row.rollback_info.rollback_deployment_id,
    )
