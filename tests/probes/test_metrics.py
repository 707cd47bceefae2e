"""What points of a CloudWatch series mean, and what no points mean."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cockpit.connect.session import Series
from cockpit.triage.finding import Severity, Thresholds
from probes import metrics

AT = datetime(2026, 11, 21, 3, 10, 30, tzinfo=UTC)


def minutes(*values: float | None, last: int = 0, status: str = "Complete") -> Series:
    """One point a minute; the newest starts `last` minutes before 03:10. None is a gap."""
    end = datetime(2026, 11, 21, 3, 10, tzinfo=UTC) - timedelta(minutes=last)
    points = [
        (end - timedelta(minutes=len(values) - 1 - i), value)
        for i, value in enumerate(values)
        if value is not None
    ]
    return Series(tuple(t for t, _ in points), tuple(v for _, v in points), status)


def test_the_newest_two_minutes_are_never_judged() -> None:
    series = minutes(1, 2, 3, 4, 5, 6, 7, 8, 9)
    assert metrics.settled(series, AT, minutes=5).values == (2, 3, 4, 5, 6)


def test_a_window_at_a_whole_minute_ends_two_minutes_before_it() -> None:
    at = datetime(2026, 11, 21, 3, 10, tzinfo=UTC)
    assert metrics.settled(minutes(1, 2, 3, 4, 5), at, minutes=2).times[-1].minute == 7


def test_a_blind_series_stays_blind_after_the_cut() -> None:
    assert metrics.is_blind(metrics.settled(minutes(status="Forbidden"), AT))


def test_a_series_of_an_earlier_look_is_judged_as_of_then() -> None:
    """Else the minutes since would be missing in it, and look like an outage."""
    asked_at = AT - timedelta(minutes=4)
    old = replace(minutes(*range(20), last=4), asked_at=asked_at)
    assert metrics.settled(old, AT) == metrics.settled(old, asked_at)
    assert metrics.total(metrics.settled(old, AT)) == 12 + 13 + 14 + 15 + 16
    assert (
        metrics.settled(replace(old, asked_at=AT + timedelta(seconds=9)), AT).times[-1].minute == 6
    )


def test_what_is_made_of_several_series_is_as_old_as_the_oldest() -> None:
    new = replace(minutes(*[9] * 20), asked_at=AT)
    old = replace(minutes(last=4), asked_at=AT - timedelta(minutes=4))
    for made in (metrics.filled(old, new), metrics.together(new, old)):
        assert made.asked_at == old.asked_at
        assert metrics.settled(made, AT).times[-1].minute == 3


@pytest.mark.parametrize(
    ("sparse", "companion", "expected"),
    [
        pytest.param(minutes(), minutes(5, 5), 0, id="silent while requests flow is zero"),
        pytest.param(minutes(), minutes(), None, id="both silent is unknown"),
        pytest.param(minutes(3, None), minutes(5, 5), 3, id="a gap counts nothing"),
        pytest.param(minutes(7), minutes(), 7, id="errors without any request still count"),
        pytest.param(minutes(status="Forbidden"), minutes(5), None, id="denied is unknown"),
        pytest.param(minutes(1), minutes(status="InternalError"), None, id="companion blind"),
    ],
)
def test_a_sparse_counter_is_zero_only_beside_a_living_companion(
    sparse: Series, companion: Series, expected: int | None
) -> None:
    assert metrics.counted(sparse, companion) == expected


@pytest.mark.parametrize(
    ("part", "whole", "text", "severity"),
    [
        pytest.param(0, 0, "no requests", None, id="nothing happened is not zero percent"),
        pytest.param(3, 7, "3 of 7 requests", None, id="three of seven is not judged"),
        pytest.param(6, 50, "6 of 50 requests", Severity.WARNING, id="few are at most a warning"),
        pytest.param(60, 1204, "5.0% of 1,204 requests", Severity.WARNING, id="just below five"),
        pytest.param(61, 1204, "5.1% of 1,204 requests", Severity.CRITICAL, id="above five"),
        pytest.param(None, 10, "unknown", None, id="unknown part"),
        pytest.param(1, None, "unknown", None, id="unknown whole"),
    ],
)
def test_a_rate_is_judged_from_a_least_volume_on(
    part: int | None, whole: int | None, text: str, severity: Severity | None
) -> None:
    found = metrics.Rate(part, whole)
    assert found.text() == text
    assert found.grade(Thresholds(warning=0.01, critical=0.05)) == severity


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param((), None, id="no points"),
        pytest.param((99, 99), None, id="two are not enough"),
        pytest.param((99, 99, 1, 1, 99), Severity.CRITICAL, id="three of five"),
        pytest.param((99, 99, 99, 1, 1, 1), None, id="long ago"),
        pytest.param((85, 85, 99, 85, 99), Severity.WARNING, id="the lesser severity holds"),
    ],
)
def test_a_gauge_needs_three_of_the_last_five_points(
    values: tuple[int, ...], expected: Severity | None
) -> None:
    assert metrics.held(minutes(*values), Thresholds(warning=80, critical=95)) == expected


def test_a_limit_from_below_is_reached_downwards() -> None:
    low = Thresholds(critical=10, below=True)
    assert metrics.held(minutes(5, 10, 3), low) == Severity.CRITICAL
    assert metrics.held(minutes(11, 11, 3), low) is None


def test_series_are_added_minute_by_minute() -> None:
    both = metrics.together(minutes(1, 2), minutes(None, 5))
    assert both.values == (1.0, 7.0)
    assert metrics.is_blind(metrics.together(minutes(1), minutes(status="Forbidden")))


def test_summaries_of_no_points_are_unknown() -> None:
    empty = Series()
    for summary in (metrics.total, metrics.latest, metrics.mean, metrics.peak, metrics.lowest):
        assert summary(empty) is None
    assert metrics.age(empty, AT) is None
    assert metrics.age(minutes(1), AT) == 30
    assert metrics.running(minutes(1, 0, 2, 3), lambda v: v > 0) == 2
