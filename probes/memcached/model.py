"""What a look at a memcached node gives, and its rates between two looks.

Source: memcached's doc/protocol.txt, "General-purpose statistics"; catalogue of findings 4.5. A
statistic that a version lacks is None, never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from probes.gains import LONGEST_GAP, Pair, gain_of, kept, still_told

TOO_LARGE, SETS = "store_too_large", "cmd_set"
_LEAST_FLUSHED = 100
"""Items below which a flush is nobody's outage."""
_LEAST_LOOKUPS = 50
"""Look-ups between two looks below which a hit share says nothing."""
_SLACK = 5.0
"""Seconds by which two clocks may differ when an uptime is compared with the time between looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Counters since the node's start."""

    connections: int | None = None
    rejected: int | None = None
    listen_disabled: int | None = None
    gets: int | None = None
    sets: int | None = None
    hits: int | None = None
    misses: int | None = None
    evictions: int | None = None
    evicted_unfetched: int | None = None
    reclaims: int | None = None
    """direct_reclaims: writers that had to make room themselves."""
    no_memory: int | None = None
    """store_no_memory: writes that found no room at all."""
    flushes: int | None = None
    """cmd_flush. The items leave as reclaimed and expired ones."""
    too_large: int | None = None
    """store_too_large: values that no item may hold; cmd_set does not count them."""


