"""Findings about what the control plane says: the table's status, and its other regions."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import duration
from probes.began import LOOKS, POINTS, reached_since
from probes.dynamodb.model import Snapshot, of_hours
from probes.dynamodb.settings import Settings
from probes.metrics import held, mean, settled

_OK = frozenset({"ACTIVE"})
_MOVING = frozenset({"CREATING", "UPDATING", "ARCHIVING"})
_BAD = frozenset(
    {
        "DELETING",
        "ARCHIVED",
        "INACCESSIBLE_ENCRYPTION_CREDENTIALS",
        "REPLICATION_NOT_AUTHORIZED",
    }
)
_BAD_REPLICA = frozenset({"CREATION_FAILED", "REGION_DISABLED"})


def status(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The table is not in a state in which it serves as usual.

    DDB_TABLE_NOT_ACTIVE: It is gone, archived, cut off from its key (requests fail), or on its way
    between states for longer than `moving`.

    DDB_STATUS_UNKNOWN: A status, of the table, an index or a replica, that is not in the cockpit's
    table, so it is told as it is and not judged.
    """
    for index in snapshot.indexes:
        if index.status.upper() not in _OK | _MOVING | _BAD | {""}:
            yield _unknown(f"index {index.name}: ", index.status, subject=index.name)
    for replica in snapshot.replicas:
        if replica.status.upper() not in _OK | _MOVING | _BAD | _BAD_REPLICA | {""}:
            yield _unknown(f"replica {replica.region}: ", replica.status, subject=replica.region)
    state = snapshot.status.upper()
    if state in _OK:
        return
    since = snapshot.status_since
    lasted = None if since is None else (snapshot.at - since).total_seconds()
    shown = (Evidence("status", snapshot.status), Evidence("for", lasted, "s"))
    if state not in _MOVING | _BAD:
        yield _unknown("", snapshot.status, subject="")
        return
    severity = Severity.CRITICAL if state in _BAD else settings.moving.grade(lasted)
    if state == "ARCHIVING":
        severity = Severity.WARNING
    if severity is not None:
        yield Finding(
            "DDB_TABLE_NOT_ACTIVE",
            severity,
            f"the table is {snapshot.status}" + (f" for {duration(lasted)}" if lasted else ""),
            evidence=shown,
            likely=_STATUS_CAUSES.get(state, ("a capacity change that takes long", "a quota")),
            next="find who changed the table or its key in CloudTrail",
            began=snapshot.turned,
            resolution=LOOKS,
        )


def _unknown(where: str, status: str, *, subject: str) -> Finding:
    return Finding(
        "DDB_STATUS_UNKNOWN",
        Severity.WARNING,
        f"{where}the status {status} is not known to the cockpit",
        subject=subject,
        evidence=(Evidence("status", status),),
        next="look it up in the DynamoDB API reference",
    )


_STATUS_CAUSES = {
    "INACCESSIBLE_ENCRYPTION_CREDENTIALS": ("the KMS key was disabled or its policy changed",),
    "DELETING": ("somebody deleted the table",),
    "ARCHIVED": ("the KMS key was gone for seven days",),
}


def replication(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A replica in another region is late, or not there.

    Readers there see the past, and a failover to it loses what is missing. An idle table has no
    latency, which is fine.
    """
    for replica in snapshot.replicas:
        seen = settled(replica.latency, snapshot.at)
        severity = held(seen, settings.replication)
        state = replica.status.upper()
        if state in _MOVING | _BAD | _BAD_REPLICA:
            moving = state in {"CREATING", "UPDATING"}
            severity = Severity.WARNING if moving else Severity.CRITICAL
        if severity is None:
            continue
        late = mean(seen)
        told = f"replica {replica.region} is {replica.status or 'late'}"
        yield Finding(
            "DDB_REPLICATION_DELAYED",
            severity,
            told + (f", {duration(late / 1000)} behind" if late is not None else ""),
            subject=replica.region,
            evidence=(
                Evidence("status", replica.status or None),
                Evidence("latency", late, "ms", limit=settings.replication.first),
            ),
            likely=("trouble in the region", "the replica is throttled"),
            next="look at the table in the other region",
            fact=state in _MOVING | _BAD | _BAD_REPLICA,
            began=reached_since(of_hours(replica.latency, snapshot.at), settings.replication),
            resolution=POINTS,
        )
