"""Findings about the storage of RDS instances: space, autoscaling, burst credits, saturation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime

from cockpit.connect.session import Series
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import duration, percent, size
from probes.began import POINTS, TOLD, bad_since, reached_since, told
from probes.metrics import held, history, latest, lowest, mean, settled, sustained, together
from probes.rds import events
from probes.rds.model import KEPT, Instance, RdsEvent, Snapshot, processors_of
from probes.rds.settings import Settings
from probes.rds.state import in_backup

_HOUR = 60
_WRITTEN = "WriteThroughput"
_CHANGING = frozenset({"storage-optimization", "modifying", "storage-config-upgrade"})


def free_share(instance: Instance, snapshot: Snapshot) -> float | None:
    """Free of allocated storage; None for Aurora and without data."""
    free = lowest(settled(instance.series("FreeStorageSpace"), snapshot.at))
    return None if free is None or not instance.allocated else free / instance.allocated


def full_in(instance: Instance, snapshot: Snapshot) -> float | None:
    """Seconds to a full disk at the pace of the last hour; None when it does not shrink."""
    hour = settled(instance.series("FreeStorageSpace"), snapshot.at, minutes=_HOUR)
    if len(hour.values) < _HOUR // 2:
        return None
    first, last = sum(hour.values[:5]) / 5, sum(hour.values[-5:]) / 5
    took = (hour.times[-3] - hour.times[2]).total_seconds()
    if last >= first or took <= 0:
        return None
    return last / ((first - last) / took)


def storage(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Every finding about storage, of every instance."""
    for instance in snapshot.instances:
        yield from _space(snapshot, instance, settings)
        yield from _volumes(instance)
        yield from _autoscaling(snapshot, instance, settings)
        yield from _burst(snapshot, instance, settings)
        yield from _saturated(snapshot, instance, settings)


def _space(snapshot: Snapshot, instance: Instance, settings: Settings) -> Iterator[Finding]:
    """Free storage is low, or will be used up within hours at this rate.

    A full disk stops the database: critical then, and it comes back only with more space. Logs that
    a slot or a replica keeps grow without any data growing.
    """
    seen = settled(instance.series("FreeStorageSpace"), snapshot.at)
    free, share, left = lowest(seen), free_share(instance, snapshot), full_in(instance, snapshot)
    told = [event for event in snapshot.events if event.source == instance.id]
    full = events.of(
        events.since(told, snapshot.at, settings.recent), events.STORAGE_FULL, events.STORAGE_LOW
    )
    grades = [
        None if instance.aurora else settings.storage.grade(share),
        None if instance.aurora else settings.storage_least.grade(free),
        settings.full_in.grade(left),
        Severity.CRITICAL if full else None,
    ]
    severity = max((each for each in grades if each is not None), default=None)
    if severity is None:
        return
    changing = instance.status in _CHANGING and not full
    if changing and severity is Severity.CRITICAL:
        severity = Severity.WARNING
    yield Finding(
        "RDS_STORAGE_LOW",
        severity,
        f"{instance.id}: {_told(free, share, left) or full[0].message}",
        subject=instance.id,
        evidence=(
            Evidence("free", free, "bytes", history=history(seen)),
            Evidence("free share", share, "share", limit=settings.storage.first),
            Evidence("full in", left, "s", limit=settings.full_in.first),
            Evidence("allocated", instance.allocated, "bytes"),
            Evidence("autoscaling up to", instance.maximum, "bytes"),
            *_logs(snapshot, instance),
            *(Evidence("event", event.message) for event in full[:1]),
        ),
        likely=(
            "a replication slot or a lagging replica keeps logs",
            "temporary files",
            "real growth",
        ),
        against=_against(instance, changing=changing),
        next="look at replication slots and binary logs in the database",
        fact=bool(full),
        began=_low_since(snapshot, instance, settings, full),
        resolution=TOLD if full else POINTS,
    )


def _low_since(
    snapshot: Snapshot, instance: Instance, settings: Settings, full: Sequence[RdsEvent]
) -> datetime | None:
    if full:
        return told(full[-1].at, snapshot.at)
    free = settled(instance.series("FreeStorageSpace"), snapshot.at, minutes=KEPT)
    return reached_since(_share(free, instance.allocated), settings.storage)


