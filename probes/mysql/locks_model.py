"""What a look at MySQL's locks gives: rows, metadata and global locks as queues behind heads.

Row-lock waits come from the engine's own tables, metadata locks from performance_schema where it is
instrumented, else from MariaDB's plugin (`metadata.py`). Without those, and for a table flush, the
server does not tell who is in the way: who is older than the wait is a candidate and no blocker,
since most of them hold something else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from cockpit.triage.view import Proof
from probes.lock_graph import WaitGraph, graph, proof
from probes.mysql.locks_whole import Orphans, nearest_older
from probes.mysql.metadata import MDL, MetadataLock, metadata_waits, place_name
from probes.mysql.model import MysqlServer, Thread

FLUSH = "Waiting for table flush"
GLOBAL = (
    "Waiting for global read lock",
    "Waiting for backup lock",
    FLUSH,
    "Waiting for commit lock",
)
WHOLE = "whole server"
"""For whom a candidate may have a lock over the whole server."""
_CANDIDATES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RowWait:
    """One session waits for another."""

    waiter: int
    blocker: int
    wait_s: int | None = None
    lock_table: str | None = None
    lock_index: str | None = None
    lock_mode: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedThread(Thread):
    """A session that waits or is waited for."""

    kind: str = ""
    """`row`, `metadata`, `global`; empty: it waits for nobody."""
    blockers: tuple[int, ...] = ()
    place: str = ""
    inferred: bool = False
    """Whom it waits for is not told: there are candidates only, and it has no blockers."""
    sure: bool = True
    """False: for whom it waits is likely, and it may wait for somebody else besides."""
    may_hold: tuple[str, ...] = ()
    """States (`MDL`, `FLUSH`) or `WHOLE`, of those for whom it is a candidate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadToEnd:
    """Whom it helps to end: `call` a named statement."""

    id: int
    user: str
    host: str
    call: str
    releases: int
    """Who goes on at once: those that wait for this session and for nobody else."""
    more: int = 0
    """Who may go on then: each when those before it end their transactions; or, after the end of a
    statement alone, when it was the whole transaction, which the server does not tell.
    """

    @property
    def reach(self) -> int:
        """All that may go on."""
        return self.releases + self.more


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadQueue:
    """Everyone who waits behind one head. Head 0: nobody is seen to be in the way.

    `inferred`: there are `candidates` only, the most likely first. They are never offered to be
    ended, and nobody is promised to go on: that would end a session that holds up nobody.
    """

    head: LockedThread
    kind: str
    length: int
    longest: float
    place: str = ""
    change: int | None = None
    """The schema change that waits in it."""
    inferred: bool = False
    candidates: tuple[LockedThread, ...] = ()
    helps: tuple[ThreadToEnd, ...] = ()
    best: ThreadToEnd | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MysqlLocks:
    """One look. `sees_all` False: somebody may wait whom the role cannot see."""

    server: MysqlServer
    sees_all: bool
    row_waits: int | None = None
    """Sessions that wait for a row, by the server's own count."""
    queues: tuple[ThreadQueue, ...] = ()
    nodes: tuple[LockedThread, ...] = ()
    late: bool = False
    """The lock tables did not answer in time: the pairs are missing."""
    cut: bool = False
    """There are more pairs than were read."""
    held_told: bool = False
    """The server told who has metadata locks."""
    orphans: Orphans | None = None
    """Transactions without a session, when somebody waits for one."""


def assemble(
    threads: Iterable[Thread],
    pairs: Sequence[RowWait],
    held: Sequence[MetadataLock],
    *,
    whole: Sequence[int] = (),
    cut: bool = False,
) -> tuple[LockedThread, ...]:
    """Those who wait or are waited for, with whom they wait for. `whole`: who has the whole server,
    where that is told; `cut`: of the pairs for rows some are missing, so that nobody is sure to
    wait for one session alone.
    """
    known = {thread.id: thread for thread in threads}
    nodes: dict[int, LockedThread] = {}
    for pair in pairs:
        _join(nodes, known, pair, sure=not cut)
    _metadata(nodes, known, held)
    _globals(nodes, known, whole)
    _flushes(nodes, known)
    waited_for = {other for node in nodes.values() for other in node.blockers}
    for id_ in waited_for - nodes.keys():
        nodes[id_] = _node(known.get(id_, Thread(id=id_)))
    return tuple(nodes.values())


