"""One ECS service: do the wanted tasks run, why did others stop, is a deployment to blame.

Source: ECS `DescribeServices`, `ListTasks`, `DescribeTasks`, `DescribeTaskDefinition`,
`DescribeServiceDeployments`; CodeDeploy, where it deploys; CloudWatch `AWS/ECS`; Application Auto
Scaling. Stopped tasks are kept for about an hour only (ECS Developer Guide), so they are taken at
once, for the whole cluster, and shared by its services.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from cockpit import clock
from cockpit.connect.aws.answer import answer_into
from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.session import AwsReads, Series
from cockpit.errors import BlindError, Reason
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Probe
from cockpit.triage.target import Target
from probes.answers import Gap, absent, attempt, blind_series, gap_of, partly_blind
from probes.ecs import events, load, pauses, rest, rollout, starts, tasks, unlisted, view
from probes.ecs.answers import (
    ServiceRow,
    SubnetZoneRow,
    TaskDefinitionRow,
)
from probes.ecs.begun import STEADY
from probes.ecs.code_deploy import code_deployments
from probes.ecs.history import history
from probes.ecs.listed import live, stopped
from probes.ecs.logs import logs
from probes.ecs.model import (
    Scaling,
    Service,
    Snapshot,
    TaskDefinition,
    name_of,
)
from probes.ecs.previous import before_code_deploy, previous_of
from probes.ecs.read import (
    definition_of,
    deployment_of,
    events_of,
    scaling_of,
    service_of,
    task_set_of,
)
from probes.ecs.settings import Settings
from probes.metrics import NO_DATA, query
from probes.scaling import ActivityRow, activities, scaled
from probes.silence import silence

_GONE = "ECS_SERVICE_DRAINING_OR_GONE"


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Read the service, then all that explains it at once; only the service itself is a must."""
    settings = target.settings
    assert isinstance(settings, AwsResource)
    at = clock.now()
    cluster = settings.cluster or "default"
    try:
        row = await aws.item("ecs", "DescribeServices", key=name_of(settings.id), cluster=cluster)
    except BlindError as error:
        raise _gone(error) from error
    snapshot = replace(_counted(answer_into(row, ServiceRow), cluster), at=at)
    return await _explained(aws, snapshot, cluster)


def _gone(error: BlindError) -> BlindError:
    """There is no such service: nothing runs its tasks, unless the name is misspelled here."""
    return absent(
        error,
        _GONE,
        severity=Severity.CRITICAL,
        hint=error.hint or "check the service's name and cluster in the configuration",
    )


def _counted(row: ServiceRow, cluster: str) -> Snapshot:
    service = service_of(row, cluster)
    deployments = tuple(map(deployment_of, row.deployments))
    if service.controller != "ECS" and not deployments:
        deployments = tuple(map(task_set_of, row.task_sets))
    primary = next((each for each in deployments if each.status == "PRIMARY"), None)
    return Snapshot(
        at=clock.now(),
        service=service,
        desired=row.desired_count,
        running=row.running_count,
        pending=row.pending_count,
        deployments=deployments,
        primary=primary,
        events=events_of(row),
    )


async def _explained(aws: AwsReads, snapshot: Snapshot, cluster: str) -> Snapshot:
    gaps: list[Gap] = []
    service = snapshot.service
    stops, running, target, (cpu, memory) = await asyncio.gather(
        attempt(gaps, "stopped tasks", stopped(aws, service, cluster, gaps=gaps), otherwise=()),
        attempt(gaps, "running tasks", live(aws, snapshot, cluster), otherwise=None),
        attempt(gaps, "auto scaling", _scaling(aws, service), otherwise=None),
        attempt(gaps, "metrics", _metrics(aws, service), otherwise=(NO_DATA, NO_DATA)),
    )
    gaps.extend(blind_series({"CPUUtilization": cpu, "MemoryUtilization": memory}))
    full = replace(snapshot, stopped=stops, tasks=running, scaling=target, cpu=cpu, memory=memory)
    if tasks.in_one_zone(full):
        found = await attempt(gaps, "zones of subnets", _zones(aws, service), otherwise=None)
        full = replace(full, subnet_zones=found)
    if rollout.in_progress(full):
        full = await _with_history(aws, full, gaps)
        full = await _with_definitions(aws, full, gaps)
    full = replace(full, below_since=_below_since(full))
    return replace(full, gaps=tuple(gaps))


async def _zones(aws: AwsReads, service: Service) -> tuple[str, ...] | None:
    """The zones of the service's subnets."""
    rows = await asyncio.gather(
        *(aws.item("ec2", "DescribeSubnets", key=subnet) for subnet in service.subnets)
    )
    return tuple(answer_into(row, SubnetZoneRow).availability_zone for row in rows)


