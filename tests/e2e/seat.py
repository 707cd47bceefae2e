"""A person at the real cockpit: the Textual app on the real desk, looked at and worked by keys."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import psycopg
from textual.pilot import Pilot
from textual.widgets import Input

from cockpit.cli.tui import _read
from cockpit.desk import Desk, Opening
from cockpit.world import prepare
from cockpit.world.launch import World
from screens.app import CockpitApp
from screens.confirm import SETTLE
from screens.planning import PlanningScreen
from screens.widgets.findings import Findings
from screens.widgets.runbook import AtStep, RunbookPane
from tests.patience import at_most
from tests.screens.strict import StrictApp

ENVIRON = {"TERM": "xterm-256color"}


@dataclass
class Seat:
    """The app under the fingers of a test. Nothing is called but keys; what is read is the screen."""

    pilot: Pilot[int]
    desk: Desk

    @property
    def app(self) -> CockpitApp:
        assert isinstance(self.pilot.app, CockpitApp)
        return self.pilot.app

    @property
    def screen(self) -> str:
        """The top screen as plain text."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)

    @property
    def toasts(self) -> list[str]:
        return [note.message for note in self.app._notifications]

    async def drawn(self) -> None:
        """What is new is on the screen."""
        await self._processed()
        self.app._drawn = 0.0
        self.app._news()
        await self._processed()

    async def press(self, *keys: str) -> None:
        """Press keys; a key that begins with `text:` is typed as a line."""
        for key in keys:
            if key.startswith("text:"):
                assert isinstance(self.app.focused, Input), f"nowhere to type {key!r}"
                typed = [{" ": "space"}.get(char, char) for char in key.removeprefix("text:")]
                await self.app._press_keys(typed)
            else:
                await self.app._press_keys([key])
            await self._processed()
            await self.until(lambda: not self._plans, 30, "the plan")
        await self.drawn()

    @property
    def _plans(self) -> bool:
        """A plan is looked up: keys go nowhere meanwhile."""
        return isinstance(self.app.screen, PlanningScreen)

    async def tap(self, *keys: str) -> None:
        """Press keys as fast as they are taken, without waiting for what they draw."""
        for key in keys:
            await self.app._press_keys([key])
            await self._processed()

    async def confirm(self, typed: str = "") -> None:
        """Say yes to the open dialog; it ignores Enter for a moment after it opened."""
        await asyncio.sleep(SETTLE + 0.05)
        await self.press(*([f"text:{typed}"] if typed else []), "enter")

    async def until(self, true: Callable[[], bool], within: float, what: str = "") -> float:
        """Wait, with the screen going on, until something is true; gives the seconds."""
        begun = time.monotonic()
        while not true():
            took = time.monotonic() - begun
            assert took < at_most(within), (
                f"not within {within:g} s: {what}\n{self.screen}\n{self.toasts}"
            )
            await asyncio.sleep(0.1)
            await self.drawn()
        return time.monotonic() - begun

    async def sees(self, text: str, within: float = 10) -> str:
        """Wait until a text is on the screen; gives the screen."""
        await self.until(lambda: text in self.screen, within, f"{text!r} on the screen")
        return self.screen

    async def choose(self, code: str, target: str) -> None:
        """Go to a finding with the arrow keys."""
        await self.until(lambda: self._row(code, target) is not None, 40, f"{code}@{target}")
        await self.press("3", "home")
        for _ in range(100):
            row = self._row(code, target)
            findings = self.app.screen.query_one(Findings)
            if row == findings.cursor:
                return
            await self.press("down" if row is not None and row > findings.cursor else "up")
        raise AssertionError(f"cannot reach {code}@{target}\n{self.screen}")

    def _row(self, code: str, target: str) -> int | None:
        rows = self.app.screen.query_one(Findings).shown
        for at, row in enumerate(rows):
            if (getattr(getattr(row, "id", None), "code", ""), row.target) == (code, target):
                return at
        return None

    def step(self) -> str:
        """The step under the cursor of the runbook pane, as it was painted last."""
        drawn = self.app.screen.query_one(RunbookPane).drawn_at(time.monotonic())
        return drawn.chosen if isinstance(drawn, AtStep) else ""

    async def _processed(self) -> None:
        await self.pilot._wait_for_screen()
        await asyncio.sleep(0.002)


def opening(world: World, folder: Path) -> Opening:
    """What the command line puts together for a world's configuration."""
    return _read(world.config_path, world.role.value, folder=folder)


@asynccontextmanager
async def seated(
    desk: Desk, size: tuple[int, int], environ: dict[str, str] | None = None
) -> AsyncIterator[Seat]:
    """The app on a desk. Both are gone afterwards."""
    app = StrictApp(desk, environ={**ENVIRON, **(environ or {})}, encoding="utf-8")
    app.animation_level = "none"
    try:
        with patch("textual.app.wait_for_idle", _moment):
            async with app.run_test(size=size, notifications=True) as pilot:
                seat = Seat(pilot, desk)
                await seat.drawn()
                yield seat
    finally:
        await app.close()


async def _moment(*_: object) -> None:
    """A key is taken. Textual would wait until the process is idle, which looking never is."""
    await asyncio.sleep(0.002)


def prepared(world: World) -> prepare.PreparedWorld:
    found = prepare.read(world.folder)
    assert found is not None
    return found


def orders(world: World, sql: str) -> list[tuple[object, ...]]:
    """Rows of the orders database, asked by its owner and not through the cockpit."""
    made = prepared(world)
    with psycopg.connect(
        host="127.0.0.1",
        port=made.ports.orders,
        dbname="orders",
        user=OWNER,
        password=made.secrets.owner,
        sslmode="disable",
        autocommit=True,
        connect_timeout=5,
        application_name="referee",
    ) as connection:
        return connection.execute(sql).fetchall()


OWNER = "postgres"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
BLOCKER = (
    "SELECT pid, backend_start::text, state FROM pg_stat_activity"
    " WHERE application_name = 'checkout-worker' AND state = 'idle in transaction'"
)


def here(**more: str) -> dict[str, str]:
    """The environment of a command that a test starts."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("COCKPIT_", "PYTEST_"))}
    return {**kept, **more}
