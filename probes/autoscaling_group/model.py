"""What a look at an Auto Scaling group holds. Runbook steps capture from these records by name.

Source: EC2 Auto Scaling API reference (`DescribeAutoScalingGroups`, `DescribeScalingActivities`,
`DescribePolicies`, `DescribeInstanceRefreshes`, `DescribeLifecycleHooks`) and its User Guide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from cockpit.connect.session import Series
from cockpit.triage.together import InZone
from probes.answers import Gap
from probes.metrics import NO_DATA

SERVING = "InService"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An instance of the group."""

    id: str
    zone: str
    state: str
    """LifecycleState: `InService`, `Pending:Wait`, `Standby`, `Warmed:Stopped`, …"""
    health: str
    """`HEALTHY` or `UNHEALTHY`, as the group sees it."""
    type: str = ""
    weight: int = 1
    """Units of capacity that it counts for; 1 without weights."""
    template: str = ""
    """The version of its launch template."""
    waiting_since: datetime | None = None
    """Since when it waits for a lifecycle hook; None: it does not, or that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """A process that somebody stopped, in the words that the group keeps of it."""

    process: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingActivity:
    """One launch, termination or other act of the group."""

    at: datetime
    status: str
    """`Successful`, `Failed`, `InProgress`, `MidLifecycleAction`, …"""
    what: str
    """The description: `Launching a new EC2 instance: i-0abc`."""
    cause: str = ""
    message: str = ""
    """Why it failed, in the words of EC2."""
    zone: str = ""
    ended: datetime | None = None

    @property
    def launches(self) -> bool:
        """It brings an instance."""
        return self.what.startswith("Launching")

    @property
    def terminates(self) -> bool:
        """It takes an instance away."""
        return self.what.startswith("Terminating")

    @property
    def instance(self) -> str:
        """The instance's id; empty when it never got one."""
        found = re.search(r"\bi-[0-9a-f]+\b", self.what)
        return found[0] if found else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingAlarm:
    """The alarm that makes a policy act."""

    name: str
    state: str
    reason: str = ""
    since: datetime | None = None
    acts: bool = True
    """False: its actions are switched off."""
    spans: float = 60
    """Seconds of data that it judges by: period times periods."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingPolicy:
    """How the group is to follow the load."""

    name: str
    type: str
    enabled: bool = True
    goal: float | None = None
    """Of target tracking."""
    metric: str = ""
    warmup: float = 0
    """Seconds for which an answer to the alarm is waited for."""
    widens: bool | None = None
    """Whether its alarm adds capacity; None: its steps do not say, or it has an alarm each way."""
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """An instance refresh: the group replaces its instances step by step."""

    id: str
    status: str
    reason: str = ""
    percent: int | None = None
    left: int | None = None
    """Instances that are still to be replaced."""
    started: datetime | None = None
    ended: datetime | None = None

    @property
    def open(self) -> bool:
        """It has not come to its end."""
        return self.status in {
            "Pending",
            "InProgress",
            "Cancelling",
            "RollbackInProgress",
            "Baking",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A lifecycle hook: an instance waits until somebody says that it may go on."""

    name: str
    transition: str
    heartbeat: int = 3600
    """Seconds after which the default result holds."""
    result: str = ""
    """`CONTINUE` or `ABANDON`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at a group."""

    at: datetime
    name: str
    arn: str
    status: str = ""
    """Told only while the group is being deleted."""
    minimum: int
    maximum: int
    desired: int
    """Units of capacity, as are minimum and maximum."""
    unit: str = "units"
    """What capacity is counted in: `units` (instances, unless they have weights), `vcpu`, …"""
    in_service: int | None = 0
    """Units of capacity that serve; None: capacity is counted in what instances do not tell."""
    created: datetime | None = None
    members: tuple[Member, ...] = ()
    """Without those of the warm pool."""
    warm: tuple[Member, ...] = ()
    zones: tuple[str, ...] = ()
    target_groups: tuple[str, ...] = ()
    balanced: bool = False
    """A load balancer, or another source of traffic, sends to its instances."""
    check: str = ""
    """`EC2`, `ELB`, or both: what makes it replace an instance."""
    grace: int = 0
    """Seconds after a launch in which checks do not count."""
    cooldown: int = 300
    """Seconds between two steps of simple scaling."""
    template: str = ""
    template_name: str = ""
    template_version: str = ""
    """Both empty with a launch configuration, or where a mixed policy names the template."""
    served_version: str = ""
    """The other version that all that serves was launched from: what worked before. Empty: there
    are several, or none, or the group's own is no number (`$Latest`)."""
    refresh_template: bool = False
    """Instances come from a launch template, not from a launch configuration."""
    suspended: tuple[Suspended, ...] = ()
    suspended_names: tuple[str, ...] = ()
    activities: tuple[ScalingActivity, ...] | None = None
    """Newest first, at most a hundred. None: could not be read."""
    policies: tuple[ScalingPolicy, ...] | None = None
    alarms: tuple[ScalingAlarm, ...] = ()
    refreshes: tuple[Refresh, ...] = ()
    """Newest first."""
    refresh: Refresh | None = None
    """The one that is under way."""
    hooks: tuple[Hook, ...] = ()
    """Read when an instance waits."""
    cpu: Series = NO_DATA
    """Percent, the average over its instances."""
    cpu_most: Series = NO_DATA
    cpu_of: tuple[tuple[str, float], ...] = ()
    """Instance → percent in the last minutes, the busiest first; read when the group is busy."""
    requests: Series = NO_DATA
    """Requests or flows to its target groups by the hour; read when nothing is desired."""
    below_since: datetime | None = None
    """Since when less serves than is desired; None: it does not, or since before the first look."""
    turned: datetime | None = None
    """The same where an activity tells it, or a look saw it begin."""
    gaps: tuple[Gap, ...] = ()

    def in_zones(self) -> tuple[InZone, ...]:
        """Its instances; sick are those that it holds for unhealthy."""
        return tuple(
            InZone(each.id, each.zone, each.health.upper() == "UNHEALTHY")
            for each in self.members
            if each.zone
        )


def recent(snapshot: Snapshot, seconds: float) -> Iterator[ScalingActivity]:
    """The activities that began in the last seconds, newest first."""
    start = snapshot.at - timedelta(seconds=seconds)
    return (each for each in snapshot.activities or () if each.at >= start)


FULL = 100
"""So many activities are read at most."""


def first_failure(snapshot: Snapshot, such: Callable[[ScalingActivity], bool]) -> datetime | None:
    """When the first such activity failed since a launch was successful; None: there may be earlier
    ones than were read.
    """
    found: list[datetime] = []
    read = snapshot.activities or ()
    for each in read:
        if each.launches and each.status == "Successful":
            return min(found, default=None)
        if each.status == "Failed" and such(each):
            found.append(each.at)
    return min(found, default=None) if len(read) < FULL else None


def serving(snapshot: Snapshot) -> tuple[Member, ...]:
    """Instances that serve."""
    return tuple(each for each in snapshot.members if each.state == SERVING)


def waiting(snapshot: Snapshot) -> tuple[Member, ...]:
    """Instances that wait for a lifecycle hook, also those of the warm pool."""
    return tuple(
        each for each in (*snapshot.members, *snapshot.warm) if each.state.endswith(":Wait")
    )
