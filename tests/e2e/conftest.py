"""Worlds that the tests of one module share; each ends with its module, also after a failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from cockpit.connect.role import Role
from cockpit.world.launch import World, launch
from tests.world.conftest import come_up


@pytest.fixture(scope="module")
def begin() -> Iterator[Callable[[str, Role], World]]:
    """Launches worlds and waits for them."""
    worlds: list[World] = []

    def begun(name: str, role: Role) -> World:
        world = launch(name, role)
        worlds.append(world)
        come_up(world)
        return world

    yield begun
    for world in worlds:
        world.stop()
