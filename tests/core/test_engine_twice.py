"""A single sweep looks twice only at what only differences can tell."""

from __future__ import annotations

from typing import Any

import pytest

from cockpit.connect.hurry import SWEPT
from cockpit.triage import engine as engines
from cockpit.triage.board import ONE_LOOK
from cockpit.triage.engine import Engine
from cockpit.triage.schedule import second_look
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


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        pytest.param(10.1, 11.0, id="a quick look: a second from its start"),
        pytest.param(10.5, 11.0, id="half of it is left"),
        pytest.param(13.0, 13.5, id="a slow look: what is compared was read just now"),
        pytest.param(9.9, 11.0, id="it went on to sample for longer than it took"),
    ],
)
def test_the_second_look_counts_from_the_start_of_the_first(read: float, expected: float) -> None:
    assert second_look(10.0, read, 1.0) == expected


async def test_a_look_knows_which_of_a_sweeps_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it samples in one of them only; a look of a row that goes on is neither."""
    monkeypatch.setattr(engines, "SECOND_LOOK_AFTER", 0.0)
    turns = []

    async def collect(session: object, target: object) -> int:
        turns.append(SWEPT.get())
        return len(turns)

    engine = Engine(
        (look("db", collect, since=lambda before, now: now),),
        sessions=Sessions(),
        store=Store(ONE_LOOK),
    )
    await engine.sweep()
    await engine.look("db", "p")
    await engine.stop()
    assert turns == [1, 2, 0]
