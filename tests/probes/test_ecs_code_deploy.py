"""CodeDeploy's deployments: read by their task sets, stopped only where there is a way back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cockpit import clock
from cockpit.errors import BlindError, Reason
from cockpit.triage import recording
from probes.ecs.model import Snapshot
from probes.ecs.service import diagnose
from probes.ecs.settings import Settings
from tests.core.runs import opened, rig
from tests.probes.ecs_looks import ARN
from tests.probes.fake_aws import AT, ago, denied
from tests.probes.test_ecs_previous import ROLLBACK, allowed, look, row


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


def code_deploy_answers(
    primary: str = "green", status: str = "InProgress", **info: object
) -> dict[str, object]:
    """A service that CodeDeploy deploys: 8 (green) is to replace 5 (blue)."""
    numbers = {"green": 8, "blue": 5}
    sets = [
        {
            "id": f"ecs-svc/{colour}",
            "externalId": f"d-{colour}",
            "status": "PRIMARY" if colour == primary else "ACTIVE",
            "taskDefinition": ARN.format(numbers[colour]),
            "runningCount": 6,
            "computedDesiredCount": 6,
            "stabilityStatus": "STEADY_STATE",
            "createdAt": ago(minutes=10 if colour == "green" else 9000),
        }
        for colour in numbers
    ]
    labels = [
        {"identifer": f"ecs-svc/{colour}", "taskSetLabel": colour.title(), "trafficWeight": 50.0}
        for colour in numbers
    ]
    controller = {"type": "CODE_DEPLOY"}
    service = row(numbers[primary], deployments=[], taskSets=sets, deploymentController=controller)

    def deployment(deploymentId: str) -> dict[str, object]:  # noqa: N803, AWS's name
        new = deploymentId == "d-green"
        told: dict[str, object] = {"status": status, **info} if new else {"status": "Succeeded"}
        created = ago(minutes=10 if new else 9000)
        return {"deploymentInfo": {"deploymentId": deploymentId, "createTime": created, **told}}

    return {
        "ecs.DescribeServices": [service],
        "codedeploy.GetDeployment": deployment,
        "codedeploy.BatchGetDeploymentTargets": [{"ecsTarget": {"taskSetsInfo": labels}}],
    }


async def code_look(answers: dict[str, object], **changes: object) -> Snapshot:
    told: Any = answers["ecs.DescribeServices"]
    return await look(told[0], {**answers, **changes})


async def test_what_code_deploy_replaces_is_read_from_its_task_sets() -> None:
    info = {"applicationName": "shop", "deploymentGroupName": "checkout-prod"}
    seen = await code_look(code_deploy_answers(**info))
    way = seen.code_deploy
    assert way is not None
    assert (way.id, way.status, way.application) == ("d-green", "InProgress", "shop")
    assert (way.brings, way.replaces) == (ARN.format(8), ARN.format(5))
    assert (way.replaces_running, way.weight, way.goes_back) == (6, 50.0, False)
    assert seen.previous_task_definition == ARN.format(5)
    assert seen.previous_known_by == "what its deployment of CodeDeploy replaces"
    assert [each.status for each in seen.code_deployments or ()] == ["InProgress", "Succeeded"]


async def test_before_the_traffic_moves_the_new_task_set_is_no_way_back() -> None:
    seen = await code_look(code_deploy_answers("blue"))
    assert seen.code_deploy is not None
    assert seen.previous_task_definition == ""
    unread = await code_look(code_deploy_answers("blue"), **{"codedeploy.GetDeployment": denied()})
    assert unread.code_deployments is None
    assert unread.code_deploy is None
    assert [gap.what for gap in unread.gaps] == ["CodeDeploy"]
    assert unread.previous_task_definition == "", "green is newer, not what ran before"


async def test_a_deployment_of_code_deploy_that_is_over_is_not_under_way() -> None:
    for status in ("Succeeded", "Failed", "Stopped"):
        seen = await code_look(code_deploy_answers(status=status))
        assert seen.code_deploy is None
        assert len(seen.code_deployments or ()) == 2
    gone = BlindError(Reason.MISSING, "no such deployment")
    seen = await code_look(code_deploy_answers(), **{"codedeploy.GetDeployment": gone})
    assert (seen.code_deployments, seen.gaps) == ((), ())


async def test_green_that_does_not_come_is_stuck_while_blue_serves() -> None:
    answers = code_deploy_answers("blue")
    told: Any = answers["ecs.DescribeServices"]
    green = told[0]["taskSets"][0]
    green |= {"stabilityStatus": "STABILIZING", "runningCount": 1, "createdAt": ago(minutes=40)}
    seen = await code_look(answers)
    (stuck,) = [f for f in diagnose(seen, Settings()) if f.code == "ECS_DEPLOYMENT_STUCK"]
    assert "checkout:8 is stabilizing for 40m" in stuck.summary
    assert "stop the deployment of CodeDeploy" in stuck.next


STOPPABLE = {
    "controller": "CODE_DEPLOY",
    "code_deploy": "d-green",
    "code_status": "InProgress",
    "brings": "checkout:8",
    "replaces": "checkout:5",
    "goes_back": False,
    "old_running": 6,
}


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        pytest.param({}, {"stop_code_deploy"}, id="under way"),
        pytest.param({"code_status": "Ready"}, {"stop_code_deploy"}, id="before the traffic moves"),
        pytest.param({"code_status": "Stopping"}, set(), id="a state that nobody knows"),
        pytest.param({"code_deploy": None, "code_status": None}, set(), id="none is under way"),
        pytest.param({"then": "d-other"}, set(), id="another one meanwhile"),
        pytest.param({"goes_back": True}, set(), id="it is a rollback itself"),
        pytest.param({"goes_back": None}, set(), id="nobody says whether it is"),
        pytest.param({"replaces": ""}, set(), id="nobody says what it replaces"),
        pytest.param({"old_running": 0}, set(), id="the old task set is being ended"),
        pytest.param({"replaces": "checkout:8"}, set(), id="the same revision again"),
    ],
)
def test_code_deploy_is_stopped_only_where_it_can_go_back(
    changes: dict[str, object], steps: set[str]
) -> None:
    ways = ("stop", "stop_code_deploy", "rollback", "named", "rollback_named")
    assert {step for step in ways if allowed(step, **{**STOPPABLE, **changes})} == steps


async def test_the_runbook_stops_it_with_its_rollback_and_waits_for_the_old_task_set() -> None:
    seen = await code_look(code_deploy_answers(applicationName="shop"))
    back = await code_look(code_deploy_answers("blue", status="Stopped"))
    made = rig(ROLLBACK, finding=opened("ECS_DEPLOYMENT_STUCK", "checkout"))
    made.looks.now = recording.builtins(replace(seen, desired=6))
    await made.carry("before")
    await made.carry("migration", typed="yes")
    await made.carry("now")
    plan = await made.run.plan("stop_code_deploy")
    assert plan.act.does == "codedeploy.StopDeployment"
    assert dict(plan.act.args) == {"deploymentId": "d-green", "autoRollbackEnabled": True}
    told = {each.label: each.text for each in plan.lines}
    assert told["revision"].endswith(f"{ARN.format(8)} → {ARN.format(5)}")
    assert (told["application"], told["tasks of the old one"]) == ("shop", "6")
    assert told["undo"].startswith("none: release the revision again")
    short = recording.builtins(replace(back, desired=7))
    unread = recording.builtins(replace(back, code_deployments=None, desired=6))
    made.looks.after = [made.looks.now] * 2 + [made.looks.now, short, unread]
    made.looks.now = recording.builtins(replace(back, desired=6))
    outcome = await made.run.execute(plan, made.run.approve(plan, typed=plan.confirm_word))
    assert outcome.kind == "ok", outcome.text
    assert made.looks.after == []
    assert made.acts.calls == [("codedeploy.StopDeployment", dict(plan.act.args))]
