"""What the record has of runbooks that were followed before this cockpit was opened.

What a step became, it stays. What it read is told with its time, and nothing is planned by it: a
plan looks again. Only a state to come back to, read before the runbook acted, is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from cockpit.incident import ledger
from cockpit.incident.entry import Entry, EntryKind
from cockpit.incident.ledger import UNDO, Settlement
from cockpit.runbooks.exact import lacks, whole
from cockpit.runbooks.plan import Outcome, OutcomeKind
from cockpit.runbooks.progress import StepState, undo_step
from cockpit.runbooks.step import NOTHING, Runbook, Step, StepKind, Until
from cockpit.triage.board import FindingId

_ENDS: Mapping[str, OutcomeKind] = {
    "ok": "ok",
    "failed": "failed",
    "unknown": "unknown",
    "skipped": "skipped",
    "refused": "refused",
}
_DONE = frozenset({"ok", "failed", "unknown", "skipped"})
_CUT_OFF = Outcome("unknown", "cut off after it was sent: its end is not known (U looks)")

RunKey = tuple[str, FindingId]
"""A runbook's id, and the finding that it was followed for."""


@dataclass(frozen=True, slots=True)
class DoneBefore:
    """Steps of one runbook that were done or skipped, whatever finding it was followed for."""

    steps: int
    last: datetime


