"""What is wrong with a load balancer: pure rules over one snapshot (catalogue A §1.4).

Zero requests are not zero per cent of errors, and a few requests are told as numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.units import duration, number, percent
from probes.alb.model import ELB_5XX, REQUESTS, TARGET_CODES, AlbGroup, Snapshot, group_rate
from probes.metrics import Rate, history, is_blind, settled


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Shares of requests over five settled minutes; latencies in seconds."""

    errors_elb: Thresholds = Thresholds(warning=0.01, critical=0.05)
    """Share of requests."""
    errors_target: Thresholds = Thresholds(warning=0.01, critical=0.05)
    """Share of a group's requests."""
    gateway: Thresholds = Thresholds(warning=0.005, critical=0.03)
    """502 and 504, each."""
    gateway_a_minute: float = 10
    """With little traffic: so many 502 or 504 in each of three minutes are a warning."""
    connection_errors: Thresholds = Thresholds(critical=0.01)
    """Share of a group's requests."""
    latency: Thresholds = Thresholds(warning=1.0, critical=2.0)
    """Seconds, of the 95th percentile."""
    latency_ratio: Thresholds = Thresholds(warning=1.5, critical=3.0)
    """Of a day earlier; judged from `latency_floor` seconds on."""
    latency_floor: float = 0.2
    """Seconds."""
    drop: Thresholds = Thresholds(warning=0.5, critical=0.1, below=True)
    """Of the same minutes a day and a week earlier, both."""
    surge: Thresholds = Thresholds(warning=2.0, critical=5.0)
    """Times the traffic of a day and a week earlier, both."""
    baseline: float = 600
    """Requests in five minutes a day earlier, without which traffic is not compared."""
    client_errors: float = 0.2
    """Share of answers that are 4xx."""
    tls_errors: float = 0.05
    """Share of new connections."""
    resets_elb: float = 0.01
    """Share of flows."""
    resets_target: float = 0.05
    """Share of flows."""
    min_requests: float = 100
    """With fewer requests a share is a warning at most."""
    few_requests: float = 20
    """With fewer requests nothing is judged by its share."""
    provisioning: float = 600
    """Seconds that a new balancer may take."""


