"""A laptop that slept accuses nobody: the look that it fell into is made once more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cockpit import clock
from cockpit.errors import BlindError, Reason
from cockpit.triage.engine import Engine
from cockpit.triage.probe import Blind, Seen
from cockpit.triage.store import Store
from cockpit.triage.target import Target
from tests.core.test_engine import Sessions, look


@pytest.mark.parametrize("clocks", ["elapsed", "now", "monotonic"])
async def test_a_look_that_sleep_fell_into_is_made_again(
    clocks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux counts sleep, macOS shows it by the wall clock; a stopped process is far too late."""
    asked = 0
    known = getattr(clock, clocks)

    async def mute_over_night(session: Any, target: Target) -> object:
        nonlocal asked
        asked += 1
        if asked == 1:
            later = timedelta(hours=8) if clocks == "now" else 8 * 3600.0
            monkeypatch.setattr(clock, clocks, lambda: known() + later)
            raise BlindError(Reason.TIMEOUT, "no answer", code="RD_CONN_MUTE", severity="critical")
        return 1

    engine = Engine([look("cache", mute_over_night)], sessions=Sessions(), store=Store())
    (reading,) = await engine.sweep()
    await engine.stop()
    assert isinstance(reading.outcome, Seen)
    assert asked == 2
    assert reading.took < 3600


async def test_what_fails_while_awake_is_told_at_its_first_look() -> None:
    asked = 0

    async def mute(session: Any, target: Target) -> object:
        nonlocal asked
        asked += 1
        raise BlindError(Reason.TIMEOUT, "no answer", code="RD_CONN_MUTE", severity="critical")

    engine = Engine([look("cache", mute)], sessions=Sessions(), store=Store())
    (reading,) = await engine.sweep()
    await engine.stop()
    assert isinstance(reading.outcome, Blind)
    assert asked == 1
