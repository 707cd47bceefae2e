"""DynamoDB tables: throttles by their reason, demand, and the traps of the metrics."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from cockpit.connect.session import Series
from cockpit.triage.finding import Severity
from probes.answers import Gap
from probes.dynamodb import model
from probes.dynamodb import table as dynamodb
from probes.dynamodb.model import ReasonCount, Replica, Snapshot
from probes.dynamodb.settings import Settings
from tests.probes.dynamodb_looks import (
    CRITICAL,
    HIGH_USE,
    NO,
    SCALING,
    WARNING,
    activity,
    flow,
    found,
    lane,
    operation,
    snapshot,
    throttled,
)
from tests.probes.fake_aws import AT, ago, hours, minutes

ON_DEMAND = {"billing_mode": "PAY_PER_REQUEST", "write_capacity": None, "read_capacity": None}


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
            snapshot(
                throttled(200, 200, 200, reason="KeyRangeThroughput", provisioned=None, warm=98),
                **ON_DEMAND,
            ),
            [("DDB_WARM_THROUGHPUT", CRITICAL)],
            id="more than it can take at once: no key is to blame",
        ),
        pytest.param(
            snapshot(
                throttled(200, 200, 200, reason="KeyRangeThroughput", provisioned=None, warm=99),
                **ON_DEMAND,
            ),
            [("DDB_HOT_PARTITION", CRITICAL)],
            id="less than it can take at once",
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
def test_throttles_are_told_by_what_throttles(
    look: model.Snapshot, expected: list[tuple[str, Severity]]
) -> None:
    assert found(look, without=HIGH_USE) == expected


def test_both_reasons_of_one_lane_are_told() -> None:
    reasons = (
        ReasonCount(reason="KeyRangeThroughput", events=5),
        ReasonCount(reason="ProvisionedThroughput", events=900),
    )
    look = snapshot(lane(flow(60), minutes(200, 200, 200), reasons=reasons))
    assert found(look) == [
        ("DDB_HOT_PARTITION", CRITICAL),
        ("DDB_THROTTLED_PROVISIONED", CRITICAL),
    ]


def test_throttles_far_below_the_capacity_hint_at_a_hot_key() -> None:
    look = snapshot(lane(flow(2400), minutes(200, 200, 200)))
    (finding,) = dynamodb.diagnose(look, Settings())
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
def test_used_capacity_is_a_share_of_what_is_provisioned(
    each: int, provisioned: int | None, expected: list[tuple[str, Severity]]
) -> None:
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
def test_demand_is_what_clients_ask_for(
    look: model.Lane, wanted: int | None, suggested: int | None
) -> None:
    assert model.demand(look, AT) == wanted
    assert model.suggested(wanted, look.provisioned) == suggested


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
def test_scaling_that_cannot_follow_is_told(
    look: model.Snapshot, expected: list[tuple[str, Severity]]
) -> None:
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
def test_a_status_is_fine_only_when_it_is_known_to_be(
    status: str, lasted: int | None, expected: list[tuple[str, Severity]]
) -> None:
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
def test_errors_inside_dynamodb_are_a_share_of_enough_requests(
    look: model.Snapshot, expected: list[tuple[str, Severity]]
) -> None:
    assert found(look) == expected


def slow(*now: float, name: str = "GetItem", usual: float = 4.0) -> Snapshot:
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
def test_latency_is_compared_with_the_hours_before(
    look: model.Snapshot, expected: list[tuple[str, Severity]]
) -> None:
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
def test_client_errors_of_the_account_are_never_called_throttles(
    errors: Series, expected: list[tuple[str, Severity]]
) -> None:
    look = snapshot(lane(flow(60)), user_errors=errors)
    assert found(look) == expected
    for finding in dynamodb.diagnose(look, Settings()):
        assert finding.code not in {"DDB_THROTTLED_PROVISIONED", "DDB_HOT_PARTITION"}
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
        pytest.param(
            Replica(region="eu-west-1", status="NAPPING"),
            [("DDB_STATUS_UNKNOWN", WARNING)],
            id="a new word is told, and not judged",
        ),
    ],
)
def test_replicas_are_judged_by_status_and_latency(
    replica: model.Replica, expected: list[tuple[str, Severity]]
) -> None:
    assert found(snapshot(replicas=(replica,))) == expected


def test_an_index_in_a_state_that_nobody_knows_is_told_as_it_is() -> None:
    napping = model.Index(name="by-customer", status="NAPPING")
    look = snapshot(lane(flow(60)), indexes=(napping,))
    (finding,) = dynamodb.diagnose(look, Settings())
    assert (finding.code, finding.subject) == ("DDB_STATUS_UNKNOWN", "by-customer")
    assert "NAPPING" in finding.summary


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
def test_a_busy_table_that_falls_silent_points_upstream(
    look: model.Snapshot, expected: list[tuple[str, Severity]]
) -> None:
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
def test_the_headline_never_says_ok_without_having_looked(look: model.Snapshot, text: str) -> None:
    assert dynamodb.PROBE.facts is not None
    assert next(iter(dynamodb.PROBE.facts(look, dynamodb.PROBE.settings))).text == text


def told(look: Snapshot, code: str) -> tuple[datetime | None, float]:
    (finding,) = (f for f in dynamodb.diagnose(look, Settings()) if f.code == code)
    return finding.began, finding.resolution


STOPS = minutes(*[6000] * 30, *[None] * 8)
THROTTLES = minutes(*[None] * 5, *[40] * 4)


@pytest.mark.parametrize(
    ("code", "look", "expected"),
    [
        pytest.param("DDB_THROTTLED_PROVISIONED", snapshot(throttled(*[None] * 5, *[40] * 4)), (THROTTLES.times[0], 90.0), id="the first throttle"),
        pytest.param("DDB_THROTTLED_PROVISIONED", snapshot(throttled(*[40] * 9)), (None, 0.0), id="throttled in all minutes that are known"),
        pytest.param("DDB_TRAFFIC_STOPPED", snapshot(operations=(operation(STOPS),)), (STOPS.times[-1] + timedelta(minutes=1), 90.0), id="the end of the last minute with requests"),
        pytest.param("DDB_TABLE_NOT_ACTIVE", snapshot(status="DELETING", turned=ago(minutes=3)), (ago(minutes=3), 90.0), id="a look saw it turn"),
        pytest.param("DDB_TABLE_NOT_ACTIVE", snapshot(status="DELETING", status_since=ago(minutes=3)), (None, 90.0), id="it was so at the first look"),
    ],
)  # fmt: skip
def test_it_began_when_points_and_looks_tell(
    code: str, look: Snapshot, expected: tuple[datetime | None, float]
) -> None:
    assert told(look, code) == expected
