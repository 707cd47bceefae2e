"""What is remembered from look to look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from probes.gains import still_told

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
