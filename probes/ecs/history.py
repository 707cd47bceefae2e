"""Reads the deployments of a service, and which revisions they brought and replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from cockpit.connect.aws.answer import Record, answer_into, answers_into
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from probes.ecs.deployment import ENDED, HookRun, RevisionShare, ServiceDeployment
from probes.ecs.deployment_answers import (
    ServiceDeploymentBriefRow,
    ServiceDeploymentRow,
    ServiceRevisionRow,
)
from probes.ecs.model import Service
from probes.ecs.read import strategy_of

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
        if place < _DESCRIBED or each.status not in ENDED
    ]
    rows = await asyncio.gather(
        *(
            _described(aws, "DescribeServiceDeployments", arn, into=ServiceDeploymentRow)
            for arn in wanted
        )
    )
    full = {row.service_deployment_arn: row for row in rows if row is not None}
    revisions = await _revisions(aws, newest, full.values())
    return tuple(
        _deployment(each, full.get(each.service_deployment_arn), revisions) for each in newest
    )


async def _described(
    aws: AwsReads, operation: str, arn: str, *, into: type[Record]
) -> Record | None:
    """One of the list, or what it names; None: ECS forgot it since."""
    try:
        row = await aws.item("ecs", operation, key=arn)
    except BlindError as error:
        if error.reason is Reason.MISSING:
            return None
        raise
    return answer_into(row, into)


async def _revisions(
    aws: AwsReads,
    briefs: Iterable[ServiceDeploymentBriefRow],
    rows: Iterable[ServiceDeploymentRow],
) -> dict[str, str]:
    """Revision → its task definition, for all that is named."""
    arns = dict.fromkeys(each.target_service_revision_arn for each in briefs)
    for row in rows:
        arns |= dict.fromkeys(source.arn for source in row.source_service_revisions)
        arns |= {row.rollback.service_revision_arn: None}
    named = [arn for arn in arns if arn]
    found = await asyncio.gather(
        *(
            _described(aws, "DescribeServiceRevisions", arn, into=ServiceRevisionRow)
            for arn in named
        )
    )
    return {arn: row.task_definition if row else "" for arn, row in zip(named, found, strict=True)}


def _deployment(
    brief: ServiceDeploymentBriefRow,
    row: ServiceDeploymentRow | None,
    revisions: Mapping[str, str],
) -> ServiceDeployment:
    known = ServiceDeployment(
        arn=brief.service_deployment_arn,
        status=brief.status,
        reason=brief.status_reason,
        task_definition=revisions.get(brief.target_service_revision_arn, ""),
        created_at=brief.created_at,
        started_at=brief.started_at,
        finished_at=brief.finished_at,
    )
    if row is None:
        return known
    breaker = row.deployment_circuit_breaker
    return replace(
        known,
        status=row.status,
        reason=row.status_reason or brief.status_reason,
        sources=tuple(
            RevisionShare(
                task_definition=revisions.get(source.arn, ""), running=source.running_task_count
            )
            for source in row.source_service_revisions
        ),
        stage=row.lifecycle_stage,
        hooks=tuple(
            HookRun(
                id=each.hook_id,
                status=each.status,
                target=each.target_arn,
                expires_at=each.expires_at,
                timeout_action=each.timeout_action,
            )
            for each in row.lifecycle_hook_details
        ),
        weight=row.target_service_revision.requested_production_traffic_weight,
        strategy=strategy_of(row.deployment_configuration),
        failures=breaker.failure_count,
        threshold=None if breaker.status == "DISABLED" else breaker.threshold,
        ringing=row.alarms.triggered_alarm_names,
        rollback_reason=row.rollback.reason,
        rollback_at=row.rollback.started_at,
        rollback_to=revisions.get(row.rollback.service_revision_arn, ""),
    )
