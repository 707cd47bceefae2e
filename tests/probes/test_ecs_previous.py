"""The revision to go back to is read: from what a deployment replaced, from what completed here."""

from __future__ import annotations

from typing import Any

import pytest

from cockpit import clock
from cockpit.errors import BlindError, Reason
from cockpit.runbooks.library import library
from cockpit.runbooks.values import holds
from probes.ecs import service as ecs
from probes.ecs.model import Deployment, Snapshot
from probes.ecs.previous import previous_of
from tests.probes.ecs_looks import ARN, active, deployment, deployments_answers
from tests.probes.fake_aws import AT, FakeAws, ago, denied, target

TARGET = target("ecs_service", "checkout", cluster="prod")


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


def row(number: int, *others: int, **changes: object) -> dict[str, Any]:
    def one(revision: int, status: str, state: str) -> dict[str, Any]:
        return {
            "id": f"ecs-svc/{revision}",
            "status": status,
            "taskDefinition": ARN.format(revision),
            "desiredCount": 3,
            "runningCount": 2,
            "rolloutState": state,
            "createdAt": ago(minutes=10),
        }

    return {
        "serviceName": "checkout",
        "serviceArn": "arn:aws:ecs:us-east-1:123456789012:service/prod/checkout",
        "clusterArn": "arn:aws:ecs:us-east-1:123456789012:cluster/prod",
        "status": "ACTIVE",
        "desiredCount": 3,
        "runningCount": 2,
        "pendingCount": 1,
        "taskDefinition": ARN.format(number),
        "deployments": [
            one(number, "PRIMARY", "IN_PROGRESS"),
            *(one(each, "ACTIVE", "COMPLETED") for each in others),
        ],
        **changes,
    }


def definitions(taskDefinition: str) -> dict[str, Any]:  # noqa: N803
    return {"taskDefinition": {"taskDefinitionArn": taskDefinition, "status": "ACTIVE"}}


async def look(service: dict[str, Any], answers: dict[str, object]) -> Snapshot:
    session = FakeAws(
        {
            "ecs.DescribeServices": [service],
            "ecs.DescribeTaskDefinition": definitions,
            **answers,
        }
    )
    return await ecs.collect(session, TARGET)


REPLACED = "what its deployment replaced"
COMPLETED = "the newest that this service completed"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param([(8, "IN_PROGRESS", 5)], (5, REPLACED), id="8 replaces 5; 6, 7 never ran"),
        pytest.param(
            [(8, "SUCCESSFUL", 5), (5, "SUCCESSFUL", 4)], (5, REPLACED), id="also when it is over"
        ),
        pytest.param(
            [(8, "IN_PROGRESS", (7, 5)), (7, "STOPPED", 5), (5, "SUCCESSFUL", 4)],
            (5, REPLACED),
            id="of two that it replaces, the one that once completed",
        ),
        pytest.param(
            [(8, "IN_PROGRESS", 7), (7, "STOPPED", ()), (5, "SUCCESSFUL", 4)],
            (5, COMPLETED),
            id="what it replaces never completed",
        ),
        pytest.param(
            [(8, "IN_PROGRESS", ()), (7, "ROLLBACK_SUCCESSFUL", 5), (5, "SUCCESSFUL", ())],
            (5, COMPLETED),
            id="it names nothing: the newest that completed",
        ),
        pytest.param(
            [(9, "ROLLBACK_SUCCESSFUL", 8), (8, "SUCCESSFUL", 5), (5, "SUCCESSFUL", 4)],
            (5, REPLACED),
            id="after a rollback the bad one is not the way back",
        ),
        pytest.param(
            [(8, "SUCCESSFUL", 8), (8, "SUCCESSFUL", 5), (5, "SUCCESSFUL", 4)],
            (5, COMPLETED),
            id="a forced new deployment of the same revision",
        ),
        pytest.param([(8, "IN_PROGRESS", ())], (0, ""), id="the first one of this service"),
        pytest.param([(8, "IN_PROGRESS", (6, 7))], (0, ""), id="two, and neither is known to work"),
        pytest.param([], (0, ""), id="no history"),
    ],
)
async def test_it_is_what_aws_says_and_never_counted_back(
    told: list[tuple[int, str, Any]], expected: tuple[int, str]
) -> None:
    seen = await look(row(8), deployments_answers(*told))
    revision, known_by = expected
    assert seen.previous_task_definition == (ARN.format(revision) if revision else "")
    assert seen.previous_known_by == known_by
    assert seen.gaps == ()


async def test_a_running_deployment_is_known_by_its_arn_for_who_wants_to_stop_it() -> None:
    seen = await look(row(8), deployments_answers((8, "IN_PROGRESS", 5), (5, "SUCCESSFUL", 4)))
    assert seen.under_way is not None
    assert seen.under_way.arn.endswith(":service-deployment/prod/checkout/d0")
    over = await look(row(8), deployments_answers((8, "SUCCESSFUL", 5)))
    assert over.under_way is None


