"""What a look at PgBouncer's console gives, and its rates between two looks.

Source: PgBouncer documentation, "Admin console", SHOW POOLS, DATABASES, STATS, LISTS, CLIENTS,
SERVERS; seen on 1.18. A column that a version lacks takes the default that is written here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from cockpit.triage.finding import Thresholds
from probes.gains import LONGEST_GAP, gain_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Thresholds."""

    wait: Thresholds = Thresholds(warning=0.5, high=3.0, critical=10.0)
    """Seconds that the first in a pool's queue waits."""
    waited: Thresholds = Thresholds(warning=1.0, high=5.0)
    """Clients that wait at any moment, of many short waits."""
    clients: Thresholds = Thresholds(warning=0.8, high=0.95)
    """Clients of max_client_conn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRow:
    """SHOW POOLS: the clients and servers of one database and user."""

    database: str
    user: str
    cl_active: int = 0
    cl_waiting: int = 0
    sv_active: int = 0
    sv_idle: int = 0
    sv_used: int = 0
    sv_tested: int = 0
    sv_login: int = 0
    maxwait: int = 0
    maxwait_us: int = 0
    pool_mode: str | None = None

    @property
    def name(self) -> str:
        """As it is told."""
        return f"{self.database} ({self.user})"

    @property
    def clients(self) -> int:
        """Clients that run something or wait to."""
        return self.cl_active + self.cl_waiting

    @property
    def servers(self) -> int:
        """Server connections that stand, in whatever state; without those that log in."""
        return self.sv_active + self.sv_idle + self.sv_used + self.sv_tested

    @property
    def maxwait_s(self) -> float:
        """Seconds that the first in the queue waits; 0 without a queue."""
        return self.maxwait + self.maxwait_us / 1e6 if self.cl_waiting else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledDatabase:
    """SHOW DATABASES."""

    name: str
    host: str | None = None
    port: int | None = None
    pool_size: int = 0
    pool_mode: str | None = None
    max_connections: int = 0
    """Server connections that it may have; 0: as many as its pools add up to."""
    current_connections: int = 0
    paused: int = 0
    disabled: int = 0

    @property
    def server(self) -> str:
        """Where its server is."""
        return f"{self.host or 'a socket'}:{self.port or '?'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsRow:
    """SHOW STATS: totals since the start, microseconds; averages of the last period."""

    database: str
    total_xact_count: Decimal | None = None
    total_query_count: Decimal | None = None
    total_wait_time: Decimal | None = None
    avg_query_time: Decimal | None = None
    avg_xact_time: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ListRow:
    """SHOW LISTS: a name and how many."""

    list: str
    items: int = 0


@dataclass(frozen=True, slots=True)
class ConfigRow:
    """SHOW CONFIG: a setting."""

    key: str
    value: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketRow:
    """SHOW CLIENTS or SHOW SERVERS: one connection. `link` is the `ptr` of its other side."""

    user: str
    database: str
    state: str
    addr: str | None = None
    port: int | None = None
    ptr: str = ""
    link: str = ""
    remote_pid: int = 0
    """Of a server connection: the number of its backend in pg_stat_activity."""
    application_name: str | None = None
    wait: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A client that has a server connection now: what PostgreSQL behind the pooler cannot see."""

    pid: int
    database: str
    user: str
    address: str
    application: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseRates:
    """A database between two looks, per second."""

    database: str
    queries: float
    waited: float
    """Seconds that clients waited for a server connection, a second: 3.0 is three at any moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PgBouncerPools:
    """One look at the console."""

    at: datetime
    version: str = ""
    pools: tuple[PoolRow, ...] = ()
    databases: tuple[PooledDatabase, ...] = ()
    stats: tuple[StatsRow, ...] = ()
    clients: int | None = None
    max_clients: int | None = None
    query_wait_timeout_s: float | None = None
    """After how long a client that waits is sent away; 0: never; None: not told."""
    server_login_retry_s: float | None = None
    holders: tuple[Holder, ...] = ()
    """Read while clients wait and there are not thousands; empty otherwise."""
    rates: tuple[DatabaseRates, ...] | None = None
    paused: str = ""
    """The database that is paused, when it is one: what a step resumes."""
    disabled: str = ""

    @property
    def waiting(self) -> int:
        """Clients that wait for a server connection, of all pools."""
        return sum(pool.cl_waiting for pool in self.pools)

    @property
    def client_share(self) -> float | None:
        """Clients of those that are let in; None: not told."""
        if self.clients is None or not self.max_clients:
            return None
        return self.clients / self.max_clients


def database_of(look: PgBouncerPools, pool: PoolRow) -> PooledDatabase | None:
    """The database of a pool; None: it is not listed."""
    return next((row for row in look.databases if row.name == pool.database), None)


def holders(clients: list[SocketRow], servers: list[SocketRow]) -> tuple[Holder, ...]:
    """The client of every server connection that is given out."""
    by_ptr = {client.ptr: client for client in clients if client.ptr}
    found = []
    for server in servers:
        client = by_ptr.get(server.link)
        if client is not None:
            found.append(
                Holder(
                    pid=server.remote_pid,
                    database=client.database,
                    user=client.user,
                    address=f"{client.addr or 'local'}:{client.port or 0}",
                    application=client.application_name or "",
                )
            )
    return tuple(sorted(found, key=lambda each: each.pid))


def since(before: PgBouncerPools, now: PgBouncerPools) -> PgBouncerPools:
    """The new look with rates; none over a restart, since counters began anew."""
    seconds = (now.at - before.at).total_seconds()
    if not 0 < seconds <= LONGEST_GAP:
        return now
    earlier = {row.database: row for row in before.stats}
    rates = []
    for row in now.stats:
        queries = _gain(earlier.get(row.database), row, "total_query_count")
        waited = _gain(earlier.get(row.database), row, "total_wait_time")
        if queries is not None and waited is not None:
            rates.append(
                DatabaseRates(
                    database=row.database, queries=queries / seconds, waited=waited / 1e6 / seconds
                )
            )
    return replace(now, rates=tuple(rates))


def _gain(before: StatsRow | None, now: StatsRow, name: str) -> float | None:
    gain: Decimal | None = gain_of(getattr(before, name, None), getattr(now, name))
    return None if gain is None else float(gain)
