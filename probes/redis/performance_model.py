"""What a look at Redis' speed gives: answers' times, commands by time, slow log, buffers, rates.

Source: Redis documentation, INFO (stats, clients, replication, commandstats), SLOWLOG, CLIENT LIST;
catalogue of findings 4.4. Of commands only the name is kept, never a key or a value.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any, Protocol

from cockpit import clock
from cockpit.connect.pace import Pace
from cockpit.connect.session import RedisReads
from cockpit.errors import BlindError, Reason
from cockpit.text import visible
from probes.gains import WINDOW, Pair, gains, kept
from probes.redis.model import no_server

PINGS, _KEPT_PINGS = 10, 30
_OURS = "incident-cockpit"
"""What the name of our own connections begins with (CLIENT SETNAME)."""
_BREATH = 0.0005
"""Seconds of a sleep whose overshoot shows how late this machine itself is."""
_SPARED = 600.0
"""Seconds for which a command is not sent again that the ACL denied: each denial is logged."""
_CALM = 0.3
"""Share of the thread's time below which commands do not wait for one another."""
_LISTED = 2000
"""Clients from which on they are not listed."""
_LISTED_EACH_LOOK = 500
"""The same while one waits, since then it is at each look."""
_WAITING = frozenset(
    {
        "blmove", "blmpop", "blpop", "brpop", "brpoplpush", "bzmpop", "bzpopmax", "bzpopmin",
        "wait", "waitaof", "xread", "xreadgroup", "flushall", "flushdb", "unlink", "shutdown",
        "debug", "cluster", "failover", "migrate", "psync", "sync",
    }
)  # fmt: skip
"""Commands in which a client may wait without a pause; a module's has a dot in its name."""
_FORGET_REPLICAS = timedelta(minutes=30)
ASKED = ("PING", "SLOWLOG GET", "CLIENT LIST")
"""What an ACL may deny while INFO is answered."""
REFUSALS = frozenset({"RD_REPL_STALE_REFUSED", "RD_PERSIST_MISCONF", "RD_STATE_LOADING"})
"""What a server says to PING although INFO is answered."""

CUT = "client_output_buffer_limit_disconnections"
COUNTED = (
    "total_commands_processed", "total_connections_received", "total_net_output_bytes",
    "total_net_input_bytes", "total_error_replies", "sync_full", "sync_partial_err",
    "evicted_clients", CUT,
    "client_query_buffer_limit_disconnections",
)  # fmt: skip
NOAUTH = "errorstat_NOAUTH"