def _join(
    nodes: dict[int, LockedThread], known: dict[int, Thread], pair: RowWait, *, sure: bool
) -> None:
    before = nodes.get(pair.waiter)
    if before is not None:
        nodes[pair.waiter] = replace(before, blockers=(*before.blockers, pair.blocker))
        return
    thread = known.get(pair.waiter, Thread(id=pair.waiter))
    place = (pair.lock_table or "").replace("`", "")
    if pair.lock_index:
        place = f"{place} {pair.lock_index}"
    waited = pair.wait_s if pair.wait_s is not None else thread.wait_s
    nodes[pair.waiter] = _node(
        replace(thread, wait_s=waited), kind="row", blockers=(pair.blocker,), place=place, sure=sure
    )


def _metadata(
    nodes: dict[int, LockedThread], known: dict[int, Thread], held: Sequence[MetadataLock]
) -> None:
    """Each waiter at its own table, behind those who are in its way there."""
    waiting = [thread for thread in known.values() if thread.state == MDL]
    waiting.sort(key=lambda thread: -(thread.secs or 0))
    told = {wait.thread.id: wait for wait in metadata_waits(waiting, held)}
    for thread in waiting:
        wait = told.get(thread.id)
        nodes[thread.id] = _node(
            replace(thread, wait_s=thread.secs),
            kind="metadata",
            blockers=wait.blockers if wait else (),
            place=place_name(wait.place) if wait else "metadata of table",
            inferred=wait is None,
            sure=wait is None or wait.sure,
        )
    unseen = [thread for thread in waiting if thread.id not in told]
    if unseen:
        _may_hold(nodes, _older(known.values(), unseen[0], held), MDL)


def _globals(
    nodes: dict[int, LockedThread], known: dict[int, Thread], whole: Sequence[int]
) -> None:
    """Who waits for the whole server, behind who has it: a backup, never to be ended."""
    stuck = [thread for thread in known.values() if (thread.state or "") in GLOBAL]
    waiting = [thread for thread in stuck if thread.state != FLUSH]
    ahead = tuple(id_ for id_ in whole if id_ in known and known[id_] not in waiting)
    for thread in stuck:
        behind = ahead if thread.state != FLUSH else ()
        nodes[thread.id] = _node(
            replace(thread, wait_s=thread.secs) if behind else thread,
            kind="global",
            place=thread.state or "",
            blockers=behind,
            sure=False,
        )
    for id_ in ahead if waiting else ():
        nodes[id_] = _node(replace(known[id_], is_backup=True))
    if waiting and not ahead:
        longest = max(float(thread.secs or 0) for thread in waiting)
        _may_hold(nodes, nearest_older(known.values(), longest), WHOLE)


def _flushes(nodes: dict[int, LockedThread], known: dict[int, Thread]) -> None:
    """A flush waits until the statements that use the table have ended, and everybody else waits
    for the flush: the statements that were there before them are the candidates.
    """
    waiting = [node for node in nodes.values() if node.place == FLUSH]
    if not waiting:
        return
    longest = max(node.secs or 0 for node in waiting)
    works = [
        thread
        for thread in known.values()
        if thread.running
        and thread.protected != "protected"
        and thread.wait_s is None
        and not (thread.state or "").startswith("Waiting for")
        and (thread.secs or 0) >= longest
    ]
    works.sort(key=lambda thread: -(thread.secs or 0))
    for node in waiting:
        nodes[node.id] = replace(node, inferred=True, wait_s=node.secs)
    _may_hold(nodes, works, FLUSH)


