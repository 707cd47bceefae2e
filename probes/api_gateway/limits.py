"""Limits of a stage, and clients that it refuses."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import number, percent
from probes.api_gateway.model import Snapshot
from probes.api_gateway.settings import Settings
from probes.baseline import usual, usual_of_sparse
from probes.began import POINTS, share_since
from probes.metrics import history, peak, settled


def clients(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Many requests are refused as the clients' fault.

    APIGW_4XX_SURGE: When it is three times what is usual, clients are seldom the cause: a sign-in
    that is down, a key that was revoked, a quota, a firewall rule, a release. No metric splits 4xx:
    429 among them stand in the access log.
    """
    rate = snapshot.share_of(snapshot.client_errors)
    severity = settings.client_errors.grade(rate.share)
    if severity is None or rate.share is None or not rate.enough(settings.min_requests):
        return
    bad = usual_of_sparse(snapshot.client_errors, snapshot.requests, snapshot.at)
    all_ = usual(snapshot.requests, snapshot.at)
    before = bad / all_ if bad is not None and all_ else None
    if before is None:
        severity = min(severity, Severity.WARNING)
    elif rate.share < settings.client_times * before:
        severity = Severity.INFO
    yield Finding(
        "APIGW_4XX_SURGE",
        severity,
        f"4xx for {rate.text('requests', settings.min_requests)}"
        + (f", usually {percent(before)}" if before is not None else ""),
        evidence=(
            Evidence("answers 4xx", rate.share, "share", limit=settings.client_errors.first),
            Evidence("usual share", before, "share"),
            Evidence("4xx in 5 minutes", rate.part, history=history(snapshot.client_errors)),
            Evidence("429 in the lines read", _in_lines(snapshot) if snapshot.logs_read else None),
        ),
        likely=(
            "sign-in is down, or a key was revoked",
            "a limit or a quota (429)",
            "a firewall rule",
            "a release of the clients",
        ),
        next="split them by status and path in the access log",
        fact=False,
        began=share_since(
            snapshot.of_hours(snapshot.client_errors),
            snapshot.of_hours(snapshot.requests),
            settings.client_errors,
        ),
        resolution=POINTS,
    )


def throttles(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Requests come near a limit, or are refused for it.

    APIGW_THROTTLING: A limit of 0 lets nothing through: somebody closed the stage. 429 are seen in
    the access log only, and are a share of the requests of ten minutes. The account's limit is
    shared by all APIs of the region.
    """
    shut = snapshot.rate_limit == 0 or snapshot.burst_limit == 0
    busiest = peak(settled(snapshot.requests, snapshot.at))
    rate = None if busiest is None else busiest / 60
    limits = [each for each in (snapshot.rate_limit, snapshot.account_rate) if each]
    limit = min(limits, default=None)
    used = rate / limit if rate is not None and limit else None
    refused = _in_lines(snapshot)
    whole = sum(settled(snapshot.requests, snapshot.at, minutes=8).values)
    share = refused / whole if whole else None
    grades = [settings.near_limit.grade(used), settings.throttled_share.grade(share)]
    severity = Severity.CRITICAL if shut else max(filter(None, grades), default=None)
    if severity is None:
        return
    yield Finding(
        "APIGW_THROTTLING",
        severity,
        f"stage {snapshot.stage} lets nothing through: its limit is 0"
        if shut
        else f"{number(refused)} requests were refused (429)"
        if refused
        else f"{number(round(rate or 0))} requests a second, {percent(used or 0)} of the limit",
        evidence=(
            Evidence("busiest minute", rate, "/s", limit=limit),
            Evidence("limit of the stage", snapshot.rate_limit, "/s"),
            Evidence("burst of the stage", snapshot.burst_limit),
            Evidence("limit of the account", snapshot.account_rate, "/s"),
            Evidence("refused in the lines read", refused if snapshot.logs_read else None),
            Evidence("reasons", _reasons(snapshot) or None),
            Evidence("usage plans", ", ".join(each.name for each in snapshot.plans) or None),
        ),
        likely=("somebody closed it on purpose, perhaps in an incident",)
        if shut
        else ("more requests than before", "a limit that is too low", "a plan's quota is used up"),
        next="was the limit set on purpose?" if shut else "who sends more, and is it wanted?",
        fact=shut,
        account_limit="API Gateway's requests a second" if _by_account(snapshot) else "",
    )


def _by_account(snapshot: Snapshot) -> bool:
    """Whether the gateway refuses with 429 though nothing of this API's own limits it, as far as
    that was read: its plans are with the account's limit.
    """
    throttled = any(each.status == 429 and each.why == "THROTTLED" for each in snapshot.answers)
    own = snapshot.rate_limit is not None or snapshot.burst_limit is not None or snapshot.plans
    return throttled and snapshot.account_rate is not None and not own


def _reasons(snapshot: Snapshot) -> str:
    told = {each.why for each in snapshot.answers if each.status == 429 and each.why}
    return ", ".join(sorted(told))


def _in_lines(snapshot: Snapshot) -> int:
    """Lines of the access log with a 429."""
    return sum(each.count for each in snapshot.answers if each.status == 429)
