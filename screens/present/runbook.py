"""A runbook's steps with how far each is, and a plan as the lines that a person says yes to."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from textual.content import Content

from cockpit.units import count, duration
from screens.present.lines import BLANK, Part, cells, countdown, fit, line, safe, short_clock, wrap

if TYPE_CHECKING:
    from cockpit.incident.ledger import Settlement
    from cockpit.runbooks.earlier import DoneBefore
    from cockpit.runbooks.plan import Outcome, Plan
    from cockpit.runbooks.progress import StepState
    from cockpit.runbooks.step import Runbook, Step
    from cockpit.triage.board import OpenFinding

COLUMNS = frozenset({"step", "risk", "status", "kind"})

_LABEL = 11
"""Cells of a plan's labels, unless a runbook's own are longer."""
_CAPTURED = 2
"""Captured values that a step shows while it is not the selected one."""
RISK_TONES = {"read": "dim", "low": "warning", "high": "high", "destructive": "critical"}
_LOOKS = {
    "waiting": ("○", "dim"),
    "next": ("▶", "accent"),
    "running": ("▶", "info bold"),
    "ok": ("✔", "ok"),
    "failed": ("✖", "critical"),
    "unknown": ("?", "blind bold"),
    "skipped": ("–", "dim"),
    "refused": ("⊘", "high"),
    "proposed": ("✎", "info"),
}


_SETTLED = {"kept": "ok", "broken": "critical"}


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step in its place. `state` None: the runbook was not started."""

    place: int
    step: Step
    state: StepState | None
    running_since: datetime | None = None

    @property
    def status(self) -> str:
        """As `StepState.status`."""
        return self.state.status if self.state is not None else "waiting"


@dataclass(frozen=True, slots=True)
class Detail:
    """A line under a step, or between steps; passed over by the cursor."""

    step: str
    place: int
    content: Content


RunbookRow = StepRow | Detail


def rows(
    runbook: Runbook,
    states: Sequence[StepState],
    *,
    expanded: str,
    width: int,
    running_since: Mapping[str, datetime],
) -> list[RunbookRow]:
    """The steps; the one with id `expanded` with its call, verification and prose under it."""
    by_id = {state.step.id: state for state in states}
    listed: list[RunbookRow] = []
    steps = [state.step for state in states] or list(runbook.steps)
    for place, step in enumerate(steps, 1):
        state = by_id.get(step.id)
        listed.append(StepRow(place, step, state, running_since.get(step.id)))
        details = _details(step, state, width, full=step.id == expanded)
        listed += [Detail(step.id, at, content) for at, content in enumerate(details)]
    return listed


def _details(step: Step, state: StepState | None, width: int, *, full: bool) -> list[Content]:
    pad = 4
    room = max(8, width - pad)
    told: list[Content] = []
    if state is not None and state.before is not None:
        told += wrap(line((_before(state, state.before), "dim")), room)[: 3 if full else 1]
    if state is not None and state.outcome is not None and (full or state.outcome.kind != "ok"):
        shade = _LOOKS.get(state.outcome.kind, ("", "dim"))[1]
        told += wrap(line((safe(state.outcome.text), shade)), room)[: 4 if full else 1]
    if state is not None and state.worse:
        worse = line((f"got worse since: {safe(state.worse)}", "critical"))
        told += wrap(worse, room)[: 4 if full else 1]
    if state is not None and state.settlement is not None:
        told += _promise(step, state.settlement, room)[: 3 if full else 1]
    if state is not None and state.not_now:
        told += wrap(line((f"does not apply now: {safe(_untrue(state.not_now))}", "warning")), room)
    if state is not None:
        known = [(name, value) for name, value in state.captured.items() if value is not None]
        for name, value in known if full else known[:_CAPTURED]:
            told.append(line((f"{safe(name, 30)} = {_told(value)}", "dim")))
    if full:
        if step.call:
            told += wrap(line((safe(step.call, 2000), "dim")), room)
        if step.verification:
            told += wrap(line((f"verify: {safe(step.verification)}", "dim")), room)
        if step.prose:
            told += wrap(line(safe(step.prose, 2000)), room)[:6]
    return [line(" " * pad, content) for content in told]


def _before(state: StepState, when: datetime) -> str:
    """`at 10:58 UTC, in an earlier session: what it read is read again before it is used`."""
    told = f"at {short_clock(when)} UTC, in an earlier session"
    if state.status in {"waiting", "next"} and state.outcome is not None:
        return f"{told}: asked again"
    if state.captured and state.stale:
        return f"{told}: read again before anything is planned by it"
    return told


def _told(value: object) -> str:
    return "none" if value in ([], (), {}, "") else safe(value, 80)


def _promise(step: Step, settlement: Settlement, room: int) -> list[Content]:
    """`promise kept: nobody waits within 1m 00s`: what was predicted, and what came of it."""
    shade = _SETTLED.get(settlement.verdict, "blind")
    said = step.verification or step.effect
    return wrap(line((f"promise {settlement.verdict.words}", shade), f": {safe(said)}"), room)


def _untrue(why: str) -> str:
    """`not now, not true: X` without the words that the line says itself."""
    return why.replace("not now, not true:", "not true:", 1)


def selectable(row: RunbookRow) -> bool:
    """Only steps can be chosen."""
    return isinstance(row, StepRow)


def key(row: RunbookRow) -> Hashable:
    """Identity while the run goes on."""
    return row.step.id if isinstance(row, StepRow) else (row.step, row.place)


def fields(row: RunbookRow) -> Mapping[str, str]:
    """The columns that a filter can name."""
    if isinstance(row, Detail):
        return {"step": row.content.plain}
    return {
        "step": row.step.title,
        "risk": row.step.risk,
        "status": row.status,
        "kind": row.step.kind,
    }


