"""The shop's CloudWatch: a book of series with a normal course, a broken one and real samples.

A minute between the onset of a fault and its end shows what was observed live, else the broken
course; every other minute the normal one. After a repair the end moves back through the past,
twelve minutes a minute, so that windows of several minutes turn clean while somebody watches.
"""

from __future__ import annotations

import math
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

Key = tuple[str, str, frozenset[tuple[str, str]]]
HEALING = 12.0
"""Minutes of the past that turn well in each minute after a repair."""
_SAMPLES = 5


@dataclass(frozen=True, slots=True)
class Minute:
    """What was measured in one minute: samples, each standing for `weight` measurements."""

    samples: tuple[float, ...]
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a metric runs. `level` None: nothing is published. `spread` is a share of the level.

    `count`: measurements a minute; a sum is level × count.
    """

    level: float | None
    spread: float = 0.05
    count: float = 0.0

    def minute(self, salt: str, number: int) -> Minute | None:
        """The minute since the epoch, the same each time it is asked for."""
        if self.level is None:
            return None
        total = _SAMPLES if self.spread else 1
        samples = tuple(
            max(0.0, self.level * (1 + self.spread * _noise(f"{salt}/{number}/{i}")))
            for i in range(total)
        )
        return Minute(samples, (self.count / total) if self.count else 1.0)


def counter(per_minute: float | None, spread: float = 0.05) -> Course:
    """A counted thing, such as requests: Sum is the number, Average is one."""
    return Course(level=per_minute, spread=spread, count=1.0)


def gauge(level: float | None, spread: float = 0.03) -> Course:
    """A measured level: Average, Minimum and Maximum mean something."""
    return Course(level=level, spread=spread)


def latency(seconds: float | None, requests: float = 600, spread: float = 0.6) -> Course:
    """A distribution over many requests: percentiles mean something."""
    return Course(level=seconds, spread=spread, count=requests)


def course_of(asked: Mapping[str, Any]) -> Course:
    """A course as scenarios write it: `counter`, `gauge` or `latency` with a level."""
    spread = float(asked.get("spread", 0.06))
    for name, make in (("counter", counter), ("gauge", gauge)):
        if name in asked:
            return make(float(asked[name]), spread)
    if "latency" in asked:
        return latency(float(asked["latency"]), float(asked.get("requests", 600)), spread)
    return counter(None)


@dataclass(slots=True)
class MetricSeries:
    """One series. `about` is what scenarios call its resource: `shop-alb`, `carts/PutItem`.

    `broken` None: the fault does not touch it.
    """

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    normal: Course
    about: str = ""
    broken: Course | None = None
    onset: float = 0.0
    observed: dict[int, Minute] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """What a query has to match exactly."""
        return (self.namespace, self.name, frozenset(self.dimensions))


@dataclass(slots=True)
class Book:
    """Every series. `since` is when the shop was opened: nothing is older. Safe from any thread."""

    since: float = field(default_factory=lambda: time.time() - 3 * 3600)
    now: Callable[[], float] = time.time
    _metrics: dict[Key, MetricSeries] = field(default_factory=dict)
    _repaired: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, metric: MetricSeries) -> None:
        """Enter a series."""
        with self._lock:
            self._metrics[metric.key] = metric

    def all(self) -> tuple[MetricSeries, ...]:
        """Every series there is."""
        with self._lock:
            return tuple(self._metrics.values())

    def find(self, namespace: str, name: str, dimensions: Mapping[str, str]) -> MetricSeries | None:
        """The series with exactly these dimensions."""
        with self._lock:
            return self._metrics.get((namespace, name, frozenset(dimensions.items())))

    def named(self, name: str, about: str) -> tuple[MetricSeries, ...]:
        """Every series of this name about a resource; some are published twice."""
        return tuple(m for m in self.all() if (m.name, m.about) == (name, about))

    def break_(self, metrics: Iterable[MetricSeries], course: Course, onset: float) -> None:
        """From `onset` on (seconds since the epoch) these series take another course."""
        for metric in tuple(metrics):
            metric.broken = course
            metric.onset = onset

    def repair(self) -> None:
        """The fault is over: its end begins to move back through the past."""
        if self._repaired is None:
            self._repaired = self.now()

    def observe(
        self, metrics: Iterable[MetricSeries], value: float, *, weight: float = 1.0
    ) -> None:
        """Enter a real measurement of this moment."""
        number = int(self.now() // 60)
        for metric in tuple(metrics):
            before = metric.observed.get(number)
            if before is None:
                metric.observed = {
                    minute: point
                    for minute, point in metric.observed.items()
                    if minute > number - 180
                }
                before = Minute((), weight)
            metric.observed[number] = replace(before, samples=(*before.samples[-11:], value))

    def minute(self, metric: MetricSeries, number: int) -> Minute | None:
        """What the series shows for a minute since the epoch; None for nothing."""
        if number * 60 < self.since or number * 60 > self.now():
            return None
        salt = f"{metric.namespace}/{metric.name}/{sorted(metric.dimensions)}"
        broken = (
            metric.broken is not None
            and metric.onset <= number * 60 + 59
            and (number * 60 < self._end())
        )
        if not broken:
            observed = None if metric.broken else metric.observed.get(number)
            return observed or metric.normal.minute(salt, number)
        assert metric.broken is not None
        return metric.observed.get(number) or metric.broken.minute(salt, number)

    def value(self, metric: MetricSeries, *, start: float, period: int, stat: str) -> float | None:
        """One statistic over one period; None when nothing was published in it."""
        first, last = int(start // 60), int((start + max(period, 60) - 1) // 60)
        minutes = [
            found
            for number in range(first, last + 1)
            if (found := self.minute(metric, number)) is not None
        ]
        return statistic(minutes, stat) if minutes else None

    def _end(self) -> float:
        if self._repaired is None:
            return math.inf
        return well_since(self._repaired, self.now())


def well_since(repaired: float, now: float) -> float:
    """From when on the past is well, some time after a repair. Seconds since the epoch."""
    return repaired - (now - repaired) * HEALING


def statistic(minutes: list[Minute], stat: str) -> float | None:
    """A CloudWatch statistic over minutes: the five plain ones, `pNN`, `tmNN`. None: unknown."""
    weighted = sorted((s, minute.weight) for minute in minutes for s in minute.samples)
    weight = sum(w for _, w in weighted)
    match stat:
        case "Sum":
            return sum(s * w for s, w in weighted)
        case "Average":
            return sum(s * w for s, w in weighted) / weight
        case "Minimum":
            return weighted[0][0]
        case "Maximum":
            return weighted[-1][0]
        case "SampleCount":
            return weight
    if stat[:1] == "p" and _is_number(stat[1:]):
        return _percentile(weighted, float(stat[1:]) / 100 * weight)
    if stat[:2] == "tm" and _is_number(stat[2:]):
        limit = _percentile(weighted, float(stat[2:]) / 100 * weight)
        kept = [(s, w) for s, w in weighted if s <= limit]
        return sum(s * w for s, w in kept) / sum(w for _, w in kept)
    return None


def _percentile(weighted: list[tuple[float, float]], rank: float) -> float:
    passed = 0.0
    for sample, weight in weighted:
        passed += weight
        if passed >= rank:
            return sample
    return weighted[-1][0]


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def _noise(salt: str) -> float:
    """Between −1 and 1, the same for the same salt."""
    return zlib.crc32(salt.encode()) / 0x7FFFFFFF - 1
