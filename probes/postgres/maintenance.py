"""Vacuum: wraparound, who holds back the horizon, dead rows, busy workers.

Source: PostgreSQL documentation, "Routine Vacuuming"; catalogue of findings 2.4 and 2.6. Crossing
`autovacuum_freeze_max_age` (200 million) is routine and no finding. Needs: role `pg_monitor`;
without it sessions that hold the horizon and the workers are hidden, which is said, not counted as
none. Dead rows and oldest tables are those of the connected database.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from cockpit.connect.session import SqlReads
from cockpit.errors import BlindError, Reason
from cockpit.text import visible
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Fact, Neighbour, Probe
from cockpit.triage.target import Target
from cockpit.triage.view import Table
from cockpit.units import count, duration, percent, size
from probes.postgres.kin import primary_of, system_of
from probes.postgres.maintenance_model import (
    MAINTENANCE,
    OLDEST,
    TABLES,
    WAL,
    DatabaseAge,
    Dead,
    Files,
    HorizonHolder,
    Maintenance,
    MaintenanceState,
    Old,
    StateRow,
    all_busy,
    taken,
)
from probes.postgres.maintenance_off import off_findings
from probes.postgres.maintenance_view import name_of, views
from probes.postgres.model import GRANT, partly

MILLION = 1_000_000
_PARTS = (Reason.DENIED, Reason.TIMEOUT, Reason.UNSUPPORTED)
"""Why a part may be missing: this role or server does not give it."""
_LATELY = 300
"""Seconds after which a look at the primary does not speak for its standby."""
_EACH = 5
"""Subjects of one code that get a finding of their own; the tables show the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Thresholds. Ages are in transactions (or multixacts), times in seconds."""

    wraparound: Thresholds = Thresholds(
        warning=500 * MILLION, high=1000 * MILLION, critical=1500 * MILLION
    )
    horizon: Thresholds = Thresholds(warning=10 * MILLION, high=100 * MILLION)
    horizon_held: Thresholds = Thresholds(warning=3600)
    """How long one transaction may hold the horizon, however few others there were."""
    dead_share: float = 0.2
    """Dead rows of live ones."""
    dead_rows: Thresholds = Thresholds(warning=100_000)
    never_analysed: float = 50_000
    """Rows written to a table without autovacuum before it counts that it was never analysed."""
    unvacuumed: float = 3600
    """Seconds without a vacuum before dead rows count."""
    workers_busy: Thresholds = Thresholds(warning=600)


async def collect(postgres: SqlReads, target: Target) -> Maintenance:
    """Read the server's state, then what needs rights or many rows, each by itself."""
    rows = await postgres.rows(MAINTENANCE, into=StateRow)
    if not rows:
        raise BlindError(Reason.UNREADABLE, "the server gave no row for its own state")
    unread: list[str] = []
    tables = await partly(postgres.rows(TABLES, into=Dead), "tables", unread, but_for=_PARTS)
    oldest: list[Old] = []
    if not unread:
        asked = postgres.rows(OLDEST, into=Old)
        oldest = await partly(asked, "tables", unread, but_for=_PARTS)
    wal = postgres.rows(WAL, into=Files)
    files = await partly(wal, "WAL and temporary files", unread, but_for=_PARTS)
    state = rows[0].maintenance
    return Maintenance(
        state=state,
        system=await system_of(postgres),
        tables=tuple(tables),
        oldest=tuple(oldest),
        files=next(iter(files), None),
        unread=tuple(unread),
        busy_s=all_busy(state),
    )


def beside(look: Maintenance, others: Sequence[Neighbour[Maintenance]]) -> Maintenance:
    """With the name of its primary, where that is a target and was looked at lately."""
    if not look.recovery:
        return look
    lately = [each for each in others if each.age <= _LATELY]
    primary = primary_of(look, lately)
    return replace(look, primary=primary.target if primary is not None else "")


def diagnose(look: Maintenance, settings: Settings) -> Iterator[Finding]:
    """Judge the ages, then who keeps them old, then what autovacuum does about it."""
    yield from _sight(look.state)
    yield from _wraparound(look, settings)
    yield from _horizon(look.state, settings)
    if not look.state.recovery:
        yield from off_findings(look, settings.never_analysed)
        yield from _dead(look, settings)
        yield from _workers(look, settings)


