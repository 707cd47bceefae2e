"""What is always published and does not come any more is told, whatever the state says."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from cockpit.connect.session import Series
from cockpit.units import quantity
from probes.ecs import service as ecs
from probes.ecs.model import RunningTask
from probes.silence import silence
from tests.probes.ecs_looks import snapshot
from tests.probes.fake_aws import AT, ago, minutes

STALE = ["METRIC_STALE"]


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        pytest.param(minutes(5, 5, late=3), [], id="comes"),
        pytest.param(minutes(5, 5, late=7), [], id="late"),
        pytest.param(minutes(5, 5, late=9), STALE, id="stopped"),
        pytest.param(minutes(), [], id="never came: new, or idle"),
        pytest.param(Series(status="Forbidden"), [], id="denied is not silent"),
        pytest.param(
            replace(minutes(5, late=9), asked_at=AT - timedelta(minutes=5)), [], id="asked before"
        ),
    ],
)
def test_five_minutes_without_a_point_are_silence(series: Series, expected: list[str]) -> None:
    found = list(silence({"CPUUtilization of orders": series}, AT))
    assert [each.code for each in found] == expected
    assert all(each.subject == "CPUUtilization of orders" for each in found)


@pytest.mark.parametrize(
    ("launch", "asked", "expected"),
    [
        pytest.param("FARGATE", AT, True, id="never came"),
        pytest.param("FARGATE", None, False, id="nobody asked"),
        pytest.param("EXTERNAL", AT, False, id="on hosts that AWS cannot see"),
    ],
)
def test_a_service_that_never_published_is_told(
    launch: str, asked: datetime | None, expected: bool
) -> None:
    task = RunningTask(arn="a", started_at=ago(hours=1))
    own = replace(snapshot().service, launch_type=launch)
    look = replace(snapshot(), service=own, cpu=Series(asked_at=asked), tasks=(task,))
    codes = [each.code for each in ecs.diagnose(look, ecs.PROBE.settings)]
    assert ("METRIC_NEVER" in codes) is expected


@pytest.mark.parametrize(
    ("started", "expected"), [(ago(hours=1), True), (ago(minutes=9), False), (None, False)]
)
def test_a_service_is_silent_only_when_a_task_ran_long_enough(
    started: datetime | None, expected: bool
) -> None:
    task = RunningTask(arn="a", started_at=started)
    look = replace(snapshot(), cpu=minutes(5, late=60), tasks=(task,))
    codes = [each.code for each in ecs.diagnose(look, ecs.PROBE.settings)]
    assert ("METRIC_STALE" in codes) is expected


def test_how_long_ago_is_told_as_a_time_and_not_in_seconds() -> None:
    assert quantity(1028.73, "s ago") == "17m 09s ago"
    assert quantity(None, "s ago") == "unknown"
