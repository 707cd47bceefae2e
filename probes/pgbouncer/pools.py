"""PgBouncer: whether clients are given a server connection, and how long they wait for it.

PostgreSQL behind it sees none of this: its sessions are few and idle while clients queue before
the pooler. Source: PgBouncer documentation, "Admin console" and "config"; tried on 1.18.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cockpit import clock
from cockpit.connect.postgres.pooler import PgBouncer
from cockpit.connect.postgres.pooler_settings import CONSOLE
from cockpit.errors import BlindError, Reason
from cockpit.text import visible
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Probe
from cockpit.triage.target import Target
from cockpit.units import duration, rounded
from probes.began import MEASURED, ago
from probes.pgbouncer.model import (
    ConfigRow,
    Holder,
    ListRow,
    PgBouncerPools,
    PooledDatabase,
    PoolRow,
    Settings,
    SocketRow,
    StatsRow,
    database_of,
    holders,
    since,
)
from probes.pgbouncer.view import facts, tables
from probes.refusals import POSTGRES_REFUSALS

_MOST_SOCKETS = 2000
"""Clients beyond which they are not listed: the console is one thread, the pooler's own."""
_CROWD = 0.5
"""The share of a pool's clients that wait from which on it is worse by a step."""


async def collect(console: PgBouncer, target: Target) -> PgBouncerPools:
    """Pools, databases, totals and limits; who holds a server connection only while others wait."""
    at = clock.now()
    pools = await console.rows("SHOW POOLS", into=PoolRow)
    databases = await console.rows("SHOW DATABASES", into=PooledDatabase)
    if all(row.name != CONSOLE for row in databases):
        raise BlindError(Reason.UNREADABLE, f"{target.name}: this is no console of PgBouncer")
    stats = await console.rows("SHOW STATS", into=StatsRow)
    lists = {row.list: row.items for row in await console.rows("SHOW LISTS", into=ListRow)}
    config = {row.key: row.value for row in await console.rows("SHOW CONFIG", into=ConfigRow)}
    clients = _sum(lists.get("used_clients"), lists.get("login_clients"))
    users = [pool for pool in pools if pool.database != CONSOLE]
    held: tuple[Holder, ...] = ()
    if any(pool.cl_waiting for pool in users) and (clients or 0) <= _MOST_SOCKETS:
        servers = await console.rows("SHOW SERVERS", into=SocketRow)
        held = holders(await console.rows("SHOW CLIENTS", into=SocketRow), servers)
    known = [row for row in databases if row.name != CONSOLE]
    return PgBouncerPools(
        at=at,
        version=str(await console.value("SHOW VERSION") or ""),
        pools=tuple(users),
        databases=tuple(known),
        stats=tuple(row for row in stats if row.database != CONSOLE),
        clients=clients,
        max_clients=_int(config.get("max_client_conn")),
        query_wait_timeout_s=_float(config.get("query_wait_timeout")),
        server_login_retry_s=_float(config.get("server_login_retry")),
        holders=held,
        paused=_only([row.name for row in known if row.paused]),
        disabled=_only([row.name for row in known if row.disabled]),
    )


def diagnose(look: PgBouncerPools, settings: Settings) -> Iterator[Finding]:
    """What somebody shut first, since clients wait for that too."""
    yield from _paused(look)
    yield from _disabled(look)
    yield from _no_server(look)
    yield from _waiting(look, settings)
    yield from _many_short_waits(look, settings)
    yield from _full(look, settings)


