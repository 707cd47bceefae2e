"""What cannot page us now: mutes and until when, warm-ups, kinds that are not seen, no alarm at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cockpit import clock
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.session import Series
from cockpit.triage.target import Target
from probes.alarms import state as probe
from probes.alarms.absent import judged_metrics
from probes.alarms.answers import MuteRule, MuteSchedule, MuteTimes
from probes.alarms.model import LOG_ALARMS, Alarm, Mute, Settings, Snapshot
from probes.alarms.mutes import ends
from probes.answers import Gap
from tests.core.aws_stub import Reply, Request, error, members, reading, stubbed, tag, xml
from tests.probes.fake_aws import AT, FakeAws, denied, target

TOPIC = "arn:aws:sns:us-east-1:1:pages"
UNTIL = AT + timedelta(minutes=40)


def alarm(name: str = "orders-slow", state: str = "OK", **changes: Any) -> Alarm:
    base = Alarm(name=name, state=state, since=AT - timedelta(hours=3), actions=(TOPIC,))
    return replace(base, namespace="AWS/RDS", metric="ReadLatency", window=180, **changes)


def snapshot(*alarms: Alarm, **changes: Any) -> Snapshot:
    return replace(Snapshot(at=AT, prefix="", alarms=alarms, past=()), **changes)


def found(look: Snapshot, settings: Settings | None = None) -> list[tuple[str, str]]:
    return [(f.code, f.severity.value) for f in probe.diagnose(look, settings or Settings())]


MUTE = Mute(rule="deploys", alarms=("orders-slow",), until=UNTIL, schedule="at(…) for PT1H")
NIGHTLY = replace(MUTE, rule="nightly", until=None, schedule="cron(0 2 * * *) for PT2H")
NEW = AT - timedelta(minutes=5)


@pytest.mark.parametrize(
    ("look", "line"),
    [
        pytest.param(snapshot(alarm()), "", id="all can"),
        pytest.param(snapshot(alarm(), mutes=(MUTE,)), "1 muted by a rule", id="muted"),
        pytest.param(snapshot(alarm(actions_enabled=False)), "1 switched off", id="off"),
        pytest.param(snapshot(alarm(suppressed_by="Alarm")), "1 suppressed", id="suppressed"),
        pytest.param(
            snapshot(alarm(evaluation="EVALUATION_FAILURE")), "1 not evaluated", id="fails"
        ),
        pytest.param(snapshot(alarm(evaluation="PARTIAL_DATA")), "", id="judges what it has"),
        pytest.param(
            snapshot(alarm(state="INSUFFICIENT_DATA", changed_at=NEW, warm_up=600)),
            "1 warming up",
            id="warms up",
        ),
        pytest.param(
            snapshot(alarm(state="INSUFFICIENT_DATA", changed_at=NEW, warm_up=120)),
            "1 without data",
            id="its warm-up is over",
        ),
        pytest.param(snapshot(alarm(unread=True)), "1 of a kind that is not read", id="new kind"),
        pytest.param(snapshot(alarm("x", "LEARNING")), "1 of a kind that is not read", id="state"),
        pytest.param(
            snapshot(alarm(), alarm("b"), mutes=(MUTE,), gaps=(Gap(LOG_ALARMS, "denied", ""),)),
            "1 muted by a rule, log alarms not seen",
            id="two reasons",
        ),
        pytest.param(snapshot(alarm("TargetTracking-x"), mutes=(NIGHTLY,)), "", id="scaling"),
    ],
)
def test_what_cannot_page_us_is_one_line(look: Snapshot, line: str) -> None:
    (table,) = probe.tables(look, Settings())
    said = table.headline.partition(" · ")[2]
    assert said == (f"cannot page us now: {line}" if line else "")


def test_a_muted_alarm_that_rings_says_by_which_rule_and_until_when() -> None:
    look = snapshot(alarm(state="ALARM"), mutes=(MUTE,))
    (silent,) = [f for f in probe.diagnose(look, Settings()) if f.code == "ALARM_SILENT"]
    assert "muted by deploys until 21 Nov 03:40 UTC" in silent.summary
    again = snapshot(alarm(state="ALARM"), mutes=(NIGHTLY,))
    (silent,) = [f for f in probe.diagnose(again, Settings()) if f.code == "ALARM_SILENT"]
    assert "muted by nightly in cron(0 2 * * *) for PT2H" in silent.summary


def test_quiet_by_a_rule_is_told_before_it_matters() -> None:
    look = snapshot(alarm(), alarm("b"), mutes=(MUTE,))
    (told,) = probe.diagnose(look, Settings())
    assert (told.code, told.severity.value, told.subject) == ("ALARM_SILENT", "info", "")
    assert told.evidence[0].value == "by deploys until 21 Nov 03:40 UTC"
    assert "1 muted by a rule" in told.summary
    assert found(look, Settings(ignore=("orders-*",))) == []


def test_an_alarm_that_warms_up_is_not_blind() -> None:
    fresh = alarm(state="INSUFFICIENT_DATA", changed_at=AT - timedelta(hours=1), warm_up=7200)
    assert found(snapshot(fresh)) == [("ALARM_SILENT", "info")]
    assert found(snapshot(replace(fresh, warm_up=0.0))) == [("ALARM_BLIND", "warning")]


@pytest.mark.parametrize(
    ("alarms", "text", "value"),
    [((alarm(),), "0/1+?", None), ((alarm(state="ALARM"),), "1/1+?", 1.0), ((), "0/0+?", None)],
)
def test_none_rings_is_not_said_while_some_are_not_seen(
    alarms: tuple[Alarm, ...], text: str, value: float | None
) -> None:
    look = snapshot(*alarms, gaps=(Gap(LOG_ALARMS, "denied", ""),))
    first, *_ = probe.facts(look, Settings())
    assert (first.text, first.value) == (text, value)
    assert ("ALARM_OBS_BLIND", "info") in found(look)


# targets without an alarm ---------------------------------------------------------------------


def of_kind(kind: str, name: str, id_: str = "") -> Target:
    return Target(name=name, kind=kind, settings=AwsResource(aws="prod", id=id_ or name))


BALANCER = "arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/app/shop/50dc6c495c0c9188"
GROUP = "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/checkout/6d0ecf831eec9f09"


@pytest.mark.parametrize(
    ("subject", "space", "value", "watched"),
    [
        (of_kind("rds", "orders"), "AWS/RDS", "orders", True),
        (of_kind("rds", "orders"), "AWS/DynamoDB", "orders", False),
        (of_kind("rds", "o", "arn:aws:rds:us-east-1:1:db:Orders"), "AWS/RDS", "orders", True),
        (of_kind("alb", "a", BALANCER), "AWS/ApplicationELB", "app/shop/50dc6c495c0c9188", True),
        (
            of_kind("target_group", "t", GROUP),
            "AWS/ApplicationELB",
            "targetgroup/checkout/6d0ecf831eec9f09",
            True,
        ),
        (of_kind("ecs_service", "shop"), "AWS/ECS", "other", False),
        (of_kind("changes", "all"), "AWS/RDS", "orders", None),
    ],
)
def test_an_alarm_watches_what_its_dimensions_name(
    subject: Target, space: str, value: str, watched: bool | None
) -> None:
    dimensions = (("x", value),)
    one = replace(alarm(), namespace=space, dimensions=dimensions)
    expression = replace(
        alarm(), namespace="", metric="", dimensions_besides=((space, dimensions),)
    )
    for each in (one, expression):
        look = probe.among(snapshot(each), [subject])
        assert look.unwatched == ((subject.name,) if watched is False else ())


def test_a_target_that_must_page_and_has_no_alarm_is_told() -> None:
    look = probe.among(snapshot(alarm()), [of_kind("rds", f"db-{n}") for n in range(9)])
    assert found(look) == []
    settings = Settings(watched=("db-*",))
    (told,) = probe.diagnose(look, settings)
    assert told.code == "ALARM_MISSING"
    assert told.summary == "no alarm watches db-0, db-1, db-2, db-3, db-4 and 4 more"
    unseen = replace(look, gaps=(Gap(LOG_ALARMS, "denied", ""),))
    assert found(unseen, settings) == [("ALARM_OBS_BLIND", "info")]


# until when -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "span", "zone", "expected"),
    [
        ("at(2026-11-21T02:40)", "PT1H", "", "2026-11-21 03:40"),
        ("at(2026-11-21T02:40:30)", "PT1H30M", "UTC", "2026-11-21 04:10"),
        ("at(2026-11-20T18:00)", "P2DT12H", "America/New_York", "2026-11-23 11:00"),
        ("at(2026-11-21T02:40)", "PT1H", "Mars/Phobos", None),
        ("at(2026-13-21T02:40)", "PT1H", "", None),
        ("at(2026-11-21T02:40)", "an hour", "", None),
        ("cron(0 2 * * *)", "PT2H", "", None),
    ],
)
def test_a_mute_ends_when_its_window_does(
    expression: str, span: str, zone: str, expected: str | None
) -> None:
    schedule = MuteSchedule(expression=expression, duration=span, timezone=zone)
    rule = MuteRule(name="x", rule=MuteTimes(schedule=schedule))
    end = ends(rule)
    assert (end and f"{end:%Y-%m-%d %H:%M}") == expected
    last = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
    assert ends(MuteRule(name="x", rule=rule.rule, expire_date=last)) == (last if end else None)


# what is read ---------------------------------------------------------------------------------


def row(name: str, **changes: Any) -> dict[str, Any]:
    base = {"AlarmName": name, "StateValue": "OK", "AlarmActions": [TOPIC], "ActionsEnabled": True}
    return {**base, "MetricName": "m", "Namespace": "AWS/RDS", **changes}


def answers(**types: Any) -> dict[str, Any]:
    def described(AlarmTypes: list[str], **_: Any) -> Any:  # noqa: N803  named as the API does
        return types.get(AlarmTypes[0], [])  # an error among them is raised by the fake

    return {
        "cloudwatch.DescribeAlarms": described,
        "cloudwatch.ListAlarmMuteRules": [],
    }


async def collected(made: dict[str, Any]) -> Snapshot:
    return await probe.collect(FakeAws(made), target("alarms", ""))


async def test_log_alarms_and_what_alarms_judge_are_read() -> None:
    criteria = {"PromQLCriteria": {"Query": "sum(rate(errors[5m]))"}}
    stat = {"Metric": {"Namespace": "AWS/SQS", "Dimensions": [{"Name": "Q", "Value": "mail"}]}}
    expression = [{"Id": "a", "MetricStat": stat}, {"Id": "e", "Expression": "a * 2"}]
    bare = {"MetricName": "", "Namespace": ""}
    look = await collected(
        answers(
            MetricAlarm=[
                row("promql", **bare, EvaluationCriteria=criteria),
                row("math", **bare, Metrics=expression),
                row("of tomorrow", **bare, EvaluationCriteria={"OfTomorrow": {}}),
            ],
            LogAlarm=[
                row("errors", WarmUpConfiguration={"WarmUpPeriodDurationInMinutes": 30}, **bare)
            ],
        )
    )
    promql, math, tomorrow, log = look.alarms
    assert promql.judges == "PromQL sum(rate(errors[5m]))"
    assert math.dimensions_besides == (("AWS/SQS", (("Q", "mail"),)),)
    assert (tomorrow.unread, promql.unread, math.unread, log.unread) == (True, False, False, False)
    assert (log.log, log.warm_up) == (True, 1800)
    assert look.unseen == ()


@pytest.mark.parametrize("what", ["log alarms", "mute rules"])
async def test_what_a_region_does_not_know_is_not_seen(what: str) -> None:
    made = answers(MetricAlarm=[row("a")], LogAlarm=denied() if what == LOG_ALARMS else [])
    if what == "mute rules":
        made["cloudwatch.ListAlarmMuteRules"] = denied()
    look = await collected(made)
    assert [each.name for each in look.alarms] == ["a"]
    assert look.unseen == (what,)


@pytest.mark.parametrize("more", [False, True])
async def test_all_types_come_out_of_one_answer_unless_there_is_more_of_it(more: bool) -> None:
    rows = {"MetricAlarm": [row("a")], "CompositeAlarm": [row("b")], "LogAlarm": [row("c")]}

    def described(AlarmTypes: list[str], **_: Any) -> Any:  # noqa: N803  named as the API does
        if len(AlarmTypes) == 1:
            return rows[AlarmTypes[0]]
        return {f"{kind}s": rows[kind] for kind in AlarmTypes} | (
            {"NextToken": "t"} if more else {}
        )

    aws = FakeAws(answers() | {"cloudwatch.DescribeAlarms": described})
    look = await probe.collect(aws, target("alarms", ""))
    told = [(each.name, each.composite, each.log) for each in look.alarms]
    assert told == [("a", False, False), ("b", True, False), ("c", False, True)]
    types = [asked["AlarmTypes"] for name, asked in aws.calls if name.endswith("DescribeAlarms")]
    assert types == [[*rows], *([each] for each in rows)][: 4 if more else 1]


RULE = "arn:aws:cloudwatch:us-east-1:1:alarm-mute-rule:deploys:of friday"


async def test_active_rules_of_all_pages_are_read_off_the_wire(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Through the real client: the members are newer than the installed botocore."""
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")
    monkeypatch.setattr(clock, "now", lambda: AT)

    def answer(request: Request) -> Reply:
        match request.operation:
            case "ListAlarmMuteRules" if "NextToken" not in request.form:
                rules = members([tag("AlarmMuteRuleArn", f"{RULE}-2") + tag("Status", "SCHEDULED")])
                inner = tag("AlarmMuteRuleSummaries", rules) + tag("NextToken", "t")
            case "ListAlarmMuteRules":
                rules = members([tag("AlarmMuteRuleArn", RULE) + tag("Status", "ACTIVE")])
                inner = tag("AlarmMuteRuleSummaries", rules)
            case "GetAlarmMuteRule":
                assert request.form["AlarmMuteRuleName"] == ["deploys:of friday"]
                schedule = tag("Expression", "at(2026-11-21T02:40)") + tag("Duration", "PT1H")
                inner = (
                    tag("Name", "deploys:of friday")
                    + tag("Rule", tag("Schedule", schedule))
                    + tag("MuteTargets", tag("AlarmNames", members(["errors"])))
                )
            case "DescribeAlarms" if request.form["AlarmTypes.member.1"] == ["LogAlarm"]:
                rows = members([tag("AlarmName", "errors") + tag("StateValue", "ALARM")])
                inner = tag("LogAlarms", rows)
            case "DescribeAlarms":
                inner = tag(f"{request.form['AlarmTypes.member.1'][0]}s", "")
            case "DescribeAlarmHistory":
                inner = tag("AlarmHistoryItems", "")
            case other:
                return Reply(error("InvalidAction", other), 400)
        return Reply(xml(request.operation, inner))

    async with stubbed() as stub, reading(stub) as aws:
        stub.answer = answer
        look = await probe.collect(aws, target("alarms", ""))
    assert look.gaps == ()
    assert look.mutes == (
        Mute(
            rule="deploys:of friday",
            alarms=("errors",),
            until=AT.replace(hour=3, minute=40, second=0),
            schedule="at(2026-11-21T02:40) for PT1H",
        ),
    )
    assert found(look) == [("ALARM_FIRING", "warning"), ("ALARM_SILENT", "warning")]


