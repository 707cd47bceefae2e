"""The tree of who waits for whom in MySQL, as a table, with what would help."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cockpit.text import visible
from cockpit.triage.finding import Severity
from cockpit.triage.view import Offer, Row, Table
from cockpit.units import duration
from probes.lock_graph import WaitGraph
from probes.mysql.locks_model import (
    GLOBAL,
    LockedThread,
    MysqlLocks,
    ended,
    graph_of,
    helps,
    is_head,
    proof_of,
)
from probes.mysql.model import kill, kill_query, offers
from probes.mysql.threads import COLUMNS


def tables(look: MysqlLocks, _: object) -> Iterator[Table]:
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
                made = kill_query(node, releases=each.releases, more=each.more, effect=effect)
            else:
                made = kill(node, releases=each.releases, more=each.more)
            best.append(replace(made, proof=proof_of(node, each.call, tree, known)))
        if known[head].sleeping_transaction:
            notes.append(f"KILL QUERY on {head} would do nothing: it runs no statement")
    shown = {row.key for row in rows}
    rows += [
        _line(n, 0, 0, acts=offers(n))
        for n in look.nodes
        if _stands_alone(n) and n.key not in shown
    ]
    best.sort(key=lambda offer: (offer.risk != "low", -offer.releases - offer.more))
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
        rows.append(_line(known[id_], depth, waiting, acts=_acts(known[id_], tree, known)))
        stack += [(child, depth + 1) for child in reversed(tree.children.get(id_, ()))]
    return rows


def _acts(node: LockedThread, tree: WaitGraph, known: dict[int, LockedThread]) -> tuple[Offer, ...]:
    """What may be done to it, with whom it is known to let go on."""
    counted = {call: ended(node, call, tree, known) for call in ("kill_query", "kill_connection")}
    return tuple(
        replace(
            each,
            releases=counted[each.call].releases,
            more=counted[each.call].more,
            proof=proof_of(node, each.call, tree, known),
        )
        for each in offers(node)
    )


def _line(node: LockedThread, depth: int, waiting: int, *, acts: tuple[Offer, ...] = ()) -> Row:
    """`waiting`: how many wait under it; `acts`: what ending it would bring.

    Who waits for nobody known and who is a mere candidate are not offered to be ended: it would
    free nobody for sure. The list of sessions has them all, for who knows better.
    """
    waits = bool(node.blockers) or node.inferred
    frees = any(each.releases or each.more for each in acts)
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
        offers=() if unsure else acts,
        sort=(node.id, node.name, node.command, node.place, node.wait_s, node.trx_s, None),
    )
