"""What changes have to do with what is wrong: for the probe `changes.related`, which judges it.

No probe sees other targets, so this is taken from the board, and put on it again (as the promises
of steps are).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cockpit import clock
from cockpit.triage.board import Board
from cockpit.triage.feed import merged, users
from cockpit.triage.names import ChangedName, changed_names
from cockpit.triage.onset import Onset, onset
from cockpit.triage.probe import AnyProbe, Reading, Seen
from cockpit.triage.ranking import Ranked, failing, ranked
from cockpit.triage.sanitised import sanitise
from cockpit.triage.target import Target
from cockpit.triage.together import (
    SILENT_AT,
    SILENT_SERVICES,
    LimitReached,
    Unanswered,
    ZoneShare,
    limits_reached,
    sick_zones,
    unanswered_of,
    zones_of,
)
from cockpit.triage.topology import DependencyGraph

RELATED = "changes.related"
"""The probe that judges it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedChanges:
    """Every change that is known, the most suspected first."""

    at: datetime
    began: Onset | None
    ranked: tuple[Ranked, ...] = ()
    sick: tuple[str, ...] = ()
    """The targets with something high or critical."""
    uses: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Resource → targets whose looks name it."""
    codes: tuple[str, ...] = ()
    """Every open code."""
    zones: tuple[ZoneShare, ...] = ()
    """Those in which something is sick."""
    unanswered: tuple[Unanswered, ...] = ()
    limits: tuple[LimitReached, ...] = ()
    names: tuple[ChangedName, ...] = ()
    """Records of DNS that were changed, of names that targets are asked by."""
    first_look: datetime | None = None
    """When looking began; what was so by then began before. None: not known."""


def changes_of(
    board: Board, graph: DependencyGraph, *, at: datetime, began: Onset | None
) -> RankedChanges:
    """The board's changes, merged, joined to what uses them, and ranked against an onset."""
    found = merged(board.changes)
    sick = failing(board)
    unplaced = {each.resource for each in found if each.resource}
    uses: Mapping[str, frozenset[str]] = users(board, unplaced) if sick else {}
    order = ranked(found, graph, sick=sick, began=began, uses=uses)
    return RankedChanges(
        at=at,
        began=began,
        ranked=order,
        sick=tuple(sorted(sick)),
        uses=tuple((name, tuple(sorted(who))) for name, who in sorted(uses.items())),
        codes=tuple(sorted({each.finding.code for each in board.open.values()})),
        zones=zones_of(board, graph),
        unanswered=unanswered_of(board, graph),
        limits=limits_reached(board, graph),
        names=changed_names(board),
    )


class Relating:
    """Keeps the ranking fresh. Costs little while neither the changes nor what fails are others."""

    def __init__(self, graph: DependencyGraph) -> None:
        self._graph = graph
        self._seen: tuple[object, ...] = ()
        self.newest = RankedChanges(at=clock.now(), began=None)

    def refresh(self, board: Board, first_look: datetime | None) -> bool:
        """Rank anew when something is new; whether that was so."""
        began = onset(board, first_look)
        together = (
            zones_of(board, self._graph),
            unanswered_of(board, self._graph),
            limits_reached(board, self._graph),
            changed_names(board),
        )
        seen = (board.changes, began, failing(board), together)
        if _same(seen, self._seen):
            return False
        self._seen = seen
        found = changes_of(board, self._graph, at=clock.now(), began=began)
        self.newest = replace(found, first_look=first_look)
        return True


def feed_of(targets: Sequence[Target]) -> str:
    """The target at which it is told; empty: no feed of changes is configured."""
    return next((target.name for target in targets if target.kind == "changes"), "")


def without_feed(found: RankedChanges) -> dict[str, tuple[str, RankedChanges]]:
    """What is told though no feed is configured: place → the target at which, and what.

    That is a sick zone, an AWS that does not answer, and a used-up limit, at the first target that
    each of them ails, which is no wrong word about it. Changes need a feed.
    """
    told: dict[str, tuple[str, RankedChanges]] = {}
    silent = [
        each
        for each in found.unanswered
        if len(each.services) >= SILENT_SERVICES or each.most_targets >= SILENT_AT
    ]
    shared: list[ZoneShare | Unanswered | LimitReached]
    shared = [*sick_zones(found.zones), *silent, *found.limits]
    for each in shared:
        if each.place not in told:
            told[each.place] = (each.targets[0], _of_place(found, each.place))
    return told


def _of_place(found: RankedChanges, place: str) -> RankedChanges:
    return RankedChanges(
        at=found.at,
        began=found.began,
        zones=tuple(each for each in found.zones if each.place == place),
        unanswered=tuple(each for each in found.unanswered if each.place == place),
        limits=tuple(each for each in found.limits if each.place == place),
    )


def reading_of(found: RankedChanges, feed: str, probe: AnyProbe, settings: object) -> Reading:
    """What `changes.related` says of a ranking, as a look at the feed."""
    return Reading(
        target=feed,
        kind="changes",
        probe=probe.id,
        at=found.at,
        took=0.0,
        outcome=Seen(tuple(map(sanitise, probe.diagnose(found, settings))), snapshot=found),
    )


def _same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    """The same list of changes, an onset that did not move by more than it is known, the same
    failing targets, zones and services.
    """
    if not other or one[0] is not other[0] or one[2:] != other[2:]:
        return False
    began, before = one[1], other[1]
    if not isinstance(began, Onset) or not isinstance(before, Onset):
        return began == before
    return began.vague == before.vague and abs(began.at - before.at) <= began.slack