def _sight(state: MaintenanceState) -> Iterator[Finding]:
    """The role may not see everything, and what is hidden is unknown, not absent.

    Who holds vacuum back may be among the hidden sessions.
    """
    if state.hidden or not state.sees_all:
        yield Finding(
            "PG_OBS_BLIND",
            Severity.INFO,
            f"role '{state.role}' may not see which of {count(state.hidden, 'session')} hold back "
            "vacuum, nor autovacuum's workers",
            subject="horizon",
            evidence=(Evidence("hidden sessions", state.hidden, limit=0),),
            likely=("the role was made without pg_monitor",),
            next=GRANT.format(role=state.role),
        )


def _wraparound(look: Maintenance, settings: Settings) -> Iterator[Finding]:
    found: list[tuple[Severity, int, DatabaseAge, str]] = []
    for database in look.state.databases:
        for what, age in (("xid", database.xid_age), ("multixact", database.multixact_age)):
            severity = settings.wraparound.grade(age)
            if severity is not None:
                found.append((severity, age, database, what))
    found.sort(key=lambda each: -each[1])
    for kind in ("xid", "multixact"):
        of_kind = [(severity, age, database) for severity, age, database, w in found if w == kind]
        if of_kind:
            severity, age, database = of_kind[0]
            others = tuple((each, n) for _, n, each in of_kind[1:])
            finding = _wrap(look, settings, severity, age=age, database=database, what=kind)
            yield _in_one(finding, look, others)


def _in_one(
    finding: Finding, look: Maintenance, others: tuple[tuple[DatabaseAge, int], ...]
) -> Finding:
    """With the other databases as evidence, and at a standby of a known primary as information."""
    told = tuple(Evidence(f"also {visible(each.name, 40)}", age) for each, age in others[:_EACH])
    if len(others) > _EACH:
        told = (*told, Evidence("and more databases", len(others) - _EACH))
    finding = replace(finding, evidence=(*finding.evidence, *told))
    if not (look.recovery and look.primary):
        return finding
    name = visible(look.primary, 60)
    return replace(
        finding, severity=Severity.INFO, next=f"{name} is its primary and tells the same: act there"
    )


def _wrap(
    look: Maintenance,
    settings: Settings,
    severity: Severity,
    *,
    age: int,
    database: DatabaseAge,
    what: str,
) -> Finding:
    """Transaction numbers are being used up faster than vacuum can free them.

    At the end the server takes no more writes, to save the data: an outage of hours, until a vacuum
    is through. It comes slowly, and only because something keeps vacuum from freezing old rows. 200
    million is routine and is not told.
    """
    state = look.state
    left = max(0, state.stop - age)
    numbers = "transaction numbers" if what == "xid" else "multixact numbers"
    speed = look.xids_per_s if what == "xid" else None
    here = database.name == state.database
    # also one of another database: it holds the shared catalogs, which count for every database
    holding = sorted(
        (each for _, each in _graded(state, settings)),
        key=lambda each: not (each.own if here else each.database in {None, database.name}),
    )
    head = next(iter(holding), None)
    return Finding(
        "PG_XID_WRAP",
        severity,
        f"database {visible(database.name, 40)} has used {percent(age / state.stop)} of its "
        f"{numbers}: {left / MILLION:,.0f} million are left before writes stop",
        subject=f"{visible(database.name, 60)} {what}",
        evidence=(
            Evidence(f"oldest {what}, age", age, limit=settings.wraparound.first),
            Evidence("left until writes stop (SQLSTATE 54000)", left),
            Evidence("used per second", None if speed is None else round(speed, 1), "/s"),
            Evidence("time left at this speed", left / speed if speed else None, "s"),
            Evidence("autovacuum", "on" if state.autovacuum else "off"),
        ),
        likely=(
            *((f"{_says(head)} holds back the horizon",) if head else ()),
            "vacuum cannot freeze: a long transaction, a slot, a prepared transaction",
            "autovacuum is off, too slow, or cancelled again and again by locks",
            *(("orphaned temporary tables",) if database.connectable else ()),
        ),
        against=()
        if database.connectable
        else ("nobody can connect to it: autovacuum freezes it by itself",),
        next="find the holder of the horizon first and end it, then VACUUM (FREEZE) the oldest "
        "tables" + ("; on the primary, this is a standby" if state.recovery else ""),
    )


