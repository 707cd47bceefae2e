"""ElastiCache: status, failovers, shards, load of the nodes, and the traps."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cockpit import clock
from cockpit.connect.session import Series
from cockpit.errors import BlindError, Reason
from cockpit.triage import recording
from cockpit.triage.finding import Severity
from probes import elasticache
from probes._answers import Gap
from probes._elasticache_model import CLUSTER, SERVERLESS, Event, Node, Shard, Snapshot, Update
from probes._windows import in_daily, in_weekly
from tests.probes.fake_aws import AT, FakeAws, ago, denied, hours, minutes, target

CRITICAL, HIGH, WARNING, INFO = (
    Severity.CRITICAL,
    Severity.HIGH,
    Severity.WARNING,
    Severity.INFO,
)


def flow(each: float) -> Series:
    return minutes(*[each] * 9)


def node(number: int = 1, role: str = "primary", status: str = "available", **metrics) -> Node:
    return Node(
        id=f"shop-{number:03}",
        shard="0001",
        role=role,
        zone="us-east-1a",
        status=status,
        metrics=metrics,
    )


def pair(**metrics) -> tuple[Node, ...]:
    return (node(1, **metrics), node(2, "replica"))


def snapshot(*nodes: Node, **changes) -> Snapshot:
    base = Snapshot(
        at=AT,
        id="shop",
        kind="replication group",
        status="available",
        engine="redis",
        automatic_failover="enabled",
        primary="shop-001",
        nodes=nodes or pair(),
        shards=(Shard(id="0001", status="available"),),
    )
    return replace(base, **changes)


def found(look: Snapshot) -> list[tuple[str, Severity]]:
    return [(f.code, f.severity) for f in elasticache.diagnose(look, elasticache.Settings())]


def with_metrics(**metrics) -> Snapshot:
    return snapshot(*pair(**metrics))


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(snapshot(), [], id="available"),
        pytest.param(snapshot(status="Available"), [], id="case does not matter"),
        pytest.param(
            snapshot(status="modifying"),
            [("CACHE_IN_TRANSITION", WARNING)],
            id="modifying, seen for the first time",
        ),
        pytest.param(
            snapshot(status="modifying", status_since=ago(seconds=899)),
            [("CACHE_IN_TRANSITION", WARNING)],
            id="modifying, just below a quarter of an hour",
        ),
        pytest.param(
            snapshot(status="modifying", status_since=ago(seconds=900)),
            [("CACHE_IN_TRANSITION", CRITICAL)],
            id="modifying for a quarter of an hour",
        ),
        pytest.param(
            snapshot(status="snapshotting", snapshot_window="02:30-04:30"),
            [("CACHE_IN_TRANSITION", INFO)],
            id="a snapshot in its window",
        ),
        pytest.param(
            snapshot(status="snapshotting", snapshot_window="05:00-06:00"),
            [("CACHE_IN_TRANSITION", WARNING)],
            id="a snapshot outside of its window",
        ),
        pytest.param(
            snapshot(status="create-failed"), [("CACHE_UNAVAILABLE", CRITICAL)], id="failed"
        ),
        pytest.param(
            snapshot(status="incompatible-network"),
            [("CACHE_UNAVAILABLE", CRITICAL)],
            id="no addresses",
        ),
        pytest.param(
            snapshot(status="deleting"), [("CACHE_UNAVAILABLE", CRITICAL)], id="being deleted"
        ),
        pytest.param(
            snapshot(status="pondering"), [("CACHE_STATUS_UNKNOWN", WARNING)], id="a new word"
        ),
    ],
)
def test_a_status_is_fine_only_when_it_is_known_to_be(look, expected):
    assert [each for each in found(look) if each[0] != "CACHE_NO_FAILOVER"] == expected


def test_modifying_with_nothing_pending_is_a_failover_or_a_replacement():
    (finding,) = elasticache.diagnose(snapshot(status="modifying"), elasticache.Settings())
    assert finding.likely[0].startswith("a failover or a node replacement")
    look = snapshot(status="modifying", pending=("ClusterMode",))
    (finding,) = elasticache.diagnose(look, elasticache.Settings())
    assert not finding.likely[0].startswith("a failover")


DONE = "Failover from primary node shop-001 to replica node shop-002 completed"
CALLED = "Test Failover API called for node group 0001"


def event(message: str, **span: float) -> Event:
    return Event(at=ago(**span), source="shop", message=message)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param((event(DONE, minutes=59),), [WARNING], id="done within the hour"),
        pytest.param((event(DONE, minutes=61),), [], id="done more than an hour ago"),
        pytest.param(
            (event(DONE, minutes=9), event(DONE, minutes=40)), [CRITICAL], id="two in an hour"
        ),
        pytest.param((event(CALLED, seconds=119),), [WARNING], id="begun, may still end in time"),
        pytest.param((event(CALLED, seconds=121),), [CRITICAL], id="begun and not ended"),
        pytest.param(
            (event(DONE, seconds=200), event(CALLED, seconds=300)), [WARNING], id="begun and ended"
        ),
        pytest.param((event("Recovering cache nodes 0001", minutes=1),), [], id="a recovery"),
        pytest.param((event("Snapshot succeeded", minutes=1),), [], id="something else"),
    ],
)
def test_failovers_are_read_from_the_events(events, expected):
    findings = elasticache.diagnose(snapshot(events=events), elasticache.Settings())
    assert [f.severity for f in findings if f.code == "CACHE_FAILOVER_RECENT"] == expected


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(snapshot(), [], id="a replica and automatic failover"),
        pytest.param(
            snapshot(automatic_failover="disabled"),
            [("CACHE_NO_FAILOVER", WARNING)],
            id="a replica that would not take over",
        ),
        pytest.param(
            snapshot(node(1)), [("CACHE_NO_FAILOVER", INFO)], id="a single node by design"
        ),
        pytest.param(
            snapshot(node(1), kind=CLUSTER, automatic_failover=""), [], id="a standalone node"
        ),
        pytest.param(
            snapshot(node(1), node(2, "replica", "rebooting cluster nodes")),
            [("CACHE_SHARD_DEGRADED", CRITICAL)],
            id="the only replica reboots",
        ),
        pytest.param(
            snapshot(node(1), node(2, "replica", "creating"), node(3, "replica")),
            [("CACHE_SHARD_DEGRADED", WARNING)],
            id="one of two replicas is being created",
        ),
        pytest.param(
            snapshot(node(1, status="deleting"), node(2, "replica"), node(3, "replica")),
            [("CACHE_SHARD_DEGRADED", CRITICAL)],
            id="the primary goes away",
        ),
        pytest.param(
            snapshot(node(1, status="modifying"), node(2, "replica", "snapshotting")),
            [],
            id="nodes serve while they are modified",
        ),
        pytest.param(snapshot(node(1, status=""), node(2, "replica")), [], id="not known"),
    ],
)
def test_what_would_take_over_is_looked_at(look, expected):
    assert found(look) == expected


def update(**changes) -> Update:
    base = Update(
        name="redis-patch", severity="critical", status="not-applied", apply_by=ago(days=1)
    )
    return replace(base, **changes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"updates": (update(),)}, ["CACHE_UPDATE_DUE"], id="overdue"),
        pytest.param({"updates": (update(apply_by=ago(days=-1)),)}, [], id="due tomorrow"),
        pytest.param({"updates": (update(severity="medium"),)}, [], id="of medium weight"),
        pytest.param({"updates": (update(status="complete"),)}, [], id="applied"),
        pytest.param(
            {"events": (event("shop-001 is scheduled for replacement", hours=1),)},
            ["CACHE_UPDATE_DUE"],
            id="a node will be replaced",
        ),
        pytest.param(
            {
                "events": (
                    event("Finished recovery for cache nodes 0001", minutes=5),
                    event("shop-001 is scheduled for replacement", hours=1),
                )
            },
            [],
            id="it was replaced",
        ),
    ],
)
def test_updates_are_told_when_they_are_due(changes, expected):
    assert [code for code, _ in found(snapshot(**changes))] == expected


MEMORY = "DatabaseMemoryUsagePercentage"


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        pytest.param({MEMORY: flow(79.9)}, [], id="memory just below 80"),
        pytest.param({MEMORY: flow(80)}, [("CACHE_MEMORY_HIGH", WARNING)], id="memory 80"),
        pytest.param({MEMORY: flow(90)}, [("CACHE_MEMORY_HIGH", CRITICAL)], id="memory 90"),
        pytest.param({MEMORY: minutes(1, 1, 1, 99, 99)}, [], id="memory, two of five minutes"),
        pytest.param(
            {"SwapUsage": flow(200e6), "FreeableMemory": flow(100e6)},
            [("CACHE_MEMORY_HIGH", CRITICAL)],
            id="more swap than free memory",
        ),
        pytest.param(
            {"SwapUsage": flow(100e6), "FreeableMemory": flow(100e6)}, [], id="as much swap"
        ),
        pytest.param(
            {
                MEMORY: flow(99),
                "Evictions": hours(500, *[520] * 5),
                "CurrConnections": hours(20, *[20] * 5),
                "CacheHits": hours(900, *[900] * 5),
                "CacheMisses": hours(100, *[100] * 5),
            },
            [("CACHE_MEMORY_HIGH", WARNING)],
            id="full by design: evictions and hit rate as always",
        ),
        pytest.param(
            {"Evictions": hours(0, *[101] * 5), "CurrConnections": hours(20, *[20] * 5)},
            [("CACHE_EVICTIONS_RISING", WARNING)],
            id="evictions out of nothing",
        ),
        pytest.param(
            {"Evictions": hours(0, *[100] * 5), "CurrConnections": hours(20, *[20] * 5)},
            [],
            id="a hundred evictions a minute, just below",
        ),
        pytest.param(
            {
                "Evictions": minutes(*[5000] * 5),
                "CurrConnections": hours(20, *[20] * 5),
            },
            [("CACHE_EVICTIONS_RISING", WARNING)],
            id="silent before is zero, since connections were published",
        ),
        pytest.param({"Evictions": minutes(*[5000] * 5)}, [], id="no history at all"),
        pytest.param(
            {"Evictions": hours(500, *[1500] * 5), "CurrConnections": hours(20, *[20] * 5)},
            [],
            id="three times the usual, just below",
        ),
        pytest.param(
            {
                "Evictions": hours(10, *[900] * 5),
                "CurrConnections": hours(20, *[20] * 5),
                "CacheHits": hours(900, *[800] * 5),
                "CacheMisses": hours(100, *[200] * 5),
            },
            [("CACHE_EVICTIONS_RISING", CRITICAL), ("CACHE_HIT_RATE_DROP", WARNING)],
            id="evictions that cost ten points of hit rate",
        ),
        pytest.param(
            {"CacheHits": hours(900, *[600] * 5), "CacheMisses": hours(100, *[400] * 5)},
            [("CACHE_HIT_RATE_DROP", CRITICAL)],
            id="thirty points lost",
        ),
        pytest.param(
            {"CacheHits": hours(90, *[60] * 5), "CacheMisses": hours(10, *[40] * 5)},
            [],
            id="thirty points of a hundred reads a minute",
        ),
        pytest.param(
            {"CacheHits": hours(900, *[810] * 5), "CacheMisses": hours(100, *[190] * 5)},
            [],
            id="nine points lost, just below",
        ),
        pytest.param(
            {"EngineCPUUtilization": flow(70)}, [("CACHE_CPU_HIGH", WARNING)], id="engine 70"
        ),
        pytest.param(
            {"EngineCPUUtilization": flow(90)}, [("CACHE_CPU_HIGH", CRITICAL)], id="engine 90"
        ),
        pytest.param(
            {"EngineCPUUtilization": flow(20), "CPUUtilization": flow(99)},
            [],
            id="the engine's thread is what matters",
        ),
        pytest.param(
            {"CPUUtilization": flow(91)}, [("CACHE_CPU_HIGH", CRITICAL)], id="no engine metric"
        ),
        pytest.param({"CurrConnections": flow(39_999)}, [], id="connections just below"),
        pytest.param(
            {"CurrConnections": flow(40_000)}, [("CACHE_CONNECTIONS_HIGH", WARNING)], id="40,000"
        ),
        pytest.param(
            {"CurrConnections": flow(60_000)}, [("CACHE_CONNECTIONS_HIGH", CRITICAL)], id="60,000"
        ),
        pytest.param(
            {"CurrConnections": hours(500, *[1500] * 5)},
            [("CACHE_CONNECTIONS_HIGH", WARNING)],
            id="three times the usual",
        ),
        pytest.param(
            {"CurrConnections": hours(5, *[900] * 5)}, [], id="many times a handful is still few"
        ),
        pytest.param(
            {"NewConnections": hours(70, *[700] * 5)},
            [("CACHE_CONNECTION_CHURN", WARNING)],
            id="ten times as many new connections",
        ),
        pytest.param(
            {"NewConnections": flow(30_000)},
            [("CACHE_CONNECTION_CHURN", CRITICAL)],
            id="500 new connections a second",
        ),
        pytest.param(
            {"NetworkBandwidthOutAllowanceExceeded": minutes(5, 5, 5)},
            [("CACHE_NETWORK_LIMITED", WARNING)],
            id="bandwidth exceeded in three minutes of five",
        ),
        pytest.param(
            {"NetworkBandwidthOutAllowanceExceeded": minutes(500)}, [], id="a one-off spike"
        ),
        pytest.param(
            {"AuthenticationFailures": flow(1)}, [("CACHE_AUTH_FAILURES", WARNING)], id="refusals"
        ),
        pytest.param(
            {"AuthenticationFailures": flow(10)}, [("CACHE_AUTH_FAILURES", HIGH)], id="many"
        ),
        pytest.param({MEMORY: minutes(status="Forbidden")}, [], id="denied is not zero"),
        pytest.param({"MasterLinkHealthStatus": flow(0)}, [], id="a primary has no link to lose"),
        pytest.param({"ReplicationLag": flow(99)}, [], id="a primary has no lag"),
    ],
)
def test_the_load_of_a_node_is_judged_against_its_limits_and_its_past(metrics, expected):
    assert found(with_metrics(**metrics)) == expected


@pytest.mark.parametrize(
    ("role", "metrics", "expected"),
    [
        pytest.param(
            "replica",
            {"MasterLinkHealthStatus": flow(0)},
            [("CACHE_REPLICA_LINK_DOWN", CRITICAL)],
            id="no link",
        ),
        pytest.param("replica", {"MasterLinkHealthStatus": flow(1)}, [], id="a link"),
        pytest.param("replica", {}, [], id="absent is not down"),
        pytest.param(
            "replica", {"ReplicationLag": flow(1)}, [("CACHE_REPLICA_LAG", WARNING)], id="a second"
        ),
        pytest.param(
            "replica", {"ReplicationLag": flow(10)}, [("CACHE_REPLICA_LAG", CRITICAL)], id="ten"
        ),
        pytest.param("replica", {"ReplicationLag": flow(0.9)}, [], id="just below"),
        pytest.param(
            "",
            {"IsMaster": flow(0), "ReplicationLag": flow(10)},
            [("CACHE_REPLICA_LAG", CRITICAL)],
            id="cluster mode: the metric tells the role",
        ),
        pytest.param(
            "", {"IsMaster": flow(1), "ReplicationLag": flow(10)}, [], id="a primary by metric"
        ),
        pytest.param("", {"ReplicationLag": flow(10)}, [], id="a role that nobody tells"),
    ],
)
def test_links_and_lag_are_of_replicas_only(role, metrics, expected):
    assert found(snapshot(node(1), node(2, role, **metrics))) == expected


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        pytest.param({"TotalCmdsCount": flow(1000)}, [], id="nothing throttled"),
        pytest.param(
            {"TotalCmdsCount": flow(1000), "ThrottledCmds": flow(5)},
            [("CACHE_SERVERLESS_THROTTLED", WARNING)],
            id="some throttled",
        ),
        pytest.param(
            {"TotalCmdsCount": flow(1000), "ThrottledCmds": flow(10)},
            [("CACHE_SERVERLESS_THROTTLED", CRITICAL)],
            id="a hundredth throttled",
        ),
        pytest.param(
            {"BytesUsedForCache": flow(9 * 1024**3)},
            [("CACHE_SERVERLESS_THROTTLED", CRITICAL)],
            id="nine of ten gigabytes",
        ),
        pytest.param({"BytesUsedForCache": flow(8 * 1024**3)}, [], id="eight of ten"),
        pytest.param(
            {"ElastiCacheProcessingUnits": flow(54_000)},
            [("CACHE_SERVERLESS_THROTTLED", CRITICAL)],
            id="units are a minute in the metric and a second in the limit",
        ),
        pytest.param({"ElastiCacheProcessingUnits": flow(53_000)}, [], id="units just below"),
    ],
)
def test_a_serverless_cache_is_judged_by_its_limits(metrics, expected):
    look = snapshot(
        Node(id="shop", node_id="", metrics=metrics),
        kind=SERVERLESS,
        automatic_failover="",
        shards=(),
        storage_limit=10 * 1024**3,
        units_limit=1000,
    )
    assert found(look) == expected


@pytest.mark.parametrize(
    ("window", "inside"),
    [
        ("02:30-04:30", True),
        ("03:00-03:30", True),
        ("03:01-03:30", False),
        ("22:00-04:00", True),
        ("22:00-03:00", False),
        ("", False),
        ("whenever", False),
    ],
)
def test_daily_windows(window, inside):
    assert in_daily(window, AT) is inside


@pytest.mark.parametrize(
    ("window", "inside"),
    [
        ("sat:02:00-sat:04:00", True),
        ("Sat:02:00-Sat:04:00", True),
        ("sun:02:00-sun:04:00", False),
        ("fri:23:00-sat:03:30", True),
        ("sun:23:30-mon:00:30", False),
        ("xxx:02:00-sat:04:00", False),
        ("", False),
    ],
)
def test_weekly_windows(window, inside):
    assert in_weekly(window, AT) is inside


def test_a_weekly_window_may_span_the_end_of_the_week():
    monday = AT + timedelta(days=1, hours=21)
    assert monday.weekday() == 0
    assert in_weekly("sun:23:30-mon:00:30", monday)


def test_the_headline_is_the_status():
    (first, *_) = elasticache.PROBE.facts(snapshot(status="create-failed"))
    assert (first.text, first.severity) == ("create-failed", CRITICAL)


def test_a_look_can_be_recorded_and_replayed():
    look = snapshot(
        *pair(**{MEMORY: flow(50)}),
        events=(event(DONE, minutes=1),),
        updates=(update(),),
        status_since=ago(minutes=1),
        gaps=(Gap("events", "denied", "no"),),
    )
    assert recording.decode(recording.encode(look), Snapshot) == look


def test_events_are_changes():
    look = snapshot(events=(event(DONE, minutes=1), event("Snapshot succeeded", hours=1)))
    kinds = [change.kind for change in elasticache.PROBE.changes(look, "shop")]
    assert kinds == ["elasticache.failover", "elasticache.event"]


def test_every_finding_is_of_a_code_that_the_probe_declares_and_names_a_runbook():
    look = snapshot(
        *pair(**{MEMORY: flow(95), "EngineCPUUtilization": flow(99), "NewConnections": flow(4e4)}),
        status="modifying",
        automatic_failover="disabled",
        events=(event(DONE, minutes=1),),
    )
    findings = list(elasticache.diagnose(look, elasticache.Settings()))
    assert len(findings) >= 6
    for finding in findings:
        assert finding.code in elasticache.PROBE.codes
        assert finding.runbook
        assert finding.next


# collect, from literals -----------------------------------------------------------------------


def group_row(*members: str, **changes) -> dict:
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


def cluster_row(name: str, status: str = "available", **changes) -> dict:
    row = {
        "CacheClusterId": name,
        "CacheClusterStatus": status,
        "Engine": "redis",
        "CacheNodes": [{"CacheNodeId": "0001", "CacheNodeStatus": "available"}],
    }
    return {**row, **changes}


def aws(groups=(), clusters=(), series=None, **answers) -> FakeAws:
    return FakeAws(
        {
            "elasticache.DescribeReplicationGroups": list(groups),
            "elasticache.DescribeCacheClusters": list(clusters),
            **answers,
        },
        series or {},
    )


TARGET = target("elasticache", "shop")
BOTH = (cluster_row("shop-001"), cluster_row("shop-002"))


@pytest.fixture(autouse=True)
def _still(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: AT)


async def test_a_healthy_group_has_its_nodes_with_their_metrics():
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
async def test_every_node_of_a_group_is_looked_at(number):
    names = [f"shop-{n:03}" for n in range(number)]
    session = aws([group_row(*names)], [cluster_row(name) for name in names])
    look = await elasticache.collect(session, TARGET)
    assert len(look.nodes) == number
    nodes, *_ = elasticache.PROBE.tables(look, elasticache.Settings())
    assert len(nodes.rows) == number


async def test_a_node_that_reboots_is_seen_behind_an_available_cluster():
    rebooting = [{"CacheNodeId": "0001", "CacheNodeStatus": "rebooting"}]
    rows = (BOTH[0], cluster_row("shop-002", CacheNodes=rebooting))
    look = await elasticache.collect(aws([group_row("shop-001", "shop-002")], rows), TARGET)
    assert found(look) == [("CACHE_SHARD_DEGRADED", CRITICAL)]


async def test_a_standalone_node_is_found_when_there_is_no_group_of_the_name():
    look = await elasticache.collect(aws([], [cluster_row("shop")]), TARGET)
    assert (look.kind, look.status) == (CLUSTER, "available")
    assert found(look) == []


async def test_memcached_has_other_metrics_and_several_nodes():
    nodes = [{"CacheNodeId": f"{n:04}", "CacheNodeStatus": "available"} for n in (1, 2, 3)]
    row = cluster_row("shop", Engine="memcached", CacheNodes=nodes)
    session = aws([], [row])
    look = await elasticache.collect(session, TARGET)
    assert [n.name for n in look.nodes] == ["shop", "shop/0002", "shop/0003"]
    names = {query.name for query in session.queries}
    assert "GetHits" in names
    assert "ReplicationLag" not in names


async def test_a_serverless_cache_is_found_last():
    row = {
        "ServerlessCacheName": "shop",
        "Status": "AVAILABLE",
        "Engine": "valkey",
        "CacheUsageLimits": {"DataStorage": {"Maximum": 10}, "ECPUPerSecond": {"Maximum": 1000}},
    }
    session = aws(**{"elasticache.DescribeServerlessCaches": [row]})
    look = await elasticache.collect(session, TARGET)
    assert (look.kind, look.storage_limit, look.units_limit) == (SERVERLESS, 10 * 1024**3, 1000)
    assert found(look) == []
    assert {query.dimensions for query in session.queries} == {(("clusterId", "shop"),)}


async def test_events_of_others_are_not_taken():
    rows = [
        {"SourceIdentifier": "shop", "Message": DONE, "Date": ago(minutes=4)},
        {"SourceIdentifier": "other", "Message": DONE, "Date": ago(minutes=4)},
        {"SourceIdentifier": "shop-001", "Message": "Recovering cache nodes 0001"},
    ]
    session = aws([group_row("shop-001", "shop-002")], BOTH, **{"elasticache.DescribeEvents": rows})
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
async def test_an_arn_names_the_kind(arn, operation):
    session = aws()
    with pytest.raises(BlindError) as caught:
        await elasticache.collect(session, target("elasticache", arn))
    assert caught.value.reason is Reason.MISSING
    assert [name for name, _ in session.calls] == [f"elasticache.{operation}"]


async def test_a_cache_that_is_not_there_is_missing():
    with pytest.raises(BlindError) as caught:
        await elasticache.collect(aws(), TARGET)
    assert caught.value.reason is Reason.MISSING


async def test_a_denied_group_is_blind():
    session = aws(**{"elasticache.DescribeReplicationGroups": denied()})
    with pytest.raises(BlindError) as caught:
        await elasticache.collect(session, TARGET)
    assert caught.value.reason is Reason.DENIED


async def test_denied_helpers_leave_gaps():
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
async def test_an_answer_of_another_shape_is_unreadable(changes):
    row = {"ARN": "shop", **group_row("shop-001", **changes)}
    with pytest.raises(BlindError) as caught:
        await elasticache.collect(aws([row], BOTH), TARGET)
    assert caught.value.reason is Reason.UNREADABLE
