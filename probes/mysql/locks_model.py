"""What a look at MySQL's locks gives: rows, metadata and global locks as queues behind heads.

Row-lock waits come from the engine's own tables, metadata locks from performance_schema where it is
instrumented. Without that, and for a table flush, the server does not tell who is in the way: who
is older than the wait is a candidate and no blocker, since most of them hold something else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from probes.lock_graph import WaitGraph, graph
from probes.mysql.model import MysqlServer, Thread

MDL = "Waiting for table metadata lock"
FLUSH = "Waiting for table flush"
GLOBAL = (
    "Waiting for global read lock",
    "Waiting for backup lock",
    FLUSH,
    "Waiting for commit lock",
)
_ALONE = frozenset({"EXCLUSIVE", "SHARED_NO_READ_WRITE", "SHARED_NO_WRITE", "SHARED_READ_ONLY"})
"""Locks that keep a read or a write of the table out (MySQL Reference Manual, metadata_locks)."""
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
class Held:
    """A granted metadata lock, where the server tells them."""

    id: int
    object_schema: str | None = None
    object_name: str | None = None
    lock_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedThread(Thread):
    """A session that waits or is waited for."""

    kind: str = ""
    """`row`, `metadata`, `global`; empty: it waits for nobody."""
    blockers: tuple[int, ...] = ()
    place: str = ""
    inferred: bool = False
    """Whom it waits for is not told: there are candidates only, and it has no blockers."""
    may_hold: tuple[str, ...] = ()
    """States (`MDL`, `FLUSH`) of those for whom it is a candidate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadToEnd:
    """Whom it helps to end: `call` a named statement."""

    id: int
    user: str
    host: str
    call: str
    releases: int


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


def assemble(
    threads: Iterable[Thread], pairs: Sequence[RowWait], held: Sequence[Held]
) -> tuple[LockedThread, ...]:
    """Those who wait or are waited for, with whom they wait for."""
    known = {thread.id: thread for thread in threads}
    nodes: dict[int, LockedThread] = {}
    for pair in pairs:
        _join(nodes, known, pair)
    _metadata(nodes, known, held)
    for thread in known.values():
        if (thread.state or "") in GLOBAL:
            nodes[thread.id] = _node(thread, kind="global", place=thread.state or "")
    _flushes(nodes, known)
    waited_for = {other for node in nodes.values() for other in node.blockers}
    for id_ in waited_for - nodes.keys():
        nodes[id_] = _node(known.get(id_, Thread(id=id_)))
    return tuple(nodes.values())


def _join(nodes: dict[int, LockedThread], known: dict[int, Thread], pair: RowWait) -> None:
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
        replace(thread, wait_s=waited), kind="row", blockers=(pair.blocker,), place=place
    )


def _metadata(
    nodes: dict[int, LockedThread], known: dict[int, Thread], held: Sequence[Held]
) -> None:
    """Waiters for metadata: schema changes wait for the holders, everybody else for those."""
    waiting = [thread for thread in known.values() if thread.state == MDL]
    waiting.sort(key=lambda thread: -(thread.secs or 0))
    if not waiting:
        return
    ids = {thread.id for thread in waiting}
    changes = [thread for thread in waiting if thread.is_schema_change]
    # Reads and writes share a table: where no change waits, none of those can be in their way.
    stops = [each for each in held if changes or each.lock_type in _ALONE]
    holders = tuple(dict.fromkeys(each.id for each in stops if each.id not in ids))
    for thread in waiting:
        ahead = tuple(change.id for change in changes if change.id != thread.id)
        is_change = thread in changes
        blockers = holders if is_change or not ahead else ahead[:1]
        place = next((f"{h.object_schema}.{h.object_name}" for h in held if h.object_name), "table")
        nodes[thread.id] = _node(
            replace(thread, wait_s=thread.secs),
            kind="metadata",
            blockers=blockers if holders else (),
            place=f"metadata of {place}",
            inferred=not holders,
        )
    if not holders:
        _may_hold(nodes, _older(known.values(), waiting[0]), MDL)


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


def _older(threads: Iterable[Thread], oldest: Thread) -> list[Thread]:
    """Transactions older than the first waiter, the oldest first."""
    waited = oldest.secs or 0
    older = [t for t in threads if t.state != MDL and t.trx_s is not None and t.trx_s >= waited]
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
        _headless(others, tree, ()),
        _headless(flushes, tree, _candidates(nodes, FLUSH)),
    )
    return (*queues, *(queue for queue in headless if queue.length))


def _candidates(nodes: Iterable[LockedThread], state: str) -> tuple[LockedThread, ...]:
    found = [node for node in nodes if state in node.may_hold]
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
    return ThreadQueue(
        head=known.get(head, LockedThread(id=head)),
        kind=next((kind for kind in ("metadata", "global") if kind in kinds), "row"),
        length=len(below),
        longest=max((float(node.wait_s or 0) for node in below), default=0.0),
        place=below[0].place if below else "",
        helps=tuple(candidates[:3]),
        best=max(candidates, key=lambda each: each.releases, default=None),
    )


def helps(head: int, tree: WaitGraph, known: dict[int, LockedThread]) -> list[ThreadToEnd]:
    """Whom to end in one queue: the cheapest first, then whoever releases most."""
    candidates = {head, *(id_ for id_ in tree.below(head) if known[id_].is_schema_change)}
    found = []
    for id_ in candidates:
        node = known.get(id_)
        if node is None or node.protected or not node.user or node.trx_state == "ROLLING BACK":
            continue
        releases = tree.released(id_)
        if releases:
            call = "kill_query" if node.running else "kill_connection"
            found.append(
                ThreadToEnd(id=id_, user=node.user, host=node.host, call=call, releases=releases)
            )
    found.sort(key=lambda best: (best.call != "kill_query", -best.releases, best.id))
    return found
