"""How load balancers, target groups and alarms are looked at: what is asked, and what is not."""

from __future__ import annotations

import asyncio
from types import ModuleType
from typing import Any

import msgspec
import pytest

from cockpit import clock
from cockpit.connect.session import Series
from cockpit.errors import BlindError, Reason
from cockpit.triage.recording import decode, encode
from probes.alarms import state as alarms
from probes.alb import traffic as alb
from probes.target_group import health as target_group
from tests.probes.fake_aws import AT, FakeAws, denied, minutes, target

BALANCER = "arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/app/shop/50dc6c495c0c9188"
GROUP = "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/checkout/6d0ecf831eec9f09"
LISTENER = "arn:aws:elasticloadbalancing:us-east-1:1:listener/app/shop/1/2"


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


def health(*states: str) -> dict[str, Any]:
    return {
        "TargetHealthDescriptions": [
            {
                "Target": {"Id": f"10.0.0.{n}", "Port": 8080, "AvailabilityZone": "us-east-1a"},
                "TargetHealth": {"State": state}
                | ({"Reason": "Target.Timeout"} if state == "unhealthy" else {}),
            }
            for n, state in enumerate(states)
        ]
    }


def group(**changes: Any) -> dict[str, Any]:
    return {
        "TargetGroupArn": GROUP,
        "TargetGroupName": "checkout",
        "Protocol": "HTTP",
        "TargetType": "ip",
        "LoadBalancerArns": [BALANCER],
        "HealthCheckEnabled": True,
        "HealthCheckProtocol": "HTTP",
        "HealthCheckPort": "traffic-port",
        "HealthCheckPath": "/health",
        "HealthCheckIntervalSeconds": 30,
        "HealthCheckTimeoutSeconds": 5,
        "HealthyThresholdCount": 3,
        "UnhealthyThresholdCount": 2,
        "Matcher": {"HttpCode": "200"},
        **changes,
    }


def forward(weight: int | None) -> dict[str, Any]:
    if weight is None:
        return {"Type": "forward", "TargetGroupArn": GROUP}
    groups = [{"TargetGroupArn": GROUP, "Weight": weight}, {"TargetGroupArn": "b", "Weight": 100}]
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}


def elb(*states: str, weight: int | None = None, **answers: Any) -> dict[str, Any]:
    return {
        "elbv2.DescribeTargetGroups": [group()],
        "elbv2.DescribeTargetHealth": health(*states),
        "elbv2.DescribeTargetGroupAttributes": {
            "Attributes": [
                {"Key": "deregistration_delay.timeout_seconds", "Value": "30"},
                {"Key": "slow_start.duration_seconds", "Value": "0"},
                {"Key": "load_balancing.cross_zone.enabled", "Value": "true"},
            ]
        },
        "elbv2.DescribeListeners": [
            {
                "ListenerArn": LISTENER,
                "Protocol": "HTTPS",
                "Port": 443,
                "DefaultActions": [{"Type": "fixed-response"}],
            }
        ],
        "elbv2.DescribeRules": [
            {"Priority": "10", "Actions": [forward(weight)], "IsDefault": False},
            {"Priority": "default", "Actions": [forward(100)], "IsDefault": True},
        ],
        **answers,
    }


async def look(probe: ModuleType, aws: FakeAws, kind: str, name: str) -> tuple[Any, dict[str, str]]:
    snapshot = await probe.collect(aws, target(kind, name))
    assert decode(encode(snapshot), probe.PROBE.snapshot) == snapshot
    assert msgspec.json.encode(snapshot)
    found = {f.code: f.severity.value for f in probe.diagnose(snapshot, probe.PROBE.settings)}
    return snapshot, found


async def test_a_healthy_group_costs_one_health_call_and_no_more() -> None:
    aws = FakeAws(elb("healthy", "healthy"), {"RequestCount": minutes(*[50] * 10)})
    snapshot, found = await look(target_group, aws, "target_group", GROUP)
    assert found == {}
    assert [name for name, _ in aws.calls] == [
        "elbv2.DescribeTargetGroups",
        "elbv2.DescribeTargetHealth",
    ]
    assert snapshot.check.path == "/health"
    dimensions = dict(aws.queries[0].dimensions)
    assert dimensions == {
        "LoadBalancer": "app/shop/50dc6c495c0c9188",
        "TargetGroup": "targetgroup/checkout/6d0ecf831eec9f09",
    }


