"""Which suspects get a line, in which order: one story a line."""

from __future__ import annotations

from cockpit.triage.suspicion import weights
from cockpit.triage.suspicion.guilt import Judged
from cockpit.triage.suspicion.reach import Reach
from cockpit.triage.suspicion.scene import Scene


def ordered(scene: Scene, reach: Reach, found: list[Judged], most: int) -> list[Judged]:
    """The one with the highest score; then who explains what is not explained yet: two incidents
    get two lines. Equal ones: what lies deeper first, then by name.
    """

    def rank(one: Judged, gain: float) -> tuple[float, int, str]:
        depth = max(scene.graph.depth[name] for name in one.place.members)
        return (0.0 if not one.said else -1.0) - round(gain, 9), -depth, one.place.main

    left = dict(scene.weight)
    rest = list(found)
    lines: list[Judged] = []
    while rest and len(lines) < most:
        open_ = sum(left.values())
        another = bool(lines) and open_ > weights.NEXT_LINE * scene.total
        by_gain = {
            one.place.main: one.score
            * (weights.NEW_COVER + _covers(reach, one, left) / scene.total if another else 1.0)
            for one in rest
        }
        chosen = min(rest, key=lambda one: rank(one, by_gain[one.place.main]))
        rest.remove(chosen)
        lines.append(chosen)
        left = {name: weight * (1 - reach.of(chosen.place, name)) for name, weight in left.items()}
    return lines


def _covers(reach: Reach, one: Judged, left: dict[str, float]) -> float:
    return sum(weight * reach.of(one.place, name) for name, weight in left.items())
