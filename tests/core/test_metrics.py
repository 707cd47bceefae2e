from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cockpit import clock
from cockpit.incident.metrics import measure
from tests.core.records import START, Told, entries


def at(minutes: float) -> str:
    return clock.stamp(START + timedelta(minutes=minutes))


def milestone(
    name: str, minutes: float, until: float | None = None
) -> tuple[str, str, dict[str, Any]]:
    data = {"milestone": name, "when": at(minutes)}
    if until is not None:
        data["until"] = at(until)
    return ("milestone", name, data)


OPENED = ("opened", "x", {"severity": "P1"})


def test_nothing_is_known_of_nothing() -> None:
    told = measure([])
    assert {one.at for one in told.milestones} == {None}
    assert {one.text for one in told.metrics} == {""}
    assert all(one.definition and one.why for one in told.metrics)
    assert told.violations == ()


@pytest.mark.parametrize(
    ("name", "seconds", "definition"),
    [
        pytest.param("ttd", 600.0, "detected − impact start", id="detect"),
        pytest.param("tta", 120.0, "acknowledged − detected", id="acknowledge"),
        pytest.param("ttm", 1800.0, "mitigated − impact start", id="mitigate"),
        pytest.param("ttr", 3600.0, "resolved − impact start", id="resolve"),
    ],
)
def test_the_four_spans_by_their_definitions(name: str, seconds: float, definition: str) -> None:
    stored = entries(
        OPENED,
        milestone("impact_start", -12),
        milestone("detected", -2),
        milestone("mitigated", 18),
        milestone("resolved", 48),
    )
    metric = measure(stored).get(name)
    assert (metric.seconds, metric.definition) == (seconds, definition)
    assert measure(stored).violations == ()


def test_a_range_gives_a_range() -> None:
    stored = entries(OPENED, milestone("impact_start", -20, -10), milestone("detected", 0))
    metric = measure(stored).get("ttd")
    assert (metric.seconds, metric.longest) == (600.0, 1200.0)
    assert metric.text == "10m 00s to 20m 00s"


def test_what_is_missing_is_blank_and_named() -> None:
    metric = measure(entries(OPENED, milestone("mitigated", 5))).get("ttm")
    assert (metric.seconds, metric.text, metric.why) == (None, "", "not known: impact start")


def test_opening_the_cockpit_acknowledges_unless_somebody_says_otherwise() -> None:
    told = {one.name: one for one in measure(entries(OPENED)).milestones}
    assert (told["acknowledged"].at, told["acknowledged"].source) == (START, "entry 1 (opened)")
    told = {
        one.name: one for one in measure(entries(OPENED, milestone("acknowledged", -3))).milestones
    }
    assert told["acknowledged"].source == "entry 2"


@pytest.mark.parametrize(
    ("statuses", "minute"),
    [
        pytest.param(["mitigated"], 1, id="set"),
        pytest.param(["resolved"], 1, id="passed over"),
        pytest.param(["mitigated", "resolved"], 1, id="and further"),
        pytest.param(["mitigated", "investigating"], None, id="it came back"),
        pytest.param(["mitigated", "investigating", "mitigated"], 3, id="the last time counts"),
        pytest.param(["identified"], None, id="not yet"),
    ],
)
def test_the_status_tells_when_it_was_mitigated(statuses: list[str], minute: int | None) -> None:
    stored = entries(OPENED, *[("status", s, {"status": s}) for s in statuses])
    told = {one.name: one for one in measure(stored).milestones}["mitigated"]
    assert told.at == (None if minute is None else START + timedelta(minutes=minute))


def test_the_newest_word_on_a_milestone_counts() -> None:
    stored = entries(OPENED, milestone("detected", -5), milestone("detected", -3))
    told = {one.name: one for one in measure(stored).milestones}["detected"]
    assert told.at == START - timedelta(minutes=3)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param([("note", "x"), ("note", "x")], {"P1": 120.0}, id="one level"),
        pytest.param(
            [
                ("severity", "", {"severity": "P0"}),
                ("note", ""),
                ("severity", "", {"severity": "P2"}),
            ],
            {"P0": 120.0, "P1": 60.0},
            id="up and down; the last one just began",
        ),
        pytest.param(
            [("closed", ""), ("note", ""), ("note", "")], {"P1": 60.0}, id="closed is over"
        ),
        pytest.param(
            [
                ("closed", ""),
                ("note", ""),
                ("status", "", {"status": "investigating"}),
                ("note", ""),
            ],
            {"P1": 120.0},
            id="opened again",
        ),
        pytest.param(
            [("severity", "", {"severity": "P9"}), ("note", "")], {"P1": 120.0}, id="nonsense"
        ),
    ],
)
def test_time_in_each_severity(told: list[Told], expected: dict[str, float]) -> None:
    metrics = measure(entries(OPENED, *told)).metrics
    found = {m.title.split()[-1]: m.seconds for m in metrics if m.name.startswith("in_")}
    assert found == expected


def test_what_still_runs_ends_where_it_is_asked_to() -> None:
    metric = measure(entries(OPENED), until=START + timedelta(minutes=7)).get("in_p1")
    assert metric.seconds == 420.0


def test_the_first_update_and_those_on_time() -> None:
    updates = [("update", "", {"at!": START + timedelta(minutes=m)}) for m in (15, 35, 60)]
    told = measure(entries(OPENED, *updates))
    assert told.get("first_update").seconds == 900.0
    assert told.get("updates_on_time").text == "2 of 3"


def test_an_update_that_never_came_is_late() -> None:
    told = measure(entries(OPENED), until=START + timedelta(hours=1))
    assert told.get("updates_on_time").text == "0 of 1"
    assert told.get("first_update").why == "no update was recorded"


def test_times_in_an_impossible_order_are_shown_and_not_repaired() -> None:
    stored = entries(OPENED, milestone("impact_start", 10), milestone("detected", 5))
    told = measure(stored)
    assert "detected lies before impact start" in told.violations[0]
    assert told.get("ttd").seconds == -300.0


def test_a_clock_that_was_set_is_noticed_by_the_other_clock() -> None:
    stored = entries(OPENED, ("note", "x", {"at!": START + timedelta(hours=1), "mono!": 160.0}))
    assert "by 59m 00s between entries 1 and 2" in measure(stored).violations[0]
