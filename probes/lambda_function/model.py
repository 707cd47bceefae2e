"""What a look at a function holds. Runbook steps capture from these records by name.

Source: Lambda Developer Guide ("Types of metrics for Lambda functions", "Configuring reserved
concurrency", "Lambda function aliases"). A point of a metric carries the time at which the
invocation *began*: one that runs into a timeout of five minutes shows five minutes in the past.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime

from cockpit.connect.session import Series
from probes.answers import Gap
from probes.denials import DeniedAction
from probes.metrics import NO_DATA, Rate, counted, settled, total

LONGEST = 3600
"""Seconds of an invocation that the window follows; Lambda's own limit is 900 so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A version that an alias sends a part of its invocations to."""

    version: str
    weight: float
    """Of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """A name of a version, with what else it sends invocations to."""

    name: str
    version: str
    weights: tuple[Share, ...] = ()
    revision: str = ""
    routing: dict[str, float] = field(default_factory=dict)
    """The weights as UpdateAlias takes them, to be able to put them back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointed:
    """An alias was moved to a version, as CloudTrail tells."""

    at: datetime
    version: str
    actor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSource:
    """An event source mapping: Lambda polls the source and invokes the function."""

    id: str
    source: str
    """The source's ARN."""
    state: str
    result: str = ""
    """`OK`, `No records processed`, or `PROBLEM: …` in Lambda's own words."""
    reason: str = ""
    """Why the state is what it is: `USER_INITIATED`, `Lambda initiated`, …"""
    batch: int | None = None
    changed: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRule:
    """A rule of EventBridge that may invoke the function, by the function's own policy."""

    name: str
    state: str
    schedule: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioned:
    """Environments that are kept ready for one version or alias."""

    qualifier: str
    status: str
    requested: int = 0
    available: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationReport:
    """One REPORT line: how one invocation ended."""

    at: datetime
    memory_mb: int
    used_mb: int
    """The most that its environment has used so far: it never falls within one environment."""
    duration_ms: float
    init_ms: float | None = None
    """None: a warm start."""
    status: str = ""
    """`timeout`, `error`, or empty as Lambda leaves it out for a good end."""
    error: str = ""
    stream: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPattern:
    """Lines of one shape: numbers, ids and quoted text are left out of it."""

    kind: str
    """`memory`, `timeout`, `init`, `denied`, `exit`, or `error`."""
    text: str
    count: int
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionTraffic:
    """What one version of a weighted alias did."""

    version: str
    invocations: Series = NO_DATA
    errors: Series = NO_DATA


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """A function beside this one, in the same account and region."""

    name: str
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at a function, or at one alias or version of it."""

    at: datetime
    name: str
    arn: str
    qualifier: str = ""
    """The alias or version that is looked at; empty: the function as a whole."""
    version: str = ""
    state: str = ""
    state_code: str = ""
    state_reason: str = ""
    update: str = ""
    """`LastUpdateStatus`."""
    update_code: str = ""
    update_reason: str = ""
    moving_since: datetime | None = None
    """Since when state and update are what they are, as far as the cockpit saw."""
    modified: datetime | None = None
    sha: str = ""
    runtime: str = ""
    role: str = ""
    role_name: str = ""
    """The role without its path, as IAM's calls name it: the last part of its ARN."""
    memory_mb: int = 128
    timeout: int = 3
    """Seconds."""
    revision: str = ""
    in_vpc: bool = False
    log_group: str = ""
    dead_letter: str = ""
    """Where asynchronous events go that failed for good; `none`: nowhere; empty: not known."""
    alias: Alias | None = None
    """The alias that is looked at, or the only one of the function."""
    aliases: tuple[Alias, ...] = ()
    pointed: tuple[Pointed, ...] = ()
    """Where the alias pointed, newest first, as CloudTrail tells."""
    previous_version: str = ""
    """The version that the alias pointed to before, read and never counted; empty: not known."""
    previous_known_by: str = ""
    reserved: int | None = None
    """Reserved concurrency; None: none is reserved, or it is not known (`gaps` says)."""
    reserved_known: bool = True
    account_limit: int | None = None
    unreserved_limit: int | None = None
    reservable: int | None = None
    """The largest reserve that AWS would take: a hundred of the pool stay unreserved."""
    provisioned: tuple[Provisioned, ...] = ()
    mappings: tuple[EventSource, ...] = ()
    """By their id."""
    paused: EventSource | None = None
    """The first that is disabled."""
    polled: EventSource | None = None
    """The only one that is enabled; None when there are several."""
    rules: tuple[ScheduleRule, ...] = ()
    callers: tuple[str, ...] = ()
    """Who may invoke it by its own policy: services and accounts. Read when nothing invokes it."""
    invocations: Series = NO_DATA
    errors: Series = NO_DATA
    throttles: Series = NO_DATA
    duration_p95: Series = NO_DATA
    """Milliseconds."""
    duration_most: Series = NO_DATA
    concurrency: Series = NO_DATA
    async_age: Series = NO_DATA
    """Milliseconds."""
    async_dropped: Series = NO_DATA
    iterator_age: Series = NO_DATA
    """Milliseconds."""
    recursion_stopped: Series = NO_DATA
    dead_letter_errors: Series = NO_DATA
    destination_failures: Series = NO_DATA
    claimed: Series = NO_DATA
    """Concurrency that the account's functions use or have reserved."""
    hourly: Series = NO_DATA
    """Invocations by the hour of three days; read when nothing invokes it."""
    versions: tuple[VersionTraffic, ...] = ()
    logs_read: bool = False
    """False: lines were not asked for, or not given: nothing is known of memory."""
    reports: tuple[InvocationReport, ...] = ()
    """Newest last, at most a hundred."""
    patterns: tuple[LogPattern, ...] = ()
    """Lines of errors of the last fifteen minutes, the most frequent first."""
    denials: tuple[DeniedAction, ...] = ()
    beside: tuple[Concurrency, ...] = ()
    """Other functions of the account and region that are looked at, the largest first."""
    gaps: tuple[Gap, ...] = ()


def window(snapshot: Snapshot) -> float:
    """Minutes that are judged: five, and as long as an invocation may run before it is told."""
    return 5 + math.ceil(max(0, min(snapshot.timeout, LONGEST)) / 60)


def now(snapshot: Snapshot, series: Series) -> Series:
    """The settled minutes of the window."""
    return settled(series, snapshot.at, minutes=window(snapshot))


def of_hours(snapshot: Snapshot, series: Series) -> Series:
    """All of a series that will not change any more."""
    return settled(series, snapshot.at, minutes=180)


def error_rate(snapshot: Snapshot) -> Rate:
    """Failed of all invocations; throttled attempts are in neither."""
    done = now(snapshot, snapshot.invocations)
    return Rate(counted(now(snapshot, snapshot.errors), done), total(done))


def throttle_rate(snapshot: Snapshot) -> Rate:
    """Throttled of all attempts: throttles are not in `Invocations`."""
    done, refused = now(snapshot, snapshot.invocations), now(snapshot, snapshot.throttles)
    part = counted(refused, done)
    return Rate(part, None if part is None else part + (total(done) or 0))


def logged(snapshot: Snapshot, kind: str) -> int:
    """Lines of errors of one kind."""
    return sum(each.count for each in snapshot.patterns if each.kind == kind)