def _paused(look: PgBouncerPools) -> Iterator[Finding]:
    """A database is paused: its clients are held, and PostgreSQL behind it looks idle and well.

    PAUSE is meant for a moment, such as a switch-over of the server. Forgotten, it is an outage
    that neither the server nor the pooler's process shows. New clients are taken, and wait too.
    """
    for database in look.databases:
        if not database.paused:
            continue
        own = [pool for pool in look.pools if pool.database == database.name]
        held, waiting = sum(pool.clients for pool in own), sum(pool.cl_waiting for pool in own)
        waits = max((pool.maxwait_s for pool in own), default=0.0)
        told = f", {waiting:,} clients wait, the first for {duration(waits)}" if waiting else ""
        yield Finding(
            "PGB_PAUSED",
            Severity.CRITICAL if waiting else Severity.HIGH,
            f"database {visible(database.name, 60)} is paused{told}",
            subject=database.name,
            evidence=(
                Evidence("clients that wait", waiting, limit=0),
                Evidence("clients in all", held),
                Evidence("the first waits for", waits, "s"),
            ),
            likely=("a switch-over or a migration that goes on", "a PAUSE that was forgotten"),
            against=("somebody gave this command: ask before it is taken back",),
            next="ask who paused it and whether the server behind is the right one; then RESUME",
            began=ago(look.at, waits or None),
            resolution=MEASURED,
        )


def _disabled(look: PgBouncerPools) -> Iterator[Finding]:
    """A database is disabled: those who are in go on, nobody new gets in."""
    for database in look.databases:
        if database.disabled:
            yield Finding(
                "PGB_DISABLED",
                Severity.HIGH,
                f"database {visible(database.name, 60)} is disabled: new clients are turned away",
                subject=database.name,
                evidence=(Evidence("server connections", database.current_connections),),
                likely=("a maintenance that goes on", "a DISABLE that was forgotten"),
                against=("somebody gave this command: ask before it is taken back",),
                next="ask who disabled it; then ENABLE",
            )


def _no_server(look: PgBouncerPools) -> Iterator[Finding]:
    """Clients wait and the pool has not one server connection: the server is not reached.

    It is down, refuses the pooler's login, or its name leads nowhere. After a failed login the
    pooler tries again only after server_login_retry, so that clients wait on for a while after the
    server is back. A pause of the whole pooler (PAUSE without a name) looks the same, since its
    list of databases does not tell it: then the pooler does not even try to log in.
    """
    for pool in look.pools:
        database = database_of(look, pool)
        if not pool.cl_waiting or pool.servers or (database is not None and database.paused):
            continue
        server = database.server if database is not None else "its server"
        retry = look.server_login_retry_s
        yield Finding(
            "PGB_NO_SERVER",
            Severity.CRITICAL,
            f"{pool.cl_waiting:,} clients of {_name(pool)} wait, and "
            + (
                f"{server} is not reached"
                if pool.sv_login
                else f"the pooler has no connection to {server}"
            ),
            subject=pool.name,
            evidence=(
                Evidence("clients that wait", pool.cl_waiting, limit=0),
                Evidence("server connections", pool.servers),
                Evidence("logins under way", pool.sv_login),
                Evidence("the first waits for", pool.maxwait_s, "s"),
                Evidence("tries again after", retry, "s"),
            ),
            likely=(
                "the server is down or restarts",
                "it refuses the pooler's login: password, pg_hba.conf, no connection left",
                "its name leads to another address than before",
                *(() if pool.sv_login else ("the whole pooler is paused: PAUSE without a name",)),
            ),
            next=f"look at {server} itself"
            + (f"; after it is back the pooler may take {duration(retry)} more" if retry else "")
            + ("" if pool.sv_login else "; where it is well, ask who paused the pooler"),
            began=ago(look.at, pool.maxwait_s or None),
            resolution=MEASURED,
        )


def _waiting(look: PgBouncerPools, settings: Settings) -> Iterator[Finding]:
    """Clients queue for a server connection: all of the pool are given out.

    The server may be bored meanwhile: what is short is the pool, or what holds it (long
    transactions, an application that does not give back, locks). A larger pool helps only where the
    server still has room. Half of the clients waiting is worse by a step.
    """
    for pool in look.pools:
        database = database_of(look, pool)
        if not pool.servers or (database is not None and database.paused):
            continue
        severity = settings.wait.grade(pool.maxwait_s) if pool.cl_waiting else None
        if severity is None:
            continue
        if severity is Severity.HIGH and pool.cl_waiting > _CROWD * pool.clients:
            severity = Severity.CRITICAL
        size = database.pool_size if database is not None else None
        limit = look.query_wait_timeout_s
        yield Finding(
            "PGB_WAITING",
            severity,
            f"{pool.cl_waiting:,} of {pool.clients:,} clients of {_name(pool)} wait for a server "
            f"connection, the first for {duration(pool.maxwait_s)}",
            subject=pool.name,
            evidence=(
                Evidence("the first waits for", pool.maxwait_s, "s", settings.wait.first),
                Evidence("clients that wait", pool.cl_waiting),
                Evidence("server connections in use", pool.sv_active),
                Evidence("pool size", size),
                Evidence("sent away after", limit or None, "s"),
                Evidence("a transaction takes", _average(look, pool), "s"),
            ),
            likely=(
                "transactions that hold their connection long: locks, slow statements, idle in "
                "transaction",
                "more clients at work than before: a scale-out, retries",
                "a pool that is too small for the load",
            ),
            next="who holds the connections (drill-down), and for what does the server wait?",
            began=ago(look.at, pool.maxwait_s or None),
            resolution=MEASURED,
        )


