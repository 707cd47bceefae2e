"""The track of a principal or of one key in CloudTrail: only what is new is asked for again.

The changes of a place read all its writes, newest first; this asks by another attribute, also for
reads and refusals, of one name only. Both take from the same two calls a second.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from cockpit.connect.session import AwsReads
from probes.answers import Gap, whole_minute
from probes.trail import OVERLAP, ApiEvent, pages

_MOST = 500


@dataclass(slots=True)
class KeptTrack:
    """What was read so far."""

    events: dict[str, ApiEvent] = field(default_factory=dict)
    end: datetime | None = None
    whole_from: datetime | None = None


_TRACKS: WeakKeyDictionary[Any, dict[tuple[str, str, float], KeptTrack]] = WeakKeyDictionary()


async def track(
    aws: AwsReads, attribute: tuple[str, str], *, at: datetime, hours: float, gaps: list[Gap]
) -> tuple[tuple[ApiEvent, ...], datetime]:
    """The calls of the last hours, newest first, and from when on they are whole."""
    kept = _TRACKS.setdefault(aws, {}).setdefault((*attribute, hours), KeptTrack())
    start, end = whole_minute(at - timedelta(hours=hours)), whole_minute(at) + timedelta(minutes=1)
    new_from = max(start, kept.end - OVERLAP) if kept.end is not None else start
    keep = partial(_keep, kept)
    reached = await pages(aws, attribute, keep, start=new_from, end=end, gaps=gaps)
    if kept.whole_from is None or reached > new_from:
        kept.whole_from = reached
    kept.end = at
    found = sorted(kept.events.values(), key=lambda each: (each.at, each.id), reverse=True)
    kept.events = {each.id: each for each in found[:_MOST] if each.at >= start}
    if len(found) > _MOST:
        kept.whole_from = max(kept.whole_from, found[_MOST - 1].at)
    whole = max(kept.whole_from, start)
    if whole > start:
        gaps.append(
            Gap("earlier calls", "partial", f"only those since {whole:%H:%M} UTC were read")
        )
    return tuple(kept.events.values()), whole


def _keep(kept: KeptTrack, found: list[ApiEvent]) -> None:
    kept.events |= {event.id: event for event in found}
