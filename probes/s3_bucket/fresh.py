"""Findings about what did not come, what is not copied, and what does not protect the data."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count, duration
from probes.began import POINTS, TOLD, counted_since, reached_since
from probes.metrics import counted, latest, settled
from probes.s3_bucket.model import Upkeep
from probes.s3_bucket.settings import UpkeepSettings


def overdue(snapshot: Upkeep, settings: UpkeepSettings) -> Iterator[Finding]:
    """What must appear under the declared prefix has not.

    S3_STALE_PREFIX: The newest object is older than its period.

    REPORT_MISSING: A report is later than `report_late` behind its period: some stage before it
    broke (its schedule, its function, its query, its right to put it).

    ALB_LOGS_STOPPED: No log of a load balancer for `logs_silent`. Without traffic none is written.
    """
    if not snapshot.prefix or not snapshot.prefix_known:
        return
    old = None if snapshot.newest is None else (snapshot.at - snapshot.newest).total_seconds()
    found = _grade(snapshot, old, settings)
    if found is None:
        return
    code, severity = found
    told = f"the newest is {duration(old)} old" if old is not None else "nothing is there"
    yield Finding(
        code,
        severity,
        f"{snapshot.prefix}: {told}, every {duration(snapshot.prefix_every)} is expected",
        subject=snapshot.prefix_holds,
        evidence=(
            Evidence("prefix", snapshot.prefix),
            Evidence("newest", old, "s", limit=snapshot.prefix_every),
            Evidence("its size", snapshot.newest_size, "bytes"),
        ),
        likely=_CAUSES[code],
        against=_AGAINST.get(code, ()),
        next=_NEXT[code],
        fact=False,
        began=_due_since(snapshot),
        resolution=TOLD,
    )


def _due_since(snapshot: Upkeep) -> datetime | None:
    """When the first object was due that did not come."""
    if snapshot.newest is None or not snapshot.prefix_every:
        return None
    due = snapshot.newest + timedelta(seconds=snapshot.prefix_every)
    return due if due <= snapshot.at else None


_CAUSES = {
    "S3_STALE_PREFIX": ("what writes it stopped, fails, or is refused",),
    "REPORT_MISSING": (
        "its schedule is disabled or lost its target",
        "its function fails or times out",
        "its query fails",
        "it may not put the object",
    ),
    "ALB_LOGS_STOPPED": (
        "the bucket's policy does not let the balancer put any more",
        "access logs were switched off",
        "their prefix was changed",
    ),
}
_AGAINST = {"ALB_LOGS_STOPPED": ("without traffic none is written: look at the balancer",)}
_NEXT = {
    "S3_STALE_PREFIX": "look at what writes it",
    "REPORT_MISSING": "walk its stages: schedule, function, query, bucket, topic; the first broken "
    "one is the cause",
    "ALB_LOGS_STOPPED": "has the balancer traffic? then: the bucket's policy, and its attributes",
}


def _grade(
    snapshot: Upkeep, old: float | None, settings: UpkeepSettings
) -> tuple[str, Severity] | None:
    every = snapshot.prefix_every
    endless = old if old is not None else every + 10 * 86400
    match snapshot.prefix_holds:
        case "report":
            # an empty prefix says that there is none, not since when: both prefixes were looked at
            severity = settings.report_late.grade(endless - every)
            return None if severity is None else ("REPORT_MISSING", severity)
        case "alb-logs":
            severity = settings.logs_silent.grade(endless)
            limit = Severity.WARNING  # whether there was traffic is not seen here
            return None if severity is None else ("ALB_LOGS_STOPPED", min(severity, limit))
        case _:
            return None if endless <= every else ("S3_STALE_PREFIX", Severity.WARNING)


def replication(snapshot: Upkeep, settings: UpkeepSettings) -> Iterator[Finding]:
    """Copies do not follow.

    S3_REPLICATION_FAILED: Operations failed for good within the last half-hour: these objects have
    no copy, and none will come by itself.

    S3_REPLICATION_BEHIND: Copies are later than `replication`: a disaster now would lose so much.
    """
    for each in snapshot.rules:
        pending = settled(each.pending, snapshot.at, minutes=25)
        failed = counted(settled(each.failed, snapshot.at, minutes=25), pending)
        if failed:
            yield Finding(
                "S3_REPLICATION_FAILED",
                Severity.CRITICAL,
                f"{count(int(failed), 'operation')} to {each.destination} failed for good",
                subject=each.id,
                evidence=(
                    Evidence("rule", each.id),
                    Evidence("failed", failed),
                    Evidence("pending", latest(pending)),
                ),
                likely=(
                    "the role of the replication lost a right, at either bucket or key",
                    "the destination is gone, or not versioned any more",
                ),
                next="mend the right, then copy what is missing with S3 Batch Replication",
                fact=False,
                began=counted_since(settled(each.failed, snapshot.at, minutes=25), pending),
                resolution=POINTS,
            )
        behind = latest(settled(each.latency, snapshot.at, minutes=25))
        severity = settings.replication.grade(behind)
        if severity is not None and behind is not None:
            yield Finding(
                "S3_REPLICATION_BEHIND",
                severity,
                f"copies to {each.destination} are {duration(behind)} behind",
                subject=each.id,
                evidence=(
                    Evidence("rule", each.id),
                    Evidence("behind", behind, "s", limit=settings.replication.first),
                    Evidence("pending", latest(pending)),
                ),
                likely=("many or large objects came at once", "the destination's key is throttled"),
                next="does it shrink? else look at the rule's role and the destination",
                fact=False,
                began=reached_since(
                    settled(each.latency, snapshot.at, minutes=25), settings.replication
                ),
                resolution=POINTS,
            )


def review(snapshot: Upkeep, settings: UpkeepSettings) -> Iterator[Finding]:
    """What does not hurt now; a warning for a bucket that is declared `important`.

    S3_NOT_VERSIONED: What is deleted or overwritten is gone.

    S3_LOGGING_OFF: After an exposure nobody can tell who read what.

    S3_TLS_NOT_ENFORCED: No Deny for what comes without TLS.

    S3_NO_REPLICATION: There is one copy, in one region.
    """
    lacks = {
        "S3_NOT_VERSIONED": (
            "versioning",
            snapshot.versioning != "Enabled",
            f"versioning is {snapshot.versioning.lower() or 'off'}",
            "switch versioning on",
        ),
        "S3_LOGGING_OFF": (
            "logging",
            not snapshot.logging,
            "access logs are off",
            "switch access logs on, into another bucket",
        ),
        "S3_TLS_NOT_ENFORCED": (
            "policy",
            not snapshot.tls_only,
            "its policy lets requests without TLS in",
            "deny what comes without aws:SecureTransport",
        ),
        "S3_NO_REPLICATION": (
            "replication",
            not any(each.status == "Enabled" for each in snapshot.rules),
            "no rule of replication is enabled" if snapshot.rules else "nothing is replicated",
            "is one copy in one region enough?",
        ),
    }
    for code, (part, lacking, told, next_) in lacks.items():
        if lacking and part in snapshot.known:
            yield Finding(
                code,
                Severity.WARNING if snapshot.important else Severity.INFO,
                told,
                evidence=(Evidence("important", "yes" if snapshot.important else "no"),),
                next=next_,
            )
