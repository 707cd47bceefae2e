"""Deployments of every controller and strategy: what is planned waits, what is stuck says where."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cockpit import clock
from cockpit.connect.aws.answer import answer_into
from cockpit.runbooks.library import library
from cockpit.runbooks.values import holds
from cockpit.triage import recording
from cockpit.triage.finding import Finding, Severity
from probes.ecs import service as ecs
from probes.ecs import view
from probes.ecs.answers import ServiceRow
from probes.ecs.deployment import DeploymentStrategy, HookRun, LifecycleHook, ServiceDeployment
from probes.ecs.model import Deployment, Snapshot
from probes.ecs.read import service_of
from probes.ecs.settings import Settings
from tests.probes.ecs_looks import (
    ARN,
    CRITICAL,
    INFO,
    NEW,
    OLD,
    WARNING,
    active,
    deployment,
    event,
    found,
    rolling,
    service,
)
from tests.probes.fake_aws import AT, FakeAws, ago, target

HOUR = 60.0
BLUE_GREEN = DeploymentStrategy(name="BLUE_GREEN", bake=60 * HOUR)
CANARY = DeploymentStrategy(name="CANARY", step_percent=10, step_bake=120 * HOUR, bake=600)
LINEAR = DeploymentStrategy(name="LINEAR", step_percent=25, step_bake=20 * HOUR)
HOOK = LifecycleHook(
    target="arn:aws:lambda:us-east-1:123456789012:function:check-release", stages=("PRE_SCALE_UP",)
)


def way(strategy: DeploymentStrategy, **changes: Any) -> ServiceDeployment:
    base = ServiceDeployment(
        arn="arn:aws:ecs:us-east-1:123456789012:service-deployment/prod/checkout/d0",
        status="IN_PROGRESS",
        task_definition=NEW,
        strategy=strategy,
        stage="BAKE_TIME",
        started_at=ago(minutes=35),
    )
    return replace(base, **changes)


def going_out(told: ServiceDeployment, *, running: int = 6, **changes: Any) -> Snapshot:
    primary = deployment(
        rollout_state="IN_PROGRESS", running=running, created_at=ago(hours=2), updated_at=None
    )
    under_way = told if told.open else None
    return rolling(primary, active(), under_way=under_way, history=(told,), **changes)


def stuck(look: Snapshot) -> list[Finding]:
    every = ecs.diagnose(look, Settings())
    return [each for each in every if each.code == "ECS_DEPLOYMENT_STUCK"]


@pytest.mark.parametrize(
    ("told", "severity"),
    [
        pytest.param(way(BLUE_GREEN), None, id="a bake of an hour, after 35 minutes"),
        pytest.param(way(BLUE_GREEN, started_at=ago(minutes=74)), None, id="and after 74"),
        pytest.param(way(BLUE_GREEN, started_at=ago(minutes=76)), WARNING, id="then it is late"),
        pytest.param(way(BLUE_GREEN, started_at=ago(minutes=106)), CRITICAL, id="very late"),
        pytest.param(
            way(CANARY, stage="PRODUCTION_TRAFFIC_SHIFT", started_at=ago(minutes=70)),
            None,
            id="a canary of two hours, after 70 minutes",
        ),
        pytest.param(
            way(CANARY, stage="BAKE_TIME", started_at=ago(minutes=150)), WARNING, id="after 150"
        ),
        pytest.param(
            way(LINEAR, stage="PRODUCTION_TRAFFIC_SHIFT", started_at=ago(minutes=70)),
            None,
            id="three waits between four steps",
        ),
        pytest.param(
            way(LINEAR, stage="PRODUCTION_TRAFFIC_SHIFT", started_at=ago(minutes=80)),
            WARNING,
            id="no fourth",
        ),
        pytest.param(
            way(BLUE_GREEN, stage="SCALE_UP"), WARNING, id="before the traffic nothing is planned"
        ),
        pytest.param(
            way(BLUE_GREEN, stage="NEW_STAGE_OF_2027"), None, id="a stage that we do not know"
        ),
        pytest.param(
            way(BLUE_GREEN, status="ROLLBACK_IN_PROGRESS", rollback_at=ago(minutes=5)),
            None,
            id="it has been going back for five minutes",
        ),
        pytest.param(
            way(BLUE_GREEN, status="ROLLBACK_IN_PROGRESS", rollback_at=ago(minutes=20)),
            WARNING,
            id="the way back has no bake",
        ),
        pytest.param(way(DeploymentStrategy()), WARNING, id="a rolling one plans no waiting"),
        pytest.param(
            way(DeploymentStrategy(bake=40 * HOUR)), None, id="but for a bake that it was given"
        ),
        pytest.param(
            way(DeploymentStrategy(name="CANARY"), started_at=ago(minutes=24)),
            None,
            id="a canary waits ten minutes by itself",
        ),
        pytest.param(
            way(DeploymentStrategy(name="LINEAR"), started_at=ago(minutes=68)),
            None,
            id="ten steps of six minutes by themselves",
        ),
    ],
)
def test_what_is_planned_is_not_stuck(told: ServiceDeployment, severity: Severity | None) -> None:
    assert [each.severity for each in stuck(going_out(told))] == ([severity] if severity else [])


def test_without_the_right_to_read_deployments_the_services_own_strategy_tells() -> None:
    primary = deployment(rollout_state="IN_PROGRESS", created_at=ago(minutes=35))
    look = rolling(primary, active(), service=service(strategy=BLUE_GREEN))
    assert stuck(look) == []
    missing = replace(primary, running=4)
    assert len(stuck(rolling(missing, active(), service=service(strategy=BLUE_GREEN)))) == 1


def test_a_hook_that_blocks_is_named_with_its_stage() -> None:
    told = way(replace(BLUE_GREEN, hooks=(HOOK,)), stage="PRE_SCALE_UP")
    (finding,) = stuck(going_out(told, running=0))
    assert "for 35m 00s at PRE_SCALE_UP, which asks the hook check-release" in finding.summary
    assert finding.likely[0] == "the hook waits for a person or for a test"
    assert "stop the deployment" in finding.next
    elsewhere = way(replace(BLUE_GREEN, hooks=(HOOK,)), stage="SCALE_UP")
    (finding,) = stuck(going_out(elsewhere, running=0))
    assert "check-release" not in finding.summary


def test_the_breaker_and_the_alarms_are_told_with_their_numbers() -> None:
    told = way(
        replace(BLUE_GREEN, alarms=("5xx",)),
        started_at=ago(minutes=90),
        failures=2,
        threshold=3,
        ringing=("5xx",),
        weight=10.0,
    )
    (finding,) = stuck(going_out(told))
    evidence = {each.label: each.value for each in finding.evidence}
    (count,) = [each for each in finding.evidence if each.label == "failures for the breaker"]
    assert (count.value, count.limit) == (2, 3)
    assert (evidence["alarms"], evidence["traffic"]) == ("5xx", 10.0)
    assert (evidence["strategy"], evidence["stage"]) == ("BLUE_GREEN", "BAKE_TIME")
    assert evidence["planned waiting"] == 3600
    assert finding.likely[0] == "it watches its alarms for a while"


BACK = {"rollback_to": OLD, "rollback_reason": "the circuit breaker threshold was exceeded"}


@pytest.mark.parametrize(
    ("told", "severity", "words"),
    [
        pytest.param(
            way(BLUE_GREEN, status="ROLLBACK_FAILED", **BACK),
            CRITICAL,
            "the deployment of checkout:42 was to be rolled back to checkout:41, and that failed",
            id="the rollback failed",
        ),
        pytest.param(
            way(BLUE_GREEN, status="ROLLBACK_IN_PROGRESS", **BACK),
            WARNING,
            "is being rolled back to checkout:41: the circuit breaker threshold",
            id="it goes back",
        ),
        pytest.param(
            way(BLUE_GREEN, status="ROLLBACK_REQUESTED"), WARNING, "no reason given", id="asked to"
        ),
        pytest.param(
            way(BLUE_GREEN, status="ROLLBACK_SUCCESSFUL", finished_at=ago(minutes=59), **BACK),
            WARNING,
            "checkout:42 was rolled back to checkout:41",
            id="it went back",
        ),
        pytest.param(
            way(BLUE_GREEN, status="STOPPED", reason="aborted"),
            WARNING,
            "was stopped while two revisions run: aborted",
            id="stopped in the middle",
        ),
    ],
)
def test_how_a_deployment_went_wrong_is_told(
    told: ServiceDeployment, severity: Severity, words: str
) -> None:
    every = ecs.diagnose(going_out(told), Settings())
    (finding,) = [each for each in every if each.code == "ECS_DEPLOYMENT_FAILED"]
    assert finding.severity is severity
    assert words in finding.summary


def test_a_rollback_after_which_all_is_well_is_told_and_troubles_nobody() -> None:
    told = way(BLUE_GREEN, status="ROLLBACK_SUCCESSFUL", finished_at=ago(minutes=5), **BACK)
    assert found(rolling(deployment(), history=(told,))) == [("ECS_DEPLOYMENT_FAILED", INFO)]
    missing = rolling(deployment(), history=(told,), running=5, below_since=ago(seconds=9))
    assert found(missing) == [("ECS_DEPLOYMENT_FAILED", WARNING)]


def test_a_rollback_of_long_ago_is_history() -> None:
    told = way(BLUE_GREEN, status="ROLLBACK_SUCCESSFUL", finished_at=ago(minutes=61), **BACK)
    done = deployment(reason="ECS deployment circuit breaker: rolling back to X.")
    assert found(rolling(done, history=(told,))) == []


def test_a_failed_rollback_of_long_ago_is_history_once_the_service_came_to_rest() -> None:
    told = way(BLUE_GREEN, status="ROLLBACK_FAILED", finished_at=ago(days=3), **BACK)
    assert found(rolling(deployment(), history=(told,))) == []
    moving = deployment(rollout_state="IN_PROGRESS", created_at=ago(minutes=1))
    assert found(rolling(moving, history=(told,)))[0] == ("ECS_DEPLOYMENT_FAILED", CRITICAL)


def test_one_deployment_that_failed_and_goes_back_is_one_finding() -> None:
    told = way(BLUE_GREEN, status="ROLLBACK_IN_PROGRESS", rollback_at=ago(minutes=1), **BACK)
    old = deployment(id="ecs-svc/0", task_definition=OLD, rollout_state="IN_PROGRESS")
    bad = active(id="ecs-svc/1", task_definition=NEW, rollout_state="FAILED")
    look = rolling(old, bad, history=(told,), under_way=told)
    assert found(look) == [("ECS_DEPLOYMENT_FAILED", WARNING)]


def one_task(minimum: int, maximum: int, desired: int = 1, **changes: Any) -> Snapshot:
    primary = deployment(
        rollout_state="IN_PROGRESS", desired=desired, running=0, created_at=ago(minutes=4)
    )
    old: Deployment = active(desired=desired, running=desired)
    told = service(minimum_percent=minimum, maximum_percent=maximum, **changes)
    return rolling(primary, old, desired=desired, running=desired, service=told)


PERCENTAGES = (
    "was unable to stop or start tasks during a deployment because of the service deployment"
    " configuration. Update the minimumHealthyPercent or maximumPercent value and try again."
)


@pytest.mark.parametrize(
    ("look", "no_room"),
    [
        pytest.param(one_task(50, 150), True, id="50 to 150 of one task"),
        pytest.param(one_task(100, 100), True, id="100 to 100"),
        pytest.param(one_task(50, 200), False, id="one more may start"),
        pytest.param(one_task(0, 100), False, id="the one may stop"),
        pytest.param(one_task(50, 150, 2), False, id="50 to 150 of two"),
        pytest.param(one_task(75, 125, 2), True, id="75 to 125 of two"),
        pytest.param(one_task(100, 100, scheduling="DAEMON"), False, id="a daemon"),
        pytest.param(one_task(100, 100, strategy=BLUE_GREEN), False, id="blue and green"),
        pytest.param(
            replace(
                one_task(50, 200),
                events=(event(PERCENTAGES, minutes=3),),
            ),
            True,
            id="ECS says so itself",
        ),
        pytest.param(
            replace(one_task(50, 200), events=(event(PERCENTAGES, minutes=16),)),
            False,
            id="it said so before somebody changed them",
        ),
    ],
)
def test_percentages_that_leave_no_room_are_told_as_such(look: Snapshot, no_room: bool) -> None:
    told = stuck(look)
    assert [each.severity for each in told] == ([WARNING] if no_room else [])
    if no_room:
        assert "leave no room" in told[0].likely[0]
        assert "maximum percent" in told[0].next


@pytest.mark.parametrize(
    ("changes", "severities"),
    [
        pytest.param({"reason": "STABILIZING", "running": 2}, [WARNING], id="tasks do not come"),
        pytest.param({"reason": "STABILIZING", "running": 6}, [], id="all run: its own waiting"),
        pytest.param({"reason": "STEADY_STATE", "running": 6}, [], id="steady"),
        pytest.param(
            {"reason": "STABILIZING", "running": 2, "created_at": ago(minutes=14)}, [], id="young"
        ),
    ],
)
@pytest.mark.parametrize("controller", ["CODE_DEPLOY", "EXTERNAL"])
def test_task_sets_of_other_controllers_are_judged_by_their_tasks(
    controller: str, changes: dict[str, Any], severities: list[Severity]
) -> None:
    primary = deployment(**{"rollout_state": "", "created_at": ago(minutes=20), **changes})
    look = rolling(primary, active(rollout_state=""), service=service(controller=controller))
    assert [each.severity for each in stuck(look)] == severities
    assert all("roll back there" in each.next for each in stuck(look))


def test_the_stage_is_on_the_screen_and_every_deployment_has_its_row() -> None:
    told = way(BLUE_GREEN)
    look = going_out(told)
    facts = {fact.label: fact.text for fact in view.facts(look, Settings())}
    assert facts["rollout"] == "IN_PROGRESS BAKE_TIME"
    tables = {table.title: table for table in view.tables(look, Settings())}
    rows = tables["Service deployments"].rows
    assert [row.cells[0] for row in rows] == ["IN_PROGRESS"]
    assert found(look) == []
    fresh = replace(look, primary=deployment(rollout_state="IN_PROGRESS", created_at=ago(hours=0)))
    assert found(fresh) == [("ECS_DEPLOYMENT_RECENT", INFO)]


def test_what_does_not_apply_is_left_out_and_not_unknown() -> None:
    told = way(DeploymentStrategy(), stage="", started_at=ago(minutes=50))
    (finding,) = stuck(going_out(told))
    assert [each.label for each in finding.evidence if each.value is None] == []
    labels = {each.label for each in finding.evidence}
    assert not labels & {"stage", "hooks", "traffic", "alarms", "failures for the breaker"}


async def test_the_strategy_is_read_from_the_deployment_that_is_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)
    base = "arn:aws:ecs:us-east-1:123456789012:service-{}/prod/checkout/{}"
    deployed, revision = base.format("deployment", "d"), base.format("revision", "r42")
    configuration = {
        "strategy": "LINEAR",
        "bakeTimeInMinutes": 5,
        "linearConfiguration": {"stepPercent": 20.0, "stepBakeTimeInMinutes": 3},
        "lifecycleHooks": [
            {"hookTargetArn": HOOK.target, "lifecycleStages": ["PRE_SCALE_UP"], "roleArn": "r"}
        ],
        "alarms": {"alarmNames": ["5xx"], "enable": True, "rollback": True},
    }
    row: dict[str, Any] = {
        "serviceDeploymentArn": deployed,
        "status": "IN_PROGRESS",
        "lifecycleStage": "PRODUCTION_TRAFFIC_SHIFT",
        "targetServiceRevision": {"requestedProductionTrafficWeight": 40.0},
        "deploymentConfiguration": configuration,
        "deploymentCircuitBreaker": {"failureCount": 1, "threshold": 3},
        "alarms": {"status": "TRIGGERED", "triggeredAlarmNames": ["5xx"]},
        "rollback": {"reason": "why", "serviceRevisionArn": revision},
    }
    session = FakeAws(
        {
            "ecs.DescribeServices": [
                {
                    "serviceName": "checkout",
                    "status": "ACTIVE",
                    "desiredCount": 6,
                    "runningCount": 5,
                    "pendingCount": 1,
                    "deploymentConfiguration": {
                        "strategy": "CANARY",
                        "canaryConfiguration": {"canaryBakeTimeInMinutes": 7},
                    },
                    "deployments": [
                        {
                            "status": "PRIMARY",
                            "desiredCount": 6,
                            "runningCount": 5,
                            "taskDefinition": ARN.format(42),
                        }
                    ],
                }
            ],
            "ecs.ListServiceDeployments": [
                {
                    "serviceDeploymentArn": deployed,
                    "status": "IN_PROGRESS",
                    "targetServiceRevisionArn": revision,
                }
            ],
            "ecs.DescribeServiceDeployments": [row],
            "ecs.DescribeServiceRevisions": [
                {"serviceRevisionArn": revision, "taskDefinition": ARN.format(42)}
            ],
            "ecs.DescribeTaskDefinition": {
                "taskDefinition": {"taskDefinitionArn": ARN.format(42), "status": "ACTIVE"}
            },
        }
    )
    look = await ecs.collect(session, target("ecs_service", "checkout", cluster="prod"))
    assert look.service.strategy.name == "CANARY"
    assert look.service.strategy.planned == 7 * 60
    told = look.under_way
    assert told is not None
    assert told.strategy == DeploymentStrategy(
        name="LINEAR", bake=300, step_percent=20, step_bake=180, hooks=(HOOK,), alarms=("5xx",)
    )
    assert told.strategy.planned == 300 + 4 * 180
    assert (told.stage, told.weight) == ("PRODUCTION_TRAFFIC_SHIFT", 40)
    assert (told.failures, told.threshold, told.ringing) == (1, 3, ("5xx",))
    row["deploymentCircuitBreaker"]["status"] = "DISABLED"
    off = (await ecs.collect(session, target("ecs_service", "checkout", cluster="prod"))).under_way
    assert off is not None
    assert off.threshold is None
    assert (told.rollback_reason, told.rollback_to) == ("why", ARN.format(42))


PAUSING = replace(BLUE_GREEN, hooks=(LifecycleHook(target="", stages=("POST_SCALE_UP",)),))


def waiting(**changes: Any) -> ServiceDeployment:
    run = HookRun(
        id="h1",
        status="AWAITING_ACTION",
        expires_at=AT + timedelta(minutes=16),
        timeout_action="ROLLBACK",
    )
    return way(PAUSING, stage="POST_SCALE_UP", hooks=(replace(run, **changes),))


@pytest.mark.parametrize(
    ("changes", "severity", "words"),
    [
        pytest.param({}, INFO, "in 16m 00s ECS rolls it back", id="time enough"),
        pytest.param(
            {"expires_at": AT + timedelta(minutes=15)}, WARNING, "in 15m 00s", id="a quarter left"
        ),
        pytest.param({"expires_at": ago(minutes=1)}, WARNING, "in 0", id="its time is over"),
        pytest.param({"timeout_action": "CONTINUE"}, INFO, "ECS lets it go on", id="then it goes"),
        pytest.param({"timeout_action": "ASK"}, INFO, "ECS does ASK", id="a new word of AWS"),
        pytest.param(
            {"expires_at": None}, INFO, "at a time that AWS does not say", id="without a clock"
        ),
    ],
)
def test_a_pause_tells_its_clock(changes: dict[str, Any], severity: Severity, words: str) -> None:
    told = waiting(**changes)
    every = ecs.diagnose(going_out(told, paused=told.paused), Settings())
    (finding,) = [each for each in every if each.code != "ECS_DEPLOYMENT_RECENT"]
    assert (finding.code, finding.severity) == ("ECS_DEPLOYMENT_PAUSED", severity)
    assert "the deployment of checkout:42 waits for a yes at POST_SCALE_UP" in finding.summary
    assert words in finding.summary


def until(step: str, look: Snapshot) -> bool:
    """Whether an answer to a pause counts as done after such a look."""
    verify = library().get("ecs-pause").step(step).verify
    assert verify is not None
    shown = recording.builtins(look)
    assert isinstance(shown, dict)
    return holds(verify.until, {**shown, "before": {"hook": "h1", "bad": NEW}})


def test_an_answer_is_verified_only_by_a_look_that_saw_the_deployments() -> None:
    told = waiting()
    still = going_out(told, paused=told.paused)
    gone = going_out(waiting(status="SUCCEEDED"), paused=None)
    back = replace(gone, service=service(task_definition=OLD))
    assert [until("go_on", look) for look in (still, gone)] == [False, True]
    assert [until("take_back", look) for look in (still, gone, back)] == [False, False, True]
    for step in ("go_on", "take_back"):
        assert not until(step, replace(back, history=None))


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "TIMED_OUT"])
def test_a_pause_that_was_answered_waits_no_more(status: str) -> None:
    told = waiting(status=status)
    assert told.paused is None
    assert told.asked == ()


def test_after_a_pause_of_hours_the_stage_is_what_is_timed() -> None:
    told = waiting(status="SUCCEEDED")
    assert stuck(going_out(told)) == []
    look = going_out(told, stage_since=ago(minutes=16), running=3)
    assert [each.severity for each in stuck(look)] == [WARNING]


def test_the_stage_is_timed_from_the_look_that_saw_it_change() -> None:
    first = going_out(waiting())
    assert ecs.since(first, first).stage_since is None
    moved = replace(going_out(way(PAUSING, stage="BAKE_TIME")), at=AT + timedelta(seconds=15))
    seen = ecs.since(first, moved)
    assert seen.stage_since == moved.at
    later = replace(moved, at=AT + timedelta(minutes=9))
    assert ecs.since(seen, later).stage_since == moved.at
    other = replace(later, under_way=way(PAUSING, arn="another"))
    assert ecs.since(seen, other).stage_since is None
    assert ecs.since(seen, replace(later, under_way=None)).stage_since is None


def test_a_function_that_is_asked_is_named_by_what_aws_says_of_it() -> None:
    run = HookRun(id="h", status="IN_PROGRESS", target=HOOK.target)
    told = way(BLUE_GREEN, stage="POST_SCALE_UP", hooks=(run,))
    (finding,) = stuck(going_out(told))
    assert "at POST_SCALE_UP, which asks the hook check-release" in finding.summary


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"enable": True, "rollback": True}, "on"),
        ({"enable": False, "rollback": True}, "off"),
        ({"enable": True, "rollback": False}, "on, without a rollback"),
        (
            {
                "enable": True,
                "rollback": True,
                "resetOnHealthyTask": True,
                "thresholdConfiguration": {"type": "COUNT", "value": 20},
            },
            "on, at 20 failed tasks; one healthy task sets its count back",
        ),
        (
            {
                "enable": True,
                "rollback": True,
                "thresholdConfiguration": {"type": "UNBOUNDED_PERCENT", "value": 50},
            },
            "on, at 50 % of the desired count",
        ),
    ],
)
def test_how_the_breaker_is_set_stands_beside_what_is_stuck(row: dict[str, Any], told: str) -> None:
    answer = {
        "serviceName": "checkout",
        "status": "ACTIVE",
        "desiredCount": 6,
        "runningCount": 3,
        "pendingCount": 0,
        "deploymentConfiguration": {"deploymentCircuitBreaker": row},
    }
    read = service_of(answer_into(answer, ServiceRow), "prod")
    stuck = deployment(rollout_state="IN_PROGRESS", running=3, created_at=ago(hours=2))
    look = rolling(
        stuck, service=replace(service(), breaker=read.breaker, breaker_set=read.breaker_set)
    )
    (finding,) = [f for f in ecs.diagnose(look, Settings()) if f.code == "ECS_DEPLOYMENT_STUCK"]
    assert {e.label: e.value for e in finding.evidence}["circuit breaker"] == told
