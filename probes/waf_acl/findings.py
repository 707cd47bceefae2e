"""What a web ACL's numbers, rules and samples mean."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from cockpit.connect.session import Series
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import duration, number, percent
from probes.baseline import usual, usual_of_sparse
from probes.began import LOOKS, POINTS, counted_since, share_since
from probes.metrics import (
    Rate,
    counted,
    filled,
    history,
    is_blind,
    running,
    settled,
    together,
    total,
)
from probes.waf_acl.model import SampledShare, Settings, Snapshot, WafRule

_WATCHERS = ("Amazon-Route53-Health-Check-Service", "ELB-HealthChecker")


def judged(snapshot: Snapshot) -> Series:
    """Requests that were let through or blocked: a minute with neither is not told by WAF."""
    return together(snapshot.allowed, snapshot.blocked)


def blocked_rate(snapshot: Snapshot) -> Rate:
    """Blocked of all, in five minutes."""
    whole = settled(judged(snapshot), snapshot.at)
    return Rate(counted(settled(snapshot.blocked, snapshot.at), whole), total(whole))


def top_rule(snapshot: Snapshot) -> tuple[WafRule | None, float]:
    """The rule that blocked most in five minutes, and how many; none blocked any: None."""
    rows = [(total(settled(each.blocked, snapshot.at)) or 0.0, each) for each in snapshot.rules]
    most, rule = max(rows, key=lambda row: row[0], default=(0.0, None))
    return (rule, most) if most else (None, 0.0)


def _who(snapshot: Snapshot, *, blocked: bool) -> Iterator[Evidence]:
    """The address, path and country that most of the samples have."""
    named = (
        ("address", snapshot.sources),
        ("path", snapshot.paths),
        ("country", snapshot.countries),
    )
    for label, rows in named:
        first = max(rows, key=lambda e: e.blocked if blocked else e.weight, default=None)
        if first is not None and (not blocked or first.blocked):
            yield Evidence(f"top {label}", f"{first.name} {first.country}".strip())


def blocks(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Far more is blocked than usual, a large share of all requests: an attack, or customers.

    Which of them, the samples say: paths of logged-in customers, or ones that no page of yours has.
    Clients see a 403 from the balancer, which counts it among its own 4xx.
    """
    rate = blocked_rate(snapshot)
    severity = rate.grade(settings.blocked, minimum=settings.least, few=settings.least / 5)
    if severity is None or rate.part is None:
        return
    before = usual_of_sparse(snapshot.blocked, judged(snapshot), snapshot.at)
    if before is not None and rate.part / 5 < settings.growth * before:
        return
    rule, many = top_rule(snapshot)
    yield Finding(
        "WAF_BLOCK_SURGE",
        severity,
        f"blocked {rate.text(minimum=settings.least)}"
        + (f", most by {rule.name}" if rule is not None else ""),
        evidence=(
            Evidence(
                "blocked",
                rate.share,
                "share",
                settings.blocked.first,
                history(filled(snapshot.blocked, judged(snapshot))),
            ),
            Evidence("usually blocked", before, "/min"),
            *((Evidence(f"by {rule.name}", many),) if rule is not None else ()),
            *_who(snapshot, blocked=True),
        ),
        likely=("an attack or a scanner", "a rule that hits customers"),
        against=() if before is not None else ("what is usual is not known yet",),
        next="read the sampled paths: are they those of customers?",
        fact=False,
        began=share_since(
            settled(snapshot.blocked, snapshot.at, minutes=180),
            settled(judged(snapshot), snapshot.at, minutes=180),
            settings.blocked,
        ),
        resolution=POINTS,
    )


def _rose(rule: WafRule, snapshot: Snapshot, settings: Settings) -> tuple[float, float] | None:
    """Blocks of five minutes and of a usual minute, when they rose; None: they did not."""
    many = total(settled(rule.blocked, snapshot.at)) or 0.0
    before = usual_of_sparse(rule.blocked, judged(snapshot), snapshot.at) or 0.0
    enough = many >= settings.least / 5 and many / 5 >= settings.growth * before
    return (many, before) if enough else None


