"""RDS: statuses, events, storage, load, replication, what is pending, and the traps."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cockpit import clock
from cockpit.connect.session import Series
from cockpit.errors import BlindError, Reason
from cockpit.triage import recording
from cockpit.triage.finding import Severity
from probes import _rds_events as events
from probes import _rds_model as model
from probes import rds
from probes._answers import Gap
from probes._rds_model import (
    GIB,
    Cluster,
    Event,
    Instance,
    Maintenance,
    ParameterGroup,
    Pending,
    Replication,
    Snapshot,
)
from tests.probes.fake_aws import AT, FakeAws, ago, denied, hours, minutes, target

CRITICAL, HIGH, WARNING, INFO = (
    Severity.CRITICAL,
    Severity.HIGH,
    Severity.WARNING,
    Severity.INFO,
)


def flow(each: float) -> Series:
    return minutes(*[each] * 9)


def instance(name: str = "orders", **changes) -> Instance:
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


def snapshot(*instances: Instance, **changes) -> Snapshot:
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


def measured(changes=None, /, **metrics: Series) -> Snapshot:
    names = {name.replace("_percent", "%"): series for name, series in metrics.items()}
    return snapshot(instance(metrics=names, **(changes or {})))


def cluster(**changes) -> Cluster:
    base = Cluster(id="shop", status="available", members=("shop-1", "shop-2"), writer="shop-1")
    return replace(base, **changes)


def aurora(own: Cluster, *instances: Instance, **changes) -> Snapshot:
    members = instances or (
        instance("shop-1", engine="aurora-postgresql", writer=True),
        instance("shop-2", engine="aurora-postgresql", writer=False),
    )
    return snapshot(*members, id="shop", kind="cluster", cluster=own, **changes)


def found(look: Snapshot, settings: rds.Settings | None = None) -> list[tuple[str, Severity]]:
    return [(f.code, f.severity) for f in rds.diagnose(look, settings or rds.Settings())]


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
def test_a_status_is_fine_only_when_it_is_known_to_be(status, lasted, expected):
    since = {} if lasted is None else {"orders": ago(seconds=lasted)}
    assert found(snapshot(instance(status=status), status_since=since)) == expected


def test_a_transition_inside_the_maintenance_window_says_so():
    (finding,) = rds.diagnose(snapshot(instance(status="rebooting")), rds.Settings())
    assert finding.against == ("inside the maintenance window sat:02:00-sat:04:00 UTC",)
    outside = instance(status="rebooting", maintenance_window="sun:02:00-sun:04:00")
    (finding,) = rds.diagnose(snapshot(outside), rds.Settings())
    assert finding.against == ()


def event(message: str, source: str = "orders", **span: float) -> Event:
    return Event(at=ago(**span), source=source, message=message)


STARTED, DONE = "Multi-AZ instance failover started.", "Multi-AZ instance failover completed."
FAILED = "Cluster failover failed, check the health of your cluster instances and try again."


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
def test_failovers_are_read_from_the_events(told, expected):
    findings = rds.diagnose(snapshot(events=tuple(told)), rds.Settings())
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
def test_event_texts_are_told_apart(message, meaning):
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
def test_somebody_has_to_take_writes(look, expected):
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
def test_restarts_are_counted(look, expected):
    findings = rds.diagnose(look, rds.Settings())
    assert [f.severity for f in findings if f.code == "RDS_RESTARTED"] == expected


def broken(**changes) -> Replication:
    return Replication(**{"normal": False, "status": "error", "message": "log is gone", **changes})


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
def test_broken_replication_is_critical(look, expected):
    codes = [each for each in found(look) if each[0] == "RDS_REPLICATION_BROKEN"]
    assert codes == [("RDS_REPLICATION_BROKEN", CRITICAL)] * expected


def test_a_replica_stopped_by_hand_says_so():
    told = event("Replication for the Read Replica was manually stopped.", minutes=2)
    (finding,) = rds.diagnose(snapshot(events=(told,)), rds.Settings())
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
def test_storage_is_judged_by_level_and_pace(look, expected):
    assert found(look) == expected


def test_autoscaling_that_is_blocked_with_little_left_is_critical():
    told = event("Storage autoscaling is unable to scale the storage for the reason: x", hours=2)
    look = replace(measured(FreeStorageSpace=flow(9 * GIB)), events=(told,))
    assert found(look) == [(LOW, WARNING), (BLOCKED, CRITICAL)]


CONNECTIONS = "RDS_CONNECTIONS_HIGH"


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
            measured({"engine": "aurora-mysql"}, DatabaseConnections=hours(40, *[120] * 5)),
            {},
            [(CONNECTIONS, WARNING)],
            id="an unknown limit: three times the usual",
        ),
        pytest.param(
            measured({"engine": "aurora-mysql"}, DatabaseConnections=hours(40, *[119] * 5)),
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
def test_connections_are_judged_against_a_limit_whose_origin_is_told(look, settings, expected):
    assert found(look, rds.Settings(**settings)) == expected
    for finding in rds.diagnose(look, rds.Settings(**settings)):
        assert {e.label for e in finding.evidence} >= {"maximum", "maximum from"}
        assert finding.runbook == "database-connections"


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
def test_connections_that_vanish_are_told(values, expected):
    assert found(measured(DatabaseConnections=minutes(*values))) == expected


def test_connections_that_vanish_with_the_instance_are_no_riddle():
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
def test_load_is_judged_by_settled_minutes(look, expected):
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
def test_lag_is_in_seconds_and_minus_one_is_broken(look, expected):
    findings = list(rds.diagnose(look, rds.Settings()))
    assert [f.severity for f in findings if f.code == "RDS_REPLICA_LAG"] == expected


def test_an_idle_primary_is_named_where_its_sawtooth_looks_like_lag():
    (finding,) = rds.diagnose(measured(REPLICA, ReplicaLag=flow(200)), rds.Settings())
    assert "idle" in finding.against[0]
    (finding,) = rds.diagnose(measured(REPLICA, ReplicaLag=flow(900)), rds.Settings())
    assert finding.against == ()


def planned(**changes) -> Maintenance:
    return replace(Maintenance(resource="orders", action="os-upgrade"), **changes)


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        pytest.param(planned(), INFO, id="optional, without a date"),
        pytest.param(planned(apply_at=ago(hours=-25)), INFO, id="tomorrow"),
        pytest.param(planned(apply_at=ago(hours=-23)), WARNING, id="within a day"),
        pytest.param(planned(forced_at=ago(hours=-3)), INFO, id="forced in three hours"),
        pytest.param(planned(forced_at=ago(hours=-2)), CRITICAL, id="forced within two hours"),
        pytest.param(planned(forced_at=ago(minutes=5)), CRITICAL, id="happening now"),
    ],
)
def test_maintenance_is_told_by_when_it_comes(action, expected):
    assert found(snapshot(maintenance=(action,))) == [("RDS_MAINTENANCE_PENDING", expected)]


def group(status: str) -> tuple[ParameterGroup, ...]:
    return (ParameterGroup(name="orders-pg", status=status),)


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(
            snapshot(instance(pending=(Pending(name="AllocatedStorage", value="200"),))),
            [("RDS_MODIFICATION_PENDING", WARNING)],
            id="a change waits",
        ),
        pytest.param(
            aurora(cluster(pending=(Pending(name="EngineVersion", value="16.4"),))),
            [("RDS_MODIFICATION_PENDING", WARNING)],
            id="a change of the cluster waits",
        ),
        pytest.param(snapshot(instance(parameter_groups=group("in-sync"))), [], id="in sync"),
        pytest.param(snapshot(instance(parameter_groups=group("applying"))), [], id="applying"),
        pytest.param(
            snapshot(instance(parameter_groups=group("pending-reboot"))),
            [("RDS_PARAMETER_PENDING_REBOOT", WARNING)],
            id="a reboot is waited for",
        ),
        pytest.param(
            snapshot(instance(parameter_groups=group("failed-to-apply"))),
            [("RDS_PARAMETER_PENDING_REBOOT", CRITICAL)],
            id="it failed",
        ),
        pytest.param(
            snapshot(instance(ca_valid_till=ago(days=-31))), [], id="the certificate ends in 31 d"
        ),
        pytest.param(
            snapshot(instance(ca_valid_till=ago(days=-30))),
            [("RDS_CA_EXPIRING", WARNING)],
            id="the certificate ends in 30 d",
        ),
        pytest.param(
            snapshot(instance(ca_valid_till=ago(days=-3))),
            [("RDS_CA_EXPIRING", CRITICAL)],
            id="the certificate ends in 3 d",
        ),
        pytest.param(
            snapshot(instance(ca_valid_till=ago(days=1))),
            [("RDS_CA_EXPIRING", CRITICAL)],
            id="the certificate has ended",
        ),
        pytest.param(snapshot(instance(secret_status="rotating")), [], id="a rotation"),
        pytest.param(
            snapshot(
                instance(secret_status="rotating"),
                status_since={"orders secret": ago(seconds=901)},
            ),
            [("RDS_SECRET_IMPAIRED", WARNING)],
            id="a rotation that does not end",
        ),
        pytest.param(
            snapshot(instance(secret_status="impaired")),
            [("RDS_SECRET_IMPAIRED", CRITICAL)],
            id="an impaired secret",
        ),
    ],
)
def test_what_is_pending_is_told(look, expected):
    assert found(look) == expected


@pytest.mark.parametrize(
    ("db_class", "memory", "processors"),
    [
        ("db.r5.large", 16, 2),
        ("db.r5.xlarge", 32, 4),
        ("db.r6g.16xlarge", 512, 64),
        ("db.m5.2xlarge", 32, 8),
        ("db.t3.micro", 1, 2),
        ("db.t4g.2xlarge", 32, 8),
        ("db.serverless", None, None),
        ("", None, None),
    ],
)
def test_classes_give_memory_and_processors(db_class, memory, processors):
    assert model.memory_of(db_class) == (memory and memory * GIB)
    assert model.processors_of(db_class) == processors


@pytest.mark.parametrize(
    ("engine", "db_class", "expected"),
    [
        ("postgres", "db.r5.large", 1802),
        ("postgres", "db.r5.16xlarge", 5000),
        ("mysql", "db.r5.large", 1365),
        ("aurora-postgresql", "db.r5.large", 1802),
        ("aurora-mysql", "db.r5.large", None),
        ("postgres", "db.serverless", None),
    ],
)
def test_the_default_limit_of_connections_is_estimated(engine, db_class, expected):
    assert model.default_connections(instance(engine=engine, db_class=db_class)) == expected


def test_statuses_are_dated_one_by_one():
    first = aurora(cluster(status="failing-over"))
    second = rds.since(first, replace(first, at=AT + timedelta(seconds=30)))
    ended = replace(first, at=AT + timedelta(minutes=11), cluster=cluster(status="maintenance"))
    third = rds.since(second, ended)
    assert second.status_since["shop"] == AT
    assert third.status_since["shop"] == ended.at
    assert third.status_since["shop-1"] == AT


@pytest.mark.parametrize(
    ("look", "text", "severity"),
    [
        pytest.param(snapshot(), "available", None, id="available"),
        pytest.param(
            snapshot(instance(status="storage-full"), status="storage-full"),
            "storage-full",
            CRITICAL,
            id="the status that is wrong",
        ),
        pytest.param(
            aurora(cluster(), instance("shop-1", status="rebooting")),
            "rebooting",
            WARNING,
            id="the worst instance of an available cluster",
        ),
    ],
)
def test_the_headline_is_the_worst_status(look, text, severity):
    (first, *_) = rds.PROBE.facts(look)
    assert (first.text, first.severity) == (text, severity)


def test_a_look_can_be_recorded_and_replayed():
    look = aurora(
        cluster(pending=(Pending(name="EngineVersion", value="16.4"),)),
        instance("shop-1", metrics={"CPUUtilization": flow(40)}, replication=(broken(),)),
        events=(event(DONE, minutes=1),),
        maintenance=(planned(apply_at=ago(hours=-1)),),
        status_since={"shop": ago(minutes=1)},
        max_connections={"shop-1": 100},
        gaps=(Gap("events", "denied", "no"),),
    )
    assert recording.decode(recording.encode(look), Snapshot) == look


def test_events_are_changes_by_their_meaning():
    look = snapshot(events=(event(DONE, minutes=1), event("Updated parameter x", hours=1)))
    changes = list(rds.PROBE.changes(look, "orders"))
    assert [change.kind for change in changes] == ["rds.failover", "rds.configuration"]
    assert changes == list(rds.PROBE.changes(replace(look, at=AT + timedelta(1)), "orders"))


def test_every_finding_is_of_a_code_that_the_probe_declares_and_names_a_runbook():
    look = aurora(
        cluster(writer=""),
        instance(
            "shop-1",
            status="storage-full",
            pending=(Pending(name="X", value="1"),),
            ca_valid_till=ago(days=1),
            secret_status="impaired",
            replication=(broken(),),
            metrics={"CPUUtilization": flow(99), "DatabaseConnections": flow(1800)},
        ),
        events=(event(FAILED, source="shop", minutes=1),),
    )
    findings = list(rds.diagnose(look, rds.Settings()))
    assert len(findings) >= 9
    for finding in findings:
        assert finding.code in rds.PROBE.codes
        assert finding.runbook
        assert finding.next


# collect, from literals -----------------------------------------------------------------------


def row(name: str = "orders", **changes) -> dict:
    base = {
        "DBInstanceIdentifier": name,
        "DBInstanceStatus": "available",
        "DBInstanceClass": "db.r5.large",
        "Engine": "postgres",
        "AllocatedStorage": 100,
        "MaxAllocatedStorage": 1000,
        "MultiAZ": True,
        "MasterUsername": "admin",
        "StorageType": "gp3",
        "DBParameterGroups": [
            {"DBParameterGroupName": "orders-pg", "ParameterApplyStatus": "in-sync"}
        ],
        "PendingModifiedValues": {},
    }
    return {**base, **changes}


def cluster_row(*members: str, **changes) -> dict:
    base = {
        "DBClusterIdentifier": "shop",
        "Status": "available",
        "Engine": "aurora-postgresql",
        "DBClusterMembers": [
            {"DBInstanceIdentifier": name, "IsClusterWriter": number == 0}
            for number, name in enumerate(members)
        ],
    }
    return {**base, **changes}


def aws(instances=(), clusters=(), series=None, **answers) -> FakeAws:
    return FakeAws(
        {
            "rds.DescribeDBInstances": list(instances),
            "rds.DescribeDBClusters": list(clusters),
            **{f"rds.{name}": answer for name, answer in answers.items()},
        },
        series if series is not None else {},
    )


TARGET = target("rds", "orders")


@pytest.fixture(autouse=True)
def _still(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: AT)


async def test_a_healthy_instance_gives_nothing_to_say():
    session = aws([row()], series={"CPUUtilization": flow(40)})
    look = await rds.collect(session, TARGET)
    assert found(look) == []
    assert look.gaps == ()
    assert (look.kind, look.status, look.writer) == ("instance", "available", "orders")


async def test_names_of_users_and_new_passwords_are_not_kept():
    values = {"MasterUserPassword": "hunter2", "AllocatedStorage": 200}
    look = await rds.collect(aws([row(PendingModifiedValues=values)]), TARGET)
    kept = recording.encode(look)
    assert b"hunter2" not in kept
    assert b"admin" not in kept
    assert found(look) == [("RDS_MODIFICATION_PENDING", WARNING)]


async def test_the_limit_of_connections_is_taken_from_the_parameter_group():
    parameters = [{"ParameterName": "max_connections", "ParameterValue": "100"}]
    session = aws(
        [row()], series={"DatabaseConnections": flow(96)}, DescribeDBParameters=parameters
    )
    look = await rds.collect(session, TARGET)
    assert look.max_connections == {"orders": 100}
    assert found(look) == [(CONNECTIONS, CRITICAL)]


@pytest.mark.parametrize("value", ["{DBInstanceClassMemory/9531392}", "", "LEAST({x},5000)"])
async def test_a_formula_is_not_a_number(value):
    parameters = [{"ParameterName": "max_connections", "ParameterValue": value}]
    look = await rds.collect(aws([row()], DescribeDBParameters=parameters), TARGET)
    assert look.max_connections == {}


async def test_default_parameter_groups_are_not_asked_for():
    groups = [{"DBParameterGroupName": "default.postgres16", "ParameterApplyStatus": "in-sync"}]
    session = aws([row(DBParameterGroups=groups)])
    await rds.collect(session, TARGET)
    assert "rds.DescribeDBParameters" not in [name for name, _ in session.calls]


@pytest.mark.parametrize("number", [0, 1, 10, 11, 100, 101])
async def test_every_member_of_a_cluster_is_looked_at(number):
    names = [f"shop-{n}" for n in range(number)]
    session = aws([row(name, Engine="aurora-postgresql") for name in names], [cluster_row(*names)])
    look = await rds.collect(session, target("rds", "shop"))
    assert [each.writer for each in look.instances] == [n == 0 for n in range(number)]
    instances, *_ = rds.PROBE.tables(look, rds.Settings())
    assert len(instances.rows) == number


async def test_a_cluster_is_found_when_no_instance_has_the_name():
    session = aws([row("shop-1")], [cluster_row("shop-1")])
    look = await rds.collect(session, target("rds", "shop"))
    assert (look.kind, look.writer) == ("cluster", "shop-1")


async def test_an_arn_of_a_cluster_asks_for_no_instance_of_that_name():
    arn = "arn:aws:rds:us-east-1:1:cluster:shop"
    session = aws()
    with pytest.raises(BlindError):
        await rds.collect(session, target("rds", arn))
    assert [name for name, _ in session.calls] == ["rds.DescribeDBClusters"]


async def test_events_of_the_resource_only_are_kept_and_no_backups():
    told = [
        {"SourceIdentifier": "orders", "Message": DONE, "Date": ago(minutes=3)},
        {"SourceIdentifier": "other", "Message": DONE, "Date": ago(minutes=3)},
        {
            "SourceIdentifier": "orders",
            "Message": "Backing up DB instance",
            "Date": ago(minutes=3),
            "EventCategories": ["Backup"],
        },
        {"SourceIdentifier": "orders", "Message": "no date"},
    ]
    look = await rds.collect(aws([row()], DescribeEvents=told), TARGET)
    assert [each.message for each in look.events] == [DONE]


async def test_maintenance_is_joined_by_its_arn():
    actions = [
        {
            "ResourceIdentifier": "arn:aws:rds:us-east-1:1:db:orders",
            "PendingMaintenanceActionDetails": [
                {"Action": "os-upgrade", "ForcedApplyDate": ago(minutes=-30)}
            ],
        },
        {"ResourceIdentifier": "arn:aws:rds:us-east-1:1:db:other"},
    ]
    session = aws([row()], DescribePendingMaintenanceActions=actions)
    look = await rds.collect(session, TARGET)
    assert found(look) == [("RDS_MAINTENANCE_PENDING", CRITICAL)]


async def test_an_instance_that_is_not_there_is_missing():
    with pytest.raises(BlindError) as caught:
        await rds.collect(aws(), TARGET)
    assert caught.value.reason is Reason.MISSING


async def test_a_denied_instance_is_blind():
    with pytest.raises(BlindError) as caught:
        await rds.collect(aws(DescribeDBInstances=denied()), TARGET)
    assert caught.value.reason is Reason.DENIED


async def test_denied_helpers_leave_gaps_and_the_status():
    session = aws(
        [row(DBInstanceStatus="storage-full")],
        series=denied(),
        DescribeEvents=denied(),
        DescribePendingMaintenanceActions=denied(),
        DescribeDBParameters=denied(),
    )
    look = await rds.collect(session, TARGET)
    assert {gap.what for gap in look.gaps} == {
        "events",
        "pending maintenance",
        "parameters",
        "metrics",
    }
    assert found(look) == [("RDS_INSTANCE_DOWN", CRITICAL), ("RDS_OBS_BLIND", INFO)]


@pytest.mark.parametrize(
    "changes",
    [
        {"DBInstanceStatus": None},
        {"DBInstanceStatus": 7},
        {"AllocatedStorage": "much"},
        {"StatusInfos": ["x"]},
        {"MultiAZ": "yes"},
        {"CertificateDetails": {"ValidTill": "2027-01-01"}},
    ],
    ids=["no status", "a number", "text for a number", "no structures", "no truth", "no time"],
)
async def test_an_answer_of_another_shape_is_unreadable(changes):
    with pytest.raises(BlindError) as caught:
        await rds.collect(aws([row(**changes)]), TARGET)
    assert caught.value.reason is Reason.UNREADABLE


async def test_a_cluster_without_its_member_list_is_unreadable():
    answer = cluster_row()
    del answer["DBClusterMembers"]
    with pytest.raises(BlindError) as caught:
        await rds.collect(aws(clusters=[answer]), target("rds", "shop"))
    assert caught.value.reason is Reason.UNREADABLE
