"""Findings from the control plane of a cache: status, failovers, shards, updates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count, duration
from probes.began import LOOKS, TOLD, told
from probes.elasticache import model
from probes.elasticache.model import CacheEvent, Node, Snapshot
from probes.elasticache.settings import Settings
from probes.windows import in_daily

_SERVING = model.OK | {"modifying", "snapshotting"}
_SHARDS_KNOWN = model.OK | model.MOVING | {"deleting"}


def status(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A status that is not in the cockpit's table, so it is told as it is and not judged."""
    state = snapshot.status.lower()
    if state in model.OK:
        return
    if state in model.BAD:
        yield _unavailable(snapshot)
    elif state in model.MOVING:
        yield from _moving(snapshot, settings)
    else:
        yield Finding(
            "CACHE_STATUS_UNKNOWN",
            Severity.WARNING,
            f"the status {snapshot.status} is not known to the cockpit",
            evidence=(Evidence("status", snapshot.status),),
            next="look it up in the ElastiCache API reference",
            began=snapshot.turned,
            resolution=LOOKS,
        )


def _unavailable(snapshot: Snapshot) -> Finding:
    """The control plane calls the cache broken, or it is being deleted.

    Clients cannot use it. The last events and CloudTrail say what was done to it.
    """
    return Finding(
        "CACHE_UNAVAILABLE",
        Severity.CRITICAL,
        f"the {snapshot.kind} is {snapshot.status}",
        evidence=(Evidence("status", snapshot.status), *_last_events(snapshot)),
        likely=("the subnets have no free address", "the KMS key is wrong", "it is being deleted"),
        next="read the last events, and who changed it in CloudTrail",
        began=snapshot.turned,
        resolution=LOOKS,
    )


def _last_events(snapshot: Snapshot) -> Iterator[Evidence]:
    for event in snapshot.events[:3]:
        ago = duration((snapshot.at - event.at).total_seconds())
        yield Evidence(f"event {ago} ago", f"{event.source}: {event.message}")


