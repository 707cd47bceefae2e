"""Findings about a distribution: what viewers get, its origin, its state and its certificate."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from cockpit.connect.session import Series
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.units import duration, number, percent
from probes.baseline import usual
from probes.began import POINTS, TOLD, bad_since, ended_since
from probes.began import told as told_by
from probes.cloudfront.model import Snapshot
from probes.cloudfront.settings import Settings
from probes.metrics import history, is_blind, latest, total


def errors(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Viewers get a 5xx, from the origin or from an edge that does not get its answer.

    Each minute counts by its requests. 502 are an origin that hangs up or whose certificate does
    not fit, 503 one without capacity, 504 one that does not answer; they are told apart where
    additional metrics were bought.
    """
    rate = snapshot.share_of(snapshot.errors)
    severity = rate.grade(settings.errors, minimum=100, few=settings.few_requests)
    if (rate.share or 0) >= 0.9 and rate.enough(5):
        severity = Severity.CRITICAL
    if severity is None:
        return
    yield Finding(
        "CF_5XX_RATE",
        severity,
        f"viewers get 5xx for {rate.text()}",
        evidence=(
            Evidence("answers 5xx", rate.share, "share", limit=settings.errors.first),
            Evidence("requests", rate.whole),
            _now("502", snapshot, snapshot.bad_gateway),
            _now("503", snapshot, snapshot.unavailable),
            _now("504", snapshot, snapshot.timed_out),
            Evidence("origins", ", ".join(snapshot.origins[:5]) or None),
        ),
        likely=(
            "the origin answers 5xx, hangs up, or does not answer in time",
            "the origin's certificate or its firewall",
            "a function at the edge",
        ),
        next="look at the origin itself: does it answer without the CDN?",
        fact=False,
        began=_percent_since(snapshot, snapshot.errors, settings.errors),
        resolution=POINTS,
    )


def _percent_since(snapshot: Snapshot, percent: Series, limits: Thresholds) -> datetime | None:
    """Since when minutes reach the mildest limit; the rates come in percent."""
    limit = limits.first
    if limit is None:
        return None
    return bad_since(snapshot.cut(percent, 180), lambda value: value / 100 >= limit)


def _now(code: str, snapshot: Snapshot, series: Series) -> Evidence:
    value = latest(snapshot.cut(series))
    return Evidence(f"answers {code}", None if value is None else value / 100, "share")


