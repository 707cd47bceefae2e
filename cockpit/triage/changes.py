"""What the outside changed: deployments, scalings, configuration writes, failovers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

PERSON, PIPELINE, ROOT, SERVICE = "person", "pipeline", "root", "service"
"""Who acts, as far as a source tells: `Change.by`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One event that the outside made. Two looks that see the same event give equal changes."""

    at: datetime
    """By the source's own clock."""
    kind: str
    """What sort of event: `ecs.deployment`, `rds.failover`, `ec2.security_group`, …"""
    target: str
    """The target's name; empty when it could not be joined to one."""
    summary: str
    actor: str = ""
    """Who did it; empty when unknown."""
    source: str = ""
    """Where it was read: `ecs.DescribeServices`, `rds.DescribeEvents`, …"""
    own: str = ""
    """Which step of this incident asked for it; empty: somebody else's, as far as is known."""
    resource: str = ""
    """The name or id that AWS has for what was changed; empty: it is the target, or not told."""
    call: str = ""
    """The API call that made it (`ecs.UpdateService`); empty: the source does not tell calls."""
    by: str = ""
    """`person`, `pipeline`, `root` or `service`; empty: the source does not tell."""
    failed: str = ""
    """The error that the call ended with: nothing was changed. Empty: it went through."""
    late: float = 0.0
    """Seconds after the event until its source surely has it."""
    risk: float | None = None
    """How likely a change of this sort breaks something, 0 to 1; None: as its kind does."""
    details: tuple[str, ...] = field(default=(), compare=False)
    """What exactly was added, removed, set from what to what: a line each. Not part of what it is:
    a later look may know more of the same event."""
