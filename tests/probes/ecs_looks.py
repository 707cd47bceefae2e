"""Looks at services of ECS, in short words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cockpit.triage.finding import Severity
from probes.ecs import service as ecs
from probes.ecs.model import (
    Container,
    Deployment,
    EcsEvent,
    RunningTask,
    Scaling,
    Service,
    Snapshot,
    Stop,
)
from probes.ecs.settings import Settings
from tests.probes.fake_aws import AT, ago

CRITICAL, HIGH, WARNING, INFO = (
    Severity.CRITICAL,
    Severity.HIGH,
    Severity.WARNING,
    Severity.INFO,
)


ARN = "arn:aws:ecs:us-east-1:123456789012:task-definition/checkout:{}"


NEW, OLD = ARN.format(42), ARN.format(41)


def service(**changes: Any) -> Service:
    base = Service(
        name="checkout",
        cluster="prod",
        arn="arn:aws:ecs:us-east-1:123456789012:service/prod/checkout",
        status="ACTIVE",
        task_definition=NEW,
        breaker=False,
        grace=60,
        created_at=ago(days=300),
    )
    return replace(base, **changes)


def deployment(**changes: Any) -> Deployment:
    base = Deployment(
        id="ecs-svc/1",
        status="PRIMARY",
        task_definition=NEW,
        desired=6,
        running=6,
        pending=0,
        failed_tasks=0,
        rollout_state="COMPLETED",
        created_at=ago(days=2),
        updated_at=ago(days=2),
    )
    return replace(base, **changes)


def active(**changes: Any) -> Deployment:
    base = deployment(id="ecs-svc/0", status="ACTIVE", task_definition=OLD, created_at=ago(days=9))
    return replace(base, **changes)


def stop(
    code: str = "EssentialContainerExited",
    exit_code: int | None = 1,
    *,
    container: str = "",
    **changes: Any,
) -> Stop:
    base = Stop(
        arn="arn:aws:ecs:us-east-1:123456789012:task/prod/0123456789abcdef",
        task_definition=NEW,
        stop_code=code,
        reason="Essential container in task exited",
        stopped_at=ago(minutes=2),
        started_at=ago(minutes=3),
        containers=(Container(name="web", exit_code=exit_code, reason=container),),
    )
    return replace(base, **changes)


def many(number: int, *args: Any, **kwargs: Any) -> tuple[Stop, ...]:
    return tuple(
        replace(stop(*args, **kwargs), arn=f"arn:aws:ecs:::task/prod/{n:032x}")
        for n in range(number)
    )


def event(message: str, **span: float) -> EcsEvent:
    return EcsEvent(id=message[:8], at=ago(**span), message=message)


def snapshot(**changes: Any) -> Snapshot:
    base = Snapshot(
        at=AT,
        service=service(),
        desired=6,
        running=6,
        pending=0,
        deployments=(deployment(),),
        primary=deployment(),
        previous_task_definition=OLD,
    )
    return replace(base, **changes)


def rolling(primary: Deployment, *others: Deployment, **changes: Any) -> Snapshot:
    return snapshot(primary=primary, deployments=(primary, *others), **changes)


def found(look: Snapshot, settings: Settings | None = None) -> list[tuple[str, Severity]]:
    return [(f.code, f.severity) for f in ecs.diagnose(look, settings or Settings())]


IN_PROGRESS = {"rollout_state": "IN_PROGRESS"}


PLACE = "was unable to place a task because no container instance met all of its requirements. "


STEADY = "has reached a steady state."


SCALING = Scaling(minimum=2, maximum=6, cpu_target=60)


def tasks(*zones: str, age: float = 3600) -> tuple[RunningTask, ...]:
    return tuple(
        RunningTask(arn=f"task/{n}", zone=zone, started_at=ago(seconds=age))
        for n, zone in enumerate(zones)
    )


def deployments_answers(*told: tuple[int, str, int | tuple[int, ...]]) -> dict[str, object]:
    """What AWS says of (revision, status, replaced revisions), newest first."""
    base = "arn:aws:ecs:us-east-1:123456789012:service-{}/prod/checkout/{}"
    briefs, full = [], []
    numbers: set[int] = set()
    for place, (revision, status, replaced) in enumerate(told):
        sources = (replaced,) if isinstance(replaced, int) else replaced
        numbers |= {revision, *sources}
        arn = base.format("deployment", f"d{place}")
        briefs.append(
            {
                "serviceDeploymentArn": arn,
                "status": status,
                "targetServiceRevisionArn": base.format("revision", f"r{revision}"),
                "createdAt": ago(minutes=10 + 60 * place),
            }
        )
        full.append(
            {
                "serviceDeploymentArn": arn,
                "status": status,
                "sourceServiceRevisions": [
                    {"arn": base.format("revision", f"r{each}"), "runningTaskCount": each}
                    for each in sources
                ],
            }
        )
    revisions = [
        {
            "serviceRevisionArn": base.format("revision", f"r{each}"),
            "taskDefinition": ARN.format(each),
        }
        for each in numbers
    ]
    return {
        "ecs.ListServiceDeployments": briefs,
        "ecs.DescribeServiceDeployments": full,
        "ecs.DescribeServiceRevisions": revisions,
    }
