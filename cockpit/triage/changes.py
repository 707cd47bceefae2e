"""What the outside changed: deployments, scalings, configuration writes, failovers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One event that the outside made. Two looks that see the same event give equal changes."""

    at: datetime
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
