"""ECS services: each code fires, stays silent just below, and is not fooled by its traps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cockpit.runbooks.library import library
from cockpit.triage.finding import Severity
from probes.ecs import service as ecs
from probes.ecs import stops
from probes.ecs.model import Container, Snapshot, Stop
from probes.ecs.settings import Settings
from tests.probes.ecs_looks import (
    ARN,
    CRITICAL,
    IN_PROGRESS,
    INFO,
    OLD,
    PLACE,
    SCALING,
    STEADY,
    WARNING,
    active,
    deployment,
    event,
    found,
    many,
    rolling,
    service,
    snapshot,
    stop,
    tasks,
)
from tests.probes.fake_aws import ago, minutes


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(snapshot(), [], id="all run"),
        pytest.param(snapshot(desired=0, running=0), [], id="scaled to zero on purpose"),
        pytest.param(snapshot(running=0), [("ECS_SERVICE_DOWN", CRITICAL)], id="none of six runs"),
        pytest.param(
            snapshot(running=0, pending=2, service=service(created_at=ago(seconds=90))),
            [("ECS_SERVICE_DOWN", WARNING)],
            id="none runs, but the service is being born",
        ),
        pytest.param(
            snapshot(running=0, pending=2, service=service(created_at=ago(seconds=180))),
            [("ECS_SERVICE_DOWN", CRITICAL)],
            id="born long enough ago",
        ),
        pytest.param(
            snapshot(running=5, below_since=ago(seconds=179)), [], id="one is being replaced"
        ),
        pytest.param(
            snapshot(running=5, below_since=ago(seconds=180)),
            [("ECS_TASKS_BELOW_DESIRED", WARNING)],
            id="one is missing for three minutes",
        ),
        pytest.param(
            snapshot(running=3, below_since=ago(minutes=4)),
            [("ECS_TASKS_BELOW_DESIRED", CRITICAL)],
            id="half is missing",
        ),
        pytest.param(
            snapshot(running=4),
            [("ECS_TASKS_BELOW_DESIRED", WARNING)],
            id="missing since before the first look",
        ),
        pytest.param(
            snapshot(running=4, primary=deployment(updated_at=ago(seconds=60))),
            [],
            id="the wanted number was raised a minute ago",
        ),
        pytest.param(snapshot(running=7), [], id="more run than wanted, as in a roll-out"),
        pytest.param(
            rolling(
                deployment(rollout_state="IN_PROGRESS"),
                active(),
                running=3,
                below_since=ago(minutes=9),
                service=service(minimum_percent=50),
            ),
            [("ECS_DEPLOYMENT_STUCK", CRITICAL)],
            id="a roll-out may go down to half when it is told to",
        ),
        pytest.param(
            snapshot(desired=3, running=3, service=service(scheduling="DAEMON", minimum_percent=0)),
            [],
            id="a daemon follows its hosts",
        ),
        pytest.param(
            snapshot(desired=1, running=1), [("ECS_SINGLE_TASK", INFO)], id="one task is all"
        ),
        pytest.param(
            snapshot(desired=1, running=1, service=service(scheduling="DAEMON")),
            [],
            id="a daemon on one host",
        ),
        pytest.param(
            snapshot(service=service(status="DRAINING"), running=0),
            [("ECS_SERVICE_DRAINING_OR_GONE", CRITICAL)],
            id="the service is being deleted, and nothing else is said",
        ),
        pytest.param(
            snapshot(service=service(status="INACTIVE"), running=0),
            [("ECS_SERVICE_DRAINING_OR_GONE", CRITICAL)],
            id="the service was deleted",
        ),
    ],
)
def test_tasks_are_counted_against_what_is_wanted(
    look: Snapshot, expected: list[tuple[str, Severity]]
) -> None:
    assert found(look) == expected


@pytest.mark.parametrize(
    ("stopped", "expected"),
    [
        pytest.param((), [], id="nothing stopped"),
        pytest.param(many(2), [], id="two crashes, just below"),
        pytest.param(many(3), [("ECS_CRASH_LOOP", WARNING)], id="three crashes in ten minutes"),
        pytest.param(many(5), [("ECS_CRASH_LOOP", WARNING)], id="five crashes"),
        pytest.param(many(6), [("ECS_CRASH_LOOP", CRITICAL)], id="six crashes"),
        pytest.param(many(6, stopped_at=ago(seconds=601)), [], id="six crashes, but long ago"),
        pytest.param(many(2) + many(2, task_definition=OLD), [], id="two each of two revisions"),
        pytest.param(
            many(9, task_definition=ARN.format(43)) + many(3, exit_code=137, task_definition=OLD),
            [],
            id="revisions that were rolled back are history",
        ),
        pytest.param(
            many(6, "ServiceSchedulerInitiated", 137), [], id="137 in a roll-out is a late stop"
        ),
        pytest.param(many(6, "ServiceSchedulerInitiated", 143), [], id="143 is a normal stop"),
        pytest.param(
            many(6, "ServiceSchedulerInitiated", 0, reason="Scaling activity initiated by (…)"),
            [],
            id="a scale-in",
        ),
        pytest.param(many(6, "EssentialContainerExited", 143), [], id="asked to end, and did"),
        pytest.param(
            many(6, "EssentialContainerExited", 0),
            [("ECS_CRASH_LOOP", CRITICAL)],
            id="a service's task that ends with 0 is still a failure",
        ),
        pytest.param(
            many(3, "TaskFailedToStart", None, reason="CannotStartContainerError: exec format"),
            [("ECS_CRASH_LOOP", WARNING)],
            id="containers that cannot start",
        ),
        pytest.param(
            many(1, "TerminationNotice", 143), [("ECS_TASKS_RETIRED", INFO)], id="AWS retires one"
        ),
        pytest.param(
            many(6, "InfrastructureHealth", 137),
            [("ECS_TASKS_RETIRED", WARNING)],
            id="AWS moves all tasks",
        ),
        pytest.param(
            many(1, "TaskFailedToStart", None, reason="The moon was full"),
            [("ECS_TASK_NOT_STARTED", WARNING)],
            id="did not start, and nobody knows why",
        ),
        pytest.param(
            many(2, "TaskFailedToStart", None, reason="Timeout waiting for EphemeralStorage"),
            [("ECS_RESOURCE_INIT_FAILED", CRITICAL)],
            id="a volume that does not come is no unknown reason",
        ),
        pytest.param(
            many(1, "TaskFailedToStart", None, reason="EMPTY CAPACITY PROVIDER"),
            [("ECS_PLACEMENT_FAILED", WARNING)],
            id="a capacity provider without hosts",
        ),
        *(
            pytest.param(
                many(1, "TaskFailedToStart", None, reason=reason),
                [("ECS_PLACEMENT_FAILED", WARNING)],
                id=f"no host that fits: {reason}",
            )
            for reason in ("ATTRIBUTE", "MemberOf constraint unsatisfied.", "NO ACTIVE INSTANCES")
        ),
        pytest.param(
            many(1, "TaskFailedToStart", None, reason="The moon", stopped_at=ago(seconds=901)),
            [],
            id="did not start long ago",
        ),
        pytest.param(
            many(1, "EclipseNotice", 143),
            [("ECS_TASKS_ENDED_OTHERWISE", WARNING)],
            id="a stop code that is in no list",
        ),
        pytest.param(
            many(1, exit_code=137), [("ECS_TASK_OOM", WARNING)], id="one killed, not asked to stop"
        ),
        pytest.param(
            many(2, exit_code=137), [("ECS_TASK_OOM", WARNING)], id="two killed for memory"
        ),
        pytest.param(
            many(3, exit_code=137),
            [("ECS_CRASH_LOOP", WARNING), ("ECS_TASK_OOM", CRITICAL)],
            id="three killed for memory loop too",
        ),
        pytest.param(
            many(1, "ServiceSchedulerInitiated", 137, container="OutOfMemoryError: killed"),
            [("ECS_TASK_OOM", WARNING)],
            id="the reason says memory, whoever stopped the task",
        ),
        pytest.param(
            many(1, "UserInitiated", 137),
            [("ECS_TASKS_STOPPED_BY_USER", INFO)],
            id="137 after a person's stop is no memory",
        ),
        pytest.param(
            many(
                1,
                containers=(
                    Container(name="web", exit_code=1),
                    Container(name="sidecar", exit_code=137),
                ),
            ),
            [],
            id="a sidecar killed because the main container ended",
        ),
        pytest.param(many(1, exit_code=137, stopped_at=ago(seconds=901)), [], id="killed long ago"),
        pytest.param(
            many(
                1, "ServiceSchedulerInitiated", 137, reason="Task failed ELB health checks in (…)"
            ),
            [],
            id="one health check kill, just below",
        ),
        pytest.param(
            many(
                2, "ServiceSchedulerInitiated", 137, reason="Task failed ELB health checks in (…)"
            ),
            [("ECS_HEALTH_CHECK_KILLS", WARNING)],
            id="two killed by the load balancer's check",
        ),
        pytest.param(
            many(5, "ServiceSchedulerInitiated", 0, reason="Task failed container health checks"),
            [("ECS_HEALTH_CHECK_KILLS", CRITICAL)],
            id="five killed by the container's check",
        ),
        pytest.param(
            many(1, "TaskFailedToStart", None, reason="ResourceInitializationError: x secrets y"),
            [],
            id="one failed set-up, just below",
        ),
        pytest.param(
            many(
                2,
                "TaskFailedToStart",
                None,
                reason="ResourceInitializationError: unable to pull secrets or registry auth",
            ),
            [("ECS_RESOURCE_INIT_FAILED", CRITICAL)],
            id="secrets cannot be read",
        ),
        pytest.param(
            many(1, "TaskFailedToStart", None, reason="CannotPullContainerError: manifest unknown"),
            [("ECS_IMAGE_PULL_FAILED", WARNING)],
            id="a replacement cannot pull",
        ),
        pytest.param(
            many(1, "UserInitiated", 143), [("ECS_TASKS_STOPPED_BY_USER", INFO)], id="one by hand"
        ),
        pytest.param(
            many(3, "UserInitiated", 143),
            [("ECS_TASKS_STOPPED_BY_USER", WARNING)],
            id="three by hand: an experiment?",
        ),
        pytest.param(
            many(1, "SpotInterruption", 143), [("ECS_SPOT_INTERRUPTED", INFO)], id="one of six"
        ),
        pytest.param(
            many(2, "SpotInterruption", 143), [("ECS_SPOT_INTERRUPTED", WARNING)], id="a third"
        ),
        pytest.param(
            many(1, "TaskFailedToStart", None, reason="RESOURCE:ENI"),
            [("ECS_PLACEMENT_FAILED", WARNING)],
            id="no place for a task, but all run",
        ),
    ],
)
def test_stopped_tasks_are_sorted_by_why(
    stopped: tuple[Stop, ...], expected: list[tuple[str, Severity]]
) -> None:
    assert found(snapshot(stopped=stopped)) == expected


def test_an_image_that_cannot_be_pulled_stops_a_deployment_that_is_under_way() -> None:
    reason = "CannotPullContainerError: not found"
    look = rolling(
        deployment(rollout_state="IN_PROGRESS", running=0, created_at=ago(minutes=3)),
        active(),
        stopped=many(1, "TaskFailedToStart", None, reason=reason),
    )
    (finding,) = [f for f in ecs.diagnose(look, Settings()) if "PULL" in f.code]
    assert (finding.severity, finding.subject, library().best(finding.code)) == (
        CRITICAL,
        "image missing",
        "ecs-rollback",
    )


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("CannotPullContainerError: manifest unknown", "image missing"),
        ("cannotpullcontainererror: 403 Forbidden", "access"),
        ("CannotPullContainerError: toomanyrequests: not found", "rate limit"),
        ("CannotPullContainerError: dial tcp 1.2.3.4:443: i/o timeout", "network"),
        ("CannotPullContainerError: write /x: no space left on device", "disk"),
        ("CannotPullContainerError: image does not match the platform", "architecture"),
        ("CannotPullContainerError: something new", "other"),
        ("ResourceInitializationError: failed to validate logger args", ""),
        ("Essential container in task exited", ""),
    ],
)
def test_pull_failures_are_told_apart_by_their_text(reason: str, kind: str) -> None:
    assert stops.pull_failure(stop("TaskFailedToStart", None, reason=reason)) == kind


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("ResourceInitializationError: unable to pull secrets or registry auth", "secrets"),
        ("ResourceInitializationError: failed to validate logger args", "logs"),
        ("ResourceInitializationError: failed to invoke EFS utils commands", "efs"),
        ("ResourceInitializationError: failed to configure ENI", "network interface"),
        ("ResourceInitializationError: new text", "other"),
        ("CannotPullContainerError: denied", ""),
    ],
)
def test_set_up_failures_are_told_apart_by_their_text(reason: str, kind: str) -> None:
    assert stops.init_failure(stop("TaskFailedToStart", None, reason=reason)) == kind


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(
            rolling(deployment(rollout_state="FAILED", reason="tasks failed to start"), active()),
            [("ECS_DEPLOYMENT_FAILED", CRITICAL)],
            id="failed",
        ),
        pytest.param(
            rolling(deployment(reason="ECS deployment circuit breaker: rolling back to X.")),
            [("ECS_DEPLOYMENT_FAILED", WARNING)],
            id="rolled back by the breaker",
        ),
        pytest.param(
            rolling(deployment(**IN_PROGRESS, created_at=ago(seconds=899))),
            [("ECS_DEPLOYMENT_RECENT", INFO)],
            id="in progress, just below a quarter of an hour",
        ),
        pytest.param(
            rolling(deployment(**IN_PROGRESS, created_at=ago(seconds=900))),
            [("ECS_DEPLOYMENT_STUCK", WARNING), ("ECS_DEPLOYMENT_RECENT", INFO)],
            id="in progress for a quarter of an hour",
        ),
        pytest.param(
            rolling(deployment(**IN_PROGRESS, created_at=ago(seconds=2700))),
            [("ECS_DEPLOYMENT_STUCK", CRITICAL), ("ECS_DEPLOYMENT_RECENT", INFO)],
            id="in progress for three quarters",
        ),
        pytest.param(
            rolling(deployment(**IN_PROGRESS, created_at=ago(minutes=3), failed_tasks=3)),
            [("ECS_DEPLOYMENT_STUCK", CRITICAL), ("ECS_DEPLOYMENT_RECENT", INFO)],
            id="three failed and no breaker: it will never end",
        ),
        pytest.param(
            rolling(deployment(**IN_PROGRESS, created_at=ago(minutes=3), failed_tasks=2)),
            [("ECS_DEPLOYMENT_RECENT", INFO)],
            id="two failed, just below",
        ),
        pytest.param(
            rolling(
                deployment(**IN_PROGRESS, created_at=ago(minutes=3), failed_tasks=3),
                service=service(breaker=True),
            ),
            [("ECS_DEPLOYMENT_STUCK", WARNING), ("ECS_DEPLOYMENT_RECENT", INFO)],
            id="three failed, the breaker will act",
        ),
        pytest.param(
            rolling(
                deployment(rollout_state="", created_at=ago(hours=9), failed_tasks=9),
                service=service(controller="CODE_DEPLOY"),
            ),
            [],
            id="CodeDeploy gives no rollout state",
        ),
        pytest.param(
            rolling(deployment(**IN_PROGRESS, desired=0, running=0), desired=0, running=0),
            [],
            id="nothing is wanted",
        ),
        pytest.param(
            snapshot(primary=None, deployments=(), service=service(controller="EXTERNAL")),
            [],
            id="an external controller without deployments",
        ),
        pytest.param(
            rolling(deployment(created_at=ago(seconds=3600))), [], id="an hour old is not recent"
        ),
        pytest.param(
            rolling(deployment(created_at=ago(seconds=3599))),
            [("ECS_DEPLOYMENT_RECENT", INFO)],
            id="just under an hour is recent",
        ),
    ],
)
def test_deployments_are_judged_by_state_and_age(
    look: Snapshot, expected: list[tuple[str, Severity]]
) -> None:
    assert found(look) == expected


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(
            snapshot(events=(event(PLACE, minutes=2),)),
            [("ECS_PLACEMENT_FAILED", WARNING)],
            id="no place for one more, but all run",
        ),
        pytest.param(
            snapshot(events=(event(PLACE, minutes=2),), running=5, below_since=ago(seconds=60)),
            [("ECS_PLACEMENT_FAILED", CRITICAL)],
            id="no place and too few run",
        ),
        pytest.param(
            snapshot(events=(event(STEADY, minutes=1), event(PLACE, minutes=2))),
            [],
            id="came to rest after it",
        ),
        pytest.param(snapshot(events=(event(PLACE, minutes=16),)), [], id="long ago"),
        pytest.param(
            snapshot(events=tuple(event("has started 1 tasks", minutes=m) for m in (1, 9, 31))),
            [("ECS_NO_STEADY_STATE", WARNING)],
            id="restless for half an hour",
        ),
        pytest.param(
            snapshot(events=tuple(event("has started 1 tasks", minutes=m) for m in (1, 9, 29))),
            [],
            id="restless, just below",
        ),
        pytest.param(
            snapshot(events=tuple(event("has started 1 tasks", minutes=m) for m in (16, 30, 50))),
            [],
            id="quiet for a quarter of an hour: repeated events are hidden",
        ),
        pytest.param(
            snapshot(
                events=(
                    event("has started 1 tasks", minutes=1),
                    event("has stopped 1 tasks", minutes=2),
                    event("has begun draining", minutes=3),
                    event(STEADY, minutes=300),
                )
            ),
            [],
            id="a roll-out that began after hours of rest",
        ),
    ],
)
def test_events_are_read_back_to_the_last_steady_state(
    look: Snapshot, expected: list[tuple[str, Severity]]
) -> None:
    assert found(look) == expected


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(snapshot(cpu=minutes(*[79.9] * 9)), [], id="just below"),
        pytest.param(snapshot(cpu=minutes(*[80] * 9)), [("ECS_CPU_SATURATED", WARNING)], id="80"),
        pytest.param(snapshot(cpu=minutes(*[95] * 9)), [("ECS_CPU_SATURATED", CRITICAL)], id="95"),
        pytest.param(snapshot(cpu=minutes(10, 10, 10, 99, 99)), [], id="two minutes of five"),
        pytest.param(snapshot(cpu=minutes(99, 99, late=3)), [], id="too few points"),
        pytest.param(snapshot(cpu=minutes(*[99] * 9, late=20)), [], id="old points"),
        pytest.param(
            snapshot(memory=minutes(*[85] * 9)), [("ECS_MEMORY_HIGH", WARNING)], id="memory 85"
        ),
        pytest.param(
            snapshot(memory=minutes(*[130] * 9)),
            [("ECS_MEMORY_HIGH", CRITICAL)],
            id="over the soft limit",
        ),
        pytest.param(snapshot(cpu=minutes(status="Forbidden")), [], id="denied is not zero"),
    ],
)
def test_load_is_judged_by_settled_minutes(
    look: Snapshot, expected: list[tuple[str, Severity]]
) -> None:
    assert found(look) == expected


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(snapshot(scaling=SCALING), [], id="at the maximum but idle"),
        pytest.param(
            snapshot(scaling=SCALING, cpu=minutes(*[61] * 9)),
            [("ECS_AUTOSCALING_AT_MAX", WARNING)],
            id="at the maximum and above the goal",
        ),
        pytest.param(
            snapshot(scaling=replace(SCALING, maximum=7), cpu=minutes(*[61] * 9)),
            [],
            id="one more may start",
        ),
        pytest.param(
            snapshot(scaling=replace(SCALING, out_suspended=True)),
            [("ECS_AUTOSCALING_SUSPENDED", WARNING)],
            id="suspended",
        ),
        pytest.param(
            snapshot(scaling=replace(SCALING, failed_activity="quota")),
            [("ECS_AUTOSCALING_FAILED", CRITICAL)],
            id="the last scaling failed",
        ),
    ],
)
def test_scaling_is_told_when_it_cannot_follow(
    look: Snapshot, expected: list[tuple[str, Severity]]
) -> None:
    assert found(look) == expected


@pytest.mark.parametrize(
    ("zones", "subnets", "expected"),
    [
        pytest.param("aaa", 2, [("ECS_ONE_AZ", INFO)], id="all in one of two"),
        pytest.param("aab", 2, [], id="spread"),
        pytest.param("aaa", 1, [], id="there is one subnet only"),
        pytest.param("a", 2, [], id="one task cannot be spread"),
        pytest.param("", 2, [], id="no task"),
    ],
)
def test_tasks_in_one_zone_are_told(
    zones: str, subnets: int, expected: list[tuple[str, Severity]]
) -> None:
    names = tuple(f"subnet-{n}" for n in range(subnets))
    assert found(snapshot(tasks=tasks(*zones), service=service(subnets=names))) == expected


@pytest.mark.parametrize(
    ("known", "severity"), [(None, INFO), (("a", "a"), INFO), (("a", "b"), WARNING)]
)
def test_tasks_in_one_zone_weigh_more_where_the_subnets_are_in_several(
    known: tuple[str, ...] | None, severity: Severity
) -> None:
    placed = service(subnets=("subnet-0", "subnet-1"))
    look = snapshot(tasks=tasks(*"aaa"), service=placed, subnet_zones=known)
    assert found(look) == [("ECS_ONE_AZ", severity)]
