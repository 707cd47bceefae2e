"""What began when, in the order in which it began, and what was changed after that."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cockpit.triage.changes import Change
from cockpit.triage.nature import StoryRole
from cockpit.triage.suspicion import weights
from cockpit.triage.suspicion.ills import Ill
from cockpit.triage.suspicion.reach import Reach
from cockpit.triage.suspicion.scene import Locus, Scene

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ChainLink:
    """One thing of the story."""

    name: str
    """`CODE@target`."""
    at: datetime | None
    """When it began; None: nobody knows."""
    slack: timedelta = timedelta(0)
    """It began so much earlier or later than `at`."""
    over: bool = False


def reached(scene: Scene, reach: Reach, place: Locus) -> frozenset[str]:
    """The targets whose troubles and changes can belong to the story of a place, its own too."""
    known = {*scene.ills, *scene.changes}
    return frozenset(name for name in known if reach.of(place, name) >= weights.FELT_LEAST)


def chain(scene: Scene, targets: Collection[str]) -> tuple[ChainLink, ...]:
    """What ails these targets, the earliest first, what nobody can date last."""
    links: dict[str, ChainLink] = {}
    for name in targets:
        for ill in scene.ills.get(name, ()):
            if ill.tells and ill.role is not StoryRole.RISK:
                link = _link(ill)
                known = links.setdefault(link.name, link)
                links[link.name] = min(known, link, key=_order)
    return tuple(sorted(links.values(), key=_order))


def _link(ill: Ill) -> ChainLink:
    if ill.onset is None:
        return ChainLink(ill.name, None, over=ill.gone)
    return ChainLink(ill.name, ill.onset.at, ill.onset.slack, over=ill.gone)


def _order(link: ChainLink) -> tuple[datetime, bool, str]:
    return (link.at or _NEVER, link.over, link.name)


def came_after(
    scene: Scene, targets: Collection[str], links: Sequence[ChainLink]
) -> tuple[Change, ...]:
    """What was changed at these targets surely after it began, oldest first: no cause of it."""
    first = next((link for link in links if link.at is not None), None)
    began = scene.onset.at + scene.onset.slack
    if first is not None and first.at is not None:
        began = first.at + first.slack
    late = began + weights.AT_ONCE
    found = [c for name in targets for c in scene.changes.get(name, ()) if c.at > late]
    return tuple(sorted(found, key=lambda each: (each.at, each.kind, each.target)))
