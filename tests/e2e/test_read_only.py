"""Triage: every key is pressed and every step is tried, and nothing is different afterwards.

The referees are outside the cockpit: the shop's AWS front with its log of calls, PostgreSQL asked by
its owner, and Valkey asked directly.
"""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis

from cockpit.connect.role import Role
from cockpit.connect.settings import AwsResource
from cockpit.desk import Desk
from cockpit.errors import CockpitError, Refused
from cockpit.runbooks.step import Risk
from cockpit.world.launch import World
from screens.bindings import ACTIONS, Where
from tests.e2e.seat import BLOCKER, Seat, opening, orders, prepared, seated

pytestmark = [
    pytest.mark.world,
    # Leaving is bounded: a socket that does not close within half a second is left to the kernel.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]
NEVER = {"q", "ctrl+c"}
"""Keys that end the cockpit: pressed last."""
SCREENS = ((), ("enter",), ("T",), ("question_mark",), ("S",), ("ctrl+p",))
"""Keys that lead from the main screen to each of the others."""


@dataclass
class Watch:
    """What a whole session of a junior did and left."""

    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    pressed: int = 0
    tried: int = 0
    allowed: list[str] = field(default_factory=list)
    """Steps that change something and were approved all the same."""


def keys(*, moving: bool = True) -> list[str]:
    """Every key of the table of actions, and those of the offers, but those that end it.

    `moving` False: without those that only move the cursor.
    """
    acting = (a for a in ACTIONS if a.where is not Where.PROMPT and (moving or a.palette))
    table = {key for action in acting for key in action.keys}
    return sorted((table | {"c", "t", "R", "p", "s", "enter", "x"}) - NEVER)


def state(world: World) -> dict[str, Any]:
    """What a change would show in."""
    ports, secrets = prepared(world).ports, prepared(world).secrets
    cache = redis.Redis(port=ports.sessions, password=getattr(secrets, "sessions", None) or None)
    config = cache.config_get("maxmemory*")
    cache.close()
    return {
        "blocker": orders(world, BLOCKER),
        "replicas": orders(world, "SELECT count(*) FROM pg_replication_slots"),
        "roles": orders(world, "SELECT rolname, rolconnlimit FROM pg_roles ORDER BY 1"),
        "cache": config,
    }


def changing_calls(world: World) -> list[str]:
    """What the cockpit asked of AWS that is not a read, from the front's own log."""
    with urllib.request.urlopen(f"{world.status().control}/calls", timeout=10) as answer:
        calls = json.loads(answer.read())
    mine = [call for call in calls if call["who"] != "shop"]
    assert mine, "the log holds nothing of the cockpit: it proves nothing"
    return sorted({f"{c['service']}.{c['operation']}" for c in mine if not c["read"]})


async def press_everything(seat: Seat, watch: Watch) -> None:
    """Each key on the main screen, each key that acts in its panes and on the other screens."""
    for way in SCREENS:
        panes = ("3", "2", "5") if not way else ("",)
        for pane in panes:
            for key in keys(moving=pane == "3"):
                await home(seat)
                await seat.press(*([pane] if pane else []), *way, key)
                watch.pressed += 1


async def home(seat: Seat) -> None:
    """Back on the main screen, whatever is open."""
    for _ in range(6):
        if len(seat.app.screen_stack) <= 2:
            return
        await seat.press("escape")
    while len(seat.app.screen_stack) > 2:
        seat.app.pop_screen()


async def try_every_step(desk: Desk, watch: Watch) -> None:
    """Plan, approve with everything that could be asked for, and run: of every offered runbook."""
    for found in list(desk.board.open.values()):
        for book in desk.runbooks_for(found):
            course = desk.start_course(book.id, found)
            for step in book.steps:
                await one_step(course, step.id, watch)
    for reading in list(desk.board.readings.values()):
        for table in getattr(reading.outcome, "tables", ()):
            offers = [*table.best, *(offer for row in table.rows for offer in row.offers)]
            for offer in offers[:5]:
                await one_step(desk.offer_course(reading.target, offer), "offer", watch)


async def one_step(course: Any, step_id: str, watch: Watch) -> None:
    try:
        async with asyncio.timeout(4):
            plan = await course.plan(step_id)
            if plan.risk is Risk.READ:
                return
            watch.tried += 1
            approval = course.approve(plan, typed=plan.confirm_word, reason="please", second="bob")
            watch.allowed.append(f"{course.runbook.id}.{step_id}")
            await course.run(plan, approval)
    except (CockpitError, TimeoutError):
        return


@pytest.fixture(scope="module")
def watched(
    begin: Callable[[str, Role], World], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Watch, World]:
    """One long session in triage on the locked shop."""
    world = begin("checkout-lock", Role.TRIAGE)
    watch = Watch()

    async def session() -> None:
        desk = await opening(world, tmp_path_factory.mktemp("data")).create("a junior", "P2")
        async with seated(desk, (140, 44)) as seat:
            await seat.choose("PG_LOCK_BLOCKED", "orders-db")
            watch.before = state(world)
            await press_everything(seat, watch)
            await home(seat)
            await try_every_step(desk, watch)
            watch.after = state(world)

    asyncio.run(session())
    return watch, world


def test_every_key_was_pressed_and_steps_that_change_were_tried(
    watched: tuple[Watch, World],
) -> None:
    watch, _ = watched
    assert watch.pressed == len(keys()) + (len(SCREENS) + 1) * len(keys(moving=False))
    assert watch.tried >= 3


def test_no_changing_step_was_approved(watched: tuple[Watch, World]) -> None:
    assert watched[0].allowed == []


def test_aws_was_asked_for_reads_only(watched: tuple[Watch, World]) -> None:
    assert changing_calls(watched[1]) == []


def test_the_databases_are_as_they_were(watched: tuple[Watch, World]) -> None:
    watch, _ = watched
    assert watch.before["blocker"], "there was nothing to terminate: it proves nothing"
    assert watch.after == watch.before


async def test_a_triage_process_gets_no_session_that_acts(
    watched: tuple[Watch, World], tmp_path: Path
) -> None:
    desk = await opening(watched[1], tmp_path).create("a junior", "P2")
    for settings in (
        *(target.settings for target in desk.targets.values()),
        AwsResource(aws="prod", id="x"),
    ):
        with pytest.raises(Refused, match="triage is read-only"):
            await desk.connections.acts(settings)
    await desk.close()


async def test_the_read_sessions_refuse_to_change_anything(
    watched: tuple[Watch, World], tmp_path: Path
) -> None:
    desk = await opening(watched[1], tmp_path).create("a junior", "P2")
    sessions = {
        name: await desk.connections.session(name, desk.targets[name].settings)
        for name in ("orders-db", "sessions", "carts")
    }
    with pytest.raises(CockpitError):
        await sessions["orders-db"].value("CREATE TABLE cockpit_was_here (a int)")
    with pytest.raises(Refused):
        await sessions["sessions"].command("SET", "cockpit", "was here")
    with pytest.raises(Refused):
        await sessions["carts"].read("dynamodb", "UpdateTable", TableName="carts")
    await desk.close()