async def test_a_group_is_found_by_its_name_too() -> None:
    aws = FakeAws(elb("healthy"))
    snapshot, _ = await look(target_group, aws, "target_group", "checkout")
    assert snapshot.arn == GROUP


async def test_in_trouble_who_sends_to_the_group_is_looked_up() -> None:
    aws = FakeAws(elb("unhealthy", "unhealthy"))
    snapshot, found = await look(target_group, aws, "target_group", GROUP)
    assert [(use.listener, use.rule, use.weight) for use in snapshot.uses] == [
        ("HTTPS:443", "10", 1)
    ]
    assert (snapshot.delay, snapshot.cross_zone) == (30, "true")
    assert found == {"TG_NO_HEALTHY_TARGETS": "critical"}


async def test_the_idle_side_of_a_weighted_rule_is_not_critical() -> None:
    aws = FakeAws(elb("unhealthy", "unhealthy", weight=0))
    _, found = await look(target_group, aws, "target_group", GROUP)
    assert found == {"TG_NO_HEALTHY_TARGETS": "info"}


async def test_an_empty_group_is_asked_for_its_last_hour() -> None:
    aws = FakeAws(elb(), {"HTTPCode_ELB_503_Count": minutes(3, 3)})
    snapshot, found = await look(target_group, aws, "target_group", GROUP)
    assert (snapshot.hour_requests, snapshot.hour_503) == (None, 6)
    assert found == {"TG_EMPTY": "critical"}


async def test_health_that_cannot_be_read_makes_the_look_blind() -> None:
    aws = FakeAws(elb() | {"elbv2.DescribeTargetHealth": denied()})
    with pytest.raises(BlindError) as caught:
        await target_group.collect(aws, target("target_group", GROUP))
    assert caught.value.reason is Reason.DENIED


async def test_metrics_that_cannot_be_read_are_told_and_the_states_stand() -> None:
    aws = FakeAws(elb("unhealthy", "healthy"), denied())
    _, found = await look(target_group, aws, "target_group", GROUP)
    assert found == {"TG_UNHEALTHY_TARGETS": "critical", "TG_OBS_BLIND": "info"}


async def test_a_refused_series_is_told() -> None:
    aws = FakeAws(elb("healthy"), {"RequestCount": Series(status="Forbidden")})
    _, found = await look(target_group, aws, "target_group", GROUP)
    assert found == {"TG_OBS_BLIND": "info"}


async def test_rules_that_cannot_be_read_do_not_make_the_group_idle() -> None:
    aws = FakeAws(elb("unhealthy") | {"elbv2.DescribeRules": denied()})
    snapshot, found = await look(target_group, aws, "target_group", GROUP)
    assert snapshot.uses is None
    assert found["TG_NO_HEALTHY_TARGETS"] == "critical"


async def test_answers_of_targets_are_asked_for_only_where_one_is_sick() -> None:
    for state, asked in (("healthy", set()), ("unhealthy", {"ok", "errors"})):
        aws = FakeAws(
            elb(state), {"HTTPCode_Target_2XX_Count": minutes(1), "RequestCount": minutes(1)}
        )
        await look(target_group, aws, "target_group", GROUP)
        names = {query.name for query in aws.queries} & {
            "HTTPCode_Target_2XX_Count",
            "HTTPCode_Target_5XX_Count",
        }
        assert len(names) == len(asked)


