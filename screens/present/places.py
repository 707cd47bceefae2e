"""An account or region of which nothing is seen while others are: told in one line, by its name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from textual.content import Content

from cockpit.triage.probe import Blind, Reading
from cockpit.triage.registry import place_of
from cockpit.units import count, number
from screens.present.lines import clip, line, safe
from screens.shown import Shown

_LEAST = 2
"""Targets of a place from which it is no matter of one of them."""
_NAMED = 2


def dark_line(shown: Shown, width: int) -> Content | None:
    """`BLIND  eu-west-1: no look there sees anything (timeout 3)`; None: every place is seen, or
    the first sweep is not over. Where none is seen, another line says that.
    """
    if shown.status.sweep_took is None:
        return None
    places = _by_place(shown)
    dark = {name: looks for name, looks in places.items() if name and _nothing(looks)}
    if not dark or len(dark) == len(places):
        return None
    blind = [r.outcome for looks in dark.values() for r in looks if isinstance(r.outcome, Blind)]
    reasons = Counter(str(each.reason) for each in blind).most_common()
    why = ", ".join(f"{word} {number(times)}" for word, times in reasons)
    return clip(
        line(
            (" BLIND ", "blind bold"),
            (f" {_called(shown, dark)}: no look there sees anything ({why})", "strong"),
            " · v groups the systems by place",
        ),
        width,
    )


def _by_place(shown: Shown) -> Mapping[str, list[Reading]]:
    """What is not in AWS is a place too, without a name."""
    places: dict[str, list[Reading]] = {}
    for reading in shown.board.readings.values():
        target = shown.targets.get(reading.target)
        if target is not None:
            places.setdefault(place_of(target), []).append(reading)
    return places


def _nothing(looks: list[Reading]) -> bool:
    """A failure that is a finding, such as a function that is gone, was an answer."""
    if len({reading.target for reading in looks}) < _LEAST:
        return False
    return all(isinstance(r.outcome, Blind) and r.outcome.finding is None for r in looks)


def _called(shown: Shown, dark: Mapping[str, list[Reading]]) -> str:
    """Two by their names, more by how many they are; and the region where it is one."""
    named = ", ".join(safe(name, 40) for name in dark)
    said = named if len(dark) <= _NAMED else count(len(dark), "place")
    known = shown.status.places
    regions = {known[name].region if name in known else "" for name in dark}
    region = safe(regions.pop(), 40) if len(regions) == 1 else ""
    return said if not region or region == said else f"{said} in {region}"
