"""What a look at an RDS instance or cluster holds.

Source: RDS User Guide, "Viewing DB instance status". Statuses are free text: what is in no table
is unknown, never fine.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import datetime

from cockpit.connect.session import Series
from cockpit.triage.together import InZone
from probes.answers import Gap
from probes.metrics import NO_DATA

INSTANCE = "instance"
CLUSTER = "cluster"
GIB = 1024**3

OK = frozenset(
    {
        "available",
        "backing-up",
        "storage-optimization",
        "storage-config-upgrade",
        "storage-initialization",
        "configuring-enhanced-monitoring",
        "configuring-iam-database-auth",
        "configuring-log-exports",
        "configuring-associated-roles",
        "modifying",
        "converting-to-vpc",
        "moving-to-vpc",
        "update-iam-db-auth",
    }
)
MOVING = frozenset(
    {
        "creating",
        "starting",
        "stopping",
        "rebooting",
        "renaming",
        "resetting-master-credentials",
        "maintenance",
        "upgrading",
        "backtracking",
        "delete-precheck",
        "failing-over",
        "migrating",
        "promoting",
    }
)
SLOW = frozenset({"upgrading", "maintenance"})
BAD = frozenset(
    {
        "failed",
        "stopped",
        "deleting",
        "storage-full",
        "restore-error",
        "insufficient-capacity",
        "incompatible-network",
        "incompatible-option-group",
        "incompatible-parameters",
        "incompatible-restore",
        "incompatible-create",
        "inaccessible-encryption-credentials",
        "inaccessible-encryption-credentials-recoverable",
        "cloning-failed",
        "migration-failed",
    }
)


KEPT = 185
"""Minutes of each metric that are read: three hours, and what is late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A modification that waits for the window or a reboot."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterGroup:
    """`status`: in-sync, applying, pending-reboot, pending-database-upgrade, failed-to-apply."""

    name: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RdsReplication:
    """RDS's word on a replica: one of `StatusInfos`."""

    normal: bool
    status: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageVolume:
    """A volume besides the first one, which no metric of free space covers. Sizes are bytes."""

    name: str
    status: str
    """AWS's word: ACTIVE, VOLUME-FULL and others; empty: not told."""
    allocated: int | None = None
    maximum: int | None = None
    """Where storage autoscaling stops; None: no storage autoscaling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One DB instance. Sizes are bytes."""

    id: str
    status: str
    db_class: str = ""
    engine: str = ""
    writer: bool | None = None
    """In a cluster: whether it takes writes; None outside of one, or not known."""
    zone: str = ""
    multi_az: bool = False
    percent: str = ""
    """Progress of a storage change; empty: none."""
    allocated: int | None = None
    maximum: int | None = None
    """Where storage autoscaling stops; None: no storage autoscaling."""
    allocated_gib: int | None = None
    """Both in the unit of RDS: steps compare them with what a person types."""
    maximum_gib: int | None = None
    iops: int | None = None
    throughput: int | None = None
    """Bytes a second that a gp3 volume may move; None: not told."""
    storage_type: str = ""
    volumes: tuple[StorageVolume, ...] = ()
    volumes_told: str = ""
    """AWS's words on which volume is the trouble; empty: none."""
    source: str = ""
    """The instance that this one replicates; empty: none."""
    primary: str = ""
    """Host name of the instance that has the primary role now, which AWS knows without DNS; empty:
    this one has it, or it is not told."""
    pending: tuple[Pending, ...] = ()
    parameter_groups: tuple[ParameterGroup, ...] = ()
    replication: tuple[RdsReplication, ...] = ()
    ca_valid_till: datetime | None = None
    secret_status: str = ""
    """Of the managed master secret: active, creating, rotating, impaired; empty: none."""
    maintenance_window: str = ""
    backup_window: str = ""
    insights: bool | None = None
    """Whether Performance Insights is on, which publishes the load."""
    restorable_until: datetime | None = None
    """The newest moment that a restore to a point in time can reach; None: backups are off, or it
    is not told."""
    created_at: datetime | None = None
    metrics: dict[str, Series] = field(default_factory=dict)

    @property
    def aurora(self) -> bool:
        """Aurora keeps its storage in the cluster."""
        return self.engine.startswith("aurora")

    def series(self, name: str) -> Series:
        """All points of a metric; none when it was not asked for."""
        return self.metrics.get(name, NO_DATA)


