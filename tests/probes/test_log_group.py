"""Log groups: what lines tell, what is new, silence; and what is read for that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cockpit import clock
from cockpit.connect.aws.settings import LogGroupSettings
from cockpit.connect.session import Series
from cockpit.errors import BlindError, Reason, Refused
from cockpit.logs.patterns import LinePattern
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.target import Target
from probes.answers import Gap
from probes.log_group import lines, view
from probes.log_group.model import Delivery, KindCount, Snapshot
from probes.log_group.settings import Settings
from tests.probes.fake_aws import AT, FakeAws, ago, denied, hours, minutes

CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
START = AT.replace(second=0) - timedelta(minutes=5)
NO = Series()


def flow(*each: float) -> Series:
    """Lines of errors in the minutes of the window."""
    return Series(
        tuple(START + timedelta(minutes=place) for place in range(len(each))), tuple(each)
    )


def pattern(kind: str, shape: str, **changes: Any) -> LinePattern:
    base = LinePattern(kind=kind, shape=shape, count=10, first=ago(minutes=2), last=ago(minutes=1))
    return replace(base, **changes)


def of(kind: str, count: int) -> KindCount:
    return KindCount(kind=kind, count=count, first=ago(minutes=3), last=ago(minutes=1))


def snapshot(**changes: Any) -> Snapshot:
    """A group that is well: a hundred lines a minute, no error."""
    base = Snapshot(
        at=AT,
        name="/ecs/checkout",
        arn="arn:aws:logs:us-east-1:1:log-group:/ecs/checkout",
        events=hours(100, 100, 100, 100, 100, 100),
        lines_read=True,
        since=START,
        each_minute=flow(0, 0, 0, 0, 0),
    )
    return replace(base, **changes)


def told(look: Snapshot, settings: Settings | None = None) -> list[Finding]:
    return list(lines.diagnose(look, settings or Settings()))


def found(look: Snapshot) -> list[tuple[str, Severity]]:
    return [(each.code, each.severity) for each in told(look)]


def with_kind(kind: str, count: int, **changes: Any) -> Snapshot:
    return snapshot(read=count, counts=(of(kind, count),), **changes)


def rising(*each: float, usual: float | None, **changes: Any) -> Snapshot:
    given = {"read": int(sum(each)), "each_minute": flow(*each), "usual": usual} | changes
    return snapshot(**given)


NEW = {"new_since": ago(minutes=2)}
GONE = hours(100, 100)  # nothing since then
QUIET = Series(GONE.times[:-13], GONE.values[:-13])


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(snapshot(), [], id="well"),
        pytest.param(with_kind("memory", 1), [("LOG_OOM", CRITICAL)], id="one kill"),
        pytest.param(with_kind("denied", 1), [("LOG_ACCESS_DENIED", WARNING)], id="one refusal"),
        pytest.param(with_kind("denied", 5), [("LOG_ACCESS_DENIED", CRITICAL)], id="five"),
        pytest.param(with_kind("pool", 1), [("LOG_DB_POOL", WARNING)], id="one without connection"),
        pytest.param(with_kind("pool", 50), [("LOG_DB_POOL", CRITICAL)], id="ten a minute"),
        pytest.param(with_kind("timeout", 24), [], id="under five timeouts a minute"),
        pytest.param(with_kind("timeout", 25), [("LOG_TIMEOUT", WARNING)], id="five a minute"),
        pytest.param(with_kind("timeout", 250), [("LOG_TIMEOUT", CRITICAL)], id="fifty a minute"),
        pytest.param(with_kind("throttled", 24), [], id="few throttles"),
        pytest.param(with_kind("throttled", 25), [("LOG_THROTTLED", WARNING)], id="throttles"),
        pytest.param(
            with_kind("field", 2, patterns=(pattern("field", "KeyError: …", count=2, **NEW),)),
            [("LOG_NULL_FIELD", WARNING)],
            id="a field is missing that was not before",
        ),
        pytest.param(
            with_kind("field", 2, patterns=(pattern("field", "KeyError: …", count=2, before=9),)),
            [],
            id="it is always missing",
        ),
        pytest.param(
            with_kind("field", 2, patterns=(pattern("field", "KeyError: …", count=2),)),
            [],
            id="whether it is new is not known",
        ),
        pytest.param(
            with_kind("timeout", 10, until=START + timedelta(minutes=1)),
            [("LOG_TIMEOUT", WARNING)],
            id="what was read of the first minute stands for five",
        ),
        pytest.param(rising(19, 19, 19, 19, 19, usual=0), [], id="under twenty a minute"),
        pytest.param(
            rising(21, 21, 21, 21, 21, usual=0),
            [("LOG_ERRORS_RISING", WARNING)],
            id="twenty a minute from nothing",
        ),
        pytest.param(
            rising(90, 90, 90, 90, 90, usual=0),
            [("LOG_ERRORS_RISING", CRITICAL)],
            id="ten times what would be usual at most",
        ),
        pytest.param(rising(29, 29, 29, 29, 29, usual=10), [], id="under three times the usual"),
        pytest.param(
            rising(31, 31, 31, 31, 31, usual=10), [("LOG_ERRORS_RISING", WARNING)], id="three times"
        ),
        pytest.param(
            rising(101, 101, 101, 101, 101, usual=10),
            [("LOG_ERRORS_RISING", CRITICAL)],
            id="ten times",
        ),
        pytest.param(rising(300, 300, 0, 0, 0, usual=10), [], id="two minutes are a peak"),
        pytest.param(rising(300, 300, 300, 300, 300, usual=None), [], id="usual is not known"),
        pytest.param(
            rising(usual=10, read=3000, until=START + timedelta(seconds=20)),
            [("LOG_ERRORS_RISING", CRITICAL)],
            id="so many that a minute could not be read",
        ),
        pytest.param(
            snapshot(patterns=(pattern("error", "boom", count=10, **NEW),)),
            [("LOG_NEW_PATTERN", WARNING)],
            id="ten of a new shape",
        ),
        pytest.param(
            snapshot(patterns=(pattern("error", "boom", count=9, **NEW),)), [], id="nine are few"
        ),
        pytest.param(
            snapshot(patterns=(pattern("error", "boom", count=900, before=1),)), [], id="not new"
        ),
        pytest.param(
            snapshot(patterns=tuple(pattern("error", f"boom {n}", **NEW) for n in "abcde")),
            [("LOG_NEW_PATTERN", WARNING)] * 3,
            id="three stand for all",
        ),
        pytest.param(
            snapshot(events=QUIET, confirmed_silent=True), [("LOG_SILENT", WARNING)], id="silent"
        ),
        pytest.param(
            snapshot(events=QUIET, lines_read=False),
            [("LOG_SILENT", WARNING)],
            id="silent by the metric alone",
        ),
        pytest.param(
            snapshot(events=QUIET, confirmed_silent=True, function="pay", called=minutes(3, 3, 3)),
            [("LOG_SILENT", CRITICAL)],
            id="silent, and called all the same",
        ),
        pytest.param(
            snapshot(events=QUIET, confirmed_silent=True, function="pay", called=minutes(0, 0)),
            [("LOG_SILENT", WARNING)],
            id="silent, and not called",
        ),
        pytest.param(
            snapshot(events=QUIET, confirmed_silent=False), [], id="lines come, the metric is late"
        ),
        pytest.param(
            snapshot(events=Series(QUIET.times, tuple(9.0 for _ in QUIET.times))),
            [],
            id="never many lines",
        ),
        pytest.param(snapshot(events=NO), [], id="no metric is no silence"),
        pytest.param(snapshot(events=minutes(status="Forbidden")), [], id="denied is no silence"),
        pytest.param(
            snapshot(deliveries=(Delivery(name="to-search", errors=minutes(0, 2, 0)),)),
            [("LOG_DELIVERY_FAILING", WARNING)],
            id="not delivered",
        ),
        pytest.param(
            snapshot(deliveries=(Delivery(name="to-search", throttled=minutes(5)),)),
            [("LOG_DELIVERY_FAILING", WARNING)],
            id="held back",
        ),
        pytest.param(
            snapshot(deliveries=(Delivery(name="to-search", errors=minutes(0, 0, 0)),)),
            [],
            id="all is delivered",
        ),
        pytest.param(
            snapshot(gaps=(Gap("log lines", "denied", "logs:FilterLogEvents"),)),
            [("LOG_OBS_BLIND", INFO)],
            id="a part was denied",
        ),
    ],
)
def test_judgement(look: Snapshot, expected: list[tuple[str, Severity]]) -> None:
    assert found(look) == expected


def test_severities_are_settings() -> None:
    look = with_kind("timeout", 3)
    assert not told(look)
    mild = replace(Settings(), timeouts=replace(Settings().timeouts, warning=3))
    assert [each.severity for each in told(look, mild)] == [WARNING]


def test_a_new_pattern_stays_new_while_it_goes_on() -> None:
    was = snapshot(patterns=(pattern("error", "boom", **NEW),))
    now = snapshot(at=AT + timedelta(minutes=9), patterns=(pattern("error", "boom", before=40),))
    assert lines.since(was, now).patterns[0].new_since == NEW["new_since"]
    late = replace(now, at=AT + timedelta(hours=2))
    assert lines.since(was, late).patterns[0].new_since is None


# Reading ---------------------------------------------------------------------------------------

GROUP = {
    "logGroupName": "/ecs/checkout",
    "arn": "arn:aws:logs:us-east-1:1:log-group:/ecs/checkout:*",
    "logGroupClass": "STANDARD",
    "retentionInDays": 30,
    "storedBytes": 12_000,
}
OTHER = {**GROUP, "logGroupName": "/ecs/checkout-old"}


@pytest.fixture(autouse=True)
def at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


def event(message: str, moment: datetime, stream: str = "a") -> dict[str, Any]:
    stamp = int(moment.timestamp() * 1000)
    return {"message": message, "timestamp": stamp, "logStreamName": stream, "eventId": "1"}


def written(*events: Mapping[str, Any]) -> Callable[..., Any]:
    """A group that holds these events."""

    def answer(startTime: int, endTime: int, limit: int, **_: Any) -> dict[str, Any]:  # noqa: N803
        rows = [each for each in events if startTime <= each["timestamp"] < endTime]
        return {"events": rows[:limit]} | ({"nextToken": "t"} if len(rows) > limit else {})

    return answer


def answers(**changes: Any) -> dict[str, Any]:
    base = {
        "logs.DescribeLogGroups": {"logGroups": [GROUP, OTHER]},
        "logs.FilterLogEvents": {"events": []},
        "logs.DescribeSubscriptionFilters": [],
    }
    return {**base, **{name.replace("__", "."): each for name, each in changes.items()}}


WELL = {"IncomingLogEvents": hours(100, 100, 100), "IncomingBytes": hours(9000, 9000)}


async def look(aws: FakeAws, id_: str = "/ecs/checkout", **settings: str) -> Snapshot:
    kept = LogGroupSettings(aws="prod", id=id_, **settings)
    return await lines.collect(aws, Target(name="logs", kind="log_group", settings=kept))


async def test_a_group_that_is_well_costs_four_calls() -> None:
    aws = FakeAws(answers(), WELL)
    seen = await look(aws)
    assert [name for name, _ in aws.calls] == [
        "logs.DescribeLogGroups",
        "logs.FilterLogEvents",
        "logs.DescribeSubscriptionFilters",
    ]
    assert (seen.name, seen.retention_days, seen.read, seen.compared) == (
        "/ecs/checkout",
        30,
        0,
        False,
    )
    assert found(seen) == []
    assert next(iter(view.facts(seen, Settings()))).text == "0 lines in 5 min"


async def test_lines_become_numbers_and_shapes_held_against_the_hour_before() -> None:
    old = [event(f"ERROR order {n} failed", ago(minutes=20, seconds=n)) for n in range(5)]
    same = [event(f"ERROR order {n} failed", ago(seconds=60 + n)) for n in range(4)]
    new = [event(f"KeyError: 'field{n}'", ago(seconds=90 + n), "b") for n in range(12)]
    ours = event(
        "AccessDenied: User: arn:aws:sts::1:assumed-role/ro/cockpit-triage is not authorized to "
        "perform: logs:X",
        ago(seconds=80),
    )
    info = event("INFO all is well", ago(seconds=70))
    aws = FakeAws(answers(logs__FilterLogEvents=written(*old, *same, *new, ours, info)), WELL)
    seen = await look(aws)
    assert seen.read == 16
    assert seen.compared
    assert seen.compared_whole
    first, second = seen.patterns
    assert (first.shape, first.kind, first.count) == ("KeyError: …", "field", 12)
    assert first.new_since == min(ago(seconds=90 + n) for n in range(12)).replace(microsecond=0)
    assert (second.shape, second.count, second.before) == ("ERROR order N failed", 4, 5)
    assert [code for code, _ in found(seen)] == ["LOG_NULL_FIELD"]
    assert "field1" not in repr(seen)


async def test_the_hours_before_are_read_once_in_five_minutes() -> None:
    rows = [event(f"ERROR order {n} failed", ago(seconds=60 + n)) for n in range(12)]
    aws = FakeAws(answers(logs__FilterLogEvents=written(*rows)), WELL)
    for _ in range(3):
        assert (await look(aws)).compared
    asked = [name for name, _ in aws.calls].count("logs.FilterLogEvents")
    assert asked == 3 + 7


async def test_lines_are_told_where_the_hours_before_cannot_be_read() -> None:
    now = int(START.timestamp() * 1000)

    def answer(**asked: Any) -> Any:
        if asked["startTime"] < now:
            raise BlindError(Reason.THROTTLED, "slower")
        return written(event("java.lang.OutOfMemoryError", ago(seconds=60)), *more)(**asked)

    more = [event(f"ERROR order {n} failed", ago(seconds=60 + n)) for n in range(12)]
    seen = await look(FakeAws(answers(logs__FilterLogEvents=answer), WELL))
    assert found(seen) == [("LOG_OOM", CRITICAL), ("LOG_OBS_BLIND", INFO)]
    assert seen.usual is None
    assert [gap.what for gap in seen.gaps] == ["the hours before"]


async def test_refusals_name_who_what_and_why() -> None:
    line = (
        "User: arn:aws:sts::1:assumed-role/pay/pay is not authorized to perform: s3:GetObject on "
        "resource: arn:aws:s3:::invoices/7 with an explicit deny in an identity-based policy"
    )
    aws = FakeAws(answers(logs__FilterLogEvents=written(event(line, ago(seconds=60)))), WELL)
    (finding,) = told(await look(aws))
    assert finding.code == "LOG_ACCESS_DENIED"
    assert finding.evidence[0].label == "refused s3:GetObject"
    assert "arn:aws:s3:::invoices/7" in str(finding.evidence[0].value)
    assert "an Allow does not help" in finding.next


async def test_an_own_pattern_says_what_an_error_is() -> None:
    rows = written(event('{"code":"E17"}', ago(seconds=60)))
    aws = FakeAws(answers(logs__FilterLogEvents=rows), WELL)
    assert (await look(aws, errors="{ $.code = E* }")).read == 1
    assert {a["filterPattern"] for n, a in aws.calls if n == "logs.FilterLogEvents"} == {
        "{ $.code = E* }"
    }


async def test_pages_end_and_what_was_not_read_is_told() -> None:
    def endless(limit: int, startTime: int, **_: Any) -> dict[str, Any]:  # noqa: N803
        moment = datetime.fromtimestamp(startTime / 1000, UTC)
        return {"events": [event("ERROR x", moment)] * 1000, "nextToken": "t"}

    seen = await look(FakeAws(answers(logs__FilterLogEvents=endless), WELL))
    assert seen.read == 3000
    assert seen.until is not None
    assert not seen.compared_whole


async def test_silence_is_confirmed_by_a_reading_of_any_line() -> None:
    quiet = {"IncomingLogEvents": QUIET}
    aws = FakeAws(answers(), quiet)
    seen = await look(aws)
    assert seen.confirmed_silent is True
    assert [code for code, _ in found(seen)] == ["LOG_SILENT"]
    asked = [a for n, a in aws.calls if n == "logs.FilterLogEvents"]
    assert "filterPattern" not in asked[-1]
    late = FakeAws(answers(logs__FilterLogEvents=written(event("hello", ago(minutes=8)))), quiet)
    assert (await look(late)).confirmed_silent is False


async def test_calls_of_the_function_that_writes_here_are_asked() -> None:
    row = {**GROUP, "logGroupName": "/aws/lambda/pay"}
    aws = FakeAws(answers(logs__DescribeLogGroups={"logGroups": [row]}), WELL)
    seen = await look(aws, "/aws/lambda/pay")
    assert seen.function == "pay"
    assert ("FunctionName", "pay") in [each for q in aws.queries for each in q.dimensions]


async def test_what_a_subscription_loses_is_bought_only_where_it_is_published() -> None:
    dims = [
        {"Name": "LogGroupName", "Value": "/ecs/checkout"},
        {"Name": "FilterName", "Value": "to-search"},
    ]
    metrics = [
        {"MetricName": "IncomingBytes", "Dimensions": dims[:1]},
        {"MetricName": "DeliveryErrors", "Dimensions": dims},
    ]
    filters = [
        {"filterName": "to-search", "destinationArn": "arn:aws:lambda:us-east-1:1:function:x"}
    ]
    aws = FakeAws(
        answers(logs__DescribeSubscriptionFilters=filters, cloudwatch__ListMetrics=metrics),
        WELL | {"DeliveryErrors": minutes(0, 4, 0)},
    )
    (finding,) = told(await look(aws))
    assert (finding.code, finding.subject) == ("LOG_DELIVERY_FAILING", "to-search")


async def test_a_group_that_is_not_there_is_a_finding() -> None:
    with pytest.raises(BlindError) as caught:
        await look(FakeAws(answers(logs__DescribeLogGroups={"logGroups": [OTHER]}), WELL))
    assert (caught.value.code, caught.value.reason) == ("LOG_GROUP_MISSING", Reason.MISSING)


async def test_parts_that_are_denied_are_told_and_the_others_judged() -> None:
    seen = await look(FakeAws(answers(logs__FilterLogEvents=denied("logs:FilterLogEvents")), WELL))
    assert not seen.lines_read
    assert found(seen) == [("LOG_OBS_BLIND", INFO)]
    assert next(iter(view.facts(seen, Settings()))).text == "unknown"

    def off(**_: Any) -> Any:
        raise Refused("logs.FilterLogEvents shows content")

    seen = await look(FakeAws(answers(logs__FilterLogEvents=off), WELL))
    assert seen.gaps[0].reason == "misconfigured"
    seen = await look(FakeAws(answers(), denied()))
    assert found(seen) == [("LOG_OBS_BLIND", INFO)]
    nothing = answers(logs__FilterLogEvents=denied(), logs__DescribeSubscriptionFilters=denied())
    with pytest.raises(BlindError):
        await look(FakeAws(nothing, denied()))


async def test_a_class_that_cannot_be_filtered_is_unsupported() -> None:
    row = {**GROUP, "logGroupClass": "INFREQUENT_ACCESS"}
    seen = await look(FakeAws(answers(logs__DescribeLogGroups={"logGroups": [row]}), WELL))
    assert seen.gaps[0].reason == "unsupported"
    assert "INFREQUENT_ACCESS" in [each.text for each in view.facts(seen, Settings())]


async def test_an_arn_names_the_group_too() -> None:
    aws = FakeAws(answers(), WELL)
    assert (await look(aws, str(GROUP["arn"]))).name == "/ecs/checkout"


def test_tables_show_shapes_and_refusals() -> None:
    patterns = (pattern("error", "boom [/b]", **NEW),)
    first, *_ = view.tables(snapshot(patterns=patterns, compared=True), Settings())
    assert first.rows[0].cells[-1] == "boom [/b]"
    assert first.rows[0].cells[0] == "02:58"


def test_a_shape_is_new_since_its_first_line_and_lines_rise_since_a_minute() -> None:
    shape = pattern("error", "boom", new_since=ago(minutes=4), count=50)
    (new,) = (f for f in told(snapshot(patterns=(shape,))) if f.code == "LOG_NEW_PATTERN")
    assert (new.began, new.resolution) == (ago(minutes=4), 1.0)
    look = rising(0, 90, 90, 90, 90, usual=1.0)
    (more,) = (f for f in told(look) if f.code == "LOG_ERRORS_RISING")
    assert (more.began, more.resolution) == (look.each_minute.times[1], 90.0)
