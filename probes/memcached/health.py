"""Memcached: connections, evictions, hits, memory, restarts.

Source: catalogue of findings 4.5. Counters are judged between two of our looks. A node has no
rights to grant; what a version does not count is unknown. A configuration endpoint is one of the
nodes: the others are targets of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

from cockpit import clock
from cockpit.connect.memcached.session import Memcached
from cockpit.connect.memcached.settings import MemcachedSettings
from cockpit.errors import BlindError, Reason
from cockpit.text import visible
from cockpit.triage.changes import Change
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.triage.view import Column, Row, Table
from cockpit.units import duration, percent, quantity, rounded, size
from probes.began import COUNTED, ago
from probes.gains import WINDOW, severity_of, window
from probes.memcached.model import (
    SETS,
    TOO_LARGE,
    MemcachedHealth,
    MemcachedRates,
    Slab,
    health,
    since,
)
from probes.refusals import MEMCACHED_REFUSALS
from probes.served import served


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Thresholds. Shares of one, or per second."""

    connections: Thresholds = Thresholds(warning=0.8)
    evictions_of_sets: Thresholds = Thresholds(warning=0.01)
    """Evictions per write."""
    unfetched: float = 0.5
    """The share of evicted items that nobody ever read: then the node is too small."""
    hit_share: float = 0.8
    hit_loss: float = 0.2
    """How far the hit share may fall below its first value."""
    memory: Thresholds = Thresholds(info=0.9)
    """About 0.9 is full, which a cache is meant to be."""
    too_large: Thresholds = Thresholds(info=0.001, warning=0.01)
    """Share of the writes, over five minutes, that are larger than an item may be."""
    too_large_least: int = 3
    """Such writes below which it is not told."""
    roomy: float = 0.8
    """Evictions below this share of memory mean that one size of items has too few pages."""


async def collect(memcached: Memcached, target: Target) -> MemcachedHealth:
    """Read stats and settings; items only where something was evicted; nodes where listed."""
    at, began = clock.now(), perf_counter()
    stats = await memcached.stats()
    answer_s = perf_counter() - began
    if "pid" not in stats or "uptime" not in stats:
        raise BlindError(Reason.UNREADABLE, "stats does not hold what a memcached server gives")
    settings = await memcached.stats("settings")
    busy = stats.get("evictions", "0") != "0" or stats.get("store_no_memory", "0") != "0"
    items = await memcached.stats("items") if busy else {}
    place = target.settings
    assert isinstance(place, MemcachedSettings)
    nodes: tuple[str, ...] = ()
    if ".cfg." in place.host:
        try:
            nodes = await memcached.nodes()
        except BlindError as error:
            if error.reason is not Reason.UNSUPPORTED:
                raise
    return health(stats, settings, items, at=at, nodes=nodes, answer_s=answer_s)


def diagnose(look: MemcachedHealth, settings: Settings) -> Iterator[Finding]:
    """Restarts first, since everything else follows from an empty cache."""
    yield from _restarted(look)
    yield from _flushed(look)
    yield from _too_large(look, settings)
    yield from _connections(look, settings)
    yield from _evicting(look, settings)
    yield from _hits(look, settings)
    yield from _memory(look, settings)


def _restarted(look: MemcachedHealth) -> Iterator[Finding]:
    """The node was restarted between two looks, and its cache is empty.

    Every read misses until it is filled again, so the database behind it takes the load. Changes of
    rates and hits right after it follow from it.
    """
    if look.restarted is not None:
        yield Finding(
            "MC_RESTARTED",
            severity_of(look.restarted, look.at),
            f"the node was restarted; it is up for {duration(look.uptime_s)} and began empty",
            evidence=(Evidence("up for", look.uptime_s, "s"), Evidence("items", look.items)),
            likely=("a node replacement or maintenance", "a crash or an out-of-memory kill"),
            next="the database behind it gets the load now: look there, and at its pool",
            began=ago(look.at, look.uptime_s),
            resolution=COUNTED,
        )


