"""Plays scenarios at the real screens, by keys alone, to the repair: `make scenarios`.

`python -m tests.tools.play_scenarios [NAME …]` from the root of the checkout. The seconds from the
first screen to the finding that a person opens go into docs/scenarios.md.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
import traceback
from pathlib import Path

from cockpit.connect.role import Role
from cockpit.triage.board import OpenFinding
from cockpit.world.launch import World, launch
from screens.confirm import HELD, ConfirmScreen
from tests.e2e.seat import Seat, opening, seated
from tests.tools import scenarios_page
from tests.world.account_stories import ACCOUNT
from tests.world.conftest import clients, control
from tests.world.headless import HeadlessWorld
from tests.world.stories import STORIES
from tests.world.story import Story
from tests.world.unhurried import unhurried

_SIZE = (80, 24)
_STEPS = 60
_PATIENCE = 75.0


async def played(world: World, story: Story, folder: Path) -> float:
    """Seconds to the finding; the runbook was followed to its end then. Raises `AssertionError`."""
    desk = await opening(world, folder).create(world.scenario.symptom, "P1")
    begun = time.monotonic()
    async with seated(desk, _SIZE) as seat:
        await _look_again(seat, story)
        await seat.choose(story.code, story.target)
        seconds = time.monotonic() - begun
        last = await _followed(seat, story)
        kinds = [entry.kind.value for entry in desk.incident.entries]
        assert kinds.count("step.intent") == last.acts, kinds
    return seconds


def _opened(seat: Seat, story: Story) -> OpenFinding:
    """The finding that a person opens."""
    opened = seat.desk.board.open.values()
    return next(o for o in opened if (o.id.code, o.target) == (story.code, story.target))


async def _followed(seat: Seat, story: Story) -> Story:
    """Do what the runbook of the chosen finding says, then the same of what comes afterwards."""
    assert seat.desk.runbooks_for(_opened(seat, story))[0].id == story.runbook
    for step in story.steps:
        await _run(seat, step, story.answers.get(step, ""))
    if story.then is None:
        return story
    await _look_again(seat, story.then)
    await seat.choose(story.then.code, story.then.target)
    return await _followed(seat, story.then)


async def _look_again(seat: Seat, story: Story) -> None:
    """Where a target is looked at every quarter of an hour, a person looks once more: key `r` on
    its row."""
    desk = seat.desk
    end = time.monotonic() + _PATIENCE
    while not any(
        (o.id.code, o.target) == (story.code, story.target) for o in desk.board.open.values()
    ):
        await asyncio.sleep(0.2)
        await seat.drawn()
        if time.monotonic() < end:
            continue
        for probe in [e.probe for e in desk.board.readings.values() if e.target == story.target]:
            await desk.engine.look(story.target, probe)
        end = time.monotonic() + 5


async def _run(seat: Seat, step: str, answer: str) -> None:
    """Go to a step of the runbook pane, run it, and say what it asks for."""
    await seat.press("5", "home")
    for number in range(_STEPS):
        if seat.step() == step:
            break
        # the cursor goes on by itself when a step ends: from the end it is looked for once more
        await seat.press("home" if number == _STEPS // 2 else "down")
    assert seat.step() == step, f"no step {step}\n{seat.screen}"
    await seat.press("enter")
    await seat.until(lambda: _asks(seat) or _ended(seat, step), 30, f"{step} asks or ends")
    if isinstance(screen := seat.app.screen, ConfirmScreen):
        await asyncio.sleep(HELD)  # a key that comes sooner is taken for one that is held down
        await seat.confirm(answer or screen._plan.confirm_word)
    await seat.until(lambda: _ended(seat, step), 60, f"{step} ends")


def _asks(seat: Seat) -> bool:
    return isinstance(seat.app.screen, ConfirmScreen)


def _ended(seat: Seat, step: str) -> bool:
    entries = seat.desk.incident.entries
    return any(e.kind == "step.outcome" and e.data.get("step") == step for e in entries)


def _mended(world: World, story: Story) -> None:
    for service, operation, arguments in story.by_hand:
        clients(world)(service, operation, **arguments)
    if isinstance(world, HeadlessWorld):
        assert control(world, "phases")["over"], "it is not mended"


def play(name: str) -> float:
    """One scenario; gives the seconds to its finding."""
    story = (ACCOUNT | STORIES)[name]
    whole = name in STORIES
    world = launch(name, Role.COMMANDER) if whole else HeadlessWorld(name, Role.COMMANDER)
    try:
        world.wait(120)
        with tempfile.TemporaryDirectory() as folder, unhurried():
            seconds = asyncio.run(played(world, story, Path(folder)))
        _mended(world, story)
        return seconds
    finally:
        world.stop()


def main(names: list[str]) -> int:
    """Play them, all without a name, tell each, and write the page; 1 when one failed."""
    measured, failed = {}, []
    for name in names or sorted(ACCOUNT | STORIES):
        try:
            measured[name] = play(name)
            print(f"{name:<26} {measured[name]:5.1f} s to the finding, mended", flush=True)
        except (AssertionError, LookupError):
            failed.append(name)
            print(f"{name:<26} failed\n{traceback.format_exc()}", flush=True)
    scenarios_page.write(scenarios_page.measured() | measured)
    print(f"{len(measured)} played to the repair, {len(failed)} failed: {', '.join(failed) or '–'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
