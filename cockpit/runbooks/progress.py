"""How far a step of a runbook is, as a run keeps it and screens show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypedDict

from cockpit.incident.ledger import UNDO, Settlement
from cockpit.runbooks.plan import Outcome
from cockpit.runbooks.step import NOTHING, Step, Undo, Until


@dataclass(frozen=True, slots=True)
class StepState:
    """A step with how far it is.

    `status`: `waiting`, `next`, `running`, `ok`, `failed`, `unknown`, `skipped`, `refused`,
    `proposed`.
    """

    step: Step
    status: str = "waiting"
    outcome: Outcome | None = None
    captured: Mapping[str, object] = field(default_factory=lambda: NOTHING)
    passed: bool = False
    """True when a person went on after it had failed."""
    offered: bool = False
    """True for an undo: nobody waits for it to be run."""
    not_now: str = ""
    """Why it did not apply when it was planned last: it is passed over until an earlier step is
    run again or it is chosen by itself. Empty: it applied, or was not planned yet."""
    checking: bool = False
    """True while it runs and nothing was sent yet: what its plan relies on is looked at again."""
    waited: float = 0.0
    """Seconds of the verification or wait that is under way."""
    settlement: Settlement | None = None
    """What came of its prediction; None: it made none, or is not over."""
    worse: str = ""
    """What else got worse since it acted: it was interrupted, and nothing goes on by itself."""
    before: datetime | None = None
    """When an earlier session left it so; None: this one did, or nobody began it."""
    stale: bool = False
    """True when an earlier session read `captured`: it is told, and nothing is planned by it."""


def undo_step(step: Step, args: Mapping[str, object], *, verify: Until | None) -> Step:
    """The step that takes `step` back, with the state from before. Its undo has a call.

    `verify` proves it by that state too; None: nothing does.
    """
    undo = step.undo
    assert undo is not None
    return Step(
        id=f"{UNDO}{step.id}",
        title=f"Undo: {step.title}",
        kind=step.kind,
        risk=step.risk,
        prose=undo.says,
        line=step.line,
        target=step.target,
        does=undo.does,
        args=args,
        effect=undo.effect or undo.says,
        verify=verify,
        undo=Undo(says=f"run '{step.title}' again"),
        tripwires=(),
        timeout=step.timeout,
    )


class StepChange(TypedDict, total=False):
    """What may change of a `StepState`."""

    status: str
    outcome: Outcome | None
    captured: Mapping[str, object]
    passed: bool
    not_now: str
    checking: bool
    waited: float
    settlement: Settlement | None
    worse: str
    before: datetime | None
    stale: bool
