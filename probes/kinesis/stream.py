"""One Kinesis stream: does it take what is written, and do its consumers keep up.

Source: Kinesis `DescribeStreamSummary`, `ListStreamConsumers`; CloudWatch `AWS/Kinesis`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import msgspec

from cockpit import clock
from cockpit.connect.aws.answer import Answer, GivenText, answer_into, answers_into
from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.session import AwsReads, MetricQuery
from cockpit.errors import BlindError
from cockpit.text import SafeText
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.triage.view import Column, Row, Table
from cockpit.units import duration, number
from probes.answers import Gap, absent, attempt, blind_series, partly_blind
from probes.began import seen_to_turn
from probes.kinesis import findings
from probes.kinesis.model import Snapshot, StreamConsumer
from probes.kinesis.settings import Settings
from probes.metrics import NO_DATA, age, held, latest, query, read_at, settled, total

_SPACE = "AWS/Kinesis"
_SERIES = {
    "behind": ("GetRecords.IteratorAgeMilliseconds", "Maximum"),
    "records": ("IncomingRecords", "Sum"),
    "bytes": ("IncomingBytes", "Sum"),
    "writes_throttled": ("WriteProvisionedThroughputExceeded", "Sum"),
    "reads_throttled": ("ReadProvisionedThroughputExceeded", "Sum"),
}
_MISSING = "KINESIS_STREAM_MISSING"


class StreamMode(Answer, frozen=True):
    """How its capacity is bought."""

    stream_mode: SafeText = ""


class StreamRow(Answer, frozen=True):
    """A stream without its shards."""

    of = "kinesis.StreamDescriptionSummary"
    stream_name: GivenText
    stream_arn: SafeText = msgspec.field(name="StreamARN", default="")
    stream_status: SafeText = ""
    stream_mode_details: StreamMode = StreamMode()
    retention_period_hours: int = 24
    open_shard_count: int = 0
    consumer_count: int = 0


class ConsumerRow(Answer, frozen=True):
    """A consumer with throughput of its own."""

    of = "kinesis.Consumer"
    consumer_name: GivenText
    consumer_status: SafeText = ""


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Read the stream, then its consumers and metrics; only the stream is a must."""
    settings = target.settings
    assert isinstance(settings, AwsResource)
    at = clock.now()
    by = "StreamARN" if settings.id.startswith("arn:") else "StreamName"
    asked = {by: settings.id}
    try:
        answer = await aws.read(
            "kinesis", "DescribeStreamSummary", expect="StreamDescriptionSummary", **asked
        )
    except BlindError as error:
        raise _absent(error) from error
    row = answer_into(answer["StreamDescriptionSummary"], StreamRow)
    gaps: list[Gap] = []
    look = _snapshot(row, at)
    if row.consumer_count:
        consumers = await attempt(gaps, "consumers", _consumers(aws, look), otherwise=())
        look = replace(look, consumers=consumers)
    look = await attempt(gaps, "metrics", _measured(aws, look), otherwise=look)
    gaps += blind_series({name: getattr(look, name) for name in _SERIES})
    return replace(look, gaps=tuple(gaps))


def _absent(error: BlindError) -> BlindError:
    """There is no such stream: whoever writes gets an error, unless the name is misspelled here."""
    return absent(
        error,
        _MISSING,
        severity=Severity.CRITICAL,
        hint=error.hint or "check the stream's name and region in the configuration",
    )


def _snapshot(row: StreamRow, at: datetime) -> Snapshot:
    return Snapshot(
        at=at,
        name=row.stream_name,
        arn=row.stream_arn,
        status=row.stream_status,
        mode=row.stream_mode_details.stream_mode or "PROVISIONED",
        shards=row.open_shard_count,
        doubled=row.open_shard_count * 2,
        retention=row.retention_period_hours,
    )


async def _consumers(aws: AwsReads, look: Snapshot) -> tuple[StreamConsumer, ...]:
    rows = await aws.pages("kinesis", "ListStreamConsumers", key="Consumers", StreamARN=look.arn)
    known = answers_into(rows, ConsumerRow)
    return tuple(StreamConsumer(name=e.consumer_name, status=e.consumer_status) for e in known)


async def _measured(aws: AwsReads, look: Snapshot) -> Snapshot:
    """The look with three hours of its series, and of each consumer's."""
    own = {n: query(_SPACE, *each, StreamName=look.name) for n, each in _SERIES.items()}
    late = {each.name: _behind(look.name, each.name) for each in look.consumers}
    asked: list[MetricQuery] = [*own.values(), *late.values()]
    series = await aws.metrics(asked, minutes=185)
    found = {name: series.get(each, NO_DATA) for name, each in own.items()}
    consumers = tuple(
        replace(each, behind=series.get(late[each.name], NO_DATA)) for each in look.consumers
    )
    return replace(look, consumers=consumers, **found)  # type: ignore[arg-type]


