"""What a look at a DynamoDB table holds, and the arithmetic of capacity.

Source: DynamoDB Developer Guide ("Metrics and dimensions", "Read/write capacity mode"). Runbook
steps capture from these records by name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from cockpit.connect.session import Series
from probes.answers import Gap
from probes.metrics import NO_DATA, counted, settled, together

PROVISIONED = "PROVISIONED"
ON_DEMAND = "PAY_PER_REQUEST"

KEY_RANGE = "KeyRangeThroughput"
ACCOUNT = "AccountLimit"
OWN_CAP = "MaxOnDemandThroughput"
TABLE_CAPACITY = "ProvisionedThroughput"
REASONS = (TABLE_CAPACITY, KEY_RANGE, ACCOUNT, OWN_CAP)
"""Why requests are throttled: the middle of the names of the reason metrics."""

ROOM = 1.25
"""The suggested capacity is the demand with a quarter to spare."""


KEPT = 185
"""Minutes of each metric that are read: three hours, and what is late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonCount:
    """Throttle events of one reason in the window."""

    reason: str
    events: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Insights:
    """Whether Contributor Insights tells which keys are throttled; AWS's words."""

    status: str
    """ENABLED, DISABLED and others."""
    mode: str = ""
    """THROTTLED_KEYS or ACCESSED_AND_THROTTLED_KEYS; empty: not told."""
    rules: tuple[str, ...] = ()
    """Names of its rules in CloudWatch, whose graphs show the keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One direction of the table or of one of its indexes: where capacity is counted apart."""

    direction: str
    """`read` or `write`."""
    index: str = ""
    """The index's name; empty: the table itself."""
    provisioned: int | None = None
    """Units a second; None on an on-demand table, whose zero means nothing."""
    warm: int | None = None
    """Units a second that it can take at once; None: not told."""
    consumed: Series = NO_DATA
    """Units in each minute."""
    throttles: Series = NO_DATA
    """Throttled events in each minute: published only when there are any."""
    reasons: tuple[ReasonCount, ...] | None = None
    """None: not asked, since nothing was throttled, or not known."""
    insights: Insights | None = None
    """None as for the reasons."""

    @property
    def name(self) -> str:
        """`write`, or `by-customer write` for an index."""
        return f"{self.index} {self.direction}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What CloudWatch counts per API operation."""

    name: str
    requests: Series = NO_DATA
    """Successful requests in each minute."""
    latency: Series = NO_DATA
    """Milliseconds inside DynamoDB, average."""
    system_errors: Series = NO_DATA


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """A global secondary index."""

    name: str
    status: str
    backfilling: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """Another region of a global table."""

    region: str
    status: str
    latency: Series = NO_DATA
    """ReplicationLatency, milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingTarget:
    """Application Auto Scaling of one lane."""

    direction: str
    """`read` or `write`."""
    index: str
    minimum: int
    maximum: int
    suspended: bool = False
    policies: int | None = None
    """Without a policy a target does nothing; None: not known."""
    goal: float | None = None
    """Target utilisation in percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What auto scaling did, or did not do and why."""

    at: datetime
    status: str
    description: str
    message: str = ""
    not_scaled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkPut:
    """A bulk put into the table that is not over."""

    arn: str
    status: str
    """`IN_PROGRESS`, `CANCELLING`, or one that is new."""
    started: datetime | None = None
    items: int | None = None
    failed: int | None = None
    share: float | None = None
    """Of its input that was read."""
    most: int | None = None
    """Write units a second that it may use; None: as many as it gets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at a table. Capacities are units a second."""

    at: datetime
    table: str
    status: str
    billing_mode: str
    read_capacity: int | None
    """None on an on-demand table."""
    write_capacity: int | None
    lanes: tuple[Lane, ...] = ()
    demand_read: float | None = None
    """What is asked for: consumed plus throttled, in the busiest of the last five minutes."""
    demand_write: float | None = None
    suggested_read: int | None = None
    """Capacity that would carry the demand; never below what is provisioned. None: unknown, or
    on demand."""
    suggested_write: int | None = None
    throttles_read: float | None = None
    """Throttled events of the last five minutes; None: unknown, which is not zero."""
    throttles_write: float | None = None
    operations: tuple[Operation, ...] = ()
    indexes: tuple[Index, ...] = ()
    replicas: tuple[Replica, ...] = ()
    scaling: tuple[ScalingTarget, ...] = ()
    activities: tuple[Activity, ...] = ()
    """Newest first."""
    user_errors: Series = NO_DATA
    """Of the whole account and region: they have no table."""
    status_since: datetime | None = None
    """Since when the status is what it is, as far as the cockpit saw; None: first look."""
    turned: datetime | None = None
    """The same where a look saw it come into this status; None: it was so at the first look."""
    increased_at: datetime | None = None
    decreased_at: datetime | None = None
    decreases_today: int = 0
    decrease_allowed: bool = False
    """Whether DynamoDB would take another decrease of the table now."""
    decrease_limit: str = ""
    """When it takes the next one, in words."""
    on_demand_since: datetime | None = None
    own_cap_read: int | None = None
    own_cap_write: int | None = None
    warm_read: int | None = None
    warm_write: int | None = None
    bulk: tuple[BulkPut, ...] = ()
    """Asked for while writes are throttled."""
    gaps: tuple[Gap, ...] = ()


DECREASES_AT_ANY_TIME, DECREASES_A_DAY = 4, 27
"""Of one table in a day by UTC; between the two, one in each hour that has had none (DynamoDB
Developer Guide, "Service, account, and table quotas").
"""


def decrease(at: datetime, today: int, last: datetime | None) -> tuple[bool, str]:
    """Whether a table takes a decrease of its capacity now, and when it takes the next one."""
    if today >= DECREASES_A_DAY:
        return False, f"tomorrow: {today} of {DECREASES_A_DAY} were made today (UTC)"
    if today < DECREASES_AT_ANY_TIME:
        return True, f"now: {today} of {DECREASES_AT_ANY_TIME} that may come at any time"
    if last is None:
        return False, "an hour after the last one, whose time is not told"
    free = last + timedelta(hours=1)
    return at >= free, "now" if at >= free else f"from {free:%H:%M} UTC on: one in an hour"


def minutes_of(lane: Lane, at: datetime) -> Lane:
    """The lane with only the five settled minutes before the look."""
    return Lane(
        direction=lane.direction,
        index=lane.index,
        provisioned=lane.provisioned,
        warm=lane.warm,
        consumed=settled(lane.consumed, at),
        throttles=settled(lane.throttles, at),
        reasons=lane.reasons,
    )


def of_hours(series: Series, at: datetime) -> Series:
    """All of a series that will not change any more."""
    return settled(series, at, minutes=KEPT)


def throttled(lane: Lane, at: datetime) -> float | None:
    """Throttled events of five minutes.

    Zero only when consumption was published in them, since both are silent on an idle table.
    """
    window = minutes_of(lane, at)
    return counted(window.throttles, window.consumed)


def demand(lane: Lane, at: datetime) -> float | None:
    """Units a second that clients ask for in the busiest settled minute; None: no data.

    Consumption cannot stay above what is provisioned, so the excess shows as throttles only.
    """
    window = minutes_of(lane, at)
    asked = together(window.consumed, window.throttles)
    return max(asked.values) / 60 if asked.values else None


def used(lane: Lane, at: datetime, minutes: float = 5) -> Series:
    """Consumed of provisioned, as a share, in each settled minute; empty when on demand."""
    if not lane.provisioned:
        return NO_DATA
    window = settled(lane.consumed, at, minutes=minutes)
    values = tuple(value / 60 / lane.provisioned for value in window.values)
    return Series(times=window.times, values=values, status=window.status)


def requests(snapshot: Snapshot) -> Series:
    """Successful requests in each minute, over all operations."""
    return together(*(each.requests for each in snapshot.operations))


def suggested(wanted: float | None, provisioned: int | None) -> int | None:
    """Capacity for the demand with room; None when unknown or on demand."""
    if wanted is None or provisioned is None:
        return None
    return max(provisioned, math.ceil(wanted * ROOM))
