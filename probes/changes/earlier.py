"""The call before: what a policy or an alias was until the newest call put another one there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError
from probes.answers import Gap, gap_of
from probes.changes.calls import resource_of
from probes.changes.telling import SET_AGAIN, same_thing
from probes.changes.trail import TrailMemory
from probes.changes.words import tail
from probes.trail import ApiEvent, event_of, lookup

_KEPT_BEFORE = 5
"""Of how many calls the one before is looked for in a look."""
_RETENTION = timedelta(days=90)


async def before(
    aws: AwsReads, memory: TrailMemory, events: Sequence[ApiEvent], gaps: list[Gap]
) -> tuple[tuple[str, ApiEvent], ...]:
    """For the newest calls that put the whole of a policy or an alias: the call before each."""
    found: dict[str, ApiEvent] = {}
    wanted = [each for each in events if each.call in SET_AGAIN and not each.error]
    for event in wanted[:_KEPT_BEFORE]:
        earlier = [e for e in events if e.at < event.at and not e.error and same_thing(e, event)]
        if earlier:
            found[event.id] = max(earlier, key=lambda each: each.at)
            continue
        if event.id not in memory.before:
            try:
                memory.before[event.id] = await _last(aws, event)
            except BlindError as error:
                gaps.append(gap_of("the call before", error))
                break
        held = memory.before[event.id]
        if held is not None:
            found[event.id] = held
    return tuple(found.items())


async def _last(aws: AwsReads, event: ApiEvent) -> ApiEvent | None:
    """The call before it on the same resource, of the last 90 days."""
    name = tail(resource_of(event))
    if not name:
        return None
    end = event.at - timedelta(seconds=1)
    answer = await lookup(aws, ("ResourceName", name), start=end - _RETENTION, end=end)
    rows = answer.get("Events")
    told = [event_of(row) for row in rows] if isinstance(rows, list) else []
    same = [e for e in told if e.at < event.at and not e.error and same_thing(e, event)]
    return max(same, key=lambda each: each.at, default=None)
