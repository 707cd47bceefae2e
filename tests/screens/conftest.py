"""Time stands still, the terminal is known, and a fault in a screen fails its test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from textual._context import visible_screen_stack
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input

from cockpit import clock
from cockpit.connect.role import Role
from screens.app import CockpitApp
from screens.planning import PlanningScreen
from screens.port import DeskPort, OpeningPort
from tests.screens.fake_desk import NOW, FakeDesk
from tests.screens.strict import StrictApp

FULL, SMALL, TINY = (140, 44), (80, 24), (20, 5)
ENVIRON = {"TERM": "xterm-256color"}

Shows = Callable[..., AbstractAsyncContextManager[Pilot[int]]]


class Time:
    """The clock of a test."""

    def __init__(self) -> None:
        self.moment = NOW

    def now(self) -> datetime:
        return self.moment

    def elapsed(self) -> float:
        return (self.moment - NOW).total_seconds()

    def pass_(self, **span: float) -> None:
        self.moment += timedelta(**span)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    standing = Time()
    monkeypatch.setattr(clock, "now", standing.now)
    monkeypatch.setattr(clock, "elapsed", standing.elapsed)
    return standing


@pytest.fixture
def desk(time: Time) -> FakeDesk:
    made = FakeDesk()
    made.now = time.now
    return made


@pytest.fixture
def triage(time: Time) -> FakeDesk:
    made = FakeDesk(Role.TRIAGE)
    made.now = time.now
    return made


@pytest.fixture
def show(time: Time) -> Shows:
    @asynccontextmanager
    async def opened(
        desk: DeskPort | None,
        size: tuple[int, int] = FULL,
        opening: OpeningPort | None = None,
        environ: dict[str, str] | None = None,
        encoding: str = "utf-8",
        kind: type[CockpitApp] = StrictApp,
    ) -> AsyncIterator[Pilot[int]]:
        app = kind(desk, opening, environ={**ENVIRON, **(environ or {})}, encoding=encoding)
        app.animation_level = "none"
        async with app.run_test(size=size, notifications=True) as pilot:
            await settle(pilot)
            yield pilot
        await app.close()

    return opened


async def settle(pilot: Pilot[int]) -> None:
    """News are gathered for a quarter of a second: have them drawn now."""
    app = pilot.app
    assert isinstance(app, CockpitApp)
    await _processed(pilot)
    app._drawn = 0.0
    app._news()
    await _processed(pilot)
    await _processed(pilot)


async def _processed(pilot: Pilot[int]) -> None:
    """Every message is handled and the layout is made; `pilot.pause` also waits for a quiet CPU.

    A layout may want another one: what it made longer than its pane gets a scroll bar in the next.
    """
    for _ in range(50):
        await pilot._wait_for_screen()
        await asyncio.sleep(0.002)
        if not pilot.app.screen._layout_required:
            return


async def until(pilot: Pilot[int], true: Callable[[], bool], what: str = "") -> None:
    """Wait, however busy the machine is, until something is true."""
    for _ in range(1200):
        await _processed(pilot)
        if true():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"never: {what}\n{text(pilot)}")


async def press(pilot: Pilot[int], *keys: str) -> None:
    """Press keys; `text:…` is typed into the focused line at once."""
    for key in keys:
        if key.startswith("text:"):
            typed = pilot.app.focused
            assert isinstance(typed, Input), typed
            typed.value += key.removeprefix("text:")
            await pilot.pause()
        else:
            await pilot._wait_for_screen()
            await pilot.app._press_keys([key])
    await until(pilot, lambda: not isinstance(pilot.app.screen, PlanningScreen), "a plan")
    await settle(pilot)


def text(pilot: Pilot[int]) -> str:
    """The top screen as plain text, with what is seen behind it."""
    return text_of(pilot.app.screen, behind=pilot.app._background_screens)


def text_of(screen: Screen[Any], behind: Sequence[Screen[Any]] = ()) -> str:
    """A screen as plain text, also one that a dialog lies over."""
    visible_screen_stack.set(list(behind))  # as the driver does: what is dirty is drawn over these
    strips = screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips)


def toasts(pilot: Pilot[int]) -> list[str]:
    return [note.message for note in pilot.app._notifications]
