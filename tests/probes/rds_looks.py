"""Looks at databases of RDS, in short words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cockpit.connect.session import Series
from cockpit.triage.finding import Severity
from probes.rds import status as rds
from probes.rds.model import GIB, DbCluster, Instance, RdsEvent, RdsReplication, Snapshot
from probes.rds.settings import Settings
from tests.probes.fake_aws import AT, ago, minutes

CRITICAL, HIGH, WARNING, INFO = (
    Severity.CRITICAL,
    Severity.HIGH,
    Severity.WARNING,
    Severity.INFO,
)


def flow(each: float) -> Series:
    return minutes(*[each] * 9)


def instance(name: str = "orders", **changes: Any) -> Instance:
    base = Instance(
        id=name,
        status="available",
        db_class="db.r5.large",
        engine="postgres",
        multi_az=True,
        allocated=100 * GIB,
        maximum=1000 * GIB,
        maintenance_window="sat:02:00-sat:04:00",
    )
    return replace(base, **changes)


def snapshot(*instances: Instance, **changes: Any) -> Snapshot:
    base = Snapshot(
        at=AT,
        id="orders",
        kind="instance",
        status="available",
        engine="postgres",
        writer="orders",
        instances=instances or (instance(),),
    )
    return replace(base, **changes)


def cluster(**changes: Any) -> DbCluster:
    base = DbCluster(id="shop", status="available", members=("shop-1", "shop-2"), writer="shop-1")
    return replace(base, **changes)


def aurora(own: DbCluster, *instances: Instance, **changes: Any) -> Snapshot:
    members = instances or (
        instance("shop-1", engine="aurora-postgresql", writer=True),
        instance("shop-2", engine="aurora-postgresql", writer=False),
    )
    return snapshot(*members, id="shop", kind="cluster", cluster=own, **changes)


def found(look: Snapshot, settings: Settings | None = None) -> list[tuple[str, Severity]]:
    return [(f.code, f.severity) for f in rds.diagnose(look, settings or Settings())]


def event(message: str, source: str = "orders", **span: float) -> RdsEvent:
    return RdsEvent(at=ago(**span), source=source, message=message)


STARTED, DONE = "Multi-AZ instance failover started.", "Multi-AZ instance failover completed."


FAILED = "Cluster failover failed, check the health of your cluster instances and try again."


def broken(**changes: Any) -> RdsReplication:
    return RdsReplication(
        **{"normal": False, "status": "error", "message": "log is gone", **changes}
    )


CONNECTIONS = "RDS_CONNECTIONS_HIGH"
