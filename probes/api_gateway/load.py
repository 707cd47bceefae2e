"""How fast a stage answers, and what would help to know."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import duration
from probes.api_gateway.model import WEBSOCKET, Snapshot
from probes.api_gateway.settings import Settings
from probes.began import POINTS, bad_since, resolution
from probes.metrics import peak, running, settled


def slow(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Answers are slow, or run into the time limit of the integration.

    APIGW_TIMEOUTS: The slowest in a hundred come near the limit; critical when the slowest of each
    of three minutes reaches it: clients get a 504 there, and what is behind it goes on working.

    APIGW_LATENCY_HIGH: The 95th percentile, above a second and against the same minutes a day ago.
    What the integration does not take is the gateway's own part: mostly its authorizer.
    """
    limit = snapshot.time_limit
    most = settled(snapshot.latency_most, snapshot.at)
    cut_off = running(most, lambda value: value >= limit * 1000) >= 3
    p99, p95, day = snapshot.latency_p99, snapshot.latency_p95, snapshot.latency_p95_day
    near = p99 is not None and p99 >= settings.near_timeout * limit
    enough = (snapshot.whole or 0) >= settings.few_requests
    if snapshot.protocol != WEBSOCKET and (cut_off or (near and enough)):
        yield Finding(
            "APIGW_TIMEOUTS",
            Severity.CRITICAL if cut_off else Severity.WARNING,
            f"answers reach the limit of {duration(limit)}"
            if cut_off
            else f"the slowest in a hundred take {duration(p99 or 0)} of {duration(limit)}",
            evidence=(
                Evidence("p99", p99, "s", limit=settings.near_timeout * limit),
                Evidence("slowest", (peak(most) or 0) / 1000, "s", limit=limit),
                Evidence("p95 of the integration", snapshot.integration_p95, "s"),
                Evidence("time limit", limit, "s"),
            ),
            likely=("what is behind it is slow: a database, a third party, a cold start",),
            next="look at what is behind it",
            fact=False,
            began=bad_since(
                settled(snapshot.latency_most, snapshot.at, minutes=20),
                lambda value: value >= limit * 1000,
            )
            if cut_off
            else None,
            resolution=POINTS,
        )
    ratio = p95 / day if p95 is not None and day else None
    severity = settings.latency_ratio.grade(ratio)
    if severity is None or p95 is None or p95 < settings.latency_floor or not enough:
        return
    behind = snapshot.integration_p95
    least = (settings.latency_ratio.first or 0) * (day or 0)
    own = None if behind is None else max(0.0, p95 - behind)
    mine = own is not None and own > p95 / 2
    yield Finding(
        "APIGW_LATENCY_HIGH",
        severity,
        f"p95 of answers is {duration(p95)}, {ratio:.1f} times a day ago",
        evidence=(
            Evidence("p95", p95, "s", limit=settings.latency_floor),
            Evidence("p95 a day ago", day, "s"),
            Evidence("p95 of the integration", behind, "s"),
            Evidence("the gateway's part", own, "s"),
        ),
        likely=("the authorizer, or a mapping",) if mine else ("what is behind it is slow",),
        next="look at the authorizer" if mine else "look at what is behind it",
        fact=False,
        began=bad_since(
            snapshot.p95_buckets,
            lambda value: value >= max(settings.latency_floor, least),
            period=300,
        ),
        resolution=resolution(300),
    )


def review(snapshot: Snapshot, _: Settings) -> Iterator[Finding]:
    """What would help in an incident, and is not there.

    APIGW_NO_ACCESS_LOGS: No metric splits 4xx and 5xx: only the access log tells whose they are.

    APIGW_NO_THROTTLE: The stage may take the limit that all APIs of the region share.
    """
    if not snapshot.log_group and not snapshot.log_format:
        yield Finding(
            "APIGW_NO_ACCESS_LOGS",
            Severity.INFO,
            f"stage {snapshot.stage} writes no access log: 429, 502 and 504 cannot be told apart",
            next="let it write one, as JSON, with $context.status and $context.error.responseType",
        )
    if snapshot.rate_limit is None and not snapshot.routes_limited:
        yield Finding(
            "APIGW_NO_THROTTLE",
            Severity.INFO,
            f"stage {snapshot.stage} has no limit of its own: it may take the account's",
            evidence=(Evidence("limit of the account", snapshot.account_rate, "/s"),),
            next="give it a limit above its busiest hour",
        )
