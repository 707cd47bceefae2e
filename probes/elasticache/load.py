"""Findings from the metrics of a cache's nodes: memory, hit rate, CPU, connections, network, lag.

Source: ElastiCache User Guide, "Which metrics should I monitor". 65,000 connections a node are the
engine's fixed limit. Evictions are normal for a cache that runs full by design: only the change
counts.
"""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.connect.session import Series
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.units import number, size
from probes import baseline
from probes.began import POINTS, bad_since, reached_since, share_since
from probes.elasticache.hits import hit_drop, hit_rate
from probes.elasticache.model import KEPT, SERVERLESS, Node, Snapshot, is_replica
from probes.elasticache.settings import Settings
from probes.metrics import (
    Rate,
    filled,
    held,
    history,
    latest,
    lowest,
    peak,
    settled,
    sustained,
    together,
    total,
)

_LIMIT = 65_000
_NETWORK = (
    ("NetworkBandwidthInAllowanceExceeded", "inbound bandwidth"),
    ("NetworkBandwidthOutAllowanceExceeded", "outbound bandwidth"),
    ("NetworkPacketsPerSecondAllowanceExceeded", "packets a second"),
    ("NetworkConntrackAllowanceExceeded", "tracked connections"),
)
_AUTH = ("AuthenticationFailures", "CommandAuthorizationFailures", "KeyAuthorizationFailures")


