"""What PostgreSQL's counters gain: deadlocks, temporary files, checkpoints, rollbacks, waits.

Source: catalogue of findings 2.6; see `counters_model` for the views. Lifetime values are never
judged, so the first look finds nothing. Needs: role `pg_monitor` for the waits of others; the
counters are public.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from cockpit.connect.hurry import SWEPT
from cockpit.connect.session import SqlReads
from cockpit.errors import BlindError, Reason
from cockpit.text import visible
from cockpit.triage.changes import Change
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.triage.view import Table
from cockpit.units import count, duration, percent, size
from probes.postgres.checksums import checksum_findings
from probes.postgres.counters_model import (
    BGWRITER,
    CHECKPOINTER,
    SAMPLES,
    TOTALS,
    WAITS,
    WINDOW,
    Checkpoints,
    CountersWindow,
    PostgresCounters,
    TotalsRow,
    WaitSample,
    dominant,
    share_of,
    since,
    spills,
    window,
    without_ours,
)
from probes.postgres.counters_rollbacks import rollbacks
from probes.postgres.counters_sessions import churn, lost
from probes.postgres.counters_view import views
from probes.postgres.counters_waits import dominant_wait, kinds, standing_still
from probes.postgres.held import SampledWait, held_of
from probes.postgres.model import GRANT
from probes.postgres.pulse import Wait

MIB = 2**20
_LOAD, _DISK = "pg-load", "pg-disk"
SAMPLED = {0: (5, 0.2), 1: (SAMPLES, 0.08), 2: (1, 0.0)}
"""Samples of waits a look, and the seconds between them, by which of a sweep's looks it is: what
two looks see together in a row that goes on, the first of a sweep sees by itself."""
_MINUTE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Thresholds. Per second over a minute, unless they say otherwise."""

    deadlocks: Thresholds = Thresholds(info=1)
    """In five minutes."""
    deadlocks_a_minute: Thresholds = Thresholds(warning=5)
    temp_bytes: Thresholds = Thresholds(warning=50 * MIB, high=200 * MIB)
    checkpoints: Thresholds = Thresholds(warning=3)
    """Requested ones in five minutes, when they outnumber the timed ones."""
    cache: Thresholds = Thresholds(info=0.95, warning=0.9, below=True)
    cache_reads: float = 1000
    """Blocks read per second below which the share of hits is not judged."""
    rollbacks: Thresholds = Thresholds(warning=10)
    rollback_share: float = 0.2
    """Rollbacks per commit."""
    lost_sessions: Thresholds = Thresholds(info=1, warning=5)
    """Sessions that ended fatally, killed or abandoned, in five minutes."""
    logins: Thresholds = Thresholds(warning=20, high=100)
    """Sessions that begin, of all databases; high only at five times the usual."""
    conflicts: Thresholds = Thresholds(warning=1)
    """Statements that recovery ended on a standby, in five minutes."""
    active: Thresholds = Thresholds(warning=8, high=32)
    """Active sessions at a time; set the first to the number of vCPUs."""
    wait_share: float = 0.6
    stood_still: Thresholds = Thresholds(warning=3, high=5)
    """Sessions that stand still in one wait, when they are that share of those at work."""
    still_s: float = 10
    """Seconds without a move after which a statement stands still."""


async def collect(postgres: SqlReads, target: Target) -> PostgresCounters:
    """Read the counters, then sample the waits some times within a second."""
    rows = await postgres.rows(TOTALS, into=TotalsRow)
    if not rows:
        raise BlindError(Reason.UNREADABLE, "the server gave no row for its own state")
    totals = rows[0].totals
    asked = CHECKPOINTER if totals.checkpointer else BGWRITER
    checkpoints = await postgres.rows(asked, into=Checkpoints)
    samples: list[list[SampledWait]] = []
    most, between = SAMPLED[SWEPT.get()]
    for number in range(most if totals.sees_all else 0):
        if number:
            await asyncio.sleep(between)
        samples.append(await postgres.rows(WAITS, into=SampledWait))
    return PostgresCounters(
        totals=totals,
        checkpoints=next(iter(checkpoints), None),
        samples=tuple(
            WaitSample(waits=tuple(Wait(type=w.type, event=w.event, n=w.n) for w in sample))
            for sample in samples
        ),
        held=held_of(samples),
    )


