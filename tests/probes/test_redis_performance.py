"""Redis' speed from literals: percentiles, commands by time, buffers, loops, lost replicas."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cockpit.runbooks.library import library
from cockpit.triage.finding import Thresholds
from cockpit.triage.recording import decode, encode
from probes.gains import Pair
from probes.redis import performance as redis_performance
from probes.redis.performance_model import (
    Busy,
    Command,
    Hoarder,
    Performance,
    PingRefusal,
    SlowCommand,
    _commands,
    _hoarders,
    _slow_log,
    percentile,
    since,
)

AT = datetime(2026, 11, 21, 2, 41, tzinfo=UTC)
MIB = 2**20
SETTINGS = redis_performance.PROBE.settings


def look(seconds: float = 0, **changed: Any) -> Performance:
    values: dict[str, Any] = {
        "at": AT + timedelta(seconds=seconds), "run_id": "abc", "uptime_s": 1000 + int(seconds),
        "role": "primary", "pings": (0.0005,) * 10, "rtt_s": 0.0003, "commands": {}, "slow": (),
        "clients": 10, "blocked": 0, "client_memory": 20_000, "limit": 100 * MIB, "counted": {},
    }  # fmt: skip
    return Performance(**{**values, **changed})


def gained(seconds: float = 10, **gain: int) -> Performance:
    before = look(counted=dict.fromkeys(gain, 7))
    return since(before, look(seconds, counted={name: 7 + n for name, n in gain.items()}))


def later(look_then: Performance, seconds: float) -> Performance:
    """With looks in which nothing happened any more."""
    quiet = dict.fromkeys(look_then.pairs[-1].gained, 0)
    last = look_then.pairs[-1].at
    more = tuple(
        Pair(at=last + timedelta(seconds=s), seconds=10, gained=quiet)
        for s in range(10, int(seconds) + 1, 10)
    )
    return replace(look_then, pairs=(*look_then.pairs, *more))


def busy(name: str, ms: float) -> Busy:
    return Busy(name=name, calls=10, calls_per_s=1.0, ms=ms, share=ms / 1000)


CALM: dict[str, Any] = {
    "commands": {"get": Command(calls=10, usec=100)},
    "busiest": (busy("get", 2),),
    "pairs": (Pair(at=AT, seconds=10, gained={}),),
}
"""A server that is known to have had little to do."""


def found(state: Performance, settings: Any = SETTINGS) -> list[tuple[str, str]]:
    findings = list(redis_performance.diagnose(state, settings))
    for finding in findings:
        assert library().best(finding.code)
        assert finding.next
        assert finding.likely
    return [(f.code, f.severity.value) for f in findings]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param(look(), [], id="nothing wrong"),
        pytest.param(look(pings=(0.0005,) * 28 + (0.9,) * 2), [("RD_LAT_SLOW", "high")], id="p95"),
        pytest.param(look(pings=(0.0005,) * 29 + (0.9,)), [], id="one of thirty is no rule"),
        pytest.param(
            look(pings=(0.9,) * 2 + (0.0005,) * 28), [], id="an earlier look has told of those"
        ),
        pytest.param(
            look(pings=(0.02,) * 10, late_s=0.03),
            [("RD_LAT_SLOW", "info")],
            id="this machine is late by more",
        ),
        pytest.param(
            look(pings=(0.006,) * 10), [("RD_LAT_SLOW", "warning")], id="6 ms on a fast network"
        ),
        pytest.param(look(pings=(0.006,) * 10, rtt_s=0.005), [], id="6 ms, 5 of the network"),
        pytest.param(
            look(pings=(0.02,) * 10, jitter_s=0.03, **CALM),
            [("RD_LAT_SLOW", "info")],
            id="a link that varies, to a server with little to do",
        ),
        pytest.param(
            look(pings=(0.02,) * 10, jitter_s=0.03, **(CALM | {"busiest": (busy("get", 400),)})),
            [("RD_LAT_SLOW", "warning")],
            id="a link that varies, to a busy server",
        ),
        pytest.param(
            look(pings=(0.02,) * 10, jitter_s=0.03, **(CALM | {"slow": None})),
            [("RD_LAT_SLOW", "warning")],
            id="a link that varies, and the slow log is not told",
        ),
        pytest.param(
            look(pings=(0.02,) * 10, jitter_s=0.03),
            [("RD_LAT_SLOW", "warning")],
            id="a link that varies, and one look only",
        ),
        pytest.param(
            look(pings=(0.02,) * 10, jitter_s=0.01, **CALM),
            [("RD_LAT_SLOW", "warning")],
            id="more than the link varies",
        ),
        pytest.param(look(pings=(), rtt_s=None), [], id="no answer was timed"),
        pytest.param(
            look(busiest=(busy("keys", 39),)), [("RD_LAT_EXPENSIVE_CMD", "high")], id="KEYS"
        ),
        pytest.param(look(busiest=(busy("keys", 10),)), [], id="KEYS of few keys"),
        pytest.param(look(busiest=(busy("psync", 90),)), [], id="not a client's command"),
        pytest.param(
            look(client_memory=10 * MIB + 1), [("RD_MEM_CLIENT_BUFFERS", "warning")], id="10 %"
        ),
        pytest.param(
            look(client_memory=5 * MIB, limit=1000 * MIB),
            [("RD_MEM_CLIENT_BUFFERS", "warning")],
            id="half a mebibyte a client",
        ),
        pytest.param(
            look(client_memory=MIB, clients=2, limit=1000 * MIB), [], id="two clients, one mebibyte"
        ),
        pytest.param(
            gained(client_output_buffer_limit_disconnections=1, evicted_clients=0),
            [("RD_MEM_CLIENT_BUFFERS", "warning")],
            id="a client was cut",
        ),
        pytest.param(
            look(blocked=60, usual_blocked=30), [("RD_BLOCKED", "info")], id="twice as many blocked"
        ),
        pytest.param(look(blocked=60, usual_blocked=50), [], id="workers as ever"),
        pytest.param(look(held={}), [], id="those that wait do it on purpose"),
        pytest.param(
            look(held={"set": 3}, held_since=AT), [("RD_PAUSED", "warning")], id="writes wait"
        ),
        pytest.param(
            look(seconds=10, held={"set": 3}, held_since=AT),
            [("RD_PAUSED", "critical")],
            id="writes wait for ten seconds",
        ),
        pytest.param(look(blocked=60), [], id="the first look knows no usual"),
        pytest.param(
            gained(total_net_output_bytes=10 * 75 * MIB),
            [("RD_NET_BANDWIDTH", "info")],
            id="75 MiB a second",
        ),
        pytest.param(
            gained(sync_full=1, sync_partial_err=1), [("RD_REPL_FULL_SYNC", "warning")], id="sync"
        ),
        pytest.param(
            gained(sync_full=1, sync_partial_err=0),
            [("RD_REPL_FULL_SYNC", "info")],
            id="a replica that was restarted",
        ),
        pytest.param(
            gained(sync_full=2, sync_partial_err=0),
            [("RD_REPL_FULL_SYNC", "warning")],
            id="two to one replica",
        ),
        pytest.param(
            gained(sync_full=3, sync_partial_err=0),
            [("RD_REPL_FULL_SYNC", "high")],
            id="three to one replica: a loop",
        ),
        pytest.param(
            replace(gained(sync_full=3, sync_partial_err=0), replicas=3),
            [("RD_REPL_FULL_SYNC", "info")],
            id="one to each of three replicas",
        ),
        pytest.param(
            gained(errorstat_NOAUTH=10_000, total_connections_received=4_000),
            [("RD_REPL_AUTH_LOOP", "critical")],
            id="a loop of logins",
        ),
        pytest.param(
            gained(errorstat_NOAUTH=10_000, total_connections_received=10),
            [],
            id="one client without a login",
        ),
        pytest.param(
            look(
                refusal=PingRefusal(
                    code="RD_PERSIST_MISCONF", severity="critical", message="writes are refused"
                ),
                pings=(),
            ),
            [("RD_PERSIST_MISCONF", "critical")],
            id="PING is refused",
        ),
        pytest.param(
            look(slow=None, denied=("SLOWLOG GET",)),
            [("RD_OBS_BLIND", "info")],
            id="the slow log is denied",
        ),
    ],
)
def test_a_state_has_its_finding(state: Performance, expected: list[tuple[str, str]]) -> None:
    assert found(state) == expected
    assert decode(encode(state), Performance) == state


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param((), None, id="none"),
        pytest.param((3.0,), 3.0, id="one"),
        pytest.param(tuple(range(10)), 9, id="of ten the largest"),
        pytest.param(tuple(range(100)), 94, id="of a hundred the 95th"),
    ],
)
def test_one_in_twenty_is_a_percentile(values: tuple[float, ...], expected: float | None) -> None:
    assert percentile(values) == expected


def test_commands_are_judged_between_looks_and_never_since_the_start() -> None:
    before = look(commands={"keys": Command(calls=1000, usec=90_000_000)})
    now = look(
        10,
        commands={
            "keys": Command(calls=1002, usec=90_078_000), "get": Command(calls=5000, usec=5000)
        },
    )  # fmt: skip
    made = since(before, now)

    assert [(each.name, each.calls, each.ms) for each in made.busiest] == [
        ("keys", 2, 39.0),
        ("get", 5000, 0.001),
    ]
    assert found(before) == []
    assert found(made) == [("RD_LAT_EXPENSIVE_CMD", "high")]


@pytest.mark.parametrize(
    ("changed", "pairs"),
    [
        pytest.param({}, 1, id="all is well"),
        pytest.param({"run_id": "new", "uptime_s": 2}, 0, id="a restart"),
        pytest.param({"uptime_s": 2}, 0, id="the clock of the server fell"),
        pytest.param({"counted": {"sync_full": 1}}, 0, id="CONFIG RESETSTAT"),
    ],
)
def test_no_rate_is_ever_negative(changed: dict[str, Any], pairs: int) -> None:
    now = look(10, **{"counted": {"sync_full": 5}, **changed})
    made = since(look(counted={"sync_full": 5}), now)

    assert len(made.pairs) == pairs
    assert found(made) == []


def test_lost_replicas_are_told_until_nobody_minds() -> None:
    two = look(replicas=2)
    one = since(two, look(10, replicas=1))
    later = since(one, look(20, replicas=0))
    for step in range(1, 200):
        later = since(later, look(20 + 10 * step, replicas=0))
        if later.fewer_since is None:
            break

    assert found(one) == [("RD_REPL_NONE", "warning")]
    assert (one.most_replicas, step) == (2, 180)
    assert since(one, look(20, replicas=2)).fewer_since is None
    assert since(one, look(20, replicas=0, role="replica")).fewer_since is None


def test_the_fastest_answer_stands_in_for_the_network_where_tcp_tells_nothing() -> None:
    slow = since(look(rtt_s=None, pings=(0.002,)), look(10, rtt_s=None, pings=(0.05, 0.001, 0.06)))

    assert slow.rtt_s == 0.001
    assert len(slow.pings) == 4


def test_only_names_are_kept_of_commands() -> None:
    reply = [
        [7, 1_780_000_000, 39_000, ["KEYS", "secret:*"], "10.0.0.7:4242", "shop"],
        [6, 1_780_000_000, 12_000, ["\x1b[31meval", "return 'secret'"], "10.0.0.7:1", ""],
        ["odd"],
    ]
    entries = _slow_log(reply)

    assert entries is not None
    assert [(entry.id, entry.ms) for entry in entries] == [(7, 39.0), (6, 12.0)]
    assert entries[0].command == "KEYS"
    assert "secret" not in str(entries)
    assert "\x1b" not in str(entries)
    assert _slow_log(None) is None


def test_our_own_slow_commands_are_nobodys_trouble() -> None:
    ours = [7, 1_780_000_000, 39_000, ["INFO"], "10.0.0.7:4242", "incident-cockpit"]
    theirs = [6, 1_780_000_000, 12_000, ["KEYS", "*"], "10.0.0.7:1", "shop"]
    assert [entry.command for entry in _slow_log([ours, theirs]) or ()] == ["KEYS"]


def test_new_slow_commands_are_those_with_a_higher_id() -> None:
    old = SlowCommand(id=4, at=AT, ms=90, command="SORT")
    new = SlowCommand(id=5, at=AT, ms=12, command="KEYS")
    made = since(look(slow=(old,)), look(10, slow=(new, old)))

    assert made.new_slow == (new,)


def test_what_is_not_a_command_of_commandstats_is_left_out() -> None:
    text = (
        "# Commandstats\r\ncmdstat_get:calls=2,usec=10,usec_per_call=5.00,rejected_calls=0\r\n"
        "cmdstat_config|get:calls=1,usec=9\r\ncmdstat_odd:calls=x\r\nother:calls=3,usec=1\r\n"
    )

    assert _commands(text) == {
        "get": Command(calls=2, usec=10), "config|get": Command(calls=1, usec=9)
    }  # fmt: skip


def test_replication_monitors_and_ourselves_are_no_hoarders() -> None:
    lines = [
        "id=1 addr=10.0.0.7:1 name=shop age=5 flags=N tot-mem=5000 cmd=lrange",
        "id=2 addr=10.0.0.8:1 name= age=5 flags=S tot-mem=9000 cmd=psync",
        "id=3 addr=10.0.0.9:1 name=incident-cockpit age=5 flags=N tot-mem=9000 cmd=info",
        "id=4 addr=10.0.0.9:2 name=app age=5 flags=N omem=7000 cmd=get",
    ]
    listed = "\n".join(lines)

    assert [(each.id, each.memory) for each in _hoarders(listed)] == [(4, 7000), (1, 5000)]


def test_the_largest_client_may_be_closed_by_its_id() -> None:
    state = look(
        hoarders=(Hoarder(id=9, name="app", address="10.0.0.7:1", memory=MIB, command="get"),)
    )
    table = list(redis_performance.tables(state, SETTINGS))[-1]

    assert [(o.call, o.args) for o in table.rows[0].offers] == [("client_kill", {"id": 9})]


def test_thresholds_are_settings() -> None:
    strict = replace(SETTINGS, blocked=Thresholds(info=1))

    assert found(look(blocked=1, usual_blocked=0), strict) == [("RD_BLOCKED", "info")]
