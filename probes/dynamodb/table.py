"""One DynamoDB table: is it there, is it throttled and why, does its capacity carry the demand.

Source: DynamoDB `DescribeTable`, CloudWatch `AWS/DynamoDB`, Application Auto Scaling. The reason
metrics are asked for only where something was throttled: they are eight series a table and index.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace

from cockpit import clock
from cockpit.connect.aws.answer import answer_into
from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.session import AwsReads, MetricQuery, Series
from cockpit.errors import BlindError
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Probe
from cockpit.triage.target import Target
from probes.answers import Gap, absent, attempt, blind_series, partly_blind
from probes.began import seen_to_turn
from probes.dynamodb import capacity, state, throttles, traffic, view
from probes.dynamodb.bulk import bulk_of
from probes.dynamodb.insights import with_insights
from probes.dynamodb.model import (
    KEPT,
    ON_DEMAND,
    REASONS,
    Activity,
    Lane,
    Operation,
    ReasonCount,
    ScalingTarget,
    Snapshot,
    demand,
    suggested,
    throttled,
)
from probes.dynamodb.read import DynamoTableRow, activity_of, scaling_target_of, table_of
from probes.dynamodb.settings import Settings
from probes.metrics import NO_DATA, is_blind, query, settled, total
from probes.scaling import activities, scaled

_SPACE = "AWS/DynamoDB"
_OPERATIONS = (
    "GetItem",
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "Query",
    "Scan",
    "BatchGetItem",
    "BatchWriteItem",
    "TransactGetItems",
    "TransactWriteItems",
)
_IDLE = tuple(Operation(name=name) for name in _OPERATIONS)
"""Minutes: three hours, and what is not whole yet."""
_MISSING = "DDB_TABLE_NOT_ACTIVE"

Metrics = Mapping[MetricQuery, Series]


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Read the table, then its metrics and its scaling at once; only the table is a must."""
    settings = target.settings
    assert isinstance(settings, AwsResource)
    at = clock.now()
    name = settings.id.rpartition("table/")[2]
    try:
        answer = await aws.read("dynamodb", "DescribeTable", expect="Table", TableName=name)
    except BlindError as error:
        raise _absent(error) from error
    snapshot = table_of(answer_into(answer["Table"], DynamoTableRow), at)
    gaps: list[Gap] = []
    (targets, activities), measured = await asyncio.gather(
        attempt(gaps, "auto scaling", _scaling(aws, snapshot), otherwise=((), ())),
        attempt(gaps, "metrics", _measured(aws, snapshot), otherwise=snapshot),
    )
    full = await _with_reasons(aws, measured, gaps)
    full = await attempt(gaps, "Contributor Insights", with_insights(aws, full), otherwise=full)
    full = replace(full, bulk=await attempt(gaps, "bulk puts", bulk_of(aws, full), otherwise=()))
    gaps.extend(blind_series({f"{lane.name} throttles": lane.throttles for lane in full.lanes}))
    gaps.extend(blind_series({f"{lane.name} consumption": lane.consumed for lane in full.lanes}))
    return replace(_counted(full), scaling=targets, activities=activities, gaps=tuple(gaps))


def _absent(error: BlindError) -> BlindError:
    """There is no such table: every request of its callers fails, unless the name is misspelled
    here.
    """
    return absent(
        error,
        _MISSING,
        severity=Severity.CRITICAL,
        hint=error.hint or "check the table's name and region in the configuration",
    )


async def _measured(aws: AwsReads, snapshot: Snapshot) -> Snapshot:
    """The snapshot with its series: three hours of traffic, latency and errors, and of lanes."""
    table = snapshot.table
    wanted: list[MetricQuery] = [query(_SPACE, "UserErrors", "Sum")]
    for lane in snapshot.lanes:
        wanted += [_consumed(table, lane), _throttles(table, lane)]
    wanted += [_replication(table, replica.region) for replica in snapshot.replicas]
    series = await aws.metrics(wanted, minutes=KEPT)
    lanes = tuple(_lane(lane, table, series) for lane in snapshot.lanes)
    return replace(
        snapshot,
        user_errors=series.get(wanted[0], NO_DATA),
        lanes=lanes,
        operations=await _operations(aws, table) if any(map(_in_use, lanes)) else _IDLE,
        replicas=tuple(
            replace(each, latency=series.get(_replication(table, each.region), NO_DATA))
            for each in snapshot.replicas
        ),
    )


