"""Findings about the function's own state, what its role is refused, and what to review."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count, duration
from probes.lambda_function.model import Snapshot, logged
from probes.lambda_function.settings import Settings

_WELL = frozenset({"Active", "Inactive"})
"""An inactive function was idle for weeks: the next invocation wakes it, and waits for that."""
_MOVING = frozenset({"Pending", "Deactivating"})
_BAD = frozenset({"Failed", "Deactivated", "ActiveNonInvocable", "Deleting"})
_UPDATES = frozenset({"Successful", "Failed", "InProgress"})

_CAUSES = {
    "SubnetOutOfIPAddresses": "its subnets have no address left",
    "EniLimitExceeded": "the account has no network interface left",
    "InvalidSubnet": "a subnet of its VPC is gone",
    "InvalidSecurityGroup": "a security group of its VPC is gone",
    "ImageDeleted": "its image was deleted from the registry",
    "ImageAccessDenied": "it may not read its image any more",
    "InvalidImage": "its image cannot be run",
    "KMSKeyAccessDenied": "its role may not use the key of its environment",
    "KMSKeyNotFound": "the key of its environment is gone",
    "DisabledKMSKey": "the key of its environment is disabled",
    "InvalidStateKMSKey": "the key of its environment cannot be used in its state",
    "InsufficientRolePermissions": "its role may not make network interfaces",
    "EFSMountFailure": "its file system cannot be mounted",
    "EFSMountTimeout": "its file system does not answer",
    "EFSMountConnectivityError": "there is no way to its file system",
    "InternalError": "trouble inside AWS",
}

_DEPRECATED = {
    "nodejs12.x": "2023-03-31",
    "nodejs14.x": "2023-12-04",
    "nodejs16.x": "2024-06-12",
    "nodejs18.x": "2025-09-01",
    "nodejs20.x": "2026-04-30",
    "python3.6": "2022-07-18",
    "python3.7": "2023-12-04",
    "python3.8": "2024-10-14",
    "python3.9": "2025-12-15",
    "ruby2.7": "2023-12-07",
    "ruby3.2": "2026-03-31",
    "java8": "2024-01-08",
    "go1.x": "2024-01-08",
    "provided": "2024-01-08",
    "dotnetcore3.1": "2023-04-03",
    "dotnet6": "2024-12-20",
}
"""Runtime → when AWS ended it (Lambda Developer Guide, "Lambda runtimes"). It goes on running; it
gets no patches, and later it can be neither created nor changed."""


def states(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """What Lambda says of the function itself.

    LAMBDA_STATE_FAILED: It cannot be invoked: a key, an image, a subnet that it needs is not there.

    LAMBDA_UPDATE_FAILED: The last change did not come to its end; what ran before goes on.

    LAMBDA_NOT_READY: It has been on its way into a state for longer than `moving`.

    LAMBDA_STATUS_UNKNOWN: A state that is not in the cockpit's table: told as it is.
    """
    state, update = snapshot.state, snapshot.update
    since = snapshot.moving_since
    lasted = None if since is None else (snapshot.at - since).total_seconds()
    if state in _BAD:
        yield Finding(
            "LAMBDA_STATE_FAILED",
            Severity.CRITICAL,
            f"the function is {state}" + (f": {snapshot.state_code}" * bool(snapshot.state_code)),
            evidence=_state(snapshot),
            likely=_cause(snapshot.state_code),
            next="put back what the reason names; then any change of the function tries again",
        )
    elif state in _MOVING and settings.moving.grade(lasted):
        yield _not_ready(f"is {state}", lasted, settings, snapshot=snapshot)
    elif state not in _WELL | _MOVING:
        yield _unknown("state", state, snapshot)
    if update == "Failed":
        yield Finding(
            "LAMBDA_UPDATE_FAILED",
            Severity.WARNING,
            "the last change failed" + (f": {snapshot.update_code}" * bool(snapshot.update_code)),
            evidence=_state(snapshot),
            likely=_cause(snapshot.update_code),
            against=("what ran before goes on running",),
            next="read the reason, and change it again",
        )
    elif update == "InProgress" and settings.moving.grade(lasted):
        yield _not_ready("is being changed", lasted, settings, snapshot=snapshot)
    elif update and update not in _UPDATES:
        yield _unknown("last update", update, snapshot)


def kept_ready(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Provisioned concurrency is in a state that is not in the cockpit's table."""
    for each in snapshot.provisioned:
        if each.status not in {"IN_PROGRESS", "READY", "FAILED"}:
            yield Finding(
                "LAMBDA_STATUS_UNKNOWN",
                Severity.WARNING,
                f"provisioned concurrency of {each.qualifier} is {each.status or 'in no state'}",
                subject=f"provisioned {each.qualifier}",
                evidence=(
                    Evidence("state", each.status or None),  # a long name leaves it no room above
                    Evidence("available", each.available, limit=each.requested),
                ),
                next="look it up in the Lambda API reference",
            )


