"""A row of the performance table: what was measured, against what, and the goal."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """`value` and `limit` share a unit; `base` is what a ratio was taken against, in words."""

    name: str
    value: float
    unit: str
    limit: float
    base: str = ""
    note: str = ""
    gauge: bool = False
    """Informative: there is no goal."""

    @property
    def met(self) -> bool:
        return self.gauge or self.value <= self.limit


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def render(rows: Iterable[Row]) -> str:
    """A Markdown table."""
    lines = ["| what | measured | goal | met | against | note |", "|---|---|---|---|---|---|"]
    for row in rows:
        goal = "–" if row.gauge else f"≤ {row.limit:g} {row.unit}".rstrip()
        met = "–" if row.gauge else ("yes" if row.met else "**no**")
        value = f"{row.value:.3g} {row.unit}".rstrip()
        lines.append(f"| {row.name} | {value} | {goal} | {met} | {row.base} | {row.note} |")
    return "\n".join(lines)