def _older(threads: Iterable[Thread], oldest: Thread, held: Sequence[MetadataLock]) -> list[Thread]:
    """Transactions older than the first waiter, the oldest first; of those that have a lock, where
    that is told.
    """
    waited = oldest.secs or 0
    having = {lock.id for lock in held if lock.lock_status == "GRANTED"}
    older = [
        t
        for t in threads
        if t.state != MDL
        and (t.id in having if having else t.trx_s is not None and t.trx_s >= waited)
    ]
    older.sort(key=lambda thread: -(thread.trx_s or 0))
    return older


def _may_hold(nodes: dict[int, LockedThread], threads: Sequence[Thread], state: str) -> None:
    for thread in threads[:_CANDIDATES]:
        node = nodes.get(thread.id) or _node(thread)
        nodes[thread.id] = replace(node, may_hold=(*node.may_hold, state))


def _node(
    thread: Thread,
    *,
    kind: str = "",
    blockers: tuple[int, ...] = (),
    place: str = "",
    inferred: bool = False,
    sure: bool = True,
) -> LockedThread:
    return LockedThread(
        id=thread.id,
        user=thread.user,
        host=thread.host,
        db=thread.db,
        command=thread.command,
        secs=thread.secs,
        state=thread.state,
        query=thread.query,
        trx_state=thread.trx_state,
        trx_s=thread.trx_s,
        wait_s=thread.wait_s,
        rows_locked=thread.rows_locked,
        rows_modified=thread.rows_modified,
        is_backup=thread.is_backup,
        with_port=thread.with_port,
        kind=kind,
        blockers=blockers,
        place=place,
        inferred=inferred,
        sure=sure,
    )


def graph_of(nodes: Iterable[LockedThread]) -> WaitGraph:
    """The graph of waiting, longest first. Blockers that wait themselves, nobody knows for whom,
    say nothing where another blocker is known.
    """
    nodes = tuple(nodes)
    lost = {node.id for node in nodes if _lost(node)}
    waiters = sorted((n for n in nodes if n.blockers), key=lambda node: -(node.wait_s or 0))
    return graph([(n.id, set(n.blockers) - lost or set(n.blockers)) for n in waiters])


def _lost(node: LockedThread) -> bool:
    """It waits, but nothing says for whom: of a crowd for one row not every pair is read."""
    waits = node.wait_s is not None or node.trx_state == "LOCK WAIT"
    return waits and not node.blockers and not node.inferred


def queues_of(nodes: Sequence[LockedThread]) -> tuple[ThreadQueue, ...]:
    """Every queue, blamed on its head; sessions behind a global lock have no visible head."""
    known = {node.id: node for node in nodes}
    tree = graph_of(nodes)
    queues = [_queue(head, tree, known) for head in tree.heads if is_head(head, tree, known)]
    stuck = [n for n in nodes if n.kind in {"metadata", "global"} and not n.blockers]
    changes = [node for node in stuck if node.kind == "metadata"]
    flushes = [node for node in stuck if node.place == FLUSH]
    others = [node for node in stuck if node.kind == "global" and node.place != FLUSH]
    headless = (
        _headless(changes, tree, _candidates(nodes, MDL)),
        _headless(others, tree, _candidates(nodes, WHOLE)),
        _headless(flushes, tree, _candidates(nodes, FLUSH)),
    )
    return (*queues, *(queue for queue in headless if queue.length))


def _candidates(nodes: Iterable[LockedThread], state: str) -> tuple[LockedThread, ...]:
    found = [node for node in nodes if state in node.may_hold]
    if state == WHOLE:
        return tuple(found)  # in the order in which they were found
    ages = {node.id: (node.secs if state == FLUSH else node.trx_s) or 0 for node in found}
    found.sort(key=lambda node: (bool(node.blockers), -ages[node.id], node.id))
    return tuple(found)


