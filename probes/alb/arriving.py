"""What arrives at a load balancer, and what it refuses: connections, traffic, clients."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.units import number, percent
from probes.alb import begun
from probes.alb.evidence import counted, grade_of, planned, said, share_of
from probes.alb.model import KEPT, TARGET_CODES, AlbGroup, Snapshot, group_rate, lately
from probes.alb.settings import Settings
from probes.began import POINTS, share_since
from probes.metrics import Rate, history, is_blind, settled

_CLIENT_ERRORS = ("HTTPCode_Target_4XX_Count", "HTTPCode_ELB_4XX_Count")
_TLS = "ClientTLSNegotiationErrorCount"


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
            began=begun.counts(snapshot, "RejectedConnectionCount"),
            resolution=POINTS,
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
        began=begun.share_of_group(group, name, snapshot.at, limits=settings.connection_errors),
        resolution=POINTS,
    )


def traffic(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Much less or much more traffic than a day and a week ago, both.

    ALB_TRAFFIC_DROP: The outage that has no errors: requests (of a network balancer: flows) do not
    get here any more. Look in front of the balancer: names, certificates, the CDN, the clients.
    Without a day and a week to compare with, it is told when nothing is left of what came ten
    minutes ago.

    ALB_TRAFFIC_SURGE: Whatever is behind has so much more to do. Retries follow errors, so they
    come after the trouble; a campaign or an attack comes before it.
    """
    now, day, week = snapshot.arrived, snapshot.requests_day, snapshot.requests_week
    what = "flows" if snapshot.network else "requests"
    if now is None:
        return
    if day is None or week is None:
        yield from _stopped(snapshot, settings, what)
        return
    if min(day, week) < settings.baseline:
        return
    least, most = sorted((now / day, now / week))
    evidence = (
        Evidence(f"{what} in 5 minutes", now, history=history(snapshot.of(snapshot.arriving))),
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
            began=begun.arrives(snapshot, most=(settings.drop.first or 0) * min(day, week) / 5),
            resolution=POINTS,
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
            began=begun.arrives(snapshot, least=(settings.surge.first or 0) * max(day, week) / 5),
            resolution=POINTS,
        )


def _stopped(snapshot: Snapshot, settings: Settings, what: str) -> Iterator[Finding]:
    """Nothing is left of what came ten minutes ago, and there is no day or week to compare with."""
    before = sum(snapshot.cut(snapshot.arriving, 13).values[:5])
    if snapshot.arrived or before < settings.baseline:
        return
    yield Finding(
        "ALB_TRAFFIC_DROP",
        Severity.WARNING,
        f"no {what} any more, {number(before)} in five minutes about ten minutes ago",
        evidence=(
            Evidence(f"{what} in 5 minutes", 0, history=history(snapshot.of(snapshot.arriving))),
            Evidence("about ten minutes ago", before, limit=settings.baseline),
        ),
        likely=("DNS, the CDN or what is in front lost the way", "a test or a batch has ended"),
        next="look at the endpoint from outside: DNS, TLS, HTTP",
        fact=False,
        began=begun.arrives(snapshot, most=0.0),
        resolution=POINTS,
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
    rate = snapshot.rate(*_CLIENT_ERRORS)
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
            began=begun.share(
                snapshot, *_CLIENT_ERRORS, limits=Thresholds(warning=settings.client_errors)
            ),
            resolution=POINTS,
        )
    failed = snapshot.sum(_TLS)
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
            began=share_since(
                snapshot.cut(_TLS, KEPT),
                snapshot.cut("NewConnectionCount", KEPT),
                Thresholds(warning=settings.tls_errors),
            ),
            resolution=POINTS,
        )
    if planned(snapshot):
        yield Finding(
            "ALB_MAINTENANCE_PAGE_ON",
            Severity.INFO,
            "a rule answers by itself (fixed response): is a maintenance page on?",
            evidence=(counted(snapshot, "HTTP_Fixed_Response_Count"),),
            next="ask whether it is on purpose",
            began=begun.counts(snapshot, "HTTP_Fixed_Response_Count"),
            resolution=POINTS,
        )


def _earlier_client_errors(snapshot: Snapshot) -> float | None:
    """The share of 4xx in the five minutes before the last ten; None when unknown."""
    names = ("HTTPCode_Target_4XX_Count", *TARGET_CODES)
    sums = [
        sum(value for value in settled(snapshot.of(name), snapshot.at, minutes=13).values[:5])
        for name in names
    ]
    return sums[0] / sum(sums[1:]) if sum(sums[1:]) else None


def silence(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """No metric has a single point: there is no traffic at all, or the look is at the wrong place.

    It is not a sign of health. A balancer of the name in another region would look the same. A
    warning where much came a day ago: either the traffic or CloudWatch has stopped.
    """
    read = [series for series in snapshot.series.values() if not is_blind(series)]
    young = snapshot.age is not None and snapshot.age < 900
    if not read or young or any(lately(series, snapshot.at).values for series in read):
        return
    day = snapshot.requests_day
    stopped = day is not None and day >= settings.baseline
    yield Finding(
        "METRICS_ABSENT",
        Severity.WARNING if stopped else Severity.INFO,
        f"no metric has a point in 15 minutes; {number(day)} in 5 minutes came a day ago"
        if stopped and day is not None
        else "no metric has a point in 15 minutes: no traffic at all, or a wrong region or name",
        evidence=(
            Evidence("series asked for", len(read)),
            Evidence("series with points", 0),
            Evidence("in 5 minutes a day ago", day),
        ),
        likely=("DNS, the CDN or what is in front lost the way", "CloudWatch is late")
        if stopped
        else (),
        next="look at the endpoint from outside: DNS, TLS, HTTP"
        if stopped
        else "compare the balancer's name and region with the configuration",
    )