@pytest.mark.parametrize(
    ("errors", "asked"),
    [
        pytest.param({}, set(), id="no error"),
        pytest.param({"HTTPCode_ELB_5XX_Count": minutes(0, 0)}, set(), id="zero"),
        pytest.param({"HTTPCode_ELB_5XX_Count": minutes(1, 0)}, {"502"}, id="its own"),
        pytest.param(
            {"HTTPCode_ELB_5XX_Count": Series(status="Unanswered")}, {"502"}, id="not known"
        ),
        pytest.param({"HTTPCode_Target_5XX_Count": minutes(1)}, {"group"}, id="the targets'"),
        pytest.param({"TargetConnectionErrorCount": minutes(1)}, {"group"}, id="refused"),
    ],
)
async def test_which_errors_they_are_is_asked_for_only_where_there_are_any(
    errors: dict[str, Series], asked: set[str]
) -> None:
    aws = FakeAws(balancer(), {"RequestCount": minutes(*[9] * 15), **errors})
    await look(alb, aws, "alb", BALANCER)
    found = {"502" for query in aws.queries if query.name == "HTTPCode_ELB_502_Count"} | {
        "group"
        for query in aws.queries
        if query.name == "TargetConnectionErrorCount" and len(query.dimensions) == 2
    }
    assert found == asked
    assert "ActiveConnectionCount" in aws.rest
    assert "HTTPCode_Target_5XX_Count" not in aws.rest


async def test_a_group_without_a_balancer_asks_for_no_metric() -> None:
    aws = FakeAws(elb("healthy") | {"elbv2.DescribeTargetGroups": [group(LoadBalancerArns=[])]})
    await look(target_group, aws, "target_group", GROUP)
    assert aws.queries == []


async def test_a_network_balancer_has_flows() -> None:
    arn = BALANCER.replace("/app/", "/net/")
    aws = FakeAws(elb("healthy") | {"elbv2.DescribeTargetGroups": [group(LoadBalancerArns=[arn])]})
    await look(target_group, aws, "target_group", GROUP)
    assert {query.namespace for query in aws.queries} == {"AWS/NetworkELB"}
    names = {"NewFlowCount", "UnhealthyRoutingFlowCount", "HealthyHostCount"}
    assert {query.name for query in aws.queries} == names
    assert aws.rest == {"HealthyHostCount"}


async def test_a_gateway_balancer_has_a_namespace_of_its_own() -> None:
    arn = BALANCER.replace("/app/", "/gwy/")
    groups = [group(LoadBalancerArns=[arn], Protocol="GENEVE")]
    aws = FakeAws(elb("healthy") | {"elbv2.DescribeTargetGroups": groups})
    await look(target_group, aws, "target_group", GROUP)
    assert {query.name for query in aws.queries} == {"NewFlowCount", "HealthyHostCount"}
    other = FakeAws(balancer(LoadBalancerArn=arn, Type="gateway"))
    await look(alb, other, "alb", arn)
    names = {"NewFlowCount", "ActiveFlowCount", "RejectedFlowCount"}
    assert {query.name for query in other.queries} == names
    asked = (*aws.queries, *other.queries)
    assert {query.namespace for query in asked} == {"AWS/GatewayELB"}


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (("unhealthy.draining",) * 3, {"TG_NO_HEALTHY_TARGETS": "critical"}),
        (("unhealthy.draining",) * 2 + ("healthy",), {"TG_UNHEALTHY_TARGETS": "critical"}),
        (("somersaulting",), {"TG_STATUS_UNKNOWN": "high"}),
        (("somersaulting", "healthy"), {"TG_STATUS_UNKNOWN": "warning"}),
    ],
)
async def test_what_drains_for_being_sick_is_sick_and_unknown_states_are_told(
    states: tuple[str, ...], expected: dict[str, str]
) -> None:
    _, found = await look(target_group, FakeAws(elb(*states)), "target_group", GROUP)
    assert found == expected


async def test_an_empty_group_of_a_network_balancer_is_critical_when_flows_came() -> None:
    arn = BALANCER.replace("/app/", "/net/")
    answers = elb() | {"elbv2.DescribeTargetGroups": [group(LoadBalancerArns=[arn])]}
    aws = FakeAws(answers, {"NewFlowCount": minutes(*[9] * 15)})
    _, found = await look(target_group, aws, "target_group", GROUP)
    assert found["TG_EMPTY"] == "critical"


