"""DynamoDB: what a look shows, and what is read from AWS' answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cockpit import clock
from cockpit.connect.session import Series
from cockpit.errors import BlindError, Reason
from cockpit.runbooks.library import library
from cockpit.triage import recording
from probes.answers import Gap
from probes.dynamodb import table as dynamodb
from probes.dynamodb.model import Index, Replica, ScalingTarget, Snapshot
from probes.dynamodb.settings import Settings
from tests.probes.dynamodb_looks import (
    CRITICAL,
    HIGH_USE,
    INFO,
    NO,
    SCALING,
    WARNING,
    activity,
    flow,
    found,
    snapshot,
    throttled,
)
from tests.probes.fake_aws import AT, FakeAws, ago, denied, hours, minutes, target


def test_a_status_is_dated_from_the_look_that_found_it() -> None:
    first = snapshot(status="UPDATING")
    second = dynamodb.since(first, replace(first, at=AT + timedelta(seconds=30)))
    third = dynamodb.since(second, replace(first, at=AT + timedelta(minutes=31)))
    assert third.status_since == AT
    assert found(third) == [("DDB_TABLE_NOT_ACTIVE", WARNING)]


def test_a_look_can_be_recorded_and_replayed() -> None:
    look = snapshot(
        throttled(1),
        indexes=(Index(name="by-customer", status="ACTIVE"),),
        replicas=(Replica(region="eu-west-1", status="ACTIVE"),),
        scaling=(SCALING,),
        activities=(activity(),),
        increased_at=ago(hours=1),
        gaps=(Gap("metrics", "denied", "no"),),
    )
    assert recording.decode(recording.encode(look), Snapshot) == look


def test_every_finding_is_of_a_code_that_the_probe_declares_and_names_a_runbook() -> None:
    look = snapshot(
        throttled(200, 200, 200),
        throttled(200, 200, 200, reason="AccountLimit"),
        throttled(9, index="x"),
        user_errors=hours(1, *[99] * 5),
        scaling=(replace(SCALING, suspended=True),),
    )
    findings = list(dynamodb.diagnose(look, Settings()))
    assert len({f.code for f in findings}) >= 5
    for finding in findings:
        assert finding.code in dynamodb.PROBE.codes
        assert library().best(finding.code)


def test_capacity_changes_are_changes() -> None:
    look = snapshot(increased_at=ago(hours=1), decreased_at=ago(hours=25))
    assert dynamodb.PROBE.changes is not None
    (change,) = dynamodb.PROBE.changes(look, "orders")
    assert (change.kind, change.at) == ("dynamodb.capacity", ago(hours=1))


# collect, from literals -----------------------------------------------------------------------


def table_row(**changes: Any) -> dict[str, Any]:
    row = {
        "TableName": "orders",
        "TableStatus": "ACTIVE",
        "ProvisionedThroughput": {"ReadCapacityUnits": 50, "WriteCapacityUnits": 100},
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "by-customer",
                "IndexStatus": "ACTIVE",
                "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
            }
        ],
    }
    return {**row, **changes}


SCALED: dict[str, Any] = {
    "application-autoscaling.DescribeScalableTargets": [
        {
            "ResourceId": "table/orders",
            "ScalableDimension": "dynamodb:table:WriteCapacityUnits",
            "MinCapacity": 10,
            "MaxCapacity": 100,
        },
        {
            "ResourceId": "table/orders-archive",
            "ScalableDimension": "dynamodb:table:WriteCapacityUnits",
            "MinCapacity": 1,
            "MaxCapacity": 2,
        },
    ],
    "application-autoscaling.DescribeScalingPolicies": [],
    "application-autoscaling.DescribeScalingActivities": [
        {"StartTime": ago(minutes=5), "StatusCode": "Failed", "StatusMessage": "quota"}
    ],
}


INSIGHTS_OFF = {"dynamodb.DescribeContributorInsights": {"ContributorInsightsStatus": "DISABLED"}}


def aws(
    row: dict[str, Any] | BlindError | None = None,
    series: Mapping[str, Series] | BlindError | None = None,
    **answers: Any,
) -> FakeAws:
    table = {"dynamodb.DescribeTable": {"Table": table_row()} if row is None else row}
    return FakeAws({**INSIGHTS_OFF, **table, **answers}, {} if series is None else series)


TARGET = target("dynamodb_table", "orders")


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


async def test_a_throttled_table_gives_a_runbook_its_numbers() -> None:
    session = aws(
        series={
            "ConsumedWriteCapacityUnits": flow(6000),
            "WriteThrottleEvents": flow(21_000),
            "WriteProvisionedThroughputThrottleEvents": flow(21_000),
            "ConsumedWriteCapacityUnits/by-customer": flow(60),
            "WriteThrottleEvents/by-customer": NO,
        }
    )
    look = await dynamodb.collect(session, TARGET)
    plain = recording.builtins(look)
    assert plain["status"] == "ACTIVE"
    assert plain["billing_mode"] == "PROVISIONED"
    assert (plain["read_capacity"], plain["write_capacity"]) == (50, 100)
    assert (plain["demand_write"], plain["suggested_write"]) == (450, 563)
    assert plain["throttles_write"] == 105_000
    assert (plain["throttles_read"], plain["demand_read"]) == (None, None)
    assert found(look, without=HIGH_USE) == [("DDB_THROTTLED_PROVISIONED", CRITICAL)]


async def test_reasons_are_asked_for_only_where_something_was_throttled() -> None:
    session = aws(series={"ConsumedWriteCapacityUnits": flow(60)})
    await dynamodb.collect(session, TARGET)
    assert not [q for q in session.queries if "Range" in q.name]
    session = aws(series={"WriteThrottleEvents": flow(1), "ReadThrottleEvents": NO})
    await dynamodb.collect(session, TARGET)
    assert len({q for q in session.queries if "KeyRange" in q.name}) == 2


BULK = "arn:aws:dynamodb:us-east-1:123456789012:bulk-operation/01-put"


def bulk(**changes: Any) -> dict[str, Any]:
    described = {
        "BulkOperationArn": BULK,
        "BulkOperationStatus": "IN_PROGRESS",
        "TableDetails": [{"TableName": "arn:aws:dynamodb:us-east-1:123456789012:table/orders"}],
        "ProcessedInputBytes": 25,
        "TotalInputBytes": 100,
        "ProcessedItemCount": 7,
        **changes,
    }
    row = {name: described[name] for name in ("BulkOperationArn", "BulkOperationStatus")}
    return {
        "dynamodb.ListBulkOperations": [row],
        "dynamodb.DescribeBulkOperation": {"BulkOperationDescription": described},
    }


async def test_a_bulk_put_into_the_table_is_named_where_writes_are_throttled() -> None:
    hurt = {"ConsumedWriteCapacityUnits": flow(6000), "WriteThrottleEvents": flow(21_000)}
    look = await dynamodb.collect(aws(series=hurt, **bulk()), TARGET)
    (one,) = look.bulk
    assert (one.arn, one.status, one.share, one.items) == (BULK, "IN_PROGRESS", 0.25, 7)
    told = next(f for f in dynamodb.diagnose(look, Settings()) if f.subject == "write")
    assert "bulk put" in told.likely[0]
    assert any(each.label == "a bulk put" and BULK in str(each.value) for each in told.evidence)
    for other in (
        bulk(TableDetails=[{"TableName": "orders-archive"}]),
        bulk(BulkOperationStatus="COMPLETED"),
    ):
        assert (await dynamodb.collect(aws(series=hurt, **other), TARGET)).bulk == ()
    new = await dynamodb.collect(aws(series=hurt, **bulk(BulkOperationStatus="PAUSED")), TARGET)
    assert [each.status for each in new.bulk] == ["PAUSED"], "a state that nobody knows is not over"
    calm = aws(series={"ConsumedWriteCapacityUnits": flow(60)}, **bulk())
    assert (await dynamodb.collect(calm, TARGET)).bulk == ()
    assert "dynamodb.ListBulkOperations" not in str(calm.calls)
    refused = {**bulk(), "dynamodb.ListBulkOperations": denied()}
    gaps = (await dynamodb.collect(aws(series=hurt, **refused), TARGET)).gaps
    assert [gap.what for gap in gaps if "bulk" in gap.what] == ["bulk puts"]


async def test_client_errors_are_asked_for_without_a_table() -> None:
    session = aws()
    await dynamodb.collect(session, TARGET)
    (query,) = [q for q in session.queries if q.name == "UserErrors"]
    assert query.dimensions == ()


async def test_indexes_have_series_of_their_own() -> None:
    session = aws(series={"ConsumedWriteCapacityUnits": flow(60), "WriteThrottleEvents": flow(200)})
    look = await dynamodb.collect(session, TARGET)
    assert {f[0] for f in found(look)} == {"DDB_THROTTLED_PROVISIONED", "DDB_GSI_THROTTLED"}


@pytest.mark.parametrize("number", [0, 1, 10, 11, 20])
async def test_every_index_is_looked_at(number: int) -> None:
    throughput = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
    indexes = [
        {"IndexName": f"i{n}", "IndexStatus": "ACTIVE", "ProvisionedThroughput": throughput}
        for n in range(number)
    ]
    row = {"Table": table_row(GlobalSecondaryIndexes=indexes)}
    look = await dynamodb.collect(aws(row), TARGET)
    assert len(look.lanes) == 2 + 2 * number
    assert dynamodb.PROBE.tables is not None
    capacity, *_ = dynamodb.PROBE.tables(look, Settings())
    assert len(capacity.rows) == 2 + 2 * number


async def test_an_on_demand_table_has_no_capacity_and_no_scaling() -> None:
    row = {
        "Table": table_row(
            BillingModeSummary={"BillingMode": "PAY_PER_REQUEST"},
            ProvisionedThroughput={"ReadCapacityUnits": 0, "WriteCapacityUnits": 0},
        )
    }
    session = aws(row, **SCALED)
    look = await dynamodb.collect(session, TARGET)
    assert (look.write_capacity, look.scaling, look.suggested_write) == (None, (), None)
    assert not [name for name, _ in session.calls if "autoscaling" in name]


async def test_scaling_of_the_table_only_is_taken_and_its_missing_policy_told() -> None:
    look = await dynamodb.collect(aws(**SCALED), TARGET)
    assert look.scaling == (
        ScalingTarget(direction="write", index="", minimum=10, maximum=100, policies=0),
    )
    assert look.activities[0].message == "quota"
    assert found(look) == [("DDB_AUTOSCALING_BLOCKED", WARNING)]


async def test_a_table_that_is_not_there_is_the_finding_itself() -> None:
    missing = BlindError(Reason.MISSING, "no table orders")
    with pytest.raises(BlindError) as caught:
        await dynamodb.collect(aws(missing), TARGET)
    assert (caught.value.code, caught.value.severity) == ("DDB_TABLE_NOT_ACTIVE", "critical")


async def test_denied_metrics_leave_a_gap_and_an_unknown_state() -> None:
    look = await dynamodb.collect(
        FakeAws({"dynamodb.DescribeTable": {"Table": table_row()}}, denied()), TARGET
    )
    assert [gap.what for gap in look.gaps] == ["metrics"]
    assert found(look) == [("DDB_OBS_BLIND", INFO)]
    assert dynamodb.PROBE.facts is not None
    assert next(iter(dynamodb.PROBE.facts(look, dynamodb.PROBE.settings))).text == "unknown"


@pytest.mark.parametrize(
    ("series", "counted", "judged"),
    [
        pytest.param({}, 0, set(), id="idle for three hours"),
        pytest.param({"ConsumedReadCapacityUnits": hours(0)}, 0, set(), id="zero is idle"),
        pytest.param({"WriteThrottleEvents": minutes(3)}, 10, set(), id="refused only"),
        pytest.param({"ConsumedReadCapacityUnits": minutes(status="Forbidden")}, 10, set(), id="?"),
        pytest.param(
            {"ConsumedReadCapacityUnits": hours(60), "SuccessfulRequestLatency/Query": hours(4)},
            10,
            {"Query"},
            id="of ten operations one is used",
        ),
    ],
)
async def test_operations_are_asked_for_where_they_are_used(
    series: dict[str, Series], counted: int, judged: set[str]
) -> None:
    session = aws(series=series)
    await dynamodb.collect(session, TARGET)
    asked = [query for query in session.queries if "Operation" in dict(query.dimensions)]
    assert sum(query.stat == "SampleCount" for query in asked) == counted
    for wanted in ({"Average"}, {"Sum"}):
        found = {dict(query.dimensions)["Operation"] for query in asked if query.stat in wanted}
        assert found == judged
    assert "ReadThrottleEvents" not in session.rest


async def test_one_forbidden_series_is_told() -> None:
    session = aws(series={"WriteThrottleEvents": minutes(status="Forbidden")})
    look = await dynamodb.collect(session, TARGET)
    assert ("DDB_OBS_BLIND", INFO) in found(look)


@pytest.mark.parametrize(
    "row",
    [
        {"Table": {"TableStatus": "ACTIVE"}},
        {"Table": {"TableName": "orders"}},
        {"Table": "orders"},
        {"Table": table_row(ProvisionedThroughput={"WriteCapacityUnits": "many"})},
        {"Table": table_row(GlobalSecondaryIndexes=[{}])},
    ],
    ids=["no name", "no status", "no structure", "no number", "an index without a name"],
)
async def test_an_answer_of_another_shape_is_unreadable(row: dict[str, Any] | None) -> None:
    with pytest.raises(BlindError) as caught:
        await dynamodb.collect(aws(row), TARGET)
    assert caught.value.reason is Reason.UNREADABLE


async def test_a_table_may_be_named_by_its_arn() -> None:
    arn = "arn:aws:dynamodb:us-east-1:123456789012:table/orders"
    session = aws()
    await dynamodb.collect(session, target("dynamodb_table", arn))
    assert session.calls[0] == ("dynamodb.DescribeTable", {"TableName": "orders"})


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param(
            {
                "ContributorInsightsStatus": "ENABLED",
                "ContributorInsightsMode": "THROTTLED_KEYS",
                "ContributorInsightsRuleList": [
                    "DynamoDBContributorInsights-PKC-orders-1",
                    "DynamoDBContributorInsights-PKT-orders-1",
                ],
            },
            "read the throttled keys in Contributor Insights:"
            " DynamoDBContributorInsights-PKT-orders-1",
            id="it counts keys: the rule that counts throttled ones is named",
        ),
        pytest.param(
            {"ContributorInsightsStatus": "DISABLED"}, "Contributor Insights is disabled", id="off"
        ),
        pytest.param(denied(), "find the key: Contributor Insights, or", id="denied"),
    ],
)
async def test_where_the_hot_key_is_read_is_told(answer: Any, words: str) -> None:
    hot = {
        "ConsumedWriteCapacityUnits": flow(6000),
        "WriteThrottleEvents": flow(21_000),
        "WriteKeyRangeThroughputThrottleEvents": flow(21_000),
    }
    session = aws(series=hot, **{"dynamodb.DescribeContributorInsights": answer})
    look = await dynamodb.collect(session, TARGET)
    told = [f for f in dynamodb.diagnose(look, Settings()) if f.code == "DDB_HOT_PARTITION"]
    assert told
    assert all(words in f.next for f in told)
    assert dynamodb.PROBE.tables is not None
    rows = {each.key: each for each in next(iter(dynamodb.PROBE.tables(look, Settings()))).rows}
    status = "" if isinstance(answer, BlindError) else answer["ContributorInsightsStatus"]
    assert (f"Contributor Insights {status}" in rows["write"].cells[-1]) == bool(status)
    asked = [how for name, how in session.calls if name.endswith("ContributorInsights")]
    assert {how.get("IndexName", "") for how in asked} == {lane.index for lane in look.lanes}
    assert recording.decode(recording.encode(look), Snapshot) == look


async def test_insights_are_asked_for_only_where_something_was_throttled() -> None:
    session = aws(series={"ConsumedWriteCapacityUnits": flow(60)})
    await dynamodb.collect(session, TARGET)
    assert "DescribeContributorInsights" not in str(session.calls)
