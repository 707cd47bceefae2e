"""Little money makes the metrics of what is well older, and nothing else: each number says how old.

A shop of thirty targets, looked at for a quarter of an hour of virtual time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from cockpit.connect.aws.budget import USD_PER_SERIES
from cockpit.triage.board import BoardChange
from cockpit.triage.probe import Reading, Seen
from cockpit.triage.store import Store
from tests import virtual
from tests.bench import hour, mixed

MIX = {
    "alb": 3, "target_group": 5, "ecs_service": 8, "rds": 5, "elasticache": 4, "dynamodb_table": 6,
    "alarms": 1,
}  # fmt: skip
LENGTH = 900.0
STARTED = 120.0


class Counted(Store):
    """Counts readings, and how old their numbers are."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: Counter[str] = Counter()
        """By probe."""
        self.oldest: Counter[str] = Counter()
        """By the label of a number: the most seconds that it was older than its look."""

    def add(self, reading: Reading) -> Sequence[BoardChange]:
        self.looks[reading.probe] += 1
        assert isinstance(reading.outcome, Seen)
        for fact in reading.outcome.facts:
            age = (reading.at - (fact.as_of or reading.at)).total_seconds()
            self.oldest[fact.label] = max(self.oldest[fact.label], round(age))
        return super().add(reading)


@dataclass(frozen=True)
class Spent:
    told: Counted
    usd_per_hour: float


async def _spent(path: Path) -> Spent:
    shop, told = mixed.Shop(), Counted()
    async with hour.looking(path, shop, store=told):
        await asyncio.sleep(STARTED)
        series = shop.series
        await asyncio.sleep(LENGTH - STARTED)
        usd = (shop.series - series) * USD_PER_SERIES
    return Spent(told, usd / (LENGTH - STARTED) * 3600)


@pytest.fixture(scope="module")
def spent(tmp_path_factory: pytest.TempPathFactory) -> dict[float, Spent]:
    """By the budget."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mixed, "MIX", MIX)
        for usd in (1.0, 0.05):
            path = tmp_path_factory.mktemp("budget") / "cockpit.toml"
            path.write_text(mixed.configured(f"budget_usd_per_hour = {usd}"))
            found[usd] = virtual.run(_spent(path), begin=hour.BEGIN)
    return found


def test_nothing_is_looked_at_less_often_for_want_of_money(spent: dict[float, Spent]) -> None:
    assert spent[0.05].told.looks == spent[1.0].told.looks
    for probe, kind in (("target_group.health", "target_group"), ("ecs.service", "ecs_service")):
        assert spent[0.05].told.looks[probe] >= MIX[kind] * LENGTH / 15


def test_it_costs_no_more_than_it_may(spent: dict[float, Spent]) -> None:
    assert spent[0.05].usd_per_hour <= 0.05 < spent[1.0].usd_per_hour


def test_metrics_alone_are_older_and_each_number_says_so(spent: dict[float, Spent]) -> None:
    much, little = spent[1.0].told.oldest, spent[0.05].told.oldest
    for metric in ("CPU", "memory", "read used", "5xx of the balancer"):
        assert much[metric] <= 60 < little[metric] <= 240
    assert 60 < much["free storage"] <= 300, "a slow gauge of what is well"
    for state in ("healthy targets", "running", "status"):
        assert little[state] == much[state] == 0
