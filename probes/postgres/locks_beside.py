"""A lock that recovery holds on a standby is a lock of a session on the primary.

Source: PostgreSQL documentation, "Hot Standby": an ACCESS EXCLUSIVE lock that is taken on the
primary is held on every standby by its startup process, from the WAL, until the end of that
transaction is replayed. A relation has the same number on both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cockpit.text import visible
from cockpit.triage.probe import Neighbour
from cockpit.triage.view import Offer
from cockpit.units import count
from probes.postgres.kin import primary_of
from probes.postgres.locks_model import LockNode, PostgresLocks, graph_of, proof_of
from probes.postgres.model import rolls_back, terminate

STARTUP = "startup"
"""The kind of process that replays."""


def beside(look: PostgresLocks, others: Sequence[Neighbour[PostgresLocks]]) -> PostgresLocks:
    """With the sessions of the primary whose locks recovery holds here."""
    if not look.recovery or not any(map(_is_recovery, (queue.head for queue in look.queues))):
        return look
    primary = primary_of(look, others)
    if primary is None:
        return look
    wanted = {node.table_key for node in look.nodes if node.waits}
    holders = (each for each in primary.snapshot.summary.exclusive if each.table_key in wanted)
    return replace(look, primary=primary.target, origins=tuple(holders))


def _is_recovery(head: LockNode) -> bool:
    return head.backend_type == STARTUP


def recovers(look: PostgresLocks, head: LockNode) -> bool:
    """The head of a queue is replay itself, of a standby."""
    return look.recovery and _is_recovery(head)


def released_by(look: PostgresLocks, head: int, pid: int) -> list[int]:
    """Who waits for recovery alone, for what one session of the primary holds. Nobody also while
    replay is paused, or waits for a lock itself: then that session's end comes later, if at all.
    """
    known = {node.pid: node for node in look.nodes}
    if look.summary.paused is not False or known[head].locktype is not None:
        return []
    keys = {each.table_key for each in look.origins if each.pid == pid}
    freed = graph_of(look.nodes).freed(head)
    return [each for each in freed if each in known and known[each].table_key in keys]


def recovery_advice(look: PostgresLocks) -> str:
    """Where to go, and to whom."""
    if look.summary.paused:
        return "replay is paused while it holds that lock: see who paused it, in the replication"
    if not look.primary:
        return (
            "go to the primary: a session there holds ACCESS EXCLUSIVE; when the primary is a "
            "target too, and named in `needs`, that session is shown here"
        )
    if not look.origins:
        return (
            f"no session of {look.primary} holds that lock any more: replay has to come to its end"
        )
    return "; ".join(
        f"on {look.primary} pid {each.pid} ({each.name}) holds ACCESS EXCLUSIVE on "
        f"{visible(each.relation or 'it', 60)}: its end, once replayed, lets those here go on"
        for each in look.origins[:2]
    )


def offers_there(look: PostgresLocks, head: LockNode) -> list[Offer]:
    """The end of those sessions, to be done at the primary; nothing while replay is paused."""
    offered: dict[int, Offer] = {}
    known = {node.pid: node for node in look.nodes}
    for each in look.origins:
        released = released_by(look, head.pid, each.pid)
        if released and each.endable and each.pid not in offered:
            here = _who(len(released))
            effect = f"on {look.primary} {rolls_back(each)}; {here} here once replayed"
            offer = terminate(each, releases=len(released), effect=effect)
            label = f"{offer.label} at {look.primary}"
            seen = proof_of(head.pid, released, known)
            offered[each.pid] = replace(offer, target=look.primary, label=label, proof=seen)
    return list(offered.values())


def _who(number: int) -> str:
    return f"{count(number, 'session')} {'goes' if number == 1 else 'go'} on"
