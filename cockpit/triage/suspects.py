"""What probably caused it: where the story of what users feel can begin, with why, and how sure.

A rule that explains itself (docs/suspects.md): what each finding *is* (`cockpit.triage.nature`),
when it began, what needs what, and what was changed. It says `unclear` where it cannot tell. Pure:
no clock, no chance; the same board gives the same answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from cockpit.triage.board import Board, FindingId
from cockpit.triage.changes import Change
from cockpit.triage.nature import Codes, StoryRole
from cockpit.triage.registry import natures
from cockpit.triage.suspicion import weights
from cockpit.triage.suspicion.certainty import Certainty, verdict
from cockpit.triage.suspicion.chain import ChainLink, came_after, chain, reached
from cockpit.triage.suspicion.guilt import Judged, Said, judged
from cockpit.triage.suspicion.ills import Ill, strongest
from cockpit.triage.suspicion.lines import ordered
from cockpit.triage.suspicion.next_look import next_look
from cockpit.triage.suspicion.reach import Reach
from cockpit.triage.suspicion.ruled_out import RuledOut, ruled_out
from cockpit.triage.suspicion.scene import Scene, scene_of
from cockpit.triage.suspicion.shared import AnyShared, shared_by
from cockpit.triage.suspicion.words import explained, speaks_against, speaks_for, summary
from cockpit.triage.topology import DependencyGraph

MOST = 3
JUDGED_BY = "what each finding is, when it began, what needs it, and what was changed before"
"""How suspects are found, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """Where it could have begun."""

    rank: int
    kind: str
    """`target`; `zone` and `account` for what several targets share."""
    name: str
    score: float
    """0 to 1: how well the story begins there. It orders; it is not a probability."""
    summary: str
    target: str = ""
    """The one target that it is; empty: there is no single one."""
    verdict: Certainty = Certainty.POSSIBLE
    """How sure it is; `unclear`: it cannot tell."""
    reason: str = ""
    """Why it is unclear; empty: it is not."""
    change: Change | None = None
    """What was changed there shortly before; None: nothing that is known."""
    began: datetime | None = None
    """When it began there; None: not known."""
    said: str = ""
    """Who said that this is it; empty: nobody."""
    felt: tuple[int, int] = (0, 0)
    """How many of the targets that users feel it explains, and how many there are."""
    explains: tuple[str, ...] = ()
    """`CODE@target` of what it explains."""
    own: tuple[FindingId, ...] = ()
    """What ails it itself and is open, what speaks most against it first."""
    chain: tuple[ChainLink, ...] = ()
    """Its story in the order in which it began, what nobody can date last."""
    after: tuple[Change, ...] = ()
    """What was changed there only after it began: no cause of it."""
    for_: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    not_examined: tuple[str, ...] = ()
    next_probe: str = ""
    """What would separate it from the others; empty: nothing that is known."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a board says about where it began."""

    suspects: tuple[Suspect, ...] = ()
    """At most three, the strongest first; empty when nothing worse than info is open."""
    ruled_out: tuple[RuledOut, ...] = ()
    """What could have been it and is not."""


def judge(
    board: Board,
    graph: DependencyGraph,
    *,
    known: Codes = MappingProxyType({}),
    first_look: datetime | None = None,
    said: Mapping[str, Said] = MappingProxyType({}),
) -> Judgement:
    """`known`: what each code is; empty: as the probes of the graph's kinds declare it.
    `first_look`: when looking began; None: as the board tells. `said`: target → what a person said
    about it.
    """
    if not board.readings and not board.open:
        return Judgement()
    scene = scene_of(board, graph, known or natures({t.kind for t in graph.targets}), first_look)
    if not any(ill.tells and not ill.gone for ills in scene.ills.values() for ill in ills):
        return Judgement()
    reach = Reach(scene)
    several = [each for each in shared_by(scene) if _is_open(each.name, said)]
    follows = frozenset[str]().union(*(each.swallows for each in several))
    found = [
        each
        for each in judged(scene, reach, said)
        if not follows.issuperset(each.place.members)
        and (each.ills or each.said or each.unseen or each.changed > weights.LEAST_GUILT)
    ]
    lines = ordered(scene, reach, found, MOST)
    told = [*(_several(scene, each, said) for each in several)]
    told += _lines(scene, reach, lines, found)
    told.sort(key=lambda one: not one.said)
    ranked = tuple(replace(one, rank=place) for place, one in enumerate(told[:MOST], 1))
    named = {one.name for one in ranked}
    innocent = (each for each in ruled_out(scene) if each.target not in named)
    return Judgement(ranked, tuple(innocent))


