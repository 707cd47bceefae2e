"""Clients are made one at a time, those that end a start first, and no deadline runs meanwhile."""

from __future__ import annotations

import asyncio
import gc

import pytest

from cockpit.connect.workshop import WORKSHOP, ended
from tests.patience import at_most


async def _turn(name: str, told: list[str], *, last: bool = False, held: float = 0.0) -> None:
    async with WORKSHOP.turn(last=last):
        told.append(f"+{name}")
        await asyncio.sleep(held)
        told.append(f"-{name}")


async def test_one_at_a_time_and_those_that_begin_something_new_last() -> None:
    told: list[str] = []
    names = {"a": False, "new": True, "newer": True, "b": False}
    await asyncio.gather(*(_turn(name, told, last=last) for name, last in names.items()))
    assert told == ["+a", "-a", "+b", "-b", "+new", "-new", "+newer", "-newer"]


async def test_who_is_cancelled_while_waiting_takes_no_turn() -> None:
    told: list[str] = []
    first, gone, third = (asyncio.create_task(_turn(name, told)) for name in "abc")
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(first, third)
    assert told == ["+a", "-a", "+c", "-c"]
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_who_is_cancelled_as_its_turn_comes_hands_it_on() -> None:
    told: list[str] = []
    release = asyncio.Event()

    async def first() -> None:
        async with WORKSHOP.turn():
            await release.wait()

    holder = asyncio.create_task(first())
    gone, third = (asyncio.create_task(_turn(name, told)) for name in "bc")
    await asyncio.sleep(0)
    release.set()
    holder.add_done_callback(lambda _: gone.cancel())
    await asyncio.gather(holder, third)
    assert told[-2:] == ["+c", "-c"]


async def test_a_failure_leaves_it_to_the_next() -> None:
    told: list[str] = []
    with pytest.raises(ValueError, match="no such"):
        async with WORKSHOP.turn():
            raise ValueError("no such service")
    await _turn("a", told)
    assert told == ["+a", "-a"]
    assert gc.isenabled()


async def test_a_deadline_runs_only_while_nothing_is_made() -> None:
    answer = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(ended(answer, 0.05))
    worked = WORKSHOP.worked
    async with WORKSHOP.turn():
        assert not gc.isenabled()
        async with asyncio.timeout(at_most(5)):
            while WORKSHOP.worked - worked < 0.15:
                await asyncio.sleep(0.01)
        assert not waiting.done()
        answer.set_result("late, and for our own making")
    assert await waiting
    assert gc.isenabled()


async def test_what_does_not_end_in_its_time_is_left_running() -> None:
    answer = asyncio.get_running_loop().create_future()
    assert not await ended(answer, 0.01)
    assert not answer.done()


@pytest.mark.parametrize(("many", "kept"), [(19, False), (20, True)])
async def test_what_many_makings_leave_is_not_walked_over_until_some_is_given_up(
    many: int, kept: bool
) -> None:
    gc.unfreeze()
    async with asyncio.TaskGroup() as group:
        for number in range(many):
            group.create_task(_turn(str(number), []))
    assert bool(gc.get_freeze_count()) == kept
    WORKSHOP.given_up()
    assert gc.get_freeze_count() == 0
    assert gc.isenabled()
