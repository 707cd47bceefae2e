"""Who waits for whom in MySQL and MariaDB: rows, metadata locks, global locks.

Source: catalogue of findings 3.4 and 3.5. The lock tables can be slow on a drowning server: they
are read only when somebody waits. Needs: PROCESS, and for named metadata locks SELECT on
performance_schema with the instrument wait/lock/metadata/sql/mdl; else there are candidates only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from cockpit.errors import BlindError, Reason
from cockpit.text import visible
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.triage.view import Offer, Row, Table
from cockpit.units import count, duration
from probes.lock_graph import WaitGraph
from probes.mysql.locks_model import (
    FLUSH,
    GLOBAL,
    MDL,
    Held,
    LockedThread,
    MysqlLocks,
    RowWait,
    ThreadQueue,
    assemble,
    graph_of,
    helps,
    is_head,
    queues_of,
)
from probes.mysql.model import (
    MysqlReads,
    MysqlServer,
    Thread,
    kill,
    kill_query,
    offers,
    read_server,
    rolls_back,
)
from probes.mysql.status import read_status
from probes.mysql.threads import COLUMNS, read_threads
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Thresholds in seconds and sessions."""

    row_wait: Thresholds = Thresholds(warning=5, high=20)
    metadata_wait: Thresholds = Thresholds(high=5)
    waiters: Thresholds = Thresholds(high=5, critical=20)
    metadata_waiters: Thresholds = Thresholds(critical=10)


async def collect(mysql: MysqlReads, target: Target) -> MysqlLocks:
    """Read the sessions; the lock tables only when somebody waits."""
    server = await read_server(mysql)
    status = await read_status(mysql)
    threads = await read_threads(mysql, server, status)
    if threads is None:
        return MysqlLocks(server=server, sees_all=False, row_waits=status.row_lock_waits)
    waits = bool(status.row_lock_waits) or any(thread.wait_s is not None for thread in threads)
    pairs = await _within_reason(mysql, server) if waits else []
    held = await _held(mysql) if any(thread.state == MDL for thread in threads) else []
    nodes = assemble(threads, pairs or [], held)
    return MysqlLocks(
        server=server,
        sees_all=True,
        row_waits=status.row_lock_waits,
        queues=queues_of(nodes),
        nodes=nodes,
        late=pairs is None,
        cut=len(pairs or ()) >= _MOST_PAIRS,
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


async def _held(mysql: MysqlReads) -> list[Held]:
    """Who holds the metadata that others wait for; empty where the server does not tell us."""
    try:
        return await mysql.rows(HELD, into=Held)
    except BlindError as error:
        if error.reason not in {Reason.UNSUPPORTED, Reason.DENIED}:
            raise
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
        match queue.kind:
            case "metadata":
                yield from _metadata(queue, look, settings)
            case "global":
                yield _global(queue)
            case _:
                yield from _row(queue, settings)


def _row(queue: ThreadQueue, settings: Settings) -> Iterator[Finding]:
    """Sessions wait for rows that another session's transaction holds.

    Judged by the longest wait and by how many wait, once for each queue and at its head: those in
    the middle wait themselves. A head that sleeps holds its locks until its transaction ends; KILL
    QUERY does nothing to it. Those who wait fail with 1205 after `innodb_lock_wait_timeout`, 50 s
    by default.
    """
    waited = settings.row_wait.grade(queue.longest)
    if waited is None:
        return
    crowd = settings.waiters.grade(queue.length)
    yield Finding(
        "MY_LOCK_ROW",
        max(waited, crowd) if crowd else waited,
        f"thread {queue.head.id} holds up {count(queue.length, 'session')} at "
        f"{visible(queue.place, 60)}, the longest for {duration(queue.longest)}",
        subject=f"thread {queue.head.id}",
        evidence=_evidence(queue, settings.row_wait.first),
        likely=_causes(queue.head),
        next=_advice(queue),
    )


def _metadata(queue: ThreadQueue, look: MysqlLocks, settings: Settings) -> Iterator[Finding]:
    """Sessions wait for a table's definition: a schema change and a transaction stand in each
    other's way.

    The change waits for every open transaction that touched the table, and everybody who comes
    later queues behind the change, reads too: the table is as good as down. End what holds the
    lock, or take the change back; `lock_wait_timeout` is a year (in MariaDB a day) by default.
    Where performance_schema does not name the holder, only a suspect is shown and nothing is
    offered.
    """
    waited = settings.metadata_wait.grade(queue.longest)
    if waited is None:
        return
    crowd = settings.metadata_waiters.grade(queue.length)
    change = next((n for n in look.nodes if n.kind == "metadata" and n.is_schema_change), None)
    who = f"a schema change (thread {change.id})" if change else "a metadata lock"
    many, longest = count(queue.length, "session"), duration(queue.longest)
    found = Finding(
        "MY_LOCK_MDL",
        max(waited, crowd) if crowd else waited,
        f"{who} waits behind thread {queue.head.id}; {many} held up, the longest for {longest}",
        subject=f"thread {queue.head.id}",
        evidence=(
            *_evidence(queue, settings.metadata_wait.first),
            Evidence("confidence", "seen"),
        ),
        likely=("a schema change without lock_wait_timeout behind an open transaction",),
        next=_advice(queue),
    )
    if queue.inferred:
        told = f"a metadata lock holds up {many}, the longest for {longest}; its holder is not told"
        found = _unseen(replace(found, summary=told), queue, look)
    yield found


def _unseen(found: Finding, queue: ThreadQueue, look: MysqlLocks) -> Finding:
    """Who holds the lock is not told: candidates, and how to see it before anybody is ended."""
    changes = [n for n in look.nodes if n.kind == "metadata" and n.inferred and n.is_schema_change]
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
        next=f"see who holds it before anybody is ended: {_TELLS[look.server.mariadb]}",
    )


