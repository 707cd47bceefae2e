"""Runbooks that are stopped half-way, that make something worse, and that are read in triage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest

from cockpit.connect.redis.settings import RedisSettings
from cockpit.connect.role import Role
from cockpit.errors import Refused
from cockpit.runbooks import gate
from cockpit.runbooks.plan import Outcome
from cockpit.runbooks.run import Run
from cockpit.runbooks.step import Risk
from cockpit.runbooks.stop_loss import Interrupt
from cockpit.world import prepare
from cockpit.world.launch import World
from cockpit.world.servers import valkey
from tests.patience import at_most
from tests.servers.private import until
from tests.world.conftest import control
from tests.world.stories import (
    STORIES,
    changed,
    cleared,
    follow,
    found,
    seated,
)
from tests.world.story import Story

pytestmark = [
    pytest.mark.world,
    # Leaving is bounded: a socket that does not close within half a second is left to the kernel.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]


async def test_a_release_that_is_under_way_is_stopped_and_ecs_goes_back_by_itself(
    begin: Callable[..., World], tmp_path: Path
) -> None:
    story = replace(
        STORIES["bad-deployment"],
        steps=("before", "migration", "stop", "steady"),
        changes=frozenset({"ecs.StopServiceDeployment"}),
    )
    world = await asyncio.to_thread(begin, "bad-deployment")
    async with seated(world, Role.COMMANDER, tmp_path) as desk:
        opened = await found(desk, story)
        run = desk.start_run(story.runbook, opened)
        await follow(run, story)
        captured = run.state("before").captured
        assert captured["known_by"] == "what its deployment replaced"
        assert str(captured["good"]).endswith("checkout:42")
        with pytest.raises(Refused, match="AWS does not say"):
            await run.plan("named")
        await cleared(desk, opened)
    assert changed(world) == ["ecs.StopServiceDeployment"]


async def test_a_repair_that_makes_something_else_worse_is_interrupted_and_taken_back(
    begin: Callable[..., World], tmp_path: Path
) -> None:
    """The old revision takes the last connections of the database: the undo is offered, not run."""
    story = replace(STORIES["bad-deployment"], steps=("before", "migration"))
    world = await asyncio.to_thread(begin, "repair-makes-worse")
    async with seated(world, Role.COMMANDER, tmp_path) as desk:
        opened = await found(desk, story)
        run = desk.start_run(story.runbook, opened)
        await follow(run, story)
        plan = await run.plan("rollback")
        outcome = await run.execute(plan, run.approve(plan, typed=plan.confirm_word))
        interrupt = await interrupted(run, outcome)
        entries = {entry.kind.value: entry for entry in desk.incident.entries}
        written = entries["step.interrupt"]
        assert "PG_SAT_CONNECTIONS at orders-db is critical, was" in interrupt.worse
        assert interrupt.worse in written.text
        worse = next(e for e in reversed(desk.incident.entries)
                     if e.data.get("code") == "PG_SAT_CONNECTIONS")  # fmt: skip
        assert (written.at - worse.at).total_seconds() < 5
        assert updates(world) == 1, "taken back by nobody yet"
        undo = await run.plan(interrupt.undo)
        assert (await run.execute(undo, run.approve(undo, typed=undo.confirm_word))).kind == "ok"
        assert run.interrupt is None
        assert str(undo.act.args["taskDefinition"]).endswith("checkout:43")
        await cleared(desk, next(o for o in desk.board.open.values()
                                 if o.id.code == "PG_SAT_CONNECTIONS"))  # fmt: skip


def updates(world: World) -> int:
    """How often the cockpit has asked ECS to deploy."""
    calls = [call["operation"] for call in control(world, "calls") if call["who"] != "shop"]
    return calls.count("UpdateService")


async def interrupted(run: Run, outcome: Outcome, within: float = 60) -> Interrupt:
    """What got worse since a step, which its own verification may well have called good."""
    end = time.monotonic() + at_most(within)
    while (interrupt := run.interrupt) is None:
        assert time.monotonic() < end, outcome
        await asyncio.sleep(0.1)
    return interrupt


async def test_new_tasks_write_to_the_new_primary_of_the_cache(
    begin: Callable[..., World], tmp_path: Path
) -> None:
    """What cannot be seen from here, where the old address is kept: nobody is refused any more."""
    steps = ("control", "server_now", "service_now", "restart")
    story = Story("RD_ROLE_WRONG", "sessions", "cache-failover", steps)
    world = await asyncio.to_thread(begin, "redis-failover")
    async with seated(world, Role.COMMANDER, tmp_path) as desk:
        opened = await found(desk, story)
        assert desk.runbooks_for(opened)[0].id == story.runbook
        old = desk.targets["sessions"].settings
        assert isinstance(old, RedisSettings)
        before = await refused(old.port)
        await until(lambda: refused(old.port), lambda now: now > before)
        await follow(desk.start_run(story.runbook, opened), story)
        await until(lambda: more_refused(old.port), lambda more: not more)


async def test_the_runbook_of_one_bad_address_names_it_and_changes_nothing(
    begin: Callable[..., World], tmp_path: Path
) -> None:
    """It is somebody else's to mend: what we get is the address to tell them."""
    steps = ("rungs", "elsewhere", "follow")
    story = Story("NET_TARGET_ONE_BAD", "payments", "path-tcp", steps, {"elsewhere": "some"})
    world = await asyncio.to_thread(begin, "one-bad-address")
    async with seated(world, Role.COMMANDER, tmp_path) as desk:
        opened = await found(desk, story)
        assert desk.runbooks_for(opened)[0].id == story.runbook
        run = desk.start_run(story.runbook, opened)
        await follow(run, story)
        told = run.state("rungs").captured
        assert [told["failing"], told["dead"]] == [[prepare.addresses()[-1]], []]
        assert prepare.addresses()[-1] in opened.finding.summary
    assert changed(world) == []


async def refused(port: int) -> int:
    """Writes that a server has refused since its start as a replica."""
    said = await asyncio.to_thread(valkey.talk, port, "INFO", "errorstats")
    line = next((x for x in said.decode().splitlines() if x.startswith("errorstat_READONLY")), "=0")
    return int(line.rpartition("=")[2])


async def more_refused(port: int) -> bool:
    """Whether a server refuses any more of them within two seconds; there are several a second."""
    before = await refused(port)
    await asyncio.sleep(2)
    return await refused(port) > before


@pytest.mark.parametrize("name", ["checkout-lock", "sg-revoked"])
async def test_in_triage_every_step_is_seen_and_nothing_is_changed(
    name: str, begin: Callable[..., World], tmp_path: Path
) -> None:
    story = STORIES[name]
    world = await asyncio.to_thread(begin, name, Role.TRIAGE)
    async with seated(world, Role.TRIAGE, tmp_path) as desk:
        opened = await found(desk, story)
        run = desk.start_run(story.runbook, opened)
        for step_id in story.steps:
            # an answer of triage opens no act: as if it did, so that the act behind is tried
            with patch.object(gate, "answers_open", return_value=True):
                plan = await run.plan(step_id)
            typed = story.answers.get(step_id, plan.confirm_word)
            if plan.risk is Risk.READ:
                assert (await run.execute(plan, run.approve(plan, typed=typed))).kind != "unknown"
                continue
            with pytest.raises(Refused, match="triage is read-only"):
                run.approve(plan, typed=typed, reason="please", second="bob")
            await run.propose(step_id, "as the runbook says")
            assert run.state(step_id).status == "proposed"
            break
    assert changed(world) == []
