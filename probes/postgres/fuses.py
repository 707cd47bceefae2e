"""What burns slowly: WAL that is not archived, indexes that are invalid, sequences at their end.

Source: see `fuses_model`. A look each five minutes. Needs: role `pg_monitor`, for the archiver's
process; SELECT on sequences, without which they are counted as hidden. Indexes and sequences are
those of the connected database; at a standby nothing of this is judged, since its primary tells it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cockpit.connect.session import SqlReads
from cockpit.errors import BlindError, Reason
from cockpit.text import visible
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.triage.view import Column, Row, Table
from cockpit.units import duration, percent, size
from probes.postgres.fuses_model import (
    FUSES,
    Archiver,
    FusesRow,
    InvalidIndex,
    PostgresFuses,
    Sequence,
    since,
)
from probes.postgres.model import GRANT, quoted

GIB = 2**30
_EACH = 5
"""Subjects of one code that get a finding of their own; the tables show the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Thresholds in bytes, seconds and shares."""

    unarchived: Thresholds = Thresholds(warning=5 * GIB, critical=20 * GIB)
    """WAL that waits for the archive; critical only while archiving fails."""
    archives_nothing: float = 240
    """Seconds in which a finished segment waits and nothing is archived."""
    sequence: Thresholds = Thresholds(warning=0.8, high=0.95, critical=1.0)
    """Used share of a sequence's numbers."""


async def collect(postgres: SqlReads, target: Target) -> PostgresFuses:
    """One statement for all of them."""
    rows = await postgres.rows(FUSES, into=FusesRow)
    if not rows:
        raise BlindError(Reason.UNREADABLE, "the server gave no row for its own state")
    return rows[0].fuses


def diagnose(look: PostgresFuses, settings: Settings) -> Iterator[Finding]:
    """Judge each fuse by itself; nothing at a standby.

    PG_OBS_BLIND: The role may not see the server's processes, so a missing archiver is not noticed.
    """
    if not look.sees_all:
        yield Finding(
            "PG_OBS_BLIND",
            Severity.INFO,
            f"role '{look.role}' may not see whether the archiver is there",
            subject="archiver",
            likely=("the role was made without pg_monitor",),
            next=GRANT.format(role=look.role),
        )
    if look.recovery:
        return
    if look.archiver is not None:
        yield from _archiving(look.archiver, settings)
    for index in look.indexes[:_EACH]:
        yield _invalid(index)
    for sequence in look.sequences[:_EACH]:
        yield from _ends(sequence, settings.sequence)


def _archiving(archiver: Archiver, settings: Settings) -> Iterator[Finding]:
    """WAL is not archived: no restore to a moment is possible from here on, and the disk fills up.

    Every segment is kept until it is archived, so pg_wal grows until the server stops for want of
    space. Judged by finished segments that wait while nothing is archived: the count of failures
    stays at 0 when the command is not found, is killed or hangs. Then the archiver's process is
    missing, or its command runs for ever, which outlives a reload and holds up a shutdown.
    """
    why = _why(archiver, settings)
    grade = settings.unarchived.grade(archiver.waiting_b)
    if not why and grade is None:
        return
    critical = bool(why) and grade is Severity.CRITICAL
    yield Finding(
        "PG_ARCHIVE_FAILING",
        Severity.CRITICAL if critical else Severity.HIGH if why else Severity.WARNING,
        (f"{size(archiver.waiting_b)} of WAL wait" if archiver.waiting else "WAL waits")
        + " for the archive: "
        + (why or "it does not keep up with what is written"),
        subject="archiver",
        evidence=(
            Evidence("waits", _waiting_b(archiver), "bytes", settings.unarchived.first),
            Evidence("segments that wait", archiver.waiting),
            Evidence("last archived", visible(archiver.archived or "never", 60)),
            Evidence("that was", archiver.archived_s, "s"),
            Evidence("last failure", archiver.failed_s, "s"),
            Evidence("failures counted", archiver.failed),
            Evidence("its process", _process(archiver)),
        ),
        likely=_causes(archiver) if why else ("a bulk load", "the archive is slow or far away"),
        next="the server's log has the command's own words; run it by hand for one file as the "
        "server's user; never remove files from pg_wal by hand",
    )


