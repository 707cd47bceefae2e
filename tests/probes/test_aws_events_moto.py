"""Lambda, SQS, Kinesis and Step Functions against moto: real HTTP through the real client.

moto stands behind the world's front, since alone it calls Lambda's JSON a page of HTML. What it
lacks (account settings of Lambda, CloudTrail) has to end as gaps.
"""

from __future__ import annotations

import io
import json
import socket
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from cockpit.connect.aws.session import Aws, open_aws
from cockpit.connect.aws.settings import LogGroupSettings
from cockpit.errors import BlindError
from cockpit.triage.target import Target
from cockpit.world import layout
from cockpit.world.calls import CallLog
from cockpit.world.faults import Faults
from cockpit.world.front import Front
from probes.kinesis import stream as streams
from probes.lambda_function import status as functions
from probes.log_group import lines as groups
from probes.sqs import queue as queues
from probes.state_machine import executions as machines
from tests.core.aws_stub import place
from tests.probes.fake_aws import target
from tests.probes.test_aws_data_moto import codes, put

pytestmark = pytest.mark.servers
Clients = Callable[[str], Any]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    made = Front(CallLog(), Faults())
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        made.serve(listener)
        made.ready.set()
        yield listener.getsockname()[1]
        made.close()


@pytest.fixture
async def aws(port: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Aws]:
    from moto.moto_api._internal.models import moto_api_backend

    moto_api_backend.reset()
    monkeypatch.setenv("COCKPIT_TEST_KEY", layout.key_of("commander"))
    reads = await open_aws(place(port), wanted=("logs:FilterLogEvents",))
    yield reads
    await reads.close()


@pytest.fixture(scope="module")
def client(port: int) -> Clients:
    import boto3

    session = boto3.Session()

    @cache
    def make(service: str) -> Any:
        return session.client(
            service,
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name=layout.REGION,
            aws_access_key_id=layout.key_of("commander"),
            aws_secret_access_key="x",
        )

    return make


def ms(seconds: int) -> int:
    """Milliseconds since 1970, so many seconds ago."""
    return int((datetime.now(UTC) - timedelta(seconds=seconds)).timestamp() * 1000)


# Lambda ----------------------------------------------------------------------------------------


def function(client: Clients) -> str:
    trust: dict[str, Any] = {"Version": "2012-10-17", "Statement": []}
    role = client("iam").create_role(RoleName="pay", AssumeRolePolicyDocument=json.dumps(trust))
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", "def handler(event, context): ...")
    api = client("lambda")
    api.create_function(
        FunctionName="pay",
        Runtime="python3.13",
        Role=role["Role"]["Arn"],
        Handler="app.handler",
        Code={"ZipFile": code.getvalue()},
        Timeout=30,
        MemorySize=512,
        Environment={"Variables": {"DATABASE_URL": "postgres://u:hunter2@db"}},
    )
    version: str = api.publish_version(FunctionName="pay")["Version"]
    api.create_alias(FunctionName="pay", Name="live", FunctionVersion=version)
    return version


def write_lines(client: Clients, *lines: str) -> None:
    logs = client("logs")
    where = {"logGroupName": "/aws/lambda/pay", "logStreamName": "a"}
    logs.create_log_group(logGroupName=where["logGroupName"])
    logs.create_log_stream(**where)
    logs.put_log_events(**where, logEvents=[{"timestamp": ms(90), "message": m} for m in lines])


async def test_a_log_group_tells_of_what_is_new(aws: Aws, client: Clients) -> None:
    write_lines(
        client,
        *(f"ERROR order {number} failed: password=hunter2" for number in range(12)),
        "java.lang.OutOfMemoryError: Java heap space",
        "INFO all is well",
    )
    put(
        client,
        "AWS/Logs",
        "IncomingLogEvents",
        {"LogGroupName": "/aws/lambda/pay"},
        values=[100.0] * 8,
    )
    settings = LogGroupSettings(aws="prod", id="/aws/lambda/pay")
    at = Target(name="logs", kind="log_group", settings=settings)
    look = await groups.collect(aws, at)
    assert codes(groups, look) == {"LOG_OOM", "LOG_NEW_PATTERN"}
    assert (look.read, look.compared, look.gaps) == (13, True, ())
    assert "hunter2" not in repr(look)
    missing = replace(at, settings=replace(settings, id="/aws/lambda/pa"))
    with pytest.raises(BlindError) as caught:
        await groups.collect(aws, missing)
    assert caught.value.code == "LOG_GROUP_MISSING"


async def test_a_function_that_fails_is_seen_with_its_lines(aws: Aws, client: Clients) -> None:
    version = function(client)
    named = {"FunctionName": "pay", "Resource": "pay:live"}
    for name, value in (("Invocations", 100.0), ("Errors", 100.0)):
        put(client, "AWS/Lambda", name, named, values=[value] * 8)
    report = "REPORT RequestId: r\tDuration: 1 ms\tMemory Size: 512 MB\tMax Memory Used: 512 MB\t"
    write_lines(
        client,
        report + "Status: error\tError Type: Runtime.OutOfMemory",
        "[ERROR] password=hunter2 User: arn:aws:sts::1:assumed-role/pay/pay is not authorized to "
        "perform: s3:GetObject on resource: arn:aws:s3:::invoices/a",
    )
    look = await functions.collect(aws, target("lambda_function", "pay:live"))
    assert codes(functions, look) >= {
        "LAMBDA_ALL_FAILING",
        "LAMBDA_OOM",
        "LAMBDA_ACCESS_DENIED",
        "LAMBDA_VERSION_CHANGED",
    }
    assert look.alias is not None
    assert look.alias.version == version
    assert look.denials[0].action == "s3:GetObject"
    assert "hunter2" not in repr(look)


