"""RDS: statuses, events, storage, load, replication, what is pending, and the traps."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from cockpit.connect.session import Series
from cockpit.runbooks.library import library
from cockpit.triage.finding import Severity
from probes.rds import events
from probes.rds import status as rds
from probes.rds.model import GIB, RdsEvent, Snapshot
from probes.rds.settings import Settings
from tests.probes.fake_aws import AT, ago, hours, minutes
from tests.probes.rds_looks import (
    CONNECTIONS,
    CRITICAL,
    DONE,
    FAILED,
    HIGH,
    INFO,
    STARTED,
    WARNING,
    aurora,
    broken,
    cluster,
    event,
    flow,
    found,
    instance,
    snapshot,
)


def measured(changes: dict[str, Any] | None = None, /, **metrics: Series) -> Snapshot:
    names = {name.replace("_percent", "%"): series for name, series in metrics.items()}
    return snapshot(instance(metrics=names, **(changes or {})))


@pytest.mark.parametrize(
    ("status", "lasted", "expected"),
    [
        pytest.param("available", None, [], id="available"),
        pytest.param("Backing-Up", None, [], id="backing up, in any case"),
        pytest.param("storage-optimization", 90_000, [], id="optimising for a day is fine"),
        pytest.param("modifying", 9000, [], id="modifying serves"),
        pytest.param("rebooting", None, [("RDS_INSTANCE_IN_TRANSITION", WARNING)], id="rebooting"),
        pytest.param(
            "rebooting", 599, [("RDS_INSTANCE_IN_TRANSITION", WARNING)], id="just below 10 minutes"
        ),
        pytest.param(
            "rebooting", 600, [("RDS_INSTANCE_IN_TRANSITION", CRITICAL)], id="for 10 minutes"
        ),
        pytest.param(
            "upgrading", 600, [("RDS_INSTANCE_IN_TRANSITION", WARNING)], id="upgrades take longer"
        ),
        pytest.param(
            "upgrading", 1800, [("RDS_INSTANCE_IN_TRANSITION", CRITICAL)], id="but not for ever"
        ),
        pytest.param("storage-full", None, [("RDS_INSTANCE_DOWN", CRITICAL)], id="disk full"),
        pytest.param("stopped", None, [("RDS_INSTANCE_DOWN", CRITICAL)], id="stopped"),
        pytest.param(
            "inaccessible-encryption-credentials-recoverable",
            None,
            [("RDS_INSTANCE_DOWN", CRITICAL)],
            id="the key is gone",
        ),
        pytest.param(
            "meditating", None, [("RDS_STATUS_UNKNOWN", WARNING)], id="a new word is never fine"
        ),
    ],
)
def test_a_status_is_fine_only_when_it_is_known_to_be(
    status: str, lasted: int | None, expected: list[tuple[str, Severity]]
) -> None:
    since = {} if lasted is None else {"orders": ago(seconds=lasted)}
    assert found(snapshot(instance(status=status), status_since=since)) == expected


def test_a_transition_inside_the_maintenance_window_says_so() -> None:
    (finding,) = rds.diagnose(snapshot(instance(status="rebooting")), Settings())
    assert finding.against == ("inside the maintenance window sat:02:00-sat:04:00 UTC",)
    outside = instance(status="rebooting", maintenance_window="sun:02:00-sun:04:00")
    (finding,) = rds.diagnose(snapshot(outside), Settings())
    assert finding.against == ()


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param([event(DONE, minutes=59)], [WARNING], id="done within the hour"),
        pytest.param([event(DONE, minutes=61)], [], id="done long ago"),
        pytest.param([event(STARTED, seconds=179)], [WARNING], id="begun, may still end"),
        pytest.param([event(STARTED, seconds=181)], [CRITICAL], id="begun and not ended"),
        pytest.param(
            [event(DONE, seconds=200), event(STARTED, seconds=260)], [WARNING], id="begun, ended"
        ),
        pytest.param([event(FAILED, minutes=1)], [CRITICAL], id="failed"),
        pytest.param([event("DB instance created", minutes=1)], [], id="something else"),
    ],
)
def test_failovers_are_read_from_the_events(told: list[RdsEvent], expected: list[Severity]) -> None:
    findings = rds.diagnose(snapshot(events=tuple(told)), Settings())
    assert [f.severity for f in findings if f.code == "RDS_FAILOVER_RECENT"] == expected


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        ("Multi-AZ instance failover started.", events.FAILOVER_STARTED),
        ("Multi-AZ failover to standby complete - DNS propagation may take", events.FAILOVER_DONE),
        ("Multi-AZ instance failover completed", events.FAILOVER_DONE),
        ("Started cross AZ failover to DB instance: shop-2", events.FAILOVER_STARTED),
        ("Completed failover to DB instance: shop-2", events.FAILOVER_DONE),
        ("Amazon RDS is not attempting a requested failover", events.FAILOVER_FAILED),
        ("DB instance restarted", events.RESTARTED),
        ("DB instance shutdown", events.SHUTDOWN),
        ("Allocated storage has been exhausted. Allocate additional", events.STORAGE_FULL),
        ("The free storage capacity for DB Instance x is low at 4%", events.STORAGE_LOW),
        ("Storage autoscaling is unable to scale the storage for the reason: x",
         events.AUTOSCALE_BLOCKED),
        ("Replication has stopped.", events.REPLICATION_STOPPED),
        ("Replication streaming has been terminated.", events.REPLICATION_STOPPED),
        ("Replication for the Read Replica was manually stopped.",
         events.REPLICATION_STOPPED_BY_HAND),
        ("Replication for the Read Replica resumed", events.REPLICATION_RESUMED),
        ("Offline patching of DB instance has begun", events.MAINTENANCE),
        ("Updated parameter max_connections to 500", events.CONFIGURATION),
        ("Finished applying modification to DB instance class", events.CONFIGURATION),
        ("Something that nobody has seen before", events.OTHER),
    ],
)  # fmt: skip
def test_event_texts_are_told_apart(message: str, meaning: str) -> None:
    assert events.meaning(event(message)) == meaning


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(aurora(cluster()), [], id="a writer and a reader"),
        pytest.param(
            aurora(cluster(writer="")), [("RDS_CLUSTER_NO_WRITER", CRITICAL)], id="no writer"
        ),
        pytest.param(
            aurora(cluster(writer="", headless=True)), [], id="a secondary region has none"
        ),
        pytest.param(
            aurora(cluster(writer="", in_global=True)),
            [("RDS_CLUSTER_NO_WRITER", CRITICAL)],
            id="the primary of a global database",
        ),
        pytest.param(
            aurora(cluster(writer="", in_global=True, role_unknown=True)),
            [("RDS_CLUSTER_NO_WRITER", WARNING)],
            id="its role in a global database cannot be read",
        ),
        pytest.param(
            aurora(cluster(writer="", serverless_v1=True, members=())), [], id="serverless, paused"
        ),
        pytest.param(
            aurora(
                cluster(),
                instance("shop-1", engine="aurora-mysql", writer=True, status="rebooting"),
            ),
            [("RDS_INSTANCE_IN_TRANSITION", WARNING), ("RDS_CLUSTER_NO_WRITER", CRITICAL)],
            id="the writer reboots",
        ),
        pytest.param(
            aurora(cluster(status="failing-over")),
            [("RDS_INSTANCE_IN_TRANSITION", WARNING)],
            id="failing over",
        ),
        pytest.param(
            aurora(cluster(members=("shop-1",))),
            [("RDS_NO_FAILOVER_TARGET", INFO)],
            id="one instance",
        ),
        pytest.param(
            snapshot(instance(multi_az=False)), [("RDS_NO_FAILOVER_TARGET", INFO)], id="no standby"
        ),
        pytest.param(
            snapshot(instance(multi_az=False, source="orders-main")), [], id="a replica needs none"
        ),
    ],
)
def test_somebody_has_to_take_writes(look: Snapshot, expected: list[tuple[str, Severity]]) -> None:
    assert found(look) == expected


RESTART = "DB instance restarted"


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(snapshot(events=(event(RESTART, minutes=59),)), [WARNING], id="once"),
        pytest.param(
            snapshot(events=(event(RESTART, minutes=5), event(RESTART, minutes=9))),
            [CRITICAL],
            id="twice within an hour",
        ),
        pytest.param(snapshot(events=(event(RESTART, minutes=61),)), [], id="long ago"),
        pytest.param(
            snapshot(events=(event(RESTART, source="other", minutes=5),)), [], id="another one"
        ),
        pytest.param(measured(EngineUptime=minutes(900, 960, 5, 65)), [WARNING], id="uptime fell"),
        pytest.param(measured(EngineUptime=minutes(900, 960, 1020)), [], id="uptime grows"),
    ],
)
def test_restarts_are_counted(look: Snapshot, expected: list[Severity]) -> None:
    findings = rds.diagnose(look, Settings())
    assert [f.severity for f in findings if f.code == "RDS_RESTARTED"] == expected


STOPPED = "Replication has stopped."


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(snapshot(instance(replication=(broken(),))), 1, id="RDS says error"),
        pytest.param(
            snapshot(instance(replication=(broken(normal=True, status="replicating"),))),
            0,
            id="replicating",
        ),
        pytest.param(
            snapshot(instance(replication=(broken(normal=True, status="terminated"),))),
            1,
            id="terminated, whatever normal says",
        ),
        pytest.param(snapshot(events=(event(STOPPED, minutes=9),)), 1, id="an event says stopped"),
        pytest.param(
            snapshot(
                events=(
                    event("Replication for the Read Replica resumed", minutes=1),
                    event(STOPPED, minutes=9),
                )
            ),
            0,
            id="resumed since",
        ),
        pytest.param(
            snapshot(
                instance(replication=(broken(normal=True, status="replicating"),)),
                events=(event(STOPPED, minutes=9),),
            ),
            0,
            id="stopped, but RDS says that it replicates again",
        ),
    ],
)
def test_broken_replication_is_critical(look: Snapshot, expected: int) -> None:
    codes = [each for each in found(look) if each[0] == "RDS_REPLICATION_BROKEN"]
    assert codes == [("RDS_REPLICATION_BROKEN", CRITICAL)] * expected


def test_a_replica_stopped_by_hand_says_so() -> None:
    told = event("Replication for the Read Replica was manually stopped.", minutes=2)
    (finding,) = rds.diagnose(snapshot(events=(told,)), Settings())
    assert finding.against == ("it was stopped by hand",)


def shrinking(first: float, last: float, points: int = 61) -> Series:
    step = (last - first) / (points - 1)
    return minutes(*[first + step * n for n in range(points)])


LOW = "RDS_STORAGE_LOW"


BLOCKED = "RDS_STORAGE_AUTOSCALE_BLOCKED"


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(measured(FreeStorageSpace=flow(15.1 * GIB)), [], id="just above 15%"),
        pytest.param(measured(FreeStorageSpace=flow(15 * GIB)), [(LOW, WARNING)], id="15%"),
        pytest.param(measured(FreeStorageSpace=flow(5 * GIB)), [(LOW, CRITICAL)], id="5%"),
        pytest.param(
            measured({"allocated": 20 * GIB}, FreeStorageSpace=flow(2 * GIB)),
            [(LOW, CRITICAL)],
            id="10%, but two gigabytes only",
        ),
        pytest.param(
            measured(FreeStorageSpace=shrinking(65 * GIB, 59 * GIB)),
            [(LOW, WARNING)],
            id="full in twelve hours at this pace",
        ),
        pytest.param(
            measured(FreeStorageSpace=shrinking(66 * GIB, 62 * GIB)), [], id="in fifteen hours"
        ),
        pytest.param(
            measured(FreeStorageSpace=shrinking(90 * GIB, 58 * GIB)),
            [(LOW, CRITICAL)],
            id="full within two hours",
        ),
        pytest.param(
            measured(FreeStorageSpace=shrinking(90 * GIB, 89 * GIB, points=20)),
            [],
            id="20 minutes are no trend",
        ),
        pytest.param(
            measured({"status": "storage-optimization"}, FreeStorageSpace=flow(5 * GIB)),
            [(LOW, WARNING)],
            id="grown a moment ago: the free space lags",
        ),
        pytest.param(
            snapshot(events=(event("Allocated storage has been exhausted.", minutes=5),)),
            [(LOW, CRITICAL)],
            id="an event says full",
        ),
        pytest.param(
            measured({"maximum": None}, FreeStorageSpace=flow(9 * GIB)),
            [(LOW, WARNING), (BLOCKED, WARNING)],
            id="no autoscaling to help",
        ),
        pytest.param(
            measured({"maximum": 111 * GIB}), [(BLOCKED, WARNING)], id="90% of the maximum"
        ),
        pytest.param(measured({"maximum": 112 * GIB}), [], id="just below 90% of the maximum"),
        pytest.param(measured({"maximum": None}), [], id="no autoscaling, no need"),
        pytest.param(measured(FreeStorageSpace=minutes(status="Forbidden")), [], id="denied"),
    ],
)
def test_storage_is_judged_by_level_and_pace(
    look: Snapshot, expected: list[tuple[str, Severity]]
) -> None:
    assert found(look) == expected


def test_autoscaling_that_is_blocked_with_little_left_is_critical() -> None:
    told = event("Storage autoscaling is unable to scale the storage for the reason: x", hours=2)
    look = replace(measured(FreeStorageSpace=flow(9 * GIB)), events=(told,))
    assert found(look) == [(LOW, WARNING), (BLOCKED, CRITICAL)]


@pytest.mark.parametrize(
    ("look", "settings", "expected"),
    [
        pytest.param(
            measured(DatabaseConnections=flow(79)), {"max_connections": 100}, [], id="79 of 100"
        ),
        pytest.param(
            measured(DatabaseConnections=flow(80)),
            {"max_connections": 100},
            [(CONNECTIONS, WARNING)],
            id="80 of 100",
        ),
        pytest.param(
            measured(DatabaseConnections=flow(95)),
            {"max_connections": 100},
            [(CONNECTIONS, CRITICAL)],
            id="95 of 100",
        ),
        pytest.param(
            measured(DatabaseConnections=flow(1712)), {}, [(CONNECTIONS, CRITICAL)], id="estimated"
        ),
        pytest.param(
            replace(measured(DatabaseConnections=flow(95)), max_connections={"orders": 100}),
            {},
            [(CONNECTIONS, CRITICAL)],
            id="the parameter group says 100",
        ),
        pytest.param(
            measured({"engine": "sqlserver-se"}, DatabaseConnections=hours(40, *[120] * 5)),
            {},
            [(CONNECTIONS, WARNING)],
            id="an unknown limit: three times the usual",
        ),
        pytest.param(
            measured({"engine": "sqlserver-se"}, DatabaseConnections=hours(40, *[119] * 5)),
            {},
            [],
            id="an unknown limit, just below",
        ),
        pytest.param(
            measured(DatabaseConnections=minutes(1, 1, 1, 99, 99)),
            {"max_connections": 100},
            [],
            id="two minutes of five",
        ),
    ],
)
def test_connections_are_judged_against_a_limit_whose_origin_is_told(
    look: Snapshot, settings: dict[str, Any], expected: list[tuple[str, Severity]]
) -> None:
    assert found(look, Settings(**settings)) == expected
    for finding in rds.diagnose(look, Settings(**settings)):
        assert {e.label for e in finding.evidence} >= {"maximum", "maximum from"}
        assert library().best(finding.code) == "database-connections"


COLLAPSED = "RDS_CONNECTIONS_COLLAPSED"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([100] * 17 + [20, 20, 20], [(COLLAPSED, HIGH)], id="a fifth is left"),
        pytest.param([100] * 17 + [21, 20, 20], [], id="a bit more is left"),
        pytest.param([19] * 17 + [0, 0, 0], [], id="few there were"),
        pytest.param([100] * 18 + [0, 0], [], id="two minutes only"),
        pytest.param([0, 0, 0], [], id="no history"),
    ],
)
def test_connections_that_vanish_are_told(
    values: list[int], expected: list[tuple[str, Severity]]
) -> None:
    assert found(measured(DatabaseConnections=minutes(*values))) == expected


def test_connections_that_vanish_with_the_instance_are_no_riddle() -> None:
    series = minutes(*[100] * 17, 0, 0, 0)
    look = measured({"status": "rebooting"}, DatabaseConnections=series)
    assert COLLAPSED not in [code for code, _ in found(look)]


GP = 16 * GIB


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(measured(CPUUtilization=flow(79.9)), [], id="CPU just below"),
        pytest.param(measured(CPUUtilization=flow(80)), [("RDS_CPU_HIGH", WARNING)], id="CPU 80"),
        pytest.param(measured(CPUUtilization=flow(95)), [("RDS_CPU_HIGH", CRITICAL)], id="CPU 95"),
        pytest.param(
            measured({"insights": False}, CPUUtilization=flow(80)),
            [("RDS_CPU_HIGH", WARNING), ("RDS_PI_OFF", Severity.INFO)],
            id="nobody measures what they wait for",
        ),
        pytest.param(measured({"insights": False}, CPUUtilization=flow(79)), [], id="all is well"),
        pytest.param(measured(BurstBalance=flow(20)), [("RDS_BURST_EXHAUSTED", WARNING)], id="20"),
        pytest.param(measured(BurstBalance=flow(5)), [("RDS_BURST_EXHAUSTED", CRITICAL)], id="5"),
        pytest.param(measured(BurstBalance=flow(21)), [], id="burst just above"),
        pytest.param(
            measured(EBSIOBalance_percent=flow(4)),
            [("RDS_BURST_EXHAUSTED", CRITICAL)],
            id="the class's own balance",
        ),
        pytest.param(
            measured({"iops": 1000}, ReadIOPS=flow(425), WriteIOPS=flow(425)),
            [("RDS_IO_SATURATED", WARNING)],
            id="85% of the provisioned operations",
        ),
        pytest.param(
            measured({"iops": 1000}, ReadIOPS=flow(425), WriteIOPS=flow(424)), [], id="84.9%"
        ),
        pytest.param(
            measured(ReadIOPS=flow(9000), WriteIOPS=flow(9000)), [], id="nothing provisioned"
        ),
        pytest.param(
            measured(DiskQueueDepth=flow(4.1)), [("RDS_IO_SATURATED", WARNING)], id="a long queue"
        ),
        pytest.param(measured(DiskQueueDepth=flow(4)), [], id="twice the processors"),
        pytest.param(
            measured(DiskQueueDepth=flow(11), WriteLatency=flow(0.021)),
            [("RDS_IO_SATURATED", CRITICAL)],
            id="slow writes behind a long queue",
        ),
        pytest.param(measured(WriteLatency=flow(0.5)), [], id="slow writes without a queue"),
        pytest.param(
            measured(FreeableMemory=flow(0.09 * GP), SwapUsage=flow(1e9)), [], id="memory is used"
        ),
        pytest.param(
            measured(
                FreeableMemory=flow(0.09 * GP),
                SwapUsage=minutes(*[1e8 + 1e7 * n for n in range(20)]),
            ),
            [("RDS_MEMORY_PRESSURE", WARNING)],
            id="little memory and swap grows",
        ),
        pytest.param(
            measured(
                FreeableMemory=flow(0.04 * GP),
                SwapUsage=minutes(*[1e8 + 1e7 * n for n in range(20)]),
            ),
            [("RDS_MEMORY_PRESSURE", CRITICAL)],
            id="next to no memory and swap grows",
        ),
        pytest.param(measured(DBLoad=flow(2)), [("RDS_LOAD_HIGH", WARNING)], id="load of 2 on 2"),
        pytest.param(measured(DBLoad=flow(4)), [("RDS_LOAD_HIGH", CRITICAL)], id="load of 4 on 2"),
        pytest.param(measured(DBLoad=flow(1.9)), [], id="load just below"),
        pytest.param(
            measured(MaximumUsedTransactionIDs=flow(1.0e9)),
            [("RDS_TXID_WRAPAROUND", WARNING)],
            id="half of the transaction ids",
        ),
        pytest.param(
            measured(MaximumUsedTransactionIDs=flow(1.8e9)),
            [("RDS_TXID_WRAPAROUND", CRITICAL)],
            id="most of the transaction ids",
        ),
        pytest.param(
            measured(ACUUtilization=flow(90)), [("RDS_SERVERLESS_AT_MAX", WARNING)], id="ACU 90"
        ),
        pytest.param(
            measured(ACUUtilization=flow(99)), [("RDS_SERVERLESS_AT_MAX", CRITICAL)], id="ACU 99"
        ),
    ],
)
def test_load_is_judged_by_settled_minutes(
    look: Snapshot, expected: list[tuple[str, Severity]]
) -> None:
    assert found(look) == expected


REPLICA = {"source": "orders-main"}


READER = {"engine": "aurora-mysql", "writer": False}


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(measured(REPLICA, ReplicaLag=flow(29)), [], id="29 seconds"),
        pytest.param(measured(REPLICA, ReplicaLag=flow(30)), [WARNING], id="30 seconds"),
        pytest.param(measured(REPLICA, ReplicaLag=flow(300)), [CRITICAL], id="300 seconds"),
        pytest.param(measured(REPLICA, ReplicaLag=minutes(0, 0, 0, -1)), [], id="one -1"),
        pytest.param(measured(REPLICA, ReplicaLag=minutes(0, 0, -1, -1)), [CRITICAL], id="two -1"),
        pytest.param(measured(READER, AuroraReplicaLag=flow(900)), [], id="900 milliseconds"),
        pytest.param(measured(READER, AuroraReplicaLag=flow(1000)), [WARNING], id="one second"),
        pytest.param(measured(READER, AuroraReplicaLag=flow(10_000)), [CRITICAL], id="ten seconds"),
        pytest.param(
            measured({**READER, "writer": True}, AuroraReplicaLag=flow(10_000)), [], id="a writer"
        ),
    ],
)
def test_lag_is_in_seconds_and_minus_one_is_broken(
    look: Snapshot, expected: list[Severity]
) -> None:
    findings = list(rds.diagnose(look, Settings()))
    assert [f.severity for f in findings if f.code == "RDS_REPLICA_LAG"] == expected


def test_an_idle_primary_is_named_where_its_sawtooth_looks_like_lag() -> None:
    (finding,) = rds.diagnose(measured(REPLICA, ReplicaLag=flow(200)), Settings())
    assert "idle" in finding.against[0]
    (finding,) = rds.diagnose(measured(REPLICA, ReplicaLag=flow(900)), Settings())
    assert finding.against == ()


def told(look: Snapshot, code: str) -> tuple[datetime | None, float]:
    (finding,) = (f for f in rds.diagnose(look, Settings()) if f.code == code)
    return finding.began, finding.resolution


BUSY = minutes(*[20] * 12, *[99] * 9)
FEW = minutes(*[100] * 16, *[1] * 4)


@pytest.mark.parametrize(
    ("code", "look", "expected"),
    [
        pytest.param("RDS_CPU_HIGH", snapshot(instance(metrics={"CPUUtilization": BUSY})), (BUSY.times[12], 90.0), id="the first busy minute"),
        pytest.param("RDS_CONNECTIONS_COLLAPSED", snapshot(instance(metrics={"DatabaseConnections": FEW})), (FEW.times[16], 90.0), id="the first minute of few"),
        pytest.param("RDS_FAILOVER_RECENT", snapshot(events=(event(DONE, minutes=4), event(STARTED, minutes=5), event(DONE, minutes=50))), (ago(minutes=5), 1.0), id="the start of the newest failover"),
        pytest.param("RDS_FAILOVER_RECENT", snapshot(events=(event(DONE, minutes=4), event(DONE, minutes=40), event(STARTED, minutes=41))), (ago(minutes=4), 1.0), id="a start that is another failover's"),
        pytest.param("RDS_RESTARTED", snapshot(events=(event("DB instance restarted", minutes=3), event("DB instance restarted", minutes=7))), (ago(minutes=7), 1.0), id="the first of the hour's restarts"),
        pytest.param("RDS_INSTANCE_DOWN", snapshot(instance(status="storage-full"), turned={"orders": ago(minutes=6)}), (ago(minutes=6), 90.0), id="a look saw it turn"),
        pytest.param("RDS_INSTANCE_DOWN", snapshot(instance(status="storage-full"), status_since={"orders": ago(minutes=6)}), (None, 90.0), id="it was so at the first look"),
    ],
)  # fmt: skip
def test_it_began_when_points_events_and_looks_tell(
    code: str, look: Snapshot, expected: tuple[datetime | None, float]
) -> None:
    assert told(look, code) == expected


def test_a_status_of_the_first_look_has_no_beginning() -> None:
    down = snapshot(instance(status="storage-full"))
    assert rds.since(down, down).turned == {}
    fell = rds.since(snapshot(), replace(down, at=AT + timedelta(seconds=30)))
    assert fell.turned == {"orders": AT + timedelta(seconds=30)}
    assert rds.since(fell, replace(down, at=AT + timedelta(minutes=9))).turned == fell.turned
