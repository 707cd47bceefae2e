"""Findings about memory and cold starts: only the lines of the log group tell of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count, percent
from probes.began import POINTS
from probes.lambda_function.invocations import failing_since
from probes.lambda_function.lines import is_full
from probes.lambda_function.model import InvocationReport, Snapshot, logged
from probes.lambda_function.settings import Settings


def out_of_memory(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """What the REPORT lines say of memory.

    LAMBDA_OOM: Invocations were killed for memory (exit 137, `Runtime.OutOfMemory`): the caller
    gets an error, and the environment is lost.

    LAMBDA_MEMORY_HIGH: The most that was used is near the memory size. The number is the highest of
    one environment's life, so it never falls: a leak shows as one that only rises.
    """
    mine = [each for each in snapshot.reports if each.memory_mb == snapshot.memory_mb]
    killed = max(logged(snapshot, "memory"), sum(1 for each in snapshot.reports if is_full(each)))
    if any(map(is_full, snapshot.reports)):
        killed = max(killed, logged(snapshot, "exit"))
    most = max((each.used_mb for each in mine), default=None)
    full = sorted({each.memory_mb for each in snapshot.reports if is_full(each)})
    shown = (
        Evidence("memory size", snapshot.memory_mb, "MB"),
        Evidence("most used", most, "MB", limit=snapshot.memory_mb),
        Evidence("reports read", len(mine)),
        Evidence("within one environment", "it only rises" if leaks(mine) else None),
    )
    severity = settings.out_of_memory.grade(killed)
    causes = (
        *(("a leak: what is kept outside the handler grows",) if leaks(mine) else ()),
        "bigger events or answers than before",
        "a release that needs more",
    )
    if severity is not None:
        yield Finding(
            "LAMBDA_OOM",
            severity,
            f"killed for memory at least {count(killed, 'time')} in 15 minutes, "
            f"{_size(full, snapshot.memory_mb)}",
            evidence=(Evidence("killed", killed, limit=settings.out_of_memory.first), *shown),
            likely=causes,
            next="give it more memory, or go back when it began with a release",
            began=failing_since(snapshot, settings),
            resolution=POINTS,
        )
        return
    share = None if most is None or not snapshot.memory_mb else most / snapshot.memory_mb
    severity = settings.memory.grade(share)
    if severity is not None and share is not None:
        yield Finding(
            "LAMBDA_MEMORY_HIGH",
            severity,
            f"uses up to {percent(share)} of its {snapshot.memory_mb:,} MB",
            evidence=shown,
            likely=causes,
            next="give it more memory before an event is a little bigger",
            fact=False,
        )


def _size(full: Sequence[int], now: int) -> str:
    """With how much memory they were killed; what it has now may be another size."""
    if not full or now in full:
        return f"with {now:,} MB"
    return f"with {full[-1]:,} MB; it has {now:,} MB now"


def leaks(reports: Sequence[InvocationReport]) -> bool:
    """Whether within some environment the memory rose three times running, and never fell."""
    by_stream: dict[str, list[int]] = {}
    for each in reports:
        by_stream.setdefault(each.stream, []).append(each.used_mb)
    for used in by_stream.values():
        rises = sum(1 for before, after in pairwise(used) if after > before)
        if rises >= 3 and used == sorted(used):
            return True
    return False


def cold_share(reports: Sequence[InvocationReport], least: int) -> float | None:
    """The share of cold starts; None of fewer than `least` reports."""
    if not reports or len(reports) < least:
        return None
    return sum(1 for each in reports if each.init_ms is not None) / len(reports)


def cold(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Many invocations wait for a new environment first.

    After a release or a rise that passes by itself. Where environments are kept ready (provisioned
    concurrency) and are not there, it is a warning.
    """
    broken = [
        each
        for each in snapshot.provisioned
        if each.status == "FAILED" or each.available < each.requested
    ]
    failed = next((each for each in broken if each.status == "FAILED"), None)
    share = cold_share(snapshot.reports, settings.least_reports)
    if settings.cold_starts.grade(share) is None and failed is None:
        return
    waits = sorted(each.init_ms for each in snapshot.reports if each.init_ms is not None)
    kept = (
        Evidence(f"kept ready for {e.qualifier}", f"{e.available} of {e.requested}, {e.status}")
        for e in snapshot.provisioned
    )
    told = f"{percent(share)} of the newest invocations started cold" if share else ""
    if failed is not None:
        told = f"the environments kept ready for {failed.qualifier} are not there: {failed.status}"
    yield Finding(
        "LAMBDA_COLD_STARTS",
        Severity.WARNING if broken else Severity.INFO,
        told,
        evidence=(
            Evidence("cold", share, "share", limit=settings.cold_starts.first),
            Evidence("median start", waits[len(waits) // 2] if waits else None, "ms"),
            *kept,
            *(Evidence("reason", e.reason) for e in broken if e.reason),
        ),
        likely=("a release: all environments are new", "a rise in traffic", "a reserve too small"),
        next="wait some minutes after a release; else keep environments ready",
        fact=False,
    )