async def test_a_function_is_well_only_with_invocations(aws: Aws, client: Clients) -> None:
    function(client)
    look = await functions.collect(aws, target("lambda_function", "pay"))
    assert functions.PROBE.facts is not None
    facts = list(functions.PROBE.facts(look, functions.PROBE.settings))
    assert facts[0].text == "not invoked"
    assert codes(functions, look) == {"LAMBDA_VERSION_CHANGED"}


async def test_a_switched_off_function_is_seen(aws: Aws, client: Clients) -> None:
    function(client)
    client("lambda").put_function_concurrency(FunctionName="pay", ReservedConcurrentExecutions=0)
    look = await functions.collect(aws, target("lambda_function", "pay"))
    assert "LAMBDA_DISABLED_BY_CONCURRENCY" in codes(functions, look)


async def test_a_function_that_is_not_there_is_told_as_gone(aws: Aws) -> None:
    with pytest.raises(BlindError) as caught:
        await functions.collect(aws, target("lambda_function", "ghost"))
    assert caught.value.code == "LAMBDA_FUNCTION_MISSING"


# SQS -------------------------------------------------------------------------------------------


async def test_a_queue_with_dead_letters_is_seen(aws: Aws, client: Clients) -> None:
    api = client("sqs")
    dead = api.create_queue(QueueName="orders-dead")["QueueUrl"]
    arn = "QueueArn"
    told = api.get_queue_attributes(QueueUrl=dead, AttributeNames=[arn])["Attributes"][arn]
    policy = json.dumps({"deadLetterTargetArn": told, "maxReceiveCount": "5"})
    url = api.create_queue(QueueName="orders", Attributes={"RedrivePolicy": policy})["QueueUrl"]
    api.send_message(QueueUrl=url, MessageBody="hunter2")
    api.send_message(QueueUrl=dead, MessageBody="hunter2")
    named = {"QueueName": "orders"}
    put(client, "AWS/SQS", "ApproximateAgeOfOldestMessage", named, values=[4000.0] * 8)
    put(client, "AWS/SQS", "NumberOfMessagesReceived", named, values=[0.0] * 8)
    look = await queues.collect(aws, target("sqs_queue", "orders"))
    assert codes(queues, look) == {"SQS_NO_CONSUMER", "SQS_OLDEST_MESSAGE", "SQS_DLQ_NOT_EMPTY"}
    assert (look.visible, look.dead_messages, look.redrive_from) == (1, 1, told)
    assert "hunter2" not in repr(look)


async def test_a_queue_that_is_not_there_is_told_as_gone(aws: Aws) -> None:
    with pytest.raises(BlindError) as caught:
        await queues.collect(aws, target("sqs_queue", "ghost"))
    assert caught.value.code == "SQS_QUEUE_MISSING"


# Kinesis ---------------------------------------------------------------------------------------


async def test_a_stream_whose_consumer_is_behind_is_seen(aws: Aws, client: Clients) -> None:
    api = client("kinesis")
    api.create_stream(StreamName="clicks", ShardCount=2)
    arn = api.describe_stream_summary(StreamName="clicks")["StreamDescriptionSummary"]["StreamARN"]
    api.register_stream_consumer(StreamARN=arn, ConsumerName="report")
    named = {"StreamName": "clicks"}
    age = "GetRecords.IteratorAgeMilliseconds"
    put(client, "AWS/Kinesis", age, named, values=[1_000_000.0] * 8)
    put(client, "AWS/Kinesis", "IncomingRecords", named, values=[60.0] * 8)
    look = await streams.collect(aws, target("kinesis_stream", "clicks"))
    assert codes(streams, look) == {"KINESIS_CONSUMER_BEHIND"}
    assert (look.shards, look.mode, look.retention) == (2, "PROVISIONED", 24)
    assert look.gaps == () or {gap.what for gap in look.gaps} == {"consumers"}


async def test_a_stream_that_is_not_there_is_told_as_gone(aws: Aws) -> None:
    with pytest.raises(BlindError) as caught:
        await streams.collect(aws, target("kinesis_stream", "ghost"))
    assert caught.value.code == "KINESIS_STREAM_MISSING"


# Step Functions --------------------------------------------------------------------------------


async def test_a_machine_whose_executions_fail_is_seen(aws: Aws, client: Clients) -> None:
    api = client("stepfunctions")
    fails = {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Boom", "Cause": "no"}}}
    role = "arn:aws:iam::123456789012:role/billing"
    made = api.create_state_machine(name="billing", definition=json.dumps(fails), roleArn=role)
    arn = made["stateMachineArn"]
    api.start_execution(stateMachineArn=arn, input='{"card": "hunter2"}')
    named = {"StateMachineArn": arn}
    put(client, "AWS/States", "ExecutionsStarted", named, values=[10.0] * 8)
    put(client, "AWS/States", "ExecutionsFailed", named, values=[10.0] * 8)
    look = await machines.collect(aws, target("state_machine", arn))
    assert codes(machines, look) == {"SFN_ALL_FAILING"}
    assert (look.type, look.listed) == ("STANDARD", True)
    assert "hunter2" not in repr(look)


async def test_a_machine_that_is_not_there_is_told_as_gone(aws: Aws) -> None:
    ghost = "arn:aws:states:us-east-1:123456789012:stateMachine:ghost"
    with pytest.raises(BlindError) as caught:
        await machines.collect(aws, target("state_machine", ghost))
    assert caught.value.code == "SFN_MACHINE_MISSING"