def _many_short_waits(look: PgBouncerPools, settings: Settings) -> Iterator[Finding]:
    """Nobody waits long, and somebody waits at every moment: every request pays for it."""
    slow = {pool.database for pool in look.pools if settings.wait.grade(pool.maxwait_s)}
    paused = {row.name for row in look.databases if row.paused}
    for rate in look.rates or ():
        severity = settings.waited.grade(rate.waited)
        if severity is None or rate.database in slow | paused:
            continue
        each = rate.waited / rate.queries if rate.queries else None
        yield Finding(
            "PGB_WAITING_SHORT",
            severity,
            f"{rounded(rate.waited)} clients of {visible(rate.database, 60)} wait for a server "
            "connection at any moment",
            subject=rate.database,
            evidence=(
                Evidence("clients that wait", rate.waited, "", settings.waited.first),
                Evidence("statements", round(rate.queries, 1), "/s"),
                Evidence("waited for each", each, "s"),
            ),
            likely=("the pool is at its size", "transactions became longer"),
            next="compare the pool's size with what the server can take",
            fact=False,
        )


def _full(look: PgBouncerPools, settings: Settings) -> Iterator[Finding]:
    """Few clients are let in any more: at max_client_conn every new one is refused."""
    share = look.client_share
    severity = settings.clients.grade(share)
    if severity is not None:
        yield Finding(
            "PGB_SAT_CLIENTS",
            severity,
            f"{look.clients:,} of {look.max_clients:,} clients that are let in (max_client_conn)",
            evidence=(
                Evidence("clients", share, "share", settings.clients.first),
                Evidence("that wait", look.waiting),
            ),
            likely=("a scale-out of the application", "clients that wait pile up", "a leak"),
            next="count clients per application host; each costs the pooler little memory",
            fact=False,
        )


def _average(look: PgBouncerPools, pool: PoolRow) -> float | None:
    row = next((row for row in look.stats if row.database == pool.database), None)
    taken = row.avg_xact_time if row is not None else None
    return float(taken) / 1e6 if taken else None


def _name(pool: PoolRow) -> str:
    return visible(pool.name, 60)


def _only(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ""


def _sum(*parts: int | None) -> int | None:
    told = [part for part in parts if part is not None]
    return sum(told) if told else None


def _int(value: str | None) -> int | None:
    return int(value) if value is not None and value.isdigit() else None


def _float(value: str | None) -> float | None:
    try:
        return float(value) if value is not None else None
    except ValueError:
        return None


PROBE = Probe(
    id="pgbouncer.pools",
    kind="pgbouncer",
    collect=collect,
    diagnose=diagnose,
    snapshot=PgBouncerPools,
    settings=Settings(),
    every=5,
    timeout=8,
    facts=facts,
    tables=tables,
    leads=True,
    since=since,
    needs=("stats_users = the login, in pgbouncer.ini",),
    codes=codes(
        cause=("PGB_DISABLED", "PGB_PAUSED"),
        either=("PGB_NO_SERVER", "PGB_SAT_CLIENTS", "PGB_WAITING", "PGB_WAITING_SHORT"),
        traits={Trait.LOAD: ("PGB_SAT_CLIENTS", "PGB_WAITING", "PGB_WAITING_SHORT")},
        more=POSTGRES_REFUSALS,
    ),
)
