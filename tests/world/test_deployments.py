"""The world's ECS deployments over HTTP: listed, stopped, paused, and seen by the probe as such."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cockpit.connect.aws.session import Aws, AwsActs, open_aws_acts
from cockpit.errors import BlindError
from cockpit.triage.finding import Finding, Severity
from cockpit.world import layout
from cockpit.world.answers.code_deploy import CodeDeploy
from cockpit.world.answers.deployments import EcsDeployments
from cockpit.world.answers.ecs import Ecs
from cockpit.world.ecs import EcsCluster, PauseHook
from cockpit.world.identify import AwsRequest
from cockpit.world.protocol import Refusal, error, success
from probes.ecs import service as ecs
from probes.ecs.model import Snapshot
from probes.ecs.settings import Settings
from tests.core.aws_stub import Reply, Request, Stub, place, reading, stubbed
from tests.probes.fake_aws import target

TARGET = target("ecs_service", layout.CHECKOUT.name, cluster=layout.CLUSTER)
OLD, NEW = layout.CHECKOUT.version, layout.CHECKOUT.version + 1


@pytest.fixture(autouse=True)
def _released(cluster: EcsCluster) -> None:
    cluster.versions[layout.CHECKOUT.name] = NEW


def front(cluster: EcsCluster) -> Callable[[Request], Reply]:
    """The part of the world's front that answers for ECS and CodeDeploy."""
    parts = (Ecs(cluster), EcsDeployments(cluster), CodeDeploy(cluster))
    table = {operation: answer for part in parts for operation, answer in part.table().items()}

    def answer(request: Request) -> Reply:
        target = request.headers.get("x-amz-target", "")
        service = "codedeploy" if target.startswith("CodeDeploy") else "ecs"
        asked = AwsRequest(
            service=service,
            operation=request.operation,
            protocol="json",
            key="",
            region=layout.REGION,
            method="POST",
            path="/",
            query="",
            body=request.body.encode(),
            environ={},
        )
        answerer = table.get((service, request.operation))
        if answerer is None:
            return Reply(status=500)
        try:
            reply = success(asked, answerer(asked, asked.parameters))
        except Refusal as refusal:
            reply = error(asked, refusal.code, refusal.message, status=refusal.status)
        kind = reply.headers.get("Content-Type", "application/x-amz-json-1.1")
        return Reply(reply.body, status=reply.status, type=kind)

    return answer


@pytest.fixture
async def stub(cluster: EcsCluster, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stub]:
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")
    async with stubbed() as made:
        made.answer = front(cluster)
        yield made


@pytest.fixture
async def aws(stub: Stub) -> AsyncIterator[Aws]:
    async with reading(stub) as opened:
        yield opened


@pytest.fixture
async def acts(stub: Stub) -> AsyncIterator[AwsActs]:
    opened = await open_aws_acts(place(stub.port))
    yield opened
    await opened.close()


def told(look: Snapshot, code: str) -> Finding:
    (found,) = [each for each in ecs.diagnose(look, Settings()) if each.code == code]
    return found


async def look(aws: Aws) -> Snapshot:
    aws.forget()
    return await ecs.collect(aws, TARGET)


async def test_a_pause_counts_down_and_is_ended_either_way(
    cluster: EcsCluster, aws: Aws, acts: AwsActs
) -> None:
    service = cluster.update("checkout", version=NEW)
    service.primary.pause = PauseHook(expires=time.time() + 590)
    cluster.tick()
    seen = await look(aws)
    assert seen.under_way is not None
    assert seen.paused is not None
    assert seen.under_way.stage == "PRE_SCALE_UP"
    finding = told(seen, "ECS_DEPLOYMENT_PAUSED")
    assert finding.severity is Severity.WARNING
    assert "waits for a yes at PRE_SCALE_UP: in 9m" in finding.summary
    assert finding.summary.endswith("ECS rolls it back")
    answer = {"serviceDeploymentArn": seen.under_way.arn, "hookId": seen.paused.id}
    await acts.run("ecs.ContinueServiceDeployment", {**answer, "action": "CONTINUE"})
    cluster.tick()
    after = await look(aws)
    assert after.paused is None
    assert cluster.services["checkout"].count("PENDING") > 0
    with pytest.raises(BlindError, match="not awaiting an action"):
        await acts.run("ecs.ContinueServiceDeployment", {**answer, "action": "ROLLBACK"})