def _global(queue: ThreadQueue) -> Finding:
    """A lock over the whole server, or a flush, holds everybody up.

    FLUSH TABLES WITH READ LOCK stops every write until its session ends. FLUSH TABLES and ANALYZE
    TABLE wait for old statements, and new ones then wait behind them.
    """
    likely: tuple[str, ...] = ("FLUSH TABLES WITH READ LOCK of a backup",)
    advice = "find the backup's session; ending it spoils the backup"
    if queue.place == FLUSH:
        likely = ("FLUSH TABLES or ANALYZE TABLE behind a long statement",)
        advice = (
            "a statement that ran before them is in the way, most often the oldest: ask its owner; "
            "all go on when it ends"
        )
    return Finding(
        "MY_LOCK_GLOBAL",
        Severity.CRITICAL,
        f"{count(queue.length, 'session')}: {visible(queue.place, 60)}",
        subject="table flush" if queue.place == FLUSH else "global lock",
        evidence=(
            Evidence("sessions held up", queue.length),
            Evidence("longest wait", queue.longest, "s"),
            *_suspected(queue),
        ),
        likely=likely,
        next=advice,
        fact=False,
    )


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
    )


def _causes(head: Thread) -> tuple[str, ...]:
    if head.sleeping_transaction:
        return (
            "the application waits for something else inside a transaction",
            "a connection that was taken and forgotten",
        )
    return ("a long statement or transaction that writes what others need",)


def _advice(queue: ThreadQueue) -> str:
    if not queue.helps:
        return "look at the tree: no single session may be ended that would free another"
    verbs = {"kill_query": "cancel", "kill_connection": "kill"}
    return "; ".join(
        f"{verbs[each.call]} thread {each.id} releases {count(each.releases, 'session')}"
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


def tables(look: MysqlLocks, settings: Settings) -> Iterator[Table]:
    """The tree of waiting."""
    known = {node.id: node for node in look.nodes}
    tree = graph_of(look.nodes)
    rows: list[Row] = []
    best: list[Offer] = []
    notes: list[str] = []
    for head in tree.heads:
        rows += _branch(head, tree, known)
        for each in helps(head, tree, known) if is_head(head, tree, known) else ():
            node = known[each.id]
            if each.call == "kill_query":
                again = "run the schema change again with lock_wait_timeout"
                effect = again if node.is_schema_change else ""
                best.append(kill_query(node, releases=each.releases, effect=effect))
            else:
                best.append(kill(node, releases=each.releases, effect=rolls_back(node)))
        if known[head].sleeping_transaction:
            notes.append(f"KILL QUERY on {head} would do nothing: it runs no statement")
    shown = {row.key for row in rows}
    rows += [_line(n, 0, 0) for n in look.nodes if _stands_alone(n) and n.key not in shown]
    best.sort(key=lambda offer: (offer.risk != "low", -offer.releases))
    if rows:
        notes.append("then verify: lock waits = 0 within 60s")
    if any(node.inferred for node in look.nodes):
        notes.append("who is in the way of some is not told: candidates are not offered")
    if not look.sees_all:
        notes.append(f"other sessions are hidden: {look.server.grant}")
    yield Table(
        title="Who waits for whom",
        columns=COLUMNS,
        rows=tuple(rows),
        note=tuple(notes),
        best=tuple(best[:4]),
    )


def _stands_alone(node: LockedThread) -> bool:
    """Waits for nobody known, or is a candidate: it hangs under no head."""
    return not node.blockers and (node.inferred or node.state in GLOBAL or bool(node.may_hold))


def _branch(head: int, tree: WaitGraph, known: dict[int, LockedThread]) -> list[Row]:
    rows: list[Row] = []
    stack = [(head, 0)]
    while stack:
        id_, depth = stack.pop()
        waiting = tree.size.get(id_, 0)
        frees = waiting if depth else tree.released(id_)
        rows.append(_line(known[id_], depth, waiting, frees=frees))
        stack += [(child, depth + 1) for child in reversed(tree.children.get(id_, ()))]
    return rows


def _line(node: LockedThread, depth: int, waiting: int, *, frees: int = 0) -> Row:
    """`waiting`: how many wait under it; `frees`: how many of them go on when it alone ends.

    Who waits for nobody known and who is a mere candidate are not offered to be ended: it would
    free nobody for sure. The list of sessions has them all, for who knows better.
    """
    waits = bool(node.blockers) or node.inferred
    unsure = node.inferred or (bool(node.may_hold) and not frees)
    severity = Severity.HIGH if depth == 0 and waiting else None
    if depth and node.is_schema_change:
        severity = Severity.WARNING
    return Row(
        key=node.key,
        cells=(
            str(node.id),
            node.name,
            node.shown_state,
            visible(node.place, 60) or ("candidate" if node.may_hold else ""),
            "" if node.wait_s is None or not waits else duration(max(0, node.wait_s)),
            "" if node.trx_s is None else duration(max(0, node.trx_s)),
            str(node.query or ""),
        ),
        depth=depth,
        severity=severity,
        secret=node.query,
        offers=() if unsure else offers(node, releases=frees),
        sort=(node.id, node.name, node.command, node.place, node.wait_s, node.trx_s, None),
    )


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
    needs=("GRANT PROCESS",),
    codes=(
        "MY_LOCK_ROW",
        "MY_LOCK_MDL",
        "MY_LOCK_GLOBAL",
        "MY_OBS_BLIND",
        "MY_OBS_SLOW",
    ),
)