async def test_a_group_whose_metrics_stopped_is_told() -> None:
    aws = FakeAws(elb("healthy"), {"HealthyHostCount": minutes(2, 2, late=20)})
    _, found = await look(target_group, aws, "target_group", GROUP)
    assert found == {"METRIC_STALE": "warning"}
    assert aws.minutes["HealthyHostCount"] > 60, "longer than it is silent"


async def test_a_balancer_without_requests_is_asked_for_what_comes_always() -> None:
    aws = FakeAws(balancer(), {"ConsumedLCUs": minutes(0.1, 0.1)})
    snapshot, _ = await look(alb, aws, "alb", BALANCER)
    assert snapshot.arrived == 0
    busy = FakeAws(balancer(), {"RequestCount": minutes(9, 9)})
    await look(alb, busy, "alb", BALANCER)
    assert "ConsumedLCUs" not in {query.name for query in busy.queries}


async def test_an_unknown_state_of_a_target_is_kept_and_not_healthy() -> None:
    aws = FakeAws(elb("somersaulting", "healthy"))
    snapshot, _ = await look(target_group, aws, "target_group", GROUP)
    assert snapshot.targets[0].state == "somersaulting"
    assert snapshot.healthy == 1


def balancer(**changes: Any) -> dict[str, Any]:
    return {
        "elbv2.DescribeLoadBalancers": [
            {
                "LoadBalancerArn": BALANCER,
                "LoadBalancerName": "shop",
                "Type": "application",
                "Scheme": "internet-facing",
                "State": {"Code": "active"},
                **changes,
            }
        ],
        "elbv2.DescribeTargetGroups": [group()],
    }


async def test_a_balancer_is_read_with_its_groups_and_their_counters() -> None:
    series = {
        "RequestCount": minutes(*[100] * 10),
        "HTTPCode_Target_2XX_Count": minutes(*[80] * 10),
        "HTTPCode_Target_5XX_Count": minutes(*[20] * 10),
    }
    aws = FakeAws(balancer(), series)
    snapshot, found = await look(alb, aws, "alb", BALANCER)
    assert found == {"ALB_5XX_TARGET_RATE": "critical"}
    assert [each.name for each in snapshot.groups] == ["checkout"]
    counters = [query for query in aws.queries if query.stat == "Sum"]
    percentiles = {(query.stat, query.period) for query in aws.queries if query.stat != "Sum"}
    assert all(query.period == 60 for query in counters)
    assert percentiles == {("p50", 300), ("p95", 300), ("p99", 300)}


@pytest.mark.parametrize("many", [False, True])
async def test_the_groups_of_a_balancer_come_out_of_the_places_list_or_its_own(many: bool) -> None:
    other = group(LoadBalancerArns=[BALANCER + "9"], TargetGroupName="other")

    def groups(**asked: Any) -> Any:
        if asked:
            return [group()]
        return BlindError(Reason.UNREADABLE, "more than 2000") if many else [group(), other]

    answers = balancer() | {"elbv2.DescribeTargetGroups": groups}
    aws = FakeAws(answers, {"RequestCount": minutes(*[9] * 15)})
    snapshot, _ = await look(alb, aws, "alb", BALANCER)
    assert [each.name for each in snapshot.groups] == ["checkout"]
    asked = [arguments for name, arguments in aws.calls if name == "elbv2.DescribeTargetGroups"]
    assert asked == [{}, {"LoadBalancerArn": BALANCER}][: 1 + many]


async def test_a_balancer_without_metrics_is_seen_by_its_state() -> None:
    aws = FakeAws(balancer(State={"Code": "failed", "Reason": "no subnet"}), denied())
    snapshot, found = await look(alb, aws, "alb", BALANCER)
    assert found == {"ALB_NOT_ACTIVE": "critical", "ALB_OBS_BLIND": "info"}
    assert snapshot.reason == "no subnet"


async def test_a_network_balancer_is_asked_for_flows_only() -> None:
    arn = BALANCER.replace("/app/", "/net/")
    aws = FakeAws(balancer(LoadBalancerArn=arn, Type="network"))
    await look(alb, aws, "alb", arn)
    assert {query.namespace for query in aws.queries} == {"AWS/NetworkELB"}
    assert [name for name, _ in aws.calls] == ["elbv2.DescribeLoadBalancers"]