def false_positives(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A rule was changed, and blocks much more since: it may hit customers.

    When it changed is when a look first saw it; who did it, the changes of the place say. Whether
    fewer customers get through, a metric of your own says.
    """
    for rule in snapshot.rules:
        if rule.changed is None:
            continue
        ago = (snapshot.at - rule.changed).total_seconds()
        rose = _rose(rule, snapshot, settings)
        if rose is None or ago > settings.changed_within:
            continue
        yield Finding(
            "WAF_FALSE_POSITIVE_SUSPECTED",
            Severity.WARNING,
            f"{rule.name} {'came' if rule.came else 'was changed'} {duration(ago)} ago "
            f"and blocks {number(round(rose[0]))} in five minutes",
            subject=rule.name,
            evidence=(
                Evidence("blocked", rose[0], "", history=history(rule.blocked)),
                Evidence("usually", rose[1], "/min"),
                Evidence("action", rule.action),
                Evidence("is", rule.sort or "a rule of its own"),
                Evidence("version", rule.version or "not pinned"),
                *_who(snapshot, blocked=True),
            ),
            likely=("it matches what customers send",),
            against=("an attack may have begun at the same time",),
            next="compare the sampled paths with what customers do; set the rule to Count if so",
            fact=False,
            began=rule.changed,
            resolution=LOOKS,
        )


def exposure(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """It stops nothing: it is attached to nothing, or all its rules only count."""
    counted_now = total(settled(judged(snapshot), snapshot.at))
    if snapshot.attached == () and not counted_now:
        yield Finding(
            "WAF_NOT_ATTACHED",
            Severity.INFO,
            f"{snapshot.name} guards nothing",
            next="was it taken off a balancer, or never put there?",
        )
    stopping = [each for each in snapshot.rules if each.action not in {"count", "allow"}]
    if snapshot.rules and not stopping and snapshot.default == "allow":
        surge = _surge(snapshot, settings)
        yield Finding(
            "WAF_ALL_COUNT",
            Severity.WARNING if surge is not None else Severity.INFO,
            f"none of {len(snapshot.rules)} rules of {snapshot.name} stops anything",
            evidence=(
                Evidence("only count", sum(each.action == "count" for each in snapshot.rules)),
                Evidence("of the usual requests", surge),
            ),
            likely=("it is being tried out", "somebody switched it off after a false alarm"),
            next="ask who set the rules to Count, and since when",
        )


def errors(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A balancer behind the ACL answers 500 by itself: it gets no answer from WAF in time.

    Where `waf.fail_open.enabled` is false such requests fail. Other own errors of the balancer (a
    bad redirect, a Lambda target) look the same from here.
    """
    window = settled(filled(snapshot.errors, snapshot.behind), snapshot.at)
    minutes = running(window, lambda value: value > 0)
    if minutes < settings.errors:
        return
    yield Finding(
        "WAF_ERRORS",
        Severity.CRITICAL,
        f"{number(round(total(window) or 0))} answers 500 of balancers behind {snapshot.name}",
        evidence=(
            Evidence("minutes in a row", minutes, "", settings.errors, history(window)),
            Evidence(
                "fail open", {True: "yes", False: "no", None: "not known"}[snapshot.fail_open]
            ),
        ),
        likely=("WAF does not answer the balancer", "a Lambda target or a redirect rule"),
        next="is anything else able to make the balancer answer 500? Look at AWS Health",
        fact=False,
        began=counted_since(
            settled(snapshot.errors, snapshot.at, minutes=180),
            settled(snapshot.behind, snapshot.at, minutes=180),
        ),
        resolution=POINTS,
    )


def _surge(snapshot: Snapshot, settings: Settings) -> float | None:
    """How many times the usual requests come; None: no surge, or not known."""
    whole = judged(snapshot)
    now, before = total(settled(whole, snapshot.at)), usual(whole, snapshot.at)
    if not now or not before or is_blind(whole):
        return None
    times = now / 5 / before
    return times if times >= settings.surge else None


def loudest(snapshot: Snapshot) -> tuple[SampledShare | None, float]:
    """The address that sends most of the samples, and its share; health checkers aside."""
    whole = sum(each.weight for each in snapshot.paths)
    rows = [each for each in snapshot.sources if not each.agent.startswith(_WATCHERS)]
    if not rows or not whole:
        return None, 0.0
    return rows[0], min(1.0, rows[0].weight / whole)


def few_sources(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """One address sends a large share of a surge: scraping, an attack, or a customer's gateway.

    An office, a phone network or a proxy of yours stands for thousands of people: who it is comes
    before it is blocked.
    """
    source, share = loudest(snapshot)
    severity, surge = settings.source.grade(share), _surge(snapshot, settings)
    if source is None or severity is None or surge is None or snapshot.samples < settings.sampled:
        return
    yield Finding(
        "TRAFFIC_FROM_FEW_SOURCES",
        severity,
        f"{source.name} sends {percent(share)} of {number(snapshot.samples)} sampled requests",
        subject=source.name,
        evidence=(
            Evidence("share", share, "share", settings.source.first),
            Evidence("requests now", surge, "times the usual"),
            Evidence("country", source.country or "unknown"),
            Evidence("agent", source.agent or "none"),
            Evidence("path", source.path or "unknown"),
            Evidence("could be blocked", snapshot.block_address or f"no: {snapshot.block_why}"),
        ),
        likely=("scraping or an attack", "a gateway of many people", "a proxy or CDN before it"),
        next="find out whose address it is before it is blocked",
        fact=False,
    )


def limited(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A rate rule holds addresses back now: whoever sits behind them gets 403."""
    for rule in snapshot.rules:
        if not rule.limited or rule.action in {"count", "allow"}:
            continue
        yield Finding(
            "WAF_RATE_LIMITED",
            Severity.INFO,
            f"{rule.name} holds back {number(rule.limited)} "
            f"address{'' if rule.limited == 1 else 'es'}",
            subject=rule.name,
            evidence=(Evidence("addresses", rule.limited), Evidence("limit", rule.sort)),
            likely=("scraping or an attack", "a limit that a gateway of many people reaches"),
            next="are customers among them? Look at the sampled paths",
        )


def unseen(snapshot: Snapshot) -> Iterator[Finding]:
    """Balancers behind it have requests, and it counts none: its metrics do not arrive."""
    window = timedelta(minutes=10).total_seconds() / 60
    passed = total(settled(snapshot.behind, snapshot.at, minutes=window))
    if passed and not is_blind(snapshot.allowed) and not judged(snapshot).values:
        yield Finding(
            "METRICS_ABSENT",
            Severity.WARNING,
            f"{snapshot.name} counts no request, and balancers behind it had "
            f"{number(round(passed))} in ten minutes",
            likely=("its metric's name is not that of the ACL", "it was attached just now"),
            next="compare its metric name with what CloudWatch has in AWS/WAFV2",
            fact=False,
        )
