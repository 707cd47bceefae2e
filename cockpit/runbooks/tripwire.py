"""Whether another signal got worse since a step acted (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from cockpit.runbooks.step import Tripwire
from cockpit.triage.board import Board, LookId
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Fact, Seen
from cockpit.triage.topology import DependencyGraph


def tripped(
    wires: Sequence[Tripwire], before: Board, now: Board, *, own: LookId, graph: DependencyGraph
) -> str:
    """What got worse, in words; empty: nothing that is watched did.

    `own` is the target that was acted on and the probe of the step's own verification, which says
    by itself whether it helped. What was so before the step is never told, and what was not known
    before is no change. Around the target, nothing counts that an illness from before explains.
    """
    around = {own.target, *graph.above(own.target), *graph.below(own.target)}
    for wire in wires:
        places = {wire.target} if wire.target else around
        found = _facts(wire, before, now) if wire.fact else _findings(wire, before, now, places)
        for said, look in found:
            if wire.target or (look != own and not _explained(look.target, before, graph)):
                return said
    return ""


def _explained(target: str, before: Board, graph: DependencyGraph) -> bool:
    """Whether something that it needs was gravely ill before the step: an outage goes on reaching
    others for a while, and that is no step's doing.
    """
    return any(
        (before.worst(need) or Severity.INFO) >= Severity.HIGH for need in graph.below(target)
    )


Told = tuple[str, LookId]


def _findings(wire: Tripwire, before: Board, now: Board, places: Collection[str]) -> Iterator[Told]:
    for opened in (each for place in sorted(places) for each in now.open_at(place)):
        id_, severity = opened.id, opened.finding.severity
        earlier = before.open.get(id_)
        worse = earlier is None or earlier.finding.severity < severity
        if worse and severity >= wire.finding:
            was = f"was {earlier.finding.severity}" if earlier else "was not there"
            said = f"{id_.code} at {id_.target} is {severity}, {was} before the step"
            yield said, LookId(opened.target, opened.probe)


def _facts(wire: Tripwire, before: Board, now: Board) -> Iterator[Told]:
    was, fact = _fact(before, wire), _fact(now, wire)
    if was is None or fact is None or _beyond(wire, was) or not _beyond(wire, fact):
        return
    told = wire.says or f"{wire.fact} at {wire.target} is beyond its limit"
    said = f"{told}: {was.text} before the step, {fact.text} now"
    yield said, LookId(wire.target, wire.probe)


def _fact(board: Board, wire: Tripwire) -> Fact | None:
    reading = board.readings.get(LookId(wire.target, wire.probe))
    if reading is None or not isinstance(reading.outcome, Seen):
        return None
    named = (fact for fact in reading.outcome.facts if fact.label == wire.fact)
    return next((fact for fact in named if fact.value is not None), None)


def _beyond(wire: Tripwire, fact: Fact) -> bool:
    value = fact.value
    assert value is not None
    over = wire.above is not None and value > wire.above
    return over or (wire.below is not None and value < wire.below)
