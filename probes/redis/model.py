"""What a look at a Redis or Valkey server gives, by the presence of fields, not by version.

Source: Redis documentation, INFO. Valkey reports a fixed redis_version and renamed fields; what is
not there is None, never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cockpit.connect.redis.errors import SENTINEL
from cockpit.errors import BlindError, Reason
from cockpit.text import visible
from probes.gains import Pair
from probes.redis.tally import tallied

_WATCHED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedReplica:
    """A replica as its primary sees it."""

    address: str
    state: str = ""
    offset: int | None = None
    lag_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Counters since the server's start. None: this server does not have it."""

    evicted: int | None = None
    rejected_connections: int | None = None
    connections: int | None = None
    commands: int | None = None
    hits: int | None = None
    misses: int | None = None
    oom_errors: int | None = None
    full_syncs: int | None = None
    cpu_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisRates:
    """Per second, between two of our looks. None: not to be had."""

    seconds: float
    evicted: float | None = None
    rejected: float | None = None
    connections: float | None = None
    commands: float | None = None
    oom_errors: float | None = None
    full_syncs: float | None = None
    cpu: float | None = None
    """Share of one core that the main thread used."""
    hit_share: float | None = None
    """Hits of all look-ups; None without look-ups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisHealth:
    """One look. Bytes and seconds. None: the server does not say."""

    at: datetime
    engine: str
    """`Valkey 9.1.2` or `Redis 7.0.15`."""
    mode: str
    run_id: str
    uptime_s: int
    """0 also when the server does not say."""
    role: str
    """`primary` or `replica`."""
    expects: str = "any"
    clients: int | None = None
    max_clients: int | None = None
    blocked: int | None = None
    used: int | None = None
    limit: int | None = None
    """maxmemory; 0: no limit is set."""
    uncounted: int | None = None
    """What of `used` the limit leaves out: buffers of replicas and of the append log."""
    system: int | None = None
    policy: str = ""
    dataset: int | None = None
    client_buffers: int | None = None
    resident: int | None = None
    """What the operating system keeps in memory; less than `used`: a part is swapped out."""
    fork_s: float | None = None
    """How long the last fork stopped the server."""
    forks: int | None = None
    forked: bool = False
    """It forked since the look before."""
    fragmentation: float | None = None
    fragmented: int | None = None
    loading: bool = False
    loading_share: float | None = None
    loading_eta_s: float | None = None
    snapshot_failed: bool = False
    log_failed: bool = False
    link_up: bool | None = None
    """None: not a replica, or it does not say."""
    link_down_s: float | None = None
    link_down_seen: datetime | None = None
    """Since when we see it down, where the server cannot say: it was never up."""
    heard_s: float | None = None
    syncing: bool = False
    primary_address: str = ""
    replid: str = ""
    """The history of writes that it has; two servers with the same one hold the same data."""
    earlier_replid: str = ""
    """The history that it went on from when it became a primary."""
    offset: int | None = None
    backlog: int | None = None
    replicas: tuple[AttachedReplica, ...] = ()
    keys: int = 0
    expiring: int = 0
    counters: Stats
    tally: dict[str, int] = field(default_factory=dict)
    """Errors by kind, and commands that fail, since the start; see `tally`. Empty: not counted."""
    pairs: tuple[Pair, ...] = ()
    """What that gained between the looks of the last minute."""
    paused: str = ""
    """Why the server holds clients up (`client_pause`, …), `none`; empty: it does not say."""
    paused_what: str = ""
    """`write` or `all`."""
    paused_s: float | None = None
    """For how long still."""
    failover: str = ""
    """`master_failover_state`; empty: it does not say."""
    failover_since: datetime | None = None
    """Since when we see a FAILOVER under way."""
    good_replicas: int | None = None
    """Replicas in step, where writes need some (min-replicas-to-write); None: they need none."""
    takes_slots: bool = False
    """Slots come from another node as a whole just now (atomic migration, Valkey 9)."""
    flushed: datetime | None = None
    """When keys were thrown out by command, between two of our looks."""
    flushed_by: str = ""
    flushed_keys: int = 0
    """How many there were before that, less those that are left."""
    rates: RedisRates | None = None
    earlier_hits: float | None = None
    """The hit share of the first looks, to compare with."""
    restarted: datetime | None = None
    role_changed: datetime | None = None
    moved: datetime | None = None
    """When another server, one that ran all the while, answered in place of the one before."""
    moved_history: bool | None = None
    """Whether it has the writes of the one before; None: not told."""

    @property
    def moved_last(self) -> bool:
        """Whether another server answered, and no change of role came after that."""
        flipped = self.role_changed
        return self.moved is not None and (flipped is None or self.moved >= flipped)

    @property
    def memory_share(self) -> float | None:
        """Used memory of the limit, or of the machine without one; None: unknown."""
        if self.used is None:
            return None
        if self.limit:
            return max(0, self.used - (self.uncounted or 0)) / self.limit
        return self.used / self.system if self.system else None

    @property
    def down_s(self) -> float | None:
        """Seconds for which a replica's link is down, at least; None: not known."""
        if self.link_down_s is not None or self.link_down_seen is None:
            return self.link_down_s
        return (self.at - self.link_down_seen).total_seconds()

    def behind(self, replica: AttachedReplica) -> int | None:
        """Bytes by which a replica is behind; None: it takes a full copy, or says nothing yet."""
        if self.offset is None or not replica.offset or replica.state not in {"", "online"}:
            return None
        return max(0, self.offset - replica.offset)

    @property
    def evicts(self) -> bool:
        """Whether the policy makes room, at least for keys with an expiry."""
        if self.policy.startswith("volatile"):
            return self.expiring > 0
        return self.policy.startswith("allkeys")

    @property
    def is_cache(self) -> bool:
        """Whether eviction is its way of life: any key may go."""
        return self.policy.startswith("allkeys")


