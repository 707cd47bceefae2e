"""A Redis cluster from literals: whose word counts, which slots, which shard stands out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cockpit.runbooks.library import library
from cockpit.triage.recording import decode, encode
from probes.redis import cluster as redis_cluster
from probes.redis.cluster_model import Cluster, ClusterNode, _keys, nodes_of, outlier, since

AT = datetime(2026, 11, 21, 2, 41, tzinfo=UTC)
MIB = 2**20
NODES = """\
aaa 127.0.0.1:7001@17001 myself,master - 0 0 1 connected 0-5460
bbb 127.0.0.1:7002@17002,b.cache.example master - 0 17 2 connected 5461-10922 [93-<-ccc]
ccc 127.0.0.1:7003@17003 master,fail? - 17 17 3 connected 10923-16382 16383
ddd 127.0.0.1:7004@17004 slave aaa 0 17 1 connected
eee :0@0 master,noaddr - 0 17 4 disconnected
fff 127.0.0.1:7006@17006 handshake - 0 0 0 connected
"""


def primary(number: int, **changed: Any) -> ClusterNode:
    values: dict[str, Any] = {
        "id": f"p{number}", "host": "10.0.0.1", "port": 7000 + number,
        "address": f"10.0.0.1:{7000 + number}", "slots": 5461, "answered": True, "state": "ok",
        "slots_ok": 16384, "slots_pfail": 0, "slots_fail": 0, "slots_assigned": 16384,
        "ops": 100.0, "memory": 10 * MIB, "keys": 5,
    }  # fmt: skip
    return ClusterNode(**{**values, **changed})


def replica(number: int, **changed: Any) -> ClusterNode:
    node = primary(number, id=f"r{number}", port=8000 + number, slots=0)
    return replace(node, address=f"10.0.0.1:{8000 + number}", primary=f"p{number}", **changed)


def cluster(*changed: ClusterNode, **more: Any) -> Cluster:
    nodes = {n.id: n for i in (1, 2, 3) for n in (primary(i), replica(i))}
    nodes |= {node.id: node for node in changed}
    return Cluster(**{"at": AT, "on": True, "asked_all": True, "nodes": (*nodes.values(),), **more})


def silent(node: ClusterNode, code: str = "RD_CONN_MUTE") -> ClusterNode:
    return replace(
        node, answered=False, state="", slots_ok=None, error=code, severity="critical",
        message="it connects, then nothing is answered",
    )  # fmt: skip


def found(look: Cluster) -> set[tuple[str, str, str]]:
    findings = list(redis_cluster.diagnose(look, redis_cluster.PROBE.settings))
    for finding in findings:
        assert library().best(finding.code)
        assert finding.next
        assert finding.likely
    return {(f.code, f.severity.value, f.subject) for f in findings}


FAILED: dict[str, Any] = {"state": "fail", "slots_ok": 10923, "slots_fail": 5461}
DOUBT: dict[str, Any] = {"slots_ok": 10923, "slots_pfail": 5461}


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(cluster(), set(), id="nothing wrong"),
        pytest.param(Cluster(at=AT, on=False), set(), id="no cluster"),
        pytest.param(
            cluster(
                *(replace(n, **FAILED) for n in cluster().nodes if n.id != "p3"),
                silent(primary(3, failing=True)),
            ),
            {
                ("RD_CLUSTER_DOWN", "critical", ""),
                ("RD_CLUSTER_SLOTS", "critical", ""),
                ("RD_CONN_MUTE", "critical", "10.0.0.1:7003"),
            },
            id="a primary died and nobody took over",
        ),
        pytest.param(
            cluster(primary(1, **FAILED)),
            {("RD_CLUSTER_DOWN", "high", "10.0.0.1:7001")},
            id="a cut-off node is wrong about the rest",
        ),
        pytest.param(
            cluster(*(replace(n, **DOUBT) for n in cluster().nodes)),
            {("RD_CLUSTER_SLOTS", "high", "")},
            id="a failover is due",
        ),
        pytest.param(
            cluster(*(replace(n, slots_ok=16000, slots_assigned=16000) for n in cluster().nodes)),
            {("RD_CLUSTER_SLOTS", "critical", "")},
            id="slots are nobody's",
        ),
        pytest.param(
            cluster(silent(replica(2, failing=True))),
            {
                ("RD_CONN_MUTE", "high", "10.0.0.1:8002"),
                ("RD_REPL_NONE", "warning", "shard 10.0.0.1:7002"),
            },
            id="a replica hangs",
        ),
        pytest.param(
            cluster(silent(replica(2), "NET_TCP_TIMEOUT")),
            {("NET_TCP_TIMEOUT", "warning", "10.0.0.1:8002")},
            id="a replica that only we do not reach",
        ),
        pytest.param(
            cluster(silent(replica(2), "RD_STATE_LOADING")),
            {
                ("RD_STATE_LOADING", "warning", "10.0.0.1:8002"),
                ("RD_REPL_NONE", "warning", "shard 10.0.0.1:7002"),
            },
            id="a replica that loads cannot take over yet",
        ),
        pytest.param(
            cluster(silent(primary(2), "NET_TCP_TIMEOUT")),
            {("NET_TCP_TIMEOUT", "critical", "10.0.0.1:7002")},
            id="a primary that we do not reach",
        ),
        pytest.param(
            cluster(silent(replica(2), "denied")),
            {("RD_OBS_BLIND", "info", "10.0.0.1:8002")},
            id="a node that denies us",
        ),
        pytest.param(
            cluster(nodes=(primary(1), primary(2), primary(3))), set(), id="no shard has a replica"
        ),
        pytest.param(
            cluster(primary(1, ops=5000.0)),
            {("RD_CLUSTER_SKEW", "warning", "shard 10.0.0.1:7001")},
            id="one shard is busy",
        ),
        pytest.param(
            cluster(primary(2, memory=600 * MIB)),
            {("RD_CLUSTER_SKEW", "warning", "shard 10.0.0.1:7002")},
            id="one shard is full",
        ),
        pytest.param(cluster(primary(1, ops=900.0)), set(), id="busier, but hardly busy"),
        pytest.param(
            cluster(asked_all=False, nodes=(primary(1), *(silent(primary(n)) for n in (2, 3)))),
            {("RD_CLUSTER_CLIENT_MODE", "info", "")},
            id="only one was asked",
        ),
    ],
)
def test_a_state_has_its_findings(look: Cluster, expected: set[tuple[str, str, str]]) -> None:
    assert found(look) == expected
    assert decode(encode(look), Cluster) == look
    assert next(iter(redis_cluster.facts(look, redis_cluster.PROBE.settings)))
    assert next(iter(redis_cluster.tables(look, redis_cluster.PROBE.settings))) is not None


@pytest.mark.parametrize(
    ("view", "severity"),
    [
        pytest.param({}, None, id="all"),
        pytest.param(DOUBT, "high", id="in doubt only"),
        pytest.param({"slots_ok": 10923}, "critical", id="not served"),
    ],
)
def test_the_fact_about_slots_is_as_grave_as_their_finding(
    view: dict[str, Any], severity: str | None
) -> None:
    look = cluster(*(replace(n, **view) for n in cluster().nodes))
    (fact,) = (
        each
        for each in redis_cluster.facts(look, redis_cluster.PROBE.settings)
        if each.label == "slots served"
    )

    assert fact.severity == severity
    assert {each[1] for each in found(look)} == ({severity} if severity else set())


def test_the_middle_that_is_shown_is_the_one_that_is_judged_by() -> None:
    look = cluster(
        primary(1, ops=9000.0), primary(2, ops=1000.0), primary(3, ops=2000.0),
        primary(4, ops=4000.0), replica(4),
    )  # fmt: skip
    (skew,) = redis_cluster.diagnose(look, redis_cluster.PROBE.settings)

    assert skew.evidence[0].limit == 6000  # twice the median of an even number


def test_keys_are_counted_in_every_database() -> None:
    info = {
        "db0": "keys=5,expires=0",
        "db12": "keys=7,expires=1",
        "dbx": "keys=9",
        "role": "master",
    }

    assert _keys(info) == 12
    assert _keys({}) == 0


def test_the_map_is_read_by_lines_and_names_are_preferred() -> None:
    nodes = nodes_of(NODES, host="cache.example")

    assert [(n.id, n.address, n.slots) for n in nodes] == [
        ("aaa", "127.0.0.1:7001", 5461),
        ("bbb", "b.cache.example:7002", 5462),
        ("ccc", "127.0.0.1:7003", 5461),
        ("ddd", "127.0.0.1:7004", 0),
    ]
    assert [n.id for n in nodes if n.failing] == ["ccc"]
    assert [n.id for n in nodes if n.myself] == ["aaa"]
    assert nodes[-1].primary == "aaa"


def test_a_node_that_does_not_know_its_address_is_where_we_found_it() -> None:
    (node,) = nodes_of("aaa :7001@17001 myself,master - 0 0 0 connected", host="cache.example")

    assert node.address == "cache.example:7001"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({"a": 9.0, "b": 1.0}, None, id="two shards have no middle"),
        pytest.param({"a": 9.0, "b": 1.0, "c": 1.0}, "a", id="one of three"),
        pytest.param({"a": 2.0, "b": 1.0, "c": 1.0}, None, id="just twice the middle"),
        pytest.param({"a": 0.9, "b": 0.1, "c": 0.1}, None, id="too little to matter"),
    ],
)
def test_one_stands_out_by_the_middle_of_all(
    values: dict[str, float], expected: str | None
) -> None:
    assert outlier(values, least=1.0, times=2) == expected


def test_an_atomic_migration_that_carries_nothing_is_stuck() -> None:
    """Valkey 9; while bytes come it is only a fact, and the age begins anew with each of them."""

    def at(seconds: float, carried: int) -> Cluster:
        moving = primary(1, migrates=True, moved_bytes=carried)
        return cluster(moving, at=AT + timedelta(seconds=seconds))

    look = at(0, 100)
    for seconds, carried in ((100, 200), (200, 200), (450, 200)):
        look = since(look, at(seconds, carried))
    assert found(look) == set()

    look = since(look, at(510, 200))
    assert found(look) == {("RD_CLUSTER_SLOT_STUCK", "warning", "migration at 10.0.0.1:7001")}
    assert found(since(look, at(520, 300))) == set()


def test_what_a_node_was_not_asked_again_is_kept() -> None:
    first = nodes_of(NODES.replace("0-5460", "0-5460 [93->-bbb]"), host="h")
    look = Cluster(at=AT, on=True, nodes=first)
    unasked = replace(look, nodes=tuple(replace(node, moves=None) for node in first))
    later = since(since(look, look), replace(unasked, at=AT + timedelta(minutes=6)))

    assert [(m.slot, m.takes, m.other) for m in later.nodes[0].moves or ()] == [(93, False, "bbb")]
    assert later.nodes[1].moves is None
    stuck = next(
        f
        for f in redis_cluster.diagnose(later, redis_cluster.PROBE.settings)
        if f.code == "RD_CLUSTER_SLOT_STUCK"
    )
    assert "from 127.0.0.1:7001 to b.cache.example:7002 for 6m" in stuck.summary


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({"refused": {"READONLY": 1.0}},
                     {("RD_ERR_REFUSED", "critical", "READONLY at 10.0.0.1:7002")}, id="a storm"),
        pytest.param({"refused": {"READONLY": 0.2}},
                     {("RD_ERR_REFUSED", "high", "READONLY at 10.0.0.1:7002")}, id="a few"),
        pytest.param({"refused": {"MISCONF": 0.9}}, set(), id="monitors get it as well"),
        pytest.param({"refused": {"READONLY": 9.0}, "myself": True}, set(), id="redis.health"),
        pytest.param({"refused": {"ERR": 9.0}}, set(), id="the application's own errors"),
        pytest.param({"good_replicas": 0},
                     {("RD_REPL_MIN_UNMET", "critical", "10.0.0.1:7002")}, id="no replica in step"),
        pytest.param({"good_replicas": 1}, set(), id="one in step"),
        pytest.param({"paused": "client_pause"},
                     {("RD_PAUSED", "high", "10.0.0.1:7002")}, id="writes wait"),
        pytest.param({"paused": "none"}, set(), id="nothing waits"),
    ],
)  # fmt: skip
def test_what_another_shard_refuses(
    changed: dict[str, Any], expected: set[tuple[str, str, str]]
) -> None:
    assert found(cluster(primary(2, **changed))) == expected


def test_errors_of_a_node_are_rates_and_a_reset_says_nothing() -> None:
    def at(seconds: float, **errors: int) -> Cluster:
        return cluster(primary(2, errors=errors), at=AT + timedelta(seconds=seconds))

    def refused(look: Cluster) -> dict[str, float]:
        return next(node.refused for node in look.nodes if node.id == "p2")

    assert refused(since(at(0), at(5, READONLY=10))) == {"READONLY": 2.0}
    assert refused(since(at(0, READONLY=10), at(5, READONLY=10))) == {}
    assert refused(since(at(0, READONLY=10), at(5, READONLY=3))) == {}


def test_what_is_said_of_a_node_stands_in_its_row() -> None:
    node = primary(2, paused="something_newer", refused={"ODD": 4.0, "ERR": 1.0}, migrates=True)
    (table,) = redis_cluster.tables(cluster(node), redis_cluster.PROBE.settings)
    row = next(row for row in table.rows if row.key == "p2")

    assert row.cells[-1] == (
        "clients are held up: something_newer · slots are being moved · ODD 4/s"
    )
