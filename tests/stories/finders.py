"""What answers "what was it?": the product's rule, and six simple ones to compare it with."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cockpit.triage.board import Board, OpenFinding
from cockpit.triage.finding import Severity
from cockpit.triage.suspects import Suspect, suspects
from cockpit.triage.topology import DependencyGraph

WITNESSES = frozenset({"alarms", "changes", "slo", "log_group"})


@dataclass(frozen=True)
class Answer:
    """One name that is given, and whether it is given as known."""

    names: frozenset[str]
    """Every name it stands for: a target, `kind@target` of a change."""
    sure: bool = True


Finder = Callable[[Board, DependencyGraph], Sequence[Answer]]
_Sick = Mapping[str, Sequence[OpenFinding]]
_Key = Callable[[Board, DependencyGraph, str, Sequence[OpenFinding]], tuple[float, ...]]


def answer(found: Suspect) -> Answer:
    """A change stands beside its target."""
    names = {found.name}
    if found.change is not None:
        names.add(f"{found.change.kind}@{found.change.target}")
    return Answer(frozenset(names), found.verdict != "unclear")


def product(board: Board, graph: DependencyGraph) -> list[Answer]:
    """The rule of the product."""
    return [answer(each) for each in suspects(board, graph)]


def _sick(board: Board, graph: DependencyGraph) -> dict[str, list[OpenFinding]]:
    kinds = {t.name: t.kind for t in graph.targets}
    out: dict[str, list[OpenFinding]] = defaultdict(list)
    for f in board.open.values():
        if f.finding.severity > Severity.INFO and kinds.get(f.target) not in WITNESSES:
            out[f.target].append(f)
    return out


def _ranked(key: _Key) -> Finder:
    def find(board: Board, graph: DependencyGraph) -> list[Answer]:
        sick: _Sick = _sick(board, graph)
        order = sorted(sick, key=lambda n: (key(board, graph, n, sick[n]), n), reverse=True)
        return [Answer(frozenset({n})) for n in order[:3]]

    return find


def _weight(found: Sequence[OpenFinding]) -> int:
    return sum(1 + f.finding.severity.rank for f in found)


def _latest_change(board: Board, graph: DependencyGraph) -> list[Answer]:
    out: list[Answer] = []
    for c in board.changes if _sick(board, graph) else ():
        name = f"{c.kind}@{c.target}"
        if c.target and all(name not in a.names for a in out):
            out.append(Answer(frozenset({name})))
    return out[:3]


def _at_random(board: Board, graph: DependencyGraph) -> list[Answer]:
    names = sorted(_sick(board, graph)) + sorted({f"{c.kind}@{c.target}" for c in board.changes})
    random.Random(repr(names)).shuffle(names)
    return [Answer(frozenset({n})) for n in names[:3]]


FINDERS: Mapping[str, Finder] = {
    "product": product,
    "severest": _ranked(lambda b, g, n, f: (max(x.finding.severity.rank for x in f), _weight(f))),
    "most": _ranked(lambda b, g, n, f: (_weight(f),)),
    "earliest": _ranked(lambda b, g, n, f: (-min(x.since for x in f).timestamp(),)),
    "deepest": _ranked(lambda b, g, n, f: (g.depth[n], _weight(f))),
    "change": _latest_change,
    "random": _at_random,
}