_VOLUME_WELL = {"ACTIVE", "CREATING", "DELETING", "MODIFYING", "STORAGE-OPTIMIZATION"}


def _volumes(instance: Instance) -> Iterator[Finding]:
    """A volume besides the first one is full, or in a state that is in no table.

    Oracle and SQL Server only. One full volume takes the whole instance to `storage-full`, and the
    metric of free storage does not tell of it: to grow the first volume does not help then.
    """
    for volume in instance.volumes:
        full = volume.status == "VOLUME-FULL"
        if volume.status in _VOLUME_WELL | {"NOT-IN-USE", ""}:
            continue
        yield Finding(
            "RDS_VOLUME_FULL",
            Severity.CRITICAL if full else Severity.WARNING,
            f"{instance.id}: the volume {volume.name} is full"
            if full
            else f"{instance.id}: the status {volume.status} of {volume.name} is not known",
            subject=f"{instance.id} {volume.name}",
            evidence=(
                Evidence("status", volume.status),
                Evidence("allocated", volume.allocated, "bytes"),
                Evidence("autoscaling up to", volume.maximum, "bytes"),
                Evidence("AWS says", instance.volumes_told or None),
            ),
            likely=("real growth of what was put on this volume",),
            next=f"grow {volume.name} itself: AdditionalStorageVolumes of ModifyDBInstance",
        )


def _against(instance: Instance, *, changing: bool) -> tuple[str, ...]:
    full = [volume.name for volume in instance.volumes if volume.status == "VOLUME-FULL"]
    return (
        *(("a storage change is in progress: the numbers lag",) if changing else ()),
        *(
            (f"the volume {', '.join(full)} is full: growing the first one does not help it",)
            if full
            else ()
        ),
    )


def _told(free: float | None, share: float | None, left: float | None) -> str:
    parts = []
    if free is not None:
        parts.append(f"{size(free)} free" + (f" ({percent(share)})" if share is not None else ""))
    if left is not None:
        parts.append(f"full in {duration(left)} at this pace")
    return ", ".join(parts)


def _logs(snapshot: Snapshot, instance: Instance) -> Iterator[Evidence]:
    for label, name in (
        ("transaction logs", "TransactionLogsDiskUsage"),
        ("oldest slot keeps", "OldestReplicationSlotLag"),
        ("binary logs", "BinLogDiskUsage"),
    ):
        value = latest(settled(instance.series(name), snapshot.at))
        if value is not None and value >= 0:
            yield Evidence(label, value, "bytes")


def _autoscaling(snapshot: Snapshot, instance: Instance, settings: Settings) -> Iterator[Finding]:
    """Storage autoscaling would not help now: it is at its maximum, waits, or is off.

    It reacts below 10% free for five minutes, and then not again for six hours.
    """
    share = free_share(instance, snapshot)
    told = [event for event in snapshot.events if event.source == instance.id]
    blocked = events.of(told, events.AUTOSCALE_BLOCKED)
    low = share is not None and share < settings.autoscale_reacts
    near = (
        instance.maximum is not None
        and instance.allocated is not None
        and instance.allocated >= settings.storage_maximum * instance.maximum
    )
    none = instance.maximum is None and low and not instance.aurora
    if not (blocked or near or none):
        return
    if blocked:
        why = blocked[0].message
    elif near:
        why = f"{size(instance.allocated or 0)} of at most {size(instance.maximum or 0)} allocated"
    else:
        why = "it is not switched on"
    yield Finding(
        "RDS_STORAGE_AUTOSCALE_BLOCKED",
        Severity.CRITICAL if blocked and low else Severity.WARNING,
        f"{instance.id}: storage autoscaling cannot help: {why}",
        subject=instance.id,
        evidence=(
            Evidence("free share", share, "share", limit=settings.autoscale_reacts),
            Evidence("allocated", instance.allocated, "bytes"),
            Evidence("maximum", instance.maximum, "bytes"),
        ),
        likely=("six hours have not passed since the last change", "the maximum", "a quota"),
        next="raise the maximum, or grow the storage by hand",
    )