class RedisSession(RedisReads, Protocol):
    """An observer that knows TCP's round trip and what the server is spared."""

    @property
    def pace(self) -> Pace:
        """What the server is spared."""

    @property
    def rtt_s(self) -> float | None:
        """Seconds of the fastest round trip that TCP saw."""

    @property
    def jitter_s(self) -> float | None:
        """Seconds by which usual round trips are above that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command since the server's start, or since CONFIG RESETSTAT."""

    calls: int
    usec: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """One command between two looks. `ms`: a call; `share`: of the time between the looks."""

    name: str
    calls: int
    calls_per_s: float
    ms: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowCommand:
    """One entry of the slow log: the command's own time, without queueing or network."""

    id: int
    at: datetime
    ms: float
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hoarder:
    """A client and what it holds of the server's memory, in bytes."""

    id: int
    name: str
    address: str
    memory: int
    command: str
    age_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PingRefusal:
    """What the server answered to PING."""

    code: str
    severity: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """One look. Seconds and bytes. None: the server does not say, or the user may not ask."""

    at: datetime
    run_id: str
    uptime_s: int
    role: str
    pings: tuple[float, ...]
    """Answers' times of the last looks, with what this machine itself was late taken off."""
    late_s: float = 0.0
    """By what this machine itself was late in this look, at the 95th percentile."""
    rtt_s: float | None = None
    """The network alone: the fastest round trip that TCP saw, or the fastest answer ever."""
    jitter_s: float | None = None
    """By what usual round trips are above the fastest; the server's own time may be in it."""
    refusal: PingRefusal | None = None
    commands: dict[str, Command]
    slow: tuple[SlowCommand, ...] | None = None
    user: str = ""
    denied: tuple[str, ...] = ()
    """Commands that the user may not run, so that what they tell is not known."""
    clients: int | None = None
    blocked: int | None = None
    client_memory: int | None = None
    limit: int | None = None
    """maxmemory, or the machine's memory without one."""
    replicas: int | None = None
    counted: dict[str, int]
    hoarders: tuple[Hoarder, ...] = ()
    """The clients with the most memory; asked for only when client buffers are large."""
    busiest: tuple[Busy, ...] = ()
    """Commands by time between the last two looks."""
    new_slow: tuple[SlowCommand, ...] = ()
    """Entries of the slow log since the look before, the slowest first."""
    pairs: tuple[Pair, ...] = ()
    held: dict[str, int] | None = None
    """Clients that wait in commands which do not wait by themselves, by command. None: not asked,
    since nobody waits, or the server says itself why (`paused_reason`), or they are too many.
    """
    held_since: datetime | None = None
    usual_blocked: int | None = None
    """Blocked clients at the first look."""
    most_replicas: int = 0
    fewer_since: datetime | None = None
    """Since when there are fewer replicas than there were."""

    @property
    def p95(self) -> float | None:
        """The 95th percentile of the answers' times; None: no answer was timed."""
        return percentile(self.pings)

    @property
    def added(self) -> float | None:
        """What the server adds to the network's round trip, at the 95th percentile."""
        p95 = self.p95
        return None if p95 is None else max(0.0, p95 - (self.rtt_s or 0.0))

    @property
    def added_now(self) -> float | None:
        """What it adds to at least two answers of the newest look."""
        newest = sorted(self.pings[-PINGS:])[-2:]
        return max(0.0, newest[0] - (self.rtt_s or 0.0)) if newest else None

    @property
    def is_jitter(self) -> bool:
        """Whether round trips vary by as much as is added."""
        added = self.added
        return added is not None and self.jitter_s is not None and 0 < added <= self.jitter_s

    @property
    def calm(self) -> bool:
        """Whether it is known that the server had little to do since the look before."""
        known = self.pairs and self.commands and self.slow is not None
        return bool(known) and not self.new_slow and sum(b.share for b in self.busiest) < _CALM

    @property
    def per_client(self) -> float | None:
        """Bytes of buffers a client, on average."""
        if self.client_memory is None or not self.clients:
            return None
        return self.client_memory / self.clients


