"""Redis' probe from literals: fields that are missing or renamed, policies, rates."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cockpit.connect.redis.session import parse_info
from cockpit.triage.recording import decode, encode
from probes.redis import health as redis_health
from probes.redis.model import AttachedReplica, RedisHealth, RedisRates, health
from probes.redis.rates import since

AT = datetime(2026, 11, 21, 2, 41, tzinfo=UTC)
MIB = 2**20

INFO = """# Server
redis_version:7.2.4
server_name:valkey
valkey_version:9.1.2
server_mode:standalone
run_id:abc
uptime_in_seconds:1000
# Clients
connected_clients:10
maxclients:1000
blocked_clients:2
# Memory
used_memory:50000000
maxmemory:100000000
maxmemory_policy:noeviction
total_system_memory:8000000000
# Stats
evicted_keys:0
rejected_connections:0
total_connections_received:100
total_commands_processed:10000
keyspace_hits:900
keyspace_misses:100
total_error_replies:0
# Replication
role:master
connected_slaves:1
slave0:ip=10.0.0.8,port=6379,state=online,offset=900,lag=1
master_repl_offset:1000
repl_backlog_size:10485760
# CPU
used_cpu_sys:1.5
used_cpu_user:2.5
# Keyspace
db0:keys=10,expires=4,avg_ttl=0
cluster_enabled:0
"""


def look(**changed: Any) -> RedisHealth:
    made = health(parse_info(INFO), at=AT, expects="any")
    return replace(made, **changed)


def rates(**changed: Any) -> RedisRates:
    return RedisRates(**{"seconds": 5.0, "commands": 1000.0, "evicted": 0.0, **changed})


def found(state: RedisHealth) -> list[tuple[str, str]]:
    findings = redis_health.diagnose(state, redis_health.PROBE.settings)
    return [(f.code, f.severity.value) for f in findings]


def test_fields_are_read_by_presence_and_valkey_is_told_from_redis() -> None:
    state = look()

    assert (state.engine, state.mode, state.role) == ("Valkey 9.1.2", "standalone", "primary")
    assert (state.clients, state.max_clients, state.keys, state.expiring) == (10, 1000, 10, 4)
    assert state.replicas[0].offset == 900
    assert state.counters.oom_errors == 0
    assert state.counters.cpu_s == 4.0
    assert decode(encode(state), RedisHealth) == state


def test_what_an_old_server_does_not_say_is_unknown() -> None:
    old = health(parse_info("redis_version:5.0.6\nrun_id:x\nrole:master\n"), at=AT, expects="any")

    assert old.engine == "Redis 5.0.6"
    assert old.counters.oom_errors is None
    assert old.memory_share is None
    assert found(old) == []
    assert next(iter(redis_health.facts(old, redis_health.PROBE.settings))).value is None


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param(look(), [], id="nothing wrong"),
        pytest.param(look(clients=800), [("RD_SAT_CLIENTS", "warning")], id="80 % of clients"),
        pytest.param(
            look(rates=rates(rejected=0.2)), [("RD_SAT_CLIENTS", "critical")], id="refused now"
        ),
        pytest.param(
            look(used=95_000_000), [("RD_MEM_NEAR_MAX", "high")], id="nearly full, evicts nothing"
        ),
        pytest.param(
            look(used=100_000_000, policy="allkeys-lru"),
            [("RD_MEM_NEAR_MAX", "info")],
            id="a full cache is as it should be",
        ),
        pytest.param(
            look(limit=0, used=50_000_000), [], id="no limit is set: the machine's memory counts"
        ),
        pytest.param(
            look(policy="allkeys-lru", rates=rates(evicted=5.0)),
            [("RD_MEM_EVICTING", "info")],
            id="a cache evicts a little",
        ),
        pytest.param(
            look(policy="allkeys-lru", rates=rates(evicted=50.0)),
            [("RD_MEM_EVICTING", "warning")],
            id="more than one per cent of commands",
        ),
        pytest.param(
            look(policy="allkeys-lru", rates=rates(evicted=5.0, hit_share=0.7), earlier_hits=0.9),
            [("RD_MEM_EVICTING", "high")],
            id="the hits suffer",
        ),
        pytest.param(
            look(policy="volatile-lru", rates=rates(evicted=1.0)),
            [("RD_MEM_EVICTING", "info")],
            id="a few keys with an expiry go",
        ),
        pytest.param(
            look(policy="volatile-lru", rates=rates(evicted=200.0)),
            [("RD_MEM_EVICTING", "warning")],
            id="many keys with an expiry go",
        ),
        pytest.param(
            look(policy="volatile-lru", rates=rates(evicted=1.0, hit_share=0.7), earlier_hits=0.9),
            [("RD_MEM_EVICTING", "high")],
            id="keys with an expiry go and the hits suffer",
        ),
        pytest.param(
            look(used=100_000_000, uncounted=20_000_000),
            [],
            id="buffers of replicas are not held against the limit",
        ),
        pytest.param(
            look(limit=0, system=100_000_000, used=90_000_000, uncounted=20_000_000),
            [("RD_MEM_NEAR_MAX", "warning")],
            id="but the machine has to hold them",
        ),
        pytest.param(
            look(rates=rates(oom_errors=3.0)), [("RD_MEM_OOM_REJECT", "critical")], id="refused"
        ),
        pytest.param(
            look(rates=rates(cpu=0.92)), [("RD_CPU_ENGINE", "high")], id="one core is full"
        ),
        pytest.param(
            look(rates=rates(hit_share=0.5), earlier_hits=0.9),
            [("RD_CACHE_HIT", "warning")],
            id="hits fell",
        ),
        pytest.param(
            look(rates=rates(hit_share=0.5), earlier_hits=0.55), [], id="hits were always low"
        ),
        pytest.param(
            look(role="replica", link_up=False, link_down_s=5.0),
            [("RD_REPL_LINK_DOWN", "high")],
            id="link down",
        ),
        pytest.param(
            look(role="replica", link_up=False, link_down_s=60.0),
            [("RD_REPL_LINK_DOWN", "critical")],
            id="link down for a minute",
        ),
        pytest.param(
            look(role="replica", link_up=True, heard_s=16.0),
            [("RD_REPL_LINK_DOWN", "high")],
            id="up, but the primary is silent",
        ),
        pytest.param(
            look(role="replica", link_up=True, heard_s=10.0), [], id="a ping period is no silence"
        ),
        pytest.param(
            look(offset=900 + 10 * MIB), [("RD_REPL_LAG", "warning")], id="a replica 10 MiB behind"
        ),
        pytest.param(
            look(
                offset=300 * 2**30,
                replicas=(AttachedReplica(address="a:1", state="send_bulk", offset=0, lag_s=0),),
            ),
            [],
            id="a replica takes a full copy",
        ),
        pytest.param(
            look(
                offset=300 * 2**30,
                replicas=(AttachedReplica(address="a:1", state="online", offset=0, lag_s=40),),
            ),
            [],
            id="a replica has its copy and has not acknowledged yet",
        ),
        pytest.param(
            look(replicas=(AttachedReplica(address="a:1", state="online", lag_s=40),)),
            [("RD_REPL_LAG", "high")],
            id="a replica that tells only its lag",
        ),
        pytest.param(
            look(role="replica", expects="primary"), [("RD_ROLE_WRONG", "critical")], id="role"
        ),
        pytest.param(
            look(expects="replica"), [("RD_ROLE_WRONG", "high")], id="a primary for a reader"
        ),
        pytest.param(look(loading=True), [("RD_STATE_LOADING", "critical")], id="loading"),
        pytest.param(
            look(snapshot_failed=True), [("RD_PERSIST_FAILING", "high")], id="snapshot failed"
        ),
        pytest.param(
            look(fragmentation=1.5, fragmented=200 * MIB), [("RD_MEM_FRAG", "warning")], id="frag"
        ),
        pytest.param(look(fragmentation=2.5, fragmented=4 * MIB), [], id="a ratio alone is noise"),
        pytest.param(
            look(used=400 * MIB, limit=800 * MIB, resident=300 * MIB),
            [("RD_MEM_FRAG", "high")],
            id="a part is swapped out",
        ),
        pytest.param(look(used=4 * MIB, resident=3 * MIB), [], id="small and partly not touched"),
        pytest.param(
            look(fork_s=1.2, forked=True), [("RD_PERSIST_FAILING", "warning")], id="a long fork"
        ),
        pytest.param(look(fork_s=1.2), [], id="a long fork of long ago"),
    ],
)
def test_a_state_has_its_finding(state: RedisHealth, expected: list[tuple[str, str]]) -> None:
    assert found(state) == expected


def test_rates_are_between_two_looks_and_never_since_the_start() -> None:
    later = look(at=AT + timedelta(seconds=10))
    counters = replace(later.counters, evicted=50, commands=11_000, hits=1_000, misses=200)
    now = since(look(), replace(later, counters=counters))

    assert now.rates is not None
    assert (now.rates.evicted, now.rates.commands) == (5.0, 100.0)
    assert now.rates.hit_share == 0.5
    assert now.earlier_hits == 0.5


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"run_id": "other", "uptime_s": 9}, id="another run"),
        pytest.param({"uptime_s": 3}, id="up for less than before"),
    ],
)
def test_a_restart_gives_a_finding_and_no_rates(changed: dict[str, Any]) -> None:
    now = since(look(), look(at=AT + timedelta(seconds=5), **changed))

    assert now.rates is None
    assert found(now) == [("RD_RESTARTED", "high")]


def flipped(before: RedisHealth, **changed: Any) -> list[tuple[str, str]]:
    """What is said when the next look is at another server that ran all the while."""
    now = since(before, look(at=AT + timedelta(seconds=5), run_id="other", **changed))
    assert now.rates is None
    assert now.restarted is None
    return found(now)


@pytest.mark.parametrize(
    ("before", "changed", "expected"),
    [
        pytest.param(
            look(expects="primary"),
            {"expects": "primary"},
            [("RD_ROLE_CHANGED", "high")],
            id="the name followed a failover",
        ),
        pytest.param(
            look(role="replica", expects="replica"),
            {"role": "replica", "expects": "replica"},
            [("RD_ROLE_CHANGED", "info")],
            id="readers in turn",
        ),
        pytest.param(
            look(role="replica", expects="replica", replid="one"),
            {"role": "replica", "expects": "replica", "replid": "two"},
            [("RD_ROLE_CHANGED", "high")],
            id="a reader with other data",
        ),
        pytest.param(
            look(replid="one"),
            {"replid": "two", "earlier_replid": "one", "role": "replica"},
            [("RD_ROLE_CHANGED", "high")],
            id="it is a replica now: told once",
        ),
    ],
)
def test_another_server_behind_the_name_is_no_restart(
    before: RedisHealth, changed: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert flipped(before, **changed) == expected


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        pytest.param(("one", ""), ("two", "one"), True, id="promoted"),
        pytest.param(("one", ""), ("one", ""), True, id="another replica of the same"),
        pytest.param(("one", ""), ("two", ""), False, id="another cache"),
        pytest.param(("", ""), ("two", ""), None, id="not told before"),
        pytest.param(("one", ""), ("", ""), None, id="not told now"),
    ],
)
def test_a_history_of_writes_tells_whether_the_data_is_the_same(
    before: tuple[str, str], now: tuple[str, str], expected: bool | None
) -> None:
    first = look(replid=before[0], earlier_replid=before[1])
    later = look(at=AT + timedelta(seconds=5), run_id="other", replid=now[0], earlier_replid=now[1])

    assert since(first, later).moved_history is expected


def test_a_reader_that_is_promoted_after_the_name_moved_is_told_by_its_role() -> None:
    reader = look(role="replica", expects="any")
    moved = since(reader, replace(reader, at=AT + timedelta(seconds=5), run_id="other"))
    now = since(moved, replace(moved, at=AT + timedelta(seconds=10), role="primary"))
    (finding,) = redis_health.diagnose(now, redis_health.PROBE.settings)
    (change,) = redis_health.changes(now, "sessions")

    assert finding.summary == "the server became a primary while we looked"
    assert (change.at, change.summary) == (now.at, "the server became a primary")


def test_a_restart_keeps_the_hits_to_compare_with_and_a_change_of_role() -> None:
    later = look(at=AT + timedelta(seconds=5), uptime_s=2, role="replica")
    now = since(look(earlier_hits=0.95), later)

    assert now.earlier_hits == 0.95
    assert found(now) == [("RD_ROLE_CHANGED", "high"), ("RD_RESTARTED", "high")]
    cold = since(now, look(at=AT + timedelta(seconds=10), role="replica"))
    cold = replace(cold, rates=rates(hit_share=0.05))
    assert ("RD_CACHE_HIT", "warning") in found(cold)


def replica_of(**fields: object) -> RedisHealth:
    text = INFO.replace("role:master", "role:slave\nmaster_host:10.0.0.7\nmaster_port:6379")
    lines = "".join(f"{name}:{value}\n" for name, value in fields.items())
    return health(parse_info(text + lines), at=AT, expects="any")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, [], id="the link is not told"),
        pytest.param({"master_link_status": "up"}, [], id="up"),
        pytest.param(
            {"master_link_status": "down", "master_link_down_since_seconds": 70},
            [("RD_REPL_LINK_DOWN", "critical")],
            id="down for 70 s",
        ),
        pytest.param(
            {"master_link_status": "down", "master_link_down_since_seconds": -1},
            [("RD_REPL_LINK_DOWN", "high")],
            id="never up",
        ),
        pytest.param(
            {"master_link_status": "down", "master_link_down_since_seconds": 1795228860},
            [("RD_REPL_LINK_DOWN", "high")],
            id="never up, before 6.2: the time of day",
        ),
    ],
)
def test_a_link_is_judged_by_what_is_told(
    fields: dict[str, object], expected: list[tuple[str, str]]
) -> None:
    assert found(replica_of(**fields)) == expected


def test_a_link_that_was_never_up_is_critical_when_we_saw_it_for_a_minute() -> None:
    first = replica_of(master_link_status="down", master_link_down_since_seconds=-1)
    second = since(first, replace(first, at=AT + timedelta(seconds=30)))
    third = since(second, replace(first, at=AT + timedelta(seconds=61)))

    assert (second.down_s, third.down_s) == (30, 61)
    assert found(second) == [("RD_REPL_LINK_DOWN", "high")]
    assert found(third) == [("RD_REPL_LINK_DOWN", "critical")]
    up = since(third, replace(first, at=AT + timedelta(seconds=70), link_up=True))
    assert up.down_s is None


def test_a_replica_that_loads_a_full_copy_was_not_restarted() -> None:
    loads = replica_of(
        master_link_status="down", master_link_down_since_seconds=5, loading=1,
        master_sync_in_progress=1,
    )  # fmt: skip
    loading, link = redis_health.diagnose(loads, redis_health.PROBE.settings)

    assert "full copy from its primary" in loading.summary
    assert not any("restart" in cause for cause in loading.likely)
    assert "a sync is running" in link.against[0]


@pytest.mark.parametrize(
    ("allocator", "expected"),
    [
        pytest.param("jemalloc-5.3.0", (1.6, 200 * MIB), id="jemalloc"),
        pytest.param("libc", (None, None), id="libc only divides what it got by what is used"),
    ],
)
def test_an_allocator_without_figures_has_none(
    allocator: str, expected: tuple[float | None, int | None]
) -> None:
    lines = f"mem_allocator:{allocator}\nallocator_frag_ratio:1.6\nallocator_frag_bytes:{200 * MIB}"
    told = health(parse_info(f"{INFO}{lines}\n"), at=AT, expects="any")

    assert (told.fragmentation, told.fragmented) == expected


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        pytest.param({"rates": rates(evicted=0.2)}, "0.2 keys a second are evicted", id="few"),
        pytest.param(
            {"rates": rates(evicted=20.4), "policy": "volatile-ttl"},
            "20 keys a second are evicted under volatile-ttl: keys with an expiry go",
            id="by expiry",
        ),
        pytest.param({"limit": 0, "system": 51_000_000}, "no limit is set", id="no limit"),
        pytest.param({"limit": None, "system": 51_000_000}, "the limit is not told", id="not told"),
    ],
)
def test_a_summary_claims_only_what_is_told(changed: dict[str, Any], says: str) -> None:
    (finding,) = redis_health.diagnose(look(**changed), redis_health.PROBE.settings)

    assert says in finding.summary


def test_a_counter_that_was_reset_gives_no_rate() -> None:
    later = look(at=AT + timedelta(seconds=5))
    now = since(look(), replace(later, counters=replace(later.counters, commands=1)))

    assert now.rates is not None
    assert now.rates.commands is None


def test_few_look_ups_say_nothing_about_hits() -> None:
    later = look(at=AT + timedelta(seconds=5))
    now = since(look(), replace(later, counters=replace(later.counters, misses=110)))

    assert now.rates is not None
    assert now.rates.hit_share is None


@pytest.mark.parametrize("takes", [True, False])
def test_evictions_while_slots_come_in_are_not_the_applications_alone(takes: bool) -> None:
    """Valkey 9 under `allkeys-*`: the target of a migration evicts its own keys for the new ones."""
    state = look(policy="allkeys-lru", rates=rates(evicted=500.0), takes_slots=takes)
    evicting = next(
        each
        for each in redis_health.diagnose(state, redis_health.PROBE.settings)
        if each.code == "RD_MEM_EVICTING"
    )

    assert ("slots come from another node" in evicting.likely[0]) is takes
