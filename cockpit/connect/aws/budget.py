"""How often series are bought, so that looking costs no more an hour than the configuration allows.

`GetMetricData` is the only read that costs money here, by the series and not by the point, so the
price of an hour follows from who asks for what: it is reckoned ahead, not noticed afterwards.
What is well is slowed down first; states, events and alarms are free and never wait.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakSet

from cockpit.clock import monotonic

USD_PER_SERIES = 0.01 / 1000
"""GetMetricData, us-east-1 list price of 2026-11 (catalogue B §9)."""
_USD_PER_SCANNED_GB = 0.005
"""Logs Insights, likewise. Filtering log events is not charged."""
_RUNNING = {"Scheduled", "Running"}
BUDGET = "budget"
"""The key under which all places of a process share theirs (`Door.once`)."""
DEFAULT = 1.0
"""US dollars an hour."""

REST = 300
"""Seconds for which a slow series of a healthy target is kept (catalogue B §9)."""
_RECKONED = 10.0
"""Seconds for which a pace holds."""


def usd_of_scan(scanned: float) -> float:
    """What Logs Insights takes, by the list price, for so many bytes."""
    return scanned / 1e9 * _USD_PER_SCANNED_GB


def usd_of_query(answer: Mapping[str, object]) -> float:
    """What a query of Logs Insights cost, by an answer of `GetQueryResults`: by what was scanned
    when it ended, however it did; 0 while it runs.
    """
    told = answer.get("statistics")
    scanned = told.get("bytesScanned") if isinstance(told, Mapping) else None
    if answer.get("status") in _RUNNING or not isinstance(scanned, int | float):
        return 0.0
    return usd_of_scan(scanned)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How a series is asked for: what the price of keeping it fresh depends on."""

    period: int
    every: float
    """Seconds between two looks that ask for it."""
    sick: bool
    rest: bool
    namespace: str = ""
    """What the money is spent on: `AWS/RDS`."""


@dataclass(frozen=True, slots=True)
class MetricPace:
    """Seconds for which a series is kept before it is bought again."""

    well: int = 60
    sick: int = 15

    def kept(self, rhythm: Rhythm) -> int:
        """For how long a series of this rhythm is kept."""
        if rhythm.sick:
            return self.sick if rhythm.period <= 60 else max(rhythm.period, self.sick)
        return max(rhythm.period, self.well, REST if rhythm.rest else 0)

    def usd(self, rhythms: Counter[Rhythm]) -> float:
        """US dollars an hour for these series."""
        return sum(self.spent_on(rhythms).values())

    def spent_on(self, rhythms: Counter[Rhythm]) -> Mapping[str, float]:
        """Namespace → US dollars an hour for these series of it."""
        spent: dict[str, float] = {}
        for rhythm, many in rhythms.items():
            bought = many * 3600 / max(self.kept(rhythm), rhythm.every)
            of = rhythm.namespace
            spent[of] = spent.get(of, 0.0) + bought * USD_PER_SERIES
        return spent


PACES = (
    MetricPace(),
    MetricPace(well=120),
    MetricPace(well=180),
    MetricPace(well=300),
    MetricPace(well=300, sick=30),
    MetricPace(well=600, sick=30),
    MetricPace(well=600, sick=60),
    MetricPace(well=900, sick=120),
    MetricPace(well=1800, sick=300),
)
"""From the pace that shows most to the one that costs least."""


class Asked(Protocol):
    """A reader of series."""

    def rhythms(self) -> Counter[Rhythm]:
        """How many series it is asked for now, by their rhythm."""


class Budget:
    """One for all places of a process: the configuration allows so much in all."""

    def __init__(self, usd_per_hour: float = DEFAULT) -> None:
        self.usd_per_hour = usd_per_hour
        self._readers: WeakSet[Asked] = WeakSet()
        self._pace = PACES[0]
        self._spent_on: Mapping[str, float] = {}
        self._reckoned_at = float("-inf")

    def join(self, reader: Asked) -> None:
        """Count what this reader buys."""
        self._readers.add(reader)

    @property
    def pace(self) -> MetricPace:
        """The fastest pace that the budget allows; the slowest when it allows none."""
        self._reckon()
        return self._pace

    @property
    def usd_now(self) -> float:
        """What an hour like this moment costs, at the pace that is kept."""
        return sum(self.spent_on.values())

    @property
    def spent_on(self) -> Mapping[str, float]:
        """Namespace → what an hour like this moment costs of it, at the pace that is kept."""
        self._reckon()
        return self._spent_on

    @property
    def slowed(self) -> bool:
        """Whether series are kept for longer than they should be."""
        return self.pace != PACES[0]

    def _reckon(self) -> None:
        if monotonic() - self._reckoned_at <= _RECKONED:
            return
        self._reckoned_at = monotonic()
        rhythms = sum((reader.rhythms() for reader in self._readers), Counter[Rhythm]())
        within = (pace for pace in PACES if pace.usd(rhythms) <= self.usd_per_hour)
        self._pace = next(within, PACES[-1])
        self._spent_on = self._pace.spent_on(rhythms)
