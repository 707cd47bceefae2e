"""Findings about deployments that wait for a person's yes."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import duration
from probes.ecs.evidence import standing
from probes.ecs.model import Snapshot, name_of
from probes.ecs.settings import Settings

_THEN = {"ROLLBACK": "rolls it back", "CONTINUE": "lets it go on"}


def paused(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A deployment waits at a pause hook until somebody lets it go on or takes it back.

    That was planned, and it has a clock: when its time is over, ECS rolls the deployment back or
    lets it go on by itself, as the hook says. Who answers should know what was released.
    """
    hook, way = snapshot.paused, snapshot.under_way
    if hook is None or way is None:
        return
    left = None if hook.expires_at is None else (hook.expires_at - snapshot.at).total_seconds()
    name = name_of(way.task_definition) or "a revision that could not be read"
    then = _THEN.get(hook.timeout_action, f"does {hook.timeout_action or 'what it is told'}")
    when = "at a time that AWS does not say" if left is None else f"in {duration(max(left, 0))}"
    yield Finding(
        "ECS_DEPLOYMENT_PAUSED",
        settings.pause_left.grade(left) or Severity.INFO,
        f"the deployment of {name} waits for a yes at {way.stage or 'a stage'}: {when} ECS {then}",
        subject=name,
        evidence=(
            Evidence("left", left, "s", limit=settings.pause_left.first),
            Evidence("then", hook.timeout_action or None),
            *standing(way),
            Evidence("hook", hook.id or None),
        ),
        likely=("a release that somebody has to approve",),
        next="let it go on, or take it back, before ECS does by itself",
    )
