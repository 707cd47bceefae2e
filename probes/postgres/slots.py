"""Replication slots: what WAL is kept for whom, and which of them can no longer be followed.

Source: PostgreSQL documentation, pg_replication_slots.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from cockpit.text import visible
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.view import Column, Row, Table
from cockpit.units import size
from probes.began import MEASURED, ago
from probes.postgres.replay import amount
from probes.postgres.replication_model import Slot

_WHY = {
    "wal_removed": "its WAL was removed",
    "rows_removed": "rows that it needs were vacuumed away",
    "wal_level_insufficient": "the primary's wal_level became too low for it",
    "idle_timeout": "nobody read it for too long (idle_replication_slot_timeout)",
}
"""What `invalidation_reason` says, from 17 on."""


def _lost(slot: Slot) -> Finding:
    """The server removed WAL that a slot still needed: its reader cannot go on.

    The standby or consumer must be built anew from a copy. The slot itself is of no use any more.
    """
    name, reason = visible(slot.name, 60), slot.invalidated
    who = "standby" if slot.type == "physical" else "consumer"
    said = _WHY.get(reason or "", visible(reason, 40) if reason else "")
    if not reason and slot.conflicting:
        said = (
            "a conflict with replay: rows that it needs were vacuumed away at the primary, or "
            "its wal_level became too low"
        )
    why = f", for {said}" if said else ""
    return Finding(
        "PG_SLOT_LOST",
        Severity.CRITICAL,
        f"slot {name} is lost{why}: its {who} must be built anew",
        subject=name,
        evidence=(
            Evidence("active", "yes" if slot.active else "no"),
            *((Evidence("because", visible(reason, 40)),) if reason else ()),
            *_idle(slot),
        ),
        likely=() if said else ("it kept more WAL than max_slot_wal_keep_size allows",),
        next=f"rebuild the {who}; then drop the slot",
    )


def slot_findings(slot: Slot, retained: Thresholds, at: datetime) -> Iterator[Finding]:
    """A slot keeps WAL for a reader that does not take it.

    The WAL fills the disk, and a full disk stops the server. Critical once the server may remove it
    any moment (`unreserved`). Dropping the slot frees the space at once, and its reader must be
    built anew: it cannot be undone.
    """
    if slot.wal_status == "lost":
        yield _lost(slot)
        return
    name = visible(slot.name, 60)
    severity = retained.grade(slot.retained_b)
    if slot.wal_status == "unreserved":
        severity = Severity.CRITICAL
    if severity is not None:
        yield Finding(
            "PG_SLOT_RETAIN",
            severity,
            f"slot {name} keeps {size(slot.retained_b or 0)} of WAL"
            + ("" if slot.active else " and nobody reads it"),
            subject=name,
            evidence=(
                Evidence("kept", slot.retained_b, "bytes", retained.first),
                Evidence("until it is lost", slot.safe_wal_size, "bytes"),
                Evidence("active", "yes" if slot.active else "no"),
                Evidence("type", slot.type),
                *_idle(slot),
            ),
            likely=("a dead consumer (DMS, Debezium)", "a standby that was removed"),
            next="find its consumer; dropping the slot cannot be undone",
            began=ago(at, slot.inactive_s),
            resolution=MEASURED,
        )


def _idle(slot: Slot) -> tuple[Evidence, ...]:
    told = slot.inactive_s is not None
    return (Evidence("nobody reads it for", slot.inactive_s, "s"),) if told else ()


_SLOTS = (
    Column("slot", 28),
    Column("type", 10),
    Column("active", 8),
    Column("keeps", 12, right=True),
    Column("status"),
)


def _slot_row(slot: Slot, retained: Thresholds) -> Row:
    return Row(
        key=slot.name,
        cells=(
            visible(slot.name, 60),
            slot.type,
            "yes" if slot.active else "no",
            amount(slot.retained_b),
            slot.wal_status or "unknown",
        ),
        severity=retained.grade(slot.retained_b),
    )


def slots_table(slots: Iterable[Slot], retained: Thresholds) -> Table:
    """The slots, and what each keeps."""
    return Table(
        title="Replication slots",
        columns=_SLOTS,
        rows=tuple(_slot_row(slot, retained) for slot in slots),
    )
