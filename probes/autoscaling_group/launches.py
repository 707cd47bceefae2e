"""Findings about what the group tried and could not do, in the words of EC2."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count
from probes.autoscaling_group.model import ScalingActivity, Snapshot, first_failure, recent
from probes.autoscaling_group.settings import Settings
from probes.began import TOLD, told

_CLASSES = (
    (
        "capacity",
        (
            "insufficientinstancecapacity",
            "do not have sufficient",
            "no spot capacity",
            "insufficient capacity",
            "unfulfillablecapacity",
            "maxspotinstancecountexceeded",
        ),
    ),
    ("quota", ("vcpulimitexceeded", "instancelimitexceeded", "are already running", "quota")),
    ("addresses", ("insufficientfreeaddresses", "not enough free addresses")),
    ("spot price", ("spot price", "spotmaxpricetoolow")),
    ("zone", ("not supported in your requested availability zone", "requested zone")),
    ("key", ("client.internalerror", "kms")),
    (
        "permission",
        (
            "not authorized",
            "unauthorizedoperation",
            "accessdenied",
            "instance profile",
            "iam role",
            "service-linked role",
        ),
    ),
    ("image", ("ami", "image id", "architecture")),
    ("target group", ("target group", "load balancer")),
    (
        "template",
        (
            "launch template",
            "launch configuration",
            "security group",
            "key pair",
            "placement group",
            "virtualname",
            "device name",
            "subnet",
        ),
    ),
)
"""Class → parts of EC2's message, in lower case; the first that fits (User Guide, "Troubleshoot
issues in Amazon EC2 Auto Scaling")."""

_OTHER = "other"

_LIKELY = {
    "capacity": ("EC2 has none of this type in that zone now",),
    "quota": ("the account's quota of running instances is used up",),
    "addresses": ("the subnet has no free address",),
    "spot price": ("the Spot price is above what the group may pay",),
    "zone": ("this instance type is not offered in that zone",),
    "key": ("the group's role may not use the key of the volume, or the key is disabled",),
    "permission": ("the role of the group, or who made it, may not use what the template names",),
    "image": ("the image was deleted, is private, or is for another architecture",),
    "target group": ("a target group or balancer of the group was deleted",),
    "template": ("the template names something that is not there any more",),
    _OTHER: (),
}
_NEXT = {
    "capacity": "allow more instance types or zones",
    "quota": "ask for a higher quota, or end what is not needed",
    "addresses": "give the group a larger subnet, or free addresses",
    "spot price": "leave the price open, or take On-Demand instances",
    "zone": "leave the zone out, or take another type",
    "key": "let the group's service-linked role use the key",
    "permission": "give the right that the message names",
    "image": "go back to the version of the template before",
    "target group": "detach what is gone from the group",
    "template": "go back to the version of the template before",
    _OTHER: "read the message",
}

_ACCOUNT_LIMIT = "EC2's running instances"
"""Counted in vCPUs by kinds of instances: nearly all that serve are of one kind, the standard."""
_SPOT_LIMIT = "EC2's running Spot instances"


def _account_limit(message: str) -> str:
    return _SPOT_LIMIT if "spot" in message.casefold() else _ACCOUNT_LIMIT


def class_of(message: str) -> str:
    """Why a launch failed, in a word; `other` for a message that is in no table."""
    low = message.lower()
    return next((name for name, parts in _CLASSES if any(p in low for p in parts)), _OTHER)


def failing(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Launches fail: the group cannot replace an instance, nor follow the load.

    One finding for each class of the message. When a later launch was successful and all that is
    desired serves, it is told and not judged: another type or zone had capacity.
    """
    tried = [each for each in recent(snapshot, settings.failure_window) if each.launches]
    failed = [each for each in tried if each.status == "Failed"]
    whole = snapshot.in_service is not None and snapshot.in_service >= snapshot.desired
    for name in sorted({class_of(each.message) for each in failed}):
        ours = [each for each in failed if class_of(each.message) == name]
        severity = settings.failures.grade(len(ours)) or Severity.INFO
        later = any(e.status == "Successful" and e.at > ours[0].at for e in tried)
        healed = later and whole
        yield Finding(
            "ASG_LAUNCH_FAILING",
            Severity.INFO if healed else severity,
            f"{count(len(ours), 'launch', 'launches')} failed: {ours[0].message or ours[0].what}",
            subject=name,
            evidence=(
                Evidence("failed", len(ours), limit=settings.failures.first),
                Evidence("message", ours[0].message or None),
                Evidence("zones", ", ".join(sorted({e.zone for e in ours if e.zone})) or None),
                Evidence("template", snapshot.template or None),
            ),
            likely=_LIKELY[name],
            against=("a later launch was successful",) if healed else (),
            next=_NEXT[name],
            account_limit=_account_limit(ours[0].message) if name == "quota" and not healed else "",
            began=told(first_failure(snapshot, lambda each: each.launches), snapshot.at),
            resolution=TOLD,
        )


def other_failures(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Something else that the group tried has failed: to end, to attach or to detach an instance,
    or an act of a kind that is in no table.
    """
    failed = [
        each
        for each in recent(snapshot, settings.failure_window)
        if each.status == "Failed" and not each.launches
    ]
    for kind in sorted({_kind(each) for each in failed}):
        ours = [each for each in failed if _kind(each) == kind]
        yield Finding(
            "ASG_ACTIVITY_FAILED",
            Severity.WARNING,
            f"{kind} failed: {ours[0].message or ours[0].what or 'without a message'}",
            subject=kind,
            evidence=(
                Evidence("failed", len(ours)),
                Evidence("message", ours[0].message or None),
                Evidence("activity", ours[0].what or None),
            ),
            next="read the message",
            began=told(ours[-1].at, snapshot.at),
            resolution=TOLD,
        )


def _kind(activity: ScalingActivity) -> str:
    return activity.what.partition(" ")[0] or "an activity"
