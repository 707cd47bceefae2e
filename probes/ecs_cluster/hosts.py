"""One ECS cluster: do its hosts take tasks, is there room, and where do new hosts come from.

Source: ECS `DescribeClusters`, `ListContainerInstances`, `DescribeContainerInstances` (with their
health, which is told only when it is asked for), `DescribeCapacityProviders`. No metrics: what is
reserved and left is in the answers. A cluster on Fargate alone has no hosts to look at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

from cockpit import clock
from cockpit.connect.aws.answer import answer_into, answers_into
from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Probe
from cockpit.triage.target import Target
from probes.answers import Gap, absent, attempt, partly_blind
from probes.ecs_cluster import container_instances, room, view
from probes.ecs_cluster.model import CapacityProvider, ContainerInstance, Snapshot
from probes.ecs_cluster.read import (
    ClusterRow,
    HostRow,
    ProviderRow,
    host_of,
    provider_of,
    snapshot_of,
)
from probes.ecs_cluster.settings import Settings

_AT_ONCE = 100
"""Container instances a call."""
_MOST = 5000
"""The quota of container instances of a cluster."""
_SERVERLESS = frozenset({"FARGATE", "FARGATE_SPOT"})
_NOT_ACTIVE = "ECS_CLUSTER_NOT_ACTIVE"


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Read the cluster, then its hosts and providers; only the cluster itself is a must."""
    settings = target.settings
    assert isinstance(settings, AwsResource)
    at = clock.now()
    try:
        row = await aws.item(
            "ecs", "DescribeClusters", key=settings.id, include=["ATTACHMENTS", "SETTINGS"]
        )
    except BlindError as error:
        raise _absent(error) from error
    look = snapshot_of(answer_into(row, ClusterRow), at)
    gaps: list[Gap] = []
    nothing: tuple[ContainerInstance, ...] | None = None
    found, providers = await asyncio.gather(
        attempt(gaps, "container instances", _hosts(aws, look), otherwise=nothing),
        attempt(gaps, "capacity providers", _providers(aws, look), otherwise=()),
    )
    return replace(look, hosts=found, providers=providers, gaps=tuple(gaps))


def _absent(error: BlindError) -> BlindError:
    """There is no such cluster, unless the name is misspelled here."""
    return absent(
        error,
        _NOT_ACTIVE,
        severity=Severity.CRITICAL,
        hint=error.hint or "check the cluster's name and region in the configuration",
    )


async def _hosts(aws: AwsReads, look: Snapshot) -> tuple[ContainerInstance, ...] | None:
    """Its container instances with their health; none is asked for where none is registered."""
    if not look.registered:
        return ()
    arns = await aws.pages(
        "ecs", "ListContainerInstances", key="containerInstanceArns", most=_MOST, cluster=look.name
    )
    answers = await asyncio.gather(
        *(
            aws.read(
                "ecs",
                "DescribeContainerInstances",
                expect="containerInstances",
                cluster=look.name,
                containerInstances=list(arns[start : start + _AT_ONCE]),
                include=["CONTAINER_INSTANCE_HEALTH"],
            )
            for start in range(0, len(arns), _AT_ONCE)
        )
    )
    rows = (row for a in answers for row in answers_into(a["containerInstances"], HostRow))
    return tuple(sorted(map(host_of, rows), key=lambda host: host.arn))


async def _providers(aws: AwsReads, look: Snapshot) -> tuple[CapacityProvider, ...]:
    names = [name for name in look.provider_names if name not in _SERVERLESS][:100]
    if not names:
        return ()
    answer = await aws.read(
        "ecs", "DescribeCapacityProviders", expect="capacityProviders", capacityProviders=names
    )
    return tuple(map(provider_of, answers_into(answer["capacityProviders"], ProviderRow)))


def since(before: Snapshot, now: Snapshot) -> Snapshot:
    """Carry over since when agents are away, hosts drain, and tasks are pending: what was so at the
    first look has been at least since then.
    """
    was = {host.arn: host for host in before.hosts or ()}
    found = None
    if now.hosts is not None:
        found = tuple(_kept(was.get(host.arn), host, before, now) for host in now.hosts)
    waited = before.pending_since or (before.at if before.pending else now.at)
    return replace(now, hosts=found, pending_since=waited if now.pending else None)


def _kept(
    was: ContainerInstance | None, host: ContainerInstance, before: Snapshot, now: Snapshot
) -> ContainerInstance:
    away = drains = None
    if not host.connected:
        gone = was is not None and not was.connected
        first = (was.away_since if was is not None else None) or before.at if gone else now.at
        away = min(filter(None, (host.away_since, first)))
    if host.status == "DRAINING":
        began = was is not None and was.status == "DRAINING"
        first = (was.draining_since if was is not None else None) or before.at if began else now.at
        drains = first
    return replace(host, away_since=away, draining_since=drains)


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Report the cluster, then its hosts, then the room that is left and who should bring more."""
    yield from room.standing(snapshot, settings)
    yield from container_instances.nowhere(snapshot, settings)
    yield from container_instances.disconnected(snapshot, settings)
    yield from container_instances.impaired(snapshot, settings)
    yield from container_instances.leaving(snapshot, settings)
    yield from container_instances.unknown(snapshot, settings)
    yield from room.pending(snapshot, settings)
    yield from room.full(snapshot, settings)
    yield from room.providers(snapshot, settings)
    yield from partly_blind("ECS_OBS_BLIND", snapshot.gaps)


KIND = aws_kind("ecs_cluster", "ecs")

PROBE = Probe(
    id="ecs_cluster.hosts",
    kind="ecs_cluster",
    collect=collect,
    diagnose=diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=30,
    timeout=15,
    facts=view.facts,
    tables=view.tables,
    since=since,
    twice=False,
    needs=(
        "ecs:DescribeClusters",
        "ecs:ListContainerInstances",
        "ecs:DescribeContainerInstances",
        "ecs:DescribeCapacityProviders",
    ),
    codes=codes(
        cause=(
            _NOT_ACTIVE,
            "ECS_NO_HOSTS",
            "ECS_HOST_IMPAIRED",
            "ECS_HOST_NOT_REGISTERED",
            "ECS_CAPACITY_PROVIDER_FAILED",
        ),
        event=("ECS_HOST_DRAINING",),
        either=("ECS_AGENT_DISCONNECTED", "ECS_CLUSTER_FULL"),
        symptom=("ECS_TASKS_PENDING",),
        eye=("ECS_STATUS_UNKNOWN", "ECS_OBS_BLIND"),
        traits={Trait.LOAD: ("ECS_CLUSTER_FULL",)},
    ),
)
