"""What becomes of the flows of a network or gateway load balancer: reset, rejected, blocked.

Source: User Guide for Network Load Balancers, "CloudWatch metrics": what a security group blocks is
counted in no other metric.
"""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Finding, Severity, Thresholds
from cockpit.units import number
from probes.alb import begun
from probes.alb.evidence import counted, grade_of, share_of
from probes.alb.model import BLOCKED_IN, BLOCKED_OUT, FLOWS, KEPT, REJECTED, Snapshot
from probes.alb.settings import Settings
from probes.began import POINTS, share_since
from probes.metrics import Rate, is_blind, settled, together


def network(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A network load balancer knows flows and resets only, no requests.

    NLB_RESETS: Many flows end in a reset. By the balancer: clients go on using flows that were idle
    for longer than it keeps them. By the targets: the process closes or refuses them.

    NLB_PORT_ALLOCATION_ERRORS: New flows fail, since the balancer has no source ports left towards
    a target.
    """
    flows = snapshot.sum(FLOWS)
    for name, limit, words in (
        ("TCP_ELB_Reset_Count", settings.resets_elb, "the balancer"),
        ("TCP_Target_Reset_Count", settings.resets_target, "the targets"),
    ):
        rate = Rate(snapshot.sum(name), flows)
        if rate.share is not None and rate.share >= limit and rate.enough(settings.min_requests):
            yield Finding(
                "NLB_RESETS",
                Severity.WARNING,
                f"{words} reset {rate.text('flows')}",
                subject=name,
                evidence=(share_of("resets", rate, limit=limit), counted(snapshot, name)),
                likely=("idle flows older than 350 s", "the target closes connections"),
                next="compare the idle timeouts of clients and targets with 350 s",
                fact=False,
                began=share_since(
                    snapshot.cut(name, KEPT), snapshot.cut(FLOWS, KEPT), Thresholds(warning=limit)
                ),
                resolution=POINTS,
            )
    spent = [value for value in snapshot.cut("PortAllocationErrorCount").values if value > 0]
    if len(spent) >= 3:
        yield Finding(
            "NLB_PORT_ALLOCATION_ERRORS",
            Severity.CRITICAL,
            f"no ports left towards a target: {number(sum(spent))} flows failed in 5 minutes",
            evidence=(counted(snapshot, "PortAllocationErrorCount"),),
            likely=("one hot target, at about 55,000 flows a minute",),
            next="add targets, or switch client IP preservation on",
            began=begun.counts(snapshot, "PortAllocationErrorCount"),
            resolution=POINTS,
        )


def flows_refused(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """New flows do not get through: rejected by the balancer, or blocked by its security groups."""
    yield from _rejected(snapshot, settings)
    yield from _blocked_in(snapshot, settings)
    yield from _blocked_out(snapshot)


def _rejected(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The balancer rejects new flows: clients see connections that fail at once.

    It has no target that may take them, or is at its limit.
    """
    rejected = snapshot.sum(REJECTED)
    rate = Rate(rejected, None if rejected is None else rejected + (snapshot.sum(FLOWS) or 0))
    severity = grade_of(rate, settings.rejected, settings)
    if severity is None:
        return
    yield Finding(
        "NLB_FLOWS_REJECTED",
        severity,
        f"the balancer rejected {rate.text('flows', settings.min_requests)}",
        evidence=(
            share_of("rejected flows", rate, limit=settings.rejected.first),
            counted(snapshot, REJECTED),
            counted(snapshot, FLOWS),
        ),
        likely=("no target may take them", "the balancer is at its limit: a surge, or an attack"),
        next="look at the health of its target groups, then at its reserved capacity",
        fact=False,
        began=share_since(
            snapshot.cut(REJECTED, KEPT),
            together(snapshot.cut(REJECTED, KEPT), snapshot.cut(FLOWS, KEPT)),
            settings.rejected,
        ),
        resolution=POINTS,
    )


def _blocked_in(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The inbound rules of the balancer's security groups block new flows.

    Whoever scans the internet is blocked all the time and in bursts, so of a balancer that faces it
    this is told only when nothing else arrives, or when what arrives fell to half within ten
    minutes while much more is blocked.
    """
    blocked, flows = snapshot.sum(*BLOCKED_IN), snapshot.sum(FLOWS)
    if not blocked:
        return
    rate = Rate(blocked, blocked + (flows or 0))
    nothing = flows == 0 and blocked >= settings.few_requests
    if not nothing and grade_of(rate, settings.blocked, settings) is None:
        return
    before, came = (_ten_minutes_ago(snapshot, names) for names in (BLOCKED_IN, (FLOWS,)))
    instead = blocked >= 3 * before and (flows or 0) <= came / 2
    if snapshot.scheme != "internal" and not nothing and not instead:
        return
    yield _blocked(
        snapshot,
        Severity.HIGH if nothing else Severity.WARNING,
        f"security groups block {rate.text('flows', settings.min_requests)} that come in",
        names=BLOCKED_IN,
        likely=(
            "an inbound rule was taken away or narrowed",
            "clients have new addresses",
            "a scan",
        ),
    )


def _ten_minutes_ago(snapshot: Snapshot, names: tuple[str, ...]) -> float:
    """What they counted in the five minutes that ended about eight minutes ago."""
    held = (settled(snapshot.of(name), snapshot.at, minutes=13) for name in names)
    return sum(sum(series.values[:5]) for series in held if len(series.values) > 5)


def _blocked_out(snapshot: Snapshot) -> Iterator[Finding]:
    """The outbound rules of the balancer's security groups block flows to targets.

    Nobody scans in that direction: a rule is missing. Health checks are blocked with it.
    """
    minutes = [value for name in BLOCKED_OUT for value in snapshot.cut(name).values if value > 0]
    if len(minutes) < 3:
        return
    yield _blocked(
        snapshot,
        Severity.HIGH,
        f"security groups block {number(sum(minutes))} flows to targets in 5 minutes",
        names=BLOCKED_OUT,
        likely=("an outbound rule was taken away", "the targets have a new port or subnet"),
    )


def _blocked(
    snapshot: Snapshot,
    severity: Severity,
    summary: str,
    *,
    names: tuple[str, ...],
    likely: tuple[str, ...],
) -> Finding:
    """A security group of the network balancer blocks flows, which no other metric counts."""
    return Finding(
        "NLB_SG_BLOCKED",
        severity,
        summary,
        subject="inbound" if names is BLOCKED_IN else "outbound",
        evidence=(
            *(counted(snapshot, name) for name in names if not is_blind(snapshot.of(name))),
            counted(snapshot, FLOWS),
        ),
        likely=likely,
        next="compare the rules of the balancer's security groups with an hour ago",
        fact=False,
        began=begun.counts(snapshot, *(name for name in names if not is_blind(snapshot.of(name)))),
        resolution=POINTS,
    )
