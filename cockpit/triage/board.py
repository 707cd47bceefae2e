"""The newest truth about everything: a pure fold over readings.

A finding opens, worsens, eases and clears here; going blind never clears anything, since not
having looked says nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from cockpit.triage.by_target import ByTarget
from cockpit.triage.changes import Change
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.triage.probe import Blind, Reading, Seen

LOOKS_TO_OPEN_A_GAUGE = 2
LOOKS_TO_CLEAR = 3
TREND_LENGTH = 60
_APART = timedelta(seconds=1)
"""Two probes that tell the same within it saw one moment, and not what lasts for two looks."""
_EXACT = 1.0
"""Seconds of resolution up to which the time of a beginning tells one event from another."""
_CLEARED_KEPT = 50
_CHANGES_KEPT = 500


class LookId(NamedTuple):
    """Which probe at which target."""

    target: str
    probe: str


class FindingId(NamedTuple):
    """The same from look to look."""

    target: str
    code: str
    subject: str


class BoardEvent(StrEnum):
    """What can happen to the board."""

    OPENED = "opened"
    WORSENED = "worsened"
    EASED = "eased"
    CLEARED = "cleared"
    BLIND = "blind"
    SEES_AGAIN = "sees_again"
    CHANGE = "change"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFinding:
    """A finding that holds, with its life so far."""

    id: FindingId
    kind: str
    probe: str
    finding: Finding
    since: datetime
    """When it was first seen, also while it waited for its second look."""
    seen: datetime
    """The newest look that saw it."""
    looks: int = 1
    clean: int = 0
    """Looks running that did not see it; it clears at the third."""
    drift: int = 0
    """Looks running that saw it worse (above 0) or milder (below 0) than it is shown."""
    cleared: datetime | None = None

    @property
    def target(self) -> str:
        """The target's name."""
        return self.id.target


@dataclass(frozen=True, slots=True)
class BoardChange:
    """One thing that is different from the board before."""

    event: BoardEvent
    at: datetime
    target: str
    probe: str
    text: str
    finding: OpenFinding | None = None
    change: Change | None = None
    reason: str = ""
    """Of going blind: its `Reason`."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How many looks it takes. One sweep without a second look uses `ONE_LOOK`."""

    to_open: int = LOOKS_TO_OPEN_A_GAUGE
    to_clear: int = LOOKS_TO_CLEAR


LIVE = Rules()
ONE_LOOK = Rules(to_open=1, to_clear=1)

_Trend = tuple[str, str, str]
_NO_READINGS: Mapping[LookId, Reading] = ByTarget()
_NO_FINDINGS: Mapping[FindingId, OpenFinding] = ByTarget()
_NO_TRENDS: Mapping[_Trend, tuple[float, ...]] = ByTarget()


@dataclass(frozen=True, slots=True)
class Board:
    """An immutable value; `reduce` gives the next one, at the cost of what the reading's target has
    (`ByTarget`; any other mapping is taken too).
    """

    readings: Mapping[LookId, Reading] = field(default_factory=lambda: _NO_READINGS)
    open: Mapping[FindingId, OpenFinding] = field(default_factory=lambda: _NO_FINDINGS)
    pending: Mapping[FindingId, OpenFinding] = field(default_factory=lambda: _NO_FINDINGS)
    """Gauges that were seen once and wait for their second look."""
    cleared: tuple[OpenFinding, ...] = ()
    """Recent recoveries, newest first."""
    trends: Mapping[_Trend, tuple[float, ...]] = field(default_factory=lambda: _NO_TRENDS)
    """(target, probe, label) → values of the last looks, oldest first. The label of a number that
    belongs to a finding with a subject is `subject · label`, since others have the same label.
    """
    changes: tuple[Change, ...] = ()
    """Newest first."""

    def worst(self, target: str) -> Severity | None:
        """The worst open severity of a target; None when nothing is open."""
        return max((f.finding.severity for f in self.open_at(target)), default=None)

    def open_at(self, target: str) -> Collection[OpenFinding]:
        """What is open at a target, at the cost of that alone."""
        return ByTarget.of_mapping(self.open).of(target).values()

    def pending_at(self, target: str) -> Collection[OpenFinding]:
        """What waits at a target for its second look."""
        return ByTarget.of_mapping(self.pending).of(target).values()

    def readings_at(self, target: str) -> Collection[Reading]:
        """The newest readings of a target."""
        return ByTarget.of_mapping(self.readings).of(target).values()

    def blind(self) -> tuple[Reading, ...]:
        """The readings that could not look."""
        return tuple(r for r in self.readings.values() if isinstance(r.outcome, Blind))


