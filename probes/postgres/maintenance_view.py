"""Vacuum and wraparound as tables, with what could be done about each holder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cockpit.text import visible
from cockpit.triage.finding import Severity, Thresholds
from cockpit.triage.view import Column, Offer, Row, Table
from cockpit.units import duration, percent, size
from probes.postgres.maintenance_model import (
    DatabaseAge,
    Dead,
    HorizonHolder,
    Maintenance,
    MaintenanceState,
    Old,
    Vacuum,
)
from probes.postgres.model import GRANT, Session, rolls_back, terminate

_HOLDERS = (
    Column("holder", 22),
    Column("who", 34),
    Column("database", 16),
    Column("age", 16, right=True),
    Column("open for", 10, right=True),
    Column("state"),
)
_DATABASES = (
    Column("database", 28),
    Column("xid age", 16, right=True),
    Column("used", 8, right=True),
    Column("multixact age", 16, right=True),
    Column("note"),
)
_DEAD = (
    Column("table", 40),
    Column("dead", 14, right=True),
    Column("live", 14, right=True),
    Column("vacuumed", 12, right=True),
    Column("size", 12, right=True),
    Column("autovacuum"),
)
_OLDEST = (
    Column("table", 44),
    Column("xid age", 16, right=True),
    Column("multixact age", 16, right=True),
    Column("size", 12, right=True),
    Column("note"),
)
_VACUUMS = (
    Column("pid", 10),
    Column("table", 40),
    Column("phase", 24),
    Column("scanned", 9, right=True),
    Column("for", 10, right=True),
    Column("note"),
)


def name_of(holder: HorizonHolder) -> str:
    """Its number or name, and who stands behind it."""
    names = [visible(holder.id, 50)]
    who = holder.application_name or holder.who
    if who:
        names.append(f"({visible(who, 30)})")
    return " ".join(names)


def views(
    look: Maintenance, *, wraparound: Thresholds, graded: Mapping[str, Severity]
) -> Iterator[Table]:
    """Who holds back vacuum first. `graded`: key of a holder → how bad it is."""
    state = look.state
    yield Table(
        title="Who holds back vacuum",
        columns=_HOLDERS,
        rows=tuple(_holder(each, graded.get(each.key), state=state) for each in state.holders),
        headline=_headline(state),
        note=(
            (f"{state.hidden} sessions are hidden: {GRANT.format(role=state.role)}",)
            if state.hidden or not state.sees_all
            else ()
        ),
    )
    yield Table(
        title="Databases by age",
        columns=_DATABASES,
        rows=tuple(_database(each, wraparound, stop=state.stop) for each in state.databases),
        headline="writes stop at 100%; autovacuum begins to freeze by itself at "
        f"{state.freeze_max_age:,}",
    )
    yield Table(
        title="Tables by dead rows",
        columns=_DEAD,
        rows=tuple(_dead(each) for each in look.tables),
        headline=f"database {visible(state.database, 60)} only",
        note=look.unread,
    )
    yield Table(
        title="Oldest tables",
        columns=_OLDEST,
        rows=tuple(_old(each, wraparound) for each in look.oldest),
        headline=f"database {visible(state.database, 60)} only",
    )
    yield Table(
        title="Vacuums that run",
        columns=_VACUUMS,
        rows=tuple(_vacuum(each) for each in state.vacuums),
    )


def _headline(state: MaintenanceState) -> str:
    workers = f"{state.workers}/{state.workers_max}" if state.sees_all else "unknown"
    return f"autovacuum {'on' if state.autovacuum else 'OFF'} · workers {workers}"


def _holder(holder: HorizonHolder, severity: Severity | None, *, state: MaintenanceState) -> Row:
    return Row(
        key=holder.key,
        cells=(
            holder.holder,
            name_of(holder),
            visible(holder.database or "", 30),
            f"{holder.age:,}",
            "" if holder.age_s is None else duration(max(0.0, holder.age_s)),
            visible(holder.state or "", 30),
        ),
        severity=severity,
        offers=_offers(holder, state),
        sort=(holder.holder, holder.id, holder.database, holder.age, holder.age_s, holder.state),
    )


def _offers(holder: HorizonHolder, state: MaintenanceState) -> tuple[Offer, ...]:
    """What may be done about it. Nothing to a standby's query: that is ended on the standby."""
    if holder.holder == "session" and holder.pid is not None and holder.backend_start is not None:
        session = Session(
            pid=holder.pid,
            backend_start=holder.backend_start,
            usename=holder.who,
            application_name=holder.application_name,
            backend_type="client backend",
            state=holder.state,
            xact_s=holder.age_s,
        )
        if session.protected:
            return ()
        kept = "" if holder.own else f"; vacuum can clean in {visible(holder.database or '', 30)}"
        return (terminate(session, effect=rolls_back(session) + kept),)
    if holder.holder.startswith("slot") and holder.active is False:
        return (drop_slot(holder.id, holder.restart_lsn or ""),)
    if holder.holder == "prepared" and holder.prepared and holder.database == state.database:
        return (
            Offer(
                key="R",
                label=f"roll back prepared {visible(holder.id, 30)}",
                kind="sql",
                call="rollback_prepared",
                args={
                    "gid": holder.id,
                    "owner": holder.who or "",
                    "prepared": holder.prepared.isoformat(),
                },
                risk="destructive",
                effect="throws a prepared transaction away; its manager may count on it",
            ),
        )
    return ()


