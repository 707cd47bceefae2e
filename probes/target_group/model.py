"""What a look at a target group holds, and the numbers that follow from it.

Source of the states and reasons: ELBv2 API Reference, TargetHealth (catalogue A §1.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cockpit.connect.session import Series
from cockpit.triage.together import InZone
from probes.answers import Gap
from probes.metrics import NO_DATA
from probes.target_group.answers import TargetGroup, TargetHealthDescription

SICK = ("unhealthy", "unhealthy.draining")
"""`unhealthy.draining`: a network balancer lets it keep its connections for a while."""
COUNTED = ("healthy", *SICK, "initial", "unavailable")
"""States of targets that could take traffic; draining and unused ones are not part of the whole."""
LISTED = (*COUNTED, "draining", "unused")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The health check as configured. Times are seconds; None: not told."""

    enabled: bool = True
    protocol: str = ""
    port: str = ""
    path: str = ""
    matcher: str = ""
    interval: float = 30
    timeout: float = 5
    healthy_threshold: int = 5
    unhealthy_threshold: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetState:
    """One registered target."""

    id: str
    port: int | None = None
    zone: str = ""
    """Empty when the API does not tell it, as for instances."""
    state: str
    reason: str = ""
    description: str = ""
    since: datetime | None = None
    """It is in this state since then at least; None: no earlier look knows it."""
    turned: datetime | None = None
    """The first look that saw it in this state, after one that saw it in another; None: it was so
    at our first look."""
    unseen_for: float = 0.0
    """Seconds between those two looks."""
    anomalous: bool = False
    """It answers with more errors than the group's others, by the balancer's own detection."""
    spared: bool = False
    """The balancer sends less to it because of that."""
    override: str = ""
    """`zonal_shift_active` and the like; empty: none, or not told."""
    turns: tuple[datetime, ...] = ()
    """Looks that saw it turn between healthy and unhealthy, in the last quarter of an hour."""

    @property
    def key(self) -> str:
        """Its identity: `i-0abc:8080`."""
        return self.id if self.port is None else f"{self.id}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A listener rule that forwards to the group, with its weight among several groups."""

    listener: str
    rule: str
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look. `uses`, `delay`, `cross_zone` are read in trouble only: None means not looked."""

    at: datetime
    arn: str
    name: str
    protocol: str
    target_type: str
    balancers: tuple[str, ...]
    """ARNs of the load balancers that use the group."""
    check: Check
    targets: tuple[TargetState, ...]
    control_port: int | None = None
    """Where agents tell the balancer how much each target can take; None: they do not."""
    uses: tuple[Use, ...] | None = None
    delay: float | None = None
    """The deregistration delay in seconds."""
    slow_start: float = 0
    cross_zone: str = ""
    """`true`, `false`, `use_load_balancer_configuration`; empty: not looked."""
    requests: Series = NO_DATA
    ok: Series = NO_DATA
    errors: Series = NO_DATA
    fail_open: Series = NO_DATA
    """Requests (flows for a network load balancer) that were sent to targets known to be sick."""
    watched: Series = NO_DATA
    """HealthyHostCount: it comes always while targets are registered."""
    hour_requests: float | None = None
    """Requests of the last hour, read for an empty group only; None: unknown or not looked."""
    hour_503: float | None = None
    gaps: tuple[Gap, ...] = ()

    def of(self, *states: str) -> tuple[TargetState, ...]:
        """The targets in one of the states."""
        return tuple(target for target in self.targets if target.state in states)

    def in_zones(self) -> tuple[InZone, ...]:
        """Its targets whose zone is told; sick are those that fail their check."""
        return tuple(
            InZone(each.id, each.zone, each.state.startswith("unhealthy"))
            for each in self.counted
            if each.zone
        )

    @property
    def counted(self) -> tuple[TargetState, ...]:
        """The targets that capacity is counted of."""
        return self.of(*COUNTED)

    @property
    def unlisted(self) -> tuple[TargetState, ...]:
        """The targets in a state that is not known here."""
        return tuple(target for target in self.targets if target.state not in LISTED)

    @property
    def healthy(self) -> int:
        """How many are healthy for certain."""
        return len(self.of("healthy"))

    @property
    def idle(self) -> bool:
        """Whether nothing sends to it: no balancer, or only rules of weight 0 (blue/green)."""
        if not self.balancers:
            return True
        return self.uses is not None and not any(use.weight for use in self.uses)

    @property
    def network(self) -> bool:
        """Whether a network load balancer uses it: other metrics, other defaults."""
        return any(":loadbalancer/net/" in arn for arn in self.balancers)

    @property
    def flows(self) -> bool:
        """Whether its balancer counts flows and no requests."""
        return self.network or any(":loadbalancer/gwy/" in arn for arn in self.balancers)

    @property
    def first_healthy_after(self) -> float:
        """Seconds that a good new target needs until it is healthy."""
        return self.check.interval * self.check.healthy_threshold + self.slow_start


def check_of(group: TargetGroup) -> Check:
    """The health check of a group, with AWS's defaults for what is not told."""
    defaults = Check()
    return Check(
        enabled=group.health_check_enabled,
        protocol=group.health_check_protocol,
        port=group.health_check_port,
        path=group.health_check_path,
        matcher=group.matcher.http_code or group.matcher.grpc_code,
        interval=group.health_check_interval_seconds or defaults.interval,
        timeout=group.health_check_timeout_seconds or defaults.timeout,
        healthy_threshold=group.healthy_threshold_count or defaults.healthy_threshold,
        unhealthy_threshold=group.unhealthy_threshold_count or defaults.unhealthy_threshold,
    )


def target_of(row: TargetHealthDescription) -> TargetState:
    """One target. An unknown state stays as it is."""
    target, health = row.target, row.target_health
    override = row.administrative_override.state.lower()
    return TargetState(
        id=target.id,
        port=target.port,
        zone="" if target.availability_zone == "all" else target.availability_zone,
        state=health.state.lower() or "unknown",
        reason=health.reason,
        description=health.description,
        anomalous=row.anomaly_detection.result.lower() == "anomalous",
        spared=row.anomaly_detection.mitigation_in_effect.lower() == "yes",
        override="" if override == "no_override" else override,
    )


def balancer_dimension(arn: str) -> str:
    """`app/NAME/ID`: how CloudWatch names a load balancer."""
    return arn.partition(":loadbalancer/")[2]


def namespace_of(balancer: str) -> str:
    """The namespace of CloudWatch for a balancer's dimension."""
    kind = balancer.partition("/")[0]
    named = {"net": "AWS/NetworkELB", "gwy": "AWS/GatewayELB"}
    return named.get(kind, "AWS/ApplicationELB")


def group_dimension(arn: str) -> str:
    """`targetgroup/NAME/ID`: how CloudWatch names a target group."""
    return arn.rpartition(":")[2]


def short(arn: str) -> str:
    """The name inside an ARN of a load balancer or a target group."""
    parts = arn.rpartition(":")[2].split("/")
    return parts[-2] if len(parts) > 1 else arn
