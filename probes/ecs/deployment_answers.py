"""What is read of ECS's answers about deployments and revisions of a service."""

from __future__ import annotations

from datetime import datetime

from cockpit.connect.aws.answer import Answer, GivenText
from cockpit.text import SafeText


class ServiceDeploymentBriefRow(Answer, frozen=True, rename="camel"):
    """One row of `ListServiceDeployments`."""

    of = "ecs.ServiceDeploymentBrief"

    service_deployment_arn: GivenText
    status: GivenText
    status_reason: SafeText = ""
    target_service_revision_arn: SafeText = ""
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


class RevisionSummary(Answer, frozen=True, rename="camel"):
    """A revision with its share of the tasks."""

    arn: SafeText = ""
    running_task_count: int = 0


class ServiceDeploymentRow(Answer, frozen=True, rename="camel"):
    """One row of `DescribeServiceDeployments`."""

    of = "ecs.ServiceDeployment"

    service_deployment_arn: GivenText
    status: GivenText
    status_reason: SafeText = ""
    source_service_revisions: tuple[RevisionSummary, ...] = ()


class ServiceRevisionRow(Answer, frozen=True, rename="camel"):
    """One row of `DescribeServiceRevisions`."""

    of = "ecs.ServiceRevision"

    service_revision_arn: GivenText
    task_definition: SafeText = ""
