"""RDS's answers: what is read of each row, and as which value of the model.

Source: RDS API reference (`DescribeDBInstances`, `DescribeDBClusters`, `DescribeEvents`,
`DescribePendingMaintenanceActions`, `DescribeDBParameters`). Users' names and endpoints are not
declared, so they are not kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec import field

from cockpit.connect.aws.answer import Answer, GivenText
from cockpit.text import SafeText
from probes.rds.model import (
    GIB,
    DbCluster,
    Instance,
    ParameterGroup,
    Pending,
    PendingMaintenance,
    RdsEvent,
    RdsReplication,
    StorageVolume,
)


class ParameterGroupRow(Answer, frozen=True):
    """The group's name and how far it is applied."""

    name: SafeText = field(name="DBParameterGroupName", default="")
    status: SafeText = field(name="ParameterApplyStatus", default="")


class StatusInfo(Answer, frozen=True):
    """RDS's word on a replica; absent `Normal` is not an alarm."""

    normal: bool = True
    status: SafeText = ""
    message: SafeText = ""


class CertificateRow(Answer, frozen=True):
    """The server's certificate."""

    valid_till: datetime | None = None


class MasterSecret(Answer, frozen=True):
    """The secret that RDS manages."""

    secret_status: SafeText = ""


class EndpointRow(Answer, frozen=True):
    """Where an instance is reached."""

    address: SafeText = ""


class VolumeRow(Answer, frozen=True):
    """A volume besides the first, of Oracle and SQL Server. Sizes are GiB."""

    volume_name: SafeText = ""
    storage_volume_status: SafeText = ""
    allocated_storage: int = 0
    max_allocated_storage: int | None = None


class InstanceRow(Answer, frozen=True):
    """One row of `DescribeDBInstances`."""

    of = "rds.DBInstance"

    id: GivenText = field(name="DBInstanceIdentifier")
    status: GivenText = field(name="DBInstanceStatus")
    db_class: SafeText = field(name="DBInstanceClass", default="")
    engine: SafeText = ""
    availability_zone: SafeText = ""
    multi_az: bool = field(name="MultiAZ", default=False)
    percent_progress: SafeText = ""
    allocated_storage: int = 0
    """GiB, as is the next."""
    max_allocated_storage: int = 0
    iops: int | None = None
    storage_throughput: int | None = None
    """MiB a second, of gp3 only."""
    instance_create_time: datetime | None = None
    storage_type: SafeText = ""
    storage_volume_status: SafeText = ""
    additional_storage_volumes: tuple[VolumeRow, ...] = ()
    source: SafeText = field(name="ReadReplicaSourceDBInstanceIdentifier", default="")
    endpoint: EndpointRow = EndpointRow()
    primary_endpoint: EndpointRow = EndpointRow()
    """Where the instance that is the primary now is reached: a replica tells that of its source."""
    pending_modified_values: dict[str, object] = field(default_factory=dict)
    parameter_groups: tuple[ParameterGroupRow, ...] = field(name="DBParameterGroups", default=())
    status_infos: tuple[StatusInfo, ...] = ()
    certificate_details: CertificateRow = CertificateRow()
    master_user_secret: MasterSecret = MasterSecret()
    preferred_maintenance_window: SafeText = ""
    preferred_backup_window: SafeText = ""
    performance_insights_enabled: bool | None = None
    latest_restorable_time: datetime | None = None


class ClusterMember(Answer, frozen=True):
    """An instance of a cluster."""

    id: GivenText = field(name="DBInstanceIdentifier")
    is_cluster_writer: bool = False


class Serverless(Answer, frozen=True):
    """Serverless v2, ACU."""

    max_capacity: float | None = None
    min_capacity: float | None = None


class DbClusterRow(Answer, frozen=True):
    """One row of `DescribeDBClusters`."""

    of = "rds.DBCluster"

    members: tuple[ClusterMember, ...] = field(name="DBClusterMembers")
    id: GivenText = field(name="DBClusterIdentifier")
    status: GivenText
    engine: SafeText = ""
    engine_mode: SafeText = ""
    replication_source_identifier: SafeText = ""
    arn: SafeText = field(name="DBClusterArn", default="")
    cluster_scalability_type: SafeText = ""
    global_cluster_identifier: SafeText = ""
    global_write_forwarding_status: SafeText = ""
    serverless: Serverless = field(name="ServerlessV2ScalingConfiguration", default=Serverless())
    pending_modified_values: dict[str, object] = field(default_factory=dict)
    preferred_maintenance_window: SafeText = ""
    latest_restorable_time: datetime | None = None


class GlobalMember(Answer, frozen=True):
    """A cluster of a global database."""

    arn: SafeText = field(name="DBClusterArn", default="")
    is_writer: bool = False


class GlobalClusterRow(Answer, frozen=True):
    """One row of `DescribeGlobalClusters`."""

    of = "rds.GlobalCluster"

    global_cluster_members: tuple[GlobalMember, ...] = ()


