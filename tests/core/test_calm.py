"""The pace follows the trouble: slow where all is calm, full beside what is wrong, now by a key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from cockpit import clock, config
from cockpit.config_file import ConfigProblems
from cockpit.errors import BlindError, Reason
from cockpit.triage.calm import QUIET_FOR
from cockpit.triage.changes import Change
from cockpit.triage.engine import Engine, Look
from cockpit.triage.finding import Severity
from cockpit.triage.pacing import at_rest
from cockpit.triage.probe import Probe
from cockpit.triage.registry import catalog
from cockpit.triage.store import Store
from cockpit.triage.target import Target
from tests import virtual
from tests.core.builders import finding, target

BEGIN = datetime(2026, 11, 21, 3, tzinfo=UTC)
NEEDS = {"web": ("db",), "db": (), "far": ()}
CALM = QUIET_FOR + 100.0


class Shop:
    """Three targets; `far` has nothing to do with the two others."""

    def __init__(self, *, place: str = "prod", every: float = 30.0, steady: bool = False) -> None:
        self.wrong: dict[str, Severity] = {}
        self.blind: set[str] = set()
        self.changed: set[str] = set()
        self.looks: dict[str, list[float]] = {name: [] for name in NEEDS}
        probe = Probe(
            id="p.state",
            kind="endpoint",
            collect=self._collect,
            diagnose=lambda found, _: found,
            snapshot=tuple,
            settings=None,
            every=every,
            timeout=10,
            steady=steady,
            changes=self._changes,
        )
        self.targets = [replace(target(name), needs=needs) for name, needs in NEEDS.items()]
        self.engine = Engine(
            [Look(each, probe, None, place) for each in self.targets],
            sessions=self,
            store=Store(),
            never_older_than=90,
        )

    async def session(self, target: Target) -> object:
        return None

    async def discard(self, target: Target) -> None:
        """There is none."""

    async def _collect(self, _: object, at: Target) -> tuple[object, ...]:
        await asyncio.sleep(0.1)
        self.looks[at.name].append(clock.monotonic())
        if at.name in self.blind:
            raise BlindError(Reason.DENIED, "no")
        grade = self.wrong.get(at.name)
        return () if grade is None else (finding("X", grade),)

    def _changes(self, _: object, name: str) -> tuple[Change, ...]:
        at = clock.now() - timedelta(seconds=5)
        made = Change(at=at, kind="x.deployed", target=name, summary="a new version")
        return (made,) if name in self.changed else ()

    def pace(self, name: str) -> float:
        """Seconds between its two newest looks."""
        return round(self.looks[name][-1] - self.looks[name][-2])


def play(shop: Shop, story: Callable[[], Awaitable[None]]) -> None:
    async def looked() -> None:
        running = asyncio.create_task(shop.engine.run())
        await story()
        running.cancel()
        await asyncio.wait({running})

    virtual.run(looked(), begin=BEGIN)


def paces(shop: Shop) -> dict[str, float]:
    return {name: shop.pace(name) for name in NEEDS}


def test_where_nothing_was_wrong_for_ten_minutes_looks_come_more_slowly() -> None:
    shop = Shop()

    async def story() -> None:
        await asyncio.sleep(QUIET_FOR - 10)
        assert set(paces(shop).values()) == {30}
        await asyncio.sleep(200)
        assert set(paces(shop).values()) == {60}

    play(shop, story)


@pytest.mark.parametrize("kept", [{"place": ""}, {"steady": True}, {"every": 60.0}])
def test_databases_and_what_users_feel_keep_their_pace(kept: dict[str, float]) -> None:
    """And what would get older than it may."""
    shop = Shop(**kept)  # type: ignore[arg-type]

    async def story() -> None:
        await asyncio.sleep(1200)
        usual = kept.get("every", 30.0)
        assert all(pace <= 1.1 * usual + 1 for pace in paces(shop).values())

    play(shop, story)


def _is_wrong(shop: Shop) -> None:
    shop.wrong["db"] = Severity.WARNING


def _is_blind(shop: Shop) -> None:
    shop.blind.add("db")


def _is_changed(shop: Shop) -> None:
    shop.changed.add("db")


@pytest.mark.parametrize("trouble", [_is_wrong, _is_blind, _is_changed])
def test_trouble_and_a_change_wake_those_beside(trouble: Callable[[Shop], None]) -> None:
    shop = Shop()

    async def story() -> None:
        await asyncio.sleep(CALM)
        trouble(shop)
        while shop.looks["db"][-1] < clock.monotonic() - 1:
            await asyncio.sleep(0.5)
        seen = clock.monotonic()
        await asyncio.sleep(31)
        assert shop.looks["web"][-1] > seen, "it needs the database: on the next usual beat"
        await asyncio.sleep(100)
        assert (shop.pace("web"), shop.pace("far")) == (30, 60)

    play(shop, story)


def test_something_critical_wakes_all_until_ten_minutes_after_it() -> None:
    shop = Shop()

    async def story() -> None:
        await asyncio.sleep(CALM)
        shop.wrong["far"] = Severity.CRITICAL
        await asyncio.sleep(CALM)
        assert set(paces(shop).values()) == {30}
        shop.wrong.clear()
        await asyncio.sleep(CALM + 60)
        assert set(paces(shop).values()) == {60}

    play(shop, story)


def test_a_key_looks_now_and_holds_the_pace() -> None:
    shop = Shop()

    async def story() -> None:
        await asyncio.sleep(CALM)
        pressed = clock.monotonic()
        shop.engine.look_now("web")
        await asyncio.sleep(0.2)
        assert shop.looks["web"][-1] - pressed < 0.2
        await asyncio.sleep(100)
        assert (shop.pace("web"), shop.pace("far")) == (30, 60)
        await shop.engine.look("far", "p.state")
        await asyncio.sleep(100)
        assert shop.pace("far") == 30, "a step that verifies asks for it too"

    play(shop, story)


def test_catalogues_are_looked_at_when_their_target_is_calm_no_more() -> None:
    """Such as attributes, every ten minutes: what they say may be why."""
    shop = Shop()
    first = next(iter(shop.engine.looks.values()))
    seldom: list[float] = []

    async def collect(_: object, __: Target) -> tuple[object, ...]:
        seldom.append(clock.monotonic())
        return ()

    rare = replace(first.probe, id="p.attributes", collect=collect, every=600.0, changes=None)
    looks = [*shop.engine.looks.values(), replace(first, target=shop.targets[1], probe=rare)]
    shop.engine = Engine(looks, sessions=shop, store=Store(), never_older_than=90)

    async def story() -> None:
        await asyncio.sleep(CALM)
        looked = len(seldom)
        shop.wrong["db"] = Severity.WARNING
        await asyncio.sleep(70)
        assert len(seldom) == looked + 1
        await asyncio.sleep(200)
        assert len(seldom) == looked + 1, "once, not for as long as it lasts"

    play(shop, story)


@pytest.mark.parametrize("oldest", [0.0, 90.0, 180.0, 600.0])
@pytest.mark.parametrize(("every", "timeout"), [(15.0, 12.0), (30.0, 12.0), (60.0, 20.0)])
def test_no_answer_gets_older_than_it_may(every: float, timeout: float, oldest: float) -> None:
    """Through late looks, keys and changes of pace: the time until the next answer is counted."""
    shop = Shop(every=every)
    looks = [
        replace(look, probe=replace(look.probe, timeout=timeout))
        for look in shop.engine.looks.values()
    ]
    shop.engine = Engine(looks, sessions=shop, store=Store(), never_older_than=oldest)

    async def story() -> None:
        for minute in range(60):
            await asyncio.sleep(60 + minute / 7)
            if minute % 25 == 0:
                shop.engine.look_now("far")

    play(shop, story)
    rest = at_rest(looks[0], oldest)
    allowed = max(oldest - timeout, 1.5 * every)
    for times in shop.looks.values():
        gaps = [b - a for a, b in pairwise(times)]
        assert max(gaps) <= allowed + 0.2
        assert max(gaps) >= rest - 0.2
    assert rest == every or rest + timeout < oldest


CONFIG = """
environment = "x"
{line}
[[target]]
kind = "endpoint"
name = "web"
url = "http://127.0.0.1:1/"
"""


@pytest.mark.parametrize(
    ("line", "seconds"),
    [("", 90.0), ('never_older_than = "5m"', 300.0), ('never_older_than = "0s"', 0.0)],
)
def test_the_configuration_says_how_old(tmp_path: Path, line: str, seconds: float) -> None:
    path = tmp_path / "cockpit.toml"
    path.write_text(CONFIG.format(line=line))
    assert config.load(path, catalog()).never_older_than == seconds


@pytest.mark.parametrize("value", ["90", '"soon"', '""', "true", '"-5m"'])
def test_an_age_that_is_none_is_told(tmp_path: Path, value: str) -> None:
    path = tmp_path / "cockpit.toml"
    path.write_text(CONFIG.format(line=f"never_older_than = {value}"))
    with pytest.raises(ConfigProblems, match="never_older_than"):
        config.load(path, catalog())


def test_looks_of_this_version_that_rest_are_those_at_aws_that_users_do_not_feel_first() -> None:
    probes = catalog().probes.values()
    steady = {probe.id for probe in probes if probe.steady}
    assert steady == {"target_group.health", "ecs.service", "alarms.state"}
