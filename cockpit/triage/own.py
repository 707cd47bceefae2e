"""What steps of this incident did: their effects are told as ours, and are never the cause."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from cockpit.triage.changes import Change

_NOTHING: Mapping[str, object] = MappingProxyType({})
_CLOCKS = timedelta(seconds=5)
"""How much another system's clock may be behind ours."""
_LATE = timedelta(seconds=5)
"""How late the end of a session may be counted, and how far the server's clock may be from ours."""
_SOON = timedelta(minutes=2)
"""Within this the change that an act asked for has begun, where it begins at once."""
_SLOW = timedelta(minutes=10)
"""The same for databases and caches, whose reboots and failovers are queued."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnAct:
    """Something that a step sent."""

    at: datetime
    """When it was about to be sent."""
    target: str
    does: str
    """The AWS call (`ecs.UpdateService`) or the named statement."""
    args: Mapping[str, object] = field(default_factory=lambda: _NOTHING)
    told: str = ""
    """`'Roll back to :41' by ana`."""
    ended_at: datetime | None = None
    """When it was over; None: it is under way, or its end is unknown."""
    sessions: int = 0
    """Sessions of a database that it ended."""
    vanished: int = 0
    """Sessions of our own that we cut, in the database `args` names: its server counts them as
    clients that went away."""

    def between(self, begun: datetime, until: datetime) -> bool:
        """Whether a server may have counted what it did between two looks. It acts soon after `at`;
        its end stands after its verification.
        """
        ended = self.ended_at or until
        return self.at <= until + _LATE and begun - _LATE <= ended


def marked(changes: Iterable[Change], acts: Sequence[OwnAct]) -> tuple[Change, ...]:
    """The changes, those that an act asked for with whose it was.

    One act asks for one change: the first after it that fits. What somebody else did to the same
    target at the same time stays theirs.
    """
    found = tuple(changes)
    ours: dict[Change, OwnAct] = {}
    for act in acts:
        # the call and what the service made of it are told apart by two sources: one of each
        for called in (True, False):
            fitting = [
                each
                for each in found
                if bool(each.call) is called and each not in ours and _asked_for(act, each)
            ]
            if fitting:
                ours[min(fitting, key=lambda change: change.at)] = act
    return tuple(
        replace(change, own=ours[change].told) if change in ours else change for change in found
    )


def _asked_for(act: OwnAct, change: Change) -> bool:
    if change.call:
        return _called(act, change)
    service = act.does.partition(".")[0]
    within = _SOON if service in {"ecs", "codedeploy"} else _SLOW
    if change.target != act.target or not -_CLOCKS <= change.at - act.at <= within:
        return False
    if change.kind == "ecs.deployment":
        return _deploys(act, change)
    if change.kind == "ecs.stop_task":
        return act.does == "ecs.StopTask"
    return change.kind.partition(".")[0] == service and not change.kind.endswith("_failed")


def _called(act: OwnAct, change: Change) -> bool:
    """CloudTrail's line of the very call: by its name, its resource, and its second."""
    if change.call != act.does or change.failed:
        return False
    end = act.ended_at or act.at + _SOON
    if not act.at - _CLOCKS <= change.at <= end + _CLOCKS:
        return False
    return change.target == act.target or change.resource in set(_texts(act.args))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        yield value.rpartition("/")[2]
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


def _deploys(act: OwnAct, change: Change) -> bool:
    """The deployment of the very revision that it named; one that names none may bring any."""
    if act.does in {"ecs.StopServiceDeployment", "codedeploy.StopDeployment"}:
        return True
    if act.does != "ecs.UpdateService":
        return False
    named = str(act.args.get("taskDefinition") or "").rpartition("/")[2]
    if named:
        return named in change.summary.split()
    return act.args.get("forceNewDeployment") is True