class RdsEventRow(Answer, frozen=True):
    """One row of `DescribeEvents`."""

    of = "rds.Event"

    date: datetime | None = None
    source_identifier: SafeText = ""
    message: SafeText = ""
    event_categories: tuple[SafeText, ...] = ()


class PendingActionRow(Answer, frozen=True):
    """What AWS will do, and when."""

    action: SafeText = ""
    description: SafeText = ""
    current_apply_date: datetime | None = None
    auto_applied_after_date: datetime | None = None
    forced_apply_date: datetime | None = None


class ResourceActions(Answer, frozen=True):
    """One row of `DescribePendingMaintenanceActions`."""

    of = "rds.ResourcePendingMaintenanceActions"

    resource_identifier: SafeText = ""
    details: tuple[PendingActionRow, ...] = field(
        name="PendingMaintenanceActionDetails", default=()
    )


class Parameter(Answer, frozen=True):
    """One row of `DescribeDBParameters`."""

    of = "rds.Parameter"

    parameter_name: SafeText = ""
    parameter_value: SafeText = ""


def instance_of(row: InstanceRow) -> Instance:
    """An instance, its sizes in bytes."""
    return Instance(
        id=row.id,
        status=row.status,
        db_class=row.db_class,
        engine=row.engine,
        zone=row.availability_zone,
        multi_az=row.multi_az,
        percent=row.percent_progress,
        allocated=row.allocated_storage * GIB or None,
        maximum=row.max_allocated_storage * GIB or None,
        allocated_gib=row.allocated_storage or None,
        maximum_gib=row.max_allocated_storage or None,
        iops=row.iops,
        throughput=(row.storage_throughput or 0) * 1024**2 or None,
        created_at=row.instance_create_time,
        storage_type=row.storage_type,
        volumes_told=row.storage_volume_status,
        volumes=tuple(map(_volume, row.additional_storage_volumes)),
        source=row.source,
        primary=_primary(row),
        pending=_pending(row.pending_modified_values),
        parameter_groups=tuple(
            ParameterGroup(name=each.name, status=each.status) for each in row.parameter_groups
        ),
        replication=tuple(
            RdsReplication(normal=each.normal, status=each.status, message=each.message)
            for each in row.status_infos
        ),
        ca_valid_till=row.certificate_details.valid_till,
        secret_status=row.master_user_secret.secret_status,
        maintenance_window=row.preferred_maintenance_window,
        backup_window=row.preferred_backup_window,
        insights=row.performance_insights_enabled,
        restorable_until=row.latest_restorable_time,
    )


def _volume(row: VolumeRow) -> StorageVolume:
    return StorageVolume(
        name=row.volume_name,
        status=row.storage_volume_status.upper(),
        allocated=row.allocated_storage * GIB or None,
        maximum=(row.max_allocated_storage or 0) * GIB or None,
    )


def _primary(row: InstanceRow) -> str:
    primary = row.primary_endpoint.address
    return primary if primary != row.endpoint.address else ""


_SECRET = "MasterUserPassword"  # noqa: S105 - the name of a member, whose value is never kept


def _pending(values: Mapping[str, object]) -> tuple[Pending, ...]:
    """Names with values; of a password only that it changes."""
    return tuple(
        Pending(name=name, value="changes" if name == _SECRET else _shown(value))
        for name, value in sorted(values.items())
        if value not in ("", [], {})
    )


def _shown(value: object) -> str:
    return str(value) if isinstance(value, str | int | float | bool) else "changes"


def cluster_of(row: DbClusterRow) -> DbCluster:
    """A cluster; its member list is the only truth for the writer."""
    forwarding = row.global_write_forwarding_status.lower()
    return DbCluster(
        id=row.id,
        status=row.status,
        engine=row.engine,
        members=tuple(each.id for each in row.members),
        writer=next((each.id for each in row.members if each.is_cluster_writer), ""),
        headless=bool(row.replication_source_identifier)
        or forwarding in {"enabled", "enabling"}
        or row.cluster_scalability_type.lower() == "limitless",
        arn=row.arn,
        in_global=bool(row.global_cluster_identifier or forwarding),
        serverless_v1=row.engine_mode == "serverless",
        maximum_capacity=row.serverless.max_capacity,
        minimum_capacity=row.serverless.min_capacity,
        pending=_pending(row.pending_modified_values),
        maintenance_window=row.preferred_maintenance_window,
        restorable_until=row.latest_restorable_time,
    )


def event_of(row: RdsEventRow) -> RdsEvent | None:
    """One event; None without a time."""
    if row.date is None:
        return None
    return RdsEvent(
        at=row.date,
        source=row.source_identifier,
        message=row.message,
        categories=tuple(each.lower() for each in row.event_categories),
    )


def maintenance_of(row: ResourceActions) -> tuple[PendingMaintenance, ...]:
    """The pending actions of one resource."""
    return tuple(
        PendingMaintenance(
            resource=row.resource_identifier.rpartition(":")[2],
            action=each.action,
            description=each.description,
            apply_at=each.current_apply_date or each.auto_applied_after_date,
            forced_at=each.forced_apply_date,
        )
        for each in row.details
    )