def _flushed(look: MemcachedHealth) -> Iterator[Finding]:
    """`flush_all` threw out every item between two looks.

    To the database behind it is the same as a restart: every read misses until it is filled again.
    """
    if look.flushed is None:
        return
    ago = (look.at - look.flushed).total_seconds()
    yield Finding(
        "MC_FLUSHED",
        severity_of(look.flushed, look.at),
        f"flush_all threw out {look.flushed_items:,} items"
        + (f" {duration(ago)} ago" if ago >= 1 else ""),
        evidence=(
            Evidence("items thrown out", look.flushed_items),
            Evidence("items now", look.items),
        ),
        likely=(
            "a person or a script that took this for another node",
            "a deployment that empties its cache",
        ),
        next="the database behind it gets the load now: look there; then who sent it",
    )


def _too_large(look: MemcachedHealth, settings: Settings) -> Iterator[Finding]:
    """Values are larger than an item may be (`-I`, 1 MiB unless set), so they are never cached.

    The client gets an error that libraries hide, and each read of such a value goes to the database
    for ever: it begins with the one list that grew.
    """
    five = window(look.pairs, WINDOW)
    refused = five.gained.get(TOO_LARGE, 0) if five else 0
    if five is None or refused < settings.too_large_least:
        return
    share = refused / (refused + five.gained.get(SETS, 0))
    severity = settings.too_large.grade(share)
    if severity is None:
        return
    yield Finding(
        "MC_TOO_LARGE",
        severity,
        f"{refused:,} writes within {duration(five.seconds)}, {percent(share)} of all, are larger "
        "than an item may be: they are never cached",
        evidence=(
            Evidence("too large", refused, "", settings.too_large_least),
            Evidence("of the writes", share, "share", settings.too_large.first),
            Evidence("an item may have", look.largest, "bytes"),
        ),
        likely=(
            "a list or page that grew over the limit",
            "a release that keeps more under one key, or no longer compresses",
        ),
        next="the application's log has the key (object too large for cache); split or compress "
        "it, or raise -I (max_item_size) outside of the peak",
        fact=False,
    )


def _connections(look: MemcachedHealth, settings: Settings) -> Iterator[Finding]:
    """Few connections are left, or clients are refused already.

    A full node accepts no one: clients time out or fall back to the database. It is critical once
    connections were refused or the node stopped listening; refusals begin a little below the limit.
    """
    refused = look.rates.rejected if look.rates else None
    disabled = look.rates.listen_disabled if look.rates else None
    shut = bool(refused) or bool(disabled) or look.accepting is False
    severity = Severity.CRITICAL if shut else settings.connections.grade(look.connection_share)
    if severity is None:
        return
    first, most = settings.connections.first, look.max_connections
    tail = f", {refused:.1f} a second are refused" if refused else ""
    yield Finding(
        "MC_SAT_CONNECTIONS",
        severity,
        f"{quantity(look.connections, '')} of {quantity(most, '')} connections used{tail}",
        evidence=(
            Evidence("connections", look.connections, "", first and most and round(first * most)),
            Evidence("refused", refused, "/s", limit=0),
            Evidence("times it stopped listening", disabled, "/s", limit=0),
            Evidence("takes connections", {None: "unknown", True: "yes", False: "no"}
                     [look.accepting]),
            Evidence("new connections", look.rates.connections if look.rates else None, "/s"),
        ),
        likely=("a client pool without a limit", "a scale-out of the application", "retries"),
        against=("refusals begin below the limit: the node keeps some for itself",) if shut else (),
        next="count connections per application host; the limit is -c, or the node type",
        fact=shut,
    )  # fmt: skip


