"""5xx although the functions behind an API are well."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import percent
from probes.api_gateway.answers import by, split
from probes.api_gateway.model import Snapshot
from probes.api_gateway.settings import Settings
from probes.began import POINTS, share_since
from probes.metrics import Rate, counted, settled, total


def contract(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The functions behind it do not fail, and clients get 5xx: what stands between is broken.

    Functions that are gone, or throttled for a part, are not well. One that answers 5xx itself is
    no error of Lambda; so it is critical only when the access log says that the gateway made these
    answers, and not told when it says that the functions did.
    """
    rate = snapshot.share_of(snapshot.errors)
    runs = settled(snapshot.function_invocations, snapshot.at)
    failed = Rate(counted(settled(snapshot.function_errors, snapshot.at), runs), total(runs))
    grave = settings.errors.grade(rate.share) == Severity.CRITICAL
    if not grave or not rate.enough(settings.few_requests) or failed.share is None:
        return
    if snapshot.gone or _held(snapshot, failed.whole or 0) > settings.backend_well:
        return
    who = by(snapshot)
    if failed.share > settings.backend_well or who["integration"] > who["gateway"]:
        return
    proved = who["gateway"] > 0
    yield Finding(
        "APIGW_5XX_BACKEND_HEALTHY",
        Severity.CRITICAL if proved else Severity.WARNING,
        f"5xx for {percent(rate.share or 0)}, and its functions fail {percent(failed.share)}",
        evidence=(
            Evidence("answers 5xx", rate.share, "share", limit=settings.errors.first),
            Evidence("failed invocations", failed.share, "share", limit=settings.backend_well),
            Evidence("invocations", failed.whole),
            *split(snapshot),
            Evidence("types", _types(snapshot) or None),
        ),
        likely=(
            "the function's answer is not what the integration takes (proxy or not)",
            "a mapping template, or an authorizer",
        )
        if proved
        else (
            "the function answers 5xx itself: Lambda counts that as no error",
            "its answer is not what the integration takes (proxy or not)",
        ),
        against=() if proved else ("the access log does not tell whose answers they are",),
        next="was the type of an integration changed in the last deployment?",
        fact=False,
        began=share_since(
            snapshot.of_hours(snapshot.errors),
            snapshot.of_hours(snapshot.requests),
            settings.errors,
        ),
        resolution=POINTS,
    )


def _held(snapshot: Snapshot, runs: float) -> float:
    """The share of attempts that Lambda throttled: such a call never gets to the function."""
    held = total(settled(snapshot.function_throttles, snapshot.at)) or 0
    return held / (held + runs) if held else 0.0


def _types(snapshot: Snapshot) -> str:
    return ", ".join(sorted({each.type for each in snapshot.integrations or ()}))
