"""What clients get: 5xx, and whose they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import number
from probes.api_gateway.model import Snapshot
from probes.api_gateway.settings import Settings
from probes.began import POINTS, share_since
from probes.metrics import history, settled, total

_WHY = {
    "AUTHORIZER_FAILURE": "the authorizer fails, or answers what is no policy",
    "AUTHORIZER_CONFIGURATION_ERROR": "the gateway may not call the authorizer",
    "INTEGRATION_FAILURE": "what is behind it is not reached, or its answer is malformed",
    "INTEGRATION_TIMEOUT": "what is behind it does not answer in time",
    "API_CONFIGURATION_ERROR": "the API itself is set up wrongly: a mapping, a role, an address",
}
"""Source: API Gateway Developer Guide, "Gateway response types"."""
_ORDINARY = (
    "what is behind it fails: its function, service or database",
    "the gateway may not invoke the function, or its answer is malformed",
    "an authorizer that fails",
)


def errors(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Requests get a 5xx, from what is behind the API or from the gateway itself.

    The share of five minutes counts. Few requests are told as numbers; when nine of ten
    fail it is an outage however few they are. Whose they are stands in the access log, where its
    format names the integration's status or the type of the gateway's answer.
    """
    rate = snapshot.share_of(snapshot.errors)
    severity = rate.grade(settings.errors, minimum=settings.min_requests, few=settings.few_requests)
    share = rate.share or 0.0
    if share >= settings.all_failing and rate.enough(settings.all_failing_least):
        severity = Severity.CRITICAL
    if severity is None:
        return
    yield Finding(
        "APIGW_5XX_RATE",
        severity,
        f"5xx for {rate.text('requests', settings.min_requests)}{_mostly(snapshot)}",
        evidence=(
            Evidence("answers 5xx", share, "share", limit=settings.errors.first),
            Evidence("5xx in 5 minutes", rate.part, history=history(snapshot.errors)),
            Evidence("requests", rate.whole),
            *split(snapshot),
            Evidence("deployment", snapshot.deployment or None),
            Evidence("deployed", age(snapshot), "s ago"),
        ),
        likely=_likely(snapshot),
        against=_against(snapshot),
        next="look at what is behind it, and whether it began with the deployment",
        fact=False,
        began=share_since(
            snapshot.of_hours(snapshot.errors),
            snapshot.of_hours(snapshot.requests),
            settings.errors,
        ),
        resolution=POINTS,
    )


def by(snapshot: Snapshot) -> Counter[str]:
    """Lines with a 5xx, by who answered."""
    found: Counter[str] = Counter()
    for each in snapshot.answers:
        if each.status >= 500:
            found[each.by] += each.count
    return found


def _mostly(snapshot: Snapshot) -> str:
    who = by(snapshot)
    if who["integration"] == who["gateway"]:
        return ""
    if who["integration"] > who["gateway"]:
        return ", most from what is behind it"
    return ", most made by the gateway itself"


def split(snapshot: Snapshot) -> tuple[Evidence, ...]:
    """The lines of the access log, by who answered and why."""
    if not snapshot.logs_read:
        return (Evidence("access log", "not read: none, or its format is not JSON with a status"),)
    who = by(snapshot)
    kinds = ", ".join(
        f"{number(e.count)} × {e.status}{f' {e.why}' if e.why else ''}"
        for e in snapshot.answers[:3]
        if e.status >= 500
    )
    return (
        Evidence("lines by what is behind it", who["integration"]),
        Evidence("lines by the gateway", who["gateway"]),
        Evidence("most frequent", kinds or None),
    )


def _likely(snapshot: Snapshot) -> tuple[str, ...]:
    if snapshot.gone:
        names = ", ".join(arn.split(":", 6)[-1] for arn in snapshot.gone)
        return (f"it calls what is not there any more: the function {names}",)
    if total(settled(snapshot.function_throttles, snapshot.at)):
        return ("its functions are throttled: they may not run that often at once",)
    if snapshot.forbidden:
        return ("a function's policy does not let this API in",)
    told = [each for each in snapshot.answers if each.status >= 500]
    known = dict.fromkeys(_WHY[each.why] for each in told if each.why in _WHY)
    if any(each.by == "integration" for each in told[:1]):
        return ("what is behind it answers 5xx itself", *known)
    return tuple(known) or _ORDINARY


def _against(snapshot: Snapshot) -> tuple[str, ...]:
    """A REST API is counted by its name: two of one name are one to CloudWatch."""
    if snapshot.namesakes:
        return ("another API of this name is in the same numbers: CloudWatch counts by name",)
    return ()


def age(snapshot: Snapshot) -> float | None:
    """Seconds since the stage serves what it serves; None: not known."""
    since = snapshot.served_since
    return None if since is None else (snapshot.at - since).total_seconds()
