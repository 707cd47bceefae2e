"""From the board to the journal: what opened, worsened, cleared, went blind, changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cockpit import clock
from cockpit.desk.damping import Damping, DarkTargets
from cockpit.incident.entry import EntryKind
from cockpit.incident.record import Incident
from cockpit.incident.standing import Standing, change_key
from cockpit.triage.board import Board, BoardChange, BoardEvent, FindingId, LookId, OpenFinding
from cockpit.triage.changes import Change
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.probe import Seen

_KINDS: Mapping[BoardEvent, EntryKind] = {
    BoardEvent.OPENED: EntryKind.FINDING_OPENED,
    BoardEvent.WORSENED: EntryKind.FINDING_WORSENED,
    BoardEvent.EASED: EntryKind.FINDING_EASED,
    BoardEvent.CLEARED: EntryKind.FINDING_CLEARED,
    BoardEvent.BLIND: EntryKind.BLIND,
    BoardEvent.SEES_AGAIN: EntryKind.SEES_AGAIN,
    BoardEvent.CHANGE: EntryKind.CHANGE,
}


class Recorder:
    """Writes the board's changes once, also over a resume: what is open in the journal already
    is not opened again, and what is no longer there is cleared.
    """

    def __init__(self, incident: Incident, *, best: Callable[[str], str] = lambda _: "") -> None:
        """`best`: code → the id of its runbook, empty for none."""
        self._incident = incident
        self._best = best
        self._known = still_open(incident.standing)
        self._changes = set(incident.standing.changes)
        self._settled = not self._known
        self._damping = Damping()
        self._dark = DarkTargets()

    def board_changed(self, board: Board, changes: Sequence[BoardChange]) -> None:
        """Listener of the store."""
        if self._incident.watching:
            return
        for change in changes:
            of_all = self._dark.passed(change)
            told = self._damping.passed(of_all) if of_all is not None else None
            if told is not None:
                self._write(told)
        for summary in self._damping.due(clock.now()):
            self._write(summary)

    def close(self) -> None:
        """Write what still waits for a summary."""
        if not self._incident.watching:
            for summary in self._damping.rest():
                self._write(summary)

    def settle(self, board: Board) -> None:
        """After the first sweeps of a resumed incident: clear what was open and is gone.

        What cannot be looked at stays open.
        """
        if self._settled or self._incident.watching:
            return
        self._settled = True
        for id_, (probe, _) in list(self._known.items()):
            seen = any(
                isinstance(reading.outcome, Seen)
                for look, reading in board.readings.items()
                if look.target == id_.target and (not probe or look.probe == probe)
            )
            if seen and id_ not in board.open and id_ not in board.pending:
                del self._known[id_]
                text = f"{id_.code} was not there any more when the cockpit came back"
                data = {"code": id_.code, "subject": id_.subject, "probe": probe}
                self._incident.record(EntryKind.FINDING_CLEARED, text, target=id_.target, data=data)

    def _write(self, change: BoardChange) -> None:
        kind = _KINDS[change.event]
        if change.finding is not None:
            if change.event is BoardEvent.OPENED:
                kind = self._opened(change.finding)
            if kind is EntryKind.RESUMED:
                return
            self._remember(change.event, change.finding)
            data = finding_data(change.finding, self._best)
        elif change.change is not None:
            event = change.change
            data = {
                "when": clock.stamp(event.at),
                "kind": event.kind,
                "target": change.target,
                "actor": event.actor,
                "source": event.source,
                "id": _change_id(event),
                **({"own": event.own} if event.own else {}),
            }
            if change_key(data) in self._changes:
                return
            self._changes.add(change_key(data))
        else:
            data = {"probe": change.probe, **({"reason": change.reason} if change.reason else {})}
        self._incident.record(kind, change.text, target=change.target, data=data)

    def _opened(self, finding: OpenFinding) -> EntryKind:
        """How a finding that the board opened stands in the journal; RESUMED: as it is there."""
        if finding.id not in self._known:
            return EntryKind.FINDING_OPENED
        _, severity = self._known[finding.id]
        if finding.finding.severity == severity:
            return EntryKind.RESUMED
        worse = finding.finding.severity > severity
        return EntryKind.FINDING_WORSENED if worse else EntryKind.FINDING_EASED

    def _remember(self, event: BoardEvent, finding: OpenFinding) -> None:
        if event is BoardEvent.CLEARED:
            self._known.pop(finding.id, None)
        else:
            self._known[finding.id] = (finding.probe, finding.finding.severity)


def finding_data(finding: OpenFinding, best: Callable[[str], str]) -> dict[str, Any]:
    """What the journal keeps of a finding besides its summary."""
    found = finding.finding
    return {
        "code": found.code,
        "severity": found.severity.value,
        "subject": found.subject,
        "probe": finding.probe,
        "kind": finding.kind,
        "since": clock.stamp(finding.since),
        **_beginning(found),
        "evidence": [
            {"label": e.label, "value": e.value, "unit": e.unit, "limit": e.limit}
            for e in found.evidence
        ],
        "likely": list(found.likely),
        "against": list(found.against),
        "runbook": best(found.code),
    }


def _beginning(found: Finding) -> dict[str, Any]:
    """Members of the entry that are left out where it is not known when it began."""
    if found.began is None:
        return {}
    return {"began": clock.stamp(found.began), "resolution": found.resolution}


def taken_away(standing: Standing) -> frozenset[LookId]:
    """Looks that were blind since they were not given any more what an earlier one had: a new
    session cannot tell that from what was never given, and would take it for quiet.
    """
    return frozenset(LookId(target, probe) for target, probe in standing.missing)


def still_open(standing: Standing) -> dict[FindingId, tuple[str, Severity]]:
    """The findings that the journal opened and did not clear: identity → (probe, severity)."""
    known: dict[tuple[str, str], tuple[str, Severity]] = {}
    return {
        FindingId(*id_): known.setdefault((probe, word), (probe, Severity.read(word)))
        for id_, (probe, word, _) in standing.open.items()
    }


def _change_id(change: Change) -> str:
    """Tells two changes of one second apart, also when their words are masked in the journal."""
    words = f"{change.summary}\n{change.actor}\n{change.source}"
    return hashlib.sha256(words.encode()).hexdigest()[:12]
