"""Findings from the metrics of RDS instances: connections, CPU, memory, load, lag, wraparound."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from statistics import median

from cockpit.connect.session import Series
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.units import duration, number, percent, size
from probes import baseline
from probes.began import POINTS, bad_since, reached_since
from probes.metrics import held, history, latest, lowest, mean, peak, settled, sustained
from probes.rds.model import (
    KEPT,
    OK,
    Instance,
    Snapshot,
    default_connections,
    memory_of,
    processors_of,
)
from probes.rds.settings import Settings


def load(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Every finding about load, of every instance."""
    for instance in snapshot.instances:
        yield from _connections(snapshot, instance, settings)
        yield from _collapsed(snapshot, instance, settings)
        yield from _cpu(snapshot, instance, settings)
        yield from _memory(snapshot, instance, settings)
        yield from _sessions(snapshot, instance, settings)
        yield from _lag(snapshot, instance, settings)
        yield from _wraparound(snapshot, instance, settings)
        yield from _capacity(snapshot, instance, settings)


def most_connections(
    snapshot: Snapshot, instance: Instance, settings: Settings
) -> tuple[int | None, str]:
    """The limit and where it comes from; no API gives it."""
    if settings.max_connections:
        return settings.max_connections, "the configuration"
    if instance.id in snapshot.max_connections:
        return snapshot.max_connections[instance.id], "the parameter group"
    guess = default_connections(instance, snapshot.cluster)
    return guess, f"an estimate for {instance.db_class}" if guess else "not known"


def _connections(snapshot: Snapshot, instance: Instance, settings: Settings) -> Iterator[Finding]:
    """Many connections, of the limit where it is known, else against what is usual.

    At the limit new clients are refused. CloudWatch counts connections and not what they do: the
    database's own probe says who holds them, and what they wait for.
    """
    seen = settled(instance.series("DatabaseConnections"), snapshot.at)
    value = latest(seen)
    if value is None:
        return
    limit, source = most_connections(snapshot, instance, settings)
    usual = baseline.usual(instance.series("DatabaseConnections"), snapshot.at)
    if limit:
        severity = held(_times(seen, 1 / limit), settings.connections)
        told = f"{number(round(value))} of {number(limit)} connections"
    else:
        bound = max(settings.connections_floor, settings.connections_times * (usual or 0))
        severity = held(seen, Thresholds(warning=bound)) if usual is not None else None
        told = f"{number(round(value))} connections, usually {number(round(usual or 0))}"
        told += "; the limit is not known"
    if severity is None:
        return
    shown = None if limit is None else settings.connections.warning
    yield Finding(
        "RDS_CONNECTIONS_HIGH",
        severity,
        f"{instance.id}: {told}",
        subject=instance.id,
        evidence=(
            Evidence("connections", value, limit=_part(limit, shown), history=history(seen)),
            Evidence("maximum", limit),
            Evidence("maximum from", source),
            Evidence("median of 3 hours", usual),
        ),
        likely=(
            "a pool leaks since a deployment",
            "slow statements hold sessions",
            "a retry storm",
            "functions without a proxy",
        ),
        against=("sessions inside the database are not counted here",),
        next="look at the sessions of the database: who holds them, and what they wait for",
        fact=False,
        began=reached_since(
            _times(_long(snapshot, instance, "DatabaseConnections"), 1 / limit),
            settings.connections,
        )
        if limit
        else None,
        resolution=POINTS,
    )


def _part(limit: int | None, share: float | None) -> float | None:
    return None if limit is None or share is None else limit * share


def _long(snapshot: Snapshot, instance: Instance, name: str) -> Series:
    """All of a metric that will not change any more."""
    return settled(instance.series(name), snapshot.at, minutes=KEPT)


def _times(series: Series, factor: float) -> Series:
    return Series(series.times, tuple(value * factor for value in series.values), series.status)


def _collapsed(snapshot: Snapshot, instance: Instance, settings: Settings) -> Iterator[Finding]:
    """Most connections vanished within minutes while the instance says it is available.

    Something between the callers and the database broke, or the callers did. Their traffic is not
    compared, so an idle night may look the same.
    """
    seen = settled(instance.series("DatabaseConnections"), snapshot.at, minutes=20)
    earlier, now = seen.values[:-3], seen.values[-3:]
    if len(earlier) < 10 or len(now) < 3 or instance.status.lower() not in OK:
        return
    usual = median(earlier)
    if usual < settings.collapsed_floor or max(now) > settings.collapsed * usual:
        return
    yield Finding(
        "RDS_CONNECTIONS_COLLAPSED",
        Severity.HIGH,
        f"{instance.id}: connections fell from {number(round(usual))} to {number(round(now[-1]))}",
        subject=instance.id,
        evidence=(
            Evidence(
                "connections", now[-1], limit=settings.collapsed * usual, history=history(seen)
            ),
            Evidence("median of 15 minutes", usual),
        ),
        likely=(
            "a network path or a security group",
            "a failover",
            "a password rotation",
            "the callers are down",
        ),
        against=("the callers' traffic was not compared: an idle night looks the same",),
        next="look at the path from the callers to the database, and at the callers",
        fact=False,
        began=bad_since(seen, lambda value: value <= settings.collapsed * usual),
        resolution=POINTS,
    )