def done_before(entries: Iterable[Entry]) -> Mapping[str, DoneBefore]:
    """By the runbook's id, from the entries of earlier sessions; a step that was undone is none."""
    done: dict[str, dict[str, datetime]] = {}
    for entry in entries:
        book, step = str(entry.data.get("runbook", "")), str(entry.data.get("step", ""))
        if entry.kind is not EntryKind.STEP_OUTCOME or not book or not step:
            continue
        steps = done.setdefault(book, {})
        ended = entry.data.get("outcome") in {"ok", "skipped"}
        if step.startswith(UNDO):
            if ended:
                steps.pop(step.removeprefix(UNDO), None)
        elif ended:
            steps[step] = entry.at
        else:
            steps.pop(step, None)
    return {
        book: DoneBefore(len(steps), max(steps.values())) for book, steps in done.items() if steps
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLeft:
    """A step as the record has it."""

    status: str = "waiting"
    at: datetime | None = None
    outcome: Outcome | None = None
    captured: Mapping[str, object] = field(default_factory=lambda: NOTHING)
    exact: bool = False
    """Whether the record has those values as they were: not masked, not cut."""
    intent: int = 0
    """The seq of the newest act; 0: none was sent."""
    undo: Mapping[str, object] | None = None
    """What the undo of that act is given; None: it has none, or the record has not all of it."""
    proof: Mapping[str, object] | None = None
    """What the undo's verification is given, with digests; None: a record of 0.1 has none."""
    passed: bool = False
    worse: str = ""
    settlement: Settlement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLeft:
    """A runbook for one finding, as earlier sessions left it."""

    digest: str
    """Of the document that was followed."""
    params: Mapping[str, object] = field(default_factory=lambda: NOTHING)
    """As they are given to a run: targets by name."""
    steps: Mapping[str, StepLeft] = field(default_factory=dict)
    kept: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """What steps with `once` gave before the newest act: the state to come back to. Empty values:
    the record has not all of it, and nothing is planned by another one."""

    @property
    def interrupted(self) -> bool:
        """Something else got worse since a step, and nobody took it back or went on after."""
        return any(step.worse and not step.passed for step in self.steps.values())


def runs_left(entries: Iterable[Entry]) -> Mapping[RunKey, RunLeft]:
    """Every runbook whose entries name their finding. One that was edited begins anew there."""
    found: dict[RunKey, RunLeft] = {}
    for entry in entries:
        book, digest = str(entry.data.get("runbook", "")), str(entry.data.get("runbook_digest", ""))
        finding = _finding(entry.data.get("finding"))
        if entry.redacted or not book or finding is None:
            continue
        left = found.get((book, finding))
        if left is None or left.digest != digest:
            left = RunLeft(digest=digest)
        found[book, finding] = _after(left, entry)
    return found


def _finding(said: object) -> FindingId | None:
    if not isinstance(said, Mapping):
        return None
    return FindingId(*(str(said.get(name, "")) for name in FindingId._fields))


def _after(left: RunLeft, entry: Entry) -> RunLeft:
    step_id, params = str(entry.data.get("step", "")), entry.data.get("params")
    if not step_id:
        return replace(left, params=dict(params)) if isinstance(params, Mapping) else left
    steps = dict(left.steps)
    steps[step_id] = became = _became(steps.get(step_id, StepLeft()), entry)
    undone = step_id.removeprefix(UNDO)
    if undone != step_id and undone in steps and became.status == "ok":
        steps[undone] = replace(steps[undone], worse="")
    if entry.kind is EntryKind.STEP_INTENT:
        left = replace(left, kept=_kept(entry.data))
    return replace(left, steps=steps)


def _kept(data: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    said, exact = data.get("kept"), whole(data, "kept")
    named = said if isinstance(said, Mapping) else {}
    values = {name: exact[name] if exact else None for name in named}
    return {name: v if isinstance(v, Mapping) else NOTHING for name, v in values.items()}


def _became(step: StepLeft, entry: Entry) -> StepLeft:
    data = entry.data
    match entry.kind:
        case EntryKind.STEP_INTENT:
            return StepLeft(
                status="unknown",
                at=entry.at,
                outcome=_CUT_OFF,
                intent=entry.seq,
                undo=whole(data, "undo"),
                proof=_mapping(data.get("undo_verify")),
            )
        case EntryKind.STEP_OUTCOME:
            return _ended(step, entry)
        case EntryKind.STEP_INTERRUPT:
            return replace(step, worse=str(data.get("says", "")))
        case EntryKind.STEP_SETTLEMENT:
            return replace(step, settlement=ledger.settlement(data))
        case EntryKind.NOTE if "after" in data:
            return replace(step, passed=True)
        case EntryKind.REFUSAL if step.status not in _DONE:
            refused = Outcome("refused", entry.text)
            return replace(step, status="refused", at=entry.at, outcome=refused)
        case EntryKind.PROPOSAL if step.status not in _DONE:
            return replace(step, status="proposed", at=entry.at)
        case _:
            return step


def _ended(step: StepLeft, entry: Entry) -> StepLeft:
    data, title = entry.data, str(entry.data.get("title", ""))
    kind = _ENDS.get(str(data.get("outcome", "")), "unknown")
    took = data.get("took_s")
    sent = bool(step.intent) and kind != "refused" and data.get("sent", kind != "failed") is True
    outcome = Outcome(
        kind,
        entry.text.replace(f"skipped '{title}'", "skipped", 1).removeprefix(f"{title} → "),
        str(data.get("output", "")),
        float(took) if isinstance(took, int | float) else 0.0,
    )
    captured = data.get("captured")
    return replace(
        step,
        status=kind,
        at=entry.at,
        outcome=outcome,
        captured=captured if isinstance(captured, Mapping) else NOTHING,
        exact=whole(data, "captured") is not None,
        intent=step.intent if sent else 0,
        undo=step.undo if sent else None,
        proof=step.proof if sent else None,
        passed=False,
    )


@dataclass(frozen=True, slots=True)
class TakenUp:
    """What a run begins with instead of nothing."""

    states: list[StepState]
    kept: dict[str, Mapping[str, object]]
    """As `RunLeft.kept`."""
    open: dict[int, str]
    """Intent → step, of steps that nobody knows the end of."""


def taken_up(runbook: Runbook, left: RunLeft) -> TakenUp:
    """Where the steps of a runbook are after `left`."""
    taken = TakenUp([], {}, {})
    for step in runbook.steps:
        was = left.steps.get(step.id, StepLeft())
        taken.states.append(_state(step, was))
        if step.once and step.id in left.kept:
            kept = taken.kept[step.id] = left.kept[step.id]
            taken.states[-1] = replace(taken.states[-1], captured=kept, stale=False)
        if was.status == "unknown":
            taken.open[was.intent] = step.id
        if was.undo is not None and step.undo is not None:
            back = left.steps.get(f"{UNDO}{step.id}", StepLeft())
            undo = _state(undo_step(step, was.undo, verify=_proof(step, was)), back)
            taken.states.append(replace(undo, offered=True))
            if back.status == "unknown":
                taken.open[back.intent] = undo.step.id
    return taken


def _state(step: Step, was: StepLeft) -> StepState:
    """What a person said is asked again, and what was waited for with a value is waited for."""
    looked = not was.intent
    again = step.answer is not None or (step.kind is StepKind.WAIT and bool(step.capture))
    return StepState(
        step,
        status="waiting" if again and was.status == "ok" else was.status,
        outcome=was.outcome,
        captured=was.captured if looked or was.exact else NOTHING,
        passed=was.passed,
        settlement=was.settlement,
        worse=was.worse,
        before=was.at,
        stale=looked,
    )


def _mapping(said: object) -> Mapping[str, object] | None:
    return said if isinstance(said, Mapping) else None


def _proof(step: Step, was: StepLeft) -> Until | None:
    """How it is seen that the undo worked, by the values of then; None: the record has not all
    that it compares with, and by other values it would prove anything.
    """
    verify = step.undo.verify if step.undo else None
    if verify is None or was.proof is None:
        return verify
    args, scope = whole(was.proof, "args"), whole(was.proof, "scope") or NOTHING
    if ("args" in was.proof and args is None) or ("scope" in was.proof and not scope):
        return None
    return (
        None if lacks(verify.until, scope) else replace(verify, args=args or NOTHING, scope=scope)
    )