def no_server(info: Mapping[str, Any]) -> BlindError:
    """Why this INFO is none of a server that holds data: a Sentinel, and what it watches."""
    if "sentinel" not in {info.get("redis_mode"), info.get("server_mode")}:
        return BlindError(Reason.UNREADABLE, "INFO does not hold what a Redis server gives")
    watched = [
        _fields(value)
        for name, value in info.items()
        if name.startswith("master") and name[6:].isdigit()
    ]
    named = ", ".join(
        f"{each.get('name', '')} at {each.get('address', '')} ({each.get('status', 'unknown')})"
        for each in watched[:_WATCHED]
    )
    return BlindError(
        SENTINEL.reason,
        SENTINEL.says + (f"; its primaries: {visible(named, 300)}" if named else ""),
        hint=SENTINEL.hint,
        code=SENTINEL.code,
        severity=SENTINEL.severity,
    )  # fmt: skip


def health(
    info: Mapping[str, Any],
    *,
    at: datetime,
    expects: str,
    by_command: Mapping[str, Any] | None = None,
) -> RedisHealth:
    """The fields of INFO as a snapshot. `by_command`: those of its section commandstats."""
    replica = info.get("role") in {"slave", "replica"}
    keys, expiring = _keys(info)
    libc = str(info.get("mem_allocator", "")).startswith("libc")
    uptime = _int(info, "uptime_in_seconds") or 0
    return RedisHealth(
        at=at,
        engine=_engine(info),
        mode=str(info.get("redis_mode") or info.get("server_mode") or ""),
        run_id=str(info.get("run_id", "")),
        uptime_s=uptime,
        role="replica" if replica else "primary",
        expects=expects,
        clients=_int(info, "connected_clients"),
        max_clients=_int(info, "maxclients"),
        blocked=_int(info, "blocked_clients"),
        used=_int(info, "used_memory"),
        limit=_int(info, "maxmemory"),
        uncounted=_int(info, "mem_not_counted_for_evict"),
        system=_int(info, "total_system_memory"),
        policy=str(info.get("maxmemory_policy", "")),
        dataset=_int(info, "used_memory_dataset"),
        client_buffers=_int(info, "mem_clients_normal"),
        resident=_int(info, "used_memory_rss"),
        fork_s=_seconds(_int(info, "latest_fork_usec")),
        forks=_int(info, "total_forks"),
        fragmentation=None if libc else _float(info, "allocator_frag_ratio"),
        fragmented=None if libc else _int(info, "allocator_frag_bytes"),
        loading=bool(_int(info, "loading")),
        loading_share=_share(_float(info, "loading_loaded_perc")),
        loading_eta_s=_float(info, "loading_eta_seconds"),
        snapshot_failed=info.get("rdb_last_bgsave_status", "ok") != "ok",
        log_failed=_log_failed(info),
        link_up=_link_up(info) if replica else None,
        link_down_s=_down_s(info, uptime),
        heard_s=_known(_float(info, "master_last_io_seconds_ago")),
        syncing=bool(_int(info, "master_sync_in_progress")),
        primary_address=_primary(info) if replica else "",
        replid=_replid(info, "master_replid"),
        earlier_replid=_replid(info, "master_replid2"),
        offset=_int(info, "slave_repl_offset" if replica else "master_repl_offset"),
        backlog=_int(info, "repl_backlog_size"),
        replicas=_replicas(info),
        keys=keys,
        expiring=expiring,
        counters=_counters(info),
        tally=tallied(info, by_command or {}),
        paused=str(info.get("paused_reason", "")),
        paused_what=str(info.get("paused_actions", "")),
        paused_s=_milli(_int(info, "paused_timeout_milliseconds")),
        failover=str(info.get("master_failover_state", "")),
        takes_slots=bool(_int(info, "mem_cluster_slot_import")),
        good_replicas=_int(info, "min_slaves_good_slaves"),
    )


