"""What a look at an EC2 instance holds. Runbook steps capture from these records by name.

Source: EC2 API reference (`DescribeInstances`, `DescribeInstanceStatus`), EC2 User Guide ("Status
checks", "Scheduled events", "Burstable performance instances"), CloudWatch Agent documentation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cockpit.connect.session import Series
from cockpit.triage.together import InZone
from probes.answers import Gap
from probes.metrics import NO_DATA, settled


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusCheck:
    """One of the checks that EC2 makes."""

    kind: str
    """`system` (AWS' host), `instance` (the operating system), or `volumes`."""
    status: str
    """`ok`, `impaired`, `initializing`, `insufficient-data`, `not-applicable`."""
    since: datetime | None = None
    """Since when it fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostEvent:
    """What AWS is going to do to the instance."""

    id: str
    code: str
    """`instance-retirement`, `system-reboot`, …"""
    text: str
    begins: datetime | None = None
    ends: datetime | None = None
    deadline: datetime | None = None
    """Until when its begin can be moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentMetric:
    """What the CloudWatch agent on the instance publishes: percent in use."""

    path: str
    """Mount point or drive; empty for memory."""
    used: Series = NO_DATA


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at an instance."""

    at: datetime
    id: str
    name: str = ""
    """Of its Name tag."""
    state: str
    """`pending`, `running`, `stopping`, `stopped`, `shutting-down`, `terminated`."""
    state_code: str = ""
    """Why it is what it is: `Client.UserInitiatedShutdown`, `Server.SpotInstanceTermination`, …"""
    state_reason: str = ""
    transition: str = ""
    """`User initiated (2026-11-21 02:10:00 GMT)`."""
    type: str = ""
    zone: str = ""
    address: str = ""
    public_address: str = ""
    elastic: bool = False
    """Its public address is an Elastic IP, which stays with it."""
    launched: datetime | None = None
    group: str = ""
    """The Auto Scaling group that it belongs to."""
    spot: bool = False
    image: str = ""
    root: str = ""
    """`ebs`, or `instance-store`: then a stop is its end."""
    volumes: tuple[str, ...] = ()
    detailed: bool = False
    """A point of its metrics every minute, not every five."""
    checks: tuple[StatusCheck, ...] | None = None
    """None: could not be read."""
    application: StatusCheck | None = None
    """What the application's own checks say together; None: it has none, or not known."""
    events: tuple[HostEvent, ...] = ()
    """Without those that are over."""
    credit_mode: str = ""
    """`standard` or `unlimited`; empty: not a burstable type, or not known."""
    cpu: Series = NO_DATA
    """Percent, average."""
    credits: Series = NO_DATA
    surplus: Series = NO_DATA
    """Credits that were lent, in mode `unlimited`."""
    io_left: Series = NO_DATA
    """Percent of the burst balance for operations on volumes; of some types only."""
    bytes_left: Series = NO_DATA
    memory: tuple[AgentMetric, ...] | None = None
    """Empty: no agent publishes it. None: not known."""
    disks: tuple[AgentMetric, ...] | None = None
    gaps: tuple[Gap, ...] = ()

    def in_zones(self) -> tuple[InZone, ...]:
        """Itself; sick when a check of it fails."""
        sick = any(each.status == "impaired" for each in self.checks or ())
        return (InZone(self.id, self.zone, sick),) if self.zone else ()


def burstable(type_: str) -> bool:
    """Whether its processor lives on credits."""
    return type_.partition(".")[0] in {"t2", "t3", "t3a", "t4g"}


def period(snapshot: Snapshot) -> int:
    """Seconds between two points of EC2's own metrics."""
    return 60 if snapshot.detailed else 300


def processor(snapshot: Snapshot) -> Series:
    """The settled minutes that are judged: five points of a minute, or three of five minutes."""
    minutes = 5 if snapshot.detailed else 15
    return settled(snapshot.cpu, snapshot.at, minutes=minutes, period=period(snapshot))


def lived(snapshot: Snapshot) -> float | None:
    """Seconds since its launch or its last start."""
    if snapshot.launched is None:
        return None
    return (snapshot.at - snapshot.launched).total_seconds()