def _burst(snapshot: Snapshot, instance: Instance, settings: Settings) -> Iterator[Finding]:
    """The credits that let the volume or the host go above its baseline are nearly gone.

    At zero everything that reads or writes drops to the baseline at once: a sudden slowness without
    any change.
    """
    for name in ("BurstBalance", "EBSIOBalance%", "EBSByteBalance%"):
        seen = settled(instance.series(name), snapshot.at)
        severity, value = held(seen, settings.burst), latest(seen)
        if severity is not None and value is not None:
            yield Finding(
                "RDS_BURST_EXHAUSTED",
                severity,
                f"{instance.id}: {name} is down to {value:.0f}%",
                subject=f"{instance.id} {name}",
                evidence=(
                    Evidence(name, value, "%", limit=settings.burst.first, history=history(seen)),
                    Evidence("class", instance.db_class),
                    Evidence("storage", instance.storage_type or None),
                ),
                likely=("the volume or the class is too small for the load",),
                against=("a restored snapshot loads lazily",),
                next="find what reads and writes so much",
                fact=False,
                began=reached_since(
                    settled(instance.series(name), snapshot.at, minutes=KEPT), settings.burst
                ),
                resolution=POINTS,
            )


def _saturated(snapshot: Snapshot, instance: Instance, settings: Settings) -> Iterator[Finding]:
    """The storage has more to do than it can: requests queue.

    By its operations a second, or by the bytes that a gp3 volume may move: a larger volume of the
    same throughput does not help then. Every statement that reads or commits waits. Critical when
    the latency is high too. A backup or a vacuum may be the one who asks.
    """
    at = snapshot.at
    done = settled(together(instance.series("ReadIOPS"), instance.series("WriteIOPS")), at)
    queue = settled(instance.series("DiskQueueDepth"), at)
    used = _share(done, instance.iops)
    moved = settled(together(instance.series("ReadThroughput"), instance.series(_WRITTEN)), at)
    bound = held(_share(moved, instance.throughput), settings.iops)
    processors = processors_of(instance.db_class)
    long = processors is not None and sustained(
        queue, lambda value: value > settings.queue_per_processor * processors
    )
    slow = sustained(queue, lambda value: value > settings.latency_queue) and any(
        sustained(settled(instance.series(name), at), lambda value: value > settings.latency)
        for name in ("ReadLatency", "WriteLatency")
    )
    severity = Severity.CRITICAL if slow else held(used, settings.iops) or bound
    if severity is None and long:
        severity = Severity.WARNING
    if severity is None:
        return
    yield Finding(
        "RDS_IO_SATURATED",
        severity,
        f"{instance.id}: the storage is saturated{' by its throughput' * bool(bound)}, "
        f"{mean(queue) or 0:.0f} requests wait",
        subject=instance.id,
        evidence=(
            Evidence("operations", mean(done), "/s", limit=instance.iops, history=history(done)),
            *(
                (Evidence("moved", mean(moved), "bytes/s", instance.throughput, history(moved)),)
                if instance.throughput
                else ()
            ),
            Evidence("queue", mean(queue), history=history(queue)),
            Evidence("read latency", mean(settled(instance.series("ReadLatency"), at)), "s"),
            Evidence("write latency", mean(settled(instance.series("WriteLatency"), at)), "s"),
        ),
        likely=("full scans", "a checkpoint or a vacuum", "a cache that does not help any more"),
        against=("a backup is running",) if in_backup(instance, snapshot) else (),
        next="find the statements that read the most",
        fact=False,
        began=_saturated_since(snapshot, instance, settings),
        resolution=POINTS,
    )


def _saturated_since(snapshot: Snapshot, instance: Instance, settings: Settings) -> datetime | None:
    """The first that is known of what a volume may do and the queue before it."""

    def long(*names: str) -> Series:
        parts = (settled(instance.series(name), snapshot.at, minutes=KEPT) for name in names)
        return together(*parts)

    queue = settings.queue_per_processor * (processors_of(instance.db_class) or math.inf)
    known = (
        reached_since(_share(long("ReadIOPS", "WriteIOPS"), instance.iops), settings.iops),
        reached_since(_share(long("ReadThroughput", _WRITTEN), instance.throughput), settings.iops),
        bad_since(long("DiskQueueDepth"), lambda value: value > queue),
        bad_since(long("DiskQueueDepth"), lambda value: value > settings.latency_queue),
    )
    return next((each for each in known if each is not None), None)


def _share(done: Series, provisioned: int | None) -> Series:
    if not provisioned:
        return Series(status=done.status)
    return Series(done.times, tuple(value / provisioned for value in done.values), done.status)
