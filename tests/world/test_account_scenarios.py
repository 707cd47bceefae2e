"""Scenarios that are data: seen for what they are, and mended by their runbook.

They have no servers: each is played in this process, see `tests.world.headless`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from cockpit.connect.role import Role
from cockpit.desk.desk import Desk
from cockpit.errors import Reason
from cockpit.triage.probe import Blind, Seen
from cockpit.world import scenario
from tests.patience import at_most, eventually
from tests.world.account_stories import ACCOUNT, UNREPAIRED
from tests.world.conftest import check, come_up, control
from tests.world.headless import HeadlessWorld
from tests.world.repairs import misjudged, unlike, wrong_in
from tests.world.stories import found, repaired, seated

pytestmark = pytest.mark.world


@pytest.fixture
def opened() -> Iterator[Callable[[str], HeadlessWorld]]:
    worlds: list[HeadlessWorld] = []

    def begun(name: str) -> HeadlessWorld:
        world = HeadlessWorld(name, Role.COMMANDER)
        worlds.append(world)
        come_up(world)
        return world

    yield begun
    for world in worlds:
        world.stop()


@pytest.mark.parametrize("name", sorted({*ACCOUNT, *UNREPAIRED}))
async def test_a_scenario_is_seen_for_what_it_is_and_its_runbook_mends_it(
    name: str, opened: Callable[[str], HeadlessWorld], tmp_path: Path
) -> None:
    world = await asyncio.to_thread(opened, name)
    said = await asyncio.to_thread(check, world)
    assert unlike(world.scenario, said) == []
    assert misjudged(world, said) == []
    if name in ACCOUNT:
        await repaired(world, ACCOUNT[name], tmp_path)
        assert control(world, "phases")["over"]
        if not ACCOUNT[name].stays:
            await asyncio.to_thread(eventually, partial(_is_well, world), seconds=30)
    assert control(world, "holes") == []
    assert not (world.folder / "aws.log").exists()


def _is_well(world: HeadlessWorld) -> bool:
    """Nothing that had to be told is told any more."""
    sick = sorted({one.partition("@")[2] for one in world.scenario.must} - {"changes"})
    return not wrong_in(check(world, targets=sick)) & set(world.scenario.must)


def test_every_scenario_that_is_data_is_played_here() -> None:
    data = {name for name in scenario.names() if not scenario.load(name).has("databases")}
    assert data == {*ACCOUNT, *UNREPAIRED}
    assert all(bool(scenario.load(name).mend) == (name in ACCOUNT) for name in data)


def test_the_four_ways_in_which_the_nightly_report_fails_are_told_apart() -> None:
    ways = {name: story for name, story in ACCOUNT.items() if name.startswith("report-")}
    assert len(ways) == 4
    for name, story in ways.items():
        told = f"{story.code}@{story.target}"
        assert told in scenario.load(name).must
        assert all(scenario.load(other).forbids(told) for other in ways if other != name)


async def test_credentials_that_run_out_in_the_middle_blind_everything_until_somebody_logs_in(
    opened: Callable[[str], HeadlessWorld], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cockpit.connect.aws.clients._RENEWED_EVERY", 0.2)
    world = await asyncio.to_thread(opened, "lambda-oom")
    async with seated(world, Role.COMMANDER, tmp_path) as desk:
        await found(desk, ACCOUNT["lambda-oom"])
        control(world, "faults", {"kind": "expired", "key": "AKIACOCKPIT[!F]*"})
        blind = await _until_all(desk, Blind)
        assert {each.reason for each in blind} == {Reason.EXPIRED}
        (hint,) = {each.hint for each in blind}
        assert "access_key_id" in hint
        fresh = world.folder / "secrets" / "aws-key-fresh"
        (world.folder / "secrets" / "aws-key").write_text(fresh.read_text())
        await _until_all(desk, Seen)


T = TypeVar("T", Seen, Blind)


async def _until_all(desk: Desk, wanted: type[T]) -> list[T]:
    """Look at everything again until every outcome is wanted: an answer is kept for moments."""
    end = time.monotonic() + at_most(20)
    while True:
        for target, probe in list(desk.board.readings):
            await desk.engine.look(target, probe)
        rows = [each for each in desk.board.readings.values() if each.kind != "runbook"]
        found = [each.outcome for each in rows if isinstance(each.outcome, wanted)]
        if len(found) == len(rows):
            return found
        assert time.monotonic() < end, [each.target for each in rows]
