"""Traffic of a stage against a day and a week ago."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import percent
from probes.api_gateway.model import Snapshot
from probes.api_gateway.settings import Settings
from probes.began import POINTS, bad_since, ended_since
from probes.metrics import history, is_blind


def traffic(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Much less or much more traffic than a day and a week ago, both.

    APIGW_TRAFFIC_DROP: The outage that has no errors: requests do not get here any more. Look in
    front of it: names, certificates, the CDN, the clients.

    APIGW_TRAFFIC_SURGE: What is behind it has so much more to do. Retries follow errors, a campaign
    or an attack comes before them.
    """
    now, day, week = snapshot.whole, snapshot.requests_day, snapshot.requests_week
    if now is None and not is_blind(snapshot.requests) and snapshot.requests.values:
        now = 0.0
    if now is None or day is None or week is None or min(day, week) < settings.baseline:
        return
    least, most = sorted((now / day, now / week))
    lost, risen = settings.drop.grade(most), settings.surge.grade(least)
    if not lost and not risen:
        return
    yield Finding(
        "APIGW_TRAFFIC_DROP" if lost else "APIGW_TRAFFIC_SURGE",
        lost or risen or Severity.WARNING,
        f"traffic is at {percent(now / day)} of a day ago, {percent(now / week)} of a week ago",
        evidence=(
            Evidence("requests in 5 minutes", now, history=history(snapshot.requests)),
            Evidence("a day ago", day),
            Evidence("a week ago", week),
        ),
        likely=("DNS, the CDN or what is in front lost the way", "clients cannot connect")
        if lost
        else ("a sale or campaign", "clients that retry", "scraping or an attack"),
        next="look at the endpoint from outside: DNS, TLS, HTTP"
        if lost
        else "compare errors and latency: retries follow errors, sales come before them",
        fact=False,
        began=_began(snapshot, settings, day=day, week=week, lost=bool(lost)),
        resolution=POINTS,
    )


def _began(
    snapshot: Snapshot, settings: Settings, *, day: float, week: float, lost: bool
) -> datetime | None:
    series = snapshot.of_hours(snapshot.requests)
    if lost and not snapshot.whole:
        return ended_since(series)
    if lost:
        most = (settings.drop.first or 0) * min(day, week) / 5
        return bad_since(series, lambda value: value <= most)
    least = (settings.surge.first or math.inf) * max(day, week) / 5
    return bad_since(series, lambda value: value >= least)