def percentile(values: tuple[float, ...]) -> float | None:
    """The 95th: of ten values the largest, of thirty the second largest."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1] if values else None


async def read_performance(
    redis: RedisSession, *, user: str, large: float, each: float
) -> Performance:
    """INFO twice, ten PINGs, the slow log; clients only when their buffers are large.

    `large`: bytes of all client buffers; `each`: bytes a client on average.
    """
    info = await redis.info()
    if not {"run_id", "role"} <= info.keys():
        raise no_server(info)
    commands = await _allowed(redis, "INFO", "commandstats")
    pings, late, refusal = await _pings(redis)
    look = Performance(
        at=clock.now(),
        run_id=str(info["run_id"]),
        uptime_s=_int(info, "uptime_in_seconds") or 0,
        role="replica" if info.get("role") in {"slave", "replica"} else "primary",
        pings=pings,
        late_s=late,
        rtt_s=redis.rtt_s,
        jitter_s=redis.jitter_s,
        refusal=refusal,
        commands=_commands(str(commands or "")),
        slow=_slow_log(await _allowed(redis, "SLOWLOG", "GET", "25")),
        user=user,
        clients=_int(info, "connected_clients"),
        blocked=_int(info, "blocked_clients"),
        client_memory=_int(info, "mem_clients_normal"),
        limit=_int(info, "maxmemory") or _int(info, "total_system_memory"),
        replicas=_int(info, "connected_slaves"),
        counted=_counted(info),
    )
    if look.blocked and "paused_reason" not in info and (look.clients or 0) < _LISTED_EACH_LOOK:
        held = _held(await _allowed(redis, "CLIENT", "LIST"))
        look = replace(look, held=held, held_since=look.at if held else None)
    large_buffers = (look.client_memory or 0) >= large or (look.per_client or 0) >= each
    if large_buffers and (look.clients or 0) < _LISTED:
        look = replace(look, hoarders=_hoarders(await _allowed(redis, "CLIENT", "LIST")))
    return replace(look, denied=tuple(each for each in ASKED if redis.pace.spared(each)))


async def _allowed(redis: RedisSession, *words: str) -> Any:
    """The reply; None when the ACL denies it, and then it is not asked again for ten minutes."""
    command = " ".join(words[:2])
    if redis.pace.spared(command):
        return None
    try:
        return await redis.command(*words)
    except BlindError as error:
        if error.reason not in {Reason.DENIED, Reason.UNSUPPORTED} or error.code == "RD_CONN_AUTH":
            raise
        redis.pace.spare(command, _SPARED)
        return None


async def _pings(redis: RedisSession) -> tuple[tuple[float, ...], float, PingRefusal | None]:
    times, lateness = [], []
    for _ in range(PINGS):
        began = perf_counter()
        try:
            if await _allowed(redis, "PING") is None:
                return (), 0.0, None
        except BlindError as error:
            if error.code not in REFUSALS:
                raise
            return (
                (),
                0.0,
                PingRefusal(code=error.code, severity=error.severity, message=error.message),
            )
        answered = perf_counter()
        await asyncio.sleep(_BREATH)
        times.append(answered - began)
        lateness.append(max(0.0, perf_counter() - answered - _BREATH))
    late = percentile(tuple(lateness)) or 0.0
    return tuple(max(0.0, each - late) for each in times), late, None


def _commands(text: str) -> dict[str, Command]:
    """`cmdstat_keys:calls=1,usec=39000,…` by name; commands of ours are left out."""
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        fields = dict(part.split("=", 1) for part in rest.split(",") if "=" in part)
        if name.startswith("cmdstat_") and fields.get("calls", "").isdigit():
            usec = fields.get("usec", "0")
            found[visible(name.removeprefix("cmdstat_"), 40)] = Command(
                calls=int(fields["calls"]), usec=int(usec) if usec.isdigit() else 0
            )
    return found


def _slow_log(reply: object) -> tuple[SlowCommand, ...] | None:
    """Entries as `[id, time, microseconds, [command, …], address, client name]`; what is not like
    that is left out, and so are our own commands, which nobody else has to mend.
    """
    if not isinstance(reply, list):
        return None
    found = []
    for entry in reply:
        match entry:
            case [_, _, _, _, _, str(name)] if name.startswith(_OURS):
                continue
            case [int(id_), int(at), int(usec), [str(command), *_], *_]:
                name = visible(command.upper(), 40)
                when = datetime.fromtimestamp(at, tz=clock.now().tzinfo)
                found.append(SlowCommand(id=id_, at=when, ms=usec / 1000, command=name))
    return tuple(found)


def _clients(reply: object) -> Iterator[dict[str, str]]:
    """CLIENT LIST, a line a client."""
    for line in str(reply or "").splitlines():
        yield dict(part.split("=", 1) for part in line.split() if "=" in part)


def _held(reply: object) -> dict[str, int]:
    """By command. Flag b: it waits, of its own will or since it is held up."""
    waiting = [each.get("cmd", "") for each in _clients(reply) if "b" in each.get("flags", "")]
    return dict(
        Counter(
            visible(name, 30)
            for name in waiting
            if name.partition("|")[0] not in _WAITING and "." not in name
        )
    )


def _hoarders(reply: object) -> tuple[Hoarder, ...]:
    found = []
    for fields in _clients(reply):
        if set(fields.get("flags", "")) & set("SMO") or not fields.get("id", "").isdigit():
            continue
        if fields.get("name", "").startswith(_OURS):
            continue
        memory = fields.get("tot-mem") or fields.get("omem") or "0"
        age = fields.get("age", "")
        found.append(
            Hoarder(
                id=int(fields["id"]),
                name=visible(fields.get("name", ""), 40),
                address=visible(fields.get("addr", ""), 60),
                memory=int(memory) if memory.isdigit() else 0,
                command=visible(fields.get("cmd", ""), 30),
                age_s=int(age) if age.isdigit() else None,
            )
        )
    found.sort(key=lambda each: -each.memory)
    return tuple(found[:10])


def _counted(info: Mapping[str, Any]) -> dict[str, int]:
    found = {name: n for name in COUNTED if (n := _int(info, name)) is not None}
    refused = str(info.get(NOAUTH, ""))
    number = refused.removeprefix("count=")
    if number.isdigit():
        found[NOAUTH] = int(number)
    elif "total_error_replies" in found:
        found[NOAUTH] = 0
    return found


def since(before: Performance, now: Performance) -> Performance:
    """The new look with what was gained. After a restart, or CONFIG RESETSTAT, it begins anew."""
    seconds = (now.at - before.at).total_seconds()
    if (
        now.run_id != before.run_id
        or 0 < now.uptime_s < before.uptime_s
        or not 0 < seconds <= WINDOW
    ):
        return now
    now = replace(
        now,
        held_since=before.held_since or now.held_since if now.held else None,
        pings=(*before.pings, *now.pings)[-_KEPT_PINGS:],
        rtt_s=_fastest(before, now),
        new_slow=_new_slow(before, now),
        usual_blocked=before.blocked if before.usual_blocked is None else before.usual_blocked,
    )
    now = _replicas(before, now)
    gained = gains(before.counted, now.counted)
    if len(gained) < len(now.counted.keys() & before.counted.keys()):
        return now
    pair = Pair(at=now.at, seconds=seconds, gained=gained)
    return replace(
        now, pairs=(*kept(before.pairs, now.at), pair), busiest=_busiest(before, now, seconds)
    )


def _fastest(before: Performance, now: Performance) -> float | None:
    """Without TCP's word, the fastest answer ever is nearest to what the network takes."""
    known = [value for value in (before.rtt_s, now.rtt_s) if value is not None]
    return min(known, default=min(now.pings, default=None))


