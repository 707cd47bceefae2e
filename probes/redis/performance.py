"""How fast Redis or Valkey answers, and what takes its one thread's time, memory and bandwidth.

Source: catalogue of findings 4.3 and 4.4; see `performance_model`. Ten PINGs a look, judged above
what the network takes; commands by time between two looks, never since the start. Needs an
observer's ACL: `+info +ping +slowlog|get +client|list`; what is denied is asked once in ten
minutes, since the server logs each denial.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cockpit.connect.redis.errors import acl
from cockpit.connect.redis.settings import RedisSettings
from cockpit.text import visible
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.triage.view import Table
from cockpit.units import count, duration, percent, size
from probes.gains import MINUTE, WINDOW, Window, window
from probes.redis.performance_model import (
    CUT,
    NOAUTH,
    Busy,
    Performance,
    RedisSession,
    read_performance,
    since,
)
from probes.redis.performance_view import milliseconds, views
from probes.redis.syncs import full_syncs, lost_replicas

MIB = 2**20
_EACH = 5
EXPENSIVE = frozenset(
    {
        "keys", "smembers", "hgetall", "hvals", "hkeys", "lrange", "sort", "sort_ro", "eval",
        "evalsha", "eval_ro", "evalsha_ro", "fcall", "fcall_ro", "flushall", "flushdb", "save",
        "sunion", "sinter", "sdiff", "sunionstore", "sinterstore", "sdiffstore", "zunionstore",
        "zinterstore", "zrange", "zrangebyscore", "del", "mget", "debug",
    }
)  # fmt: skip
"""Commands whose time grows with the data that they touch."""
_BUFFERS, _A_CLIENT = 4 * MIB, 200_000
"""Bytes of client buffers, all together or a client, from which on clients are listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Thresholds. Seconds, shares of one, bytes, or per second over a minute."""

    latency: Thresholds = Thresholds(warning=0.005, high=0.05)
    """Seconds above the network's round trip, at the 95th percentile."""
    expensive_ms: float = 10
    """Milliseconds a call."""
    buffers: Thresholds = Thresholds(warning=0.1)
    """Client buffers as a share of the limit."""
    buffer_a_client: Thresholds = Thresholds(warning=_A_CLIENT)
    buffers_least: float = _BUFFERS
    """Bytes of all client buffers below which the average is not judged."""
    held_s: Thresholds = Thresholds(warning=0, critical=10)
    """Seconds for which clients are seen to wait in commands that do not wait by themselves."""
    blocked: Thresholds = Thresholds(info=50)
    """Blocked clients, when they are twice as many as at the first look."""
    bandwidth: Thresholds = Thresholds(info=75 * MIB)
    """Bytes a second to the clients; set it to the node's baseline."""
    refused_logins: float = 100
    """Commands a second refused for want of a login, with as many connections: a loop."""


async def collect(redis: RedisSession, target: Target) -> Performance:
    """Two INFOs, ten PINGs and the slow log: some milliseconds."""
    settings = target.settings
    assert isinstance(settings, RedisSettings)
    return await read_performance(redis, user=settings.user, large=_BUFFERS, each=_A_CLIENT)


def diagnose(look: Performance, settings: Settings) -> Iterator[Finding]:
    """Refusals, speed, commands, buffers, blocked clients, bandwidth, replicas.

    RD_OBS_BLIND: The user may not run a command of this look; what it would have shown is not
    known.

    RD_STATE_LOADING: The server is loading its data and answers nothing else until then.

    RD_PERSIST_MISCONF: Snapshots fail, so the server refuses writes
    (`stop-writes-on-bgsave-error`).

    RD_REPL_STALE_REFUSED: A replica without its primary, which is set to refuse reads rather than
    to show the past.
    """
    if look.refusal is not None:
        yield Finding(
            look.refusal.code,
            Severity(look.refusal.severity),
            visible(look.refusal.message, 200),
            likely=_REFUSED.get(look.refusal.code, ()),
            next="INFO is still answered: redis.health says more",
        )
    if look.denied:
        yield Finding(
            "RD_OBS_BLIND",
            Severity.INFO,
            f"the user may not run {' and '.join(look.denied)}: "
            f"{' and '.join(_HIDDEN[each] for each in look.denied)} not known",
            subject="denied",
            likely=("the ACL was made without it", "somebody took it away"),
            next=acl(look.user),
        )
    yield from _latency(look, settings)
    yield from _expensive(look, settings)
    yield from _held(look, settings)
    yield from _blocked(look, settings)
    yield from lost_replicas(look)
    minute, five = window(look.pairs, MINUTE), window(look.pairs, WINDOW)
    yield from _buffers(look, five, settings)
    if minute is not None and five is not None:
        yield from _bandwidth(minute, settings)
        yield from full_syncs(look, minute, five)
        yield from _loop(minute, settings)


