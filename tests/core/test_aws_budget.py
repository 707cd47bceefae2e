"""What an hour of looking may cost, and what gives way to it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from cockpit import config, sweep
from cockpit.config_file import ConfigProblems
from cockpit.connect.aws import budget as budgets
from cockpit.connect.aws.budget import PACES, Budget, Rhythm, usd_of_query
from cockpit.connect.role import Role
from cockpit.triage.registry import catalog

WELL = Rhythm(60, 30, sick=False, rest=False)
SICK = Rhythm(60, 15, sick=True, rest=False)
REST = Rhythm(60, 30, sick=False, rest=True)
BUCKETS = Rhythm(300, 15, sick=True, rest=False)


class Asking:
    def __init__(self, **counts: int) -> None:
        named = {"well": WELL, "sick": SICK, "rest": REST, "buckets": BUCKETS}
        self.counts = Counter({named[name]: many for name, many in counts.items()})

    def rhythms(self) -> Counter[Rhythm]:
        return self.counts


def spent(usd: float, **counts: int) -> Budget:
    budget = Budget(usd)
    asking = Asking(**counts)
    budget.join(asking)
    assert budget.pace
    return budget


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    held = [100.0]
    monkeypatch.setattr(budgets, "monotonic", lambda: held[0])
    return held


@pytest.mark.parametrize(
    ("counts", "usd"),
    [
        ({"well": 500}, 0.30),
        ({"rest": 500}, 0.06),
        ({"sick": 100}, 0.24),
        ({"buckets": 100}, 0.012),
        ({}, 0.0),
    ],
)
def test_the_price_of_an_hour(counts: dict[str, int], usd: float) -> None:
    assert spent(10, **counts).usd_now == pytest.approx(usd)


@pytest.mark.parametrize(
    ("usd", "well", "sick"),
    [
        pytest.param(1.0, 60, 15, id="it is enough"),
        pytest.param(0.6, 120, 15, id="what is well waits"),
        pytest.param(0.37, 300, 15, id="as long as it can"),
        pytest.param(0.25, 300, 30, id="then what is sick"),
        pytest.param(0.0001, 1800, 300, id="and it is not enough"),
    ],
)
def test_what_is_well_gives_way_first(usd: float, well: int, sick: int) -> None:
    budget = spent(usd, well=1000, sick=100)
    assert (budget.pace.well, budget.pace.sick) == (well, sick)
    assert (budget.usd_now > usd) is (usd < 0.001)
    assert budget.slowed is (well > 60)


@pytest.mark.parametrize(
    ("answer", "usd"),
    [
        ({"status": "Complete", "statistics": {"bytesScanned": 2e9}}, 0.01),
        ({"status": "Cancelled", "statistics": {"bytesScanned": 1e9}}, 0.005),
        ({"status": "Running", "statistics": {"bytesScanned": 1e9}}, 0.0),
        ({"status": "Complete"}, 0.0),
    ],
)
def test_a_query_costs_by_what_it_scanned_when_it_ended(
    answer: dict[str, object], usd: float
) -> None:
    assert usd_of_query(answer) == pytest.approx(usd)


def test_every_pace_costs_less_than_the_one_before() -> None:
    prices = [pace.usd(Asking(well=1000, sick=100, rest=500).counts) for pace in PACES]
    assert prices == sorted(prices, reverse=True)
    assert len(set(prices)) == len(prices)


def test_what_the_money_is_spent_on_is_known_at_the_pace_that_is_kept() -> None:
    budget, asking = Budget(0.5), Asking()
    of = {"AWS/RDS": (WELL, 1000), "AWS/ECS": (SICK, 50)}
    asking.counts = Counter({replace(r, namespace=name): n for name, (r, n) in of.items()})
    budget.join(asking)
    assert budget.pace.well == 120
    assert budget.spent_on == pytest.approx({"AWS/RDS": 0.3, "AWS/ECS": 0.12})
    assert budget.usd_now == pytest.approx(0.42)


def test_places_share_one_budget_and_what_is_gone_costs_nothing(still: list[float]) -> None:
    budget, one, two = Budget(1.0), Asking(well=1000), Asking(well=1000)
    budget.join(one)
    budget.join(two)
    assert budget.pace.well == 120
    del two
    still[0] += 60
    assert budget.pace.well == 60


CONFIG = """
environment = "x"
{line}
[aws.prod]
region = "us-east-1"
[[target]]
kind = "alarms"
name = "alarms"
aws = "prod"
"""


@pytest.mark.parametrize(
    ("line", "usd"),
    [("", 1.0), ("budget_usd_per_hour = 3", 3.0), ("budget_usd_per_hour = 0.2", 0.2)],
)
def test_the_configuration_says_how_much(tmp_path: Path, line: str, usd: float) -> None:
    path = tmp_path / "cockpit.toml"
    path.write_text(CONFIG.format(line=line))
    connections = sweep.connections(config.load(path, catalog()), Role.TRIAGE)
    assert sweep.cost(connections).budget == connections.budget.usd_per_hour == usd


@pytest.mark.parametrize("value", ["0", "-1", "true", '"a lot"', "nan"])
def test_a_budget_that_is_none_is_told(tmp_path: Path, value: str) -> None:
    path = tmp_path / "cockpit.toml"
    path.write_text(CONFIG.format(line=f"budget_usd_per_hour = {value}"))
    with pytest.raises(ConfigProblems, match="budget_usd_per_hour"):
        config.load(path, catalog())