def _moving(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The cache is being changed: scaled, patched, modified, copied.

    Connections may break while nodes are exchanged. Critical when it takes longer than `moving`; a
    snapshot in its own window is information.
    """
    since = snapshot.status_since
    lasted = 0.0 if since is None else (snapshot.at - since).total_seconds()
    severity = settings.moving.grade(lasted)
    if severity is None:
        return
    state = snapshot.status.lower()
    against: tuple[str, ...] = ()
    if state == "snapshotting" and in_daily(snapshot.snapshot_window, snapshot.at):
        severity, against = Severity.INFO, (f"in its window {snapshot.snapshot_window} UTC",)
    causes: tuple[str, ...] = ("a modification", "scaling", "a patch")
    if state == "modifying" and not snapshot.pending:
        causes = ("a failover or a node replacement: nothing is pending", *causes)
    yield Finding(
        "CACHE_IN_TRANSITION",
        severity,
        f"the {snapshot.kind} is {snapshot.status}"
        + (f" for {duration(lasted)}" if since is not None else ""),
        evidence=(
            Evidence("status", snapshot.status),
            Evidence("for", None if since is None else lasted, "s", limit=settings.moving.critical),
            Evidence("pending", ", ".join(snapshot.pending) or "nothing"),
            *_last_events(snapshot),
        ),
        likely=causes,
        against=against,
        next="wait for it to end; clients may reconnect meanwhile",
        began=snapshot.turned,
        resolution=LOOKS,
    )


def failover(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A replica became the primary in the last hour, or a failover has not ended.

    Writes of the last moments may be lost, unless the durability is `sync`. Clients that keep their
    connections write to a replica and get READONLY. Repeated, or not ended, it is critical.
    """
    start = snapshot.at - timedelta(seconds=settings.failover_window)
    recent = [event for event in snapshot.events if event.at >= start]
    done = [event for event in recent if model.failed_over(event)]
    begun = [event for event in recent if model.failing_over(event)]
    open_since = _open(begun, done)
    late = open_since is not None and snapshot.at - open_since > timedelta(
        seconds=settings.failover_ends
    )
    severity = Severity.CRITICAL if late else settings.failover.grade(len(done))
    if severity is None and open_since is None:
        return
    newest = max([*done, *begun], key=lambda event: event.at)
    how = "has begun and not ended" if open_since is not None else "is done"
    yield Finding(
        "CACHE_FAILOVER_RECENT",
        severity or Severity.WARNING,
        f"a failover {how}: {newest.message}",
        evidence=(
            Evidence("failovers in an hour", len(done), limit=settings.failover.first),
            Evidence("last event", newest.message),
            Evidence("age", (snapshot.at - newest.at).total_seconds(), "s"),
            Evidence("primary now", snapshot.primary or None),
            *_durability(snapshot),
        ),
        likely=("a host fault", "the primary ran out of memory", "TestFailover was called"),
        next="look for clients that still write to the old primary (READONLY errors)",
        began=told(_began(begun, done, newest), snapshot.at),
        resolution=TOLD,
    )


_LOSES = {
    "sync": "sync: acknowledged writes are kept",
    "async": "async: the last acknowledged writes may be lost",
    "disabled": "disabled: what was not replicated yet is lost",
}


def _durability(snapshot: Snapshot) -> Iterator[Evidence]:
    if snapshot.durability:
        yield Evidence("durability", _LOSES.get(snapshot.durability, snapshot.durability))


def _open(begun: list[CacheEvent], done: list[CacheEvent]) -> datetime | None:
    """When the newest failover began that no event says to be done."""
    started = max((event.at for event in begun), default=None)
    ended = max((event.at for event in done), default=None)
    if started is None or (ended is not None and ended >= started):
        return None
    return started


def _began(begun: list[CacheEvent], done: list[CacheEvent], newest: CacheEvent) -> datetime:
    """When the newest failover began, where an event of the last hour says so."""
    earlier = max((event.at for event in done if event.at < newest.at), default=None)
    own = [event.at for event in begun if earlier is None or event.at > earlier]
    return min(own, default=newest.at)


def resilience(snapshot: Snapshot) -> Iterator[Finding]:
    """Nothing would take over if a primary died.

    Information when it was built so, a warning when only some shards lack a replica or failover is
    off, critical while something is already down.
    """
    if snapshot.kind != model.GROUP:
        return
    bare = [shard.id for shard in snapshot.shards if _replicas(snapshot, shard.id) == 0]
    enabled = snapshot.automatic_failover.lower() == "enabled"
    if enabled and not bare:
        return
    down = snapshot.status.lower() not in _SERVING
    if bare:
        missing = f"{count(len(bare), 'shard')} without a replica"
    else:
        missing = f"automatic failover is {snapshot.automatic_failover or 'not known'}"
    by_design = bool(bare) and len(bare) == len(snapshot.shards)
    mild = Severity.INFO if by_design else Severity.WARNING
    yield Finding(
        "CACHE_NO_FAILOVER",
        Severity.CRITICAL if down else mild,
        f"nothing takes over: {missing}",
        evidence=(
            Evidence("automatic failover", snapshot.automatic_failover or None),
            Evidence("multi-AZ", snapshot.multi_az or None),
            *_durability(snapshot),
            Evidence("shards without replica", ", ".join(bare) or "none"),
        ),
        likely=("it was built so", "a replica was removed"),
        next="add a replica, then enable automatic failover",
    )


def _replicas(snapshot: Snapshot, shard: str) -> int:
    return max(0, sum(1 for node in snapshot.nodes if node.shard == shard) - 1)


def shards(snapshot: Snapshot) -> Iterator[Finding]:
    """Nodes that do not serve, one finding a shard; and shards whose own status is in no table."""
    for one in snapshot.shards:
        if one.status and one.status.lower() not in _SHARDS_KNOWN:
            yield Finding(
                "CACHE_STATUS_UNKNOWN",
                Severity.WARNING,
                f"the status {one.status} of shard {one.id} is not known to the cockpit",
                subject=f"shard {one.id}",
                evidence=(Evidence("status", one.status),),
                next="look it up in the ElastiCache API reference",
            )
    for shard in dict.fromkeys(node.shard for node in snapshot.nodes):
        nodes = [node for node in snapshot.nodes if node.shard == shard]
        down = [node for node in nodes if _down(node)]
        if down:
            yield _degraded(snapshot, shard, down, nodes=nodes)


def _down(node: Node) -> bool:
    return bool(node.status) and node.status.lower() not in _SERVING


def _degraded(snapshot: Snapshot, shard: str, down: list[Node], *, nodes: list[Node]) -> Finding:
    """Nodes of a shard do not serve.

    Without its primary the shard takes no writes; without replicas nothing would take over. The
    other shards are not touched.
    """
    replicas = [node for node in nodes if node.role == "replica"]
    primary = any(node.role == "primary" for node in down)
    bare = bool(replicas) and all(node in down for node in replicas)
    all_down = len(down) == len(nodes)
    planned = any(model.replacement_planned(event) for event in snapshot.events)
    names = ", ".join(f"{node.name} {node.status}" for node in down)
    return Finding(
        "CACHE_SHARD_DEGRADED",
        Severity.CRITICAL if primary or bare or all_down else Severity.WARNING,
        f"{len(down)} of {count(len(nodes), 'node')} do not serve: {names}",
        subject=f"shard {shard}" if shard else snapshot.id,
        evidence=(
            Evidence("nodes down", names),
            Evidence("primary down", "yes" if primary else "no"),
            *_last_events(snapshot),
        ),
        likely=("the node is being replaced", "a host fault"),
        against=("AWS announced a replacement",) if planned else (),
        next="look at the node with the redis probe",
    )


def updates(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Service updates that are overdue, and nodes that AWS will replace."""
    for update in snapshot.updates:
        due = update.apply_by is not None and update.apply_by <= snapshot.at
        if due and update.severity in {"critical", "important"} and update.status == "not-applied":
            yield Finding(
                "CACHE_UPDATE_DUE",
                Severity.WARNING,
                f"the {update.severity} update {update.name} is overdue",
                subject=update.name,
                evidence=(
                    Evidence("status", update.status),
                    Evidence("apply by", f"{update.apply_by:%Y-%m-%d}"),
                ),
                next="apply it in the next quiet hour: it replaces nodes",
            )
    start = snapshot.at - timedelta(seconds=settings.replacement_window)
    planned = [e for e in snapshot.events if e.at >= start and model.replacement_planned(e)]
    done = [event.at for event in snapshot.events if model.replacement_done(event)]
    if planned and not any(at > planned[0].at for at in done):
        yield Finding(
            "CACHE_UPDATE_DUE",
            Severity.WARNING,
            f"AWS will replace a node: {planned[0].message}",
            subject=planned[0].source,
            evidence=(Evidence("event", planned[0].message),),
            next="fail over before it, at a time of your choice",
            began=told(planned[0].at, snapshot.at),
            resolution=TOLD,
        )
