"""What is remembered from look to look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cockpit.triage.finding import Severity
from probes.gains import severity_of, still_told

AT = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ago", "told"),
    [
        pytest.param(timedelta(0), True, id="seen now"),
        pytest.param(timedelta(minutes=10) - timedelta(seconds=1), True, id="just before it ends"),
        pytest.param(timedelta(minutes=10), False, id="ten minutes ago"),
        pytest.param(None, False, id="never"),
    ],
)
def test_a_restart_stays_a_finding_for_ten_minutes(ago: timedelta | None, told: bool) -> None:
    moment = None if ago is None else AT - ago
    assert still_told(moment, AT) == (moment if told else None)


@pytest.mark.parametrize(
    ("seconds", "severity"),
    [
        pytest.param(0, Severity.HIGH, id="now"),
        pytest.param(29.9, Severity.HIGH, id="clients may still suffer from it"),
        pytest.param(30, Severity.INFO, id="half a minute later it is history"),
        pytest.param(599, Severity.INFO, id="for ten minutes"),
    ],
)
def test_a_restart_is_a_word_on_what_was_half_a_minute_later(
    seconds: float, severity: Severity
) -> None:
    assert severity_of(AT - timedelta(seconds=seconds), AT) is severity
