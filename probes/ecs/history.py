"""Reads the deployments of a service, and which revisions they brought and replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from cockpit.connect.aws.answer import answer_into, answers_into
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from probes.ecs.deployment import OPEN, RevisionShare, ServiceDeployment
from probes.ecs.deployment_answers import (
    ServiceDeploymentBriefRow,
    ServiceDeploymentRow,
    ServiceRevisionRow,
)
from probes.ecs.model import Service

_LISTED = 20
"""How many deployments back a revision to go back to is looked for."""
_DESCRIBED = 4
"""How many of them are read in full: the newest, and every one that is under way."""
_EPOCH = datetime.fromtimestamp(0, UTC)


async def history(aws: AwsReads, service: Service) -> tuple[ServiceDeployment, ...]:
    """The service's deployments, newest first; empty for controllers that keep none at ECS."""
    if service.controller != "ECS":
        return ()
    answer = await aws.read(
        "ecs",
        "ListServiceDeployments",
        expect="serviceDeployments",
        cluster=service.cluster,
        service=service.name,
        maxResults=100,
    )
    briefs = answers_into(answer["serviceDeployments"], ServiceDeploymentBriefRow)
    newest = sorted(briefs, key=lambda each: each.created_at or _EPOCH, reverse=True)[:_LISTED]
    wanted = [
        each.service_deployment_arn
        for place, each in enumerate(newest)
        if place < _DESCRIBED or each.status in OPEN
    ]
    rows = await asyncio.gather(*(_described(aws, arn) for arn in wanted))
    full = {row.service_deployment_arn: row for row in rows if row is not None}
    revisions = await _revisions(aws, newest, full.values())
    return tuple(
        _deployment(each, full.get(each.service_deployment_arn), revisions) for each in newest
    )


async def _described(aws: AwsReads, arn: str) -> ServiceDeploymentRow | None:
    try:
        row = await aws.item("ecs", "DescribeServiceDeployments", key=arn)
    except BlindError as error:
        if error.reason is Reason.MISSING:  # forgotten since the list
            return None
        raise
    return answer_into(row, ServiceDeploymentRow)


async def _revisions(
    aws: AwsReads,
    briefs: Iterable[ServiceDeploymentBriefRow],
    rows: Iterable[ServiceDeploymentRow],
) -> dict[str, str]:
    """Revision → its task definition, for all that is named."""
    arns = dict.fromkeys(each.target_service_revision_arn for each in briefs)
    arns |= dict.fromkeys(source.arn for row in rows for source in row.source_service_revisions)
    named = [arn for arn in arns if arn]
    found = await asyncio.gather(*(_task_definition(aws, arn) for arn in named))
    return dict(zip(named, found, strict=True))


async def _task_definition(aws: AwsReads, arn: str) -> str:
    try:
        row = await aws.item("ecs", "DescribeServiceRevisions", key=arn)
    except BlindError as error:
        if error.reason is Reason.MISSING:
            return ""
        raise
    return answer_into(row, ServiceRevisionRow).task_definition


def _deployment(
    brief: ServiceDeploymentBriefRow,
    row: ServiceDeploymentRow | None,
    revisions: Mapping[str, str],
) -> ServiceDeployment:
    row = row or ServiceDeploymentRow(
        service_deployment_arn=brief.service_deployment_arn, status=brief.status
    )
    return ServiceDeployment(
        arn=brief.service_deployment_arn,
        status=row.status,
        reason=row.status_reason or brief.status_reason,
        task_definition=revisions.get(brief.target_service_revision_arn, ""),
        sources=tuple(
            RevisionShare(
                task_definition=revisions.get(source.arn, ""), running=source.running_task_count
            )
            for source in row.source_service_revisions
        ),
        created_at=brief.created_at,
        started_at=brief.started_at,
        finished_at=brief.finished_at,
    )
