"""What to look at next: the look that tells most apart."""

from __future__ import annotations

from datetime import timedelta

from cockpit.triage.nature import StoryRole
from cockpit.triage.registry import registry
from cockpit.triage.suspicion import weights
from cockpit.triage.suspicion.certainty import independent
from cockpit.triage.suspicion.guilt import Judged, cover
from cockpit.triage.suspicion.reach import Reach
from cockpit.triage.suspicion.scene import Scene


def next_look(scene: Scene, reach: Reach, one: Judged, found: list[Judged]) -> str:
    """`make db visible (denied)`, a probe's id, or empty where no look would tell more.

    Never a look that was made within its pace and found nothing.
    """
    rivals = [
        other
        for other in found[:10]
        if other is not one and not independent(scene, reach, one, other)
    ]
    everything = sum(each.score for each in (one, *rivals)) + weights.NEXT_REST
    best, worth = "", 0.0
    for each in (one, *rivals):
        share = each.score / everything
        gain = share * (1 - share) * cover(scene, reach, each.place)
        look = _look(scene, each)
        if look and gain > worth:
            best, worth = look, gain
    return best


def _look(scene: Scene, one: Judged) -> str:
    """What would tell whether it is this one."""
    blind = scene.not_examined(one.place)
    if one.unseen == "not looked at yet":
        return f"look at {one.place.main}"
    if blind:
        return f"make {blind[0]} visible"
    for name in one.place.members:
        for reading in scene.board.readings_at(name):
            probe = registry().get(reading.probe)
            if probe is None or not any(n.role is StoryRole.CAUSE for n in probe.codes.values()):
                continue
            if scene.now - reading.at > weights.STALE * timedelta(seconds=probe.every):
                return probe.id
    return ""