def _in_use(lane: Lane) -> bool:
    """Whether anybody used it in these hours, as far as one can tell."""
    seen = (lane.consumed, lane.throttles)
    return any(is_blind(each) or any(each.values) for each in seen)


async def _operations(aws: AwsReads, table: str) -> tuple[Operation, ...]:
    """Each operation with its series: they are most of what a table could be asked for, and of most
    operations there are none. Latency and errors only of those that were answered in these hours.
    """
    counts = {name: _of_operation(table, name)[0] for name in _OPERATIONS}
    asked = await aws.metrics(tuple(counts.values()), minutes=KEPT, rest=True)
    used = [name for name, each in counts.items() if asked.get(each, NO_DATA).values]
    wanted = [each for name in used for each in _of_operation(table, name)[1:]]
    series = {**asked, **await aws.metrics(wanted, minutes=KEPT, rest=True)}
    return tuple(_operation(table, name, series) for name in _OPERATIONS)


def _lane(lane: Lane, table: str, series: Metrics) -> Lane:
    return replace(
        lane,
        consumed=series.get(_consumed(table, lane), NO_DATA),
        throttles=series.get(_throttles(table, lane), NO_DATA),
    )


def _operation(table: str, name: str, series: Metrics) -> Operation:
    requests, latency, errors = _of_operation(table, name)
    return Operation(
        name=name,
        requests=series.get(requests, NO_DATA),
        latency=series.get(latency, NO_DATA),
        system_errors=series.get(errors, NO_DATA),
    )


def _of_lane(name: str, table: str, index: str) -> MetricQuery:
    """A table's series excludes its indexes, which have their own."""
    if not index:
        return query(_SPACE, name, "Sum", TableName=table)
    return query(_SPACE, name, "Sum", TableName=table, GlobalSecondaryIndexName=index)


def _consumed(table: str, lane: Lane) -> MetricQuery:
    return _of_lane(f"Consumed{lane.direction.capitalize()}CapacityUnits", table, lane.index)


def _throttles(table: str, lane: Lane) -> MetricQuery:
    return _of_lane(f"{lane.direction.capitalize()}ThrottleEvents", table, lane.index)


def _reason(table: str, lane: Lane, reason: str) -> MetricQuery:
    return _of_lane(f"{lane.direction.capitalize()}{reason}ThrottleEvents", table, lane.index)


def _of_operation(table: str, name: str) -> tuple[MetricQuery, MetricQuery, MetricQuery]:
    latency = "SuccessfulRequestLatency"
    return (
        query(_SPACE, latency, "SampleCount", TableName=table, Operation=name),
        query(_SPACE, latency, "Average", TableName=table, Operation=name),
        query(_SPACE, "SystemErrors", "Sum", TableName=table, Operation=name),
    )


def _replication(table: str, region: str) -> MetricQuery:
    return query(_SPACE, "ReplicationLatency", "Average", TableName=table, ReceivingRegion=region)


async def _with_reasons(aws: AwsReads, snapshot: Snapshot, gaps: list[Gap]) -> Snapshot:
    """Ask why, for the lanes in which something was throttled in the last minutes."""
    hurt = [lane for lane in snapshot.lanes if throttled(lane, snapshot.at)]
    if not hurt:
        return snapshot
    table = snapshot.table
    wanted = [_reason(table, lane, reason) for lane in hurt for reason in REASONS]
    empty: Metrics = {}
    series = await attempt(
        gaps, "throttling reasons", aws.metrics(wanted, minutes=15), otherwise=empty
    )
    lanes = []
    for lane in snapshot.lanes:
        counts = [
            (reason, total(settled(series.get(_reason(table, lane, reason), NO_DATA), snapshot.at)))
            for reason in REASONS
        ]
        known = tuple(ReasonCount(reason=name, events=events) for name, events in counts if events)
        lanes.append(replace(lane, reasons=known or None) if lane in hurt else lane)
    return replace(snapshot, lanes=tuple(lanes))


