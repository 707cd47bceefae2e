"""What clients of Redis get back, from literals: kinds, greetings, resets, pauses, flushes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cockpit.runbooks.library import library
from cockpit.triage.ranking import risk
from cockpit.triage.recording import decode, encode
from probes.gains import Pair
from probes.redis import health as redis_health
from probes.redis.model import RedisHealth, Stats, no_server
from probes.redis.rates import since
from probes.redis.tally import gained, tallied

AT = datetime(2026, 11, 21, 2, 41, tzinfo=UTC)
SETTINGS = redis_health.PROBE.settings


def look(seconds: float = 0, **changed: Any) -> RedisHealth:
    values: dict[str, Any] = {
        "at": AT + timedelta(seconds=seconds), "engine": "Redis 7.0.15", "mode": "standalone",
        "run_id": "abc", "uptime_s": 1000 + int(seconds), "role": "primary", "counters": Stats(),
    }  # fmt: skip
    return RedisHealth(**{**values, **changed})


def ended(*, seconds: float = 10, ago: float = 0, **changed: Any) -> RedisHealth:
    """What a pair of looks gained: `READONLY=3`, `commands=100`, `rejected_set=3`."""
    fields = {name for name in changed if hasattr(look(), name)}
    pair = Pair(
        at=AT - timedelta(seconds=ago),
        seconds=seconds,
        gained={_name(name): number for name, number in changed.items() if name not in fields},
    )
    return look(pairs=(pair,), **{name: changed[name] for name in fields})


def _name(name: str) -> str:
    if name.isupper():
        return f"error {name}"
    return name.replace("_", " ", 1).replace("__", "|")


def _then_nothing(state: RedisHealth) -> RedisHealth:
    return replace(state, pairs=(*state.pairs, Pair(at=AT, seconds=5, gained={"commands": 9})))


def found(state: RedisHealth) -> list[tuple[str, str, str]]:
    findings = list(redis_health.diagnose(state, SETTINGS))
    for finding in findings:
        assert library().best(finding.code)
        assert finding.likely
        assert finding.next
    return [(f.code, f.subject, f.severity.value) for f in findings]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param(ended(commands=1000), [], id="nothing fails"),
        pytest.param(
            ended(READONLY=10), [("RD_ERR_REFUSED", "READONLY", "critical")], id="one a second"
        ),
        pytest.param(
            ended(READONLY=10, ago=9, role="replica"),
            [("RD_ERR_REFUSED", "READONLY", "critical")],
            id="a replica",
        ),
        pytest.param(
            ended(READONLY=1), [("RD_ERR_REFUSED", "READONLY", "high")], id="one of a quiet writer"
        ),
        pytest.param(
            ended(READONLY=900, ago=20), [("RD_ERR_REFUSED", "READONLY", "info")], id="it is over"
        ),
        pytest.param(
            _then_nothing(ended(READONLY=900, ago=5)),
            [("RD_ERR_REFUSED", "READONLY", "info")],
            id="the primary again: it is over",
        ),
        pytest.param(
            _then_nothing(ended(READONLY=900, ago=5, role="replica")),
            [("RD_ERR_REFUSED", "READONLY", "critical")],
            id="a replica for which nobody had a write just now",
        ),
        pytest.param(ended(READONLY=900, ago=61), [], id="it is over for a minute"),
        pytest.param(ended(MISCONF=1, rejected_ping=1), [], id="our own PING is refused"),
        pytest.param(
            ended(MISCONF=31, rejected_ping=1, rejected_set=30),
            [("RD_ERR_REFUSED", "MISCONF", "critical")],
            id="and the writes of others",
        ),
        pytest.param(
            ended(LOADING=500, loading=True),
            [("RD_STATE_LOADING", "", "critical")],
            id="it loads: told once",
        ),
        pytest.param(ended(OOM=500, commands=500), [], id="out of memory has its own rule"),
        pytest.param(
            ended(WRONGTYPE=100, commands=1000, failed_lpush=100),
            [("RD_ERR_FAILING", "WRONGTYPE", "high")],
            id="ten a second, ten in a hundred",
        ),
        pytest.param(
            ended(WRONGTYPE=100, commands=1001),
            [("RD_ERR_FAILING", "WRONGTYPE", "warning")],
            id="ten a second, just below ten in a hundred",
        ),
        pytest.param(ended(WRONGTYPE=100, commands=10_001), [], id="under one in a hundred"),
        pytest.param(ended(WRONGTYPE=9, commands=20), [], id="nine errors"),
        pytest.param(
            ended(NOPERM=600, commands=400, rejected_get=600, seconds=60),
            [("RD_ERR_FAILING", "NOPERM", "high")],
            id="an ACL that lacks a command",
        ),
        pytest.param(
            ended(NOPERM=600, commands=400, rejected_client__setinfo=600, seconds=60),
            [],
            id="an ACL that lacks a greeting",
        ),
        pytest.param(
            ended(ERR=600, connections=200, commands=400), [], id="greetings that no version knows"
        ),
        pytest.param(
            ended(MOVED=99, commands=1000), [], id="a cluster's clients find their way"
        ),
        pytest.param(
            ended(MOVED=500, commands=0, rejected_get=500),
            [("RD_ERR_FAILING", "MOVED", "warning")],
            id="clients that do not know of the cluster",
        ),
        pytest.param(
            ended(SHOPFULL=100, commands=100),
            [("RD_ERR_FAILING", "SHOPFULL", "high")],
            id="a word that nobody knows",
        ),
        pytest.param(look(paused="none"), [], id="not paused"),
        pytest.param(
            look(paused="client_pause", paused_s=9.9), [("RD_PAUSED", "", "warning")],
            id="a pause that ends soon",
        ),
        pytest.param(
            look(paused="client_pause", paused_s=10.0), [("RD_PAUSED", "", "critical")],
            id="a pause left behind",
        ),
        pytest.param(
            look(paused="something_newer", paused_s=90.0), [("RD_PAUSED", "", "warning")],
            id="held up for a reason that nobody knows",
        ),
        pytest.param(look(failover="no-failover"), [], id="no failover"),
        pytest.param(
            look(10, failover="failover-in-progress", failover_since=AT, role="replica"),
            [("RD_FAILOVER_STUCK", "", "critical")],
            id="nobody is the primary",
        ),
        pytest.param(
            look(5, failover="a-newer-state", failover_since=AT),
            [("RD_FAILOVER_STUCK", "", "high")],
            id="a state that nobody knows",
        ),
        pytest.param(look(good_replicas=1), [], id="a replica in step"),
        pytest.param(look(good_replicas=0, role="replica"), [], id="a replica needs none"),
        pytest.param(
            look(good_replicas=0), [("RD_REPL_MIN_UNMET", "", "critical")], id="none in step"
        ),
    ],
)  # fmt: skip
def test_a_state_has_its_findings(state: RedisHealth, expected: list[tuple[str, str, str]]) -> None:
    assert found(state) == expected
    assert decode(encode(state), RedisHealth) == state


def test_nobody_is_told_to_end_a_pause_that_holds_the_ending_up() -> None:
    nexts = [
        finding.next
        for what in ("all", "write")
        for finding in redis_health.diagnose(
            look(paused="client_pause", paused_what=what, paused_s=60.0), SETTINGS
        )
    ]

    assert "it ends by itself" in nexts[0]
    assert "CLIENT UNPAUSE lets writes go on" in nexts[1]


def test_counters_are_read_by_name_and_greetings_are_told_apart() -> None:
    info = {
        "errorstat_READONLY": "count=7", "errorstat_user_said": "count=1", "errorstat_odd": "?",
        "errorstat_ORDER_4711": "count=1", "errorstat_ORDER_4712": "count=2",
        "total_commands_processed": 100, "total_connections_received": 5,
    }  # fmt: skip
    by_command = {
        "cmdstat_set": "calls=9,usec=3,usec_per_call=0.3,rejected_calls=7,failed_calls=1",
        "cmdstat_get": "calls=9,usec=3,usec_per_call=0.3,rejected_calls=0,failed_calls=0",
        "cmdstat_flushall": "calls=2,usec=3,usec_per_call=0.3,rejected_calls=0,failed_calls=0",
    }

    assert tallied(info, by_command) == {
        "error READONLY": 7, "error user_said": 1, "error ORDER_#": 3, "rejected set": 7, "failed set": 1,
        "calls flushall": 2, "commands": 100, "connections": 5,
    }  # fmt: skip
    assert tallied({"total_commands_processed": 100}, by_command) == {}
    assert tallied({"total_error_replies": 0}, {}) == {}


def test_a_kind_that_is_new_began_at_nought_and_a_reset_says_nothing() -> None:
    assert gained({"commands": 5}, {"commands": 9, "error READONLY": 3}) == {
        "commands": 4,
        "error READONLY": 3,
    }
    assert gained({"commands": 5, "error READONLY": 3}, {"commands": 9}) is None
    assert gained({"commands": 5}, {"commands": 4}) is None
    assert gained({}, {"commands": 4}) is None


@pytest.mark.parametrize(
    ("keys", "left", "calls", "told"),
    [
        pytest.param(1000, 0, {"calls flushall": 1}, "FLUSHALL", id="all"),
        pytest.param(1000, 500, {"calls flushdb": 1}, "FLUSHDB", id="one of two databases"),
        pytest.param(1000, 501, {"calls flushdb": 1}, "", id="less than half"),
        pytest.param(99, 0, {"calls flushall": 1}, "", id="next to nothing"),
        pytest.param(1000, 0, {}, "", id="they ended by themselves"),
    ],
)
def test_a_flush_is_keys_that_are_gone_by_command(
    keys: int, left: int, calls: dict[str, int], told: str
) -> None:
    before = look(keys=keys, tally={"commands": 5})
    now = since(before, look(5, keys=left, tally={"commands": 9, **calls}))
    made = [(change.kind, risk(change)) for change in redis_health.changes(now, "cache")]

    assert (now.flushed_by, made) == (told, [("redis.flush", 1.0)] if told else [])
    assert found(now) == ([("RD_FLUSHED", "", "high")] if told else [])
    later = since(now, look(70, tally=now.tally))
    assert found(later) == ([("RD_FLUSHED", "", "info")] if told else [])


def test_hits_that_fall_after_a_flush_are_not_blamed_on_a_restart() -> None:
    before = look(tally={"commands": 5}, earlier_hits=0.95, keys=1000)
    now = since(before, look(5, tally={"commands": 9, "calls flushall": 1}))
    counters = Stats(hits=0, misses=0)
    cold = since(
        replace(now, counters=counters),
        look(10, tally=now.tally, counters=Stats(hits=10, misses=90)),
    )
    fell = next(f for f in redis_health.diagnose(cold, SETTINGS) if f.code == "RD_CACHE_HIT")

    assert fell.likely == ("FLUSHALL threw out 1,000 keys",)


def test_what_is_no_server_of_data_is_named_when_it_is_a_sentinel() -> None:
    sentinel = no_server(
        {"redis_mode": "sentinel", "master0": "name=shop,status=odown,address=10.0.0.4:6379"}
    )

    assert (sentinel.code, sentinel.severity) == ("RD_IS_SENTINEL", "high")
    assert "shop at 10.0.0.4:6379 (odown)" in sentinel.message
    assert no_server({"redis_mode": "something"}).code == ""
