"""Reads CloudTrail within its budget: two calls a second for an account and region, of which half
stay for people. Six pages at first, then only what is new; what a flood of other calls hides is
asked for by its name (catalogue B §6.2).

The memory of what was read hangs on the session of the place: a second target there costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from cockpit import clock
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError
from probes.answers import Gap, gap_of, whole_minute
from probes.changes.calls import ASKED, is_noise
from probes.changes.model import ReadTrail
from probes.trail import OVERLAP, ApiEvent, events_of, lookup, pages

_PATIENCE = 20.0
"""Seconds in which names are asked for; what is left waits for the next look."""


@dataclass(slots=True)
class TrailMemory:
    """What was read of one window so far."""

    events: dict[str, ApiEvent] = field(default_factory=dict)
    noise: set[str] = field(default_factory=set)
    end: datetime | None = None
    whole_from: datetime | None = None
    asked: list[str] = field(default_factory=list)
    before: dict[str, ApiEvent | None] = field(default_factory=dict)


_MEMORIES: WeakKeyDictionary[Any, dict[tuple[float, str], TrailMemory]] = WeakKeyDictionary()


def memory_of(aws: AwsReads, hours: float, resource: str) -> TrailMemory:
    """What was read through this session already."""
    return _MEMORIES.setdefault(aws, {}).setdefault((hours, resource), TrailMemory())


async def read_trail(
    aws: AwsReads, *, at: datetime, hours: float, resource: str, gaps: list[Gap]
) -> ReadTrail:
    """The writes of the last hours, or of one resource. Raises `BlindError` when nothing came."""
    memory = memory_of(aws, hours, resource)
    start = whole_minute(at - timedelta(hours=hours))
    end = whole_minute(at) + timedelta(minutes=1)
    known = memory.end is not None and memory.whole_from is not None
    new_from = max(start, memory.end - OVERLAP) if memory.end and known else start
    attribute = ("ResourceName", resource) if resource else ("ReadOnly", "false")
    keep = partial(_keep, memory)
    reached = await pages(aws, attribute, keep, start=new_from, end=end, gaps=gaps)
    if not known or reached > new_from:
        memory.whole_from = reached
        memory.asked.clear()  # what was asked ended where an earlier gap did
    memory.end = at
    unasked: Sequence[str] = ()
    if memory.whole_from is not None and memory.whole_from > start and not resource:
        unasked = await _by_name(aws, memory, start=start, gaps=gaps)
    _forget(memory, start)
    found = sorted(memory.events.values(), key=lambda event: (event.at, event.id), reverse=True)
    return ReadTrail(
        start=start,
        end=at,
        events=tuple(found),
        noise=len(memory.noise),
        whole_from=max(memory.whole_from or start, start),
        asked=tuple(memory.asked),
        unasked=tuple(unasked),
    )


async def _by_name(
    aws: AwsReads, memory: TrailMemory, *, start: datetime, gaps: list[Gap]
) -> Sequence[str]:
    """Ask for the dangerous calls one by one, before what the pages reached; gives what is left."""
    until = clock.monotonic() + _PATIENCE
    waiting = [name for name in ASKED if name not in memory.asked]
    while waiting and clock.monotonic() < until:
        name = waiting[0]
        try:
            answer = await lookup(
                aws, ("EventName", name), start=start, end=memory.whole_from or start
            )
        except BlindError as error:
            gaps.append(gap_of("CloudTrail by name", error))
            break
        _keep(memory, events_of(answer))
        memory.asked.append(waiting.pop(0))
    return waiting


def _keep(memory: TrailMemory, found: list[ApiEvent]) -> None:
    """Add writes to the memory, each once."""
    for event in found:
        if event.id in memory.events or event.id in memory.noise or event.reads:
            continue
        if is_noise(event):
            memory.noise.add(event.id)
        else:
            memory.events[event.id] = event


def _forget(memory: TrailMemory, start: datetime) -> None:
    memory.events = {id_: each for id_, each in memory.events.items() if each.at >= start}
    memory.before = {id_: each for id_, each in memory.before.items() if id_ in memory.events}