def _evicting(look: MemcachedHealth, settings: Settings) -> Iterator[Finding]:
    """Items are thrown out to make room for new ones.

    In a cache that is the design, and harmless as long as hits stay. Look at the hits; at the share
    of evicted items that nobody ever read (the node is too small); and at the memory, since
    evictions on a node with free memory mean that one size of items has too few pages. High when
    writes found no room at all.
    """
    rates = look.rates
    if rates is None or not (rates.evictions or rates.no_memory):
        return
    evicted = rates.evictions or 0.0
    ratio = evicted / rates.sets if rates.sets else 1.0
    severity = settings.evictions_of_sets.grade(ratio)
    if rates.no_memory:
        severity = Severity.HIGH
    if severity is None:
        return
    unread = rates.evicted_unfetched / evicted if evicted and rates.evicted_unfetched else 0.0
    share = look.memory_share
    imbalance = share is not None and share < settings.roomy
    refused = (
        f", {rounded(rates.no_memory)} writes a second find no room" if rates.no_memory else ""
    )
    yield Finding(
        "MC_EVICTING",
        severity,
        f"{rounded(evicted)} items a second are evicted, {percent(ratio)} of the writes{refused}",
        evidence=(
            Evidence("evictions", round(evicted, 1), "/s"),
            Evidence("of writes", ratio, "share", settings.evictions_of_sets.first),
            Evidence("never read before", unread, "share", settings.unfetched),
            Evidence("writers that make room themselves", rates.reclaims, "/s"),
            Evidence("writes without room", rates.no_memory, "/s", limit=0),
            Evidence("memory", share, "share"),
            Evidence("hits", rates.hit_share, "share", settings.hit_share),
        ),
        likely=(
            *(("one size of items has too few pages: memory is free elsewhere",) if imbalance
              else ()),
            *(("too small for its churn: most go before anybody reads them",)
              if unread >= settings.unfetched else ()),
            "the working set outgrew the memory",
            "a job writes many keys",
        ),
        against=("in a cache evictions are the design, as long as hits do not fall",),
        next="do the hits suffer? which size of items evicts (drill-down)? then more nodes",
        fact=False,
    )  # fmt: skip


def _hits(look: MemcachedHealth, settings: Settings) -> Iterator[Finding]:
    """Far fewer reads find what they look for than when the watch began.

    Every miss becomes a query of the database behind, which may be the next to be slow. The share
    alone is not judged, only its fall below `hit_share`.
    """
    share, before = look.rates.hit_share if look.rates else None, look.earlier_hits
    if share is None or before is None or share >= settings.hit_share:
        return
    if share < before - settings.hit_loss:
        yield Finding(
            "MC_HIT",
            Severity.WARNING,
            f"hits fell from {percent(before)} to {percent(share)}",
            evidence=(
                Evidence("hits", share, "share", settings.hit_share),
                Evidence("hits before", before, "share"),
                Evidence("look-ups", look.rates.gets if look.rates else None, "/s"),
            ),
            likely=(f"flush_all threw out {look.flushed_items:,} items",)
            if look.flushed
            else (
                "a cold cache after a restart or a new node",
                "evictions",
                "a deployment changed the keys",
            ),
            next="restarts and evictions first; then the newest deployment",
            fact=False,
        )


def _memory(look: MemcachedHealth, settings: Settings) -> Iterator[Finding]:
    """The memory is nearly used up, which a cache is meant to be.

    It is information only, and matters when hits fall. It is high for a node that runs with -M:
    that one refuses writes instead of evicting.
    """
    share = look.memory_share
    severity = settings.memory.grade(share)
    if severity is None or share is None:
        return
    if not look.evicts:
        severity = Severity.HIGH
    yield Finding(
        "MC_MEM",
        severity,
        f"{percent(share)} of the memory used: about 90% is full"
        + ("" if look.evicts else ", and this node refuses writes instead of evicting (-M)"),
        evidence=(
            Evidence("memory", share, "share", settings.memory.first),
            Evidence("used", look.used, "bytes"),
            Evidence("limit", look.limit, "bytes"),
            Evidence("items", look.items),
        ),
        likely=("a cache fills up over time",),
        against=("a cache is meant to be full",) if look.evicts else (),
        next="evictions and hits tell whether it matters",
        fact=False,
    )


def facts(look: MemcachedHealth, limits: Settings) -> Iterator[Fact]:
    """Whether clients are answered, then memory, connections, rates and hits."""
    yield _answers(look)
    share = look.memory_share
    yield Fact("memory", "unknown" if share is None else percent(share), share, "share")
    if look.connections is not None:
        yield Fact(
            "connections",
            f"{look.connections}/{look.max_connections or '?'}",
            look.connections,
            severity=limits.connections.grade(look.connection_share),
        )
    if look.rates is None:
        yield Fact("reads", "unknown until the next look")
    else:
        for label, rate in _rated(look.rates):
            if rate is not None:
                yield Fact(label, f"{rounded(rate)}/s", rate, "/s")
        hits = look.rates.hit_share
        if hits is not None:
            yield Fact("hits", percent(hits), hits, "share")
    if look.answer_s is not None:
        told = f"{look.answer_s * 1000:.1f} ms with the round trip"
        yield Fact("answer", told, look.answer_s * 1000, "ms")
    if look.nodes:
        yield Fact("nodes", str(len(look.nodes)), len(look.nodes))
    yield Fact("server", visible(f"memcached {look.version}", 40))


