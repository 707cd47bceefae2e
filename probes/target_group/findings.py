"""What is wrong with a target group: pure rules over one snapshot (catalogue A §1.4).

Draining, initial and unused targets are not unhealthy ones. A group without a single healthy target
makes its balancer *fail open*: it sends to all of them, so the check may be what is broken.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from cockpit.connect.session import Series
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.units import count, duration
from probes.began import POINTS, counted_since
from probes.metrics import counted, history, latest, settled, total
from probes.target_group.model import SICK, Snapshot, TargetState, short
from probes.target_group.turned import blur, turned

_CODES = re.compile(r"\[[\d, ]+\]")
TURNS_KEPT = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Shares are of the targets that count (not draining, not unused); times are seconds."""

    unhealthy: Thresholds = Thresholds(critical=0.34)
    """Share of unhealthy targets; a single one is a warning."""
    min_healthy: int = 1
    """Fewer healthy targets are critical; the stop of every target is, in any case."""
    stuck_initial: float = 2
    """How many times the time a good target needs may pass in `initial`."""
    draining_grace: float = 60
    """Seconds beyond the deregistration delay."""
    flaps: int = 3
    """Turns between healthy and unhealthy in 15 minutes that make a flapping target."""
    flapping: Thresholds = Thresholds(warning=0.0, critical=0.34)
    """Share of targets that flap, once one does."""
    quick_check: float = 10
    """Interval times unhealthy threshold, in seconds, below which a check is called nervous."""


CAUSES_UNHEALTHY = (
    "the health check's path or port no longer answers as expected, often since a deployment",
    "the application is down or too slow for the check's timeout",
    "a dependency that the health check touches is down: a database, a cache, a third party",
    "a security group or network ACL no longer lets the balancer reach the targets",
)


