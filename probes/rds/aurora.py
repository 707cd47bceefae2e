"""Findings about the storage of Aurora: what the instances have of their own, and what is left of
the cluster's volume.

Source: Aurora User Guide, "Amazon CloudWatch metrics for Amazon Aurora".
"""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding
from cockpit.units import size
from probes.metrics import history, lowest, settled
from probes.rds.model import Instance, Snapshot
from probes.rds.settings import Settings

LOCAL = "FreeLocalStorage"
VOLUME = "AuroraVolumeBytesLeftTotal"
"""Of the cluster, and published for Aurora MySQL only."""


def aurora(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Every finding about Aurora's storage."""
    for instance in snapshot.instances:
        yield from _local(snapshot, instance, settings)
    yield from _volume(snapshot, settings)


def _local(snapshot: Snapshot, instance: Instance, settings: Settings) -> Iterator[Finding]:
    """Little is left of the storage that an Aurora instance has of its own.

    Temporary tables, sorts and logs lie there, and it grows only with the instance's class: at zero
    statements fail with "no space", while the cluster's volume has room.
    """
    seen = settled(instance.series(LOCAL), snapshot.at)
    free = lowest(seen)
    severity = settings.local_storage.grade(free)
    if severity is None or free is None:
        return
    yield Finding(
        "RDS_LOCAL_STORAGE_LOW",
        severity,
        f"{instance.id}: {size(free)} of its local storage left",
        subject=instance.id,
        evidence=(
            Evidence("free", free, "bytes", settings.local_storage.first, history(seen)),
            Evidence("class", instance.db_class or None),
        ),
        likely=(
            "a statement that sorts or joins on disk",
            "temporary tables of a long transaction",
            "logs that are kept, or written at a fine level",
        ),
        next="find the statements with temporary files; a larger class has more of it",
        fact=False,
    )


def _volume(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The volume of an Aurora MySQL cluster comes to its largest size.

    It grows by itself up to that size. At zero the cluster takes no more writes: "out of space".
    """
    seen = settled(snapshot.volume_left, snapshot.at, minutes=30)
    left = lowest(seen)
    severity = settings.volume_left.grade(left)
    if severity is None or left is None:
        return
    yield Finding(
        "RDS_STORAGE_LOW",
        severity,
        f"{snapshot.id}: {size(left)} left until the cluster's volume is at its largest size",
        subject=snapshot.id,
        evidence=(Evidence("left", left, "bytes", settings.volume_left.first, history(seen)),),
        likely=("real growth", "tables that were dropped in part only", "undo of an old read view"),
        next="find the largest tables; space of dropped ones is given back by newer versions only",
        fact=False,
    )
