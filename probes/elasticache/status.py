"""One ElastiCache resource: replication group, single node, Memcached or serverless cache.

Source: ElastiCache `DescribeReplicationGroups`, `DescribeCacheClusters`, `DescribeEvents`,
`DescribeServerlessCaches`, `DescribeUpdateActions`; CloudWatch `AWS/ElastiCache`. `available` says
nothing of reachability: that only the `redis` and `memcached` probes can tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

from cockpit import clock
from cockpit.connect.aws.answer import answer_into, answers_into
from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.session import AwsReads, MetricQuery
from cockpit.errors import BlindError, Reason
from cockpit.triage.finding import Finding
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Probe
from cockpit.triage.target import Target
from probes.answers import Gap, at_two_paces, attempt, blind_series, partly_blind
from probes.began import seen_to_turn
from probes.day_events import day_of_events
from probes.elasticache import across, load, model, state, view
from probes.elasticache.logs import logs
from probes.elasticache.model import CacheEvent, Node, Snapshot, Update
from probes.elasticache.read import (
    CacheClusterRow,
    CacheEventRow,
    ReplicationGroupRow,
    ServerlessRow,
    UpdateRow,
    cluster_of,
    event_of,
    group_of,
    member_status,
    serverless_of,
    update_of,
)
from probes.elasticache.settings import Settings
from probes.metrics import NO_DATA, query
from probes.silence import silence

_SPACE = "AWS/ElastiCache"


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Read the resource, then its nodes, events, updates and metrics; only itself is a must."""
    settings = target.settings
    assert isinstance(settings, AwsResource)
    snapshot = await _found(aws, settings.id)
    gaps: list[Gap] = []
    nodes, events, updates, lag = await asyncio.gather(
        _nodes(aws, snapshot, gaps),
        attempt(gaps, "events", _events(aws, snapshot), otherwise=()),
        attempt(gaps, "service updates", _updates(aws, snapshot), otherwise=()),
        attempt(gaps, "metrics", across.lag_of(aws, snapshot), otherwise=NO_DATA),
    )
    gaps.extend(blind_series({across.LAG: lag}))
    full = replace(snapshot, nodes=nodes, events=events, updates=updates, global_lag=lag)
    full = await attempt(gaps, "metrics", _measured(aws, full), otherwise=full)
    for node in full.nodes:
        gaps.extend(blind_series({f"{node.name} {k}": v for k, v in node.metrics.items()}))
    return replace(full, gaps=tuple(gaps))


async def _found(aws: AwsReads, name: str) -> Snapshot:
    """The resource: by the kind that its ARN names, else the first kind that has the name."""
    looks = {
        "replicationgroup": _replication_group,
        "cluster": _cache_cluster,
        "serverlesscache": _serverless_cache,
    }
    kind = name.split(":")[5] if name.startswith("arn:") and name.count(":") >= 6 else ""
    if kind in looks:
        return await looks[kind](aws, name.rpartition(":")[2])
    missing: BlindError | None = None
    for look in (_replication_group, _cache_cluster):
        try:
            return await look(aws, name)
        except BlindError as error:
            if error.reason is not Reason.MISSING:
                raise
            missing = missing or error
    assert missing is not None
    try:
        return await _serverless_cache(aws, name)
    except BlindError as error:
        # where the operation does not exist, no cache of that kind does
        if error.reason in {Reason.MISSING, Reason.UNSUPPORTED}:
            raise missing from None
        what = f"{missing.message}; whether it is a serverless cache is not known: {error.message}"
        raise BlindError(error.reason, what, hint=error.hint) from None


async def _replication_group(aws: AwsReads, name: str) -> Snapshot:
    row = await aws.item("elasticache", "DescribeReplicationGroups", key=name)
    return group_of(answer_into(row, ReplicationGroupRow), clock.now())


async def _cache_cluster(aws: AwsReads, name: str) -> Snapshot:
    row = await aws.item("elasticache", "DescribeCacheClusters", key=name, ShowCacheNodeInfo=True)
    return cluster_of(answer_into(row, CacheClusterRow), clock.now())


async def _serverless_cache(aws: AwsReads, name: str) -> Snapshot:
    rows = await aws.pages("elasticache", "DescribeServerlessCaches", key="ServerlessCaches")
    for row in answers_into(rows, ServerlessRow):
        if row.serverless_cache_name.lower() == name.lower():
            return serverless_of(row, clock.now())
    raise BlindError(Reason.MISSING, f"there is no cache named {name}")


async def _nodes(aws: AwsReads, snapshot: Snapshot, gaps: list[Gap]) -> tuple[Node, ...]:
    """The members of a replication group with their status; other kinds have it already."""
    if snapshot.kind != model.GROUP:
        return snapshot.nodes
    return tuple(await asyncio.gather(*(_member(aws, node, gaps) for node in snapshot.nodes)))


async def _member(aws: AwsReads, node: Node, gaps: list[Gap]) -> Node:
    row = await attempt(
        gaps,
        f"node {node.name}",
        aws.item("elasticache", "DescribeCacheClusters", key=node.id, ShowCacheNodeInfo=True),
        otherwise={},
    )
    if not row:
        return node
    found = answer_into(row, CacheClusterRow)
    return replace(node, status=member_status(found), created_at=found.cache_cluster_create_time)


async def _events(aws: AwsReads, snapshot: Snapshot) -> tuple[CacheEvent, ...]:
    """The day's events of the resource and its nodes."""
    own = {node.id: "cache-cluster" for node in snapshot.nodes}
    own[snapshot.id] = snapshot.kind.replace(" ", "-")  # as ElastiCache calls sources of events
    rows = await day_of_events(aws, "elasticache", own.items())
    names = {snapshot.id.lower(), *(node.id.lower() for node in snapshot.nodes)}
    found = map(event_of, answers_into(rows, CacheEventRow))
    mine = [event for event in found if event is not None and event.source.lower() in names]
    return tuple(sorted(mine, key=lambda event: event.at, reverse=True))