def _answers(look: MemcachedHealth) -> Fact:
    """Reads and writes; of those that fail it counts connections that it does not take."""
    rates = look.rates
    if rates is None or rates.gets is None or rates.sets is None:
        return served(None, waiting=None)
    return served(rates.gets + rates.sets, failed=rates.rejected, waiting=None)


def _rated(rates: MemcachedRates) -> tuple[tuple[str, float | None], ...]:
    return (
        ("reads", rates.gets),
        ("writes", rates.sets),
        ("evictions", rates.evictions),
        ("refused connections", rates.rejected),
    )


_OVERVIEW = (Column("what", 26), Column("value", 18, right=True), Column("note"))
_SLABS = (
    Column("class", 8, right=True),
    Column("items", 12, right=True),
    Column("oldest", 12, right=True),
    Column("evicted", 14, right=True),
    Column("without room", 14, right=True),
)


def tables(look: MemcachedHealth, settings: Settings) -> Iterator[Table]:
    """What it is and does; the sizes of items that evict; the nodes of a cluster."""
    yield Table(
        title="Overview",
        columns=_OVERVIEW,
        rows=tuple(Row(key=cells[0], cells=cells) for cells in _overview(look)),
        headline=visible(f"memcached {look.version} · up for {duration(look.uptime_s)}", 80),
    )
    if look.slabs:
        yield Table(
            title="Sizes of items",
            columns=_SLABS,
            rows=tuple(_slab(slab) for slab in look.slabs),
            headline="since the node's start",
        )
    if look.nodes:
        yield Table(
            title="Nodes",
            columns=(Column("node"),),
            rows=tuple(Row(key=node, cells=(visible(node, 100),)) for node in look.nodes),
            note=("this look is at one of them: give each a target of its own",),
        )


def _overview(look: MemcachedHealth) -> Iterator[tuple[str, str, str]]:
    limit = "unknown" if look.limit is None else size(look.limit)
    yield "memory used", quantity(look.used, "bytes"), f"of {limit}; about 90% is full"
    yield "items", quantity(look.items, ""), ""
    most = f"of {look.max_connections}" if look.max_connections else ""
    yield "connections", quantity(look.connections, ""), most
    yield "threads", quantity(look.threads, ""), ""
    yield "when full", "evicts" if look.evicts else "refuses writes", ""
    if look.rates is not None:
        for label, rate in _rated(look.rates):
            yield label, quantity(None if rate is None else round(rate, 1), "/s"), ""
        yield "hits", quantity(look.rates.hit_share, "share"), "of look-ups"


def _slab(slab: Slab) -> Row:
    return Row(
        key=str(slab.number),
        cells=(
            str(slab.number),
            f"{slab.items:,}",
            "" if slab.oldest_s is None else duration(slab.oldest_s),
            f"{slab.evicted:,}",
            f"{slab.no_memory:,}",
        ),
        sort=(slab.number, slab.items, slab.oldest_s, slab.evicted, slab.no_memory),
    )


def changes(look: MemcachedHealth, target: str) -> Iterator[Change]:
    """A restart or a flush that happened between two of our looks."""
    for at, kind, summary in (
        (look.restarted, "memcached.restart", "the node was restarted and began empty"),
        (look.flushed, "memcached.flush", f"flush_all threw out {look.flushed_items:,} items"),
    ):
        if at is not None:
            source = "memcached.health"
            yield Change(at=at, kind=kind, target=target, summary=summary, source=source)


PROBE = Probe(
    id="memcached.health",
    kind="memcached",
    collect=collect,
    diagnose=diagnose,
    snapshot=MemcachedHealth,
    settings=Settings(),
    every=5,
    timeout=8,
    facts=facts,
    tables=tables,
    leads=True,
    changes=changes,
    since=since,
    needs=("the port, without a login",),
    codes=codes(
        cause=("MC_EVICTING", "MC_MEM"),
        event=("MC_RESTARTED", "MC_FLUSHED"),
        either=("MC_HIT", "MC_TOO_LARGE"),
        traits={
            Trait.COLD: ("MC_EVICTING", "MC_HIT", "MC_RESTARTED", "MC_FLUSHED", "MC_TOO_LARGE")
        },
        more=MEMCACHED_REFUSALS,
    ),
)