def diagnose(look: PostgresCounters, settings: Settings) -> Iterator[Finding]:
    """Judge what was gained, database by database, then the server as a whole.

    PG_OBS_BLIND: The role may not see what other sessions wait for, so PG_WAIT_DOMINANT is not
    judged; the counters are public and seen.
    """
    if not look.totals.sees_all:
        yield Finding(
            "PG_OBS_BLIND",
            Severity.INFO,
            f"role '{look.totals.role}' may not see what sessions wait for; counters are seen",
            subject="waits",
            likely=("the role was made without pg_monitor",),
            next=GRANT.format(role=look.totals.role),
        )
    for database in look.totals.databases:
        minute, five = (window(look, span, database.datname) for span in (_MINUTE, WINDOW))
        if minute is not None and five is not None:
            name = visible(database.datname, 60)
            yield from _deadlocks(minute, five, settings, name)
            yield from rollbacks(
                minute, settings.rollbacks, share=settings.rollback_share, name=name
            )
            yield from lost(five, settings.lost_sessions, name)
            if spills(look, database.datname):
                yield from _temporary(minute, settings, name)
    yield from checksum_findings(look.totals)
    minute, five = window(look, _MINUTE), window(look, WINDOW)
    if minute is not None and five is not None:
        yield from _checkpoints(look, five, settings)
        yield from _cache(minute, settings)
        yield from _conflicts(look, five, settings)
        yield from churn(minute, settings.logins, look.usual_logins)
    yield from dominant_wait(look, settings.active, settings.wait_share)
    yield from standing_still(
        look, settings.stood_still, share=settings.wait_share, least_s=settings.still_s
    )


def _deadlocks(
    minute: CountersWindow, five: CountersWindow, settings: Settings, name: str
) -> Iterator[Finding]:
    """Transactions locked each other out, and the server ended one of each pair.

    The victims got error 40P01, and should try again. One now and then is normal; many a minute
    mean that two code paths take the same rows in different orders.
    """
    gained = five.gain.deadlocks
    grades = (
        settings.deadlocks.grade(gained),
        settings.deadlocks_a_minute.grade(minute.gain.deadlocks),
    )
    severity = max((grade for grade in grades if grade), default=None)
    if severity is not None:
        yield Finding(
            "PG_LOCK_DEADLOCKS",
            severity,
            f"{count(gained or 0, 'deadlock')} in database {name} within {duration(five.seconds)}: "
            "each ended one transaction with 40P01",
            subject=name,
            evidence=(
                Evidence("deadlocks", gained, "", settings.deadlocks.first),
                Evidence(
                    "in the last minute", minute.gain.deadlocks, "",
                    settings.deadlocks_a_minute.first,
                ),
            ),
            likely=(
                "two code paths that lock the same rows in another order",
                "a new release that touches rows in a new order",
            ),
            next="the server's log has both statements of each; on RDS in CloudWatch Logs",
        )  # fmt: skip


