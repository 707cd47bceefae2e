"""What findings about deployments show: how far one is, and what it changes."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence
from probes.ecs import stops
from probes.ecs.deployment import CodeDeployment, ServiceDeployment
from probes.ecs.model import Snapshot, name_of


def standing(way: ServiceDeployment) -> Iterator[Evidence]:
    """How far a deployment is, and what watches it, as far as AWS has something to say."""
    if way.stage:
        yield Evidence("stage", way.stage)
    if way.asked:
        yield Evidence("hooks", ", ".join(way.asked))
    if way.weight is not None:
        yield Evidence("traffic", way.weight, "%")
    if way.threshold is not None:
        yield Evidence("failures for the breaker", way.failures, limit=way.threshold)
    if way.ringing:
        yield Evidence("alarms", ", ".join(way.ringing))


def by_code_deploy(way: CodeDeployment) -> Iterator[Evidence]:
    """The deployment of CodeDeploy that is under way, and where its rollback would go."""
    yield Evidence("deployment of CodeDeploy", f"{way.id}, {way.status}")
    if way.weight is not None:
        yield Evidence("traffic", way.weight, "%")
    if way.brings and way.replaces:
        yield Evidence("replaces", f"{name_of(way.replaces)} → {name_of(way.brings)}")


def from_to(snapshot: Snapshot) -> Iterator[Evidence]:
    """The revisions, and what the newer one changes as far as both were read."""
    if snapshot.previous_task_definition and snapshot.primary:
        was = name_of(snapshot.previous_task_definition)
        yield Evidence("revision", f"{was} → {name_of(snapshot.primary.task_definition)}")
    if snapshot.definition and snapshot.previous:
        told = stops.difference_text(stops.differences(snapshot.previous, snapshot.definition))
        yield Evidence("changed", told or "nothing that can be seen")
