"""What is read of ECS's answers about deployments and revisions of a service."""

from __future__ import annotations

from datetime import datetime

from cockpit.connect.aws.answer import Answer, GivenText
from cockpit.text import SafeText
from probes.ecs.answers import DeploymentConfiguration


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
    requested_production_traffic_weight: float | None = None


class BreakerRow(Answer, frozen=True, rename="camel"):
    """How near the circuit breaker is to giving the deployment up."""

    status: SafeText = ""
    failure_count: int = 0
    threshold: int | None = None


class WatchedAlarmsRow(Answer, frozen=True, rename="camel"):
    """Which alarms are watched, and which rang."""

    status: SafeText = ""
    triggered_alarm_names: tuple[SafeText, ...] = ()


class RollbackRow(Answer, frozen=True, rename="camel"):
    """Why and since when it goes back."""

    reason: SafeText = ""
    started_at: datetime | None = None
    service_revision_arn: SafeText = ""


class HookRunRow(Answer, frozen=True, rename="camel"):
    """One of `lifecycleHookDetails[]`: a hook that is asked now, or was."""

    hook_id: SafeText = ""
    target_type: SafeText = ""
    target_arn: SafeText = ""
    status: SafeText = ""
    expires_at: datetime | None = None
    timeout_action: SafeText = ""


class ServiceDeploymentRow(Answer, frozen=True, rename="camel"):
    """One row of `DescribeServiceDeployments`."""

    of = "ecs.ServiceDeployment"

    service_deployment_arn: GivenText
    status: GivenText
    status_reason: SafeText = ""
    source_service_revisions: tuple[RevisionSummary, ...] = ()
    target_service_revision: RevisionSummary = RevisionSummary()
    lifecycle_stage: SafeText = ""
    lifecycle_hook_details: tuple[HookRunRow, ...] = ()
    deployment_configuration: DeploymentConfiguration = DeploymentConfiguration()
    deployment_circuit_breaker: BreakerRow = BreakerRow()
    alarms: WatchedAlarmsRow = WatchedAlarmsRow()
    rollback: RollbackRow = RollbackRow()


class ServiceRevisionRow(Answer, frozen=True, rename="camel"):
    """One row of `DescribeServiceRevisions`."""

    of = "ecs.ServiceRevision"

    service_revision_arn: GivenText
    task_definition: SafeText = ""


class CodeDeployError(Answer, frozen=True, rename="camel"):
    """Why a deployment of CodeDeploy did not go through."""

    message: SafeText = ""


class CodeDeployRollback(Answer, frozen=True, rename="camel"):
    """Which deployment it takes back."""

    rollback_triggering_deployment_id: SafeText = ""


class CodeDeploymentRow(Answer, frozen=True, rename="camel"):
    """The `deploymentInfo` of `GetDeployment`."""

    of = "codedeploy.DeploymentInfo"

    deployment_id: GivenText
    status: GivenText
    application_name: SafeText = ""
    deployment_group_name: SafeText = ""
    create_time: datetime | None = None
    error_information: CodeDeployError = CodeDeployError()
    rollback_info: CodeDeployRollback = CodeDeployRollback()


class CodeDeployTaskSet(Answer, frozen=True, rename="camel"):
    """One of `taskSetsInfo[]`; AWS spells its id so."""

    identifer: SafeText = ""
    task_set_label: SafeText = ""
    traffic_weight: float | None = None


class CodeDeployEcsTarget(Answer, frozen=True, rename="camel"):
    """The service, as a deployment of CodeDeploy sees it."""

    task_sets_info: tuple[CodeDeployTaskSet, ...] = ()


class CodeDeployTargetRow(Answer, frozen=True, rename="camel"):
    """One row of `BatchGetDeploymentTargets`."""

    of = "codedeploy.DeploymentTarget"

    ecs_target: CodeDeployEcsTarget = CodeDeployEcsTarget()
