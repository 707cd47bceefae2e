"""What the newest looks at other targets tell a probe: only what was seen lately."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from cockpit import clock
from cockpit.errors import BlindError, Reason
from cockpit.triage import engine as engines
from cockpit.triage.board import ONE_LOOK
from cockpit.triage.engine import Engine, Look
from cockpit.triage.probe import Neighbour, Reading, Seen
from cockpit.triage.store import Store
from cockpit.triage.target import Target
from tests.core.test_engine import Collect, Sessions, fine, look, raising


def watching(*looks: Look) -> Engine:
    return Engine(looks, sessions=Sessions(), store=Store(ONE_LOOK), debug=lambda _: "")


def neighbourly(name: str, collect: Collect, *needs: str, every: float = 60) -> Look:
    """A look whose snapshot becomes what it was told of the others."""
    made = look(name, collect, every=every, beside=lambda _, others: tuple(others))
    return replace(made, target=replace(made.target, needs=needs))


def told(reading: Reading) -> list[tuple[str, bool, object]]:
    assert isinstance(reading.outcome, Seen)
    others = cast("tuple[Neighbour[object], ...]", reading.outcome.snapshot)
    return [(each.target, each.needed, each.snapshot) for each in others]


async def test_a_sweep_tells_each_of_the_others_and_whom_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engines, "SECOND_LOOK_AFTER", 0.0)
    engine = watching(
        neighbourly("standby", fine, "orders"),
        neighbourly("orders", fine),
        look("alone", fine, probe="another"),
    )
    standby, orders, _ = await engine.sweep()

    assert told(standby) == [("orders", True, 1)]
    assert told(orders) == [("standby", False, 1)]


async def test_nothing_is_told_of_a_neighbour_that_went_blind_or_was_seen_long_ago(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sight: list[Collect] = [fine]

    async def collect(session: object, target: Target) -> object:
        return await sight[0](session, target)

    engine = watching(neighbourly("orders", collect), neighbourly("standby", fine))
    await engine.look("orders", "p")
    seen = told(await engine.look("standby", "p"))
    sight[0] = raising(BlindError(Reason.DENIED, "no"))
    await engine.look("orders", "p")
    blind = told(await engine.look("standby", "p"))
    sight[0] = fine
    await engine.look("orders", "p")
    now = clock.monotonic()
    monkeypatch.setattr(clock, "monotonic", lambda: now + 181)
    late = told(await engine.look("standby", "p"))

    assert (len(seen), blind, late) == (1, [], [])