def row(name: str, state: str = "OK", **changes: Any) -> dict[str, Any]:
    return {
        "AlarmName": name,
        "StateValue": state,
        "StateTransitionedTimestamp": AT,
        "StateReason": "Threshold crossed",
        "Namespace": "AWS/DynamoDB",
        "MetricName": "ThrottledRequests",
        "Dimensions": [{"Name": "TableName", "Value": "orders"}],
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 3,
        "AlarmActions": ["arn:aws:sns:us-east-1:1:pages"],
        "ActionsEnabled": True,
        **changes,
    }


def described(*rows: dict[str, Any], composites: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    def answer(AlarmTypes: list[str], **_: Any) -> tuple[dict[str, Any], ...]:  # noqa: N803  named as the API does
        return {"MetricAlarm": rows, "CompositeAlarm": composites}.get(AlarmTypes[0], ())

    return {"cloudwatch.DescribeAlarms": answer, "cloudwatch.DescribeAlarmHistory": []}


async def test_metric_and_composite_alarms_are_both_asked_for() -> None:
    aws = FakeAws(described(row("a"), composites=(row("b", "ALARM", Namespace=""),)))
    snapshot, found = await look(alarms, aws, "alarms", "")
    assert [(each.name, each.composite) for each in snapshot.alarms] == [("a", False), ("b", True)]
    assert found == {"ALARM_FIRING": "critical"}
    assert aws.queries == []


async def test_the_metric_of_a_firing_dynamodb_alarm_is_read() -> None:
    aws = FakeAws(described(row("a", "ALARM")), {"ThrottledRequests": Series()})
    _, found = await look(alarms, aws, "alarms", "shop-")
    assert found == {"ALARM_FIRING": "info"}
    assert dict(aws.queries[0].dimensions) == {"TableName": "orders"}
    assert aws.calls[0][1]["AlarmNamePrefix"] == "shop-"


async def test_without_history_the_alarms_stand() -> None:
    answers = described(row("a"))
    answers["cloudwatch.DescribeAlarmHistory"] = denied()
    snapshot, found = await look(alarms, FakeAws(answers), "alarms", "")
    assert snapshot.past is None
    assert found == {"ALARM_OBS_BLIND": "info"}


async def test_alarms_that_cannot_be_read_make_the_look_blind() -> None:
    answers = described()
    answers["cloudwatch.DescribeAlarms"] = denied()
    with pytest.raises(BlindError):
        await alarms.collect(FakeAws(answers), target("alarms", ""))


async def test_looks_at_several_groups_do_not_disturb_each_other() -> None:
    aws = FakeAws(elb("healthy"))
    looks = [target_group.collect(aws, target("target_group", GROUP)) for _ in range(11)]
    assert len({snapshot.name for snapshot in await asyncio.gather(*looks)}) == 1


async def test_what_shifts_and_anomalies_do_is_asked_for_with_the_health() -> None:
    rows = health("healthy", "healthy", "healthy")
    first, second, third = rows["TargetHealthDescriptions"]
    first["AdministrativeOverride"] = {"State": "zonal_shift_active", "Description": "…"}
    second["AdministrativeOverride"] = {"State": "no_override"}
    third["AnomalyDetection"] = {"Result": "anomalous", "MitigationInEffect": "yes"}
    aws = FakeAws(
        elb()
        | {
            "elbv2.DescribeTargetHealth": rows,
            "elbv2.DescribeTargetGroups": [group(TargetControlPort=3000)],
        }
    )
    snapshot = await target_group.collect(aws, target("target_group", GROUP))
    assert [each.override for each in snapshot.targets] == ["zonal_shift_active", "", ""]
    assert [(each.anomalous, each.spared) for each in snapshot.targets] == [
        (False, False),
        (False, False),
        (True, True),
    ]
    assert snapshot.control_port == 3000
    asked = dict(aws.calls)["elbv2.DescribeTargetHealth"]
    assert asked["Include"] == ["All"]
