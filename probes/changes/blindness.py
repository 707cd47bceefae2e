"""What a look at changes did not see."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from cockpit.triage.finding import Evidence, Finding, Severity
from probes.changes.model import Snapshot


def not_seen(snapshot: Snapshot) -> tuple[str, ...]:
    """What this look says nothing about, a line each; an empty list there is no evidence."""
    told = []
    trail = snapshot.trail
    if trail is None:
        told.append("CloudTrail is not read: who changed what is unknown")
    else:
        if trail.whole_from is not None and trail.whole_from > trail.start:
            names = f"{len(trail.asked)} calls by name"
            left = f", {len(trail.unasked)} more still to ask" if trail.unasked else ""
            told.append(
                f"CloudTrail before {trail.whole_from:%H:%M}: too many calls, only {names}{left}"
            )
        if snapshot.region != "us-east-1":
            told.append(
                "IAM, Route 53 and CloudFront are written down in us-east-1: add a target of "
                "kind changes at a place there"
            )
    told += [f"{gap.what}: {gap.reason}" for gap in snapshot.gaps]
    return tuple(told)


def blind(snapshot: Snapshot) -> Iterator[Finding]:
    """A history could not be read, or only a part of it: no change there means nothing.

    CloudTrail allows two calls a second in an account and region, for people and tools together. A
    warning when CloudTrail itself is missing, since only it names who did something; else
    information.
    """
    trail = snapshot.trail
    shallow = trail is not None and trail.end - (trail.whole_from or trail.start) < timedelta(
        minutes=15
    )
    if not snapshot.gaps and trail is not None and not shallow:
        return
    told = not_seen(snapshot)
    grave = trail is None or shallow
    yield Finding(
        "CHANGE_HISTORY_BLIND",
        Severity.WARNING if grave else Severity.INFO,
        f"what changed is not fully seen: {told[0] if told else 'CloudTrail tells too little'}",
        evidence=tuple(Evidence(gap.what, f"{gap.reason}: {gap.detail}") for gap in snapshot.gaps),
        likely=("a right is missing (docs/rights.md)", "other tools use up CloudTrail's two calls"),
        next="add the right that the reason names; until then ask people what they changed",
    )
