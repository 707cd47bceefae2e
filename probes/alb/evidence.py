"""How rules of a load balancer grade a share, and what they show for it."""

from __future__ import annotations

from cockpit.triage.finding import Evidence, Severity, Thresholds
from probes.alb.model import Snapshot
from probes.alb.settings import Settings
from probes.metrics import Rate, history


def grade_of(rate: Rate, limits: Thresholds, settings: Settings) -> Severity | None:
    """How bad a share is; a warning at most with few requests, None with very few.

    When all of very few fail, a quiet service is out: high.
    """
    severity = rate.grade(limits, minimum=settings.min_requests, few=settings.few_requests)
    out = (rate.share or 0) >= settings.all_failing and rate.enough(settings.all_failing_least)
    if out and limits.critical is not None and (severity is None or severity < Severity.HIGH):
        return Severity.HIGH
    return severity


def said(rate: Rate, settings: Settings) -> str:
    """`2% of 4,000 requests`."""
    return rate.text("requests", settings.min_requests)


def share_of(label: str, rate: Rate, *, limit: float | None) -> Evidence:
    """A share of requests, beside its limit."""
    return Evidence(label, rate.share, "share", limit=limit)


def counted(snapshot: Snapshot, name: str) -> Evidence:
    """How often something was counted, with its course."""
    held = snapshot.sum(name)
    value = None if held is None else round(held)
    return Evidence(f"{name} in 5 minutes", value, history=history(snapshot.of(name)))


def planned(snapshot: Snapshot) -> tuple[str, ...]:
    """A fixed response is on: its 503 may be on purpose."""
    fixed = snapshot.sum("HTTP_Fixed_Response_Count")
    return ("a rule answers by itself (fixed response): it may be on purpose",) if fixed else ()
