"""What was changed in a place (account and region): one look at every history that tells of it.

Source: CloudTrail `LookupEvents` (management events only: no object of S3, no invocation, no item;
typically 5, at most 15 minutes late); Auto Scaling, CloudFormation, CodeDeploy, Lambda, ECS
revisions and Route 53's own histories, which are fresher and have no actor. ECS, RDS, ElastiCache
and DynamoDB tell theirs by their own probes; what several tell of one event is shown once.

Traps: no change in here never means that nothing was changed: the last 15 minutes of CloudTrail are
not complete, and what was not read is told first. Git, pipelines and Kubernetes are not examined.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from cockpit import clock
from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.settings import ChangesSettings
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Probe
from cockpit.triage.target import Target
from probes.answers import Gap, attempt
from probes.changes import findings, view
from probes.changes.codedeploy import deployments
from probes.changes.earlier import before
from probes.changes.functions import functions
from probes.changes.model import Snapshot
from probes.changes.records import records
from probes.changes.releases import releases
from probes.changes.scaling import scaling
from probes.changes.settings import Settings
from probes.changes.stacks import stacks
from probes.changes.trail import memory_of, read_trail
from probes.trail import ApiEvent

Given = TypeVar("Given")
_TRAIL = "CloudTrail"
_SOURCES = {_TRAIL, "Auto Scaling", "CloudFormation", "CodeDeploy", "Lambda", "Route 53"}
_RIGHTS = "the role needs the rights of docs/rights.md, cloudtrail:LookupEvents first"


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Read every history; each that fails is a gap, and only all of them together are no look."""
    settings = target.settings
    assert isinstance(settings, ChangesSettings)
    at = clock.now()
    start = at - timedelta(hours=settings.hours)
    gaps: list[Gap] = []
    failed: list[Gap] = []

    def source(name: str, reading: Awaitable[Given], otherwise: Given) -> Awaitable[Given]:
        return attempt(failed, name, reading, otherwise=otherwise)

    told, scaled, moved, deployed, lambdas, named = await asyncio.gather(
        source(
            _TRAIL,
            read_trail(aws, at=at, hours=settings.hours, resource=settings.id, gaps=gaps),
            None,
        ),
        source("Auto Scaling", scaling(aws, start, gaps), ((), (), ())),
        source("CloudFormation", stacks(aws, start, gaps), ()),
        source("CodeDeploy", deployments(aws, start, at), ((), ())),
        source("Lambda", functions(aws, start), ((), (), ())),
        source("Route 53", records(aws, start, at), ()),
    )
    gaps += failed
    read = _SOURCES - {gap.what for gap in failed}
    if not read:
        raise _nothing(failed)
    snapshot = Snapshot(
        at=at,
        region=aws.region,
        trail=told,
        happenings=(*scaled[0], *deployed[1], *lambdas[0], *named),
        rollouts=(*scaled[1], *moved, *deployed[0], *lambdas[1]),
        groups=scaled[2],
        aliases=lambdas[2],
        sources=tuple(sorted(read)),
    )
    if told is not None:
        snapshot = await _explained(aws, snapshot, told.events, gaps, settings)
    return replace(snapshot, gaps=tuple(gaps))


async def _explained(
    aws: AwsReads,
    snapshot: Snapshot,
    events: tuple[ApiEvent, ...],
    gaps: list[Gap],
    settings: ChangesSettings,
) -> Snapshot:
    """What the newest calls changed, from what it was."""
    memory = memory_of(aws, settings.hours, settings.id)
    previous = await before(aws, memory, events, gaps)
    brought, moved = await releases(aws, events, gaps)
    return replace(snapshot, previous=previous, releases=brought, moved=moved)


def _nothing(gaps: list[Gap]) -> BlindError:
    """No history at all could be read: CloudTrail's reason stands for all."""
    first = next((gap for gap in gaps if gap.what == _TRAIL), gaps[0])
    return BlindError(
        Reason(first.reason),
        f"no history of changes could be read: {first.detail}",
        hint=_RIGHTS if first.reason == Reason.DENIED else first.hint,
    )


def lacks(snapshot: Snapshot) -> str:
    """Empty while CloudTrail tells."""
    return "" if snapshot.trail is not None else "CloudTrail"


KIND = aws_kind("changes", "chg", named=False, settings=ChangesSettings)

PROBE = Probe(
    id="changes.feed",
    kind="changes",
    collect=collect,
    diagnose=findings.diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=60,
    timeout=45,
    facts=view.facts,
    tables=view.tables,
    changes=view.changes,
    lacks=lacks,
    leads=True,
    needs=(
        "cloudtrail:LookupEvents",
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeScalingActivities",
        "autoscaling:DescribeInstanceRefreshes",
        "cloudformation:ListStacks",
        "cloudformation:DescribeStackEvents",
        "codedeploy:ListDeployments",
        "codedeploy:BatchGetDeployments",
        "lambda:ListFunctions",
        "lambda:GetFunctionConfiguration",
        "lambda:ListVersionsByFunction",
        "lambda:ListAliases",
        "route53:ListHostedZones",
        "route53:ListResourceRecordSetChanges",
        "ecs:ListServiceDeployments",
        "ecs:DescribeServiceDeployments",
        "ecs:DescribeServiceRevisions",
        "ecs:DescribeTaskDefinition",
        "cloudwatch:GetMetricData",
    ),
    codes=codes(
        cause=("DEPLOYMENT_FAILED", "DEPLOYMENT_STUCK", "ALIAS_SPLIT", "ASG_LAUNCH_FAILED"),
        event=(
            "CHANGE_IN_PROGRESS",
            "IMAGE_DIGEST_CHANGED",
            "BUCKET_POLICY_CHANGED",
            "STACK_ROLLED_BACK",
            "STACK_STUCK",
        ),
        risk=("SG_OPENED", "CHANGE_DENIED_BURST"),
        eye=("CHANGE_HISTORY_BLIND",),
        traits={Trait.BY_RELEASE: ("DEPLOYMENT_STUCK",)},
    ),
)
