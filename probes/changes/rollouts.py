"""Deployments, refreshes and stacks: under way, failed, stuck, taken back."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import duration
from probes.began import TOLD, told
from probes.changes.model import RolloutState, Snapshot
from probes.changes.settings import Settings
from probes.changes.stack_findings import of_stack

_UNDER_WAY = frozenset(
    {"Created", "Queued", "InProgress", "Baking", "Ready", "Pending", "RollbackInProgress"}
)
_WAITING = frozenset({"Created", "Queued", "Pending"})


def of_rollout(snapshot: Snapshot, rollout: RolloutState, settings: Settings) -> Iterator[Finding]:
    """What is wrong with one deployment, refresh or stack."""
    if rollout.kind == "cloudformation.stack":
        yield from of_stack(snapshot, rollout, settings)
        return
    if rollout.status in {"Failed", "RollbackFailed"}:
        yield _failed(snapshot, rollout)
    elif rollout.status in _UNDER_WAY:
        yield from _under_way(snapshot, rollout, settings)


def _failed(snapshot: Snapshot, rollout: RolloutState) -> Finding:
    """A deployment, an update of a function or an instance refresh ended as failed.

    What runs now may be the old, the new, or a part of each. Critical when the group it belongs to
    has fewer instances in service than its minimum. (Of ECS services `ECS_DEPLOYMENT_FAILED`
    says it.)
    """
    short = any(
        group.name == rollout.name and group.in_service < group.least for group in snapshot.groups
    )
    return Finding(
        "DEPLOYMENT_FAILED",
        Severity.CRITICAL if short else Severity.WARNING,
        f"{rollout.name}: {rollout.kind} failed"
        + (f": {rollout.reason}" if rollout.reason else ""),
        subject=f"{rollout.kind} {rollout.name}",
        evidence=(
            Evidence("status", rollout.status),
            Evidence("since", snapshot.age(rollout.ended or rollout.began), "s"),
            Evidence("reason", rollout.reason or "not told"),
        ),
        against=(f"{rollout.taken_back} took it back already",) if rollout.taken_back else (),
        next="read which version serves now before anything is deployed again",
        began=told(rollout.ended, snapshot.at),
        resolution=TOLD,
    )


def _under_way(snapshot: Snapshot, rollout: RolloutState, settings: Settings) -> Iterator[Finding]:
    """A deployment or an instance refresh is running now.

    What is measured meanwhile is of two versions. Critical when it has run for longer than
    `running` says.

    DEPLOYMENT_STUCK: It waits for its beginning, or says a failure, for longer than `waits`. A
    slow health check and a large image do that too.
    """
    age = snapshot.age(rollout.began)
    waiting = rollout.status in _WAITING
    stuck = settings.waits.grade(age) if waiting or (rollout.reason and age) else None
    if waiting and stuck is Severity.WARNING:
        stuck = None  # a queue is normal for that long
    if stuck and not rollout.reason.endswith("% done"):
        yield Finding(
            "DEPLOYMENT_STUCK",
            stuck,
            f"{rollout.name}: {rollout.kind} is {rollout.status} for {duration(age or 0)}",
            subject=f"{rollout.kind} {rollout.name}",
            evidence=(
                Evidence("in progress", age, "s", settings.waits.first),
                Evidence("reason", rollout.reason or "not told"),
            ),
            likely=("a slow health check", "a large image", "no capacity"),
            next="read why its first instance or task does not become healthy",
            began=told(rollout.began, snapshot.at),
            resolution=TOLD,
        )
    severity = settings.running.grade(age)
    if severity:
        yield Finding(
            "CHANGE_IN_PROGRESS",
            severity,
            f"{rollout.name}: {rollout.kind} is under way for {duration(age or 0)}",
            subject=f"{rollout.kind} {rollout.name}",
            evidence=(
                Evidence("in progress", age, "s", settings.running.critical),
                Evidence("status", rollout.status),
                Evidence("says", rollout.reason or "nothing"),
            ),
            next="ask its owner whether it may go on; wait for it, or stop it with a rollback",
            began=told(rollout.began, snapshot.at),
            resolution=TOLD,
        )