def draw(row: RunbookRow, width: int, moment: datetime) -> Content:
    """`▶ 3 Cancel the blocking query      low`."""
    if isinstance(row, Detail):
        return row.content.truncate(max(0, width), ellipsis=True)
    glyph, shade = _LOOKS.get(row.status, ("○", "dim"))
    right, right_shade = _right(row, moment)
    room = max(1, width - 5 - cells(right))
    weight = "strong" if row.status in {"next", "running"} else ""
    return line(
        (f"{glyph} ", shade),
        (f"{row.place} ", f"{shade} bold"),
        (fit(safe(row.step.title), room), weight),
        " ",
        (right, right_shade),
    )


def _right(row: StepRow, moment: datetime) -> tuple[str, str]:
    if row.status == "running" and row.running_since is not None:
        word = "checking" if row.state is not None and row.state.checking else "running"
        return f"{word} {countdown((moment - row.running_since).total_seconds())}", "info bold"
    if row.state is not None and row.state.outcome is not None:
        outcome = row.state.outcome
        if row.status in {"next", "waiting"}:
            return row.step.risk, RISK_TONES.get(row.step.risk, "critical")
        if outcome.kind == "ok":
            return duration(outcome.took), "dim"
        return outcome.kind, _LOOKS.get(outcome.kind, ("", "dim"))[1]
    if row.state is not None and row.state.not_now:
        return "not now", "warning"
    if row.status == "proposed":
        return "proposed", "info"
    return row.step.risk, RISK_TONES.get(row.step.risk, "critical")


def earlier_line(earlier: DoneBefore) -> Content:
    """`3 steps done by 10:58 UTC in an earlier session: open here again, see the timeline`."""
    done = f"{count(earlier.steps, 'step')} done by {short_clock(earlier.last)} UTC"
    return line((f"{done} in an earlier session: open here again, see the timeline", "warning"))


def taken_up_line() -> Content:
    """For a run that an earlier session began."""
    return line(("taken up from an earlier session: done stays done, values are read again", "dim"))


def progress(states: Sequence[StepState], total: int) -> str:
    """`2/6`: steps that ended well or were skipped, of all; empty before the start."""
    done = sum(1 for state in states if state.status in {"ok", "skipped"})
    return f"{done}/{total}" if states else f"{total} steps"


def plan_title(plan: Plan, place: int, total: int, *, finding: OpenFinding | None) -> Content:
    """`Confirm · PG_LOCK_BLOCKED on orders-db · step 4 of 6 · risk high`: why, where, what."""
    where = f"step {place} of {total}" if total > 1 else "one step"
    shade = RISK_TONES.get(plan.risk, "critical")
    about = f"{finding.finding.code} on {finding.target}" if finding else plan.target
    return line(
        "Confirm · ", (f"{safe(about, 80)} · ", "strong"), f"{where} · risk ",
        (plan.risk, f"{shade} bold"),
    )  # fmt: skip


def plan_lines(plan: Plan, place: str, width: int) -> list[Content]:
    """The whole plan, wrapped and never cut: a truncated approval is none."""
    head = line((safe(plan.title, 2000), "strong"))
    if plan.target:
        head = line(head, "  on ", (safe(plan.target, 2000), "strong"))
    if place:
        head = line(head, (f" · {safe(place)}", "dim"))
    lines = [*wrap(head, width, indent=2), BLANK]
    told = [entry for entry in plan.lines if entry.label != "approval"]
    longest = max((cells(safe(entry.label)) for entry in told), default=0)
    room = min(max(_LABEL, longest), max(_LABEL, width // 3))
    for entry in told:
        lines += _plan_line(entry.label, entry.text, width, room=room)
    return lines


def _plan_line(label: str, text: str, width: int, *, room: int) -> list[Content]:
    first, *rest = text.splitlines() or [""]
    name = (fit(safe(label), room) + " ", "dim")
    lines = wrap(line(name, *_checked(first)), width, indent=room + 1)
    for more in rest:
        lines += wrap(line(" " * (room + 1), *_checked(more)), width, indent=room + 1)
    return lines


def _checked(text: str) -> list[Part]:
    shown = safe(text, 100_000)
    for mark, shade in (("✔", "ok"), ("✖", "critical")):
        if shown.startswith(mark):
            return [(mark, shade), shown[1:]]
    return [shown]


def approval_line(plan: Plan, elapsed: float) -> Content:
    """`approval    8f3a·c91e  expires in 01:52`, at a time by `clock.elapsed`."""
    left = plan.good_until - elapsed
    digest = f"{plan.digest[:4]}·{plan.digest[4:8]}"
    if left <= 0:
        return line(
            ("approval    ", "dim"), (f"{digest}  expired: Esc, then plan it again", "critical")
        )
    shade = "warning" if left < 30 else ""
    return line(("approval    ", "dim"), f"{digest}  expires in ", (countdown(left), shade))


def outcome_lines(outcome: Outcome, width: int) -> list[Content]:
    """How a step ended, with its output."""
    glyph, shade = _LOOKS.get(outcome.kind, ("○", "dim"))
    lines = wrap(
        line(
            (f"{glyph} {outcome.kind}", f"{shade} bold"),
            f"  {safe(outcome.text, 2000)}",
            (f"  {duration(outcome.took)}", "dim"),
        ),
        width,
        indent=2,
    )
    lines.append(BLANK)
    if not outcome.output:
        return [*lines, line(("No output.", "dim"))]
    for text in outcome.output.splitlines():
        lines += wrap(line(safe(text.replace("\t", "    "), 20_000)), width)
    return lines