def _counted(snapshot: Snapshot) -> Snapshot:
    """The snapshot with the sums that runbook steps capture."""
    lanes = {lane.direction: lane for lane in snapshot.lanes if not lane.index}
    read, write = lanes["read"], lanes["write"]
    wanted_read, wanted_write = demand(read, snapshot.at), demand(write, snapshot.at)
    return replace(
        snapshot,
        demand_read=wanted_read,
        demand_write=wanted_write,
        suggested_read=suggested(wanted_read, snapshot.read_capacity),
        suggested_write=suggested(wanted_write, snapshot.write_capacity),
        throttles_read=throttled(read, snapshot.at),
        throttles_write=throttled(write, snapshot.at),
    )


async def _scaling(
    aws: AwsReads, snapshot: Snapshot
) -> tuple[tuple[ScalingTarget, ...], tuple[Activity, ...]]:
    """The table's scaling and what it did last; an on-demand table has none worth reading."""
    if snapshot.billing_mode == ON_DEMAND:
        return (), ()
    mine, policies = await scaled(aws, "dynamodb", lambda name: _is_of(name, snapshot.table))
    if not mine:
        return (), ()
    resource = f"table/{snapshot.table}"
    done = await activities(
        aws, "dynamodb", resource, IncludeNotScaledActivities=True, MaxResults=20
    )
    told = tuple(each for each in map(activity_of, done) if each)
    known = (scaling_target_of(row, policies) for row in mine)
    return tuple(each for each in known if each), told


def _is_of(resource: str, table: str) -> bool:
    """Whether it is the table itself or one of its indexes."""
    return resource == f"table/{table}" or resource.startswith(f"table/{table}/index/")


def since(before: Snapshot, now: Snapshot) -> Snapshot:
    """Carry over since when the status is what it is: DynamoDB does not tell."""
    if before.status != now.status:
        return replace(now, status_since=now.at, turned=seen_to_turn(before.at, now.at))
    return replace(now, status_since=before.status_since or before.at, turned=before.turned)


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Report the table, its lanes, its operations, and what could not be looked at."""
    yield from state.status(snapshot, settings)
    yield from throttles.throttles(snapshot, settings)
    yield from capacity.capacity(snapshot, settings)
    yield from capacity.scaling(snapshot, settings)
    yield from traffic.system_errors(snapshot, settings)
    yield from traffic.latency(snapshot, settings)
    yield from traffic.user_errors(snapshot, settings)
    yield from state.replication(snapshot, settings)
    yield from traffic.traffic(snapshot, settings)
    yield from partly_blind("DDB_OBS_BLIND", snapshot.gaps)


KIND = aws_kind("dynamodb_table", "ddb")

PROBE = Probe(
    id="dynamodb.table",
    kind="dynamodb_table",
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
    needs=(
        "dynamodb:DescribeTable",
        "dynamodb:DescribeContributorInsights",
        "dynamodb:ListBulkOperations",
        "dynamodb:DescribeBulkOperation",
        "application-autoscaling:DescribeScalableTargets",
        "application-autoscaling:DescribeScalingPolicies",
        "application-autoscaling:DescribeScalingActivities",
        "cloudwatch:GetMetricData",
    ),
    codes=codes(
        cause=(
            "DDB_THROTTLED_PROVISIONED",
            "DDB_HOT_PARTITION",
            "DDB_WARM_THROUGHPUT",
            "DDB_ACCOUNT_LIMIT",
            "DDB_ON_DEMAND_CAP",
            "DDB_GSI_THROTTLED",
            "DDB_SYSTEM_ERRORS",
            _MISSING,
            "DDB_REPLICATION_DELAYED",
        ),
        either=("DDB_CAPACITY_HIGH", "DDB_AUTOSCALING_BLOCKED", "DDB_LATENCY_HIGH"),
        symptom=("DDB_USER_ERRORS_RISING", "DDB_TRAFFIC_STOPPED"),
        eye=("DDB_STATUS_UNKNOWN", "DDB_OBS_BLIND"),
        traits={
            Trait.TAKES_A_LIMIT: ("DDB_ACCOUNT_LIMIT",),
            Trait.LOAD: (
                "DDB_THROTTLED_PROVISIONED",
                "DDB_WARM_THROUGHPUT",
                "DDB_ON_DEMAND_CAP",
                "DDB_GSI_THROTTLED",
                "DDB_CAPACITY_HIGH",
                "DDB_LATENCY_HIGH",
            ),
            Trait.SAYS_DROP: ("DDB_TRAFFIC_STOPPED",),
        },
    ),
)