def clients(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Viewers are refused, three times as many as usual: a bucket's policy, a signature, a firewall
    rule, a path that a release took away.
    """
    rate = snapshot.share_of(snapshot.client_errors)
    severity = settings.client_errors.grade(rate.share)
    before = usual(snapshot.client_errors, snapshot.at)
    if severity is None or rate.share is None or not rate.enough(100) or before is None:
        return
    if rate.share < settings.client_times * before / 100:
        return
    yield Finding(
        "CF_4XX_SURGE",
        severity,
        f"viewers get 4xx for {rate.text()}, usually {percent(before / 100)}",
        evidence=(
            Evidence("answers 4xx", rate.share, "share", limit=settings.client_errors.first),
            Evidence("usual share", before / 100, "share"),
        ),
        likely=("the origin refuses CloudFront (403)", "a firewall rule", "paths that are gone"),
        next="who changed the origin's policy, the firewall or the release?",
        fact=False,
        began=_percent_since(snapshot, snapshot.client_errors, settings.client_errors),
        resolution=POINTS,
    )


def slow(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The origin takes long, for what is not in the cache. Known with additional metrics only."""
    window = snapshot.cut(snapshot.origin_latency)
    limits = settings.origin_latency
    grades = [limits.grade(value / 1000) for value in window.values]
    value = latest(window)
    if value is None or sum(1 for each in grades if each) < 3:
        return
    yield Finding(
        "CF_ORIGIN_SLOW",
        max(filter(None, (limits.grade(value / 1000), Severity.WARNING))),
        f"the origin takes {duration(value / 1000)} for the slowest in twenty",
        evidence=(
            Evidence("p95", value / 1000, "s", limit=limits.first, history=history(window)),
            Evidence("origins", ", ".join(snapshot.origins[:5]) or None),
        ),
        likely=("the origin is overloaded", "fewer answers from the cache than before"),
        next="look at the origin",
        fact=False,
        began=bad_since(
            snapshot.cut(snapshot.origin_latency, 180),
            lambda value: limits.grade(value / 1000) is not None,
        ),
        resolution=POINTS,
    )


def state(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Whether the distribution serves, and what it was changed to is at the edges.

    CF_DISABLED: It answers nobody.

    CF_NOT_DEPLOYED: A change is on its way to the edges for longer than `moving`: some serve the
    old, some the new.

    CF_STATUS_UNKNOWN: A state that is not in the cockpit's table.
    """
    shown = (
        Evidence("status", snapshot.status or None),
        Evidence("changed", _age(snapshot), "s ago"),
    )
    if not snapshot.enabled:
        yield Finding(
            "CF_DISABLED",
            Severity.CRITICAL,
            "the distribution is disabled: viewers get nothing",
            evidence=(*shown, Evidence("names", ", ".join(snapshot.aliases[:5]) or None)),
            likely=("somebody disabled it", "it is about to be deleted"),
            next="who disabled it?",
        )
    severity = settings.moving.grade(_age(snapshot))
    if snapshot.status == "InProgress":
        if severity is not None:
            yield Finding(
                "CF_NOT_DEPLOYED",
                severity,
                f"a change is on its way to the edges for {duration(_age(snapshot) or 0)}",
                evidence=shown,
                likely=("CloudFront itself is slow", "one change after the other"),
                next="look at the service's health of CloudFront",
                began=told_by(snapshot.modified, snapshot.at),
                resolution=TOLD,
            )
    elif snapshot.status != "Deployed":
        yield Finding(
            "CF_STATUS_UNKNOWN",
            Severity.WARNING,
            f"the distribution is {snapshot.status or 'in no state that is told'}",
            evidence=shown,
            next="look it up in the API reference of CloudFront",
        )


def _age(snapshot: Snapshot) -> float | None:
    since = snapshot.modified
    return None if since is None else (snapshot.at - since).total_seconds()


_WELL = frozenset({"", "ISSUED"})
_BAD = frozenset(
    ["EXPIRED", "REVOKED", "INACTIVE", "FAILED", "VALIDATION_TIMED_OUT", "PENDING_VALIDATION"]
)


def certificate(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The certificate for its names ends, or is none any more.

    CF_CERTIFICATE_BAD: It expired, was revoked or could not be made: browsers refuse the names.

    CF_CERTIFICATE_EXPIRING: It was not renewed, as ACM does by itself 60 days before the end: the
    DNS record that proves the name is gone, or nobody answers the mail.
    """
    ends, told = snapshot.certificate_ends, snapshot.certificate_status
    left = None if ends is None else (ends - snapshot.at).total_seconds()
    shown = (
        Evidence("certificate", snapshot.certificate),
        Evidence("status", told or None),
        Evidence("ends in", left, "s", limit=settings.certificate.first),
        Evidence("names", ", ".join(snapshot.aliases[:5]) or None),
    )
    if told not in _WELL | _BAD:
        yield Finding(
            "CF_STATUS_UNKNOWN",
            Severity.WARNING,
            f"its certificate is {told}",
            subject="certificate",
            evidence=shown,
            next="look it up in the API reference of ACM",
        )
    if told in _BAD or (left is not None and left <= 0):
        yield Finding(
            "CF_CERTIFICATE_BAD",
            Severity.CRITICAL,
            f"its certificate is {told if told in _BAD else 'EXPIRED'}",
            evidence=shown,
            likely=("it was not renewed", "somebody revoked or replaced it"),
            next="look at the certificate from outside, and at ACM",
            began=ends if left is not None and left <= 0 else None,
            resolution=TOLD,
        )
        return
    severity = settings.certificate.grade(left)
    if severity is not None and left is not None:
        yield Finding(
            "CF_CERTIFICATE_EXPIRING",
            severity,
            f"its certificate ends in {duration(left)}",
            evidence=shown,
            likely=("the DNS record that proves the name is gone", "it was imported"),
            next="renew it, or put the record of ACM back",
        )


def silence(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A distribution that was busy gets nothing any more: names, certificates, what is in front."""
    ordinary = usual(snapshot.requests, snapshot.at)
    if ordinary is None or ordinary < settings.usual_traffic or is_blind(snapshot.requests):
        return
    if total(snapshot.cut(snapshot.requests, 10)):
        return
    yield Finding(
        "CF_TRAFFIC_STOPPED",
        Severity.WARNING,
        f"no requests any more; usually {number(round(ordinary))} a minute",
        evidence=(Evidence("median of 3 hours", ordinary, "/min"),),
        likely=("a name that points elsewhere", "a certificate that browsers refuse"),
        against=("CloudWatch may be late: CloudFront's metrics are its slowest",),
        next="look at the name from outside: DNS, TLS, HTTP",
        fact=False,
        began=ended_since(snapshot.cut(snapshot.requests, 180)),
        resolution=POINTS,
    )
