"""Findings about deployments that went wrong: failed, going back, or not even able to go back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from cockpit.triage.finding import Evidence, Finding, Severity
from probes.began import TOLD, told
from probes.ecs.deployment import ServiceDeployment
from probes.ecs.evidence import from_to, standing
from probes.ecs.model import Deployment, Snapshot, name_of
from probes.ecs.settings import Settings
from probes.ecs.tasks import seconds_since

_ROLLING_BACK = ("rolling back", "rolled back", "rollback")


def gone_wrong(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """One finding a deployment: what its history says of it, else its rollout state."""
    ended = _ended(snapshot, settings)
    if ended is not None:
        yield ended
    failed = [each for each in snapshot.deployments if each.rollout_state == "FAILED"]
    for each in failed:
        if ended is None or ended.subject != name_of(each.task_definition):
            yield _failed(snapshot, each)
    primary = snapshot.primary
    if primary is not None and snapshot.history is None and not failed and mentioned(primary):
        yield _rolled_back(primary)


def mentioned(primary: Deployment) -> bool:
    """Whether the reason of what is deployed now speaks of a rollback."""
    return any(mark in primary.reason.lower() for mark in _ROLLING_BACK)


def _ended(snapshot: Snapshot, settings: Settings) -> Finding | None:
    """How the newest deployment went wrong; None while it did not."""
    newest = snapshot.history[0] if snapshot.history else None
    if newest is None:
        return None
    finished = seconds_since(snapshot, newest.finished_at or newest.rollback_at)
    fresh = finished is None or finished < settings.recent
    to = f" to {name_of(newest.rollback_to)}" if newest.rollback_to else ""
    primary = snapshot.primary
    rest = primary is not None and primary.rollout_state == "COMPLETED"
    if newest.status == "ROLLBACK_FAILED" and (fresh or not rest):
        how = f"was to be rolled back{to}, and that failed"
        return _gone_wrong(newest, Severity.CRITICAL, how, at=snapshot.at)
    if newest.rolling_back:
        return _gone_wrong(newest, Severity.WARNING, f"is being rolled back{to}", at=snapshot.at)
    if newest.status == "ROLLBACK_SUCCESSFUL" and fresh:
        well = rest and snapshot.running >= snapshot.desired
        severity = Severity.INFO if well else Severity.WARNING
        return _gone_wrong(newest, severity, f"was rolled back{to}", at=snapshot.at)
    mixed = sum(each.running > 0 for each in snapshot.deployments) > 1
    if newest.status == "STOPPED" and mixed:
        return _gone_wrong(
            newest, Severity.WARNING, "was stopped while two revisions run", at=snapshot.at
        )
    return None


def _gone_wrong(
    newest: ServiceDeployment, severity: Severity, how: str, *, at: datetime
) -> Finding:
    """The newest deployment did not go through: ECS takes it back, has taken it back, or could not.

    While it goes back the service should recover by itself. When the rollback failed too, both
    revisions may run: nothing mends that but a deployment of the one that worked.
    """
    name = name_of(newest.task_definition) or "a revision that could not be read"
    why = newest.rollback_reason or newest.reason
    failed_twice = severity is Severity.CRITICAL
    return Finding(
        "ECS_DEPLOYMENT_FAILED",
        severity,
        f"the deployment of {name} {how}: {why or 'no reason given'}",
        subject=name,
        evidence=(
            Evidence("status", newest.status),
            Evidence("reason", why or None),
            *standing(newest),
        ),
        likely=(
            "the new revision crashed or failed its checks",
            "an alarm rang while it was watched",
            "a hook said no",
        ),
        next="look which revision each task runs, and deploy the one that worked"
        if failed_twice
        else "keep the failed revision from being deployed again",
        began=told(newest.rollback_at or newest.finished_at, at),
        resolution=TOLD,
    )


def _failed(snapshot: Snapshot, failed: Deployment) -> Finding:
    """A deployment failed, and nothing has rolled it back yet.

    The new revision does not come up. What is left of the old tasks serves.
    """
    name = name_of(failed.task_definition)
    return Finding(
        "ECS_DEPLOYMENT_FAILED",
        Severity.CRITICAL,
        f"the deployment of {name} failed: {failed.reason or 'no reason given'}",
        subject=name,
        evidence=(
            Evidence("rollout state", failed.rollout_state),
            Evidence("reason", failed.reason or None),
            Evidence("failed tasks", failed.failed_tasks),
            Evidence("running", f"{failed.running} of {failed.desired}"),
            *from_to(snapshot),
        ),
        likely=("the new revision crashes or fails its checks",),
        next="roll back to the revision before",
    )


def _rolled_back(primary: Deployment) -> Finding:
    """A deployment failed and ECS goes back to the revision before.

    That is the breaker at work: the service should recover by itself. The failed revision must not
    be deployed again as it is.
    """
    return Finding(
        "ECS_DEPLOYMENT_FAILED",
        Severity.WARNING,
        f"a deployment failed and is rolled back to {name_of(primary.task_definition)}",
        subject=name_of(primary.task_definition),
        evidence=(
            Evidence("rollout state", primary.rollout_state),
            Evidence("reason", primary.reason),
            Evidence("running", f"{primary.running} of {primary.desired}"),
        ),
        likely=("the new revision crashed or failed its checks",),
        next="keep the failed revision from being deployed again",
    )