def reduce(board: Board, reading: Reading, rules: Rules = LIVE) -> tuple[Board, list[BoardChange]]:
    """The board after one more reading, and what changed by it."""
    look = LookId(reading.target, reading.probe)
    before = board.readings.get(look)
    if before is not None and before.at > reading.at:
        return board, []  # a look that ended late must not undo a newer one
    readings = ByTarget.of_mapping(board.readings)
    group = {**readings.of(look.target), look: reading}
    board = replace(board, readings=readings.with_group(look.target, group))
    happened = _sight(before, reading)
    outcome = reading.outcome
    if isinstance(outcome, Seen):
        board = replace(board, trends=_trends(board.trends, before, reading, seen=outcome))
        board, changes = _with_changes(board, reading, outcome)
        happened += changes
        found = outcome.findings
    elif outcome.finding is not None:
        found = (outcome.finding,)
    else:  # could not look is never healthy: what is open stays so, and no clean look is counted
        return board, happened
    board, findings = _with_findings(board, reading, found, rules)
    return board, happened + findings


def proved(board: Board, reading: Reading) -> tuple[Board, list[BoardChange]]:
    """The board after a reading that verified a repair: it is believed at once.

    What its probe had said and does not say now is over, and what it says more mildly is that
    mild: looks running are waited for where a value may swing by itself, and here somebody did
    something about it. Nothing happens when a newer look is there, or when this one was blind.
    """
    look = LookId(reading.target, reading.probe)
    outcome = reading.outcome
    if board.readings.get(look) is not reading or isinstance(outcome, Blind):
        return board, []
    said = {FindingId(reading.target, f.code, f.subject): f for f in _most_severe(outcome.findings)}
    before = ByTarget.of_mapping(board.open)
    opened, happened = dict(before.of(reading.target)), []
    cleared: list[OpenFinding] = []
    for id_, earlier in before.of(reading.target).items():
        if not _said(earlier, reading):
            continue
        found = said.get(id_)
        if found is None:
            del opened[id_]
            cleared.append(replace(earlier, cleared=reading.at))
        elif found.severity < earlier.finding.severity:
            opened[id_] = replace(earlier, finding=earlier.finding.at(found.severity), drift=0)
            happened += _moved(opened, earlier, opened[id_])
    happened += [_event(BoardEvent.CLEARED, gone, reading.at) for gone in cleared]
    kept = (*cleared, *board.cleared)[:_CLEARED_KEPT]
    following = before.with_group(reading.target, opened)
    return replace(board, open=following, cleared=kept), happened


def _sight(before: Reading | None, reading: Reading) -> list[BoardChange]:
    earlier = before.outcome if before is not None else None
    was_blind = isinstance(earlier, Blind)
    if isinstance(reading.outcome, Blind):
        if isinstance(earlier, Blind) and earlier.reason == reading.outcome.reason:
            return []
        why = reading.outcome.reason
        text = f"not examined ({why}): {reading.outcome.detail}"
        return [
            BoardChange(
                BoardEvent.BLIND, reading.at, reading.target, reading.probe, text, reason=why.value
            )
        ]
    if was_blind:
        text = "can be examined again"
        return [BoardChange(BoardEvent.SEES_AGAIN, reading.at, reading.target, reading.probe, text)]
    return []


