"""One RDS instance or cluster at the control plane: status, events, storage, load, what is pending.

Source: RDS `DescribeDBInstances`, `DescribeDBClusters`, `DescribeEvents`, `DescribeDBParameters`,
`DescribePendingMaintenanceActions`; CloudWatch `AWS/RDS`. `available` says nothing of reachability:
only the `postgres` and `mysql` probes may say that. Green here and red there means network,
authentication, or a hang.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from cockpit import clock
from cockpit.connect.aws.answer import answer_into, answers_into
from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.session import AwsReads, MetricQuery, Series
from cockpit.errors import BlindError, Reason
from cockpit.triage.finding import Finding
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Probe
from cockpit.triage.target import Target
from probes.answers import Gap, at_two_paces, attempt, blind_series, partly_blind
from probes.began import seen_to_turn
from probes.day_events import day_of_events
from probes.metrics import NO_DATA, query
from probes.rds import aurora, load, model, state, storage, view
from probes.rds.aurora import LOCAL, VOLUME
from probes.rds.logs import logs
from probes.rds.model import KEPT, DbCluster, Instance, PendingMaintenance, RdsEvent, Snapshot
from probes.rds.read import (
    DbClusterRow,
    GlobalClusterRow,
    InstanceRow,
    Parameter,
    RdsEventRow,
    ResourceActions,
    cluster_of,
    event_of,
    instance_of,
    maintenance_of,
)
from probes.rds.recovery import points
from probes.rds.settings import Settings
from probes.silence import silence

_EVERY = {
    "DatabaseConnections": "Maximum",
    "CPUUtilization": "Average",
    "FreeableMemory": "Minimum",
    "SwapUsage": "Maximum",
    "ReadIOPS": "Average",
    "WriteIOPS": "Average",
    "DiskQueueDepth": "Average",
    "ReadLatency": "Average",
    "WriteLatency": "Average",
}
_PLAIN = {
    "FreeStorageSpace": "Minimum",
    "EBSIOBalance%": "Average",
    "EBSByteBalance%": "Average",
}
_AURORA = {
    "AuroraReplicaLag": "Maximum",
    "EngineUptime": "Minimum",
    "ACUUtilization": "Maximum",
    LOCAL: "Minimum",
}
_POSTGRES = {
    "MaximumUsedTransactionIDs": "Maximum",
    "TransactionLogsDiskUsage": "Maximum",
    "OldestReplicationSlotLag": "Maximum",
}
_REST = frozenset(
    {
        *("FreeableMemory", "SwapUsage"),
        *("ReadIOPS", "WriteIOPS", "DiskQueueDepth", "ReadLatency", "WriteLatency"),
        *("EBSIOBalance%", "EBSByteBalance%", "BurstBalance", "EngineUptime"),
        *("FreeStorageSpace", "TransactionLogsDiskUsage", "BinLogDiskUsage"),
        *("MaximumUsedTransactionIDs", "OldestReplicationSlotLag"),
        *(LOCAL, VOLUME, "ReadThroughput", "WriteThroughput"),
    }
)
"""Asked for every five minutes as long as connections, processor, lag and state are well."""


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Read the resource, then events, maintenance, limits and metrics; only itself is a must."""
    settings = target.settings
    assert isinstance(settings, AwsResource)
    snapshot = await _found(aws, settings.id, clock.now())
    gaps: list[Gap] = []
    snapshot = await _with_instances(aws, snapshot, gaps)
    events, maintenance, limits, measured, left = await asyncio.gather(
        attempt(gaps, "events", _events(aws, snapshot), otherwise=()),
        attempt(gaps, "pending maintenance", _maintenance(aws, snapshot), otherwise=()),
        _limits(aws, snapshot, gaps),
        attempt(gaps, "metrics", _measured(aws, snapshot.instances), otherwise=None),
        attempt(gaps, "metrics", _volume_left(aws, snapshot), otherwise=NO_DATA),
    )
    instances = measured if measured is not None else snapshot.instances
    for each in instances:
        gaps.extend(blind_series({f"{each.id} {name}": s for name, s in each.metrics.items()}))
    return replace(
        snapshot,
        instances=instances,
        events=events,
        maintenance=maintenance,
        max_connections=limits,
        volume_left=left,
        gaps=tuple(gaps),
    )


