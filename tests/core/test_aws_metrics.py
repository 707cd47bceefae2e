"""Series of many askers come out of few calls, and emptiness keeps its reasons."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from cockpit.connect.aws import metrics as aws_metrics
from cockpit.connect.session import MetricQuery
from cockpit.errors import BlindError, Reason
from tests.core.aws_stub import Reply, Request, error, members, reading, stubbed, tag, xml
from tests.patience import until

NOW = datetime(2026, 11, 21, 3, 10, 20, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")
    monkeypatch.setattr(aws_metrics, "now", lambda: NOW)


def query(name: str = "RequestCount", period: int = 60) -> MetricQuery:
    return MetricQuery("AWS/ApplicationELB", name, (("LoadBalancer", "app/x/1"),), "Sum", period)


def result(name: str, *values: float, status: str = "Complete", start: int = 9) -> str:
    times = [tag("member", f"2026-11-21T03:{start - n:02}:00Z") for n in range(len(values))]
    return (
        tag("Id", name)
        + tag("Label", "x")
        + tag("StatusCode", status)
        + tag("Timestamps", "".join(times))
        + tag("Values", members([str(value) for value in values]))
    )


def answered(results: list[str], token: str = "") -> Reply:
    inner = tag("MetricDataResults", members(results))
    return Reply(xml("GetMetricData", inner + (tag("NextToken", token) if token else "")))


def ids(request: Request) -> list[str]:
    return [
        value[0]
        for key, value in request.form.items()
        if key.startswith("MetricDataQueries.member.") and key.endswith(".Id")
    ]


def echo(request: Request) -> Reply:
    return answered([result(name, 3.0, 2.0, 1.0) for name in ids(request)])


@pytest.mark.parametrize(("many", "calls"), [(1, 1), (499, 1), (500, 1), (501, 2), (1001, 3)])
async def test_five_hundred_queries_are_one_call(many: int, calls: int) -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = echo
        queries = [query(f"m{n}") for n in range(many)]
        found = await session.metrics(queries)
        assert set(found) == set(queries)
        assert len(stub.requests) == calls
        assert session.cost.metrics_requested == many
        assert session.cost.estimated_usd == pytest.approx(many * 0.00001)


async def test_many_askers_share_a_call_and_a_question_that_two_ask_is_asked_once() -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = echo
        found = await asyncio.gather(
            session.metrics([query("a"), query("b")]), session.metrics([query("b"), query("c")])
        )
        assert [sorted(q.name for q in each) for each in found] == [["a", "b"], ["b", "c"]]
        assert len(stub.requests) == 1
        assert session.cost.metrics_requested == 3


async def test_points_come_oldest_first_whatever_the_order_of_the_answer() -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = echo
        series = (await session.metrics([query()]))[query()]
    assert series.values == (1.0, 2.0, 3.0)
    assert [time.minute for time in series.times] == [7, 8, 9]
    assert series.times[0].tzinfo is not None


async def test_pages_are_merged_by_id() -> None:
    def answer(request: Request) -> Reply:
        if "NextToken" in request.form:
            return answered([result("m0001", 1.0, start=7)])
        return answered([result("m0001", 3.0, 2.0, status="PartialData")], token="t")

    async with stubbed() as stub, reading(stub) as session:
        stub.answer = answer
        series = (await session.metrics([query()]))[query()]
        assert (series.values, series.status) == ((1.0, 2.0, 3.0), "Complete")
        assert session.cost.metrics_requested == 1


@pytest.mark.parametrize("status", ["Forbidden", "InternalError"])
async def test_a_refused_series_is_blind_and_the_others_stand(status: str) -> None:
    def answer(_: object) -> Reply:
        return answered([result("m0001", 1.0, status=status), result("m0002", 5.0)])

    async with stubbed() as stub, reading(stub) as session:
        stub.answer = answer
        found = await session.metrics([query("a"), query("b")])
    assert (found[query("a")].status, found[query("a")].values) == (status, ())
    assert found[query("b")].values == (5.0,)


async def test_a_series_without_points_is_empty_and_complete() -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = lambda _: answered([result("m0001")])
        series = (await session.metrics([query()]))[query()]
    assert (series.times, series.status) == ((), "Complete")


async def test_one_bad_query_does_not_spoil_the_others() -> None:
    def answer(request: Request) -> Reply:
        names = [value[0] for key, value in request.form.items() if key.endswith("MetricName")]
        if "bad" in names:
            return Reply(error("ValidationError", "stat"), 400)
        return echo(request)

    good = [query(f"m{n}") for n in range(9)]
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = answer
        told = await asyncio.gather(
            session.metrics([query("bad")]),
            *(session.metrics([each]) for each in good),
            return_exceptions=True,
        )
    assert isinstance(told[0], BlindError)
    assert told[0].reason is Reason.MISCONFIGURED
    assert all(not isinstance(each, BaseException) for each in told[1:])


async def test_a_failed_call_is_blind_for_all_of_its_series() -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.reply(error("AccessDenied"), 403)
        with pytest.raises(BlindError) as caught:
            await session.metrics([query()])
    assert caught.value.reason is Reason.DENIED
    assert "cloudwatch:GetMetricData" in caught.value.message


@pytest.mark.parametrize(
    ("minutes", "ago", "period", "start", "end"),
    [
        pytest.param(15, 0, 60, "02:56", "03:11", id="the running minute is in it"),
        pytest.param(15, 0, 300, "03:00", "03:15", id="five-minute borders"),
        pytest.param(10, 60, 60, "02:01", "02:11", id="an hour ago"),
    ],
)
async def test_the_window_is_aligned_to_the_period(
    minutes: int, ago: int, period: int, start: str, end: str
) -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = echo
        await session.metrics([query(period=period)], minutes=minutes, ago=ago)
        form = stub.requests[0].form
    assert form["StartTime"][0][11:16] == start
    assert form["EndTime"][0][11:16] == end
    assert "Unit" not in "".join(form)


async def test_an_asker_that_leaves_does_not_take_the_call_from_the_others() -> None:
    release = asyncio.Event()

    async def answer(request: Request) -> Reply:
        await release.wait()
        return echo(request)

    async with stubbed() as stub, reading(stub) as session:
        stub.answer = answer
        leaving = asyncio.create_task(session.metrics([query()]))
        staying = asyncio.create_task(session.metrics([query()]))
        await until(lambda: stub.in_flight)
        leaving.cancel()
        release.set()
        assert (await staying)[query()].values


async def test_no_question_makes_no_call() -> None:
    async with stubbed() as stub, reading(stub) as session:
        assert await session.metrics([]) == {}
        assert stub.requests == []
