"""How many reads of a cache find their key, against the hours before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from cockpit.connect.session import Series
from cockpit.triage.finding import Evidence, Finding
from probes import baseline
from probes.began import POINTS, bad_since, shares
from probes.elasticache.model import KEPT, Snapshot
from probes.elasticache.settings import Settings
from probes.metrics import Rate, settled, sustained, together, total


def _reads(snapshot: Snapshot) -> tuple[Series, Series]:
    """Hits and misses of all nodes, minute by minute."""
    hits = [node.series(name) for node in snapshot.nodes for name in ("CacheHits", "GetHits")]
    misses = [node.series(name) for node in snapshot.nodes for name in ("CacheMisses", "GetMisses")]
    return together(*hits), together(*misses)


def hit_drop(snapshot: Snapshot) -> float | None:
    """Points of hit rate lost against the last three hours; None when not known."""
    hits, misses = _reads(snapshot)
    asked = together(hits, misses)
    earlier = sum(baseline.before(asked, snapshot.at))
    now = total(settled(asked, snapshot.at))
    if len(baseline.before(asked, snapshot.at)) < baseline.LEAST or not earlier or not now:
        return None
    then = sum(baseline.before(hits, snapshot.at)) / earlier
    today = (total(settled(hits, snapshot.at)) or 0.0) / now
    return round((then - today) * 100, 6)


def hit_rate(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Far fewer reads find their key than in the last hours.

    The database behind gets the rest, and may be the next to fail. A cold cache after a failover
    warms up by itself; a flush or changed keys show in the commands.
    """
    hits, misses = _reads(snapshot)
    asked = settled(together(hits, misses), snapshot.at)
    if not sustained(asked, lambda value: value >= settings.hit_floor):
        return
    drop = hit_drop(snapshot)
    severity = settings.hit_drop.grade(drop)
    if severity is None or drop is None:
        return
    now = Rate(total(settled(hits, snapshot.at)), total(asked)).share
    flushed = sum(
        total(settled(node.series(name), snapshot.at)) or 0
        for node in snapshot.nodes
        for name in ("FlushBasedCmds", "CmdFlush")
    )
    causes = ("a failover or a restart", "a deployment changed the keys", "expiries changed")
    yield Finding(
        "CACHE_HIT_RATE_DROP",
        severity,
        f"the hit rate fell by {drop:.0f} points",
        evidence=(
            Evidence("hit rate", now, "share"),
            Evidence("lost", drop, "points", limit=settings.hit_drop.first),
            Evidence("reads", (total(asked) or 0) / max(1, len(asked.values)), "/min"),
            Evidence("flushes", flushed),
        ),
        likely=("somebody flushed it", *causes) if flushed else causes,
        against=("a cold cache warms up by itself",),
        next="look at the load of the database behind it",
        fact=False,
        began=_cold_since(snapshot, settings),
        resolution=POINTS,
    )


def _cold_since(snapshot: Snapshot, settings: Settings) -> datetime | None:
    """Since when minutes lack as much of the usual rate as is told of."""
    hits, misses = (settled(each, snapshot.at, minutes=KEPT) for each in _reads(snapshot))
    asked = together(hits, misses)
    earlier = sum(baseline.before(asked, snapshot.at))
    if not earlier or settings.hit_drop.first is None:
        return None
    usual = sum(baseline.before(hits, snapshot.at)) / earlier
    lost = usual - settings.hit_drop.first / 100
    return bad_since(shares(hits, asked), lambda share: share <= lost)
