"""How sure it is: a word, and where it is not sure, why."""

from __future__ import annotations

from enum import StrEnum

from cockpit.triage.finding import Severity
from cockpit.triage.nature import StoryRole
from cockpit.triage.suspicion import weights
from cockpit.triage.suspicion.guilt import Judged
from cockpit.triage.suspicion.ills import strongest
from cockpit.triage.suspicion.reach import Reach
from cockpit.triage.suspicion.scene import Scene

_BEGINS = frozenset({StoryRole.CAUSE, StoryRole.EVENT, StoryRole.EITHER})


class Certainty(StrEnum):
    """How sure it is that the story begins there."""

    LIKELY = "likely"
    POSSIBLE = "possible"
    UNCLEAR = "unclear"


def verdict(
    scene: Scene, reach: Reach, one: Judged, ranked: list[Judged], *, first: bool
) -> tuple[Certainty, str]:
    """The word, and the reason where it is `unclear`."""
    if one.said:
        return Certainty.LIKELY, ""
    if why := _unclear(scene, reach, one, ranked, first=first):
        return Certainty.UNCLEAR, why
    return (Certainty.LIKELY if one.score >= weights.LIKELY else Certainty.POSSIBLE), ""


def _unclear(scene: Scene, reach: Reach, one: Judged, ranked: list[Judged], *, first: bool) -> str:
    if one.unseen and one.own < weights.UNSEEN_OWN:
        return f"not examined ({one.unseen})"
    begins = any(ill.role in _BEGINS and not ill.old for ill in one.ills)
    if not begins and one.changed < weights.CHANGE_LEAST:
        return "only symptoms are seen"
    felt = sum(scene.felt.values())
    explained = sum(w * reach.of(one.place, name) for name, w in scene.felt.items())
    if felt and explained < weights.FELT_LEAST * felt:
        return "explains little of what users feel"
    if not felt and all(ill.stands for ill in one.ills if ill.tells):
        return "nothing is felt"
    if not felt and (dark := scene.dark(one.place)) and not _has_cause(one):
        return f"not examined ({dark})"
    if not felt and _untied(scene, reach, one, ranked):
        return "several troubles, and nothing ties them"
    if _is_mild(one) and one.score < weights.MILD and not _only_cause(scene, reach, one, ranked):
        return "only a warning, and nobody knows since when"
    if one.score < weights.POSSIBLE and not _alone(scene, reach, one, ranked):
        return "weak evidence"
    everything = (ill for ills in scene.ills.values() for ill in ills)
    if not any(ill.severity >= Severity.HIGH and not ill.gone for ill in everything):
        return "nothing acute"
    rival = next((other for other in ranked if _rivals(scene, reach, one, other)), None)
    if first and rival is not None:
        return f"cannot be told from {rival.place.main}"
    return ""


def _is_mild(one: Judged) -> bool:
    """Whether all that speaks against it is a warning that may have been there for days."""
    begins = [ill for ill in one.ills if ill.role in _BEGINS and not ill.old]
    return bool(begins) and all(
        ill.severity <= Severity.WARNING and ill.onset is None for ill in begins
    )


def _only_cause(scene: Scene, reach: Reach, one: Judged, ranked: list[Judged]) -> bool:
    """Whether it is below all that users feel, and no other cause is open anywhere."""
    return (
        _has_cause(one)
        and bool(scene.felt)
        and all(reach.of(one.place, name) >= weights.ABOVE for name in scene.felt)
        and not any(_has_cause(other) for other in ranked if other is not one)
    )


def _alone(scene: Scene, reach: Reach, one: Judged, ranked: list[Judged]) -> bool:
    """Whether it explains nearly all that users feel, and nothing else comes near it."""
    felt = sum(scene.felt.values())
    explained = sum(w * reach.of(one.place, name) for name, w in scene.felt.items())
    second = max((o.score for o in ranked if o is not one), default=0.0)
    return (
        one.score >= weights.ALONE
        and explained >= weights.ALONE_FELT * felt
        and second <= weights.ALONE_REST * one.score
    )


def _has_cause(one: Judged) -> bool:
    return any(ill.role is StoryRole.CAUSE and not ill.old for ill in one.ills)


def _untied(scene: Scene, reach: Reach, one: Judged, ranked: list[Judged]) -> bool:
    return any(
        o is not one
        and o.own > weights.UNTIED_OWN
        and o.score > weights.UNTIED_SCORE * one.score
        and independent(scene, reach, one, o)
        for o in ranked
    )


def _rivals(scene: Scene, reach: Reach, one: Judged, other: Judged) -> bool:
    close = other is not one and other.score * weights.RIVAL > one.score
    return close and not _alike(one, other) and not independent(scene, reach, one, other)


def _alike(one: Judged, other: Judged) -> bool:
    """Whether they are of one sort with the same worst finding, such as the copies of a database:
    one story, whichever of them is named.
    """
    first, second = ({i.code for i in strongest(each.ills)[:1]} for each in (one, other))
    return one.place.kinds == other.place.kinds and bool(first & second)


def independent(scene: Scene, reach: Reach, one: Judged, other: Judged) -> bool:
    """Whether they explain different things: then they are no rivals but two stories."""
    own = both = 0.0
    for name, weight in scene.weight.items():
        mine = reach.of(one.place, name)
        own += weight * mine
        both += weight * min(mine, reach.of(other.place, name))
    return both < weights.INDEPENDENT * own
