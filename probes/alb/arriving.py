"""What arrives at a load balancer, and what it refuses: connections, traffic, clients, flows."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import number, percent
from probes.alb.evidence import counted, grade_of, planned, said, share_of
from probes.alb.model import REQUESTS, TARGET_CODES, AlbGroup, Snapshot, group_rate
from probes.alb.settings import Settings
from probes.metrics import Rate, history, is_blind, settled


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
                counted(snapshot, "RejectedConnectionCount"),
                counted(snapshot, "ActiveConnectionCount"),
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
    severity = grade_of(rate, settings.connection_errors, settings)
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
            share_of("failed connections", rate, limit=settings.connection_errors.first),
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
            against=("a maintenance page may be on",) if planned(snapshot) else (),
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
            f"4xx for {said(rate, settings)}",
            evidence=(
                share_of("answers 4xx", rate, limit=settings.client_errors),
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
            evidence=(share_of("failed handshakes", tls, limit=settings.tls_errors),),
            likely=("the certificate expired or is the wrong one", "the policy was changed"),
            next="look at the certificate from outside",
            fact=False,
        )
    if planned(snapshot):
        yield Finding(
            "ALB_MAINTENANCE_PAGE_ON",
            Severity.INFO,
            "a rule answers by itself (fixed response): is a maintenance page on?",
            evidence=(counted(snapshot, "HTTP_Fixed_Response_Count"),),
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
                evidence=(share_of("resets", rate, limit=limit), counted(snapshot, name)),
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
            evidence=(counted(snapshot, "PortAllocationErrorCount"),),
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