def _graded(state: MaintenanceState, settings: Settings) -> list[tuple[Severity, HorizonHolder]]:
    """Holders that matter, the oldest first. A standby's sessions matter with feedback only, and
    those of another database not to the tables of this one.
    """
    graded = []
    for holder in state.holders:
        if state.recovery and holder.holder == "session" and not state.feedback:
            continue
        grades = (
            settings.horizon.grade(holder.age),
            settings.horizon_held.grade(holder.age_s),
        )
        severity = max((grade for grade in grades if grade), default=None)
        if severity is not None:
            graded.append((severity if holder.own else min(severity, Severity.WARNING), holder))
    return sorted(graded, key=lambda pair: (-pair[1].age, -(pair[1].age_s or 0)))


def _says(holder: HorizonHolder) -> str:
    return f"{holder.holder} {name_of(holder)}"


_HOLDERS = {
    "session": (
        ("an open transaction that was forgotten", "a long report or backup on the primary"),
        "end the session, or let its owner end the transaction",
    ),
    "standby feedback": (
        ("a long query on that standby, with hot_standby_feedback on",),
        "end the long query on the standby",
    ),
    "slot": (
        ("a consumer or standby that is gone and left its slot",),
        "is its consumer alive? only then drop the slot: that cannot be undone",
    ),
    "prepared": (
        ("a transaction manager that died between its two phases",),
        "only the transaction manager's owner may decide between commit and rollback",
    ),
}


def _horizon(state: MaintenanceState, settings: Settings) -> Iterator[Finding]:
    """Somebody keeps vacuum from cleaning up what died since.

    A long transaction, a prepared one, a slot or a standby with feedback still might need old row
    versions. Tables and indexes grow and everything becomes slower, over hours. Vacuum again and
    again does not help until the holder has ended.
    """
    for severity, holder in _graded(state, settings)[:_EACH]:
        likely, following = _HOLDERS[holder.holder.partition(" (")[0]]
        where = "" if holder.own else f" of database {visible(holder.database or '', 40)}"
        against: tuple[str, ...] = ()
        if not holder.own:
            against = (f"nothing of {visible(state.database, 40)} but the shared catalogs is kept",)
            following = "look at that database: only there would its end let vacuum clean"
        spans = f" for {duration(holder.age_s)}" if holder.age_s is not None else ""
        catalogs = holder.holder == "slot (catalogs only)"
        yield Finding(
            "PG_XID_HORIZON",
            severity,
            f"{_says(holder)} holds back vacuum{where}{spans}: nothing that died in the last "
            f"{holder.age:,} transactions can be cleaned"
            + (" from the system catalogs" if catalogs else ""),
            subject=_subject(holder),
            evidence=(
                Evidence("age of its snapshot", holder.xmin_age, limit=settings.horizon.first),
                Evidence("age of its own number", holder.xid_age),
                Evidence("open for", holder.age_s, "s", settings.horizon_held.first),
                Evidence("database", visible(holder.database or "every database", 60)),
                Evidence("state", visible(holder.state or "", 40) or "unknown"),
            ),
            likely=likely,
            against=("it holds back the catalogs only, not the tables",) if catalogs else against,
            next=following,
            fact=False,
        )


def _subject(holder: HorizonHolder) -> str:
    kind = holder.holder.partition(" (")[0]
    return visible(f"{'pid' if kind == 'session' else kind} {holder.id}", 80)


def _dead(look: Maintenance, settings: Settings) -> Iterator[Finding]:
    """A table has many dead rows, and no vacuum has been there for a while.

    Reads step over all of them, so its statements become slower and the table larger. Look first at
    who holds the horizon: then a vacuum would clean nothing.
    """
    running = {(vacuum.database, vacuum.relation) for vacuum in look.state.vacuums}
    found = []
    for table in look.tables:
        severity = settings.dead_rows.grade(table.dead)
        rested = table.vacuumed_s is None or table.vacuumed_s >= settings.unvacuumed
        if severity and rested and table.dead > settings.dead_share * table.live:
            found.append((severity, table))
    found.sort(key=lambda pair: -pair[1].dead)
    for severity, table in found[:_EACH]:
        name = visible(f"{table.schema}.{table.name}", 80)
        at_work = (look.state.database, name) in running or (
            look.state.database,
            table.name,
        ) in running
        since = "never" if table.vacuumed_s is None else f"{duration(table.vacuumed_s)} ago"
        yield Finding(
            "PG_VAC_DEAD",
            severity,
            f"table {name} has {table.dead:,} dead rows beside {table.live:,} live ones",
            subject=name,
            evidence=(
                Evidence("dead rows", table.dead, limit=settings.dead_rows.first),
                Evidence("live rows", table.live),
                Evidence("last vacuum", since),
                Evidence("size, roughly", table.bytes, "bytes"),
                Evidence("autovacuum of this table", "off" if table.switched_off else "on"),
                Evidence("autovacuum of the server", "on" if look.state.autovacuum else "off"),
            ),
            likely=(
                *(("autovacuum is switched off for it",) if table.switched_off else ()),
                *(() if look.state.autovacuum else ("autovacuum is off",)),
                "something holds back the horizon",
                "a bulk UPDATE or DELETE just now",
                "autovacuum's scale factor is too coarse for a table of this size",
            ),
            against=("a vacuum works on it now",) if at_work else (),
            next="who holds back the horizon? then VACUUM (ANALYZE) it; never VACUUM FULL in an "
            "incident, it locks everybody out",
            fact=False,
        )


