"""Who waits for whom in MySQL and MariaDB: rows, metadata locks, global locks.

Source: catalogue of findings 3.4 and 3.5. The lock tables can be slow on a drowning server: they
are read only when somebody waits. Needs: PROCESS, and for named metadata locks SELECT on
performance_schema with the instrument wait/lock/metadata/sql/mdl, or MariaDB's plugin
metadata_lock_info; else there are candidates only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from cockpit.errors import BlindError, Reason
from cockpit.text import visible
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.units import count, duration
from probes.began import MEASURED, ago, dated
from probes.early import until_told
from probes.lock_graph import promised
from probes.mysql.locks_model import (
    FLUSH,
    GLOBAL,
    LockedThread,
    MysqlLocks,
    RowWait,
    ThreadQueue,
    assemble,
    queues_of,
)
from probes.mysql.locks_view import tables
from probes.mysql.locks_whole import Orphans, holders, read_orphans
from probes.mysql.metadata import MDL, MetadataLock
from probes.mysql.model import (
    MysqlReads,
    MysqlServer,
    Thread,
    read_server,
)
from probes.mysql.status import read_status
from probes.mysql.threads import read_threads
from probes.statement import statement

_CAP = 2
"""Seconds for the lock tables."""
_MOST_PAIRS = 5000
"""Pairs that the statements read: a hundred waiters for one row, each waits for all before it."""
_SPARED = 60.0
"""Seconds for which the lock tables are left alone after they took too long."""
_NAMED = 3
"""Candidates that a finding names."""
_TELLS = {
    True: "INSTALL SONAME 'metadata_lock_info'; "
    "SELECT * FROM information_schema.metadata_lock_info",
    False: "GRANT SELECT ON performance_schema.*, with its instrument wait/lock/metadata/sql/mdl",
}
"""Whether it is MariaDB → what makes the server tell who holds metadata locks."""

PAIRS_OLD = statement("mysql", "locks_pairs_57.sql")
"""MariaDB and MySQL 5.7. Those who wait for a head first: when it is cut, no head is missing."""
PAIRS_NEW = statement("mysql", "locks_pairs_80.sql")
"""MySQL 8.0 and later."""
HELD = statement("mysql", "locks_held_80.sql")
HELD_BY_PLUGIN = statement("mysql", "locks_held_mariadb.sql")
_MOST_HELD = 2000
"""Metadata locks that the statements read. Of more the holder may be the one that is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Thresholds in seconds and sessions."""

    row_wait: Thresholds = Thresholds(warning=5, high=20)
    metadata_wait: Thresholds = Thresholds(high=5)
    waiters: Thresholds = Thresholds(high=5, critical=20)
    metadata_waiters: Thresholds = Thresholds(critical=10)
    crowd_s: float = 1.5
    """Seconds of the longest wait from which on the number of those that wait counts."""


async def collect(mysql: MysqlReads, target: Target) -> MysqlLocks:
    """Read the sessions; the lock tables only when somebody waits."""
    server = await read_server(mysql)
    status = await read_status(mysql)
    threads = await read_threads(mysql, server, status)
    if threads is None:
        return MysqlLocks(server=server, sees_all=False, row_waits=status.row_lock_waits)
    waits = bool(status.row_lock_waits) or any(thread.wait_s is not None for thread in threads)
    pairs = await _within_reason(mysql, server) if waits else []
    held = await _held(mysql, server) if any(thread.state == MDL for thread in threads) else []
    cut = len(pairs or ()) >= _MOST_PAIRS
    orphans = await read_orphans(mysql) if any(not pair.blocker for pair in pairs or ()) else None
    stuck = any(thread.state in GLOBAL and thread.state != FLUSH for thread in threads)
    whole = await holders(mysql, server) if stuck else ()
    nodes = assemble(threads, pairs or [], held, whole=whole, cut=cut)
    return MysqlLocks(
        server=server,
        sees_all=True,
        row_waits=status.row_lock_waits,
        queues=queues_of(nodes),
        nodes=nodes,
        late=pairs is None,
        cut=cut,
        held_told=bool(held),
        orphans=orphans,
    )


async def _within_reason(mysql: MysqlReads, server: MysqlServer) -> list[RowWait] | None:
    """Who waits for whom; None when it took too long, and then not again for a minute."""
    if mysql.pace.spared("locks"):
        return None
    try:
        return await _pairs(mysql, server)
    except BlindError as error:
        if error.reason is not Reason.TIMEOUT or error.code:
            raise
        mysql.pace.spare("locks", _SPARED)
        return None


async def _pairs(mysql: MysqlReads, server: MysqlServer) -> list[RowWait]:
    ways = (PAIRS_OLD,) if server.mariadb else (PAIRS_NEW, PAIRS_OLD)
    for way in ways[:-1]:
        try:
            return await mysql.rows_within(_CAP, way, into=RowWait)
        except BlindError as error:
            if error.reason is not Reason.UNSUPPORTED:
                raise
    return await mysql.rows_within(_CAP, ways[-1], into=RowWait)


async def _held(mysql: MysqlReads, server: MysqlServer) -> list[MetadataLock]:
    """Who has the metadata that others wait for; empty where the server does not tell us."""
    for way in (HELD, HELD_BY_PLUGIN) if server.mariadb else (HELD,):
        try:
            held = await mysql.rows_within(_CAP, way, into=MetadataLock)
        except BlindError as error:
            if error.reason not in {Reason.UNSUPPORTED, Reason.DENIED}:
                raise
            continue
        if held:  # performance_schema is empty where it is off
            return held if len(held) < _MOST_HELD else []
    return []


def diagnose(look: MysqlLocks, settings: Settings) -> Iterator[Finding]:
    """Report each queue once, at its head, since only the head can be helped.

    MY_OBS_BLIND: The account may not see who waits for whom, so no queue is found.

    MY_OBS_SLOW: The tables of locks did not answer in time and are left alone for a minute, or they
    hold too many waits to show all. The heads that are shown are right.
    """
    if not look.sees_all:
        seen = f": {look.row_waits} sessions wait for a row" if look.row_waits else ""
        yield Finding(
            "MY_OBS_BLIND",
            Severity.INFO,
            f"{visible(look.server.role, 60)} may not see who waits for whom{seen}",
            evidence=(Evidence("sessions waiting for a row", look.row_waits),),
            likely=("the account was made without PROCESS",),
            next=look.server.grant,
        )
    if look.late:
        yield Finding(
            "MY_OBS_SLOW",
            Severity.WARNING,
            f"the lock tables did not answer within 2 s and are left alone for a minute; "
            f"{look.row_waits} sessions wait for a row",
            subject="locks",
            evidence=(Evidence("sessions waiting for a row", look.row_waits),),
            likely=("thousands of locks: one statement holds or wants very many rows",),
            next="the sessions with the oldest transactions are the suspects",
        )
    if look.cut:
        yield Finding(
            "MY_OBS_SLOW",
            Severity.WARNING,
            f"more than {_MOST_PAIRS:,} waits of one session for another: the tree is not whole",
            subject="locks",
            evidence=(Evidence("sessions waiting for a row", look.row_waits),),
            likely=("a crowd wants one row",),
            next="the heads are right, the sessions behind them more than are shown",
        )
    for queue in look.queues:
        began = ago(look.server.at, queue.longest or None)
        yield from dated(_of_queue(queue, look, settings), began, MEASURED)


def _of_queue(queue: ThreadQueue, look: MysqlLocks, settings: Settings) -> Iterator[Finding]:
    match queue.kind:
        case "metadata":
            yield from _metadata(queue, look, settings)
        case "global":
            yield _global(queue, look.server)
        case _ if not queue.head.id:
            yield from _orphan(queue, look.orphans, settings)
        case _:
            yield from _row(queue, settings)


def _row(queue: ThreadQueue, settings: Settings) -> Iterator[Finding]:
    """Sessions wait for rows that another session's transaction holds.

    Judged by the longest wait and by how many wait, once for each queue and at its head: those in
    the middle wait themselves. A head that sleeps holds its locks until its transaction ends; KILL
    QUERY does nothing to it. Those who wait fail with 1205 after `innodb_lock_wait_timeout`, 50 s
    by default.
    """
    severity = _severity(queue, settings.row_wait, settings.waiters, settings)
    if severity is None:
        return
    yield Finding(
        "MY_LOCK_ROW",
        severity,
        f"thread {queue.head.id} holds up {count(queue.length, 'session')} at "
        f"{visible(queue.place, 60)}, the longest for {duration(queue.longest)}",
        subject=f"thread {queue.head.id}",
        evidence=_evidence(queue, settings.row_wait.first),
        likely=_causes(queue.head),
        next=_advice(queue),
        fact=queue.longest >= (settings.row_wait.first or 0),
    )


def _orphan(queue: ThreadQueue, orphans: Orphans | None, settings: Settings) -> Iterator[Finding]:
    """Sessions wait for rows of a transaction that no session has: there is nobody to kill.

    Its client ran XA PREPARE and went away: the transaction is promised, and keeps its locks over
    restarts until somebody who knows what its other half became ends it with XA COMMIT or XA
    ROLLBACK. After a crash it may also be one that the server rolls back by itself.
    """
    if _severity(queue, settings.row_wait, settings.waiters, settings) is None:
        return
    undone = orphans is not None and orphans.rolling_back == orphans.transactions
    yield Finding(
        "MY_LOCK_XA",
        Severity.HIGH if undone else Severity.CRITICAL,
        f"{count(queue.length, 'session')} held up at {visible(queue.place, 60)} by a transaction "
        f"without a session, the longest for {duration(queue.longest)}: KILL cannot help",
        subject="transaction without a session",
        evidence=(
            Evidence("longest wait", queue.longest, "s", settings.row_wait.first),
            Evidence("sessions held up", queue.length),
            Evidence("transactions without a session", orphans.transactions if orphans else None),
            Evidence("that roll back", orphans.rolling_back if orphans else None),
            Evidence("open for", orphans.open_s if orphans else None, "s"),
            Evidence("rows it modified", orphans.modified if orphans else None),
        ),
        likely=("the server rolls back what a crash left",)
        if undone
        else ("prepared by XA PREPARE, and its client or transaction manager is gone",),
        next="wait: it ends by itself; a restart would begin it anew"
        if undone
        else "XA RECOVER names it (MySQL: XA_RECOVER_ADMIN); whoever owns the transaction manager "
        "decides: XA COMMIT when its other half is committed, else XA ROLLBACK",
    )


def _severity(
    queue: ThreadQueue, wait: Thresholds, waiters: Thresholds, settings: Settings
) -> Severity | None:
    """By the longest wait; by how many wait as soon as the longest is no passing one."""
    crowd = waiters.grade(queue.length) if queue.longest >= settings.crowd_s else None
    grades = (wait.grade(queue.longest), crowd)
    return max((grade for grade in grades if grade), default=None)


def _metadata(queue: ThreadQueue, look: MysqlLocks, settings: Settings) -> Iterator[Finding]:
    """Sessions wait for a table's definition: a schema change and a transaction stand in each
    other's way.

    The change waits for every open transaction that touched the table, and everybody who comes
    later queues behind the change, reads too: the table is as good as down. End what holds the
    lock, or take the change back; `lock_wait_timeout` is a year (in MariaDB a day) by default.
    Where neither performance_schema nor MariaDB's plugin names the holder, only candidates are
    shown and nothing is offered.
    """
    severity = _severity(queue, settings.metadata_wait, settings.metadata_waiters, settings)
    if severity is None:
        return
    who = f"a schema change (thread {queue.change})" if queue.change else "a session"
    where = visible(queue.place, 80)
    many, longest = count(queue.length, "session"), duration(queue.longest)
    found = Finding(
        "MY_LOCK_MDL",
        severity,
        f"{who} waits for {where} behind thread {queue.head.id}; {many} held up, the longest for "
        f"{longest}",
        subject=f"thread {queue.head.id}",
        evidence=(
            *_evidence(queue, settings.metadata_wait.first),
            Evidence("confidence", "seen"),
        ),
        likely=("a schema change without lock_wait_timeout behind an open transaction",),
        next=_advice(queue),
        fact=queue.longest >= (settings.metadata_wait.first or 0),
    )
    if queue.inferred:
        told = f"a metadata lock holds up {many}, the longest for {longest}; its holder is not told"
        found = _unseen(replace(found, summary=told), queue, look)
    yield found


def _unseen(found: Finding, queue: ThreadQueue, look: MysqlLocks) -> Finding:
    """Who holds the lock is not told: candidates, and how to see it before anybody is ended."""
    changes = [node for node in look.nodes if node.id == queue.change]
    likely = (
        "a schema change without lock_wait_timeout behind an open transaction"
        if changes
        else "a session that has the table for itself: LOCK TABLES … WRITE, or a schema change "
        "that runs; an open transaction that only reads holds up no read"
    )
    return replace(
        found,
        subject="metadata lock",
        evidence=(
            *found.evidence[:2],
            *(Evidence("a schema change waits", f"thread {n.id}, {n.name}") for n in changes[:1]),
            *_suspected(queue),
        ),
        likely=(likely,),
        against=() if changes else _innocent(queue),
        next=f"see who holds it before anybody is ended: "
        f"{_TELLS[look.server.mariadb and not look.held_told]}",
    )


def _innocent(queue: ThreadQueue) -> tuple[str, ...]:
    """What speaks against those who are candidates by their age alone."""
    open_ = [each for each in queue.candidates if not each.is_schema_change]
    if not open_:
        return ()
    return (
        "no schema change waits here, and an open transaction shares its tables with reads and "
        "writes: of the candidates only one with LOCK TABLES can be in the way",
    )


def _global(queue: ThreadQueue, server: MysqlServer) -> Finding:
    """A lock over the whole server, or a flush, holds everybody up.

    FLUSH TABLES WITH READ LOCK, and MariaDB's BACKUP STAGE, stop every write until their session
    ends. Who has the lock is told by performance_schema or MariaDB's plugin metadata_lock_info;
    else those whose last command is older than the first wait are candidates. FLUSH TABLES and
    ANALYZE TABLE wait for old statements, and new ones then wait behind them.
    """
    likely: tuple[str, ...] = ("FLUSH TABLES WITH READ LOCK or BACKUP STAGE of a backup",)
    advice = "find the backup's session; ending it spoils the backup. It is seen with: "
    advice += _TELLS[server.mariadb]
    behind = ""
    if queue.head.id:
        behind = f", behind thread {queue.head.id} ({queue.head.name})"
        advice = f"ask the owner of thread {queue.head.id}: ending it spoils the backup"
    if queue.place == FLUSH:
        likely = ("FLUSH TABLES or ANALYZE TABLE behind a long statement",)
        advice = (
            "a statement that ran before them is in the way, most often the oldest: ask its owner; "
            "all go on when it ends"
        )
    return Finding(
        "MY_LOCK_GLOBAL",
        Severity.CRITICAL,
        f"{count(queue.length, 'session')}: {visible(queue.place, 60)}{behind}",
        subject="table flush" if queue.place == FLUSH else "global lock",
        evidence=(
            Evidence("sessions held up", queue.length),
            Evidence("longest wait", queue.longest, "s"),
            *_holds(queue.head),
            *_suspected(queue),
        ),
        likely=likely,
        next=advice,
        fact=False,
    )


def _holds(head: LockedThread) -> tuple[Evidence, ...]:
    if not head.id:
        return ()
    what = f"{head.shown_state} for {duration(max(0, head.secs or 0))}"
    return (Evidence("has it", f"thread {head.id}, {head.name}, {what}"),)


def _suspected(queue: ThreadQueue) -> tuple[Evidence, ...]:
    """Who may be in the way; nothing where there is nobody to name."""
    if not queue.candidates:
        return ()
    named = tuple(
        Evidence("candidate", f"thread {each.id}, {each.name}, {_age(each, queue)}")
        for each in queue.candidates[:_NAMED]
    )
    many = Evidence("candidates", len(queue.candidates))
    return (many, *named, Evidence("confidence", "inferred from ages"))


def _age(node: LockedThread, queue: ThreadQueue) -> str:
    if queue.place == FLUSH:
        return f"runs its statement for {duration(node.secs or 0)}"
    if queue.kind == "global":
        return f"{node.shown_state} for {duration(max(0, node.secs or 0))}"
    waits = ", waits itself" if node.blockers else ""
    return f"{node.shown_state} for {duration(max(0, node.trx_s or 0))}{waits}"


def _evidence(queue: ThreadQueue, limit: float | None) -> tuple[Evidence, ...]:
    return (
        Evidence("longest wait", queue.longest, "s", limit),
        Evidence("sessions held up", queue.length),
        Evidence("who holds", queue.head.name),
        Evidence("its state", queue.head.shown_state),
        Evidence("its transaction", queue.head.trx_s, "s"),
        Evidence("rows it modified", queue.head.rows_modified),
        Evidence("released by the best step", queue.best.releases if queue.best else None),
        Evidence("who may go on after those", queue.best.more if queue.best else None),
    )


def _causes(head: Thread) -> tuple[str, ...]:
    if head.sleeping_transaction:
        return (
            "the application waits for something else inside a transaction",
            "a connection that was taken and forgotten",
        )
    return ("a long statement or transaction that writes what others need",)


def _advice(queue: ThreadQueue) -> str:
    if queue.head.commits:
        return "its commit waits to be told done and cannot be taken back: what holds commits up?"
    if not queue.helps:
        return "look at the tree: no single session may be ended that would free another"
    verbs = {"kill_query": "cancel", "kill_connection": "kill"}
    return "; ".join(
        f"{verbs[each.call]} thread {each.id} {promised(each.releases, each.more)}"
        for each in queue.helps[:2]
    )


def facts(look: MysqlLocks, _: Settings) -> Iterator[Fact]:
    """Waiters first, then the longest wait."""
    waiting = sum(queue.length for queue in look.queues)
    if look.sees_all:
        yield Fact("lock waiters", f"{waiting} waiting" if waiting else "none", waiting)
    else:
        yield Fact("lock waiters", "unknown", None)
    if look.queues:
        longest = max(queue.longest for queue in look.queues)
        yield Fact("longest wait", duration(longest), longest, "s")


def again(look: MysqlLocks, settings: Settings) -> float | None:
    """When the first queue becomes one that is told; soon, where that needs a second look."""
    limits = {"metadata": settings.metadata_wait.first, "global": settings.metadata_wait.first}
    soon = (
        until_told(
            (queue.longest,),
            limits.get(queue.kind, settings.row_wait.first),
            whole=True,
            twice=queue.kind == "global",
        )
        for queue in look.queues
    )
    return min((each for each in soon if each is not None), default=None)


PROBE = Probe(
    id="mysql.locks",
    kind="mysql",
    collect=collect,
    diagnose=diagnose,
    snapshot=MysqlLocks,
    settings=Settings(),
    every=5,
    timeout=9,
    facts=facts,
    tables=tables,
    again=again,
    lacks=lambda look: "" if look.sees_all else f"PROCESS was taken: {look.server.grant}",
    needs=("GRANT PROCESS", "GRANT SELECT ON performance_schema.* (MySQL)"),
    codes=codes(
        cause=("MY_LOCK_ROW", "MY_LOCK_MDL", "MY_LOCK_GLOBAL", "MY_LOCK_XA"),
        eye=("MY_OBS_BLIND", "MY_OBS_SLOW"),
        traits={Trait.HELD: ("MY_LOCK_ROW",)},
    ),
)
