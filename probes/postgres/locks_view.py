"""Who waits for whom in PostgreSQL, as a tree, and what would help."""

from __future__ import annotations

from dataclasses import replace

from cockpit.text import visible
from cockpit.triage.finding import Severity, Thresholds
from cockpit.triage.view import Offer, Row, Table
from cockpit.units import count
from probes.lock_graph import WaitGraph
from probes.postgres.locks_beside import offers_there, recovers
from probes.postgres.locks_model import (
    LockNode,
    PostgresLocks,
    SessionToEnd,
    best_effect,
    ended,
    graph_of,
    helps,
    proof_of,
    released,
)
from probes.postgres.model import cancel, offers, terminate
from probes.postgres.view import COLUMNS, span

_OFFERED = 4


def lock_table(look: PostgresLocks, waited: Thresholds) -> Table:
    """The tree: a head, those who wait for it below, crowds at one place as one row."""
    known = {node.pid: node for node in look.nodes}
    tree = graph_of(look.nodes)
    rows: list[Row] = []
    best: list[Offer] = []
    notes: list[str] = []
    for head in tree.heads:
        rows += _branch(head, tree, known, waited)
        best += [_offer(each, known[each.pid], tree, known) for each in helps(head, tree, known)]
        if head in known and recovers(look, known[head]):
            best += offers_there(look, known[head])
        notes += _note(head, known, look)
    best.sort(key=lambda offer: (offer.risk != "low", -offer.releases - offer.more))
    if rows:
        notes.append("then verify: lock waits = 0 within 60s")
    shown = sum(1 + node.crowd for node in look.nodes if node.waits)
    if shown < look.summary.waiters:
        notes.append(f"{shown} of {look.summary.waiters} waiting sessions are shown")
    return Table(
        title="Who waits for whom",
        columns=COLUMNS,
        rows=tuple(rows),
        headline=f"{count(look.summary.waiters, 'session')} waiting on locks",
        note=tuple(notes),
        best=tuple(best[:_OFFERED]),
    )


def _note(head: int, known: dict[int, LockNode], look: PostgresLocks) -> list[str]:
    if head == 0:
        return [
            f"prepared transaction {visible(each.gid, 60)} of {visible(each.owner, 30)} in "
            f"{visible(each.database, 30)}: ROLLBACK PREPARED only with its owner"
            for each in look.prepared[:3]
        ]
    node = known.get(head)
    if node is None or node.state in {None, "active"}:
        return []
    return [f"cancel on {head} would do nothing: it runs no statement"]


def _branch(
    pid: int, tree: WaitGraph, known: dict[int, LockNode], waited: Thresholds, depth: int = 0
) -> list[Row]:
    """One session and all below it. Iterative in depth: a chain may be long."""
    rows: list[Row] = []
    stack: list[tuple[int, int, tuple[int, ...], bool]] = [(pid, depth, (), False)]
    while stack:
        each, level, crowd, apart = stack.pop()
        node = known.get(each) or LockNode(pid=each)
        if crowd:
            rows.append(_crowd([known[c] for c in crowd], level, apart=apart))
            continue
        rows.append(_row(node, level, tree, known, waited=waited))
        if node.crowd:  # after all that waits for this one
            stack.append((each, level, (each,), True))
        for child, others in reversed(_grouped(tree.children.get(each, ()), tree, known)):
            stack.append((child, level + 1, others, False))
    return rows


def _grouped(
    children: tuple[int, ...], tree: WaitGraph, known: dict[int, LockNode]
) -> list[tuple[int, tuple[int, ...]]]:
    """Children one by one, those that wait for the same thing and block nobody as one crowd."""
    crowds: dict[str, list[int]] = {}
    single: list[tuple[int, tuple[int, ...]]] = []
    for child in children:
        if child in known and not tree.children.get(child):
            crowds.setdefault(f"{known[child].locktype} {known[child].place}", []).append(child)
        else:
            single.append((child, ()))
    for members in crowds.values():
        lone = len(members) == 1 and not known[members[0]].crowd
        single.append((members[0], () if lone else tuple(members)))
    return single


def _offer(act: SessionToEnd, node: LockNode, tree: WaitGraph, known: dict[int, LockNode]) -> Offer:
    make = cancel if act.call == "cancel_backend" else terminate
    made = make(node, releases=act.releases, more=act.more, effect=best_effect(act, node))
    sure = released(node, act.call, tree, known)
    return replace(made, proof=proof_of(node.pid, sure, known))


def _offers(node: LockNode, tree: WaitGraph, known: dict[int, LockNode]) -> tuple[Offer, ...]:
    return tuple(
        _offer(ended(node, offer.call, tree, known), node, tree, known) for offer in offers(node)
    )


def _row(
    node: LockNode,
    depth: int,
    tree: WaitGraph,
    known: dict[int, LockNode],
    *,
    waited: Thresholds,
) -> Row:
    waiting = tree.size.get(node.pid, 0)
    if node.pid == 0:
        return Row(
            key="prepared",
            cells=("—", "prepared transaction", "prepared", "", "", "", ""),
            severity=Severity.CRITICAL,
        )
    severity = waited.grade(node.wait_s) if node.waits else None
    if depth == 0:
        severity = Severity.CRITICAL if waiting >= 5 else Severity.HIGH
    elif node.wants_strong:
        severity = Severity.WARNING
    return Row(
        key=node.key,
        cells=(
            str(node.pid),
            node.name,
            node.state or "hidden",
            node.place,
            span(node.wait_s) if node.waits else "",
            span(node.xact_s),
            str(node.query or ""),
        ),
        depth=depth,
        severity=severity,
        secret=node.query,
        offers=_offers(node, tree, known),
        sort=(node.pid, node.name, node.state, node.place, node.wait_s, node.xact_s, None),
    )


def _crowd(nodes: list[LockNode], depth: int, *, apart: bool = False) -> Row:
    """All who wait for one place. `apart`: without the one that has a row of its own."""
    number = sum(node.crowd for node in nodes)
    clients = {each for node in nodes for each in node.crowd_clients}
    called = {visible(each, 30) for node in nodes for each in node.crowd_names}
    if not apart:
        number += len(nodes)
        clients |= {node.client or "" for node in nodes}
        called |= {visible(node.application_name or node.usename or "?", 30) for node in nodes}
    names = sorted(called) or ["?"]
    who = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    longest = max((node.longest for node in nodes), default=0.0)
    first = nodes[0]
    place = "same row" if first.locktype == "tuple" else first.place
    return Row(
        key=f"crowd {first.place} {first.key}",
        cells=(
            f"×{number}",
            f"{who}, {count(max(1, len(clients)), 'client')}",
            first.state or "hidden",
            place,
            f"≤ {span(longest)}",
            "",
            str(first.query or ""),
        ),
        depth=depth,
        dim=True,
        secret=first.query,
        sort=(first.pid, who, first.state, place, longest, None, None),
    )
