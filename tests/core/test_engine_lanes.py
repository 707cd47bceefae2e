"""Which looks wait for which: those of one service for each other, and all for their place."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from cockpit.triage.board import ONE_LOOK
from cockpit.triage.engine import Engine, Look
from cockpit.triage.store import Store
from cockpit.triage.target import Target
from tests.core.test_engine import Sessions, look
from tests.patience import until


class Held:
    """Looks that go on until they are let go."""

    def __init__(self) -> None:
        self.inside: list[str] = []
        self.end = asyncio.Event()

    async def collect(self, session: object, target: Target) -> object:
        self.inside.append(target.name)
        await self.end.wait()
        return 1

    def look(self, name: str, service: str, *, slow: bool = False) -> Look:
        made = look(name, self.collect, timeout=60)
        lanes = (f"aws:prod:{service}", "aws:prod")
        return replace(made, place="prod", lanes=lanes[: 1 if slow else 2])


async def test_looks_of_one_service_keep_nobody_elses_from_beginning() -> None:
    held = Held()
    looks = [held.look(f"rds-{n}", "rds") for n in range(3)]
    looks += [held.look("ecs-0", "ecs"), held.look("trail-0", "cloudtrail", slow=True)]
    lanes = {"aws:prod": 3, "aws:prod:rds": 2, "aws:prod:ecs": 2, "aws:prod:cloudtrail": 1}
    engine = Engine(looks, sessions=Sessions(), store=Store(ONE_LOOK), lanes=lanes)
    sweeping = asyncio.create_task(engine.sweep())
    await until(lambda: len(held.inside) == 4)
    assert sorted(held.inside) == ["ecs-0", "rds-0", "rds-1", "trail-0"]
    held.end.set()
    await sweeping
    assert len(held.inside) == 5


@pytest.mark.parametrize("way", ["sweep", "run"])
async def test_a_thousand_looks_do_not_begin_in_one_turn_of_the_loop(way: str) -> None:
    began: Counter[int] = Counter()
    turn = 0

    async def collect(session: object, target: Target) -> object:
        began[turn] += 1
        return 1

    async def count() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    looks = [look(f"t{n}", collect, timeout=60) for n in range(1000)]
    engine = Engine(looks, sessions=Sessions(), store=Store(ONE_LOOK))
    counting = asyncio.create_task(count())
    begin = engine.run if way == "run" else engine.sweep
    running = asyncio.ensure_future(begin())
    await until(lambda: began.total() == 1000)
    counting.cancel()
    running.cancel()
    await engine.stop()
    assert max(began.values()) <= 50


async def test_a_place_takes_no_more_looks_at_once_than_it_may() -> None:
    held = Held()
    looks = [held.look(f"{service}-0", service) for service in ("rds", "ecs", "sqs")]
    engine = Engine(looks, sessions=Sessions(), store=Store(ONE_LOOK), lanes={"aws:prod": 2})
    sweeping = asyncio.create_task(engine.sweep())
    await until(lambda: len(held.inside) == 2)
    assert sorted(held.inside) == ["ecs-0", "rds-0"]
    held.end.set()
    await sweeping
    assert len(held.inside) == 3