_HIDDEN = {
    "PING": "the time of an answer is",
    "SLOWLOG GET": "slow commands are",
    "CLIENT LIST": "whose buffers are large is",
}
_REFUSED = {
    "RD_REPL_STALE_REFUSED": ("its primary is gone, and replica-serve-stale-data is no",),
    "RD_PERSIST_MISCONF": ("the disk is full or not writable", "no memory left to fork"),
    "RD_STATE_LOADING": ("it was just started",),
}


def _latency_severity(look: Performance, settings: Settings) -> Severity | None:
    """A note where round trips vary by as much, and the server had little to do, or where this
    machine itself is late by as much.
    """
    severity = settings.latency.grade(look.added)
    if settings.latency.grade(look.added_now) is None:
        return None  # the answers that were slow are those of an earlier look, which told of them
    unsure = (look.is_jitter and look.calm) or look.late_s >= (look.added or 0.0)
    return Severity.INFO if severity and unsure else severity


def _not_the_server(look: Performance) -> Iterator[str]:
    if look.late_s > 0.001:
        late = milliseconds(look.late_s)
        yield f"this machine was late by {late} itself; it is taken off"
    if look.is_jitter:
        varies = milliseconds(look.jitter_s or 0)
        yield f"round trips vary by {varies}: a VPN or a busy link may be all of it"


def _latency(look: Performance, settings: Settings) -> Iterator[Finding]:
    """Answers take much longer than the network needs for them.

    Judged above the fastest round trip, so that a far server is not a slow one. One expensive
    command holds everybody up, since there is one thread. Two of the newest ten answers must be
    slow too, so that two looks do not tell of one moment. Information only where the connection
    itself is as unsteady and the server is known to be calm, or this machine is late by as much.
    """
    added = look.added
    severity = _latency_severity(look, settings)
    if severity is None or added is None:
        return
    most = look.busiest[0] if look.busiest else None
    slowest = look.new_slow[0] if look.new_slow else None
    yield Finding(
        "RD_LAT_SLOW",
        severity,
        f"one answer in twenty takes {milliseconds(added)} more than the fastest round trip",
        evidence=(
            Evidence("answer above the round trip", added * 1000, "ms",
                     (settings.latency.first or 0) * 1000),
            Evidence("round trip", None if look.rtt_s is None else look.rtt_s * 1000, "ms"),
            Evidence("round trips vary by",
                     None if look.jitter_s is None else look.jitter_s * 1000, "ms"),
            Evidence("answers timed", len(look.pings)),
            Evidence("new slow commands", None if look.slow is None else len(look.new_slow)),
            Evidence("the slowest", f"{slowest.command} {slowest.ms:.0f} ms" if slowest else None),
            Evidence("most time", f"{most.name} {percent(most.share)}" if most else None),
        ),
        likely=(
            f"{most.name.upper()} takes {percent(most.share)} of the thread's time"
            if most and most.share > 0.3
            else "one expensive command that the others wait for",
            "a fork for a snapshot, or swapping",
            "more load than one thread bears",
        ),
        against=tuple(_not_the_server(look)),
        next="commands by time; the slow log leaves queueing out, so its times are too small",
        fact=False,
    )  # fmt: skip


def _expensive(look: Performance, settings: Settings) -> Iterator[Finding]:
    """A command that reads whole collections takes long, and nothing else runs meanwhile.

    KEYS, SMEMBERS, HGETALL, LRANGE, scripts and the like take time in proportion to what they read.
    SCAN and its cousins give the same in small pieces.
    """

    def is_expensive(each: Busy) -> bool:
        return each.name.partition("|")[0] in EXPENSIVE and each.ms > settings.expensive_ms

    for each in [busy for busy in look.busiest if is_expensive(busy)][:_EACH]:
        name = visible(each.name.upper().replace("|", " "), 40)
        yield Finding(
            "RD_LAT_EXPENSIVE_CMD",
            Severity.HIGH,
            f"{name} takes {each.ms:,.0f} ms a call, {count(each.calls, 'call')} since the last "
            "look: everybody waits meanwhile",
            subject=name,
            evidence=(
                Evidence("a call", each.ms, "ms", settings.expensive_ms),
                Evidence("calls", each.calls_per_s, "/s"),
                Evidence("of the thread's time", each.share, "share"),
            ),
            likely=(
                "a release that reads a whole set, list or keyspace at once",
                "a value that grew",
                "a person or a script that explores by hand",
            ),
            next="who sends it? the slow log has the client's address; SCAN and its cousins read "
            "in parts",
        )


