"""On-demand tables whose traffic grew over what they can take at once.

Source: DynamoDB Developer Guide, "Understanding DynamoDB warm throughput": what a table or an index
can take right away; it grows with use, and a larger value may be set beforehand (pre-warming).
"""

from __future__ import annotations

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import number
from probes.dynamodb.model import ON_DEMAND, Lane, Snapshot, demand


def over_warm(snapshot: Snapshot, lane: Lane) -> bool:
    """Whether an on-demand lane was asked for more than it can take at once."""
    wanted = demand(lane, snapshot.at)
    warm = lane.warm
    return snapshot.billing_mode == ON_DEMAND and bool(warm) and (wanted or 0) >= (warm or 0)


def too_cold(
    snapshot: Snapshot, lane: Lane, severity: Severity, evidence: tuple[Evidence, ...]
) -> Finding:
    """More came than the on-demand table can take at once: its traffic grew faster than it does.

    No key is to blame: requests are throttled until the table has grown, which takes minutes. Where
    the growth is known beforehand, a larger warm throughput is set before it.
    """
    wanted = demand(lane, snapshot.at) or 0
    return Finding(
        "DDB_WARM_THROUGHPUT",
        severity,
        f"{lane.name}s are throttled: {number(round(wanted))} units/s asked for, the table can take"
        f" {number(lane.warm or 0)} at once",
        subject=lane.name,
        evidence=(Evidence("warm throughput", lane.warm, "units/s"), *evidence),
        likely=("traffic grew faster than the table grows", "a load test, a release or a backfill"),
        against=("a hot key may be beneath it: the reasons tell the two apart only in part",),
        next="slow the callers down, or set a larger warm throughput (UpdateTable; it costs once)",
    )
