"""A commander at the real desk, looking at servers that a test started."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from cockpit.config import load
from cockpit.connect.role import Role
from cockpit.desk import Desk, Opening
from cockpit.runbooks.library import library
from cockpit.triage.registry import catalog, registry
from cockpit.triage.view import Row
from screens.app import CockpitApp
from screens.confirm import SETTLE, ConfirmScreen
from screens.detail import DetailScreen
from screens.widgets.lineview import Paper
from screens.widgets.rowlist import RowList
from tests.screens.conftest import ENVIRON, press, settle, text, toasts
from tests.screens.strict import StrictApp

WORD = "hunter2-and-a-card"
PATIENCE = 120
"""Seconds that anything may take on a busy machine."""


class Seat:
    """A commander at the real desk, looking at one target."""

    def __init__(self, pilot: Pilot[int], desk: Desk, copied: list[str]) -> None:
        self.pilot = pilot
        self.desk = desk
        self.copied = copied

    @property
    def rows(self) -> RowList[Row]:
        return self.pilot.app.screen.query_one("#rows", RowList)

    async def until(self, true: Callable[[], bool], what: str) -> None:
        for _ in range(PATIENCE * 10):
            await settle(self.pilot)
            if true():
                return
            await asyncio.sleep(0.1)
        pytest.fail(f"never: {what}\n{text(self.pilot)}\n{toasts(self.pilot)}")

    async def opened(self, target: str, title: str) -> None:
        app = self.pilot.app
        assert isinstance(app, CockpitApp)
        app.open_target(target)
        await settle(self.pilot)
        screen = app.screen
        assert isinstance(screen, DetailScreen)
        await self.until(lambda: f"{title} " in text(self.pilot), f"a table {title!r}")
        for _ in range(20):
            if screen._table.title == title:
                return
            await press(self.pilot, "tab")
        pytest.fail(f"no table {title!r}\n{text(self.pilot)}")

    async def at_row(self, wanted: str, filtered: str) -> Row:
        """Filter until one row is left that has this text, and go to it."""
        await press(self.pilot, "slash", f"text:{filtered}", "enter")
        here = lambda: any(wanted in " ".join(row.cells) for row in self.rows.shown)  # noqa: E731
        await self.until(here, f"a row with {wanted!r}")
        await press(self.pilot, "end")
        row = self.rows.chosen
        assert row is not None
        assert wanted in " ".join(row.cells)
        return row

    async def says_yes(self, word: str = "") -> None:
        await self.until(lambda: isinstance(self.pilot.app.screen, ConfirmScreen), "a dialog")
        assert WORD not in self.pilot.app.screen.query_one("#plan", Paper).text
        await asyncio.sleep(SETTLE + 0.1)
        await press(self.pilot, *([f"text:{word}"] if word else []), "enter")


@asynccontextmanager
async def seated(folder: Path, config: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Seat]:
    file = folder / "cockpit.toml"
    file.write_text(f'environment = "test"\n[incident]\nfolder = "{folder}/data"\n{config}')
    found = registry()
    opening = Opening(load(file, catalog()), probes=found, library=library(), role=Role.COMMANDER)
    desk = await opening.create("checkout returns 5xx", "P1")
    app = StrictApp(desk, environ=ENVIRON, encoding="utf-8")
    app.animation_level = "none"
    copied: list[str] = []
    try:
        async with app.run_test(size=(140, 44), notifications=True) as pilot:
            assert app._driver is not None
            monkeypatch.setattr(app._driver, "write", copied.append)
            await settle(pilot)
            yield Seat(pilot, desk, copied)
    finally:
        await app.close()
