"""Queries, their table, and the topic behind a report: what fires, and the traps that must not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cockpit import clock
from cockpit.connect.aws.session import Aws, open_aws
from cockpit.connect.aws.settings import WorkgroupSettings
from cockpit.connect.session import Series
from cockpit.errors import BlindError, Reason
from cockpit.runbooks.library import library
from cockpit.runbooks.values import holds
from cockpit.triage.finding import Severity
from cockpit.triage.target import Target
from probes.athena_workgroup import queries
from probes.athena_workgroup.model import GlueCrawler, GlueTable, QueryRun, Settings, Snapshot
from probes.athena_workgroup.read import newest_day, runs_of
from probes.sns_topic import delivery
from probes.sns_topic.model import Settings as TopicSettings
from probes.sns_topic.model import Snapshot as Topic
from probes.sns_topic.model import Subscription
from tests.core.aws_stub import Reply, Request, place, reading, stubbed
from tests.moto_server import client, moto_server
from tests.probes.fake_aws import AT, FakeAws, ago, denied, target

CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
TOPIC = "arn:aws:sns:us-east-1:123456789012:report-mail"
GB = 10**9
JSON = "application/x-amz-json-1.1"
GONE = BlindError(Reason.MISSING, "there is none")


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "servers" not in request.keywords:
        monkeypatch.setattr(clock, "now", lambda: AT)


# Athena ----------------------------------------------------------------------------------------


def run(state: str = "SUCCEEDED", minutes: float = 10, **changes: Any) -> QueryRun:
    """A run that began so many minutes ago."""
    base = QueryRun(
        id=f"q{minutes}",
        state=state,
        kind="DML",
        submitted=ago(minutes=minutes),
        total=20,
        queued=1,
        scanned=GB,
    )
    return replace(base, **changes)


def look(*runs: QueryRun, **changes: Any) -> Snapshot:
    """A workgroup whose queries make a report."""
    base = Snapshot(at=AT, name="reports", state="ENABLED", report=True, runs=runs, known=True)
    return replace(base, **changes)


def bad(minutes: float = 10, **changes: Any) -> QueryRun:
    return run("FAILED", minutes, **changes)


TABLE = GlueTable(name="logs.alb", columns=29, updated=ago(days=9), partition_keys=("day",))
FRESH = replace(TABLE, updated=ago(hours=2))
UNFIT = "HIVE_BAD_DATA: Error parsing field value"
DENIED = "Access denied when writing output to url: s3://x"
FAILED = ("ATHENA_QUERY_FAILED", WARNING)
EMPTY = ("REPORT_EMPTY", WARNING)


def test_empty_results_began_when_their_table_was_changed_and_else_nobody_knows() -> None:
    def began(**changes: Any) -> datetime | None:
        found = queries.diagnose(look(run(rows=0), **changes), Settings())
        (told,) = (each for each in found if each.code == "GLUE_SCHEMA_MISMATCH")
        return told.began

    assert began(table=FRESH) == FRESH.updated
    assert began(table=TABLE, crawler=GlueCrawler(name="c", last="FAILED")) is None


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(look(run()), [], id="well"),
        pytest.param(look(), [], id="no query of late"),
        pytest.param(look(bad()), [FAILED], id="the last one failed"),
        pytest.param(look(bad(), bad(20), run(minutes=30)), [FAILED], id="two in a row"),
        pytest.param(
            look(bad(), bad(20), bad(30)), [("ATHENA_QUERY_FAILED", CRITICAL)], id="three in a row"
        ),
        pytest.param(look(run(), bad(20)), [], id="it succeeded since"),
        pytest.param(look(bad(1561)), [], id="failed more than a day and two hours ago"),
        pytest.param(look(run("CANCELLED"), run(minutes=20)), [], id="a person cancelled it"),
        pytest.param(look(run("NEVER HEARD OF")), [], id="a new state is in the table"),
        pytest.param(
            look(state="DISABLED"), [("ATHENA_WORKGROUP_DISABLED", CRITICAL)], id="disabled"
        ),
        # results
        pytest.param(
            look(bad(reason=DENIED)), [FAILED, ("S3_UPLOAD_FAILED", WARNING)], id="not written"
        ),
        pytest.param(
            look(*(bad(m, reason=DENIED) for m in (1, 2, 3))),
            [("ATHENA_QUERY_FAILED", CRITICAL), ("S3_UPLOAD_FAILED", CRITICAL)],
            id="three times within the hour",
        ),
        pytest.param(
            look(run(), *(bad(m, reason=DENIED) for m in (11, 12, 13))),
            [("S3_UPLOAD_FAILED", WARNING)],
            id="and then it could",
        ),
        pytest.param(look(bad(61, reason=DENIED)), [FAILED], id="more than an hour ago"),
        # time
        pytest.param(look(run(total=59)), [], id="just below a minute"),
        pytest.param(look(run(total=60)), [("ATHENA_QUERY_SLOW", WARNING)], id="a minute"),
        pytest.param(look(run(total=180)), [("ATHENA_QUERY_SLOW", CRITICAL)], id="three"),
        pytest.param(look(run("RUNNING", 2, total=None)), [], id="runs for two minutes"),
        pytest.param(
            look(run("RUNNING", 3, total=None)), [("ATHENA_QUERY_SLOW", CRITICAL)], id="an orphan"
        ),
        pytest.param(look(run("QUEUED", 0.4, queued=None)), [], id="waits for 24 s"),
        pytest.param(look(run("QUEUED", 0.5)), [("ATHENA_QUEUED", WARNING)], id="30 s"),
        pytest.param(look(run("QUEUED", 2)), [("ATHENA_QUEUED", CRITICAL)], id="two minutes"),
        pytest.param(look(run(queued=31)), [("ATHENA_QUEUED", WARNING)], id="it waited"),
        # bytes
        pytest.param(look(run(scanned=50 * GB)), [("ATHENA_SCAN_HIGH", WARNING)], id="50 GB"),
        pytest.param(look(run(scanned=100 * GB)), [("ATHENA_SCAN_HIGH", CRITICAL)], id="100"),
        pytest.param(look(run(), run(minutes=20, scanned=100 * GB)), [], id="an earlier one"),
        pytest.param(
            look(run("CANCELLED", reason="Query cancelled! : Bytes scanned limit was exceeded")),
            [("ATHENA_SCAN_HIGH", CRITICAL)],
            id="cut off for what it scanned",
        ),
        # rows
        pytest.param(look(run(rows=7)), [], id="rows"),
        pytest.param(look(run(rows=0)), [EMPTY], id="no row"),
        pytest.param(look(run(rows=0), run(minutes=20, rows=7)), [EMPTY], id="there were before"),
        pytest.param(
            look(run(rows=0), run(minutes=20, rows=0)), [("REPORT_EMPTY", CRITICAL)], id="twice"
        ),
        pytest.param(look(run(rows=0), report=False), [], id="no report: nobody expects rows"),
        pytest.param(look(run(rows=None)), [], id="not told"),
        # the table
        pytest.param(look(run(), table=TABLE), [], id="a table"),
        pytest.param(look(run(), table=FRESH), [], id="changed of late, and all is well"),
        pytest.param(
            look(run(rows=0), table=FRESH),
            [EMPTY, ("GLUE_SCHEMA_MISMATCH", WARNING)],
            id="changed, and then empty",
        ),
        pytest.param(look(run(rows=0), table=TABLE), [EMPTY], id="changed long ago"),
        pytest.param(
            look(bad(reason=UNFIT), table=TABLE),
            [FAILED, ("GLUE_SCHEMA_MISMATCH", WARNING)],
            id="the query says so",
        ),
        pytest.param(
            look(bad(reason=UNFIT), table=FRESH),
            [FAILED, ("GLUE_SCHEMA_MISMATCH", CRITICAL)],
            id="the query says so, and it was changed",
        ),
        pytest.param(
            look(run(), table=replace(TABLE, there=False)),
            [("GLUE_SCHEMA_MISMATCH", CRITICAL)],
            id="the table is gone",
        ),
        pytest.param(
            look(run(rows=0), table=TABLE, crawler=GlueCrawler(name="c", last="FAILED")),
            [EMPTY, ("GLUE_SCHEMA_MISMATCH", WARNING)],
            id="empty, and the crawl failed",
        ),
        pytest.param(
            look(
                run(),
                table=replace(TABLE, listed=True, newest=datetime(2026, 11, 20, tzinfo=UTC)),
            ),
            [("GLUE_PARTITION_MISSING", WARNING)],
            id="yesterday's is the newest, three hours into the day",
        ),
        pytest.param(
            look(
                run(),
                table=replace(TABLE, listed=True, newest=datetime(2026, 11, 21, tzinfo=UTC)),
            ),
            [],
            id="today's is there",
        ),
        pytest.param(look(run(), table=replace(TABLE, listed=True)), [], id="no value says a day"),
        pytest.param(look(run(reused=True)), [("ATHENA_RESULT_REUSED", INFO)], id="reused"),
    ],
)
def test_queries(seen: Snapshot, expected: list[tuple[str, Severity]]) -> None:
    found = [(f.code, f.severity) for f in queries.diagnose(seen, Settings())]
    assert found == expected


def test_an_empty_report_of_right_after_midnight_says_so_and_a_slow_one_that_waited() -> None:
    midnight = replace(run(rows=0), submitted=AT.replace(hour=0, minute=5))
    (empty,) = queries.diagnose(look(midnight), Settings())
    assert "midnight" in empty.against[0]
    found = queries.diagnose(look(run(total=100, queued=60)), Settings())
    assert next(f for f in found if f.code == "ATHENA_QUERY_SLOW").likely == (
        "it waited: capacity, not SQL",
    )


def test_only_the_one_orphan_may_be_stopped() -> None:
    def orphan(*runs: QueryRun) -> str:
        return queries.derive(look(*runs), Settings()).orphan

    assert orphan(run("RUNNING", 9), run("RUNNING", 1), run()) == "q9"
    assert orphan(run("RUNNING", 9), run("RUNNING", 8)) == ""
    assert orphan(run("QUEUED", 9)) == ""


def test_days_of_partitions() -> None:
    day = datetime(2026, 11, 9, tzinfo=UTC)
    assert newest_day([("2026", "11", "8"), ("2026", "11", "9")]) == day
    assert newest_day([("eu", "2026-11-09"), ("2026/11/08",), ("20261101",)]) == day
    assert newest_day([("2026", "13", "40"), ("eu",), ()]) is None


EXECUTION = {
    "QueryExecutionId": "q1",
    "Query": "SELECT 'secret'",
    "StatementType": "DML",
    "Status": {
        "State": "FAILED",
        "StateChangeReason": "COLUMN_NOT_FOUND: 'anna@shop.example'",
        "SubmissionDateTime": ago(minutes=10),
        "AthenaError": {"ErrorCategory": 2, "ErrorType": 1006, "Retryable": False},
    },
    "Statistics": {"TotalExecutionTimeInMillis": 1500, "DataScannedInBytes": 9},
}
WORKGROUP = {
    "Name": "reports",
    "State": "ENABLED",
    "Configuration": {"BytesScannedCutoffPerQuery": 10 * GB},
}
GLUE = {
    "Name": "alb",
    "UpdateTime": ago(days=2),
    "StorageDescriptor": {"Location": "s3://logs/", "Columns": [{"Name": "time"}]},
    "PartitionKeys": [{"Name": "day"}],
}


def answers(**changes: Any) -> dict[str, Any]:
    base = {
        "athena.GetWorkGroup": {"WorkGroup": WORKGROUP},
        "athena.ListQueryExecutions": {"QueryExecutionIds": ["q1", "q2"]},
        "athena.BatchGetQueryExecution": {"QueryExecutions": [EXECUTION]},
        "athena.GetQueryRuntimeStatistics": {"QueryRuntimeStatistics": {"Rows": {"OutputRows": 0}}},
        "glue.GetTable": {"Table": GLUE},
        "glue.GetPartitions": [{"Values": ["2026-11-19"]}, {"Values": ["2026-11-18"]}],
        "glue.GetCrawler": {"Crawler": {"Name": "c", "LastCrawl": {"Status": "FAILED"}}},
    }
    return {**base, **{name.replace("__", "."): each for name, each in changes.items()}}


async def collected(aws: FakeAws, **settings: Any) -> Snapshot:
    held = WorkgroupSettings(aws="prod", id="reports", **settings)
    return await queries.collect(aws, Target(name="q", kind="athena_workgroup", settings=held))


async def test_a_workgroup_costs_three_calls_and_no_text_of_a_query_is_kept() -> None:
    aws = FakeAws(answers())
    seen = await collected(aws)
    assert len(aws.calls) == 3
    assert seen.cutoff == 10 * GB
    (only,) = seen.runs
    assert (only.category, only.total, only.reason) == (2, 1.5, "COLUMN_NOT_FOUND: ?")
    assert "secret" not in repr(seen)


async def test_rows_the_table_and_its_crawler_are_read_where_they_are_named() -> None:
    good = {**EXECUTION, "Status": {"State": "SUCCEEDED", "SubmissionDateTime": ago(minutes=1)}}
    aws = FakeAws(answers(athena__BatchGetQueryExecution={"QueryExecutions": [good]}))
    seen = await collected(aws, report=True, table="logs.alb", crawler="c")
    assert seen.runs[0].rows == 0
    assert seen.table is not None
    assert (seen.table.columns, seen.table.newest) == (1, datetime(2026, 11, 19, tzinfo=UTC))
    codes = [f.code for f in queries.diagnose(seen, Settings())]
    assert codes == ["REPORT_EMPTY", "GLUE_SCHEMA_MISMATCH", "GLUE_PARTITION_MISSING"]


async def test_with_projection_no_partition_is_listed() -> None:
    table = {**GLUE, "Parameters": {"projection.enabled": "TRUE"}}
    aws = FakeAws(answers(glue__GetTable={"Table": table}))
    seen = await collected(aws, table="logs.alb")
    assert "glue.GetPartitions" not in [name for name, _ in aws.calls]
    assert seen.table is not None
    assert seen.table.projection


async def test_what_may_not_be_read_is_a_gap_and_a_missing_workgroup_has_its_code() -> None:
    aws = FakeAws(
        answers(
            athena__ListQueryExecutions=denied(),
            glue__GetPartitions=denied(),
            glue__GetCrawler=denied(),
        )
    )
    seen = await collected(aws, table="logs.alb", crawler="c", report=True)
    assert {gap.what for gap in seen.gaps} == {"queries", "partitions", "the crawler"}
    assert [f.code for f in queries.diagnose(seen, Settings())] == ["ATHENA_OBS_BLIND"]
    with pytest.raises(BlindError) as caught:
        await collected(FakeAws(answers(athena__GetWorkGroup=GONE)))
    assert caught.value.code == "ATHENA_WORKGROUP_MISSING"


def test_runs_come_newest_first_whatever_their_order() -> None:
    rows = [
        {"QueryExecutionId": "old", "Status": {"SubmissionDateTime": ago(hours=2)}},
        {"QueryExecutionId": "new", "Status": {"SubmissionDateTime": ago(hours=1)}},
        {"QueryExecutionId": "none"},
    ]
    assert [each.id for each in runs_of(rows)] == ["new", "old", "none"]


# SNS -------------------------------------------------------------------------------------------


def five(*values: float) -> Series:
    """One point every five minutes, the newest long settled."""
    end = AT.replace(minute=50, hour=2, second=0)
    return Series(
        tuple(end.replace(minute=50 - 5 * n) for n in range(len(values) - 1, -1, -1)), values
    )


def topic(**changes: Any) -> Topic:
    base = Topic(at=AT, arn=TOPIC, name="report-mail", confirmed=2, pending=0, listed=True)
    return replace(base, **changes)


MAIL = Subscription(state="confirmed", protocol="email", endpoint="…@shop.example", arn="arn:1")


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(topic(), [], id="two get it"),
        pytest.param(topic(confirmed=0), [("SNS_NO_SUBSCRIBERS", CRITICAL)], id="nobody"),
        pytest.param(
            topic(confirmed=0, pending=1), [("SNS_NO_SUBSCRIBERS", CRITICAL)], id="nobody clicked"
        ),
        pytest.param(topic(pending=1), [("SNS_NO_SUBSCRIBERS", WARNING)], id="one has not clicked"),
        pytest.param(
            topic(gone=("email …@shop.example",)), [("SNS_NO_SUBSCRIBERS", WARNING)], id="one left"
        ),
        pytest.param(topic(confirmed=None, listed=False), [], id="how many is not told"),
        pytest.param(
            topic(confirmed=None), [("SNS_NO_SUBSCRIBERS", CRITICAL)], id="none in the list"
        ),
        pytest.param(topic(confirmed=None, subscriptions=(MAIL,)), [], id="one in the list"),
        pytest.param(
            topic(published=five(3, 3), delivered=five(3, 3), failed=five(1)),
            [("SNS_DELIVERY_FAILING", WARNING)],
            id="one of seven failed",
        ),
        pytest.param(
            topic(published=five(3), delivered=five(3), failed=five(3)),
            [("SNS_DELIVERY_FAILING", CRITICAL)],
            id="as many failed",
        ),
        pytest.param(
            topic(published=five(3), failed=five(3)),
            [("SNS_DELIVERY_FAILING", CRITICAL)],
            id="none was delivered",
        ),
        pytest.param(topic(published=five(3), delivered=five(3)), [], id="none failed"),
        pytest.param(topic(failed=Series(status="Forbidden")), [], id="not readable"),
        pytest.param(topic(filtered=five(9)), [], id="left out by filters on purpose"),
    ],
)
def test_a_topic(seen: Topic, expected: list[tuple[str, Severity]]) -> None:
    found = [(f.code, f.severity) for f in delivery.diagnose(seen, TopicSettings())]
    assert found == expected


def test_who_was_there_and_is_gone_is_remembered() -> None:
    before = topic(subscriptions=(MAIL,))
    now = delivery.since(before, topic())
    assert now.gone == ("email …@shop.example",)
    assert delivery.since(now, topic()).gone == now.gone
    assert delivery.since(before, topic(listed=False)).gone == ()


ATTRIBUTES = {
    "SubscriptionsConfirmed": "1",
    "SubscriptionsPending": "1",
    "SubscriptionsDeleted": "0",
    "KmsMasterKeyId": "alias/aws/sns",
}
SUBSCRIBED = [
    {"SubscriptionArn": f"{TOPIC}:1", "Protocol": "email", "Endpoint": "anna@shop.example"},
    {"SubscriptionArn": "PendingConfirmation", "Protocol": "sms", "Endpoint": "+15550100"},
    {
        "SubscriptionArn": "NewWord",
        "Protocol": "https",
        "Endpoint": "https://hook.example/x?key=secret",
    },
]


async def test_subscriptions_are_read_and_of_people_only_where_they_are() -> None:
    aws = FakeAws(
        {
            "sns.GetTopicAttributes": {"Attributes": ATTRIBUTES},
            "sns.ListSubscriptionsByTopic": SUBSCRIBED,
        }
    )
    seen = await delivery.collect(aws, target("sns_topic", TOPIC))
    assert (seen.confirmed, seen.pending, seen.key) == (1, 1, "alias/aws/sns")
    assert [(each.state, each.endpoint) for each in seen.subscriptions] == [
        ("confirmed", "…@shop.example"),
        ("pending", "…00"),
        ("NewWord", "https://hook.example/x"),
    ]
    assert {q.dimensions for q in aws.queries} == {(("TopicName", "report-mail"),)}


async def test_subscriptions_that_may_not_be_listed_are_a_gap_and_never_nobody() -> None:
    attributes = {"Attributes": {**ATTRIBUTES, "SubscriptionsPending": "0"}}
    aws = FakeAws({"sns.GetTopicAttributes": attributes, "sns.ListSubscriptionsByTopic": denied()})
    seen = await delivery.collect(aws, target("sns_topic", TOPIC))
    assert not seen.listed
    found = [(f.code, f.severity) for f in delivery.diagnose(seen, TopicSettings())]
    assert found == [("SNS_OBS_BLIND", Severity.INFO)]


async def test_a_topic_that_is_gone_has_nobody() -> None:
    with pytest.raises(BlindError) as caught:
        await delivery.collect(
            FakeAws({"sns.GetTopicAttributes": GONE}), target("sns_topic", TOPIC)
        )
    assert (caught.value.code, caught.value.severity) == ("SNS_NO_SUBSCRIBERS", "critical")


# moto ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with moto_server() as port:
        yield port


@pytest.fixture
async def aws(port: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Aws]:
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")
    held = await open_aws(place(port))
    yield held
    await held.close()


@pytest.mark.servers
async def test_a_topic_through_the_real_client(aws: Aws, port: int) -> None:
    sns = client(port, "sns")
    arn = sns.create_topic(Name="report-mail")["TopicArn"]
    at = target("sns_topic", arn)
    nobody = await delivery.collect(aws, at)
    assert [f.code for f in delivery.subscribers(nobody, TopicSettings())] == ["SNS_NO_SUBSCRIBERS"]
    sns.subscribe(TopicArn=arn, Protocol="email", Endpoint="anna@shop.example")
    aws.forget()
    seen = await delivery.collect(aws, at)
    assert [(each.state, each.endpoint) for each in seen.subscriptions] == [
        ("confirmed", "…@shop.example")
    ]
    sns.delete_topic(TopicArn=arn)
    aws.forget()
    with pytest.raises(BlindError) as caught:
        await delivery.collect(aws, at)
    assert caught.value.code == "SNS_NO_SUBSCRIBERS"


async def test_athena_through_the_real_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not moto: that calls its answers for Athena a page of HTML, which ours takes for a proxy's."""
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")
    status = {"State": "SUCCEEDED", "SubmissionDateTime": (AT.timestamp() - 600)}
    told = {
        "GetWorkGroup": {"WorkGroup": WORKGROUP},
        "ListQueryExecutions": {"QueryExecutionIds": ["q1"]},
        "BatchGetQueryExecution": {"QueryExecutions": [{**EXECUTION, "Status": status}]},
        "GetQueryRuntimeStatistics": {"QueryRuntimeStatistics": {"Rows": {"OutputRows": 0}}},
    }
    missing = '{"__type":"EntityNotFoundException","message":"Table gone"}'
    async with stubbed() as stub, reading(stub) as session:

        def reply(request: Request) -> Reply:
            held = told.get(request.operation)
            return Reply(json.dumps(held) if held else missing, 200 if held else 400, type=JSON)

        stub.answer = reply
        held = WorkgroupSettings(aws="prod", id="reports", table="logs.gone", report=True)
        seen = await queries.collect(
            session, Target(name="q", kind="athena_workgroup", settings=held)
        )
    assert seen.gaps == ()
    assert [f.code for f in queries.diagnose(seen, Settings())] == [
        "REPORT_EMPTY",
        "GLUE_SCHEMA_MISMATCH",
    ]


def test_a_limit_is_offered_where_there_is_none_and_never_below_a_good_run() -> None:
    book = library().get("athena-slow")
    step = next(each for each in book.steps if each.id == "limit")

    def applies(cutoff: int | None, most: int, orphan: str = "", waited: str = "unknown") -> bool:
        scope = {
            "before": {"cutoff": cutoff, "scanned": GB, "orphan": orphan},
            "most": {"answer": most},
            "waited": {"answer": waited},
        }
        return all(holds(check.that, scope) for check in step.require)

    assert applies(None, 2 * GB)
    assert not applies(None, GB)
    assert not applies(GB, 2 * GB)
    assert not applies(None, 2 * GB, "q1")
    assert applies(None, 2 * GB, "q1", "no")
