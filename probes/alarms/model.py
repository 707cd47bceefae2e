"""What a look at the alarms of a place holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatch

from cockpit.connect.session import Series
from probes.answers import Gap

LOG_ALARMS, MUTE_RULES = "log alarms", "mute rules"
UNSEEN = frozenset({LOG_ALARMS, MUTE_RULES})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Times are seconds. `critical` holds name patterns (`checkout-*`) of alarms that page."""

    critical: tuple[str, ...] = ()
    watched: tuple[str, ...] = ()
    """Name patterns of *targets* that must page somebody: one without any alarm is told."""
    ignore: tuple[str, ...] = ()
    """Name patterns of alarms that never give a finding; they stay in the table."""
    stale: float = 7 * 86400
    """In ALARM for longer: it is furniture, and told as information."""
    flaps: int = 4
    """Changes of state in half an hour."""
    blind_periods: float = 3
    """Evaluation windows without enough data until an alarm is called blind."""
    idle: float = 86400
    """Without data for longer: the resource is idle or gone, and the alarm is told as such."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One alarm. `window` is period times evaluation periods in seconds; None for composites."""

    name: str
    composite: bool = False
    log: bool = False
    """It judges a query over logs."""
    unread: bool = False
    """What it judges is of a kind that this version cannot read."""
    state: str
    since: datetime | None = None
    reason: str = ""
    evaluation: str = ""
    """`PARTIAL_DATA`, `EVALUATION_ERROR`, `EVALUATION_FAILURE`, or empty: all is well."""
    namespace: str = ""
    metric: str = ""
    dimensions: tuple[tuple[str, str], ...] = ()
    statistic: str = ""
    window: float | None = None
    period: int = 60
    missing: str = ""
    """How it treats missing data: missing, ignore, breaching, notBreaching; empty: as missing."""
    actions: tuple[str, ...] = ()
    actions_enabled: bool = True
    suppressed_by: str = ""
    changed_at: datetime | None = None
    warm_up: float = 0.0
    """Seconds after `changed_at` in which it may wait for its first data and page nobody."""
    judges: str = ""
    """What it judges, where that is no single metric."""
    dimensions_besides: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    """Namespace and dimensions of the metrics in its expression."""

    @property
    def scaling(self) -> bool:
        """Whether it only drives auto scaling: context, never a page."""
        driven = bool(self.actions) and all(
            ":autoscaling:" in action or ":application-autoscaling:" in action
            for action in self.actions
        )
        return self.name.startswith("TargetTracking-") or driven


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One entry of the alarms' history of the last half hour."""

    at: datetime
    alarm: str
    kind: str
    """`StateUpdate`, `ConfigurationUpdate` or `Action`."""
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """A rule that mutes alarms now. They turn as ever, and do nothing."""

    rule: str
    alarms: tuple[str, ...]
    until: datetime | None = None
    """When it ends; None: in a window of a recurring rule, whose end CloudWatch does not tell."""
    schedule: str = ""
    """`cron(0 2 * * *) for PT2H`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look. `past` None: the history could not be read, which is not a quiet history."""

    at: datetime
    prefix: str
    alarms: tuple[Alarm, ...]
    past: tuple[Past, ...] | None = None
    metrics: tuple[tuple[str, Series], ...] = ()
    """The metric itself, for alarms on DynamoDB that are in ALARM, by the alarm's name."""
    watched: tuple[tuple[str, Series], ...] = ()
    """How many points came of a metric that always comes, by the name of an alarm that stays OK
    without data."""
    mutes: tuple[Mute, ...] = ()
    """Rules that mute alarms now. When they could not be read it is a gap, not an empty list."""
    unwatched: tuple[str, ...] = ()
    """Targets of the place that no alarm watches, by name."""
    gaps: tuple[Gap, ...] = ()

    @property
    def unseen(self) -> tuple[str, ...]:
        """What of the alarms could not be read, in words: any of it may ring."""
        return tuple(gap.what for gap in self.gaps if gap.what in UNSEEN)

    def muted(self, name: str) -> Mute | None:
        """The rule that mutes an alarm now."""
        return next((mute for mute in self.mutes if name in mute.alarms), None)


def held(snapshot: Snapshot, alarm: Alarm) -> float | None:
    """Seconds in its state; None: not told."""
    if alarm.since is None:
        return None
    return max(0.0, (snapshot.at - alarm.since).total_seconds())  # AWS's clock may be ahead of ours


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns names it."""
    return any(fnmatch(name, pattern) for pattern in patterns)


def metric_of(alarm: Alarm) -> str:
    """What it judges, in words."""
    if alarm.judges:
        return alarm.judges
    if alarm.composite:
        return "other alarms"
    where = ", ".join(f"{name}={value}" for name, value in alarm.dimensions)
    return f"{alarm.namespace} {alarm.metric} {where}".strip() or "an expression"
