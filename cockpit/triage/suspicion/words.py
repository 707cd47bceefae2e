"""What is said for and against a suspect, in sentences that stand alone."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.nature import StoryRole, Trait
from cockpit.triage.suspicion import weights
from cockpit.triage.suspicion.blame import Blamed
from cockpit.triage.suspicion.guilt import Judged
from cockpit.triage.suspicion.ills import Ill, strongest
from cockpit.triage.suspicion.reach import Reach
from cockpit.triage.suspicion.scene import Scene, has
from cockpit.units import count, duration

_SHOWN = 3
_ROLES = {
    StoryRole.CAUSE: "a cause",
    StoryRole.EVENT: "something that happened",
    StoryRole.EITHER: "a cause or an effect",
    StoryRole.SYMPTOM: "an effect",
    StoryRole.RISK: "a risk",
    StoryRole.EYE: "about our sight",
}


def _told_first(scene: Scene, one: Judged) -> list[Ill]:
    """What ails it: what the newest looks say before what was seen until they went dark."""
    return sorted(strongest(one.ills), key=scene.is_dark)


def summary(scene: Scene, one: Judged) -> str:
    """One line: what it is."""
    told = _told_first(scene, one)
    if kept_by_load(scene, one):
        over = told[0].found.finding.summary if told else change_words(one.blamed)
        return f"began with {over}; load keeps it: shed load first"
    if told and told[0].value() > weights.STRENGTH[StoryRole.SYMPTOM]:
        return told[0].found.finding.summary
    if one.blamed is not None and one.changed >= weights.CHANGE_LEAST:
        return change_words(one.blamed)
    if one.unseen and not told:
        return f"could not be examined ({one.unseen})"
    return told[0].found.finding.summary if told else change_words(one.blamed)


def kept_by_load(scene: Scene, one: Judged) -> bool:
    """Whether what began it is over, and load keeps it: a retry storm in its second half."""
    now = [ill for ills in scene.ills.values() for ill in ills if ill.tells and not ill.gone]
    if any(ill.role is StoryRole.CAUSE and Trait.LOAD not in ill.traits for ill in now):
        return False
    began = any(ill.role is StoryRole.EVENT or ill.gone for ill in one.ills) or (
        one.blamed is not None and one.changed > one.own
    )
    loaded = sum(Trait.LOAD in ill.traits for ill in now)
    return began and (loaded > 1 or has(now, Trait.LOADER))


def change_words(blamed: Blamed | None) -> str:
    """What was changed, by whom, and when that was."""
    if blamed is None:
        return ""
    change = blamed.change
    by = f" by {change.actor}" if change.actor else ""
    apart = duration(abs(blamed.before.total_seconds()))
    if blamed.after:
        when = f"{apart} after it began: a response, or a consequence"
    elif blamed.before.total_seconds() < 0:
        when = "in the same minutes as it began"
    else:
        when = f"{apart} before it began"
    return f"{change.kind} on {change.target}{by}, {when}: {change.summary}"


def speaks_for(scene: Scene, reach: Reach, one: Judged) -> Iterator[str]:
    """Why it is suspected."""
    if one.said:
        yield f"this is it, says {one.said}"
    for ill in [i for i in _told_first(scene, one) if i.value() > 0][:_SHOWN]:
        over = " (over)" if ill.gone else " (not seen since)" if scene.is_dark(ill) else ""
        yield f"{ill.found.finding.summary}{over}: {ill.name}, {_ROLES[ill.role]}"
    if one.blamed is not None and one.changed > weights.LEAST_GUILT:
        yield change_words(one.blamed)
    if one.unseen:
        yield f"nobody knows how it is: not examined ({one.unseen})"
    above = scene.above(one.place)
    if sick := [name for name in scene.weight if name in above]:
        verb = "needs" if len(sick) == 1 else "need"
        yield f"{count(len(sick), 'sick target')} {verb} it"
    if scene.felt:
        told = [n for n in scene.felt if reach.of(one.place, n) >= weights.NEW_COVER]
        yield f"explains {len(told)} of {len(scene.felt)} of what users feel"


def speaks_against(scene: Scene, reach: Reach, one: Judged) -> Iterator[str]:
    """What users feel and it does not explain, and what was changed too late."""
    for name in scene.felt:
        if reach.of(one.place, name) < weights.FELT_LEAST:
            felt = next(i for i in scene.ills[name] if i.is_felt and not i.old)
            yield f"does not explain {felt.name}"
    if one.blamed is not None and one.blamed.after:
        yield change_words(one.blamed)


def explained(scene: Scene, reach: Reach, one: Judged) -> tuple[str, ...]:
    """`CODE@target` of what it explains, its own with it."""
    names = {
        ill.name
        for target, ills in scene.ills.items()
        if reach.of(one.place, target) >= weights.FELT_LEAST
        for ill in ills
        if ill.role is not StoryRole.EYE and not ill.gone and not ill.old
    }
    return tuple(sorted(names))
