"""What a series costs: it is bought once a minute, once a quarter of it where it is sick."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from cockpit.connect.aws import metrics as aws_metrics
from cockpit.connect.aws.kept import KeptSeries, MetricWindow
from cockpit.connect.aws.session import Aws
from cockpit.connect.hurry import HURRIED
from cockpit.connect.session import MetricQuery, Series
from cockpit.errors import BlindError, Reason
from tests.core.aws_stub import Reply, Request, error, members, reading, stubbed, tag, xml
from tests.patience import at_most, until


@dataclass
class Clock:
    at: datetime = datetime(2026, 11, 21, 3, 10, 20, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def __iadd__(self, seconds: float) -> Clock:
        self.at += timedelta(seconds=seconds)
        return self


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")
    held = Clock()
    monkeypatch.setattr(aws_metrics, "now", held)
    return held


@contextmanager
def hurried() -> Iterator[None]:
    token = HURRIED.set(True)
    yield
    HURRIED.reset(token)


def query(name: str = "RequestCount", period: int = 60) -> MetricQuery:
    return MetricQuery("AWS/ApplicationELB", name, (("LoadBalancer", "app/x/1"),), "Sum", period)


def ids(request: Request) -> list[str]:
    return [v[0] for k, v in request.form.items() if k.endswith(".Id")]


def names(request: Request) -> list[str]:
    return [v[0] for k, v in request.form.items() if k.endswith(".MetricName")]


def asked(request: Request) -> str:
    return f"{request.form['StartTime'][0][11:16]}-{request.form['EndTime'][0][11:16]}"


def result(name: str, points: list[tuple[datetime, float]]) -> str:
    return (
        tag("Id", name)
        + tag("StatusCode", "Complete")
        + tag("Timestamps", members([f"{t:%Y-%m-%dT%H:%M:%SZ}" for t, _ in points]))
        + tag("Values", members([str(v) for _, v in points]))
    )


def answered(results: list[str], besides: str = "") -> Reply:
    return Reply(xml("GetMetricData", tag("MetricDataResults", members(results)) + besides))


def minutely(request: Request) -> Reply:
    """A point in each minute of the window: minutes since midnight."""
    start = datetime.fromisoformat(request.form["StartTime"][0])
    end = datetime.fromisoformat(request.form["EndTime"][0])
    times = [start + timedelta(minutes=n) for n in range(int((end - start).total_seconds() // 60))]
    points = [(t, t.hour * 60.0 + t.minute) for t in times]
    return answered([result(name, points) for name in ids(request)])


async def test_within_a_minute_a_series_is_bought_once(clock: Clock) -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = minutely
        first = await session.metrics([query()])
        clock += 35
        assert await session.metrics([query()]) == first
        assert first[query()].asked_at == clock.at - timedelta(seconds=35)
        assert len(stub.requests) == session.cost.metrics_requested == 1
        clock += 15
        assert (await session.metrics([query()]))[query()].asked_at == clock.at
        assert session.cost.metrics_requested == 2


async def test_of_three_hours_only_the_newest_minutes_are_asked_for_again(clock: Clock) -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = minutely
        await session.metrics([query()], minutes=185)
        clock += 60
        series = (await session.metrics([query()], minutes=185))[query()]
    assert [asked(request) for request in stub.requests] == ["00:06-03:11", "02:57-03:12"]
    assert series.values == tuple(float(n) for n in range(7, 192))


async def test_after_an_hour_it_is_read_in_full_and_after_a_sleep_too(clock: Clock) -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = minutely
        await session.metrics([query()], minutes=60)
        clock += 20 * 60
        series = (await session.metrics([query()], minutes=60))[query()]
        assert asked(stub.requests[-1]) == "02:31-03:31"
        assert len(series.values) == 60
        for _ in range(7):
            clock += 9 * 60
            await session.metrics([query()], minutes=60)
    lengths = [asked(request) for request in stub.requests[2:]]
    assert lengths[:2] == ["03:25-03:40", "03:34-03:49"]
    assert lengths[6] == "03:34-04:34"


async def test_a_sick_target_has_numbers_of_the_last_quarter_of_a_minute(clock: Clock) -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = minutely
        await session.metrics([query(), query("Healthy"), query("Buckets", 300)])
        for later in (16, 14):  # a look comes on its beat, and its call left a moment after one
            clock += later
            with hurried():
                await session.metrics([query(), query("Buckets", 300)])
            await session.metrics([query("Healthy")])
    assert [names(request) for request in stub.requests[1:]] == [["RequestCount"]] * 2


async def test_who_asks_first_in_a_minute_brings_what_others_ask_every_minute(clock: Clock) -> None:
    queries = [query(f"m{n}") for n in range(40)]
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = minutely
        for _ in range(6):  # three minutes, two looks in each
            for each in queries:
                clock += 0.1
                await session.metrics([each])
            clock += 26
    assert len(stub.requests) == 40 + 2
    assert session.cost.metrics_requested == 40 * 3


async def test_what_nobody_asks_for_any_more_is_not_bought(clock: Clock) -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = minutely
        await session.metrics([query("gone")])
        for _ in range(4):
            clock += 30
            await session.metrics([query("gone"), query("stays")])
        for _ in range(10):
            clock += 30
            await session.metrics([query("stays")])
    assert [names(request) for request in stub.requests[-3:]] == [["stays"]] * 3


async def test_a_slow_gauge_of_a_healthy_target_is_kept_for_five_minutes(clock: Clock) -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = minutely
        for _ in range(20):
            await session.metrics([query()], rest=True)
            clock += 30
        assert session.cost.metrics_requested == 3  # 03:10, 03:12 and 03:17: two minutes are late
        with hurried():
            await session.metrics([query()], rest=True)
        assert session.cost.metrics_requested == 4


async def test_what_lies_a_day_back_is_bought_by_the_hour(clock: Clock) -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = minutely
        for _ in range(100):
            series = (await session.metrics([query()], minutes=10, ago=1440))[query()]
            assert len(series.values) == 10
            assert series.values[-1] == clock.at.hour * 60 + clock.at.minute
            clock += 60
    assert session.cost.metrics_requested == 2


async def test_windows_of_one_length_are_one_call_whatever_their_period(clock: Clock) -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = minutely
        await asyncio.gather(
            session.metrics([query("a")]),
            session.metrics([query("b", 300)]),
            session.metrics([query("c")], minutes=5),
            session.metrics([query("d")], minutes=60),
            session.metrics([query("e")], minutes=185),
        )
    assert sorted(asked(request) for request in stub.requests) == ["00:06-03:11", "02:10-03:15"]


async def test_a_longer_window_than_the_one_under_way_is_asked_for_too(clock: Clock) -> None:
    release = asyncio.Event()

    async def answer(request: Request) -> Reply:
        await release.wait()
        return minutely(request)

    async with stubbed() as stub, reading(stub) as session:
        stub.answer = answer
        short = asyncio.create_task(session.metrics([query()]))
        async with asyncio.timeout(at_most(3)):
            while not stub.in_flight:
                await asyncio.sleep(0.005)
        long = asyncio.create_task(session.metrics([query()], minutes=60))
        await asyncio.sleep(0.02)
        clock += 60  # a minute passes while the answer is under way
        release.set()
        assert len((await short)[query()].values) == 15
        assert len((await long)[query()].values) == 60


async def test_a_series_that_the_answer_leaves_out_is_not_an_empty_one(clock: Clock) -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = lambda _: answered([result("m0001", [])])
        found = await session.metrics([query("a"), query("b")])
        assert (found[query("a")].status, found[query("b")].status) == ("Complete", "Unanswered")
        clock += 60
        stub.answer = minutely
        assert (await session.metrics([query("b")]))[query("b")].values


async def test_an_answer_without_any_series_is_unreadable_and_says_what_aws_said(
    clock: Clock,
) -> None:
    told = tag("Messages", members([tag("Code", "TooBusy") + tag("Value", "come back")]))
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = lambda _: answered([], told)
        with pytest.raises(BlindError) as caught:
            await session.metrics([query()])
    assert caught.value.reason is Reason.UNREADABLE
    assert "TooBusy come back" in caught.value.message


async def test_after_a_change_nothing_older_is_given(clock: Clock) -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = minutely
        await session.metrics([query()])
        session.forget()
        await session.metrics([query()])
        assert len(stub.requests) == 2


async def test_a_series_that_spoiled_a_call_is_asked_alone_until_it_is_good(clock: Clock) -> None:
    def answer(request: Request) -> Reply:
        bad = "bad" in names(request)
        return Reply(error("ValidationError", "stat"), 400) if bad else minutely(request)

    good = [query(f"m{n}") for n in range(7)]
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = answer

        async def look() -> list[object]:
            one, rest = session.metrics([query("bad")]), session.metrics(good)
            return list(await asyncio.gather(one, rest, return_exceptions=True))

        await look()
        stub.requests.clear()
        session._metrics._kept[query("bad"), 0].coming = None
        clock += 60
        told = await look()
        assert sorted(len(names(request)) for request in stub.requests) == [1, 7]
        assert isinstance(told[0], BlindError)
        assert isinstance(told[1], dict)


async def test_a_batch_waits_for_calls_that_are_under_way(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they are about asks for series next; a call that hangs holds it for a moment only."""
    monkeypatch.setattr(aws_metrics, "_CROWD", at_most(10))
    late = asyncio.Event()

    async def answer(request: Request) -> Reply:
        if request.operation == "GetMetricData":
            return minutely(request)
        await late.wait()
        return Reply(xml(request.operation, tag("TargetHealthDescriptions", "")))

    async with stubbed() as stub, reading(stub) as session:
        stub.answer = answer

        async def slow() -> None:
            await session.read("elbv2", "DescribeTargetHealth", TargetGroupArn="x")
            await session.metrics([query("m1")])

        first = asyncio.create_task(slow())
        await until(lambda: stub.operations == ["DescribeTargetHealth"])
        second = asyncio.create_task(session.metrics([query("m2")]))
        await until(lambda: len(session._metrics._waiting) == 1)
        late.set()
        await asyncio.gather(first, second)
        assert stub.operations.count("GetMetricData") == 1
        monkeypatch.setattr(aws_metrics, "_CROWD", 0.05)
        late.clear()
        hanging = asyncio.create_task(
            session.read("elbv2", "DescribeTargetHealth", TargetGroupArn="y")
        )
        await until(lambda: stub.operations.count("DescribeTargetHealth") == 2)
        await session.metrics([query("m3")])
        late.set()
        await hanging


