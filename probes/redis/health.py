"""Redis and Valkey: clients, memory, eviction, replication, persistence.

Source: catalogue of findings 4.3 and 4.4; Redis documentation, INFO. Counters are judged between
two of our looks, never since the server's start. Needs an observer's ACL: `+info`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cockpit import clock
from cockpit.connect.redis.settings import RedisSettings
from cockpit.connect.session import RedisReads
from cockpit.errors import BlindError, Reason
from cockpit.triage.changes import Change
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.triage.view import Table
from cockpit.units import duration, percent, rounded, size
from probes.gains import MINUTE
from probes.redis.errors import ErrorLimits, errors
from probes.redis.identity import identity
from probes.redis.model import RedisHealth, health, no_server
from probes.redis.rates import since
from probes.redis.replication import replication
from probes.redis.tally import ended
from probes.redis.view import answers, endings, overview, told
from probes.refusals import REDIS_REFUSALS

MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ErrorLimits):
    """Thresholds. Shares of one, bytes, seconds, or per second."""

    clients: Thresholds = Thresholds(warning=0.8, high=0.9)
    new_connections: Thresholds = Thresholds(warning=500)
    memory: Thresholds = Thresholds(warning=0.85, high=0.95)
    evictions: Thresholds = Thresholds(info=0.01, warning=100)
    evictions_of_commands: float = 0.01
    """Evictions per command from which on they are a warning."""
    hit_share: float = 0.8
    hit_loss: float = 0.2
    """How far the hit share may fall below its first value."""
    cpu: Thresholds = Thresholds(warning=0.7, high=0.9)
    fragmentation: float = 1.4
    fragmented: int = 100 * MIB
    resident: float = 0.9
    """Share of the used memory below which the rest must be swapped out."""
    fork: Thresholds = Thresholds(warning=1)
    link_down: Thresholds = Thresholds(high=0, critical=60)
    silent_primary: float = 15
    lag_bytes: Thresholds = Thresholds(warning=10 * MIB, high=100 * MIB)
    lag_seconds: Thresholds = Thresholds(warning=5, high=30)


async def collect(redis: RedisReads, target: Target) -> RedisHealth:
    """Read INFO, and its section of commands: two round trips."""
    settings = target.settings
    assert isinstance(settings, RedisSettings)
    info = await redis.info()
    if not {"run_id", "role"} <= info.keys():
        raise no_server(info)
    by_command = await _by_command(redis)
    return health(info, at=clock.now(), expects=settings.expects, by_command=by_command)


async def _by_command(redis: RedisReads) -> Mapping[str, object]:
    """How commands ended; empty where a service hides it. INFO was answered, so this is no loss."""
    try:
        return await redis.info("commandstats")
    except BlindError as error:
        if error.reason not in {Reason.DENIED, Reason.UNSUPPORTED, Reason.UNREADABLE}:
            raise
        return {}


def diagnose(look: RedisHealth, settings: Settings) -> Iterator[Finding]:
    """Loading and roles first, what clients get back, then clients, memory, speed, replication,
    disk.
    """
    yield from identity(look)
    yield from errors(look, settings)
    yield from _clients(look, settings)
    yield from _memory(look, settings)
    yield from _eviction(look, settings)
    yield from _speed(look, settings)
    yield from replication(
        look,
        link_down=settings.link_down,
        silent_primary=settings.silent_primary,
        lag_bytes=settings.lag_bytes,
        lag_seconds=settings.lag_seconds,
    )
    yield from _disk(look, settings)


def _clients(look: RedisHealth, settings: Settings) -> Iterator[Finding]:
    """Connections: how many are used, and how fast new ones come.

    RD_SAT_CLIENTS: At `maxclients` new clients are refused, which is critical as soon as it
    happens.

    RD_NET_CONNECTION_RATE: New connections cost the one thread that also runs every command, many
    times more with TLS. Clients without a pool, or a retry storm.
    """
    rejected = look.rates.rejected if look.rates else None
    share = look.clients / look.max_clients if look.clients and look.max_clients else None
    severity = Severity.CRITICAL if rejected else settings.clients.grade(share)
    if severity is not None:
        limit = settings.clients.warning
        most = look.max_clients or 0
        refused = f", {rejected:.1f} a second are refused" if rejected else ""
        yield Finding(
            "RD_SAT_CLIENTS",
            severity,
            f"{look.clients} of {most} clients connected{refused}",
            evidence=(
                Evidence("clients", look.clients, limit=limit and round(limit * most)),
                Evidence("refused", rejected, "/s", limit=0),
                Evidence("blocked", look.blocked),
            ),
            likely=("a pool without a limit", "a scale-out", "a retry storm"),
            next="CLIENT LIST by name and address",
            fact=bool(rejected),
        )
    arriving = look.rates.connections if look.rates else None
    if arriving is not None and (storm := settings.new_connections.grade(arriving)):
        yield Finding(
            "RD_NET_CONNECTION_RATE",
            storm,
            f"{arriving:.0f} new connections a second: each costs the one thread, more with TLS",
            evidence=(Evidence("new connections", arriving, "/s", settings.new_connections.first),),
            likely=("clients without a pool", "a replica that fails to log in in a loop"),
            next="who connects? CLIENT LIST by address",
            fact=False,
        )


def _memory(look: RedisHealth, settings: Settings) -> Iterator[Finding]:
    """Memory near its limit, and writes that are refused for want of it.

    RD_MEM_NEAR_MAX: What happens at the limit is a matter of the policy: keys are evicted, or
    writes refused. A cache that may evict any key is meant to be full, so there it is information
    only. Buffers of replicas do not count against the limit.

    RD_MEM_OOM_REJECT: Writes fail with OOM now. The policy evicts nothing, finds no key that it may
    evict, or does not keep up.
    """
    share = look.memory_share
    severity = settings.memory.grade(share)
    if severity is not None:
        severity = Severity.INFO if look.is_cache else severity
        whole = look.limit or look.system or 0
        unset = "no limit is set" if look.limit == 0 else "the limit is not told"
        of = "of the limit" if look.limit else f"of the machine's memory, {unset}"
        counted = (look.used or 0) - (look.uncounted or 0 if look.limit else 0)
        yield Finding(
            "RD_MEM_NEAR_MAX",
            severity,
            f"{percent(share or 0)} {of} used: {size(counted)} of {size(whole)}",
            evidence=(*_memory_evidence(look, settings), Evidence("policy", look.policy)),
            likely=("the data grew", "keys without an expiry", "clients that do not read"),
            against=("a cache that evicts any key is meant to be full",) if look.is_cache else (),
            next="what grows: data, client buffers, replication buffers? MEMORY STATS",
            fact=False,
        )
    errors = look.rates.oom_errors if look.rates else None
    if errors:
        why = "its policy evicts nothing" if not look.evicts else "eviction does not keep up"
        yield Finding(
            "RD_MEM_OOM_REJECT",
            Severity.CRITICAL,
            f"writes are refused for lack of memory, {errors:.1f} a second: {why}",
            evidence=(
                Evidence("refused writes", errors, "/s", limit=0),
                *_memory_evidence(look, settings),
                Evidence("policy", look.policy),
                Evidence("keys with an expiry", look.expiring),
            ),
            likely=("noeviction, or volatile-* without keys that expire", "the data grew"),
            next="raise the limit or node size, or the policy; never FLUSHALL by habit",
        )
    yield from _resident(look, settings)


def _resident(look: RedisHealth, settings: Settings) -> Iterator[Finding]:
    """What of the memory is lost between pieces, or is not in memory at all.

    Swapped-out memory is high: each command that touches it waits for the disk, and the one thread
    with it. Fragments are a warning: memory that is paid for and cannot be used; the ratio says
    nothing of a nearly empty server, so it is judged only above `fragmented` bytes.
    """
    used, resident = look.used or 0, look.resident
    if resident is not None and used > settings.fragmented and resident < settings.resident * used:
        yield Finding(
            "RD_MEM_FRAG",
            Severity.HIGH,
            f"{size(used - resident)} of {size(used)} are not in memory: swapped out",
            subject="swap",
            evidence=(
                Evidence("in memory", resident / used, "share", settings.resident),
                Evidence("used", used, "bytes"),
            ),
            likely=("the machine has too little memory", "another process took it"),
            next="the machine's memory and swap: every command that touches it waits for the disk",
            fact=False,
        )
    ratio, wasted = look.fragmentation, look.fragmented
    if ratio and wasted and ratio > settings.fragmentation and wasted > settings.fragmented:
        yield Finding(
            "RD_MEM_FRAG",
            Severity.WARNING,
            f"{size(wasted)} are lost to fragmentation",
            evidence=(
                Evidence("ratio", ratio, limit=settings.fragmentation),
                Evidence("lost", wasted, "bytes"),
            ),
            likely=("many keys of other sizes were deleted or evicted", "values that grow"),
            next="active defragmentation, or a replica promoted after a restart",
            fact=False,
        )


def _memory_evidence(look: RedisHealth, settings: Settings) -> tuple[Evidence, ...]:
    return (
        Evidence("memory", look.memory_share, "share", settings.memory.first),
        Evidence("used", look.used, "bytes"),
        Evidence("limit", look.limit, "bytes"),
        Evidence("not counted", look.uncounted, "bytes"),
        Evidence("client buffers", look.client_buffers, "bytes"),
    )


def _eviction(look: RedisHealth, settings: Settings) -> Iterator[Finding]:
    """Keys are thrown out to make room for new ones.

    In a pure cache that is the design. High when hits fall too: then the database behind gets the
    reads. Under a `volatile-*` policy only keys with an expiry go, and sessions or locks may be
    among them.
    """
    rates = look.rates
    if rates is None or not rates.evicted:
        return
    severity = settings.evictions.grade(rates.evicted)
    if rates.commands and rates.evicted > settings.evictions_of_commands * rates.commands:
        severity = max(severity or Severity.INFO, Severity.WARNING)
    lost = _hits_lost(look, settings)
    if lost:
        severity = Severity.HIGH
    if severity is None:
        return
    volatile = look.policy.startswith("volatile")
    tail = f" under {look.policy}: keys with an expiry go" if volatile else ""
    yield Finding(
        "RD_MEM_EVICTING",
        severity,
        f"{rounded(rates.evicted)} keys a second are evicted{tail}"
        + (f"; hits fell to {percent(rates.hit_share or 0)}" if lost else ""),
        evidence=(
            Evidence("evictions", rates.evicted, "/s", settings.evictions.warning),
            Evidence("hits", rates.hit_share, "share", settings.hit_share),
            Evidence("hits before", look.earlier_hits, "share"),
            *_memory_evidence(look, settings),
            Evidence("policy", look.policy),
        ),
        likely=(
            *(
                ("slots come from another node, and their keys need the room",)
                if look.takes_slots
                else ()
            ),
            "the working set outgrew the memory",
            "a job that writes many keys",
        ),
        against=("in a pure cache evictions are the design",)
        if look.is_cache
        else ("only keys that would end anyway go; sessions and locks may be among them",)
        if volatile
        else (),
        next="do the hits suffer? then more memory; else look at who writes",
        fact=False,
    )


def _hits_lost(look: RedisHealth, settings: Settings) -> bool:
    share = look.rates.hit_share if look.rates else None
    if share is None or look.earlier_hits is None:
        return False
    return share < look.earlier_hits - settings.hit_loss / 2


def _speed(look: RedisHealth, settings: Settings) -> Iterator[Finding]:
    """How busy the engine's one thread is, and how many reads hit.

    RD_CPU_ENGINE: Every command waits for the same thread. The host's CPU looks idle meanwhile,
    since one of several cores is used.

    RD_CACHE_HIT: Far fewer reads find their key than when the watch began: the database behind gets
    the rest.
    """
    rates = look.rates
    if rates is None:
        return
    if severity := settings.cpu.grade(rates.cpu):
        yield Finding(
            "RD_CPU_ENGINE",
            severity,
            f"the engine's one thread is busy {percent(rates.cpu or 0)} of the time",
            evidence=(
                Evidence("busy", rates.cpu, "share", settings.cpu.first),
                Evidence("commands", rates.commands, "/s"),
            ),
            likely=("an expensive command", "more load", "evictions or expiry in bulk"),
            next="SLOWLOG, then commands by time; the host's CPU hides it on several cores",
            fact=False,
        )
    share, before = rates.hit_share, look.earlier_hits
    fell = share is not None and before is not None and share < before - settings.hit_loss
    if fell and share is not None and share < settings.hit_share:
        yield Finding(
            "RD_CACHE_HIT",
            Severity.WARNING,
            f"hits fell from {percent(before or 0)} to {percent(share)}",
            evidence=(Evidence("hits", share, "share", settings.hit_share),),
            likely=(f"{look.flushed_by} threw out {look.flushed_keys:,} keys",)
            if look.flushed
            else ("evictions", "a cold cache after a restart", "a deployment changed the keys"),
            next="who emptied it? the database behind gets the reads"
            if look.flushed
            else "evictions and restarts first",
            fact=False,
        )


def _disk(look: RedisHealth, settings: Settings) -> Iterator[Finding]:
    """Snapshots and the append log: what fails, and what stops the server while it forks.

    After a failed snapshot a server with the default settings refuses writes (MISCONF). While it
    forks it answers nobody; the time grows with its memory.
    """
    severity = settings.fork.grade(look.fork_s) if look.forked else None
    if severity is not None:
        yield Finding(
            "RD_PERSIST_FAILING",
            severity,
            f"a fork for a snapshot or sync stopped the server for {duration(look.fork_s or 0)}",
            subject="fork",
            evidence=(Evidence("stopped for", look.fork_s, "s", settings.fork.first),),
            likely=("much memory on a virtual machine", "transparent huge pages are on"),
            next="fewer snapshots on the primary: let a replica make them",
        )
    for failed, what in ((look.snapshot_failed, "snapshot"), (look.log_failed, "append log")):
        if failed:
            yield Finding(
                "RD_PERSIST_FAILING",
                Severity.HIGH,
                f"the last {what} failed: writes may be refused next (MISCONF)",
                subject=what,
                likely=("the disk is full or not writable", "no memory left to fork"),
                next="disk space and the server's log",
            )


def facts(look: RedisHealth, limits: Settings) -> Iterator[Fact]:
    """Whether clients are answered, then memory, clients, evictions, role."""
    yield answers(look)
    share = look.memory_share
    text = "unknown" if share is None else percent(share)
    judged = limits.memory.grade(share) if not look.is_cache else None
    yield Fact("memory", text, share, "share", severity=judged)
    if look.clients is not None:
        of = f"/{look.max_clients}" if look.max_clients else ""
        yield Fact("clients", f"{look.clients}{of}", look.clients)
    if look.rates is not None:
        for label, rate in (
            ("commands", look.rates.commands),
            ("evictions", look.rates.evicted),
        ):
            if rate is not None:
                yield Fact(label, f"{rounded(rate)}/s", rate, "/s")
        if look.rates.hit_share is not None:
            yield Fact("hits", percent(look.rates.hit_share), look.rates.hit_share, "share")
    if (minute := ended(look.pairs, look.at, MINUTE)) is not None:
        yield Fact("errors", told(minute), minute.all_per_s, "/s")
    yield Fact("role", look.role)
    yield Fact("server", look.engine)


def tables(look: RedisHealth, settings: Settings) -> Iterator[Table]:
    """What it is and does, its replicas, what clients got back instead of an answer."""
    yield from overview(look, memory=settings.memory, clients=settings.clients)
    yield from endings(look)


def changes(look: RedisHealth, target: str) -> Iterator[Change]:
    """A restart, a flush or a change of role that happened between two of our looks."""
    for at, kind, summary in (
        (
            look.flushed,
            "redis.flush",
            f"{look.flushed_by} threw out {look.flushed_keys:,} keys",
        ),
        (look.restarted, "redis.restart", "the server was restarted"),
        (
            look.moved if look.moved_last else look.role_changed,
            "redis.role",
            f"another server answers, a {look.role}"
            if look.moved_last
            else f"the server became a {look.role}",
        ),
    ):
        if at is not None:
            yield Change(at=at, kind=kind, target=target, summary=summary, source="redis.health")


PROBE = Probe(
    id="redis.health",
    kind="redis",
    collect=collect,
    diagnose=diagnose,
    snapshot=RedisHealth,
    settings=Settings(),
    every=5,
    timeout=8,
    facts=facts,
    tables=tables,
    changes=changes,
    since=since,
    needs=("ACL +info",),
    leads=True,
    codes=codes(
        cause=(
            "RD_NET_CONNECTION_RATE",
            "RD_MEM_EVICTING",
            "RD_MEM_OOM_REJECT",
            "RD_REPL_LINK_DOWN",
            "RD_ROLE_WRONG",
            "RD_STATE_LOADING",
            "RD_PAUSED",
            "RD_FAILOVER_STUCK",
            "RD_REPL_MIN_UNMET",
            "RD_ERR_REFUSED",
        ),
        event=("RD_ROLE_CHANGED", "RD_RESTARTED", "RD_FLUSHED"),
        either=(
            "RD_SAT_CLIENTS",
            "RD_MEM_NEAR_MAX",
            "RD_CPU_ENGINE",
            "RD_CACHE_HIT",
            "RD_REPL_LAG",
            "RD_ERR_FAILING",
        ),
        risk=("RD_MEM_FRAG", "RD_PERSIST_FAILING"),
        traits={
            Trait.LOAD: ("RD_SAT_CLIENTS", "RD_CPU_ENGINE"),
            Trait.COLD: (
                "RD_MEM_EVICTING",
                "RD_CACHE_HIT",
                "RD_RESTARTED",
                "RD_STATE_LOADING",
                "RD_FLUSHED",
            ),
            Trait.SLOW_BURN: ("RD_MEM_NEAR_MAX", "RD_MEM_OOM_REJECT"),
            Trait.CAUSE_AT_CRITICAL: ("RD_PERSIST_FAILING",),
        },
        more=REDIS_REFUSALS,
    ),
)