def _engine(info: Mapping[str, Any]) -> str:
    if info.get("server_name") == "valkey":
        return f"Valkey {info.get('valkey_version', '')}".strip()
    return f"Redis {info.get('redis_version', '')}".strip()


def _counters(info: Mapping[str, Any]) -> Stats:
    user = _float(info, "used_cpu_user_main_thread")
    system = _float(info, "used_cpu_sys_main_thread")
    if user is None or system is None:
        user, system = _float(info, "used_cpu_user"), _float(info, "used_cpu_sys")
    oom = info.get("errorstat_OOM")
    counts_errors = any(name.startswith("errorstat_") for name in info) or oom is not None
    return Stats(
        evicted=_int(info, "evicted_keys"),
        rejected_connections=_int(info, "rejected_connections"),
        connections=_int(info, "total_connections_received"),
        commands=_int(info, "total_commands_processed"),
        hits=_int(info, "keyspace_hits"),
        misses=_int(info, "keyspace_misses"),
        oom_errors=_field(oom, "count") if oom else 0 if counts_errors else _zero(info),
        full_syncs=_int(info, "sync_full"),
        cpu_s=None if user is None or system is None else user + system,
    )


def _zero(info: Mapping[str, Any]) -> int | None:
    """No error was counted yet, where errors are counted at all (6.2 and later)."""
    return 0 if "total_error_replies" in info else None


def _keys(info: Mapping[str, Any]) -> tuple[int, int]:
    keys = expiring = 0
    for name, value in info.items():
        if name.startswith("db") and name[2:].isdigit():
            keys += _field(value, "keys") or 0
            expiring += _field(value, "expires") or 0
    return keys, expiring


def _replicas(info: Mapping[str, Any]) -> tuple[AttachedReplica, ...]:
    found = []
    for number in range(_int(info, "connected_slaves") or 0):
        fields = _fields(info.get(f"slave{number}"))
        if fields:
            found.append(
                AttachedReplica(
                    address=f"{fields.get('ip', '')}:{fields.get('port', '')}",
                    state=fields.get("state", ""),
                    offset=_whole(fields.get("offset")),
                    lag_s=_whole(fields.get("lag")),
                )
            )
    return tuple(found)


def _primary(info: Mapping[str, Any]) -> str:
    return f"{info.get('master_host', '')}:{info.get('master_port', '')}"


def _replid(info: Mapping[str, Any], name: str) -> str:
    """All zeros mean that there is none."""
    text = str(info.get(name, ""))
    return text if text.strip("0") else ""


def _link_up(info: Mapping[str, Any]) -> bool | None:
    status = info.get("master_link_status")
    return None if status is None else status == "up"


def _down_s(info: Mapping[str, Any], uptime: int) -> float | None:
    """None when it was never up: servers say -1 then, and the time of day before 6.2."""
    down = _known(_float(info, "master_link_down_since_seconds"))
    return None if down is None or (uptime and down > uptime) else down


def _log_failed(info: Mapping[str, Any]) -> bool:
    names = ("aof_last_write_status", "aof_last_bgrewrite_status")
    return any(info.get(name, "ok") != "ok" for name in names)


def _known(seconds: float | None) -> float | None:
    """-1 means never."""
    return None if seconds is None or seconds < 0 else seconds


def _seconds(micros: int | None) -> float | None:
    return None if micros is None else micros / 1e6


def _milli(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1e3


def _share(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def _fields(value: object) -> dict[str, str]:
    if not isinstance(value, str):
        return {}
    return dict(part.split("=", 1) for part in value.split(",") if "=" in part)


def _field(value: object, name: str) -> int | None:
    return _whole(_fields(value).get(name))


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.lstrip("-").isdigit() else None


def _int(info: Mapping[str, Any], name: str) -> int | None:
    value = info.get(name)
    return int(value) if isinstance(value, int | float) else None


def _float(info: Mapping[str, Any], name: str) -> float | None:
    value = info.get(name)
    return float(value) if isinstance(value, int | float) else None
