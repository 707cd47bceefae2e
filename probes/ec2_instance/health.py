"""Findings about whether an instance runs, what AWS' checks say, and what AWS plans with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import duration
from probes.began import TOLD, told
from probes.ec2_instance.model import HostEvent, Snapshot, StatusCheck, lived
from probes.ec2_instance.settings import Settings

_ENDED = frozenset({"stopping", "stopped", "shutting-down", "terminated"})
_STATES = _ENDED | {"pending", "running"}
_CHECKS = frozenset({"ok", "impaired", "insufficient-data", "not-applicable", "initializing"})
_WHEN = re.compile(r"\((\d{4}-\d\d-\d\d [0-2]\d:[0-5]\d:[0-5]\d) GMT\)")
_BY_A_PERSON = frozenset({"Client.UserInitiatedShutdown", "Client.UserInitiatedHibernate"})
_WHY = {
    "Server.InsufficientInstanceCapacity": "EC2 had no capacity to start it",
    "Server.InternalError": "trouble inside AWS",
    "Server.ScheduledStop": "a scheduled event stopped it",
    "Server.SpotInstanceShutdown": "Spot took it back",
    "Server.SpotInstanceTermination": "Spot took it back",
    "Client.InstanceInitiatedShutdown": "its operating system was shut down",
    "Client.InstanceTerminated": "it ended while it started",
    "Client.InternalError": "it could not start: most often the key of a volume",
    "Client.InvalidSnapshot.NotFound": "the snapshot of a volume is gone",
    "Client.UserInitiatedHibernate": "somebody hibernated it",
    "Client.UserInitiatedShutdown": "somebody, or a schedule, stopped or ended it",
    "Client.VolumeLimitExceeded": "the account's quota of volumes is used up",
}
_CAUSES = {
    "system": ("trouble of AWS' host: power, network, hardware",),
    "instance": (
        "the operating system hangs: memory used up, a full disk, a kernel panic",
        "its network or start-up configuration is broken",
    ),
    "volumes": ("a volume does not answer", "AWS' storage in this zone is in trouble"),
}
_NEXT = {
    "system": "stop and start it: it comes up on another host",
    "instance": "read its console by a person who may; restart it when nothing else helps",
    "volumes": "look at the state of its volumes, and at AWS Health",
}


def stopped(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """It should run, since somebody looks at it, and does not.

    High when a person or a schedule stopped it, which may be meant; a warning when it belongs to an
    Auto Scaling group, which replaces it.
    """
    if snapshot.state not in _ENDED:
        return
    meant = snapshot.state_code in _BY_A_PERSON
    severity = Severity.HIGH if meant else Severity.CRITICAL
    if snapshot.group:
        severity = Severity.WARNING
    why = _WHY.get(snapshot.state_code, snapshot.state_reason)
    yield Finding(
        "EC2_STOPPED_UNEXPECTEDLY",
        severity,
        f"it is {snapshot.state}" + (f": {why}" if why else ""),
        evidence=(
            Evidence("state", snapshot.state),
            Evidence("reason", snapshot.state_reason or snapshot.state_code or None),
            Evidence("by", snapshot.transition or None),
            Evidence("group", snapshot.group or None),
        ),
        likely=(why,) if why else (),
        against=(f"the group {snapshot.group} replaces it",) if snapshot.group else (),
        next="who stopped it, and is the reason gone?",
        began=_stopped_at(snapshot),
        resolution=TOLD,
    )


def _stopped_at(snapshot: Snapshot) -> datetime | None:
    """As EC2 puts it into the words of the transition; None: it does not."""
    found = _WHEN.search(snapshot.transition)
    when = datetime.fromisoformat(f"{found[1]}+00:00") if found else None
    return told(when, snapshot.at)


def impaired(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A check of EC2's fails: of AWS' host, of the operating system, or of the volumes.

    In the first minutes after a start checks have no result; later, no result is a warning: nobody
    can say whether it is well.
    """
    age = lived(snapshot)
    new = age is not None and age < settings.starting
    for check in snapshot.checks or ():
        lasted = (snapshot.at - check.since).total_seconds() if check.since else None
        if check.status == "impaired":
            severity = (
                Severity.CRITICAL if lasted is None else settings.impaired.grade(lasted)
            ) or Severity.WARNING
            yield _failing(check, severity, lasted)
        elif check.status in {"initializing", "insufficient-data"}:
            yield Finding(
                "EC2_STATUS_IMPAIRED",
                Severity.INFO if new else Severity.WARNING,
                f"the {check.kind} check has no result: {check.status}",
                subject=check.kind,
                evidence=(Evidence("status", check.status), Evidence("started ago", age, "s")),
                likely=("it is still starting",) if new else ("AWS does not see it",),
                next="does it answer?",
                fact=False,
            )


def _failing(check: StatusCheck, severity: Severity, lasted: float | None) -> Finding:
    since = "" if lasted is None else f" since {duration(lasted)}"
    return Finding(
        "EC2_STATUS_IMPAIRED",
        severity,
        f"the {check.kind} check fails{since}",
        subject=check.kind,
        evidence=(Evidence("status", check.status), Evidence("for", lasted, "s")),
        likely=_CAUSES.get(check.kind, ()),
        next=_NEXT.get(check.kind, "does it answer?"),
        began=check.since,
        resolution=TOLD,
    )


def unknown(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A state of the instance or of a check that is in no table here: told as it is, not judged."""
    words = [snapshot.state] if snapshot.state not in _STATES else []
    words += [c.status for c in snapshot.checks or () if c.status not in _CHECKS]
    for word in dict.fromkeys(words):
        yield Finding(
            "EC2_STATUS_UNKNOWN",
            Severity.WARNING,
            f"a state that the cockpit does not know: {word}",
            subject=word,
            evidence=(Evidence("state", word),),
            next="look it up, and tell the makers of the cockpit",
        )


def scheduled(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """AWS is going to restart, stop or retire it, or to work at its host."""
    for event in snapshot.events:
        left = (event.begins - snapshot.at).total_seconds() if event.begins else None
        yield Finding(
            "EC2_SCHEDULED_EVENT",
            settings.event.grade(left) or Severity.WARNING,
            f"{event.code or 'an event'} "
            + _when(left)
            + (f": {event.text}" if event.text else ""),
            subject=event.id or event.code,
            evidence=(
                Evidence("begins in", left, "s", settings.event.limit(Severity.WARNING)),
                Evidence("begins", event.begins.isoformat() if event.begins else None),
                Evidence("can be moved until", _moved(event)),
            ),
            likely=("the host is old or failing",) if "retirement" in event.code else (),
            against=(f"the group {snapshot.group} replaces it",) if snapshot.group else (),
            next="do it earlier at a time that suits: a stop and start moves it to another host",
            began=event.begins if left is not None and left <= 0 else None,
            resolution=TOLD,
        )


def _when(left: float | None) -> str:
    if left is None:
        return "at a time that is not told"
    return f"in {duration(left)}" if left > 0 else f"began {duration(-left)} ago"


def _moved(event: HostEvent) -> str | None:
    return event.deadline.isoformat() if event.deadline else None
