"""Whether what a step of this incident said it would do came about.

Nothing is asked for it: the prediction and what came of it stand in the record, and whoever has the
incident open reads them there. A target of the kind `runbook` does not exist; the findings stand at
the target that the step's verification looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cockpit import clock
from cockpit.connect.session import Closable
from cockpit.errors import BlindError, Reason
from cockpit.incident.ledger import Promise
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.triage.nature import codes
from cockpit.triage.probe import Probe
from cockpit.triage.target import Target


@dataclass(frozen=True, slots=True)
class BrokenPromises:
    """Those of one target that stand: neither kept later, nor taken back."""

    promises: tuple[Promise, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """Nothing to set: a promise is broken by the step's own verification."""


async def collect(session: Closable, target: Target) -> BrokenPromises:
    """Never looked at: the record is read by whoever has the incident open."""
    raise BlindError(Reason.UNSUPPORTED, f"{target.name} is no incident")


def diagnose(snapshot: BrokenPromises, settings: Settings) -> Iterable[Finding]:
    """A finding for each."""
    for promise in snapshot.promises:
        yield _broken(promise)


def _broken(promise: Promise) -> Finding:
    """A step was done, its verification was looked at until its time was up, and what the step had
    said would happen did not. Either it was not the cause, or it takes longer than was thought:
    another step on the same belief may hurt and help nobody. It goes when the same step keeps its
    word later, or when it is taken back and that is verified.
    """
    end = promise.settlement
    when = clock.stamp(promise.settled_at)[11:19] if promise.settled_at else ""
    return Finding(
        "STEP_PROMISE_BROKEN",
        Severity.WARNING,
        f"'{promise.title}' did not do what it said: {promise.says}",
        subject=promise.subject,
        evidence=(
            Evidence("predicted", promise.says),
            Evidence("seen", end.seen if end else ""),
            Evidence("settled at (UTC)", when),
        ),
        likely=(
            "what it changed is not the cause",
            "it takes longer than the step waits",
            "the cause came back, or somebody took the change back",
        ),
        next="look at what the step was for again before another one, and what got worse since",
    )


PROBE = Probe(
    id="runbook.promises",
    kind="runbook",
    collect=collect,
    diagnose=diagnose,
    snapshot=BrokenPromises,
    settings=Settings(),
    every=60,
    timeout=1,
    codes=codes(risk=("STEP_PROMISE_BROKEN",)),
)