async def _scaling(aws: AwsReads, service: Service) -> Scaling | None:
    """The service's scalable target, and what scaling failed at last."""
    resource = f"service/{service.cluster}/{service.name}"
    mine, policies = await scaled(aws, "ecs", lambda name: name == resource)
    if not mine:
        return None
    done = await activities(aws, "ecs", resource, MaxResults=10)
    newest = done[0] if done else ActivityRow()
    message = newest.status_message or newest.description
    failed = newest.status_code == "Failed"
    return replace(scaling_of(mine[0], policies), failed_activity=message if failed else "")


async def _metrics(aws: AwsReads, service: Service) -> tuple[Series, Series]:
    cluster, name = service.cluster, service.name
    space = "AWS/ECS"
    cpu = query(space, "CPUUtilization", "Average", ClusterName=cluster, ServiceName=name)
    memory = query(space, "MemoryUtilization", "Maximum", ClusterName=cluster, ServiceName=name)
    series = await aws.metrics((cpu, memory), minutes=185)
    return series.get(cpu, NO_DATA), series.get(memory, NO_DATA)


async def _with_history(aws: AwsReads, snapshot: Snapshot, gaps: list[Gap]) -> Snapshot:
    """What was deployed here before, and with it the revision to go back to."""
    known, theirs = await asyncio.gather(
        attempt(gaps, "deployments", history(aws, snapshot.service), otherwise=None),
        attempt(gaps, "CodeDeploy", code_deployments(aws, snapshot), otherwise=None),
    )
    snapshot = replace(snapshot, history=known, code_deployments=theirs)
    primary = snapshot.primary
    if primary is None:
        return snapshot
    code_deploy = next((each for each in theirs or () if each.open), None)
    found = (
        before_code_deploy(primary.task_definition, code_deploy)
        if code_deploy
        else previous_of(primary.task_definition, known or (), snapshot.deployments)
    )
    under_way = next((each for each in known or () if each.open), None)
    return replace(
        snapshot,
        code_deploy=code_deploy,
        under_way=under_way,
        paused=under_way.paused if under_way else None,
        previous_task_definition=found.task_definition,
        previous_known_by=found.known_by,
    )


async def _with_definitions(aws: AwsReads, snapshot: Snapshot, gaps: list[Gap]) -> Snapshot:
    """The PRIMARY's revision and the one to go back to, when that one still can be used."""
    primary = snapshot.primary
    if primary is None or not primary.task_definition:
        return snapshot
    definition, previous = await asyncio.gather(
        attempt(gaps, "task definition", _definition(aws, primary.task_definition), otherwise=None),
        _previous(aws, snapshot.previous_task_definition, gaps),
    )
    usable = previous is not None and previous.status != "INACTIVE"
    return replace(
        snapshot,
        definition=definition,
        previous=previous,
        previous_task_definition=snapshot.previous_task_definition if usable else "",
        previous_known_by=snapshot.previous_known_by if usable else "",
    )


async def _definition(aws: AwsReads, arn: str) -> TaskDefinition | None:
    answer = await aws.read(
        "ecs", "DescribeTaskDefinition", expect="taskDefinition", taskDefinition=arn
    )
    return definition_of(answer_into(answer["taskDefinition"], TaskDefinitionRow))


async def _previous(aws: AwsReads, arn: str, gaps: list[Gap]) -> TaskDefinition | None:
    """None without one, and for one that AWS has not any more, which is no gap."""
    if not arn:
        return None
    try:
        return await _definition(aws, arn)
    except BlindError as error:
        if error.reason not in {Reason.MISSING, Reason.MISCONFIGURED}:
            gaps.append(gap_of("previous task definition", error))
        return None


def _below_since(snapshot: Snapshot) -> datetime | None:
    """What this look alone can tell: the first stop after the newest steady state."""
    if snapshot.running >= tasks.floor(snapshot):
        return None
    steady = next((e.at for e in snapshot.events if STEADY in e.message), None)
    after = [stop.stopped_at for stop in snapshot.stopped if steady and stop.stopped_at > steady]
    return min(after, default=None)


def since(before: Snapshot, now: Snapshot) -> Snapshot:
    """Carry over what one look cannot know: since when tasks are missing, and since when it stands
    at this stage.

    A service that was short already at the first look has been for an unknown time: None stays.
    """
    now = replace(now, stage_since=_stage_since(before, now))
    if now.running >= tasks.floor(now):
        return replace(now, below_since=None)
    if before.running < tasks.floor(before):
        return replace(now, below_since=before.below_since or now.below_since)
    return replace(now, below_since=now.below_since or now.at)