async def _found(aws: AwsReads, name: str, at: datetime) -> Snapshot:
    """The instance or the cluster: by the kind in its ARN, else the first that has the name."""
    if ":cluster:" in name:
        return await _cluster(aws, name, at)
    try:
        return await _instance(aws, name, at)
    except BlindError as missing:
        if missing.reason is not Reason.MISSING or ":db:" in name:
            raise
        try:
            return await _cluster(aws, name, at)
        except BlindError as error:
            raise (missing if error.reason is Reason.MISSING else error) from None


async def _instance(aws: AwsReads, name: str, at: datetime) -> Snapshot:
    row = await aws.item("rds", "DescribeDBInstances", key=name)
    instance = instance_of(answer_into(row, InstanceRow))
    return Snapshot(
        at=at,
        id=instance.id,
        kind=model.INSTANCE,
        status=instance.status,
        engine=instance.engine,
        writer="" if instance.source else instance.id,
        instances=(instance,),
    )


async def _cluster(aws: AwsReads, name: str, at: datetime) -> Snapshot:
    row = await aws.item("rds", "DescribeDBClusters", key=name)
    cluster = cluster_of(answer_into(row, DbClusterRow))
    if cluster.in_global and not cluster.writer and not cluster.headless:
        cluster = await _in_global(aws, cluster)
    return Snapshot(
        at=at,
        id=cluster.id,
        kind=model.CLUSTER,
        status=cluster.status,
        engine=cluster.engine,
        cluster=cluster,
        writer=cluster.writer,
    )


async def _in_global(aws: AwsReads, cluster: DbCluster) -> DbCluster:
    """The cluster with its role in its global database: a secondary has no writer by design."""
    try:
        rows = await aws.pages("rds", "DescribeGlobalClusters", key="GlobalClusters")
    except BlindError as error:
        if error.reason not in {Reason.DENIED, Reason.UNSUPPORTED}:
            raise
        return replace(cluster, role_unknown=True)
    members = [
        member
        for each in answers_into(rows, GlobalClusterRow)
        for member in each.global_cluster_members
    ]
    secondary = any(each.arn == cluster.arn and not each.is_writer for each in members)
    return replace(cluster, headless=secondary)


async def _with_instances(aws: AwsReads, snapshot: Snapshot, gaps: list[Gap]) -> Snapshot:
    """A cluster's members as instances; the member list is the only truth for the writer."""
    cluster = snapshot.cluster
    if cluster is None:
        return snapshot
    found = await asyncio.gather(*(_member(aws, name, gaps) for name in cluster.members))
    known = tuple(
        replace(each, writer=each.id == cluster.writer) for each in found if each is not None
    )
    return replace(snapshot, instances=known)


async def _member(aws: AwsReads, name: str, gaps: list[Gap]) -> Instance | None:
    row = await attempt(
        gaps, f"instance {name}", aws.item("rds", "DescribeDBInstances", key=name), otherwise=None
    )
    return None if row is None else instance_of(answer_into(row, InstanceRow))


async def _events(aws: AwsReads, snapshot: Snapshot) -> tuple[RdsEvent, ...]:
    """The day's events of the resource; those of backups are left out."""
    sources = {instance.id: "db-instance" for instance in snapshot.instances}
    if snapshot.cluster is not None:
        sources[snapshot.cluster.id] = "db-cluster"
    rows = await day_of_events(aws, "rds", sources.items())
    names = {snapshot.id, *sources}
    found = map(event_of, answers_into(rows, RdsEventRow))
    mine = [
        event
        for event in found
        if event is not None and event.source in names and "backup" not in event.categories
    ]
    return tuple(sorted(mine, key=lambda event: event.at, reverse=True))


async def _maintenance(aws: AwsReads, snapshot: Snapshot) -> tuple[PendingMaintenance, ...]:
    """What AWS plans for the resource, out of one list for the region."""
    rows = await aws.pages(
        "rds", "DescribePendingMaintenanceActions", key="PendingMaintenanceActions"
    )
    names = {snapshot.id, *(instance.id for instance in snapshot.instances)}
    actions = [
        action for row in answers_into(rows, ResourceActions) for action in maintenance_of(row)
    ]
    return tuple(action for action in actions if action.resource in names)