def _waiting_b(archiver: Archiver) -> int | None:
    return None if archiver.waiting is None else archiver.waiting_b


def _why(archiver: Archiver, settings: Settings) -> str:
    """Why nothing is archived; empty where it seems to work, or nothing waits."""
    waits = archiver.waiting is None or archiver.waiting > 0
    if not archiver.set:
        return "archiving is on, and neither a command nor a library is set"
    if not waits:
        return ""
    if archiver.alive is False:
        return "there is no archiver process"
    if archiver.failed_last and (archiver.failed_s or 0) < 2 * settings.archives_nothing:
        return "the archive command fails"
    if archiver.waiting and archiver.still_s >= settings.archives_nothing:
        return f"nothing was archived for {duration(archiver.still_s)}"
    return ""


def _causes(archiver: Archiver) -> tuple[str, ...]:
    if not archiver.set:
        return ("archive_command was emptied to stop archiving, and is kept for ever",)
    if archiver.alive is False:
        return ("its command is not found or was killed (126, 127, a signal): one try a minute",)
    if archiver.copying and not archiver.failed_last:
        return ("its command hangs: a mount, an upload without a time limit",)
    return (
        "the archive is full, gone or refuses the login",
        "a file of that name is there already",
        "a release or certificate of the backup's tool",
    )


def _process(archiver: Archiver) -> str:
    if archiver.alive is None:
        return "unknown"
    if not archiver.alive:
        return "missing"
    return "runs its command" if archiver.copying else "is there"


def _invalid(index: InvalidIndex) -> Finding:
    """An index is invalid: no statement uses it, and most pay for it at each change.

    A CREATE INDEX CONCURRENTLY or REINDEX CONCURRENTLY failed or was cancelled and left it behind.
    The one that was wanted is missing, or its old one is still there; a unique one guards nothing
    for sure. Nobody builds it at the moment.
    """
    name = visible(f"{index.schema}.{index.name}", 80)
    leftover = "_cc" in index.name
    return Finding(
        "PG_INDEX_INVALID",
        Severity.WARNING,
        f"index {name} on {visible(index.relation, 60)} is invalid: no statement uses it",
        subject=name,
        evidence=(
            Evidence("table", visible(index.relation, 80)),
            Evidence("changes pay for it", "yes" if index.written else "no"),
            Evidence("size, roughly", index.bytes, "bytes"),
        ),
        likely=("a REINDEX CONCURRENTLY that was ended",)
        if leftover
        else (
            "a CREATE INDEX CONCURRENTLY that was cancelled, or met a deadlock",
            "a unique one that met two equal rows",
        ),
        next=f"DROP INDEX CONCURRENTLY {quoted(index.schema)}.{quoted(index.name)}"
        + ("" if leftover else ", then build it again, or REINDEX INDEX CONCURRENTLY it"),
        fact=False,
    )


