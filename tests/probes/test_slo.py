"""Objectives: burn by windows and rules, the budget, and what is not known of it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cockpit import clock, config
from cockpit.config_file import ConfigProblems
from cockpit.connect.session import MetricQuery, Series
from cockpit.errors import BlindError
from cockpit.triage import recording
from cockpit.triage.finding import Severity
from cockpit.triage.registry import catalog
from cockpit.triage.target import Target
from probes.slo import budget as probe
from probes.slo.burn import (
    Bucket,
    EventCounts,
    SeriesBuckets,
    buckets,
    burn,
    counted,
    exhausted_in,
    spent,
    spliced,
)
from probes.slo.indicator import indicator
from probes.slo.model import DAY, FIVE, HOUR, SIX_HOURS, THREE_DAYS, WINDOWS, BurnWindow, Snapshot
from probes.slo.objective import SloSettings
from probes.slo.settings import Settings
from tests.probes.fake_aws import AT, FakeAws, denied

CRITICAL, HIGH, WARNING, INFO = Severity.CRITICAL, Severity.HIGH, Severity.WARNING, Severity.INFO
END = AT.replace(second=0) - timedelta(minutes=2)
MONTH = 30 * DAY

EVENTS = st.floats(0, 1e6, allow_subnormal=False)
COUNTS = st.builds(
    lambda total, share: EventCounts(total * share, total),
    EVENTS,
    st.floats(0, 1, allow_subnormal=False),
)


@given(COUNTS)
def test_what_is_certain_is_never_more_than_what_was_seen(counts: EventCounts) -> None:
    if counts.share is None:
        assert counts.total == 0
        assert counts.least is None
        return
    assert counts.least is not None
    assert 0 <= counts.least <= counts.share + 1e-9


@given(st.lists(st.tuples(EVENTS, EVENTS), min_size=1, max_size=40), st.integers(1, 40))
def test_a_budget_is_spent_by_counts_and_not_by_the_average_of_shares(
    events: list[tuple[float, float]], window: int
) -> None:
    times = [END - timedelta(minutes=len(events) - n) for n in range(len(events))]
    total = Series(tuple(times), tuple(whole for whole, _ in events))
    bad = Series(tuple(times), tuple(part for _, part in events))
    found = buckets(60, total=(total,), bad=(bad,))
    last = counted(found, END, window * 60)
    kept = events[-window:]
    assert last.total == pytest.approx(sum(whole for whole, _ in kept))
    assert last.bad == pytest.approx(sum(min(whole, part) for whole, part in kept))
    assert last.share is None or 0 <= last.share <= 1


@given(st.floats(0, 1), st.floats(0.01, 0.9999), st.floats(1, 63))
def test_the_rate_at_which_all_is_bad_ends_a_budget_by_its_own_arithmetic(
    share: float, objective: float, days: float
) -> None:
    rate = burn(share, objective)
    assert rate is not None
    assert rate <= 1 / (1 - objective) + 1e-6
    left = exhausted_in(0.0, rate, days * DAY)
    if left is None:
        assert share == pytest.approx(0)
    else:
        assert left * share == pytest.approx(days * DAY * (1 - objective))
    assert exhausted_in(1.0, rate, days * DAY) == 0
    assert burn(None, objective) is None


@given(st.integers(0, 59), st.integers(7, 60), st.integers(3, 40))
def test_spliced_buckets_count_every_minute_once(minute: int, hours: int, days: int) -> None:
    end = END.replace(minute=minute)

    def flow(seconds: int, since: datetime) -> SeriesBuckets:
        first = datetime.fromtimestamp(since.timestamp() // seconds * seconds, since.tzinfo)
        many = int((end - first).total_seconds()) // seconds + 1
        starts = [first + timedelta(seconds=seconds * n) for n in range(many)]
        each = EventCounts(0, seconds / 60)
        return SeriesBuckets(seconds, since, tuple(Bucket(s, seconds, each) for s in starts))

    several = [
        flow(60, end - timedelta(hours=7, minutes=10)),
        flow(300, end - timedelta(hours=hours + 8)),
        flow(3600, end - timedelta(days=days + 4)),
    ]
    found = spliced(several, end)
    assert all(one.end == other.start for one, other in itertools.pairwise(found))
    assert found[-1].end == end
    assert counted(found, end, SIX_HOURS).total == SIX_HOURS / 60


def test_what_nobody_did_burns_nothing_and_is_not_known_to_be_good() -> None:
    assert spent(EventCounts(), 0.999) is None
    assert EventCounts().share is None
    # exactly what the workbook's table says of 99.9 %
    assert burn(0.0144, 0.999) == pytest.approx(14.4)


def look(*, windows: Mapping[int, tuple[float, float]] | None = None, **changes: Any) -> Snapshot:
    """1,000 events a minute, all of them good; `windows`: seconds → (bad, all)."""
    usual = {seconds: (0.0, 1000.0 * seconds / 60) for seconds in WINDOWS}
    base = Snapshot(
        at=AT,
        end=END,
        sli="alb",
        name="app/shop/1",
        objective=0.999,
        days=30,
        windows=tuple(
            BurnWindow(s, EventCounts(*counts))
            for s, counts in {**usual, **(windows or {})}.items()
        ),
        period=EventCounts(0, 43_200_000),
        newest=END - timedelta(minutes=1),
        present=1.0,
    )
    return replace(base, **changes)


def at_burn(rate: float, *seconds: int, objective: float = 0.999) -> dict[int, tuple[float, float]]:
    every = {s: 1000.0 * s / 60 for s in seconds}
    return {s: (rate * (1 - objective) * total, total) for s, total in every.items()}


def found(snapshot: Snapshot, settings: Settings | None = None) -> list[tuple[str, Severity]]:
    return [(f.code, f.severity) for f in probe.diagnose(snapshot, settings or Settings())]


FAST, MEDIUM = (HOUR, 300), (SIX_HOURS, 1800)
SLOW, TRICKLE = (DAY, 7200), (THREE_DAYS, SIX_HOURS)


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        pytest.param(look(), [], id="well"),
        pytest.param(look(windows=at_burn(14.4, *FAST)), [("SLO_BURN_FAST", CRITICAL)], id="14.4"),
        pytest.param(look(windows=at_burn(14.3, *FAST)), [], id="just below"),
        pytest.param(look(windows=at_burn(20, HOUR)), [], id="the short window is clean again"),
        pytest.param(look(windows=at_burn(20, 300)), [], id="only five minutes"),
        pytest.param(look(windows=at_burn(6, *MEDIUM)), [("SLO_BURN_MEDIUM", CRITICAL)], id="6"),
        pytest.param(look(windows=at_burn(3, *SLOW)), [("SLO_BURN_SLOW", WARNING)], id="3"),
        pytest.param(look(windows=at_burn(1, *TRICKLE)), [("SLO_BURN_TRICKLE", WARNING)], id="1"),
        pytest.param(look(windows=at_burn(0.9, *TRICKLE)), [], id="it will be kept"),
        pytest.param(
            look(windows=at_burn(20, *FAST, *MEDIUM, *SLOW, *TRICKLE)),
            [("SLO_BURN_FAST", CRITICAL)],
            id="one cause is one finding",
        ),
        pytest.param(
            look(windows=at_burn(3.4, *FAST), days=7), [("SLO_BURN_FAST", CRITICAL)], id="7 days"
        ),
        pytest.param(
            look(windows=at_burn(0.5, *SLOW, *TRICKLE), days=7), [], id="7 days, within the budget"
        ),
        pytest.param(
            look(windows={HOUR: (8, 8), 300: (8, 8)}), [("SLO_BURN_FAST", HIGH)], id="8 of 8"
        ),
        pytest.param(
            look(windows={HOUR: (1, 60), 300: (1, 5)}), [], id="one of sixty may be chance"
        ),
        pytest.param(look(windows={HOUR: (0, 0), 300: (0, 0)}), [], id="nothing happened"),
        pytest.param(
            look(windows={900: (151, 15_000)}), [("SLO_AVAILABILITY_LOW", CRITICAL)], id="98.99 %"
        ),
        pytest.param(look(windows={900: (149, 15_000)}), [], id="99.01 %"),
        pytest.param(
            look(windows={900: (700, 15_000)}, objective=0.95, period=EventCounts(0, 43_200_000)),
            [],
            id="95 % is the objective",
        ),
        pytest.param(
            look(windows={900: (6, 6)}), [("SLO_AVAILABILITY_LOW", HIGH)], id="6 of 6 in 15 minutes"
        ),
        pytest.param(
            look(windows={900: (16, 15_000)}, latency=0.5),
            [("SLO_LATENCY_MISSED", WARNING)],
            id="too slow",
        ),
        pytest.param(look(windows={900: (14, 15_000)}, latency=0.5), [], id="fast enough"),
        pytest.param(
            look(period=EventCounts(43_200, 43_200_000)),
            [("SLO_BUDGET_EXHAUSTED", CRITICAL)],
            id="gone",
        ),
        pytest.param(
            look(period=EventCounts(21_600, 43_200_000)),
            [("SLO_BUDGET_LOW", WARNING)],
            id="half of it",
        ),
        pytest.param(
            look(period=EventCounts(10_800, 43_200_000)), [("SLO_BUDGET_LOW", INFO)], id="a quarter"
        ),
        pytest.param(look(period=EventCounts(10_700, 43_200_000)), [], id="less than a quarter"),
        pytest.param(look(period=None), [], id="the period is not known"),
        pytest.param(
            look(windows={900: (0, 0)}), [("SLO_NO_TRAFFIC", WARNING)], id="nothing comes"
        ),
        pytest.param(
            look(windows={900: (0, 0), SIX_HOURS: (0, 3000)}),
            [("SLO_NO_TRAFFIC", INFO)],
            id="little came before",
        ),
        pytest.param(
            look(windows={900: (0, 0), SIX_HOURS: (0, 100)}), [], id="a quiet quarter is likely"
        ),
        pytest.param(
            look(newest=None, period=EventCounts(), windows=dict.fromkeys(WINDOWS, (0, 0))),
            [("SLO_NO_DATA", WARNING)],
            id="no point at all",
        ),
        pytest.param(
            look(objective=0.93), [("SLO_UNREACHABLE_RULE", INFO)], id="14.4 cannot be reached"
        ),
        pytest.param(look(objective=0.931), [], id="14.4 can just be reached"),
    ],
)
def test_an_objective_is_judged_by_its_windows(
    snapshot: Snapshot, expected: list[tuple[str, Severity]]
) -> None:
    assert found(snapshot) == expected


JOB = Bucket(END - timedelta(hours=30), 300, EventCounts(0, 1))


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        ((0, 0), []),
        ((1, 0), []),
        ((0, 1), [("SLO_EVENT_FAILED", WARNING)]),
        ((1, 1), [("SLO_EVENT_FAILED", CRITICAL)]),
        ((1,), [("SLO_EVENT_FAILED", WARNING)]),
    ],
)
def test_of_a_daily_job_each_failure_is_told(
    failures: Sequence[int], expected: list[tuple[str, Severity]]
) -> None:
    last = tuple(
        replace(JOB, start=JOB.start + timedelta(days=n), counts=EventCounts(failed, 1))
        for n, failed in enumerate(failures)
    )
    silent = dict.fromkeys(WINDOWS, (0.0, 0.0))
    job = look(windows=silent, period=EventCounts(0, 30), objective=0.995, last=last)
    assert found(job) == [("SLO_TOO_FEW_EVENTS", INFO), *expected]


def test_severities_and_numbers_are_settings() -> None:
    from cockpit.triage.finding import Thresholds

    settings = Settings(fast=Thresholds(warning=0.001, high=0.01), spent=Thresholds(critical=0.5))
    assert found(look(windows=at_burn(7.3, *FAST)), settings) == [("SLO_BURN_FAST", HIGH)]
    assert found(look(period=EventCounts(21_600, 43_200_000)), settings) == [
        ("SLO_BUDGET_LOW", CRITICAL)
    ]


def test_the_moment_at_which_the_budget_is_gone_is_told() -> None:
    burning = look(windows=at_burn(100, *FAST), period=EventCounts(0, 43_200_000))
    (told,) = probe.diagnose(burning, Settings())
    assert "100 times as fast" in told.summary
    assert "budget gone at 10:10 UTC" in told.summary  # a hundredth of 30 d after 02:58
    facts = {each.label: each.text for each in probe.PROBE.facts(burning, Settings())}  # type: ignore[misc]
    assert facts["budget"] == "100% left"
    assert facts["gone at"].startswith("11-21 10:10")
    assert probe.PROBE.tables is not None
    windows, rules = probe.PROBE.tables(burning, Settings())
    assert rules.rows[0].severity is CRITICAL
    assert windows.rows[-1].cells == ("30 days", "0", "43,200,000", "0x")


def test_missing_minutes_speak_against_the_counts() -> None:
    (told,) = probe.diagnose(look(windows=at_burn(20, *FAST), present=0.7), Settings())
    assert told.against == ("partial: 70% of the minutes of six hours have a point",)


ALB = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/shop/50dc6c495c0c9188"
GROUP = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/shop/73e2d6bc24d8a067"


@pytest.mark.parametrize(
    ("settings", "total", "judged"),
    [
        (
            {"id": ALB},
            ["RequestCount Sum", "HTTPCode_ELB_500_Count Sum", "HTTPCode_ELB_503_Count Sum"],
            ["HTTPCode_Target_5XX_Count Sum", "HTTPCode_ELB_5XX_Count Sum"],
        ),
        (
            {"id": ALB, "latency": 0.5},
            ["TargetResponseTime SampleCount"],
            ["TargetResponseTime TC(:0.5)"],
        ),
        (
            {"sli": "target_group", "id": GROUP, "load_balancer": ALB},
            ["RequestCount Sum"],
            ["HTTPCode_Target_5XX_Count Sum"],
        ),
        ({"sli": "rest_api", "id": "shop", "stage": "prod"}, ["Count Sum"], ["5XXError Sum"]),
        ({"sli": "http_api", "id": "a1b2", "stage": "prod"}, ["Count Sum"], ["5xx Sum"]),
        (
            {"sli": "rest_api", "id": "shop", "stage": "prod", "latency": 0.25},
            ["Latency SampleCount"],
            ["Latency TC(:250)"],
        ),
        (
            {"sli": "lambda_function", "id": "pay", "throttles": True},
            ["Invocations Sum", "Throttles Sum"],
            ["Errors Sum", "Throttles Sum"],
        ),
        (
            {"sli": "metric", "namespace": "Shop", "total": "Orders", "good": "OrdersDone"},
            ["Orders Sum"],
            ["OrdersDone Sum"],
        ),
    ],
)
def test_an_indicator_is_made_of_sums(
    settings: dict[str, Any], total: list[str], judged: list[str]
) -> None:
    found = indicator(SloSettings(aws="prod", **settings), 60)
    assert [f"{q.name} {q.stat}" for q in found.total] == total
    assert [f"{q.name} {q.stat}" for q in (*found.bad, *found.good)] == judged
    assert {q.period for q in found.queries} == {60}


def test_dimensions_are_those_that_aws_publishes() -> None:
    group = indicator(
        SloSettings(aws="prod", sli="target_group", id=GROUP, load_balancer=ALB), 60
    ).queries[0]
    assert dict(group.dimensions) == {
        "LoadBalancer": "app/shop/50dc6c495c0c9188",
        "TargetGroup": "targetgroup/shop/73e2d6bc24d8a067",
    }
    alias = indicator(SloSettings(aws="prod", sli="lambda_function", id="pay:live"), 60).queries[0]
    assert dict(alias.dimensions) == {"FunctionName": "pay", "Resource": "pay:live"}


class ManyPeriods(FakeAws):
    """Answers a series in each period that it is asked for; values are by the minute."""

    def _series(self, query: MetricQuery) -> Series:
        each = self.answers.get(query.name)
        if isinstance(each, BlindError) and query.period == 3600:
            raise each
        if not isinstance(each, int | float):
            return each if isinstance(each, Series) else Series()
        days = {60: 1, 300: 4, 3600: 32}[query.period]
        last = AT.timestamp() // query.period * query.period
        many = days * DAY // query.period
        starts = [last - query.period * n for n in range(many, -1, -1)]
        return Series(
            tuple(datetime.fromtimestamp(start, AT.tzinfo) for start in starts),
            tuple(float(each) * query.period / 60 for _ in starts),
        )


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


async def collected(answers: Mapping[str, Any], **settings: Any) -> Snapshot:
    given = SloSettings(aws="prod", **{"id": ALB, **settings})
    target = Target(name="shop", kind="slo", settings=given)
    return await probe.collect(ManyPeriods(answers), target)


async def test_counts_are_put_together_from_three_resolutions() -> None:
    seen = await collected({"RequestCount": 1000, "HTTPCode_Target_5XX_Count": 15})
    assert seen.end == END
    assert seen.of(HOUR) == EventCounts(900, 60_000)
    assert seen.burn(DAY) == pytest.approx(15)
    assert seen.period is not None
    assert seen.period.share == pytest.approx(0.015)
    assert seen.period.total == pytest.approx(43_200_000, rel=0.002)
    assert seen.burn(THREE_DAYS) == pytest.approx(15)
    assert (seen.present, seen.gaps) == (1.0, ())
    told = ["SLO_BUDGET_EXHAUSTED", "SLO_BURN_FAST", "SLO_AVAILABILITY_LOW"]
    assert [code for code, _ in found(seen)] == told
    assert recording.builtins(seen)["name"] == "app/shop/50dc6c495c0c9188"


async def test_a_part_that_is_refused_is_not_a_part_without_errors() -> None:
    refused = Series(status="Forbidden")
    seen = await collected({"RequestCount": 1000, "HTTPCode_ELB_5XX_Count": refused})
    assert seen.windows == ()
    assert seen.period is None
    assert found(seen) == [("SLO_OBS_BLIND", INFO)]
    assert next(f.text for f in probe.PROBE.facts(seen, Settings())) == "unknown"  # type: ignore[misc]


async def test_a_period_that_cannot_be_read_leaves_the_windows() -> None:
    seen = await collected({"RequestCount": 1000, "HTTPCode_ELB_500_Count": denied()})
    assert seen.of(HOUR) == EventCounts(0, 60_000)
    assert (seen.period, found(seen)) == (None, [("SLO_OBS_BLIND", INFO)])


async def test_a_trimmed_count_that_is_never_told_is_not_all_slow() -> None:
    seen = await collected({"TargetResponseTime": 100}, latency=0.5)
    assert seen.of(HOUR) == EventCounts(0, 6000)
    odd = await collected(
        {"Orders": 100}, sli="metric", namespace="Shop", total="Orders", good="Done"
    )
    assert (odd.windows, [gap.what for gap in odd.gaps]) == ((), ["what is good"])


async def test_no_point_is_no_data_and_denied_is_blind() -> None:
    seen = await collected({})
    assert found(seen) == [("SLO_NO_DATA", WARNING)]
    target = Target(name="shop", kind="slo", settings=SloSettings(aws="prod", id=ALB))
    with pytest.raises(BlindError):
        await probe.collect(FakeAws({}, denied()), target)


CONFIG = '[aws.prod]\nregion = "us-east-1"\n[[target]]\nkind = "slo"\nname = "s"\naws = "prod"\n'


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("", "id: is missing"),
        ('id = "a"\nobjective = 99.9', "99.9 % is 0.999"),
        ('id = "a"\ndays = 90', "90 is not between 1 and 63"),
        ('sli = "target_group"\nid = "a"', "load_balancer: is missing"),
        ('sli = "rest_api"\nid = "a"', "stage: is missing"),
        ('sli = "metric"\ntotal = "Orders"', "namespace: is missing"),
        ('sli = "metric"\nnamespace = "S"\ntotal = "T"', "name one of bad and good"),
        (
            'sli = "metric"\nnamespace = "S"\ntotal = "T"\ngood = "G"\nlatency = 1',
            "latency: is for",
        ),
        ('sli = "nlb"\nid = "a"', "is none of alb"),
    ],
)
def test_a_target_that_says_too_little_is_told(tmp_path: Path, written: str, told: str) -> None:
    file = tmp_path / "cockpit.toml"
    file.write_text(CONFIG + written)
    with pytest.raises(ConfigProblems, match=told):
        config.load(file, catalog())


def test_a_fast_burn_began_with_its_first_minute_where_the_last_hour_has_it() -> None:
    times = tuple(END - timedelta(minutes=60 - n) for n in range(60))
    shares = (*[0.0] * 48, *[0.05] * 12)
    burning = look(windows=at_burn(20, HOUR, FIVE), minutes=Series(times, shares))
    told = {each.code: each for each in probe.diagnose(burning, Settings())}["SLO_BURN_FAST"]
    assert (told.began, told.resolution) == (times[48], 90.0)
    longer = replace(burning, minutes=Series(times, (0.05,) * 60))
    told = {each.code: each for each in probe.diagnose(longer, Settings())}["SLO_BURN_FAST"]
    assert told.began is None


def test_a_slow_burn_began_with_its_first_five_minutes_where_they_count_enough() -> None:
    times = tuple(END - timedelta(minutes=5 * (144 - n)) for n in range(144))
    shares = (*[0.0] * 72, *[0.012, 0.002, 0.008] * 24)
    slow = look(windows=at_burn(7, *MEDIUM), fives=Series(times, shares))
    told = {each.code: each for each in probe.diagnose(slow, Settings())}["SLO_BURN_MEDIUM"]
    assert (told.began, told.resolution) == (times[72], 330.0)
    few = {seconds: (0.5 * seconds / 60, 10.0 * seconds / 60) for seconds in MEDIUM}
    rare = replace(slow, windows=look(windows=few).windows)
    told = {each.code: each for each in probe.diagnose(rare, Settings())}["SLO_BURN_MEDIUM"]
    assert told.began is None, "chance would date it"
