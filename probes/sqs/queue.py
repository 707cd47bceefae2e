"""One SQS queue: what waits and for how long, what is in flight, and what died.

Source: SQS `GetQueueAttributes`, `ListDeadLetterSourceQueues`, `ListMessageMoveTasks`; CloudWatch
`AWS/SQS`. No message is ever received.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace

from cockpit import clock
from cockpit.connect.aws.answer import answer_into, answers_into
from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.session import AwsReads, Series
from cockpit.errors import BlindError, Reason
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Probe
from cockpit.triage.target import Target
from probes.answers import Gap, absent, attempt, blind_series, partly_blind
from probes.metrics import NO_DATA, query
from probes.sqs import findings, view
from probes.sqs.model import DeadLetterQueue, MessageMove, Snapshot
from probes.sqs.read import MoveRow, QueueAnswer, QueueRow, move_of, snapshot_of
from probes.sqs.settings import Settings

_SPACE = "AWS/SQS"
_SERIES = {
    "oldest": ("ApproximateAgeOfOldestMessage", "Maximum"),
    "waiting": ("ApproximateNumberOfMessagesVisible", "Maximum"),
    "sent": ("NumberOfMessagesSent", "Sum"),
    "received": ("NumberOfMessagesReceived", "Sum"),
    "deleted": ("NumberOfMessagesDeleted", "Sum"),
}
_MISSING = "SQS_QUEUE_MISSING"


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Read the queue's attributes, then its metrics and its dead letters at once."""
    settings = target.settings
    assert isinstance(settings, AwsResource)
    at = clock.now()
    try:
        url = await _url(aws, settings.id)
        row = await _attributes(aws, url)
    except BlindError as error:
        raise _absent(error) from error
    look = snapshot_of(row, at, url)
    gaps: list[Gap] = []
    look, feeds, queue = await asyncio.gather(
        attempt(gaps, "metrics", _measured(aws, look), otherwise=look),
        attempt(gaps, "source queues", _is_fed(aws, url), otherwise=None),
        attempt(gaps, "dead letter queue", _dead(aws, look, gaps), otherwise=look.dead_letter),
    )
    source = look.arn if feeds else (queue.arn if queue else "")
    moves = await attempt(gaps, "moves of dead letters", _moves(aws, source), otherwise=())
    gaps += blind_series({name: getattr(look, name) for name in _SERIES})
    return replace(
        look,
        is_dead_letter=feeds,
        dead_letter=queue,
        moves=moves,
        moving=next((each for each in moves if each.status == "RUNNING"), None),
        redrive_from=source,
        dead_messages=look.visible if feeds else (queue.messages if queue else None),
        gaps=tuple(gaps),
    )


async def _url(aws: AwsReads, id_: str) -> str:
    """A URL is taken as it is; a name, or an ARN of any account, is looked up."""
    if id_.startswith("https://"):
        return id_
    parts = id_.split(":")
    asked = {"QueueName": parts[-1]}
    if id_.startswith("arn:"):
        asked["QueueOwnerAWSAccountId"] = parts[4]
    return str((await aws.read("sqs", "GetQueueUrl", expect="QueueUrl", **asked))["QueueUrl"])


async def _attributes(aws: AwsReads, url: str) -> QueueRow:
    answer = await aws.read(
        "sqs", "GetQueueAttributes", expect="Attributes", QueueUrl=url, AttributeNames=["All"]
    )
    return answer_into(answer, QueueAnswer, strict=False).attributes


def _absent(error: BlindError) -> BlindError:
    """There is no such queue: whoever sends to it gets an error, unless the name is misspelled
    here.
    """
    return absent(
        error,
        _MISSING,
        severity=Severity.CRITICAL,
        hint=error.hint or "check the queue's name, account and region in the configuration",
    )


async def _measured(aws: AwsReads, look: Snapshot) -> Snapshot:
    """The look with three hours of its series."""
    found = await _series(aws, look.name, tuple(_SERIES))
    return replace(look, **found)  # type: ignore[arg-type]


