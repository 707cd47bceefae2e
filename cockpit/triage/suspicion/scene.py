"""The scene of an incident: places, what ails them, and what there is to explain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from cockpit.triage.board import Board, LookId
from cockpit.triage.changes import Change
from cockpit.triage.feed import merged
from cockpit.triage.nature import Codes, StoryRole, Trait
from cockpit.triage.onset import Onset
from cockpit.triage.probe import Blind, Reading
from cockpit.triage.suspicion import weights
from cockpit.triage.suspicion.ills import (
    WITNESSES,
    Ill,
    aged,
    by_home,
    ills_of,
    incident_onset,
)
from cockpit.triage.target import Target
from cockpit.triage.topology import DependencyGraph

_TWINS = {"postgres": "rds", "mysql": "rds", "redis": "elasticache", "memcached": "elasticache"}
"""Data plane → the control plane's view of the same thing, where it needs it."""


@dataclass(frozen=True, slots=True, eq=False)
class Locus:
    """What a suspect is: a target, or one with the service's own view of it."""

    members: tuple[str, ...]
    """The data plane first."""
    kinds: tuple[str, ...]

    @property
    def main(self) -> str:
        """The target that it is."""
        return self.members[0]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """All that is judged, worked out once a board."""

    graph: DependencyGraph
    board: Board
    ills: Mapping[str, list[Ill]]
    """Target → what ails it, cleared and old ones too."""
    onset: Onset
    first_look: datetime
    now: datetime
    changes: Mapping[str, list[Change]]
    """Target → what others changed there and went through."""
    places: Mapping[str, Locus] = field(default_factory=dict)
    """Target → its place."""

    @cached_property
    def weight(self) -> Mapping[str, float]:
        """Target → how much there is to explain."""
        found = {name: _weight(ills) for name, ills in self.ills.items()}
        return {name: weight for name, weight in found.items() if weight}

    @cached_property
    def felt(self) -> Mapping[str, float]:
        """Target → how much of that users feel."""
        return {
            name: max(weights.FELT[i.severity] for i in felt)
            for name, ills in self.ills.items()
            if (felt := [i for i in ills if i.is_felt and not i.old])
        }

    @cached_property
    def total(self) -> float:
        """Everything that there is to explain."""
        return sum(self.weight.values())

    @cached_property
    def kinds(self) -> Mapping[str, str]:
        """Target → kind."""
        return {target.name: target.kind for target in self.graph.targets}

    @cached_property
    def services(self) -> Mapping[str, str]:
        """Target → the service that it says it belongs to; empty: it does not say."""
        return {target.name: target.service for target in self.graph.targets}

    def at(self, place: Locus) -> list[Ill]:
        """What ails a place."""
        return [ill for name in place.members for ill in self.ills.get(name, ())]

    def above(self, place: Locus) -> frozenset[str]:
        """What needs it."""
        return frozenset().union(*map(self.graph.above, place.members)) - set(place.members)

    def below(self, place: Locus) -> frozenset[str]:
        """What it needs."""
        return frozenset().union(*map(self.graph.below, place.members)) - set(place.members)

    def unseen(self, place: Locus) -> str:
        """Why it could not be looked at (`denied`, `not looked at yet`); empty: it was seen."""
        looks = self._looks(place.main)
        if not looks:
            return "not looked at yet"
        if any(ill.role in {StoryRole.CAUSE, StoryRole.EVENT} for ill in self.at(place)):
            return ""
        failed = [each.outcome for each in looks if isinstance(each.outcome, Blind)]
        if len(failed) < len(looks) or any(each.finding is not None for each in failed):
            return ""
        return failed[0].reason.value

    def dark(self, place: Locus) -> str:
        """Why no look at it worked, also where that says what is wrong; empty: one did."""
        failed = [e.outcome for e in self._looks(place.main) if isinstance(e.outcome, Blind)]
        return failed[0].reason.value if len(failed) == len(self._looks(place.main)) > 0 else ""

    def is_dark(self, ill: Ill) -> bool:
        """Whether the look that saw it fails now, and says something else or nothing."""
        newest = self.board.readings.get(LookId(ill.found.target, ill.found.probe))
        outcome = newest.outcome if newest is not None else None
        if not isinstance(outcome, Blind):
            return False
        return outcome.finding is None or outcome.finding.code != ill.code

    def not_examined(self, place: Locus) -> tuple[str, ...]:
        """What of it, and of what it needs, could not be looked at: `cache (denied)`."""
        names = (*place.members, *sorted(self.below(place)))
        return tuple(
            dict.fromkeys(
                f"{name} ({each.outcome.reason})"
                for name in names
                for each in self._looks(name)
                if isinstance(each.outcome, Blind) and each.outcome.finding is None
            )
        )

    def _looks(self, target: str) -> list[Reading]:
        return [each for each in self.board.readings_at(target) if each.kind != "runbook"]


def scene_of(
    board: Board, graph: DependencyGraph, natures: Codes, first_look: datetime | None = None
) -> Scene:
    """The scene that a board shows. `first_look`: when looking began; None: as the board tells."""
    looked = [each.at for each in board.readings.values()]
    now = max((*looked, *(each.seen for each in board.open.values())))
    first = first_look or min((*looked, *(each.since for each in board.open.values())))
    ills = ills_of(board, graph, natures, first, now)
    onset = incident_onset(board, ills, first, now)
    changes: dict[str, list[Change]] = {}
    for change in merged(board.changes):
        if change.target and not change.own and not change.failed:
            changes.setdefault(change.target, []).append(change)
    return Scene(
        graph=graph,
        board=board,
        ills=by_home(aged(ills, onset)),
        onset=onset,
        first_look=first,
        now=now,
        changes=changes,
        places=places_of(graph.targets),
    )


def places_of(targets: Iterable[Target]) -> Mapping[str, Locus]:
    """Target → the place that it is a part of; witnesses are none."""
    known = {target.name: target for target in targets if target.kind not in WITNESSES}
    twin: dict[str, str] = {}
    for target in known.values():
        wanted = _TWINS.get(target.kind)
        named = str(getattr(target.settings, wanted or "", "") or "")
        fitting = [n for n in (named, *target.needs) if n in known and known[n].kind == wanted]
        if wanted and fitting:
            twin.setdefault(fitting[0], target.name)
    main = {other: name for name, other in twin.items()}
    places: dict[str, Locus] = {}
    for name in known:
        if name in twin:
            continue
        members = (name, main[name]) if name in main else (name,)
        place = Locus(members, tuple(known[member].kind for member in members))
        places |= dict.fromkeys(members, place)
    return places


def _weight(ills: Iterable[Ill]) -> float:
    """One number a target, however many findings say it."""

    def of(ill: Ill) -> float:
        felt = 1.0 if ill.role is StoryRole.SYMPTOM else weights.NOT_A_SYMPTOM
        return weights.FELT[ill.severity] * felt

    now = (i for i in ills if i.tells and i.role is not StoryRole.EVENT and not i.gone)
    return max(map(of, now), default=0.0)


def has(ills: Iterable[Ill], trait: Trait) -> bool:
    """Whether one of them has the trait, and tells of now."""
    return any(trait in each.traits and not each.old for each in ills)
