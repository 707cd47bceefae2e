"""What was looked at and found innocent, by which looks, and until when that holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from cockpit.triage.nature import StoryRole
from cockpit.triage.probe import Reading, Seen
from cockpit.triage.registry import registry
from cockpit.triage.suspicion import weights
from cockpit.triage.suspicion.scene import Locus, Scene

_BEGINS = frozenset({StoryRole.CAUSE, StoryRole.EITHER, StoryRole.EVENT})


@dataclass(frozen=True, slots=True)
class RuledOut:
    """A target that could explain what users feel, and does not."""

    target: str
    probes: tuple[str, ...]
    """The looks that found nothing; empty: a person said so."""
    at: datetime
    """Of the oldest of these looks, or when it was said."""
    until: datetime | None
    """When it lapses unless it is looked at again; None: it does not lapse by itself."""
    by: str = ""
    """Who said so; empty: the looks."""


def ruled_out(scene: Scene) -> Iterator[RuledOut]:
    """Lapses when one of its looks ages or goes blind, and when something is changed there."""
    total = sum(scene.felt.values())
    if not total:
        return
    for place in dict.fromkeys(scene.places.values()):
        needing = {*place.members, *scene.above(place)}
        explains = sum(scene.felt[name] for name in needing & scene.felt.keys())
        if explains >= weights.FELT_LEAST * total and (looks := _innocent(scene, place)):
            yield RuledOut(
                place.main,
                tuple(sorted(each.probe for each in looks)),
                at=min(each.at for each in looks),
                until=min(each.at + _holds(each) for each in looks),
            )


def _innocent(scene: Scene, place: Locus) -> list[Reading]:
    """The looks that say so; none: they do not."""
    if any((ill.role in _BEGINS and not ill.old) or ill.is_felt for ill in scene.at(place)):
        return []
    since = scene.onset.at - weights.BEFORE
    if any(c.at >= since for name in place.members for c in scene.changes.get(name, ())):
        return []
    looks = [
        each
        for name in place.members
        for each in scene.board.readings_at(name)
        if each.kind != "runbook"
    ]
    fresh = all(
        isinstance(each.outcome, Seen) and scene.now - each.at <= _holds(each) for each in looks
    )
    return looks if fresh else []


def _holds(reading: Reading) -> timedelta:
    """How long a look says something about now."""
    probe = registry().get(reading.probe)
    return weights.RULED_OUT_FOR * timedelta(seconds=probe.every if probe is not None else 60.0)
