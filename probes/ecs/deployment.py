"""A service deployment as ECS keeps it: what it brings, how far it is, what it replaces.

Source: Amazon ECS API reference (`DescribeServiceDeployments`, `DescribeServiceRevisions`). Unlike
the `deployments` of a service, these stay when they are over, and name the revisions they replaced.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

OPEN = frozenset(
    {"PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"}
)
"""States of a deployment that has not ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionShare:
    """One of the revisions that a deployment replaces."""

    task_definition: str
    """Empty: the revision could not be read."""
    running: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDeployment:
    """One deployment, under way or over."""

    arn: str
    status: str
    """PENDING, IN_PROGRESS, SUCCESSFUL, STOPPED, ROLLBACK_FAILED, …: as AWS says it."""
    reason: str = ""
    task_definition: str = ""
    """What it brings; empty: the revision could not be read."""
    sources: tuple[RevisionShare, ...] = ()
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def open(self) -> bool:
        """It has not ended."""
        return self.status in OPEN
