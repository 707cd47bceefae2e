"""Who waits for whom: queues behind a lock, and whose end releases most for least.

Source: PostgreSQL documentation, pg_locks (`waitstart` from 14 on) and pg_blocking_pids();
catalogue of findings 2.4 and 2.6. Needs: role `pg_monitor`; without it the queues are still true,
but the text, the state and the start of others are hidden, so nothing is offered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from cockpit.connect.rows import rows_into
from cockpit.connect.session import SqlReads
from cockpit.errors import BlindError, Reason
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.triage.view import Table
from cockpit.units import count, duration
from probes.began import MEASURED, ago
from probes.early import until_told
from probes.lock_graph import promised
from probes.postgres.kin import system_of
from probes.postgres.locks_beside import STARTUP, beside, recovers, recovery_advice
from probes.postgres.locks_model import (
    AwaitedLock,
    LockNode,
    LockQueue,
    LockSummary,
    PostgresLocks,
    PreparedXact,
    asked_of,
    graph_of,
    in_order,
    placed,
    queues_of,
)
from probes.postgres.locks_view import lock_table
from probes.postgres.model import GRANT
from probes.statement import statement

WAITERS = statement("postgres", "locks_waiters.sql")
"""Who waits, and for what: those who want one row are one place. `waitstart` is the view's where it
has one (14 and later), else the NULL beside it.
"""
BLOCKERS = statement("postgres", "locks_blockers.sql")
"""pg_blocking_pids() takes every partition of the lock table and, for a row, names all who queue
ahead: 400 waiters for one row are 80,000 edges. So it is asked only for the first waiter of each
row, the *speaker* of the others, and for everyone who waits for something else. The others of a row
are counted at their speaker, unless they hold somebody up. Of recovery, which waits for a standby's
readers, it knows nobody: they are told by the locks that they hold.
"""
MOST = 200
"""Places whose waiters are asked for whom they wait; the longest waiting first."""
PAUSED = "SELECT pg_is_wal_replay_paused()"
PREPARED = """
SELECT gid, owner::text AS owner, database::text AS database,
       extract(epoch FROM clock_timestamp() - prepared)::float8 AS age_s
  FROM pg_prepared_xacts ORDER BY prepared LIMIT 10
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Thresholds. `waited` is in seconds."""

    waited: Thresholds = Thresholds(warning=5, high=30)
    patient: float = 300
    """Seconds that an index build may wait for an old transaction to end; less is information, for
    nobody waits for the build."""
    waiters: Thresholds = Thresholds(high=5, critical=20)
    crowd_s: float = 1.5
    """Seconds of the longest wait from which on the number of those that wait counts: behind one
    that holds them up for good, the next look is too late."""
    share_of_active: float = 0.25
    """Waiters behind one head, of all active sessions, that are critical (from five on)."""
    hot_row: int = 10
    """Waiters for one row that make it a hot one."""


async def collect(postgres: SqlReads, target: Target) -> PostgresLocks:
    """Ask who waits; only when somebody does, for whom: of two hundred places at most."""
    answers = await postgres.rows(WAITERS, into=dict)
    if not answers:
        raise BlindError(Reason.UNREADABLE, "the server gave no row for its own state")
    summary = rows_into(answers, LockSummary)[0]
    places = in_order(rows_into(answers[0]["places"], AwaitedLock))[:MOST]
    kin = summary.exclusive or (summary.recovery and places and not summary.aurora)
    system = await system_of(postgres) if kin else ""
    if not places:
        return PostgresLocks(summary=summary, system=system)
    rows = await postgres.rows(BLOCKERS, asked_of(places), into=dict)
    nodes = rows_into(placed(rows, places), LockNode)
    headless = any(0 in (node.blockers or ()) for node in nodes)
    prepared = await postgres.rows(PREPARED, into=PreparedXact) if headless else []
    replays = summary.recovery and not summary.aurora
    paused = bool(await postgres.value(PAUSED)) if replays else None
    active = next((row["active"] for row in rows), None)
    return PostgresLocks(
        summary=replace(summary, active=active, paused=paused),
        system=system,
        queues=queues_of(nodes),
        nodes=tuple(nodes),
        prepared=tuple(prepared),
    )


def diagnose(look: PostgresLocks, settings: Settings) -> Iterator[Finding]:
    """Report each queue once, at its head, since only the head can be helped.

    PG_OBS_BLIND: The queues are true, but the role may not see the sessions behind them, so nobody
    is offered to be ended.
    """
    for queue in look.queues:
        if queue.head.pid == 0:
            if settings.waited.grade(queue.longest):  # less is two-phase commit as it should be
                yield _prepared(queue, look)
        else:
            yield from _blocked(queue, look, settings)
        if queue.hot >= settings.hot_row:
            yield _hot_row(queue)
    yield from _schema_changes(look)
    yield from _advisory(look, settings)
    if look.queues and not look.summary.sees_all:
        yield Finding(
            "PG_OBS_BLIND",
            Severity.INFO,
            f"role '{look.summary.role}' may not see the sessions behind the locks: "
            "nothing can be offered",
            next=GRANT.format(role=look.summary.role),
        )


def _blocked(queue: LockQueue, look: PostgresLocks, settings: Settings) -> Iterator[Finding]:
    """Sessions wait for a lock that another session holds.

    Told once for each queue, at its head: ending one in the middle releases nobody. Judged by the
    longest wait and by how many wait; many that wait for a moment only are looked at once more
    before it is told. A head that is idle in transaction runs nothing, so a cancel does nothing to
    it. Autovacuum against wraparound comes back at once when it is ended.
    A CREATE INDEX CONCURRENTLY that waits for an old transaction holds nobody up: it is
    information, and a warning after five minutes.
    """
    severity = _severity(queue, look, settings)
    if severity is None:
        return
    head = queue.head
    state = f" ({head.state})" if head.state and head.state != "active" else ""
    who = f"pid {head.pid}" if not recovers(look, head) else "recovery"
    best = queue.best
    yield Finding(
        "PG_LOCK_BLOCKED",
        severity,
        f"{who} holds up {count(queue.length, 'session')}, "
        f"the longest for {duration(queue.longest)}{state}",
        subject=f"pid {head.pid}",
        evidence=(
            Evidence("longest wait", queue.longest, "s", settings.waited.first),
            Evidence("sessions held up", queue.length, limit=settings.waiters.first),
            Evidence("who holds", head.name),
            Evidence("its state", head.state or "hidden"),
            Evidence("its transaction", head.xact_s, "s"),
            Evidence("released by the best step", best.releases if best else None),
            Evidence("who may go on after those", best.more if best else None),
            *((Evidence("hold it too", len(queue.also)),) if queue.also else ()),
        ),
        likely=("a session of the primary holds ACCESS EXCLUSIVE, or its end is not replayed yet",)
        if recovers(look, head)
        else _causes(head),
        next=recovery_advice(look) if recovers(look, head) else _advice(queue),
        fact=queue.longest >= (settings.waited.first or 0),
        began=ago(look.summary.at, queue.longest or None),
        resolution=MEASURED,
    )


def _severity(queue: LockQueue, look: PostgresLocks, settings: Settings) -> Severity | None:
    if queue.patient:
        if queue.longest >= settings.patient:
            return Severity.WARNING
        return settings.waited.grade(queue.longest) and Severity.INFO
    grades = [settings.waited.grade(queue.longest)]
    if queue.longest >= settings.crowd_s:
        grades.append(settings.waiters.grade(queue.length))
        active = look.summary.active
        if active and queue.length >= 5 and queue.length >= settings.share_of_active * active:
            grades.append(Severity.CRITICAL)
    return max((grade for grade in grades if grade), default=None)


def _causes(head: LockNode) -> tuple[str, ...]:
    if head.committing:
        return ("a synchronous standby is gone or slow",)
    if head.idle_in_transaction:
        return (
            "the application waits for something else inside a transaction",
            "a connection that was taken and forgotten",
        )
    if head.state == "idle":
        return ("a session that keeps an advisory lock",)
    return ("a long statement or transaction that writes what others need",)


def _advice(queue: LockQueue) -> str:
    if queue.patient:
        return (
            "it holds nobody up: let it wait, or ask the owner of the old transaction; a build "
            "that is cancelled leaves an invalid index behind"
        )
    if queue.head.committing:
        return (
            "it has committed and waits for its synchronous standby: bring that back; a cancel "
            "tells its client success while no standby has the row"
        )
    if not queue.helps and queue.also and queue.at_head is not None:
        others = ", ".join(f"pid {pid}" for pid in queue.also[:3])
        return f"{others} holds the same: ending pid {queue.head.pid} alone releases nobody"
    if not queue.helps:
        return "look at the tree: nothing in it may be ended from here"
    verbs = {"cancel_backend": "cancel", "terminate_backend": "terminate"}
    return "; ".join(
        f"{verbs[each.call]} pid {each.pid} {promised(each.releases, each.more)}"
        for each in queue.helps[:2]
    )


def _prepared(queue: LockQueue, look: PostgresLocks) -> Finding:
    """Sessions wait behind a transaction that was prepared and never ended.

    It has no session that could be ended, outlives restarts, and keeps its locks until COMMIT
    PREPARED or ROLLBACK PREPARED. Only the transaction manager knows which of the two is right.
    """
    oldest = look.prepared[0] if look.prepared else None
    return Finding(
        "PG_LOCK_PREPARED",
        Severity.CRITICAL,
        f"a prepared transaction holds up {count(queue.length, 'session')}, "
        f"the longest for {duration(queue.longest)}",
        subject="prepared transaction",
        evidence=(
            Evidence("sessions held up", queue.length),
            Evidence("longest wait", queue.longest, "s"),
            Evidence("prepared for", oldest.age_s if oldest else None, "s"),
            Evidence("its id", oldest.gid if oldest else None),
            Evidence("its owner", oldest.owner if oldest else None),
        ),
        likely=("a transaction manager that died between its two phases",),
        next="only the owner of the transaction manager may choose commit or rollback",
        began=ago(look.summary.at, queue.longest or None),
        resolution=MEASURED,
    )


def _hot_row(queue: LockQueue) -> Finding:
    """Many sessions queue for one and the same row.

    They can only go one by one: a counter, a stock or a balance that every request writes. More
    connections make the queue longer. The session that holds the row is the only one that can be
    helped.
    """
    return Finding(
        "PG_LOCK_HOT_ROW",
        Severity.HIGH,
        f"{count(queue.hot, 'session')} queue for one row: {queue.hot_row}",
        subject=queue.hot_row.partition(" of ")[2],
        evidence=(Evidence("sessions that want it", queue.hot),),
        likely=("a counter or stock row that every request updates",),
        next="ending those who wait is pointless: help the one that holds it",
        fact=False,
    )


def _schema_changes(look: PostgresLocks) -> Iterator[Finding]:
    """A statement that wants a table for itself waits, and everybody else waits behind it.

    ALTER TABLE, DROP, TRUNCATE, VACUUM FULL and the like wait for every open reader of the table;
    from then on even plain reads queue behind them. Taking the change back frees everybody at once,
    which ending the old reader may not.
    """
    wanting = [node for node in look.nodes if node.wants_strong and node.blockers]
    tree = graph_of(look.nodes) if wanting else None
    for node in wanting:
        behind = tree.size.get(node.pid, 0) if tree else 0
        if not behind:
            continue
        yield Finding(
            "PG_LOCK_DDL_QUEUE",
            Severity.HIGH,
            f"pid {node.pid} ({node.name}) waits for {node.place}; "
            f"{count(behind, 'session')} queue behind it",
            subject=f"pid {node.pid}",
            evidence=(
                Evidence("queue behind it", behind),
                Evidence("it waits since", node.wait_s, "s"),
                Evidence("statement", str(node.query or "")),
            ),
            likely=("a change of the schema at the primary, and an old reader here",)
            if node.backend_type == STARTUP
            else ("a migration without lock_timeout behind an old reader",),
            next="who reads it here? recovery cancels them after max_standby_streaming_delay"
            if node.backend_type == STARTUP
            else "cancel it: those behind go on at once; run it again with lock_timeout",
            fact=False,
            began=ago(look.summary.at, node.wait_s),
            resolution=MEASURED,
        )


def _advisory(look: PostgresLocks, settings: Settings) -> Iterator[Finding]:
    """Sessions wait for a lock that the application invented.

    The server only keeps it: what it protects, the application's owners know. A session lock is
    kept until its session ends, also while that one is idle and in no transaction, so the holder
    may look harmless.
    """
    longest: dict[str, float] = {}
    waiting: dict[str, int] = {}
    for node in look.nodes:
        if node.locktype == "advisory" and node.blockers:
            longest[node.place] = max(longest.get(node.place, 0.0), node.wait_s or 0.0)
            waiting[node.place] = waiting.get(node.place, 0) + 1
    for place, seconds in longest.items():
        if seconds >= (settings.waited.warning or 0):
            yield Finding(
                "PG_LOCK_ADVISORY",
                Severity.WARNING,
                f"{count(waiting[place], 'session')} wait for the application's own lock {place}",
                subject=place,
                evidence=(
                    Evidence("longest wait", seconds, "s", settings.waited.first),
                    Evidence("waiting", waiting[place]),
                ),
                likely=("a holder that is plain idle: its lock outlives its transaction",),
                next="the number is the application's key; ask who takes it",
                began=ago(look.summary.at, seconds or None),
                resolution=MEASURED,
            )


def facts(look: PostgresLocks, _: Settings) -> Iterator[Fact]:
    """Waiters first, then the longest wait."""
    waiters = look.summary.waiters
    yield Fact("lock waiters", f"{waiters} waiting" if waiters else "none", waiters)
    longest = max((queue.longest for queue in look.queues), default=0.0)
    if look.queues:
        yield Fact("longest wait", duration(longest), longest, "s")
        yield Fact("queues", str(len(look.queues)), len(look.queues))


def tables(look: PostgresLocks, settings: Settings) -> Iterator[Table]:
    """The tree of waiting."""
    yield lock_table(look, settings.waited)


PROBE = Probe(
    id="postgres.locks",
    kind="postgres",
    collect=collect,
    diagnose=diagnose,
    snapshot=PostgresLocks,
    settings=Settings(),
    every=5,
    timeout=8,
    facts=facts,
    tables=tables,
    beside=beside,
    again=lambda look, settings: until_told(
        (queue.longest for queue in look.queues), settings.waited.first
    ),
    needs=("GRANT pg_monitor",),
    codes=codes(
        cause=(
            "PG_LOCK_BLOCKED",
            "PG_LOCK_DDL_QUEUE",
            "PG_LOCK_HOT_ROW",
            "PG_LOCK_PREPARED",
            "PG_LOCK_ADVISORY",
        ),
        eye=("PG_OBS_BLIND",),
        traits={Trait.HELD: ("PG_LOCK_BLOCKED", "PG_LOCK_HOT_ROW")},
    ),
)
