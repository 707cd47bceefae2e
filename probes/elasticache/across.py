"""Global datastores: how far the copy in another region is behind.

Source: ElastiCache User Guide, "Metrics for Valkey and Redis OSS", GlobalDatastoreReplicationLag:
seconds, of all shards the largest. By which of its two names it is published the guide does not
say, so both are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.connect.session import AwsReads, Series
from cockpit.triage.finding import Evidence, Finding
from cockpit.units import duration
from probes.began import POINTS, reached_since
from probes.elasticache.model import Snapshot
from probes.elasticache.settings import Settings
from probes.metrics import NO_DATA, held, history, is_blind, peak, query, settled

LAG = "GlobalDatastoreReplicationLag"


async def lag_of(aws: AwsReads, snapshot: Snapshot) -> Series:
    """The lag of its global datastore; nothing where it belongs to none."""
    if not snapshot.global_id:
        return NO_DATA
    asked = (
        query("AWS/ElastiCache", LAG, "Maximum", ReplicationGroupId=snapshot.id),
        query("AWS/ElastiCache", LAG, "Maximum", GlobalReplicationGroupId=snapshot.global_id),
    )
    found = await aws.metrics(asked)
    series = [found.get(each, NO_DATA) for each in asked]
    return next((each for each in series if each.values or is_blind(each)), series[0])


def behind(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The copies of a global datastore are behind its primary region.

    Readers there see the past, and a failover to that region loses what has not arrived.
    """
    seen = settled(snapshot.global_lag, snapshot.at)
    severity, value = held(seen, settings.global_lag), peak(seen)
    if severity is None or value is None:
        return
    yield Finding(
        "CACHE_GLOBAL_LAG",
        severity,
        f"the global datastore {snapshot.global_id} is {duration(value)} behind",
        subject=snapshot.global_id,
        evidence=(
            Evidence("lag", value, "s", limit=settings.global_lag.first, history=history(seen)),
            Evidence("this region is", snapshot.global_role.lower() or None),
        ),
        likely=("a burst of writes", "the network between the regions", "a full synchronisation"),
        against=("what is behind is lost by a failover to the other region",),
        next="look at the writes of the primary, and at AWS Health of both regions",
        fact=False,
        began=reached_since(
            settled(snapshot.global_lag, snapshot.at, minutes=15), settings.global_lag
        ),
        resolution=POINTS,
    )