def _behind(stream: str, consumer: str) -> MetricQuery:
    return query(
        _SPACE,
        "SubscribeToShardEvent.MillisBehindLatest",
        "Maximum",
        StreamName=stream,
        ConsumerName=consumer,
    )


def since(before: Snapshot, now: Snapshot) -> Snapshot:
    """Carry over since when the status is what it is: Kinesis does not tell."""
    if before.status != now.status:
        return replace(now, status_since=now.at, turned=seen_to_turn(before.at, now.at))
    return replace(now, status_since=before.status_since or before.at, turned=before.turned)


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Report what is refused, who is behind, and what is full."""
    yield from findings.status(snapshot, settings)
    yield from findings.throttles(snapshot, settings)
    yield from findings.behind(snapshot, settings)
    yield from findings.capacity(snapshot, settings)
    yield from findings.silence(snapshot, settings)
    yield from partly_blind("KINESIS_OBS_BLIND", snapshot.gaps)


def facts(snapshot: Snapshot, settings: Settings) -> Iterator[Fact]:
    """How far behind the slowest consumer is, or the status when it is not ACTIVE."""
    if snapshot.status.upper() != "ACTIVE":
        yield Fact("status", snapshot.status or "unknown", severity=Severity.WARNING)
    lanes = [snapshot.behind, *(each.behind for each in snapshot.consumers)]
    windows = [settled(each, snapshot.at) for each in lanes]
    known = [value for each in windows if (value := latest(each)) is not None]
    limits = replace(
        settings.behind,
        warning=(settings.behind.warning or 0) * 1000 or None,
        critical=(settings.behind.critical or 0) * 1000 or None,
    )
    severity = max((s for each in windows if (s := held(each, limits))), default=None)
    worst = max(known, default=None)
    written = total(settled(snapshot.records, snapshot.at))
    shown = "not read" if written else "no traffic"
    if worst is not None:
        shown = f"{duration(worst / 1000)} behind"
    elif any(gap.what.startswith("metric") for gap in snapshot.gaps):
        shown = "unknown"
    behind, seen = None if worst is None else worst / 1000, read_at(*lanes)
    yield Fact("behind", shown, behind, "s", severity, seen)
    if written is not None:
        seen = read_at(snapshot.records)
        yield Fact("records a minute", number(round(written / 5)), written / 5, as_of=seen)
    yield Fact("shards", number(snapshot.shards), snapshot.shards)


def tables(snapshot: Snapshot, settings: Settings) -> Iterator[Table]:
    """Who reads, and how far behind."""
    late = age(snapshot.records, snapshot.at)
    rows = [("shared throughput", "", snapshot.behind)]
    rows += [(each.name, each.status, each.behind) for each in snapshot.consumers]
    yield Table(
        title="Consumers",
        columns=(Column("consumer", 32), Column("status", 12), Column("behind")),
        rows=tuple(
            Row(
                key=name,
                cells=(name, state, "no data" if value is None else duration(value / 1000)),
                dim=value is None,
            )
            for name, state, series in rows
            for value in (latest(series),)
        ),
        headline=f"{snapshot.name} is {snapshot.status}, {snapshot.mode}, "
        f"{number(snapshot.shards)} shards, keeps records for {snapshot.retention} h",
        note=(f"newest metric is {duration(late)} old" if late is not None else "no metrics",),
    )


KIND = aws_kind("kinesis_stream", "kin")

PROBE = Probe(
    id="kinesis.stream",
    kind="kinesis_stream",
    collect=collect,
    diagnose=diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=60,
    timeout=15,
    facts=facts,
    tables=tables,
    since=since,
    twice=False,
    needs=(
        "kinesis:DescribeStreamSummary",
        "cloudwatch:GetMetricData",
        "kinesis:ListStreamConsumers",
    ),
    codes=codes(
        cause=(_MISSING, "KINESIS_NOT_ACTIVE", "KINESIS_WRITES_THROTTLED"),
        either=("KINESIS_READS_THROTTLED", "KINESIS_CAPACITY_HIGH"),
        symptom=(
            "KINESIS_CONSUMER_BEHIND",
            "KINESIS_RETENTION_NEAR",
            "KINESIS_NOT_READ",
            "KINESIS_TRAFFIC_STOPPED",
        ),
        eye=("KINESIS_STATUS_UNKNOWN", "KINESIS_OBS_BLIND"),
        traits={
            Trait.LOAD: (
                "KINESIS_WRITES_THROTTLED",
                "KINESIS_READS_THROTTLED",
                "KINESIS_CONSUMER_BEHIND",
                "KINESIS_CAPACITY_HIGH",
            ),
            Trait.SAYS_DROP: ("KINESIS_TRAFFIC_STOPPED",),
        },
    ),
)
