"""Scenarios are seen for what they are and mended; most of them by their runbook, elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cockpit.world import scenario
from cockpit.world.launch import World
from tests.world.repairs import REPAIRS, mended, seen
from tests.world.stories import STORIES

pytestmark = pytest.mark.world
_WHOLE = {name for name in scenario.names() if scenario.load(name).has("databases")}
"""The others are data: `test_account_scenarios.py`."""


@pytest.mark.parametrize("name", sorted(_WHOLE - set(STORIES)))
def test_a_scenario_without_a_story_is_seen_for_what_it_is_and_mended_by_its_repair(
    name: str, begin: Callable[..., World]
) -> None:
    world = begin(name)
    seen(name, world)
    repair = REPAIRS.get(name)
    if repair is not None:
        assert repair.mend is not None
        repair.mend(world)
    mended(name, world)


def test_every_scenario_that_has_a_fix_has_its_repair_tested() -> None:
    assert {name for name in _WHOLE if scenario.load(name).fix} == set(REPAIRS)
    assert {name for name, repair in REPAIRS.items() if repair.mend is None} <= set(STORIES)
