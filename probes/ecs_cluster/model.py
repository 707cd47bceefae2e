"""What a look at an ECS cluster holds. Runbook steps capture from these records by name.

Source: ECS API reference (`DescribeClusters`, `DescribeContainerInstances`,
`DescribeCapacityProviders`), ECS Developer Guide ("Container instance draining", "Monitor container
instance health").
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from probes.answers import Gap


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerInstance:
    """A container instance."""

    arn: str
    instance: str
    """The EC2 instance, or an external one (`mi-…`)."""
    status: str
    """`ACTIVE`, `DRAINING`, `REGISTERING`, `DEREGISTERING`, `REGISTRATION_FAILED`, `INACTIVE`."""
    reason: str = ""
    connected: bool = True
    """Its agent speaks with ECS: else no task is started or stopped there."""
    health: str = ""
    """`OK`, `IMPAIRED`, `INSUFFICIENT_DATA`, `INITIALIZING`; empty: not told for it."""
    health_since: datetime | None = None
    seen: datetime | None = None
    """When the agent reported its health last."""
    provider: str = ""
    zone: str = ""
    running: int = 0
    pending: int = 0
    cpu: int = 0
    """Units of 1/1024 of a processor."""
    cpu_left: int = 0
    memory: int = 0
    """MiB."""
    memory_left: int = 0
    agent: str = ""
    update: str = ""
    """Of the agent's newest update: `UPDATED`, `FAILED`, …"""
    registered: datetime | None = None
    away_since: datetime | None = None
    """Since when the agent is disconnected, at least; None: it is not, or that is not known."""
    draining_since: datetime | None = None

    @property
    def id(self) -> str:
        """The short id."""
        return self.arn.rpartition("/")[2]

    @property
    def placeable(self) -> bool:
        """Tasks can be started there."""
        return self.status == "ACTIVE" and self.connected


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityProvider:
    """Where the cluster gets hosts from."""

    name: str
    type: str = ""
    status: str = ""
    update: str = ""
    """`UPDATE_COMPLETE`, `CREATE_FAILED`, …; empty when nothing was changed."""
    reason: str = ""
    group: str = ""
    """Its Auto Scaling group."""
    scaling: str = ""
    """Whether ECS scales the group: `ENABLED` or `DISABLED`."""
    target: int | None = None
    """Percent of the group that managed scaling wants in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at a cluster."""

    at: datetime
    name: str
    arn: str
    status: str
    running: int = 0
    pending: int = 0
    services: int = 0
    registered: int = 0
    """Container instances, as the cluster counts them."""
    insights: str = ""
    attachments: str = ""
    """How the attaching of capacity providers stands: `UPDATE_COMPLETE`, `UPDATE_FAILED`, …"""
    hosts: tuple[ContainerInstance, ...] | None = ()
    """None: they could not be read."""
    providers: tuple[CapacityProvider, ...] = ()
    provider_names: tuple[str, ...] = ()
    """All that it may use, `FARGATE` among them."""
    pending_since: datetime | None = None
    """Since when tasks are pending without a break, at least; None: none are, or not known."""
    gaps: tuple[Gap, ...] = ()


def wanted(snapshot: Snapshot) -> tuple[ContainerInstance, ...]:
    """Hosts that should take tasks, or still have some."""
    return tuple(h for h in snapshot.hosts or () if h.status in {"ACTIVE", "DRAINING"})
