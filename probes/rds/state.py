"""Findings from the control plane of RDS: status, failover, writer, replication, pending things."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count, duration
from probes.began import LOOKS, TOLD
from probes.began import told as told_by
from probes.rds import events, model
from probes.rds.model import Instance, Pending, PendingMaintenance, RdsEvent, Snapshot
from probes.rds.settings import Settings
from probes.windows import in_daily, in_weekly


def statuses(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The cluster and each instance that is not simply available."""
    cluster = snapshot.cluster
    if cluster is not None:
        window = cluster.maintenance_window
        yield from _status(snapshot, cluster.id, cluster.status, window=window, settings=settings)
    for instance in snapshot.instances:
        window = instance.maintenance_window
        yield from _status(snapshot, instance.id, instance.status, window=window, settings=settings)


def _status(
    snapshot: Snapshot, name: str, status: str, *, window: str, settings: Settings
) -> Iterator[Finding]:
    """The state of a cluster or instance by its control plane.

    RDS_INSTANCE_DOWN: It is stopped, failed, out of space or cut off from its key: nobody can use
    it.

    RDS_INSTANCE_IN_TRANSITION: It is being changed, and may restart or fail over. Critical when it
    takes longer than `moving` (for upgrades `moving_slowly`).

    RDS_STATUS_UNKNOWN: A status that is not in the cockpit's table, so it is told as it is and not
    judged.
    """
    state = status.lower()
    if state in model.OK:
        return
    since = snapshot.status_since.get(name)
    lasted = None if since is None else (snapshot.at - since).total_seconds()
    finding = Finding(
        "RDS_STATUS_UNKNOWN",
        Severity.WARNING,
        f"{name}: the status {status} is not known to the cockpit",
        subject=name,
        evidence=(
            Evidence("status", status),
            Evidence("for", lasted, "s"),
            *_volumes_told(snapshot, name),
            *_last_events(snapshot, name),
        ),
        next="look it up in the RDS User Guide",
        began=_came(snapshot, name, state),
        resolution=LOOKS,
    )
    if state in model.BAD:
        yield replace(
            finding,
            code="RDS_INSTANCE_DOWN",
            severity=Severity.CRITICAL,
            summary=f"{name} is {status}",
            likely=_DOWN.get(state, ("see the last events",)),
            next="read the last events, then CloudTrail for who changed it",
        )
    elif state in model.MOVING:
        limits = settings.moving_slowly if state in model.SLOW else settings.moving
        inside = in_weekly(window, snapshot.at)
        told = f" for {duration(lasted)}" if lasted else ""
        yield replace(
            finding,
            code="RDS_INSTANCE_IN_TRANSITION",
            severity=limits.grade(lasted or 0) or Severity.WARNING,
            summary=f"{name} is {status}{told}",
            likely=("a modification of ours", "maintenance", "a failover"),
            against=(f"inside the maintenance window {window} UTC",) if inside else (),
            next="wait for it to end, or find who began it in CloudTrail",
        )
    else:
        yield finding


_TOLD_BY = {"storage-full": events.STORAGE_FULL, "stopped": events.SHUTDOWN}


def _came(snapshot: Snapshot, name: str, state: str) -> datetime | None:
    """When it came into its status, as looks or its own events tell."""
    turned = snapshot.turned.get(name)
    kind = _TOLD_BY.get(state)
    mine = (event for event in snapshot.events if event.source == name)
    newest = next(iter(events.of(mine, kind)), None) if kind else None
    return turned or (told_by(newest.at, snapshot.at) if newest else None)


_DOWN = {
    "storage-full": ("logs or a replication slot filled the disk", "real growth"),
    "stopped": ("a cost-saving script", "a person"),
    "deleting": ("somebody deleted it",),
    "incompatible-parameters": ("a parameter group asks for more than there is",),
    "incompatible-network": ("the subnets have no free address", "the VPC was changed"),
    "inaccessible-encryption-credentials": ("the KMS key was disabled",),
    "inaccessible-encryption-credentials-recoverable": ("the KMS key was disabled",),
    "insufficient-capacity": ("AWS has no host of this class in the zone",),
}


def _volumes_told(snapshot: Snapshot, name: str) -> Iterator[Evidence]:
    told = (each.volumes_told for each in snapshot.instances if each.id == name)
    yield from (Evidence("volumes", words) for words in told if words)


def _last_events(snapshot: Snapshot, name: str = "") -> Iterator[Evidence]:
    mine = [event for event in snapshot.events if not name or event.source == name]
    for event in mine[:3]:
        ago = duration((snapshot.at - event.at).total_seconds())
        yield Evidence(f"event {ago} ago", f"{event.source}: {event.message}")


