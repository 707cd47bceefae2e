"""Looks that come before their time: when a probe asks for it, and a few running only."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from cockpit.connect.pace import Pace
from cockpit.errors import BlindError, Reason
from cockpit.triage.board import LookId
from cockpit.triage.engine import Engine, Look
from cockpit.triage.probe import Blind, Probe
from cockpit.triage.sooner import BURST, Sooner
from cockpit.triage.store import Store
from cockpit.triage.target import Target
from tests.core.builders import target
from tests.patience import until

DB = LookId("db", "p.counted")


class Slow:
    """A session whose server answers slowly."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace


class Sessions:
    def __init__(self, pace: Pace | None = None) -> None:
        self.pace = pace or Pace()

    async def session(self, target: Target) -> object:
        return Slow(self.pace)

    async def discard(self, target: Target) -> None:
        """Keeps it."""


class Looked:
    """Counts the looks of a probe that is due once an hour."""

    def __init__(
        self, id_: str, *, again: float | None = None, wakes: tuple[str, ...] = ()
    ) -> None:
        self.times, self.fails = 0, False
        self.look = Look(
            target("db"),
            Probe(
                id=id_,
                kind="endpoint",
                collect=self.collect,
                diagnose=lambda _, __: (),
                snapshot=int,
                settings=None,
                every=3600,
                timeout=5,
                again=(lambda _, __: again) if again is not None else None,
                wakes=(lambda _: wakes) if wakes else None,
            ),
            None,
        )

    async def collect(self, _: object, __: Target) -> int:
        self.times += 1
        if self.fails:
            raise BlindError(Reason.DENIED, "no")
        return self.times


@contextlib.contextmanager
def running(*looked: Looked, sessions: Sessions | None = None) -> Iterator[Engine]:
    engine = Engine([each.look for each in looked], sessions=sessions or Sessions(), store=Store())
    task = asyncio.create_task(engine.run())
    try:
        yield engine
    finally:
        task.cancel()


async def test_a_look_that_saw_what_may_become_grave_comes_again_a_few_times() -> None:
    hurried = Looked("p.hurried", again=0.0)
    with running(hurried):
        await until(lambda: hurried.times == 1 + BURST)


async def test_a_sign_wakes_the_probe_that_looks_at_it() -> None:
    woken = Looked("p.woken")
    sees = Looked("p.sees", again=0.0, wakes=("p.woken", "p.of another server"))
    with running(woken, sees):
        await until(lambda: woken.times >= 3)


async def test_a_look_that_fails_is_not_woken() -> None:
    woken, sees = Looked("p.woken"), Looked("p.sees", again=0.0, wakes=("p.woken",))
    woken.fails = True
    with running(woken, sees):
        await until(lambda: sees.times == 1 + BURST)
    assert woken.times <= 2, "its own pause grows; the first may have been woken before it failed"


async def test_a_server_that_is_slow_for_us_is_not_asked_early() -> None:
    slow = Pace()
    slow.crowded = True
    hurried, after = Looked("p.hurried", again=0.0), Looked("p.after")
    with running(hurried, after, sessions=Sessions(slow)) as engine:
        await until(lambda: after.times == 1 and hurried.times == 1)
        await engine.look("db", "p.after")
        assert engine._schedule.next_due() is not None
        assert hurried.times == 1


def test_a_probe_that_always_hurries_looks_early_once_in_fifteen_seconds() -> None:
    sooner = Sooner()
    early = [second for second in range(300) if sooner.granted(DB, float(second))]
    assert len(early[early.index(BURST - 1) + 1 :]) == pytest.approx(300 / 15, abs=1)


def test_one_that_was_quiet_has_all_its_early_looks_again() -> None:
    sooner = Sooner()
    assert [sooner.granted(DB, 0.0) for _ in range(BURST + 1)] == [True] * BURST + [False]
    assert [sooner.granted(DB, 1000.0) for _ in range(BURST + 1)] == [True] * BURST + [False]


async def test_a_plug_in_that_gives_no_number_costs_its_own_look() -> None:
    wrong, other = Looked("p.wrong"), Looked("p.other")
    given: Any = lambda _, __: "soon"  # noqa: E731  no type would let it
    probe = replace(wrong.look.probe, again=given)
    wrong.look = replace(wrong.look, probe=probe)
    with running(wrong, other) as engine:
        await until(lambda: other.times == 1 and wrong.times == 1)
        outcome = (await engine.look("db", "p.wrong")).outcome
    assert isinstance(outcome, Blind)
    assert outcome.reason is Reason.BUG