async def _series(aws: AwsReads, queue: str, names: tuple[str, ...]) -> Mapping[str, Series]:
    asked = {name: query(_SPACE, *_SERIES[name], QueueName=queue) for name in names}
    series = await aws.metrics(tuple(asked.values()), minutes=185)
    return {name: series.get(each, NO_DATA) for name, each in asked.items()}


async def _is_fed(aws: AwsReads, url: str) -> bool:
    """Whether other queues send their dead letters here."""
    answer = await aws.read(
        "sqs", "ListDeadLetterSourceQueues", expect="queueUrls", QueueUrl=url, MaxResults=1
    )
    return bool(answer["queueUrls"])


async def _dead(aws: AwsReads, look: Snapshot, gaps: list[Gap]) -> DeadLetterQueue | None:
    """The dead letter queue with what lies in it."""
    queue = look.dead_letter
    if queue is None:
        return None
    try:
        row = await _attributes(aws, await _url(aws, queue.arn))
    except BlindError as error:
        if error.reason is not Reason.MISSING:
            raise
        return replace(queue, gone=True)
    name = queue.arn.rpartition(":")[2]
    empty: Mapping[str, Series] = {}
    asked = _series(aws, name, ("waiting",))
    series = await attempt(gaps, "metrics of dead letters", asked, otherwise=empty)
    return replace(
        queue,
        messages=row.approximate_number_of_messages,
        retention=row.message_retention_period,
        visible=series.get("waiting", NO_DATA),
    )


async def _moves(aws: AwsReads, source: str) -> tuple[MessageMove, ...]:
    """Moves out of a dead letter queue, newest first."""
    if not source:
        return ()
    answer = await aws.read("sqs", "ListMessageMoveTasks", SourceArn=source, MaxResults=5)
    return tuple(map(move_of, answers_into(answer.get("Results", []), MoveRow)))


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Report what waits, what is held, and what died."""
    yield from findings.consumers(snapshot, settings)
    yield from findings.oldest(snapshot, settings)
    yield from findings.backlog(snapshot, settings)
    yield from findings.in_flight(snapshot, settings)
    yield from findings.dead_letters(snapshot, settings)
    yield from findings.moves(snapshot, settings)
    yield from findings.silence(snapshot, settings)
    yield from findings.review(snapshot, settings)
    yield from partly_blind("SQS_OBS_BLIND", snapshot.gaps)


KIND = aws_kind("sqs_queue", "sqs")

PROBE = Probe(
    id="sqs.queue",
    kind="sqs_queue",
    collect=collect,
    diagnose=diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=60,
    timeout=15,
    facts=view.facts,
    tables=view.tables,
    needs=(
        "sqs:GetQueueAttributes",
        "sqs:GetQueueUrl",
        "cloudwatch:GetMetricData",
        "sqs:ListDeadLetterSourceQueues",
        "sqs:ListMessageMoveTasks",
    ),
    codes=codes(
        cause=(_MISSING,),
        event=("SQS_REDRIVE_RUNNING",),
        either=("SQS_IN_FLIGHT_HIGH",),
        symptom=(
            "SQS_NO_CONSUMER",
            "SQS_OLDEST_MESSAGE",
            "SQS_RETENTION_NEAR",
            "SQS_BACKLOG_GROWING",
            "SQS_DEAD_LETTERS",
            "SQS_TRAFFIC_STOPPED",
        ),
        risk=("SQS_DLQ_NOT_EMPTY", "SQS_DLQ_GONE", "SQS_REDRIVE_FAILED", "SQS_NO_DLQ"),
        eye=("SQS_STATUS_UNKNOWN", "SQS_OBS_BLIND"),
        traits={
            Trait.LOAD: ("SQS_OLDEST_MESSAGE", "SQS_BACKLOG_GROWING", "SQS_IN_FLIGHT_HIGH"),
            Trait.SAYS_DROP: ("SQS_TRAFFIC_STOPPED",),
        },
    ),
)
