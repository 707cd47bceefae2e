"""Up to when RDS can restore: backups with their logs, read with the instance or cluster.

Source: RDS User Guide, "Restoring a DB instance to a specified time": the latest restorable time is
within the last five minutes while all is well.
"""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.probe import RecoveryPoint
from probes.rds.model import Snapshot


def points(snapshot: Snapshot) -> Iterator[RecoveryPoint]:
    """One for a cluster, whose instances share it; else one for each instance that has backups."""
    cluster = snapshot.cluster
    told = [(cluster.id, cluster.restorable_until)] if cluster is not None else []
    told = told or [(each.id, each.restorable_until) for each in snapshot.instances]
    for name, until in told:
        if until is not None:
            behind = max(0.0, (snapshot.at - until).total_seconds())
            yield RecoveryPoint(f"backups of {name}", behind)
