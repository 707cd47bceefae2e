"""An account or region of which nothing is seen while others are: told in one line, by its name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from textual.content import Content

from cockpit.triage.board import LookId
from cockpit.triage.by_target import PerTarget
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
    if not any(sight.nothing for _, sight in _SIGHTS.of(shown.board.readings)):
        return None  # asked for at each drawing: thousands that are well are not sorted for it
    places = _by_place(shown)
    dark = {name: seen for name, seen in places.items() if name and _nothing(seen)}
    if not dark or len(dark) == len(places):
        return None
    blind = (reason for seen in dark.values() for each in seen for reason in each.reasons)
    reasons = Counter(blind).most_common()
    why = ", ".join(f"{word} {number(times)}" for word, times in reasons)
    return clip(
        line(
            (" BLIND ", "blind bold"),
            (f" {_called(shown, dark)}: no look there sees anything ({why})", "strong"),
            " · v groups the systems by place",
        ),
        width,
    )


def _by_place(shown: Shown) -> Mapping[str, list[_Sight]]:
    """What is not in AWS is a place too, without a name."""
    places: dict[str, list[_Sight]] = {}
    for name, sight in _SIGHTS.of(shown.board.readings):
        if (target := shown.targets.get(name)) is not None:
            places.setdefault(place_of(target), []).append(sight)
    return places


@dataclass(frozen=True, slots=True)
class _Sight:
    """What the looks at a target saw. `nothing`: not one of them saw anything."""

    nothing: bool
    reasons: tuple[str, ...]


def _sight(looks: Mapping[LookId, Reading]) -> _Sight:
    """A failure that is a finding, such as a function that is gone, was an answer."""
    blind = [r.outcome for r in looks.values() if isinstance(r.outcome, Blind)]
    nothing = len(blind) == len(looks) and all(each.finding is None for each in blind)
    return _Sight(nothing, tuple(str(each.reason) for each in blind))


_SIGHTS = PerTarget(_sight)


def _nothing(targets: list[_Sight]) -> bool:
    return len(targets) >= _LEAST and all(each.nothing for each in targets)


def _called(shown: Shown, dark: Mapping[str, object]) -> str:
    """Two by their names, more by how many they are; and the region where it is one."""
    named = ", ".join(safe(name, 40) for name in dark)
    said = named if len(dark) <= _NAMED else count(len(dark), "place")
    known = shown.status.places
    regions = {known[name].region if name in known else "" for name in dark}
    region = safe(regions.pop(), 40) if len(regions) == 1 else ""
    return said if not region or region == said else f"{said} in {region}"
