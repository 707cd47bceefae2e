"""The pulse of a PostgreSQL server: one statement, one round trip, no lock taken.

Source: catalogue of findings 2.4 (PG-PULSE, PG-IDENT), run on 13 to 18 as a monitoring role and as
a plain one. Wall-clock functions on purpose: `now()` stands still within a transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from probes.statement import statement

PULSE = statement("postgres", "pulse.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Sessions of one user, application and address."""

    usename: str | None = None
    datname: str | None = None
    app: str | None = None
    address: str | None = None
    n: int = 0
    active: int = 0
    idle: int = 0
    idle_tx: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """What active sessions wait for. Type `none`: on the CPU, or not instrumented."""

    type: str
    event: str
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Transactions prepared for two-phase commit; `max_s` the age of the oldest, None: none."""

    n: int = 0
    max_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresFacts:
    """What the server is. `reserved` slots are not for applications."""

    version: int
    started: datetime
    born: datetime | None = None
    """When its processes began: anew after one of them crashed. None: hidden, or not told."""
    role: str
    sees_all: bool
    rds: bool = False
    aurora: bool = False
    max_connections: int
    reserved: int

    @property
    def usable(self) -> int:
        """Connection slots that applications may use."""
        return max(1, self.max_connections - self.reserved)

    @property
    def name(self) -> str:
        """`PostgreSQL 16.4`, from the version number."""
        kind = "Aurora PostgreSQL" if self.aurora else "PostgreSQL"
        return f"{kind} {self.version // 10000}.{self.version % 10000}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOnlySet:
    """`default_transaction_read_only` of a database, a role, or a role in a database (both None:
    of every role), as ALTER DATABASE and ALTER ROLE set it for new sessions.
    """

    database: str | None = None
    role: str | None = None
    value: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOnlyDefault:
    """Whether new transactions of a primary may write, unless they say so themselves."""

    role: str
    database: str
    ours: bool | None = None
    """For a new session of our own role in our database, were it not for what we set ourselves."""
    set: tuple[ReadOnlySet, ...] = ()

    @property
    def general(self) -> ReadOnlySet | None:
        """What is set for every role of our database; None: what the server has holds."""
        found = [s for s in self.set if s.role is None and s.database in {None, self.database}]
        return max(found, key=lambda each: each.database is not None, default=None)

    @property
    def refuses(self) -> bool | None:
        """No write of an application without a setting of its own passes. None: what the server
        has is hidden behind a setting of our own role.
        """
        if self.general is not None:
            return self.general.value
        own = any(s.role == self.role and s.database in {None, self.database} for s in self.set)
        return None if own else self.ours

    @property
    def roles(self) -> frozenset[str]:
        """Roles whose own setting lets them only read here."""
        chosen = {
            each.role: each.value
            for each in sorted(self.set, key=lambda each: each.database is not None)
            if each.role is not None and each.database in {None, self.database}
        }
        return frozenset(role for role, value in chosen.items() if value)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseTally:
    """What pg_stat_database has counted of one database."""

    datname: str
    sessions: int | None = None
    commits: int
    rollbacks: int
    connected: int
    """Sessions that are there now."""
    stats_reset: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """The whole server in one row. Ours is not counted, except in `used`. Seconds are its own."""

    at: datetime
    recovery: bool
    backends: int
    hidden: int
    recent: int = 0
    """Client sessions younger than two minutes."""
    by_state: dict[str, int]
    by_client: tuple[Client, ...]
    waits: tuple[Wait, ...]
    lock_waiters: int
    active_max_s: float | None = None
    xact_max_s: float | None = None
    idle_tx: int = 0
    idle_tx_max_s: float | None = None
    xmin_age: int | None = None
    autovacuum: int = 0
    prepared: Prepared
    read_only: ReadOnlyDefault | None = None
    """None: a standby, which never takes writes."""
    counted: tuple[DatabaseTally, ...] | None = None
    """None: this version is not asked (before 15)."""
    server: PostgresFacts

    @property
    def used(self) -> int:
        """Connection slots in use, ours included."""
        return self.backends + 1

    @property
    def share(self) -> float:
        """Used slots of those that applications may use."""
        return self.used / self.server.usable


@dataclass(frozen=True, slots=True)
class PulseRow:
    """How the statement gives it."""

    pulse: Pulse
