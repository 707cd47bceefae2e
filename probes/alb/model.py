"""What a look at a load balancer holds, and the sums that its rates are made of.

`RequestCount` counts requests for which a target was chosen: a storm of 503 without targets is not
in it (catalogue A §1.2). The safe whole is the larger of it and of all answers counted by code.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cockpit.connect.aws.answer import Answer, GivenText
from cockpit.connect.session import Series
from cockpit.text import SafeText
from probes.answers import Gap
from probes.metrics import NO_DATA, Rate, counted, is_blind, settled, together, total

REQUESTS = "RequestCount"
TARGET_CODES = tuple(f"HTTPCode_Target_{n}XX_Count" for n in (2, 3, 4, 5))
ELB_CODES = tuple(f"HTTPCode_ELB_{n}XX_Count" for n in (3, 4, 5))
ELB_5XX = tuple(f"HTTPCode_ELB_{n}_Count" for n in (500, 502, 503, 504))
COUNTERS = (
    REQUESTS,
    *TARGET_CODES,
    *ELB_CODES,
    *ELB_5XX,
    "RejectedConnectionCount",
    "NewConnectionCount",
    "ActiveConnectionCount",
    "ClientTLSNegotiationErrorCount",
    "HTTP_Fixed_Response_Count",
    "TargetConnectionErrorCount",
)
FLOWS = "NewFlowCount"
REJECTED = "RejectedFlowCount"
BLOCKED_IN = tuple(
    f"SecurityGroupBlockedFlowCount_Inbound_{protocol}" for protocol in ("TCP", "UDP", "ICMP")
)
BLOCKED_OUT = tuple(name.replace("_Inbound_", "_Outbound_") for name in BLOCKED_IN)
GATEWAY_COUNTERS = (FLOWS, "ActiveFlowCount", REJECTED)
NETWORK_COUNTERS = (
    *GATEWAY_COUNTERS,
    "TCP_ELB_Reset_Count",
    "TCP_Target_Reset_Count",
    "PortAllocationErrorCount",
    *BLOCKED_IN,
    *BLOCKED_OUT,
)
REST_COUNTERS = frozenset(
    {
        *("NewConnectionCount", "ActiveConnectionCount", "ClientTLSNegotiationErrorCount"),
        "HTTP_Fixed_Response_Count",
        *BLOCKED_IN,
        *BLOCKED_OUT,
    }
)
"""Of a healthy balancer every five minutes only."""
ALWAYS = "ConsumedLCUs"
"""Published also of an application balancer to which nothing comes."""
GROUP_COUNTERS = (REQUESTS, "HTTPCode_Target_5XX_Count", "TargetConnectionErrorCount")


KEPT = 60
"""Minutes of each series that are read: who comes late still sees when it began."""
_LATELY = timedelta(minutes=15)


def lately(series: Series, at: datetime) -> Series:
    """Its points of the last quarter of an hour, the newest ones that may change included."""
    first = bisect_left(series.times, at - _LATELY)
    return replace(series, times=series.times[first:], values=series.values[first:])


class LoadBalancerState(Answer, frozen=True):
    """`code`: active, provisioning, active_impaired, failed."""

    code: SafeText = ""
    reason: SafeText = ""


class LoadBalancer(Answer, frozen=True):
    """What is read of one row of `DescribeLoadBalancers`."""

    of = "elbv2.LoadBalancer"

    load_balancer_arn: GivenText
    load_balancer_name: SafeText = ""
    type: SafeText = ""
    scheme: SafeText = ""
    state: LoadBalancerState = LoadBalancerState()
    created_time: datetime | None = None


class GroupName(Answer, frozen=True):
    """What is read of one row of `DescribeTargetGroups`."""

    of = "elbv2.TargetGroup"

    target_group_name: SafeText = ""
    target_group_arn: SafeText = ""
    load_balancer_arns: tuple[SafeText, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AlbGroup:
    """A target group of the balancer, with its own counters of the last hour."""

    name: str
    arn: str
    series: Mapping[str, Series] = field(default_factory=dict)

    def of(self, name: str) -> Series:
        """A counter; no data when it was not read."""
        return self.series.get(name, NO_DATA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look. `series` are per minute, of the last hour, newest minutes included.

    Latencies are in seconds, of the last whole five minutes: percentiles are not averaged. None:
    no answer was measured.
    """

    at: datetime
    name: str
    arn: str
    type: str
    """`application`, `network` or `gateway`."""
    scheme: str = ""
    state: str
    reason: str = ""
    created_at: datetime | None = None
    groups: tuple[AlbGroup, ...] = ()
    series: Mapping[str, Series] = field(default_factory=dict)
    latency_p50: float | None = None
    latency_p95: float | None = None
    latency_p99: float | None = None
    p95_buckets: Series = NO_DATA
    """The percentile of each five minutes of the last hour, those that are whole."""
    latency_p95_day: float | None = None
    """A day earlier."""
    requests_day: float | None = None
    """Requests in the same five minutes a day earlier; None: none are known of."""
    requests_week: float | None = None
    gaps: tuple[Gap, ...] = ()

    @property
    def network(self) -> bool:
        """No HTTP codes and no latency: flows only."""
        return self.type != "application"

    def of(self, name: str) -> Series:
        """A counter per minute; no data when it was not read."""
        return self.series.get(name, NO_DATA)

    def cut(self, name: str, minutes: float = 5) -> Series:
        """Its settled minutes."""
        return settled(self.of(name), self.at, minutes=minutes)

    def sum(self, *names: str, minutes: float = 5) -> float | None:
        """Counters added up over the settled minutes: 0 where others show that it is alive."""
        alive = self.alive(minutes)
        found = [counted(self.cut(name, minutes), alive) for name in names]
        known = [number for number in found if number is not None]
        return sum(known) if len(known) == len(names) else None

    def alive(self, minutes: float = 5) -> Series:
        """The minutes in which any counter has a point: where silence of another means 0."""
        held = [self.cut(name, minutes) for name in self.series]
        return together(*(each for each in held if not is_blind(each)))

    @property
    def counters(self) -> tuple[str, ...]:
        """The names that CloudWatch has for a balancer of its type."""
        if not self.network:
            return COUNTERS
        return GATEWAY_COUNTERS if self.type == "gateway" else NETWORK_COUNTERS

    @property
    def arriving(self) -> str:
        """The counter of what arrives."""
        return FLOWS if self.network else REQUESTS

    @property
    def arrived(self) -> float | None:
        """What arrived in five minutes: 0 where another metric came; None: nothing is known."""
        found = total(self.cut(FLOWS)) if self.network else self.whole
        return 0.0 if found is None and self.alive().values else found

    @property
    def whole(self) -> float | None:
        """Requests of five minutes, those without a target included; None: nothing is known."""
        chosen = total(self.cut(REQUESTS))
        answered = self.sum(*TARGET_CODES, *ELB_CODES)
        known = [number for number in (chosen, answered) if number is not None]
        return max(known, default=None)

    def rate(self, *names: str) -> Rate:
        """The share of answers of these codes in five minutes."""
        return Rate(self.sum(*names), self.whole)

    @property
    def age(self) -> float | None:
        """Seconds since the balancer was made."""
        return (self.at - self.created_at).total_seconds() if self.created_at else None


def group_rate(group: AlbGroup, name: str, at: datetime) -> Rate:
    """The share of a group's requests that a sparse counter counts, in five minutes."""
    requests = settled(group.of(REQUESTS), at)
    part = counted(settled(group.of(name), at), requests)
    whole = total(requests)
    if part is not None and whole is not None:
        whole = max(part, whole)
    return Rate(part, whole)


def last_bucket(series: Series, at: datetime) -> float | None:
    """The value of the newest five-minute bucket that is complete; None without one."""
    held = settled(series, at, minutes=15, period=300)
    return held.values[-1] if held.values else None


def same_minutes(series: Series, at: datetime, *, days: int) -> float | None:
    """The sum over the same five minutes some days earlier; None without points."""
    return total(settled(series, at - timedelta(days=days)))
