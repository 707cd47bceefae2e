"""Logins and rollbacks between two pulses: told long before a minute of them is over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from probes.postgres.pulse import DatabaseTally
from probes.postgres.sessions import PROBE, since
from probes.postgres.sessions_model import PostgresSessions
from tests.probes.postgres_looks import AT, pulse

CHURN, UNDONE = "PG_CONN_CHURN", "PG_TX_ROLLBACKS"
NONE = {"sessions": 0, "commits": 0, "rollbacks": 0, "connected": 9, "stats_reset": None}


def tally(**counted: Any) -> DatabaseTally:
    return DatabaseTally(datname="shop", **(NONE | counted))


def looked(*, seconds: float = 5.0, **counted: Any) -> PostgresSessions:
    """The second of two looks, with what was counted between them."""
    first = PostgresSessions(pulse=pulse(at=AT, counted=(tally(),)), sessions=())
    later = AT + timedelta(seconds=seconds)
    return since(
        first, PostgresSessions(pulse=pulse(at=later, counted=(tally(**counted),)), sessions=())
    )


def told(look: PostgresSessions) -> list[str]:
    return [each.code for each in PROBE.diagnose(look, PROBE.settings) if not each.fact]


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        pytest.param({"sessions": 500}, [CHURN], id="a hundred logins a second"),
        pytest.param({"sessions": 499}, [], id="just below"),
        pytest.param(
            {"sessions": 800, "connected": 409}, [], id="a pool that fills is no coming and going"
        ),
        pytest.param({"rollbacks": 250}, [UNDONE], id="fifty rollbacks a second"),
        pytest.param({"rollbacks": 250, "commits": 500}, [], id="half of the commits"),
        pytest.param({"rollbacks": 9, "commits": 9000}, [], id="a busy server"),
        pytest.param({"sessions": -3}, [], id="a crash began the counters anew"),
        pytest.param({"sessions": 900, "stats_reset": AT}, [], id="a reset"),
        pytest.param({"sessions": None, "rollbacks": 300}, [UNDONE], id="logins are not counted"),
    ],
)
def test_a_rush_is_told_between_two_looks(counted: dict[str, Any], expected: list[str]) -> None:
    assert told(looked(**counted)) == expected


def test_a_gap_is_no_rush() -> None:
    assert told(looked(seconds=600, sessions=600_000)) == []


def test_a_version_that_is_not_asked_says_nothing() -> None:
    first, second = (
        PostgresSessions(pulse=pulse(at=AT + timedelta(seconds=s)), sessions=()) for s in (0, 5)
    )
    assert since(first, second).gained == ()


@pytest.mark.parametrize(
    ("counted", "soon"),
    [
        pytest.param({"sessions": 100}, True, id="a second of a rush is in these five"),
        pytest.param({"sessions": 20}, False, id="four logins a second"),
        pytest.param({"rollbacks": 60}, True, id="rollbacks"),
        pytest.param({"rollbacks": 60, "commits": 1000}, False, id="some of many commits"),
    ],
)
def test_what_may_be_the_beginning_of_a_rush_is_looked_at_soon(
    counted: dict[str, Any], soon: bool
) -> None:
    assert PROBE.again is not None
    assert (PROBE.again(looked(**counted), PROBE.settings) is not None) is soon
