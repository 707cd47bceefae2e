"""Runbooks of functions, queues, streams and machines, followed by a commander against moto.

Each change is planned, said yes to, sent by the real client, and proved by the look that the step
names. What moto has not (account settings, CloudTrail) is answered by the front as AWS would.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from cockpit.errors import DoesNotApply
from cockpit.incident.ledger import UNDO
from cockpit.runbooks.plan import Plan
from cockpit.triage.board import FindingId, OpenFinding
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.registry import kinds, registry
from cockpit.triage.target import Target
from cockpit.world import layout
from cockpit.world.calls import CallLog
from cockpit.world.faults import Faults
from cockpit.world.front import Front
from tests.core.aws_stub import place
from tests.patience import at_most
from tests.probes.test_aws_events_moto import function
from tests.servers.seats import seated

pytestmark = pytest.mark.servers
KEY = layout.key_of("commander")
LIMIT = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 900}


class FrontAt(Front):
    """A front that says where it is."""

    port = 0

    def client(self, service: str) -> Any:
        """A client of somebody else, who breaks things."""
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name=layout.REGION,
            aws_access_key_id=KEY,
            aws_secret_access_key="x",
        )


@pytest.fixture
def front(monkeypatch: pytest.MonkeyPatch) -> Iterator[FrontAt]:
    from moto.moto_api._internal.models import moto_api_backend

    monkeypatch.setenv("COCKPIT_TEST_KEY", KEY)
    made = FrontAt(CallLog(), Faults())
    made.answers["lambda", "GetAccountSettings"] = lambda _, __: {"AccountLimit": LIMIT}
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        made.serve(listener)
        moto_api_backend.reset()
        made.port = listener.getsockname()[1]
        made.ready.set()
        yield made
        made.close()


async def followed(
    front: FrontAt,
    folder: Path,
    named: tuple[str, str],
    book: str,
    *steps: str,
    answers: Mapping[str, str] | None = None,
    refused: str = "",
    undone: Callable[[], None] | None = None,
) -> Plan:
    """Run steps of a runbook at one target as a person would; gives the last plan. `undone` looks
    at what was done, and then the last step is taken back.
    """
    kind, id_ = named
    at = Target(name="it", kind=kind, settings=kinds()[kind].settings(aws="stub", id=id_))
    probe = next(each.id for each in registry().values() if each.kind == kind)
    now = datetime.now(UTC)
    opened = OpenFinding(
        id=FindingId("it", "DRILL", ""),
        kind=kind,
        probe=probe,
        finding=Finding("DRILL", Severity.HIGH, "it hurts"),
        since=now,
        seen=now,
        looks=1,
    )
    async with seated((at,), folder, {}, places={"stub": place(front.port)}) as desk:
        await desk.engine.look("it", probe)
        run = desk.start_run(book, opened)
        for step_id in (*steps, *((f"{UNDO}{steps[-1]}",) if undone else ())):
            if undone and step_id.startswith(UNDO):
                undone()
            plan = await run.plan(step_id)
            typed = (answers or {}).get(step_id, plan.confirm_word)
            async with asyncio.timeout(at_most(30)):
                outcome = await run.execute(plan, run.approve(plan, typed=typed, second="bob"))
            assert outcome.kind == "ok", f"{step_id}: {outcome}"
        if refused:
            with pytest.raises(DoesNotApply):
                await run.plan(refused)
    return plan


def reserved(api: Any) -> int | None:
    """What is reserved for the function; None: nothing."""
    told: Mapping[str, Any] = api.get_function_concurrency(FunctionName="pay")
    return told.get("ReservedConcurrentExecutions")


async def test_a_function_that_was_switched_off_is_freed(front: FrontAt, folder: Path) -> None:
    function(front.client)
    api = front.client("lambda")
    api.put_function_concurrency(FunctionName="pay", ReservedConcurrentExecutions=0)
    named = ("lambda_function", "pay")

    def freed() -> None:
        assert reserved(api) is None

    steps = ("before", "now", "free")
    plan = await followed(front, folder, named, "lambda-throttles", *steps, undone=freed)
    assert (plan.risk, reserved(api)) == ("destructive", 0)


async def test_a_reserve_is_changed_within_what_the_account_has(
    front: FrontAt, folder: Path
) -> None:
    function(front.client)
    api = front.client("lambda")
    api.put_function_concurrency(FunctionName="pay", ReservedConcurrentExecutions=1)
    steps = ("before", "now", "size", "change")
    named, answers = ("lambda_function", "pay"), {"size": "40"}
    await followed(front, folder, named, "lambda-throttles", *steps, answers=answers)
    assert reserved(api) == 40


async def test_an_alias_goes_back_to_what_its_history_says(front: FrontAt, folder: Path) -> None:
    first = function(front.client)
    api = front.client("lambda")
    numbers = []
    for memory in (600, 700):
        api.update_function_configuration(FunctionName="pay", MemorySize=memory)
        numbers.append(api.publish_version(FunctionName="pay")["Version"])
    api.update_alias(FunctionName="pay", Name="live", FunctionVersion=numbers[-1])

    def moved(version: str, minutes: int) -> dict[str, Any]:
        asked = {"functionName": "pay", "name": "live", "functionVersion": version}
        return {
            "EventTime": datetime.now(UTC) - timedelta(minutes=minutes),
            "Username": "deployer",
            "CloudTrailEvent": json.dumps({"requestParameters": asked}),
        }

    events = [moved(numbers[-1], 5), moved(first, 500)]
    front.answers["cloudtrail", "LookupEvents"] = lambda _, __: {"Events": events}

    def went_back(to: str) -> None:
        assert api.get_alias(FunctionName="pay", Name="live")["FunctionVersion"] == to

    steps = ("before", "now", "migration", "rollback")
    await followed(
        front,
        folder,
        ("lambda_function", "pay:live"),
        "lambda-rollback",
        *steps,
        answers={"migration": "yes"},
        refused="named",
        undone=lambda: went_back(first),
    )
    went_back(numbers[-1])


async def test_a_paused_source_is_polled_again(front: FrontAt, folder: Path) -> None:
    function(front.client)
    sqs, api = front.client("sqs"), front.client("lambda")
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    made = api.create_event_source_mapping(
        EventSourceArn=arn["QueueArn"], FunctionName="pay", Enabled=False
    )
    steps = ("before", "now", "reason", "enable")
    named, answers = ("lambda_function", "pay"), {"reason": "yes"}
    await followed(front, folder, named, "lambda-not-invoked", *steps, answers=answers)
    assert api.get_event_source_mapping(UUID=made["UUID"])["State"] == "Enabled"
    await followed(front, folder / "again", named, "lambda-backlog", "before", "now", "pause")
    assert api.get_event_source_mapping(UUID=made["UUID"])["State"] == "Disabled"


async def test_a_queue_and_a_stream_keep_what_they_have_for_longer(
    front: FrontAt, folder: Path
) -> None:
    sqs, kinesis = front.client("sqs"), front.client("kinesis")
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    kinesis.create_stream(StreamName="clicks", ShardCount=1)
    steps = ("before", "now", "keep", "longer")
    await followed(
        front, folder, ("sqs_queue", "orders"), "sqs-backlog", *steps, answers={"keep": "1209600"}
    )
    await followed(
        front,
        folder / "again",
        ("kinesis_stream", "clicks"),
        "kinesis-behind",
        *steps,
        answers={"keep": "72"},
    )
    told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["MessageRetentionPeriod"])
    assert told["Attributes"]["MessageRetentionPeriod"] == "1209600"
    summary = kinesis.describe_stream_summary(StreamName="clicks")["StreamDescriptionSummary"]
    assert summary["RetentionPeriodHours"] == 72


async def test_a_function_without_an_alias_gets_more_memory(front: FrontAt, folder: Path) -> None:
    function(front.client)
    api = front.client("lambda")
    api.delete_alias(FunctionName="pay", Name="live")
    steps = ("before", "now", "size", "change")
    named, answers = ("lambda_function", "pay"), {"size": "768"}
    await followed(front, folder, named, "lambda-memory", *steps, answers=answers, refused="alias")
    assert api.get_function_configuration(FunctionName="pay")["MemorySize"] == 768


async def test_dead_letters_are_moved_back_at_a_pace(front: FrontAt, folder: Path) -> None:
    sqs = front.client("sqs")
    dead = sqs.create_queue(QueueName="orders-dead")["QueueUrl"]
    told = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
    policy = json.dumps({"deadLetterTargetArn": told["QueueArn"], "maxReceiveCount": "5"})
    sqs.create_queue(QueueName="orders", Attributes={"RedrivePolicy": policy})
    sqs.send_message(QueueUrl=dead, MessageBody="order 7")
    moves: list[dict[str, Any]] = []

    def start(_: Any, asked: dict[str, Any]) -> dict[str, Any]:
        moves.append({"Status": "RUNNING", "TaskHandle": "h", **asked})
        return {"TaskHandle": "h"}

    front.answers["sqs", "StartMessageMoveTask"] = start
    front.answers["sqs", "ListMessageMoveTasks"] = lambda _, __: {
        "Results": [{name: each[name] for name in ("Status", "TaskHandle")} for each in moves]
    }
    steps = ("before", "now", "cause", "pace", "move")
    answers = {"cause": "yes", "pace": "20"}
    await followed(front, folder, ("sqs_queue", "orders"), "sqs-redrive", *steps, answers=answers)
    (made,) = moves
    assert (made["SourceArn"], made["MaxNumberOfMessagesPerSecond"]) == (told["QueueArn"], 20)


async def test_a_failed_execution_goes_on_from_where_it_failed(
    front: FrontAt, folder: Path
) -> None:
    api = front.client("stepfunctions")
    fails = {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Boom", "Cause": "no"}}}
    role = "arn:aws:iam::123456789012:role/billing"
    made = api.create_state_machine(name="billing", definition=json.dumps(fails), roleArn=role)
    arn = made["stateMachineArn"]
    run = arn.replace("stateMachine", "execution") + ":run-1"
    begun = datetime.now(UTC) - timedelta(minutes=9)
    state = {"FAILED": [{"executionArn": run, "name": "run-1", "status": "FAILED"}]}

    def listed(_: Any, asked: dict[str, Any]) -> dict[str, Any]:
        rows = state.get(asked["statusFilter"], [])
        more = {"stateMachineArn": arn, "startDate": begun, "stopDate": begun}
        return {"executions": [{**row, **more} for row in rows]}

    def ended(_: Any, __: Any) -> dict[str, Any]:
        said = {"error": "Boom", "cause": "no", "redriveStatus": "REDRIVABLE"}
        (now,) = state
        return {"executionArn": run, "stateMachineArn": arn, "status": now, **said}

    def redriven(_: Any, asked: dict[str, Any]) -> dict[str, Any]:
        assert asked["executionArn"] == run
        state["RUNNING"] = state.pop("FAILED")
        return {"redriveDate": begun}

    def stopped(_: Any, asked: dict[str, Any]) -> dict[str, Any]:
        assert asked["executionArn"] == run
        state["ABORTED"] = state.pop("RUNNING")
        return {"stopDate": begun}

    def goes_on() -> None:
        assert [row["name"] for row in state["RUNNING"]] == ["run-1"]

    front.answers["stepfunctions", "ListExecutions"] = listed
    front.answers["stepfunctions", "DescribeExecution"] = ended
    front.answers["stepfunctions", "RedriveExecution"] = redriven
    front.answers["stepfunctions", "StopExecution"] = stopped
    steps = ("before", "now", "cause", "redrive")
    await followed(
        front,
        folder,
        ("state_machine", arn),
        "sfn-failures",
        *steps,
        answers={"cause": "yes"},
        undone=goes_on,
    )
    assert [*state] == ["ABORTED"]


# API Gateway -----------------------------------------------------------------------------------


def deployed(client: Callable[[str], Any]) -> tuple[str, list[str]]:
    """A REST API with one stage and two deployments, the second of them served; its id, theirs."""
    api = client("apigateway")
    id_: str = api.create_rest_api(name="shop")["id"]
    (root,) = api.get_resources(restApiId=id_)["items"]
    method = {"restApiId": id_, "resourceId": root["id"], "httpMethod": "GET"}
    api.put_method(**method, authorizationType="NONE")
    api.put_integration(**method, type="MOCK")
    made = [api.create_deployment(restApiId=id_, stageName="prod")["id"]]
    made.append(api.create_deployment(restApiId=id_)["id"])
    patch = [{"op": "replace", "path": "/deploymentId", "value": made[1]}]
    api.update_stage(restApiId=id_, stageName="prod", patchOperations=patch)
    return id_, made


async def test_a_stage_goes_back_to_what_its_history_says(front: FrontAt, folder: Path) -> None:
    id_, (first, second) = deployed(front.client)
    api = front.client("apigateway")

    def moved(name: str, minutes: int, deployment: str, **asked: Any) -> dict[str, Any]:
        event = {
            "eventName": name,
            "requestParameters": {"restApiId": id_, **asked},
            "responseElements": {"id": deployment},
        }
        return {
            "EventTime": datetime.now(UTC) - timedelta(minutes=minutes),
            "Username": "deployer",
            "CloudTrailEvent": json.dumps(event),
        }

    patch = {"op": "replace", "path": "/deploymentId", "value": second}
    events = [
        moved(
            "UpdateStage", 5, "", stageName="prod", updateStageInput={"patchOperations": [patch]}
        ),
        moved("CreateDeployment", 500, first, createDeploymentInput={"stageName": "prod"}),
    ]
    front.answers["cloudtrail", "LookupEvents"] = lambda _, __: {"Events": events}

    def serves(which: str) -> None:
        assert api.get_stage(restApiId=id_, stageName="prod")["deploymentId"] == which

    named, steps = ("api_gateway", id_), ("before", "now", "contract", "rest")
    plan = await followed(
        front,
        folder,
        named,
        "apigw-rollback",
        *steps,
        answers={"contract": "yes"},
        refused="http",
        undone=lambda: serves(first),
    )
    assert plan.risk in {"high", "destructive"}
    serves(second)


async def test_a_stage_is_limited_and_freed_again(front: FrontAt, folder: Path) -> None:
    id_, _ = deployed(front.client)
    api = front.client("apigateway")

    def limited() -> None:
        limits = api.get_stage(restApiId=id_, stageName="prod")["methodSettings"]["*/*"]
        assert (limits["throttlingRateLimit"], limits["throttlingBurstLimit"]) == (40.0, 40)

    steps = ("before", "now", "rate", "rest")
    await followed(
        front,
        folder,
        ("api_gateway", id_),
        "apigw-throttles",
        *steps,
        answers={"rate": "40"},
        refused="http",
        undone=limited,
    )
