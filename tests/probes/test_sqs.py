"""Queues: what waits, what died, and the traps of approximate numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cockpit import clock
from cockpit.connect.session import Series
from cockpit.errors import BlindError, Reason
from cockpit.triage.finding import Severity
from probes.sqs import queue
from probes.sqs.model import DeadLetterQueue, MessageMove, Snapshot
from probes.sqs.read import dead_letter_of
from probes.sqs.settings import Settings
from tests.probes.fake_aws import AT, FakeAws, denied, hours, minutes, target

CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
ARN = "arn:aws:sqs:us-east-1:123456789012:orders"
DEAD = DeadLetterQueue(arn=f"{ARN}-dead", received=5, messages=0, retention=1_209_600)
NO = Series()


def flow(each: float) -> Series:
    return minutes(*[each] * 9)


def snapshot(**changes: Any) -> Snapshot:
    """A queue that is well: 100 messages a minute, none waits."""
    base = Snapshot(
        at=AT,
        name="orders",
        url="https://sqs.us-east-1.amazonaws.com/123456789012/orders",
        arn=ARN,
        visible=0,
        in_flight=3,
        delayed=0,
        is_dead_letter=False,
        dead_letter=DEAD,
        oldest=flow(1),
        waiting=flow(0),
        sent=flow(100),
        received=flow(100),
        deleted=flow(100),
    )
    return replace(base, **changes)


def found(look: Snapshot) -> list[tuple[str, Severity]]:
    return [(f.code, f.severity) for f in queue.diagnose(look, Settings())]


def dead(**changes: Any) -> DeadLetterQueue:
    return replace(DEAD, **changes)


def move(status: str, **changes: Any) -> MessageMove:
    return replace(MessageMove(handle="h", status=status), **changes)


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(snapshot(), [], id="well"),
        pytest.param(snapshot(oldest=flow(299)), [], id="just below five minutes"),
        pytest.param(
            snapshot(oldest=flow(300)), [("SQS_OLDEST_MESSAGE", WARNING)], id="five minutes"
        ),
        pytest.param(
            snapshot(oldest=flow(1800)), [("SQS_OLDEST_MESSAGE", CRITICAL)], id="half an hour"
        ),
        pytest.param(snapshot(oldest=minutes(1, 900, 1, 1, 1)), [], id="one peak"),
        pytest.param(
            snapshot(oldest=flow(1800), is_dead_letter=True, dead_letter=None),
            [],
            id="a dead letter queue is meant to hold old ones",
        ),
        pytest.param(
            snapshot(oldest=flow(900), retention=1800),
            [("SQS_RETENTION_NEAR", WARNING), ("SQS_OLDEST_MESSAGE", WARNING)],
            id="half of the retention",
        ),
        pytest.param(
            snapshot(oldest=flow(1_100_000), is_dead_letter=True, retention=1_209_600, visible=4),
            [("SQS_RETENTION_NEAR", CRITICAL), ("SQS_DLQ_NOT_EMPTY", INFO)],
            id="dead letters are about to be deleted",
        ),
        pytest.param(
            snapshot(visible=3, received=flow(0)), [("SQS_NO_CONSUMER", WARNING)], id="nobody asks"
        ),
        pytest.param(
            snapshot(visible=100, received=flow(0)),
            [("SQS_NO_CONSUMER", CRITICAL)],
            id="nobody asks, and many wait",
        ),
        pytest.param(
            snapshot(visible=3, received=NO), [], id="no metrics is not nobody: six quiet hours"
        ),
        pytest.param(
            snapshot(visible=3, received=minutes(status="Forbidden")), [], id="denied is not nobody"
        ),
        pytest.param(
            snapshot(waiting=hours(100, 201, 230, 260, 300, 340)),
            [("SQS_BACKLOG_GROWING", WARNING)],
            id="twice the usual, and it grows",
        ),
        pytest.param(
            snapshot(waiting=hours(100, 340, 300, 260, 230, 201)), [], id="it shrinks already"
        ),
        pytest.param(snapshot(waiting=hours(1, 50, 60, 70, 80, 99)), [], id="few"),
        pytest.param(
            snapshot(in_flight=96_000), [("SQS_IN_FLIGHT_HIGH", WARNING)], id="eight tenths"
        ),
        pytest.param(snapshot(in_flight=95_999), [], id="just below"),
        pytest.param(
            snapshot(in_flight=119_000), [("SQS_IN_FLIGHT_HIGH", CRITICAL)], id="nearly all"
        ),
        pytest.param(snapshot(in_flight=None), [], id="in flight is not told"),
        pytest.param(
            snapshot(dead_letter=dead(messages=7, visible=minutes(5, 5, 6, 7))),
            [("SQS_DEAD_LETTERS", WARNING)],
            id="two died in a quarter of an hour",
        ),
        pytest.param(
            snapshot(dead_letter=dead(messages=400, visible=minutes(0, 100, 400))),
            [("SQS_DEAD_LETTERS", CRITICAL)],
            id="hundreds died",
        ),
        pytest.param(
            snapshot(dead_letter=dead(messages=7, visible=flow(7))),
            [("SQS_DLQ_NOT_EMPTY", INFO)],
            id="old ones lie there",
        ),
        pytest.param(
            snapshot(dead_letter=dead(messages=5, visible=minutes(9, 7, 5))),
            [("SQS_DLQ_NOT_EMPTY", INFO)],
            id="they are moved out",
        ),
        pytest.param(
            snapshot(dead_letter=dead(gone=True, messages=None)),
            [("SQS_DLQ_GONE", WARNING)],
            id="the dead letter queue is gone",
        ),
        pytest.param(
            snapshot(moves=(move("RUNNING", moved=4),)),
            [("SQS_REDRIVE_RUNNING", INFO)],
            id="they go back",
        ),
        pytest.param(
            snapshot(moves=(move("FAILED", reason="AccessDenied"),)),
            [("SQS_REDRIVE_FAILED", WARNING)],
            id="a move failed",
        ),
        pytest.param(
            snapshot(moves=(move("COMPLETED"), move("FAILED"))), [], id="an older move failed"
        ),
        pytest.param(
            snapshot(moves=(move("PAUSED"),)), [("SQS_STATUS_UNKNOWN", WARNING)], id="a new state"
        ),
        pytest.param(
            snapshot(sent=hours(50, 0, 0, 0, 0, 0)), [("SQS_TRAFFIC_STOPPED", WARNING)], id="silent"
        ),
        pytest.param(snapshot(sent=hours(5, 0, 0, 0, 0, 0)), [], id="it was never busy"),
        pytest.param(snapshot(dead_letter=None), [("SQS_NO_DLQ", INFO)], id="no dead letter queue"),
        pytest.param(
            snapshot(dead_letter=None, is_dead_letter=None), [], id="whether it is one is not known"
        ),
    ],
)
def test_a_queue_is_judged_by_what_it_shows(
    look: Snapshot, expected: list[tuple[str, Severity]]
) -> None:
    assert found(look) == expected


ATTRIBUTES = {
    "QueueArn": ARN,
    "ApproximateNumberOfMessages": "12",
    "ApproximateNumberOfMessagesNotVisible": "3",
    "ApproximateNumberOfMessagesDelayed": "0",
    "MessageRetentionPeriod": "345600",
    "VisibilityTimeout": "30",
    "FifoQueue": "true",
    "RedrivePolicy": json.dumps({"deadLetterTargetArn": f"{ARN}-dead", "maxReceiveCount": "5"}),
    "Policy": "{}",
}
GONE = BlindError(Reason.MISSING, "there is none")
URL = {"QueueUrl": "https://sqs/orders"}


def answers(**changes: Any) -> dict[str, Any]:
    base = {
        "sqs.GetQueueUrl": URL,
        "sqs.GetQueueAttributes": {"Attributes": ATTRIBUTES},
        "sqs.ListDeadLetterSourceQueues": {"queueUrls": []},
        "sqs.ListMessageMoveTasks": {"Results": [{"Status": "RUNNING", "TaskHandle": "h"}]},
    }
    return {**base, **{name.replace("__", "."): each for name, each in changes.items()}}


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


async def look(aws: FakeAws, id_: str = "orders") -> Snapshot:
    return await queue.collect(aws, target("sqs_queue", id_))


async def test_attributes_are_text_and_read_as_numbers() -> None:
    seen = await look(FakeAws(answers(), {"ApproximateAgeOfOldestMessage": flow(9)}))
    assert (seen.visible, seen.in_flight, seen.fifo, seen.name) == (12, 3, True, "orders")
    assert seen.dead_letter is not None
    assert (seen.dead_letter.received, seen.dead_messages) == (5, 12)
    assert (seen.redrive_from, seen.moving and seen.moving.handle) == (f"{ARN}-dead", "h")
    assert seen.gaps == ()


async def test_a_dead_letter_queue_is_looked_at_by_itself() -> None:
    own = {"Attributes": {name: v for name, v in ATTRIBUTES.items() if name != "RedrivePolicy"}}
    told = answers(
        sqs__GetQueueAttributes=own, sqs__ListDeadLetterSourceQueues={"queueUrls": ["u"]}
    )
    seen = await look(FakeAws(told))
    assert (seen.is_dead_letter, seen.redrive_from, seen.dead_messages) == (True, ARN, 12)


@pytest.mark.parametrize(
    ("id_", "asked"),
    [
        ("orders", {"QueueName": "orders"}),
        (ARN, {"QueueName": "orders", "QueueOwnerAWSAccountId": "123456789012"}),
        ("https://sqs.us-east-1.amazonaws.com/1/orders", None),
    ],
)
async def test_a_queue_is_named_by_name_arn_or_url(id_: str, asked: Any) -> None:
    aws = FakeAws(answers(sqs__GetQueueAttributes=GONE))
    with pytest.raises(BlindError) as caught:
        await look(aws, id_)
    assert caught.value.code == "SQS_QUEUE_MISSING"
    assert [arguments for name, arguments in aws.calls if name == "sqs.GetQueueUrl"] == (
        [asked] if asked else []
    )


async def test_what_is_denied_is_a_gap() -> None:
    told = answers(sqs__ListDeadLetterSourceQueues=denied(), sqs__ListMessageMoveTasks=denied())
    seen = await look(FakeAws(told, denied()))
    assert {gap.what for gap in seen.gaps} == {
        "metrics",
        "metrics of dead letters",
        "source queues",
        "moves of dead letters",
    }
    assert ("SQS_OBS_BLIND", INFO) in found(seen)
    assert queue.PROBE.facts is not None
    assert queue.PROBE.tables is not None
    facts = [each.text for each in queue.PROBE.facts(seen, Settings())]
    assert facts[:2] == ["12 wait", "unknown"]
    assert list(queue.PROBE.tables(seen, Settings()))


async def test_a_dead_letter_queue_that_is_gone_is_told() -> None:
    def attributes(**asked: Any) -> Any:
        if asked["QueueUrl"] == "dead":
            raise GONE
        return {"Attributes": ATTRIBUTES}

    def url(**asked: Any) -> Any:
        return {"QueueUrl": "dead" if asked["QueueName"].endswith("dead") else "live"}

    seen = await look(FakeAws(answers(sqs__GetQueueUrl=url, sqs__GetQueueAttributes=attributes)))
    assert "SQS_DLQ_GONE" in {code for code, _ in found(seen)}


@pytest.mark.parametrize("policy", ["", "no json", "[]", '{"deadLetterTargetArn": 7}', "null"])
def test_a_policy_that_cannot_be_read_names_no_queue(policy: str) -> None:
    assert dead_letter_of(policy) is None


def test_messages_wait_since_the_oldest_came_and_since_nobody_receives() -> None:
    received = minutes(*[9] * 20, *[0] * 9)
    look = snapshot(visible=5000, received=received, oldest=minutes(*range(0, 60 * 12, 60)))
    told = {each.code: each for each in queue.diagnose(look, Settings())}
    assert told["SQS_NO_CONSUMER"].began == received.times[20]
    assert told["SQS_NO_CONSUMER"].resolution == 90.0
    oldest = look.oldest
    came = oldest.times[-1] + timedelta(seconds=60 - oldest.values[-1])
    assert told["SQS_OLDEST_MESSAGE"].began == came
