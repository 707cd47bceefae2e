"""What a look at vacuum gives: ages of databases, who holds the horizon, dead rows, workers.

Source: PostgreSQL documentation, "Preventing Transaction ID Wraparound Failures", pg_stat_activity,
pg_stat_progress_vacuum; catalogue of findings 2.4 (PG-HORIZON, PG-TABLES). A vacuum's own snapshot
holds nobody back (PROC_IN_VACUUM), so vacuums are no holders. Nothing here takes a lock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from probes.statement import statement

HARD_LIMIT = 2**31
STOP_14, STOP_13 = 3_000_000, 1_000_000
"""Transactions before the limit at which the server stops giving numbers out, by version."""

MAINTENANCE = statement("postgres", "maintenance.sql")
TABLES = statement("postgres", "maintenance_tables.sql")
OLDEST = """
SELECT n.nspname AS schema, c.relname AS name, age(c.relfrozenxid) AS xid_age,
       mxid_age(c.relminmxid) AS multixact_age, c.relpersistence = 't' AS temporary,
       c.relpages::bigint * current_setting('block_size')::int AS bytes
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm', 't') AND c.relfrozenxid <> '0'
 ORDER BY greatest(age(c.relfrozenxid), mxid_age(c.relminmxid)) DESC, c.oid LIMIT 15
"""
WAL = """
SELECT (SELECT coalesce(sum(size), 0)::bigint FROM pg_ls_waldir()) AS wal,
       (SELECT coalesce(sum(size), 0)::bigint FROM pg_ls_tmpdir()) AS temporary
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseAge:
    """Ages in transactions and in multixacts since the oldest number that is still in use."""

    name: str
    xid_age: int
    multixact_age: int
    connectable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class HorizonHolder:
    """Who keeps rows from being cleaned. Ages in transactions; `age_s`: of its transaction."""

    holder: str
    """`session`, `standby feedback`, `slot`, `slot (catalogs only)` or `prepared`."""
    id: str
    """The pid, the slot's name, or the gid."""
    who: str | None = None
    database: str | None = None
    xmin_age: int | None = None
    xid_age: int | None = None
    age_s: float | None = None
    pid: int | None = None
    backend_start: datetime | None = None
    application_name: str | None = None
    client: str | None = None
    state: str | None = None
    prepared: datetime | None = None
    restart_lsn: str | None = None
    active: bool | None = None
    own: bool = True
    """It holds back the database that is looked at: a session's or prepared transaction's snapshot
    holds back its own database and the shared catalogs, a slot or a standby every database.
    """

    @property
    def key(self) -> str:
        """Its identity from look to look."""
        return f"{self.holder} {self.id}"

    @property
    def age(self) -> int:
        """Transactions since the oldest one that it can see, or that it is."""
        return max(self.xmin_age or 0, self.xid_age or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vacuum:
    """A vacuum that runs. Blocks; None: hidden from the role."""

    pid: int
    database: str | None = None
    relation: str | None = None
    phase: str | None = None
    scanned: int | None = None
    total: int | None = None
    age_s: float | None = None
    urgent: bool | None = None
    """It runs to prevent a wraparound: it must not be ended."""
    automatic: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """A table of the connected database. `vacuumed_s` None: never since statistics began."""

    schema: str
    name: str
    live: int
    dead: int
    vacuumed_s: float | None = None
    xid_age: int | None = None
    bytes: int | None = None
    """By the last vacuum's count of pages: rough on purpose, a size function may wait for locks."""
    switched_off: bool | None = None
    analyzed_s: float | None = None
    """None: never since statistics began."""
    modified: int | None = None
    """Rows that were written since then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Old:
    """A table whose oldest number is old, in the connected database."""

    schema: str
    name: str
    xid_age: int
    multixact_age: int
    temporary: bool = False
    bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Bytes that the server's own directories hold."""

    wal: int
    temporary: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceState:
    """What one statement gives of the whole server. `workers` None: hidden from the role."""

    at: datetime
    recovery: bool
    version: int
    role: str
    sees_all: bool
    hidden: int
    database: str
    feedback: bool
    autovacuum: bool
    next_xid: int
    freeze_max_age: int
    workers_max: int
    workers: int
    databases: tuple[DatabaseAge, ...]
    holders: tuple[HorizonHolder, ...]
    vacuums: tuple[Vacuum, ...]

    @property
    def stop(self) -> int:
        """The age at which the server gives no more transaction numbers out."""
        return HARD_LIMIT - (STOP_14 if self.version >= 140000 else STOP_13)


@dataclass(frozen=True, slots=True)
class StateRow:
    """How the statement gives it."""

    maintenance: MaintenanceState


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """One look. `tables` and `oldest` are of the connected database only."""

    state: MaintenanceState
    tables: tuple[Dead, ...] = ()
    oldest: tuple[Old, ...] = ()
    system: str = ""
    """The number that a primary and its copies share; empty: the role may not read it."""
    primary: str = ""
    """The target that is this standby's primary and tells the ages itself; empty: none is known."""
    files: Files | None = None
    """None: the role may not see them, or this server has no such functions."""
    unread: tuple[str, ...] = ()
    """Parts that could not be read, and why."""
    xids_per_s: float | None = None
    """Transaction numbers used per second between two looks; None without an earlier one."""
    busy_s: float | None = None
    """Seconds since every worker has been busy; 0 as of now, None: one is free, or unknown."""

    @property
    def recovery(self) -> bool:
        """It saw a standby."""
        return self.state.recovery

    @property
    def aurora(self) -> bool:
        """Not asked here: who shares the writer's storage repeats its ages like a standby."""
        return False


def taken(before: Maintenance, now: Maintenance) -> Maintenance:
    """The new look with how fast numbers are used, and for how long all workers are busy."""
    seconds = (now.state.at - before.state.at).total_seconds()
    used = now.state.next_xid - before.state.next_xid
    if seconds <= 0 or used < 0 or now.state.recovery != before.state.recovery:
        return replace(now, busy_s=all_busy(now.state))
    busy = all_busy(now.state)
    if busy is not None and before.busy_s is not None:
        busy = before.busy_s + seconds
    return replace(now, xids_per_s=used / seconds, busy_s=busy)


def all_busy(state: MaintenanceState) -> float | None:
    """0 when no worker is free, else None."""
    full = state.sees_all and state.workers >= state.workers_max
    return 0.0 if full else None