async def test_without_the_right_to_read_it_what_is_being_replaced_is_known_all_the_same() -> None:
    seen = await look(row(8, 5), {"ecs.ListServiceDeployments": denied()})
    assert seen.previous_task_definition == ARN.format(5)
    assert seen.previous_known_by == "what is being replaced"
    assert [gap.what for gap in seen.gaps] == ["deployments"]
    alone = await look(row(8), {"ecs.ListServiceDeployments": denied()})
    assert alone.previous_task_definition == ""


def test_what_never_completed_is_not_gone_back_to() -> None:
    failing: Deployment = active(rollout_state="FAILED", running=6)
    assert previous_of(deployment().task_definition, (), [failing]).task_definition == ""


async def test_a_deployment_that_ecs_forgot_meanwhile_is_no_gap() -> None:
    answers = deployments_answers((8, "IN_PROGRESS", 5), (5, "SUCCESSFUL", 4))

    def forgotten(**_: object) -> list[object]:
        raise BlindError(Reason.MISSING, "no such deployment")

    seen = await look(row(8), {**answers, "ecs.DescribeServiceDeployments": forgotten})
    assert seen.gaps == ()
    assert seen.previous_known_by == COMPLETED


@pytest.mark.parametrize("controller", ["CODE_DEPLOY", "EXTERNAL"])
async def test_other_controllers_are_known_by_their_task_sets(controller: str) -> None:
    sets = [
        {"id": "new", "status": "PRIMARY", "taskDefinition": ARN.format(8)},
        {
            "id": "old",
            "status": "ACTIVE",
            "taskDefinition": ARN.format(5),
            "runningCount": 3,
            "stabilityStatus": "STEADY_STATE",
        },
    ]
    service = row(8, deployments=[], taskSets=sets, deploymentController={"type": controller})
    seen = await look(service, {"ecs.ListServiceDeployments": denied()})
    assert seen.previous_task_definition == ARN.format(5)
    assert seen.gaps == ()


ROLLBACK = library().get("ecs-rollback")


def allowed(step: str, **before: object) -> bool:
    """Whether every condition of a step holds after such a first look."""
    look = {"bad": ARN.format(42), "good": ARN.format(41), "controller": "ECS", **before}
    now = {
        "task_definition": look["bad"],
        "deployment": look.get("deployment"),
        "code_deploy": look.get("then", look.get("code_deploy")),
        "old_running": look.get("old_running"),
    }
    scope = {
        "before": look,
        "now": now,
        "migration": {"answer": "yes"},
        "named": {"answer": "checkout:40" if look.get("asked", True) else None},
    }
    return all(holds(each.that, scope) for each in ROLLBACK.step(step).require)


@pytest.mark.parametrize(
    ("before", "steps"),
    [
        pytest.param({}, {"rollback"}, id="a release that is over"),
        pytest.param({"good": ""}, {"named", "rollback_named"}, id="AWS knows no way back"),
        pytest.param(
            {"deployment": "d", "status": "IN_PROGRESS", "strategy": "ROLLING"},
            {"stop", "rollback"},
            id="a rolling one under way may be stopped, or superseded",
        ),
        pytest.param(
            {"deployment": "d", "status": "IN_PROGRESS", "strategy": "CANARY"},
            {"stop"},
            id="a canary is only stopped",
        ),
        pytest.param(
            {
                "deployment": "d",
                "status": "ROLLBACK_IN_PROGRESS",
                "strategy": "ROLLING",
                "newest": "ROLLBACK_IN_PROGRESS",
            },
            set(),
            id="what goes back already is not sent back once more",
        ),
        pytest.param({"newest": "ROLLBACK_SUCCESSFUL"}, set(), id="it went back by itself"),
        pytest.param(
            {"newest": "ROLLBACK_SUCCESSFUL", "good": "", "asked": False}, set(), id="nor asked for"
        ),
        pytest.param({"newest": "ROLLBACK_FAILED"}, {"rollback"}, id="the way back failed"),
        pytest.param({"controller": "CODE_DEPLOY"}, set(), id="CodeDeploy rolls back itself"),
    ],
)
def test_only_the_right_way_back_is_offered(before: dict[str, object], steps: set[str]) -> None:
    ways = ("stop", "rollback", "named", "rollback_named")
    assert {step for step in ways if allowed(step, **before)} == steps


def test_a_named_revision_is_another_one_than_the_bad_one() -> None:
    assert not allowed("rollback_named", bad=ARN.format(40), good="")
    assert allowed("rollback_named", good="")
