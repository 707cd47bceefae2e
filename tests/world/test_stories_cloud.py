"""Scenarios of services, networks and names, from the fault to the shop that is well again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cockpit.world.launch import World
from tests.world.stories import CLOUD, play

pytestmark = [
    pytest.mark.world,
    # Leaving is bounded: a socket that does not close within half a second is left to the kernel.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]


@pytest.mark.parametrize("name", CLOUD)
async def test_a_scenario_is_seen_for_what_it_is_and_its_runbook_repairs_the_shop(
    name: str, begin: Callable[..., World], tmp_path: Path
) -> None:
    await play(name, begin, tmp_path)
