"""One series by itself: usual, late, stopped, denied, and nothing of what is not known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cockpit import clock, config
from cockpit.config_file import ConfigProblems
from cockpit.connect.aws.settings import MetricSettings
from cockpit.connect.session import Series
from cockpit.errors import BlindError, Reason
from cockpit.triage import recording
from cockpit.triage.registry import catalog
from cockpit.triage.target import Target
from probes.metric import series as probe
from probes.metric.series import Settings, Snapshot
from probes.metrics import query
from tests.probes.fake_aws import AT, FakeAws, denied, hours, minutes

ORDERS = query("Shop", "OrdersPlaced", "Sum", Stage="prod")
GAUGE = query("Shop", "QueueDepth", "Maximum")
SWINGING = [100 + (n % 7) for n in range(170)]


def found(
    series: Series, settings: Settings | None = None, **changes: Any
) -> list[tuple[str, str]]:
    look = replace(Snapshot(at=AT, query=GAUGE, series=series), **changes)
    return [(f.code, f.severity.value) for f in probe.diagnose(look, settings or Settings())]


UNUSUAL = [("METRIC_ANOMALY", "warning")]
STALE = [("METRIC_STALE", "warning")]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([*SWINGING, 103, 104, 105], [], id="as usual"),
        pytest.param([*SWINGING, 140, 140, 140], UNUSUAL, id="three minutes above"),
        pytest.param([*SWINGING, 60, 60, 60], UNUSUAL, id="three minutes below"),
        pytest.param([*SWINGING, 103, 140, 140], [], id="two minutes"),
        pytest.param([*SWINGING, 140, 103, 140], [], id="not running"),
        pytest.param([*SWINGING, 140, 60, 140], [], id="to and fro"),
        pytest.param([*SWINGING, 112, 112, 112], [], id="unusual by less than a tenth"),
        pytest.param([100] * 170 + [109] * 3, [], id="a constant that moves a little"),
        pytest.param([100] * 170 + [150] * 3, UNUSUAL, id="a constant that moves much"),
        pytest.param([0] * 170 + [1, 1, 1], [], id="a counter near zero"),
        pytest.param([103, 104, 140, 140, 140], [], id="too little is known"),
    ],
)
def test_unusual_is_far_from_the_hours_before_for_three_minutes(
    values: Sequence[float], expected: list[tuple[str, str]]
) -> None:
    assert found(minutes(*values)) == expected


def test_a_floor_of_its_own_says_what_matters() -> None:
    assert found(minutes(*SWINGING, 112, 112, 112), Settings(floor=1)) == []
    assert found(minutes(*SWINGING, 125, 125, 125), Settings(floor=1)) == UNUSUAL
    assert found(minutes(*[0] * 170, 1, 1, 1), Settings(floor=0.5)) == UNUSUAL


def test_an_anomaly_tells_its_onset_as_an_interval_and_the_series_as_it_is_asked_for() -> None:
    look = Snapshot(at=AT, query=ORDERS, series=minutes(*SWINGING, 140, 140, 140, 140))
    (told,) = probe.diagnose(look, Settings())
    said = {each.label: each.value for each in told.evidence}
    assert said["onset"] == "between 02:54 and 02:55 UTC"
    assert said["series"] == "Shop OrdersPlaced Stage=prod, Sum of 60 s"
    assert said["CloudWatch's status"] == "Complete"
    assert (told.began, told.resolution) == (look.series.times[-4], 90.0)


@pytest.mark.parametrize(("late", "expected"), [(3, []), (7, []), (9, STALE), (60, STALE)])
def test_silence_is_told_after_five_periods_and_the_services_own_lateness(
    late: int, expected: list[tuple[str, str]]
) -> None:
    assert found(minutes(*SWINGING, late=late)) == expected


def test_points_that_never_came_are_neither_zero_nor_healthy() -> None:
    assert found(Series()) == STALE
    assert found(Series(), Settings(sparse=True)) == []
    look = Snapshot(at=AT, query=GAUGE)
    (fact,) = probe.facts(look, Settings())
    assert (fact.text, fact.value) == ("no data", None)


def test_silence_is_judged_as_of_when_cloudwatch_was_asked() -> None:
    old = replace(minutes(*SWINGING, late=8), asked_at=AT - timedelta(minutes=5))
    assert found(old) == []
    assert found(replace(old, asked_at=AT)) == STALE


STOPPED = "TRAFFIC_STOPPED"


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        pytest.param(hours(500, 0, 0, 0, 0, 0), [(STOPPED, "critical")], id="zero"),
        pytest.param(hours(500, 40, 40, 40, 40, 40), [(STOPPED, "warning")], id="a twelfth"),
        pytest.param(hours(500, 0, 0, 0, 0, 60), UNUSUAL, id="comes back"),
        pytest.param(hours(90, 0, 0, 0, 0, 0), UNUSUAL, id="there was little"),
        pytest.param(hours(500, 400, 0), [], id="not yet"),
    ],
)
def test_zero_of_what_is_usually_counted_is_an_outage(
    series: Series, expected: list[tuple[str, str]]
) -> None:
    assert found(series, query=ORDERS) == expected


def test_a_gauge_at_zero_is_no_stopped_traffic() -> None:
    assert found(hours(500, 0, 0, 0, 0, 0)) == UNUSUAL


# collect --------------------------------------------------------------------------------------

TARGET = Target(
    name="orders",
    kind="metric",
    settings=MetricSettings(
        aws="prod",
        namespace="Shop",
        metric="OrdersPlaced",
        dimensions={"Stage": "prod"},
        stat="Sum",
    ),
)


async def test_the_series_is_asked_for_as_it_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)
    aws = FakeAws({}, {"OrdersPlaced/prod": hours(500)})
    look = await probe.collect(aws, TARGET)
    assert aws.queries == [ORDERS]
    assert list(probe.diagnose(look, Settings())) == []
    assert recording.decode(recording.encode(look), Snapshot) == look


@pytest.mark.parametrize(
    ("answer", "reason", "code"),
    [
        (Series(status="Forbidden"), Reason.DENIED, "METRIC_DENIED"),
        (Series(status="InternalError"), Reason.UNREACHABLE, ""),
        (Series(status="Unanswered"), Reason.UNREACHABLE, ""),
    ],
)
async def test_a_refusal_is_blind_and_a_denial_says_so(
    answer: Series, reason: Reason, code: str
) -> None:
    with pytest.raises(BlindError) as caught:
        await probe.collect(FakeAws({}, {"OrdersPlaced": answer}), TARGET)
    assert (caught.value.reason, caught.value.code) == (reason, code)
    assert "Shop OrdersPlaced Stage=prod" in caught.value.message


async def test_a_role_that_may_read_no_metric_is_told_by_the_same_code() -> None:
    with pytest.raises(BlindError) as caught:
        await probe.collect(FakeAws({}, denied()), TARGET)
    assert caught.value.code == "METRIC_DENIED"


CONFIG = """
environment = "x"
[aws.prod]
region = "us-east-1"
[[target]]
kind = "metric"
name = "orders"
aws = "prod"
{lines}
"""


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ('namespace = "Shop"\nmetric = "Orders"\ndimensions = { Stage = "prod" }', ""),
        ('namespace = "Shop"', "metric"),
        ('namespace = "Shop"\nmetric = "Orders"\nperiod = 90', "period"),
        ('namespace = "Shop"\nmetric = "Orders"\ndimensions = ["Stage"]', "dimensions"),
    ],
)
def test_a_metric_is_configured(tmp_path: Path, lines: str, problem: str) -> None:
    path = tmp_path / "cockpit.toml"
    path.write_text(CONFIG.format(lines=lines))
    if problem:
        with pytest.raises(ConfigProblems, match=problem):
            config.load(path, catalog())
        return
    (target,) = config.load(path, catalog()).targets
    assert isinstance(target.settings, MetricSettings)
    assert target.settings.dimensions == {"Stage": "prod"}