def _with_findings(
    board: Board, reading: Reading, found: tuple[Finding, ...], rules: Rules
) -> tuple[Board, list[BoardChange]]:
    all_open, all_pending = map(ByTarget.of_mapping, (board.open, board.pending))
    opened, pending = dict(all_open.of(reading.target)), dict(all_pending.of(reading.target))
    happened: list[BoardChange] = []
    present: set[FindingId] = set()
    for finding in _most_severe(found):
        id_ = FindingId(reading.target, finding.code, finding.subject)
        present.add(id_)
        earlier = opened.get(id_) or pending.get(id_)
        now = _seen(earlier, id_, reading, with_history(board, reading, finding))
        if id_ in opened:
            if now.probe == reading.probe:
                now = _steady(opened[id_], now, rules)
            opened[id_] = now
            happened += _moved(opened, earlier, now)
        elif finding.fact or now.looks >= rules.to_open:
            pending.pop(id_, None)
            opened[id_] = now
            happened.append(_event(BoardEvent.OPENED, now, reading.at))
        else:
            pending[id_] = now
    cleared = _absent(opened, pending, present, reading=reading, rules=rules)
    happened += [_event(BoardEvent.CLEARED, gone, reading.at) for gone in cleared]
    return replace(
        board,
        open=all_open.with_group(reading.target, opened),
        pending=all_pending.with_group(reading.target, pending),
        cleared=(*cleared, *board.cleared)[:_CLEARED_KEPT],
    ), happened


def _most_severe(found: tuple[Finding, ...]) -> list[Finding]:
    """One finding an identity: two of one look with the same code and subject become the worse."""
    kept: dict[tuple[str, str], Finding] = {}
    for finding in found:
        key = (finding.code, finding.subject)
        if key not in kept or finding.severity > kept[key].severity:
            kept[key] = finding
    return list(kept.values())


def _seen(
    earlier: OpenFinding | None, id_: FindingId, reading: Reading, finding: Finding
) -> OpenFinding:
    finding = finding.begun_by(reading.at)
    if earlier is None:
        return OpenFinding(
            id=id_,
            kind=reading.kind,
            probe=reading.probe,
            finding=finding,
            since=reading.at,
            seen=reading.at,
        )
    another = earlier.probe != reading.probe
    if another and finding.severity < earlier.finding.severity:
        return replace(earlier, seen=reading.at)  # over another span: it eases nothing
    together = another and reading.at - earlier.seen < _APART
    was = earlier.finding
    if _lasts(earlier, finding):
        finding = replace(finding, began=was.began, resolution=was.resolution)
    return replace(
        earlier,
        finding=finding,
        probe=reading.probe,
        seen=reading.at,
        looks=earlier.looks + (not together),
        clean=0,
    )


def _lasts(earlier: OpenFinding, now: Finding) -> bool:
    """Whether it has been so since an earlier look said it began, though the source forgot, or
    those of now began later.

    The first in a queue gives up after a while, and the next has waited for less: as long as it
    waited at the look before, the queue has never ended. A time that is told of an event is exact,
    and a later one is another event.
    """
    began = earlier.finding.began
    if began is None or now.began is None:
        return began is not None
    return now.resolution > _EXACT and began < now.began <= earlier.seen


def _steady(earlier: OpenFinding, now: OpenFinding, rules: Rules) -> OpenFinding:
    """An open finding's severity does not follow a value that swings around a threshold: it rises
    as it would open (a fact at once, a gauge on two looks running) and falls as it would clear.
    """
    shown, seen = earlier.finding.severity, now.finding.severity
    if seen == shown:
        return replace(now, drift=0)
    worse = seen > shown
    drift = max(earlier.drift, 0) + 1 if worse else min(earlier.drift, 0) - 1
    rise = 1 if now.finding.fact else rules.to_open
    if abs(drift) >= (rise if worse else rules.to_clear):
        return replace(now, drift=0)
    return replace(now, finding=now.finding.at(shown), drift=drift)


def _moved(
    opened: Mapping[FindingId, OpenFinding], earlier: OpenFinding | None, now: OpenFinding
) -> list[BoardChange]:
    if earlier is None or earlier.finding.severity == now.finding.severity:
        return []
    worse = now.finding.severity > earlier.finding.severity
    return [_event(BoardEvent.WORSENED if worse else BoardEvent.EASED, now, now.seen)]


def _absent(
    opened: dict[FindingId, OpenFinding],
    pending: dict[FindingId, OpenFinding],
    present: set[FindingId],
    *,
    reading: Reading,
    rules: Rules,
) -> list[OpenFinding]:
    """Count a clean look for what this probe said before and does not say now.

    A finding that came with a blind reading clears when the probe sees again; a blind reading
    that is itself a finding clears no other.
    """
    if isinstance(reading.outcome, Blind):
        return []
    cleared: list[OpenFinding] = []
    for id_ in [i for i, f in pending.items() if _said(f, reading) and i not in present]:
        del pending[id_]
    for id_ in [i for i, f in opened.items() if _said(f, reading) and i not in present]:
        now = replace(opened[id_], clean=opened[id_].clean + 1)
        if now.clean >= rules.to_clear:
            del opened[id_]
            cleared.append(replace(now, cleared=reading.at))
        else:
            opened[id_] = now
    return cleared


