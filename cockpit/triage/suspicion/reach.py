"""How well a place explains what ails a target."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from cockpit.triage.nature import StoryRole, Trait
from cockpit.triage.suspicion import weights
from cockpit.triage.suspicion.scene import Locus, Scene, has

_FRONTS = frozenset({"alb", "nlb", "target_group", "ecs_service", "api_gateway", "cloudfront"})
_GROUPS = frozenset({"alb", "nlb", "target_group"})
_PROVIDER = "health"
"""AWS's own word for its state: nothing needs it, as far as a graph tells."""
_BEGINS = frozenset({StoryRole.CAUSE, StoryRole.EITHER, StoryRole.EVENT})


class _Began(NamedTuple):
    at: float
    slack: float


class Reach:
    """Answers for one scene, each once."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._no_graph = not any(target.needs for target in scene.graph.targets)
        self.of = cache(self._of)
        self._callers = cache(scene.above)
        self._below = cache(scene.below)
        self._place_began = cache(self._began)
        self._serves = cache(self._services_of)
        self._limits = cache(self._takes)
        self._over = cache(self._who_feels)
        self._loaded = {name for name, ills in scene.ills.items() if has(ills, Trait.LOAD)}
        self._dropped = {name for name, ills in scene.ills.items() if has(ills, Trait.SAYS_DROP)}

    def _of(self, place: Locus, target: str) -> float:
        """0: not at all, 1: it is its own."""
        share = self._untimed(place, target)
        return share * weights.TOO_LATE if share and self._came_after(place, target) else share

    def _untimed(self, place: Locus, target: str) -> float:
        scene = self._scene
        if target in place.members:
            return 1.0
        if target in self._callers(place):
            return weights.ABOVE
        if target in self._below(place):
            return self._downwards(place, target)
        if _PROVIDER in place.kinds:
            return weights.PROVIDER
        if target in self._loaded and scene.kinds[target] in self._limits(place):
            return weights.ONE_LIMIT
        near = not self._callers(place).isdisjoint(scene.graph.above(target))
        served = self._served(place, target)
        if target in self._loaded and (near or served) and has(scene.at(place), Trait.COLD):
            return weights.COLD_CACHE
        if target in self._dropped and "vpc_path" in place.kinds and near:
            return weights.SAYS_DROP
        if target in self._over(place):
            return weights.LOAD_BELOW * weights.ABOVE
        front = scene.kinds[target] in _FRONTS
        if served and front and not (_FRONTS & set(place.kinds) and self._callers(place)):
            return weights.SAME_SERVICE
        if self._no_graph and scene.kinds[target] in _GROUPS:
            return weights.NO_GRAPH
        return 0.0

    def _takes(self, place: Locus) -> frozenset[str]:
        """The kinds of which others get no more because of it."""
        now = [ill for ill in self._scene.at(place) if not ill.gone]
        taking = has(now, Trait.TAKES_A_LIMIT)
        return frozenset(place.kinds) if taking else frozenset()

    def _downwards(self, place: Locus, target: str) -> float:
        """What it asks, by how much it asks."""
        if target in self._dropped:
            return weights.SAYS_DROP
        if target not in self._loaded:
            return 0.0
        return weights.LOAD_BELOW if self._asks_more(place) else 0.0

    def _asks_more(self, place: Locus) -> bool:
        """Whether it may ask what it needs more than before."""
        scene = self._scene
        if has(scene.at(place), Trait.LOADER):
            return True
        changes = (c for member in place.members for c in scene.changes.get(member, ()))
        return any(
            -weights.AT_ONCE <= scene.onset.at - change.at <= weights.RELEASED_LATELY
            for change in changes
        )

    def _who_feels(self, place: Locus) -> frozenset[str]:
        """What needs a target that this place overloads: it feels the load of another."""
        loaded = self._loaded & self._below(place)
        if not loaded or not self._asks_more(place):
            return frozenset()
        return frozenset().union(*map(self._scene.graph.above, loaded))

    def _served(self, place: Locus, target: str) -> bool:
        own = self._scene.services.get(target, "")
        return bool(own) and own in self._serves(place)

    def _services_of(self, place: Locus) -> frozenset[str]:
        return frozenset(self._scene.services[member] for member in place.members)

    def _came_after(self, place: Locus, target: str) -> bool:
        here, there = self._place_began(place), self._target_began(target)
        if here is None or there is None:
            return False
        late = weights.TOO_LATE_BY.total_seconds()
        return here.at - here.slack > there.at + there.slack + late

    def _began(self, place: Locus) -> _Began | None:
        """None: not known. A wait tells the latest time at which it can have begun: who gives up
        and comes again waits anew.
        """
        if any(Trait.HELD in ill.traits and not ill.old for ill in self._scene.at(place)):
            return None
        onsets = [
            _Began(ill.onset.at.timestamp(), ill.onset.slack.total_seconds())
            for ill in self._scene.at(place)
            if ill.onset is not None and ill.role in _BEGINS
        ]
        return min(onsets, default=None)

    def _target_began(self, target: str) -> _Began | None:
        onsets = [
            _Began(ill.onset.at.timestamp(), ill.onset.slack.total_seconds())
            for ill in self._scene.ills.get(target, ())
            if ill.onset is not None and ill.tells and not ill.gone
        ]
        return min(onsets, default=None)