def _ends(sequence: Sequence, limits: Thresholds) -> Iterator[Finding]:
    """A sequence comes to its end: then no INSERT that takes a number from it succeeds.

    nextval() fails with 2200H, or the number does not fit the column (22003): an outage of
    everything that is inserted there, and reads look well. Weeks are left at first, and none for a
    change of a large table's type at the end.
    """
    severity = limits.grade(sequence.share)
    if severity is None:
        return
    name = visible(f"{sequence.schema}.{sequence.name}", 80)
    where = visible(f"{sequence.relation}.{sequence.attribute}", 80) if sequence.relation else ""
    yield Finding(
        "PG_SEQUENCE_END",
        severity,
        (f"sequence {name} is at its end: no INSERT that takes a number succeeds"
         if sequence.value >= sequence.bound
         else f"sequence {name} has used {percent(sequence.share)} of its numbers")
        + (f" (column {where})" if where else ""),
        subject=name,
        evidence=(
            Evidence("used", sequence.share, "share", limits.first),
            Evidence("last number", sequence.value, limit=sequence.bound),
            Evidence("numbers that are left", max(0, sequence.bound - sequence.value)),
            Evidence("column", where or "none that owns it"),
        ),
        likely=(
            "an integer key that was made for fewer rows",
            "numbers that are taken and thrown away: INSERT … ON CONFLICT, rolled back batches",
        ),
        next="who takes so many? a bigint column needs the whole table to be written anew: "
        "plan it, or begin with negative numbers (MINVALUE, RESTART) if the application takes them",
    )  # fmt: skip


def facts(look: PostgresFuses, limits: Settings) -> Iterator[Fact]:
    """The archive first; what is hidden is said."""
    if look.recovery:
        yield Fact("slow fuses", "its primary tells them")
        return
    archiver = look.archiver
    if archiver is None:
        yield Fact("archive", "off")
    else:
        failing = _why(archiver, limits)
        waiting = archiver.waiting
        text = "nothing archived yet" if waiting is None else f"{waiting} segments wait"
        yield Fact("archive", failing or text, waiting)
    yield Fact("invalid indexes", str(len(look.indexes)), len(look.indexes))
    worst = max((each.share for each in look.sequences), default=0.0)
    told = f"{percent(worst)} used" if look.sequences else "none past half"
    tail = f"; {look.hidden} hidden: GRANT SELECT ON SEQUENCE" if look.hidden else ""
    yield Fact("fullest sequence", told + tail, None if look.hidden else worst, "share")


def tables(look: PostgresFuses, settings: Settings) -> Iterator[Table]:
    """Sequences past half of their way, and invalid indexes."""
    yield Table(
        title="Sequences",
        columns=(Column("sequence", 40), Column("column", 36), Column("used", 8, right=True)),
        rows=tuple(
            Row(
                key=f"{each.schema}.{each.name}",
                cells=(
                    visible(f"{each.schema}.{each.name}", 80),
                    visible(f"{each.relation}.{each.attribute}" if each.relation else "", 80),
                    percent(each.share),
                ),
                severity=settings.sequence.grade(each.share),
            )
            for each in look.sequences
        ),
        headline=f"database {visible(look.database, 60)} only, past half of their numbers",
        note=(f"{look.hidden} sequences are hidden from '{look.role}'",) if look.hidden else (),
    )
    yield Table(
        title="Invalid indexes",
        columns=(Column("index", 40), Column("table", 36), Column("size", 12, right=True)),
        rows=tuple(
            Row(
                key=f"{each.schema}.{each.name}",
                cells=(
                    visible(f"{each.schema}.{each.name}", 80),
                    visible(each.relation, 80),
                    size(each.bytes),
                ),
                severity=Severity.WARNING,
            )
            for each in look.indexes
        ),
        headline=f"database {visible(look.database, 60)} only",
    )


PROBE = Probe(
    id="postgres.fuses",
    kind="postgres",
    collect=collect,
    diagnose=diagnose,
    snapshot=PostgresFuses,
    settings=Settings(),
    every=300,
    timeout=8,
    facts=facts,
    tables=tables,
    since=since,
    twice=False,
    needs=("GRANT pg_monitor",),
    codes=codes(
        risk=("PG_ARCHIVE_FAILING", "PG_INDEX_INVALID", "PG_SEQUENCE_END"),
        eye=("PG_OBS_BLIND",),
        traits={
            Trait.SLOW_BURN: ("PG_SEQUENCE_END",),
            Trait.CAUSE_AT_CRITICAL: ("PG_SEQUENCE_END",),
        },
    ),
)