async def test_a_batch_waits_for_those_whose_calls_wait_for_their_turn(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At ten calls a second a look after the other comes out of the queue: their series fit into
    one call."""
    monkeypatch.setattr(aws_metrics, "_CROWD", at_most(10))

    def answer(request: Request) -> Reply:
        if request.operation != "GetMetricData":
            return Reply(xml(request.operation, tag("TargetHealthDescriptions", "")))
        return minutely(request)

    async with stubbed() as stub, reading(stub, calls_per_second=20) as session:
        stub.answer = answer

        async def look(n: int) -> None:
            arn = f"arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/t/{n}"
            await session.read("elbv2", "DescribeTargetHealth", TargetGroupArn=arn)
            await session.metrics([query(f"m{n}")])

        await asyncio.gather(*(look(n) for n in range(90)))
    assert stub.operations.count("GetMetricData") <= 3


async def test_what_does_not_fill_a_call_waits_for_what_the_full_ones_lead_to(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_metrics, "_CROWD", at_most(10))

    async def look(session: Aws, n: int) -> None:
        await session.metrics([query(f"m{n}-{each}") for each in range(100)])
        if n == 0:
            await session.metrics([query(f"more-{each}") for each in range(100)])

    async with stubbed() as stub, reading(stub) as session:
        stub.answer = minutely
        await asyncio.gather(*(look(session, n) for n in range(6)))
    assert [len(names(request)) for request in stub.requests] == [500, 200]


@pytest.mark.parametrize(
    ("ago", "minutes", "expected"),
    [(0, 15, "02:56-03:11"), (60, 15, "01:56-02:11"), (1440, 10, "03:00-04:10")],
)
def test_what_a_record_needs(ago: int, minutes: int, expected: str) -> None:
    moment = datetime(2026, 11, 21, 3, 10, 20, tzinfo=UTC)
    record = KeptSeries(query(), ago, minutes)
    span = record.needs(moment)
    assert f"{span.start:%H:%M}-{span.end:%H:%M}" == expected
    assert span.start == moment.replace(
        hour=span.start.hour, minute=span.start.minute, second=0
    ) - (timedelta(days=ago // 1440))


def test_a_refusal_keeps_nothing_of_what_was_known() -> None:
    moment = datetime(2026, 11, 21, 3, 10, 20, tzinfo=UTC)
    record = KeptSeries(query(), minutes=15)
    span = record.needs(moment)
    record.take(Series((moment,), (1.0,)), span, moment)
    record.take(Series(status="Forbidden"), span, moment)
    assert (record.cut(span).status, record.cut(span).values) == ("Forbidden", ())
    assert record.holds(span)
    assert isinstance(record.needs(moment), MetricWindow)
    assert record.needs(moment + timedelta(minutes=1)).start == span.start + timedelta(minutes=1)