async def _updates(aws: AwsReads, snapshot: Snapshot) -> tuple[Update, ...]:
    """The service updates that are meant for this resource."""
    if snapshot.kind == model.SERVERLESS:
        return ()
    rows = await aws.pages("elasticache", "DescribeUpdateActions", key="UpdateActions")
    return tuple(
        update_of(row)
        for row in answers_into(rows, UpdateRow)
        if snapshot.id in {row.replication_group_id, row.cache_cluster_id}
    )


async def _measured(aws: AwsReads, snapshot: Snapshot) -> Snapshot:
    """The nodes with three hours of their metrics."""
    names = _metric_names(snapshot)
    wanted = {
        (node.name, name): _of_node(snapshot, node, name, stat=stat)
        for node in snapshot.nodes
        for name, stat in names.items()
    }
    rest = names.keys() - model.pulse(snapshot, names)
    series = await at_two_paces(aws, tuple(wanted.values()), rest, minutes=model.KEPT)
    nodes = tuple(
        replace(
            node,
            metrics={name: series.get(wanted[node.name, name], NO_DATA) for name in names},
        )
        for node in snapshot.nodes
    )
    return replace(snapshot, nodes=nodes)


def _metric_names(snapshot: Snapshot) -> dict[str, str]:
    if snapshot.kind == model.SERVERLESS:
        return model.SERVERLESS_METRICS
    if snapshot.engine.lower() == "memcached":
        own = {name: stat for name, stat in model.NODE_METRICS.items() if name not in _REDIS_ONLY}
        return {**own, **model.MEMCACHED_METRICS}
    return {**model.NODE_METRICS, **model.REDIS_METRICS}


_REDIS_ONLY = {"EngineCPUUtilization", "DatabaseMemoryUsagePercentage"}


def _of_node(snapshot: Snapshot, node: Node, name: str, *, stat: str) -> MetricQuery:
    if snapshot.kind == model.SERVERLESS:
        return query(_SPACE, name, stat, clusterId=node.id)
    return query(_SPACE, name, stat, CacheClusterId=node.id, CacheNodeId=node.node_id)


def since(before: Snapshot, now: Snapshot) -> Snapshot:
    """Carry over since when the status is what it is: ElastiCache does not tell."""
    if before.status != now.status:
        return replace(now, status_since=now.at, turned=seen_to_turn(before.at, now.at))
    return replace(now, status_since=before.status_since or before.at, turned=before.turned)


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Report the control plane, the nodes' load, and what could not be looked at."""
    yield from state.status(snapshot, settings)
    yield from state.failover(snapshot, settings)
    yield from state.resilience(snapshot)
    yield from state.shards(snapshot)
    yield from state.updates(snapshot, settings)
    yield from load.load(snapshot, settings)
    yield from across.behind(snapshot, settings)
    if snapshot.status.lower() == "available" and snapshot.kind != model.SERVERLESS:
        for each in snapshot.nodes:
            always = {f"CurrConnections of {each.name}": each.series("CurrConnections")}
            yield from silence(always, snapshot.at, since=each.created_at)
    yield from partly_blind("CACHE_OBS_BLIND", snapshot.gaps)


KIND = aws_kind("elasticache", "cache")

PROBE = Probe(
    id="elasticache.status",
    kind="elasticache",
    collect=collect,
    diagnose=diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=30,
    timeout=12,
    facts=view.facts,
    tables=view.tables,
    changes=view.changes,
    since=since,
    twice=False,
    logs=logs,
    needs=(
        "elasticache:DescribeReplicationGroups",
        "elasticache:DescribeCacheClusters",
        "elasticache:DescribeServerlessCaches",
        "elasticache:DescribeEvents",
        "elasticache:DescribeUpdateActions",
        "cloudwatch:GetMetricData",
        "logs:FilterLogEvents",
        "logs:GetLogEvents",
    ),
    codes=codes(
        cause=(
            "CACHE_UNAVAILABLE",
            "CACHE_IN_TRANSITION",
            "CACHE_SHARD_DEGRADED",
            "CACHE_MEMORY_HIGH",
            "CACHE_EVICTIONS_RISING",
            "CACHE_NETWORK_LIMITED",
            "CACHE_REPLICA_LINK_DOWN",
            "CACHE_AUTH_FAILURES",
            "CACHE_SERVERLESS_THROTTLED",
        ),
        event=("CACHE_FAILOVER_RECENT",),
        either=(
            "CACHE_HIT_RATE_DROP",
            "CACHE_CPU_HIGH",
            "CACHE_CONNECTIONS_HIGH",
            "CACHE_CONNECTION_CHURN",
            "CACHE_GLOBAL_LAG",
            "CACHE_REPLICA_LAG",
        ),
        risk=("CACHE_NO_FAILOVER", "CACHE_UPDATE_DUE"),
        eye=("METRIC_STALE", "METRIC_NEVER", "CACHE_STATUS_UNKNOWN", "CACHE_OBS_BLIND"),
        traits={
            Trait.HANGS: ("METRIC_STALE",),
            Trait.LOAD: (
                "CACHE_CPU_HIGH",
                "CACHE_CONNECTIONS_HIGH",
                "CACHE_CONNECTION_CHURN",
                "CACHE_SERVERLESS_THROTTLED",
            ),
            Trait.COLD: (
                "CACHE_UNAVAILABLE",
                "CACHE_FAILOVER_RECENT",
                "CACHE_EVICTIONS_RISING",
                "CACHE_HIT_RATE_DROP",
            ),
        },
    ),
)
