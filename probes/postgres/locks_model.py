"""What a look at PostgreSQL's locks gives, and the queues in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from cockpit.text import visible
from cockpit.triage.view import Proof
from cockpit.units import duration
from probes.lock_graph import WaitGraph, graph, proof
from probes.postgres.model import Session

STRONG = frozenset({"AccessExclusiveLock", "ExclusiveLock", "ShareRowExclusiveLock", "ShareLock"})
"""Modes that statements of schema changes take on tables."""
_PLACED = ("locktype", "mode", "relation", "page", "line", "classid", "objid", "table_key")
_TABLE = re.compile(r"(?is)\b(?:update|into|from|table)\s+(?:only\s+)?([\w.\"$]{1,80})")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockNode(Session):
    """A session that waits for a lock or holds one that others wait for."""

    blockers: tuple[int, ...] | None = None
    """Those it waits for, also those that only queue before it; None: it waits for nobody."""
    speaker: int | None = None
    """Who waited first for the same row, and waits for the same sessions; None: asked itself."""
    crowd: int = 0
    """How many more queue behind it for the same row and hold nobody up: they are not listed."""
    crowd_wait_s: float | None = None
    crowd_names: tuple[str, ...] = ()
    crowd_clients: tuple[str, ...] = ()
    wait_s: float | None = None
    locktype: str | None = None
    mode: str | None = None
    relation: str | None = None
    """Its name in the database that we are connected to, else its number."""
    page: int | None = None
    line: int | None = None
    objid: int | None = None
    classid: int | None = None
    table_key: str | None = None
    """The numbers of its database and table: the same on a primary and its standbys."""
    alone: bool | None = None
    """Its statement is its whole transaction: no savepoint can keep a lock when that is cancelled.
    The server says so of simple queries only. None: it is idle, or hidden.
    """

    @property
    def waits(self) -> bool:
        """Waits for somebody, by its own word or its speaker's."""
        return bool(self.blockers) or self.speaker is not None

    @property
    def longest(self) -> float:
        """Seconds that it, or one of its crowd, has waited."""
        return max(self.wait_s or 0.0, self.crowd_wait_s or 0.0)

    @property
    def wants_strong(self) -> bool:
        """Waits for a table lock that keeps everyone else out."""
        return self.locktype == "relation" and self.mode in STRONG

    @property
    def place(self) -> str:
        """What it waits for: the same text for the same thing."""
        match self.locktype:
            case "relation":
                return f"{(self.mode or '').removesuffix('Lock')} {self.relation or 'table'}"
            case "tuple":
                return f"row ({self.page},{self.line}) of {self.relation or 'table'}"
            case "transactionid":
                return f"a row of {self.table}" if self.table else "a row"
            case "advisory":
                return f"advisory {self.classid},{self.objid}"
            case None:
                return ""
            case other:
                return other

    @property
    def table(self) -> str:
        """The table in its own statement: a row's waiter does not know it otherwise."""
        if self.relation:
            return self.relation
        found = _TABLE.search(str(self.query)) if self.query else None
        return visible(found.group(1).replace('"', ""), 60) if found else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitedLock:
    """What is waited for, and by whom: one session, or all who want the same row."""

    locktype: str
    mode: str | None = None
    relation: str | None = None
    page: int | None = None
    line: int | None = None
    classid: int | None = None
    objid: int | None = None
    table_key: str | None = None
    pids: tuple[int, ...]
    """`in_order`, the longest waiting first: it speaks for the others."""
    waits: tuple[float | None, ...]
    """Seconds; None: this version does not tell (13)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedXact:
    """A prepared transaction: it holds locks without a session."""

    gid: str
    owner: str
    database: str
    age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionToEnd:
    """Whom it helps most to end, for least: `call` a named statement."""

    pid: int
    backend_start: datetime
    call: str
    releases: int
    """Who goes on at once: those that wait for this session and for nobody else."""
    more: int = 0
    """Who may go on then: each when those before it end their transactions, which is theirs to
    say; or, after a cancel, when no savepoint and no advisory lock of the session stays.
    """

    @property
    def reach(self) -> int:
        """All that may go on."""
        return self.releases + self.more


@dataclass(frozen=True, slots=True, kw_only=True)
class LockQueue:
    """Everyone who waits behind one head."""

    head: LockNode
    length: int
    longest: float
    """Seconds that the first has waited."""
    hot_row: str = ""
    """The row that most of them want, when they are many."""
    hot: int = 0
    """How many want that row."""
    helps: tuple[SessionToEnd, ...] = ()
    """Whom to end: the cheapest first."""
    best: SessionToEnd | None = None
    """Whose end reaches most."""
    also: tuple[int, ...] = ()
    """Who else stands at the head: those in the queue wait for them too."""
    patient: bool = False
    """Only builds of indexes (CONCURRENTLY) wait in it, for transactions that are older than they
    are: they hold nobody up.
    """
    at_head: SessionToEnd | None = None
    """What the end of the head's session brings; None: it may not be ended from here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExclusiveHolder(Session):
    """A session of a primary that holds a table for itself, and so recovery of every standby."""

    table_key: str
    relation: str | None = None
    """Its name; None: a table of another database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockSummary:
    """How many wait, before anything costly is asked."""

    at: datetime
    version: int
    sees_all: bool
    role: str
    waiters: int
    active: int | None = None
    """Sessions that are; None: the role may not see it, or nobody waits."""
    recovery: bool = False
    aurora: bool = False
    paused: bool | None = None
    """Of a standby in which somebody waits: its replay. None: not asked."""
    exclusive: tuple[ExclusiveHolder, ...] = ()
    """Of a primary that has standbys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresLocks:
    """One look. `queues`: longest first; captures of runbooks read them."""

    summary: LockSummary
    queues: tuple[LockQueue, ...] = ()
    nodes: tuple[LockNode, ...] = ()
    system: str = ""
    """The number that copies of one system share; empty: not asked, or not given."""
    primary: str = ""
    """The target that is this standby's primary; empty: not known, or recovery holds nobody up."""
    origins: tuple[ExclusiveHolder, ...] = ()
    """The sessions there whose locks recovery holds here, and others wait for."""
    prepared: tuple[PreparedXact, ...] = ()

    @property
    def recovery(self) -> bool:
        """It is a standby's."""
        return self.summary.recovery

    @property
    def aurora(self) -> bool:
        """Its instances share their storage."""
        return self.summary.aurora


