"""ECS: what a look carries over and shows, and what is read from AWS' answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cockpit import clock
from cockpit.errors import BlindError, Reason
from cockpit.runbooks.library import library
from cockpit.triage import recording
from probes.answers import Gap
from probes.ecs import service as ecs
from probes.ecs.model import ContainerDefinition, Scaling, Snapshot, TaskDefinition
from probes.ecs.settings import Settings
from tests.probes.ecs_looks import (
    CRITICAL,
    IN_PROGRESS,
    NEW,
    OLD,
    PLACE,
    SCALING,
    STEADY,
    WARNING,
    active,
    deployment,
    deployments_answers,
    event,
    found,
    many,
    rolling,
    snapshot,
    tasks,
)
from tests.probes.fake_aws import AT, FakeAws, ago, denied, minutes, target


def test_a_service_whose_tasks_are_all_young_crashes_faster_than_it_is_counted() -> None:
    look = snapshot(stopped=many(2), tasks=tasks("a", "b", age=60))
    assert found(look) == [("ECS_CRASH_LOOP", CRITICAL)]
    assert found(replace(look, tasks=tasks("a", "b", age=301))) == []


def definition(arn: str, **web: Any) -> TaskDefinition:
    container = ContainerDefinition(name="web", image="123.dkr.ecr/shop/web:1.8", memory=512)
    return TaskDefinition(
        arn=arn, status="ACTIVE", cpu="256", memory="512", containers=(replace(container, **web),)
    )


def test_a_crashing_new_revision_names_what_it_changed_and_the_rollback() -> None:
    look = rolling(
        deployment(**IN_PROGRESS, running=0, failed_tasks=4, created_at=ago(minutes=6)),
        active(),
        stopped=many(4),
        definition=definition(NEW, image="123.dkr.ecr/shop/web:1.9", environment=("A",)),
        previous=definition(OLD, environment=("A", "PAYMENT_URL")),
    )
    (crash,) = [f for f in ecs.diagnose(look, Settings()) if f.code == "ECS_CRASH_LOOP"]
    changed = {e.label: e.value for e in crash.evidence}["changed since checkout:41"]
    assert library().best(crash.code) == "ecs-rollback"
    assert crash.subject == "checkout:42"
    assert changed == "web image :1.8 → :1.9; web environment without PAYMENT_URL"


def test_a_crash_of_an_old_proven_revision_is_no_reason_to_roll_back() -> None:
    (crash,) = ecs.diagnose(snapshot(stopped=many(3)), Settings())
    assert crash.likely[0] == "a dependency is down at the start"


def test_what_could_not_be_looked_at_is_told() -> None:
    look = snapshot(gaps=(Gap("stopped tasks", "denied", "ecs:ListTasks"),))
    (finding,) = ecs.diagnose(look, Settings())
    assert finding.code == "ECS_OBS_BLIND"
    assert "stopped tasks" in finding.summary


def test_a_shortage_is_dated_from_the_look_that_found_it() -> None:
    whole, short = snapshot(), snapshot(running=4, at=AT + timedelta(seconds=15))
    first = ecs.since(whole, short)
    assert first.below_since == short.at
    later = ecs.since(first, replace(short, at=AT + timedelta(minutes=5)))
    assert later.below_since == short.at
    assert found(later) == [("ECS_TASKS_BELOW_DESIRED", WARNING)]
    assert ecs.since(later, replace(whole, at=AT + timedelta(minutes=6))).below_since is None


def test_a_shortage_from_before_the_first_look_stays_of_unknown_age() -> None:
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


def test_a_look_can_be_recorded_and_replayed() -> None:
    look = full_snapshot()
    assert recording.decode(recording.encode(look), Snapshot) == look


def test_a_runbook_can_capture_what_a_rollback_needs() -> None:
    plain = recording.builtins(full_snapshot())
    assert plain["service"]["name"] == "checkout"
    assert plain["service"]["cluster"] == "prod"
    assert plain["service"]["task_definition"] == NEW
    assert plain["previous_task_definition"] == OLD
    assert plain["primary"]["rollout_state"] == "IN_PROGRESS"
    assert plain["primary"]["failed_tasks"] == 0
    assert (plain["running"], plain["desired"]) == (6, 6)


def test_the_headline_is_running_of_desired() -> None:
    assert ecs.PROBE.facts is not None
    first = next(iter(ecs.PROBE.facts(snapshot(running=4), ecs.PROBE.settings)))
    assert (first.text, first.value, first.severity) == ("4/6", 4, WARNING)


@pytest.mark.parametrize("number", [0, 1, 10, 11, 100, 101])
def test_every_stopped_task_has_its_row(number: int) -> None:
    assert ecs.PROBE.tables is not None
    tables = {t.title: t for t in ecs.PROBE.tables(snapshot(stopped=many(number)), Settings())}
    assert len(tables["Stopped tasks"].rows) == number
    assert len({row.key for row in tables["Stopped tasks"].rows}) == number


def test_two_looks_that_see_one_deployment_give_equal_changes() -> None:
    look = rolling(deployment(created_at=ago(minutes=6)), active(created_at=ago(hours=30)))
    later = replace(look, at=AT + timedelta(minutes=1))
    assert ecs.PROBE.changes is not None
    assert list(ecs.PROBE.changes(look, "shop")) == list(ecs.PROBE.changes(later, "shop"))
    assert [c.kind for c in ecs.PROBE.changes(look, "shop")] == ["ecs.deployment"]


def test_a_deployment_says_what_it_changes_while_both_revisions_are_read() -> None:
    before, after = definition(OLD), definition(NEW, image="123.dkr.ecr/shop/web:1.9")
    brought = deployment(created_at=ago(minutes=6), task_definition=NEW)
    look = replace(rolling(brought), definition=after, previous=before)
    assert ecs.PROBE.changes is not None
    (change,) = ecs.PROBE.changes(look, "shop")
    assert change.details == (
        "task definition checkout:41 → checkout:42",
        "web image :1.8 → :1.9",
    )
    (unread,) = ecs.PROBE.changes(replace(look, previous=None), "shop")
    assert unread.details == ()
    assert unread == change


def test_every_finding_is_of_a_code_that_the_probe_declares_and_names_a_runbook() -> None:
    look = full_snapshot()
    look = replace(look, stopped=many(6) + many(3, "UserInitiated") + many(3, exit_code=137))
    for finding in ecs.diagnose(look, Settings()):
        assert finding.code in ecs.PROBE.codes
        assert library().best(finding.code) or finding.severity < WARNING
        assert finding.next


# collect, from literals -----------------------------------------------------------------------


def service_row(**changes: Any) -> dict[str, Any]:
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


def task_row(number: int, **changes: Any) -> dict[str, Any]:
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


def definition_answer(taskDefinition: str) -> dict[str, Any]:  # noqa: N803
    return {"taskDefinition": {"taskDefinitionArn": taskDefinition, "status": "ACTIVE"}}


def aws(
    rows: Iterable[dict[str, Any]] = (),
    service_answer: Any = None,
    answers: Mapping[str, Any] | None = None,
) -> FakeAws:
    def list_tasks(**arguments: Any) -> list[str]:
        dead = arguments.get("desiredStatus") == "STOPPED"
        return [row["taskArn"] for row in rows] if dead else []

    return FakeAws(
        {
            "ecs.DescribeServices": service_answer or [service_row()],
            "ecs.ListTasks": list_tasks,
            "ecs.DescribeTasks": list(rows),
            "ecs.DescribeTaskDefinition": definition_answer,
            **deployments_answers((42, "SUCCESSFUL", 41), (41, "SUCCESSFUL", 40)),
            **(answers or {}),
        },
        {"CPUUtilization": minutes(*[41] * 9)},
    )


TARGET = target("ecs_service", "checkout", cluster="prod")


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


@pytest.mark.parametrize("number", [0, 1, 10, 11, 100, 101])
async def test_all_stopped_tasks_of_the_service_are_read(number: int) -> None:
    rows = [task_row(n) for n in range(number)]
    rows += [task_row(900 + n, group="service:other") for n in range(3)]
    look = await ecs.collect(aws(rows), TARGET)
    assert len(look.stopped) == number
    assert look.gaps == ()


def pages_of(rows: Sequence[dict[str, Any]]) -> Any:
    """`ListTasks` as ECS gives it: 100 a page, filtered by what is asked for."""

    def list_tasks(**asked: str) -> dict[str, Any]:
        if asked.get("desiredStatus") != "STOPPED":
            return {"taskArns": []}
        kept = [row for row in rows if row["group"].endswith(asked.get("serviceName", ""))]
        first = int(asked.get("nextToken", "0"))
        page: dict[str, Any] = {"taskArns": [row["taskArn"] for row in kept[first : first + 100]]}
        if first + 100 < len(kept):
            page["nextToken"] = str(first + 100)
        return page

    return list_tasks


def asked_stopped(session: FakeAws) -> int:
    return sum(
        name == "ecs.ListTasks" and given.get("desiredStatus") == "STOPPED"
        for name, given in session.calls
    )


async def test_a_neighbour_that_crashes_costs_one_call_more() -> None:
    rows = [task_row(1000 + n, group="service:other") for n in range(2100)]
    rows += [task_row(n) for n in range(3)]
    session = aws(rows, answers={"ecs.ListTasks": pages_of(rows)})
    look = await ecs.collect(session, TARGET)
    assert (len(look.stopped), look.gaps) == (3, ())
    assert asked_stopped(session) == 2


def with_live(*rows: dict[str, Any], beyond: bool = False) -> FakeAws:
    """A cluster with these live tasks, and perhaps a further page of them."""

    def listed(**asked: str) -> Any:
        if asked.get("desiredStatus") == "STOPPED":
            return {"taskArns": []}
        arns = [row["taskArn"] for row in rows]
        if "serviceName" in asked:
            return arns
        return {"taskArns": arns} | ({"nextToken": "x"} if beyond else {})

    def asked(**_: Any) -> Any:
        return {"tasks": list(rows)}

    answers = {"ecs.ListTasks": listed, "ecs.DescribeTasks": asked}
    return aws(answers=answers)


async def test_live_tasks_of_a_small_cluster_are_asked_for_once_for_all_its_services() -> None:
    rows = [task_row(n, lastStatus="RUNNING") for n in range(2)]
    others = [task_row(9, lastStatus="RUNNING", group="service:other")]
    session = with_live(*rows, *others)
    look = await ecs.collect(session, TARGET)
    assert look.tasks is not None
    assert len(look.tasks) == 2
    asked = [given for name, given in session.calls if name == "ecs.ListTasks"]
    assert not [given for given in asked if "serviceName" in given]


async def test_a_large_cluster_is_asked_by_service_and_not_listed_again_for_a_while() -> None:
    live = [task_row(n, lastStatus="RUNNING") for n in range(2)]
    session = with_live(*live, beyond=True)
    session.answers = {**session.answers, "ecs.DescribeTasks": live}
    for _ in range(3):
        look = await ecs.collect(session, TARGET)
        assert look.tasks is not None
        assert len(look.tasks) == 2
    asked = [
        "serviceName" in given
        for name, given in session.calls
        if name == "ecs.ListTasks" and given.get("desiredStatus") != "STOPPED"
    ]
    assert asked == [False, True, True, True]


async def test_live_tasks_of_another_shape_are_no_live_tasks() -> None:
    session = with_live(task_row(1))
    session.answers = {**session.answers, "ecs.DescribeTasks": {"tasks": [7]}}
    look = await ecs.collect(session, TARGET)
    assert look.tasks is None
    assert [gap.what for gap in look.gaps] == ["running tasks"]


async def test_of_more_stopped_tasks_than_are_read_the_part_is_kept_and_told() -> None:
    rows = [task_row(n) for n in range(350)]
    session = aws(rows, answers={"ecs.ListTasks": pages_of(rows)})
    look = await ecs.collect(session, TARGET)
    assert len(look.stopped) == 300
    assert [gap.what for gap in look.gaps] == ["stopped tasks beyond the first 300"]
    assert asked_stopped(session) == 4


async def test_a_healthy_service_costs_no_look_at_its_definitions() -> None:
    session = aws()
    look = await ecs.collect(session, TARGET)
    assert found(look) == []
    assert look.service.cluster == "prod"
    assert look.events[0].message == STEADY
    asked = {name for name, _ in session.calls}
    assert not asked & {"ecs.DescribeTaskDefinition", "ecs.ListServiceDeployments"}
    assert (look.previous_task_definition, look.history) == ("", None)


async def test_a_troubled_service_is_compared_with_the_revision_before() -> None:
    session = aws([task_row(1)])
    look = await ecs.collect(session, TARGET)
    assert look.definition is not None
    assert look.definition.arn == NEW
    assert look.previous is not None
    assert look.previous.arn == OLD


async def test_a_deregistered_revision_is_not_offered_for_a_rollback() -> None:
    def answer(taskDefinition: str) -> dict[str, Any]:  # noqa: N803
        status = "INACTIVE" if taskDefinition == OLD else "ACTIVE"
        return {"taskDefinition": {"taskDefinitionArn": taskDefinition, "status": status}}

    session = aws([task_row(1)], answers={"ecs.DescribeTaskDefinition": answer})
    assert (await ecs.collect(session, TARGET)).previous_task_definition == ""


async def test_a_service_that_is_not_there_is_the_finding_itself() -> None:
    with pytest.raises(BlindError) as caught:
        await ecs.collect(aws(service_answer=[{"serviceName": "other"}]), TARGET)
    assert caught.value.reason is Reason.MISSING
    assert caught.value.code == "ECS_SERVICE_DRAINING_OR_GONE"
    assert caught.value.severity == "critical"


async def test_a_denied_service_is_blind_and_no_finding() -> None:
    with pytest.raises(BlindError) as caught:
        await ecs.collect(aws(service_answer=denied()), TARGET)
    assert (caught.value.reason, caught.value.code) == (Reason.DENIED, "")


async def test_denied_helpers_leave_gaps_and_the_counts() -> None:
    session = aws(
        service_answer=[service_row(runningCount=0)],
        answers={
            "ecs.ListTasks": denied("ecs:ListTasks"),
            "application-autoscaling.DescribeScalableTargets": denied("no"),
        },
    )
    look = await ecs.collect(session, TARGET)
    assert {gap.what for gap in look.gaps} == {"stopped tasks", "auto scaling"}
    assert [code for code, _ in found(look)] == ["ECS_SERVICE_DOWN", "ECS_OBS_BLIND"]


@pytest.mark.parametrize("member", ["status", "desiredCount", "runningCount", "pendingCount"])
async def test_an_answer_without_what_it_promises_is_unreadable(member: str) -> None:
    row = service_row()
    del row[member]
    with pytest.raises(BlindError) as caught:
        await ecs.collect(aws(service_answer=[row]), TARGET)
    assert caught.value.reason is Reason.UNREADABLE


@pytest.mark.parametrize(
    "changes",
    [{"desiredCount": "six"}, {"deployments": "none"}, {"deployments": ["x"]}, {"events": 3}],
)
async def test_an_answer_of_another_shape_is_unreadable(changes: dict[str, Any]) -> None:
    with pytest.raises(BlindError) as caught:
        await ecs.collect(aws(service_answer=[service_row(**changes)]), TARGET)
    assert caught.value.reason is Reason.UNREADABLE


async def test_task_sets_stand_for_deployments_where_another_controller_rules() -> None:
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


async def test_scaling_is_read_with_its_goal_and_its_last_failure() -> None:
    resource = {
        "ResourceId": "service/prod/checkout",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    goal = {
        "TargetValue": 60.0,
        "PredefinedMetricSpecification": {
            "PredefinedMetricType": "ECSServiceAverageCPUUtilization"
        },
    }
    name = "application-autoscaling."
    session = aws(
        answers={
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


async def test_zones_of_subnets_are_read_where_all_tasks_are_in_one() -> None:
    live = [task_row(n, lastStatus="RUNNING", availabilityZone="us-east-1a") for n in range(3)]
    placed = service_row(
        networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-a", "subnet-b"]}}
    )
    answers: dict[str, Any] = {
        "ecs.ListTasks": lambda **asked: (
            [] if asked.get("desiredStatus") == "STOPPED" else [row["taskArn"] for row in live]
        ),
        "ecs.DescribeTasks": live,
        "ec2.DescribeSubnets": [
            {"SubnetId": f"subnet-{zone}", "AvailabilityZone": f"us-east-1{zone}"} for zone in "ab"
        ],
    }
    look = await ecs.collect(aws(service_answer=[placed], answers=answers), TARGET)
    assert look.subnet_zones == ("us-east-1a", "us-east-1b")
    assert found(look) == [("ECS_ONE_AZ", WARNING)]
    answers["ec2.DescribeSubnets"] = denied()
    blind = await ecs.collect(aws(service_answer=[placed], answers=answers), TARGET)
    assert [gap.what for gap in blind.gaps] == ["zones of subnets"]
    live[0]["availabilityZone"] = "us-east-1b"
    spread = aws(service_answer=[placed], answers=answers)
    assert (await ecs.collect(spread, TARGET)).subnet_zones is None
    assert "ec2.DescribeSubnets" not in dict(spread.calls)
