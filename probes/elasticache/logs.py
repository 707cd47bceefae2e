"""Where a cache sends its engine log and its slow log.

Source: ElastiCache User Guide, "Log delivery" (CloudWatch Logs or a delivery stream).
"""

from __future__ import annotations

from cockpit.connect.aws.answer import Answer, answer_into
from cockpit.connect.session import AwsReads
from cockpit.logs.source import LogSource
from cockpit.text import SafeText
from cockpit.triage.target import Target
from probes.elasticache import model
from probes.elasticache.model import Snapshot


class CacheLogGroup(Answer, frozen=True):
    """A log group."""

    log_group: SafeText = ""


class CacheLogDestination(Answer, frozen=True):
    """A log group, or a delivery stream, which is not read."""

    cloud_watch_logs_details: CacheLogGroup = CacheLogGroup()


class CacheLogDelivery(Answer, frozen=True):
    """One of `LogDeliveryConfigurations[]`."""

    log_type: SafeText = ""
    status: SafeText = ""
    message: SafeText = ""
    destination_details: CacheLogDestination = CacheLogDestination()


class LoggingReplicationGroup(Answer, frozen=True):
    """A replication group by what it logs."""

    of = "elasticache.ReplicationGroup"
    log_delivery_configurations: tuple[CacheLogDelivery, ...] = ()


class LoggingCacheCluster(Answer, frozen=True):
    """A cluster by what it logs."""

    of = "elasticache.CacheCluster"
    log_delivery_configurations: tuple[CacheLogDelivery, ...] = ()


async def logs(aws: AwsReads, snapshot: Snapshot, target: Target) -> tuple[LogSource, ...]:
    """The logs that it delivers. Raises `BlindError`."""
    if snapshot.kind == model.GROUP:
        row = await aws.item("elasticache", "DescribeReplicationGroups", key=snapshot.id)
        told = answer_into(row, LoggingReplicationGroup).log_delivery_configurations
    elif snapshot.kind == model.CLUSTER:
        row = await aws.item(
            "elasticache", "DescribeCacheClusters", key=snapshot.id, ShowCacheNodeInfo=True
        )
        told = answer_into(row, LoggingCacheCluster).log_delivery_configurations
    else:
        told = ()
    if not told:
        why = "it delivers neither its engine log nor its slow log"
        return (LogSource(group="", label=snapshot.id, why=why),)
    return tuple(map(_source, told))


def _source(row: CacheLogDelivery) -> LogSource:
    group = row.destination_details.cloud_watch_logs_details.log_group
    why = "" if group else "it goes to a delivery stream"
    if row.status == "error":
        why = f"its delivery fails: {row.message or 'ElastiCache gives no reason'}"
    return LogSource(group=group, label=row.log_type, why=why)
