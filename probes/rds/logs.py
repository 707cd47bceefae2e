"""Where RDS puts the logs that it exports to CloudWatch Logs.

Source: RDS User Guide, "Publishing database logs to Amazon CloudWatch Logs"
(`/aws/rds/instance/NAME/LOG`, `/aws/rds/cluster/NAME/LOG`). What is not exported is on the instance
only, and to fetch it there costs the instance: it is not read.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import field

from cockpit.connect.aws.answer import Answer, GivenText, answer_into
from cockpit.connect.session import AwsReads
from cockpit.logs.source import LogSource
from cockpit.text import SafeText
from cockpit.triage.target import Target
from probes.rds.model import Snapshot

_FIRST = ("error", "postgresql", "slowquery", "general")
"""What tells of errors before what tells of statements."""


class ExportingInstance(Answer, frozen=True):
    """Which logs an instance exports."""

    of = "rds.DBInstance"
    id: GivenText = field(name="DBInstanceIdentifier")
    exports: tuple[SafeText, ...] = field(name="EnabledCloudwatchLogsExports", default=())


class ExportingCluster(Answer, frozen=True):
    """Which logs a cluster exports."""

    of = "rds.DBCluster"
    id: GivenText = field(name="DBClusterIdentifier")
    exports: tuple[SafeText, ...] = field(name="EnabledCloudwatchLogsExports", default=())


async def logs(aws: AwsReads, snapshot: Snapshot, target: Target) -> tuple[LogSource, ...]:
    """The exported logs. Raises `BlindError`."""
    if snapshot.kind == "cluster":
        answer = await aws.item("rds", "DescribeDBClusters", key=snapshot.id)
        cluster = answer_into(answer, ExportingCluster)
        return tuple(_sources(f"cluster/{cluster.id}", cluster.exports))
    row = await aws.item("rds", "DescribeDBInstances", key=snapshot.id)
    instance = answer_into(row, ExportingInstance)
    return tuple(_sources(f"instance/{instance.id}", instance.exports))


def _sources(whose: str, exports: tuple[str, ...]) -> Iterator[LogSource]:
    order = {name: place for place, name in enumerate(_FIRST)}
    for each in sorted(exports, key=lambda name: order.get(name, len(order))):
        yield LogSource(group=f"/aws/rds/{whose}/{each}", label=f"{each} log")
    if not exports:
        why = "it exports no log to CloudWatch Logs"
        yield LogSource(group="", label=whose, why=why)