def failovers(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Another instance became the writer in the last hour, or a failover has not ended.

    Connections were cut. Clients that cached the old address talk to a reader now: writes fail.
    Critical when it failed or does not end.
    """
    recent = events.since(snapshot.events, snapshot.at, settings.recent)
    kinds = (events.FAILOVER_STARTED, events.FAILOVER_DONE, events.FAILOVER_FAILED)
    told = events.of(recent, *kinds)
    if not told:
        return
    newest = told[0]
    meaning = events.meaning(newest)
    passed = (snapshot.at - newest.at).total_seconds()
    hangs = meaning == events.FAILOVER_STARTED and passed > settings.failover_ends
    failed = meaning == events.FAILOVER_FAILED
    yield Finding(
        "RDS_FAILOVER_RECENT",
        Severity.CRITICAL if hangs or failed else Severity.WARNING,
        f"{newest.source}: {newest.message}",
        evidence=(
            Evidence("age", passed, "s"),
            Evidence("writer now", snapshot.writer or None),
            *_last_events(snapshot),
        ),
        likely=("a host or zone fault", "a class change", "a forced reboot"),
        next="look for clients that kept the old address: connection caches outlive the failover",
        began=told_by(_first_of(told).at, snapshot.at),
        resolution=TOLD,
    )


def _first_of(told: Sequence[RdsEvent]) -> RdsEvent:
    """The start of the newest failover, where it is told; else its newest event."""
    for event in told:
        if events.meaning(event) == events.FAILOVER_STARTED:
            return event
        if event is not told[0]:  # the end of the one before
            break
    return told[0]


def writer(snapshot: Snapshot) -> Iterator[Finding]:
    """The cluster has no instance that takes writes.

    Reads may go on. While a failover runs it should take a minute or two. A secondary of a global
    database has none by design, and so has a Limitless cluster.
    """
    cluster = snapshot.cluster
    if cluster is None or cluster.headless or cluster.serverless_v1:
        return
    instance = next((each for each in snapshot.instances if each.id == cluster.writer), None)
    down = instance is not None and instance.status.lower() not in model.OK
    if cluster.writer and not down:
        return
    state = f"the writer {cluster.writer} is {instance.status}" if instance else "no writer"
    unknown = cluster.role_unknown and instance is None
    if unknown:
        state += ", or is a secondary of its global database, which has none by design"
    yield Finding(
        "RDS_CLUSTER_NO_WRITER",
        Severity.WARNING if unknown else Severity.CRITICAL,
        f"{cluster.id} has {state}" if not instance else f"{cluster.id}: {state}",
        subject=cluster.id,
        evidence=(
            Evidence("members", ", ".join(cluster.members) or "none"),
            Evidence("writer", cluster.writer or "none"),
            *_last_events(snapshot),
        ),
        likely=("a failover is running", "the writer was deleted", "all instances are stopped"),
        next="allow rds:DescribeGlobalClusters: it tells which cluster is the primary"
        if unknown
        else "fail over to a reader that is available",
    )


def resilience(snapshot: Snapshot) -> Iterator[Finding]:
    """Nothing would take over: information, since it is a design."""
    cluster = snapshot.cluster
    if cluster is not None and len(cluster.members) == 1 and not cluster.serverless_v1:
        yield _alone(cluster.id, "one instance")
    for instance in snapshot.instances if cluster is None else ():
        if not instance.multi_az and not instance.source:
            yield _alone(instance.id, "no standby")


def _alone(name: str, why: str) -> Finding:
    """There is no other instance or zone that could take over.

    It is how it was built, so information only: when its host fails, it is down until it is
    rebuilt.
    """
    return Finding(
        "RDS_NO_FAILOVER_TARGET",
        Severity.INFO,
        f"{name} has {why}: if its host fails, it is down until it is rebuilt",
        subject=name,
        evidence=(Evidence("standby", "none"),),
        next="decide whether this database may be down for an hour",
    )


def restarts(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The instance was restarted in the last hour.

    Every session was cut, and the buffers are cold. Repeated restarts are a crash loop, most often
    for want of memory.
    """
    recent = events.since(snapshot.events, snapshot.at, settings.recent)
    told = events.of(recent, events.RESTARTED)
    for instance in snapshot.instances:
        seen = [event for event in told if event.source == instance.id]
        times = len(seen) or _uptime_falls(instance, snapshot, settings)
        severity = settings.restarts.grade(times)
        if severity is None:
            continue
        window = instance.maintenance_window
        inside = in_weekly(window, seen[0].at) if seen else False
        yield Finding(
            "RDS_RESTARTED",
            severity,
            f"{instance.id} restarted {count(times, 'time')} in the last hour",
            subject=instance.id,
            evidence=(
                Evidence("restarts", times, limit=settings.restarts.first),
                *_last_events(snapshot, instance.id),
            ),
            likely=("out of memory", "a patch", "a crash loop"),
            against=(f"inside the maintenance window {window} UTC",) if inside else (),
            next="look at the free memory before the restart",
            began=told_by(seen[-1].at, snapshot.at) if seen else None,
            resolution=TOLD,
        )


def _uptime_falls(instance: Instance, snapshot: Snapshot, settings: Settings) -> int:
    """How often `EngineUptime` (Aurora) fell within the window."""
    uptime = instance.series("EngineUptime")
    pairs = zip(uptime.times[1:], uptime.values, uptime.values[1:], strict=False)
    start = settings.recent
    return sum(
        1
        for moment, before, after in pairs
        if after < before and (snapshot.at - moment).total_seconds() <= start
    )


def replication(snapshot: Snapshot) -> Iterator[Finding]:
    """A replica does not replicate, says RDS.

    Its data grow old and it cannot take over. The reason is in the message; a duplicate key or a
    lost log ends it for good, until it is rebuilt.
    """
    for instance in snapshot.instances:
        broken = [each for each in instance.replication if not each.normal]
        bad = {"error", "stopped", "terminated"}
        broken += [r for r in instance.replication if r.normal and r.status.lower() in bad]
        stopped = _stopped(snapshot, instance)
        if not broken and stopped is None:
            continue
        by_hand = (
            stopped is not None and events.meaning(stopped) == events.REPLICATION_STOPPED_BY_HAND
        )
        told = broken[0].message or broken[0].status if broken else stopped and stopped.message
        yield Finding(
            "RDS_REPLICATION_BROKEN",
            Severity.CRITICAL,
            f"{instance.id} does not replicate: {told or 'no reason given'}",
            subject=instance.id,
            evidence=(
                Evidence("status", broken[0].status if broken else None),
                Evidence("source", instance.source or None),
                Evidence("primary now", instance.primary or None),
                *_last_events(snapshot, instance.id),
            ),
            likely=("the replica's storage is full", "a slot or log was lost", "a duplicate key"),
            against=("it was stopped by hand",) if by_hand else (),
            next="read the replica's error log, then rebuild it if a log is gone",
            began=told_by(stopped.at, snapshot.at) if stopped else None,
            resolution=TOLD,
        )


def _stopped(snapshot: Snapshot, instance: Instance) -> RdsEvent | None:
    """The event that stopped the replication, unless a later one resumed it."""
    kinds = (
        events.REPLICATION_STOPPED,
        events.REPLICATION_STOPPED_BY_HAND,
        events.REPLICATION_RESUMED,
    )
    mine = [event for event in snapshot.events if event.source == instance.id]
    told = events.of(mine, *kinds)
    if not told or events.meaning(told[0]) == events.REPLICATION_RESUMED:
        return None
    normal = bool(instance.replication) and all(each.normal for each in instance.replication)
    return None if normal else told[0]


def pending(snapshot: Snapshot) -> Iterator[Finding]:
    """Changes that wait, and parameters that wait for a reboot."""
    cluster = snapshot.cluster
    if cluster is not None and cluster.pending:
        yield _waiting(cluster.id, cluster.pending)
    for instance in snapshot.instances:
        if instance.pending:
            yield _waiting(instance.id, instance.pending)
        yield from _parameters(instance)


def _waiting(name: str, values: tuple[Pending, ...]) -> Finding:
    """A change of the instance waits for its window.

    Any other change that is applied at once applies this one too, perhaps with a restart in the
    middle of an incident.
    """
    names = ", ".join(each.name for each in values)
    return Finding(
        "RDS_MODIFICATION_PENDING",
        Severity.WARNING,
        f"{name} waits to change {names}",
        subject=name,
        evidence=tuple(Evidence(each.name, each.value) for each in values),
        likely=("a change without apply-immediately",),
        against=("any later change with apply-immediately applies all of them",),
        next="find out who wants it, before anything else is changed",
    )


_APPLIED = frozenset({"in-sync", "applying", "removing", "pending-database-upgrade"})
"""States of a parameter group that need nobody."""


def _parameters(instance: Instance) -> Iterator[Finding]:
    """The instance runs with other parameters than its group says.

    They need a reboot, or could not be applied (critical). A fix that somebody believes in may not
    be there.
    """
    for group in instance.parameter_groups:
        state = group.status.lower()
        if state in {"pending-reboot", "failed-to-apply"}:
            failed = state == "failed-to-apply"
            yield Finding(
                "RDS_PARAMETER_PENDING_REBOOT",
                Severity.CRITICAL if failed else Severity.WARNING,
                f"{instance.id}: the parameters of {group.name} are {group.status}",
                subject=f"{instance.id} {group.name}",
                evidence=(Evidence("parameter group", group.name), Evidence("state", state)),
                likely=("a half-done fix: static parameters wait for a reboot",),
                next="compare the running value with the group's, then plan a reboot",
            )
        elif state and state not in _APPLIED:
            yield Finding(
                "RDS_STATUS_UNKNOWN",
                Severity.WARNING,
                f"{instance.id}: the parameters of {group.name} are {group.status}, which is not "
                "known to the cockpit",
                subject=f"{instance.id} {group.name}",
                evidence=(Evidence("parameter group", group.name), Evidence("state", group.status)),
                next="look it up in the RDS User Guide",
            )


def maintenance(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """AWS will do maintenance on it, by itself from a date on.

    It may restart or fail over. Critical when it is forced within two hours. Optional actions have
    no date and are information.
    """
    for action in snapshot.maintenance:
        apply_in = _until(snapshot, action, forced=False)
        forced_in = _until(snapshot, action, forced=True)
        if forced_in is not None and forced_in <= settings.maintenance_forced:
            severity = Severity.CRITICAL
        elif apply_in is not None and apply_in <= settings.maintenance_soon:
            severity = Severity.WARNING
        else:
            severity = Severity.INFO
        soon = min((t for t in (apply_in, forced_in) if t is not None), default=None)
        when = "when you choose" if soon is None else f"in {duration(max(0, soon))}"
        yield Finding(
            "RDS_MAINTENANCE_PENDING",
            severity,
            f"{action.resource}: AWS applies {action.action} {when}",
            subject=f"{action.resource} {action.action}",
            evidence=(
                Evidence("apply in", apply_in, "s", limit=settings.maintenance_soon),
                Evidence("forced in", forced_in, "s", limit=settings.maintenance_forced),
                Evidence("what", action.description or None),
            ),
            next="postpone it to the next window if this incident is not over by then",
        )


def _until(snapshot: Snapshot, action: PendingMaintenance, *, forced: bool) -> float | None:
    moment = action.forced_at if forced else action.apply_at
    return None if moment is None else (moment - snapshot.at).total_seconds()


def credentials(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The server certificate of the instance ends soon.

    After that every client that verifies it is shut out. Clients need the new authority in their
    trust store before it is rotated.
    """
    for instance in snapshot.instances:
        if instance.ca_valid_till is not None:
            left = (instance.ca_valid_till - snapshot.at).total_seconds()
            severity = settings.ca.grade(left)
            if severity is not None:
                ends = f"ends in {duration(left)}" if left > 0 else "has ended"
                yield Finding(
                    "RDS_CA_EXPIRING",
                    severity,
                    f"{instance.id}: the server certificate {ends}",
                    subject=instance.id,
                    evidence=(Evidence("valid for", left, "s", limit=settings.ca.first),),
                    likely=("the certificate authority was never rotated",),
                    next="update the clients' trust store first, then rotate",
                    began=instance.ca_valid_till if left <= 0 else None,
                    resolution=TOLD,
                )
        yield from _secret(snapshot, instance, settings)


def _secret(snapshot: Snapshot, instance: Instance, settings: Settings) -> Iterator[Finding]:
    """The secret that RDS manages for the instance cannot be rotated.

    It works until the next rotation that half succeeds. Its KMS key or a permission is the usual
    reason.
    """
    state = instance.secret_status.lower()
    since = snapshot.status_since.get(f"{instance.id} secret")
    lasted = (snapshot.at - since).total_seconds() if since is not None else 0.0
    slow = state == "rotating" and lasted > 900
    if state == "impaired" or slow:
        yield Finding(
            "RDS_SECRET_IMPAIRED",
            Severity.CRITICAL if state == "impaired" else Severity.WARNING,
            f"{instance.id}: the managed password is {state}",
            subject=instance.id,
            evidence=(Evidence("secret", state), Evidence("for", lasted or None, "s")),
            likely=("the KMS key or a permission changed",),
            next="check the secret's key and policy",
            began=snapshot.turned.get(f"{instance.id} secret"),
            resolution=LOOKS,
        )


def in_backup(instance: Instance, snapshot: Snapshot) -> bool:
    """A backup is likely running, which adds latency on a single-zone instance."""
    return instance.status == "backing-up" or in_daily(instance.backup_window, snapshot.at)
