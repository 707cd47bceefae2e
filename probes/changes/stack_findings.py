"""Stacks of CloudFormation: under way, rolled back, stuck."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import duration
from probes.began import TOLD, told
from probes.changes.model import RolloutState, Snapshot
from probes.changes.settings import Settings

_DAY = timedelta(hours=24)


def of_stack(snapshot: Snapshot, rollout: RolloutState, settings: Settings) -> Iterator[Finding]:
    """A stack of CloudFormation is under way, rolled back, or hangs.

    CHANGE_IN_PROGRESS: An operation on the stack is running now.

    STACK_ROLLED_BACK: An update failed within the last hour and was taken back. The first failure
    is the cause, the others are its consequences.

    STACK_STUCK: The rollback itself failed: nothing can be deployed there until somebody lets it go
    on (`ContinueUpdateRollback`) or deletes it. Information when that is so for more than a day:
    then it is not how this trouble began.
    """
    age = snapshot.age(rollout.began)
    subject = f"stack {rollout.name}"
    evidence = (
        Evidence("status", rollout.status),
        Evidence("first failure", rollout.reason or "not told"),
        Evidence("since", age, "s"),
    )
    if rollout.status.endswith("ROLLBACK_FAILED"):
        yield Finding(
            "STACK_STUCK",
            Severity.CRITICAL if age is None or age <= _DAY.total_seconds() else Severity.INFO,
            f"stack {rollout.name} cannot roll back: {rollout.reason or rollout.status}",
            subject=subject,
            evidence=evidence,
            next="mend what the first failure names, then ContinueUpdateRollback",
            began=told(rollout.began, snapshot.at),
            resolution=TOLD,
        )
    elif rollout.status.endswith("ROLLBACK_COMPLETE"):
        if age is not None and age <= settings.rolled_back:
            yield Finding(
                "STACK_ROLLED_BACK",
                Severity.WARNING,
                f"stack {rollout.name} rolled back: {rollout.reason or rollout.status}",
                subject=subject,
                evidence=evidence,
                next="read the first failure; what the stack did meanwhile was taken back too",
                began=told(rollout.began, snapshot.at),
                resolution=TOLD,
            )
    elif rollout.status.endswith("_IN_PROGRESS") and rollout.status != "REVIEW_IN_PROGRESS":
        severity = settings.running.grade(age)
        if severity:
            yield Finding(
                "CHANGE_IN_PROGRESS",
                severity,
                f"stack {rollout.name} is {rollout.status} for {duration(age or 0)}",
                subject=subject,
                evidence=evidence,
                next="ask its owner whether it may go on",
                began=told(rollout.began, snapshot.at),
                resolution=TOLD,
            )