def _stage_since(before: Snapshot, now: Snapshot) -> datetime | None:
    was, is_ = before.under_way, now.under_way
    if is_ is None or was is None or was.arn != is_.arn:
        return None
    same = (was.stage, was.asked) == (is_.stage, is_.asked)
    return before.stage_since if same else now.at


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Report the service, its stopped tasks, its deployments and its load."""
    gone = list(rest.service_gone(snapshot))
    yield from gone
    if not gone:
        yield from tasks.counts(snapshot, settings)
        yield from tasks.crashes(snapshot, settings)
        yield from tasks.memory_kills(snapshot, settings)
        yield from starts.pull_failures(snapshot, settings)
        yield from starts.init_failures(snapshot, settings)
        yield from tasks.health_kills(snapshot, settings)
        yield from tasks.stops_by_user(snapshot, settings)
        yield from tasks.spot_interruptions(snapshot, settings)
        yield from tasks.zones(snapshot)
        yield from rollout.deployments(snapshot, settings)
        yield from pauses.paused(snapshot, settings)
        yield from starts.placement(snapshot, settings)
        yield from unlisted.not_started(snapshot, settings)
        yield from unlisted.ended_otherwise(snapshot, settings)
        yield from unlisted.retired(snapshot, settings)
        yield from unlisted.unhealthy(snapshot, settings)
        yield from events.failing_events(snapshot, settings)
        yield from rest.unsteady(snapshot, settings)
        yield from load.load(snapshot, settings)
        yield from load.scaling(snapshot)
        if load.established(snapshot):
            external = snapshot.service.launch_type == "EXTERNAL"  # on hosts that AWS cannot see
            began = None if external else snapshot.service.created_at
            yield from silence({"CPUUtilization": snapshot.cpu}, snapshot.at, since=began)
    yield from partly_blind("ECS_OBS_BLIND", snapshot.gaps)


KIND = aws_kind("ecs_service", "ecs", needs_cluster=True)

PROBE = Probe(
    id="ecs.service",
    kind="ecs_service",
    collect=collect,
    diagnose=diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=15,
    timeout=12,
    steady=True,
    facts=view.facts,
    tables=view.tables,
    changes=view.changes,
    since=since,
    twice=False,
    logs=logs,
    needs=(
        "ecs:DescribeServices",
        "ecs:ListTasks",
        "ecs:DescribeTasks",
        "ecs:DescribeTaskDefinition",
        "ecs:ListServiceDeployments",
        "ecs:DescribeServiceDeployments",
        "ecs:DescribeServiceRevisions",
        "codedeploy:GetDeployment",
        "codedeploy:BatchGetDeploymentTargets",
        "application-autoscaling:DescribeScalableTargets",
        "application-autoscaling:DescribeScalingPolicies",
        "application-autoscaling:DescribeScalingActivities",
        "ec2:DescribeSubnets",
        "cloudwatch:GetMetricData",
        "logs:FilterLogEvents",
        "logs:GetLogEvents",
        # steps of its runbooks
        "cloudtrail:LookupEvents",
        "route53resolver:GetResolverDnssecConfig",
    ),
    codes=codes(
        cause=(
            "ECS_CRASH_LOOP",
            "ECS_TASK_OOM",
            "ECS_IMAGE_PULL_FAILED",
            "ECS_RESOURCE_INIT_FAILED",
            "ECS_PLACEMENT_FAILED",
            "ECS_TASK_NOT_STARTED",
            "ECS_DEPLOYMENT_FAILED",
            "ECS_DEPLOYMENT_STUCK",
            "ECS_TASKS_STOPPED_BY_USER",
            "ECS_SPOT_INTERRUPTED",
            _GONE,
            "ECS_AUTOSCALING_FAILED",
        ),
        event=("ECS_TASKS_RETIRED",),
        either=(
            "ECS_TASKS_ENDED_OTHERWISE",
            "ECS_EVENT_FAILING",
            "ECS_NO_STEADY_STATE",
            "ECS_CPU_SATURATED",
            "ECS_MEMORY_HIGH",
            "ECS_AUTOSCALING_AT_MAX",
            "ECS_AUTOSCALING_SUSPENDED",
        ),
        symptom=(
            "ECS_SERVICE_DOWN",
            "ECS_TASKS_BELOW_DESIRED",
            "ECS_HEALTH_CHECK_KILLS",
            "ECS_TASKS_UNHEALTHY",
        ),
        risk=("ECS_DEPLOYMENT_RECENT", "ECS_DEPLOYMENT_PAUSED", "ECS_SINGLE_TASK", "ECS_ONE_AZ"),
        eye=("METRIC_STALE", "METRIC_NEVER", "ECS_OBS_BLIND"),
        traits={
            Trait.HANGS: ("METRIC_STALE",),
            Trait.CEILING: ("ECS_AUTOSCALING_AT_MAX",),
            Trait.LOAD: ("ECS_CPU_SATURATED", "ECS_MEMORY_HIGH", "ECS_AUTOSCALING_AT_MAX"),
            Trait.SLOW_BURN: ("ECS_TASK_OOM", "ECS_MEMORY_HIGH"),
            Trait.BY_RELEASE: ("ECS_CRASH_LOOP", "ECS_TASK_OOM", "ECS_DEPLOYMENT_STUCK"),
        },
    ),
)
