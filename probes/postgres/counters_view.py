"""PostgreSQL's rates and waits as tables, and what a wait means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from cockpit.text import visible
from cockpit.triage.view import Column, Row, Table
from cockpit.units import duration, percent, size
from probes.postgres.counters_model import PostgresCounters, window
from probes.postgres.model import GRANT

_DATABASES = (
    Column("database", 24),
    Column("commits/s", 11, right=True),
    Column("rollbacks/s", 12, right=True),
    Column("hits", 7, right=True),
    Column("reads/s", 10, right=True),
    Column("temp/s", 12, right=True),
    Column("deadlocks", 10, right=True),
    Column("killed", 8, right=True),
    Column("abandoned", 10, right=True),
    Column("fatal"),
)
_WAITS = (Column("wait", 12), Column("event", 30), Column("share", 8, right=True), Column("means"))


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a wait says, and where to look. `harmless`: sessions that wait so want to."""

    says: str
    next: str = ""
    harmless: bool = False


_PARTITIONS = Waiting("too many tables or partitions a query", "prune partitions")
_MEANINGS: tuple[tuple[str, str, Waiting], ...] = (
    ("CPU", "", Waiting("runs on the CPU", "the statements with the most time")),
    ("IO", "DataFile", Waiting("reads and writes tables", "cache hits, then the disk's limits")),
    ("IO", "WAL", Waiting("waits for commits to reach the disk", "the disk's latency")),
    ("IO", "Aio", Waiting("waits for the server's I/O workers", "cache hits, then the disk")),
    ("IO", "BufFile", Waiting("sorts and hashes spill to disk", "temporary files")),
    ("LWLock", "WAL", Waiting("commits queue for the log", "the disk's latency")),
    ("LWLock", "LockManager", _PARTITIONS),
    ("LWLock", "lock_manager", _PARTITIONS),
    ("LWLock", "Buffer", Waiting("many sessions want the same pages", "hot tables and indexes")),
    ("Lock", "", Waiting("waits for another's lock", "who waits for whom")),
    ("IPC", "SyncRep", Waiting("commits wait for a synchronous standby", "is that standby alive?")),
    ("IPC", "ArchiveCommand", Waiting("the archive command runs", "is where it copies to alive?")),
    ("BufferPin", "", Waiting("waits until nobody reads a page", "old cursors on that table")),
    ("Buffer", "", Waiting("many sessions want the same pages", "hot tables and indexes")),
    ("IPC", "", Waiting("waits for another process of the server", "parallel workers")),
    ("Client", "", Waiting("waits for the application to read or send", "the application's side")),
    ("Timeout", "", Waiting("sleeps on purpose", harmless=True)),
    ("Activity", "", Waiting("waits for work", harmless=True)),
)  # fmt: skip


def meaning(kind: str, event: str) -> Waiting:
    """By the event's prefix, in any case: 17 made WALSync WalSync, prefixes stay."""
    for each, prefix, says in _MEANINGS:
        if each == kind and event.lower().startswith(prefix.lower()):
            return says
    return Waiting(f"waits for {kind} {event}".strip(), "what the documentation says of that event")


def views(look: PostgresCounters) -> Iterator[Table]:
    """Rates of each database over the last minute, then what active sessions wait for."""
    whole = window(look, 60)
    covered = f"over the last {duration(whole.seconds)}" if whole else "no earlier look yet"
    reset = tuple(f"statistics of {visible(name, 40)} began anew" for name in look.reset)
    yield Table(
        title="Databases",
        columns=_DATABASES,
        rows=tuple(_database(look, each.datname) for each in look.totals.databases),
        headline=covered,
        note=reset,
    )
    yield Table(
        title="What active sessions wait for",
        columns=_WAITS,
        rows=tuple(_waits(look)),
        headline=f"{len(look.samples)} samples",
        note=()
        if look.totals.sees_all
        else (f"waits are hidden: {GRANT.format(role=look.totals.role)}",),
    )


def _database(look: PostgresCounters, name: str) -> Row:
    minute = window(look, 60, name)
    five = window(look, 300, name)
    per_s = {
        column: minute.per_s(column) if minute else None
        for column in ("commits", "rollbacks", "reads", "temp_bytes")
    }
    events = {
        column: getattr(five.gain, column) if five else None
        for column in ("deadlocks", "killed", "abandoned", "fatal")
    }
    hits = minute.hit_share if minute else None
    return Row(
        key=name,
        cells=(
            visible(name, 60),
            _rate(per_s["commits"]),
            _rate(per_s["rollbacks"]),
            "" if hits is None else percent(hits),
            _rate(per_s["reads"]),
            "" if per_s["temp_bytes"] is None else size(per_s["temp_bytes"]),
            *("" if value is None else str(value) for value in events.values()),
        ),
        sort=(name, per_s["commits"], per_s["rollbacks"], hits, per_s["reads"],
              per_s["temp_bytes"], *events.values()),
    )  # fmt: skip


def _rate(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f}"


def _waits(look: PostgresCounters) -> Iterator[Row]:
    counted: Counter[tuple[str, str]] = Counter()
    for sample in look.samples:
        for wait in sample.waits:
            counted[wait.type, wait.event] += wait.n
    total = counted.total()
    for (kind, event), n in counted.most_common(20):
        says = meaning(kind, event)
        yield Row(
            key=f"{kind} {event}",
            cells=(visible(kind, 20), visible(event, 40), percent(n / total), says.says),
            dim=says.harmless,
            sort=(kind, event, n / total, None),
        )
