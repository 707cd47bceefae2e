"""Findings about quotas: what is nearly used up, what is, and what was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.units import duration, number, percent
from probes.began import bad_since, resolution
from probes.quotas.model import ENDED, PENDING, QuotaUse, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Shares of a quota."""

    flows: Thresholds = Thresholds(warning=0.8, critical=0.95)
    """Of calls and concurrency: at the limit clients are refused."""
    things: Thresholds = Thresholds(warning=0.8, high=0.95)
    """Of things that are there: at the limit the next one cannot be made, and no client notices."""


def graded(quota: QuotaUse, settings: Settings) -> Severity | None:
    """How bad the use of a quota is."""
    return (settings.flows if quota.flows else settings.things).grade(quota.share)


def used(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """What AWS allows is nearly, or all used.

    QUOTA_NEAR_LIMIT: From 80 % on. Traffic that grows, a scaling, or a release ends there.

    QUOTA_EXCEEDED: All of a rate or of a concurrency is used: AWS refuses what goes beyond it, also
    to those that did nothing. Other services hide it: throttled KMS looks like slow S3, DynamoDB
    and secrets.
    """
    for quota in snapshot.quotas:
        severity = graded(quota, settings)
        share = quota.share
        if severity is None or share is None:
            continue
        full = quota.flows and share >= 1
        limits = settings.flows if quota.flows else settings.things
        yield Finding(
            "QUOTA_EXCEEDED" if full else "QUOTA_NEAR_LIMIT",
            severity,
            f"{quota.service}: {quota.name}: {number(round(quota.used or 0, 1))} of "
            f"{number(quota.limit)} ({percent(share)})",
            subject=quota.key,
            evidence=(
                Evidence("used", share, "share", limit=limits.first, history=quota.history),
                Evidence("limit", quota.limit),
                Evidence(
                    "newest point",
                    (snapshot.at - quota.newest).total_seconds() if quota.newest else None,
                    "s ago",
                ),
                Evidence("an increase is asked for", "yes" if _asked(snapshot, quota) else "no"),
                Evidence("can be raised", _raised(quota)),
            ),
            likely=("more traffic or a scaling", "something leaks or retries", "another service"),
            against=() if quota.flows else ("full by design hurts only who needs one more",),
            next="use less now; an increase takes hours to days and is no repair of an incident",
            fact=False,
            began=_reached(quota, 1.0 if full else limits.first or 1.0),
            resolution=resolution(quota.period),
        )


def _reached(quota: QuotaUse, share: float) -> datetime | None:
    return bad_since(quota.points, lambda used: used >= share, period=quota.period)


def _asked(snapshot: Snapshot, quota: QuotaUse) -> bool:
    return quota.key in snapshot.pending


def _raised(quota: QuotaUse) -> str | None:
    return None if quota.adjustable is None else "yes" if quota.adjustable else "no"


def requests(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Increases that were asked for.

    QUOTA_REQUEST_PENDING: Not decided yet; it may take days, and a person of AWS may ask back.

    QUOTA_STATUS_UNKNOWN: A state that is not in the cockpit's table.
    """
    for each in snapshot.requests:
        wanted = "?" if each.wanted is None else number(each.wanted)
        age = (snapshot.at - each.created).total_seconds() if each.created else None
        shown = (
            Evidence("status", each.status),
            Evidence("asked for", each.wanted),
            Evidence("asked", age, "s ago"),
        )
        if each.status in PENDING:
            since = f" for {duration(age)}" if age is not None else ""
            yield Finding(
                "QUOTA_REQUEST_PENDING",
                Severity.INFO,
                f"{each.name or each.key}: an increase to {wanted} is not decided{since}",
                subject=each.key,
                evidence=shown,
                next="does AWS wait for an answer? look at the support case",
            )
        elif each.status not in ENDED:
            yield Finding(
                "QUOTA_STATUS_UNKNOWN",
                Severity.INFO,
                f"{each.name or each.key}: the request is {each.status or 'in no state'}",
                subject=each.key,
                evidence=shown,
                next="look it up in the Service Quotas API reference",
            )