def _buffers(look: Performance, five: Window | None, settings: Settings) -> Iterator[Finding]:
    """Clients hold much memory in buffers for answers that they do not read.

    It counts against the limit, so keys are evicted for it. The server cuts a client off at its
    buffer limit, which hits subscribers and replicas first.
    """
    held, each = look.client_memory, look.per_client
    share = held / look.limit if held is not None and look.limit else None
    cut = _sum(
        five,
        "evicted_clients",
        CUT,
        "client_query_buffer_limit_disconnections",
    )
    average = each if (held or 0) >= settings.buffers_least else None
    grades = (settings.buffers.grade(share), settings.buffer_a_client.grade(average))
    severity = max((grade for grade in grades if grade), default=None)
    if cut:
        severity = severity or Severity.WARNING
    if severity is None:
        return
    first = look.hoarders[0] if look.hoarders else None
    tail = f"; {count(cut, 'client')} {'was' if cut == 1 else 'were'} cut for it" if cut else ""
    yield Finding(
        "RD_MEM_CLIENT_BUFFERS",
        severity,
        f"{count(look.clients or 0, 'client')} hold {size(held or 0)} of memory in buffers{tail}",
        evidence=(
            Evidence("client buffers", held, "bytes"),
            Evidence("of the limit", share, "share", settings.buffers.first),
            Evidence("a client", each and round(each), "bytes", settings.buffer_a_client.first),
            Evidence("clients cut", cut, "", 0),
            Evidence("the largest", first.memory if first else None, "bytes"),
            Evidence("it is", f"{first.name or 'client'} {first.id} {first.address}".strip()
                     if first else None),
            Evidence("it did", first.command if first else None),
        ),
        likely=(
            "a client asks for much and reads slowly, or not at all",
            "a subscriber or replica that cannot keep up",
            "pipelines without an end",
        ),
        next="CLIENT LIST by tot-mem: whose is the largest? closing it frees its buffers",
        fact=bool(cut),
    )  # fmt: skip


def _sum(gained: Window | None, *names: str) -> int | None:
    """Of those that this server counts; None: none, or no earlier look."""
    known = [gained.gained[name] for name in names if name in gained.gained] if gained else []
    return sum(known) if known else None


def _held(look: Performance, settings: Settings) -> Iterator[Finding]:
    """Clients wait in commands that never wait by themselves: writes are held up (CLIENT PAUSE).

    Tools for failovers pause writes for a second or two; one that died leaves the pause behind. A
    server that says why it holds them is judged by redis.health; of others the clients are listed.
    """
    if not look.held or look.held_since is None:
        return
    seen = (look.at - look.held_since).total_seconds()
    listed = sorted(look.held.items(), key=lambda each: (-each[1], each[0]))
    names = " · ".join(f"{name.upper()} {number:,}" for name, number in listed[:_EACH])
    waiting = sum(look.held.values())
    yield Finding(
        "RD_PAUSED",
        settings.held_s.grade(seen) or Severity.WARNING,
        f"{count(waiting, 'client')} {'waits' if waiting == 1 else 'wait'} in commands that do not "
        "wait by themselves: writes are held up"
        + (f", seen for {duration(seen)}" if seen >= 1 else ""),
        evidence=(
            Evidence("clients held up", waiting, "", 0),
            Evidence("in", names),
            Evidence("seen for", seen, "s", settings.held_s.critical),
        ),
        likely=(
            "CLIENT PAUSE WRITE, left behind by a failover or migration tool that died",
            "a FAILOVER that does not end",
        ),
        next="who paused it, and is that tool still at work? else CLIENT UNPAUSE lets writes go on",
    )


def _blocked(look: Performance, settings: Settings) -> Iterator[Finding]:
    """Twice as many clients as when the watch began wait in a blocking command.

    Workers that wait for work are as they should be; when nothing comes into their queues, the
    producer has stopped.
    """
    severity = settings.blocked.grade(look.blocked)
    usual = look.usual_blocked
    if severity is None or usual is None or (look.blocked or 0) < 2 * usual:
        return
    yield Finding(
        "RD_BLOCKED",
        severity,
        f"{count(look.blocked or 0, 'client')} are blocked, {usual} were when the watch began",
        evidence=(
            Evidence("blocked", look.blocked, "", settings.blocked.first),
            Evidence("at the first look", usual),
            Evidence("clients", look.clients),
        ),
        likely=(
            "workers wait in BLPOP or XREAD for a producer that has stopped",
            "writers wait for replicas (WAIT), or CLIENT PAUSE is on",
            "more workers were started",
        ),
        against=("workers that wait for work are as they should be",),
        next="do the queues that they wait for get anything? then it is the producer",
        fact=False,
    )


