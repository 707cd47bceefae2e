"""What is said of a memcached node, from literals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cockpit.triage.recording import decode, encode
from probes.memcached.health import PROBE, Settings, diagnose
from probes.memcached.model import Counts, MemcachedHealth, Slab, health, since

AT = datetime(2026, 11, 21, 2, 41, tzinfo=UTC)
ZERO: dict[str, int] = dict.fromkeys(
    ("connections", "rejected", "listen_disabled", "gets", "sets", "hits", "misses", "evictions",
     "evicted_unfetched", "reclaims", "no_memory", "flushes", "too_large"), 0
)  # fmt: skip


def node(
    seconds: float = 0, counts: dict[str, Any] | None = None, **changed: Any
) -> MemcachedHealth:
    values: dict[str, Any] = {
        "at": AT + timedelta(seconds=seconds),
        "version": "1.6.18",
        "pid": 7,
        "uptime_s": 1000 + int(seconds),
        "connections": 10,
        "max_connections": 100,
        "accepting": True,
        "used": 10,
        "limit": 100,
        "counts": Counts(**{**ZERO, **(counts or {})}),
    }
    return MemcachedHealth(**{**values, **changed})


def found(look: MemcachedHealth) -> list[tuple[str, str]]:
    return [(each.code, each.severity.value) for each in diagnose(look, Settings())]


@pytest.mark.parametrize(
    ("counts", "changed", "expected"),
    [
        pytest.param({}, {}, [], id="nothing happened"),
        pytest.param({}, {"connections": 79}, [], id="connections, just below"),
        pytest.param({"flushes": 1}, {"items": 99}, [], id="a flush of next to nothing"),
        pytest.param({"sets": 100, "too_large": 2}, {}, [], id="two values are too large"),
        pytest.param(
            {"sets": 997, "too_large": 3}, {}, [("MC_TOO_LARGE", "info")], id="three of a thousand"
        ),
        pytest.param(
            {}, {"connections": 80}, [("MC_SAT_CONNECTIONS", "warning")], id="four fifths connected"
        ),
        pytest.param(
            {"rejected": 1}, {}, [("MC_SAT_CONNECTIONS", "critical")], id="one was refused"
        ),
        pytest.param(
            {"listen_disabled": 1}, {}, [("MC_SAT_CONNECTIONS", "critical")],
            id="it stopped listening once",
        ),
        pytest.param(
            {}, {"accepting": False}, [("MC_SAT_CONNECTIONS", "critical")], id="it takes nobody"
        ),
        pytest.param({}, {"accepting": None, "max_connections": None}, [], id="it does not say"),
        pytest.param({"sets": 1000, "evictions": 9}, {}, [], id="few evictions a write"),
        pytest.param(
            {"sets": 1000, "evictions": 11}, {}, [("MC_EVICTING", "warning")], id="above one in 100"
        ),
        pytest.param({"evictions": 1}, {}, [("MC_EVICTING", "warning")], id="without any write"),
        pytest.param(
            {"sets": 10, "no_memory": 1}, {}, [("MC_EVICTING", "high")], id="a write found no room"
        ),
        pytest.param({}, {"used": 90}, [("MC_MEM", "info")], id="a full cache is fine"),
        pytest.param(
            {}, {"used": 90, "evicts": False}, [("MC_MEM", "high")], id="full and not evicting"
        ),
        pytest.param({}, {"limit": None}, [], id="the limit is not known"),
    ],
)  # fmt: skip
def test_a_node_is_graded(
    counts: dict[str, int], changed: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert found(since(node(), node(15, counts, **changed))) == expected


@pytest.mark.parametrize(
    ("hits", "misses", "expected"),
    [
        pytest.param(100, 0, [], id="as before"),
        pytest.param(79, 21, [("MC_HIT", "warning")], id="a fifth lost"),
        pytest.param(81, 19, [], id="still above four fifths"),
        pytest.param(10, 30, [], id="too few look-ups to judge"),
    ],
)
def test_hits_are_compared_with_the_first_ones(
    hits: int, misses: int, expected: list[tuple[str, str]]
) -> None:
    look = since(node(), node(15, {"hits": 1000}))
    look = since(look, node(30, {"hits": 1000 + hits, "misses": misses}))
    assert look.earlier_hits == 1.0
    assert found(look) == expected


@pytest.mark.parametrize(
    "changed",
    [{"pid": 8, "uptime_s": 15}, {"uptime_s": 3}],
    ids=["another process", "its time began anew"],
)
def test_a_restart_is_told_for_ten_minutes_and_gives_no_rates(changed: dict[str, Any]) -> None:
    look = since(node(counts={"sets": 500}), node(15, {"sets": 5}, **changed))
    assert look.rates is None
    assert found(look) == [("MC_RESTARTED", "high")]
    later = since(look, node(30, {"sets": 5}, **{**changed, "uptime_s": 2000}))
    assert found(later) == [("MC_RESTARTED", "high")]
    gone = since(later, node(15 + 601, {"sets": 5}, **{**changed, "uptime_s": 3000}))
    assert found(gone) == []


def test_a_restart_keeps_the_hits_to_compare_with() -> None:
    look = since(node(), node(15, {"hits": 1000}))
    look = since(look, node(30, pid=8, uptime_s=4))
    look = since(look, node(45, {"hits": 5, "misses": 95}, pid=8, uptime_s=19))

    assert look.earlier_hits == 1.0
    assert found(look) == [("MC_RESTARTED", "high"), ("MC_HIT", "warning")]


@pytest.mark.parametrize("changed", [{"pid": 8}, {"uptime_s": 900}], ids=["pid", "uptime"])
def test_another_node_behind_the_name_was_not_restarted(changed: dict[str, Any]) -> None:
    look = since(node(counts={"sets": 500}), node(15, {"sets": 5}, **changed))

    assert look.rates is None
    assert found(look) == []


@pytest.mark.parametrize("seconds", [0, -1, 301], ids=["no time", "clock went back", "a gap"])
def test_what_cannot_be_compared_gives_no_rates(seconds: float) -> None:
    assert since(node(), node(seconds, {"rejected": 5}, uptime_s=1001)).rates is None


def test_a_counter_that_fell_is_unknown() -> None:
    look = since(node(counts={"rejected": 5}), node(15, {"rejected": 1}))
    assert look.rates is not None
    assert look.rates.rejected is None
    assert found(look) == []


def test_memory_that_is_free_elsewhere_is_an_imbalance() -> None:
    look = since(node(), node(15, {"evictions": 5, "evicted_unfetched": 5, "sets": 5}))
    (finding,) = diagnose(look, Settings())
    assert "too few pages" in finding.likely[0]
    assert "churn" in finding.likely[1]


def test_what_a_version_lacks_is_unknown_and_never_zero() -> None:
    look = health({"pid": "1", "uptime": "5"}, {}, {}, at=AT)
    assert look.connections is None
    assert look.counts.rejected is None
    assert look.memory_share is None
    assert PROBE.facts is not None
    facts = {fact.label: fact for fact in PROBE.facts(look, PROBE.settings)}
    assert facts["memory"].text == "unknown"
    assert (facts["answered"].text, facts["answered"].value) == ("answers", None)
    assert found(since(look, look)) == []


def test_items_are_read_by_their_class() -> None:
    items = {"items:5:number": "31", "items:5:evicted": "7", "items:5:age": "60", "odd": "1",
             "items:x:number": "2", "items:12:outofmemory": "3"}  # fmt: skip
    assert health({}, {}, items, at=AT).slabs == (
        Slab(number=5, items=31, oldest_s=60, evicted=7),
        Slab(number=12, no_memory=3),
    )


def test_a_look_is_recorded_and_read_back() -> None:
    look = since(node(), node(15, {"hits": 100}, slabs=(Slab(number=1),), nodes=("a:11211",)))
    assert decode(encode(look), MemcachedHealth) == look
