"""The track of a principal or of one key in CloudTrail: only what is new is asked for again.

The changes of a place read all its writes, newest first; this asks by another attribute, also for
reads and refusals, of one name only. Both take from the same two calls a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError
from cockpit.text import visible
from probes.answers import Gap
from probes.trail import LATE, ApiEvent, event_of, lookup

_PAGES = 6
_MOST = 500
_OVERLAP = LATE + timedelta(minutes=1)


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
    at_minute = at.replace(second=0, microsecond=0)
    start, end = at_minute - timedelta(hours=hours), at_minute + timedelta(minutes=1)
    new_from = max(start, kept.end - _OVERLAP) if kept.end is not None else start
    reached = await _pages(aws, attribute, kept=kept, start=new_from, end=end, gaps=gaps)
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


async def _pages(
    aws: AwsReads,
    attribute: tuple[str, str],
    *,
    kept: KeptTrack,
    start: datetime,
    end: datetime,
    gaps: list[Gap],
) -> datetime:
    """Read newest first into what is kept; gives from when on everything was read."""
    token: dict[str, object] = {}
    oldest = end
    for page in range(_PAGES):
        try:
            answer = await lookup(aws, attribute, start=start, end=end, **token)
        except BlindError as error:
            if not page:
                raise
            gaps.append(Gap("CloudTrail", error.reason.value, visible(error.message)))
            return oldest
        for event in _events(answer):
            kept.events[event.id] = event
            oldest = min(oldest, event.at)
        following = answer.get("NextToken")
        if not following:
            return start
        token = {"NextToken": following}
    return oldest


def _events(answer: Mapping[str, object]) -> list[ApiEvent]:
    rows = answer.get("Events")
    return [event_of(row) for row in rows] if isinstance(rows, list) else []
