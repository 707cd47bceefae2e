"""Revisions of an ECS service: what a deployment replaced and what it brought."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from cockpit.connect.aws.answer import Answer, GivenText, answer_into, answers_into
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from cockpit.text import SafeText
from probes.changes.calls import resource_of
from probes.trail import ApiEvent

_TOGETHER = timedelta(seconds=120)


class BroughtRow(Answer, frozen=True, rename="camel"):
    """One of ECS's `ListServiceDeployments`."""

    of = "ecs.ServiceDeploymentBrief"

    service_deployment_arn: GivenText
    target_service_revision_arn: SafeText = ""
    created_at: datetime | None = None


class RevisionPart(Answer, frozen=True, rename="camel"):
    """A revision that a deployment brought or replaced."""

    arn: SafeText = ""


class ReplacedRow(Answer, frozen=True, rename="camel"):
    """What a deployment replaced."""

    of = "ecs.ServiceDeployment"

    source_service_revisions: tuple[RevisionPart, ...] = ()


class ContainerImageRow(Answer, frozen=True, rename="camel"):
    """The image that a container really runs."""

    container_name: SafeText = ""
    image: SafeText = ""
    image_digest: SafeText = ""


class RevisionRow(Answer, frozen=True, rename="camel"):
    """One of `DescribeServiceRevisions`."""

    of = "ecs.ServiceRevision"

    task_definition: SafeText = ""
    container_images: tuple[ContainerImageRow, ...] = ()


async def revisions(
    aws: AwsReads, event: ApiEvent
) -> tuple[RevisionRow | None, RevisionRow | None]:
    """What the deployment replaced and what it brought; None: ECS keeps no such revision."""
    answer = await aws.read(
        "ecs",
        "ListServiceDeployments",
        expect="serviceDeployments",
        cluster=cluster_of(event),
        service=resource_of(event),
        maxResults=100,
    )
    briefs = [
        each
        for each in answers_into(answer["serviceDeployments"], BroughtRow)
        if each.created_at is not None and abs(each.created_at - event.at) <= _TOGETHER
    ]
    if not briefs:
        return None, None
    brief = min(briefs, key=lambda each: _distance(each.created_at, event.at))
    row = await aws.item("ecs", "DescribeServiceDeployments", key=brief.service_deployment_arn)
    sources = answer_into(row, ReplacedRow).source_service_revisions
    arns = [each.arn for each in sources[:1]] or [""]
    found = await asyncio.gather(
        *(_revision(aws, arn) for arn in (arns[0], brief.target_service_revision_arn))
    )
    return found[0], found[1]


def _distance(one: datetime | None, other: datetime) -> float:
    return abs((one - other).total_seconds()) if one is not None else float("inf")


async def _revision(aws: AwsReads, arn: str) -> RevisionRow | None:
    if not arn:
        return None
    try:
        return answer_into(await aws.item("ecs", "DescribeServiceRevisions", key=arn), RevisionRow)
    except BlindError as error:
        if error.reason is Reason.MISSING:
            return None
        raise


def cluster_of(event: ApiEvent) -> str:
    """The cluster that a call named."""
    return str(event.parameters.get("cluster") or "default")