def in_order(places: Iterable[AwaitedLock]) -> list[AwaitedLock]:
    """Whoever waits longest first, within a place and among them."""
    return sorted(map(_in_order, places), key=lambda place: (-(place.waits[0] or 0), place.pids[0]))


def _in_order(place: AwaitedLock) -> AwaitedLock:
    if len(place.pids) == 1:
        return place
    pairs = sorted(
        zip(place.pids, place.waits, strict=True), key=lambda pair: (-(pair[1] or 0), pair[0])
    )
    return replace(
        place, pids=tuple(pid for pid, _ in pairs), waits=tuple(wait for _, wait in pairs)
    )


def asked_of(places: Sequence[AwaitedLock]) -> dict[str, list[int]]:
    """Who has to be asked, and who stands behind whom."""
    behind = [(pid, place.pids[0]) for place in places for pid in place.pids[1:]]
    return {
        "speakers": [place.pids[0] for place in places],
        "others": [pid for pid, _ in behind],
        "theirs": [speaker for _, speaker in behind],
    }


def placed(
    rows: Iterable[Mapping[str, Any]], places: Sequence[AwaitedLock]
) -> Iterator[dict[str, Any]]:
    """The sessions with what they wait for, and since when."""
    where = {pid: (place, number) for place in places for number, pid in enumerate(place.pids)}
    for row in rows:
        found = where.get(row["pid"])
        if found is None:
            yield {name: value for name, value in row.items() if not name.startswith("crowd")}
            continue
        place, number = found
        told = place.waits[number]
        behind = [seconds for seconds in place.waits[1:] if seconds is not None]
        crowd = row["crowd"] or 0
        yield {
            **row,
            "speaker": place.pids[0] if number else None,
            "wait_s": row["query_s"] if told is None else told,
            "crowd": crowd,
            "crowd_wait_s": max(behind, default=row["crowd_wait_s"]) if crowd else None,
            "crowd_names": [name for name in row["crowd_names"] or () if name],
            "crowd_clients": [client for client in row["crowd_clients"] or () if client],
            **{name: getattr(place, name) for name in _PLACED},
        }


def graph_of(nodes: Iterable[LockNode]) -> WaitGraph:
    """The graph of waiting, longest first. Who has a speaker waits for whom that one waits."""
    found = list(nodes)
    said = {node.pid: node.blockers for node in found if node.blockers}
    waiters = sorted(
        (node for node in found if node.blockers or node.speaker in said),
        key=lambda node: -(node.wait_s or 0),
    )
    return graph(
        [(node.pid, node.blockers or said[node.speaker or 0]) for node in waiters],
        through=[node.pid for node in waiters if node.locktype == "tuple"],
        stands_for={node.pid: 1 + node.crowd for node in waiters if node.crowd},
    )


def queues_of(nodes: Sequence[LockNode], *, hot: int = 10) -> tuple[LockQueue, ...]:
    """Every queue, blamed on its head."""
    known = {node.pid: node for node in nodes}
    tree = graph_of(nodes)
    return tuple(_queue(head, tree, known, hot) for head in tree.heads)