def state(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The load balancer itself is not active.

    One that failed takes no traffic (critical). One that is impaired serves, and cannot grow with
    the load. A new one is not judged for `provisioning` seconds.
    """
    young = snapshot.age is not None and snapshot.age < settings.provisioning
    if snapshot.state == "active" or (snapshot.state == "provisioning" and young):
        return
    failed = snapshot.state == "failed"
    yield Finding(
        "ALB_NOT_ACTIVE",
        Severity.CRITICAL if failed else Severity.WARNING,
        f"the load balancer is {snapshot.state}"
        + (f": {snapshot.reason}" if snapshot.reason else ""),
        evidence=(
            Evidence("state", snapshot.state),
            Evidence("reason", snapshot.reason or "not told"),
            Evidence("age", snapshot.age, "s"),
        ),
        likely=(
            "its subnets have no free addresses to scale into",
            "something it depends on was deleted",
        ),
        next="look at the free addresses of its subnets",
    )


def balancer_errors(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Requests got a 5xx that the balancer made itself: no target answered them properly.

    The application's own metrics and logs show nothing of these. The codes tell why: 502 the target
    hung up, 503 there is none, 504 it did not answer in time, 500 what stands before it (firewall,
    sign-in).
    """
    rate = snapshot.rate("HTTPCode_ELB_5XX_Count")
    severity = _grade(rate, settings.errors_elb, settings)
    if severity:
        yield Finding(
            "ALB_5XX_ELB_RATE",
            severity,
            f"the balancer itself answered 5xx to {_said(rate, settings)}",
            evidence=(
                _rate("5xx of the balancer", rate, limit=settings.errors_elb.first),
                *(_count(snapshot, name) for name in ELB_5XX),
                _count(snapshot, REQUESTS),
            ),
            likely=_likely_codes(snapshot),
            against=_planned(snapshot),
            next="look at the target groups behind it: no target, hung up, or no answer?",
            fact=False,
        )
    yield from _no_targets(snapshot)
    yield from _gateway(snapshot, settings, code="502")
    yield from _gateway(snapshot, settings, code="504")


def _no_targets(snapshot: Snapshot) -> Iterator[Finding]:
    """The balancer answers 503: a rule leads to a group without any target.

    Every request of that rule fails. A fixed response of a maintenance page may be meant.
    """
    values = snapshot.cut("HTTPCode_ELB_503_Count")
    if len(values.values) < 2 or not all(value > 0 for value in values.values[-2:]):
        return
    if (values.times[-1] - values.times[-2]).total_seconds() > 60:
        return
    yield Finding(
        "ALB_503_NO_TARGETS",
        Severity.CRITICAL,
        f"the balancer answers 503: {number(sum(values.values))} in 5 minutes had no target",
        evidence=(
            Evidence(
                "503 of the balancer",
                sum(values.values),
                limit=0.0,
                history=history(snapshot.of("HTTPCode_ELB_503_Count")),
            ),
            _count(snapshot, REQUESTS),
        ),
        likely=(
            "every group of the rule is empty: the service is down or scaled to 0",
            "a rule points to a group without targets",
        ),
        against=_planned(snapshot),
        next="look for an empty target group behind it",
    )


_GATEWAY = {
    "502": (
        "ALB_502_BAD_GATEWAY",
        "bad gateway",
        (
            "the target crashes in mid-request, or is killed for memory",
            "the target's keep-alive is shorter than the balancer's idle timeout",
            "the target answers with a header that is not HTTP, or too large",
        ),
    ),
    "504": (
        "ALB_504_TIMEOUT",
        "gateway timeout",
        (
            "the target hangs: it waits for a lock, a pool or a third party",
            "a network ACL or security group drops the packets",
            "the idle timeout is shorter than the slowest answers",
        ),
    ),
}


def _gateway(snapshot: Snapshot, settings: Settings, *, code: str) -> Iterator[Finding]:
    """Requests reached a target and got no proper answer from it.

    ALB_502_BAD_GATEWAY: The target closed the connection or answered something that is not HTTP: it
    crashed in mid-request, was killed, or closes idle connections earlier than the balancer does.

    ALB_504_TIMEOUT: The target did not take the connection, or did not answer within the idle
    timeout. It hangs, or packets are dropped on the way.
    """
    name, (finding, words, likely) = f"HTTPCode_ELB_{code}_Count", _GATEWAY[code]
    rate = snapshot.rate(name)
    severity = _grade(rate, settings.gateway, settings)
    minutes = snapshot.cut(name).values[-3:]
    steady = len(minutes) == 3 and min(minutes) >= settings.gateway_a_minute
    if severity is None and steady and not rate.enough(settings.min_requests):
        severity = Severity.WARNING
    if severity is None:
        return
    yield Finding(
        finding,
        severity,
        f"{words}: {_said(rate, settings)} ended with {code}",
        evidence=(
            _rate(f"answers {code}", rate, limit=settings.gateway.first),
            _count(snapshot, name),
            _count(snapshot, "TargetConnectionErrorCount"),
            Evidence("p99", snapshot.latency_p99, "s"),
        ),
        likely=likely,
        next="look at the stopped tasks, locks and latencies of the service behind it",
        fact=False,
    )


def target_errors(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """5xx of the applications, group by group; of the whole when no group can be told."""
    told = False
    for group in snapshot.groups:
        rate = group_rate(group, "HTTPCode_Target_5XX_Count", snapshot.at)
        severity = _grade(rate, settings.errors_target, settings)
        if severity:
            told = True
            yield _target_errors(snapshot, rate, severity=severity, group=group, settings=settings)
    rate = snapshot.rate("HTTPCode_Target_5XX_Count")
    severity = _grade(rate, settings.errors_target, settings)
    if severity and not told:
        yield _target_errors(snapshot, rate, severity=severity, group=None, settings=settings)


def _target_errors(
    snapshot: Snapshot,
    rate: Rate,
    *,
    severity: Severity,
    group: AlbGroup | None,
    settings: Settings,
) -> Finding:
    """The applications behind it answer 5xx themselves.

    They are reached and fail at their work: look at their logs, their latest deployment and what
    they need. Told for each group, or for the whole when no single group stands out.
    """
    series = (group or snapshot).of("HTTPCode_Target_5XX_Count")
    return Finding(
        "ALB_5XX_TARGET_RATE",
        severity,
        f"{group.name if group else 'the targets'} answered 5xx to {_said(rate, settings)}",
        subject=group.name if group else "",
        evidence=(
            _rate("5xx of the targets", rate, limit=settings.errors_target.first),
            Evidence(
                "5xx a minute",
                round(series.values[-1]) if series.values else None,
                history=history(series),
            ),
            Evidence("p99", snapshot.latency_p99, "s"),
        ),
        likely=(
            "the application fails, often since a deployment",
            "its database, cache or a third party fails or is exhausted",
        ),
        next="look at the latest deployment and at what the service needs",
        fact=False,
    )


def latency(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Answers are slow, judged by their 95th percentile.

    Also against a day earlier, once above `latency_floor`. Requests that never got an answer are
    not in it (see ALB_504_TIMEOUT), and with little traffic nothing is judged.
    """
    p95, day = snapshot.latency_p95, snapshot.latency_p95_day
    severity = settings.latency.grade(p95)
    ratio = p95 / day if p95 is not None and day else None
    if ratio is not None and p95 is not None and p95 >= settings.latency_floor:
        graded = settings.latency_ratio.grade(ratio)
        severity = max(filter(None, (severity, graded)), default=None)
    if severity is None or p95 is None or not snapshot.rate().enough(settings.few_requests):
        return
    than = f", {ratio:.1f} times a day ago" if ratio is not None else ", nothing to compare with"
    yield Finding(
        "ALB_LATENCY_HIGH",
        severity,
        f"p95 of answers is {duration(p95)}{than}",
        evidence=(
            Evidence("p95", p95, "s", limit=settings.latency.first),
            Evidence("p50", snapshot.latency_p50, "s"),
            Evidence("p99", snapshot.latency_p99, "s"),
            Evidence("p95 a day ago", day, "s"),
            _count(snapshot, REQUESTS),
        ),
        likely=(
            "the database: locks, slow statements, exhausted connections",
            "a slow third party",
            "CPU or garbage collection of the service; a cold cache",
        ),
        next="look at the databases and services that it needs",
        fact=False,
    )


def connections(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The balancer is at its limit and refuses clients.

    They see connections that fail at once. It scales by itself, but more slowly than a sudden
    surge.
    """
    rejected = [value for value in snapshot.cut("RejectedConnectionCount").values if value > 0]
    if len(rejected) >= 2:
        yield Finding(
            "ALB_CONNECTIONS_REJECTED",
            Severity.CRITICAL,
            f"the balancer is at its limit: {number(sum(rejected))} connections rejected",
            evidence=(
                _count(snapshot, "RejectedConnectionCount"),
                _count(snapshot, "ActiveConnectionCount"),
            ),
            likely=("a surge of traffic", "an attack", "the balancer has not scaled yet"),
            next="compare requests with the hours before",
        )
    for group in snapshot.groups:
        yield from _refused(snapshot, settings, group=group)


def _refused(snapshot: Snapshot, settings: Settings, *, group: AlbGroup) -> Iterator[Finding]:
    """The balancer cannot open connections to targets of a group.

    The port is closed or filtered, or the process does not keep up with accepting. Clients get 502
    or 504 for it, or another target.
    """
    name = "TargetConnectionErrorCount"
    values = [v for v in settled(group.of(name), snapshot.at).values if v > 0]
    rate = group_rate(group, name, snapshot.at)
    severity = _grade(rate, settings.connection_errors, settings)
    if severity is None and len(values) >= 3:
        severity = Severity.WARNING
    if severity is None:
        return
    yield Finding(
        "ALB_TARGET_CONNECTION_ERRORS",
        severity,
        f"{group.name}: {number(sum(values))} connections to targets failed in 5 minutes",
        subject=group.name,
        evidence=(
            _rate("failed connections", rate, limit=settings.connection_errors.first),
            Evidence("in 5 minutes", sum(values), history=history(group.of(name))),
        ),
        likely=(
            "the process behind the port is gone",
            "a security group no longer lets the balancer in",
            "the port is wrong",
        ),
        next="look at the health of the group's targets",
        fact=False,
    )


def traffic(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Much less or much more traffic than a day and a week ago, both.

    ALB_TRAFFIC_DROP: The outage that has no errors: requests do not get here any more. Look in
    front of the balancer: names, certificates, the CDN, the clients.

    ALB_TRAFFIC_SURGE: Whatever is behind has so much more to do. Retries follow errors, so they
    come after the trouble; a campaign or an attack comes before it.
    """
    now, day, week = snapshot.whole, snapshot.requests_day, snapshot.requests_week
    if now is None and snapshot.alive().values:
        now = 0.0
    if now is None or day is None or week is None or min(day, week) < settings.baseline:
        return
    least, most = sorted((now / day, now / week))
    evidence = (
        Evidence("requests in 5 minutes", now, history=history(snapshot.of(REQUESTS))),
        Evidence("a day ago", day),
        Evidence("a week ago", week),
    )
    lost, risen = settings.drop.grade(most), settings.surge.grade(least)
    if lost:
        yield Finding(
            "ALB_TRAFFIC_DROP",
            lost,
            f"traffic is at {percent(now / day)} of a day ago, {percent(now / week)} of a week ago",
            evidence=evidence,
            likely=("DNS, the CDN or what is in front lost the way", "clients cannot connect"),
            against=("a maintenance page may be on",) if _planned(snapshot) else (),
            next="look at the endpoint from outside: DNS, TLS, HTTP",
            fact=False,
        )
    elif risen:
        yield Finding(
            "ALB_TRAFFIC_SURGE",
            risen,
            f"traffic is {now / day:.1f} times that of a day ago",
            evidence=evidence,
            likely=("a sale or campaign", "clients that retry", "scraping or an attack"),
            next="compare errors and latency: retries follow errors, sales come before them",
            fact=False,
        )


def clients(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """4xx and TLS failures in numbers that no few bots explain; a maintenance page.

    ALB_4XX_SURGE: Many requests are refused as the clients' fault. When clients are as they were,
    it is a release, a sign-in or a firewall rule that refuses them.

    ALB_TLS_ERRORS: Clients do not get through the handshake, so they send no request and no error
    rate shows them: a certificate, or a policy that old clients do not speak.

    ALB_MAINTENANCE_PAGE_ON: A rule answers by itself. On purpose it explains other findings here;
    forgotten, it is the outage.
    """
    rate = snapshot.rate("HTTPCode_Target_4XX_Count", "HTTPCode_ELB_4XX_Count")
    share = rate.share
    if share is not None and share >= settings.client_errors and rate.enough(settings.min_requests):
        before = _earlier_client_errors(snapshot)
        worse = before is not None and share >= 3 * before
        yield Finding(
            "ALB_4XX_SURGE",
            Severity.WARNING if worse else Severity.INFO,
            f"4xx for {_said(rate, settings)}",
            evidence=(
                _rate("answers 4xx", rate, limit=settings.client_errors),
                Evidence("ten minutes earlier", before, "share"),
            ),
            likely=("sign-in is broken", "a bad client release", "a scan", "a firewall rule"),
            next="split the answers by code and path in the access log",
            fact=False,
        )
    failed = snapshot.sum("ClientTLSNegotiationErrorCount")
    tls = Rate(failed, snapshot.sum("NewConnectionCount"))
    if tls.share is not None and tls.share >= settings.tls_errors and tls.enough(20):
        yield Finding(
            "ALB_TLS_ERRORS",
            Severity.WARNING,
            f"TLS fails for {tls.text('connections', settings.min_requests)}",
            evidence=(_rate("failed handshakes", tls, limit=settings.tls_errors),),
            likely=("the certificate expired or is the wrong one", "the policy was changed"),
            next="look at the certificate from outside",
            fact=False,
        )
    if _planned(snapshot):
        yield Finding(
            "ALB_MAINTENANCE_PAGE_ON",
            Severity.INFO,
            "a rule answers by itself (fixed response): is a maintenance page on?",
            evidence=(_count(snapshot, "HTTP_Fixed_Response_Count"),),
            next="ask whether it is on purpose",
        )


def _earlier_client_errors(snapshot: Snapshot) -> float | None:
    """The share of 4xx in the five minutes before the last ten; None when unknown."""
    names = ("HTTPCode_Target_4XX_Count", *TARGET_CODES)
    sums = [
        sum(value for value in settled(snapshot.of(name), snapshot.at, minutes=13).values[:5])
        for name in names
    ]
    return sums[0] / sum(sums[1:]) if sum(sums[1:]) else None


def network(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A network load balancer knows flows and resets only, no requests.

    NLB_RESETS: Many flows end in a reset. By the balancer: clients go on using flows that were idle
    for longer than it keeps them. By the targets: the process closes or refuses them.

    NLB_PORT_ALLOCATION_ERRORS: New flows fail, since the balancer has no source ports left towards
    a target.
    """
    flows = snapshot.sum("NewFlowCount")
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
                evidence=(_rate("resets", rate, limit=limit), _count(snapshot, name)),
                likely=("idle flows older than 350 s", "the target closes connections"),
                next="compare the idle timeouts of clients and targets with 350 s",
                fact=False,
            )
    spent = [value for value in snapshot.cut("PortAllocationErrorCount").values if value > 0]
    if len(spent) >= 3:
        yield Finding(
            "NLB_PORT_ALLOCATION_ERRORS",
            Severity.CRITICAL,
            f"no ports left towards a target: {number(sum(spent))} flows failed in 5 minutes",
            evidence=(_count(snapshot, "PortAllocationErrorCount"),),
            likely=("one hot target, at about 55,000 flows a minute",),
            next="add targets, or switch client IP preservation on",
        )


def silence(snapshot: Snapshot, _: Settings) -> Iterator[Finding]:
    """No metric has a single point: there is no traffic at all, or the look is at the wrong place.

    It is not a sign of health. A balancer of the name in another region would look the same.
    """
    read = [series for series in snapshot.series.values() if not is_blind(series)]
    young = snapshot.age is not None and snapshot.age < 900
    if not read or young or any(series.values for series in read):
        return
    yield Finding(
        "METRICS_ABSENT",
        Severity.INFO,
        "no metric has a point in 15 minutes: no traffic at all, or a wrong region or name",
        evidence=(Evidence("series asked for", len(read)), Evidence("series with points", 0)),
        next="compare the balancer's name and region with the configuration",
    )


APPLICATION = (state, balancer_errors, target_errors, latency, connections, traffic, clients)
NETWORK = (state, network)


def _grade(rate: Rate, limits: Thresholds, settings: Settings) -> Severity | None:
    return rate.grade(limits, minimum=settings.min_requests, few=settings.few_requests)


def _said(rate: Rate, settings: Settings) -> str:
    return rate.text("requests", settings.min_requests)


def _rate(label: str, rate: Rate, *, limit: float | None) -> Evidence:
    return Evidence(label, rate.share, "share", limit=limit)


def _count(snapshot: Snapshot, name: str) -> Evidence:
    held = snapshot.sum(name)
    value = None if held is None else round(held)
    return Evidence(f"{name} in 5 minutes", value, history=history(snapshot.of(name)))


def _planned(snapshot: Snapshot) -> tuple[str, ...]:
    """A fixed response is on: its 503 may be on purpose."""
    fixed = snapshot.sum("HTTP_Fixed_Response_Count")
    return ("a rule answers by itself (fixed response): it may be on purpose",) if fixed else ()


def _likely_codes(snapshot: Snapshot) -> tuple[str, ...]:
    """Causes in the order in which the balancer's own codes were counted."""
    meaning = {
        "HTTPCode_ELB_502_Count": "targets hang up or crash in mid-request (502)",
        "HTTPCode_ELB_503_Count": "no target is registered (503)",
        "HTTPCode_ELB_504_Count": "targets do not answer in time (504)",
        "HTTPCode_ELB_500_Count": "the firewall or the identity provider fails (500)",
    }
    counts = {name: snapshot.sum(name) or 0 for name in meaning}
    ranked = sorted(meaning, key=lambda name: -counts[name])
    return tuple(meaning[name] for name in ranked if counts[name] or not any(counts.values()))