def capacity(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Targets fail their health check, while others still serve.

    Those that are left carry the whole load and may be the next. Critical when fewer than
    `min_healthy` are left, or a large share is ill. A group without traffic is told more mildly.
    """
    whole = len(snapshot.counted)
    if not whole or not snapshot.check.enabled:
        return
    unhealthy = snapshot.of(*SICK)
    young = [t for t in snapshot.of("initial") if _age(snapshot, t) < snapshot.first_healthy_after]
    if not (snapshot.healthy or young or snapshot.of("unavailable")):
        yield _none_healthy(snapshot)
        return
    if not unhealthy:
        return
    share = len(unhealthy) / whole
    few = snapshot.healthy < settings.min_healthy
    severity = Severity.CRITICAL if few else settings.unhealthy.grade(share) or Severity.WARNING
    yield Finding(
        "TG_UNHEALTHY_TARGETS",
        _unless_idle(severity, snapshot),
        f"{len(unhealthy)} of {count(whole, 'target')} unhealthy: {_reasons(unhealthy)}",
        evidence=_states(snapshot, settings),
        likely=_likely(unhealthy),
        against=_against(snapshot),
        next="look at the reason of each target, and fetch the check's path from one of them",
        fact=severity is Severity.CRITICAL,
        began=turned(snapshot, unhealthy),
        resolution=blur(unhealthy),
    )


def _none_healthy(snapshot: Snapshot) -> Finding:
    """No target passes its health check.

    The balancer then sends requests to all of them (fail open), or answers 503. When all fail at
    once, it is more often the check, or what the check itself needs, than every host.
    """
    whole = snapshot.counted
    return Finding(
        "TG_NO_HEALTHY_TARGETS",
        _unless_idle(Severity.CRITICAL, snapshot),
        f"none of {count(len(whole), 'target')} is healthy: {_reasons(whole)}",
        evidence=_states(snapshot, None),
        likely=_likely(whole),
        against=_against(snapshot),
        next="fetch the check's path from a target: does it answer what the matcher expects?",
        began=turned(snapshot, whole, last=True),
        resolution=blur(whole),
    )


def empty(snapshot: Snapshot, _: Settings) -> Iterator[Finding]:
    """Nothing is registered that could take a request.

    Critical when requests came within the last hour: they get 503. Else information: a group may be
    empty on purpose, such as one side of a blue/green deployment.
    """
    if snapshot.counted or snapshot.of("unused") or snapshot.unlisted:
        return
    asked = [n for n in (snapshot.hour_requests, snapshot.hour_503) if n]
    used = bool(snapshot.balancers) and not snapshot.idle
    what = "flows" if snapshot.flows else "requests"
    draining = len(snapshot.of("draining"))
    severity = Severity.CRITICAL if used and asked else Severity.INFO
    yield Finding(
        "TG_EMPTY",
        severity,
        f"no target is registered, and {what} come"
        if severity is Severity.CRITICAL
        else f"no target is registered{', nothing forwards to it' if not used else ''}",
        evidence=(
            Evidence("registered targets", 0),
            Evidence("draining", draining),
            Evidence(f"{what} in an hour", snapshot.hour_requests),
            Evidence("503 of the balancer in an hour", snapshot.hour_503),
        ),
        likely=(
            "the service is scaled to 0",
            "its tasks fail before they are registered",
            "the targets were deregistered by hand",
        ),
        next="look at the ECS service or Auto Scaling group that registers targets here",
    )


def fail_open(snapshot: Snapshot, _: Settings) -> Iterator[Finding]:
    """The balancer sends requests to targets that it holds for sick, having no others.

    They may well be served: then the check is wrong, and not the targets. To deregister them would
    turn a false alarm into an outage.
    """
    sent = _whole(counted(_cut(snapshot, "fail_open"), _cut(snapshot, "requests")))
    served = _whole(total(_cut(snapshot, "ok")))
    all_sick = bool(snapshot.of(*SICK)) and not (
        snapshot.healthy or snapshot.of("initial", "unavailable")
    )
    served_by_sick = all_sick and bool(served)
    if not sent and not served_by_sick:
        return
    what = "flows" if snapshot.flows else "requests"
    how_many = f"{sent:,.0f} {what} in 5 minutes" if sent else "requests"
    yield Finding(
        "TG_FAIL_OPEN",
        Severity.CRITICAL,
        f"the balancer fails open: {how_many} went to unhealthy targets",
        evidence=(
            Evidence(f"{what} to unhealthy targets", sent, history=history(snapshot.fail_open)),
            Evidence("2xx in 5 minutes", served, history=history(snapshot.ok)),
            Evidence("healthy targets", snapshot.healthy),
        ),
        likely=(
            "the health check, or a dependency that it touches, is wrong: not the hosts",
            "every target fails at once since a deployment changed the checked path",
        ),
        next="compare the check's path and matcher with what the targets answer; do not deregister",
        began=counted_since(snapshot.fail_open, snapshot.requests),
        resolution=POINTS,
    )


def zones(snapshot: Snapshot, _: Settings) -> Iterator[Finding]:
    """All targets of one zone are unhealthy while others serve.

    Critical when traffic is kept within its zone: then clients that come by that zone fail. It may
    be the zone, or one host.
    """
    by_zone: dict[str, list[TargetState]] = {}
    for target in snapshot.counted:
        if target.zone:
            by_zone.setdefault(target.zone, []).append(target)
    healthy = {zone: sum(t.state == "healthy" for t in held) for zone, held in by_zone.items()}
    if len(by_zone) < 2 or not any(healthy.values()):
        return
    apart = snapshot.cross_zone == "false" or (snapshot.flows and snapshot.cross_zone != "true")
    for zone, held in sorted(by_zone.items()):
        if healthy[zone] or not any(target.state in SICK for target in held):
            continue
        yield Finding(
            "TG_AZ_UNBALANCED",
            Severity.CRITICAL if apart else Severity.WARNING,
            f"no healthy target in {zone}, {sum(healthy.values())} elsewhere",
            subject=zone,
            evidence=(
                *(Evidence(f"healthy in {name}", n) for name, n in sorted(healthy.items())),
                Evidence("cross-zone balancing", snapshot.cross_zone or "not looked"),
            ),
            likely=("trouble in that zone", "its subnet has no addresses left", "one bad host"),
            next="compare with other targets in that zone before moving traffic out of it",
            began=turned(snapshot, held, last=True),
            resolution=blur(held),
        )


def stuck(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Targets stay in `initial` and take no requests.

    They have never passed their check. During a deployment the old ones serve meanwhile; without
    any healthy target nothing does.
    """
    needed = snapshot.first_healthy_after
    slow = [
        target
        for target in snapshot.of("initial")
        if _age(snapshot, target) > settings.stuck_initial * needed
    ]
    if slow:
        oldest = max(_age(snapshot, target) for target in slow)
        yield Finding(
            "TG_TARGETS_STUCK_INITIAL",
            Severity.WARNING if snapshot.healthy else Severity.CRITICAL,
            f"{count(len(slow), 'target')} in initial for {duration(oldest)},"
            f" a good one needs {duration(needed)}",
            evidence=(
                Evidence("longest in initial", oldest, "s", limit=settings.stuck_initial * needed),
                Evidence("healthy targets", snapshot.healthy),
            ),
            likely=(
                "the check's path or port is not what the application serves",
                "a security group stops the check",
                "the application takes longer to start than the grace period",
            ),
            next="fetch the check's path from one of the targets",
            began=turned(snapshot, slow),
            resolution=blur(slow),
        )
    yield from _draining(snapshot, settings)


def _draining(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Targets still drain although their delay is over.

    They take no new requests, and a deployment may wait for them. A warning when more drain than
    serve.
    """
    limit = (300.0 if snapshot.delay is None else snapshot.delay) + settings.draining_grace
    held = snapshot.of("draining")
    slow = [target for target in held if _age(snapshot, target) > limit]
    late = [_age(snapshot, target) for target in slow]
    if not late:
        return
    many = len(held) > snapshot.healthy
    yield Finding(
        "TG_DRAINING_LONG",
        Severity.WARNING if many else Severity.INFO,
        f"{count(len(late), 'target')} draining for {duration(max(late))},"
        f" the delay is {duration(limit - settings.draining_grace)}",
        evidence=(
            Evidence("longest draining", max(late), "s", limit=limit),
            Evidence("draining", len(held)),
            Evidence("healthy targets", snapshot.healthy),
        ),
        likely=("a deployment with a long deregistration delay", "connections that do not end"),
        next="look at the deployment of the service behind it",
        began=turned(snapshot, slow),
        resolution=blur(slow),
    )


def unused(snapshot: Snapshot, _: Settings) -> Iterator[Finding]:
    """Targets are registered and get no traffic, by configuration.

    Their zone or the listener is not set up, or the instance is stopped: capacity that is believed
    in and not there.
    """
    held = [target for target in snapshot.of("unused") if target.reason != "Target.NotRegistered"]
    if not held:
        return
    unattached = all(target.reason == "Target.NotInUse" for target in held)
    idle = unattached and not snapshot.balancers
    yield Finding(
        "TG_TARGETS_UNUSED",
        Severity.INFO if idle else Severity.WARNING,
        f"{count(len(held), 'registered target')} unused: {_reasons(held)}",
        evidence=(
            Evidence("unused", len(held)),
            *(Evidence(reason, number) for reason, number in _histogram(held)),
        ),
        likely=(
            "no listener forwards to the group",
            "the target's zone is not enabled on the balancer",
            "the instance is stopped, and still registered",
        ),
        next="compare the balancer's zones and listeners with the targets",
        began=turned(snapshot, held),
        resolution=blur(held),
    )


def unlisted(snapshot: Snapshot, _: Settings) -> Iterator[Finding]:
    """Targets are in a state that is not known here: it is told as AWS spells it.

    They count neither as healthy nor as sick. High when no target is healthy for certain.
    """
    held = snapshot.unlisted
    if not held:
        return
    severity = Severity.WARNING if snapshot.healthy else Severity.HIGH
    states = Counter(target.state for target in held).most_common()
    shown = ", ".join(f"{number} {state}" for state, number in states[:3])
    yield Finding(
        "TG_STATUS_UNKNOWN",
        _unless_idle(severity, snapshot),
        f"{count(len(held), 'target')} in a state that is not known here: {shown}",
        evidence=(
            Evidence("healthy targets", snapshot.healthy),
            *(Evidence(f"{state} targets", number) for state, number in states[:8]),
            Evidence("reasons", _reasons(held)),
        ),
        next="look the state up in the ELBv2 API reference, TargetHealth",
        began=turned(snapshot, held),
        resolution=blur(held),
    )


def flapping(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Targets keep turning between healthy and unhealthy.

    They are at the edge: overloaded, or with answers about as slow as the check's timeout. Each
    turn moves their load to the others, which may begin to flap too.
    """
    held = [target for target in snapshot.targets if len(target.turns) >= settings.flaps]
    if not held:
        return
    share = len(held) / max(1, len(snapshot.counted))
    yield Finding(
        "TG_FLAPPING",
        settings.flapping.grade(share) or Severity.WARNING,
        f"{count(len(held), 'target')} turned healthy and unhealthy"
        f" {max(len(t.turns) for t in held)} times in 15 minutes",
        evidence=tuple(
            Evidence(f"turns of {target.key}", len(target.turns), limit=float(settings.flaps))
            for target in held[:8]
        ),
        likely=(
            "overload: threads, garbage collection or a connection pool",
            "the check's timeout is near the application's slowest answers",
        ),
        next="compare the check's timeout with the latency of the group",
        began=min(turn for target in held for turn in target.turns),
        resolution=blur(held),
    )


def fragile(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The health check is set up so that it will mislead.

    No trouble by itself. In an incident it turns slowness into an outage, or hides one; the summary
    says which of its settings do.
    """
    check = snapshot.check
    if not check.enabled or snapshot.target_type == "lambda":
        return
    faults = [
        words
        for wrong, words in (
            (check.timeout >= check.interval, "its timeout is not shorter than its interval"),
            (check.healthy_threshold < 2, "one good answer is enough"),
            (
                check.interval * check.unhealthy_threshold < settings.quick_check,
                f"it gives up after {duration(check.interval * check.unhealthy_threshold)}",
            ),
            (check.matcher == "200-499", "it takes 4xx for healthy"),
            (
                check.protocol == "TCP" and snapshot.protocol in {"HTTP", "HTTPS"},
                "it only connects, to an HTTP application",
            ),
        )
        if wrong
    ]
    if faults:
        yield Finding(
            "TG_HEALTH_CHECK_FRAGILE",
            Severity.INFO,
            f"the health check is fragile: {'; '.join(faults)}",
            evidence=_check(snapshot),
        )


RULES = (capacity, empty, fail_open, zones, stuck, unused, unlisted, flapping, fragile)


def _cut(snapshot: Snapshot, name: str) -> Series:
    return settled(getattr(snapshot, name), snapshot.at)


def _whole(number: float | None) -> float | None:
    return None if number is None else float(round(number))


def _age(snapshot: Snapshot, target: TargetState) -> float:
    """Seconds in its state, as far as the looks tell: at least."""
    return 0.0 if target.since is None else (snapshot.at - target.since).total_seconds()


def _unless_idle(severity: Severity, snapshot: Snapshot) -> Severity:
    return Severity.INFO if snapshot.idle else severity


def _against(snapshot: Snapshot) -> tuple[str, ...]:
    if not snapshot.balancers:
        return ("no load balancer uses the group",)
    if snapshot.idle:
        return ("every rule gives it the weight 0: it is the idle side of a blue/green pair",)
    if snapshot.of("draining", "initial"):
        return ("targets are being replaced: a deployment or scaling may be in progress",)
    return ()


def _histogram(targets: Iterable[TargetState]) -> list[tuple[str, int]]:
    return Counter(_reason(target) for target in targets if target.state != "healthy").most_common()


def _reason(target: TargetState) -> str:
    word = target.reason.partition(".")[2] or target.state
    codes = _CODES.search(target.description) if word == "ResponseCodeMismatch" else None
    return f"{word} {codes.group()}" if codes else word


def _reasons(targets: Iterable[TargetState]) -> str:
    return ", ".join(f"{number} {reason}" for reason, number in _histogram(targets)[:3])


def _likely(targets: Iterable[TargetState]) -> tuple[str, ...]:
    reasons = {target.reason for target in targets}
    path, down, dependency, network = CAUSES_UNHEALTHY
    if reasons == {"Target.ResponseCodeMismatch"}:
        return (path, dependency, down)
    if reasons <= {"Target.Timeout", "Target.FailedHealthChecks"}:
        return (down, network, dependency, path)
    return CAUSES_UNHEALTHY


def _states(snapshot: Snapshot, settings: Settings | None) -> tuple[Evidence, ...]:
    states = Counter(target.state for target in snapshot.targets)
    limit = float(settings.min_healthy) if settings else None
    agents = (
        ()
        if snapshot.control_port is None
        else (Evidence("target control port", snapshot.control_port),)
    )
    return (
        Evidence("healthy targets", snapshot.healthy, limit=limit),
        *agents,
        *(
            Evidence(f"{state} targets", number)
            for state, number in sorted(states.items())
            if state != "healthy"
        ),
        *(Evidence(reason, number) for reason, number in _histogram(snapshot.of(*SICK))[:3]),
        *_check(snapshot)[:1],
        Evidence(
            "requests a minute", latest(snapshot.requests), history=history(snapshot.requests)
        ),
    )


def _check(snapshot: Snapshot) -> tuple[Evidence, ...]:
    check = snapshot.check
    path = f" {check.path} → {check.matcher or 'any'}" if check.path else ""
    return (
        Evidence("health check", f"{check.protocol}:{check.port}{path}"),
        Evidence("interval", check.interval, "s"),
        Evidence("timeout", check.timeout, "s"),
        Evidence("healthy after", check.healthy_threshold, "good answers"),
        Evidence("unhealthy after", check.unhealthy_threshold, "bad answers"),
    )


def used_by(snapshot: Snapshot) -> str:
    """The balancers' names in one line."""
    return ", ".join(short(arn) for arn in snapshot.balancers) or "no load balancer"
