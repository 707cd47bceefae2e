"""A single sweep looks twice only at what only differences can tell."""

from __future__ import annotations

from typing import Any

import pytest

from cockpit.triage import engine as engines
from cockpit.triage.board import ONE_LOOK
from cockpit.triage.engine import Engine
from cockpit.triage.store import Store
from tests.core.test_engine import Sessions, look


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        pytest.param({}, 1, id="nothing to compare"),
        pytest.param({"since": lambda before, now: now}, 2, id="rates"),
        pytest.param({"since": lambda before, now: now, "twice": False}, 1, id="memory only"),
    ],
)
async def test_a_sweep_looks_twice_at_rates_only(
    more: dict[str, Any], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "SECOND_LOOK_AFTER", 0.0)
    looks = 0

    async def collect(session: object, target: object) -> int:
        nonlocal looks
        looks += 1
        return looks

    engine = Engine(
        (look("tg", collect, **more),),
        sessions=Sessions(),
        store=Store(ONE_LOOK),
        debug=lambda _: "",
    )
    await engine.sweep()
    await engine.stop()
    assert looks == expected