async def _limits(aws: AwsReads, snapshot: Snapshot, gaps: list[Gap]) -> dict[str, int]:
    """`max_connections` where a parameter group of our own sets it to a plain number."""
    groups = {
        group.name
        for instance in snapshot.instances
        for group in instance.parameter_groups
        if group.name and not group.name.startswith("default.")
    }
    names = sorted(groups)
    found = await asyncio.gather(*(_limit(aws, name, gaps) for name in names))
    known = dict(zip(names, found, strict=True))
    return {
        instance.id: limit
        for instance in snapshot.instances
        for group in instance.parameter_groups
        if (limit := known.get(group.name)) is not None
    }


async def _limit(aws: AwsReads, group: str, gaps: list[Gap]) -> int | None:
    rows = await attempt(
        gaps,
        "parameters",
        aws.pages(
            "rds",
            "DescribeDBParameters",
            key="Parameters",
            DBParameterGroupName=group,
            Source="user",
        ),
        otherwise=(),
    )
    limits = (
        row.parameter_value
        for row in answers_into(rows, Parameter)
        if row.parameter_name == "max_connections"
    )
    value = next(limits, "")
    return int(value) if value.isdigit() else None


def _names(instance: Instance) -> dict[str, str]:
    """The metrics that this engine publishes, with the statistic that means something."""
    names = dict(_EVERY)
    names |= _AURORA if instance.aurora else _PLAIN
    if "postgres" in instance.engine:
        names |= _POSTGRES
    if instance.engine in {"mysql", "mariadb"}:
        names["BinLogDiskUsage"] = "Maximum"
    if instance.source or (instance.writer is False and not instance.aurora):
        names["ReplicaLag"] = "Maximum"
    if instance.throughput:
        names |= {"ReadThroughput": "Average", "WriteThroughput": "Average"}
    if instance.storage_type == "gp2":
        names["BurstBalance"] = "Minimum"
    if instance.insights:
        names["DBLoad"] = "Average"
    return names


async def _measured(aws: AwsReads, instances: tuple[Instance, ...]) -> tuple[Instance, ...]:
    """The instances with three hours of their metrics."""
    wanted: dict[tuple[str, str], MetricQuery] = {
        (each.id, name): query("AWS/RDS", name, stat, DBInstanceIdentifier=each.id)
        for each in instances
        for name, stat in _names(each).items()
    }
    if not wanted:
        return instances
    series = await at_two_paces(aws, tuple(wanted.values()), _REST, minutes=KEPT)
    return tuple(
        replace(
            each,
            metrics={name: series.get(wanted[each.id, name], NO_DATA) for name in _names(each)},
        )
        for each in instances
    )


async def _volume_left(aws: AwsReads, snapshot: Snapshot) -> Series:
    if snapshot.engine not in {"aurora-mysql", "aurora"}:
        return NO_DATA
    asked = query("AWS/RDS", VOLUME, "Minimum", DBClusterIdentifier=snapshot.id)
    found = await aws.metrics((asked,), minutes=KEPT, rest=True)
    return found.get(asked, NO_DATA)


def since(before: Snapshot, now: Snapshot) -> Snapshot:
    """Carry over since when each status is what it is: RDS does not tell."""
    was, states = _states(before), _states(now)
    started = {
        name: before.status_since.get(name, before.at) if was.get(name) == status else now.at
        for name, status in states.items()
    }
    turned = {name: at for name, at in before.turned.items() if was.get(name) == states.get(name)}
    if moment := seen_to_turn(before.at, now.at):
        turned |= {
            name: moment for name, status in states.items() if was.get(name, status) != status
        }
    return replace(now, status_since=started, turned=turned)


