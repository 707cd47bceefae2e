"""Which revision a service goes back to: read from what it ran, never counted from a number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from probes.ecs.deployment import CodeDeployment, ServiceDeployment
from probes.ecs.model import Deployment


@dataclass(frozen=True, slots=True)
class Previous:
    """The revision to go back to, and who says so; both empty: nobody does."""

    task_definition: str = ""
    known_by: str = ""


def previous_of(
    current: str, history: Iterable[ServiceDeployment], deployments: Iterable[Deployment]
) -> Previous:
    """What ran well in this service before `current`: read, never counted back from its number.

    `history` is newest first. The deployment that brought `current` names what it replaced; several
    replaced revisions count only as far as they once came to their end. Else the newest other
    revision whose deployment succeeded here. Without a history: the deployment that is being
    replaced, if it had completed.
    """
    told = tuple(history)
    ended = [each for each in told if each.status == "SUCCESSFUL"]
    completed = {each.task_definition for each in ended} - {"", current}
    never = {each.task_definition for each in told if not each.open} - completed
    brought = next((d for d in told if d.task_definition == current and _counts(d)), None)
    if brought is not None:
        unfit = never | {"", current}
        replaced = [share for share in brought.sources if share.task_definition not in unfit]
        known = [share for share in replaced if share.task_definition in completed]
        if len(replaced) == 1 or known:
            best = max(known or replaced, key=lambda share: share.running)
            return Previous(best.task_definition, "what its deployment replaced")
    before = told[told.index(brought) + 1 :] if brought is not None else told
    for each in before:
        if each.status == "SUCCESSFUL" and each.task_definition in completed:
            return Previous(each.task_definition, "the newest that this service completed")
    return _being_replaced(current, deployments)


def before_code_deploy(current: str, way: CodeDeployment) -> Previous:
    """What a deployment of CodeDeploy under way replaces; nothing while that still serves."""
    if way.replaces in {"", current}:
        return Previous()
    return Previous(way.replaces, "what its deployment of CodeDeploy replaces")


def _counts(deployment: ServiceDeployment) -> bool:
    return deployment.open or deployment.status == "SUCCESSFUL"


def _being_replaced(current: str, deployments: Iterable[Deployment]) -> Previous:
    told = tuple(deployments)
    begun = next((each.created_at for each in told if each.task_definition == current), None)
    others = [
        each
        for each in told
        if each.task_definition not in {"", current}
        and each.status == "ACTIVE"
        and not (begun and each.created_at and each.created_at > begun)  # green, not blue
        and (each.rollout_state or each.reason) in {"COMPLETED", "STEADY_STATE"}
    ]
    if not others:
        return Previous()
    best = max(others, key=lambda each: each.running)
    return Previous(best.task_definition, "what is being replaced")