def hushed(**changes: Any) -> Alarm:
    base = Alarm(
        name="orders-cpu",
        state="OK",
        since=AT - timedelta(days=9),
        namespace="AWS/RDS",
        metric="CPUUtilization",
        dimensions=(("DBInstanceIdentifier", "orders"),),
        window=180.0,
        missing="notBreaching",
        actions=("arn:aws:sns:us-east-1:1:pages",),
    )
    return replace(base, **changes)


def ended(minutes: float) -> Series:
    """One point, that old."""
    return Series((AT - timedelta(minutes=minutes),), (1.0,), asked_at=AT)


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        pytest.param(ended(14), [], id="comes, if late"),
        pytest.param(ended(15), ["warning"], id="stopped"),
        pytest.param(Series(asked_at=AT), ["info"], id="nothing for an hour: stopped or gone"),
        pytest.param(Series(status="Forbidden", asked_at=AT), [], id="denied is not absent"),
        pytest.param(Series(), [], id="nobody asked"),
    ],
)
def test_an_alarm_that_stays_ok_without_data_is_blind(series: Series, expected: list[str]) -> None:
    alarm = hushed()
    look = Snapshot(at=AT, prefix="", alarms=(alarm,), past=(), watched=((alarm.name, series),))
    told = [f for f in probe.diagnose(look, Settings()) if f.code == "ALARM_BLIND"]
    assert [f.severity.value for f in told] == expected


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        pytest.param({}, True, id="always published, and missing is taken for well"),
        pytest.param({"missing": "ignore"}, True, id="keeps its state"),
        pytest.param({"missing": "breaching"}, False, id="would ring"),
        pytest.param({"missing": ""}, False, id="tells that it has no data"),
        pytest.param({"state": "ALARM"}, False, id="rings"),
        pytest.param({"metric": "Deadlocks"}, False, id="a counter that is silent at zero"),
        pytest.param({"namespace": "AWS/DynamoDB"}, False, id="of a sparse service"),
        pytest.param({"period": 3600}, False, id="a point an hour"),
        pytest.param({"name": "TargetTracking-x"}, False, id="of auto scaling"),
    ],
)
async def test_only_what_is_published_always_is_asked_for(
    changes: dict[str, Any], asked: bool
) -> None:
    aws = FakeAws({})
    alarm = hushed(**changes)
    assert bool(await judged_metrics(aws, (alarm,))) is asked
    assert {query.name for query in aws.queries} == ({alarm.metric} if asked else set())
    assert aws.rest == {query.name for query in aws.queries}