def _queue(head: int, tree: WaitGraph, known: dict[int, LockNode], hot: int) -> LockQueue:
    below = [known[pid] for pid in tree.below(head) if pid in known]
    rows: dict[str, int] = {}
    for node in below:
        if node.locktype == "tuple":
            rows[node.place] = rows.get(node.place, 0) + 1 + node.crowd
    row = max(rows, key=lambda place: rows[place], default="")
    crowd = rows.get(row, 0) + 1 if row else 0
    candidates = helps(head, tree, known)
    first = known.get(head)
    at_head = ended(first, "terminate_backend", tree, known) if first and first.endable else None
    return LockQueue(
        at_head=at_head,
        also=tuple(
            sorted(
                {other for node in below for other in tree.blockers.get(node.pid, ())}
                - {head, *(node.pid for node in below)}
                - tree.blockers.keys()
            )
        ),
        patient=all(node.locktype == "virtualxid" for node in below),
        head=known.get(head, LockNode(pid=head)),
        length=sum(1 + node.crowd for node in below),
        longest=max((node.longest for node in below), default=0.0),
        hot_row=row if crowd >= hot else "",
        hot=crowd if crowd >= hot else 0,
        helps=tuple(candidates[:3]),
        best=max(candidates, key=lambda each: (each.reach, each.releases), default=None),
    )


def helps(head: int, tree: WaitGraph, known: dict[int, LockNode]) -> list[SessionToEnd]:
    """Whom to end in one queue: the cheapest first, then whoever releases most.

    A cancel costs a statement, a termination a connection and its transaction. Schema changes that
    wait hold up everyone behind them and are asked first; protected sessions never.
    """
    candidates = {head, *(pid for pid in tree.below(head) if known[pid].wants_strong)}
    found: list[SessionToEnd] = []
    for pid in candidates:
        node = known.get(pid)
        if node is None or not node.endable:
            continue
        calls = ["terminate_backend"]
        if node.state == "active":
            calls = ["cancel_backend"]
            if not cancelled_frees(node, tree, known):  # then the end of the session is sure
                calls.append("terminate_backend")
        found += [to_end for call in calls if (to_end := ended(node, call, tree, known)).reach]
    found.sort(key=lambda each: (each.call != "cancel_backend", -each.reach, each.pid))
    return found


def ended(
    node: LockNode, call: str, tree: WaitGraph, known: Mapping[int, LockNode]
) -> SessionToEnd:
    """What its end is known to bring, and what it may bring beyond that."""
    assert node.backend_start is not None
    sure = released(node, call, tree, known)
    return SessionToEnd(
        pid=node.pid,
        backend_start=node.backend_start,
        call=call,
        releases=len(sure),
        more=tree.released(node.pid) - len(sure),
    )


def released(
    node: LockNode, call: str, tree: WaitGraph, known: Mapping[int, LockNode]
) -> list[int]:
    """Who surely goes on at its end."""
    if call == "cancel_backend":
        return cancelled_frees(node, tree, known)
    freed = tree.freed(node.pid)  # a build waits for one old transaction after the other
    return [pid for pid in freed if pid not in known or known[pid].locktype != "virtualxid"]


def proof_of(behind: int, pids: Iterable[int], known: Mapping[int, LockNode]) -> Proof | None:
    """How to see that those who wait for one session do so no more."""
    waiting = [(pid, known[pid].wait_s if pid in known else None) for pid in pids]
    return proof("postgres.locks", behind, waiting, key="pid")


def cancelled_frees(node: LockNode, tree: WaitGraph, known: Mapping[int, LockNode]) -> list[int]:
    """Who surely goes on when its statement is cancelled.

    Those who queue behind its own wish do. Of those who wait for what it holds it is known only
    when the statement is the whole transaction, since a savepoint keeps what was locked before it;
    an advisory lock may belong to the session.
    """
    freed = [known[pid] for pid in tree.freed(node.pid) if pid in known]
    return [
        each.pid
        for each in freed
        if (node.wants_strong and (each.locktype, each.relation) == ("relation", node.relation))
        or (node.alone and each.locktype != "advisory")
    ]


def best_effect(best: SessionToEnd, node: LockNode) -> str:
    """What ending it means for those who own it."""
    who = visible(node.application_name or node.usename or "its client", 30)
    if best.call == "cancel_backend":
        if node.wants_strong:
            return (
                "gives up its wish; its transaction is rolled back: re-run the migration with "
                "lock_timeout"
            )
        keeps = "" if best.releases else "; a savepoint or an advisory lock may keep others waiting"
        return f"{who} loses its statement; its transaction is rolled back{keeps}"
    if node.xact_s is None:
        return f"closes {who}'s connection; no transaction is open"
    return f"rolls back {duration(node.xact_s)} of {who}'s transaction"
