"""What PostgreSQL's active sessions wait for, judged over the samples of the last looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from cockpit.text import visible
from cockpit.triage.finding import Evidence, Finding, Thresholds
from cockpit.units import count, duration, percent
from probes.postgres.counters_model import SAMPLES, PostgresCounters, dominant
from probes.postgres.counters_view import meaning
from probes.postgres.held import standstill


def dominant_wait(look: PostgresCounters, active: Thresholds, share: float) -> Iterator[Finding]:
    """Most of the active sessions wait for the same thing.

    It says where the time goes when everything is slow: a lock, the disk, the WAL, the CPU. Judged
    over several looks, and only when many sessions are active. What the wait means, and what comes
    next, is in the finding.
    """
    most = dominant(look)
    if most is None or most.samples < SAMPLES or most.share < share:
        return
    severity = active.grade(most.active)
    says = meaning(most.type, most.event)
    if severity is None or says.harmless:
        return
    named = f"{visible(most.type, 30)} {visible(most.event, 40)}".strip()
    yield Finding(
        "PG_WAIT_DOMINANT",
        severity,
        f"{percent(most.share)} of {most.active:.0f} active sessions: {says.says} ({named})",
        subject=visible(most.type, 30),
        evidence=(
            Evidence("share of this wait", most.share, "share", share),
            Evidence("active sessions", round(most.active, 1), "", active.first),
            Evidence("commonest event", named),
            Evidence("samples", most.samples),
        ),
        likely=(says.says,),
        against=("CPU also means: not instrumented",) if most.type == "CPU" else (),
        next=says.next,
        fact=False,
    )


def standing_still(
    look: PostgresCounters, limits: Thresholds, *, share: float, least_s: float
) -> Iterator[Finding]:
    """Most of the sessions at work have not moved between looks: the same statement, the same wait.

    Few of them are enough: five commits of five that hang are a full outage of a quiet service. A
    wait that is not known here is told by its name. Locks and synchronous standbys are told by
    their own findings, and a long report or copy is no standstill.
    """
    if not look.samples:
        return
    found = standstill(look.held, look.samples[-1].waits, least_s=least_s)
    if found is None or found.number < share * found.working:
        return
    severity = limits.grade(found.number)
    if severity is None:
        return
    says = meaning(found.type, found.event)
    named = f"{visible(found.type, 30)} {visible(found.event, 40)}".strip()
    yield Finding(
        "PG_WAIT_STUCK",
        severity,
        f"{found.number} of {count(found.working, 'session')} at work have not moved for "
        f"{duration(found.seconds)}: {says.says} ({named})",
        subject=visible(found.type, 30),
        evidence=(
            Evidence("stand still", found.number, "", limits.first),
            Evidence("sessions at work", found.working),
            Evidence("longest seen", found.seconds, "s", least_s),
            Evidence("commonest event", named),
        ),
        likely=(says.says,),
        next=says.next or "what the documentation says of that event",
    )


def kinds(look: PostgresCounters) -> str:
    """Every kind that the samples saw, also one that is new here, by its share."""
    seen: Counter[str] = Counter()
    for sample in look.samples:
        for wait in sample.waits:
            seen[wait.type] += wait.n
    total = seen.total()
    return ", ".join(f"{visible(kind, 30)} {percent(n / total)}" for kind, n in seen.most_common(8))
