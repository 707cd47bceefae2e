"""Streams: what is refused, who is behind, and the traps of their metrics."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cockpit import clock
from cockpit.connect.session import Series
from cockpit.errors import BlindError, Reason
from cockpit.triage.finding import Severity
from probes.kinesis import stream
from probes.kinesis.model import Snapshot, StreamConsumer
from probes.kinesis.settings import Settings
from tests.probes.fake_aws import AT, FakeAws, ago, denied, hours, minutes, target

CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
ARN = "arn:aws:kinesis:us-east-1:123456789012:stream/clicks"
NO = Series()


def flow(each: float) -> Series:
    return minutes(*[each] * 9)


def snapshot(**changes: Any) -> Snapshot:
    """A stream that is well: two shards, 600 records a minute."""
    base = Snapshot(
        at=AT,
        name="clicks",
        arn=ARN,
        status="ACTIVE",
        mode="PROVISIONED",
        shards=2,
        behind=flow(100),
        records=flow(600),
        bytes=flow(60_000),
    )
    return replace(base, **changes)


def found(look: Snapshot) -> list[tuple[str, Severity]]:
    return [(f.code, f.severity) for f in stream.diagnose(look, Settings())]


def consumer(status: str = "ACTIVE", behind: Series = NO) -> StreamConsumer:
    return StreamConsumer(name="report", status=status, behind=behind)


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(snapshot(), [], id="well"),
        pytest.param(snapshot(behind=flow(59_999)), [], id="just below a minute"),
        pytest.param(
            snapshot(behind=flow(60_000)),
            [("KINESIS_CONSUMER_BEHIND", WARNING)],
            id="a minute behind",
        ),
        pytest.param(
            snapshot(behind=flow(900_000)),
            [("KINESIS_CONSUMER_BEHIND", CRITICAL)],
            id="a quarter of an hour",
        ),
        pytest.param(
            snapshot(behind=flow(12 * 3_600_000)),
            [("KINESIS_RETENTION_NEAR", CRITICAL), ("KINESIS_CONSUMER_BEHIND", CRITICAL)],
            id="half of the retention",
        ),
        pytest.param(
            snapshot(consumers=(consumer(behind=flow(61_000)),)),
            [("KINESIS_CONSUMER_BEHIND", WARNING)],
            id="a consumer with throughput of its own",
        ),
        pytest.param(
            snapshot(behind=NO), [("KINESIS_NOT_READ", WARNING)], id="written and not read"
        ),
        pytest.param(snapshot(behind=NO, records=flow(0)), [], id="neither written nor read"),
        pytest.param(snapshot(behind=minutes(status="Forbidden")), [], id="denied is not unread"),
        pytest.param(
            snapshot(behind=NO, consumers=(consumer(behind=flow(5)),)), [], id="read by fan-out"
        ),
        pytest.param(
            snapshot(writes_throttled=minutes(1, 1)),
            [("KINESIS_WRITES_THROTTLED", WARNING)],
            id="two minutes with refused records",
        ),
        pytest.param(snapshot(writes_throttled=minutes(9, 0)), [], id="refused, and over"),
        pytest.param(
            snapshot(writes_throttled=flow(60)),
            [("KINESIS_WRITES_THROTTLED", CRITICAL)],
            id="every eleventh record",
        ),
        pytest.param(
            snapshot(reads_throttled=flow(5)),
            [("KINESIS_READS_THROTTLED", WARNING)],
            id="reads are refused",
        ),
        pytest.param(
            snapshot(records=flow(96_000)), [("KINESIS_CAPACITY_HIGH", WARNING)], id="records"
        ),
        pytest.param(
            snapshot(bytes=flow(0.95 * 2 * 60 * 1_048_576)),
            [("KINESIS_CAPACITY_HIGH", CRITICAL)],
            id="bytes",
        ),
        pytest.param(snapshot(records=flow(95_000)), [], id="just below eight tenths"),
        pytest.param(
            snapshot(records=flow(96_000), mode="ON_DEMAND"),
            [],
            id="on demand has no shards to fill",
        ),
        pytest.param(
            snapshot(records=hours(600, 0, 0, 0, 0, 0)),
            [("KINESIS_TRAFFIC_STOPPED", WARNING)],
            id="nobody writes any more",
        ),
        pytest.param(
            snapshot(status="DELETING"), [("KINESIS_NOT_ACTIVE", CRITICAL)], id="it is deleted"
        ),
        pytest.param(
            snapshot(status="UPDATING", status_since=ago(minutes=29)), [], id="it is resharded"
        ),
        pytest.param(
            snapshot(status="UPDATING", status_since=ago(minutes=30)),
            [("KINESIS_NOT_ACTIVE", WARNING)],
            id="for half an hour",
        ),
        pytest.param(
            snapshot(status="FROZEN"), [("KINESIS_STATUS_UNKNOWN", WARNING)], id="a new state"
        ),
        pytest.param(
            snapshot(consumers=(consumer("FROZEN"),)),
            [("KINESIS_STATUS_UNKNOWN", WARNING)],
            id="a new state of a consumer",
        ),
    ],
)
def test_a_stream_is_judged_by_what_it_shows(
    look: Snapshot, expected: list[tuple[str, Severity]]
) -> None:
    assert found(look) == expected


SUMMARY = {
    "StreamName": "clicks",
    "StreamARN": ARN,
    "StreamStatus": "ACTIVE",
    "StreamModeDetails": {"StreamMode": "ON_DEMAND"},
    "RetentionPeriodHours": 48,
    "OpenShardCount": 4,
    "ConsumerCount": 1,
}


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


async def look(answer: Any, series: Any = None, consumers: Any = ()) -> Snapshot:
    told = {
        "kinesis.DescribeStreamSummary": answer,
        "kinesis.ListStreamConsumers": consumers,
    }
    return await stream.collect(FakeAws(told, series), target("kinesis_stream", ARN))


async def test_a_stream_is_read_with_its_consumers() -> None:
    rows = [{"ConsumerName": "report", "ConsumerStatus": "ACTIVE"}]
    late = {"SubscribeToShardEvent.MillisBehindLatest": flow(70_000)}
    seen = await look({"StreamDescriptionSummary": SUMMARY}, late, rows)
    assert (seen.mode, seen.shards, seen.retention, seen.gaps) == ("ON_DEMAND", 4, 48, ())
    assert found(seen) == [("KINESIS_CONSUMER_BEHIND", WARNING)]
    assert stream.PROBE.facts is not None
    assert stream.PROBE.tables is not None
    assert next(iter(stream.PROBE.facts(seen, Settings()))).text == "1m 10s behind"
    assert list(stream.PROBE.tables(seen, Settings()))
    later = stream.since(replace(seen, at=ago(minutes=1)), seen)
    assert later.status_since == ago(minutes=1)


async def test_what_is_denied_is_a_gap_and_never_up_to_date() -> None:
    seen = await look({"StreamDescriptionSummary": SUMMARY}, denied(), denied())
    assert {gap.what for gap in seen.gaps} == {"metrics", "consumers"}
    assert found(seen) == [("KINESIS_OBS_BLIND", INFO)]
    assert stream.PROBE.facts is not None
    assert next(iter(stream.PROBE.facts(seen, Settings()))).text == "unknown"


async def test_a_stream_that_is_gone_is_told_as_gone() -> None:
    with pytest.raises(BlindError) as caught:
        await look(BlindError(Reason.MISSING, "there is none"))
    assert caught.value.code == "KINESIS_STREAM_MISSING"


def test_refusals_a_consumer_that_falls_behind_and_silence_begin_with_their_minutes() -> None:
    late = minutes(*[100] * 20, *[90_000] * 9)
    refused = minutes(*[None] * 26, *[50] * 3)
    look = snapshot(behind=late, writes_throttled=refused, records=minutes(*[600] * 29))
    told = {each.code: each for each in stream.diagnose(look, Settings())}
    assert told["KINESIS_CONSUMER_BEHIND"].began == late.times[20]
    assert told["KINESIS_WRITES_THROTTLED"].began == refused.times[0]
    assert {each.resolution for each in told.values()} == {90.0}
    ended = minutes(*[600] * 60, *[None] * 12)
    quiet = snapshot(records=ended, behind=NO)
    told = {each.code: each for each in stream.diagnose(quiet, Settings())}
    assert told["KINESIS_TRAFFIC_STOPPED"].began == ended.times[-1] + timedelta(minutes=1)
