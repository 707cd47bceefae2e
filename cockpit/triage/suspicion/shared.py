"""What several targets share and no configuration names: suspects that stand before all others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cockpit.triage.board import OpenFinding
from cockpit.triage.nature import StoryRole, Trait
from cockpit.triage.resolution import NOT_FOUND, no_names
from cockpit.triage.shared import Shared, of_limit, of_named_zone, of_names, of_region, of_zone
from cockpit.triage.suspicion import weights
from cockpit.triage.suspicion.scene import Scene
from cockpit.triage.together import limits_reached, regions_in_trouble, sick_zones, zones_of
from cockpit.triage.topology import DependencyGraph

_ZONE = re.compile(r"\b[a-z]{2}(?:-[a-z]+){1,3}-\d[a-z]\b")


@dataclass(frozen=True, slots=True)
class AnyShared:
    """One of them, with what follows from it alone."""

    shared: Shared
    swallows: frozenset[str] = frozenset()
    """Targets that nothing else ails."""

    @property
    def name(self) -> str:
        """As the pane shows it."""
        return self.shared.name

    @property
    def kind(self) -> str:
        """`target`, `zone` or `account`."""
        return self.shared.kind

    @property
    def summary(self) -> str:
        """What is seen of it."""
        return self.shared.summary

    @property
    def reasons(self) -> tuple[str, ...]:
        """What speaks for it."""
        return self.shared.reasons

    @property
    def next(self) -> str:
        """What to look at."""
        return self.shared.next

    def reached(self, graph: DependencyGraph) -> set[str]:
        """Those that it ails, and what needs them."""
        users = (user for name in self.shared.targets for user in graph.above(name))
        return {*self.shared.targets, *users}


def shared_by(scene: Scene) -> Iterator[AnyShared]:
    """Those that are seen, the widest first."""
    board, graph = scene.board, scene.graph
    own = _open(scene)
    if any(each.finding.code in NOT_FOUND for each in board.open.values()):
        lost = no_names(board, graph.targets, own)
        if lost is not None:
            follows = {n for n, found in own.items() if lost.explains(n, found)}
            yield AnyShared(of_names(lost), frozenset(follows))
    for silent, sick in regions_in_trouble(board, graph):
        yield AnyShared(of_region(silent, sick))
    zones = list(sick_zones(zones_of(board, graph)))
    yield from (AnyShared(of_zone(zone)) for zone in zones)
    if not zones:
        yield from _named_zones(scene)
    for limit in limits_reached(board, graph):
        if not _cause_below(scene, limit.targets):  # what hangs keeps a limit full
            yield AnyShared(of_limit(limit))


def _cause_below(scene: Scene, targets: tuple[str, ...]) -> bool:
    below = frozenset().union(*map(scene.graph.below, targets)) - set(targets)
    return any(
        ill.role is StoryRole.CAUSE and Trait.LOAD not in ill.traits and ill.tells
        for name in below
        for ill in scene.ills.get(name, ())
    )


def _open(scene: Scene) -> dict[str, list[OpenFinding]]:
    found: dict[str, list[OpenFinding]] = {}
    for ills in scene.ills.values():
        for ill in ills:
            if not ill.gone:
                found.setdefault(ill.found.target, []).append(ill.found)
    return found


def _named_zones(scene: Scene) -> Iterator[AnyShared]:
    """A zone that what ails several targets names, more than any other."""
    named: dict[str, set[str]] = {}
    for target, ills in scene.ills.items():
        for ill in ills:
            if ill.tells and ill.role is not StoryRole.RISK and not ill.gone:
                finding = ill.found.finding
                for zone in _ZONE.findall(f"{finding.subject} {finding.summary}"):
                    named.setdefault(zone, set()).add(target)
    every = set[str]().union(*named.values())
    for zone, targets in sorted(named.items()):
        if len(targets) >= weights.ZONE_LEAST and len(targets) > weights.ZONE_MOST * len(every):
            yield AnyShared(of_named_zone(zone, tuple(sorted(targets))))