def drop_slot(name: str, restart_lsn: str) -> Offer:
    """Drop a slot that nobody reads. `restart_lsn` tells it from one made anew with its name."""
    return Offer(
        key="D",
        label=f"drop slot {visible(name, 30)}",
        kind="sql",
        call="drop_slot",
        args={"name": name, "restart_lsn": restart_lsn},
        risk="destructive",
        effect="its consumer or standby must be built anew; lets WAL and dead rows go",
    )


def _database(database: DatabaseAge, wraparound: Thresholds, *, stop: int) -> Row:
    oldest = max(database.xid_age, database.multixact_age)
    return Row(
        key=database.name,
        cells=(
            visible(database.name, 60),
            f"{database.xid_age:,}",
            percent(oldest / stop),
            f"{database.multixact_age:,}",
            "" if database.connectable else "takes no connections",
        ),
        severity=wraparound.grade(oldest),
        sort=(database.name, database.xid_age, oldest, database.multixact_age, None),
    )


def _dead(table: Dead) -> Row:
    return Row(
        key=f"{table.schema}.{table.name}",
        cells=(
            visible(f"{table.schema}.{table.name}", 80),
            f"{table.dead:,}",
            f"{table.live:,}",
            "never" if table.vacuumed_s is None else f"{duration(table.vacuumed_s)} ago",
            "" if table.bytes is None else size(table.bytes),
            "off for this table" if table.switched_off else "",
        ),
        sort=(table.name, table.dead, table.live, table.vacuumed_s, table.bytes, None),
    )


def _old(table: Old, wraparound: Thresholds) -> Row:
    return Row(
        key=f"{table.schema}.{table.name}",
        cells=(
            visible(f"{table.schema}.{table.name}", 80),
            f"{table.xid_age:,}",
            f"{table.multixact_age:,}",
            "" if table.bytes is None else size(table.bytes),
            "temporary: only its session can vacuum it" if table.temporary else "",
        ),
        severity=wraparound.grade(max(table.xid_age, table.multixact_age)),
        sort=(table.name, table.xid_age, table.multixact_age, table.bytes, None),
    )


def _vacuum(vacuum: Vacuum) -> Row:
    share = vacuum.scanned / vacuum.total if vacuum.scanned is not None and vacuum.total else None
    kind = "automatic" if vacuum.automatic else "by hand"
    return Row(
        key=str(vacuum.pid),
        cells=(
            str(vacuum.pid),
            visible(vacuum.relation or "hidden", 60),
            vacuum.phase or "hidden",
            "" if share is None else percent(share),
            "" if vacuum.age_s is None else duration(max(0.0, vacuum.age_s)),
            "against wraparound: never end it" if vacuum.urgent else kind,
        ),
    )
