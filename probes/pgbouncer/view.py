"""What is shown of a PgBouncer: its pools, and who holds its server connections."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.text import visible
from cockpit.triage.probe import Fact
from cockpit.triage.view import Column, Offer, Row, Table
from cockpit.units import duration, percent, rounded
from probes.pgbouncer.model import (
    Holder,
    PgBouncerPools,
    PooledDatabase,
    PoolRow,
    Settings,
    database_of,
)
from probes.served import served


def facts(look: PgBouncerPools, settings: Settings) -> Iterator[Fact]:
    """Whether clients are answered, then who waits."""
    queries = None if look.rates is None else sum(rate.queries for rate in look.rates)
    yield served(queries, waiting=look.waiting)
    clients = sum(pool.clients for pool in look.pools)
    longest = max((pool.maxwait_s for pool in look.pools), default=0.0)
    told = f"{look.waiting:,} of {clients:,} wait"
    if look.waiting:
        told += f", {duration(longest)}"
    yield Fact("clients", told, look.waiting, severity=settings.wait.grade(longest))
    yield Fact("servers", f"{sum(pool.servers for pool in look.pools):,}")
    if look.client_share is not None:
        yield Fact("of max_client_conn", percent(look.client_share), look.client_share, "share")
    told = "unknown until the next look" if queries is None else f"{rounded(queries)}/s"
    yield Fact("statements", told, queries, "/s")
    yield Fact("server", visible(look.version, 40))


_POOLS = (
    Column("pool", 28),
    Column("waiting", 8, right=True),
    Column("first waits", 11, right=True),
    Column("active", 8, right=True),
    Column("servers", 8, right=True),
    Column("state"),
)
_HELD = (
    Column("pid", 8, right=True),
    Column("database", 20),
    Column("user", 16),
    Column("application", 24),
    Column("client"),
)


def tables(look: PgBouncerPools, settings: Settings) -> Iterator[Table]:
    """The pools, the longest queue first, with what opens a shut one; who holds connections."""
    ordered = sorted(look.pools, key=lambda pool: (-pool.maxwait_s, -pool.cl_waiting, pool.name))
    yield Table(
        title="Pools",
        columns=_POOLS,
        rows=(*(_pool(look, pool, settings) for pool in ordered), *_empty(look)),
        headline=f"{look.waiting:,} clients wait",
    )
    if look.holders:
        yield Table(
            title="Who holds server connections",
            columns=_HELD,
            rows=tuple(_held(each) for each in look.holders),
            headline="the client behind each backend, which PostgreSQL cannot see",
            note=("pid is the backend's number in pg_stat_activity of the server behind",),
        )


def _pool(look: PgBouncerPools, pool: PoolRow, settings: Settings) -> Row:
    database = database_of(look, pool)
    state = _state(database) if database is not None else ""
    return Row(
        key=pool.name,
        cells=(
            visible(pool.name, 60),
            f"{pool.cl_waiting:,}",
            duration(pool.maxwait_s) if pool.cl_waiting else "",
            f"{pool.cl_active:,}",
            f"{pool.servers:,}/{database.pool_size if database is not None else '?'}",
            visible(", ".join(filter(None, (state, pool.pool_mode))), 60),
        ),
        sort=(None, pool.cl_waiting, pool.maxwait_s, pool.cl_active, pool.servers, None),
        severity=settings.wait.grade(pool.maxwait_s),
        offers=_offers(database) if database is not None else (),
    )


def _empty(look: PgBouncerPools) -> Iterator[Row]:
    """Databases that are shut and have no pool yet."""
    named = {pool.database for pool in look.pools}
    for database in look.databases:
        if database.name not in named and _state(database):
            cells = (visible(database.name, 60), "", "", "", "", _state(database))
            yield Row(key=database.name, cells=cells, offers=_offers(database))


def _offers(database: PooledDatabase) -> tuple[Offer, ...]:
    args = {"database": database.name}
    name = visible(database.name, 40)
    found = []
    if database.paused:
        found.append(
            Offer(
                key="c",
                label=f"resume {name}",
                kind="sql",
                call="resume_database",
                args=args,
                risk="high",
                effect="its clients go on, all at once; whoever paused it may not be done",
            )
        )
    if database.disabled:
        found.append(
            Offer(
                key="t",
                label=f"enable {name}",
                kind="sql",
                call="enable_database",
                args=args,
                risk="high",
                effect="new clients get in; whoever disabled it may not be done",
            )
        )
    return tuple(found)


def _held(each: Holder) -> Row:
    return Row(
        key=f"{each.pid}",
        cells=(
            str(each.pid),
            visible(each.database, 40),
            visible(each.user, 40),
            visible(each.application, 60),
            visible(each.address, 60),
        ),
    )


def _state(database: PooledDatabase) -> str:
    return ", ".join(
        word
        for word, set_ in (("paused", database.paused), ("disabled", database.disabled))
        if set_
    )
