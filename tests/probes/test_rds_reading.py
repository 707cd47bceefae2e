"""RDS: maintenance, what is carried over and shown, and what is read from AWS' answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cockpit import clock
from cockpit.connect.aws.answer import answer_into
from cockpit.connect.session import Series
from cockpit.errors import BlindError, Reason
from cockpit.runbooks.library import library
from cockpit.triage import recording
from cockpit.triage.finding import Severity
from probes.answers import Gap
from probes.rds import model
from probes.rds import status as rds
from probes.rds.model import GIB, ParameterGroup, Pending, PendingMaintenance, Snapshot
from probes.rds.read import InstanceRow, instance_of
from probes.rds.settings import Settings
from tests.probes.fake_aws import AT, FakeAws, ago, denied, target
from tests.probes.rds_looks import (
    CONNECTIONS,
    CRITICAL,
    DONE,
    FAILED,
    INFO,
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


def planned(**changes: Any) -> PendingMaintenance:
    return replace(PendingMaintenance(resource="orders", action="os-upgrade"), **changes)


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
def test_maintenance_is_told_by_when_it_comes(
    action: model.PendingMaintenance, expected: Severity
) -> None:
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
def test_what_is_pending_is_told(
    look: model.Snapshot, expected: list[tuple[str, Severity]]
) -> None:
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
def test_classes_give_memory_and_processors(
    db_class: str, memory: int | None, processors: int | None
) -> None:
    assert model.memory_of(db_class) == (memory and memory * GIB)
    assert model.processors_of(db_class) == processors


@pytest.mark.parametrize(
    ("engine", "db_class", "expected"),
    [
        ("postgres", "db.r5.large", 1802),
        ("postgres", "db.r5.16xlarge", 5000),
        ("mysql", "db.r5.large", 1365),
        ("aurora-postgresql", "db.r5.large", 1802),
        ("sqlserver-se", "db.r5.large", None),
        ("postgres", "db.serverless", None),
    ],
)
def test_the_default_limit_of_connections_is_estimated(
    engine: str, db_class: str, expected: int | None
) -> None:
    assert model.default_connections(instance(engine=engine, db_class=db_class)) == expected


def test_statuses_are_dated_one_by_one() -> None:
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
def test_the_headline_is_the_worst_status(
    look: model.Snapshot, text: str, severity: Severity | None
) -> None:
    assert rds.PROBE.facts is not None
    (first, *_) = rds.PROBE.facts(look, rds.PROBE.settings)
    assert (first.text, first.severity) == (text, severity)


def test_a_look_can_be_recorded_and_replayed() -> None:
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


def test_events_are_changes_by_their_meaning() -> None:
    look = snapshot(events=(event(DONE, minutes=1), event("Updated parameter x", hours=1)))
    assert rds.PROBE.changes is not None
    changes = list(rds.PROBE.changes(look, "orders"))
    assert [change.kind for change in changes] == ["rds.failover", "rds.configuration"]
    assert changes == list(rds.PROBE.changes(replace(look, at=AT + timedelta(1)), "orders"))


def test_every_finding_is_of_a_code_that_the_probe_declares_and_names_a_runbook() -> None:
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
    findings = list(rds.diagnose(look, Settings()))
    assert len(findings) >= 9
    for finding in findings:
        assert finding.code in rds.PROBE.codes
        assert library().best(finding.code)
        assert finding.next


# collect, from literals -----------------------------------------------------------------------


def row(name: str = "orders", **changes: Any) -> dict[str, Any]:
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


def cluster_row(*members: str, **changes: Any) -> dict[str, Any]:
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


def aws(
    instances: Iterable[dict[str, Any]] = (),
    clusters: Iterable[dict[str, Any]] = (),
    series: Mapping[str, Series] | BlindError | None = None,
    **answers: Any,
) -> FakeAws:
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
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


async def test_a_healthy_instance_gives_nothing_to_say() -> None:
    session = aws([row()], series={"CPUUtilization": flow(40)})
    look = await rds.collect(session, TARGET)
    assert found(look) == []
    assert look.gaps == ()
    assert (look.kind, look.status, look.writer) == ("instance", "available", "orders")


@pytest.mark.parametrize(
    ("primary", "told"),
    [
        ("orders-2.abc.rds.amazonaws.com", ["orders-2.abc.rds.amazonaws.com"]),
        ("orders", []),
        ("", []),
    ],
    ids=["another one", "itself", "not told"],
)
async def test_the_primary_is_told_without_dns_where_it_is_another(
    primary: str, told: list[str]
) -> None:
    given: dict[str, Any] = {"Endpoint": {"Address": "orders"}}
    if primary:
        given["PrimaryEndpoint"] = {"Address": primary}
    look = await rds.collect(aws([row(**given)]), TARGET)
    assert rds.PROBE.facts is not None
    facts = rds.PROBE.facts(look, rds.PROBE.settings)
    assert [fact.text for fact in facts if fact.label == "primary"] == told


async def test_names_of_users_and_new_passwords_are_not_kept() -> None:
    values = {"MasterUserPassword": "hunter2", "AllocatedStorage": 200}
    look = await rds.collect(aws([row(PendingModifiedValues=values)]), TARGET)
    kept = recording.encode(look)
    assert b"hunter2" not in kept
    assert b"admin" not in kept
    assert found(look) == [("RDS_MODIFICATION_PENDING", WARNING)]


async def test_the_limit_of_connections_is_taken_from_the_parameter_group() -> None:
    parameters = [{"ParameterName": "max_connections", "ParameterValue": "100"}]
    session = aws(
        [row()], series={"DatabaseConnections": flow(96)}, DescribeDBParameters=parameters
    )
    look = await rds.collect(session, TARGET)
    assert look.max_connections == {"orders": 100}
    assert found(look) == [(CONNECTIONS, CRITICAL)]


@pytest.mark.parametrize("value", ["{DBInstanceClassMemory/9531392}", "", "LEAST({x},5000)"])
async def test_a_formula_is_not_a_number(value: str) -> None:
    parameters = [{"ParameterName": "max_connections", "ParameterValue": value}]
    look = await rds.collect(aws([row()], DescribeDBParameters=parameters), TARGET)
    assert look.max_connections == {}


async def test_default_parameter_groups_are_not_asked_for() -> None:
    groups = [{"DBParameterGroupName": "default.postgres16", "ParameterApplyStatus": "in-sync"}]
    session = aws([row(DBParameterGroups=groups)])
    await rds.collect(session, TARGET)
    assert "rds.DescribeDBParameters" not in [name for name, _ in session.calls]


@pytest.mark.parametrize("number", [0, 1, 10, 11, 100, 101])
async def test_every_member_of_a_cluster_is_looked_at(number: int) -> None:
    names = [f"shop-{n}" for n in range(number)]
    session = aws([row(name, Engine="aurora-postgresql") for name in names], [cluster_row(*names)])
    look = await rds.collect(session, target("rds", "shop"))
    assert [each.writer for each in look.instances] == [n == 0 for n in range(number)]
    assert rds.PROBE.tables is not None
    instances, *_ = rds.PROBE.tables(look, Settings())
    assert len(instances.rows) == number


async def test_a_cluster_is_found_when_no_instance_has_the_name() -> None:
    session = aws([row("shop-1")], [cluster_row("shop-1")])
    look = await rds.collect(session, target("rds", "shop"))
    assert (look.kind, look.writer) == ("cluster", "shop-1")


NO_WRITER = [{"DBInstanceIdentifier": "shop-1", "IsClusterWriter": False}]
ARN = "arn:aws:rds:eu-west-1:111122223333:cluster:shop"
GLOBAL = {"DBClusterMembers": NO_WRITER, "DBClusterArn": ARN, "GlobalClusterIdentifier": "world"}


def in_global(*, writer: bool) -> list[dict[str, Any]]:
    return [{"GlobalClusterMembers": [{"DBClusterArn": ARN, "IsWriter": writer}]}]


@pytest.mark.parametrize(
    ("changes", "globals_", "expected"),
    [
        pytest.param({"DBClusterMembers": NO_WRITER}, [], ["critical"], id="alone"),
        pytest.param(GLOBAL, in_global(writer=False), [], id="a secondary"),
        pytest.param(GLOBAL, in_global(writer=True), ["critical"], id="the primary"),
        pytest.param(
            GLOBAL, BlindError(Reason.DENIED, "AccessDenied"), ["warning"], id="role unknown"
        ),
        pytest.param(
            {"DBClusterMembers": [], "ClusterScalabilityType": "limitless"}, [], [], id="Limitless"
        ),
    ],
)
async def test_a_cluster_without_a_writer_is_judged_by_what_it_is(
    changes: dict[str, Any], globals_: Any, expected: list[str]
) -> None:
    session = aws(
        [row("shop-1")], [cluster_row("shop-1", **changes)], DescribeGlobalClusters=globals_
    )
    look = await rds.collect(session, target("rds", "shop"))
    findings = [f for f in rds.diagnose(look, Settings()) if f.code == "RDS_CLUSTER_NO_WRITER"]
    assert [f.severity.value for f in findings] == expected
    assert all(("fail over" in f.next) is (f.severity.value == "critical") for f in findings)


async def test_an_arn_of_a_cluster_asks_for_no_instance_of_that_name() -> None:
    arn = "arn:aws:rds:us-east-1:1:cluster:shop"
    session = aws()
    with pytest.raises(BlindError):
        await rds.collect(session, target("rds", arn))
    assert [name for name, _ in session.calls] == ["rds.DescribeDBClusters"]


async def test_events_of_the_resource_only_are_kept_and_no_backups() -> None:
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


async def test_maintenance_is_joined_by_its_arn() -> None:
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


async def test_an_instance_that_is_not_there_is_missing() -> None:
    with pytest.raises(BlindError) as caught:
        await rds.collect(aws(), TARGET)
    assert caught.value.reason is Reason.MISSING


async def test_a_denied_instance_is_blind() -> None:
    with pytest.raises(BlindError) as caught:
        await rds.collect(aws(DescribeDBInstances=denied()), TARGET)
    assert caught.value.reason is Reason.DENIED


async def test_denied_helpers_leave_gaps_and_the_status() -> None:
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
async def test_an_answer_of_another_shape_is_unreadable(changes: dict[str, Any]) -> None:
    with pytest.raises(BlindError) as caught:
        await rds.collect(aws([row(**changes)]), TARGET)
    assert caught.value.reason is Reason.UNREADABLE


async def test_a_cluster_without_its_member_list_is_unreadable() -> None:
    answer = cluster_row()
    del answer["DBClusterMembers"]
    with pytest.raises(BlindError) as caught:
        await rds.collect(aws(clusters=[answer]), target("rds", "shop"))
    assert caught.value.reason is Reason.UNREADABLE


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("ACTIVE", []),
        ("NOT-IN-USE", []),
        ("Storage-Optimization", []),
        ("VOLUME-FULL", [("RDS_VOLUME_FULL", CRITICAL)]),
        ("MELTED", [("RDS_VOLUME_FULL", WARNING)]),
    ],
)
def test_a_volume_besides_the_first_is_told_when_it_is_full(
    status: str, expected: list[tuple[str, Severity]]
) -> None:
    rows = [{"VolumeName": "rdsdbdata2", "StorageVolumeStatus": status, "AllocatedStorage": 200}]
    read = instance_of(answer_into(row(AdditionalStorageVolumes=rows), InstanceRow))
    assert read.volumes == (
        model.StorageVolume(name="rdsdbdata2", status=status.upper(), allocated=200 * GIB),
    )
    assert found(snapshot(instance(volumes=read.volumes))) == expected


def test_which_volume_fills_an_instance_stands_beside_its_state() -> None:
    full = model.StorageVolume(name="rdsdbdata2", status="VOLUME-FULL")
    sick = instance(status="storage-full", volumes=(full,), volumes_told="rdsdbdata2 is full")
    look = snapshot(
        sick,
        status="storage-full",
        events=(event("Allocated storage has been exhausted", minutes=1),),
    )
    told = {f.code: f for f in rds.diagnose(look, Settings())}
    assert ("volumes", "rdsdbdata2 is full") in [
        (e.label, e.value) for e in told["RDS_INSTANCE_DOWN"].evidence
    ]
    assert "growing the first one does not help it" in told["RDS_STORAGE_LOW"].against[0]
    assert library().best("RDS_VOLUME_FULL") == "rds-volume-full"