def _new_slow(before: Performance, now: Performance) -> tuple[SlowCommand, ...]:
    if before.slow is None or now.slow is None:
        return ()
    newest = max((entry.id for entry in before.slow), default=-1)
    return tuple(sorted((e for e in now.slow if e.id > newest), key=lambda e: -e.ms))


def _replicas(before: Performance, now: Performance) -> Performance:
    """How many there were at most; forgotten when nobody minds for half an hour, or after a
    change of role.
    """
    if now.replicas is None:
        return replace(now, most_replicas=before.most_replicas, fewer_since=before.fewer_since)
    most = max(before.most_replicas, before.replicas or 0) if before.role == now.role else 0
    if now.role != "primary" or now.replicas >= most:
        return replace(now, most_replicas=now.replicas, fewer_since=None)
    fewer = before.fewer_since or now.at
    if now.at - fewer > _FORGET_REPLICAS:
        return replace(now, most_replicas=now.replicas, fewer_since=None)
    return replace(now, most_replicas=most, fewer_since=fewer)


def _busiest(before: Performance, now: Performance, seconds: float) -> tuple[Busy, ...]:
    found = []
    for name, command in now.commands.items():
        old = before.commands.get(name, Command(calls=0, usec=0))
        calls, usec = command.calls - old.calls, command.usec - old.usec
        if calls > 0 and usec >= 0:
            found.append(
                Busy(
                    name=name,
                    calls=calls,
                    calls_per_s=calls / seconds,
                    ms=usec / calls / 1000,
                    share=usec / 1e6 / seconds,
                )
            )
    found.sort(key=lambda each: -each.share)
    return tuple(found[:20])


def _int(info: Mapping[str, Any], name: str) -> int | None:
    value = info.get(name)
    return int(value) if isinstance(value, int | float) else None