def load(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Every finding of every node; the hit rate is of the whole cache."""
    for node in snapshot.nodes:
        yield from _memory(snapshot, node, settings)
        yield from _evictions(snapshot, node, settings)
        yield from _cpu(snapshot, node, settings)
        yield from _connections(snapshot, node, settings)
        yield from _churn(snapshot, node, settings)
        yield from _network(snapshot, node)
        yield from _replication(snapshot, node, settings)
        yield from _auth(snapshot, node, settings)
    yield from hit_rate(snapshot, settings)
    if snapshot.kind == SERVERLESS:
        yield from _serverless(snapshot, settings)


def _now(snapshot: Snapshot, node: Node, name: str) -> Series:
    return settled(node.series(name), snapshot.at)


def _long(snapshot: Snapshot, node: Node, name: str) -> Series:
    """All of a metric that will not change any more."""
    return settled(node.series(name), snapshot.at, minutes=KEPT)


_TIERED = ".r6gd."
"""Node types that keep on a disk what memory has no room for."""


def _about(node: Node) -> tuple[Evidence, ...]:
    return (
        Evidence("node", node.name),
        Evidence("role", node.role or None),
        Evidence("zone", node.zone or None),
    )


def _memory(snapshot: Snapshot, node: Node, settings: Settings) -> Iterator[Finding]:
    """A node's memory is nearly used up.

    At the limit keys are evicted or writes refused, by its policy. Critical too when it swaps:
    every command that touches swapped memory waits for the disk. A cache that has always run full
    is told more mildly, and one with data tiering (r6gd) not at all: its memory is always full,
    since it keeps on its disk what is seldom used.
    """
    used = _now(snapshot, node, "DatabaseMemoryUsagePercentage")
    severity, value = held(used, settings.memory), peak(used)
    swap = latest(_now(snapshot, node, "SwapUsage"))
    free = lowest(_now(snapshot, node, "FreeableMemory"))
    swapping = swap is not None and free is not None and swap > free
    if swapping:
        severity = Severity.CRITICAL
    elif _TIERED in snapshot.node_type:
        return
    if severity is None:
        return
    against: tuple[str, ...] = ()
    if not swapping and _full_by_design(snapshot, node):
        severity = _milder(severity)
        against = ("evictions and hit rate are as always: a cache that runs full by design",)
    shown = "more swap than free memory" if swapping else f"{value or 0:.0f}% of the memory used"
    yield Finding(
        "CACHE_MEMORY_HIGH",
        severity,
        f"{node.name}: {shown}",
        subject=node.name,
        evidence=(
            Evidence("memory", value, "%", limit=settings.memory.first, history=history(used)),
            Evidence("swap", swap, "bytes"),
            Evidence("freeable", free, "bytes"),
            Evidence("evictions", _evicted(snapshot, node), "/min"),
            *_about(node),
        ),
        likely=("keys without an expiry", "big keys", "output buffers of slow clients"),
        against=against,
        next="look at INFO memory and the biggest keys of this node",
        fact=False,
        began=reached_since(
            _long(snapshot, node, "DatabaseMemoryUsagePercentage"), settings.memory
        ),
        resolution=POINTS,
    )


def _milder(severity: Severity) -> Severity:
    return Severity.WARNING if severity is Severity.CRITICAL else Severity.INFO


def _full_by_design(snapshot: Snapshot, node: Node) -> bool:
    """Evictions are part of its life: they were there before, and are not many more now."""
    usual = _usual_evictions(snapshot, node)
    now = _evicted(snapshot, node)
    if not usual or now is None or now > 2 * usual:
        return False
    drop = hit_drop(snapshot)
    return drop is not None and drop < 5


_COMPANION = "CurrConnections"
"""A series that is always published, to tell zero from silence."""


def _companion(node: Node) -> Series:
    return node.series(_COMPANION)


def _evicted(snapshot: Snapshot, node: Node) -> float | None:
    """Evictions a minute over the window; None when even the companion is silent."""
    known = settled(filled(node.series("Evictions"), _companion(node)), snapshot.at)
    count = total(known)
    return None if count is None else count / len(known.values)


def _usual_evictions(snapshot: Snapshot, node: Node) -> float | None:
    return baseline.usual_of_sparse(node.series("Evictions"), _companion(node), snapshot.at)


def _evictions(snapshot: Snapshot, node: Node, settings: Settings) -> Iterator[Finding]:
    """The node throws out many more keys than it usually does.

    Critical when the hit rate falls too: then the database behind it gets the reads. Steady
    evictions are a cache at work and are not told.
    """
    now = _now(snapshot, node, "Evictions")
    usual = _usual_evictions(snapshot, node)
    if usual is None:
        return
    limit = max(settings.evictions_floor, settings.evictions_times * usual)
    if not sustained(now, lambda value: value > limit):
        return
    drop = hit_drop(snapshot)
    worse = drop is not None and drop >= 10
    value = latest(now) or 0.0
    yield Finding(
        "CACHE_EVICTIONS_RISING",
        Severity.CRITICAL if worse else Severity.WARNING,
        f"{node.name} evicts {number(round(value))} keys a minute, usually {number(round(usual))}",
        subject=node.name,
        evidence=(
            Evidence("evictions", value, "/min", limit=limit, history=history(now)),
            Evidence("median of 3 hours", usual, "/min"),
            Evidence("hit rate lost", drop, "points", limit=10),
            *_about(node),
        ),
        likely=("the working set grew", "expiries changed", "a node was lost"),
        next="look at what fills the memory: INFO keyspace, the biggest keys",
        fact=False,
        began=bad_since(
            filled(_long(snapshot, node, "Evictions"), _long(snapshot, node, _COMPANION)),
            lambda value: value > limit,
        ),
        resolution=POINTS,
    )


def _cpu(snapshot: Snapshot, node: Node, settings: Settings) -> Iterator[Finding]:
    """The engine's thread, or the CPU where that is not told, is busy.

    Every command waits for the one thread, so a single slow command slows everybody down.
    """
    name, label = "EngineCPUUtilization", "engine CPU"
    used = _now(snapshot, node, name)
    if not used.values:
        name, label = "CPUUtilization", "CPU"
        used = _now(snapshot, node, name)
    severity, value = held(used, settings.cpu), latest(used)
    if severity is None or value is None:
        return
    yield Finding(
        "CACHE_CPU_HIGH",
        severity,
        f"{node.name}: {label} at {value:.0f}%",
        subject=node.name,
        evidence=(
            Evidence(label, value, "%", limit=settings.cpu.first, history=history(used)),
            *_about(node),
        ),
        likely=("KEYS, Lua or another slow command", "a hot key", "TLS handshakes"),
        against=("a snapshot is being taken",) if snapshot.status == "snapshotting" else (),
        next="read the slow log of this node",
        fact=False,
        began=reached_since(_long(snapshot, node, name), settings.cpu),
        resolution=POINTS,
    )


def _connections(snapshot: Snapshot, node: Node, settings: Settings) -> Iterator[Finding]:
    """Far more connections than usual, or near the 65,000 that a node takes.

    At the limit new clients are refused.
    """
    used = _now(snapshot, node, "CurrConnections")
    severity, value = held(used, settings.connections), latest(used)
    limits = settings.connections
    usual = baseline.usual(node.series("CurrConnections"), snapshot.at)
    if severity is None and usual is not None:
        limit = max(settings.connections_floor, settings.connections_times * usual)
        limits = Thresholds(warning=limit)
        severity = held(used, Thresholds(warning=limit))
    if severity is None or value is None:
        return
    yield Finding(
        "CACHE_CONNECTIONS_HIGH",
        severity,
        f"{node.name}: {number(round(value))} of {number(_LIMIT)} connections",
        subject=node.name,
        evidence=(
            Evidence("connections", value, limit=_LIMIT, history=history(used)),
            Evidence("median of 3 hours", usual),
            *_about(node),
        ),
        likely=("a leak", "a fan-out of functions or tasks"),
        next="count CLIENT LIST by address",
        fact=False,
        began=reached_since(_long(snapshot, node, "CurrConnections"), limits),
        resolution=POINTS,
    )


def _churn(snapshot: Snapshot, node: Node, settings: Settings) -> Iterator[Finding]:
    """Very many new connections a minute: clients do not keep them.

    Each costs the engine's thread, with TLS many times as much, so everything becomes slow.
    """
    new = _now(snapshot, node, "NewConnections")
    usual = baseline.usual(node.series("NewConnections"), snapshot.at)
    severity, value = held(new, settings.churn), latest(new)
    limits = settings.churn
    if severity is None and usual is not None:
        limit = max(settings.churn_floor, settings.churn_times * usual)
        limits = Thresholds(warning=limit)
        severity = held(new, Thresholds(warning=limit))
    if severity is None or value is None:
        return
    yield Finding(
        "CACHE_CONNECTION_CHURN",
        severity,
        f"{node.name}: {number(round(value))} new connections a minute",
        subject=node.name,
        evidence=(
            Evidence("new connections", value, "/min", history=history(new)),
            Evidence("median of 3 hours", usual, "/min"),
            *_about(node),
        ),
        likely=("a retry storm", "clients without a pool", "a short idle timeout"),
        next="find the clients that reconnect for every call",
        fact=False,
        began=reached_since(_long(snapshot, node, "NewConnections"), limits),
        resolution=POINTS,
    )


def _network(snapshot: Snapshot, node: Node) -> Iterator[Finding]:
    """The node sends or takes more than its type may: packets are queued and dropped.

    Clients see timeouts while the CPU is idle. The summary says which allowance: bandwidth in, out,
    packets or tracked connections.
    """
    for name, what in _NETWORK:
        over = _now(snapshot, node, name)
        if sustained(over, lambda value: value > 0):
            yield Finding(
                "CACHE_NETWORK_LIMITED",
                Severity.WARNING,
                f"{node.name} exceeds its allowance of {what}",
                subject=f"{node.name} {what}",
                evidence=(
                    Evidence("exceeded", latest(over), "/min", limit=0, history=history(over)),
                    Evidence("node type", snapshot.node_type or None),
                    *_about(node),
                ),
                likely=("the node is too small", "big values", "too many connections"),
                next="compare with the clients' timeouts: packets are queued or dropped",
                fact=False,
                began=bad_since(_long(snapshot, node, name), lambda value: value > 0),
                resolution=POINTS,
            )


def _replication(snapshot: Snapshot, node: Node, settings: Settings) -> Iterator[Finding]:
    """A replica is late, or cut off from its primary.

    CACHE_REPLICA_LINK_DOWN: Nothing new arrives: its readers see the past, and it must not take
    over. After a node was replaced it may be taking a full copy.

    CACHE_REPLICA_LAG: Readers see the past, and a failover to it loses what is missing. It matters
    on replicas only.
    """
    if is_replica(node, snapshot.at) is not True:
        return
    link = _now(snapshot, node, "MasterLinkHealthStatus")
    if sustained(link, lambda value: value == 0):
        yield Finding(
            "CACHE_REPLICA_LINK_DOWN",
            Severity.CRITICAL,
            f"the replica {node.name} has no link to its primary",
            subject=node.name,
            evidence=(Evidence("link", 0, history=history(link)), *_about(node)),
            likely=("the network", "a full synchronisation that fails"),
            against=("it may be synchronising after a node was replaced",),
            next="read INFO replication on the replica",
            fact=False,
            began=bad_since(
                _long(snapshot, node, "MasterLinkHealthStatus"), lambda value: value == 0
            ),
            resolution=POINTS,
        )
    lag = _now(snapshot, node, "ReplicationLag")
    severity, value = held(lag, settings.lag), peak(lag)
    if severity is not None and value is not None:
        yield Finding(
            "CACHE_REPLICA_LAG",
            severity,
            f"the replica {node.name} is {number(value)} seconds behind",
            subject=node.name,
            evidence=(
                Evidence("lag", value, "s", limit=settings.lag.first, history=history(lag)),
                *_about(node),
            ),
            likely=("a burst of writes", "the network", "a full synchronisation"),
            next="read INFO replication on both ends",
            fact=False,
            began=reached_since(_long(snapshot, node, "ReplicationLag"), settings.lag),
            resolution=POINTS,
        )


def _auth(snapshot: Snapshot, node: Node, settings: Settings) -> Iterator[Finding]:
    """Logins or commands are refused.

    A token was rotated, or an access list edited, and somebody's client does not know. A scanner
    would look the same.
    """
    failures = settled(together(*(node.series(name) for name in _AUTH)), snapshot.at)
    severity, value = held(failures, settings.auth_failures), latest(failures)
    if severity is None or value is None:
        return
    yield Finding(
        "CACHE_AUTH_FAILURES",
        severity,
        f"{node.name} refuses {number(round(value))} logins or commands a minute",
        subject=node.name,
        evidence=(
            Evidence("refused", value, "/min", limit=1, history=history(failures)),
            *_about(node),
        ),
        likely=("a token was rotated", "an access list was edited"),
        against=("a scanner would look the same",),
        next="compare with the last change of the token or the user group",
        fact=False,
        began=reached_since(
            filled(
                together(*(_long(snapshot, node, name) for name in _AUTH)),
                _long(snapshot, node, _COMPANION),
            ),
            settings.auth_failures,
        ),
        resolution=POINTS,
    )


def _serverless(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Commands are throttled, or the cache is near a usage limit.

    Callers see errors or slow retries. It grows by itself, but not faster than its own pace, and
    not over a limit that was set.
    """
    node = snapshot.nodes[0]
    asked = _now(snapshot, node, "TotalCmdsCount")
    refused = filled(_now(snapshot, node, "ThrottledCmds"), asked)
    share = Rate(total(refused), total(asked)).share
    full = _limit_share(snapshot, node)
    severity = settings.throttled_share.grade(share) if share else None
    found = [each for each in (severity, settings.limit_share.grade(full)) if each is not None]
    if not found:
        return
    yield Finding(
        "CACHE_SERVERLESS_THROTTLED",
        max(found),
        f"{number(total(refused) or 0)} commands throttled in 5 minutes"
        + (f", {full:.0%} of a usage limit" if full is not None else ""),
        evidence=(
            Evidence("throttled", share, "share", history=history(refused)),
            Evidence("of the limit", full, "share", limit=settings.limit_share.first),
            Evidence(
                "storage limit",
                None if snapshot.storage_limit is None else size(snapshot.storage_limit),
            ),
        ),
        likely=("growth faster than scaling", "a usage limit"),
        next="raise the usage limit",
        fact=False,
        began=share_since(
            _long(snapshot, node, "ThrottledCmds"),
            _long(snapshot, node, "TotalCmdsCount"),
            settings.throttled_share,
        ),
        resolution=POINTS,
    )


def _limit_share(snapshot: Snapshot, node: Node) -> float | None:
    """The larger share of the two usage limits; units are a minute in the metric, a second in the
    limit.
    """
    shares = []
    stored = latest(_now(snapshot, node, "BytesUsedForCache"))
    if stored is not None and snapshot.storage_limit:
        shares.append(stored / snapshot.storage_limit)
    units = latest(_now(snapshot, node, "ElastiCacheProcessingUnits"))
    if units is not None and snapshot.units_limit:
        shares.append(units / 60 / snapshot.units_limit)
    return max(shares, default=None)
