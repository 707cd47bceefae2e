"""Counters of a Redis server between two looks: rates, restarts, changes of role."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from probes.gains import LONGEST_GAP, Pair, gain_of, still_told
from probes.redis.model import RedisHealth, RedisRates, Stats
from probes.redis.tally import flushes, gained, recent

_SLACK = 5.0
"""Seconds by which two clocks may differ when an uptime is compared with the time between looks."""
_LEAST_FLUSHED = 100
"""Keys below which a flush is nobody's outage."""
_LEAST_LOOKUPS = 50
"""Look-ups between two looks below which a hit share says nothing."""


def since(before: RedisHealth, now: RedisHealth) -> RedisHealth:
    """The new look with rates. After a restart there are none: counters began anew."""
    if now.run_id != before.run_id or 0 < now.uptime_s < before.uptime_s:
        return _anew(before, now)
    rates = _rates(before.counters, now.counters, (now.at - before.at).total_seconds())
    hits = before.earlier_hits
    if hits is None and rates is not None:
        hits = rates.hit_share
    now = _ended(before, now)
    return replace(
        now,
        rates=rates,
        earlier_hits=hits,
        forked=now.forks is not None and before.forks is not None and now.forks > before.forks,
        restarted=still_told(before.restarted, now.at),
        role_changed=_flipped(before, now),
        moved=still_told(before.moved, now.at),
        moved_history=before.moved_history,
        link_down_seen=_down_seen(before, now),
    )


def _ended(before: RedisHealth, now: RedisHealth) -> RedisHealth:
    """With how commands ended since the look before, and what goes on since then."""
    told = still_told(before.flushed, now.at)
    now = replace(
        now,
        failover_since=(before.failover_since or now.at) if _hands_over(now) else None,
        flushed=told,
        flushed_by=before.flushed_by if told else "",
        flushed_keys=before.flushed_keys if told else 0,
    )
    seconds = (now.at - before.at).total_seconds()
    added = gained(before.tally, now.tally)
    if added is None or not 0 < seconds <= LONGEST_GAP:
        return now
    gone = before.keys - now.keys
    if (by := flushes(added)) and gone >= max(_LEAST_FLUSHED, before.keys / 2):
        now = replace(now, flushed=now.at, flushed_by=by, flushed_keys=gone)
    pair = Pair(at=now.at, seconds=seconds, gained=added)
    return replace(now, pairs=recent(before.pairs, pair))


def _hands_over(look: RedisHealth) -> bool:
    return look.failover not in {"", "no-failover"}


def _anew(before: RedisHealth, now: RedisHealth) -> RedisHealth:
    """Another process answers: the same server after a restart, or another one that ran on."""
    now = replace(now, earlier_hits=before.earlier_hits, role_changed=_flipped(before, now))
    passed = (now.at - before.at).total_seconds()
    if now.run_id == before.run_id or now.uptime_s <= passed + _SLACK:
        moved = still_told(before.moved, now.at)
        return replace(now, restarted=now.at, moved=moved, moved_history=before.moved_history)
    history = {now.replid, now.earlier_replid} - {""}
    known = bool(history and before.replid)
    return replace(now, moved=now.at, moved_history=before.replid in history if known else None)


def _flipped(before: RedisHealth, now: RedisHealth) -> datetime | None:
    return now.at if now.role != before.role else still_told(before.role_changed, now.at)


def _down_seen(before: RedisHealth, now: RedisHealth) -> datetime | None:
    """Since when a link is down of which the server cannot say it."""
    if now.link_up is not False or now.link_down_s is not None:
        return None
    if before.link_up is False and before.link_down_s is None:
        return before.link_down_seen or before.at
    return now.at


def _rates(before: Stats, now: Stats, seconds: float) -> RedisRates | None:
    if seconds <= 0:
        return None
    hits, misses = gain_of(before.hits, now.hits), gain_of(before.misses, now.misses)
    lookups = None if hits is None or misses is None else hits + misses
    cpu = None if before.cpu_s is None or now.cpu_s is None else now.cpu_s - before.cpu_s
    return RedisRates(
        seconds=seconds,
        evicted=_per(gain_of(before.evicted, now.evicted), seconds),
        rejected=_per(gain_of(before.rejected_connections, now.rejected_connections), seconds),
        connections=_per(gain_of(before.connections, now.connections), seconds),
        commands=_per(gain_of(before.commands, now.commands), seconds),
        oom_errors=_per(gain_of(before.oom_errors, now.oom_errors), seconds),
        full_syncs=_per(gain_of(before.full_syncs, now.full_syncs), seconds),
        cpu=None if cpu is None or cpu < 0 else cpu / seconds,
        hit_share=hits / lookups if hits is not None and lookups and _enough(lookups) else None,
    )


def _enough(lookups: int) -> bool:
    return lookups >= _LEAST_LOOKUPS


def _per(gain: int | None, seconds: float) -> float | None:
    return None if gain is None else gain / seconds
