"""ElastiCache: windows, what is shown, and what is read from AWS' answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from cockpit import clock
from cockpit.connect.session import Series
from cockpit.errors import BlindError, Reason
from cockpit.runbooks.library import library
from cockpit.triage import recording
from cockpit.triage.finding import Severity
from probes.answers import Gap
from probes.elasticache import status as elasticache
from probes.elasticache.model import CLUSTER, SERVERLESS, Snapshot
from probes.elasticache.read import CacheClusterRow, cluster_of
from probes.elasticache.settings import Settings
from probes.windows import in_weekly
from tests.probes.elasticache_looks import (
    CRITICAL,
    DONE,
    INFO,
    MEMORY,
    WARNING,
    event,
    flow,
    found,
    pair,
    snapshot,
    update,
)
from tests.probes.fake_aws import AT, FakeAws, ago, denied, target


def test_a_weekly_window_may_span_the_end_of_the_week() -> None:
    monday = AT + timedelta(days=1, hours=21)
    assert monday.weekday() == 0
    assert in_weekly("sun:23:30-mon:00:30", monday)


def test_the_headline_is_the_status() -> None:
    assert elasticache.PROBE.facts is not None
    (first, *_) = elasticache.PROBE.facts(
        snapshot(status="create-failed"), elasticache.PROBE.settings
    )
    assert (first.text, first.severity) == ("create-failed", CRITICAL)


def test_a_look_can_be_recorded_and_replayed() -> None:
    look = snapshot(
        *pair(**{MEMORY: flow(50)}),
        events=(event(DONE, minutes=1),),
        updates=(update(),),
        status_since=ago(minutes=1),
        gaps=(Gap("events", "denied", "no"),),
    )
    assert recording.decode(recording.encode(look), Snapshot) == look


def test_events_are_changes() -> None:
    look = snapshot(events=(event(DONE, minutes=1), event("Snapshot succeeded", hours=1)))
    assert elasticache.PROBE.changes is not None
    kinds = [change.kind for change in elasticache.PROBE.changes(look, "shop")]
    assert kinds == ["elasticache.failover", "elasticache.event"]


def test_every_finding_is_of_a_code_that_the_probe_declares_and_names_a_runbook() -> None:
    look = snapshot(
        *pair(**{MEMORY: flow(95), "EngineCPUUtilization": flow(99), "NewConnections": flow(4e4)}),
        status="modifying",
        automatic_failover="disabled",
        events=(event(DONE, minutes=1),),
    )
    findings = list(elasticache.diagnose(look, Settings()))
    assert len(findings) >= 6
    for finding in findings:
        assert finding.code in elasticache.PROBE.codes
        assert library().best(finding.code)
        assert finding.next


# collect, from literals -----------------------------------------------------------------------


def group_row(*members: str, **changes: Any) -> dict[str, Any]:
    row = {
        "ReplicationGroupId": "shop",
        "Status": "available",
        "AutomaticFailover": "enabled",
        "Engine": "valkey",
        "PendingModifiedValues": {},
        "NodeGroups": [
            {
                "NodeGroupId": "0001",
                "Status": "available",
                "NodeGroupMembers": [
                    {
                        "CacheClusterId": member,
                        "CacheNodeId": "0001",
                        "CurrentRole": "replica" if number else "primary",
                    }
                    for number, member in enumerate(members)
                ],
            }
        ],
    }
    return {**row, **changes}


def cluster_row(name: str, status: str = "available", **changes: Any) -> dict[str, Any]:
    row = {
        "CacheClusterId": name,
        "CacheClusterStatus": status,
        "Engine": "redis",
        "CacheNodes": [{"CacheNodeId": "0001", "CacheNodeStatus": "available"}],
    }
    return {**row, **changes}


def aws(
    groups: Iterable[dict[str, Any]] = (),
    clusters: Iterable[dict[str, Any]] = (),
    series: Mapping[str, Series] | BlindError | None = None,
    answers: Mapping[str, Any] | None = None,
) -> FakeAws:
    return FakeAws(
        {
            "elasticache.DescribeReplicationGroups": list(groups),
            "elasticache.DescribeCacheClusters": list(clusters),
            **(answers or {}),
        },
        series or {},
    )


TARGET = target("elasticache", "shop")


BOTH = (cluster_row("shop-001"), cluster_row("shop-002"))


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


async def test_a_healthy_group_has_its_nodes_with_their_metrics() -> None:
    session = aws([group_row("shop-001", "shop-002")], BOTH, {MEMORY: flow(41)})
    look = await elasticache.collect(session, TARGET)
    assert found(look) == []
    assert look.primary == "shop-001"
    assert [(n.id, n.role, n.status) for n in look.nodes] == [
        ("shop-001", "primary", "available"),
        ("shop-002", "replica", "available"),
    ]
    dimensions = {query.dimensions for query in session.queries}
    assert (("CacheClusterId", "shop-001"), ("CacheNodeId", "0001")) in dimensions


@pytest.mark.parametrize("number", [0, 1, 10, 11, 100, 101])
async def test_every_node_of_a_group_is_looked_at(number: int) -> None:
    names = [f"shop-{n:03}" for n in range(number)]
    session = aws([group_row(*names)], [cluster_row(name) for name in names])
    look = await elasticache.collect(session, TARGET)
    assert len(look.nodes) == number
    assert elasticache.PROBE.tables is not None
    nodes, *_ = elasticache.PROBE.tables(look, Settings())
    assert len(nodes.rows) == number


async def test_a_node_that_reboots_is_seen_behind_an_available_cluster() -> None:
    rebooting = [{"CacheNodeId": "0001", "CacheNodeStatus": "rebooting"}]
    rows = (BOTH[0], cluster_row("shop-002", CacheNodes=rebooting))
    look = await elasticache.collect(aws([group_row("shop-001", "shop-002")], rows), TARGET)
    assert found(look) == [("CACHE_SHARD_DEGRADED", CRITICAL)]


async def test_a_standalone_node_is_found_when_there_is_no_group_of_the_name() -> None:
    look = await elasticache.collect(aws([], [cluster_row("shop")]), TARGET)
    assert (look.kind, look.status) == (CLUSTER, "available")
    assert found(look) == []


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(9, []), (10, [("CACHE_GLOBAL_LAG", WARNING)]), (90, [("CACHE_GLOBAL_LAG", CRITICAL)])],
)
@pytest.mark.parametrize("name", ["shop", "ldgnf-shop"])
async def test_a_global_datastore_is_asked_how_far_its_copy_is_behind(
    name: str, seconds: float, expected: list[tuple[str, Severity]]
) -> None:
    info = {
        "GlobalReplicationGroupId": "ldgnf-shop",
        "GlobalReplicationGroupMemberRole": "SECONDARY",
    }
    row = group_row("shop-001", "shop-002", GlobalReplicationGroupInfo=info)
    series = {f"GlobalDatastoreReplicationLag/{name}": flow(seconds)}
    look = await elasticache.collect(aws([row], BOTH, series), TARGET)
    assert found(look) == expected


async def test_a_node_that_never_published_is_told() -> None:
    born = {"CacheClusterCreateTime": ago(days=3)}
    rows = [{**row, **born} for row in BOTH]
    silent = Series(asked_at=AT)
    session = aws([group_row("shop-001", "shop-002")], rows, {"CurrConnections": silent})
    look = await elasticache.collect(session, TARGET)
    assert found(look) == [("METRIC_NEVER", WARNING)] * 2


async def test_memcached_has_other_metrics_and_several_nodes() -> None:
    nodes = [{"CacheNodeId": f"{n:04}", "CacheNodeStatus": "available"} for n in (1, 2, 3)]
    row = cluster_row("shop", Engine="memcached", CacheNodes=nodes)
    session = aws([], [row])
    look = await elasticache.collect(session, TARGET)
    assert [n.name for n in look.nodes] == ["shop", "shop/0002", "shop/0003"]
    names = {query.name for query in session.queries}
    assert "GetHits" in names
    assert "ReplicationLag" not in names


def test_an_absurd_number_of_nodes_makes_no_endless_list() -> None:
    row = CacheClusterRow(
        cache_cluster_id="shop", cache_cluster_status="available", num_cache_nodes=2**31
    )
    assert len(cluster_of(row, AT).nodes) == 300


async def test_a_serverless_cache_is_found_last() -> None:
    row: dict[str, Any] = {
        "ServerlessCacheName": "shop",
        "Status": "AVAILABLE",
        "Engine": "valkey",
        "CacheUsageLimits": {"DataStorage": {"Maximum": 10}, "ECPUPerSecond": {"Maximum": 1000}},
    }
    session = aws(answers={"elasticache.DescribeServerlessCaches": [row]})
    look = await elasticache.collect(session, TARGET)
    assert (look.kind, look.storage_limit, look.units_limit) == (SERVERLESS, 10 * 1024**3, 1000)
    assert found(look) == []
    assert {query.dimensions for query in session.queries} == {(("clusterId", "shop"),)}


async def test_events_of_others_are_not_taken() -> None:
    rows = [
        {"SourceIdentifier": "shop", "Message": DONE, "Date": ago(minutes=4)},
        {"SourceIdentifier": "other", "Message": DONE, "Date": ago(minutes=4)},
        {"SourceIdentifier": "shop-001", "Message": "Recovering cache nodes 0001"},
    ]
    session = aws(
        [group_row("shop-001", "shop-002")], BOTH, answers={"elasticache.DescribeEvents": rows}
    )
    look = await elasticache.collect(session, TARGET)
    assert [event.source for event in look.events] == ["shop"]
    assert found(look) == [("CACHE_FAILOVER_RECENT", WARNING)]


@pytest.mark.parametrize(
    ("arn", "operation"),
    [
        ("arn:aws:elasticache:us-east-1:1:replicationgroup:shop", "DescribeReplicationGroups"),
        ("arn:aws:elasticache:us-east-1:1:cluster:shop", "DescribeCacheClusters"),
        ("arn:aws:elasticache:us-east-1:1:serverlesscache:shop", "DescribeServerlessCaches"),
    ],
)
async def test_an_arn_names_the_kind(arn: str, operation: str) -> None:
    session = aws()
    with pytest.raises(BlindError) as caught:
        await elasticache.collect(session, target("elasticache", arn))
    assert caught.value.reason is Reason.MISSING
    assert [name for name, _ in session.calls] == [f"elasticache.{operation}"]


async def test_a_cache_that_is_not_there_is_missing() -> None:
    with pytest.raises(BlindError) as caught:
        await elasticache.collect(aws(), TARGET)
    assert caught.value.reason is Reason.MISSING


async def test_a_cache_is_not_missing_while_the_serverless_ones_cannot_be_listed() -> None:
    session = aws(answers={"elasticache.DescribeServerlessCaches": denied()})
    with pytest.raises(BlindError, match="whether it is a serverless cache is not known") as caught:
        await elasticache.collect(session, TARGET)
    assert caught.value.reason is Reason.DENIED


async def test_a_denied_group_is_blind() -> None:
    session = aws(answers={"elasticache.DescribeReplicationGroups": denied()})
    with pytest.raises(BlindError) as caught:
        await elasticache.collect(session, TARGET)
    assert caught.value.reason is Reason.DENIED


async def test_denied_helpers_leave_gaps() -> None:
    session = FakeAws(
        {
            "elasticache.DescribeReplicationGroups": [group_row("shop-001", "shop-002")],
            "elasticache.DescribeCacheClusters": denied(),
            "elasticache.DescribeEvents": denied(),
            "elasticache.DescribeUpdateActions": denied(),
        },
        denied(),
    )
    look = await elasticache.collect(session, TARGET)
    assert {gap.what for gap in look.gaps} == {
        "events",
        "service updates",
        "metrics",
        "node shop-001",
        "node shop-002",
    }
    assert found(look) == [("CACHE_OBS_BLIND", INFO)]


@pytest.mark.parametrize(
    "changes",
    [{"Status": None}, {"NodeGroups": "x"}, {"NodeGroups": [{}]}, {"ReplicationGroupId": 5}],
    ids=["no status", "no list", "a shard without id", "a number for a name"],
)
async def test_an_answer_of_another_shape_is_unreadable(changes: dict[str, Any]) -> None:
    row = {"ARN": "shop", **group_row("shop-001", **changes)}
    with pytest.raises(BlindError) as caught:
        await elasticache.collect(aws([row], BOTH), TARGET)
    assert caught.value.reason is Reason.UNREADABLE


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"EffectiveDurability": "sync"}, ["sync: acknowledged writes are kept"]),
        ({"EffectiveDurability": "async"}, ["async: the last acknowledged writes may be lost"]),
        ({"EffectiveDurability": "quantum"}, ["quantum"]),
        ({}, []),
    ],
)
async def test_a_failover_says_whether_writes_were_lost(
    row: dict[str, Any], told: list[str]
) -> None:
    happened = {
        "elasticache.DescribeEvents": [
            {"SourceIdentifier": "shop", "Message": DONE, "Date": ago(minutes=3)}
        ]
    }
    session = aws([group_row("shop-001", "shop-002", **row)], BOTH, answers=happened)
    look = await elasticache.collect(session, TARGET)
    (finding,) = [
        f for f in elasticache.diagnose(look, Settings()) if f.code == "CACHE_FAILOVER_RECENT"
    ]
    assert [e.value for e in finding.evidence if e.label == "durability"] == told
