"""Findings about what an instance uses up: processor, credits, memory, disks, volumes."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.connect.session import Series
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import number, percent
from probes.began import POINTS, reached_since, resolution
from probes.ec2_instance.model import Snapshot, lived, period, processor
from probes.ec2_instance.settings import Settings
from probes.metrics import held, history, latest, mean, settled

_EARNED = {
    "t2": (72, 144, 288, 576, 864, 1296, 1958),
    "t3": (144, 288, 576, 576, 864, 2304, 4608),
}
_SIZES = ("nano", "micro", "small", "medium", "large", "xlarge", "2xlarge")
_NEW = 6 * 3600.0
"""Seconds in which few credits are normal: T3 and T4g begin with none."""


def processor_busy(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Its processors are busy for minutes."""
    series = processor(snapshot)
    severity = held(series, settings.cpu, need=3 if snapshot.detailed else 2, of=5)
    if severity is None:
        return
    yield Finding(
        "EC2_CPU_SATURATED",
        severity,
        f"the processors are at {mean(series) or 0:.0f} %",
        evidence=(
            Evidence("processor", mean(series), "%", settings.cpu.first, history(series)),
            Evidence("monitoring", "detailed" if snapshot.detailed else "basic: 5 minutes"),
            Evidence("credits", latest(snapshot.credits)),
            Evidence("type", snapshot.type or None),
        ),
        likely=("more load", "a loop or a retry storm"),
        next="which process, and is it more requests or more work for each?",
        fact=False,
        began=reached_since(
            settled(snapshot.cpu, snapshot.at, minutes=30, period=period(snapshot)),
            settings.cpu,
            period=period(snapshot),
        ),
        resolution=resolution(period(snapshot)),
    )


def most_credits(type_: str) -> float | None:
    """The credits of 24 hours: the most that is saved up; None for a type that is in no table."""
    family, _, size = type_.partition(".")
    table = _EARNED["t2" if family == "t2" else "t3"]
    known = family in {"t2", "t3", "t3a", "t4g"} and size in _SIZES
    return float(table[_SIZES.index(size)]) if known else None


def credits_used(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The credits of a burstable instance run out: then it is held at its baseline.

    At zero in mode `standard` it gets 5 to 40 % of a processor, whatever its load needs; in mode
    `unlimited` it goes on and costs money. A new instance begins with few.
    """
    left, most = latest(snapshot.credits), most_credits(snapshot.type)
    if left is None or not most:
        return
    severity = settings.credits.grade(left / most)
    if severity is None:
        return
    endless = snapshot.credit_mode == "unlimited"
    age = lived(snapshot)
    new = age is not None and age < _NEW
    if endless or new:
        severity = Severity.INFO
    elif snapshot.credit_mode != "standard":
        severity = min(severity, Severity.WARNING)
    yield Finding(
        "EC2_CREDITS_EXHAUSTED",
        severity,
        f"{number(left)} of {number(most)} credits are left",
        evidence=(
            Evidence("credits", left, "", settings.credits.first and settings.credits.first * most),
            Evidence("share", left / most, "share", history=history(snapshot.credits)),
            Evidence("mode", snapshot.credit_mode or None),
            Evidence("lent", latest(snapshot.surplus)),
            Evidence("type", snapshot.type),
        ),
        likely=("the load is more than its type may use for long",),
        against=_no_harm(endless, new),
        next="take another type, or let it lend credits (mode unlimited, which costs money)",
        fact=False,
        began=reached_since(
            Series(snapshot.credits.times, tuple(each / most for each in snapshot.credits.values)),
            settings.credits,
            period=300,
        ),
        resolution=resolution(300),
    )


def _no_harm(endless: bool, new: bool) -> tuple[str, ...]:
    told = []
    if endless:
        told.append("in mode unlimited it is not slowed down: it costs money")
    if new:
        told.append("it was started just now, and begins with few")
    return tuple(told)


def memory_full(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Its memory is in use, as the CloudWatch agent on it tells. EC2 itself cannot see it."""
    for each in snapshot.memory or ():
        series = settled(each.used, snapshot.at)
        severity = held(series, settings.memory)
        if severity is not None:
            yield Finding(
                "EC2_MEMORY_HIGH",
                severity,
                f"{latest(series) or 0:.0f} % of its memory is in use",
                evidence=(_used("memory", series, settings.memory.first),),
                likely=("a process leaks or grew", "it holds more at once than before"),
                next="which process, and since when does it grow?",
                fact=False,
                began=reached_since(settled(each.used, snapshot.at, minutes=15), settings.memory),
                resolution=POINTS,
            )


def disks_full(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A file system fills up, as the CloudWatch agent tells. File systems that are full by design,
    such as mounted images, are left out.
    """
    for each in snapshot.disks or ():
        series = settled(each.used, snapshot.at)
        severity = settings.disk.grade(latest(series))
        if severity is not None:
            yield Finding(
                "EC2_DISK_FULL",
                severity,
                f"{each.path} is {latest(series) or 0:.0f} % full",
                subject=each.path,
                evidence=(_used(each.path, series, settings.disk.first),),
                likely=("logs that are not rotated", "temporary files", "data that grows"),
                next="what is large and new there?",
                fact=False,
                began=reached_since(settled(each.used, snapshot.at, minutes=15), settings.disk),
                resolution=POINTS,
            )


def _used(label: str, series: Series, limit: float | None) -> Evidence:
    return Evidence(label, latest(series), "%", limit, history(series))


def volumes_busy(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The instance's own burst of throughput to its volumes is nearly used up: then it is held at
    the baseline of its type, however fast the volumes are.
    """
    for label, series in (("operations", snapshot.io_left), ("bytes", snapshot.bytes_left)):
        points = settled(series, snapshot.at, minutes=15, period=300)
        severity = held(points, settings.burst, need=2, of=3)
        if severity is not None:
            yield Finding(
                "EC2_EBS_SATURATED",
                severity,
                f"{percent((latest(points) or 0) / 100)} of the burst for {label} is left",
                subject=label,
                evidence=(
                    Evidence(label, latest(points), "%", settings.burst.first, history(points)),
                    Evidence("type", snapshot.type or None),
                ),
                likely=("more reads and writes than its type may do for long",),
                next="what reads or writes so much? a larger type has a higher baseline",
                fact=False,
                began=reached_since(
                    settled(series, snapshot.at, minutes=60, period=300), settings.burst, period=300
                ),
                resolution=resolution(300),
            )