_NAMES: Mapping[str, str] = {
    "connections": "total_connections",
    "rejected": "rejected_connections",
    "listen_disabled": "listen_disabled_num",
    "gets": "cmd_get",
    "sets": "cmd_set",
    "hits": "get_hits",
    "misses": "get_misses",
    "evictions": "evictions",
    "evicted_unfetched": "evicted_unfetched",
    "reclaims": "direct_reclaims",
    "no_memory": "store_no_memory",
    "flushes": "cmd_flush",
    "too_large": "store_too_large",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Slab:
    """Items of one size. `evicted`: since the start; `oldest_s`: the age of its oldest item."""

    number: int
    items: int = 0
    oldest_s: int | None = None
    evicted: int = 0
    no_memory: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MemcachedRates:
    """Per second between two of our looks. None: not to be had."""

    seconds: float
    connections: float | None = None
    rejected: float | None = None
    listen_disabled: float | None = None
    gets: float | None = None
    sets: float | None = None
    evictions: float | None = None
    evicted_unfetched: float | None = None
    reclaims: float | None = None
    no_memory: float | None = None
    hit_share: float | None = None
    """Hits of all look-ups; None with too few of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemcachedHealth:
    """One look. Bytes and seconds."""

    at: datetime
    version: str
    pid: int | None
    uptime_s: int
    connections: int | None = None
    max_connections: int | None = None
    accepting: bool | None = None
    """False: it does not even take connections now (only with maxconns_fast off)."""
    used: int | None = None
    limit: int | None = None
    items: int | None = None
    threads: int | None = None
    evicts: bool = True
    """False (-M): a full node refuses writes instead."""
    slabs: tuple[Slab, ...] = ()
    nodes: tuple[str, ...] = ()
    """What a configuration endpoint lists; empty: this is a node."""
    counts: Counts
    rates: MemcachedRates | None = None
    earlier_hits: float | None = None
    """The hit share of the first looks, to compare with."""
    restarted: datetime | None = None
    flushed: datetime | None = None
    """When all items were thrown out by command, between two of our looks."""
    flushed_items: int = 0
    """How many there were before that."""
    largest: int | None = None
    """item_size_max: bytes that an item may have."""
    answer_s: float | None = None
    """How long `stats` took, with the network's round trip."""
    pairs: tuple[Pair, ...] = ()
    """Writes, and those that were too large, between the looks of the last five minutes."""

    @property
    def memory_share(self) -> float | None:
        """Used memory of the limit; about 0.9 is full. None: unknown."""
        return self.used / self.limit if self.used is not None and self.limit else None

    @property
    def connection_share(self) -> float | None:
        """Connections of those allowed; refusals begin well below one. None: unknown."""
        if self.connections is None or not self.max_connections:
            return None
        return self.connections / self.max_connections


def health(
    stats: Mapping[str, str],
    settings: Mapping[str, str],
    items: Mapping[str, str],
    *,
    at: datetime,
    nodes: tuple[str, ...] = (),
    answer_s: float | None = None,
) -> MemcachedHealth:
    """The answers to `stats`, `stats settings` and `stats items` as a snapshot."""
    accepting = _int(stats, "accepting_conns")
    return MemcachedHealth(
        at=at,
        version=stats.get("version", ""),
        pid=_int(stats, "pid"),
        uptime_s=_int(stats, "uptime") or 0,
        connections=_int(stats, "curr_connections"),
        max_connections=_int(settings, "maxconns") or _int(stats, "max_connections"),
        accepting=None if accepting is None else bool(accepting),
        used=_int(stats, "bytes"),
        limit=_int(stats, "limit_maxbytes"),
        items=_int(stats, "curr_items"),
        threads=_int(stats, "threads"),
        evicts=settings.get("evictions", "on") != "off",
        slabs=_slabs(items),
        nodes=nodes,
        largest=_int(settings, "item_size_max"),
        answer_s=answer_s,
        counts=Counts(**{field: _int(stats, name) for field, name in _NAMES.items()}),
    )


def _slabs(items: Mapping[str, str]) -> tuple[Slab, ...]:
    """`items:5:number 31` and the like, by class."""
    found: dict[int, dict[str, int]] = {}
    for name, value in items.items():
        parts = name.split(":")
        if len(parts) == 3 and parts[1].isdigit() and value.isdigit():
            found.setdefault(int(parts[1]), {})[parts[2]] = int(value)
    return tuple(
        Slab(
            number=number,
            items=fields.get("number", 0),
            oldest_s=fields.get("age"),
            evicted=fields.get("evicted", 0),
            no_memory=fields.get("outofmemory", 0),
        )
        for number, fields in sorted(found.items())
    )


def since(before: MemcachedHealth, now: MemcachedHealth) -> MemcachedHealth:
    """The new look with rates. After a restart there are none: counters began anew."""
    seconds = (now.at - before.at).total_seconds()
    if now.pid != before.pid or now.uptime_s < before.uptime_s:
        # a configuration endpoint leads to its nodes in turn: one that ran all the while is another
        restarted = now.at if now.uptime_s <= seconds + _SLACK else None
        return replace(now, restarted=restarted, earlier_hits=before.earlier_hits)
    rates = _rates(before.counts, now.counts, seconds) if 0 < seconds <= LONGEST_GAP else None
    hits = before.earlier_hits
    if hits is None and rates is not None:
        hits = rates.hit_share
    told = still_told(before.restarted, now.at)
    now = replace(now, rates=rates, earlier_hits=hits, restarted=told)
    return _emptied(before, _refused(before, now, seconds))


def _emptied(before: MemcachedHealth, now: MemcachedHealth) -> MemcachedHealth:
    items = before.items or 0
    if gain_of(before.counts.flushes, now.counts.flushes) and items >= _LEAST_FLUSHED:
        return replace(now, flushed=now.at, flushed_items=items)
    told = still_told(before.flushed, now.at)
    return replace(now, flushed=told, flushed_items=before.flushed_items if told else 0)


def _refused(before: MemcachedHealth, now: MemcachedHealth, seconds: float) -> MemcachedHealth:
    """With the writes of this look added; begun anew when a counter was reset."""
    names = {TOO_LARGE: "too_large", SETS: "sets"}
    gained = {
        name: gain_of(getattr(before.counts, each), getattr(now.counts, each))
        for name, each in names.items()
    }
    known = {name: gain for name, gain in gained.items() if gain is not None}
    if len(known) < len(names) or not 0 < seconds <= LONGEST_GAP:
        return now
    pair = Pair(at=now.at, seconds=seconds, gained=known)
    return replace(now, pairs=(*kept(before.pairs, now.at), pair))


def _rates(before: Counts, now: Counts, seconds: float) -> MemcachedRates:
    def per_s(name: str) -> float | None:
        gained = gain_of(getattr(before, name), getattr(now, name))
        return None if gained is None else gained / seconds

    hits, misses = gain_of(before.hits, now.hits), gain_of(before.misses, now.misses)
    lookups = None if hits is None or misses is None else hits + misses
    return MemcachedRates(
        seconds=seconds,
        connections=per_s("connections"),
        rejected=per_s("rejected"),
        listen_disabled=per_s("listen_disabled"),
        gets=per_s("gets"),
        sets=per_s("sets"),
        evictions=per_s("evictions"),
        evicted_unfetched=per_s("evicted_unfetched"),
        reclaims=per_s("reclaims"),
        no_memory=per_s("no_memory"),
        hit_share=hits / lookups if hits is not None and (lookups or 0) >= _LEAST_LOOKUPS
        and lookups else None,
    )  # fmt: skip


def _int(stats: Mapping[str, str], name: str) -> int | None:
    value = stats.get(name, "")
    return int(value) if value.isdigit() else None
