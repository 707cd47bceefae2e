"""Whether the gateway gets to what is behind an API."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity
from probes.api_gateway.model import Snapshot
from probes.api_gateway.settings import Settings

_DOWN = {"FAILED", "INACTIVE", "DELETING", "DELETED"}


def reached(snapshot: Snapshot, _: Settings) -> Iterator[Finding]:
    """The gateway does not get to what is behind it.

    APIGW_LAMBDA_PERMISSION_MISSING: A function's policy has no statement for this API, so each call
    is a 500 and the function never runs. It is lost when the function or the API is made anew.

    APIGW_VPC_LINK_DOWN: The way into the VPC is gone, failed, or was idle for 60 days; one that is
    still being made is a warning.

    APIGW_STATUS_UNKNOWN: A state that is not in the cockpit's table.
    """
    for arn in snapshot.forbidden:
        name = arn.split(":", 6)[-1]
        yield Finding(
            "APIGW_LAMBDA_PERMISSION_MISSING",
            Severity.CRITICAL,
            f"the policy of {name} does not let {snapshot.name or snapshot.id} invoke it",
            subject=arn,
            evidence=(
                Evidence("API", snapshot.id),
                Evidence("stage", snapshot.stage),
                Evidence("function", arn),
            ),
            likely=(
                "the function, its alias or the API was made anew",
                "somebody took the statement away",
            ),
            next="give the permission back to this API alone",
        )
    for link in snapshot.links:
        state = link.status.upper()
        if state == "AVAILABLE":
            continue
        shown = (Evidence("status", link.status or None), Evidence("message", link.message or None))
        if state in _DOWN or state == "PENDING":
            yield Finding(
                "APIGW_VPC_LINK_DOWN",
                Severity.CRITICAL if state in _DOWN else Severity.WARNING,
                f"VPC link {link.name or link.id} is {state}",
                subject=link.id,
                evidence=shown,
                likely=("its load balancer was deleted or made anew", "idle for 60 days")
                if state in _DOWN
                else ("it is being made",),
                next="look at the load balancer behind the link",
            )
        else:
            yield unknown(f"VPC link {link.name or link.id}", link.status, shown)


def unknown(what: str, state: str, evidence: tuple[Evidence, ...]) -> Finding:
    """A state that is not in the cockpit's table."""
    return Finding(
        "APIGW_STATUS_UNKNOWN",
        Severity.WARNING,
        f"{what} is {state or 'in no state that is told'}",
        subject=what,
        evidence=evidence,
        next="look it up in the API reference of API Gateway",
    )
