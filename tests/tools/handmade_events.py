"""Writes recordings of functions, queues, streams and state machines.

`python -m tests.tools.handmade_events` from the root of the checkout. The answers are made by hand
after botocore's models and the developer guides; they go through each probe's own `collect`. A role
without rights is denied all besides the thing itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from cockpit import clock
from cockpit.connect.session import Series
from cockpit.triage import recording
from cockpit.triage.registry import kinds, registry
from cockpit.triage.target import Target
from tests.probes import (
    test_api_gateway,
    test_kinesis,
    test_lambda_reading,
    test_log_group,
    test_sqs,
    test_state_machine,
)
from tests.probes.fake_aws import AT, FakeAws, denied, minutes
from tests.recorded import FOLDER

REPORT = test_lambda_reading.REPORT.replace("497 MB", "512 MB") + "Status: error\tError Type: "
KILLED = [
    test_lambda_reading.event(REPORT + "Runtime.OutOfMemory", seconds)
    for seconds in (40, 80, 120, 300)
]
REFUSED = (
    "[ERROR] ClientError: User: arn:aws:sts::123456789012:assumed-role/pay/pay is not authorized "
    "to perform: s3:PutObject on resource: arn:aws:s3:::invoices/2026/11 because no identity-based "
    "policy allows the s3:PutObject action"
)


def flow(each: float) -> Series:
    """The same in each of twenty minutes."""
    return minutes(*[each] * 20)


@dataclass(frozen=True)
class Story:
    """What AWS answers."""

    probe: str
    id: str
    answers: Callable[..., dict[str, Any]]
    series: Mapping[str, Series]
    changed: Mapping[str, Any]
    besides: str = ""
    """All but this operation is denied; empty: nothing is."""


def streams(**changes: Any) -> dict[str, Any]:
    """Answers of Kinesis."""
    base = {
        "kinesis.DescribeStreamSummary": {"StreamDescriptionSummary": test_kinesis.SUMMARY},
        "kinesis.ListStreamConsumers": [{"ConsumerName": "report", "ConsumerStatus": "ACTIVE"}],
    }
    return {**base, **{name.replace("__", "."): each for name, each in changes.items()}}


_FUNCTION = {"probe": "lambda_function.status", "id": "pay", "answers": test_lambda_reading.answers}
_GROUP = {
    "probe": "log_group.lines",
    "id": "/ecs/checkout",
    "answers": test_log_group.answers,
    "series": test_log_group.WELL,
}
_QUEUE = {"probe": "sqs.queue", "id": "orders", "answers": test_sqs.answers}
_STREAM = {"probe": "kinesis.stream", "id": "clicks", "answers": streams}
_MACHINE = {
    "probe": "state_machine.executions",
    "id": test_state_machine.ARN,
    "answers": test_state_machine.answers,
}
_API = {
    "probe": "api_gateway.status",
    "id": "arn:aws:apigateway:us-east-1::/restapis/a1/stages/prod",
    "answers": test_api_gateway.rest,
}
_ASKED = {"Count": flow(600), "5XXError": flow(0), "4XXError": flow(1), "Latency": flow(90)}
_WELL = {"Invocations": flow(100), "Errors": flow(0), "Duration": flow(200)}
_QUIET = {name: flow(100) for name in ("Sent", "Received", "Deleted")}
_TAKEN = {f"NumberOfMessages{name}": each for name, each in _QUIET.items()}
_SMALL = {
    "logs__FilterLogEvents": {
        "events": [test_lambda_reading.event(test_lambda_reading.REPORT.replace("497", "210"))]
    }
}
_RUNS = {
    "sqs__GetQueueAttributes": {
        "Attributes": {**test_sqs.ATTRIBUTES, "ApproximateNumberOfMessages": "0"}
    },
    "sqs__ListMessageMoveTasks": {"Results": []},
}
_ENDED: dict[str, Any] = {"stepfunctions__ListExecutions": {"executions": []}}

STORIES: Mapping[str, Story] = {
    "lambda_healthy": Story(**_FUNCTION, series=_WELL, changed=_SMALL),  # type: ignore[arg-type]
    "lambda_release_is_killed_for_memory": Story(
        **_FUNCTION,  # type: ignore[arg-type]
        series=_WELL | {"Errors": flow(12)},
        changed={"logs__FilterLogEvents": {"events": KILLED}},
    ),
    "lambda_bucket_policy_was_changed": Story(
        **_FUNCTION,  # type: ignore[arg-type]
        series=_WELL | {"Errors": flow(100)},
        changed={"logs__FilterLogEvents": {"events": [test_lambda_reading.event(REFUSED)] * 9}},
    ),
    "lambda_denied_besides_its_configuration": Story(
        **_FUNCTION,  # type: ignore[arg-type]
        series={},
        changed={},
        besides="lambda.GetFunctionConfiguration",
    ),
    "log_group_healthy": Story(**_GROUP, changed={}),  # type: ignore[arg-type]
    "log_group_release_cannot_read_the_field": Story(
        **_GROUP,  # type: ignore[arg-type]
        changed={
            "logs__FilterLogEvents": test_log_group.written(
                *(
                    test_log_group.event(
                        f"[ERROR] KeyError: 'customer_id' RequestId: {number:08x}-0000",
                        AT - timedelta(seconds=60 + 5 * number),
                    )
                    for number in range(30)
                )
            )
        },
    ),
    "log_group_denied_besides_itself": Story(
        **_GROUP,  # type: ignore[arg-type]
        changed={
            "logs__FilterLogEvents": denied("logs:FilterLogEvents"),
            "logs__DescribeSubscriptionFilters": denied("logs:DescribeSubscriptionFilters"),
        },
    ),
    "sqs_healthy": Story(
        **_QUEUE,  # type: ignore[arg-type]
        series=_TAKEN | {"ApproximateAgeOfOldestMessage": flow(2)},
        changed=_RUNS,
    ),
    "sqs_nobody_receives": Story(
        **_QUEUE,  # type: ignore[arg-type]
        series=_TAKEN
        | {"ApproximateAgeOfOldestMessage": flow(2400), "NumberOfMessagesReceived": flow(0)},
        changed={"sqs__ListMessageMoveTasks": {"Results": []}},
    ),
    "sqs_denied_besides_its_attributes": Story(
        **_QUEUE,  # type: ignore[arg-type]
        series={},
        changed={},
        besides="sqs.GetQueueAttributes sqs.GetQueueUrl",
    ),
    "kinesis_healthy": Story(
        **_STREAM,  # type: ignore[arg-type]
        series={
            "IncomingRecords": flow(600),
            "SubscribeToShardEvent.MillisBehindLatest": flow(40),
        },
        changed={},
    ),
    "kinesis_consumer_hangs_on_a_record": Story(
        **_STREAM,  # type: ignore[arg-type]
        series={
            "IncomingRecords": flow(600),
            "SubscribeToShardEvent.MillisBehindLatest": flow(25 * 3_600_000),
        },
        changed={},
    ),
    "kinesis_denied_besides_its_summary": Story(
        **_STREAM,  # type: ignore[arg-type]
        series={},
        changed={},
        besides="kinesis.DescribeStreamSummary",
    ),
    "state_machine_healthy": Story(
        **_MACHINE,  # type: ignore[arg-type]
        series={"ExecutionsStarted": flow(10), "ExecutionsSucceeded": flow(10)},
        changed=_ENDED,
    ),
    "state_machine_may_not_send": Story(
        **_MACHINE,  # type: ignore[arg-type]
        series={"ExecutionsStarted": flow(10), "ExecutionsFailed": flow(10)},
        changed={},
    ),
    "state_machine_denied_besides_its_description": Story(
        **_MACHINE,  # type: ignore[arg-type]
        series={},
        changed={},
        besides="stepfunctions.DescribeStateMachine",
    ),
    "api_gateway_healthy": Story(**_API, series=_ASKED, changed={}),  # type: ignore[arg-type]
    "api_gateway_does_not_take_the_answers": Story(
        **_API,  # type: ignore[arg-type]
        series=_ASKED | {"5XXError": flow(60), "Invocations": flow(540), "Errors": flow(0)},
        changed={"lambda__GetPolicy": test_api_gateway.LET_IN},
    ),
    "api_gateway_denied_besides_its_stages": Story(
        **_API,  # type: ignore[arg-type]
        series={},
        changed={},
        besides="apigateway.GetRestApis apigateway.GetStages",
    ),
}


async def content(name: str) -> bytes:
    """What the file of one of them holds."""
    return await made(STORIES[name])


async def made(story: Story) -> bytes:
    """The look of a story, as a recording."""
    probe = registry()[story.probe]
    answers: dict[str, Any] = story.answers(**story.changed)
    aws = FakeAws(answers, story.series)
    if story.besides:
        kept = story.besides.split()
        answers = {call: each if call in kept else denied() for call, each in answers.items()}
        aws = FakeAws(answers, denied())
    with patch.object(clock, "now", lambda: AT):
        settings = kinds()[probe.kind].settings(aws="prod", id=story.id)
        look = await probe.collect(aws, Target(name="shop", kind=probe.kind, settings=settings))
    return recording.encode(look) + b"\n"


async def write() -> None:
    """Write all of them."""
    for name in STORIES:
        (FOLDER / f"{name}.handmade.json").write_bytes(await content(name))


if __name__ == "__main__":
    asyncio.run(write())