def _cpu(snapshot: Snapshot, instance: Instance, settings: Settings) -> Iterator[Finding]:
    """The CPU was busy for five minutes.

    It is a symptom: one statement with another plan, more load, or maintenance. The statement with
    the most time is where to look.
    """
    seen = settled(instance.series("CPUUtilization"), snapshot.at)
    severity, value = held(seen, settings.cpu), mean(seen)
    if severity is None or value is None:
        return
    yield Finding(
        "RDS_CPU_HIGH",
        severity,
        f"{instance.id}: CPU at {value:.0f}% for 5 minutes",
        subject=instance.id,
        evidence=(
            Evidence("CPU", value, "%", limit=settings.cpu.first, history=history(seen)),
            Evidence("class", instance.db_class or None),
        ),
        likely=("a statement's plan changed", "a missing index", "autovacuum or a backup"),
        next="find the statement that uses the most time",
        fact=False,
        began=reached_since(_long(snapshot, instance, "CPUUtilization"), settings.cpu),
        resolution=POINTS,
    )


def _memory(snapshot: Snapshot, instance: Instance, settings: Settings) -> Iterator[Finding]:
    """Little memory is left and swap grows.

    Databases use all memory by design, so little free memory alone is not told. The next step is
    that the operating system kills the server.
    """
    seen = settled(instance.series("FreeableMemory"), snapshot.at)
    swap = settled(instance.series("SwapUsage"), snapshot.at, minutes=30)
    free, whole = lowest(seen), memory_of(instance.db_class)
    if whole is None:
        whole = int(peak(instance.series("FreeableMemory")) or 0) or None
    if free is None or whole is None:
        return
    share = free / whole
    severity = settings.memory.grade(share)
    rising = len(swap.values) >= 10 and swap.values[-1] > swap.values[0] * 1.1 + 1024**2
    if severity is Severity.WARNING and not rising:
        return
    if severity is Severity.CRITICAL and not rising:
        severity = Severity.WARNING
    if severity is None:
        return
    yield Finding(
        "RDS_MEMORY_PRESSURE",
        severity,
        f"{instance.id}: {size(free)} of memory left" + (", swap grows" if rising else ""),
        subject=instance.id,
        evidence=(
            Evidence("freeable", free, "bytes", history=history(seen)),
            Evidence("of memory", share, "share", limit=settings.memory.first),
            Evidence("swap", latest(swap), "bytes", history=history(swap)),
        ),
        likely=("memory per session times sessions", "the class is too small"),
        next="count sessions and their memory settings",
        fact=False,
        began=reached_since(
            _times(_long(snapshot, instance, "FreeableMemory"), 1 / whole), settings.memory
        ),
        resolution=POINTS,
    )


def _sessions(snapshot: Snapshot, instance: Instance, settings: Settings) -> Iterator[Finding]:
    """More sessions are active than there are processors: they wait for each other.

    RDS_LOAD_HIGH: Grouped by wait and by statement it tells what for.

    RDS_PI_OFF: The processor is busy, and Performance Insights, which would tell what for, is off.
    Told only then: it is nobody's business while all is well.
    """
    busy = settled(instance.series("CPUUtilization"), snapshot.at)
    if instance.insights is False and held(busy, settings.cpu) is not None:
        yield Finding(
            "RDS_PI_OFF",
            Severity.INFO,
            f"{instance.id}: what its sessions wait for is not measured",
            subject=instance.id,
            evidence=(
                Evidence("Performance Insights", "off"),
                Evidence("processor", mean(busy), "%", limit=settings.cpu.first),
            ),
            next="look at its sessions and statements in the database itself",
            fact=False,
        )
    seen = settled(instance.series("DBLoad"), snapshot.at)
    processors = processors_of(instance.db_class)
    value = mean(seen)
    if processors is None or value is None:
        return
    severity = held(_times(seen, 1 / processors), settings.load)
    if severity is None:
        return
    yield Finding(
        "RDS_LOAD_HIGH",
        severity,
        f"{instance.id}: {value:.1f} sessions are active on {processors} processors",
        subject=instance.id,
        evidence=(
            Evidence("load", round(value, 1), limit=processors, history=history(seen)),
            Evidence("processors", processors),
        ),
        likely=("one statement", "locks", "storage", "CPU"),
        next="group the load by wait and by statement",
        fact=False,
        began=reached_since(
            _times(_long(snapshot, instance, "DBLoad"), 1 / processors), settings.load
        ),
        resolution=POINTS,
    )