def _bandwidth(minute: Window, settings: Settings) -> Iterator[Finding]:
    """The server sends as much as the node's network may carry.

    Above the baseline of its type a node lives on a burst that ends; then packets are queued and
    dropped, and all clients time out.
    """
    out = minute.per_s("total_net_output_bytes")
    severity = settings.bandwidth.grade(out)
    if severity is None or out is None:
        return
    answers = minute.per_s("total_commands_processed")
    yield Finding(
        "RD_NET_BANDWIDTH",
        severity,
        f"{size(out)} a second are sent to clients",
        evidence=(
            Evidence("sent", round(out), "bytes", settings.bandwidth.first),
            Evidence("received", _round(minute.per_s("total_net_input_bytes")), "bytes"),
            Evidence("an answer", _round(out / answers if answers else None), "bytes"),
        ),
        likely=(
            "one large value that many read",
            "a full sync to a replica",
            "more load: a small node has a low baseline and a burst that ends",
        ),
        next="NetworkBandwidthOutAllowanceExceeded in CloudWatch says whether packets are dropped",
        fact=False,
    )


def _round(value: float | None) -> int | None:
    return None if value is None else round(value)


def _loop(minute: Window, settings: Settings) -> Iterator[Finding]:
    """Connections without a login come in a loop, hundreds a second.

    Each costs the one thread, with TLS a handshake too. A replica without `masterauth` after a
    password was set does it, and clients that retry without a pause.
    """
    refused, arrived = minute.per_s(NOAUTH), minute.per_s("total_connections_received")
    if refused is None or arrived is None or min(refused, arrived) < settings.refused_logins:
        return
    yield Finding(
        "RD_REPL_AUTH_LOOP",
        Severity.CRITICAL,
        f"{arrived:,.0f} connections a second come without a login and are refused: a loop",
        evidence=(
            Evidence("refused for want of a login", round(refused), "/s", settings.refused_logins),
            Evidence("new connections", round(arrived), "/s", settings.refused_logins),
        ),
        likely=(
            "a replica without masterauth after a password was set",
            "a client without the new password that retries without a pause",
        ),
        next="who connects? set masterauth on the replica; with TLS the handshakes alone eat the "
        "thread",
    )


def facts(look: Performance, limits: Settings) -> Iterator[Fact]:
    """The time of an answer first."""
    p95 = look.p95
    yield Fact(
        "answer",
        "unknown" if p95 is None else milliseconds(p95),
        None if p95 is None else p95 * 1000,
        "ms",
        severity=_latency_severity(look, limits),
    )
    if look.busiest:
        yield Fact("most time", f"{look.busiest[0].name} {percent(look.busiest[0].share)}")
    if look.slow is not None:
        yield Fact("new slow commands", str(len(look.new_slow)), len(look.new_slow))
    minute = window(look.pairs, MINUTE)
    out = minute.per_s("total_net_output_bytes") if minute else None
    if out is not None:
        yield Fact("sent", f"{size(out)}/s", out, "bytes")
    if look.client_memory is not None:
        yield Fact("client buffers", size(look.client_memory), look.client_memory, "bytes")
    if look.blocked is not None:
        yield Fact("blocked clients", str(look.blocked), look.blocked)


def tables(look: Performance, settings: Settings) -> Iterator[Table]:
    """Commands by time, the slow log, clients with large buffers."""
    yield from views(look, expensive_ms=settings.expensive_ms)


PROBE = Probe(
    id="redis.performance",
    kind="redis",
    collect=collect,
    diagnose=diagnose,
    snapshot=Performance,
    settings=Settings(),
    every=10,
    timeout=8,
    facts=facts,
    tables=tables,
    since=since,
    needs=("ACL +info +ping +slowlog|get +client|list",),
    codes=codes(
        cause=(
            "RD_LAT_EXPENSIVE_CMD",
            "RD_BLOCKED",
            "RD_PAUSED",
            "RD_NET_BANDWIDTH",
            "RD_REPL_AUTH_LOOP",
            "RD_REPL_STALE_REFUSED",
            "RD_PERSIST_MISCONF",
            "RD_STATE_LOADING",
        ),
        event=("RD_REPL_FULL_SYNC",),
        either=("RD_LAT_SLOW", "RD_MEM_CLIENT_BUFFERS"),
        risk=("RD_REPL_NONE",),
        eye=("RD_OBS_BLIND",),
        traits={Trait.LOAD: ("RD_LAT_SLOW",), Trait.COLD: ("RD_STATE_LOADING",)},
    ),
)
