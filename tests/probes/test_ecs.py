"""ECS services: each code fires, stays silent just below, and is not fooled by its traps."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cockpit import clock
from cockpit.errors import BlindError, Reason
from cockpit.triage import recording
from cockpit.triage.finding import Severity
from probes import _ecs_stops as stops
from probes import ecs
from probes._answers import Gap
from probes._ecs_model import (
    Container,
    ContainerDefinition,
    Deployment,
    Event,
    RunningTask,
    Scaling,
    Service,
    Snapshot,
    Stop,
    TaskDefinition,
)
from tests.probes.fake_aws import AT, FakeAws, ago, denied, minutes, target

CRITICAL, HIGH, WARNING, INFO = (
    Severity.CRITICAL,
    Severity.HIGH,
    Severity.WARNING,
    Severity.INFO,
)
ARN = "arn:aws:ecs:us-east-1:123456789012:task-definition/checkout:{}"
NEW, OLD = ARN.format(42), ARN.format(41)


def service(**changes) -> Service:
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


def deployment(**changes) -> Deployment:
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


def active(**changes) -> Deployment:
    base = deployment(id="ecs-svc/0", status="ACTIVE", task_definition=OLD, created_at=ago(days=9))
    return replace(base, **changes)


def stop(code="EssentialContainerExited", exit_code=1, *, container="", **changes) -> Stop:
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


def many(number: int, *args, **kwargs) -> tuple[Stop, ...]:
    return tuple(
        replace(stop(*args, **kwargs), arn=f"arn:aws:ecs:::task/prod/{n:032x}")
        for n in range(number)
    )


def event(message: str, **span: float) -> Event:
    return Event(id=message[:8], at=ago(**span), message=message)


def snapshot(**changes) -> Snapshot:
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


def rolling(primary: Deployment, *others: Deployment, **changes) -> Snapshot:
    return snapshot(primary=primary, deployments=(primary, *others), **changes)


def found(look: Snapshot, settings: ecs.Settings | None = None) -> list[tuple[str, Severity]]:
    return [(f.code, f.severity) for f in ecs.diagnose(look, settings or ecs.Settings())]


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
def test_tasks_are_counted_against_what_is_wanted(look, expected):
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
        pytest.param(many(6, "TerminationNotice", 143), [], id="AWS retires tasks"),
        pytest.param(many(6, "InfrastructureHealth", 137), [], id="AWS moves tasks"),
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
def test_stopped_tasks_are_sorted_by_why(stopped, expected):
    assert found(snapshot(stopped=stopped)) == expected


def test_an_image_that_cannot_be_pulled_stops_a_deployment_that_is_under_way():
    reason = "CannotPullContainerError: not found"
    look = rolling(
        deployment(rollout_state="IN_PROGRESS", running=0, created_at=ago(minutes=3)),
        active(),
        stopped=many(1, "TaskFailedToStart", None, reason=reason),
    )
    (finding,) = [f for f in ecs.diagnose(look, ecs.Settings()) if "PULL" in f.code]
    assert (finding.severity, finding.subject, finding.runbook) == (
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
def test_pull_failures_are_told_apart_by_their_text(reason, kind):
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
def test_set_up_failures_are_told_apart_by_their_text(reason, kind):
    assert stops.init_failure(stop("TaskFailedToStart", None, reason=reason)) == kind


IN_PROGRESS = {"rollout_state": "IN_PROGRESS"}


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
            [("ECS_DEPLOYMENT_RECENT", INFO)],
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
def test_deployments_are_judged_by_state_and_age(look, expected):
    assert found(look) == expected


PLACE = "was unable to place a task because no container instance met all of its requirements. "
STEADY = "has reached a steady state."


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
def test_events_are_read_back_to_the_last_steady_state(look, expected):
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
def test_load_is_judged_by_settled_minutes(look, expected):
    assert found(look) == expected


SCALING = Scaling(minimum=2, maximum=6, cpu_target=60)


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
def test_scaling_is_told_when_it_cannot_follow(look, expected):
    assert found(look) == expected


def tasks(*zones: str, age: float = 3600) -> tuple[RunningTask, ...]:
    return tuple(
        RunningTask(arn=f"task/{n}", zone=zone, started_at=ago(seconds=age))
        for n, zone in enumerate(zones)
    )


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
def test_tasks_in_one_zone_are_told(zones, subnets, expected):
    names = tuple(f"subnet-{n}" for n in range(subnets))
    assert found(snapshot(tasks=tasks(*zones), service=service(subnets=names))) == expected


def test_a_service_whose_tasks_are_all_young_crashes_faster_than_it_is_counted():
    look = snapshot(stopped=many(2), tasks=tasks("a", "b", age=60))
    assert found(look) == [("ECS_CRASH_LOOP", CRITICAL)]
    assert found(replace(look, tasks=tasks("a", "b", age=301))) == []


def definition(arn: str, **web) -> TaskDefinition:
    container = ContainerDefinition(name="web", image="123.dkr.ecr/shop/web:1.8", memory=512)
    return TaskDefinition(
        arn=arn, status="ACTIVE", cpu="256", memory="512", containers=(replace(container, **web),)
    )


def test_a_crashing_new_revision_names_what_it_changed_and_the_rollback():
    look = rolling(
        deployment(**IN_PROGRESS, running=0, failed_tasks=4, created_at=ago(minutes=6)),
        active(),
        stopped=many(4),
        definition=definition(NEW, image="123.dkr.ecr/shop/web:1.9", environment=("A",)),
        previous=definition(OLD, environment=("A", "PAYMENT_URL")),
    )
    (crash,) = [f for f in ecs.diagnose(look, ecs.Settings()) if f.code == "ECS_CRASH_LOOP"]
    changed = {e.label: e.value for e in crash.evidence}["changed since checkout:41"]
    assert crash.runbook == "ecs-rollback"
    assert crash.subject == "checkout:42"
    assert changed == "web image :1.8 → :1.9; web environment without PAYMENT_URL"


def test_a_crash_of_an_old_proven_revision_is_no_reason_to_roll_back():
    (crash,) = ecs.diagnose(snapshot(stopped=many(3)), ecs.Settings())
    assert crash.runbook == "ecs-crash-loop"
    assert crash.likely[0] == "a dependency is down at the start"


def test_what_could_not_be_looked_at_is_told():
    look = snapshot(gaps=(Gap("stopped tasks", "denied", "ecs:ListTasks"),))
    (finding,) = ecs.diagnose(look, ecs.Settings())
    assert finding.code == "ECS_OBS_BLIND"
    assert "stopped tasks" in finding.summary


def test_a_shortage_is_dated_from_the_look_that_found_it():
    whole, short = snapshot(), snapshot(running=4, at=AT + timedelta(seconds=15))
    first = ecs.since(whole, short)
    assert first.below_since == short.at
    later = ecs.since(first, replace(short, at=AT + timedelta(minutes=5)))
    assert later.below_since == short.at
    assert found(later) == [("ECS_TASKS_BELOW_DESIRED", WARNING)]
    assert ecs.since(later, replace(whole, at=AT + timedelta(minutes=6))).below_since is None


def test_a_shortage_from_before_the_first_look_stays_of_unknown_age():
    short = snapshot(running=4)
    assert ecs.since(short, replace(short, at=AT + timedelta(seconds=1))).below_since is None


def full_snapshot() -> Snapshot:
    return rolling(
        deployment(**IN_PROGRESS),
        active(),
        stopped=many(2),
        tasks=tasks("a"),
        events=(event(PLACE, minutes=2),),
        definition=definition(NEW),
        previous=definition(OLD),
        scaling=SCALING,
        cpu=minutes(1, 2),
        below_since=ago(minutes=3),
        gaps=(Gap("metrics", "denied", "no"),),
    )


def test_a_look_can_be_recorded_and_replayed():
    look = full_snapshot()
    assert recording.decode(recording.encode(look), Snapshot) == look


def test_a_runbook_can_capture_what_a_rollback_needs():
    plain = recording.builtins(full_snapshot())
    assert plain["service"]["name"] == "checkout"
    assert plain["service"]["cluster"] == "prod"
    assert plain["service"]["task_definition"] == NEW
    assert plain["previous_task_definition"] == OLD
    assert plain["primary"]["rollout_state"] == "IN_PROGRESS"
    assert plain["primary"]["failed_tasks"] == 0
    assert (plain["running"], plain["desired"]) == (6, 6)


def test_the_headline_is_running_of_desired():
    first = next(iter(ecs.PROBE.facts(snapshot(running=4))))
    assert (first.text, first.value, first.severity) == ("4/6", 4, WARNING)


@pytest.mark.parametrize("number", [0, 1, 10, 11, 100, 101])
def test_every_stopped_task_has_its_row(number):
    tables = {t.title: t for t in ecs.PROBE.tables(snapshot(stopped=many(number)), ecs.Settings())}
    assert len(tables["Stopped tasks"].rows) == number
    assert len({row.key for row in tables["Stopped tasks"].rows}) == number


def test_two_looks_that_see_one_deployment_give_equal_changes():
    look = rolling(deployment(created_at=ago(minutes=6)), active(created_at=ago(hours=30)))
    later = replace(look, at=AT + timedelta(minutes=1))
    assert list(ecs.PROBE.changes(look, "shop")) == list(ecs.PROBE.changes(later, "shop"))
    assert [c.kind for c in ecs.PROBE.changes(look, "shop")] == ["ecs.deployment"]


def test_every_finding_is_of_a_code_that_the_probe_declares_and_names_a_runbook():
    look = full_snapshot()
    look = replace(look, stopped=many(6) + many(3, "UserInitiated") + many(3, exit_code=137))
    for finding in ecs.diagnose(look, ecs.Settings()):
        assert finding.code in ecs.PROBE.codes
        assert finding.runbook or finding.severity < WARNING
        assert finding.next


# collect, from literals -----------------------------------------------------------------------


def service_row(**changes) -> dict:
    row = {
        "serviceArn": "arn:aws:ecs:us-east-1:123456789012:service/prod/checkout",
        "serviceName": "checkout",
        "clusterArn": "arn:aws:ecs:us-east-1:123456789012:cluster/prod",
        "status": "ACTIVE",
        "desiredCount": 6,
        "runningCount": 6,
        "pendingCount": 0,
        "taskDefinition": NEW,
        "deployments": [
            {
                "id": "ecs-svc/1",
                "status": "PRIMARY",
                "taskDefinition": NEW,
                "desiredCount": 6,
                "runningCount": 6,
                "pendingCount": 0,
                "failedTasks": 0,
                "rolloutState": "COMPLETED",
                "createdAt": ago(days=2),
                "updatedAt": ago(days=2),
            }
        ],
        "events": [
            {"id": "e1", "createdAt": ago(hours=1), "message": "(service checkout) " + STEADY}
        ],
    }
    return {**row, **changes}


def task_row(number: int, **changes) -> dict:
    row = {
        "taskArn": f"arn:aws:ecs:us-east-1:123456789012:task/prod/{number:032x}",
        "taskDefinitionArn": NEW,
        "group": "service:checkout",
        "lastStatus": "STOPPED",
        "stopCode": "EssentialContainerExited",
        "stoppedReason": "Essential container in task exited",
        "startedAt": ago(minutes=4),
        "stoppedAt": ago(minutes=3),
        "containers": [{"name": "web", "exitCode": 1}],
    }
    return {**row, **changes}


def definition_answer(taskDefinition: str) -> dict:  # noqa: N803
    return {"taskDefinition": {"taskDefinitionArn": taskDefinition, "status": "ACTIVE"}}


def aws(rows=(), service_answer=None, **answers) -> FakeAws:
    def list_tasks(**arguments):
        return [row["taskArn"] for row in rows] if arguments.get("desiredStatus") else []

    return FakeAws(
        {
            "ecs.DescribeServices": service_answer or [service_row()],
            "ecs.ListTasks": list_tasks,
            "ecs.DescribeTasks": list(rows),
            "ecs.DescribeTaskDefinition": definition_answer,
            **answers,
        },
        {"CPUUtilization": minutes(*[41] * 9)},
    )


TARGET = target("ecs_service", "checkout", cluster="prod")


@pytest.fixture(autouse=True)
def _still(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: AT)


@pytest.mark.parametrize("number", [0, 1, 10, 11, 100, 101])
async def test_all_stopped_tasks_of_the_service_are_read(number):
    rows = [task_row(n) for n in range(number)]
    rows += [task_row(900 + n, group="service:other") for n in range(3)]
    look = await ecs.collect(aws(rows), TARGET)
    assert len(look.stopped) == number
    assert look.gaps == ()


async def test_a_healthy_service_costs_no_look_at_its_definitions():
    session = aws()
    look = await ecs.collect(session, TARGET)
    assert found(look) == []
    assert look.service.cluster == "prod"
    assert look.events[0].message == STEADY
    assert "ecs.DescribeTaskDefinition" not in [name for name, _ in session.calls]
    assert look.previous_task_definition == OLD


async def test_a_troubled_service_is_compared_with_the_revision_before():
    session = aws([task_row(1)])
    look = await ecs.collect(session, TARGET)
    assert look.definition is not None
    assert look.definition.arn == NEW
    assert look.previous is not None
    assert look.previous.arn == OLD


async def test_a_deregistered_revision_is_not_offered_for_a_rollback():
    def answer(taskDefinition: str):  # noqa: N803
        status = "INACTIVE" if taskDefinition == OLD else "ACTIVE"
        return {"taskDefinition": {"taskDefinitionArn": taskDefinition, "status": status}}

    session = aws([task_row(1)], **{"ecs.DescribeTaskDefinition": answer})
    assert (await ecs.collect(session, TARGET)).previous_task_definition == ""


async def test_a_service_that_is_not_there_is_the_finding_itself():
    with pytest.raises(BlindError) as caught:
        await ecs.collect(aws(service_answer=[{"serviceName": "other"}]), TARGET)
    assert caught.value.reason is Reason.MISSING
    assert caught.value.code == "ECS_SERVICE_DRAINING_OR_GONE"
    assert caught.value.severity == "critical"


async def test_a_denied_service_is_blind_and_no_finding():
    with pytest.raises(BlindError) as caught:
        await ecs.collect(aws(service_answer=denied()), TARGET)
    assert (caught.value.reason, caught.value.code) == (Reason.DENIED, "")


async def test_denied_helpers_leave_gaps_and_the_counts():
    session = aws(
        service_answer=[service_row(runningCount=0)],
        **{
            "ecs.ListTasks": denied("ecs:ListTasks"),
            "application-autoscaling.DescribeScalableTargets": denied("no"),
        },
    )
    look = await ecs.collect(session, TARGET)
    assert {gap.what for gap in look.gaps} == {"stopped tasks", "auto scaling"}
    assert [code for code, _ in found(look)] == ["ECS_SERVICE_DOWN", "ECS_OBS_BLIND"]


@pytest.mark.parametrize("member", ["status", "desiredCount", "runningCount", "pendingCount"])
async def test_an_answer_without_what_it_promises_is_unreadable(member):
    row = service_row()
    del row[member]
    with pytest.raises(BlindError) as caught:
        await ecs.collect(aws(service_answer=[row]), TARGET)
    assert caught.value.reason is Reason.UNREADABLE


@pytest.mark.parametrize(
    "changes",
    [{"desiredCount": "six"}, {"deployments": "none"}, {"deployments": ["x"]}, {"events": 3}],
)
async def test_an_answer_of_another_shape_is_unreadable(changes):
    with pytest.raises(BlindError) as caught:
        await ecs.collect(aws(service_answer=[service_row(**changes)]), TARGET)
    assert caught.value.reason is Reason.UNREADABLE


async def test_task_sets_stand_for_deployments_where_another_controller_rules():
    row = service_row(
        deploymentController={"type": "EXTERNAL"},
        deployments=[],
        taskSets=[
            {
                "id": "ecs-svc/7",
                "status": "PRIMARY",
                "taskDefinition": NEW,
                "computedDesiredCount": 6,
                "runningCount": 6,
                "stabilityStatus": "STEADY_STATE",
            }
        ],
    )
    look = await ecs.collect(aws(service_answer=[row]), TARGET)
    assert look.primary is not None
    assert look.primary.rollout_state == ""
    assert found(look) == []


async def test_scaling_is_read_with_its_goal_and_its_last_failure():
    resource = {"ResourceId": "service/prod/checkout"}
    goal = {
        "TargetValue": 60.0,
        "PredefinedMetricSpecification": {
            "PredefinedMetricType": "ECSServiceAverageCPUUtilization"
        },
    }
    name = "application-autoscaling."
    session = aws(
        **{
            name + "DescribeScalableTargets": [{**resource, "MinCapacity": 2, "MaxCapacity": 6}],
            name + "DescribeScalingPolicies": [
                {**resource, "TargetTrackingScalingPolicyConfiguration": goal}
            ],
            name + "DescribeScalingActivities": [
                {"StatusCode": "Failed", "StatusMessage": "quota"}
            ],
        }
    )
    look = await ecs.collect(session, TARGET)
    assert look.scaling == Scaling(minimum=2, maximum=6, cpu_target=60, failed_activity="quota")
