"""Something else got worse since a step: a line says so, and a key plans what takes it back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cockpit.incident.ledger import Settled, Settlement
from cockpit.runbooks.plan import Outcome
from cockpit.runbooks.stop_loss import Interrupt
from screens.confirm import ConfirmScreen
from tests.screens.conftest import FULL, SMALL, TINY, Shows, press, text, toasts
from tests.screens.fake_desk import FakeDesk
from tests.screens.fake_run import FakeRun
from tests.screens.main_words import begun

WORSE = "PG_SAT_CONNECTIONS at orders-db is critical, was not there before the step"


def interrupted(desk: FakeDesk, undo: str = "cancel") -> FakeRun:
    """A run with an interrupted step; `undo`: the id of what takes it back."""
    run = begun(desk)
    run.interrupt = Interrupt(
        step="snapshot", title="Go back to :42", worse=WORSE, undo=undo, instead="none: built anew"
    )
    desk.interrupted = run
    return run


@pytest.mark.parametrize("size", [FULL, SMALL, TINY], ids=str)
async def test_one_line_under_the_header_says_what_got_worse_and_which_key_plans_the_undo(
    desk: FakeDesk, show: Shows, size: tuple[int, int]
) -> None:
    interrupted(desk)
    async with show(desk, size) as pilot:
        told = text(pilot).splitlines()[1 if size == TINY else 2]
        says = " WORSE  X plans the undo of 'Go back to :42'"
        assert told.startswith(says[:18] if size == TINY else says)
        if size == FULL:
            assert WORSE in told


async def test_what_got_worse_is_told_whole_in_a_second_line(desk: FakeDesk, show: Shows) -> None:
    run = interrupted(desk)
    title = "Terminate the session that everybody waits for, and say so"
    run.interrupt = replace(run.interrupt, title=title, worse=f"{WORSE} and has no end")  # type: ignore[type-var]
    async with show(desk) as pilot:
        first, second = text(pilot).splitlines()[2:4]
        assert first.startswith(f" WORSE  X plans the undo of '{title}'")
        assert "and has no end" in f"{first} {second}"
        assert "…" not in f"{first} {second}"


async def test_the_key_plans_the_undo_and_runs_nothing_before_a_yes(
    desk: FakeDesk, show: Shows
) -> None:
    run = interrupted(desk)
    async with show(desk) as pilot:
        await press(pilot, "X")
        assert isinstance(pilot.app.screen, ConfirmScreen)
        assert run.states["cancel"].step.title in text(pilot)
        await press(pilot, "escape")
        assert run.ran == []


async def test_without_a_step_that_takes_it_back_the_line_says_what_there_is_instead(
    desk: FakeDesk, show: Shows
) -> None:
    interrupted(desk, undo="")
    async with show(desk) as pilot:
        told = text(pilot).splitlines()[2]
        assert told.startswith(f" WORSE  {WORSE} · no undo of 'Go back to :42' by a step")
        await press(pilot, "X")
        assert "No step takes it back: none: built anew" in toasts(pilot)[-1]


async def test_the_key_does_nothing_where_nothing_got_worse(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        assert " WORSE " not in text(pilot)
        await press(pilot, "X")
        assert "No step was interrupted" in toasts(pilot)[-1]


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (Settled.KEPT, "promise kept: "),
        (Settled.BROKEN, "promise broken: "),
        (Settled.UNKNOWN, "promise cannot be told: "),
    ],
)
async def test_the_step_says_what_came_of_its_promise(
    desk: FakeDesk, show: Shows, end: Settled, told: str
) -> None:
    run = begun(desk)
    run.states["cancel"] = replace(
        run.states["cancel"],
        status="failed",
        outcome=Outcome("failed", "cancelled"),
        settlement=Settlement(end, "seen"),
        worse=WORSE,
    )
    async with show(desk) as pilot:
        await press(pilot, "5", "z")
        assert told in text(pilot)
        assert "got worse since: PG_SAT_CONNECTIONS at orders-db" in text(pilot)
