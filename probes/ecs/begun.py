"""Since when it is so with a service, out of its stopped tasks and events."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from probes.began import told
from probes.ecs.model import EcsEvent, Snapshot, Stop

NOT_ALL = "stopped tasks beyond"
"""How the gap is called that is left where more tasks stopped than are read."""
STEADY = "has reached a steady state"
BETWEEN_LOOKS = 30.0
"""Resolution of what two looks one after another tell."""
_REMEMBERED = timedelta(minutes=50)
"""ECS forgets stopped tasks after about an hour: what is nearly as old may not be the first."""


def first_stop(
    snapshot: Snapshot, such: Callable[[Stop], object], *, definition: str = "", code: str = ""
) -> datetime | None:
    """When the first of such tasks stopped, of one revision or with one code where it is given;
    None: there may have been earlier ones.
    """
    if any(gap.what.startswith(NOT_ALL) for gap in snapshot.gaps):
        return None
    found = [
        stop.stopped_at
        for stop in snapshot.stopped
        if such(stop) and definition in {"", stop.task_definition} and code in {"", stop.stop_code}
    ]
    return _first(snapshot, found)


def first_event(snapshot: Snapshot, events: Iterable[EcsEvent]) -> datetime | None:
    """When the first of these came, which are all since the steady state; None: no such state is
    remembered, so there may have been earlier ones.
    """
    if not any(STEADY in event.message for event in snapshot.events):
        return None
    return told(min((event.at for event in events), default=None), snapshot.at)


def _first(snapshot: Snapshot, moments: Iterable[datetime]) -> datetime | None:
    first = told(min(moments, default=None), snapshot.at)
    return None if first is None or snapshot.at - first > _REMEMBERED else first
