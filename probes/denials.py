"""Calls that AWS refused whom is looked at, out of the messages that it left: log lines, causes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cockpit.connect.aws.denial import denial


@dataclass(frozen=True, slots=True, kw_only=True)
class DeniedAction:
    """A call of the target's own that AWS refused, in AWS' words."""

    action: str
    resource: str
    principal: str
    why: str
    holder: str
    explicit: bool
    count: int
    help: str


def denied_actions(messages: Iterable[str]) -> tuple[DeniedAction, ...]:
    """What the messages tell was refused, by action and resource, the most frequent first."""
    found: dict[tuple[str, str], DeniedAction] = {}
    for message in messages:
        told = denial(message)
        if not told.action:
            continue
        key = told.action, told.resource
        before = found.get(key)
        found[key] = DeniedAction(
            action=told.action,
            resource=told.resource,
            principal=told.who,
            why=told.why,
            holder=told.holder,
            explicit=told.explicit,
            count=1 + (before.count if before else 0),
            help=told.hint(told.action),
        )
    return tuple(sorted(found.values(), key=lambda each: -each.count))