@dataclass(frozen=True, slots=True, kw_only=True)
class DbCluster:
    """An Aurora or Multi-AZ DB cluster."""

    id: str
    status: str
    engine: str = ""
    members: tuple[str, ...] = ()
    writer: str = ""
    """The member that takes writes; empty: none."""
    headless: bool = False
    """A secondary of a global database, a replica or a Limitless cluster: it has no writer by
    design.
    """
    arn: str = ""
    in_global: bool = False
    """It belongs to a global database, or may."""
    role_unknown: bool = False
    """Whether it is that one's primary could not be read."""
    serverless_v1: bool = False
    maximum_capacity: float | None = None
    """Serverless v2, ACU."""
    minimum_capacity: float | None = None
    pending: tuple[Pending, ...] = ()
    maintenance_window: str = ""
    restorable_until: datetime | None = None
    """The newest moment that a restore to a point in time can reach; None: backups are off, or it
    is not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RdsEvent:
    """One line of RDS's own history. There is no id but the text."""

    at: datetime
    source: str
    message: str
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingMaintenance:
    """What AWS will do to the resource."""

    resource: str
    action: str
    description: str = ""
    apply_at: datetime | None = None
    """None: optional, no date."""
    forced_at: datetime | None = None
    """When it is applied whatever the window says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at an instance, or at a cluster with its instances."""

    at: datetime
    id: str
    kind: str
    """`instance` or `cluster`."""
    status: str
    engine: str = ""
    cluster: DbCluster | None = None
    writer: str = ""
    """Id of the instance that takes writes; empty when there is none or it is not known."""
    instances: tuple[Instance, ...] = ()
    events: tuple[RdsEvent, ...] = ()
    """Of the last day, newest first, without backups."""
    maintenance: tuple[PendingMaintenance, ...] = ()
    max_connections: dict[str, int] = field(default_factory=dict)
    """Instance → limit, as its parameter group sets it; an instance that is not here has the
    engine's default."""
    volume_left: Series = NO_DATA
    """Bytes until the volume of an Aurora MySQL cluster is at its largest size."""
    status_since: dict[str, datetime] = field(default_factory=dict)
    """Instance or cluster → since when it has its status, as far as the cockpit saw."""
    turned: dict[str, datetime] = field(default_factory=dict)
    """The same of those alone that looks saw come into their status."""
    gaps: tuple[Gap, ...] = ()

    def in_zones(self) -> tuple[InZone, ...]:
        """Its instances; sick are those in a state that serves nobody."""
        return tuple(
            InZone(each.id, each.zone, each.status.lower() in BAD)
            for each in self.instances
            if each.zone
        )


_SIZE = re.compile(r"^db\.([a-z0-9-]+)\.(?:(\d*)x)?(nano|micro|small|medium|large)")
_T_MEMORY = {"micro": 1, "small": 2, "medium": 4, "large": 8}
_PER_LARGE = {"m": 8, "r": 16, "c": 4, "x": 32, "z": 16}


def memory_of(db_class: str) -> int | None:
    """Nominal bytes of memory of an instance class; None when the class is not a common one."""
    found = _SIZE.match(db_class)
    if found is None:
        return None
    family, times, size = found[1], found[2], found[3]
    factor = 1 if times is None else 2 * int(times or 1)
    if family.startswith("t"):
        base = _T_MEMORY.get(size)
    else:
        base = _PER_LARGE.get(family[0]) if size == "large" else None
    return None if base is None else base * factor * GIB


def processors_of(db_class: str) -> int | None:
    """The vCPUs of an instance class; None when the class is not a common one."""
    found = _SIZE.match(db_class)
    if found is None or found[3] == "nano":
        return None
    return 2 if found[2] is None else 4 * int(found[2] or 1)


SERVERLESS = "db.serverless"
_ACU = 2 * GIB
_CAPPED = 2000
"""Connections of a Serverless v2 instance that may shrink to half an ACU, or to nothing."""


def default_connections(instance: Instance, cluster: DbCluster | None = None) -> int | None:
    """The engine's default `max_connections`, by the nominal memory of the class; of Serverless v2
    by the largest capacity of its cluster.

    An upper estimate: the engine sees less memory than is nominal (RDS User Guide, "Quotas and
    constraints", "Maximum number of database connections"; Aurora User Guide, "Maximum connections
    to an Aurora MySQL DB instance" and "… for Aurora Serverless v2"). None for engines and classes
    whose formula is not known here.
    """
    memory = memory_of(instance.db_class)
    most = 16_000
    if instance.db_class == SERVERLESS and cluster is not None and cluster.maximum_capacity:
        memory = int(cluster.maximum_capacity * _ACU)
        least = cluster.minimum_capacity
        most = _CAPPED if least is not None and least <= 0.5 else most
    if memory is None:
        return None
    if "postgres" in instance.engine:
        return min(memory // 9_531_392, 5000, most)
    if instance.engine in {"aurora-mysql", "aurora"}:
        small, large = (round(math.log2(memory / each)) for each in (805_306_368, 8_187_281_408))
        return min(max(45 * small, 1000 * large), most)
    if instance.engine in {"mysql", "mariadb"}:
        return min(math.floor(memory / 12_582_880), 16_000)
    return None


def is_replica(instance: Instance) -> bool:
    """It follows another instance: a read replica, or a reader of a cluster."""
    return bool(instance.source) or instance.writer is False
