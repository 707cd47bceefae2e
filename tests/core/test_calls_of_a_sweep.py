"""How many calls a first sweep makes, against the fewest that can tell as much, and an hour."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import virtual
from tests.bench import hour, looking, mixed


@dataclass
class Counts:
    first: Counter[str]
    least: int
    later: Counter[str]
    """Of the first five minutes behind the first sweep."""
    unseen: list[str]


FIVE_MINUTES = 300.0


async def _counted(path: Path) -> Counts:
    shop = mixed.Shop()
    async with hour.looking(path, shop) as (_, store):
        first, least = Counter(shop.calls), looking.least(shop.series)
        await asyncio.sleep(FIVE_MINUTES)
        return Counts(first, least, shop.calls - first, hour.unseen(store))


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> Counts:
    """Of a hundred mixed targets."""
    path = tmp_path_factory.mktemp("mixed") / "cockpit.toml"
    path.write_text(mixed.configured())
    return virtual.run(_counted(path), begin=hour.BEGIN)


def test_a_first_sweep_of_a_hundred_mixed_targets_makes_few_more_calls_than_it_must(
    counts: Counts,
) -> None:
    assert counts.unseen == []
    assert looking.counted(counts.first) <= 1.1 * counts.least, (counts.least, counts.first)
    for once in ("elbv2.describe_target_groups", "cloudwatch.describe_alarms", *looking.BESIDES):
        assert counts.first[once] == 1, "everybody is answered out of one list"


def test_looks_of_one_place_come_together_so_that_their_calls_are_full(counts: Counts) -> None:
    """They drifted apart, and 33,000 calls an hour answered for little more than one target each."""
    beats = FIVE_MINUTES / 15
    assert counts.later["elbv2.describe_target_groups"] <= beats
    assert counts.later["ecs.describe_services"] <= 3 * beats
    assert counts.later["ecs.list_tasks"] <= 2 * beats
    assert counts.later.total() * 3600 / FIVE_MINUTES <= 15_000, counts.later