def _temporary(minute: CountersWindow, settings: Settings, name: str) -> Iterator[Finding]:
    """Statements sort or hash on disk because `work_mem` is too small for them.

    They are many times slower so, and use the volume's throughput and space: a full disk stops the
    whole server. A file counts when its statement ends; one that is still running is not in the
    number.
    """
    rate = minute.per_s("temp_bytes")
    severity = settings.temp_bytes.grade(rate)
    if severity is None or rate is None:
        return
    yield Finding(
        "PG_IO_TEMP",
        severity,
        f"statements that ended in the last {duration(minute.seconds)} had written "
        f"{size(minute.gain.temp_bytes or 0)} to temporary files in database {name}",
        subject=name,
        evidence=(
            Evidence("temporary files", round(rate), "bytes", settings.temp_bytes.first),
            Evidence("files", minute.gain.temp_files),
            Evidence("over", minute.seconds, "s"),
        ),
        likely=(
            "a sort or hash of a new plan does not fit into work_mem",
            "a report that ran small until now",
        ),
        next="the statement with the most temporary blocks; it counts when it ends, so look at "
        "the running ones too",
        fact=False,
    )


def _checkpoints(
    look: PostgresCounters, five: CountersWindow, settings: Settings
) -> Iterator[Finding]:
    """Checkpoints come because the WAL is full, not by the timer.

    Each one writes all changed buffers at once, and makes the pages after it larger in the WAL: a
    burst of writes for everybody. High while many active sessions wait for I/O at the same time.
    """
    severity = settings.checkpoints.grade(five.requested)
    if severity is None or five.requested is None or five.requested <= (five.timed or 0):
        return
    waits = share_of(look, "IO")
    if waits >= settings.wait_share and severity < Severity.HIGH:
        severity = Severity.HIGH
    yield Finding(
        "PG_IO_CHECKPOINTS",
        severity,
        f"{five.requested} checkpoints were requested within {duration(five.seconds)}, "
        f"{five.timed} came by the timer",
        evidence=(
            Evidence("requested", five.requested, "", settings.checkpoints.first),
            Evidence("by the timer", five.timed),
            Evidence("active sessions that wait for I/O", waits, "share", settings.wait_share),
        ),
        likely=(
            "WAL is written faster than max_wal_size allows: a bulk load, a mass update",
            "a backup or snapshot asks for one",
            "somebody runs CHECKPOINT or CREATE DATABASE",
        ),
        next="who writes so much? max_wal_size can be raised with a reload",
        fact=False,
    )


def _cache(minute: CountersWindow, settings: Settings) -> Iterator[Finding]:
    """Much of what statements read is not in the shared buffers.

    The operating system may still have it in memory, so it is a sign and no proof; on Aurora there
    is no such second cache. Judged only above a number of blocks a second.
    """
    share, reads = minute.hit_share, minute.per_s("reads")
    severity = settings.cache.grade(share)
    if severity is None or share is None or (reads or 0) < settings.cache_reads:
        return
    yield Finding(
        "PG_IO_CACHE",
        severity,
        f"{percent(share)} of the blocks were found in the buffers, {reads:,.0f} a second were not",
        evidence=(
            Evidence("found in the buffers", share, "share", settings.cache.first),
            Evidence("blocks read", round(reads or 0), "/s", settings.cache_reads),
        ),
        likely=(
            "a plan that now reads a whole table",
            "a report or backup that reads everything once",
            "cold buffers after a restart or failover",
        ),
        against=("the operating system's cache is not seen from here (Aurora has none)",),
        next="the statements that read the most blocks",
        fact=False,
    )


def _conflicts(
    look: PostgresCounters, five: CountersWindow, settings: Settings
) -> Iterator[Finding]:
    """Statements on this standby were cancelled because replay needed what they held.

    The readers get error 40001, and should try again. It is the price of long reads on a standby;
    `hot_standby_feedback` moves the price to the primary, as dead rows.
    """
    total = sum(five.conflicts.values())
    severity = settings.conflicts.grade(total)
    if not look.totals.recovery or severity is None:
        return
    causes = {name.removeprefix("confl_"): n for name, n in five.conflicts.items()}
    main = max(causes, key=lambda cause: causes[cause])
    yield Finding(
        "PG_REPL_CONFLICT",
        severity,
        f"recovery ended {count(total, 'statement')} on this standby within "
        f"{duration(five.seconds)}, most for {visible(main, 30)} conflicts (40001)",
        evidence=tuple(
            Evidence(f"ended for {visible(cause, 30)}", n, "", settings.conflicts.first)
            for cause, n in sorted(causes.items(), key=lambda pair: -pair[1])
        ),
        likely=(
            "vacuum on the primary cleans what long reads here still want (snapshot)",
            "a schema change on the primary (lock)",
        ),
        next="shorter reads, or hot_standby_feedback: then the primary keeps dead rows instead",
    )


