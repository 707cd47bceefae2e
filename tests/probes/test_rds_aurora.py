"""RDS: clusters and Aurora: who is behind, how many connections there may be, what storage is left."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cockpit import clock
from cockpit.connect.session import Series
from cockpit.runbooks.library import library
from cockpit.triage.finding import Severity
from probes.rds import status as rds
from probes.rds.model import GIB, Snapshot, default_connections
from tests.probes.fake_aws import AT, FakeAws, ago, target
from tests.probes.rds_looks import (
    CONNECTIONS,
    CRITICAL,
    WARNING,
    aurora,
    cluster,
    flow,
    found,
    instance,
    snapshot,
)

TIB = 1024 * GIB
SHOP = target("rds", "shop")


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


def answers(engine: str, **own: Any) -> dict[str, Any]:
    def row(name: str) -> dict[str, Any]:
        return {
            "DBInstanceIdentifier": name,
            "DBInstanceStatus": "available",
            "Engine": engine,
            "DBInstanceClass": "db.r5.large",
            "InstanceCreateTime": ago(days=9),
            **own,
        }

    members = [
        {"DBInstanceIdentifier": name, "IsClusterWriter": name == "shop-1"}
        for name in ("shop-1", "shop-2")
    ]
    whole = {
        "DBClusterIdentifier": "shop",
        "Status": "available",
        "Engine": engine,
        "DBClusterMembers": members,
    }
    return {
        "rds.DescribeDBInstances": [row("shop-1"), row("shop-2")],
        "rds.DescribeDBClusters": [whole],
    }


async def look(engine: str, series: dict[str, Series], **own: Any) -> tuple[Snapshot, FakeAws]:
    aws = FakeAws(answers(engine, **own), series)
    return await rds.collect(aws, SHOP), aws


async def test_a_reader_of_a_multi_az_cluster_is_asked_how_far_it_is_behind() -> None:
    seen, aws = await look("postgres", {"ReplicaLag/shop-2": flow(400)})
    asked = {
        dict(q.dimensions)["DBInstanceIdentifier"] for q in aws.queries if q.name == "ReplicaLag"
    }
    assert asked == {"shop-2"}
    assert found(seen) == [("RDS_REPLICA_LAG", CRITICAL)]


@pytest.mark.parametrize(
    ("engine", "db_class", "capacity", "expected"),
    [
        ("aurora-mysql", "db.t3.medium", (), 90),
        ("aurora-mysql", "db.r5.large", (), 1000),
        ("aurora-mysql", "db.r5.xlarge", (), 2000),
        ("aurora-mysql", "db.r5.24xlarge", (), 7000),
        ("aurora-mysql", "db.serverless", (2, 8), 1000),
        ("aurora-mysql", "db.serverless", (0.5, 128), 2000),
        ("aurora-postgresql", "db.serverless", (2, 128), 5000),
        ("aurora-postgresql", "db.serverless", (0, 32), 2000),
        ("aurora-postgresql", "db.serverless", (), None),
    ],
)
def test_the_limit_of_connections_of_aurora_is_the_documented_one(
    engine: str, db_class: str, capacity: tuple[float, ...], expected: int | None
) -> None:
    least, most = capacity or (None, None)
    own = cluster(minimum_capacity=least, maximum_capacity=most)
    assert default_connections(instance(engine=engine, db_class=db_class), own) == expected


@pytest.mark.parametrize(
    ("engine", "db_class", "count", "expected"),
    [
        ("aurora-mysql", "db.r5.large", 990, CRITICAL),
        ("aurora-mysql", "db.r5.large", 790, None),
        ("aurora-postgresql", "db.serverless", 1900, CRITICAL),
    ],
)
def test_connections_of_aurora_are_compared_with_their_limit(
    engine: str, db_class: str, count: int, expected: Severity | None
) -> None:
    one = instance(
        "shop-1",
        engine=engine,
        db_class=db_class,
        writer=True,
        metrics={"DatabaseConnections": flow(count)},
    )
    shop = aurora(cluster(minimum_capacity=0.5, maximum_capacity=32), one)
    assert dict(found(shop)).get(CONNECTIONS) is expected


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        pytest.param(4 * GIB + 1, [], id="just above"),
        pytest.param(4 * GIB, [("RDS_LOCAL_STORAGE_LOW", WARNING)], id="little"),
        pytest.param(GIB, [("RDS_LOCAL_STORAGE_LOW", CRITICAL)], id="next to nothing"),
    ],
)
async def test_the_instances_own_storage_is_judged(
    free: float, expected: list[tuple[str, Severity]]
) -> None:
    seen, aws = await look("aurora-postgresql", {"FreeLocalStorage/shop-1": flow(free)})
    assert found(seen) == expected
    assert "FreeLocalStorage" in aws.rest


async def test_what_is_left_of_the_volume_is_asked_of_an_aurora_mysql_cluster() -> None:
    seen, aws = await look("aurora-mysql", {"AuroraVolumeBytesLeftTotal": flow(TIB)})
    assert found(seen) == [("RDS_STORAGE_LOW", WARNING)]
    (asked,) = (q for q in aws.queries if q.name == "AuroraVolumeBytesLeftTotal")
    assert asked.dimensions == (("DBClusterIdentifier", "shop"),)
    _, other = await look("aurora-postgresql", {})
    assert "AuroraVolumeBytesLeftTotal" not in {q.name for q in other.queries}


@pytest.mark.parametrize(("each", "expected"), [(54, [("RDS_IO_SATURATED", WARNING)]), (53, [])])
async def test_a_gp3_volume_is_judged_by_its_throughput(
    each: int, expected: list[tuple[str, Severity]]
) -> None:
    moved = flow(each * 1024**2)
    series = {"ReadThroughput/shop-1": moved, "WriteThroughput/shop-1": moved}
    seen, _ = await look("postgres", series, StorageType="gp3", StorageThroughput=125)
    told = list(rds.diagnose(seen, rds.PROBE.settings))
    assert [(f.code, f.severity) for f in told] == expected
    assert all("by its throughput" in f.summary for f in told)


@pytest.mark.parametrize(
    ("born", "asked", "expected"),
    [
        pytest.param(ago(days=9), AT, [("METRIC_NEVER", WARNING)], id="there for days"),
        pytest.param(ago(minutes=14), AT, [], id="new"),
        pytest.param(None, AT, [], id="since when is not told"),
        pytest.param(ago(days=9), None, [], id="nobody asked"),
    ],
)
def test_an_instance_that_never_published_is_told(
    born: Any, asked: Any, expected: list[tuple[str, Severity]]
) -> None:
    silent = replace(Series(), asked_at=asked)
    one = instance(created_at=born, metrics={"CPUUtilization": silent})
    assert found(snapshot(one)) == expected
    assert found(snapshot(replace(one, status="stopped"))) == [("RDS_INSTANCE_DOWN", CRITICAL)]


def test_each_has_its_runbook() -> None:
    assert library().best("RDS_LOCAL_STORAGE_LOW") == "rds-storage-full"
    assert library().best("METRIC_NEVER") == "metric"