def _states(snapshot: Snapshot) -> dict[str, str]:
    states = {each.id: each.status for each in snapshot.instances}
    states |= {f"{i.id} secret": i.secret_status for i in snapshot.instances if i.secret_status}
    if snapshot.cluster is not None:
        states[snapshot.cluster.id] = snapshot.cluster.status
    return states


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Report statuses, events, storage, load, pending things, and what could not be looked at."""
    yield from state.statuses(snapshot, settings)
    yield from state.failovers(snapshot, settings)
    yield from state.writer(snapshot)
    yield from state.resilience(snapshot)
    yield from state.restarts(snapshot, settings)
    yield from state.replication(snapshot)
    yield from storage.storage(snapshot, settings)
    yield from aurora.aurora(snapshot, settings)
    yield from load.load(snapshot, settings)
    yield from state.pending(snapshot)
    yield from state.maintenance(snapshot, settings)
    yield from state.credentials(snapshot, settings)
    for each in snapshot.instances:
        if each.status == "available":
            always = {f"CPUUtilization of {each.id}": each.series("CPUUtilization")}
            yield from silence(always, snapshot.at, since=each.created_at)
    yield from partly_blind("RDS_OBS_BLIND", snapshot.gaps)


KIND = aws_kind("rds", "rds")

PROBE = Probe(
    id="rds.status",
    kind="rds",
    collect=collect,
    diagnose=diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=30,
    timeout=12,
    facts=view.facts,
    tables=view.tables,
    changes=view.changes,
    points=points,
    since=since,
    twice=False,
    leads=True,
    logs=logs,
    needs=(
        "rds:DescribeDBInstances",
        "rds:DescribeDBClusters",
        "rds:DescribeEvents",
        "rds:DescribePendingMaintenanceActions",
        "rds:DescribeDBParameters",
        "rds:DescribeGlobalClusters",
        "cloudwatch:GetMetricData",
        "logs:FilterLogEvents",
        "logs:GetLogEvents",
    ),
    codes=codes(
        cause=(
            "RDS_INSTANCE_DOWN",
            "RDS_INSTANCE_IN_TRANSITION",
            "RDS_CLUSTER_NO_WRITER",
            "RDS_REPLICATION_BROKEN",
            "RDS_BURST_EXHAUSTED",
            "RDS_SECRET_IMPAIRED",
        ),
        event=("RDS_FAILOVER_RECENT", "RDS_RESTARTED"),
        either=(
            "RDS_IO_SATURATED",
            "RDS_CONNECTIONS_HIGH",
            "RDS_CPU_HIGH",
            "RDS_MEMORY_PRESSURE",
            "RDS_LOAD_HIGH",
            "RDS_REPLICA_LAG",
            "RDS_SERVERLESS_AT_MAX",
        ),
        symptom=("RDS_CONNECTIONS_COLLAPSED",),
        risk=(
            "RDS_NO_FAILOVER_TARGET",
            "RDS_STORAGE_LOW",
            "RDS_VOLUME_FULL",
            "RDS_LOCAL_STORAGE_LOW",
            "RDS_STORAGE_AUTOSCALE_BLOCKED",
            "RDS_TXID_WRAPAROUND",
            "RDS_MODIFICATION_PENDING",
            "RDS_PARAMETER_PENDING_REBOOT",
            "RDS_MAINTENANCE_PENDING",
            "RDS_CA_EXPIRING",
        ),
        eye=("RDS_STATUS_UNKNOWN", "RDS_PI_OFF", "METRIC_STALE", "METRIC_NEVER", "RDS_OBS_BLIND"),
        traits={
            Trait.HANGS: ("METRIC_STALE",),
            Trait.CEILING: ("RDS_SERVERLESS_AT_MAX",),
            Trait.LOAD: (
                "RDS_IO_SATURATED",
                "RDS_CONNECTIONS_HIGH",
                "RDS_CPU_HIGH",
                "RDS_LOAD_HIGH",
                "RDS_SERVERLESS_AT_MAX",
            ),
            Trait.SLOW_BURN: (
                "RDS_STORAGE_LOW",
                "RDS_VOLUME_FULL",
                "RDS_LOCAL_STORAGE_LOW",
                "RDS_CONNECTIONS_HIGH",
                "RDS_MEMORY_PRESSURE",
                "RDS_TXID_WRAPAROUND",
            ),
            Trait.SAYS_DROP: ("RDS_CONNECTIONS_COLLAPSED",),
            Trait.CAUSE_AT_CRITICAL: (
                "RDS_STORAGE_LOW",
                "RDS_VOLUME_FULL",
                "RDS_LOCAL_STORAGE_LOW",
                "RDS_STORAGE_AUTOSCALE_BLOCKED",
                "RDS_TXID_WRAPAROUND",
            ),
        },
    ),
)