def _said(finding: OpenFinding, reading: Reading) -> bool:
    return finding.probe == reading.probe  # of the reading's target are all that are asked about


def _event(event: BoardEvent, finding: OpenFinding, at: datetime) -> BoardChange:
    return BoardChange(
        event, at, finding.target, finding.probe, finding.finding.summary, finding=finding
    )


def with_history(board: Board, reading: Reading, finding: Finding) -> Finding:
    """The finding whose evidence carries its trend: that of the fact which is the same number,
    else its own.
    """
    if not any(_wants_history(evidence) for evidence in finding.evidence):
        return finding
    facts = _fact_values(reading.outcome)

    def history(evidence: Evidence) -> tuple[float, ...]:
        same = facts.get(evidence.label) == evidence.value
        label = evidence.label if same else _own_label(finding, evidence)
        return board.trends.get((reading.target, reading.probe, label), ())

    return replace(
        finding,
        evidence=tuple(
            replace(evidence, history=history(evidence)) if _wants_history(evidence) else evidence
            for evidence in finding.evidence
        ),
    )


def _wants_history(evidence: Evidence) -> bool:
    return not evidence.history and isinstance(evidence.value, int | float)


def _own_label(finding: Finding, evidence: Evidence) -> str:
    return f"{finding.subject} · {evidence.label}" if finding.subject else evidence.label


def _fact_values(outcome: Seen | Blind) -> dict[str, float]:
    facts = outcome.facts if isinstance(outcome, Seen) else ()
    return {fact.label: fact.value for fact in facts if fact.value is not None}


def _finding_values(outcome: Seen | Blind) -> dict[str, float]:
    findings = outcome.findings if isinstance(outcome, Seen) else ()
    return {
        _own_label(finding, evidence): float(evidence.value)
        for finding in findings
        for evidence in finding.evidence
        if _wants_history(evidence) and isinstance(evidence.value, int | float)
    }


def _trends(
    trends: Mapping[_Trend, tuple[float, ...]],
    before: Reading | None,
    reading: Reading,
    *,
    seen: Seen,
) -> Mapping[_Trend, tuple[float, ...]]:
    """Every number one look longer. What a finding had that is not there any more is forgotten:
    it would have a gap when it comes back, and subjects come and go for hours.
    """
    values = _finding_values(seen) | _fact_values(seen)
    kept = values.keys() | {fact.label for fact in seen.facts}
    gone: set[str] = set()
    known = ByTarget.of_mapping(trends)
    if before is not None and isinstance(before.outcome, Seen):
        gone = _finding_values(before.outcome).keys() - kept
    elif before is not None:
        gone = {key[2] for key in known.of(reading.target) if key[1] == reading.probe} - kept
    if not values and not gone:
        return trends
    grown = dict(known.of(reading.target))
    for label in gone:
        grown.pop((reading.target, reading.probe, label), None)
    for label, value in values.items():
        key = (reading.target, reading.probe, label)
        grown[key] = (*grown.get(key, ()), value)[-TREND_LENGTH:]
    return known.with_group(reading.target, grown)


def _with_changes(board: Board, reading: Reading, seen: Seen) -> tuple[Board, list[BoardChange]]:
    if not seen.changes:
        return board, []
    known = {change: change for change in board.changes}
    new = [change for change in seen.changes if change not in known]
    fuller = {
        change: change
        for change in seen.changes
        if change in known and len(change.details) > len(known[change].details)
    }
    kept = [fuller.get(change, change) for change in board.changes]
    newest_first = sorted((*new, *kept), key=lambda change: change.at, reverse=True)[:_CHANGES_KEPT]
    staying = set(newest_first)
    new = [change for change in new if change in staying]  # else it is told again at every look
    if not new and not fuller:
        return board, []
    happened = [
        BoardChange(
            BoardEvent.CHANGE,
            reading.at,
            change.target,
            reading.probe,
            f"{change.summary} · ours: {change.own}" if change.own else change.summary,
            change=change,
        )
        for change in new
    ]
    return replace(board, changes=tuple(newest_first)), happened
