"""Since when it is so: what a source tells, and what nobody can know."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from cockpit.connect.session import Series
from cockpit.triage.finding import Thresholds
from probes.began import ago, bad_since, counted_since, earliest, reached_since, share_since, told

START = datetime.fromisoformat("2026-11-21T02:00:00+00:00")


def minutes(*values: float | None) -> Series:
    """A point a minute; None: there is none."""
    known = [(n, value) for n, value in enumerate(values) if value is not None]
    return Series(
        tuple(START + timedelta(minutes=n) for n, _ in known), tuple(value for _, value in known)
    )


@pytest.mark.parametrize(
    ("values", "began"),
    [
        pytest.param((1, 1, 9, 9, 9), 2, id="the first bad point"),
        pytest.param((9, 9, 9, 9, 9), None, id="bad in all of it: it began before"),
        pytest.param((1, 1, 1, 1, 1), None, id="nothing is bad"),
        pytest.param((), None, id="no points"),
        pytest.param((9, 1, 1, 1, 9, 9), 4, id="what was bad before is another trouble"),
        pytest.param((1, 9, 1, 1, 9, 9), 1, id="two good points between end no run"),
        pytest.param((1, 9, 9, 1, 1), 1, id="the newest may be good again"),
        pytest.param((1, 9, *[1] * 6), None, id="it is long over"),
        pytest.param((1, None, None, 9, 9), None, id="nobody knows what was in the gap"),
        pytest.param((1, 1, None, 9, 9), 3, id="one point may be missing"),
    ],
)
def test_it_began_with_the_first_bad_point_after_a_good_one(
    values: tuple[float | None, ...], began: int | None
) -> None:
    expected = None if began is None else START + timedelta(minutes=began)
    assert bad_since(minutes(*values), lambda value: value >= 5) == expected


def test_a_blind_series_tells_no_beginning() -> None:
    assert bad_since(Series(status="Forbidden"), lambda _: True) is None


def test_the_mildest_limit_says_since_when_it_is_reached() -> None:
    series = minutes(0.1, 0.6, 0.95)
    high = Thresholds(warning=0.5, critical=0.9)
    assert reached_since(series, high) == START + timedelta(minutes=1)
    assert reached_since(minutes(9, 1), Thresholds(high=2, below=True)) == START + timedelta(
        minutes=1
    )
    assert reached_since(series, Thresholds()) is None


def test_a_share_and_a_counter_that_is_silent_at_zero_begin_where_they_have_points() -> None:
    whole = minutes(100, 100, 100, 100)
    part = minutes(None, None, 1, 20)
    assert counted_since(part, whole) == START + timedelta(minutes=2)
    assert share_since(part, whole, Thresholds(high=0.05)) == START + timedelta(minutes=3)
    assert counted_since(part, Series()) is None, "without its companion nobody knows of zero"
    assert share_since(Series(status="Forbidden"), whole, Thresholds(high=0.05)) is None


def test_no_time_is_later_than_the_look_and_none_is_made_up() -> None:
    assert ago(START, 90) == START - timedelta(seconds=90)
    assert ago(START, None) is None
    assert told(START - timedelta(hours=1), START) == START - timedelta(hours=1)
    assert told(START + timedelta(seconds=5), START) == START, "a clock a little ahead of ours"
    assert told(START + timedelta(hours=1), START) is None, "a clock that is wrong"
    assert told(None, START) is None
    assert earliest([START, START - timedelta(1)]) == START - timedelta(1)
    assert earliest([START, None]) is None
    assert earliest([]) is None
