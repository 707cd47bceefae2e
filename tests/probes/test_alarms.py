"""What alarms say, and what they keep silent about: literals in, findings out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cockpit.connect.session import Series
from probes.alarms import state as probe
from probes.alarms.model import Alarm, Past, Settings, Snapshot

AT = datetime(2026, 11, 21, 3, 10, tzinfo=UTC)
TOPIC = "arn:aws:sns:us-east-1:1:pages"
SCALING = "arn:aws:autoscaling:us-east-1:1:scalingPolicy:1:resource/ecs/service/shop/web:policy"


def alarm(
    name: str = "checkout-5xx", state: str = "ALARM", held: float = 120, **changes: Any
) -> Alarm:
    return replace(
        Alarm(
            name=name,
            state=state,
            since=AT - timedelta(seconds=held),
            namespace="AWS/ApplicationELB",
            metric="HTTPCode_Target_5XX_Count",
            window=300,
            actions=(TOPIC,),
        ),
        **changes,
    )


def found(
    *alarms: Alarm, settings: Settings | None = None, **changes: Any
) -> list[tuple[str, str]]:
    snapshot = replace(Snapshot(at=AT, prefix="", alarms=alarms, past=()), **changes)
    return [(f.code, f.severity.value) for f in probe.diagnose(snapshot, settings or Settings())]


def test_an_alarm_of_a_clock_ahead_of_ours_fires_since_now() -> None:
    snapshot = Snapshot(at=AT, prefix="", alarms=(alarm(held=-0.394),), past=())
    (told,) = probe.diagnose(snapshot, Settings())
    assert told.summary == "checkout-5xx is in ALARM for 0 ms"
    assert told.evidence[0].value == 0


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        pytest.param(alarm(state="OK"), [], id="quiet"),
        pytest.param(alarm(), [("ALARM_FIRING", "warning")], id="firing"),
        pytest.param(alarm(composite=True), [("ALARM_FIRING", "critical")], id="a composite"),
        pytest.param(alarm("page-me"), [("ALARM_FIRING", "critical")], id="one that pages"),
        pytest.param(alarm("noise-1"), [], id="one that is ignored"),
        pytest.param(
            alarm(held=8 * 86400), [("ALARM_STALE", "info")], id="one that fires since ever"
        ),
        pytest.param(alarm("TargetTracking-service/shop/web-AlarmHigh"), [], id="target tracking"),
        pytest.param(alarm(actions=(SCALING,)), [], id="one that scales"),
        pytest.param(
            alarm(actions=(SCALING, TOPIC)),
            [("ALARM_FIRING", "warning")],
            id="one that scales and pages",
        ),
        pytest.param(
            alarm(actions=()),
            [("ALARM_FIRING", "warning"), ("ALARM_SILENT", "warning")],
            id="without an action",
        ),
        pytest.param(
            alarm(actions_enabled=False),
            [("ALARM_FIRING", "warning"), ("ALARM_SILENT", "warning")],
            id="muted",
        ),
        pytest.param(
            alarm(suppressed_by="Alarm"),
            [("ALARM_FIRING", "warning"), ("ALARM_SILENT", "warning")],
            id="suppressed",
        ),
        pytest.param(
            alarm(state="OK", evaluation="EVALUATION_ERROR"),
            [("ALARM_BLIND", "warning")],
            id="an OK that cannot be evaluated",
        ),
        pytest.param(alarm(state="INSUFFICIENT_DATA", held=899), [], id="waits for data"),
        pytest.param(
            alarm(state="INSUFFICIENT_DATA", held=901),
            [("ALARM_BLIND", "warning")],
            id="waits for three windows",
        ),
        pytest.param(
            alarm(state="INSUFFICIENT_DATA", held=901, changed_at=AT - timedelta(seconds=60)),
            [],
            id="is new",
        ),
        pytest.param(
            alarm(state="INSUFFICIENT_DATA", held=90_000),
            [("ALARM_BLIND", "info")],
            id="waits for a day: idle or gone",
        ),
    ],
)
def test_an_alarm_is_judged_by_what_it_says_and_whom_it_tells(
    subject: Alarm, expected: list[tuple[str, str]]
) -> None:
    settings = Settings(critical=("page-*",), ignore=("noise-*",))
    assert found(subject, settings=settings) == expected


def dynamodb(**changes: Any) -> Alarm:
    return alarm(
        "orders-throttles", namespace="AWS/DynamoDB", metric="ThrottledRequests", **changes
    )


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        pytest.param(Series((AT,), (4.0,)), "warning", id="it throttles"),
        pytest.param(Series(), "info", id="no data any more: such alarms ignore that"),
        pytest.param(Series(status="Forbidden"), "warning", id="the metric cannot be read"),
    ],
)
def test_an_alarm_on_dynamodb_is_believed_only_with_its_metric(
    series: Series, expected: str
) -> None:
    told = found(dynamodb(), metrics=(("orders-throttles", series),))
    assert told == [("ALARM_FIRING", expected)]


def test_an_alarm_began_when_it_turned_and_not_when_we_looked() -> None:
    since = AT - timedelta(hours=1)
    for look in (AT, AT + timedelta(minutes=5)):
        snapshot = Snapshot(at=look, prefix="", alarms=(alarm(since=since),), past=())
        (told,) = probe.diagnose(snapshot, Settings())
        assert (told.began, told.resolution) == (since, 1.0)
    snapshot = Snapshot(at=AT, prefix="", alarms=(alarm(since=None),), past=())
    (unknown,) = probe.diagnose(snapshot, Settings())
    assert unknown.began is None


def turn(minutes_ago: float, kind: str = "StateUpdate", summary: str = "to ALARM") -> Past:
    at = AT - timedelta(minutes=minutes_ago)
    return Past(at=at, alarm="checkout-5xx", kind=kind, summary=summary)


@pytest.mark.parametrize(
    ("ages", "expected"),
    [
        pytest.param([1, 2, 3], [], id="three turns"),
        pytest.param([1, 2, 3, 29], [("ALARM_FLAPPING", "warning")], id="four turns"),
        pytest.param([1, 2, 3, 31], [], id="one of them long ago"),
    ],
)
def test_an_alarm_flaps_from_four_turns_on(
    ages: list[int], expected: list[tuple[str, str]]
) -> None:
    assert found(alarm(state="OK"), past=tuple(turn(a) for a in ages)) == expected


def test_a_failed_action_means_that_nobody_was_told() -> None:
    past = (turn(1, "Action", "Failed to execute action arn:aws:sns:…: topic does not exist"),)
    assert found(alarm(), past=past)[1:] == [("ALARM_SILENT", "warning")]


def test_an_unreadable_history_is_not_a_quiet_one() -> None:
    assert found(alarm(state="OK"), past=None) == []


def test_an_edited_alarm_is_a_change() -> None:
    snapshot = Snapshot(
        at=AT,
        prefix="checkout",
        alarms=(),
        past=(turn(5, "ConfigurationUpdate", "Alarm updated"), turn(4)),
    )
    (change,) = probe.changes(snapshot, "alarms")
    assert (change.kind, change.summary) == ("cloudwatch.alarm", "checkout-5xx: Alarm updated")


@pytest.mark.parametrize("many", [0, 1, 10, 11, 100, 101])
def test_every_alarm_has_its_row_and_firing_ones_come_first(many: int) -> None:
    alarms = tuple(alarm(f"a{n:03}", state="OK") for n in range(many))
    snapshot = Snapshot(at=AT, prefix="", alarms=(*alarms, alarm("zz")))
    (table,) = probe.tables(snapshot, Settings())
    assert len(table.rows) == many + 1
    assert table.rows[0].cells[0] == "zz"
    assert next(iter(probe.facts(snapshot, probe.PROBE.settings))).text == f"1/{many + 1}"