async def test_a_pause_that_is_answered_with_no_goes_back(
    cluster: EcsCluster, aws: Aws, acts: AwsActs
) -> None:
    service = cluster.update("checkout", version=NEW)
    service.primary.pause = PauseHook(expires=time.time() + 86_400, then="CONTINUE")
    seen = await look(aws)
    assert seen.under_way is not None
    assert seen.paused is not None
    finding = told(seen, "ECS_DEPLOYMENT_PAUSED")
    assert finding.severity is Severity.INFO
    assert finding.summary.endswith("ECS lets it go on")
    arguments = {"serviceDeploymentArn": seen.under_way.arn, "hookId": seen.paused.id}
    await acts.run("ecs.ContinueServiceDeployment", {**arguments, "action": "ROLLBACK"})
    cluster.tick()
    after = await look(aws)
    assert after.service.task_definition.endswith(f"checkout:{OLD}")
    assert after.history is not None
    assert after.history[0].status == "ROLLBACK_SUCCESSFUL"


async def test_a_pause_of_what_replaces_nothing_cannot_be_answered_with_no(
    cluster: EcsCluster, aws: Aws, acts: AwsActs
) -> None:
    service = cluster.update("checkout", version=NEW)
    service.primary.pause = pause = PauseHook(expires=time.time() + 86_400)
    service.primary.replaces = ()
    seen = await look(aws)
    assert seen.under_way is not None
    arguments = {"serviceDeploymentArn": seen.under_way.arn, "hookId": pause.id}
    with pytest.raises(BlindError, match="nothing to roll back to"):
        await acts.run("ecs.ContinueServiceDeployment", {**arguments, "action": "ROLLBACK"})
    assert pause.status == "AWAITING_ACTION"


async def test_a_deployment_is_stopped_once_and_only_while_it_runs(
    cluster: EcsCluster, aws: Aws, acts: AwsActs
) -> None:
    cluster.update("checkout", version=NEW)
    seen = await look(aws)
    assert seen.under_way is not None
    assert seen.previous_task_definition.endswith(f"checkout:{OLD}")
    stop = {"serviceDeploymentArn": seen.under_way.arn, "stopType": "ROLLBACK"}
    await acts.run("ecs.StopServiceDeployment", stop)
    again = await look(aws)
    assert again.service.task_definition.endswith(f"checkout:{OLD}")
    assert again.under_way is not None
    assert again.under_way.rolling_back
    for arguments in (stop, {**stop, "serviceDeploymentArn": f"{seen.under_way.arn}0"}):
        with pytest.raises(BlindError):
            await acts.run("ecs.StopServiceDeployment", arguments)


async def test_a_deployment_of_code_deploy_is_stopped_and_its_traffic_goes_back(
    cluster: EcsCluster, aws: Aws, acts: AwsActs
) -> None:
    cluster.services["checkout"].controller = "CODE_DEPLOY"
    cluster.update("checkout", version=NEW)
    seen = await look(aws)
    assert "CodeDeploy" not in {gap.what for gap in seen.gaps}
    assert seen.code_deploy is not None
    assert seen.code_deploy.brings.endswith(f"checkout:{NEW}")
    assert seen.previous_task_definition == seen.code_deploy.replaces
    assert seen.previous_task_definition.endswith(f"checkout:{OLD}")
    stop = {"deploymentId": seen.code_deploy.id, "autoRollbackEnabled": True}
    await acts.run("codedeploy.StopDeployment", stop)
    again = await look(aws)
    assert again.primary is not None
    assert again.primary.task_definition == seen.code_deploy.replaces
    assert again.code_deploy is None
    assert again.code_deployments is not None
    with pytest.raises(BlindError, match="completed already"):
        await acts.run("codedeploy.StopDeployment", stop)


async def test_what_is_paused_by_plan_is_never_stuck(cluster: EcsCluster, aws: Aws) -> None:
    service = cluster.update("checkout", version=NEW)
    service.primary.pause = PauseHook(expires=time.time() + 86_400)
    seen = await look(aws)
    late = datetime.now(UTC) + timedelta(hours=9)
    codes = {each.code for each in ecs.diagnose(replace(seen, at=late), Settings())}
    assert "ECS_DEPLOYMENT_PAUSED" in codes
    assert "ECS_DEPLOYMENT_STUCK" not in codes