def suspects(
    board: Board, graph: DependencyGraph, *, known: Codes = MappingProxyType({})
) -> tuple[Suspect, ...]:
    """At most three, the strongest first; empty when nothing worse than info is open."""
    return judge(board, graph, known=known).suspects


def _lines(
    scene: Scene, reach: Reach, lines: Sequence[Judged], found: list[Judged]
) -> Iterator[Suspect]:
    for place, one in enumerate(lines):
        word, why = verdict(scene, reach, one, found, first=not place)
        told = _suspect(scene, reach, one)
        yield replace(
            told,
            verdict=word,
            reason=why,
            next_probe=next_look(scene, reach, one, found),
        )


def _suspect(scene: Scene, reach: Reach, one: Judged) -> Suspect:
    felt = sum(reach.of(one.place, name) >= weights.NEW_COVER for name in scene.felt)
    name = _named_by(one)
    targets = reached(scene, reach, one.place)
    links = chain(scene, targets)
    blamed = one.blamed if one.changed > weights.LEAST_GUILT else None
    return Suspect(
        rank=0,
        kind="target",
        name=name,
        score=round(one.score, 4),
        summary=summary(scene, one),
        target=name,
        change=blamed.change if blamed is not None and not blamed.after else None,
        began=_began(one.ills),
        said=one.said,
        felt=(felt, len(scene.felt)),
        explains=explained(scene, reach, one),
        own=tuple(ill.found.id for ill in strongest(one.ills) if not ill.gone and not ill.old),
        chain=links,
        after=came_after(scene, targets, links),
        for_=tuple(speaks_for(scene, reach, one)),
        against=tuple(speaks_against(scene, reach, one)),
        not_examined=scene.not_examined(one.place),
    )


def _named_by(one: Judged) -> str:
    """The member with the strongest finding; the data plane's where nothing is found."""
    told = max(one.ills, key=lambda ill: (ill.value(), ill.severity.rank), default=None)
    return told.home if told is not None and told.value() > 0 else one.place.main


def _began(ills: Collection[Ill]) -> datetime | None:
    known = [
        ill.onset.at
        for ill in ills
        if ill.onset is not None and ill.role not in {StoryRole.RISK, StoryRole.EYE} and not ill.old
    ]
    return min(known, default=None)


def _is_open(name: str, said: Mapping[str, Said]) -> bool:
    return name not in said or said[name].guilty


def _several(scene: Scene, shared: AnyShared, said: Mapping[str, Said]) -> Suspect:
    ailing = shared.reached(scene.graph)
    ills = [ill for name in sorted(ailing) for ill in scene.ills.get(name, ())]
    covered = sum(scene.weight.get(name, 0.0) for name in ailing) / (scene.total or 1.0)
    felt = sum(name in scene.felt for name in ailing)
    alone, rest = weights.SCORE_ALONE, 1 - weights.SCORE_ALONE
    by = said[shared.name].by if shared.name in said else ""
    links = chain(scene, ailing)
    return Suspect(
        rank=0,
        kind=shared.kind,
        name=shared.name,
        score=round(weights.SHARED * (alone + rest * covered), 4),
        summary=shared.summary,
        verdict=Certainty.LIKELY,
        began=_began(ills),
        said=by,
        felt=(felt, len(scene.felt)),
        explains=tuple(sorted({ill.name for ill in ills if not ill.gone})),
        chain=links,
        after=came_after(scene, ailing, links),
        for_=(*((f"this is it, says {by}",) if by else ()), *shared.reasons),
        against=tuple(
            f"does not explain {next(i for i in scene.ills[n] if i.is_felt).name}"
            for n in scene.felt
            if n not in ailing
        ),
        next_probe=shared.next,
    )
