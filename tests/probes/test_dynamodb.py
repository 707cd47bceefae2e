"""DynamoDB tables: throttles by their reason, demand, and the traps of the metrics."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cockpit import clock
from cockpit.connect.session import Series
from cockpit.errors import BlindError, Reason
from cockpit.triage import recording
from cockpit.triage.finding import Severity
from probes import _dynamodb_model as model
from probes import dynamodb
from probes._answers import Gap
from probes._dynamodb_model import (
    Activity,
    Index,
    Lane,
    Operation,
    ReasonCount,
    Replica,
    ScalingTarget,
    Snapshot,
)
from tests.probes.fake_aws import AT, FakeAws, ago, denied, hours, minutes, target

CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
NO = Series()


def lane(consumed: Series = NO, throttles: Series = NO, **changes) -> Lane:
    base = Lane(direction="write", provisioned=100, consumed=consumed, throttles=throttles)
    return replace(base, **changes)


def flow(each: float) -> Series:
    return minutes(*[each] * 9)


def throttled(*events: float | None, reason: str = "ProvisionedThroughput", **changes) -> Lane:
    counts = (ReasonCount(reason=reason, events=9),) if reason else None
    return lane(flow(5700), minutes(*events), reasons=counts, **changes)


def operation(requests: Series = NO, **changes) -> Operation:
    return replace(Operation(name="PutItem", requests=requests), **changes)


def snapshot(*lanes: Lane, **changes) -> Snapshot:
    base = Snapshot(
        at=AT,
        table="orders",
        status="ACTIVE",
        billing_mode="PROVISIONED",
        read_capacity=100,
        write_capacity=100,
        lanes=lanes,
        operations=(operation(flow(6000)),),
    )
    return replace(base, **changes)


def found(look: Snapshot, *, without: str = "") -> list[tuple[str, Severity]]:
    return [
        (f.code, f.severity)
        for f in dynamodb.diagnose(look, dynamodb.Settings())
        if f.code != without
    ]


ON_DEMAND = {"billing_mode": "PAY_PER_REQUEST", "write_capacity": None, "read_capacity": None}
HIGH_USE = "DDB_CAPACITY_HIGH"


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(snapshot(lane()), [], id="an idle table is no news"),
        pytest.param(snapshot(lane(flow(60))), [], id="traffic and no throttle series is zero"),
        pytest.param(
            snapshot(throttled(1)),
            [("DDB_THROTTLED_PROVISIONED", WARNING)],
            id="one event in the last two minutes",
        ),
        pytest.param(snapshot(throttled(9, None, None)), [], id="nine events, three minutes ago"),
        pytest.param(
            snapshot(throttled(900, 900, 900, None, None)),
            [],
            id="heavy, but over: two clean minutes",
        ),
        pytest.param(
            snapshot(throttled(99, 99, 99)),
            [("DDB_THROTTLED_PROVISIONED", WARNING)],
            id="99 a minute, just below",
        ),
        pytest.param(
            snapshot(throttled(100, 100, 100)),
            [("DDB_THROTTLED_PROVISIONED", CRITICAL)],
            id="100 a minute for three minutes",
        ),
        pytest.param(
            snapshot(throttled(500, 500, 500, 500, 500)),
            [("DDB_THROTTLED_PROVISIONED", CRITICAL)],
            id="2,500 in five minutes",
        ),
        pytest.param(
            snapshot(throttled(2, 2, 2), operations=(operation(flow(100)),)),
            [("DDB_THROTTLED_PROVISIONED", CRITICAL)],
            id="more than one percent of 506 requests",
        ),
        pytest.param(
            snapshot(throttled(1, 1, 1), operations=(operation(flow(100)),)),
            [("DDB_THROTTLED_PROVISIONED", WARNING)],
            id="less than one percent",
        ),
        pytest.param(
            snapshot(throttled(3, 3, 3), operations=(operation(flow(15)),)),
            [("DDB_THROTTLED_PROVISIONED", WARNING)],
            id="a tenth, but of 84 requests only",
        ),
        pytest.param(
            snapshot(lane(NO, flow(200))),
            [("DDB_THROTTLED_PROVISIONED", CRITICAL)],
            id="all is throttled: nothing is consumed",
        ),
        pytest.param(
            snapshot(throttled(200, 200, 200, reason="KeyRangeThroughput")),
            [("DDB_HOT_PARTITION", CRITICAL)],
            id="one key range",
        ),
        pytest.param(
            snapshot(throttled(200, 200, 200, reason="AccountLimit")),
            [("DDB_ACCOUNT_LIMIT", CRITICAL)],
            id="the account's quota",
        ),
        pytest.param(
            snapshot(
                throttled(200, 200, 200, reason="MaxOnDemandThroughput", provisioned=None),
                **ON_DEMAND,
            ),
            [("DDB_ON_DEMAND_CAP", CRITICAL)],
            id="the table's own maximum",
        ),
        pytest.param(
            snapshot(throttled(200, 200, 200, reason="", provisioned=None), **ON_DEMAND),
            [("DDB_HOT_PARTITION", CRITICAL)],
            id="on demand without a reason",
        ),
        pytest.param(
            snapshot(throttled(200, 200, 200, index="by-customer")),
            [("DDB_GSI_THROTTLED", CRITICAL)],
            id="an index",
        ),
        pytest.param(
            snapshot(lane(flow(60)), throttled(1, index="a"), throttled(1, index="b")),
            [("DDB_GSI_THROTTLED", WARNING), ("DDB_GSI_THROTTLED", WARNING)],
            id="two indexes are two findings",
        ),
        pytest.param(
            snapshot(lane(flow(60), minutes(status="Forbidden"))), [], id="denied is not zero"
        ),
    ],
)
def test_throttles_are_told_by_what_throttles(look, expected):
    assert found(look, without=HIGH_USE) == expected


def test_both_reasons_of_one_lane_are_told():
    reasons = (
        ReasonCount(reason="KeyRangeThroughput", events=5),
        ReasonCount(reason="ProvisionedThroughput", events=900),
    )
    look = snapshot(lane(flow(60), minutes(200, 200, 200), reasons=reasons))
    assert found(look) == [
        ("DDB_HOT_PARTITION", CRITICAL),
        ("DDB_THROTTLED_PROVISIONED", CRITICAL),
    ]


def test_throttles_far_below_the_capacity_hint_at_a_hot_key():
    look = snapshot(lane(flow(2400), minutes(200, 200, 200)))
    (finding,) = dynamodb.diagnose(look, dynamodb.Settings())
    assert finding.code == "DDB_THROTTLED_PROVISIONED"
    assert "only 40% used on average: a hot key or a spike within the minute" in finding.against


@pytest.mark.parametrize(
    ("each", "provisioned", "expected"),
    [
        pytest.param(4799, 100, [], id="just below 80 percent"),
        pytest.param(4800, 100, [(HIGH_USE, WARNING)], id="80 percent"),
        pytest.param(5700, 100, [(HIGH_USE, CRITICAL)], id="95 percent"),
        pytest.param(27_000, 100, [(HIGH_USE, CRITICAL)], id="450 of 100 is a burst reading"),
        pytest.param(5700, None, [], id="on demand has nothing to use up"),
        pytest.param(5700, 0, [], id="zero provisioned is never divided by"),
    ],
)
def test_used_capacity_is_a_share_of_what_is_provisioned(each, provisioned, expected):
    assert found(snapshot(lane(flow(each), provisioned=provisioned))) == expected


@pytest.mark.parametrize(
    ("look", "wanted", "suggested"),
    [
        pytest.param(lane(flow(3000)), 50, 100, id="below: keep what there is"),
        pytest.param(lane(flow(6000), flow(21_000)), 450, 563, id="consumed plus throttled"),
        pytest.param(lane(NO, flow(600)), 10, 100, id="all throttled"),
        pytest.param(lane(), None, None, id="no data is unknown"),
        pytest.param(lane(flow(60), provisioned=None), 1, None, id="on demand needs none"),
    ],
)
def test_demand_is_what_clients_ask_for(look, wanted, suggested):
    assert model.demand(look, AT) == wanted
    assert model.suggested(wanted, look.provisioned) == suggested


SCALING = ScalingTarget(direction="write", index="", minimum=10, maximum=100, policies=1, goal=70)


def activity(status="Successful", **changes) -> Activity:
    base = Activity(at=ago(minutes=9), status=status, description="Setting write capacity")
    return replace(base, **changes)


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(snapshot(lane(flow(60)), scaling=(SCALING,)), [], id="at maximum, idle"),
        pytest.param(
            snapshot(throttled(1), scaling=(SCALING,)),
            [("DDB_AUTOSCALING_BLOCKED", WARNING)],
            id="at maximum and throttled",
        ),
        pytest.param(
            snapshot(throttled(1), scaling=(replace(SCALING, maximum=101),)),
            [],
            id="one unit of room",
        ),
        pytest.param(
            snapshot(lane(flow(60)), scaling=(replace(SCALING, suspended=True),)),
            [("DDB_AUTOSCALING_BLOCKED", WARNING)],
            id="suspended",
        ),
        pytest.param(
            snapshot(lane(flow(60)), scaling=(replace(SCALING, policies=0),)),
            [("DDB_AUTOSCALING_BLOCKED", WARNING)],
            id="a target without a policy does nothing",
        ),
        pytest.param(
            snapshot(lane(flow(60)), scaling=(replace(SCALING, policies=None),)),
            [],
            id="policies not known",
        ),
        pytest.param(
            snapshot(lane(flow(60)), scaling=(SCALING,), activities=(activity("Failed"),)),
            [("DDB_AUTOSCALING_BLOCKED", WARNING)],
            id="the last activity failed",
        ),
        pytest.param(
            snapshot(
                lane(flow(60)),
                scaling=(SCALING,),
                activities=(activity("Failed", at=ago(minutes=61)),),
            ),
            [],
            id="failed more than an hour ago",
        ),
        pytest.param(
            snapshot(lane(flow(60)), scaling=(SCALING,), activities=(activity("Unfulfilled"),)),
            [],
            id="unfulfilled, but nobody needs more",
        ),
        pytest.param(
            snapshot(
                lane(flow(60)),
                scaling=(SCALING,),
                activities=(activity("Failed"),),
                increased_at=ago(minutes=1),
            ),
            [],
            id="failed, but somebody raised the capacity since",
        ),
        pytest.param(
            snapshot(lane(flow(60)), scaling=(SCALING,), activities=(activity("Successful"),)),
            [],
            id="the last activity worked",
        ),
        pytest.param(
            snapshot(
                lane(flow(60), provisioned=None),
                scaling=(replace(SCALING, suspended=True),),
                **ON_DEMAND,
            ),
            [],
            id="stale scaling of an on-demand table",
        ),
    ],
)
def test_scaling_that_cannot_follow_is_told(look, expected):
    codes = [each for each in found(look) if each[0] == "DDB_AUTOSCALING_BLOCKED"]
    assert codes == expected


@pytest.mark.parametrize(
    ("status", "lasted", "expected"),
    [
        pytest.param("ACTIVE", None, [], id="active"),
        pytest.param("UPDATING", None, [], id="a capacity change, seen for the first time"),
        pytest.param("UPDATING", 1799, [], id="updating, just below half an hour"),
        pytest.param("UPDATING", 1800, [("DDB_TABLE_NOT_ACTIVE", WARNING)], id="half an hour"),
        pytest.param("ARCHIVING", None, [("DDB_TABLE_NOT_ACTIVE", WARNING)], id="archiving"),
        pytest.param("ARCHIVED", None, [("DDB_TABLE_NOT_ACTIVE", CRITICAL)], id="archived"),
        pytest.param("DELETING", None, [("DDB_TABLE_NOT_ACTIVE", CRITICAL)], id="deleting"),
        pytest.param(
            "INACCESSIBLE_ENCRYPTION_CREDENTIALS",
            None,
            [("DDB_TABLE_NOT_ACTIVE", CRITICAL)],
            id="the key is gone",
        ),
        pytest.param("NAPPING", None, [("DDB_STATUS_UNKNOWN", WARNING)], id="a new word"),
    ],
)
def test_a_status_is_fine_only_when_it_is_known_to_be(status, lasted, expected):
    since = None if lasted is None else ago(seconds=lasted)
    assert found(snapshot(lane(flow(60)), status=status, status_since=since)) == expected


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(
            snapshot(operations=(operation(flow(6000), system_errors=flow(5)),)), [], id="below"
        ),
        pytest.param(
            snapshot(operations=(operation(flow(6000), system_errors=flow(7)),)),
            [("DDB_SYSTEM_ERRORS", WARNING)],
            id="above a thousandth",
        ),
        pytest.param(
            snapshot(operations=(operation(flow(6000), system_errors=flow(70)),)),
            [("DDB_SYSTEM_ERRORS", CRITICAL)],
            id="above a hundredth",
        ),
        pytest.param(
            snapshot(operations=(operation(flow(10), system_errors=flow(5)),)),
            [],
            id="a third, but of 75 requests",
        ),
    ],
)
def test_errors_inside_dynamodb_are_a_share_of_enough_requests(look, expected):
    assert found(look) == expected


def slow(*now: float, name="GetItem", usual=4.0) -> Snapshot:
    return snapshot(operations=(operation(flow(6000), name=name, latency=hours(usual, *now)),))


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(slow(*[11.0] * 5), [("DDB_LATENCY_HIGH", WARNING)], id="three times, 11 ms"),
        pytest.param(slow(*[21.0] * 5), [("DDB_LATENCY_HIGH", CRITICAL)], id="five times, 21 ms"),
        pytest.param(slow(*[9.9] * 5), [], id="twice, but below 10 ms"),
        pytest.param(slow(*[11.0] * 5, usual=6.0), [], id="11 ms, but less than twice"),
        pytest.param(slow(*[40.0] * 5, name="Query"), [], id="a query may take 40 ms"),
        pytest.param(
            slow(*[60.0] * 5, name="Query", usual=20),
            [("DDB_LATENCY_HIGH", WARNING)],
            id="a slow query",
        ),
    ],
)
def test_latency_is_compared_with_the_hours_before(look, expected):
    assert found(look) == expected


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        pytest.param(hours(1, *[51] * 5), [("DDB_USER_ERRORS_RISING", WARNING)], id="51 a minute"),
        pytest.param(hours(1, *[50] * 5), [], id="50 a minute, just below"),
        pytest.param(hours(30, *[80] * 5), [], id="80, but usually 30"),
        pytest.param(NO, [], id="silent"),
    ],
)
def test_client_errors_of_the_account_are_never_called_throttles(errors, expected):
    look = snapshot(lane(flow(60)), user_errors=errors)
    assert found(look) == expected
    for finding in dynamodb.diagnose(look, dynamodb.Settings()):
        assert finding.subject == "account"
        assert "not throttling" in finding.against[0]


@pytest.mark.parametrize(
    ("replica", "expected"),
    [
        pytest.param(Replica(region="eu-west-1", status="ACTIVE"), [], id="idle and active"),
        pytest.param(
            Replica(region="eu-west-1", status="ACTIVE", latency=flow(4999)), [], id="below"
        ),
        pytest.param(
            Replica(region="eu-west-1", status="ACTIVE", latency=flow(5000)),
            [("DDB_REPLICATION_DELAYED", WARNING)],
            id="five seconds",
        ),
        pytest.param(
            Replica(region="eu-west-1", status="ACTIVE", latency=flow(60_000)),
            [("DDB_REPLICATION_DELAYED", CRITICAL)],
            id="a minute",
        ),
        pytest.param(
            Replica(region="eu-west-1", status="REGION_DISABLED"),
            [("DDB_REPLICATION_DELAYED", CRITICAL)],
            id="not active",
        ),
        pytest.param(
            Replica(region="eu-west-1", status="CREATING"),
            [("DDB_REPLICATION_DELAYED", WARNING)],
            id="being created",
        ),
    ],
)
def test_replicas_are_judged_by_status_and_latency(replica, expected):
    assert found(snapshot(replicas=(replica,))) == expected


def busy(requests: Series) -> Snapshot:
    return snapshot(operations=(operation(requests),))


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(busy(hours(600, *[60] * 5)), [("DDB_TRAFFIC_STOPPED", WARNING)], id="10%"),
        pytest.param(busy(hours(600, *[61] * 5)), [], id="a bit more than a tenth"),
        pytest.param(
            busy(minutes(*[600] * 170, *[None] * 9)),
            [("DDB_TRAFFIC_STOPPED", CRITICAL)],
            id="nothing at all any more",
        ),
        pytest.param(busy(minutes(*[100] * 170, *[None] * 9)), [], id="a table that is never busy"),
        pytest.param(busy(NO), [], id="no data"),
        pytest.param(busy(minutes(status="Forbidden")), [], id="denied"),
    ],
)
def test_a_busy_table_that_falls_silent_points_upstream(look, expected):
    assert found(look) == expected


@pytest.mark.parametrize(
    ("look", "text"),
    [
        pytest.param(snapshot(throttled(1)), "throttled", id="throttled"),
        pytest.param(snapshot(lane(flow(60))), "ok", id="traffic and no throttles"),
        pytest.param(snapshot(lane()), "no traffic", id="both silent"),
        pytest.param(
            snapshot(lane(minutes(status="Forbidden"))), "unknown", id="metrics are denied"
        ),
        pytest.param(
            snapshot(lane(), gaps=(Gap("metrics", "denied", ""),)), "unknown", id="no metrics"
        ),
        pytest.param(snapshot(lane(), status="UPDATING"), "UPDATING", id="not active"),
    ],
)
def test_the_headline_never_says_ok_without_having_looked(look, text):
    assert next(iter(dynamodb.PROBE.facts(look))).text == text


def test_a_status_is_dated_from_the_look_that_found_it():
    first = snapshot(status="UPDATING")
    second = dynamodb.since(first, replace(first, at=AT + timedelta(seconds=30)))
    third = dynamodb.since(second, replace(first, at=AT + timedelta(minutes=31)))
    assert third.status_since == AT
    assert found(third) == [("DDB_TABLE_NOT_ACTIVE", WARNING)]


def test_a_look_can_be_recorded_and_replayed():
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


def test_every_finding_is_of_a_code_that_the_probe_declares_and_names_a_runbook():
    look = snapshot(
        throttled(200, 200, 200),
        throttled(200, 200, 200, reason="AccountLimit"),
        throttled(9, index="x"),
        user_errors=hours(1, *[99] * 5),
        scaling=(replace(SCALING, suspended=True),),
    )
    findings = list(dynamodb.diagnose(look, dynamodb.Settings()))
    assert len({f.code for f in findings}) >= 5
    for finding in findings:
        assert finding.code in dynamodb.PROBE.codes
        assert finding.runbook


def test_capacity_changes_are_changes():
    look = snapshot(increased_at=ago(hours=1), decreased_at=ago(hours=25))
    (change,) = dynamodb.PROBE.changes(look, "orders")
    assert (change.kind, change.at) == ("dynamodb.capacity", ago(hours=1))


# collect, from literals -----------------------------------------------------------------------


def table_row(**changes) -> dict:
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


SCALED = {
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


def aws(row=None, series=None, **answers) -> FakeAws:
    table = {"dynamodb.DescribeTable": {"Table": table_row()} if row is None else row}
    return FakeAws({**table, **answers}, {} if series is None else series)


TARGET = target("dynamodb_table", "orders")


@pytest.fixture(autouse=True)
def _still(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: AT)


async def test_a_throttled_table_gives_a_runbook_its_numbers():
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


async def test_reasons_are_asked_for_only_where_something_was_throttled():
    session = aws(series={"ConsumedWriteCapacityUnits": flow(60)})
    await dynamodb.collect(session, TARGET)
    assert not [q for q in session.queries if "Range" in q.name]
    session = aws(series={"WriteThrottleEvents": flow(1), "ReadThrottleEvents": NO})
    await dynamodb.collect(session, TARGET)
    assert len({q for q in session.queries if "KeyRange" in q.name}) == 2


async def test_client_errors_are_asked_for_without_a_table():
    session = aws()
    await dynamodb.collect(session, TARGET)
    (query,) = [q for q in session.queries if q.name == "UserErrors"]
    assert query.dimensions == ()


async def test_indexes_have_series_of_their_own():
    session = aws(series={"ConsumedWriteCapacityUnits": flow(60), "WriteThrottleEvents": flow(200)})
    look = await dynamodb.collect(session, TARGET)
    assert {f[0] for f in found(look)} == {"DDB_THROTTLED_PROVISIONED", "DDB_GSI_THROTTLED"}


@pytest.mark.parametrize("number", [0, 1, 10, 11, 20])
async def test_every_index_is_looked_at(number):
    throughput = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
    indexes = [
        {"IndexName": f"i{n}", "IndexStatus": "ACTIVE", "ProvisionedThroughput": throughput}
        for n in range(number)
    ]
    row = {"Table": table_row(GlobalSecondaryIndexes=indexes)}
    look = await dynamodb.collect(aws(row), TARGET)
    assert len(look.lanes) == 2 + 2 * number
    capacity, *_ = dynamodb.PROBE.tables(look, dynamodb.Settings())
    assert len(capacity.rows) == 2 + 2 * number


async def test_an_on_demand_table_has_no_capacity_and_no_scaling():
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


async def test_scaling_of_the_table_only_is_taken_and_its_missing_policy_told():
    look = await dynamodb.collect(aws(**SCALED), TARGET)
    assert look.scaling == (
        ScalingTarget(direction="write", index="", minimum=10, maximum=100, policies=0),
    )
    assert look.activities[0].message == "quota"
    assert found(look) == [("DDB_AUTOSCALING_BLOCKED", WARNING)]


async def test_a_table_that_is_not_there_is_the_finding_itself():
    missing = BlindError(Reason.MISSING, "no table orders")
    with pytest.raises(BlindError) as caught:
        await dynamodb.collect(aws(missing), TARGET)
    assert (caught.value.code, caught.value.severity) == ("DDB_TABLE_NOT_ACTIVE", "critical")


async def test_denied_metrics_leave_a_gap_and_an_unknown_state():
    look = await dynamodb.collect(
        FakeAws({"dynamodb.DescribeTable": {"Table": table_row()}}, denied()), TARGET
    )
    assert [gap.what for gap in look.gaps] == ["metrics"]
    assert found(look) == [("DDB_OBS_BLIND", INFO)]
    assert next(iter(dynamodb.PROBE.facts(look))).text == "unknown"


async def test_one_forbidden_series_is_told():
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
async def test_an_answer_of_another_shape_is_unreadable(row):
    with pytest.raises(BlindError) as caught:
        await dynamodb.collect(aws(row), TARGET)
    assert caught.value.reason is Reason.UNREADABLE


async def test_a_table_may_be_named_by_its_arn():
    arn = "arn:aws:dynamodb:us-east-1:123456789012:table/orders"
    session = aws()
    await dynamodb.collect(session, target("dynamodb_table", arn))
    assert session.calls[0] == ("dynamodb.DescribeTable", {"TableName": "orders"})