def _workers(look: Maintenance, settings: Settings) -> Iterator[Finding]:
    """Every autovacuum worker has been busy for long: other tables wait their turn.

    Dead rows pile up where nobody comes. Often a few large tables, under a cost limit that all the
    workers share.
    """
    severity = settings.workers_busy.grade(look.busy_s)
    if severity is None or look.busy_s is None:
        return
    urgent = [vacuum for vacuum in look.state.vacuums if vacuum.urgent]
    yield Finding(
        "PG_VAC_WORKERS",
        severity,
        f"all {look.state.workers_max} autovacuum workers have been busy for "
        f"{duration(look.busy_s)}",
        evidence=(
            Evidence("busy for", look.busy_s, "s", settings.workers_busy.first),
            Evidence("workers", look.state.workers, limit=look.state.workers_max),
            Evidence("of them against wraparound", len(urgent)),
        ),
        likely=(
            "vacuums against wraparound of large tables",
            "the cost limit makes each of them slow",
            "many tables became due at once",
        ),
        next="which tables, and how far? raising autovacuum_vacuum_cost_limit takes effect at once",
        fact=False,
    )


def facts(look: Maintenance, limits: Settings) -> Iterator[Fact]:
    """The oldest database first, then who holds the horizon."""
    state = look.state
    oldest = max((max(d.xid_age, d.multixact_age) for d in state.databases), default=0)
    share = oldest / state.stop
    yield Fact(
        "wraparound", percent(share), share, "share", severity=limits.wraparound.grade(oldest)
    )
    horizon = max((holder.age for holder in state.holders if holder.own), default=0)
    known = state.sees_all and not state.hidden
    text = f"{horizon:,} transactions" if known else f"at least {horizon:,} transactions"
    yield Fact("horizon held back", text, horizon if known else None)
    workers = state.workers if known else None
    yield Fact(
        "autovacuum workers",
        "unknown" if workers is None else f"{workers}/{state.workers_max}",
        workers,
    )
    if look.xids_per_s is not None:
        yield Fact("transaction numbers", f"{look.xids_per_s:.1f}/s", look.xids_per_s, "/s")
    if look.tables and not state.recovery:
        dead = sum(table.dead for table in look.tables)
        yield Fact("dead rows", f"{dead:,}", dead)
    if look.files is not None:
        yield Fact("WAL on disk", size(look.files.wal), look.files.wal, "bytes")
        temporary = look.files.temporary
        yield Fact("temporary files on disk", size(temporary), temporary, "bytes")


def tables(look: Maintenance, settings: Settings) -> Iterator[Table]:
    """Holders with what would help, databases, dead rows, the oldest tables, vacuums."""
    yield from views(
        look,
        wraparound=settings.wraparound,
        graded={holder.key: severity for severity, holder in _graded(look.state, settings)},
    )


PROBE = Probe(
    id="postgres.maintenance",
    kind="postgres",
    collect=collect,
    diagnose=diagnose,
    snapshot=Maintenance,
    settings=Settings(),
    every=60,
    timeout=12,
    facts=facts,
    tables=tables,
    since=taken,
    beside=beside,
    twice=False,
    needs=("GRANT pg_monitor",),
    codes=codes(
        risk=("PG_XID_WRAP", "PG_XID_HORIZON", "PG_VAC_DEAD", "PG_VAC_WORKERS", "PG_VAC_OFF"),
        eye=("PG_OBS_BLIND",),
        traits={Trait.SLOW_BURN: ("PG_XID_WRAP",), Trait.CAUSE_AT_CRITICAL: ("PG_XID_WRAP",)},
    ),
)
