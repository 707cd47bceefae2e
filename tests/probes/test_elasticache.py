"""ElastiCache: status, failovers, shards, load of the nodes, and the traps."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from cockpit.connect.session import Series
from cockpit.triage.finding import Severity
from probes.elasticache import status as elasticache
from probes.elasticache.model import CLUSTER, SERVERLESS, CacheEvent, Node, Snapshot, Update
from probes.elasticache.settings import Settings
from probes.windows import in_daily, in_weekly
from tests.probes.elasticache_looks import (
    CRITICAL,
    DONE,
    HIGH,
    INFO,
    MEMORY,
    WARNING,
    event,
    flow,
    found,
    node,
    pair,
    snapshot,
    update,
)
from tests.probes.fake_aws import AT, ago, hours, minutes


def with_metrics(**metrics: Any) -> Snapshot:
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
def test_a_status_is_fine_only_when_it_is_known_to_be(
    look: Snapshot, expected: list[tuple[str, Severity]]
) -> None:
    assert [each for each in found(look) if each[0] != "CACHE_NO_FAILOVER"] == expected


def test_modifying_with_nothing_pending_is_a_failover_or_a_replacement() -> None:
    (finding,) = elasticache.diagnose(snapshot(status="modifying"), Settings())
    assert finding.likely[0].startswith("a failover or a node replacement")
    look = snapshot(status="modifying", pending=("ClusterMode",))
    (finding,) = elasticache.diagnose(look, Settings())
    assert not finding.likely[0].startswith("a failover")


CALLED = "Test Failover API called for node group 0001"


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
def test_failovers_are_read_from_the_events(
    events: tuple[CacheEvent, ...], expected: list[Severity]
) -> None:
    findings = elasticache.diagnose(snapshot(events=events), Settings())
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
def test_what_would_take_over_is_looked_at(
    look: Snapshot, expected: list[tuple[str, Severity]]
) -> None:
    assert found(look) == expected


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
def test_updates_are_told_when_they_are_due(
    changes: dict[str, tuple[Update | CacheEvent, ...]], expected: list[str]
) -> None:
    assert [code for code, _ in found(snapshot(**changes))] == expected


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
def test_the_load_of_a_node_is_judged_against_its_limits_and_its_past(
    metrics: dict[str, Series], expected: list[tuple[str, Severity]]
) -> None:
    assert found(with_metrics(**metrics)) == expected


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        pytest.param({MEMORY: flow(99)}, [], id="full memory, which is normal there"),
        pytest.param(
            {"SwapUsage": flow(200e6), "FreeableMemory": flow(100e6)},
            [("CACHE_MEMORY_HIGH", CRITICAL)],
            id="more swap than free memory, which is not",
        ),
    ],
)
def test_a_node_with_data_tiering_may_have_its_memory_full(
    metrics: dict[str, Series], expected: list[tuple[str, Severity]]
) -> None:
    look = replace(with_metrics(**metrics), node_type="cache.r6gd.xlarge")

    assert found(look) == expected


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
def test_links_and_lag_are_of_replicas_only(
    role: str, metrics: dict[str, Any], expected: list[tuple[str, Severity]]
) -> None:
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
def test_a_serverless_cache_is_judged_by_its_limits(
    metrics: dict[str, Series], expected: list[tuple[str, Severity]]
) -> None:
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
def test_daily_windows(window: str, inside: bool) -> None:
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
def test_weekly_windows(window: str, inside: bool) -> None:
    assert in_weekly(window, AT) is inside


def told(look: Snapshot, code: str) -> tuple[datetime | None, float]:
    (finding,) = (f for f in elasticache.diagnose(look, Settings()) if f.code == code)
    return finding.began, finding.resolution


FULL = minutes(*[60] * 12, *[95] * 9)


@pytest.mark.parametrize(
    ("code", "look", "expected"),
    [
        pytest.param("CACHE_MEMORY_HIGH", snapshot(node(DatabaseMemoryUsagePercentage=FULL)), (FULL.times[12], 90.0), id="the first point that is high"),
        pytest.param("CACHE_MEMORY_HIGH", snapshot(node(DatabaseMemoryUsagePercentage=minutes(*[95] * 9))), (None, 90.0), id="high in all points that there are"),
        pytest.param("CACHE_FAILOVER_RECENT", snapshot(events=(event(DONE, minutes=9),)), (ago(minutes=9), 1.0), id="the event"),
        pytest.param("CACHE_FAILOVER_RECENT", snapshot(events=(event(DONE, minutes=9), event("Test Failover API called", minutes=11), event(DONE, minutes=40))), (ago(minutes=11), 1.0), id="the start of the newest"),
        pytest.param("CACHE_IN_TRANSITION", snapshot(status="modifying", turned=ago(minutes=20), status_since=ago(minutes=20)), (ago(minutes=20), 90.0), id="a look saw it turn"),
        pytest.param("CACHE_IN_TRANSITION", snapshot(status="modifying", status_since=ago(minutes=20)), (None, 90.0), id="it was so at the first look"),
    ],
)  # fmt: skip
def test_it_began_when_points_events_and_looks_tell(
    code: str, look: Snapshot, expected: tuple[datetime | None, float]
) -> None:
    assert told(look, code) == expected


def test_a_status_of_the_first_look_has_no_beginning() -> None:
    first = snapshot(status="modifying")
    assert elasticache.since(first, first).turned is None
    later = replace(first, at=AT + timedelta(seconds=30))
    turned = elasticache.since(snapshot(), later)
    assert turned.turned == later.at
    assert (
        elasticache.since(turned, replace(later, at=AT + timedelta(minutes=9))).turned == later.at
    )
