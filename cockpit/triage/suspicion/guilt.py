"""How guilty each place is, after what others explain away."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from cockpit.triage.nature import StoryRole, Trait
from cockpit.triage.suspicion import weights
from cockpit.triage.suspicion.blame import Blamed, blamed
from cockpit.triage.suspicion.ills import Ill
from cockpit.triage.suspicion.reach import Reach
from cockpit.triage.suspicion.scene import Locus, Scene, has


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A place with what speaks against it."""

    place: Locus
    ills: tuple[Ill, ...]
    own: float
    """0 to 1: by what ails it."""
    blamed: Blamed | None
    unseen: str
    """Why it could not be looked at; empty: it was."""
    score: float = 0.0
    said: str = ""
    """Who said that this is it; empty: nobody."""

    @property
    def changed(self) -> float:
        """0 to 1: by what was changed there."""
        return self.blamed.share if self.blamed is not None else 0.0

    @property
    def guilt(self) -> float:
        """0 to 1: by all of it."""
        known = 1 - (1 - self.own) * (1 - self.changed)
        if not self.unseen or self.own >= weights.UNSEEN_OWN:
            return known
        return max(known, weights.UNSEEN.get(self.unseen, weights.UNSEEN_ELSE))


@dataclass(frozen=True, slots=True)
class Said:
    """What a person said about a target."""

    guilty: bool
    by: str


def judged(scene: Scene, reach: Reach, said: Mapping[str, Said]) -> list[Judged]:
    """Every place that may be guilty, the most first; scores are worked out. What a person knows
    counts more: who is said to be innocent explains nothing, who is said to be guilty everything
    that it can.
    """
    found = []
    for place in dict.fromkeys(scene.places.values()):
        words = [said[name] for name in place.members if name in said]
        if all(each.guilty for each in words):
            by = words[0].by if words else ""
            found.append(_judge(scene, reach, place, by=by))
    found = sorted(
        (each for each in found if each.guilt > weights.LEAST_GUILT),
        key=lambda each: (-each.guilt, each.place.main),
    )[: weights.LOOKED_INTO]
    damping = _Damping(scene, reach, [each for each in found if _damps(each)])
    return [
        _scored(scene, reach, each)
        if each.said
        else _scored(scene, reach, replace(each, own=_own(each.ills, damping.of(each))))
        for each in found
    ]


def cover(scene: Scene, reach: Reach, place: Locus) -> float:
    """The share of all that is to be explained that a place explains."""
    if not scene.total:
        return 0.0
    return sum(w * reach.of(place, name) for name, w in scene.weight.items()) / scene.total


def _scored(scene: Scene, reach: Reach, one: Judged) -> Judged:
    explained = cover(scene, reach, one.place)
    alone, rest = weights.SCORE_ALONE, 1 - weights.SCORE_ALONE
    score = one.guilt * (alone + rest * explained) if explained else 0.0
    return replace(one, score=score or one.guilt * weights.NOTHING_COVERED)


def _judge(scene: Scene, reach: Reach, place: Locus, *, by: str) -> Judged:
    ills = tuple(scene.at(place))
    return Judged(
        place=place,
        ills=ills,
        own=1.0 if by else _own(ills, lambda _: 1.0),
        said=by,
        blamed=blamed(scene, reach, place),
        unseen=scene.unseen(place),
    )


def _own(ills: Iterable[Ill], left: Callable[[Ill], float]) -> float:
    """Findings of one role say the same thing once; roles add up."""
    worst: dict[StoryRole, float] = {}
    for ill in ills:
        worst[ill.role] = max(worst.get(ill.role, 0.0), ill.value() * left(ill))
    rest = 1.0
    for value in worst.values():
        rest *= 1 - value
    return 1 - rest


def _damps(one: Judged) -> bool:
    return one.own > weights.DAMPER_LEAST or one.changed > weights.DAMPER_LEAST


_DOWNWARDS = frozenset({Trait.LOAD, Trait.SAYS_DROP})
"""What can be the doing of who asks: that it is asked more, or no more."""


def _is_cause(ill: Ill) -> bool:
    return ill.role is StoryRole.CAUSE


class _Damping:
    """How much of an ill is left when others are guiltier of it."""

    def __init__(self, scene: Scene, reach: Reach, others: list[Judged]) -> None:
        self._scene = scene
        self._reach = reach
        self._others = others
        self._loaders = {o.place.main for o in others if has(o.ills, Trait.LOADER)}
        self._cold = {o.place.main for o in others if has(o.ills, Trait.COLD)}
        self._causes = {
            o.place.main
            for o in others
            if any(_is_cause(i) and Trait.HELD not in i.traits and not i.old for i in o.ills)
        }
        self._below = {o.place.main: scene.below(o.place) for o in others}
        self._callers: Mapping[str, frozenset[str]] = {
            o.place.main: scene.above(o.place) for o in others
        }

    def of(self, one: Judged) -> Callable[[Ill], float]:
        callers = self._scene.above(one.place)

        def left(ill: Ill) -> float:
            if not self._yields(ill):
                return 1.0
            power = max(
                (self._power(one, o, ill, callers) for o in self._others if o is not one),
                default=0.0,
            )
            return 1 - weights.DAMPED * power

        return left

    @staticmethod
    def _yields(ill: Ill) -> bool:
        if ill.role is StoryRole.EVENT or ill.old:
            return False
        return not _is_cause(ill) or not ill.traits.isdisjoint({Trait.HELD, Trait.LOAD})

    def _power(self, one: Judged, other: Judged, ill: Ill, callers: frozenset[str]) -> float:
        share = self._reach.of(other.place, ill.home)
        name = other.place.main
        if ill.home in self._below[name] and ill.traits.isdisjoint(_DOWNWARDS):
            return 0.0
        if Trait.HELD in ill.traits:
            shares = not callers.isdisjoint(self._callers[name]) and name in self._causes
            share = weights.HELD_BY_CAUSE if shares else 0.0
        elif Trait.LOAD in ill.traits and ill.role is StoryRole.CAUSE:
            share *= weights.COLD_BEFORE if name in self._cold else weights.LOAD_CAUSE
        if not share:
            return 0.0
        power = other.guilt * share
        weaker = other.own + other.changed < one.own + one.changed
        below = share >= weights.ABOVE  # what is below needs no more guilt to be why
        if ill.role is StoryRole.EITHER and weaker and not below:
            power *= weights.WEAKER_CHANGE
        if name in self._loaders and Trait.LOAD in ill.traits:
            power = max(power, weights.BY_LOADER * share)
        return power