def facts(look: PostgresCounters, _: Settings) -> Iterator[Fact]:
    """Transactions a second first; before there is an earlier look, that they are unknown."""
    minute, five = window(look, _MINUTE), window(look, WINDOW)
    if minute is None or five is None:
        yield Fact("transactions", "unknown until the next look")
        return
    commits, rollbacks = minute.per_s("commits"), minute.per_s("rollbacks")
    both = None if commits is None or rollbacks is None else commits + rollbacks
    yield Fact("transactions", "unknown" if both is None else f"{both:,.0f}/s", both, "/s")
    yield from _rate("rollbacks", rollbacks)
    if minute.hit_share is not None:
        yield Fact("found in buffers", percent(minute.hit_share), minute.hit_share, "share")
    yield from _rate("blocks read", minute.per_s("reads"))
    temporary = minute.per_s("temp_bytes")
    if temporary is not None:
        yield Fact("temporary files", f"{size(temporary)}/s", temporary, "bytes")
    if five.gain.deadlocks is not None:
        yield Fact("deadlocks in 5 minutes", str(five.gain.deadlocks), five.gain.deadlocks)
    if five.requested is not None:
        yield Fact("requested checkpoints in 5 minutes", str(five.requested), five.requested)
    most = dominant(look)
    if look.samples:
        active = most.active if most else 0.0
        yield Fact("active at a time", f"{active:.1f}", active)
    if most is not None:
        yield Fact("most wait for", visible(f"{most.type} {most.event}".strip(), 40))
        yield Fact("waits by kind", kinds(look))
    yield from _rate("sessions begun", minute.per_s("sessions"))


def _rate(label: str, value: float | None) -> Iterator[Fact]:
    if value is not None:
        yield Fact(label, f"{value:,.1f}/s", value, "/s")


def tables(look: PostgresCounters, settings: Settings) -> Iterator[Table]:
    """Rates by database, and waits."""
    yield from views(look)


def changes(look: PostgresCounters, target: str) -> Iterator[Change]:
    """Statistics that somebody reset: every rate before and after is of another time."""
    for name in look.reset:
        yield Change(
            at=look.totals.at,
            kind="postgres.stats_reset",
            target=target,
            summary=f"the statistics of database {visible(name, 60)} began anew",
            source="postgres.counters",
        )


PROBE = Probe(
    id="postgres.counters",
    kind="postgres",
    collect=collect,
    diagnose=diagnose,
    snapshot=PostgresCounters,
    settings=Settings(),
    every=15,
    timeout=10,
    facts=facts,
    tables=tables,
    changes=changes,
    own=without_ours,
    since=since,
    samples_for=(SAMPLES - 1) * SAMPLED[1][1],
    needs=("GRANT pg_monitor",),
    codes=codes(
        cause=("PG_LOCK_DEADLOCKS", "PG_CHECKSUM_FAILURES"),
        either=(
            "PG_IO_TEMP",
            "PG_IO_CHECKPOINTS",
            "PG_IO_CACHE",
            "PG_TX_ROLLBACKS",
            "PG_SESS_FATAL",
            "PG_REPL_CONFLICT",
            "PG_WAIT_DOMINANT",
            "PG_WAIT_STUCK",
            "PG_CONN_CHURN",
        ),
        eye=("PG_OBS_BLIND",),
        traits={Trait.LOAD: ("PG_WAIT_DOMINANT", "PG_CONN_CHURN")},
    ),
)