def _lag(snapshot: Snapshot, instance: Instance, settings: Settings) -> Iterator[Finding]:
    """A replica is late, or its replication does not run.

    Its readers see the past, and it must not take over. On an idle PostgreSQL primary the number
    climbs to five minutes and falls back, which is harmless. A negative number means that it does
    not replicate (critical).
    """
    seen = settled(instance.series("ReplicaLag"), snapshot.at)
    limits = settings.lag
    if instance.aurora:
        seen = _times(settled(instance.series("AuroraReplicaLag"), snapshot.at), 0.001)
        limits = settings.aurora_lag
    value = latest(seen)
    if value is None or (instance.aurora and instance.writer):
        return
    stopped = sustained(seen, lambda lag: lag < 0, need=2)
    severity = Severity.CRITICAL if stopped else held(seen, limits)
    if severity is None:
        return
    worst = peak(seen) or 0.0
    idle = "postgres" in instance.engine and not instance.aurora and worst <= settings.idle_lag
    against = ("the primary may be idle: then the lag climbs to 5 minutes and falls back",)
    told = "replication is not running" if stopped else f"{duration(worst)} behind"
    yield Finding(
        "RDS_REPLICA_LAG",
        severity,
        f"{instance.id}: {told}",
        subject=instance.id,
        evidence=(
            Evidence("lag", value, "s", limit=limits.first, history=history(seen)),
            Evidence("source", instance.source or None),
        ),
        likely=(
            "a long statement on the replica",
            "a schema change",
            "a burst of writes",
        ),
        against=against if idle and not stopped else (),
        next="look at the replica's sessions and its replay position",
        fact=stopped,
        began=_late_since(snapshot, instance, limits, stopped=stopped),
        resolution=POINTS,
    )


def _late_since(
    snapshot: Snapshot, instance: Instance, limits: Thresholds, *, stopped: bool
) -> datetime | None:
    if stopped:
        return bad_since(_long(snapshot, instance, "ReplicaLag"), lambda lag: lag < 0)
    if instance.aurora:
        lag = _times(_long(snapshot, instance, "AuroraReplicaLag"), 0.001)
        return reached_since(lag, limits)
    return reached_since(_long(snapshot, instance, "ReplicaLag"), limits)


def _wraparound(snapshot: Snapshot, instance: Instance, settings: Settings) -> Iterator[Finding]:
    """Transaction numbers are being used up faster than vacuum can free them.

    At two thousand million the database takes no more writes. Something keeps vacuum from freezing:
    an old transaction, a slot, a prepared transaction.
    """
    seen = settled(instance.series("MaximumUsedTransactionIDs"), snapshot.at)
    value = latest(seen)
    severity = settings.transaction_ids.grade(value)
    if severity is None or value is None:
        return
    yield Finding(
        "RDS_TXID_WRAPAROUND",
        severity,
        f"{instance.id}: {percent(value / 2**31)} of the transaction ids are used",
        subject=instance.id,
        evidence=(
            Evidence("used", value, limit=settings.transaction_ids.first, history=history(seen)),
        ),
        likely=("an old transaction", "a replication slot", "a prepared transaction"),
        next="find what keeps vacuum from freezing",
        fact=False,
        began=reached_since(
            _long(snapshot, instance, "MaximumUsedTransactionIDs"), settings.transaction_ids
        ),
        resolution=POINTS,
    )


def _capacity(snapshot: Snapshot, instance: Instance, settings: Settings) -> Iterator[Finding]:
    """Serverless v2 is at its ceiling: it cannot grow with the load any more.

    From here on everything gets slower. Look at the statements before raising the maximum.
    """
    seen = settled(instance.series("ACUUtilization"), snapshot.at)
    severity, value = held(seen, settings.capacity), latest(seen)
    if severity is None or value is None:
        return
    most = snapshot.cluster.maximum_capacity if snapshot.cluster else None
    yield Finding(
        "RDS_SERVERLESS_AT_MAX",
        severity,
        f"{instance.id}: {value:.0f}% of the capacity it may grow to",
        subject=instance.id,
        evidence=(
            Evidence("capacity", value, "%", limit=settings.capacity.first, history=history(seen)),
            Evidence("maximum", most, "ACU"),
        ),
        likely=("the maximum is too low for the load",),
        next="raise the maximum, after a look at the statements",
        fact=False,
        began=reached_since(_long(snapshot, instance, "ACUUtilization"), settings.capacity),
        resolution=POINTS,
    )
