"""What is read of a queue's attributes: SQS gives all of them as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from cockpit.connect.aws.answer import Answer, GivenText
from cockpit.text import SafeText, visible
from probes.sqs.model import DeadLetterQueue, MessageMove, Snapshot


class QueueRow(Answer, frozen=True):
    """`Attributes` of a queue; numbers come as text."""

    queue_arn: GivenText
    approximate_number_of_messages: int | None = None
    approximate_number_of_messages_not_visible: int | None = None
    approximate_number_of_messages_delayed: int | None = None
    message_retention_period: int = 345_600
    visibility_timeout: int = 30
    fifo_queue: bool = False
    redrive_policy: str = ""
    kms_master_key_id: SafeText = ""


class QueueAnswer(Answer, frozen=True):
    """The answer of `GetQueueAttributes`."""

    of = "sqs.GetQueueAttributesResult"
    attributes: QueueRow


class MoveRow(Answer, frozen=True):
    """A move of messages out of a dead letter queue."""

    of = "sqs.ListMessageMoveTasksResultEntry"
    task_handle: SafeText = ""
    status: SafeText = ""
    source_arn: SafeText = ""
    approximate_number_of_messages_moved: int = 0
    approximate_number_of_messages_to_move: int | None = None
    failure_reason: SafeText = ""


def snapshot_of(row: QueueRow, at: datetime, url: str) -> Snapshot:
    """The queue's attributes."""
    return Snapshot(
        at=at,
        name=row.queue_arn.rpartition(":")[2],
        url=url,
        arn=row.queue_arn,
        fifo=row.fifo_queue,
        visible=row.approximate_number_of_messages,
        in_flight=row.approximate_number_of_messages_not_visible,
        delayed=row.approximate_number_of_messages_delayed,
        retention=row.message_retention_period,
        visibility=row.visibility_timeout,
        key=row.kms_master_key_id,
        dead_letter=dead_letter_of(row.redrive_policy),
    )


def dead_letter_of(policy: str) -> DeadLetterQueue | None:
    """`{"deadLetterTargetArn": …, "maxReceiveCount": …}`; None when there is none."""
    try:
        told = json.loads(policy) if policy else {}
    except ValueError:
        return None
    arn = told.get("deadLetterTargetArn") if isinstance(told, Mapping) else None
    if not isinstance(arn, str) or arn.count(":") < 5:
        return None
    times = str(told.get("maxReceiveCount", ""))
    return DeadLetterQueue(arn=visible(arn), received=int(times) if times.isdecimal() else None)


def move_of(row: MoveRow) -> MessageMove:
    """The move."""
    return MessageMove(
        handle=row.task_handle,
        status=row.status,
        source=row.source_arn,
        moved=row.approximate_number_of_messages_moved,
        to_move=row.approximate_number_of_messages_to_move,
        reason=row.failure_reason,
    )
