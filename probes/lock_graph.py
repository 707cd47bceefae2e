"""Who waits for whom, for any engine: queues, their heads, and whom it helps most to end.

Pure. Rows of a server's lock views are not one atomic picture: edges may be missing, doubled or
form a cycle. A *head* is waited for and waits for nobody. Each waiter hangs under one other
session: the one of those it waits for that is nearest to a head.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cockpit.triage.view import Proof
from cockpit.units import count

Waiting = tuple[int, float | None]
"""Who waits, and for how many seconds. None: the server does not tell."""
_MOMENT = 1.0
"""Seconds that a wait may have lasted and still be a new one."""
Key = int
"""A pid or thread id. 0: a prepared transaction of PostgreSQL, which has no session."""


@dataclass(frozen=True, slots=True)
class WaitGraph:
    """The tree of waiting. Children come in the order of the waiters given."""

    heads: tuple[Key, ...]
    """Longest queue first."""
    parent: Mapping[Key, Key]
    children: Mapping[Key, tuple[Key, ...]]
    blockers: Mapping[Key, frozenset[Key]]
    """All that each waiter waits for, itself excluded."""
    size: Mapping[Key, int] = field(default_factory=dict)
    """How many wait under each, directly or not."""
    stands_for: Mapping[Key, int] = field(default_factory=dict)
    """How many sessions a waiter stands for, itself included, where it is more than one."""

    def below(self, key: Key) -> list[Key]:
        """Everyone who waits under a session, depth first."""
        found: list[Key] = []
        stack = list(reversed(self.children.get(key, ())))
        while stack:
            each = stack.pop()
            found.append(each)
            if each in self.children:
                stack.extend(reversed(self.children[each]))
        return found

    def freed(self, victim: Key) -> list[Key]:
        """Who waits for nobody else, and so goes on at once when a session is gone."""
        return [key for key, others in self.blockers.items() if others == {victim}]

    def released(self, victim: Key) -> int:
        """How many waiters go on, one after the other, when a session is gone."""
        gone = {victim}
        waiting = [key for key in self.blockers if key != victim]
        waiting.sort(key=lambda key: len(self.blockers[key]))
        while True:
            freed = [key for key in waiting if self.blockers[key] <= gone]
            if not freed:
                return sum(self.stands_for.get(key, 1) for key in gone if key != victim)
            gone.update(freed)
            waiting = [key for key in waiting if key not in gone]


def graph(
    waits: Sequence[tuple[Key, Iterable[Key]]],
    *,
    through: Iterable[Key] = (),
    stands_for: Mapping[Key, int] | None = None,
) -> WaitGraph:
    """The graph of (waiter, those it waits for), longest waiting first.

    `stands_for`: how many sessions a waiter stands for, when others wait just as it does.
    `through`: waiters for a place in a row's queue (PostgreSQL's `tuple` locks): once let in they
    wait for whatever those before them wait for, so they wait for that already.
    """
    direct = {waiter: frozenset(others) - {waiter} for waiter, others in waits}
    direct = {waiter: others for waiter, others in direct.items() if others}
    blockers = dict(direct)
    queued = frozenset(through)
    for waiter in queued & direct.keys():
        front = [direct[other] for other in direct[waiter] - queued if other in direct]
        blockers[waiter] = direct[waiter].union(*front) - {waiter}
    depth = _depths(blockers)
    parent: dict[Key, Key] = {}
    for waiter in blockers:
        if depth.get(waiter, 0) > 0:
            parent[waiter] = min(
                (other for other in direct[waiter] if other in depth),
                key=lambda other: (depth[other], other),
            )
    children: dict[Key, list[Key]] = defaultdict(list)
    for waiter, under in parent.items():
        children[under].append(waiter)
    tree = {key: tuple(keys) for key, keys in children.items()}
    heads = [key for key, level in depth.items() if level == 0 and key in tree]
    many = stands_for or {}
    size = _sizes(heads, tree, many)
    heads.sort(key=lambda key: (-size[key], key))
    return WaitGraph(tuple(heads), parent, tree, blockers, size, many)


def _depths(blockers: Mapping[Key, frozenset[Key]]) -> dict[Key, int]:
    """Steps from the nearest head. Of a cycle, whoever waits longest is taken as its head."""
    waited_for = set[Key]().union(*blockers.values()) if blockers else set()
    depth = dict.fromkeys(sorted(waited_for - blockers.keys()), 0)
    waiters_of: dict[Key, list[Key]] = defaultdict(list)
    for waiter, others in blockers.items():
        for other in others:
            waiters_of[other].append(waiter)
    _spread(depth, waiters_of, list(depth))
    for waiter in blockers:
        if waiter not in depth:
            depth[waiter] = 0
            _spread(depth, waiters_of, [waiter])
    return depth


def _spread(depth: dict[Key, int], waiters_of: Mapping[Key, list[Key]], start: list[Key]) -> None:
    queue = deque(start)
    while queue:
        key = queue.popleft()
        for waiter in waiters_of.get(key, ()):
            if waiter not in depth:
                depth[waiter] = depth[key] + 1
                queue.append(waiter)


def _sizes(
    heads: Iterable[Key], tree: Mapping[Key, tuple[Key, ...]], stands_for: Mapping[Key, int]
) -> dict[Key, int]:
    size: dict[Key, int] = {}
    for head in heads:
        order, stack = [], [head]
        while stack:
            key = stack.pop()
            order.append(key)
            stack.extend(tree.get(key, ()))
        for key in reversed(order):
            size[key] = sum(stands_for.get(child, 1) + size[child] for child in tree.get(key, ()))
    return size


def promised(releases: int, more: int) -> str:
    """`releases 1 session, maybe 60 more`: who goes on at once, and who may then."""
    if not releases:
        return f"may release {count(more, 'session')}"
    return f"releases {count(releases, 'session')}" + (f", maybe {more:,} more" if more else "")


def proof(probe: str, behind: int, released: Sequence[Waiting], *, key: str) -> Proof | None:
    """How to see that each of them goes on: it waits for that session no more, nor in the wait in
    which it was seen. Who goes on may soon wait again, for somebody else. None without any.

    `key`: what the nodes of the snapshot call a session's number.
    """
    if not released:
        return None
    still = " || ".join(
        f"{key} == `{number}` && (contains(not_null(blockers, `[]`), `{behind}`) || "
        f"(blockers || speaker) && not_null(wait_s, `0`) >= `{max(_MOMENT, waited or 0.0):g}`)"
        for number, waited in released
    )
    return Proof(
        probe=probe,
        until=f"length(nodes[?{still}]) == `0`",
        says=f"{count(len(released), 'session')} that waited for {behind} alone "
        f"{'goes' if len(released) == 1 else 'go'} on",
    )