def _headless(
    stuck: Sequence[LockedThread], tree: WaitGraph, candidates: tuple[LockedThread, ...]
) -> ThreadQueue:
    inferred = [node for node in stuck if node.inferred]
    return ThreadQueue(
        head=LockedThread(id=0),
        kind=stuck[0].kind if stuck else "",
        length=len(stuck) + sum(tree.size.get(node.id, 0) for node in inferred),
        longest=max((float(node.secs or 0) for node in stuck), default=0.0),
        place=stuck[0].place if stuck else "",
        change=next((n.id for n in stuck if n.is_schema_change), None),
        inferred=bool(inferred),
        candidates=candidates,
    )


def is_head(head: int, tree: WaitGraph, known: dict[int, LockedThread]) -> bool:
    """Whether whoever seems to wait for nobody really does: a victim is never blamed."""
    if head in known and known[head].inferred:
        return False
    below = tree.children.get(head, ())
    return not (
        head in known and _lost(known[head]) and all(known[each].kind == "row" for each in below)
    )


def _queue(head: int, tree: WaitGraph, known: dict[int, LockedThread]) -> ThreadQueue:
    below = [known[id_] for id_ in tree.below(head) if id_ in known]
    candidates = helps(head, tree, known)
    kinds = {node.kind for node in below}
    kind = next((kind for kind in ("metadata", "global") if kind in kinds), "row")
    places = list(dict.fromkeys(node.place for node in below if node.kind == kind))
    return ThreadQueue(
        head=known.get(head, LockedThread(id=head)),
        kind=kind,
        length=len(below),
        longest=max((float(node.wait_s or 0) for node in below), default=0.0),
        place=" and ".join(places[:2]),
        change=next((n.id for n in below if n.kind == "metadata" and n.is_schema_change), None),
        helps=tuple(candidates[:3]),
        best=max(candidates, key=lambda each: (each.releases, each.reach), default=None),
    )


def helps(head: int, tree: WaitGraph, known: dict[int, LockedThread]) -> list[ThreadToEnd]:
    """Whom to end in one queue: the cheapest first, then whoever releases most.

    Only of a schema change the end of the statement is known to help. A session is ended for those
    who are seen to wait for it, not for one whose statement alone says for what it waits.
    """
    candidates = {head, *(id_ for id_ in tree.below(head) if known[id_].is_schema_change)}
    found: list[ThreadToEnd] = []
    for id_ in candidates:
        node = known.get(id_)
        if node is None or node.protected or not node.user or node.trx_state == "ROLLING BACK":
            continue
        if node.commits:  # its end takes nothing back, and it holds the row until it is told done
            continue
        change = node.running and node.is_schema_change
        to_end = ended(node, "kill_query" if change else "kill_connection", tree, known)
        seen = change or any(known[each].kind == "row" for each in tree.children.get(id_, ()))
        if to_end.releases or (to_end.more and seen):
            found.append(to_end)
    found.sort(key=lambda each: (each.call != "kill_query", -each.reach, each.id))
    return found


def released(
    node: LockedThread, call: str, tree: WaitGraph, known: Mapping[int, LockedThread]
) -> list[int]:
    """Who surely goes on at its end."""
    if call == "kill_query" and not node.is_schema_change:
        return []
    return [id_ for id_ in tree.freed(node.id) if id_ not in known or known[id_].sure]


def proof_of(
    node: LockedThread, call: str, tree: WaitGraph, known: Mapping[int, LockedThread]
) -> Proof | None:
    """How to see that those do."""
    sure = released(node, call, tree, known)
    waiting = [(id_, known[id_].wait_s if id_ in known else None) for id_ in sure]
    return proof("mysql.locks", node.id, waiting, key="id")


def ended(
    node: LockedThread, call: str, tree: WaitGraph, known: Mapping[int, LockedThread]
) -> ThreadToEnd:
    """What its end is known to bring, and what it may bring beyond that.

    The end of a statement alone is sure to let others go on where it is a schema change, which is
    its own transaction: of any other the transaction may stay open, with all its locks.
    """
    sure = released(node, call, tree, known)
    return ThreadToEnd(
        id=node.id,
        user=node.user,
        host=node.host,
        call=call,
        releases=len(sure),
        more=tree.released(node.id) - len(sure),
    )