def _cause(code: str) -> tuple[str, ...]:
    told = _CAUSES.get(code)
    return (told,) if told else ("see the reason that Lambda gives",)


def _state(snapshot: Snapshot) -> tuple[Evidence, ...]:
    return (
        Evidence("state", snapshot.state or None),
        Evidence("reason", f"{snapshot.state_code} {snapshot.state_reason}".strip() or None),
        Evidence("last update", snapshot.update or None),
        Evidence("its reason", f"{snapshot.update_code} {snapshot.update_reason}".strip() or None),
    )


def _not_ready(
    what: str, lasted: float | None, settings: Settings, *, snapshot: Snapshot
) -> Finding:
    return Finding(
        "LAMBDA_NOT_READY",
        settings.moving.grade(lasted) or Severity.WARNING,
        f"the function {what} for {duration(lasted or 0)}",
        subject="state" if "changed" not in what else "update",
        evidence=(Evidence("for", lasted, "s", limit=settings.moving.first), *_state(snapshot)),
        likely=("network interfaces of its VPC are being made", "a large image"),
        next="read the reason; a subnet without addresses is the most frequent",
        fact=False,
    )


def _unknown(what: str, told: str, snapshot: Snapshot) -> Finding:
    return Finding(
        "LAMBDA_STATUS_UNKNOWN",
        Severity.WARNING,
        f"the {what} {told} is not known to the cockpit" if told else f"Lambda tells no {what}",
        subject=what,
        evidence=_state(snapshot),
        next="look it up in the Lambda API reference",
    )


def denied(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """AWS refuses the function something: its own lines say what, on what, and to whom.

    Most often a policy was changed: of the role, of the bucket, table or key, or of the
    organization. Against an explicit Deny no Allow helps. One finding for each action.
    """
    lines = sum(each.count for each in snapshot.patterns)
    refused = sum(each.count for each in snapshot.denials)
    share = refused / lines if lines else None
    severity = settings.denied_share.grade(share) or Severity.WARNING
    for each in snapshot.denials:
        yield Finding(
            "LAMBDA_ACCESS_DENIED",
            severity,
            f"{each.principal or snapshot.role} may not {each.action}"
            + (f" on {each.resource}" if each.resource else ""),
            subject=each.action,
            evidence=(
                Evidence("action", each.action),
                Evidence("resource", each.resource or None),
                Evidence("principal", each.principal or None),
                Evidence("why", each.why or None),
                Evidence("refused", each.count),
                Evidence("of error lines", share, "share", limit=settings.denied_share.first),
            ),
            likely=(
                "a Deny was added" if each.explicit else "an Allow is missing or was taken away",
                *((f"in {each.holder}",) if each.holder else ()),
            ),
            next=each.help,
            fact=False,
        )
    unnamed = logged(snapshot, "denied")
    if unnamed and not snapshot.denials:
        first = next(each for each in snapshot.patterns if each.kind == "denied")
        yield Finding(
            "LAMBDA_ACCESS_DENIED",
            settings.denied_share.grade(unnamed / lines) or Severity.WARNING,
            f"refused {count(unnamed, 'time')}; its lines do not say what",
            evidence=(Evidence("line", first.text), Evidence("refused", unnamed)),
            likely=("a policy was changed", "somebody else's service answers 403"),
            next="find the call in its code, then the policy's last change",
            fact=False,
        )


def review(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """What does not hurt now.

    LAMBDA_RUNTIME_DEPRECATED: AWS ended the runtime: it runs, without patches, and some day it can
    no longer be changed, also not in an incident.

    LAMBDA_NO_DLQ: It is invoked asynchronously, and events that fail for good are dropped: there is
    no dead letter queue and no destination for them.
    """
    ended = _DEPRECATED.get(snapshot.runtime)
    if ended:
        yield Finding(
            "LAMBDA_RUNTIME_DEPRECATED",
            Severity.INFO,
            f"its runtime {snapshot.runtime} was ended on {ended}",
            evidence=(Evidence("runtime", snapshot.runtime),),
            next="move it to a newer runtime in a quiet week",
        )
    if snapshot.async_age.values and snapshot.dead_letter == "none":
        yield Finding(
            "LAMBDA_NO_DLQ",
            Severity.INFO,
            "events that fail for good are dropped: no dead letter queue, no destination",
            next="give it a destination for failures",
        )
